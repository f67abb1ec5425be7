"""`.weights.h5` files: ours read by Keras, Keras's read by us, for the same text of model in both libraries."""

import warnings

import h5py
import numpy as np
import pytest

import kerasette
from kerasette import saving
from kerasette.errors import InvalidType, InvalidValue, LoadError, MissingFile
from tests.keras_oracle import keras

# name -> text that builds `model` from `L` (layers), Model, Sequential, Input; shapes of the inputs
ARCHITECTURES = {
    "mlp": ("x = Input((4,)); model = Model(x, L.Dense(3, activation='softmax')(L.Dense(8, activation='tanh')(x)))", [(4,)]),
    "sequential": ("model = Sequential([Input((4,)), L.Dense(5), L.Dropout(0.5), L.Dense(2, use_bias=False)])", [(4,)]),
    "batch normalization": (
        "model = Sequential([Input((6,)), L.BatchNormalization(), L.Dense(4), L.BatchNormalization(scale=False),"
        " L.BatchNormalization(center=False), L.LayerNormalization()])",
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
    model.set_weights([rng.uniform(0.5, 1.5, w.shape).astype(w.dtype) if w.ndim else w for w in model.get_weights()])


def assert_same(ours, theirs, shapes):
    """Compares weights bit for bit, and predictions."""
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        assert np.array_equal(mine, other)
    x = [np.random.default_rng(1).normal(size=(3, *shape)).astype("float32") for shape in shapes]
    x = x if len(x) > 1 else x[0]
    mine, other = ours.predict(x, verbose=0), theirs.predict(x, verbose=0)
    as_list = lambda y: y if isinstance(y, (list, tuple)) else [y]  # noqa: E731
    for a, b in zip(as_list(mine), as_list(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


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
        for name in ours:
            if isinstance(a[name], h5py.Dataset):
                assert (a[name].shape, a[name].dtype) == (b[name].shape, b[name].dtype), name
