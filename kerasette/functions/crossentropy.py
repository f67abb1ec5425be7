"""Cross-entropies and the Kullback-Leibler divergence, one value a sample, and their gradients.

The fused pairs take logits and give the probabilities too: their gradient is the short (p - y) and never
dies where softmax or sigmoid saturates. The pairs that take probabilities clip them as Keras does, so their
gradient is 0 where the clip is at work.
"""

import math
from functools import lru_cache

from kerasette.backend import epsilon, xp_of
from kerasette.errors import value_error
from kerasette.functions.common import expand, mean, put, row_peaks, row_sums, spread_mean, targets


def smooth(y_true, label_smoothing, classes):
    """Returns y (1 - s) + s / classes for s = `label_smoothing`: labels that are less sure of themselves."""
    if not label_smoothing:
        return y_true
    return y_true * (1.0 - label_smoothing) + label_smoothing / classes


def clip_probabilities(y_pred, low):
    """Returns `y_pred` clipped to [low, 1 - low], and 1 where the clip changed nothing, else 0 (bool)."""
    xp, high = xp_of(y_pred), 1.0 - low
    return xp.clip(y_pred, low, high), (y_pred >= low) & (y_pred <= high)


# ---------------------------------------------------------------- fused with softmax or sigmoid


def _softmax(xp, logits, axis, out):
    """Returns x = logits - max, softmax (in `out` where given), and log(sum(exp(x))) that spreads over x."""
    shifted = logits - row_peaks(xp, logits, axis)
    p = xp.exp(shifted, out=out)
    total = row_sums(xp, p, axis, True)
    p /= total
    return shifted, p, xp.log(total, out=total)


def softmax_crossentropy(y_true, y_pred, label_smoothing=0.0, axis=-1, *, out=None):
    """Computes p = softmax(y_pred) and the losses -sum(y_true log(p)) over `axis`.

    Args:
        y_true: class probabilities, usually one-hot, in the shape of `y_pred`.
        y_pred: logits (..., C).
        label_smoothing: 0 to 1; the part of each label that is spread over all classes.
        axis: the axis of the classes.
        out: destination of the probabilities.

    Returns:
        losses (...), probabilities (..., C), and the cache for `softmax_crossentropy_backward`.
    """
    xp = xp_of(y_pred)
    y_true = smooth(targets(y_true, y_pred), label_smoothing, y_pred.shape[axis])
    shifted, p, log_total = _softmax(xp, y_pred, axis, out)
    surprise = xp.subtract(log_total, shifted, shifted)
    surprise *= y_true
    return row_sums(xp, surprise, axis), p, (p, y_true, axis)


def softmax_crossentropy_backward(dlosses, cache, *, dy_pred=None):
    """Returns the gradient by the logits, (p sum(y) - y) dlosses, for `dlosses` (...).

    TensorFlow leaves sum(y) out, which is right only for rows of labels that add up to 1.
    """
    p, y_true, axis = cache
    xp = xp_of(p)
    dy_pred = xp.multiply(p, row_sums(xp, y_true, axis, True), out=dy_pred)
    dy_pred -= y_true
    dy_pred *= expand(xp, dlosses, axis)
    return dy_pred


def sparse_softmax_crossentropy(y_true, y_pred, ignore_class=None, axis=-1, *, checked=False, out=None):
    """Computes p = softmax(y_pred) and the losses -log(p[y_true]).

    Args:
        y_true: class numbers (...), or (..., 1).
        y_pred: logits (..., C).
        ignore_class: label whose samples have loss 0 and no gradient.
        axis: the axis of the classes in `y_pred`.
        checked: whether somebody has made sure that all labels are in range.
        out: destination of the probabilities.

    Returns:
        losses (...), probabilities (..., C), and the cache for `sparse_softmax_crossentropy_backward`.

    Raises:
        InvalidValue: for a label outside 0 ... C - 1 (see `class_numbers`).
    """
    xp = xp_of(y_pred)
    labels, valid = class_numbers(y_true, y_pred.shape, ignore_class, axis, checked)
    shifted, p, log_total = _softmax(xp, y_pred, axis, out)
    at = _places(xp, labels, shifted.shape, axis)
    losses = log_total.reshape(labels.shape) - _pick(shifted, at)
    if valid is not None:
        losses = xp.where(valid, losses, 0.0)
    return losses, p, (p, at, valid, axis)


def sparse_softmax_crossentropy_backward(dlosses, cache, *, dy_pred=None):
    """Returns the gradient by the logits, (p - onehot(y)) dlosses, for `dlosses` (...)."""
    p, at, valid, axis = cache
    if valid is not None:
        dlosses = dlosses * valid
    xp = xp_of(p)
    dy_pred = xp.multiply(p, expand(xp, dlosses, axis), out=dy_pred)
    _subtract(dy_pred, at, dlosses)
    return dy_pred


def sigmoid_crossentropy(y_true, y_pred, label_smoothing=0.0, axis=-1, *, out=None):
    """Computes p = sigmoid(z) and the mean over `axis` of max(z, 0) - z y + log(1 + exp(-|z|)).

    Args:
        y_true: 0 to 1, in the shape of `y_pred`.
        y_pred: logits z (..., C).
        label_smoothing: 0 to 1; the part of each label that is replaced by one half.
        axis: the axis (or axes) of the mean.
        out: destination of the probabilities.

    Returns:
        losses (...), probabilities (..., C), and the cache for `sigmoid_crossentropy_backward`.
    """
    xp = xp_of(y_pred)
    y_true = smooth(targets(y_true, y_pred), label_smoothing, 2)
    values, p = bernoulli_of_logits(xp, y_true, y_pred, out)
    return mean(values, axis), p, (p, y_true, axis)


def bernoulli_of_logits(xp, y_true, logits, out=None):
    """Returns max(z, 0) - z y + log(1 + exp(-|z|)), element by element, and sigmoid(z), in `out` if given."""
    decay = xp.exp(-abs(logits))
    values = xp.maximum(logits, 0.0) - logits * y_true + xp.log1p(decay)
    return values, xp.divide(xp.maximum(decay, logits >= 0.0), 1.0 + decay, out=out)


def sigmoid_crossentropy_backward(dlosses, cache, *, dy_pred=None):
    """Returns the gradient by the logits, (p - y) / C times `dlosses` (...)."""
    p, y_true, axis = cache
    xp = xp_of(p)
    dy_pred = xp.subtract(p, y_true, out=dy_pred)
    dy_pred *= spread_mean(xp, dlosses, p.shape, axis)
    return dy_pred


# ---------------------------------------------------------------- class numbers


def class_numbers(y_true, shape, ignore_class=None, axis=-1, checked=False):
    """Returns labels as int64 without the axis of the classes, and which of them count (None for all).

    Labels on the host are checked; labels on a device are not, since asking would wait for the device.
    Whoever moves them there calls this first.

    Args:
        y_true: class numbers of any real dtype, (...) or with a class axis of length 1.
        shape: of the predictions, (..., C).
        ignore_class: label that does not count; it is replaced by 0.
        axis: of the classes in `shape`.
        checked: whether the values are known to be right, so that only the shape is looked at.

    Raises:
        InvalidValue: where labels and `shape` don't fit, or a label is no whole number of 0 ... C - 1.
    """
    xp = xp_of(y_true)
    if y_true.ndim == len(shape) and y_true.shape[axis] == 1:
        y_true = y_true.squeeze(axis)
    kept = list(shape)
    classes = kept.pop(axis)
    if y_true.shape != tuple(kept):
        raise value_error(
            f"Class numbers of the shape {y_true.shape} don't fit predictions of the shape {tuple(shape)}.",
            f"Wanted {tuple(kept)}; for one-hot labels use the loss without 'sparse'.",
        )
    labels = y_true.astype("int64", copy=False)
    doubtful = not checked and xp.__name__ == "numpy"
    if doubtful and y_true.dtype.kind == "f" and (labels != y_true).any():
        _refuse(y_true, labels != y_true, "is no whole number. Class numbers are 0, 1, 2 ...")
    valid = None
    if ignore_class is not None:
        valid = labels != ignore_class
        labels = labels * valid
    # As unsigned numbers the negative ones are huge: one reduction finds both kinds.
    if doubtful and labels.size and labels.view("uint64").max() >= classes:
        reason = (
            f"is outside 0 ... {classes - 1}. Give the last layer more units, or renumber the classes from 0."
        )
        _refuse(labels, (labels < 0) | (labels >= classes), reason)
    return labels, valid


def _refuse(labels, wrong, reason):
    place = tuple(int(index) for index in next(zip(*wrong.nonzero(), strict=True)))
    where = place[0] if len(place) == 1 else place
    raise value_error(f"Label {labels[place].item():g} at row {where} {reason}")


@lru_cache(maxsize=16)
def _starts(xp, count, classes, inner=1):
    """Returns where, counted through the whole array, the first class of each of `count` samples lies."""
    number = xp.arange(count)
    return number * classes - number % inner * (classes - 1)


def _places(xp, labels, shape, axis):
    """Returns where, counted through an array of `shape`, the element of each label along `axis` lies.

    NumPy picks by one number in a third of the time that it needs with one for each axis.
    """
    if labels.ndim == 1:
        return _starts(xp, len(labels), shape[1]) + labels
    inner = math.prod(shape[axis:][1:])  # how far apart neighbours along `axis` are
    first = _starts.__wrapped__(xp, labels.size, shape[axis], inner)  # too long to be kept
    return first.reshape(labels.shape) + labels * inner


def _pick(array, places):
    return array.reshape(-1)[places]


def _subtract(array, places, parts):
    """Subtracts `parts` in place: one place a sample, so no two fall together."""
    if array.flags.c_contiguous:
        array = array.reshape(-1)
        array[places] -= parts
    else:
        array[xp_of(array).unravel_index(places, array.shape)] -= parts


# ---------------------------------------------------------------- from probabilities or logits


def categorical_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0, axis=-1):
    """Computes -sum(y_true log(q)) over `axis`, q = y_pred / sum(y_pred), clipped to [epsilon, 1 - epsilon].

    Args:
        y_true: class probabilities, usually one-hot, in the shape of `y_pred`.
        y_pred: probabilities (..., C), or logits.
        from_logits: whether `y_pred` holds logits.
        label_smoothing: 0 to 1; the part of each label that is spread over all classes.
        axis: the axis of the classes.

    Returns:
        losses (...) and the cache for `categorical_crossentropy_backward`.
    """
    if from_logits:
        losses, _, cache = softmax_crossentropy(y_true, y_pred, label_smoothing, axis)
        return losses, (softmax_crossentropy_backward, cache)
    y_true = smooth(targets(y_true, y_pred), label_smoothing, y_pred.shape[axis])
    total = y_pred.sum(axis=axis, keepdims=True)
    share = y_pred / total
    clipped, inside = clip_probabilities(share, epsilon())
    losses = -(y_true * xp_of(y_pred).log(clipped)).sum(axis=axis)
    return losses, (_shares_backward, (y_true, share, clipped, inside, total, axis))


def _shares_backward(dlosses, cache, *, dy_pred=None):
    y_true, share, clipped, inside, total, axis = cache
    dshare = -y_true / clipped * inside * expand(xp_of(share), dlosses, axis)
    return put(share_backward(dshare, share, total, axis), dy_pred)


def share_backward(dshare, share, total, axis):
    """Returns the gradient by x of share = x / total, total = sum(x) over `axis`."""
    return (dshare - (dshare * share).sum(axis=axis, keepdims=True)) / total


def categorical_crossentropy_backward(dlosses, cache, *, dy_pred=None):
    """Returns the gradient by `y_pred`, (..., C), for `dlosses` (...)."""
    backward, inner = cache
    return backward(dlosses, inner, dy_pred=dy_pred)


def sparse_categorical_crossentropy(
    y_true, y_pred, from_logits=False, ignore_class=None, axis=-1, *, checked=False
):
    """Computes -log(q[y_true] / sum(q)) over `axis`; q is `y_pred` clipped to [epsilon, 1 - epsilon].

    Args:
        y_true: class numbers (...), or (..., 1).
        y_pred: probabilities (..., C), or logits.
        from_logits: whether `y_pred` holds logits.
        ignore_class: label whose samples have loss 0 and no gradient.
        axis: the axis of the classes in `y_pred`.
        checked: whether somebody has made sure that all labels are in range.

    Returns:
        losses (...) and the cache for `sparse_categorical_crossentropy_backward`.

    Raises:
        InvalidValue: for a label outside 0 ... C - 1 (see `class_numbers`).
    """
    if from_logits:
        losses, _, cache = sparse_softmax_crossentropy(y_true, y_pred, ignore_class, axis, checked=checked)
        return losses, (sparse_softmax_crossentropy_backward, cache)
    xp = xp_of(y_pred)
    labels, valid = class_numbers(y_true, y_pred.shape, ignore_class, axis, checked)
    clipped, inside = clip_probabilities(y_pred, epsilon())
    at = _places(xp, labels, clipped.shape, axis)
    losses = xp.log(clipped.sum(axis=axis)) - xp.log(_pick(clipped, at))
    if valid is not None:
        losses = xp.where(valid, losses, 0.0)
    return losses, (_picked_backward, (clipped, inside, at, valid, axis))


def _picked_backward(dlosses, cache, *, dy_pred=None):
    clipped, inside, at, valid, axis = cache
    xp = xp_of(clipped)
    if valid is not None:
        dlosses = dlosses * valid
    shared = expand(xp, dlosses / clipped.sum(axis=axis), axis)
    dclipped = xp.zeros_like(clipped)
    dclipped += shared
    _subtract(dclipped, at, dlosses / _pick(clipped, at))
    return xp.multiply(dclipped, inside, out=dy_pred)


def sparse_categorical_crossentropy_backward(dlosses, cache, *, dy_pred=None):
    """Returns the gradient by `y_pred`, (..., C), for `dlosses` (...)."""
    backward, inner = cache
    return backward(dlosses, inner, dy_pred=dy_pred)


def binary_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0, axis=-1):
    """Computes the mean over `axis` of -y log(q) - (1 - y) log(1 - q), q clipped to [epsilon, 1 - epsilon].

    Args:
        y_true: 0 to 1, in the shape of `y_pred`.
        y_pred: probabilities (..., C), or logits.
        from_logits: whether `y_pred` holds logits.
        label_smoothing: 0 to 1; the part of each label that is replaced by one half.
        axis: the axis (or axes) of the mean.

    Returns:
        losses (...) and the cache for `binary_crossentropy_backward`.
    """
    if from_logits:
        losses, _, cache = sigmoid_crossentropy(y_true, y_pred, label_smoothing, axis)
        return losses, (sigmoid_crossentropy_backward, cache)
    y_true = smooth(targets(y_true, y_pred), label_smoothing, 2)
    clipped, inside = clip_probabilities(y_pred, epsilon())
    losses = mean(bernoulli(y_true, clipped), axis)
    return losses, (_bernoulli_backward, (y_true, clipped, inside, axis))


def bernoulli(y_true, p):
    """Returns -y log(p) - (1 - y) log(1 - p), element by element."""
    xp = xp_of(p)
    return -(y_true * xp.log(p) + (1.0 - y_true) * xp.log(1.0 - p))


def bernoulli_slope(y_true, p):
    """Returns the derivative of `bernoulli` by p."""
    return (1.0 - y_true) / (1.0 - p) - y_true / p


def _bernoulli_backward(dlosses, cache, *, dy_pred=None):
    y_true, clipped, inside, axis = cache
    share = spread_mean(xp_of(clipped), dlosses, clipped.shape, axis)
    return put(bernoulli_slope(y_true, clipped) * inside * share, dy_pred)


def binary_crossentropy_backward(dlosses, cache, *, dy_pred=None):
    """Returns the gradient by `y_pred`, (..., C), for `dlosses` (...)."""
    backward, inner = cache
    return backward(dlosses, inner, dy_pred=dy_pred)


def kl_divergence(y_true, y_pred):
    """Computes sum(y log(y / q)) over the last axis, both clipped to [epsilon, 1] (Kullback, Leibler, 1951).

    Args:
        y_true, y_pred: probabilities (..., C).

    Returns:
        losses (...) and the cache for `kl_divergence_backward`.
    """
    xp, low = xp_of(y_pred), epsilon()
    y_true = xp.clip(targets(y_true, y_pred), low, 1.0)
    clipped = xp.clip(y_pred, low, 1.0)
    return (y_true * xp.log(y_true / clipped)).sum(axis=-1), (y_true, clipped, y_pred, low)


def kl_divergence_backward(dlosses, cache, *, dy_pred=None):
    """Returns the gradient by `y_pred`, (..., C), for `dlosses` (...); 0 where `y_pred` was clipped."""
    y_true, clipped, y_pred, low = cache
    slope = -y_true / clipped * ((y_pred >= low) & (y_pred <= 1.0))
    return put(slope * dlosses[..., None], dy_pred)
