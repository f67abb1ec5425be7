"""Lists, frames, tensors and arrays become NumPy arrays of numbers, or are refused with the reason."""

import numbers

import numpy as np

from kerasette.backend import is_array, to_numpy
from kerasette.errors import type_error, value_error

NUMERIC = "biuf"  # bool, signed, unsigned, float: the kinds of NumPy dtypes that models take


def is_lazy(value) -> bool:
    """Tells whether `value` is an array in a file: a memory map, an h5py dataset or something like it."""
    if isinstance(value, np.ndarray):
        return isinstance(value, np.memmap)
    return (
        isinstance(getattr(value, "dtype", None), np.dtype)
        and hasattr(value, "shape")
        and hasattr(value, "__getitem__")
        and not isinstance(value, np.generic)
        and not any(hasattr(value, name) for name in ("__dlpack__", "to_numpy", "toarray"))
        and not is_array(value)
    )


def is_arraylike(value) -> bool:
    """Tells whether `value` is one array, frame, series or tensor; lists are not meant."""
    return hasattr(value, "shape") or hasattr(value, "to_numpy") or hasattr(value, "__array__")


def rank_of(value) -> int:
    """Returns the number of axes of an array-like, 0 for anything else."""
    shape = getattr(value, "shape", None)
    return 0 if shape is None else len(shape)


def as_array(value, label: str, who: str) -> np.ndarray:
    """Returns `value` as an array of numbers; without a copy where it is one.

    Args:
        value: array, DataFrame, Series, tensor, or (nested) list of numbers.
        label: what a message calls it: "x".
        who: who asks, for the message.

    Raises:
        InvalidType: for text, objects, or anything that holds no numbers.
        InvalidValue: for a ragged list.

    >>> as_array([[1, 2], [3, 4]], "x", "fit").shape
    (2, 2)
    """
    if isinstance(value, np.ndarray):
        array = value
    elif is_array(value):
        array = to_numpy(value)
    elif isinstance(value, (list, tuple)):
        array = _from_list(value, label, who)
    elif hasattr(value, "to_numpy"):
        array = _from_frame(value, label, who)
    elif hasattr(value, "toarray"):
        raise type_error(
            f"{who}: {label} is a sparse matrix ({type(value).__name__}), which models don't take.",
            f"Convert it: {label}.toarray().",
        )
    elif hasattr(value, "detach"):  # a tensor of PyTorch, which may want a gradient or live on a device
        array = np.asarray(value.detach().cpu())
    elif is_lazy(value):
        array = np.asarray(value[:])
    elif hasattr(value, "__array__"):
        array = np.asarray(value)
    else:
        raise type_error(
            f"{who}: {label} is of type {type(value).__name__}, which holds no rows.",
            "Give an array, a list, a DataFrame, a dict by name, or a generator of batches.",
        )
    return array if array.dtype.kind in NUMERIC else _numeric(array, label, who)


# ---------------------------------------------------------------- arrays of objects


def _numeric(array, label, who):
    """Returns an array of another kind as numbers, or raises for the first element that is none."""
    if array.dtype.name == "bfloat16":
        return array.astype(np.float32)
    if array.dtype.kind == "O":
        arrays = array.ndim == 1 and len(array) and all(hasattr(item, "shape") for item in array)
        if arrays:
            return _from_list(list(array), label, who)
        for position, item in np.ndenumerate(array):
            if not _is_number(item):
                raise _not_a_number(position, item, label, who)
        return array.astype(np.float64)
    if array.dtype.kind in "USTV" and array.size:
        raise _not_a_number((0,) * array.ndim, array.flat[0], label, who)
    remedy = "Split real and imaginary parts." if array.dtype.kind == "c" else "Convert it to numbers first."
    raise type_error(f"{who}: {label} has dtype {array.dtype}; models take numbers.", remedy)


def _is_number(item):
    return isinstance(item, (numbers.Real, np.bool_))


def _not_a_number(position, item, label, who):
    place = "".join(f"[{index}]" for index in position)
    shown = repr(item)
    shown = shown if len(shown) <= 40 else f"{shown[:37]}..."
    return type_error(
        f"{who}: {label}{place} is {shown} of type {type(item).__name__}, not a number.",
        "Encode text and objects as numbers, e.g. numpy.unique(values, return_inverse=True)[1].",
    )


# ---------------------------------------------------------------- lists


def _from_list(rows, label, who):
    try:
        array = np.asarray([_host(row) for row in rows])
    except (ValueError, TypeError, OverflowError):
        array = None
    if array is None or (array.dtype.kind == "O" and array.ndim == 1):
        _refuse_ragged(rows, label, who)
    if array is None or array.dtype.kind not in NUMERIC:
        _refuse_non_number(rows, (), label, who)
    if array is None:
        raise type_error(f"{who}: {label} is a list that doesn't make an array of numbers.")
    return array


def _host(row):
    return to_numpy(row) if is_array(row) else row


def _refuse_ragged(rows, label, who):
    """Raises InvalidValue for the first row whose shape isn't that of row 0; returns where all are equal."""
    first = None
    for index, row in enumerate(rows):
        try:
            shape = np.shape(_host(row))
        except ValueError:
            raise value_error(
                f"{who}: {label} is ragged: row {index} holds lists of different lengths.",
                "Pad them to one length.",
            ) from None
        first = shape if first is None else first
        if shape != first:
            raise value_error(
                f"{who}: {label} is ragged: row {index} has {_size(shape)}, row 0 has {_size(first)}.",
                "All rows need one length; pad the shorter ones.",
            )


def _size(shape):
    if not shape:
        return "no list but a single value"
    return f"{shape[0]} value{'s' * (shape[0] != 1)}" if len(shape) == 1 else f"the shape {shape}"


def _refuse_non_number(item, position, label, who):
    """Raises InvalidType for the first element of a nested list that is no number."""
    if isinstance(item, (list, tuple)):
        for index, part in enumerate(item):
            _refuse_non_number(part, (*position, index), label, who)
    elif isinstance(item, np.ndarray):
        _numeric(item, label, who) if item.dtype.kind not in NUMERIC else None
    elif not _is_number(item) and not hasattr(item, "__array__"):
        raise _not_a_number(position, item, label, who)


# ---------------------------------------------------------------- frames and series


def _from_frame(frame, label, who):
    """Returns a DataFrame or Series (of pandas or polars) as an array; missing values become NaN."""
    if hasattr(frame, "columns") and hasattr(frame, "dtypes"):
        columns = list(zip(frame.columns, frame.dtypes, strict=True))
        _refuse_text(columns, f"{who}: {label} (DataFrame) has non-numeric columns:")
    elif hasattr(frame, "dtype") and hasattr(frame, "name"):
        _refuse_text([(frame.name, frame.dtype)], f"{who}: {label} (Series) is not numeric:")
    array = frame.to_numpy()
    if array.dtype.kind == "O":  # bool beside float, or pandas' own missing value
        array = frame.to_numpy(dtype="float64", na_value=np.nan)
    return array


def _refuse_text(columns, opening):
    text = [f"'{name}' ({dtype})" for name, dtype in columns if not _is_numeric_dtype(dtype)]
    if text:
        more = f" and {len(text) - 6} more" if len(text) > 6 else ""
        raise type_error(
            f"{opening} {', '.join(text[:6])}{more}.",
            "Encode them as numbers (pandas.get_dummies, factorize) or drop them.",
        )


def _is_numeric_dtype(dtype):
    kind = getattr(dtype, "kind", None)  # NumPy's dtypes and pandas' own
    if kind is not None:
        return kind in NUMERIC
    numeric = getattr(dtype, "is_numeric", None)  # polars
    return str(dtype) == "Boolean" or bool(numeric is not None and numeric())
