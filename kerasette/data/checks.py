"""What is checked before a number reaches a model: shapes, lengths, finite values, weights."""

import math
import sys
import warnings

import numpy as np

from kerasette.data.convert import NUMERIC, as_array
from kerasette.errors import type_error, value_error
from kerasette.shapes import pretty

BLOCK = 1 << 18  # elements looked at together when a check needs a temporary array
SMALL = 1 << 13  # elements below which the plain test is the quickest


def warn(text: str) -> None:
    """Warns on behalf of the first caller outside the package."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("kerasette"):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, stacklevel=level)


# ---------------------------------------------------------------- shapes and lengths


def fit_shape(shape: tuple, wanted: tuple, label: str, reader: str, who: str) -> tuple:
    """Returns the shape of one row after a trailing axis of length 1 came or went, as Keras does it.

    Args:
        shape: of the whole array, batch axis first.
        wanted: of one row; None is open.
        label, reader, who: for the message: the array, the layer that takes it, who asks.

    Raises:
        InvalidValue: where the rows have another shape.

    >>> fit_shape((10,), (1,), "x", "dense", "fit"), fit_shape((10, 4, 1), (4,), "x", "dense", "fit")
    ((1,), (4,))
    """
    row = shape[1:]
    if shape and len(row) == len(wanted) - 1 and wanted[-1] in (1, None):
        row = (*row, 1)
    elif len(row) == len(wanted) + 1 and row[-1] == 1:
        row = row[:-1]
    same = len(row) == len(wanted) and all(n in (None, m) for n, m in zip(wanted, row, strict=True))
    if shape and same:
        return row
    raise _shape_error(shape, wanted, label, reader, who)


def _shape_error(shape, wanted, label, reader, who):
    if not shape:
        return value_error(
            f"{who}: {label} is a single number; layer '{reader}' needs rows {pretty(wanted)}."
        )
    row = shape[1:]
    if len(row) == len(wanted) == 1:
        return value_error(
            f"{who}: {label} has {row[0]} feature{'s' * (row[0] != 1)} per row;",
            f"layer '{reader}' needs {wanted[0]}.",
            "Give the missing columns or change the model's input shape.",
        )
    if shape == wanted:
        remedy = f"For a single sample, give {label}[None]."
    elif None not in wanted and math.prod(row) == math.prod(wanted):
        remedy = f"Reshape it: {label}.reshape({', '.join(map(str, (-1, *wanted)))})."
    else:
        remedy = "Reshape the data or change the model's input shape."
    return value_error(
        f"{who}: {label} has the shape {pretty(shape)}; layer '{reader}' needs {pretty((None, *wanted))}.",
        remedy,
    )


def check_lengths(lengths: dict, who: str, empty_allowed: bool) -> int:
    """Returns the number of rows that all arrays share.

    Args:
        lengths: label -> number of rows.
        who: who asks, for the message.
        empty_allowed: whether 0 rows pass.

    Raises:
        InvalidValue: for lengths that differ, or 0 rows.

    >>> check_lengths({"x": 5, "y": 5}, "fit", False)
    5
    """
    rows = next(iter(lengths.values()))
    if any(length != rows for length in lengths.values()):
        listed = ", ".join(f"{label} has {length}" for label, length in lengths.items())
        raise value_error(
            f"{who}: the numbers of rows differ: {listed}.", "Give one row of each for every sample."
        )
    if not rows and not empty_allowed:
        raise value_error(
            f"{who}: {next(iter(lengths))} has 0 rows.", "Check how the data was loaded or filtered."
        )
    return rows


# ---------------------------------------------------------------- values


def check_values(
    array: np.ndarray, dtype, label: str, who: str, *, allow_nonfinite=False, rows=None, columns=None
) -> None:
    """Raises where `array` holds NaN, infinity, or numbers that `dtype` can't hold.

    Sums that are finite prove that every element is; only where they aren't, elements are searched.

    Args:
        array: numbers, rows first.
        dtype: what the array will be cast to.
        label, who: for the message.
        allow_nonfinite: lets NaN, infinity and overflow pass.
        rows: true numbers of the rows (slice or index array), where `array` is a part of the data.
        columns: names of the columns, where there are any.

    Raises:
        InvalidValue: with the count, the first row and the first column.
    """
    dtype = np.dtype(dtype)
    if dtype.kind != "f":
        _check_whole(array, dtype, label, who, rows, columns)
        return
    if allow_nonfinite or array.dtype.kind != "f":
        return
    if array.size <= SMALL and array.dtype == dtype and np.isfinite(array).all():
        return  # np.errstate alone would cost more
    with np.errstate(all="ignore"):
        if array.dtype == dtype and array.flags.c_contiguous and dtype.itemsize > 2:
            flat = array.reshape(-1)
            if math.isfinite(np.dot(flat, flat)):  # the quickest sum there is
                return
        if not all(math.isfinite(block.astype(dtype).sum()) for block in _blocks(array)):
            _search(array, dtype, label, who, rows, columns)


def _blocks(array):
    """Yields parts of `array`, cut along the rows, of about BLOCK elements."""
    step = max(1, BLOCK * len(array) // max(1, array.size))
    for start in range(0, len(array), step):
        yield array[start : start + step]


def _search(array, dtype, label, who, rows, columns):
    bad = ~np.isfinite(array)
    if bad.any():
        raise value_error(
            f"{who}: {label} has {_count(bad, 'NaN or infinite value')},",
            f"the first {_place(bad, rows, columns)}.",
            "Clean or fill them, or pass allow_nonfinite=True.",
        )
    bad = ~np.isfinite(array.astype(dtype))
    if bad.any():
        value = array[np.unravel_index(bad.argmax(), bad.shape)]
        raise value_error(
            f"{who}: {label} has {_count(bad, 'value')} beyond {dtype}'s {np.finfo(dtype).max:.2g},",
            f"the first, {value:.6g}, {_place(bad, rows, columns)}. Scale the data.",
        )


def _check_whole(array, dtype, label, who, rows, columns):
    """Raises for a number that a cast to whole numbers would change."""
    if np.can_cast(array.dtype, dtype):
        return
    with np.errstate(all="ignore"):
        if all((block.astype(dtype) == block).all() for block in _blocks(array)):
            return
        bad = array.astype(dtype) != array
    value = array[np.unravel_index(bad.argmax(), bad.shape)]
    raise value_error(
        f"{who}: {label} has {_count(bad, 'value')} that {dtype} can't hold, the first, {value},",
        f"{_place(bad, rows, columns)}. Round or convert them.",
    )


def check_limit(array: np.ndarray, limit: int | None, label: str, who: str, *, reader, rows=None) -> None:
    """Raises where `array` holds a number below 0 or not below `limit`; None for no limit.

    Args:
        array: numbers, rows first.
        limit, label, who: what is allowed, and for the message the array and who asks.
        reader: name of the layer that has the limit.
        rows: true numbers of the rows (slice or index array), where `array` is a part of the data.

    Raises:
        InvalidValue: with the first number and its place.
    """
    if limit is None or not array.size or (array.min() >= 0 and array.max() < limit):
        return
    bad = ~((array >= 0) & (array < limit))
    value = array[np.unravel_index(bad.argmax(), bad.shape)]
    raise value_error(
        f"{who}: {label} has the index {value} {_place(bad, rows, None)};",
        f"layer '{reader}' takes 0 to {limit - 1}. Renumber the tokens, or raise input_dim.",
    )


def _count(bad, noun):
    count = int(bad.sum())
    return f"{count} {noun}{'s' * (count != 1)}"


def _place(bad, rows, columns):
    """Returns "in row 3, column 1" for the first True."""
    row, *rest = (int(index) for index in np.unravel_index(bad.argmax(), bad.shape))
    if rows is not None:
        row = rows.start + row if isinstance(rows, slice) else int(rows[row])
    if not rest:
        return f"in row {row}"
    if len(rest) > 1:
        return f"in row {row}, at {tuple(rest)}"
    return f"in row {row}, column {rest[0] if columns is None else repr(columns[rest[0]])}"


# ---------------------------------------------------------------- weights


def sample_weights(
    value, label: str, who: str, output_shape: tuple, *, dtype="float32", warn_zero=True
) -> np.ndarray:
    """Returns sample weights: one a row, (n,), or one a step, (n, steps); last axes of length 1 go.

    Args:
        value, label, who: the weights, and for messages what they're called and who wants them.
        output_shape: of the model's output for one sample; weights of steps follow its first axes.
        dtype: of the result.
        warn_zero: whether weights that are all 0 are worth a warning.

    Raises:
        InvalidValue: for another shape, or negative or non-finite weights.
    """
    array = as_array(value, label, who)
    while 1 < array.ndim <= 1 + max(1, len(output_shape)) and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim < 1 or not _begins(array.shape[1:], output_shape[:-1]):
        several = f", or one for each step: (rows, {output_shape[0]})" if len(output_shape) > 1 else ""
        raise value_error(
            f"{who}: {label} has the shape {pretty(array.shape)};"
            f" one weight for each row is needed: (rows,){several}."
        )
    check_values(array, dtype, label, who)
    if len(array):
        if array.min() < 0:
            row = int(np.unravel_index(array.argmin(), array.shape)[0])
            raise value_error(
                f"{who}: {label} has a negative weight, {array.min()} in row {row}.", "Weights are 0 or more."
            )
        if warn_zero and not array.any():
            warn(f"{who}: {label} is 0 for every row, so nothing is learned or measured.")
    return np.ascontiguousarray(array, dtype=dtype)


def _begins(shape, steps):
    """Tells whether `shape`, of one row of targets or weights, is how the output's `steps` begin."""
    fits = zip(shape, steps, strict=False)
    return len(shape) <= len(steps) and all(length in (None, n) for n, length in fits)


class ClassWeights:
    """Turns `class_weight` (class -> factor) into one factor a row, or a step where targets have steps.

    Args:
        class_weight: dict of class number to factor; a class that is missing counts 1, with a warning.
        output_names, output_shapes: of the model, which must have one output.
        who: who asks, for the message.
        dtype: of the factors.

    Raises:
        InvalidValue, InvalidType: for several outputs, keys that are no class, or factors below 0.
    """

    def __init__(self, class_weight, output_names, output_shapes, who, dtype="float32"):
        if not isinstance(class_weight, dict):
            raise type_error(
                f"{who}: class_weight is a dict of class to factor, got {type(class_weight).__name__}."
            )
        if len(output_names) != 1:
            raise value_error(
                f"{who}: class_weight needs a model with one output, this one has {len(output_names)}.",
                "Give sample_weight instead, one array for each output.",
            )
        self.who = who
        self.steps = output_shapes[0][:-1]
        self.classes = self._count(class_weight, output_shapes[0])
        self.table = np.ones(self.classes, dtype)
        for key, factor in class_weight.items():
            self.table[self._key(key)] = self._factor(key, factor)
        if not self.table.any():
            warn(f"{who}: class_weight is 0 for every class, so nothing is learned.")
        missing = [number for number in range(self.classes) if number not in class_weight]
        if missing:
            more = " ..." if len(missing) > 10 else ""
            warn(f"{who}: class_weight lacks class {', '.join(map(str, missing[:10]))}{more}; that counts 1.")

    @staticmethod
    def _count(class_weight, output_shape):
        last = output_shape[-1] if output_shape else None
        if last is None:
            numbers = [key for key in class_weight if isinstance(key, (int, np.integer))]
            return max(numbers, default=0) + 1
        return 2 if last == 1 else last

    def _key(self, key):
        whole = isinstance(key, (int, np.integer)) and not isinstance(key, bool)
        if whole and 0 <= key < self.classes:
            return key
        raise value_error(
            f"{self.who}: class_weight has the key {key!r}, which is no class;",
            f"classes are the whole numbers 0 to {self.classes - 1}.",
        )

    def _factor(self, key, factor):
        number = float(factor) if np.isscalar(factor) and np.asarray(factor).dtype.kind in NUMERIC else -1.0
        largest = float(np.finfo(self.table.dtype).max)
        if not 0 <= number <= largest:
            raise value_error(
                f"{self.who}: class_weight[{key}] must be a number from 0 to {largest:.2g}, got {factor!r}."
            )
        return number

    def __call__(self, y: np.ndarray) -> np.ndarray:
        """Returns the factors for targets, one a row or step.

        Args:
            y: class numbers (n, *steps) or (n, *steps, 1), or one-hot rows (n, *steps, classes); the steps
                are those of the output, none for one prediction a row.
        """
        if not _begins(y.shape[1:], self.steps):
            if not _begins(y.shape[1:-1], self.steps):
                several = f", or one for each step: {pretty((None, *self.steps))}" if self.steps else ""
                raise value_error(
                    f"{self.who}: class_weight needs one class a row{several};"
                    f" y has the shape {pretty(y.shape)}.",
                    "Give sample_weight instead.",
                )
            y = y[..., 0] if y.shape[-1] == 1 else y.argmax(axis=-1)
        labels = y.astype(np.intp)
        wrong = (labels != y) | (labels < 0) | (labels >= self.classes)
        if wrong.any():
            place = np.unravel_index(wrong.argmax(), wrong.shape)
            raise value_error(
                f"{self.who}: class_weight needs class numbers from 0 to {self.classes - 1} in y,",
                f"got {y[place]} in row {place[0]}.",
            )
        return self.table[labels]
