"""Recurrent steps over whole sequences: what simple_rnn, lstm and gru share.

The fast way keeps the arrays of a step as (features, N), so that each gate is one contiguous block. It takes
one product a step for state, inputs and bias together (faster than one long product of all inputs and an
addition in each step; and a padded sequence gives the very bits of the sequence without padding), one a
step on the way back for the state and the inputs, and one for all parameters over as many steps as make it
long. The general way, `scan`, runs any step (N, features) with any activation.
"""

from kerasette.backend import Scratch, xp_of
from kerasette.functions.activations import sigmoid, sigmoid_backward, tanh, tanh_backward
from kerasette.functions.common import put

LONG = 128  # columns from which the product of gradients and inputs is at its fastest
LINE = 16  # floats of a cache line: rows that are a multiple of it make products faster


class Pair:
    """An activation: `forward(x) -> y, cache` and `backward(dy, cache) -> dx`."""

    def __init__(self, forward, backward):
        self.forward, self.backward = forward, backward


TANH, SIGMOID = Pair(tanh, tanh_backward), Pair(sigmoid, sigmoid_backward)


class Options:
    """What a call wants besides numbers.

    Args:
        sequences: whether y holds all steps (N, T, U), not only the last one (N, U).
        states: whether the last states are returned behind y.
        reverse: whether time runs backwards; y stands in the order of computing.
        zero_output: whether the output of a step left out is 0.
    """

    __slots__ = ("reverse", "sequences", "states", "zero_output")

    def __init__(self, sequences=False, states=False, reverse=False, zero_output=False):
        self.sequences, self.states = sequences, states
        self.reverse, self.zero_output = reverse, zero_output

    def ordered(self, array):
        """Returns `array` (N, T, ...) with its steps in the order of computing; a view."""
        return array[:, ::-1] if self.reverse and array is not None else array

    def results(self, y, states):
        """Returns what the call gives: y, or y and the states."""
        return (y, *states) if self.states else y

    def gradients(self, dy, count):
        """Returns the gradient by y, and a list of those by the `count` states, None where there is none."""
        return (dy[0], list(dy[1:])) if self.states else (dy, [None] * count)


# ---------------------------------------------------------------- the fast way: arrays (features, N)


class Run:
    """A pass over a sequence: what each step reads and writes.

    The block of a step is [state before it; inputs; 1 (for the bias); 0 ...], and it writes its state
    into the next block.

    Args:
        x: (N, T, I).
        initial: (N, U), the state before the first step, or None for zeros.
        units: U.
        mask: bool (N, T), False where a step is left out, or None.
        drop: factors of the inputs (N, I), or None.
        options: an Options.
        buffer: `buffer(name, shape, dtype)` gives arrays, or None for new ones.

    Attributes:
        blocks: (T + 1, K, N).
        states: (T + 1, U, N), a view: the state before each step, and after the last one.
        ones: the row of ones in a block.
        skipped: bool (T, N), or None.
    """

    def __init__(self, x, initial, units, mask, drop, options, buffer):
        xp = self.xp = xp_of(x)
        self._buffer = Scratch(xp, x.dtype) if buffer is None else buffer
        self.options, self.drop, self.dtype = options, drop, x.dtype
        n, steps, features = self.shape = x.shape
        self.steps, self.ones = steps, units + features
        self.blocks = self.array("blocks", steps + 1, -(-(self.ones + 1) // LINE) * LINE, n)
        self.states = self.blocks[:, :units]
        self.states[0] = 0.0 if initial is None else initial.T
        inputs, steps_first = self.blocks[:-1, units : self.ones], options.ordered(x).transpose(1, 2, 0)
        if drop is None:
            inputs[...] = steps_first
        else:
            xp.multiply(steps_first, drop.T, inputs)
        self.blocks[:, self.ones] = 1.0
        self.blocks[:, self.ones + 1 :] = 0.0
        mask = options.ordered(mask)
        self.skipped = None if mask is None else xp.ascontiguousarray(~mask.T)
        self._hidden = _hidden(mask, initial, options.zero_output)

    def array(self, name, *shape):
        """Returns the array called `name`; what it holds is anybody's guess."""
        return self._buffer(name, shape, self.dtype)

    def half(self):
        """Returns 0.5 as an array without axes: a Python number is converted anew in each call."""
        number = self.array("half")
        number.fill(0.5)
        return number

    def skip(self, step, before, after):
        """Makes the state after a step that is left out what it was before."""
        self.xp.copyto(after, before, where=self.skipped[step])

    def results(self, last, out):
        """Returns y, with the states `last` (U, N) if they're wanted.

        Args:
            last: list of arrays.
            out: destination of y; without one, y is a view of the states wherever it can be.
        """
        y = self.states[1:].transpose(2, 0, 1) if self.options.sequences else self.states[-1].T
        if out is not None or self._hidden is not None:
            y = self._written(y, self.xp.empty(y.shape, self.dtype) if out is None else out)
        return self.options.results(y, [state.T.copy() for state in last] if self.options.states else ())

    def _written(self, y, out):
        hidden, sequences = self._hidden, self.options.sequences
        if not sequences:
            out[...] = y
        for step in range(self.steps if sequences else 0):  # step by step: it stays in the cache
            out[:, step] = y[:, step]
        if hidden is not None:
            self.xp.copyto(out, 0.0, where=hidden[:, :, None] if sequences else hidden[:, -1:])
        return out

    def output_gradients(self, dy, count):
        """Returns the gradients of all states (N, T, U) or None, and of each of the `count` last ones."""
        dy, finals = self.options.gradients(dy, count)
        sequences = self.options.sequences
        if dy is not None and self._hidden is not None:
            dy = dy * ~(self._hidden[:, :, None] if sequences else self._hidden[:, -1:])
        if sequences:
            return dy, finals
        return None, [_sum(finals[0], dy), *finals[1:]]

    def input_gradient(self, wanted, dx):
        """Returns the array for dx, or None where it isn't wanted; a new one has samples last in memory."""
        if dx is not None or not wanted:
            return dx if wanted else None
        n, steps, features = self.shape
        return self.xp.empty((steps, features, n), self.dtype).transpose(2, 0, 1)

    def back_weights(self, kernel, recurrent_kernel, dx):
        """Returns the weights (U, G) that lead from dz to the state, and on to the inputs: (U + I, G)."""
        if dx is None:
            return recurrent_kernel
        both = self.array("both", self.ones, kernel.shape[1])
        both[: len(recurrent_kernel)], both[len(recurrent_kernel) :] = recurrent_kernel, kernel
        return both


def _hidden(mask, initial, zero_output):
    """Returns where the output is 0 and not the state: bool (N, T), or None where that is nowhere.

    A step that is left out gives the output before it, and before the first valid step that is 0, even
    where an initial state was given.
    """
    if mask is None or (initial is None and not zero_output):
        return None
    return ~mask if zero_output else xp_of(mask).cumsum(mask, axis=1) == 0


class Back:
    """The way back through a Run: an iterator over (step, dz), from the last step to the first.

    The loop reads `states`, the gradients of the states after the step, and fills `dz`. It leaves in
    `states` what doesn't come through the product; the first of them is overwritten by the product.

    Args:
        run: the Run.
        weights: (U, G), or (U + I, G) where dx is wanted: what dz is multiplied with.
        rows: number of rows of dz; the last G of them are multiplied.
        dys, finals: from `output_gradients`.
        dx: destination (N, T, I), or None.
        further: arrays (U, N) for the gradients of the second state and so on.
        direct: (U, N), added to the gradient of the first state after the product; or None.
    """

    def __init__(self, run, weights, rows, dys, finals, dx, *, further=(), direct=None):
        self._run, self._weights, self._skipped_rows = run, weights, rows - weights.shape[1]
        self._dys, self._dx, self._direct = dys, dx, direct
        units, n = run.states.shape[1:]
        self._product = run.array("product", len(weights), n)
        self.states = [self._product[:units], *further]
        for state, final in zip(self.states, finals, strict=True):
            state[...] = 0.0 if final is None else final.T
        self._sums = _Sums(run, rows)

    def __iter__(self):
        run, dys, dx, sums = self._run, self._dys, self._run.options.ordered(self._dx), self._sums
        xp, state = run.xp, self.states[0]
        dinputs = self._product[len(state) :]
        for step in range(run.steps - 1, -1, -1):
            if dys is not None:
                xp.add(state, dys[:, step].T, state)
            passing = () if run.skipped is None else self._passing(run.skipped[step])
            dz = sums.slot(step)
            yield step, dz
            xp.matmul(self._weights, dz[self._skipped_rows :], self._product)
            if self._direct is not None:
                xp.add(state, self._direct, state)
            for one, part in zip(self.states, passing, strict=False):
                xp.add(one, part, one)
            if dx is not None:
                dx[:, step] = dinputs.T
            sums.add(step)

    def _passing(self, skipped):
        """Takes away from `states` what passes by a step that is left out, and returns it."""
        xp, parts = self._run.xp, []
        for k, state in enumerate(self.states):
            parts.append(xp.multiply(state, skipped, self._run.array(("passing", k), *state.shape)))
            xp.subtract(state, parts[k], state)
        return parts

    def results(self):
        """Returns dx or None, the gradients of kernel, recurrent kernel and bias, and of the first states."""
        run, total, units = self._run, self._sums.total(), len(self.states[0])
        if self._dx is not None and run.drop is not None:
            self._dx *= run.drop[:, None]
        parts = (total[units : run.ones], total[:units], total[run.ones])
        return self._dx, parts, [state.T for state in self.states]


class _Sums:
    """Sums over steps of dz times what the step read."""

    def __init__(self, run, rows):
        self._run, self._started = run, False
        _, width, n = run.blocks.shape
        self._chunk = max(1, min(run.steps, LONG // max(n, 1)))  # steps that go into one product
        self._dz = run.array("dz", rows, self._chunk, n)
        self._total = run.array("total", rows, width)

    def slot(self, step):
        """Returns where dz of `step` belongs: (rows, N)."""
        return self._dz[:, step % self._chunk]

    def add(self, step):
        """Adds the products that are ready after `step`."""
        if step % self._chunk:
            return
        run, stop = self._run, min(self._run.steps, step + self._chunk)
        dz, read = self._dz[:, : stop - step], run.blocks[step]
        if self._chunk > 1:
            room = run.array("read", len(read), stop - step, read.shape[1])
            room[...] = run.blocks[step:stop].transpose(1, 0, 2)
            read = room.reshape(len(room), -1)
        out = run.array("summand", *self._total.shape) if self._started else self._total
        run.xp.matmul(dz.reshape(len(dz), -1), read.T, out=out)
        if self._started:
            run.xp.add(self._total, out, self._total)
        self._started = True

    def total(self):
        if not self._started:
            self._total.fill(0.0)
        return self._total.T


# ---------------------------------------------------------------- the general way: any step


def scan(step, x, states, mask, options, out=None):
    """Runs `step` over time.

    Args:
        step: `step(x, *states) -> y, states, cache` for one step: arrays (N, ...).
        x: (N, T, ...).
        states: the initial ones.
        mask: bool (N, T), or None; a step left out (False) copies the states and the output before it.
        options: an Options.
        out: destination of y.

    Returns:
        y (N, T, ...) or (N, ...); or y and the last states; and the cache for `scan_backward`.
    """
    xp = xp_of(x)
    steps, valid = options.ordered(x), options.ordered(mask)
    ys, caches, y = [], [], None
    for t in range(x.shape[1]):
        new_y, new_states, cache = step(steps[:, t], *states)
        if valid is not None:
            before = xp.zeros_like(new_y) if y is None or options.zero_output else y
            new_y = _choose(valid[:, t], new_y, before)
            new_states = [_choose(valid[:, t], *pair) for pair in zip(new_states, states, strict=True)]
        y, states = new_y, new_states
        caches.append(cache)
        if options.sequences:
            ys.append(y)
    y = put(xp.stack(ys, axis=1) if options.sequences else y, out)
    return options.results(y, states), (caches, valid, options, x.shape, states)


def scan_backward(dy, cache, step_backward, dx=None):
    """Returns dx, the gradients of the parameters, and those of the initial states, of `scan`.

    Args:
        dy: gradient of y, or those of y and of the last states; None counts as zeros.
        cache: from `scan`.
        step_backward: `step_backward(dy, dstates, cache) -> dx, dstates, dweights` of one step. Each of
            dweights is an array, or None.
        dx: destination (N, T, ...).
    """
    caches, valid, options, shape, states = cache
    xp = xp_of(states[0])
    dy, dstates = options.gradients(dy, len(states))
    dstates = [xp.zeros_like(a) if d is None else d for d, a in zip(dstates, states, strict=True)]
    dx = xp.empty(shape, states[0].dtype) if dx is None else dx
    inputs, total, copied, last = options.ordered(dx), None, None, shape[1] - 1
    for t in range(last, -1, -1):
        d = dy[:, t] if options.sequences and dy is not None else dy if t == last else None
        d, past = _sum(d, copied), [None] * len(dstates)
        if valid is not None:
            on = valid[:, t]
            copied = None if d is None or options.zero_output else _choose(on, 0.0, d)
            past = [_choose(on, 0.0, one) for one in dstates]
            dstates = [_choose(on, one, 0.0) for one in dstates]
            d = None if d is None else _choose(on, d, 0.0)
        inputs[:, t], dstates, dweights = step_backward(d, dstates, caches[t])
        dstates = [_sum(*pair) for pair in zip(dstates, past, strict=True)]
        total = dweights if total is None else [_sum(*pair) for pair in zip(total, dweights, strict=True)]
    return dx, total, dstates


def _choose(on, a, b):
    """Returns `a` in the rows that are `on` (N,), else `b`; one of them may be a number."""
    like = b if isinstance(a, float) else a
    return xp_of(on).where(on.reshape(-1, *(1,) * (like.ndim - 1)), a, b)


def _sum(a, b):
    return a if b is None else b if a is None else a + b


def delivered(gradients, arguments, destinations):
    """Returns each of `gradients` in its destination, or as a new array; None where the argument was None."""
    return [
        None if argument is None else gradient.copy() if destination is None else put(gradient, destination)
        for gradient, argument, destination in zip(gradients, arguments, destinations, strict=True)
    ]


def started(x, states, units) -> list:
    """Returns the initial states, zeros (N, U) where one is None."""
    xp = xp_of(x)
    return [xp.zeros((len(x), units), x.dtype) if state is None else state for state in states]


def is_shared(drop, recurrent_drop) -> bool:
    """Tells whether all gates read the same: the state as it is, and inputs dropped for all of them."""
    return recurrent_drop is None and (drop is None or drop.ndim == 2)


def gate_products(x, kernel, drop=None):
    """Computes x @ kernel; with a `drop` for each gate each block of columns sees inputs of its own.

    Args:
        x: (N, I).
        kernel: (I, G U).
        drop: factors of the inputs, (N, I) or (N, G, I); or None.

    Returns:
        z (N, G U), and the cache for `gate_products_backward`.
    """
    read = x if drop is None else x * drop if drop.ndim == 2 else x[:, None] * drop
    if read.ndim == 2:
        return read @ kernel, (read, kernel, drop)
    z = xp_of(x).matmul(read.transpose(1, 0, 2), _by_gate(kernel, drop.shape[1]))  # (G, N, U)
    return z.transpose(1, 0, 2).reshape(len(x), -1), (read, kernel, drop)


def gate_products_backward(dz, cache):
    """Returns dx (N, I) and dkernel (I, G U) of `gate_products`."""
    read, kernel, drop = cache
    if read.ndim == 2:
        dx = dz @ kernel.T
        return dx if drop is None else dx * drop, read.T @ dz
    xp, gates = xp_of(dz), drop.shape[1]
    dz = _by_gate(dz, gates)  # (G, N, U)
    dread = xp.matmul(dz, _by_gate(kernel, gates).transpose(0, 2, 1)).transpose(1, 0, 2)  # (N, G, I)
    dkernel = xp.matmul(read.transpose(1, 2, 0), dz)  # (G, I, U)
    return (dread * drop).sum(axis=1), dkernel.transpose(1, 0, 2).reshape(kernel.shape)


def _by_gate(array, gates):
    """Returns (A, G U) as (G, A, U)."""
    return array.reshape(len(array), gates, -1).transpose(1, 0, 2)
