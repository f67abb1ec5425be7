"""Where the rows of one input, target or weight come from: memory, memory with a cast, or a file."""

import numpy as np

CAST_WHOLE = 64 << 20  # bytes; a cast result up to this size is made once, a larger one chunk by chunk


def cast(array: np.ndarray, dtype) -> np.ndarray:
    """Returns `array` in `dtype`, quietly where overflow was allowed."""
    with np.errstate(all="ignore"):
        return array.astype(dtype, order="C")


def column(array: np.ndarray, dtype):
    """Returns the column for an array in memory, with values of `dtype`."""
    if array.dtype == dtype:
        return Held(array)
    dtype = np.dtype(dtype)
    if array.size * dtype.itemsize <= CAST_WHOLE:
        return Held(cast(array, dtype))
    if not array.flags.c_contiguous:
        if array.dtype.itemsize >= dtype.itemsize:
            return Held(cast(array, dtype))
        array = np.ascontiguousarray(array)  # np.take would copy the whole of it for each chunk
    return Cast(array, dtype)


class Held:
    """An array in memory that needs no change."""

    direct = in_memory = True

    def __init__(self, array: np.ndarray):
        # np.take would copy the whole of an array in another memory order at each call.
        self.array = array if array.flags.c_contiguous else np.ascontiguousarray(array)
        self.dtype = array.dtype
        self.row_shape = array.shape[1:]

    def fill(self, out: np.ndarray, rows) -> None:
        """Writes `rows` (slice or index array) into `out`."""
        if type(rows) is slice:
            out[...] = self.array[rows]
        else:
            # "clip" lets NumPy write straight into `out`; indices are never out of range.
            np.take(self.array, rows, axis=0, out=out, mode="clip")


class Cast:
    """A C-ordered array in memory whose cast copy would be large: rows are cast as they are gathered."""

    direct, in_memory = False, True

    def __init__(self, array: np.ndarray, dtype):
        self.array = array
        self.dtype = dtype
        self.row_shape = array.shape[1:]
        self._raw = array[:0]

    def fill(self, out: np.ndarray, rows) -> None:
        """Writes `rows` (slice or index array) into `out`."""
        if type(rows) is slice:
            raw = self.array[rows]
        else:
            if len(self._raw) < len(rows):
                self._raw = np.empty((len(rows), *self.row_shape), self.array.dtype)
            raw = self._raw[: len(rows)]
            np.take(self.array, rows, axis=0, out=raw, mode="clip")
        with np.errstate(all="ignore"):
            np.copyto(out, raw, casting="unsafe")


class Lazy:
    """An array in a file (h5py dataset, memory map): only the rows of a chunk are in memory.

    Args:
        source: has shape, dtype and `source[slice]`, `source[increasing indices]`.
        row_shape, dtype: of the rows that come out.
        finish: `finish(raw, rows)` checks what was read and returns it in `row_shape` and `dtype`, or in
            what casts to it.
    """

    direct = in_memory = False

    def __init__(self, source, row_shape: tuple, dtype, finish):
        self.source = source
        self.row_shape = row_shape
        self.dtype = np.dtype(dtype)
        self._finish = finish

    def fill(self, out: np.ndarray, rows) -> None:
        """Writes `rows` (slice or index array) into `out`, checked."""
        if type(rows) is slice:
            out[...] = self._finish(np.asarray(self.source[rows]), rows)
            return
        order = np.argsort(rows)
        increasing = rows[order]  # h5py takes no other, and disks like it
        out[order] = self._finish(self._read(increasing), increasing)

    def _read(self, rows):
        """Returns increasing `rows`: by one slice where they lie close, in runs, or one by one."""
        first, last = int(rows[0]), int(rows[-1])
        if last - first < 4 * len(rows):
            return np.asarray(self.source[first : last + 1])[rows - first]
        breaks = np.flatnonzero(np.diff(rows) != 1) + 1
        if len(breaks) * 8 < len(rows):
            runs = np.split(rows, breaks)
            return np.concatenate([np.asarray(self.source[int(run[0]) : int(run[-1]) + 1]) for run in runs])
        return np.asarray(self.source[rows])


class Part:
    """Rows `start` to `stop` of an array in a file, still unread."""

    def __init__(self, source, start: int, stop: int):
        self.source = source
        self.start = start
        self.dtype = source.dtype
        self.shape = (stop - start, *source.shape[1:])

    def __getitem__(self, rows):
        """Returns the rows of a slice or of an index array."""
        if isinstance(rows, slice):
            begin, end, step = rows.indices(self.shape[0])
            return self.source[self.start + begin : self.start + end : step]
        return self.source[rows + self.start]
