"""dense, bias_add, dropout, sum_rows and the normalizations: gradients, TensorFlow's numbers, exactness."""

import numpy as np
import pytest

from kerasette.backend import xp_of
from kerasette.functions import core, normalization
from tests.keras_oracle import keras, tf


class Pair:
    """A function pair with its arguments: `forward(*arrays, **keywords)` and the gradient by each array."""

    def __init__(self, name, forward, backward, shapes, oracle, extra=(), names=("dx",)):
        self.name, self.forward, self.backward, self.shapes = name, forward, backward, shapes
        self.oracle, self.extra, self.names = oracle, extra, names

    def arrays(self, dtype):
        rng = np.random.default_rng(7)
        return [None if shape is None else rng.normal(0.3, 1, shape).astype(dtype) for shape in self.shapes]

    def run(self, arrays, **keywords):
        return self.forward(*arrays, *self.extra, **keywords)

    def gradients(self, dy, cache, **keywords):
        found = self.backward(dy, cache, **keywords)
        return found if isinstance(found, tuple) else (found,)


KEEP = np.random.default_rng(1).random((4, 5)) < 0.6
NOISE = np.random.default_rng(2).random((4, 1, 5)) < 0.6


def tf_dense(x, kernel, bias=None):
    y = tf().tensordot(x, kernel, 1)
    return y if bias is None else y + bias


def tf_batch_norm(axis, epsilon):
    def run(x, gamma, beta):
        axes = [a for a in range(x.ndim) if a != axis % x.ndim]
        mean, variance = tf().nn.moments(x, axes, keepdims=True)
        shape = [-1 if a == axis % x.ndim else 1 for a in range(x.ndim)]
        y = (x - mean) / tf().sqrt(variance + epsilon)
        y = y if gamma is None else y * tf().reshape(gamma, shape)
        return y if beta is None else y + tf().reshape(beta, shape)

    return run


MEAN = np.array([0.5, -1.0, 2.0])
VARIANCE = np.array([0.5, 1.5, 4.0])


def inference(x, gamma, beta, axis, epsilon, *, out=None):
    xp = xp_of(x)
    mean, variance = xp.asarray(MEAN.astype(x.dtype)), xp.asarray(VARIANCE.astype(x.dtype))
    return normalization.batch_normalization_inference(x, gamma, beta, mean, variance, axis, epsilon, out=out)


def tf_inference(axis, epsilon):
    def run(x, gamma, beta):
        mean, variance = MEAN.astype(x.dtype.as_numpy_dtype), VARIANCE.astype(x.dtype.as_numpy_dtype)
        return keras().ops.batch_normalization(
            x, mean, variance, axis, offset=beta, scale=gamma, epsilon=epsilon
        )

    return run


def tf_layer_norm(axes, epsilon):
    return lambda x, gamma, beta: keras().ops.layer_normalization(x, gamma, beta, list(axes), epsilon)


def dense_pair(name, shapes):
    return Pair(name, core.dense, core.dense_backward, shapes, tf_dense, names=("dx", "dkernel", "dbias"))


def dropout_pair(name, shape, keep, rate):
    scale = 1 / (1 - rate) if rate < 1 else 0.0
    return Pair(
        name, core.dropout, core.dropout_backward, [shape], lambda x: x * (keep * scale).astype(x.dtype.name),
        (keep, rate),
    )  # fmt: skip


NORMAL = ("dx", "dgamma", "dbeta")


def batch_pairs(shape, axis, gamma=True, beta=True):
    channels = (shape[axis],)
    shapes = [shape, channels if gamma else None, channels if beta else None]
    label = f"{len(shape)}d_axis{axis}_{gamma:d}{beta:d}"
    training = Pair(
        f"batch_{label}", normalization.batch_normalization, normalization.batch_normalization_backward,
        shapes, tf_batch_norm(axis, 1e-3), (axis, 1e-3), NORMAL,
    )  # fmt: skip
    fixed = Pair(
        f"inference_{label}", inference, normalization.batch_normalization_inference_backward,
        shapes, tf_inference(axis, 1e-3), (axis, 1e-3), NORMAL,
    )  # fmt: skip
    return [training, fixed]


def layer_pair(shape, axes, gamma=True, beta=True):
    inner = tuple(shape[axis] for axis in axes)
    return Pair(
        f"layer_{len(shape)}d_{axes}_{gamma:d}{beta:d}",
        normalization.layer_normalization, normalization.layer_normalization_backward,
        [shape, inner if gamma else None, inner if beta else None],
        tf_layer_norm(axes, 1e-3), (axes, 1e-3), NORMAL,
    )  # fmt: skip


def unit_pair(shape, axes):
    return Pair(
        f"unit_{axes}", normalization.unit_normalization, normalization.unit_normalization_backward,
        [shape], lambda x: keras().ops.normalize(x, axis=axes, order=2, epsilon=1e-12), (axes,),
    )  # fmt: skip


PAIRS = [
    dense_pair("dense", [(5, 3), (3, 4), (4,)]),
    dense_pair("dense_one_row", [(1, 3), (3, 4), (4,)]),
    dense_pair("dense_no_bias", [(5, 3), (3, 4), None]),
    dense_pair("dense_vector", [(3,), (3, 4), (4,)]),
    dense_pair("dense_3d", [(2, 5, 3), (3, 4), (4,)]),
    dense_pair("dense_4d_no_bias", [(2, 2, 3, 3), (3, 4), None]),
    Pair(
        "bias_add", core.bias_add, core.bias_add_backward, [(2, 3, 4), (4,)],
        lambda x, bias: x + bias, (), ("dx", "dbias"),
    ),  # fmt: skip
    dropout_pair("dropout", (4, 5), KEEP, 0.4),
    dropout_pair("dropout_noise_shape", (4, 3, 5), NOISE, 0.4),
    dropout_pair("dropout_none", (4, 5), np.ones((4, 5), bool), 0.0),
    dropout_pair("dropout_all", (4, 5), np.zeros((4, 5), bool), 1.0),
    *batch_pairs((6, 3), -1),
    *batch_pairs((6, 3), -1, gamma=False),
    *batch_pairs((6, 3), 1, beta=False),
    *batch_pairs((6, 3), 1, gamma=False, beta=False),
    *batch_pairs((3, 5), 0),
    *batch_pairs((2, 4, 5, 3), -1),
    *batch_pairs((2, 3, 4, 5), 1),
    *batch_pairs((2, 4, 3, 5), 2, gamma=False),
    layer_pair((4, 5), (1,)),
    layer_pair((4, 5), (1,), gamma=False),
    layer_pair((4, 5), (1,), beta=False),
    layer_pair((2, 3, 4), (2,), gamma=False, beta=False),
    layer_pair((2, 3, 4), (1, 2)),
    layer_pair((3, 5, 2), (1,)),
    layer_pair((3, 2, 4), (0, 2)),
    layer_pair((3, 4), (0,)),
    unit_pair((4, 5), -1),
    unit_pair((4, 5, 2), (1, 2)),
    unit_pair((4, 5, 2), 1),
]
each_pair = pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)


def difference(found, wanted):
    return np.abs(found - wanted).max() / max(np.abs(wanted).max(), 1e-3)


def present(arrays, gradients):
    return [pair for pair in zip(arrays, gradients, strict=False) if pair[0] is not None]


@each_pair
def test_gradient_by_central_differences(pair):
    arrays = pair.arrays("float64")
    y, cache = pair.run(arrays)
    dy = np.random.default_rng(3).normal(size=y.shape)
    gradients = pair.gradients(dy, cache)
    for array, gradient in zip(arrays, gradients, strict=False):
        assert (array is None) == (gradient is None)
    step = 1e-5
    for array, gradient in present(arrays, gradients):
        numeric = np.empty_like(array)
        for index in np.ndindex(array.shape):
            before = array[index]
            array[index] = before + step
            above = (pair.run(arrays)[0] * dy).sum()
            array[index] = before - step
            below = (pair.run(arrays)[0] * dy).sum()
            array[index] = before
            numeric[index] = (above - below) / (2 * step)
        assert gradient.shape == array.shape
        assert difference(gradient, numeric) <= 1e-6


@each_pair
def test_value_and_gradient_as_tensorflow(pair):
    arrays = pair.arrays("float32")
    dy = np.random.default_rng(3).normal(size=pair.run(arrays)[0].shape).astype("float32")
    tensors = [None if array is None else tf().constant(array) for array in arrays]
    with tf().GradientTape() as tape:
        tape.watch([tensor for tensor in tensors if tensor is not None])
        wanted = pair.oracle(*tensors)
    sources = [tensor for tensor in tensors if tensor is not None]
    wanted_gradients = tape.gradient(wanted, sources, output_gradients=tf().constant(dy))
    y, cache = pair.run(arrays)
    assert difference(y, wanted.numpy()) <= 1e-5
    for (_, found), theirs in zip(present(arrays, pair.gradients(dy, cache)), wanted_gradients, strict=True):
        assert difference(found, theirs.numpy()) <= 1e-5


@each_pair
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_contract(pair, dtype):
    """Keeps dtype and inputs, takes destinations and non-contiguous input, and leaves dx out when asked."""
    arrays = pair.arrays(dtype)
    copies = [None if array is None else array.copy() for array in arrays]
    y, cache = pair.run(arrays)
    dy = np.random.default_rng(3).normal(size=y.shape).astype(dtype)
    dy_copy = dy.copy()
    gradients = pair.gradients(dy, cache)
    for item in (y, *gradients):
        assert item is None or item.dtype == dtype

    out = np.full_like(y, 7)
    again, cache = pair.run(arrays, out=out)
    assert again is out or np.shares_memory(again, out)
    np.testing.assert_array_equal(out, y)
    homes = {name: np.full_like(a, 7) for name, a in zip(pair.names, arrays, strict=False) if a is not None}
    found = pair.gradients(dy, cache, **homes)
    for name, gradient in zip(pair.names, gradients, strict=False):
        if gradient is not None:
            np.testing.assert_array_equal(homes[name], gradient)
    assert all(given is None or given.size == kept.size for given, kept in zip(found, gradients, strict=True))

    strided = [None if array is None else np.repeat(array, 2, axis=-1)[..., ::2] for array in arrays]
    y_strided, strided_cache = pair.run(strided)
    np.testing.assert_allclose(y_strided, y, rtol=1e-5, atol=1e-6)
    dy_strided = np.asfortranarray(dy)
    for ours, theirs in zip(pair.gradients(dy_strided, strided_cache), gradients, strict=True):
        if ours is not None:
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)

    without = pair.gradients(dy, cache, need_dx=False)
    assert without[0] is None
    for ours, theirs in zip(without[1:], gradients[1:], strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(dy, dy_copy)
    for array, copy in zip(arrays, copies, strict=True):
        assert array is None or np.array_equal(array, copy)


DEEP = [pair for pair in PAIRS if len(pair.shapes[0]) > 2]  # rows go straight to BLAS: contiguous only


@pytest.mark.parametrize("pair", DEEP, ids=lambda pair: pair.name)
def test_destinations_may_be_strided_beyond_two_axes(pair):
    arrays = pair.arrays("float64")
    y, cache = pair.run(arrays)
    out = np.zeros((*y.shape, 2))[..., 0]
    pair.run(arrays, out=out)
    np.testing.assert_array_equal(out, y)
    dx = np.zeros((*arrays[0].shape, 2))[..., 0]
    np.testing.assert_array_equal(pair.gradients(y, cache, dx=dx)[0], pair.gradients(y, cache)[0])
    np.testing.assert_array_equal(dx, pair.gradients(y, cache)[0])


@each_pair
def test_on_another_array_module(pair, standin):
    """The same numbers on the stand-in for CuPy, which refuses NumPy calls and mixed operands."""
    arrays = pair.arrays("float32")
    y, cache = pair.run(arrays)
    dy = np.random.default_rng(3).normal(size=y.shape).astype("float32")
    device = [None if array is None else standin.asarray(array) for array in arrays]
    extra = [standin.asarray(item) if isinstance(item, np.ndarray) else item for item in pair.extra]
    y_device, device_cache = pair.forward(*device, *extra, out=standin.empty(y.shape, "float32"))
    found = pair.gradients(standin.asarray(dy), device_cache, dx=standin.empty(arrays[0].shape, "float32"))
    np.testing.assert_allclose(y_device.get(), y, rtol=1e-6)
    for ours, theirs in zip(found, pair.gradients(dy, cache), strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            np.testing.assert_allclose(ours.get(), theirs, rtol=1e-5, atol=1e-6)


# ---------------------------------------------------------------- sums over rows


@pytest.mark.parametrize("rows", [0, 1, 2, 127, 128, 129, 143, 144, 145, 1000, 40_000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sum_rows(rows, dtype):
    x = np.random.default_rng(0).normal(size=(rows, 3)).astype(dtype) + 1
    wanted = x.sum(axis=0, dtype=np.longdouble)
    out = np.full(3, 7, dtype)
    for found in (core.sum_rows(x), core.sum_rows(x, out), core.sum_rows(np.asfortranarray(x))):
        assert found.dtype == dtype
        np.testing.assert_allclose(found, wanted, rtol=2e-6 if dtype == "float32" else 1e-12)
    assert core.sum_rows(x, out) is out
    assert not np.shares_memory(core.sum_rows(x), x)


def test_sum_rows_over_several_axes():
    x = np.random.default_rng(0).normal(size=(4, 50, 6, 3))
    np.testing.assert_allclose(core.sum_rows(x), x.sum(axis=(0, 1, 2)), rtol=1e-12)


def test_ten_million_float32_rows_lose_nothing():
    """NumPy's own sum gives 1,087,937 here."""
    x = np.full((10_000_000, 2), 0.1, "float32")
    wanted = float(np.float32(0.1)) * 10_000_000
    np.testing.assert_allclose(core.sum_rows(x), wanted, rtol=2e-7)


def test_bias_gradient_of_many_rows_is_exact():
    dy = np.random.default_rng(0).random((401_408, 2), dtype="float32")
    x = np.zeros((401_408, 1), "float32")
    _, _, dbias = core.dense_backward(dy, (x, np.zeros((1, 2), "float32"), True), need_dx=False)
    np.testing.assert_allclose(dbias, dy.sum(axis=0, dtype="float64"), rtol=2e-7)


# ---------------------------------------------------------------- dropout


def test_dropout_values():
    x = np.ones((100, 100), "float32")
    keep = np.random.default_rng(0).random(x.shape) >= 0.2
    y, mask = core.dropout(x, keep, 0.2)
    assert set(np.unique(y)) == {np.float32(0), np.float32(1.25)}
    np.testing.assert_array_equal(mask == 0, ~keep)
    with np.errstate(all="raise"):
        assert not core.dropout(x, np.ones_like(keep), 1.0)[0].any()


# ---------------------------------------------------------------- large means, tiny vectors


@pytest.mark.parametrize("mean", [0.0, 1e4, 1e5])
@pytest.mark.parametrize("axis", [1, -1])
def test_batch_normalization_at_large_means(mean, axis):
    """One pass in float32 (E[x^2] - E[x]^2) leaves a deviation of 0.32 at 1e4, and of 0.03 at 1e5."""
    shape = (64, 4, 60) if axis == 1 else (64, 60, 4)
    x = (np.random.default_rng(0).normal(size=shape) + mean).astype("float32")
    gamma, beta = np.ones(4, "float32"), np.zeros(4, "float32")
    y, (batch_mean, variance, *_) = normalization.batch_normalization(x, gamma, beta, axis, 1e-3)
    others = (0, 2) if axis == 1 else (0, 1)
    exact = x.astype("float64")
    np.testing.assert_allclose(y.std(axis=others, dtype="float64"), 1, atol=1e-3)
    np.testing.assert_allclose(y.mean(axis=others, dtype="float64"), 0, atol=1e-5)
    np.testing.assert_allclose(batch_mean, exact.mean(axis=others), rtol=2e-7, atol=1e-6)
    np.testing.assert_allclose(variance, exact.var(axis=others), rtol=1e-5)


def test_batch_normalization_of_a_constant_is_beta():
    x = np.full((1000, 2), 100_000.1, "float32")
    with np.errstate(all="raise"):
        y, cache = normalization.batch_normalization(x, None, np.array([1, 2], "float32"), -1, 1e-3)
    np.testing.assert_allclose(y, np.broadcast_to([1.0, 2.0], y.shape), atol=1e-5)
    assert (cache[1] >= 0).all()


def test_batch_normalization_statistics_of_many_rows():
    x = (np.random.default_rng(0).random((401_408, 2), dtype="float32") + 3).astype("float32")
    _, (mean, variance, *_) = normalization.batch_normalization(x, None, None, -1, 1e-3)
    np.testing.assert_allclose(mean, x.mean(axis=0, dtype="float64"), rtol=2e-7)
    np.testing.assert_allclose(variance, x.astype("float64").var(axis=0), rtol=2e-6)


def test_batch_normalization_as_keras_layer():
    x = np.random.default_rng(0).normal(size=(16, 5)).astype("float32")
    layer = keras().layers.BatchNormalization(momentum=0.0)
    wanted = layer(x, training=True).numpy()
    y, (mean, variance, *_) = normalization.batch_normalization(x, None, None, -1, 1e-3)
    np.testing.assert_allclose(y, wanted, atol=1e-5)
    np.testing.assert_allclose(mean, layer.moving_mean.numpy(), atol=1e-6)
    np.testing.assert_allclose(variance, layer.moving_variance.numpy(), rtol=1e-5)


def test_layer_normalization_at_large_means():
    x = (np.random.default_rng(0).normal(size=(8, 256)) + 1e4).astype("float32")
    y, _ = normalization.layer_normalization(x, None, None, (1,), 1e-3)
    exact = x.astype("float64")
    wanted = (exact - exact.mean(axis=1, keepdims=True)) / np.sqrt(exact.var(axis=1, keepdims=True) + 1e-3)
    np.testing.assert_allclose(y, wanted, atol=1e-3)


@pytest.mark.parametrize("scale", [0.0, 1e-15])
def test_unit_normalization_of_tiny_vectors(scale):
    """Shorter than epsilon it is a plain multiple, and so is its gradient; no warning, no NaN."""
    x = np.full((2, 3), scale)
    dy = np.random.default_rng(0).normal(size=(2, 3))
    with np.errstate(all="raise"):
        y, cache = normalization.unit_normalization(x, -1)
        dx = normalization.unit_normalization_backward(dy, cache)
    np.testing.assert_allclose(y, x * 1e12)
    np.testing.assert_allclose(dx, dy * 1e12)
    layer = keras().layers.UnitNormalization(axis=-1)
    np.testing.assert_allclose(y, layer(x).numpy(), rtol=1e-5)
