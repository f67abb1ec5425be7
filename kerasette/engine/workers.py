"""Who runs a step: micro-batches, worker threads, sums in order.

The gradients of micro-batches are added in the order of the micro-batches, whoever computes them, so
the number of workers changes no bit. A batch that isn't cut runs in the calling thread.
"""

import os
import threading
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import pairwise

import numpy as np

from kerasette.backend import threads, to_module, to_numpy
from kerasette.engine.executor import Executor
from kerasette.params import runs_of

_NOTHING = nullcontext()


class _Pool:
    """The worker threads of this process, started when first needed."""

    _executor = None
    _size = 0

    @classmethod
    def submit(cls, size, task):
        """Hands `task` to one of `size` threads; returns its future."""
        from concurrent.futures import ThreadPoolExecutor

        if cls._executor is None or cls._size < size:
            if cls._executor is not None:
                cls._executor.shutdown(wait=False)
            cls._executor, cls._size = ThreadPoolExecutor(size, thread_name_prefix="kerasette"), size
        return cls._executor.submit(task)

    @classmethod
    def forget(cls):
        """Drops the threads: a forked child has none of its parent's."""
        cls._executor, cls._size = None, 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_Pool.forget)


@contextmanager
def single_threaded_blas():
    """Holds BLAS to one thread, and restores it: workers are the threads meanwhile."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        yield


class Head:
    """One output's loss, as the engine uses it.

    Args:
        loss: has forward, backward, and for `fused` fused_forward, fused_backward (see losses.Loss).
        weight: factor of this loss in the sum of losses.
        fused: whether the loss gets the input of the last activation ("logits").
    """

    def __init__(self, loss, weight=1.0, fused=False):
        self.loss = loss
        self.weight = weight
        self._fused = fused
        self._constants = {}  # (shape of losses, rows) -> array of the factors of unweighted losses

    def forward(self, y_true, output):
        """Returns (losses, prediction, cache)."""
        if self._fused:
            return self.loss.fused_forward(y_true, output)
        losses, cache = self.loss.forward(y_true, output)
        return losses, output, cache

    def backward(self, dlosses, cache):
        """Returns the gradient with respect to the output, given that of each single loss."""
        dout = self.loss.fused_backward(dlosses, cache) if self._fused else self.loss.backward(dlosses, cache)
        if self.weight != 1.0:
            dout *= self.weight
        return dout

    def scale(self, rows, y_true, weights):
        """Returns None where every loss has the same factor, else what `factors` has to know of the batch."""
        if weights is None and self.loss.counts_all:
            return None
        return self.loss.scaler(rows, weights, y_true)

    def factors(self, xp, losses, rows, weights, scale):
        """Returns the factor of each of `losses` in the batch's value: weight / count."""
        if scale is not None:
            return _weighted(xp, losses, weights, scale(losses))
        key = losses.shape, rows
        array = self._constants.get(key)
        if array is None:
            if len(self._constants) > 8:
                self._constants.clear()
            factor = self.loss.scaler(rows, None)(losses)
            array = self._constants[key] = xp.full(losses.shape, factor, losses.dtype)
        return array


def _weighted(xp, losses, weights, factor):
    if weights is None:
        return xp.full(losses.shape, factor, losses.dtype)
    weights = weights.reshape(weights.shape + (1,) * (losses.ndim - weights.ndim))
    return xp.broadcast_to(weights * factor, losses.shape).astype(losses.dtype, copy=False)


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
    """

    def __init__(self, plan, *, xp, dtype, trained=(), heads=(), seed=0):
        self.plan = plan
        self.xp = xp
        self.heads = list(heads)
        self.seed = seed
        self.runs = runs_of(trained)
        self._dtype = dtype
        self._executors = [self._executor()]
        self._main = self._executors[0]
        self._total = None  # the sum of gradients, where there is more than one micro-batch
        self.gradients = self._main.gradients
        self._parameter_bytes = sum(run.theta.nbytes for run in self.runs)
        self._loss_couples = any(head is not None and head.loss.couples_batch for head in self.heads)
        self._cuts = {}  # (rows, training) -> list of (start, stop)
        self._penalties = self._find_penalties()

    def _executor(self):
        return Executor(self.plan, self.xp, self._dtype, self.runs, self.seed)

    # ------------------------------------------------------------ the cut

    def cuts(self, rows: int, training: bool) -> list[tuple[int, int]]:
        """Returns the micro-batches of a batch of `rows`: (start, stop) each, nearly equal in size."""
        cuts = self._cuts.get((rows, training))
        if cuts is None:
            whole = self._loss_couples or self.plan.keeps_whole(training)
            most = rows if whole else self.plan.micro_batch(rows, self._parameter_bytes)
            count = max(1, -(-rows // max(1, most)))
            ends = [rows * k // count for k in range(count + 1)]
            cuts = self._cuts[rows, training] = list(pairwise(ends))
        return cuts

    def session(self, rows: int, training: bool = False):
        """Returns the context in which batches of `rows` run: BLAS in one thread where workers are used."""
        return single_threaded_blas() if len(self.cuts(rows, training)) > 1 else _NOTHING

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
        if training:
            main.commit()
        return result

    def _part(self, executor, batch, xs, ys, ws, noise=None):
        """Runs one micro-batch (or the whole batch) on one executor; returns what `run` returns."""
        backward = batch.backward
        outs = executor.forward(
            xs,
            training=batch.training,
            batch=batch.rows,
            step=batch.step,
            noise=noise,
            keep=backward or batch.training,
        )
        values, douts = [], []
        for k, head in enumerate(self.heads):
            if head is None:
                values.append(0.0)
                douts.append(None)
                continue
            losses, outs[k], cache = head.forward(ys[k], outs[k])
            factors = head.factors(self.xp, losses, batch.rows, ws[k], batch.scales[k])
            values.append(losses.dot(factors) if losses.ndim == 1 else (losses * factors).sum())
            if backward:
                douts.append(head.backward(factors, cache))
        if backward:
            executor.backward(douts)
        return values, executor.penalty, outs

    # ------------------------------------------------------------ many micro-batches

    def _run_cut(self, batch, cuts, outputs):
        workers = min(threads(), len(cuts))
        while len(self._executors) < workers:
            self._executors.append(self._executor())
        noise = self._main.draw(batch.rows, batch.step, batch.training)
        if batch.backward and self._total is None:
            self._total = [self.xp.empty_like(gradient) for gradient in self._main.gradients]
        job = _Job(self, batch, len(cuts), outputs)

        def work(executor):
            while (k := job.next()) is not None:
                start, stop = cuts[k]
                parts = [_slice(group, start, stop) for group in (batch.xs, batch.ys, batch.ws)]
                piece = {i: a if len(a) == 1 else a[start:stop] for i, a in noise.items()}
                job.add(k, self._part(executor, batch, *parts, piece), executor, start, stop)

        futures = [
            _Pool.submit(workers - 1, partial(job.guard, work, executor))
            for executor in self._executors[1:workers]
        ]
        job.guard(work, self._main)
        for future in futures:
            future.result()
        if job.failure is not None:
            raise job.failure
        self.gradients = self._total
        if batch.training:
            self._main.commit(job.statistics)
        return job.values, job.penalty, job.outputs

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

    def predict(self, xs):
        """Returns the outputs for the arrays `xs` as new arrays on the host."""
        if self.xp is not np:
            xs = [to_module(self.xp, x) for x in xs]
        _, _, outs = self.run(xs)
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
        self._taken = 0
        self._turn = 0
        self._change = threading.Condition()

    def next(self):
        """Returns the number of the next micro-batch, or None when there is no more to do."""
        with self._change:
            if self.failure is not None or self._taken == self.count:
                return None
            self._taken += 1
            return self._taken - 1

    def guard(self, work, executor):
        """Runs `work(executor)`; keeps what it raises for the caller and lets the others stop."""
        try:
            work(executor)
        except BaseException as problem:
            with self._change:
                self.failure = self.failure or problem
                self._change.notify_all()

    def add(self, k, result, executor, start, stop):
        """Adds the result of micro-batch `k`, once all before it have been added."""
        with self._change:
            self._change.wait_for(lambda: self._turn == k or self.failure is not None)
            if self.failure is not None:
                return
        self._add_values(k, result)
        if self.batch.backward:
            for total, part in zip(self.engine._total, executor.gradients, strict=True):
                if k == 0:
                    total[...] = part
                else:
                    total += part
        if self._wants_outputs:
            self._put_outputs(result[2], start, stop)
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
