"""Recurrent steps over whole sequences: what simple_rnn, lstm and gru share.

The fast way keeps the arrays of a step as (features, N), so that each gate is one contiguous block. It takes
one product a step for state, inputs and bias together (faster than one long product of all inputs and an
addition in each step; and a padded sequence gives the very bits of the sequence without padding), one a
step on the way back for the state, and long ones for inputs and parameters. The general way, in `scan`, runs
any step (N, features) with any activation.
"""

from kerasette.backend import Scratch, xp_of
from kerasette.functions.common import put

AT_ONCE = 1 << 16  # numbers of dz in a piece of the way back: a quarter of a second-level cache
DEEP = 64  # columns from which products of gradients and inputs are fast one by one
LINE = 16  # floats of a cache line: rows that are a multiple of it make products faster


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
        first = finals[0] if dy is None else dy if finals[0] is None else finals[0] + dy
        return None, [first, *finals[1:]]

    def input_gradient(self, wanted, dx):
        """Returns the array for dx, or None where it isn't wanted; a new one has samples last in memory."""
        if dx is not None or not wanted:
            return dx if wanted else None
        n, steps, features = self.shape
        return self.xp.empty((steps, features, n), self.dtype).transpose(2, 0, 1)


def _hidden(mask, initial, zero_output):
    """Returns where the output is 0 and not the state: bool (N, T), or None where that is nowhere.

    A step that is left out gives the output before it, and before the first valid step that is 0, even
    where an initial state was given.
    """
    if mask is None or (initial is None and not zero_output):
        return None
    return ~mask if zero_output else xp_of(mask).cumsum(mask, axis=1) == 0


class Back:
    """The way back through a Run: an iterator over pieces of it, those of the last steps first.

    A piece is (slice of steps, dz, dys, skipped). Its loop fills dz (C, G, N), and makes of `dh` after the
    piece that before it; dys (C, U, N) or None are added to dh on the way, skipped is bool (C, N) or None.
    What only dz is needed for is done after the loop, in long calls.

    Args:
        run: the Run.
        kernel: (I, G'), what the first G' rows of dz are multiplied with to give dx.
        rows: number of rows of dz, G.
        dys, finals: from `output_gradients`.
        dx: destination (N, T, I), or None.

    Attributes:
        dh: (U, N), the gradient of the state.
    """

    def __init__(self, run, kernel, rows, dys, finals, dx):
        self._run, self._kernel, self._dys, self._dx = run, kernel, dys, dx
        units, n = run.states.shape[1:]
        self.dh = run.array("dh", units, n)
        self.dh[...] = 0.0 if finals[0] is None else finals[0].T
        self._chunk = max(1, min(run.steps, AT_ONCE // max(1, rows * n)))
        self._dz = run.array("dz", self._chunk, rows, n)
        self._total = run.array("total", rows, run.blocks.shape[1])
        self._total.fill(0.0)

    def __iter__(self):
        run = self._run
        for start in range((run.steps - 1) // self._chunk * self._chunk, -1, -self._chunk):
            steps = slice(start, min(run.steps, start + self._chunk))
            dz = self._dz[: steps.stop - start]
            yield steps, dz, self._outer(steps), None if run.skipped is None else run.skipped[steps]
            self._finish(steps, dz)

    def _outer(self, steps):
        """Returns the gradients by the outputs of some steps, (C, U, N); or None."""
        if self._dys is None:
            return None
        dys = self._dys[:, steps].transpose(1, 2, 0)
        room = self._run.array("dys", *dys.shape)
        room[...] = dys
        return room

    def _finish(self, steps, dz):
        """Computes the gradients of the inputs, and adds those of the weights."""
        run, xp, read = self._run, self._run.xp, self._run.blocks[steps]
        if self._dx is not None:
            columns = self._kernel.shape[1]
            made = run.array("dinputs", len(dz), len(self._kernel), dz.shape[2])
            steps_first = run.options.ordered(self._dx).transpose(1, 2, 0)
            steps_first[steps] = xp.matmul(self._kernel, dz[:, :columns], out=made)
        room = run.array("summand", *self._total.shape)
        if len(dz) == 1:
            xp.matmul(dz[0], read[0].T, out=room)
        elif dz.shape[2] >= DEEP:
            parts = run.array("summands", len(dz), *room.shape)
            xp.matmul(dz, read.transpose(0, 2, 1), out=parts).sum(0, None, room)
        else:
            xp.matmul(self._in_one("all_dz", dz), self._in_one("all_read", read).T, out=room)
        xp.add(self._total, room, self._total)

    def _in_one(self, name, parts):
        """Returns (C, A, N) as (A, C N)."""
        count, rows, n = parts.shape
        room = self._run.array(name, rows, count, n)
        room[...] = parts.transpose(1, 0, 2)
        return room.reshape(rows, count * n)

    def results(self):
        """Returns dx or None, and the gradients of kernel, recurrent kernel and bias by rows of dz."""
        run, total, units = self._run, self._total.T, len(self.dh)
        if self._dx is not None and run.drop is not None:
            self._dx *= run.drop[:, None]
        return self._dx, (total[units : run.ones], total[:units], total[run.ones])


def backward_steps(dz, weights, states, dys, skipped, direct=None):
    """Yields (step, its dz) of a piece, from its last step to its first, for a loop that fills dz.

    The loop reads `states`, the gradients of the states after a step, and leaves in them what doesn't come
    through the product; the first of them is overwritten by the product.

    Args:
        dz: (C, G, N).
        weights: (U, G'), what the last G' rows of dz are multiplied with.
        states: arrays (U, N).
        dys, skipped: of the piece, see `Back`.
        direct: (U, N), added to the gradient of the first state after the product; or None.
    """
    xp, dh, through = xp_of(dz), states[0], dz[:, dz.shape[1] - weights.shape[1] :]
    for step in range(len(dz) - 1, -1, -1):
        if dys is not None:
            xp.add(dh, dys[step], dh)
        passing = [] if skipped is None else [state * skipped[step] for state in states]
        for state, part in zip(states, passing, strict=False):
            xp.subtract(state, part, state)
        yield step, dz[step]
        weights.dot(through[step], dh)
        if direct is not None:
            xp.add(dh, direct, dh)
        for state, part in zip(states, passing, strict=False):
            xp.add(state, part, state)


def delivered(gradients, arguments, destinations):
    """Returns each of `gradients` in its destination, or as a new array; None where the argument was None."""
    return [
        None if argument is None else gradient.copy() if destination is None else put(gradient, destination)
        for gradient, argument, destination in zip(gradients, arguments, destinations, strict=True)
    ]
