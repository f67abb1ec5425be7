"""The parameters of a layer: their order, how they are made, and what is left of a build that fails."""

import numpy as np
import pytest

from kerasette import Input, Sequential
from kerasette import layers as L  # noqa: N812
from kerasette.errors import InvalidValue
from tests import keras_oracle

X = np.arange(8.0, dtype="float32").reshape(2, 4)


def normalized():
    model = Sequential([Input((4,)), L.BatchNormalization()])
    model.layers[0].gamma.assign(np.full(4, 2.0))
    return model


def test_a_parameter_that_is_frozen_keeps_its_place(tmp_path):
    model = normalized()
    order = [parameter.name for parameter in model.weights]
    model.layers[0].gamma.trainable = False
    layer = model.layers[0]
    assert [parameter.name for parameter in layer.weights] == order
    assert [parameter.name for parameter in layer.trainable_weights] == ["beta"]
    assert [parameter.name for parameter in layer.non_trainable_weights] == [
        "gamma",
        "moving_mean",
        "moving_variance",
    ]
    theirs = keras_oracle.keras().layers.BatchNormalization()
    theirs.build((None, 4))
    theirs.gamma.trainable = False
    for name in ("weights", "trainable_weights", "non_trainable_weights"):
        assert [one.name for one in getattr(layer, name)] == [one.name for one in getattr(theirs, name)], name

    model.save_weights(tmp_path / "a.weights.h5")
    for take in ("file", "arrays"):
        other = Sequential([Input((4,)), L.BatchNormalization()])
        if take == "file":
            other.load_weights(tmp_path / "a.weights.h5")
        else:
            other.set_weights(model.get_weights())
        np.testing.assert_array_equal(other.predict(X, verbose=0), model.predict(X, verbose=0))


def test_keras_reads_the_weights_of_a_layer_with_a_frozen_parameter(tmp_path):
    keras = keras_oracle.keras()
    model = normalized()
    model.layers[0].gamma.trainable = False
    model.save_weights(tmp_path / "a.weights.h5")
    theirs = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization()])
    theirs.load_weights(tmp_path / "a.weights.h5")
    np.testing.assert_allclose(theirs.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-5)


# ---------------------------------------------------------------- names, and builds that fail


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        (L.Dense, {"output_size": 3, "kernel_initializer": "foo"}),
        (L.Dense, {"output_size": 3, "bias_regularizer": "foo"}),
        (L.Dense, {"output_size": 3, "bias_constraint": "foo"}),
        (L.Conv2D, {"filters": 3, "kernel_size": 2, "bias_initializer": "foo"}),
        (L.SeparableConv1D, {"filters": 3, "kernel_size": 2, "pointwise_constraint": "foo"}),
        (L.Embedding, {"input_dim": 3, "output_dim": 2, "embeddings_initializer": "foo"}),
        (L.BatchNormalization, {"moving_mean_initializer": "foo"}),
        (L.PReLU, {"alpha_regularizer": "foo"}),
        (L.LSTM, {"units": 3, "recurrent_initializer": "foo"}),
        (L.MultiHeadAttention, {"num_heads": 2, "key_dim": 3, "kernel_regularizer": "foo"}),
    ],
)
def test_unknown_names_are_refused_by_the_constructor(cls, arguments):
    with pytest.raises(InvalidValue, match=r"Unknown .* 'foo'"):
        cls(**arguments)
    extended = type("Extended", (cls,), {})
    with pytest.raises(InvalidValue, match=r"Unknown .* 'foo'"):
        extended(**arguments)


def test_none_as_initializer_is_glorot_uniform():
    layers = L.Dense(30, kernel_initializer=None), L.EinsumDense("ab,bc->ac", 30, kernel_initializer=None)
    for layer in layers:
        layer(X)
        assert layer.get_config()["kernel_initializer"] is None
        kernel = np.abs(layer.kernel.numpy())
        assert 0.9 * np.sqrt(6 / 34) < kernel.max() <= np.sqrt(6 / 34)


def fails(shape, dtype=None):
    raise RuntimeError("no values")


def dense():
    layer = L.Dense(3, bias_initializer=fails)
    return layer, layer


def recurrent():
    layer = L.Bidirectional(L.LSTM(3), backward_layer=L.LSTM(3, go_backwards=True, bias_initializer=fails))
    return layer, layer.backward_layer.cell


def stacked():
    layer = L.RNN([L.GRUCell(3), L.GRUCell(3, bias_initializer=fails)])
    return layer, layer.cell.cells[1]


def attention():
    layer = L.MultiHeadAttention(2, 3, bias_initializer=fails)
    return layer, layer


@pytest.mark.parametrize("make", [dense, recurrent, stacked, attention])
def test_a_build_that_fails_leaves_nothing(make):
    layer, failing = make()
    x = np.ones((2, 5, 4), "float32")
    inputs = [x, x] if make is attention else [x]
    with pytest.raises(RuntimeError, match="no values"):
        layer(*inputs)
    assert not layer.built and not layer.weights
    failing.bias_initializer = "zeros"
    layer(*[x[..., :3] for x in inputs])
    assert layer.built and layer.weights


# ---------------------------------------------------------------- what they were built for


@pytest.mark.parametrize(
    "make",
    [
        L.BatchNormalization,
        L.LayerNormalization,
        L.RMSNormalization,
        L.PReLU,
        L.Normalization,
        lambda: L.GroupNormalization(2),
        lambda: L.Normalization(mean=[1.0] * 4, variance=[1.0] * 4),
    ],
)
def test_inputs_of_another_width_are_refused(make):
    layer = make()
    layer(X)
    for other in (np.ones((2, 1)), np.ones((2, 3)), Input((3,)), np.ones((2, 4, 3))):
        with pytest.raises(InvalidValue, match="was built for 4 on axis"):
            layer(other)
    assert layer(np.ones((7, 4))).shape == (7, 4)


def test_widths_that_no_parameter_depends_on_stay_free():
    free = L.LayerNormalization(center=False, scale=False), L.Normalization(mean=2.0, variance=4.0)
    for layer in (*free, L.PReLU(shared_axes=[1])):
        layer(X)
        assert layer(np.ones((2, 3))).shape == (2, 3)


def test_layers_kept_in_a_layer_are_told():
    class Block(L.Layer):
        def __init__(self, **base):
            super().__init__(**base)
            self.inner = L.Dense(4)

        def forward(self, ctx, w, x):
            return x, None

    with pytest.warns(UserWarning, match="keeps Dense in 'inner'"):
        Block()(np.ones((2, 4), "float32"))
