"""Normalization over channels, over axes of each sample, and to unit length.

The backward functions compute the normalized values again from the input, so that the output may be
overwritten (an activation in place) and nothing of the size of a batch is kept.
"""

import math

from kerasette.backend import xp_of
from kerasette.functions.common import put
from kerasette.functions.core import sum_rows

# ---------------------------------------------------------------- over the batch


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
    xp = xp_of(x)
    folded = _fold(x, axis)
    count = x.size // x.shape[axis]
    if samples is not None:
        count = count // len(x) * samples
    shift = total(_sum_channels(folded)) / count  # (C,)
    y = xp.subtract(folded, _column(shift, folded), _fold_destination(out, axis))
    rest, squares = total(xp.stack([_sum_channels(y), _sum_channels(xp.square(y))])) / count
    variance = xp.maximum(squares - rest * rest, 0.0)
    inverse = 1 / xp.sqrt(variance + epsilon)
    scale = inverse if gamma is None else inverse * gamma
    y *= _column(scale, folded)
    y += _column(-rest * scale if beta is None else beta - rest * scale, folded)
    cache = (shift + rest, variance, folded, shift, rest, inverse, gamma, beta is not None, count, total)
    return _unfold(y, x.shape, out), cache


def batch_normalization_backward(dy, cache, *, need_dx=True, dx=None, dgamma=None, dbeta=None):
    """Returns dx, dgamma, dbeta of `batch_normalization`, through the statistics.

    Args:
        dy: gradient by y, like x.
        cache: from `batch_normalization`.
        need_dx: whether dx is wanted; if not, it comes back as None.
        dx, dgamma, dbeta: destinations.

    Returns:
        dx or None; dgamma and dbeta, None where there was no gamma or beta.
    """
    xp = xp_of(dy)
    _, _, x, shift, rest, inverse, gamma, has_beta, count, total = cache
    rows = dy.reshape(x.shape)
    work = xp.subtract(x, _column(shift, x), _destination_like(dx, x) if need_dx else None)
    work -= _column(rest, x)
    work *= _column(inverse, x)  # normalized x
    along, plain = _sum_channels(work * rows), _sum_channels(rows)  # (C,), of this part
    gradients = (
        put(along, dgamma) if gamma is not None else None,
        put(plain, dbeta) if has_beta else None,
    )
    if not need_dx:
        return (None, *gradients)
    along, plain = total(xp.stack([along, plain])) / count
    work *= _column(-along, x)
    work += rows
    work -= _column(plain, x)
    work *= _column(inverse if gamma is None else inverse * gamma, x)
    return (_unfold(work, dy.shape, dx), *gradients)


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
    xp = xp_of(x)
    folded = _fold(x, axis)
    inverse = 1 / xp.sqrt(variance + epsilon)
    y = xp.subtract(folded, _column(mean, folded), _fold_destination(out, axis))
    y *= _column(inverse if gamma is None else inverse * gamma, folded)
    if beta is not None:
        y += _column(beta, folded)
    return _unfold(y, x.shape, out), (folded, mean, inverse, gamma, beta is not None)


def batch_normalization_inference_backward(dy, cache, *, need_dx=True, dx=None, dgamma=None, dbeta=None):
    """Returns dx (or None), dgamma, dbeta of `batch_normalization_inference`."""
    xp = xp_of(dy)
    x, mean, inverse, gamma, has_beta = cache
    rows = dy.reshape(x.shape)
    if gamma is not None:
        along = _sum_channels((x - _column(mean, x)) * rows)
        dgamma = xp.multiply(along, inverse, dgamma)
    else:
        dgamma = None
    dbeta = put(_sum_channels(rows), dbeta) if has_beta else None
    if not need_dx:
        return None, dgamma, dbeta
    scale = inverse if gamma is None else inverse * gamma
    work = xp.multiply(rows, _column(scale, x), _destination_like(dx, x))
    return _unfold(work, dy.shape, dx), dgamma, dbeta


def _fold(x, axis):
    """Returns `x` as (rows, C) where the channels are last, else as (before, C, after)."""
    axis %= x.ndim
    channels, after = x.shape[axis], math.prod(x.shape[axis + 1 :])
    if axis == x.ndim - 1:
        return x.reshape(-1, channels)
    return x.reshape(-1, channels, after)


def _fold_destination(out, axis):
    return _fold(out, axis) if out is not None and out.flags.c_contiguous else None


def _destination_like(out, folded):
    return out.reshape(folded.shape) if out is not None and out.flags.c_contiguous else None


def _unfold(folded, shape, out):
    """Returns `folded` as `shape`; in `out` where that is given and wasn't written yet."""
    if out is None:
        return folded.reshape(shape)
    if not out.flags.c_contiguous:
        out[...] = folded.reshape(shape)
    return out


def _sum_channels(folded):
    return sum_rows(folded if folded.ndim == 2 else folded.sum(2))


def _column(vector, folded):
    """Returns a (C,) vector so that it broadcasts against `folded`."""
    return vector if folded.ndim == 2 else vector[:, None]


# ---------------------------------------------------------------- over axes of each sample


def layer_normalization(x, gamma, beta, axes, epsilon, *, out=None):
    """Normalizes over `axes`: gamma (x - mean) / sqrt(var + epsilon) + beta, per sample.

    Ba, Kiros & Hinton 2016, with the biased variance.

    Args:
        x: any shape.
        gamma, beta: the shape of x on `axes`, or None.
        axes: the axes to normalize over, ascending and counted from the front (the batch is 0).
        epsilon: added to the variance.
        out: destination like x.

    Returns:
        y like x, and the cache for `layer_normalization_backward`.
    """
    xp = xp_of(x)
    mean = _mean(x, axes)
    y = xp.subtract(x, mean, out)
    inverse = 1 / xp.sqrt(_mean(xp.square(y), axes) + epsilon)
    y *= inverse
    if gamma is not None:
        y *= _spread(gamma, x, axes)
    if beta is not None:
        y += _spread(beta, x, axes)
    return y, (x, mean, inverse, gamma, beta, axes)


def layer_normalization_backward(dy, cache, *, need_dx=True, dx=None, dgamma=None, dbeta=None):
    """Returns dx, dgamma, dbeta of `layer_normalization`.

    Args:
        dy: gradient by y, like x.
        cache: from `layer_normalization`.
        need_dx: whether dx is wanted; if not, it comes back as None.
        dx, dgamma, dbeta: destinations.

    Returns:
        dx or None; dgamma and dbeta, None where there was no gamma or beta.
    """
    xp = xp_of(dy)
    x, mean, inverse, gamma, beta, axes = cache
    normal = xp.subtract(x, mean, dx if need_dx else None)
    normal *= inverse
    work = dy * normal
    dgamma = _sum_to(gamma, work, axes, dgamma)
    dbeta = _sum_to(beta, dy, axes, dbeta)
    if not need_dx:
        return None, dgamma, dbeta
    if gamma is not None:
        scale = _spread(gamma, x, axes)
        work *= scale
    normal *= _mean(work, axes)
    scaled = dy if gamma is None else xp.multiply(dy, scale, work)
    work = xp.subtract(scaled, _mean(scaled, axes), work)
    dx = xp.subtract(work, normal, normal)
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


def _mean(x, axes):
    """Returns the mean over `axes`, which stay with length 1; in float64 where rows are added."""
    count = math.prod(x.shape[axis] for axis in axes)
    if axes[0] == x.ndim - len(axes):
        return x.sum(axes, None, None, True) / count
    return (x.sum(axes, "float64", None, True) / count).astype(x.dtype)


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
