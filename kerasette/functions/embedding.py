"""Rows of a table looked up by their numbers, and the gradients that come back to each row."""

from kerasette.backend import module, xp_of
from kerasette.errors import value_error


def row_numbers(x, rows, owner):
    """Returns `x` as whole numbers, each of them the number of a row.

    Args:
        x: whole numbers, or floats that are whole; any shape.
        rows: how many rows there are.
        owner: who asks, for the message.

    Raises:
        InvalidValue: for a fraction, a NaN, a negative number, or one of `rows` or more. NumPy would take
            a negative one from the end, and CuPy any number at all.
    """
    if not x.size:
        return x.astype("int64")
    low, high = x.min(), x.max()
    if not (low >= 0 and high < rows):  # false for NaN too
        wrong = high if low >= 0 else low
        raise value_error(
            f"{owner}: the index {wrong} is out of range; with {rows} rows they go from 0 to {rows - 1}.",
            "Renumber the tokens, or raise input_dim.",
        )
    if x.dtype.kind in "iu":
        return x
    numbers = x.astype("int64")
    if bool((numbers != x).any()):
        wrong = x[numbers != x].reshape(-1)[0]
        raise value_error(f"{owner}: an index is a whole number, got {wrong}. Round them first.")
    return numbers


def embedding(numbers, table, *, out=None):
    """Looks up rows: y[...] = table[numbers[...]].

    Args:
        numbers: (...), whole numbers from 0 to V - 1.
        table: (V, D).
        out: destination (..., D).

    Returns:
        y (..., D), and the cache for `embedding_backward`.
    """
    y = table.take(numbers, axis=0)
    if out is not None:
        out[...] = y  # take() writes to a destination of its own slower than this
        y = out
    return y, (numbers, table.shape)


def embedding_backward(dy, cache, *, dtable=None):
    """Returns dtable: each row the sum of `dy` over the places where it was looked up.

    Args:
        dy: gradient by y, (..., D).
        cache: from `embedding`.
        dtable: destination (V, D).

    Returns:
        dtable (V, D). Numbers have no gradient.
    """
    numbers, shape = cache
    xp = xp_of(dy)
    total = dtable
    if total is None or not total.flags.c_contiguous:
        total = xp.empty(shape, dy.dtype)
    total.fill(0)
    _add_rows(xp, total, numbers.reshape(-1), dy.reshape(-1, shape[1]))
    if dtable is None or total is dtable:
        return total
    dtable[...] = total
    return dtable


def _add_rows(xp, table, numbers, rows):
    """Adds each of the `rows` (M, D) to the row of `table` (V, D) that `numbers` (M,) says.

    NumPy's add.at is fast along one axis only, five times as fast as with rows. There it takes two
    neighbours as one complex number, which halves the work; CuPy can't add those.
    """
    width = rows.shape[1]
    table, rows = table.reshape(-1), xp.ascontiguousarray(rows).reshape(-1)
    if xp is module("numpy") and width % 2 == 0 and width:
        pair = "complex64" if rows.dtype.itemsize == 4 else "complex128"
        table, rows, width = table.view(pair), rows.view(pair), width // 2
    places = numbers.astype("int64")[:, None] * width + xp.arange(width)  # (M, D)
    xp.add.at(table, places.reshape(-1), rows)


# ---------------------------------------------------------------- steps that don't count


def masking(x, value, *, out=None):
    """Sets those steps to 0 whose features all equal `value`.

    Args:
        x: (..., D).
        value: a finite number.
        out: destination like x.

    Returns:
        y like x, and where steps count, bool (..., 1): the cache for `masking_backward`.
    """
    counts = (x != value).any(-1, keepdims=True)
    return xp_of(x).multiply(x, counts, out=out), counts


def masking_backward(dy, counts, *, dx=None):
    """Returns dx: dy where steps count, else 0."""
    return xp_of(dy).multiply(dy, counts, out=dx)
