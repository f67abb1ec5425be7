"""What targets must look like before training starts: shapes, class numbers, ranges. On the host."""

import numpy as np

from kerasette.backend import floatx
from kerasette.errors import type_error, value_error


def numeric(y, who: str, loss: str) -> np.ndarray:
    """Returns `y` as an array of numbers.

    Raises:
        InvalidValue: where there is no y.
        InvalidType: where it holds something other than numbers.
    """
    if y is None:
        raise value_error(f"{who} is missing: the loss {loss} needs y.", "Pass the targets as y.")
    y = np.asarray(y)
    if y.dtype.kind not in "biuf":
        raise type_error(f"{who} has the dtype {y.dtype}; the loss {loss} needs numbers.")
    return y


def matches(shape, wanted) -> bool:
    """Tells whether `shape` is `wanted`, in which None stands for any length."""
    return len(shape) == len(wanted) and all(b is None or a == b for a, b in zip(shape, wanted, strict=True))


def fit(y, output_shape, who: str, loss: str):
    """Returns `y` in a shape that fits predictions of `output_shape` (one sample) without broadcasting.

    As in Keras, shapes that differ by a last axis of length 1 are reconciled: (n,) with (n, 1) here, and
    (n, t) with predictions (n, t, 1) in the loss itself.

    Raises:
        InvalidValue: for any other difference, even one that NumPy would broadcast.
    """
    shape = y.shape[1:]
    if not output_shape:
        if shape == ():
            return y[:, None]
        if shape == (1,):
            return y
    elif matches(shape, output_shape):
        return y
    elif output_shape[-1] == 1 and matches(shape, output_shape[:-1]):
        return y[:, None] if y.ndim == 1 else y
    elif shape and shape[-1] == 1 and matches(shape[:-1], output_shape):
        return y[..., 0]
    raise value_error(
        f"{who} has the shape {y.shape}, the predictions {_batch(y, output_shape)}; "
        f"the loss {loss} needs both the same.",
        _remedy(len(shape), len(output_shape)),
    )


def _remedy(axes, wanted):
    """Returns what to do where y has `axes` axes (of one sample) and the predictions have `wanted`."""
    if axes < wanted and wanted > 1:
        return (
            "For one prediction a sample leave return_sequences out of the last recurrent layer, or Flatten."
        )
    if axes > wanted:
        return (
            "For a prediction at each step set return_sequences=True in the recurrent layers, or reshape y."
        )
    return "Give the last layer as many units as y has columns, or reshape y."


def _batch(y, output_shape):
    return (*y.shape[:1], *output_shape)


def floats(y, who: str) -> np.ndarray:
    """Returns `y` in the default float type.

    Raises:
        InvalidValue: where a finite number is too large for it.
    """
    dtype = np.dtype(floatx())
    if y.dtype == dtype:
        return y
    with np.errstate(over="ignore"):
        cast = y.astype(dtype)
    if y.dtype.kind == "f" and y.dtype.itemsize > dtype.itemsize and not np.isfinite(cast.sum()):
        lost = np.isfinite(y) & ~np.isfinite(cast)
        if lost.any():
            raise value_error(f"{who} holds {_first(y, lost)}: too large for {dtype}.", "Scale y down.")
    return cast


def from_zero_to_one(y, who: str, loss: str):
    """Returns `y`.

    Raises:
        InvalidValue: where a value lies outside [0, 1].
    """
    if y.size and (y.min() < 0 or y.max() > 1):
        raise value_error(
            f"{who} holds {_first(y, (y < 0) | (y > 1))}; the loss {loss} needs values from 0 to 1.",
            "For labels -1 and 1 use the loss 'hinge'; for class numbers 'sparse_categorical_crossentropy'.",
        )
    return y


def _first(y, wrong) -> str:
    """Returns "the value 7 at row 3" for the first place where `wrong` is true."""
    place = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
    row = int(place[0]) if len(place) == 1 else tuple(int(index) for index in place)
    return f"the value {y[place].item():g} at row {row}"


# ---------------------------------------------------------------- classes


def class_axis(axis: int, output_shape, loss: str) -> int:
    """Returns `axis` counted from the front of a batch, the batch's own axis excluded.

    Raises:
        InvalidValue: where it is the axis of the batch, or there is no such axis.
    """
    ndim = 1 + len(output_shape)
    place = axis + ndim if axis < 0 else axis
    if not 1 <= place < ndim:
        raise value_error(
            f"The loss {loss} has axis={axis}, which is no axis within a sample: "
            f"predictions have the shape {(None, *output_shape)}.",
            "Choose an axis from 1 on, or -1 for the last.",
        )
    return place


def not_class_numbers(y, output_shape, axis: int, who: str, loss: str) -> None:
    """Raises InvalidValue where `y` holds class numbers instead of one column a class."""
    kept = (*output_shape[: axis - 1], *output_shape[axis:])
    classes = output_shape[axis - 1]
    single = y.ndim == 1 + len(output_shape) and y.shape[axis] == 1
    if classes != 1 and (matches(y.shape[1:], kept) or single):
        raise value_error(
            f"{who} has the shape {y.shape}, the predictions {_batch(y, output_shape)}: "
            f"the loss {loss} needs one column a class.",
            f"For class numbers use 'sparse_{loss}', or make columns with utils.to_categorical(y)."
            if loss == "categorical_crossentropy"
            else "Make columns with utils.to_categorical(y).",
        )


def class_numbers(y, output_shape, axis: int, ignore_class, who: str, loss: str) -> np.ndarray:
    """Returns `y` as whole numbers without the axis of the classes.

    Raises:
        InvalidValue: for one-hot rows, another shape, labels that are no whole numbers or out of range.
    """
    kept = (*output_shape[: axis - 1], *output_shape[axis:])
    classes = output_shape[axis - 1]
    if y.ndim == 1 + len(output_shape) and y.shape[axis] == 1:
        y = y.squeeze(axis)
    if not matches(y.shape[1:], kept):
        one_hot = matches(y.shape[1:], output_shape)
        raise value_error(
            f"{who} has the shape {y.shape}, the predictions {_batch(y, output_shape)}; "
            f"the loss {loss} needs class numbers of the shape {_batch(y, kept)}.",
            f"For one-hot rows use '{loss.removeprefix('sparse_')}'." if one_hot else "Reshape y.",
        )
    labels = _whole(y, who, loss)
    _in_range(labels, classes, ignore_class, who)
    return labels


def _whole(y, who, loss):
    if y.dtype.kind in "iu":
        return y
    if y.dtype.kind == "b":
        return y.astype("uint8")
    with np.errstate(invalid="ignore"):
        labels = y.astype("int64")
    wrong = labels != y
    if wrong.any():
        raise value_error(
            f"{who} holds {_first(y, wrong)}; the loss {loss} needs class numbers: 0, 1, 2 ...",
            "Round y, or use a loss for regression such as 'mse'.",
        )
    return labels


def _in_range(labels, classes, ignore_class, who):
    if classes is None or not labels.size or (labels.min() >= 0 and labels.max() < classes):
        return
    wrong = (labels < 0) | (labels >= classes)
    if ignore_class is not None:
        wrong &= labels != ignore_class
    if wrong.any():
        raise value_error(
            f"{who} holds {_first(labels, wrong)}; with {classes} units in the last layer "
            f"labels go from 0 to {classes - 1}.",
            "Add units to the last layer, or renumber the labels from 0.",
        )
