"""Slices, reductions and concatenation, each with its derivative."""

from kerasette.backend import xp_of
from kerasette.functions.common import count, expand, put
from kerasette.functions.core import PLAIN_ROWS


def getitem(x, key):
    """Returns the part `x[key]` (slices, whole numbers, None and ...), a view, and the cache."""
    return x[key], (x.shape, key)


def getitem_backward(dy, cache, *, dx=None):
    """Returns dy at its places, and zeros elsewhere."""
    shape, key = cache
    dx = xp_of(dy).empty(shape, dy.dtype) if dx is None else dx
    dx[...] = 0.0
    dx[key] = dy
    return dx


# ---------------------------------------------------------------- reductions


def _sum(x, axis, keepdims, dtype=None):
    """Returns the sum of `x` over `axis`; of integers in `dtype`, or NumPy's choice.

    Along other axes than the last ones NumPy adds row after row, and many float32 rows lose digits so:
    these are added in float64.
    """
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    rows = axis is not None and min(a % x.ndim for a in axes) < x.ndim - len(axes)
    if rows and x.dtype == "float32" and count(x.shape, axis) > PLAIN_ROWS:
        return x.sum(axis=axis, dtype="float64", keepdims=keepdims).astype(x.dtype)
    return x.sum(axis=axis, dtype=dtype, keepdims=keepdims)


def sum_axes(x, axis=None, keepdims=False, *, out=None):
    """Computes the sum over `axis` (a whole number, a tuple of them, or None for all)."""
    return put(_sum(x, axis, keepdims, x.dtype), out), (x.shape, axis, keepdims)


def sum_axes_backward(dy, cache, *, dx=None):
    """Returns dy for each of the elements that were added."""
    shape, axis, keepdims = cache
    return _spread(dy, shape, axis, keepdims, dx)


def mean_axes(x, axis=None, keepdims=False, *, out=None):
    """Computes the mean over `axis` (a whole number, a tuple of them, or None for all)."""
    y = _sum(x, axis, keepdims) / count(x.shape, axis)
    return put(y, out), (x.shape, axis, keepdims)


def mean_axes_backward(dy, cache, *, dx=None):
    """Returns dy / n for each of the n elements."""
    shape, axis, keepdims = cache
    return _spread(dy * (1.0 / count(shape, axis)), shape, axis, keepdims, dx)


def max_axes(x, axis=None, keepdims=False, *, out=None):
    """Computes the maximum over `axis` (a whole number, a tuple of them, or None for all)."""
    y = x.max(axis=axis, keepdims=keepdims)
    return put(y, out), (x, y, axis, keepdims)


def min_axes(x, axis=None, keepdims=False, *, out=None):
    """Computes the minimum over `axis` (a whole number, a tuple of them, or None for all)."""
    y = x.min(axis=axis, keepdims=keepdims)
    return put(y, out), (x, y, axis, keepdims)


def max_axes_backward(dy, cache, *, dx=None):
    """Returns dy at the extreme element; equal ones share it evenly, as TensorFlow has it."""
    x, y, axis, keepdims = cache
    xp = xp_of(dy)
    if not keepdims:
        y, dy = expand(xp, y, axis), expand(xp, dy, axis)
    chosen = (x == y).astype(dy.dtype)
    return xp.multiply(chosen, dy / chosen.sum(axis=axis, keepdims=True), out=dx)


min_axes_backward = max_axes_backward


def _spread(dy, shape, axis, keepdims, dx):
    xp = xp_of(dy)
    dy = dy if keepdims else expand(xp, dy, axis)
    return put(xp.broadcast_to(dy, shape), xp.empty(shape, dy.dtype) if dx is None else dx)


# ---------------------------------------------------------------- joining


def concatenate(xs, axis=-1, *, out=None):
    """Joins arrays along `axis`.

    Args:
        xs: arrays whose shapes differ on `axis` at most.
        axis: where they are put one behind the other.
        out: destination.

    Returns:
        y and the cache for `concatenate_backward`.
    """
    axis %= xs[0].ndim
    return xp_of(xs[0]).concatenate(xs, axis=axis, out=out), ([x.shape[axis] for x in xs], axis)


def concatenate_backward(dy, cache):
    """Returns the part of dy that belongs to each input: views of dy."""
    lengths, axis = cache
    parts, start = [], 0
    for length in lengths:
        parts.append(dy[(slice(None),) * axis + (slice(start, start + length),)])
        start += length
    return tuple(parts)


def stack(xs, axis=0):
    """Joins arrays of one shape along a new axis, which is `axis` of the result."""
    xp = xp_of(xs[0])
    return xp.stack(xs, axis=axis), axis


def stack_backward(dy, axis):
    """Returns the part of dy that belongs to each input: views of dy."""
    return tuple(xp_of(dy).moveaxis(dy, axis, 0))
