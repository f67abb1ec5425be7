"""`.weights.h5` files: ours read by Keras, Keras's read by us, for models of the same text."""

import warnings

import h5py
import numpy as np
import pytest

import kerasette
from kerasette import saving
from kerasette.errors import InvalidType, InvalidValue, LoadError, MissingFile
from tests.keras_oracle import keras, keras_floats

# name -> text that builds `model` from `L` (layers), Model, Sequential, Input; shapes of the inputs
ARCHITECTURES = {
    "mlp": (
        "x = Input((4,));"
        "model = Model(x, L.Dense(3, activation='softmax')(L.Dense(8, activation='tanh')(x)))",
        [(4,)],
    ),
    "sequential": (
        "model = Sequential([Input((4,)), L.Dense(5), L.Dropout(0.5), L.Dense(2, use_bias=False)])",
        [(4,)],
    ),
    "batch normalization": (
        "model = Sequential([Input((6,)), L.BatchNormalization(), L.Dense(4),"
        " L.BatchNormalization(scale=False), L.BatchNormalization(center=False), L.LayerNormalization()])",
        [(6,)],
    ),
    "activations": (
        "x = Input((3, 4)); y = L.PReLU()(x); y = L.PReLU(shared_axes=[1])(L.LeakyReLU()(L.ELU()(y)));"
        "model = Model(x, L.Softmax()(L.ReLU()(y)))",
        [(3, 4)],
    ),
    "shared": (
        "a, b = Input((4,)), Input((4,)); d = L.Dense(4, name='twice');"
        "model = Model([a, b], L.Dense(2)(d(a) + d(d(b)) * 2.0))",
        [(4,), (4,)],
    ),
    "nested": (
        "i = Input((4,)); inner = Model(i, L.PReLU()(L.Dense(4)(i)));"
        "chain = Sequential([Input((4,)), L.Dense(4), L.BatchNormalization(), L.Dense(4)]);"
        "x = Input((4,)); y = chain(inner(x)); y = inner(y) - chain(x); model = Model(x, L.Dense(2)(y))",
        [(4,)],
    ),
    "nested twice": (
        "core = Sequential([Input((3,)), L.Dense(3)]); model = Sequential([Input((3,)), L.Dense(3),"
        " Sequential([Input((3,)), core, L.Dense(3)]), core, L.Dense(1)])",
        [(3,)],
    ),
    "merges": (
        "a, b = Input((4,)), Input((4,)); h, k = L.Dense(4)(a), L.Dense(4)(b);"
        "y = L.Concatenate()([L.Add()([h, k]), L.Multiply()([h, k]), L.Maximum()([h, k])]);"
        "model = Model([a, b], [L.Dense(2)(y), L.Dot(axes=1)([h, k])])",
        [(4,), (4,)],
    ),
    "noise": (
        "x = Input((5, 4)); y = L.GaussianNoise(0.1)(L.SpatialDropout1D(0.2)(x)); y = L.AlphaDropout(0.1)(y);"
        "model = Model(x, L.Dense(2)(L.Flatten()(y)))",
        [(5, 4)],
    ),
    "shapes": (
        "x = Input((6,)); y = L.Permute((2, 1))(L.Reshape((2, 3))(x)); y = L.Dense(2)(y)[:, 1:];"
        "model = Model(x, L.Dense(2)(L.UnitNormalization()(L.Flatten()(y))))",
        [(6,)],
    ),
    "normalization": (
        "n = L.Normalization(); n.adapt(np.arange(20.0).reshape(5, 4).astype('float32')); x = Input((4,));"
        "model = Model(x, L.Dense(2)(n(L.Rescaling(0.5)(x))))",
        [(4,)],
    ),
    "large": ("model = Sequential([Input((400,)), L.Dense(900), L.Dense(3)])", [(400,)]),
}


def build(library, text):
    """Returns the model that `text` describes, made by kerasette or keras."""
    names = {name: getattr(library, name) for name in ("Model", "Sequential", "Input")}
    scope = {"L": library.layers, "np": np, **names}
    exec(text, scope)
    return scope["model"]


def scramble(model, seed=0):
    """Gives every weight a random positive value; the count of Normalization stays whole."""
    rng = np.random.default_rng(seed)
    weights = model.get_weights()
    model.set_weights([rng.uniform(0.5, 1.5, w.shape).astype(w.dtype) if w.ndim else w for w in weights])


def assert_same(ours, theirs, shapes):
    """Compares weights bit for bit, and predictions."""
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        assert np.array_equal(mine, other)
    x = [np.random.default_rng(1).normal(size=(3, *shape)).astype("float32") for shape in shapes]
    x = x if len(x) > 1 else x[0]
    mine, other = ours.predict(x, verbose=0), theirs(x)  # its predict keeps the statistics of the first call
    as_list = lambda y: y if isinstance(y, (list, tuple)) else [y]  # noqa: E731
    for a, b in zip(as_list(mine), as_list(other), strict=True):
        np.testing.assert_allclose(a, np.asarray(b), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_exchange_with_keras(name, tmp_path):
    text, shapes = ARCHITECTURES[name]
    ours, theirs = build(kerasette, text), build(keras(), text)
    path = tmp_path / "w.weights.h5"
    scramble(ours, 1)
    ours.save_weights(path)
    theirs.load_weights(path)
    assert_same(ours, theirs, shapes)
    scramble(theirs, 2)
    theirs.save_weights(path)
    theirs.load_weights(path)  # Keras's Normalization takes up new statistics only when it loads
    ours.load_weights(str(path))
    assert_same(ours, theirs, shapes)


def names_in(path):
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.__setitem__(name, dict(item.attrs).get("name")))
    return found


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_groups_are_those_of_keras(name, tmp_path):
    text, _ = ARCHITECTURES[name]
    kerasette.registry.reset_names()
    keras().backend.clear_session()
    build(kerasette, text).save_weights(tmp_path / "a.weights.h5")
    build(keras(), text).save_weights(tmp_path / "b.weights.h5")
    ours, theirs = names_in(tmp_path / "a.weights.h5"), names_in(tmp_path / "b.weights.h5")
    assert ours.keys() == theirs.keys()
    if "functional" not in "".join(ours):
        assert ours == theirs
    with h5py.File(tmp_path / "a.weights.h5") as a, h5py.File(tmp_path / "b.weights.h5") as b:
        for item in ours:
            if isinstance(a[item], h5py.Dataset):
                assert (a[item].shape, a[item].dtype) == (b[item].shape, b[item].dtype), item


def test_trained_models_of_keras_hold_an_optimizer_too(tmp_path):
    text, shapes = ARCHITECTURES["mlp"]
    ours, theirs = build(kerasette, text), build(keras(), text)
    theirs.compile("adam", "mse")
    theirs.fit(np.ones((4, 4)), np.ones((4, 3)), verbose=0)
    theirs.save_weights(tmp_path / "w.weights.h5")
    ours.load_weights(tmp_path / "w.weights.h5")
    assert_same(ours, theirs, shapes)
    scramble(ours)
    ours.save_weights(tmp_path / "w.weights.h5")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras says that the file has no optimizer
        theirs.load_weights(tmp_path / "w.weights.h5")
    assert_same(ours, theirs, shapes)


def test_half_precision_and_double(tmp_path):
    text, _ = ARCHITECTURES["mlp"]
    ours = build(kerasette, text)
    for dtype in ("float64", "float16", "bfloat16"):
        with keras_floats(dtype):
            theirs = build(keras(), text)
            scramble(theirs) if dtype != "bfloat16" else None
            theirs.save_weights(tmp_path / "w.weights.h5")
        ours.load_weights(tmp_path / "w.weights.h5")
        for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            assert mine.dtype == np.float32
            assert np.array_equal(mine, np.asarray(other).astype(np.float32)), dtype


def test_models_on_another_backend(tmp_path, standin):
    text, _ = ARCHITECTURES["nested"]
    model, other = build(kerasette, text), build(kerasette, text)
    scramble(model)
    model.save_weights(tmp_path / "w.weights.h5")
    other.load_weights(tmp_path / "w.weights.h5")
    assert isinstance(other.weights[0].value, standin.ndarray)
    assert all(np.array_equal(a, b) for a, b in zip(other.get_weights(), model.get_weights(), strict=True))


def test_older_files(tmp_path):
    """States of random generators, and the name of the root group in TensorFlow 2.13."""
    model = build(kerasette, ARCHITECTURES["sequential"][0])
    scramble(model)
    before = model.get_weights()
    path = tmp_path / "w.weights.h5"
    model.save_weights(path)
    with h5py.File(path, "r+") as file:
        file["layers/dropout/seed_generator/vars/0"] = np.array([1, 2], np.uint32)
        file["optimizer/vars/0"] = np.int64(3)
        file.move("layers", "_layer_checkpoint_dependencies")
    scramble(model, 5)
    model.load_weights(path)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))


# ---------------------------------------------------------------- what doesn't fit


def dense(*units, size=4, names=()):
    pairs = zip(units, names or [None] * len(units), strict=True)
    layers = [kerasette.layers.Dense(n, name=name) for n, name in pairs]
    return kerasette.Sequential([kerasette.Input((size,)), *layers], name="model")


def test_all_mismatches_in_one_message(tmp_path):
    path = tmp_path / "w.weights.h5"
    dense(8, 3, 2).save_weights(path)
    model = dense(9, 3, names=("first", "second"))
    before = model.get_weights()
    with pytest.raises(LoadError) as caught:
        model.load_weights(path)
    text = str(caught.value)
    for line in ("first/kernel: (4, 8) / (4, 9)", "first/bias: (8,) / (9,)"):
        assert line in text
    assert "second/kernel: (8, 3) / (9, 3)" in text
    assert "layers/dense_2/vars/0: (3, 2) / no such layer" in text
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))


def test_many_mismatches_stay_short(tmp_path):
    path = tmp_path / "w.weights.h5"
    dense(*[3] * 40).save_weights(path)
    with pytest.raises(LoadError, match=r"and \d+ more") as caught:
        dense(*[5] * 40).load_weights(path)
    assert len(str(caught.value)) <= 400 + len(str(path))


def test_missing_layers(tmp_path):
    path = tmp_path / "w.weights.h5"
    dense(3).save_weights(path)
    with pytest.raises(LoadError, match=r"second/kernel: missing / \(3, 2\)"):
        dense(3, 2, names=("first", "second")).load_weights(path)


def test_skip_mismatch_takes_whole_layers(tmp_path):
    path = tmp_path / "w.weights.h5"
    source, model = dense(3, 5, 2), dense(3, 6, 2)
    source.save_weights(path)
    before = model.get_weights()
    with pytest.warns(UserWarning, match="left as they are"):
        model.load_weights(path, skip_mismatch=True)
    after, given = model.get_weights(), source.get_weights()
    assert np.array_equal(after[0], given[0]) and np.array_equal(after[1], given[1])
    assert all(np.array_equal(after[k], before[k]) for k in range(2, 6))  # dense_2: its bias alone would fit


def test_layers_without_weights_may_come_and_go(tmp_path):
    path = tmp_path / "w.weights.h5"
    source = dense(3)
    source.save_weights(path)
    layers = kerasette.layers
    model = kerasette.Sequential([kerasette.Input((4,)), layers.Dropout(0.5), layers.Dense(3)])
    model.load_weights(path)
    assert np.array_equal(model.get_weights()[0], source.get_weights()[0])


def test_nan_is_told(tmp_path):
    model = dense(3, 2, names=("good", "bad"))
    weights = model.get_weights()
    weights[2][0, 0] = np.nan
    model.set_weights(weights)
    model.save_weights(tmp_path / "w.weights.h5")
    with pytest.warns(UserWarning, match="NaN or infinite weights in bad"):
        dense(3, 2, names=("good", "bad")).load_weights(tmp_path / "w.weights.h5")


def test_arguments(tmp_path):
    model = dense(3)
    path = tmp_path / "model.weights.h5"
    for call, name in ((model.save_weights, "w.h5"), (model.load_weights, "w.npz")):
        with pytest.raises(InvalidValue, match=r"ends in '\.weights\.h5'"):
            call(tmp_path / name)
        with pytest.raises(InvalidType, match="filepath"):
            call(3)
    with pytest.raises(MissingFile, match="no file"):
        model.load_weights(path)
    with pytest.raises(FileNotFoundError, match="directory"):
        model.save_weights(tmp_path / "nowhere" / "w.weights.h5")
    model.save_weights(path)
    with pytest.raises(MissingFile, match=r"Nearby: 'model\.weights\.h5'"):
        model.load_weights(tmp_path / "modell.weights.h5")
    with pytest.raises(InvalidValue, match="overwrite"):
        model.save_weights(path, overwrite=False)
    model.save_weights(path, overwrite=True)
    unbuilt = kerasette.Sequential([kerasette.layers.Dense(3)])
    with pytest.raises(InvalidValue, match="no weights yet"):
        unbuilt.save_weights(path)
    with pytest.raises(InvalidValue, match="no weights yet"):
        unbuilt.load_weights(path)


def test_public_names():
    assert sorted(saving.__all__) == saving.__all__
    assert all(hasattr(saving, name) for name in saving.__all__)
