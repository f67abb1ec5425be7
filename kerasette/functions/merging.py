"""What combines several inputs of one batch: sums, products, extremes, dot products.

The first axis of every array is the batch; the others broadcast as in NumPy. `dxs` are destinations,
one for each input, or None.
"""

import math

from kerasette.backend import xp_of
from kerasette.functions.common import put
from kerasette.functions.elementwise import multiply_backward, sum_to


def _none(xs):
    return [None] * len(xs)


def _fold(ufunc, xs, out):
    """Returns ufunc(ufunc(x0, x1), x2) ... over broadcast arrays."""
    y = xs[0]
    for place, x in enumerate(xs[1:], 2):
        # CuPy refuses an `out` larger than the result, which only the last one surely fills.
        fits = out is not None and (place == len(xs) or out.shape in (y.shape, x.shape))
        y = ufunc(y, x, out=out if fits else None)
    return y


def add_all(xs, *, out=None):
    """Computes the sum of two or more arrays."""
    return _fold(xp_of(xs[0]).add, xs, out), [x.shape for x in xs]


def add_all_backward(dy, shapes):
    """Returns dy for each input, summed to its shape: dy itself where nothing was broadcast."""
    return tuple(sum_to(dy, shape) for shape in shapes)


def average_all(xs, *, out=None):
    """Computes the mean of two or more arrays."""
    y, shapes = add_all(xs, out=out)
    y /= len(xs)
    return y, shapes


def average_all_backward(dy, shapes, *, dx=None):
    """Returns dy / n for each of n inputs; `dx` is a destination like dy, which all of them share."""
    return add_all_backward(xp_of(dy).multiply(dy, 1.0 / len(shapes), out=dx), shapes)


def multiply_all(xs, *, out=None):
    """Computes the product of two or more arrays."""
    return _fold(xp_of(xs[0]).multiply, xs, out), list(xs)


def multiply_all_backward(dy, xs, *, dxs=None):
    """Returns for each input dy times the product of the others; zeros in them do no harm."""
    dxs = dxs or _none(xs)
    if len(xs) == 2:
        return multiply_backward(dy, xs, dx1=dxs[0], dx2=dxs[1])
    multiply = xp_of(dy).multiply
    before = [dy]  # dy x0 x1 ... up to each input
    for x in xs[:-1]:
        before.append(multiply(before[-1], x))
    found, after = [], None  # after: the product of the inputs behind this one
    for x, left, out in zip(reversed(xs), reversed(before), reversed(dxs), strict=True):
        product = left if after is None else multiply(left, after)
        found.append(sum_to(product, x.shape, out))
        after = x if after is None else multiply(after, x)
    return tuple(reversed(found))


def maximum_all(xs, *, out=None):
    """Computes the greatest of two or more arrays, element by element."""
    y = _fold(xp_of(xs[0]).maximum, xs, out)
    return y, (list(xs), y)


def minimum_all(xs, *, out=None):
    """Computes the least of two or more arrays, element by element."""
    y = _fold(xp_of(xs[0]).minimum, xs, out)
    return y, (list(xs), y)


def maximum_all_backward(dy, cache, *, dxs=None):
    """Returns dy for the input that was chosen, the first of equal ones as in TensorFlow; else 0."""
    xs, y = cache
    xp = xp_of(dy)
    found, free = [], None  # free: where no earlier input was chosen
    for x, out in zip(xs, dxs or _none(xs), strict=True):
        mine = x == y if free is None else (x == y) & free
        free = ~mine if free is None else free & ~mine
        if x.shape == dy.shape:
            found.append(xp.multiply(dy, mine, out=out))
        else:
            found.append(sum_to(dy * mine, x.shape, out))
    return tuple(found)


minimum_all_backward = maximum_all_backward


# ---------------------------------------------------------------- dot products


def batch_dot(x1, x2, axes, *, out=None):
    """Computes sum over k of x1[n, ..., k, ...] x2[n, ..., k, ...] for each sample n.

    Args:
        x1: (N, ...), with K on its axis `axes[0]`.
        x2: (N, ...), with K on its axis `axes[1]`.
        axes: two whole numbers from 1.
        out: destination; (N, rest of x1, rest of x2).

    Returns:
        y (N, rest of x1, rest of x2), or (N, 1) where no other axis is left, and the cache.
    """
    xp = xp_of(x1)
    left, right = xp.moveaxis(x1, axes[0], -1), xp.moveaxis(x2, axes[1], -1)
    shape = (*left.shape[:-1], *right.shape[1:-1])
    rows = _matrices(left)  # (N, A, K)
    columns = _matrices(right)  # (N, B, K)
    y = xp.matmul(rows, columns.swapaxes(1, 2))  # (N, A, B)
    cache = (rows, columns, left.shape, right.shape, axes)
    return put(y.reshape(shape if len(shape) > 1 else (len(x1), 1)), out), cache


def _matrices(x):
    return x.reshape(len(x), math.prod(x.shape[1:-1]), x.shape[-1])


def batch_dot_backward(dy, cache):
    """Returns dx1 and dx2 of `batch_dot`."""
    rows, columns, left_shape, right_shape, axes = cache
    xp = xp_of(dy)
    dy = dy.reshape(len(rows), rows.shape[1], columns.shape[1])
    drows = xp.matmul(dy, columns)
    dcolumns = xp.matmul(dy.swapaxes(1, 2), rows)
    return (
        xp.moveaxis(drows.reshape(left_shape), -1, axes[0]),
        xp.moveaxis(dcolumns.reshape(right_shape), -1, axes[1]),
    )
