"""Files that many versions of Keras wrote (tools/make_golden.py): they predict and train on as there."""

import tarfile
import warnings
from pathlib import Path

import numpy as np
import pytest

import kerasette
from kerasette import layers
from kerasette.errors import LoadError

FOLDER = Path(__file__).parent / "golden"
VERSIONS = sorted(path.name.removesuffix(".tar.xz") for path in FOLDER.glob("*.tar.xz"))
NEEDS = {  # model -> layers without which it can't be opened
    "convnet": (
        "Conv2D",
        "Conv2DTranspose",
        "DepthwiseConv2D",
        "SeparableConv2D",
        "MaxPooling2D",
        "ZeroPadding2D",
    ),
    "lstm": ("Embedding", "LSTM", "GRU"),
    "bidirectional": ("Bidirectional", "LSTM", "SimpleRNN", "TimeDistributed"),
    "attention": ("MultiHeadAttention", "GlobalAveragePooling1D"),
}
# (model, begin of the version) -> why training on can't give the same there
DIFFERENT = {
    ("mlp", "keras-3.0"): "Keras 3.0 on JAX counts penalties of weights twice",
    ("mlp", "keras-3.1"): "and so does 3.1",
    ("operators", "tf_keras"): "Keras 2's Nadam multiplies its product once for each variable",
}


def members(version):
    """Returns the names of the files in a version's archive."""
    with tarfile.open(FOLDER / f"{version}.tar.xz") as archive:
        return archive.getnames()


FILES = [(version, name) for version in VERSIONS for name in members(version) if not name.endswith(".npz")]
MODELS = [(version, name) for version, name in FILES if name.count(".") == 1 and not name.endswith(".hdf5")]
WEIGHTS = [(version, name) for version, name in FILES if (version, name) not in MODELS]


@pytest.fixture
def golden(tmp_path):
    """A function from (version, file) to the file's path and the data that belong to it."""

    def unpack(version, name):
        model = name.split(".")[0]
        for layer in NEEDS.get(model, ()):
            if getattr(layers, layer, None) is None:
                pytest.skip(f"kerasette has no {layer} yet")
        with tarfile.open(FOLDER / f"{version}.tar.xz") as archive:
            archive.extractall(tmp_path, [name, f"{model}.npz", f"{model}.keras"], filter="data")
        with np.load(tmp_path / f"{model}.npz") as data:
            groups = {key: [data[f"{key}{n}"] for n in range(9) if f"{key}{n}" in data] for key in KEYS}
        return tmp_path / name, groups

    return unpack


# (model, begin of the version) -> why the file doesn't hold the model that was saved, for Keras neither
LOST = {("functional", "keras-3.2."): "Keras 3.2 writes each call of a shared layer as the first one"}
KEYS = ("x", "y", "before", "after")


def alone(values):
    return values if len(values) > 1 else values[0]


def predictions(model, x):
    y = model.predict(alone(x), verbose=0)
    return y if isinstance(y, list) else [y]


def assert_close(mine, theirs, **tolerances):
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(a, b, **tolerances)


def test_there_are_files_of_many_versions():
    assert len(VERSIONS) >= 8
    assert all(path.stat().st_size <= 100_000 for path in FOLDER.iterdir())


def is_in(table, version, name):
    return any(name.startswith(f"{one}.") and version.startswith(begin) for one, begin in table)


@pytest.mark.parametrize(("version", "name"), MODELS, ids=lambda value: value)
def test_whole_models(golden, version, name):
    path, data = golden(version, name)
    if is_in(LOST, version, name):
        with pytest.raises(LoadError, match=r"forgot later calls of inner, shared:"):
            kerasette.models.load_model(path, strict=True)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = kerasette.models.load_model(path)
    assert_close(predictions(model, data["x"]), data["before"], rtol=1e-5, atol=1e-5)
    if is_in(DIFFERENT, version, name):
        return
    model.fit(alone(data["x"]), alone(data["y"]), batch_size=8, epochs=2, shuffle=False, verbose=0)
    assert_close(predictions(model, data["x"]), data["after"], rtol=1e-3, atol=5e-5)


@pytest.mark.parametrize(("version", "name"), WEIGHTS, ids=lambda value: value)
def test_weights_alone(golden, version, name):
    path, data = golden(version, name)
    if is_in(LOST, version, name):
        pytest.skip(LOST["functional", "keras-3.2."])
    model = kerasette.models.load_model(path.parent / f"{name.split('.')[0]}.keras", compile=False)
    before = model.get_weights()
    model.set_weights([np.zeros_like(weight) for weight in before])
    model.load_weights(path)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))
    assert_close(predictions(model, data["x"]), data["before"], rtol=1e-5, atol=1e-5)
    if not name.endswith(".weights.h5"):
        model.set_weights([np.zeros_like(weight) for weight in before])
        model.load_weights(path, by_name=True)
        assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))


@pytest.mark.parametrize("version", VERSIONS)
def test_damage_is_never_more_than_a_load_error(golden, version):
    """Every tenth byte from a random place on: a LoadError, or a model."""
    path, _ = golden(version, "mlp.keras")
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for end in rng.integers(0, len(whole), 5):
        path.write_bytes(whole[:end])
        with pytest.raises(LoadError) as caught:
            kerasette.models.load_model(path)
        assert len(str(caught.value)) <= 400
