"""Losses of overlap and angle: cosine similarity, Dice, Tversky, and their gradients by the predictions."""

from kerasette.backend import epsilon, xp_of
from kerasette.functions.common import expand, put, targets


def cosine_similarity(y_true, y_pred, axis=-1):
    """Computes -sum(t p) over `axis`, with t and p the two arrays scaled to length 1.

    A vector shorter than epsilon is divided by epsilon: the loss of a zero vector is 0.

    Args:
        y_true, y_pred: arrays of one shape.
        axis: the axis (or axes) of the vectors.

    Returns:
        losses, without `axis`, and the cache for `cosine_similarity_backward`.
    """
    xp, low = xp_of(y_pred), epsilon()
    true_unit, _ = _unit(xp, targets(y_true, y_pred), axis, low)
    unit, norm = _unit(xp, y_pred, axis, low)
    return -(true_unit * unit).sum(axis=axis), (true_unit, unit, norm, axis, low)


def _unit(xp, x, axis, low):
    norm = xp.sqrt((x * x).sum(axis=axis, keepdims=True))
    return x / xp.maximum(norm, low), norm


def cosine_similarity_backward(dlosses, cache, *, dy_pred=None):
    """Returns the gradient by `y_pred` for `dlosses`."""
    true_unit, unit, norm, axis, low = cache
    xp = xp_of(unit)
    dunit = -true_unit * expand(xp, dlosses, axis)
    along = (dunit * unit).sum(axis=axis, keepdims=True) * (norm >= low)
    return put((dunit - unit * along) / xp.maximum(norm, low), dy_pred)


def dice(y_true, y_pred, axis=None):
    """Computes 1 - 2 sum(t p) / (sum(t) + sum(p) + epsilon) over `axis` (Milletari et al., 2016).

    Args:
        y_true, y_pred: arrays of one shape.
        axis: the axes that are summed; None for all of them, the batch included.

    Returns:
        losses, without `axis`, and the cache for `dice_backward`.
    """
    y_true = targets(y_true, y_pred)
    shared = (y_true * y_pred).sum(axis=axis)
    total = y_true.sum(axis=axis) + y_pred.sum(axis=axis) + epsilon()
    return 1.0 - 2.0 * shared / total, (y_true, shared, total, axis)


def dice_backward(dlosses, cache, *, dy_pred=None):
    """Returns the gradient by `y_pred` for `dlosses`."""
    y_true, shared, total, axis = cache
    xp = xp_of(y_true)
    scale = expand(xp, 2.0 * dlosses / total, axis)
    return put(scale * (expand(xp, shared / total, axis) - y_true), dy_pred)


def tversky(y_true, y_pred, alpha=0.5, beta=0.5, axis=None):
    """Computes 1 - s / (s + alpha sum(t (1 - p)) + beta sum(p (1 - t)) + epsilon), with s = sum(t p).

    Which of the two kinds of error `alpha` weighs is as in Keras (Salehi et al., 2017, have them swapped).

    Args:
        y_true, y_pred: arrays of one shape.
        alpha: weight of the parts of `y_true` that are missed.
        beta: weight of the parts of `y_pred` outside `y_true`.
        axis: the axes that are summed; None for all of them, the batch included.

    Returns:
        losses, without `axis`, and the cache for `tversky_backward`.
    """
    y_true = targets(y_true, y_pred)
    shared = (y_true * y_pred).sum(axis=axis)
    missed = ((1.0 - y_pred) * y_true).sum(axis=axis)
    extra = (y_pred * (1.0 - y_true)).sum(axis=axis)
    total = shared + alpha * missed + beta * extra + epsilon()
    return 1.0 - shared / total, (y_true, shared, total, alpha, beta, axis)


def tversky_backward(dlosses, cache, *, dy_pred=None):
    """Returns the gradient by `y_pred` for `dlosses`."""
    y_true, shared, total, alpha, beta, axis = cache
    xp = xp_of(y_true)
    dtotal = y_true * (1.0 - alpha) + beta * (1.0 - y_true)
    slope = expand(xp, shared / total, axis) * dtotal - y_true
    return put(expand(xp, dlosses / total, axis) * slope, dy_pred)
