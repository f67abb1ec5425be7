"""Whole-model files: samples that prove them, what is refused, arguments, checkpoints."""

import json
import warnings
import zipfile

import h5py
import numpy as np
import pytest

import kerasette
from kerasette import Input, Model, Sequential, layers
from kerasette.errors import InvalidType, InvalidValue, LoadError, MissingFile
from kerasette.models import load_model
from tests.keras_oracle import keras
from tests.test_keras_files import ENDINGS, assert_close, predictions, quiet_load, trained

# ---------------------------------------------------------------- files that prove themselves


def edit(path, member, change):
    """Changes a JSON member of an archive."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    value = json.loads(parts[member])
    change(value)
    parts[member] = json.dumps(value).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


@pytest.mark.parametrize("ending", ENDINGS)
def test_samples_are_compared_and_keras_passes_them_over(ending, tmp_path):
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    model = trained(kerasette, "Adam")
    path = tmp_path / f"m{ending}"
    model.save(path, sample=x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_model(path, strict=True)
    assert_close(predictions(quiet_load(keras(), path), [x]), predictions(model, [x]))
    if ending == ".h5":
        with h5py.File(path, "r+") as file:
            file["kerasette/sample/outputs/0"][2, 1] += 0.5
            del file["kerasette/sample/outputs/0"].attrs["crc32"]
    else:
        tanh = {"activation": "sigmoid"}
        edit(path, "config.json", lambda c: c["config"]["layers"][2]["config"].update(tanh))
    with pytest.warns(UserWarning, match="off by up to"):
        load_model(path)
    with pytest.raises(LoadError, match="off by up to"):
        load_model(path, strict=True)


def test_samples_of_several_inputs_and_wrong_ones(tmp_path):
    a, b = Input((2,), name="a"), Input((3,), name="b", dtype="int32")
    model = Model({"a": a, "b": b}, [layers.Dense(2)(a), layers.Dense(1)(b)])
    good = {"a": np.ones((2, 2)), "b": np.ones((2, 3))}
    model.save(tmp_path / "m.keras", sample=good)
    load_model(tmp_path / "m.keras", strict=True)
    for bad in (np.ones((2, 2)), {"a": np.ones((2, 2))}, {**good, "a": np.ones((300, 2))}):
        with pytest.raises(InvalidValue, match="sample"):
            model.save(tmp_path / "m.keras", sample=bad)


# ---------------------------------------------------------------- what is refused


def simple(path, **changes):
    model = Sequential([Input((4,)), layers.Dense(3, name="one"), layers.Dense(2, name="two")])
    model.compile("adam", "mse")
    model.save(path)
    return model


REFUSED = {
    "all that is missing": (
        lambda c: [c["config"]["layers"][k].update(class_name=n) for k, n in ((1, "Foo"), (2, "Bar"))],
        "Unknown layers: Foo, Bar",
    ),
    "one that is missing": (
        lambda c: c["config"]["layers"][1].update(class_name="Dens"),
        "Did you mean 'Dense'",
    ),
    "more than it stores": (lambda c: c["config"]["layers"][1]["config"].update(units=2**28), "parameters"),
    "another loss": (lambda c: c["compile_config"].update(loss="mess"), "compile=False"),
    "a loss of another kind": (
        lambda c: c["compile_config"].update(loss={"class_name": "Dense", "config": {"units": 3}}),
        "compile=False",
    ),
    "another optimizer": (
        lambda c: c["compile_config"].update(optimizer={"class_name": "Lamb", "config": {}}),
        "Lamb",
    ),
    "an unknown key": (lambda c: c["compile_config"].update(run="os.system"), "unknown key 'run'"),
    "another shape": (lambda c: c["config"]["layers"][1]["config"].update(units=2), "one/kernel"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, tmp_path):
    change, words = REFUSED[name]
    simple(tmp_path / "m.keras")
    edit(tmp_path / "m.keras", "config.json", change)
    with pytest.raises(LoadError, match=words) as caught:
        load_model(tmp_path / "m.keras")
    assert len(str(caught.value)) <= 400


def test_newer_versions_are_warned_of(tmp_path):
    simple(tmp_path / "m.keras")
    edit(tmp_path / "m.keras", "metadata.json", lambda c: c.update(keras_version="9.1.0"))
    with pytest.warns(UserWarning, match=r"Keras 9\.1\.0"):
        load_model(tmp_path / "m.keras")
    with pytest.raises(LoadError, match=r"Keras 9\.1\.0"):
        load_model(tmp_path / "m.keras", strict=True)


@pytest.mark.parametrize("ending", ENDINGS)
def test_weights_that_are_no_numbers(ending, tmp_path):
    model = simple(tmp_path / "x.keras")
    model.layers[1].kernel.value[0, 0] = np.nan
    model.save(tmp_path / f"m{ending}")
    with pytest.warns(UserWarning, match="NaN or infinite weights in two"):
        load_model(tmp_path / f"m{ending}")
    with pytest.raises(LoadError, match="NaN or infinite weights in two"):
        load_model(tmp_path / f"m{ending}", strict=True)


def test_arguments(tmp_path):
    model = simple(tmp_path / "m.keras")
    with pytest.raises(InvalidValue, match="exists and overwrite is False"):
        model.save(tmp_path / "m.keras", overwrite=False)
    with pytest.raises(InvalidValue, match=r"ends in '\.keras' or '\.h5'"):
        model.save(tmp_path / "m.zip")
    with pytest.raises(InvalidValue, match="save_weights"):
        model.save(tmp_path / "m.weights.h5")
    with pytest.raises(InvalidType):
        model.save(3)
    with pytest.raises(InvalidValue, match="no weights yet"):
        Sequential([layers.Dense(2)]).save(tmp_path / "n.keras")
    with pytest.raises(MissingFile, match="directory"):
        model.save(tmp_path / "no" / "m.keras")
    with pytest.raises(MissingFile, match=r"Nearby: 'm\.keras'"):
        load_model(tmp_path / "n.keras")
    with pytest.raises(LoadError, match="weights and no model"):
        model.save_weights(tmp_path / "w.weights.h5")
        load_model(tmp_path / "w.weights.h5")
    model.load_weights(tmp_path / "m.keras")
    with pytest.raises(InvalidValue, match="by_name"):
        model.load_weights(tmp_path / "w.weights.h5", by_name=True)


def test_damaged_archives(tmp_path):
    path = tmp_path / "m.keras"
    simple(path)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for end in rng.integers(0, len(whole), 40):
        path.write_bytes(whole[:end])
        with pytest.raises(LoadError):
            load_model(path)
    for place in rng.integers(0, len(whole), 100):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        try:
            load_model(path)
        except LoadError as problem:
            assert len(str(problem)) <= 400


def test_checkpoints_are_whole_models(tmp_path):
    model = trained(kerasette, "Adam")
    x, y = np.ones((8, 4)), np.zeros((8, 2))
    checkpoint = kerasette.callbacks.ModelCheckpoint(tmp_path / "m-{epoch}.keras")
    model.fit(x, y, epochs=3, verbose=0, callbacks=[checkpoint])
    other = load_model(tmp_path / "m-3.keras")
    assert other.optimizer.iterations == 3
    assert_close(predictions(other, [x]), predictions(model, [x]), 0)
    with pytest.raises(InvalidValue, match=r"'\.keras' or '\.h5'"):
        kerasette.callbacks.ModelCheckpoint("m.weights.h5")
