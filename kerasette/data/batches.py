"""Batches of an epoch: shuffled rows gathered in chunks, plain slices, or what a generator gives.

The arrays of a batch are views of buffers that are filled again: they hold until the next batch is asked
for. A chunk is a run of batches gathered together, so that a batch of one row costs no call of its own.
What lies in memory is gathered by another thread, one chunk ahead.
"""

import math
from functools import partial
from itertools import islice

import numpy as np

from kerasette.backend import host_generator, next_seed, threads
from kerasette.crew import finish, later
from kerasette.data.checks import warn
from kerasette.data.signature import Signature
from kerasette.errors import positive_int, value_error

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
        self._place = None  # that pass's [seed, number of batches taken]
        if self._limit is not None and natural_steps is not None and self._limit > natural_steps:
            raise value_error(
                f"{who}: {self._limit} steps were asked for, but the data makes {natural_steps} batches.",
                "Give fewer steps, a smaller batch_size, or a generator.",
            )

    def epoch(self, seed: int | None = None, done: int = 0):
        """Returns an iterator over the batches of one epoch: `(xs, ys, ws)`, lists of NumPy arrays.

        The arrays and lists hold until the next batch is asked for; they must not be written to. One epoch
        at a time.

        Args:
            seed: names the shuffle. Where fewer `steps` than a pass has were asked for, an epoch with a
                seed goes on where the last one stopped; with None it begins at the front.
            done: how many batches of the epoch were taken before, by an object whose state this one has.
        """
        return self._pass(seed, done) if self._limit is None else self._limited(seed, done)

    def _pass(self, seed, done=0):
        """Yields all batches of a pass but the first `done`."""
        raise NotImplementedError

    def _limited(self, seed, done):
        taken, fresh = done, done > 0 and self._place is not None and self._place[0] == seed
        if seed is None and self.repeats:
            self._running = None
        while taken < self._limit:
            if self._running is None:
                if fresh:
                    break
                self._running, self._place, fresh = self._pass(seed), [seed, 0], True
            batch = next(self._running, None)
            if batch is None:
                self._running = self._place = None
                fresh = fresh or not self.repeats
                continue
            taken += 1
            self._place[1] += 1
            yield batch
        if not taken:
            raise self._used_up()
        if taken < self._limit:
            warn(f"{self._who}: the data ran out after {taken} of {self._limit} steps.")

    def check_resumable(self) -> None:
        """Raises, or warns, where another process couldn't go on with these batches."""

    def state(self) -> dict:
        """Returns what an object for the same data has to know to go on after the last batch taken."""
        return {"rows": self.rows, "batch_size": self.batch_size, "steps": self.steps, "place": self._place}

    def restore(self, state: dict, done: int = 0) -> None:
        """Takes over what `state()` returned; `epoch(seed, done)` comes next."""
        if state["place"] is not None:
            seed, taken = self._place = list(state["place"])
            self._running = self._pass(seed, taken)

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
        self._ahead = all(c.in_memory for c in self._columns)
        self._buffers = [None, None]  # two sets, made when first needed: one in use, one for the next chunk
        self._views = {}  # (rows of a chunk, set of buffers) -> its batches, as views of the buffers

    def _pass(self, seed, done=0):
        if self._direct:
            if self._whole is None and self.rows <= CHUNK_BATCHES * self.batch_size:
                self._whole = list(self._slices())
            return self._slices(done) if self._whole is None else islice(self._whole, done, None)
        return self._gathered(self._order(seed) if self._shuffle else None, done)

    def _slices(self, done=0):
        groups = [[None if c is None else c.array for c in group] for group in self._groups]
        if 0 < self.rows <= self.batch_size and not done:
            yield tuple(groups)
            return
        step = CHUNK_BATCHES * self.batch_size
        for start in range(done * self.batch_size, self.rows, step):
            yield from _cut(groups, start, min(start + step, self.rows), self.batch_size)

    def _gathered(self, order, done):
        """Yields the batches; while those of one chunk are in use a helper gathers the next one."""
        helper = None
        try:
            for number, start in enumerate(range(done * self.batch_size, self.rows, self._chunk)):
                if helper is None:
                    self._fill(order, start, number % 2)
                else:
                    finish(helper)
                    helper = None
                following = start + self._chunk
                if self._ahead and following < self.rows and threads() > 1:
                    helper = later(partial(self._fill, order, following, (number + 1) % 2))
                yield from self._views_of(self._rows_from(start), number % 2)
        finally:
            if helper is not None:
                finish(helper)

    def _rows_from(self, start):
        return min(self._chunk, self.rows - start)

    def _fill(self, order, start, which):
        """Gathers the chunk that begins at row `start` into one of the two sets of buffers."""
        count = self._rows_from(start)
        rows = slice(start, start + count) if order is None else order[start : start + count]
        for group, buffers in zip(self._groups, self._buffers_of(which), strict=True):
            for source, buffer in zip(group, buffers, strict=True):
                if source is not None:
                    source.fill(buffer[:count], rows)

    def _buffers_of(self, which):
        if self._buffers[which] is None:
            length = min(self._chunk, self.rows)
            self._buffers[which] = [
                [None if c is None else np.empty((length, *c.row_shape), c.dtype) for c in group]
                for group in self._groups
            ]
        return self._buffers[which]

    def _views_of(self, count, which):
        """Returns the batches of the first `count` rows of a set of buffers."""
        views = self._views.get((count, which))
        if views is None:
            views = _cut(self._buffers_of(which), 0, count, self.batch_size)
            self._views[count, which] = views
        return views

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

    def _pass(self, seed, done=0):
        return iter((self._batch,))
