"""Batches of an epoch: shuffled rows gathered in chunks, plain slices, or what a generator gives.

The arrays of a batch are views of buffers that are filled again: they hold until the next batch is asked
for. A chunk is a run of batches gathered together, so that a batch of one row costs no call of its own.
"""

import math

import numpy as np

from kerasette.backend import host_generator, next_seed
from kerasette.data.checks import warn
from kerasette.data.convert import is_arraylike
from kerasette.data.intake import Intake
from kerasette.data.signature import Signature
from kerasette.errors import one_of, positive_int, type_error, value_error

BATCH_SIZE = 32
CHUNK_BYTES = 1 << 19  # of inputs gathered together: stays in the cache until the model reads it
CHUNK_BATCHES = 4096  # views made for a chunk


class Batches:
    """What `make_batches` returns.

    Attributes:
        rows: number of samples, None where unknown.
        steps: number of batches of an epoch, None where unknown.
        batch_size: rows a batch; None where the data comes in batches.
        repeats: whether a second epoch can begin at the front; False for a generator.
    """

    rows = None
    batch_size = None
    repeats = True

    def __init__(self, steps, natural_steps, who):
        self._limit = None if steps is None else positive_int(who, "steps", steps)
        self.steps = natural_steps if self._limit is None else self._limit
        self._who = who
        self._running = None  # the pass that an epoch with fewer steps left unfinished
        if self._limit is not None and natural_steps is not None and self._limit > natural_steps:
            raise value_error(
                f"{who}: {self._limit} steps were asked for, but the data makes {natural_steps} batches.",
                "Give fewer steps, a smaller batch_size, or a generator.",
            )

    def epoch(self, seed: int | None = None):
        """Returns an iterator over the batches of one epoch: `(xs, ys, ws)`, lists of NumPy arrays.

        The arrays and lists hold until the next batch is asked for; they must not be written to. One epoch
        at a time.

        Args:
            seed: names the shuffle. Where fewer `steps` than a pass has were asked for, an epoch with a
                seed goes on where the last one stopped; with None it begins at the front.
        """
        return self._pass(seed) if self._limit is None else self._limited(seed)

    def _pass(self, seed):
        """Yields all batches once."""
        raise NotImplementedError

    def _limited(self, seed):
        taken, fresh = 0, False
        if seed is None and self.repeats:
            self._running = None
        while taken < self._limit:
            if self._running is None:
                if fresh:
                    break
                self._running, fresh = self._pass(seed), True
            batch = next(self._running, None)
            if batch is None:
                self._running = None
                fresh = fresh or not self.repeats
                continue
            taken += 1
            yield batch
        if not taken:
            raise self._used_up()
        if taken < self._limit:
            warn(f"{self._who}: the data ran out after {taken} of {self._limit} steps.")

    def _used_up(self):
        return value_error(
            f"{self._who}: x gives no {'batch' if self.repeats else 'more batches'}.",
            "" if self.repeats else "A generator runs once; an object with __len__ and __getitem__ repeats.",
        )


class ArrayBatches(Batches):
    """Batches of columns whose number of rows is known.

    Args:
        xs, ys, ws: columns (or None) of inputs, targets and weights.
        rows: number of samples.
        batch_size: rows a batch; the last one may have fewer.
        shuffle: False, True, or "batch": full batches keep their rows and change places.
        steps: batches an epoch, or None for all.
        who: who asks, for messages.
    """

    def __init__(self, xs, ys, ws, rows, batch_size, shuffle, steps, who):
        super().__init__(steps, -(-rows // batch_size), who)
        self.rows = rows
        self.batch_size = batch_size
        self._shuffle = shuffle
        self._groups = (xs, ys, ws)
        self._columns = [c for group in self._groups for c in group if c is not None]
        row_bytes = sum(c.dtype.itemsize * math.prod(c.row_shape) for c in xs)
        fitting = CHUNK_BYTES // max(1, row_bytes * batch_size)
        self._chunk = min(max(1, fitting), CHUNK_BATCHES) * batch_size
        self._direct = not shuffle and all(c.direct for c in self._columns)
        self._whole = None  # all batches, where they are few and plain slices
        self._buffers = None
        self._views = {}  # rows of a chunk -> its batches, as views of the buffers

    def _pass(self, seed):
        if self._direct:
            if self._whole is None and self.rows <= CHUNK_BATCHES * self.batch_size:
                self._whole = list(self._slices())
            return self._slices() if self._whole is None else iter(self._whole)
        return self._gathered(self._order(seed) if self._shuffle else None)

    def _slices(self):
        groups = [[None if c is None else c.array for c in group] for group in self._groups]
        if 0 < self.rows <= self.batch_size:
            yield tuple(groups)
            return
        step = CHUNK_BATCHES * self.batch_size
        for start in range(0, self.rows, step):
            yield from _cut(groups, start, min(start + step, self.rows), self.batch_size)

    def _gathered(self, order):
        for start in range(0, self.rows, self._chunk):
            stop = min(start + self._chunk, self.rows)
            yield from self._fill(slice(start, stop) if order is None else order[start:stop], stop - start)

    def _fill(self, rows, count):
        """Gathers `count` rows into the buffers; returns their batches."""
        if self._buffers is None:
            self._allocate()
        views = self._views.get(count)
        if views is None:
            views = self._views[count] = _cut(self._buffers, 0, count, self.batch_size)
        for group, buffers in zip(self._groups, self._buffers, strict=True):
            for source, buffer in zip(group, buffers, strict=True):
                if source is not None:
                    source.fill(buffer[:count], rows)
        return views

    def _allocate(self):
        length = min(self._chunk, self.rows)
        self._buffers = [
            [None if c is None else np.empty((length, *c.row_shape), c.dtype) for c in group]
            for group in self._groups
        ]

    def _order(self, seed):
        generator = host_generator(next_seed() if seed is None else seed)
        if self._shuffle != "batch":
            return generator.permutation(self.rows)
        size, full = self.batch_size, self.rows // self.batch_size
        order = np.arange(self.rows)
        order[: full * size] = (generator.permutation(full)[:, None] * size + np.arange(size)).reshape(-1)
        return order


def _cut(groups, start, stop, size):
    """Returns the batches of rows `start` to `stop` of the arrays in `groups`, as views."""
    starts = range(start, stop, size)
    cut = []
    for group in groups:
        slices = [
            [None] * len(starts) if array is None else [array[i : min(i + size, stop)] for i in starts]
            for array in group
        ]
        cut.append(map(list, zip(*slices, strict=True)))
    return list(zip(*cut, strict=True))


class OneBatch(Batches):
    """A single array that needs no conversion, in one batch: the short way for predictions of a few rows."""

    def __init__(self, x: np.ndarray, outputs: int):
        self.rows = self.batch_size = len(x)
        self.steps = 1
        self._limit = None
        self._batch = ([x], [None] * outputs, [None] * outputs)

    @staticmethod
    def suits(x, signature: Signature, batch_size: int) -> bool:
        """Tells whether `x` is an array of the right shape and dtype, finite, and fits one batch."""
        return (
            type(x) is np.ndarray
            and len(signature.input_names) == 1
            and x.dtype == signature.input_dtypes[0]
            and x.shape[1:] == signature.input_shapes[0]
            and 0 < len(x) <= batch_size
            and x.flags.c_contiguous
            and bool(np.isfinite(x).all())
        )

    def _pass(self, seed):
        return iter((self._batch,))


class StreamBatches(Batches):
    """Batches that the user's object makes: a sequence, something that can be iterated, or an iterator.

    Args:
        source: has `__getitem__` and `__len__`, or `__iter__`.
        intake: checks and converts each batch.
        shuffle: whether the batches of a sequence change places; nothing else is shuffled.
        steps: batches an epoch, or None for all.
    """

    def __init__(self, source, intake: Intake, shuffle, steps):
        super().__init__(steps, _length(source), intake.who)
        self._source = source
        self._intake = intake
        self._shuffle = shuffle
        self.repeats = not hasattr(source, "__next__")
        if self.repeats and not hasattr(source, "__iter__") and self.steps is None:
            raise type_error(
                f"{intake.who}: len() of {type(source).__name__} failed.", "Define __len__, or give steps."
            )

    def _pass(self, seed):
        if hasattr(self._source, "__getitem__") and _length(self._source) is not None:
            given = self._items(seed)
        else:
            given = iter(self._source)
        number = 0
        for number, batch in enumerate(given, start=1):
            yield self._intake.batch(batch, number - 1)
        if not number:
            raise self._used_up()

    def _items(self, seed):
        """Yields the batches of a sequence, and tells it when a pass begins and ends."""
        source = self._source
        _call(source, "on_epoch_begin")
        order = range(len(source))
        if self._shuffle:
            order = host_generator(next_seed() if seed is None else seed).permutation(len(source)).tolist()
        for index in order:
            yield source[index]
        _call(source, "on_epoch_end")


def _call(source, name):
    method = getattr(source, name, None)
    if method is not None:
        method()


def _length(source):
    """Returns len(source), or None where it has none."""
    try:
        return len(source)
    except (TypeError, NotImplementedError):
        return None


# ---------------------------------------------------------------- the entrance


def brings_batches(x) -> bool:
    """Tells whether `x` yields batches (generator, sequence of batches, data loader) rather than rows."""
    if isinstance(x, (list, tuple, dict, set, str, bytes)) or is_arraylike(x):
        return False
    return (
        hasattr(x, "__iter__")
        or hasattr(x, "__next__")
        or (hasattr(x, "__getitem__") and hasattr(x, "__len__"))
    )


def make_batches(
    x,
    y=None,
    sample_weight=None,
    *,
    signature: Signature,
    batch_size: int | None = None,
    shuffle: bool | str = False,
    class_weight: dict | None = None,
    steps: int | None = None,
    needs_y: bool = True,
    allow_nonfinite: bool = False,
    who: str = "fit",
) -> Batches:
    """Returns the batches of `x`, `y` and `sample_weight` for a model with `signature`.

    Arrays in memory are checked as a whole before anything comes out; what is read from files or comes from
    generators is checked as it comes. An h5py dataset or memory map is never loaded whole (sample weights,
    one number a row, are).

    Args:
        x: array, list of numbers or rows, DataFrame, Series, tensor, h5py dataset, memory map; a list or a
            dict by name of those for several inputs; or batches: a generator, an iterable or a sequence of
            (x,), (x, y) or (x, y, sample_weight).
        y: targets in the same forms, one for each output; None where `x` brings batches.
        sample_weight: one weight a row, for all outputs or one array for each.
        signature: what the model takes and gives.
        batch_size: rows a batch, 32 by default; no matter where `x` brings batches.
        shuffle: True draws new places for the rows each epoch (for the batches, where `x` is a sequence of
            them); "batch" moves whole batches, which suits files.
        class_weight: dict of class to factor, for models with one output.
        steps: batches an epoch; by default all.
        needs_y: False leaves targets and weights out, and lets 0 rows pass.
        allow_nonfinite: lets NaN and infinity pass.
        who: who asks, for messages.

    Raises:
        InvalidValue, InvalidType: for data that doesn't fit the model or itself.

    >>> signature = Signature(["x"], [(2,)], ["float32"], ["y"], [(1,)], [None])
    >>> for xs, ys, ws in make_batches([[1, 2], [3, 4], [5, 6]], signature=signature, batch_size=2).epoch():
    ...     print(xs[0].tolist())
    [[1.0, 2.0], [3.0, 4.0]]
    [[5.0, 6.0]]
    """
    batch_size = BATCH_SIZE if batch_size is None else positive_int(who, "batch_size", batch_size)
    one_of(who, "shuffle", shuffle, (False, True, "batch"))
    if x is None:
        raise value_error(
            f"{who}: x is missing.", "Give the inputs: an array, a list, a dict or a generator."
        )
    if not needs_y and steps is None and OneBatch.suits(x, signature, batch_size):
        return OneBatch(x, len(signature.output_names))
    intake = Intake(signature, class_weight, needs_y, allow_nonfinite, who)
    if not brings_batches(x):
        return ArrayBatches(*intake.columns(x, y, sample_weight), batch_size, shuffle, steps, who)
    if y is not None or sample_weight is not None:
        extra = "y" if y is not None else "sample_weight"
        raise value_error(
            f"{who}: {extra} was given beside x of type {type(x).__name__}, which brings its own.",
            "Let it yield (x, y) or (x, y, sample_weight).",
        )
    return StreamBatches(x, intake, shuffle, steps)
