"""Convolutions by tiles, and with their maxima: checks of the harness, plain sums, TensorFlow."""

import numpy as np
import pytest

from kerasette import config, functions
from kerasette.errors import InvalidValue
from kerasette.functions import kernels, winograd
from kerasette.functions.convolution import (
    conv,
    conv_backward,
    correlate,
    kernel_gradient,
    new_arrays,
    spread,
)
from kerasette.functions.pooled_convolution import conv_max_pool, conv_max_pool_backward
from kerasette.functions.pooling import max_pool, max_pool_backward
from kerasette.shapes import windows
from tests.cases.convolution import TILED
from tests.harness import CHECKS
from tests.keras_oracle import tf


@pytest.fixture
def with_kernels(request):
    """Kernels of one kind, for arrays of any size."""
    if request.param == "numba":
        pytest.importorskip("numba")
    before = config.kernels()
    config.set_kernels(request.param)
    yield request.param
    config.set_kernels(before)


both = pytest.mark.parametrize("with_kernels", ["numpy", "numba"], indirect=True)


@pytest.fixture
def always(monkeypatch):
    """Tiles for everything that they can compute."""
    for name in ("LEAST_WEIGHTS", "LEAST_TILES", "WORTH", "WORTH_COMPILED"):
        monkeypatch.setattr(winograd, name, -(2**60))
    monkeypatch.setattr(kernels, "LEAST", 0)
    winograd._saved.cache_clear()
    yield
    winograd._saved.cache_clear()


@both
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize("case", TILED, ids=repr)
def test_tiles_pass_every_check(always, with_kernels, case, check):
    check(case)


SHAPES = [  # images, filters, padding
    ((5, 13, 13, 20), 24, "valid"),
    ((3, 12, 9, 16), 40, "same"),
    ((2, 7, 8, 17), 16, "same"),
    ((40, 18, 16, 32), 16, "same"),  # some images at a time
    ((4, 4, 4, 64), 80, "same"),
]


@both
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("fewer", [0, 1])
@pytest.mark.parametrize(("images", "filters", "padding"), SHAPES)
def test_tiles_give_the_sums_of_windows(with_kernels, dtype, fewer, images, filters, padding):
    rng = np.random.default_rng(0)
    x, kernel = rng.standard_normal(images), rng.standard_normal((3, 3, images[-1], filters))
    places = windows(images[1:-1], (3, 3), padding=padding)
    places = places._replace(positions=tuple(count - fewer for count in places.positions))
    scratch = new_arrays(np)
    y, dkernel, dx = np.empty((len(x), *places.positions, filters)), np.empty_like(kernel), np.empty_like(x)
    dy = rng.standard_normal(y.shape)
    cols = correlate.plain(x, kernel, y, places, 1, scratch)
    kernel_gradient.plain(x, dy, dkernel, cols, places, 1, scratch)
    spread.plain(dy, kernel, dx, places, 1, scratch)
    wanted = y, dkernel, dx
    x, kernel, dy = x.astype(dtype), kernel.astype(dtype), dy.astype(dtype)
    found = [np.full(a.shape, np.nan, dtype) for a in wanted]
    tiles = winograd.tiled_correlate(x, kernel, found[0], places, scratch)
    winograd.tiled_gradients(dy, x, tiles, kernel, places, *found[1:], scratch)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=np.abs(other).max() * np.finfo(dtype).eps * 12)
    only = np.full_like(kernel, np.nan)
    winograd.tiled_gradients(dy, x, tiles, kernel, places, only, None, scratch)
    assert only.tobytes() == found[1].tobytes()


POOLED = [  # images, filters, padding, way
    ((20, 28, 28, 1), 32, "valid", "direct_maxima_gradients"),
    ((20, 17, 12, 1), 8, "same", "direct_maxima_gradients"),
    ((60, 20, 21, 3), 16, "same", "direct_maxima_gradients"),
    ((20, 13, 13, 32), 64, "valid", "tiled_maxima_gradients"),
    ((30, 12, 9, 16), 40, "same", "tiled_maxima_gradients"),
    ((4, 9, 9, 6), 6, "valid", None),
]


@both
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("images", "filters", "padding", "way"), POOLED)
def test_maxima_are_those_of_pooling(with_kernels, dtype, images, filters, padding, way):
    """Small whole numbers, whose sums are exact in any order: ties fall to the same place, bit for bit."""
    rng = np.random.default_rng(0)
    x = rng.integers(-2, 3, images).astype(dtype)
    kernel = (2 * rng.integers(-1, 2, (3, 3, images[-1], filters))).astype(dtype)
    bias = rng.integers(-3, 4, filters).astype(dtype)
    y, cache = conv_max_pool(x, kernel, bias, padding)
    assert getattr(cache[0], "__name__", None) == way
    dy = rng.integers(-3, 4, y.shape).astype(dtype)
    found = [y, *conv_max_pool_backward(dy, cache)]
    whole, first = conv(x, kernel, bias, padding=padding)
    pooled, second = max_pool(whole, 2)
    wanted = [pooled, *conv_backward(max_pool_backward(dy, second), first)]
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)
    last = [y, *conv_max_pool_backward(dy, cache, need_dx=False)]
    assert last[1] is None
    np.testing.assert_array_equal(last[2], found[2])
    again, _ = conv_max_pool(x, kernel, bias, padding, keep=False)
    np.testing.assert_array_equal(again, y)


@both
def test_a_network_s_convolution_against_tensorflow(with_kernels):
    """The second convolution of the MNIST network, where tiles are worth it."""
    rng = np.random.default_rng(3)
    x, kernel = rng.standard_normal((32, 13, 13, 32)), rng.standard_normal((3, 3, 32, 64)) / 17
    x, kernel = x.astype("float32"), kernel.astype("float32")
    assert winograd.pays(x, kernel, windows((13, 13), (3, 3)))
    y, cache = functions.conv(x, kernel)
    dy = rng.standard_normal(y.shape).astype("float32")
    tx, tk = tf().constant(x), tf().constant(kernel)
    with tf().GradientTape() as tape:
        tape.watch([tx, tk])
        ty = tf().nn.conv2d(tx, tk, 1, "VALID")
    wanted = [ty, *tape.gradient(ty, [tx, tk], dy)]
    for one, other in zip([y, *functions.conv_backward(dy, cache)[:2]], wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=np.abs(other).max() * 1e-5)


def test_tiles_are_for_large_convolutions_of_three_by_three():
    x, kernel = np.empty((32, 14, 14, 32), "float32"), np.empty((3, 3, 32, 32), "float32")

    def pays(x, kernel, **options):
        return winograd.pays(x, kernel, windows(x.shape[1:-1], kernel.shape[:-2], **options))

    assert pays(x, kernel) and pays(x, kernel, padding="same")
    assert not pays(x[:1], kernel)
    assert not pays(x, kernel[..., :8])
    assert not pays(x, kernel[:, :, :16])  # two groups
    assert not pays(x, kernel, strides=2)
    assert not pays(x, kernel, dilation=2)
    assert not pays(x, kernel[:2, :2])


@pytest.mark.parametrize("channels", [1, 20])
def test_maxima_need_two_results_side_by_side(channels):
    x, kernel = np.ones((2, 3, 5, channels), "float32"), np.ones((3, 3, channels, 30), "float32")
    with pytest.raises(InvalidValue, match="conv_max_pool: a window of 2 doesn't fit into a length of 1"):
        conv_max_pool(x, kernel)
    with pytest.raises(InvalidValue, match="conv_max_pool: a window of 3 doesn't fit into a length of 2"):
        conv_max_pool(x[:, :2], kernel)
    assert conv_max_pool(x[:0], kernel, padding="same")[0].shape == (0, 1, 2, 30)


def test_positions_may_be_a_list():
    x, kernel = np.ones((2, 8, 8, 2), "float32"), np.ones((3, 3, 2, 4), "float32")
    assert conv(x, kernel, positions=[3, 4])[0].shape == (2, 3, 4, 4)


@both
def test_what_is_no_number_stays_within_its_tiles(with_kernels):
    x, kernel = np.ones((40, 12, 12, 32), "float32"), np.ones((3, 3, 32, 32), "float32")
    x[1, 5, 5, 0] = np.nan
    y, _ = functions.conv(x, kernel)
    hit = np.isnan(y).any(-1)
    assert hit[1, 3:6, 3:6].all() and not hit[1, :2].any() and not hit[1, 6:].any()
    assert not np.delete(hit, 1, 0).any()
    pooled, _ = conv_max_pool(x, kernel)
    np.testing.assert_array_equal(np.isnan(pooled), np.isnan(max_pool(y, 2)[0]))
