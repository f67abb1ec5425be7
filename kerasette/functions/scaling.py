"""Fixed scales and offsets: rescaling, and standardizing by known statistics."""

from kerasette.backend import xp_of
from kerasette.functions.elementwise import sum_to

LEAST_DEVIATION = 1e-7  # a smaller standard deviation is divided by as this, as in Keras


def rescale(x, scale, offset, *, out=None, dtype=None):
    """Computes y = x scale + offset.

    Args:
        x: (N, ...), of any number type.
        scale, offset: numbers, or arrays that broadcast to one sample.
        out: destination like x.
        dtype: of y; the dtype of x unless given.

    Returns:
        y and the cache for `rescale_backward`.
    """
    y = xp_of(x).multiply(x, scale, out=out, dtype=dtype)
    y += offset
    return y, (x.shape, scale)


def rescale_backward(dy, cache, *, dx=None):
    """Returns dy scale."""
    shape, scale = cache
    if dy.shape != shape:
        return sum_to(dy * scale, shape, dx)
    return xp_of(dy).multiply(dy, scale, out=dx)


def standardize(x, mean, variance, invert=False, *, out=None, dtype=None):
    """Computes y = (x - mean) / max(sqrt(variance), 1e-7), or with `invert` its opposite.

    Args:
        x: (N, ...), of any number type.
        mean, variance: broadcastable to x.
        invert: whether y = mean + x max(sqrt(variance), 1e-7) instead.
        out: destination like x.
        dtype: of y; the dtype of x unless given.

    Returns:
        y and the factor of x: the cache for `standardize_backward`.
    """
    xp = xp_of(x)
    factor = xp.maximum(xp.sqrt(variance), LEAST_DEVIATION)
    if invert:
        y = xp.multiply(x, factor, out=out, dtype=dtype)
        y += mean
        return y, factor
    factor = 1.0 / factor
    y = xp.subtract(x, mean, out=out, dtype=dtype)
    y *= factor
    return y, factor


def standardize_backward(dy, factor, *, dx=None):
    """Returns dy times the factor of x."""
    return xp_of(dy).multiply(dy, factor, out=dx)
