"""Preprocessing layers: adapt() as in Keras, large arrays in parts, and what is refused."""

import numpy as np
import pytest

from kerasette import layers
from kerasette.errors import InvalidType, InvalidValue
from kerasette.graph import Context
from tests import keras_oracle


@pytest.mark.parametrize("axis", [-1, 1, None, (1, 2)])
def test_adapt_is_that_of_keras(axis):
    keras = keras_oracle.keras()
    data = np.random.default_rng(0).normal(3, 2, (50, 4, 3)).astype("float32")
    ours, theirs = layers.Normalization(axis=axis), keras.layers.Normalization(axis=axis)
    ours.adapt(data)
    theirs.adapt(data)
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        assert np.allclose(mine, other, rtol=1e-5)
    assert np.allclose(ours(data), theirs(data).numpy(), atol=1e-5)
    for mine, other in ((ours.mean, theirs.mean), (ours.variance, theirs.variance)):
        assert mine.shape == other.shape and np.allclose(mine, other, rtol=1e-5)
    assert ours.get_config()["mean"] is None
    again = layers.Normalization.from_config(ours.get_config())
    again(data)
    again.set_weights(ours.get_weights())
    assert np.array_equal(again.mean, ours.mean)


@pytest.mark.parametrize("mean", [2.0, [1.0, 2.0, 3.0]])
def test_given_statistics_are_those_of_keras(mean):
    keras = keras_oracle.keras()
    ours, theirs = (room.Normalization(mean=mean, variance=mean) for room in (layers, keras.layers))
    data = np.ones((5, 4, 3), "float32")
    assert np.allclose(ours(data), theirs(data).numpy(), atol=1e-5)
    assert np.array_equal(ours.mean, theirs.mean) and np.array_equal(ours.variance, theirs.variance)
    assert ours.get_config()["mean"] == ours.input_mean == theirs.get_config()["mean"] == mean


def test_adapt_is_exact_and_takes_batches():
    data = 1e4 + np.random.default_rng(0).standard_normal((1000, 3))
    wanted = data.mean(0), data.var(0)
    whole = layers.Normalization()
    for source in (
        data,
        data.tolist(),
        [data[:1], data[1:300], data[300:]],
        (data[k : k + 7] for k in range(0, 1000, 7)),
    ):
        whole.adapt(source)
        mean, variance, _ = whole.get_weights()
        assert np.allclose(mean, wanted[0], rtol=1e-7)
        assert np.allclose(variance, wanted[1], rtol=1e-6)


def test_adapt_reads_large_arrays_in_parts(monkeypatch):
    from kerasette.layers import preprocessing

    class Disk:
        shape, dtype, parts = (100, 2), np.dtype("float32"), 0

        def __getitem__(self, key):
            Disk.parts += 1
            assert isinstance(key, slice)
            return np.arange(200.0).reshape(100, 2)[key]

    monkeypatch.setattr(preprocessing, "ROWS", 20)
    layer = layers.Normalization()
    layer.adapt(Disk())
    assert Disk.parts == 10
    assert np.allclose(layer.get_weights()[0], [99, 100])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: layers.Normalization(mean=1.0), "mean and variance"),
        (lambda: layers.Normalization(mean=[1.0, 2.0], variance=1.0), "one shape"),
        (lambda: layers.Normalization(mean=[1.0], variance=[-1.0]), "negative"),
        (lambda: layers.Normalization(mean=[1.0, 2.0], variance=[1.0, 1.0])(np.ones((2, 3))), "need"),
        (lambda: layers.Normalization(mean=1.0, variance=1.0).adapt(np.ones((2, 3))), "adapt"),
        (lambda: layers.Normalization().adapt(np.ones((0, 3))), "0 rows"),
        (lambda: layers.Normalization().adapt(np.ones(3)), "batch"),
        (lambda: layers.Rescaling([1.0, 2.0])(np.ones((2, 3))), "Rescaling|don't go"),
        (lambda: layers.CategoryEncoding(), "num_tokens"),
        (lambda: layers.CategoryEncoding(4, "x"), "output_mode"),
        (lambda: layers.CategoryEncoding(4)(np.array([[4]])), "0 to 3"),
        (lambda: layers.CategoryEncoding(4)(np.array([[-1]])), "0 to 3"),
        (lambda: layers.CategoryEncoding(4)(np.array([[1.5]])), "whole"),
        (lambda: layers.CategoryEncoding(4)(np.array([1, 2])), "Reshape"),
        (lambda: layers.CategoryEncoding(4)(np.array([[1]]), np.array([[1.0]])), "count_weights"),
    ],
)
def test_preprocessing_errors(make, words):
    with pytest.raises(InvalidValue, match=words):
        make()


def test_what_isnt_numbers_is_refused():
    for make in (
        lambda: layers.Rescaling("a"),
        lambda: layers.Normalization(axis="a"),
        lambda: layers.Normalization().adapt(np.array([["a"]])),
    ):
        with pytest.raises(InvalidType):
            make()


def test_rescaling_of_bytes():
    y = layers.Rescaling(1 / 255)(np.array([[0, 255]], "uint8"))
    assert y.dtype == "float32"
    assert np.array_equal(y, [[0, 1]])
    layer, ctx = layers.Rescaling(2.0, 1.0), Context(np)
    assert layer.forward(ctx, {}, np.array([[1, 2]], "uint8"))[0].dtype == "float32"


def test_count_weights():
    keras = keras_oracle.keras()
    numbers, weights = np.array([[1, 1, 2]]), np.array([[0.5, 1.0, 2.0]], "float32")
    layer = layers.CategoryEncoding(4, output_mode="count")
    theirs = keras.layers.CategoryEncoding(4, output_mode="count")(numbers, count_weights=weights)
    assert np.array_equal(layer(numbers, count_weights=weights), theirs.numpy())
    ctx = Context(np)
    _, cache = layer.forward(ctx, {}, numbers, weights)
    assert layer.backward(ctx, {}, {}, np.array([[0.0, 1.0, 2.0, 3.0]], "float32"), cache)[1].tolist() == [
        [1, 1, 2]
    ]
    tensors = layers.Input((3,), dtype="int64"), layers.Input((3,))
    assert layer(tensors[0], count_weights=tensors[1]).shape == (None, 4)


@pytest.mark.parametrize("data", [[[np.nan], [1.0]], [[1e300], [2.0]], [[np.inf], [0.0]]])
def test_adapt_takes_finite_numbers_only(data):
    layer = layers.Normalization()
    with pytest.raises(InvalidValue, match="NaN or infinity"):
        layer.adapt(np.array(data))
    np.testing.assert_array_equal(layer.mean, 0)
