"""Random layers as functions of their input and of random arrays that the caller drew; and PReLU's slopes."""

import math

from kerasette.backend import xp_of
from kerasette.functions.elementwise import sum_to

_SELU_LIMIT = -1.0507009873554805 * 1.6732632423543772  # what selu gives far below 0


def gaussian_noise(x, noise, stddev, *, out=None):
    """Computes y = x + stddev noise, for standard normal `noise` like x."""
    xp = xp_of(x)
    y = xp.multiply(noise, stddev, out=out, dtype=x.dtype)
    y += x
    return y, None


def gaussian_dropout(x, noise, rate, *, out=None):
    """Computes y = x (1 + sqrt(rate / (1 - rate)) noise), for standard normal `noise` like x.

    Srivastava et al. 2014, section 10. The cache is the factor of x.
    """
    xp = xp_of(x)
    factor = xp.multiply(noise, math.sqrt(rate / (1.0 - rate)), dtype=x.dtype)
    factor += 1.0
    return xp.multiply(x, factor, out=out), factor


def gaussian_dropout_backward(dy, factor, *, dx=None):
    """Returns dy factor."""
    return xp_of(dy).multiply(dy, factor, out=dx)


def alpha_dropout(x, keep, rate, *, out=None):
    """Sets elements to the limit of selu, then scales and shifts so that mean and variance stay.

    y = a (x keep + p (1 - keep)) + b, p = -1.7581, a = ((1 - rate) (1 + rate p^2)) ** -1/2,
    b = -a p rate. Klambauer et al. 2017.

    Args:
        x: any shape.
        keep: bool, broadcastable to x.
        rate: the probability of False in `keep`, below 1.
        out: destination like x.

    Returns:
        y like x, and the factor of x: the cache for `alpha_dropout_backward`.
    """
    xp = xp_of(x)
    a = ((1.0 - rate) * (1.0 + rate * _SELU_LIMIT**2)) ** -0.5
    factor = xp.multiply(keep, a, dtype=x.dtype)
    shift = xp.multiply(~keep, a * _SELU_LIMIT, dtype=x.dtype)
    shift -= a * _SELU_LIMIT * rate
    y = xp.multiply(x, factor, out=out)
    y += shift
    return y, factor


alpha_dropout_backward = gaussian_dropout_backward


def prelu(x, alpha, *, out=None):
    """Computes y = x for x > 0, else alpha x (He et al. 2015).

    Args:
        x: (N, ...).
        alpha: slopes, broadcastable to one sample.
        out: destination like x.
    """
    xp = xp_of(x)
    slope = xp.where(x > 0.0, 1.0, alpha).astype(x.dtype, copy=False)
    return xp.multiply(x, slope, out=out), (x, alpha)


def prelu_backward(dy, cache, *, need_dx=True, dx=None, dalpha=None):
    """Returns dx (or None), and dalpha summed to the shape of alpha; both are 0 where x is, as TensorFlow."""
    x, alpha = cache
    xp = xp_of(dy)
    dalpha = sum_to(dy * xp.minimum(x, 0.0), alpha.shape, dalpha)
    if not need_dx:
        return None, dalpha
    slope = (x < 0.0) * alpha
    slope += x > 0.0
    return xp.multiply(dy, slope, out=dx), dalpha
