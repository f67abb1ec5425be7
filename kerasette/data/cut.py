"""The last rows of the data set aside for validation."""

import math

import numpy as np

from kerasette.data.columns import Part
from kerasette.data.convert import is_arraylike, rank_of
from kerasette.data.entrance import brings_batches
from kerasette.errors import fraction as check_fraction
from kerasette.errors import type_error, value_error


def split(x, y=None, sample_weight=None, fraction: float = 0.0, who: str = "fit") -> tuple:
    """Cuts data into training and validation rows: the last rows validate, as in Keras.

    Nothing is shuffled or copied; an h5py dataset stays in its file.

    Args:
        x, y, sample_weight: arrays, frames or lists, or lists or dicts of those; y and weights may be None.
        fraction: share of the rows for validation, above 0 and below 1.
        who: who asks, for messages.

    Returns:
        `((x, y, sample_weight), (x, y, sample_weight))`: training and validation.

    Raises:
        InvalidType: for generators and other data whose rows can't be counted.
        InvalidValue: for a fraction that leaves one part empty.

    >>> split([[1], [2], [3], [4]], [1, 2, 3, 4], None, 0.25)
    (([[1], [2], [3]], [1, 2, 3], None), ([[4]], [4], None))
    """
    check_fraction(who, "validation_split", fraction, below_one=True)
    if brings_batches(x):
        raise type_error(
            f"{who}: validation_split needs arrays, but x is of type {type(x).__name__}.",
            "Give validation_data instead.",
        )
    rows = _common_rows([part for part in (x, y, sample_weight) if part is not None])
    at = math.floor(rows * (1.0 - fraction))
    if not 0 < at < rows:
        raise value_error(
            f"{who}: validation_split={fraction} of {rows} rows leaves one part empty.",
            "Change validation_split, or give validation_data.",
        )
    parts = (x, y, sample_weight)
    return tuple(tuple(_rows(part, *ends, rows) for part in parts) for ends in ((0, at), (at, rows)))


def rows_of(x) -> int:
    """Returns how many rows `x` has; of the two readings of a list of arrays (rows, or inputs) the larger.

    >>> rows_of([[1, 2], [3, 4], [5, 6]]), rows_of({"a": np.zeros((5, 2))})
    (3, 5)
    """
    return max(_possible(x), default=0)


def _possible(value):
    """Returns the numbers of rows that `value` can stand for, the likelier first."""
    if isinstance(value, dict):
        return _possible(next(iter(value.values()))) if value else []
    if not isinstance(value, (list, tuple)):
        return [_length(value)]
    if not value or not _holds_rows(value[0]):
        return [len(value)]
    inner = [_length(value[0])]
    return [*inner, len(value)] if is_arraylike(value[0]) else [len(value), *inner]


def _holds_rows(item):
    return isinstance(item, (list, tuple)) or rank_of(item) > 0


def _length(value):
    shape = getattr(value, "shape", None)
    if shape is not None:
        return int(shape[0]) if len(shape) else 0
    return len(value) if hasattr(value, "__len__") else 0


def _common_rows(parts):
    """Returns the first number of rows that all parts can have (or the first part's likeliest)."""
    readings = [_possible(part) for part in parts]
    for count in readings[0]:
        if all(count in reading for reading in readings):
            return count
    return readings[0][0] if readings[0] else 0


def _rows(value, start, stop, rows):
    """Returns rows `start` to `stop` of `value`, made like `value`."""
    if value is None:
        return None
    if isinstance(value, dict):
        return {name: _rows(item, start, stop, rows) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        several = value and _holds_rows(value[0]) and _length(value[0]) == rows
        if several and (len(value) != rows or is_arraylike(value[0])):
            return type(value)(_rows(item, start, stop, rows) for item in value)
        return value[start:stop]
    if hasattr(value, "iloc"):
        return value.iloc[start:stop]
    if isinstance(value, np.ndarray) or not hasattr(value, "dtype") or not isinstance(value.dtype, np.dtype):
        return value[start:stop]
    return Part(value, start, stop) if hasattr(value, "__getitem__") else value
