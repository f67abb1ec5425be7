"""What the lines of cases can't say: sums that lose nothing, ties, large means, tiny vectors."""

import numpy as np
import pytest

import kerasette
from kerasette import functions, regularizers
from kerasette.functions import batch_norm, common, core, normalization
from kerasette.optimizers.clipping import clip_each, clip_together
from tests.keras_oracle import keras, tf

# ---------------------------------------------------------------- destinations


def test_destinations_of_dense_may_be_strided_beyond_two_axes():
    """With two axes BLAS writes on them, and they must be contiguous."""
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, 5, 3)), rng.normal(size=(3, 4))
    y, cache = core.dense(x, kernel)
    out = np.zeros((*y.shape, 2))[..., 0]
    assert core.dense(x, kernel, out=out)[0] is out
    np.testing.assert_array_equal(out, y)
    dx = np.zeros((*x.shape, 2))[..., 0]
    assert core.dense_backward(y, cache, dx=dx)[0] is dx
    np.testing.assert_array_equal(dx, core.dense_backward(y, cache)[0])


# ---------------------------------------------------------------- sums of products


@pytest.mark.parametrize("size", [0, 1, 5000, 50_001, 9_000_000])
def test_sums_of_products_lose_nothing(size):
    values = np.full(size, 0.1, "float32")
    wanted = size * float(np.float32(0.1)) ** 2
    assert common.inner(values, values) == pytest.approx(wanted, rel=5e-6)


def test_large_norms_lose_nothing():
    weights = np.full((3000, 3000), 0.1, "float32")
    assert regularizers.L2(1.0)(weights) == pytest.approx(90_000, rel=1e-5)
    for clip, arguments in ((clip_together, ()), (clip_each, ([Run],))):
        gradients = np.full(9_000_000, 0.1, "float32")
        clip([gradients], *arguments, 30.0)
        assert gradients.dtype == np.float32
        np.testing.assert_allclose(gradients[::1000], 0.01, rtol=1e-5)


class Run:
    """Stands for a run with one parameter."""

    offset, size = 0, 9_000_000


Run.parameters = [Run]


def test_the_loss_of_very_many_rows_loses_nothing():
    model = kerasette.Sequential([kerasette.Input((1,)), kerasette.layers.Activation("linear")])
    model.compile(loss="mse", optimizer="sgd")
    rows = 3_000_000
    loss = model.evaluate(np.full((rows, 1), 0.1, "float32"), np.zeros(rows), batch_size=rows, verbose=0)
    assert loss == pytest.approx(0.01, rel=5e-6)


# ---------------------------------------------------------------- sums over rows


@pytest.mark.parametrize("rows", [1, 8, 64, 65])
def test_few_rows_through_a_large_matrix(rows):
    """Their gradient takes another way than that of many rows, to the same numbers."""
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(rows, 200)), rng.normal(size=(200, 400))
    dy, bias = rng.normal(size=(rows, 400)), np.zeros(400)
    cache = functions.dense(x, kernel, bias)[1]
    before, place = dy.copy(), np.full((rows, 200), np.nan)
    dx = functions.dense_backward(dy, cache)[0]
    assert dx.flags.c_contiguous
    np.testing.assert_allclose(dx, np.einsum("no,io->ni", dy, kernel), rtol=1e-9, atol=1e-9)
    assert functions.dense_backward(dy, cache, dx=place)[0] is place
    np.testing.assert_array_equal(place, dx)
    np.testing.assert_array_equal(dy, before)


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


@pytest.mark.parametrize("name", ["sum", "mean"])
@pytest.mark.parametrize("axis", [0, (0, 1)])
def test_sums_over_leading_axes_lose_nothing(name, axis):
    """NumPy's own sum of float32 is off by 5e-3 here."""
    x = np.full((1_000_000, 1, 2), 0.1, "float32")
    y, _ = getattr(functions, f"{name}_axes")(x, axis)
    assert y.dtype == "float32"
    np.testing.assert_allclose(y, getattr(x, name)(axis=axis, dtype="float64"), rtol=1e-7)


@pytest.mark.parametrize(
    "shape", [(1, 3), (31, 10), (32, 10), (128, 48), (40, 49), (4, 5, 6), (3, 0), (0, 3)]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_and_maxima_of_rows(shape, dtype):
    x = np.random.default_rng(0).normal(size=shape).astype(dtype) + 3
    for rows in (x, np.asfortranarray(x), np.repeat(x, 2, axis=-1)[..., ::2]):
        found = common.row_sums(np, rows)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, x.sum(axis=-1), rtol=1e-6 if dtype == "float32" else 1e-14)
        if shape[-1]:
            np.testing.assert_array_equal(common.row_peaks(np, rows), x.max(axis=-1, keepdims=True))


def test_maxima_of_rows_keep_nan():
    x = np.zeros((40, 3), "float32")
    x[7, 1] = np.nan
    assert np.isnan(common.row_peaks(np, x)).sum() == np.isnan(common.row_peaks(np, x)[7, 0]) == 1


# ---------------------------------------------------------------- ties


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_equal_operands_share_the_gradient_as_in_tensorflow(name):
    x1, x2 = np.array([1.0, 2.0, 3.0, 0.0], "float32"), np.array([1.0, 3.0, 2.0, -0.0], "float32")
    dy = np.array([1.0, 2.0, 3.0, 4.0], "float32")
    cache = getattr(functions, name)(x1, x2)[1]
    tensors = [tf().constant(x1), tf().constant(x2)]
    wanted = tensorflow_gradients(lambda: getattr(keras().ops, name)(*tensors), tensors, dy)
    for found, right in zip(getattr(functions, f"{name}_backward")(dy, cache), wanted, strict=True):
        np.testing.assert_array_equal(found, right)


@pytest.mark.parametrize("name", ["max", "min"])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_equal_extremes_share_the_gradient_as_in_tensorflow(name, axis):
    x = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]], "float32")
    y, cache = getattr(functions, f"{name}_axes")(x, axis)
    dy = np.random.default_rng(0).normal(size=np.shape(y)).astype("float32")
    tensor = tf().constant(x)
    (right,) = tensorflow_gradients(lambda: getattr(keras().ops, name)(tensor, axis), [tensor], dy)
    np.testing.assert_allclose(getattr(functions, f"{name}_axes_backward")(dy, cache), right, rtol=1e-6)


@pytest.mark.parametrize("name", ["Maximum", "Minimum"])
def test_equal_inputs_share_the_gradient_as_in_tensorflow(name):
    rng = np.random.default_rng(0)
    xs = [rng.integers(0, 2, (4, 5)).astype("float32") for _ in range(3)]
    dy = rng.normal(size=(4, 5)).astype("float32")
    cache = getattr(functions, f"{name.lower()}_all")(xs)[1]
    tensors = [tf().constant(x) for x in xs]
    wanted = tensorflow_gradients(lambda: getattr(keras().layers, name)()(tensors), tensors, dy)
    found = getattr(functions, f"{name.lower()}_all_backward")(dy, cache)
    for gradient, right in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(gradient, right)


def test_prelu_at_zero_as_in_tensorflow():
    x, alpha = np.zeros((2, 3), "float32"), np.full(3, 0.3, "float32")
    layer = keras().layers.PReLU(alpha_initializer=keras().initializers.Constant(0.3))
    layer.build((None, 3))
    tensor = tf().constant(x)
    (right,) = tensorflow_gradients(lambda: layer(tensor), [tensor], np.ones_like(x))
    dx, dalpha = functions.prelu_backward(np.ones_like(x), functions.prelu(x, alpha)[1])
    np.testing.assert_array_equal(dx, right)
    assert not dalpha.any()


def tensorflow_gradients(function, tensors, dy):
    with tf().GradientTape() as tape:
        tape.watch(tensors)
        y = function()
    gradients = tape.gradient(y, tensors, output_gradients=tf().constant(dy))
    return [gradient.numpy() for gradient in gradients]


# ---------------------------------------------------------------- dropout


def test_dropout_values():
    x = np.ones((100, 100), "float32")
    keep = np.random.default_rng(0).random(x.shape) >= 0.2
    y, _ = core.dropout(x, keep, 0.2)
    assert set(np.unique(y)) == {np.float32(0), np.float32(1.25)}
    np.testing.assert_array_equal(y == 0, ~keep)
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
    y, (batch_mean, variance, *_) = batch_norm.batch_normalization(x, gamma, beta, axis, 1e-3)
    others = (0, 2) if axis == 1 else (0, 1)
    exact = x.astype("float64")
    np.testing.assert_allclose(y.std(axis=others, dtype="float64"), 1, atol=1e-3)
    np.testing.assert_allclose(y.mean(axis=others, dtype="float64"), 0, atol=1e-5)
    np.testing.assert_allclose(batch_mean, exact.mean(axis=others), rtol=2e-7, atol=1e-6)
    np.testing.assert_allclose(variance, exact.var(axis=others), rtol=1e-5)


def test_batch_normalization_of_a_constant_is_beta():
    x = np.full((1000, 2), 100_000.1, "float32")
    with np.errstate(all="raise"):
        y, cache = batch_norm.batch_normalization(x, None, np.array([1, 2], "float32"), -1, 1e-3)
    np.testing.assert_allclose(y, np.broadcast_to([1.0, 2.0], y.shape), atol=1e-5)
    assert (cache[1] >= 0).all()


def test_batch_normalization_statistics_of_many_rows():
    x = (np.random.default_rng(0).random((401_408, 2), dtype="float32") + 3).astype("float32")
    _, (mean, variance, *_) = batch_norm.batch_normalization(x, None, None, -1, 1e-3)
    np.testing.assert_allclose(mean, x.mean(axis=0, dtype="float64"), rtol=2e-7)
    np.testing.assert_allclose(variance, x.astype("float64").var(axis=0), rtol=2e-6)


def test_batch_normalization_as_keras_layer():
    x = np.random.default_rng(0).normal(size=(16, 5)).astype("float32")
    layer = keras().layers.BatchNormalization(momentum=0.0)
    wanted = layer(x, training=True).numpy()
    y, (mean, variance, *_) = batch_norm.batch_normalization(x, None, None, -1, 1e-3)
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
