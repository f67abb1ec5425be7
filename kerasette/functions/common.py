"""What several function families share: destinations, checked targets, and means with their gradients."""

import math
from functools import lru_cache

from kerasette.backend import xp_of
from kerasette.errors import value_error

INNER = 1 << 12  # products that BLAS adds with an error of some millionths at most


def put(value, out=None):
    """Returns `value`; written into `out` where that is given, and then `out`."""
    if out is None:
        return value
    out[...] = value
    return out


def floats(x, dtype):
    """Returns `x`, or whole numbers as `dtype`: an Input of integers may lead straight into any layer."""
    return x if x.dtype.kind == "f" else x.astype(dtype)


def blocks(count: int, each: int, room: int) -> list[slice]:
    """Returns slices of `count` samples of `each` numbers that hold up to `room` numbers, one or more."""
    parts = max(1, -(-count // max(1, room // max(1, each))))
    return [slice(count * k // parts, count * (k + 1) // parts) for k in range(parts)]


def at_least(x, low, out=None):
    """Returns max(x, low) for a number `low`.

    NumPy's maximum of an array and a number isn't vectorised; its clip is, but takes longer to start.
    """
    xp = xp_of(x)
    return xp.maximum(x, low, out=out) if x.size < 4096 else xp.clip(x, low, math.inf, out=out)


def targets(y_true, y_pred):
    """Returns `y_true` in the dtype of `y_pred`.

    Raises:
        InvalidValue: where the shapes differ, even if they could be broadcast: a (n,) against a (n, 1)
            would give an (n, n) loss and no error.
    """
    if y_true.shape != y_pred.shape:
        raise value_error(
            f"y_true has the shape {y_true.shape}, y_pred {y_pred.shape}; a loss needs both the same.",
            "Reshape y_true, or give the last layer as many units as y_true has columns.",
        )
    return y_true if y_true.dtype == y_pred.dtype else y_true.astype(y_pred.dtype)


def count(shape, axis) -> int:
    """Returns how many elements a reduction of `shape` over `axis` (int, tuple or None) takes together."""
    axes = range(len(shape)) if axis is None else axis if isinstance(axis, (tuple, list)) else (axis,)
    product = 1
    for one in axes:
        product *= shape[one]
    return product


def mean(values, axis=-1):
    """Returns the mean over `axis`; four times as fast as the method `mean` on small arrays."""
    return values.sum(axis=axis) / count(values.shape, axis)


def inner(a, b):
    """Returns the sum of the products of two vectors, a scalar; that of long ones in float64.

    BLAS adds in the type of the vectors: a sum of nine million squares in float32 is off by a thousandth.
    Here it adds blocks, and their sums are added in float64.
    """
    if a.size <= INNER:
        return a.dot(b)
    whole = a.size // INNER * INNER
    rows, columns = a[:whole].reshape(-1, 1, INNER), b[:whole].reshape(-1, INNER, 1)
    return xp_of(a).matmul(rows, columns).sum(dtype="float64") + a[whole:].dot(b[whole:])


@lru_cache(maxsize=64)
def ones(xp, shape, dtype):
    """Returns an array of ones that all callers share: nobody writes on it."""
    return xp.ones(shape, dtype)


def row_sums(xp, x, axis=-1, keepdims=False):
    """Returns the sums over `axis`; those over the rows of a matrix as a product with ones.

    At 128 rows that takes a third of the time of the method `sum`, and it is as exact. With `keepdims` the
    sum of a single row has no axes: NumPy spreads a number over a row in a third of the time of a (1, 1).
    """
    if axis == -1 and x.ndim == 2:
        sums = x.dot(ones(xp, x.shape[1], x.dtype))
        if not keepdims:
            return sums
        return sums[:, None] if len(x) != 1 else sums.reshape(())
    return x.sum(axis, None, None, keepdims)


def row_peaks(xp, x, axis=-1):
    """Returns the maxima over `axis`, which stays with length 1; that of a single row has no axes.

    NumPy starts anew for every row. Many short rows are faster turned: (128, 10) takes 4 us, not 12.
    """
    if axis == -1 and x.ndim == 2:
        if len(x) == 1:
            return x.max()
        if len(x) >= 32 and x.shape[1] <= 48:
            return x.T.copy().max(axis=0)[:, None]
    return x.max(axis, None, True)


def expand(xp, reduced, axis):
    """Returns `reduced` with the axes back (as length 1) that a reduction over `axis` removed.

    A single number comes back without axes, since it spreads over any shape.
    """
    if axis == -1:  # ten times as fast as expand_dims
        return reduced[..., None] if reduced.size != 1 else reduced.reshape(())
    return reduced if axis is None else xp.expand_dims(reduced, axis)


def spread_mean(xp, dlosses, shape, axis):
    """Returns the gradient of a mean over `axis` by each of its elements, ready to broadcast to `shape`."""
    return expand(xp, dlosses * (1.0 / count(shape, axis)), axis)
