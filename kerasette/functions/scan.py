"""The general way through a sequence: any step, with any activation, one call after another."""

from kerasette.backend import xp_of
from kerasette.functions.activations import sigmoid, sigmoid_backward, tanh, tanh_backward
from kerasette.functions.common import put


class Pair:
    """An activation: `forward(x) -> y, cache` and `backward(dy, cache) -> dx`."""

    def __init__(self, forward, backward):
        self.forward, self.backward = forward, backward


TANH, SIGMOID = Pair(tanh, tanh_backward), Pair(sigmoid, sigmoid_backward)


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
    return z.transpose(1, 0, 2).reshape(len(x), kernel.shape[1]), (read, kernel, drop)


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
    return array.reshape(len(array), gates, array.shape[1] // gates).transpose(1, 0, 2)
