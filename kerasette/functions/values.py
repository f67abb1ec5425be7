"""The losses as plain functions of arrays or lists: one value a sample, no cache, no gradient.

`losses.mean_squared_error` and `metrics.mean_squared_error` are both these, under Keras's names.
"""

import numpy as np

from kerasette.backend import floatx, is_array, xp_of
from kerasette.functions import crossentropy, focal, losses, similarity


def align(y_true, y_pred):
    """Returns both arrays with one number of axes, where they differ by a last axis of length 1.

    Keras's rule: (n,) against (n, 1) becomes (n, 1); with more axes the last one is dropped.
    """
    extra = y_true.ndim - y_pred.ndim
    if extra == 1 and y_true.shape[-1] == 1:
        return (y_true, y_pred[:, None]) if y_pred.ndim == 1 else (y_true[..., 0], y_pred)
    if extra == -1 and y_pred.shape[-1] == 1:
        return (y_true[:, None], y_pred) if y_true.ndim == 1 else (y_true, y_pred[..., 0])
    return y_true, y_pred


def as_arrays(y_true, y_pred):
    """Returns arrays for arrays, lists or numbers; `y_pred` is of a float type and names the module."""
    if not is_array(y_pred):
        y_pred = np.asarray(y_pred, dtype=floatx())
    elif y_pred.dtype.kind != "f":
        y_pred = y_pred.astype(floatx())
    if not is_array(y_true):
        y_true = xp_of(y_pred).asarray(np.asarray(y_true))
    return y_true, y_pred


def as_pair(y_true, y_pred):
    """Returns arrays with one number of axes (see `as_arrays`, `align`)."""
    y_true, y_pred = as_arrays(y_true, y_pred)
    return (y_true, y_pred) if y_true.ndim == y_pred.ndim else align(y_true, y_pred)


def value(module, name, y_true, y_pred, *options, prepare=as_pair):
    """Returns the losses that the function `name` of `module` computes.

    Args:
        module, name: where `losses, cache = name(y_true, y_pred, *options)` and `name_backward` stand.
        y_true: array, list or number.
        y_pred: the same, or an array within a formula that is being recorded (`ops.recording`).
        options: further arguments of the function.
        prepare: makes arrays of y_true and y_pred.
    """
    forward = vars(module)[name]
    record = getattr(y_pred, "__kerasette_call__", None)
    if record is None:
        return forward(*prepare(y_true, y_pred), *options)[0]

    def compute(y_pred):
        losses, cache = forward(*prepare(y_true, y_pred), *options)
        return losses, (cache, y_pred.shape)

    def derive(dlosses, cache):
        return vars(module)[f"{name}_backward"](dlosses, cache[0]).reshape(cache[1])

    return record(compute, derive)


# ---------------------------------------------------------------- regression


def mean_squared_error(y_true, y_pred):
    """Returns mean((y_pred - y_true)^2) over the last axis.

    >>> mean_squared_error([[0.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 0.0]]).tolist()
    [0.5, 0.5]
    """
    return value(losses, "mean_squared_error", y_true, y_pred)


def mean_absolute_error(y_true, y_pred):
    """Returns mean(|y_pred - y_true|) over the last axis."""
    return value(losses, "mean_absolute_error", y_true, y_pred)


def mean_absolute_percentage_error(y_true, y_pred):
    """Returns 100 mean(|y_pred - y_true| / max(|y_true|, epsilon)) over the last axis."""
    return value(losses, "mean_absolute_percentage_error", y_true, y_pred)


def mean_squared_logarithmic_error(y_true, y_pred):
    """Returns mean((log(1 + y_pred) - log(1 + y_true))^2) over the last axis, both clipped at epsilon."""
    return value(losses, "mean_squared_logarithmic_error", y_true, y_pred)


def huber(y_true, y_pred, delta=1.0):
    """Returns the mean over the last axis of e^2 / 2 where |e| <= delta, else delta |e| - delta^2 / 2."""
    return value(losses, "huber", y_true, y_pred, delta)


def log_cosh(y_true, y_pred):
    """Returns mean(log(cosh(y_pred - y_true))) over the last axis."""
    return value(losses, "log_cosh", y_true, y_pred)


def cosine_similarity(y_true, y_pred, axis=-1):
    """Returns minus the cosine of the angle between y_true and y_pred along `axis`; 0 for a zero vector."""
    return value(similarity, "cosine_similarity", y_true, y_pred, axis)


def poisson(y_true, y_pred):
    """Returns mean(y_pred - y_true log(y_pred + epsilon)) over the last axis."""
    return value(losses, "poisson", y_true, y_pred)


# ---------------------------------------------------------------- margins


def hinge(y_true, y_pred):
    """Returns mean(max(1 - y_true y_pred, 0)) over the last axis; labels are -1 and 1, or 0 and 1."""
    return value(losses, "hinge", y_true, y_pred)


def squared_hinge(y_true, y_pred):
    """Returns mean(max(1 - y_true y_pred, 0)^2) over the last axis; labels are -1 and 1, or 0 and 1."""
    return value(losses, "squared_hinge", y_true, y_pred)


def categorical_hinge(y_true, y_pred):
    """Returns max(1 + max((1 - y_true) y_pred) - sum(y_true y_pred), 0) over the last axis."""
    return value(losses, "categorical_hinge", y_true, y_pred)


# ---------------------------------------------------------------- cross-entropies


def binary_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0, axis=-1):
    """Returns the mean over `axis` of -y log(p) - (1 - y) log(1 - p).

    Args:
        y_true: labels from 0 to 1, in the shape of `y_pred`.
        y_pred: probabilities, clipped to [epsilon, 1 - epsilon], or logits.
        from_logits: whether `y_pred` holds logits.
        label_smoothing: 0 to 1; the part of each label that is replaced by one half.
        axis: the axis of the mean.
    """
    options = from_logits, label_smoothing, axis
    return value(crossentropy, "binary_crossentropy", y_true, y_pred, *options)


def categorical_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0, axis=-1):
    """Returns -sum(y_true log(p)) over `axis`.

    Args:
        y_true: class probabilities, usually one-hot, in the shape of `y_pred`.
        y_pred: probabilities, scaled to sum 1, or logits.
        from_logits: whether `y_pred` holds logits.
        label_smoothing: 0 to 1; the part of each label that is spread over all classes.
        axis: the axis of the classes.
    """
    options = from_logits, label_smoothing, axis
    return value(crossentropy, "categorical_crossentropy", y_true, y_pred, *options)


def sparse_categorical_crossentropy(y_true, y_pred, from_logits=False, ignore_class=None, axis=-1):
    """Returns -log(p[y_true]).

    Args:
        y_true: class numbers, without the axis of the classes or with 1 there.
        y_pred: probabilities, scaled to sum 1, or logits.
        from_logits: whether `y_pred` holds logits.
        ignore_class: label whose samples have loss 0.
        axis: the axis of the classes in `y_pred`.
    """
    name, options = "sparse_categorical_crossentropy", (from_logits, ignore_class, axis)
    return value(crossentropy, name, y_true, y_pred, *options, prepare=as_arrays)


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
    """Returns the binary cross-entropy in which samples that are already right count less (Lin et al., 2017).

    Args:
        y_true: labels from 0 to 1, in the shape of `y_pred`.
        y_pred: probabilities, or logits.
        apply_class_balancing: whether class 1 is weighted by `alpha`, class 0 by 1 - `alpha`.
        alpha: weight of class 1.
        gamma: how strongly samples that are already right are held back.
        from_logits: whether `y_pred` holds logits.
        label_smoothing: 0 to 1; the part of each label that is replaced by one half.
        axis: the axis of the mean.
    """
    options = apply_class_balancing, alpha, gamma, from_logits, label_smoothing, axis
    return value(focal, "binary_focal_crossentropy", y_true, y_pred, *options)


def categorical_focal_crossentropy(
    y_true, y_pred, alpha=0.25, gamma=2.0, from_logits=False, label_smoothing=0.0, axis=-1
):
    """Returns the categorical cross-entropy in which samples that are already right count less.

    Args:
        y_true: class probabilities, usually one-hot, in the shape of `y_pred`.
        y_pred: probabilities, or logits.
        alpha: weight of all classes, or a list with one for each.
        gamma: how strongly samples that are already right are held back.
        from_logits: whether `y_pred` holds logits.
        label_smoothing: 0 to 1; the part of each label that is spread over all classes.
        axis: the axis of the classes.
    """
    options = alpha, gamma, from_logits, label_smoothing, axis
    return value(focal, "categorical_focal_crossentropy", y_true, y_pred, *options)


def kl_divergence(y_true, y_pred):
    """Returns sum(y_true log(y_true / y_pred)) over the last axis, both clipped to [epsilon, 1]."""
    return value(crossentropy, "kl_divergence", y_true, y_pred)


# ---------------------------------------------------------------- overlap


def dice(y_true, y_pred, axis=None):
    """Returns 1 - 2 sum(t p) / (sum(t) + sum(p)) over `axis`; None for all axes, the batch included."""
    return value(similarity, "dice", y_true, y_pred, axis)


def tversky(y_true, y_pred, alpha=0.5, beta=0.5, axis=None):
    """Returns 1 - s / (s + alpha sum(t (1 - p)) + beta sum(p (1 - t))), s = sum(t p), over `axis`.

    Args:
        y_true, y_pred: arrays of one shape, from 0 to 1.
        alpha: weight of the parts of `y_true` that are missed.
        beta: weight of the parts of `y_pred` outside `y_true`.
        axis: the axes that are summed; None for all, the batch included.
    """
    return value(similarity, "tversky", y_true, y_pred, alpha, beta, axis)
