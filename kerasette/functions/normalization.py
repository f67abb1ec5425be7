"""Normalization over axes of each sample, and to unit length.

Layer normalization keeps its normalized values for the way back; the others compute them again from the
input. Either way the output may be overwritten (an activation in place).
"""

import math

from kerasette.backend import xp_of
from kerasette.functions.common import ones, put
from kerasette.functions.core import sum_rows

SHORT_ROWS = 512  # numbers: NumPy adds longer rows pairwise, which a product doesn't

# ---------------------------------------------------------------- over axes of each sample


def layer_normalization(x, gamma, beta, axes, epsilon, *, out=None, normal=None):
    """Normalizes over `axes`: gamma (x - mean) / sqrt(var + epsilon) + beta, per sample.

    Ba, Kiros & Hinton 2016, with the biased variance.

    Args:
        x: any shape.
        gamma, beta: the shape of x on `axes`, or None.
        axes: the axes to normalize over, ascending and counted from the front (the batch is 0).
        epsilon: added to the variance.
        out: destination like x.
        normal: where the normalized values stay for the way back, like x; new unless given.

    Returns:
        y like x, and the cache for `layer_normalization_backward`.
    """
    xp = xp_of(x)
    normal = xp.subtract(x, _mean(x, axes), normal)
    squares = xp.square(normal, out)
    inverse = 1 / xp.sqrt(_mean(squares, axes) + epsilon)
    normal *= inverse
    if gamma is None:
        squares[...] = normal
    y = squares if gamma is None else xp.multiply(normal, _spread(gamma, x, axes), squares)
    if beta is not None:
        y += _spread(beta, x, axes)
    return y, (normal, inverse, gamma, beta, axes)


def layer_normalization_backward(dy, cache, *, need_dx=True, dx=None, dgamma=None, dbeta=None):
    """Returns dx, dgamma, dbeta of `layer_normalization`.

    With n for the normalized values, dx = (gamma dy - mean(gamma dy) - n mean(gamma dy n)) / deviation.

    Args:
        dy: gradient by y, like x.
        cache: from `layer_normalization`.
        need_dx: whether dx is wanted; if not, it comes back as None.
        dx, dgamma, dbeta: destinations.

    Returns:
        dx or None; dgamma and dbeta, None where there was no gamma or beta.
    """
    xp = xp_of(dy)
    normal, inverse, gamma, beta, axes = cache
    along = xp.multiply(dy, normal, dx if need_dx else None)
    dgamma = _sum_to(gamma, along, axes, dgamma)
    dbeta = _sum_to(beta, dy, axes, dbeta)
    if not need_dx:
        return None, dgamma, dbeta
    dx = xp.multiply(normal, _mean(along, axes, gamma), along)
    dx += _mean(dy, axes, gamma)
    scaled = dy if gamma is None else dy * _spread(gamma, dy, axes)
    xp.subtract(scaled, dx, dx)
    dx *= inverse
    return dx, dgamma, dbeta


def rms_normalization(x, scale, axes, epsilon, *, out=None):
    """Divides by the root mean square over `axes`: scale x / sqrt(mean(x^2) + epsilon), per sample.

    Zhang & Sennrich 2019.

    Args:
        x: any shape.
        scale: the shape of x on `axes`.
        axes: the axes of the mean, ascending and counted from the front (the batch is 0).
        epsilon: added to the mean square.
        out: destination like x.

    Returns:
        y like x, and the cache for `rms_normalization_backward`.
    """
    xp = xp_of(x)
    inverse = 1 / xp.sqrt(_mean(xp.square(x), axes) + epsilon)
    y = xp.multiply(x, inverse, out)
    y *= _spread(scale, x, axes)
    return y, (x, inverse, scale, axes)


def rms_normalization_backward(dy, cache, *, need_dx=True, dx=None, dscale=None):
    """Returns dx (or None where it isn't wanted) and dscale of `rms_normalization`."""
    xp = xp_of(dy)
    x, inverse, scale, axes = cache
    normal = xp.multiply(x, inverse, dx if need_dx else None)
    work = dy * normal
    dscale = _sum_to(scale, work, axes, dscale)
    if not need_dx:
        return None, dscale
    spread = _spread(scale, x, axes)
    work *= spread
    normal *= _mean(work, axes)
    dx = xp.subtract(xp.multiply(dy, spread, work), normal, normal)
    dx *= inverse
    return dx, dscale


def _mean(x, axes, weights=None):
    """Returns the mean of `x`, or of x times weights, over `axes`, which stay with length 1.

    A product with ones, or with the weights, adds short rows in a fraction of the time that `sum` takes, and
    as exactly. Where axes before the last ones are added, that is in float64.
    """
    shape = [1 if axis in axes else n for axis, n in enumerate(x.shape)]
    count = math.prod(x.shape[axis] for axis in axes)
    last = axes[0] == x.ndim - len(axes)
    if last and count <= SHORT_ROWS:
        factors = ones(xp_of(x), (count,), x.dtype) if weights is None else weights.reshape(-1)
        return (x.reshape(-1, count).dot(factors) / count).reshape(shape)
    x = x if weights is None else x * _spread(weights, x, axes)
    return (x.sum(axes, None if last else "float64", None, True) / count).astype(x.dtype, copy=False)


def _spread(parameter, x, axes):
    """Returns a parameter of the shape of `x` on `axes` so that it broadcasts against `x`."""
    return parameter.reshape([n if axis in axes else 1 for axis, n in enumerate(x.shape)])


def _sum_to(parameter, x, axes, out):
    """Returns the sum of `x` over all axes but `axes`, shaped like `parameter`; None if that is None."""
    if parameter is None:
        return None
    order = [axis for axis in range(x.ndim) if axis not in axes]
    sums = sum_rows(x.transpose([*order, *axes]).reshape(-1, parameter.size))
    return put(sums.reshape(parameter.shape), out)


# ---------------------------------------------------------------- to length one


def unit_normalization(x, axes, epsilon=1e-12, *, out=None):
    """Scales `x` to Euclidean length 1 over `axes`: y = x / max(|x|, epsilon).

    Args:
        x: any shape.
        axes: axis or axes that make one vector.
        epsilon: the least length divided by (Keras's layer takes 1e-12).
        out: destination like x.

    Returns:
        y like x, and the cache for `unit_normalization_backward`.
    """
    xp = xp_of(x)
    length = xp.sqrt(xp.square(x).sum(axes, None, None, True))
    inverse = 1 / xp.maximum(length, epsilon)
    longer = length > epsilon
    return xp.multiply(x, inverse, out), (x, inverse, longer, axes)


def unit_normalization_backward(dy, cache, *, need_dx=True, dx=None):
    """Returns dx = (dy - y sum(y dy)) / |x|, without its second part where x is shorter than epsilon."""
    if not need_dx:
        return None
    xp = xp_of(dy)
    x, inverse, longer, axes = cache
    y = x * inverse
    along = (dy * y).sum(axes, None, None, True) * longer
    y *= along
    dx = xp.subtract(dy, y, dx)
    dx *= inverse
    return dx
