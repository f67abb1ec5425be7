"""The geometry of images: zeros around them, parts of them, and other sizes. Each is linear in its input."""

import math

from kerasette.backend import xp_of
from kerasette.functions.common import put
from kerasette.functions.convolution import new_arrays
from kerasette.functions.interpolation import framed_on, outside_on
from kerasette.functions.windows import sum_scatter, sum_windows

# ---------------------------------------------------------------- borders


def zero_padding(x, padding, *, out=None):
    """Puts zeros around an array.

    Args:
        x: any shape.
        padding: (before, after) for each axis.
        out: destination.

    Returns:
        y and the cache for `zero_padding_backward`.
    """
    shape = tuple(n + before + after for n, (before, after) in zip(x.shape, padding, strict=True))
    y = xp_of(x).empty(shape, x.dtype) if out is None else out
    _write_within_zeros(y, x, padding)
    return y, (shape, padding)


def zero_padding_backward(dy, cache, *, dx=None):
    """Returns dx of `zero_padding`: a part of dy, as a view where no destination is given."""
    shape, padding = cache
    return put(dy[_within(shape, padding)], dx)


def cropping(x, cut, *, out=None):
    """Takes borders away.

    Args:
        x: any shape.
        cut: (before, after) for each axis: how many positions go.
        out: destination; without one the result is a view.

    Returns:
        y and the cache for `cropping_backward`.
    """
    return put(x[_within(x.shape, cut)], out), (x.shape, cut)


def cropping_backward(dy, cache, *, dx=None):
    """Returns dx of `cropping`: dy with zeros around it."""
    shape, cut = cache
    dx = xp_of(dy).empty(shape, dy.dtype) if dx is None else dx
    _write_within_zeros(dx, dy, cut)
    return dx


def _within(shape, borders):
    """Returns the index of what lies within the borders."""
    return tuple(slice(before, n - after) for n, (before, after) in zip(shape, borders, strict=True))


def _write_within_zeros(target, part, borders):
    for axis, (before, after) in enumerate(borders):
        ahead = (slice(None),) * axis
        if before:
            target[(*ahead, slice(0, before))] = 0
        if after:
            target[(*ahead, slice(target.shape[axis] - after, None))] = 0
    target[_within(target.shape, borders)] = part


# ---------------------------------------------------------------- repeating


def upsample(x, size, *, out=None, scratch=None):
    """Repeats each pixel `size` times along each axis.

    Args:
        x: images (N, *S, C).
        size: tuple with a whole number for each axis of S.
        out: destination (N, *(S size), C).
        scratch: `scratch(name, shape, dtype)` gives the arrays that this call and its backward need (named
            "y", "dx" ...), so that none is made anew; new ones by default.

    Returns:
        y and the cache for `upsample_backward`.
    """
    scratch = scratch or new_arrays(xp_of(x))
    shape = (len(x), *[n * times for n, times in zip(x.shape[1:-1], size, strict=True)], x.shape[-1])
    y = scratch("y", shape, x.dtype) if out is None else out
    sum_scatter(x, y, size, size, (0,) * len(size), scratch)
    return y, (x.shape, size, scratch)


def upsample_backward(dy, cache, *, dx=None):
    """Returns dx of `upsample`: the sum of dy over the copies of each pixel."""
    shape, size, scratch = cache
    dx = scratch("dx", shape, dy.dtype) if dx is None else dx
    sum_windows(dy, dx, size, size, (0,) * len(size), scratch)
    return dx


# ---------------------------------------------------------------- other sizes


def resize(
    x, size, interpolation="bilinear", antialias=False, box=None, fill_value=0.0, *, out=None, scratch=None
):
    """Gives images another size: y = R x K^T, with the weights of the rows R and of the columns K.

    The weights are those of TensorFlow's image.resize (centres of pixels at 0.5, 1.5 ...); see
    `interpolation.interpolation`.

    Args:
        x: images (N, height, width, C), floats.
        size: (height, width) of the result.
        interpolation: "nearest", "bilinear", "bicubic", "lanczos3" or "lanczos5".
        antialias: whether shrinking looks at all pixels that a new one covers.
        box: ((top, height), (left, width)) of the part of the image that is resized; it may be larger than
            the image. By default the image.
        fill_value: what lies around the image.
        out: destination (N, *size, C).
        scratch: as in `upsample`.

    Returns:
        y and the cache for `resize_backward`.
    """
    xp = xp_of(x)
    scratch = scratch or new_arrays(xp)
    box = ((0, x.shape[1]), (0, x.shape[2])) if box is None else box
    rows, columns = (
        (length, target, interpolation, antialias, *part)
        for length, target, part in zip(x.shape[1:3], size, box, strict=True)
    )
    dtype = str(x.dtype)
    cache = framed_on(xp, dtype, *rows), framed_on(xp, dtype, *columns), x.shape, scratch
    y = scratch("y", (len(x), *size, x.shape[-1]), x.dtype) if out is None else out
    between = scratch("between", (len(x), size[0], *x.shape[2:]), x.dtype)
    _along_rows(xp, cache[0], x, between)
    xp.matmul(cache[1], between, out=y)
    if fill_value and (box[0][0] < 0 or box[1][0] < 0):
        y += outside_on(xp, dtype, rows, columns) * fill_value
    return y, cache


def resize_backward(dy, cache, *, dx=None):
    """Returns dx of `resize`: the transposed products."""
    xp = xp_of(dy)
    rows, columns, shape, scratch = cache
    dx = scratch("dx", shape, dy.dtype) if dx is None else dx
    between = scratch("between", (*dy.shape[:2], *shape[2:]), dy.dtype)
    xp.matmul(columns.T, dy, out=between)
    _along_rows(xp, rows.T, between, dx)
    return dx


def _along_rows(xp, weights, x, y):
    """Writes weights (O, I) x to `y` (N, O, W, C), for x (N, I, W, C)."""
    flat = math.prod(x.shape[2:])
    if y.flags.c_contiguous:
        xp.matmul(weights, x.reshape(*x.shape[:2], flat), out=y.reshape(*y.shape[:2], flat))
    else:
        y[...] = xp.matmul(weights, x.reshape(*x.shape[:2], flat)).reshape(y.shape)
