"""Normalization of each sample over groups of its channels."""

import math

from kerasette.backend import xp_of
from kerasette.functions.common import put


def group_normalization(x, gamma, beta, axis, groups, epsilon, *, out=None):
    """Normalizes groups of channels of each sample: gamma (x - mean) / sqrt(var + epsilon) + beta.

    Wu & He 2018. One group is layer normalization, a group for each channel instance normalization.
    The variance is biased. As in `batch_normalization` there are two passes, so a mean that is large
    against the deviation costs no digits; sums over positions are added in float64.

    Args:
        x: (N, ...), with channels (C) on `axis`.
        gamma, beta: (C,), or None.
        axis: the axis of the channels, not 0.
        groups: how many groups the channels are cut into; it divides C.
        epsilon: added to the variance.
        out: destination like x.

    Returns:
        y like x, and the cache for `group_normalization_backward`.
    """
    xp = xp_of(x)
    folded = _fold(x, axis)
    shift = _group_means(_sums(folded), groups, folded)  # (N, C), equal within a group
    y = xp.subtract(folded, _spread(shift, folded))
    rest = _group_means(_sums(y), groups, folded)
    variance = xp.maximum(_group_means(_sums(xp.square(y)), groups, folded) - rest * rest, 0.0)
    inverse = 1.0 / xp.sqrt(variance + epsilon)
    scale = inverse if gamma is None else inverse * gamma
    y *= _spread(scale, folded)
    y += _spread(-rest * scale if beta is None else beta - rest * scale, folded)
    cache = (folded, shift, rest, inverse, gamma, beta is not None, groups)
    return put(y.reshape(x.shape), out), cache


def group_normalization_backward(dy, cache, *, need_dx=True, dx=None, dgamma=None, dbeta=None):
    """Returns dx, dgamma, dbeta of `group_normalization`, through the statistics.

    Args:
        dy: gradient by y, like x.
        cache: from `group_normalization`.
        need_dx: whether dx is wanted; if not, it comes back as None.
        dx, dgamma, dbeta: destinations.

    Returns:
        dx or None; dgamma and dbeta, None where there was no gamma or beta.
    """
    x, shift, rest, inverse, gamma, has_beta, groups = cache
    folded = dy.reshape(x.shape)
    normal = x - _spread(shift, x)
    normal -= _spread(rest, x)
    normal *= _spread(inverse, x)
    along, total = _sums(normal * folded), _sums(folded)  # (N, C)
    gradients = (
        put(along.sum(0).astype(dy.dtype), dgamma) if gamma is not None else None,
        put(total.sum(0).astype(dy.dtype), dbeta) if has_beta else None,
    )
    if not need_dx:
        return (None, *gradients)
    scale = inverse
    if gamma is not None:
        along, total, scale = along * gamma, total * gamma, inverse * gamma
    normal *= _spread(-inverse * _group_means(along, groups, x), x)
    normal += folded * _spread(scale, x)
    normal -= _spread(inverse * _group_means(total, groups, x), x)
    return (put(normal.reshape(dy.shape), dx), *gradients)


def _fold(x, axis):
    """Returns `x` as (N, positions before, C, positions behind)."""
    before, behind = math.prod(x.shape[1:axis]), math.prod(x.shape[axis + 1 :])
    return x.reshape(len(x), before, x.shape[axis], behind)


def _sums(folded):
    """Returns the sums over positions, (N, C), in float64."""
    inner = folded[..., 0] if folded.shape[3] == 1 else folded.sum(3)
    return inner.sum(1, "float64")


def _group_means(sums, groups, folded):
    """Returns (N, C): for each channel the mean of its group, given each channel's sum over positions."""
    count, before, channels, behind = folded.shape
    size = channels // groups
    mean = sums.reshape(count, groups, size).sum(2) / max(1, before * behind * size)
    return xp_of(mean).repeat(mean, size, axis=1).astype(folded.dtype)


def _spread(values, folded):
    """Returns (N, C) so that it broadcasts against `folded`."""
    return values.astype(folded.dtype, copy=False)[:, None, :, None]
