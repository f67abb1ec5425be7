"""Pooling: the maximum or the mean of windows of images, and of whole images. Channels last throughout."""

import itertools
import math
from functools import lru_cache

from kerasette.backend import xp_of
from kerasette.functions.common import ones, put
from kerasette.functions.convolution import new_arrays
from kerasette.functions.windows import max_pool_scatter, max_pool_windows, sum_scatter, sum_windows
from kerasette.shapes import windows

RUN = 256  # pixels that are added up in their own type

# ---------------------------------------------------------------- windows


def max_pool(x, window, strides=None, padding="valid", keep=True, *, out=None, scratch=None):
    """Computes the maximum of each window of each channel.

    "same" pads with minus infinity. A NaN in a window makes its maximum NaN.

    Args:
        x: images (N, *S, C), any number of axes S.
        window: whole number, or one for each axis in a tuple.
        strides: the same; by default the window.
        padding: "valid", or "same" (output length ceil(n / stride)).
        keep: whether backward will follow.
        out: destination (N, *O, C).
        scratch: `scratch(name, shape, dtype)` gives the arrays that this call and its backward need (named
            "y", "dx", "winners" ...), so that none is made anew; new ones by default.

    Returns:
        y (N, *O, C) and the cache for `max_pool_backward`; it doesn't hold x or y.

    Raises:
        InvalidValue: where the window doesn't fit.
    """
    scratch = scratch or new_arrays(xp_of(x))
    places = windows(x.shape[1:-1], window, window if strides is None else strides, padding, owner="max_pool")
    y = _room(out, scratch, "y", (len(x), *places.positions, x.shape[-1]), x.dtype)
    winners = max_pool_windows(x, y, places.window, places.strides, places.before, scratch, keep)
    return y, (winners, x.shape, places, scratch)


def max_pool_backward(dy, cache, *, dx=None):
    """Returns dx of `max_pool`: dy at the first maximum of each window (in row-major order), zeros elsewhere.

    Args:
        dy: gradient by y, (N, *O, C).
        cache: from `max_pool`.
        dx: destination (N, *S, C).
    """
    winners, shape, places, scratch = cache
    dx = _room(dx, scratch, "dx", shape, dy.dtype)
    max_pool_scatter(dy, winners, dx, places.window, places.strides, places.before, scratch)
    return dx


def average_pool(x, window, strides=None, padding="valid", *, out=None, scratch=None):
    """Computes the mean of each window of each channel; "same" counts only what lies inside the image.

    Args:
        x: images (N, *S, C), any number of axes S.
        window: whole number, or one for each axis in a tuple.
        strides: the same; by default the window.
        padding: "valid", or "same" (output length ceil(n / stride)).
        out: destination (N, *O, C).
        scratch: as in `max_pool`.

    Returns:
        y (N, *O, C) and the cache for `average_pool_backward`.

    Raises:
        InvalidValue: where the window doesn't fit.
    """
    scratch = scratch or new_arrays(xp_of(x))
    strides = window if strides is None else strides
    places = windows(x.shape[1:-1], window, strides, padding, owner="average_pool")
    y = _room(out, scratch, "y", (len(x), *places.positions, x.shape[-1]), x.dtype)
    sum_windows(x, y, places.window, places.strides, places.before, scratch)
    for block, count in _counts(x.shape[1:-1], places):
        means = y[block]
        means /= count
    return y, (x.shape, places, scratch)


def average_pool_backward(dy, cache, *, dx=None):
    """Returns dx of `average_pool`: for each pixel the sum of dy / n over its windows of n pixels.

    Args:
        dy: gradient by y, (N, *O, C).
        cache: from `average_pool`.
        dx: destination (N, *S, C).
    """
    xp = xp_of(dy)
    shape, places, scratch = cache
    shares = scratch("part", dy.shape, dy.dtype)
    for block, count in _counts(shape[1:-1], places):
        xp.divide(dy[block], count, shares[block])
    dx = _room(dx, scratch, "dx", shape, dy.dtype)
    sum_scatter(shares, dx, places.window, places.strides, places.before, scratch)
    return dx


@lru_cache(maxsize=1024)
def _counts(lengths, places):
    """Returns (index, number of pixels) for each block of windows that have equally many inside the image."""
    axes = []
    for n, o, k, s, p in zip(
        lengths, places.positions, places.window, places.strides, places.before, strict=True
    ):
        inside = [min(at * s - p + k, n) - max(at * s - p, 0) for at in range(o)]
        runs, start = [], 0
        for count, members in itertools.groupby(inside):
            stop = start + len(list(members))
            runs.append((slice(start, stop), count))
            start = stop
        axes.append(runs)
    return tuple(
        ((slice(None), *(run for run, _ in block)), math.prod(count for _, count in block))
        for block in itertools.product(*axes)
    )


# ---------------------------------------------------------------- whole images


def global_max_pool(x, *, out=None):
    """Computes the maximum of each channel over all pixels.

    Args:
        x: images (N, *S, C).
        out: destination (N, C).

    Returns:
        y (N, C) and the cache for `global_max_pool_backward`.
    """
    pixels = _pixels(x)
    y = put(pixels.max(axis=1), out)
    return y, (pixels, y, x.shape)


def global_max_pool_backward(dy, cache, *, dx=None):
    """Returns dx of `global_max_pool`: equal maxima share dy evenly, as in TensorFlow's reduce_max.

    Args:
        dy: gradient by y, (N, C).
        cache: from `global_max_pool`.
        dx: destination (N, *S, C).
    """
    xp = xp_of(dy)
    pixels, y, shape = cache
    dx = xp.empty(shape, dy.dtype) if dx is None else dx
    rows = _pixels_of(dx, pixels.shape)
    rows[...] = pixels == y[:, None]
    rows *= dy[:, None] / _sum_pixels(rows)
    return _unfold(rows, dx)


def global_average_pool(x, mask=None, *, out=None):
    """Computes the mean of each channel over all pixels, or over those steps of a sequence that count.

    A sequence none of whose steps counts has the mean 0.

    Args:
        x: images (N, *S, C).
        mask: (N, steps) for sequences x (N, steps, C): non-zero where a step counts; or None.
        out: destination (N, C).

    Returns:
        y (N, C) and the cache for `global_average_pool_backward`.
    """
    xp = xp_of(x)
    pixels = _pixels(x)
    if mask is None:
        sums, counts = _sum_pixels(pixels), pixels.shape[1]
    else:
        mask = (mask != 0)[..., None]  # (N, steps, 1)
        sums = _sum_pixels(xp.where(mask, pixels, 0.0))
        counts = xp.maximum(mask.sum(axis=1, keepdims=True).astype(x.dtype), 1.0)  # (N, 1, 1)
    return put((sums / counts)[:, 0], out), (mask, counts, x.shape)


def global_average_pool_backward(dy, cache, *, dx=None):
    """Returns dx of `global_average_pool`: dy / n for each of the n pixels that count.

    Args:
        dy: gradient by y, (N, C).
        cache: from `global_average_pool`.
        dx: destination (N, *S, C).
    """
    xp = xp_of(dy)
    mask, counts, shape = cache
    dx = xp.empty(shape, dy.dtype) if dx is None else dx
    rows = _pixels_of(dx, (shape[0], math.prod(shape[1:-1]), shape[-1]))
    shares = dy[:, None] / counts
    if mask is None:
        rows[...] = shares
    else:
        xp.multiply(shares, mask, rows)
    return _unfold(rows, dx)


def _sum_pixels(pixels):
    """Returns the sums over the middle axis, (N, 1, C): a product with ones, three times as fast as `sum`.

    Of long lines the sums of RUN pixels each are added in float64, or float32 would lose digits.
    """
    length = pixels.shape[1]
    if length <= RUN:
        return xp_of(pixels).matmul(ones(xp_of(pixels), (1, length), pixels.dtype), pixels)
    images, _, channels = pixels.shape
    count = length // RUN
    runs = pixels[:, : count * RUN].reshape(images * count, RUN, channels)
    total = _sum_pixels(runs).reshape(images, count, channels).sum(axis=1, dtype="float64", keepdims=True)
    if length % RUN:
        total += _sum_pixels(pixels[:, count * RUN :])
    return total.astype(pixels.dtype)


# ---------------------------------------------------------------- destinations


def _pixels(x):
    """Returns images (N, *S, C) as (N, pixels, C); of no images too, where NumPy can't know a -1."""
    return x.reshape(len(x), math.prod(x.shape[1:-1]), x.shape[-1])


def _room(out, scratch, name, shape, dtype):
    return scratch(name, shape, dtype) if out is None else out


def _pixels_of(dx, shape):
    """Returns `dx` as (N, pixels, C), or an array of that shape where this would be a copy."""
    return dx.reshape(shape) if dx.flags.c_contiguous else xp_of(dx).empty(shape, dx.dtype)


def _unfold(rows, dx):
    return dx if dx.flags.c_contiguous else put(rows.reshape(dx.shape), dx)
