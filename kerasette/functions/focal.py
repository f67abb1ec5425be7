"""Focal cross-entropies (Lin et al., 2017): samples that are already right count less."""

from kerasette.backend import epsilon, xp_of
from kerasette.functions.activations import softmax, softmax_backward
from kerasette.functions.common import expand, mean, put, spread_mean, targets
from kerasette.functions.crossentropy import (
    bernoulli,
    bernoulli_of_logits,
    bernoulli_slope,
    clip_probabilities,
    share_backward,
    smooth,
)


def categorical_focal_crossentropy(
    y_true, y_pred, alpha=0.25, gamma=2.0, from_logits=False, label_smoothing=0.0, axis=-1
):
    """Computes -sum(alpha (1 - q)^gamma y log(q)) over `axis`; q as in `categorical_crossentropy`.

    Args:
        y_true: class probabilities, usually one-hot, in the shape of `y_pred`.
        y_pred: probabilities (..., C), or logits.
        alpha: weight of all classes, or a list with one for each (along the last axis).
        gamma: how strongly samples that are already right are held back; 0 for not at all.
        from_logits: whether `y_pred` holds logits.
        label_smoothing: 0 to 1; the part of each label that is spread over all classes.
        axis: the axis of the classes.

    Returns:
        losses (...) and the cache for `categorical_focal_crossentropy_backward`.
    """
    xp = xp_of(y_pred)
    y_true = smooth(targets(y_true, y_pred), label_smoothing, y_pred.shape[axis])
    weights = y_true * (xp.asarray(alpha, dtype=y_pred.dtype) if isinstance(alpha, (list, tuple)) else alpha)
    logits_cache = None
    if from_logits:
        y_pred, logits_cache = softmax(y_pred, axis)
    total = y_pred.sum(axis=axis, keepdims=True)
    share = y_pred / total
    clipped, inside = clip_probabilities(share, epsilon())
    losses = -(weights * (1.0 - clipped) ** gamma * xp.log(clipped)).sum(axis=axis)
    return losses, (weights, clipped, inside, gamma, share, total, axis, logits_cache)


def categorical_focal_crossentropy_backward(dlosses, cache, *, dy_pred=None):
    """Returns the gradient by `y_pred`, (..., C), for `dlosses` (...)."""
    weights, clipped, inside, gamma, share, total, axis, logits_cache = cache
    xp = xp_of(clipped)
    rest = 1.0 - clipped
    slope = _power_slope(xp, rest, gamma) * xp.log(clipped) - rest**gamma / clipped
    dshare = slope * weights * inside * expand(xp, dlosses, axis)
    dp = share_backward(dshare, share, total, axis)
    return put(dp, dy_pred) if logits_cache is None else softmax_backward(dp, logits_cache, dx=dy_pred)


def binary_focal_crossentropy(
    y_true,
    y_pred,
    apply_class_balancing=False,
    alpha=0.25,
    gamma=2.0,
    from_logits=False,
    label_smoothing=0.0,
    axis=-1,
):
    """Computes the mean over `axis` of w (1 - s)^gamma b, b as in `binary_crossentropy`.

    s = y p + (1 - y)(1 - p) is how right the sample is; w = y alpha + (1 - y)(1 - alpha), or 1.

    Args:
        y_true: 0 to 1, in the shape of `y_pred`.
        y_pred: probabilities (..., C), or logits.
        apply_class_balancing: whether the weights w are used.
        alpha: weight of class 1; class 0 has 1 - alpha.
        gamma: how strongly samples that are already right are held back; 0 for not at all.
        from_logits: whether `y_pred` holds logits.
        label_smoothing: 0 to 1; the part of each label that is replaced by one half.
        axis: the axis (or axes) of the mean.

    Returns:
        losses (...) and the cache for `binary_focal_crossentropy_backward`.
    """
    if from_logits:
        options = apply_class_balancing, alpha, gamma, label_smoothing, axis
        losses, _, cache = sigmoid_focal_crossentropy(y_true, y_pred, *options)
        return losses, (sigmoid_focal_crossentropy_backward, cache)
    y_true = smooth(targets(y_true, y_pred), label_smoothing, 2)
    clipped, inside = clip_probabilities(y_pred, epsilon())
    weights, wrong = _focus(y_true, y_pred, apply_class_balancing, alpha)
    losses = mean(weights * wrong**gamma * bernoulli(y_true, clipped), axis)
    return losses, (_focus_backward, (y_true, clipped, inside, wrong, weights, gamma, axis))


def _focus(y_true, p, apply_class_balancing, alpha):
    """Returns the weights w, and 1 - s: how wrong each sample is."""
    weights = y_true * alpha + (1.0 - y_true) * (1.0 - alpha) if apply_class_balancing else 1.0
    return weights, 1.0 - (y_true * p + (1.0 - y_true) * (1.0 - p))


def _focus_backward(dlosses, cache, *, dy_pred=None):
    y_true, clipped, inside, wrong, weights, gamma, axis = cache
    xp = xp_of(clipped)
    outer = _power_slope(xp, wrong, gamma) * (1.0 - 2.0 * y_true) * bernoulli(y_true, clipped)
    slope = outer + wrong**gamma * bernoulli_slope(y_true, clipped) * inside
    return put(slope * weights * spread_mean(xp, dlosses, clipped.shape, axis), dy_pred)


def binary_focal_crossentropy_backward(dlosses, cache, *, dy_pred=None):
    """Returns the gradient by `y_pred`, (..., C), for `dlosses` (...)."""
    backward, cache = cache
    return backward(dlosses, cache, dy_pred=dy_pred)


def sigmoid_focal_crossentropy(
    y_true, y_pred, apply_class_balancing=False, alpha=0.25, gamma=2.0, label_smoothing=0.0, axis=-1
):
    """Computes p = sigmoid(y_pred) and the losses of `binary_focal_crossentropy`, exact where p saturates.

    Args:
        y_true: 0 to 1, in the shape of `y_pred`.
        y_pred: logits (..., C).
        apply_class_balancing, alpha, gamma, label_smoothing, axis: as in `binary_focal_crossentropy`.

    Returns:
        losses (...), probabilities (..., C), and the cache for `sigmoid_focal_crossentropy_backward`.
    """
    y_true = smooth(targets(y_true, y_pred), label_smoothing, 2)
    values, p = bernoulli_of_logits(xp_of(y_pred), y_true, y_pred)
    weights, wrong = _focus(y_true, p, apply_class_balancing, alpha)
    losses = mean(weights * wrong**gamma * values, axis)
    return losses, p, (y_true, p, values, wrong, weights, gamma, axis)


def sigmoid_focal_crossentropy_backward(dlosses, cache, *, dy_pred=None):
    """Returns the gradient by the logits, (..., C), for `dlosses` (...)."""
    y_true, p, values, wrong, weights, gamma, axis = cache
    xp = xp_of(p)
    slope = _power_slope(xp, wrong, gamma) * (1.0 - 2.0 * y_true) * p * (1.0 - p) * values
    slope += wrong**gamma * (p - y_true)
    return put(slope * weights * spread_mean(xp, dlosses, p.shape, axis), dy_pred)


def _power_slope(xp, base, gamma):
    """Returns d(base^gamma) / d(base), kept finite at base = 0, where it is infinite for gamma < 1."""
    if gamma == 0:
        return xp.zeros_like(base)
    return gamma * (xp.maximum(base, epsilon()) if gamma < 1 else base) ** (gamma - 1.0)
