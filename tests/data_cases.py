"""Small data, stand-ins for losses and files, and comparisons, for the tests of kerasette.data."""

import numpy as np
import pytest

from kerasette.data import Signature
from kerasette.errors import InvalidValue

ROWS = 25
X = np.random.default_rng(0).normal(size=(ROWS, 4)).astype("float32")
Y = np.random.default_rng(1).normal(size=(ROWS, 1)).astype("float32")
W = np.linspace(0.5, 2.0, ROWS, dtype="float32")
LABELS = np.arange(ROWS) % 3


class Plain:
    """Stands for a loss with targets of the output's shape."""

    def prepare(self, y, output_shape, who):
        return np.asarray(y, "float32").reshape(len(y), *output_shape)


class Sparse:
    """Stands for a loss with class numbers."""

    def prepare(self, y, output_shape, who):
        y = y.reshape(len(y)).astype("int32")
        if (y >= output_shape[-1]).any():
            raise InvalidValue(f"{who}: label too large")
        return y


class Step(Sparse):
    """Stands for a loss with class numbers, or one-hot rows, of each step."""

    def prepare(self, y, output_shape, who):
        return y


ONE = Signature(["inp"], [(4,)], ["float32"], ["out"], [(1,)], [Plain()])
CLASSES = Signature(["inp"], [(4,)], ["float32"], ["out"], [(3,)], [Sparse()])
TWO = Signature(["a", "b"], [(4,), (1,)], ["float32"] * 2, ["p", "q"], [(1,), (3,)], [Plain(), Sparse()])


def collect(batches, seed=None):
    """Returns copies of all batches: what a batch holds is gone once the next one is asked for."""

    def copies(arrays):
        return [None if array is None else array.copy() for array in arrays]

    return [tuple(map(copies, batch)) for batch in batches.epoch(seed)]


def joined(batches, seed=None):
    """Returns (xs, ys, ws) of a whole epoch."""
    parts = collect(batches, seed)
    return tuple(
        [
            None if column[0] is None else np.concatenate(column)
            for column in zip(*(part[k] for part in parts), strict=True)
        ]
        for k in range(3)
    )


def same(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        for left, right in zip(a, b, strict=True):
            for p, q in zip(left, right, strict=True):
                assert (p is None) == (q is None)
                if p is not None:
                    assert p.dtype == q.dtype
                    np.testing.assert_array_equal(p, q)


class Counting:
    """An array in a file, as far as anyone can tell; counts what is read."""

    def __init__(self, array):
        self._array, self.shape, self.dtype = array, array.shape, array.dtype
        self.reads = []

    def __getitem__(self, rows):
        if not isinstance(rows, slice):
            assert (np.diff(rows) > 0).all(), "h5py takes increasing indices only"
        part = self._array[rows]
        self.reads.append(len(part))
        return part


def frame(values):
    return pytest.importorskip("pandas").DataFrame(values, columns=[f"c{i}" for i in range(values.shape[1])])


def series(values):
    return pytest.importorskip("pandas").Series(values.reshape(-1))


def torch_tensor(values):
    return pytest.importorskip("torch").tensor(values, requires_grad=values.dtype.kind == "f")


def memmap(values, path):
    array = np.memmap(path, values.dtype, "w+", shape=values.shape)
    array[:] = values
    return array
