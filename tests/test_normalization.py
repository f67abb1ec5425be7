"""Normalization: statistics in two passes, what is folded and what is frozen, and what is refused."""

import numpy as np
import pytest

import kerasette
from kerasette import layers
from kerasette.errors import InvalidType, InvalidValue
from kerasette.graph import Context
from tests import keras_oracle


def trained(layer, x):
    """Returns the output of one training step, the moving averages folded in."""
    return layer(x, training=True)


def test_batch_normalization_in_two_passes():
    x = (1e5 + np.random.default_rng(0).standard_normal((256, 4))).astype("float32")
    y = trained(layers.BatchNormalization(), x)
    assert np.allclose(y.std(0), 1, atol=0.01)
    assert np.allclose(y.mean(0), 0, atol=0.01)


@pytest.mark.parametrize("shape", [(3, 96, 96, 8), (3, 8, 96, 96), (3, 8)])
def test_group_normalization_in_two_passes(shape):
    """At a mean of 1e5 and over many positions: as exact as float32 input allows, in both layouts."""
    axis = shape.index(8)
    x = (1e5 + np.random.default_rng(0).standard_normal(shape)).astype("float32")
    y = layers.GroupNormalization(groups=2, axis=axis)(x)
    parts = np.moveaxis(x.astype("float64"), axis, -1).reshape(3, -1, 2, 4)
    wanted = parts - parts.mean((1, 3), keepdims=True)
    wanted /= np.sqrt(wanted.var((1, 3), keepdims=True) + 1e-3)
    found = np.moveaxis(y, axis, -1).reshape(parts.shape)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_group_normalization_of_one_group_and_of_one_channel_each():
    x = np.random.default_rng(0).standard_normal((4, 5, 6)).astype("float32")
    wanted = layers.LayerNormalization(axis=[1, 2])(x)
    np.testing.assert_allclose(layers.GroupNormalization(groups=1)(x), wanted, atol=1e-5)
    single = layers.GroupNormalization(groups=-1)
    np.testing.assert_allclose(single(x).mean(1), 0.0, atol=1e-6)
    assert single.get_config()["groups"] == -1 and single.gamma.shape == (6,)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"groups": 4}, "divisor of 6"),
        ({"groups": 0}, "groups"),
        ({"axis": 0}, "batch"),
        ({"axis": [1]}, "axis"),
    ],
)
def test_group_normalization_refuses(arguments, told):
    with pytest.raises((InvalidValue, InvalidType), match=told):
        layers.GroupNormalization(**{"groups": 2, **arguments})(np.ones((2, 5, 6)))


def test_batch_normalization_folds_biased_statistics():
    x = np.array([[1.0], [3.0]], "float32")
    layer = layers.BatchNormalization(momentum=0.9)
    trained(layer, x)
    assert np.allclose(layer.moving_mean.numpy(), 0.1 * 2)
    assert np.allclose(layer.moving_variance.numpy(), 0.9 + 0.1 * 1)
    layer(x)
    assert np.allclose(layer.moving_mean.numpy(), 0.2)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", [(0, 4), (0, 3, 4), (3, 0, 4)])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", ["BatchNormalization", "GroupNormalization", "LayerNormalization"])
def test_nothing_is_normalized_to_nothing(name, shape, training):
    """Keras's output is as empty; but there BatchNormalization's moving averages become NaN in training."""
    settings = {"groups": 2} if name == "GroupNormalization" else {}
    ours, theirs = (getattr(lib.layers, name)(**settings) for lib in (kerasette, keras_oracle.keras()))
    ours(np.zeros((2, *[length or 5 for length in shape[1:]]), "float32"))
    before = ours.get_weights()
    x = np.zeros(shape, "float32")
    assert ours(x, training=training).shape == theirs(x, training=training).shape == shape
    for a, b in zip(ours.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_frozen_batch_normalization_infers():
    layer = layers.BatchNormalization()
    x = np.arange(6.0).reshape(3, 2)
    inference = layer(x)
    assert layer.gathers
    layer.trainable = False
    assert not layer.gathers
    assert np.array_equal(trained(layer, x), inference)
    assert not layer.moving_mean.numpy().any()
    assert layer.trainable_weights == [] and len(layer.non_trainable_weights) == 4


def test_batch_normalization_uses_the_mode_of_compilation():
    layer = layers.BatchNormalization()
    x = np.arange(6.0, dtype="float32").reshape(3, 2)
    layer(x)
    w = {p.name: p.value for p in layer.parameters}
    ctx = Context(np, "float32", training=True, trainable=False)
    y, cache = layer.forward(ctx, w, x)
    layer.commit(w, [cache])
    assert np.allclose(y, x / np.sqrt(1.001))
    assert not w["moving_mean"].any()


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.BatchNormalization(axis=0)(np.ones((2, 3))),
        lambda: layers.LayerNormalization(axis=[0, 1])(np.ones((2, 3))),
        lambda: layers.UnitNormalization(axis=0)(np.ones((2, 3))),
        lambda: layers.Softmax(axis=0)(layers.Input((3,))),
        lambda: layers.Concatenate(axis=0)([layers.Input((3,))] * 2),
        lambda: layers.Dot(axes=0)([layers.Input((3,))] * 2),
    ],
)
def test_nothing_reaches_across_the_batch(make):
    with pytest.raises(InvalidValue, match="batch"):
        make()


@pytest.mark.parametrize("cls", [layers.BatchNormalization, layers.LayerNormalization])
def test_normalization_needs_known_lengths(cls):
    with pytest.raises(InvalidValue, match="known"):
        cls()(layers.Input((None,)))
    with pytest.raises(InvalidValue, match="known"):
        cls(center=False, scale=False, axis=1)(
            layers.Input((None, 3))
        ) if cls is layers.BatchNormalization else cls(axis=1)(layers.Input((None, 3)))
    with pytest.raises(InvalidValue, match="epsilon"):
        cls(epsilon=-1)
    with pytest.raises(InvalidType, match="axis"):
        cls(axis="a")


def test_unit_normalization_of_nothing():
    keras = keras_oracle.keras()
    x = np.array([[0.0, 0.0], [1e-8, 0.0], [3.0, 4.0]], "float32")
    assert np.allclose(layers.UnitNormalization()(x), keras.layers.UnitNormalization()(x).numpy())
