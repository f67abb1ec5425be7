"""One step of an optimizer as a list of calls, block by block, made once and run many times."""

from bisect import bisect_right
from functools import partial

from kerasette.backend import module, threads
from kerasette.functions import kernels

WORTH = 1 << 16  # parameters from which on a compiled update pays for importing numba


class Program:
    """The calls of a step for given gradient vectors.

    A block is a stretch of a run short enough that weights, gradient and slots stay in the processor's
    cache while all operations pass over them; on a GPU a run is one block. The calls of different blocks
    touch different elements, so parts of the list may run in different threads, with the same result.

    Args:
        optimizer: its `rule()`, `slot_names()`, `block_size`, `clipvalue`, `weight_decay` and
            `decayed(parameter)` say what happens.
        slots: its Slots.
        grads: one vector for each run.
        scalars: the numbers of this step; the last one is for the weight decay, where there is one.
    """

    def __init__(self, optimizer, slots, grads, scalars: tuple):
        self._optimizer, self._slots, self._grads, self._scalars = optimizer, slots, grads, scalars
        self._cells = {}  # dtype -> arrays without axes: NumPy takes them twice as fast as Python's floats
        host = slots.xp is module("numpy")
        size = optimizer.block_size if host else max((grad.size for grad in grads), default=1)
        blocks = [
            (index, begin, min(begin + size, grad.size))
            for index, grad in enumerate(grads)
            for begin in range(0, grad.size, size)
        ]
        self._stretches = None
        if optimizer.weight_decay:
            self._stretches = [decayed_stretches(optimizer, run) for run in slots.runs]
        count = max(1, min(threads(), len(blocks))) if host else 1
        bounds = [len(blocks) * part // count for part in range(count + 1)]
        parts = [blocks[bounds[part] : bounds[part + 1]] for part in range(count)]
        self._parts = [self._calls(part) for part in parts]
        self._tasks = [partial(_run, part) for part in self._parts]

    def _calls(self, blocks) -> list:
        """Returns the calls for `blocks`, which share scratch arrays and so belong to one thread."""
        optimizer, slots, calls, scratches = self._optimizer, self._slots, [], {}
        xp, rule, names, clip = slots.xp, self._rule(), optimizer.slot_names(), optimizer.clipvalue
        longest = max((end - begin for _, begin, end in blocks), default=0)
        for index, begin, end in blocks:
            theta, grad = slots.runs[index].theta[begin:end], self._grads[index][begin:end]
            if grad.dtype not in scratches:
                scratches[grad.dtype] = xp.empty(longest, dtype=grad.dtype)
            scratch = scratches[grad.dtype][: end - begin]
            cells = self._cells_of(grad.dtype)
            if clip:
                bounds = (xp.asarray(bound, dtype=grad.dtype) for bound in (-clip, clip))
                calls.append((_clip, (xp, grad, *bounds)))
            if self._stretches is not None:
                *cells, decay = cells
                for first, last in _within(self._stretches[index], begin, end):
                    calls.append((_decay, (xp, theta[first:last], decay, scratch[first:last])))
            vectors = (slots.vectors[name][index][begin:end] for name in names)
            calls.append((rule, (theta, grad, *vectors, scratch, *cells)))
        return calls

    def _rule(self):
        """Returns the function that updates one block: a compiled one where that is worth its import."""
        numbers = sum(grad.size for grad in self._grads)
        fast = None
        if self._optimizer.kernel is not None and self._slots.xp is module("numpy") and numbers >= WORTH:
            fast = kernels.compiled(self._optimizer.kernel)
        return self._optimizer.rule() if fast is None else fast

    def _cells_of(self, dtype) -> list:
        if dtype not in self._cells:
            self._cells[dtype] = [self._slots.xp.asarray(value, dtype=dtype) for value in self._scalars]
        return self._cells[dtype]

    def set_scalars(self, scalars: tuple) -> None:
        """Writes the numbers of this step to where the calls read them."""
        for cells in self._cells.values():
            for cell, new, old in zip(cells, scalars, self._scalars, strict=True):
                if new != old:
                    cell[()] = new
        self._scalars = scalars

    def __call__(self, run_parallel=None) -> None:
        """Runs the step; `run_parallel` may get the parts of the list as functions without arguments."""
        if run_parallel is not None and len(self._tasks) > 1:
            run_parallel(self._tasks)
            return
        for part in self._parts:
            for function, arguments in part:
                function(*arguments)


def _clip(xp, grad, low, high) -> None:
    xp.minimum(grad, high, out=grad)
    xp.maximum(grad, low, out=grad)


def _decay(xp, theta, factor, scratch) -> None:
    # Not theta *= 1 - factor: float32 rounds 1 - 4e-6 so much that the decay is off by a percent.
    xp.multiply(theta, factor, scratch)
    theta -= scratch


def _run(calls) -> None:
    for function, arguments in calls:
        function(*arguments)


def decayed_stretches(optimizer, run) -> list:
    """Returns the stretches [first, last) of a run that weight decay acts on, neighbours joined."""
    stretches = []
    for parameter in run.parameters:
        first, last = parameter.offset, parameter.offset + parameter.size
        if not optimizer.decayed(parameter):
            continue
        if stretches and stretches[-1][1] == first:
            first = stretches.pop()[0]
        stretches.append((first, last))
    return stretches


def _within(stretches, begin: int, end: int):
    """Yields the stretches that lie in [begin, end), cut to it and counted from `begin`."""
    position = bisect_right(stretches, begin, key=lambda stretch: stretch[1])
    for first, last in stretches[position:]:
        if first >= end:
            return
        yield max(first, begin) - begin, min(last, end) - begin
