"""Labels to one-hot rows, and rows to unit length."""

import numpy as np

from kerasette.backend import floatx, is_array, xp_of
from kerasette.errors import positive_int, type_error, value_error


def to_categorical(x, num_classes: int | None = None):
    """Returns one-hot rows for whole-number labels.

    Args:
        x: labels from 0 to `num_classes` - 1, of any shape; a last axis of length 1 is dropped.
        num_classes: number of classes; by default the largest label + 1.

    Returns:
        float64 array of shape x.shape + (num_classes,), 1 at each label and 0 elsewhere.

    Raises:
        InvalidValue: for a label below 0, beyond the last class or not whole, or for no labels and no
            `num_classes`.
        InvalidType: where the labels aren't numbers.

    >>> to_categorical([0, 2, 1])
    array([[1., 0., 0.],
           [0., 0., 1.],
           [0., 1., 0.]])
    """
    labels = _whole_labels(x)
    xp = xp_of(labels)
    shape = labels.shape[:-1] if labels.ndim > 1 and labels.shape[-1] == 1 else labels.shape
    labels = labels.reshape(-1)
    if num_classes is not None:
        num_classes = positive_int("to_categorical", "num_classes", num_classes)
    elif labels.size == 0:
        raise value_error("to_categorical got no labels. Give num_classes, which they would tell otherwise.")
    if labels.size:
        num_classes = _check_range(labels, num_classes)
    rows = xp.zeros((labels.size, num_classes))
    rows[xp.arange(labels.size), labels] = 1
    return rows.reshape(*shape, num_classes)


def _whole_labels(x):
    """Returns `x` as an int64 array, or raises where it isn't made of whole numbers."""
    labels = x if is_array(x) else np.asarray(x)
    if labels.size == 0:
        return labels.astype("int64")
    if labels.dtype.kind not in "biuf":
        raise type_error(
            f"to_categorical needs whole numbers as labels, got dtype {labels.dtype}.",
            "Number the classes from 0 first, e.g. with numpy.unique(x, return_inverse=True).",
        )
    whole = labels.astype("int64")
    if labels.dtype.kind == "f" and bool((whole != labels).any()):
        first = labels.reshape(-1)[int((whole != labels).reshape(-1).argmax())]
        raise value_error(f"to_categorical needs whole numbers as labels, got {float(first)}.")
    return whole


def _check_range(labels, num_classes):
    """Returns the number of classes, or raises for a label that has no class."""
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest >= 0 and (num_classes is None or highest < num_classes):
        return highest + 1 if num_classes is None else num_classes
    wrong = lowest if lowest < 0 else highest
    row = int((labels == wrong).argmax())
    allowed = "at least 0" if num_classes is None else f"from 0 to {num_classes - 1}"
    raise value_error(
        f"to_categorical: label {wrong} (position {row}) is not {allowed}.",
        "Renumber the labels from 0" + ("." if lowest < 0 else ", or give a larger num_classes."),
    )


def normalize(x, axis: int | None = -1, order: float = 2):
    """Returns `x` divided by its norms along `axis`; a norm of 0 counts as 1.

    y = x / ||x||_order, where ||x||_p = (sum |x|^p)^(1/p).

    Args:
        x: array or list of numbers. Floats keep their dtype, integer arrays give float64, lists the
            default float type.
        axis: axis along which the norms are taken.
        order: p of the norm: 2 for Euclid's, 1 for sums of absolute values, numpy.inf for maxima.

    Returns:
        array of the shape of `x`.

    Raises:
        InvalidType: where `x` isn't made of numbers.
        InvalidValue: for an axis or order that doesn't exist.

    >>> normalize(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    try:
        x = x if is_array(x) else np.asarray(x, dtype=floatx())
    except (TypeError, ValueError) as problem:
        raise type_error(f"normalize needs an array of numbers: {problem}.") from problem
    if x.dtype.kind not in "biuf":
        raise type_error(f"normalize needs an array of numbers, got dtype {x.dtype}.")
    xp = xp_of(x)
    x = x.reshape(1) if x.ndim == 0 else x
    try:
        norm = xp.linalg.norm(x, order, axis, True)
    except ValueError as problem:
        raise value_error(
            f"normalize: {problem} (shape {x.shape}, axis {axis!r}, order {order!r})."
        ) from problem
    return x / (norm + (norm == 0))
