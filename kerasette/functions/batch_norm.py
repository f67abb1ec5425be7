"""Normalization of channels over a batch, by its own statistics or by given ones.

The backward functions compute the normalized values again from the input, so that the output may be
overwritten (an activation in place) and nothing of the size of a batch is kept. All of it is done by four
loops over rows of channels; images with channels elsewhere are turned first.
"""

import math

from kerasette.backend import xp_of
from kerasette.functions.common import put
from kerasette.functions.core import sum_rows
from kerasette.functions.kernels import swappable

TILES = 64  # rows that NumPy may take as one, since its loops start anew for each


def alone(array):
    """Returns the sum over all parts of a batch that is in one part."""
    return array


def batch_normalization(x, gamma, beta, axis, epsilon, *, samples=None, total=alone, out=None):
    """Normalizes each channel by the statistics of the batch: gamma (x - mean) / sqrt(var + epsilon) + beta.

    Ioffe & Szegedy 2015. The variance is biased (divided by the count), as in Keras. Statistics take
    two passes: the second one works on x - mean, and also removes what rounding left of the mean
    (Chan, Golub & LeVeque 1983), so a mean of 1e5 at a deviation of 1 costs no digits.

    Args:
        x: any shape with channels (C) on `axis`.
        gamma, beta: (C,), or None.
        axis: the axis of the channels.
        epsilon: added to the variance.
        samples: how many samples the batch has of which `x` is a part; all of it by default.
        total: returns the sum over all parts of the batch of what each of them gives it.
        out: destination like x.

    Returns:
        y like x, and the cache for `batch_normalization_backward`; its first two items are mean and
        variance, (C,).
    """
    rows = _rows(x, axis)  # (R, C)
    count = len(rows) if samples is None else len(rows) // len(x) * samples
    y = _room(out, rows, axis)
    shift = total(sum_rows(rows)) / count  # (C,)
    rest, squares = total(deviation_sums(rows, shift, y)) / count
    cache = _standardized(rows, shift, rest, squares, gamma, beta, axis, epsilon, count, total, y)
    return _delivered(y, x.shape, axis, out), cache


def batch_normalization_backward(dy, cache, *, need_dx=True, dx=None, dgamma=None, dbeta=None):
    """Returns dx, dgamma, dbeta of `batch_normalization`, through the statistics.

    With n = (x - mean) inverse: dx = scale (dy - mean(dy) - n mean(n dy)).

    Args:
        dy: gradient by y, like x.
        cache: from `batch_normalization`.
        need_dx: whether dx is wanted; if not, it comes back as None.
        dx, dgamma, dbeta: destinations.

    Returns:
        dx or None; dgamma and dbeta, None where there was no gamma or beta.
    """
    _, _, x, axis, shift, rest, inverse, gamma, has_beta, count, total = cache
    drows = _rows(dy, axis)
    work = _room(dx if need_dx else None, x, axis)
    along, plain = sums = deviation_products(x, shift, drows, work)  # (C,) each, of this part
    along -= rest * plain
    along *= inverse
    dgamma = None if gamma is None else put(along, dgamma)
    dbeta = put(plain, dbeta) if has_beta else None
    if not need_dx:
        return None, dgamma, dbeta
    along, plain = total(sums) / count
    slope = -along * inverse
    scale = inverse if gamma is None else inverse * gamma
    mix_deviations(x, shift, slope, -plain - rest * slope, drows, scale, work)
    return _delivered(work, dy.shape, axis, dx), dgamma, dbeta


def masked_batch_normalization(x, mask, gamma, beta, axis, epsilon, *, total=alone, out=None):
    """Normalizes like `batch_normalization`, by the statistics of what a mask lets count.

    All elements are normalized, those left out too. A channel of which nothing counts has mean 0 and
    variance 0, as in Keras.

    Args:
        x: any shape with channels (C) on `axis`.
        mask: like x without its last axis, or broadcastable to that: non-zero where elements count.
        gamma, beta: (C,), or None.
        axis: the axis of the channels.
        epsilon: added to the variance.
        total: returns the sum over all parts of the batch of what each of them gives it.
        out: destination like x.

    Returns:
        y like x, and the cache for `masked_batch_normalization_backward`; its first two items are mean
        and variance, (C,).
    """
    xp, rows = xp_of(x), _rows(x, axis)  # (R, C)
    counts = xp.broadcast_to((mask != 0)[..., None], x.shape)
    counted = _rows(counts, axis)  # (R, C)
    y = _room(out, rows, axis)
    sums = sum_rows(xp.where(counted, rows, 0.0))  # (C,)
    sums, numbers = total(xp.stack([sums, counted.sum(axis=0).astype(x.dtype)]))
    count = xp.maximum(numbers, 1.0)
    shift = sums / count
    rest, squares = total(deviation_sums(xp.where(counted, rows, shift), shift, y)) / count
    cache = _standardized(rows, shift, rest, squares, gamma, beta, axis, epsilon, count, total, y)
    return _delivered(y, x.shape, axis, out), (*cache, counts)


def masked_batch_normalization_backward(dy, cache, *, need_dx=True, dx=None, dgamma=None, dbeta=None):
    """Returns dx, dgamma, dbeta of `masked_batch_normalization`, through the statistics.

    What doesn't count takes no part in them: there dx = scale dy.

    Args:
        dy: gradient by y, like x.
        cache: from `masked_batch_normalization`.
        need_dx: whether dx is wanted; if not, it comes back as None.
        dx, dgamma, dbeta: destinations.

    Returns:
        dx or None; dgamma and dbeta, None where there was no gamma or beta.
    """
    *cache, counts = cache
    dx, dgamma, dbeta = batch_normalization_backward(
        dy, cache, need_dx=need_dx, dx=dx, dgamma=dgamma, dbeta=dbeta
    )
    if need_dx:
        _, _, _, axis, _, _, inverse, gamma, *_ = cache
        scale = inverse if gamma is None else inverse * gamma
        beyond = scale.reshape([-1 if k == axis % dy.ndim else 1 for k in range(dy.ndim)])
        xp_of(dy).copyto(dx, dy * beyond, where=~counts)
    return dx, dgamma, dbeta


def batch_normalization_inference(x, gamma, beta, mean, variance, axis, epsilon, *, out=None):
    """Computes gamma (x - mean) / sqrt(variance + epsilon) + beta for given statistics.

    Args:
        x: any shape with channels (C) on `axis`.
        gamma, beta: (C,), or None.
        mean, variance: (C,); constants for the gradient.
        axis: the axis of the channels.
        epsilon: added to the variance.
        out: destination like x.

    Returns:
        y like x, and the cache for `batch_normalization_inference_backward`.
    """
    xp, rows = xp_of(x), _rows(x, axis)
    inverse = 1 / xp.sqrt(variance + epsilon)
    scale = inverse if gamma is None else inverse * gamma
    y = _room(out, rows, axis)
    scale_deviations(rows, mean, scale, xp.zeros_like(mean) if beta is None else beta, y)
    return _delivered(y, x.shape, axis, out), (rows, axis, mean, inverse, gamma, beta is not None)


def batch_normalization_inference_backward(dy, cache, *, need_dx=True, dx=None, dgamma=None, dbeta=None):
    """Returns dx (or None), dgamma, dbeta of `batch_normalization_inference`."""
    x, axis, mean, inverse, gamma, has_beta = cache
    drows = _rows(dy, axis)
    work = _room(dx if need_dx else None, x, axis)
    if gamma is not None or has_beta:
        along, plain = deviation_products(x, mean, drows, work)
        dgamma = None if gamma is None else put(along * inverse, dgamma)
        dbeta = put(plain, dbeta) if has_beta else None
    if not need_dx:
        return None, dgamma, dbeta
    scale = inverse if gamma is None else inverse * gamma
    long, (scales,) = _long(drows, scale)
    xp_of(dy).multiply(long, scales, work.reshape(long.shape))
    return _delivered(work, dy.shape, axis, dx), dgamma, dbeta


def _standardized(rows, shift, rest, squares, gamma, beta, axis, epsilon, count, total, y):
    """Writes the normalized rows on y (R, C) and returns the cache; rest, squares: means of deviations."""
    xp = xp_of(rows)
    variance = xp.maximum(squares - rest * rest, 0.0)
    inverse = 1 / xp.sqrt(variance + epsilon)
    scale = inverse if gamma is None else inverse * gamma
    offset = -rest * scale if beta is None else beta - rest * scale
    scale_deviations(rows, shift, scale, offset, y)
    return shift + rest, variance, rows, axis, shift, rest, inverse, gamma, beta is not None, count, total


# ---------------------------------------------------------------- loops over rows of channels


@swappable
def deviation_sums(x, shift, work):
    """Returns the sums of x - shift and of its square over the rows, (2, C).

    Args:
        x: (R, C). shift: (C,).
        work: an array like x; what it holds afterwards is nobody's business.
    """
    xp, (long, (shifts,)) = xp_of(x), _long(x, shift)
    place = work.reshape(long.shape)
    xp.subtract(long, shifts, place)
    sums = sum_rows(work)
    xp.multiply(place, place, place)
    return xp.stack([sums, sum_rows(work)])


@swappable
def scale_deviations(x, shift, scale, offset, y):
    """Writes (x - shift) scale + offset on y (R, C), like x; shift, scale, offset: (C,)."""
    xp, (long, (shifts, scales, offsets)) = xp_of(x), _long(x, shift, scale, offset)
    place = y.reshape(long.shape)
    xp.subtract(long, shifts, place)
    place *= scales
    place += offsets


@swappable
def deviation_products(x, shift, dy, work):
    """Returns the sums of (x - shift) dy and of dy over the rows, (2, C); shift: (C,), the others (R, C)."""
    xp, (long, (shifts,)) = xp_of(x), _long(x, shift)
    place = work.reshape(long.shape)
    xp.subtract(long, shifts, place)
    place *= dy.reshape(long.shape)
    return xp.stack([sum_rows(work), sum_rows(dy)])


@swappable
def mix_deviations(x, shift, slope, offset, dy, scale, dx):
    """Writes ((x - shift) slope + offset + dy) scale on dx; x, dy, dx: (R, C), the others (C,)."""
    xp, (long, (shifts, slopes, offsets, scales)) = xp_of(x), _long(x, shift, slope, offset, scale)
    place = dx.reshape(long.shape)
    xp.subtract(long, shifts, place)
    place *= slopes
    place += offsets
    place += dy.reshape(long.shape)
    place *= scales


def _long(rows, *vectors):
    """Returns (R, C) as (R / k, k C), and the vectors (C,) repeated k times."""
    count = math.gcd(len(rows), TILES)
    xp = xp_of(rows)
    return rows.reshape(-1, count * rows.shape[1]), [xp.tile(vector, count) for vector in vectors]


# ---------------------------------------------------------------- rows and back


def _rows(x, axis):
    """Returns `x` as contiguous rows of channels (R, C)."""
    xp = xp_of(x)
    return xp.ascontiguousarray(xp.moveaxis(x, axis, -1)).reshape(-1, x.shape[axis])


def _takes_rows(out, axis):
    """Tells whether the rows of `out` are those of channels, so that results can be computed in it."""
    return out is not None and out.flags.c_contiguous and axis % out.ndim == out.ndim - 1


def _room(out, rows, axis):
    """Returns where to compute: `out` where its rows fit, else a new array."""
    return out.reshape(rows.shape) if _takes_rows(out, axis) else xp_of(rows).empty(rows.shape, rows.dtype)


def _delivered(rows, shape, axis, out):
    """Returns the rows of channels from `_room` as an array of `shape`; in `out` where that is given."""
    if _takes_rows(out, axis):
        return out
    axis %= len(shape)
    turned = rows.reshape((*shape[:axis], *shape[axis + 1 :], shape[axis]))
    return put(xp_of(rows).moveaxis(turned, -1, axis), out)
