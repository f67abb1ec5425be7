"""Who runs a step: micro-batches, worker threads, sums in order.

The gradients of micro-batches are added in the order of the micro-batches, whoever computes them, so
the number of workers changes no bit. A batch that isn't cut runs in the calling thread.
"""

import threading
from contextlib import nullcontext
from functools import partial
from itertools import pairwise

import numpy as np

from kerasette.backend import threads, to_module, to_numpy
from kerasette.crew import single_threaded_blas, together
from kerasette.engine.executor import Executor
from kerasette.engine.meeting import Meeting, Stopped
from kerasette.functions.common import inner
from kerasette.graph import alone
from kerasette.params import runs_of

_NOTHING = nullcontext()
MOST_TOGETHER = 4  # parts of a batch that have to meet: each keeps buffers of its own until the way back


class Engine:
    """Runs batches through a plan, cut into micro-batches where that pays.

    Args:
        plan: the Plan.
        xp, dtype: array module and float type.
        trained: the parameters that gradients are wanted for, in order.
        heads: one Head for each output (None where an output has no loss), or empty for inference.
        seed: names the random streams together with step and layer.

    Attributes:
        runs: the contiguous runs of the trained parameters.
        gradients: one vector for each run, filled by `run(backward=True)`.
        draws_always: whether some call of a random layer fixed training=True, so that inference draws too.
    """

    def __init__(self, plan, *, xp, dtype, trained=(), heads=(), seed=0):
        self.plan = plan
        self.xp = xp
        self.heads = list(heads)
        self.seed = seed
        self.runs = runs_of(trained)
        self._dtype = dtype
        homes = {parameter.home for layer in plan.layers for parameter in layer.parameters}
        self._homes = [(home, home.vector) for home in homes]
        self._executors = [self._executor()]
        self._main = self._executors[0]
        self._total = None  # the sum of gradients, where there is more than one micro-batch
        self._first_way = None  # the main executor's way back straight into it
        self.gradients = self._main.gradients
        self._parameter_bytes = sum(run.theta.nbytes for run in self.runs)
        self._loss_couples = any(head is not None and head.loss.couples_batch for head in self.heads)
        self.keeps_state = any(step.operation.keeps_state for step in plan.steps)
        self.draws_always = any(step.training and step.operation.draw is not None for step in plan.steps)
        self._is_masked = any(slot is not None for slot in plan.masks)
        self.masks = None  # after a batch: the mask of each output, where some output has one
        self._meetings = {}  # number of parts -> Meeting
        self._cuts = {}  # (rows, training) -> list of (start, stop)
        self._penalties = self._find_penalties()

    def _executor(self):
        return Executor(self.plan, self.xp, self._dtype, self.runs, self.seed)

    def reseed(self, seed: int) -> None:
        """Makes `seed` the name of the random streams."""
        self.seed = seed
        for executor in self._executors:
            executor.seed = seed

    def is_stale(self) -> bool:
        """Tells whether some parameters have moved to another device since this engine was made."""
        return any(home.vector is not vector for home, vector in self._homes)

    # ------------------------------------------------------------ the cut

    def cuts(self, rows: int, training: bool) -> list[tuple[int, int]]:
        """Returns the micro-batches of a batch of `rows`: (start, stop) each, nearly equal in size."""
        cuts = self._cuts.get((rows, training))
        if cuts is None:
            whole = self._loss_couples or self.plan.keeps_whole(training)
            count = 1 if whole else self.plan.pieces(rows, self._parameter_bytes)
            if self.plan.gathers(training):
                count = min(-(-count // 4), MOST_TOGETHER)  # each meeting costs a wait: fewer, longer parts
            ends = [rows * k // count for k in range(count + 1)]
            cuts = self._cuts[rows, training] = list(pairwise(ends))
        return cuts

    def session(self, rows: int, training: bool = False):
        """Returns the context in which batches of `rows` run: BLAS held to one thread.

        Workers are the threads. Those of BLAS spin while they wait: beside other work on the same cores
        that makes a step many times slower, and on an idle machine they gain no more than workers do.
        It also makes the bits independent of the number of cores.
        """
        cut = len(self.cuts(rows, training)) > 1
        return _NOTHING if self.plan.is_small(rows) and not cut else single_threaded_blas()

    def parallel(self, tasks) -> None:
        """Runs functions without arguments, the first in this thread, the others in workers."""
        together(tasks)

    # ------------------------------------------------------------ one batch

    def run(self, xs, ys=(), ws=(), *, training=False, backward=False, step=0, outputs=True):
        """Runs one batch.

        Args:
            xs: input arrays.
            ys: targets, one for each head (None where it has none).
            ws: sample weights for each head, or None each.
            training, step: mode, and number of the training step.
            backward: whether gradients are wanted.
            outputs: whether the predictions are wanted.

        Returns:
            (values, penalty, predictions): the mean loss of each head, the sum of penalties on
            activities, and the output arrays (valid until the next call; probabilities where fused).
        """
        rows = len(xs[0])
        cuts = self.cuts(rows, training)
        scales = [h and h.scale(rows, y, w) for h, y, w in zip(self.heads, ys, ws, strict=True)]
        batch = _Batch(xs, ys, ws, scales, rows, training, backward, step)
        if len(cuts) > 1:
            return self._run_cut(batch, cuts, outputs)
        main = self._main
        result = self._part(main, batch, xs, ys, ws)
        self.gradients = main.gradients
        if training or self.keeps_state:
            main.commit()
        return result

    def _part(self, executor, batch, xs, ys, ws, noise=None, way=None, total=alone):
        """Runs one micro-batch (or the whole batch) on one executor; returns what `run` returns."""
        backward = batch.backward
        outs = executor.forward(
            xs,
            training=batch.training,
            batch=batch.rows,
            step=batch.step,
            noise=noise,
            keep=backward or batch.training,
            total=total,
        )
        self.masks = executor.masks() if self._is_masked else None
        values, douts = [], []
        for k, head in enumerate(self.heads):
            if head is None:
                values.append(0.0)
                douts.append(None)
                continue
            losses, outs[k], cache = head.forward(ys[k], outs[k])
            weights, scale = ws[k], batch.scales[k]
            if self._is_masked and self.masks[k] is not None:
                weights = head.masked(self.masks[k], weights, ys[k])
                scale = head.scale(batch.rows, ys[k], weights)
            factors = head.factors(self.xp, losses, batch.rows, weights, scale)
            values.append(inner(losses, factors) if losses.ndim == 1 else (losses * factors).sum())
            if backward:
                douts.append(head.backward(factors, cache))
        if backward:
            executor.backward(douts, way)
        return values, executor.penalty, outs

    # ------------------------------------------------------------ many micro-batches

    def _run_cut(self, batch, cuts, outputs):
        together = self.plan.gathers(batch.training)
        hands = len(cuts) if together else min(threads(), len(cuts))
        while len(self._executors) < hands:
            self._executors.append(self._executor())
        noise = self._main.draw(batch.rows, batch.step, batch.training)
        if batch.backward and self._total is None:
            self._total = [self.xp.zeros_like(gradient) for gradient in self._main.gradients]
            self._first_way = self._main.way_back(self._total)
        job = _Job(self, batch, len(cuts), outputs)
        part = partial(self._cut_part, batch, cuts, noise)
        if together:
            self._meet(job, part, len(cuts))
        else:
            self._share(job, part, hands)
        if job.failure is not None:
            raise job.failure
        self.gradients = self._total
        if batch.training:
            self._main.commit(job.statistics)
        return job.values, job.penalty, job.outputs

    def _cut_part(self, batch, cuts, noise, executor, k, total=alone):
        """Runs micro-batch `k` on one executor."""
        start, stop = cuts[k]
        arrays = [_slice(group, start, stop) for group in (batch.xs, batch.ys, batch.ws)]
        piece = {i: a if len(a) == 1 else a[start:stop] for i, a in noise.items()}
        way = self._first_way if k == 0 else None  # the first gradient goes straight into the sum
        return self._part(executor, batch, *arrays, piece, way, total), cuts[k]

    def _share(self, job, part, workers):
        """Lets `workers` threads, this one among them, take micro-batches until none is left."""

        def work(executor, k):
            while k is not None:
                job.add(k, *part(executor, k), executor)
                k = job.next()

        others = [partial(job.guard, partial(work, executor)) for executor in self._executors[1:workers]]
        together([partial(job.guard, partial(work, self._main), 0), *others])

    def _meet(self, job, part, count):
        """Runs all micro-batches at one time, each on an executor of its own; they meet where layers ask."""
        meeting = self._meetings.setdefault(count, Meeting(count))
        meeting.begin(threads())

        def work(executor, k):
            job.add(k, *meeting.run(partial(part, executor, k, partial(meeting.total, k))), executor)

        together([partial(job.guard, partial(work, e), k) for k, e in enumerate(self._executors[:count])])

    # ------------------------------------------------------------ penalties on parameters

    def _find_penalties(self):
        """Returns (parameter, number of its run, its place there) for each trained one with a regularizer.

        A frozen parameter costs nothing, as in Keras.
        """
        places = [(k, place) for k, run in enumerate(self.runs) for place in run.parameters]
        return [(p.parameter, k, p) for k, p in places if p.parameter.regularizer is not None]

    def penalize(self, backward: bool) -> float:
        """Returns the penalties on parameters, and adds their gradients once a step."""
        total = 0.0
        for parameter, number, place in self._penalties:
            total = total + parameter.regularizer(parameter.value)
            if backward:
                part = self.gradients[number][place.offset : place.offset + place.size]
                part += parameter.regularizer.gradient(parameter.value).reshape(-1)
        return total

    def predict(self, xs, step=0):
        """Returns the outputs for the arrays `xs` as new arrays on the host; `step` as in `run`."""
        if self.xp is not np:
            xs = [to_module(self.xp, x) for x in xs]
        _, _, outs = self.run(xs, step=step)
        if len(self.cuts(len(xs[0]), False)) > 1 or self.xp is not np:
            return [to_numpy(out) for out in outs]  # these are no buffers of an executor
        return [out.copy() for out in outs]


class _Batch:
    """A batch and how it is to be run."""

    __slots__ = ("backward", "rows", "scales", "step", "training", "ws", "xs", "ys")

    def __init__(self, xs, ys, ws, scales, rows, training, backward, step):
        self.xs, self.ys, self.ws, self.scales = xs, ys, ws, scales
        self.rows, self.training, self.backward, self.step = rows, training, backward, step


class _Job:
    """What the workers of one batch share: who takes which micro-batch, and the sums in order."""

    def __init__(self, engine, batch, count, outputs):
        self.engine, self.batch, self.count, self._wants_outputs = engine, batch, count, outputs
        self.values, self.penalty, self.outputs, self.statistics = None, 0.0, None, []
        self.failure = None
        self._taken = 1  # the first one is the calling thread's
        self._turn = 0
        self._change = threading.Condition()

    def next(self):
        """Returns the number of the next micro-batch, or None when there is no more to do."""
        with self._change:
            if self.failure is not None or self._taken == self.count:
                return None
            self._taken += 1
            return self._taken - 1

    def guard(self, work, first=None):
        """Runs `work(first)`; keeps what it raises for the caller and lets the others stop."""
        try:
            work(self.next() if first is None else first)
        except BaseException as problem:
            with self._change:
                if self.failure is None or isinstance(self.failure, Stopped):
                    self.failure = problem
                self._change.notify_all()

    def add(self, k, result, bounds, executor):
        """Adds the result of micro-batch `k`, once all before it have been added."""
        with self._change:
            self._change.wait_for(lambda: self._turn == k or self.failure is not None)
            if self.failure is not None:
                return
        self._add_values(k, result)
        if self.batch.backward and k > 0:
            for total, part in zip(self.engine._total, executor.gradients, strict=True):
                total += part
        if self._wants_outputs:
            self._put_outputs(result[2], *bounds)
        if self.batch.training:
            self.statistics.append(executor.statistics())
        with self._change:
            self._turn += 1
            self._change.notify_all()

    def _add_values(self, k, result):
        values, penalty, _ = result
        self.values = values if k == 0 else [a + b for a, b in zip(self.values, values, strict=True)]
        self.penalty = self.penalty + penalty

    def _put_outputs(self, outs, start, stop):
        if self.outputs is None:
            xp = self.engine.xp
            self.outputs = [xp.empty((self.batch.rows, *out.shape[1:]), out.dtype) for out in outs]
        for whole, out in zip(self.outputs, outs, strict=True):
            whole[start:stop] = out


def _slice(arrays, start, stop):
    return [None if array is None else array[start:stop] for array in arrays]
