"""The long short-term memory over whole sequences. Hochreiter & Schmidhuber 1997, Gers et al. 2000."""

from functools import partial

from kerasette.backend import xp_of
from kerasette.functions.core import sum_rows
from kerasette.functions.kernels import swappable
from kerasette.functions.scan import (
    SIGMOID,
    TANH,
    gate_products,
    gate_products_backward,
    is_shared,
    scan,
    scan_backward,
    started,
)
from kerasette.functions.steps import Back, Options, Run, backward_steps, delivered


def lstm(
    x,
    kernel,
    recurrent_kernel,
    bias=None,
    h=None,
    c=None,
    mask=None,
    drop=None,
    recurrent_drop=None,
    *,
    activation=None,
    recurrent_activation=None,
    sequences=False,
    states=False,
    reverse=False,
    zero_output=False,
    out=None,
    buffer=None,
):
    """Computes c = f c' + i g, h = o tanh(c) step by step; i f g o are the gates of [x h'] [K; R] + bias.

    Sigmoid bends i, f and o, and tanh bends g, unless other activations are given.

    Args:
        x: (N, T, I).
        kernel, recurrent_kernel, bias: K (I, 4 U), R (U, 4 U), (4 U,) or None; gates in the order i f g o.
        h, c: (N, U), the states before the first step; None for zeros.
        mask: bool (N, T), or None. A step left out (False) copies the states and the output before it.
        drop, recurrent_drop: factors of inputs and state, 0 or 1 / (1 - rate): (N, I) and (N, U), or
            for each gate (N, 4, I) and (N, 4, U); or None.
        activation, recurrent_activation: objects with `forward` and `backward`, or None. With another
            activation than the default, or with a `recurrent_drop`, the slower general way is taken.
        sequences, states, reverse, zero_output: see `steps.Options`.
        out: destination of y.
        buffer: `buffer(name, shape, dtype)` gives arrays that the way back still needs.

    Returns:
        y (N, T, U) or (N, U), or (y, h, c) where `states`; and the cache for `lstm_backward`.
    """
    options = Options(sequences, states, reverse, zero_output)
    weights, start, units = (kernel, recurrent_kernel, bias), (h, c), len(recurrent_kernel)
    if activation is None and recurrent_activation is None and is_shared(drop, recurrent_drop):
        run = Run(x, h, units, mask, drop, options, buffer)
        rows = _forward(run, weights, c)
        last = (run.states[-1], rows[-1, 4 * units : 5 * units])
        return run.results(last, out), (run, rows, weights, start)
    bends = (activation or TANH, recurrent_activation or SIGMOID)
    step = partial(_step, weights=weights, drops=(drop, recurrent_drop), bends=bends)
    y, passed = scan(step, x, started(x, start, units), mask, options, out)
    return y, (None, (passed, partial(_step_backward, bends=bends)), weights, start)


def lstm_backward(
    dy, cache, *, need_dx=True, dx=None, dkernel=None, drecurrent_kernel=None, dbias=None, dh=None, dc=None
):
    """Returns the gradients of `lstm` by x, kernel, recurrent_kernel, bias, h and c.

    Args:
        dy: gradient of y, or where `states` of (y, h, c); None counts as zeros.
        cache: from `lstm`.
        need_dx: whether dx is wanted; if not, it comes back as None.
        dx, dkernel, drecurrent_kernel, dbias, dh, dc: destinations.

    Returns:
        The six of them; None for an argument that was None.
    """
    run, made, weights, start = cache
    if run is None:
        found = scan_backward(dy, *made, dx)
    else:
        found = _backward(run, made, weights, dy, run.input_gradient(need_dx, dx))
    dx, dweights, dstates = found
    return (
        dx if need_dx else None,
        *delivered(dweights, weights, (dkernel, drecurrent_kernel, dbias)),
        *delivered(dstates, start, (dh, dc)),
    )


# ---------------------------------------------------------------- the fast way


# Rows of a step (6 U): i, f, o, g, c before the step, tanh(c) after it. So the three sigmoids are one
# block, (i, f) and (g, c) are, and so are the three factors of the sigmoids, (g, c, tanh(c)).


def _forward(run, weights, c):
    """Fills the states of `run`; returns the rows of all steps, (T + 1, 6 U, N).

    sigmoid(z) is 0.5 + 0.5 tanh(z / 2), and the weights have that last half in them: one tanh for all gates.
    """
    units, n = run.states.shape[1], run.shape[0]
    rows = run.array("rows", run.steps + 1, 6 * units, n)
    rows[0, 4 * units : 5 * units] = 0.0 if c is None else c.T
    # A product goes to an array that stays in the nearest cache, and tanh takes it to memory.
    room = run.array("z", 4 * units, n), run.array("terms", 2 * units, n), run.half()
    lstm_steps(rows, run.blocks, _packed(run, weights, units), run.skipped, room)
    return rows


@swappable
def lstm_steps(rows, blocks, packed, skipped, room):
    """Runs all steps; fills `rows` and the states in `blocks`.

    Args:
        rows: (T + 1, 6 U, N), see above.
        blocks: (T + 1, K, N), see `steps.Run`.
        packed: (K, 4 U), the weights.
        skipped: bool (T, N), or None.
        room: arrays (4 U, N) and (2 U, N) to work in, and 0.5 as an array without axes.
    """
    xp, product, (z, terms, half), units = xp_of(rows), packed.T, room, len(room[1]) // 2
    states, cells = blocks[:, :units], rows[:, 4 * units : 5 * units]
    of_i, of_f = terms[:units], terms[units:]
    ends = (blocks, states[1:], cells[1:])
    spans = ((0, 4), (0, 3), (0, 2), (2, 3), (3, 5), (5, 6))
    parts = [rows[:-1, first * units : stop * units] for first, stop in spans]
    for step, (read, h, after, gates, sigmoids, i_f, o, g_c, bent) in enumerate(
        zip(*ends, *parts, strict=False)
    ):
        product.dot(read, z)
        xp.tanh(z, gates)
        xp.multiply(sigmoids, half, sigmoids)
        xp.add(sigmoids, half, sigmoids)
        xp.multiply(i_f, g_c, terms)
        xp.add(of_i, of_f, after)
        xp.tanh(after, bent)
        xp.multiply(o, bent, h)
        if skipped is not None:
            xp.copyto(h, states[step], where=skipped[step])
            xp.copyto(after, cells[step], where=skipped[step])


def _packed(run, weights, units):
    """Returns the weights in one array (K, 4 U), gates in the order i f o g, those of sigmoids halved."""
    kernel, recurrent_kernel, bias = weights
    packed = run.array("packed", run.blocks.shape[1], 4 * units)
    ones = slice(run.ones, run.ones + 1)
    parts = [(slice(units), recurrent_kernel), (slice(units, run.ones), kernel)]
    for rows, part in parts if bias is None else [*parts, (ones, bias[None])]:
        packed[rows, : 2 * units] = part[:, : 2 * units]
        packed[rows, 2 * units : 3 * units] = part[:, 3 * units :]
        packed[rows, 3 * units :] = part[:, 2 * units : 3 * units]
    packed[run.ones + (bias is not None) :] = 0.0
    packed[:, : 3 * units] *= 0.5
    return packed


def _backward(run, rows, weights, dy, dx):
    """Returns dx and the gradients of weights and initial states."""
    kernel, recurrent_kernel, _ = weights
    units, n = run.states.shape[1], run.shape[0]
    dys, finals = run.output_gradients(dy, 2)
    room = [run.array(name, 3 * units, n) for name in ("parts", "products", "work")]
    dc = room[0][units : 2 * units]
    dc[...] = 0.0 if finals[1] is None else finals[1].T
    back = Back(run, kernel, 4 * units, dys, finals, dx)
    for steps, dz, outer, skipped in back:
        lstm_steps_backward(rows[steps], recurrent_kernel, dz, (back.dh, dc), outer, skipped, room)
    return *back.results(), [back.dh.T, dc.T]


@swappable
def lstm_steps_backward(rows, recurrent_kernel, dz, states, dys, skipped, room):
    """Fills dz (i f g o) of some steps, and makes of dh and dc after them those before them.

    Args:
        rows: (C, 6 U, N), those of the steps.
        recurrent_kernel: (U, 4 U).
        dz, dys, skipped: see `steps.Back`.
        states: dh and dc, (U, N).
        room: three arrays (3 U, N) to work in; the second block of the first one is dc.
    """
    (dh, dc), units = states, len(recurrent_kernel)
    room = [(one[:units], one[: 2 * units], one[2 * units :], one) for one in room]
    for step, found in backward_steps(dz, recurrent_kernel, states, dys, skipped):
        _cell_backward(rows[step], dh, dc, found, room)


def _cell_backward(now, dh, dc, dz, room):
    """Computes dz from the gradients of a step's h and c, and makes `dc` that of the c before.

    With s for a sigmoid and p for its factor, (g, c', tanh(c)): t = (dc i, dc f, dh o) p, and dz = t - t s.

    Args:
        now: (6 U, N), the rows of the step.
        dh, dc: (U, N); dc is the second block of the first array of `room`.
        dz: (4 U, N), in the order i f g o.
        room: three arrays (3 U, N) to work in; for each its first block, its first two, its last, and itself.
    """
    xp, units = xp_of(now), len(dh)
    (dc_i, dc_i_f, dh_o, _), (t_i, t_i_f, t_o, t), (one, of_i_f, of_o, work) = room
    bent = now[5 * units :]
    xp.multiply(dh, now[2 * units : 3 * units], dh_o)
    xp.multiply(dh_o, bent, t_o)
    xp.multiply(t_o, bent, one)
    xp.subtract(dh_o, one, one)  # dh o (1 - tanh(c)^2)
    xp.add(dc, one, dc)
    xp.multiply(dc, now[:units], dc_i)
    xp.multiply(dc, now[units : 2 * units], dc)
    xp.multiply(dc_i_f, now[3 * units : 5 * units], t_i_f)
    xp.multiply(t, now[: 3 * units], work)
    xp.subtract(t_i_f, of_i_f, dz[: 2 * units])
    xp.subtract(t_o, of_o, dz[3 * units :])
    xp.multiply(t_i, now[3 * units : 4 * units], one)
    xp.subtract(dc_i, one, dz[2 * units : 3 * units])  # dc i (1 - g^2)


# ---------------------------------------------------------------- the general way


def _step(x, h, c, weights, drops, bends):
    """Returns y, the new states, and the cache for `_step_backward`, of one step."""
    kernel, recurrent_kernel, bias = weights
    z, read = gate_products(x, kernel, drops[0])
    part, read_state = gate_products(h, recurrent_kernel, drops[1])
    h, c, gates = lstm_gates(z + part if bias is None else z + part + bias, c, bends)
    return h, (h, c), (read, read_state, gates)


def _step_backward(dy, dstates, cache, bends):
    """Returns dx, the gradients of the states before the step, and those of the weights."""
    read, read_state, gates = cache
    dh = dstates[0] if dy is None else dstates[0] + dy
    dz, dc = lstm_gates_backward(dh, dstates[1], gates, bends)
    dx, dkernel = gate_products_backward(dz, read)
    dh, drecurrent_kernel = gate_products_backward(dz, read_state)
    return dx, (dh, dc), (dkernel, drecurrent_kernel, sum_rows(dz))


def lstm_gates(z, c, bends):
    """Computes new states h and c from the gates (..., 4 U) before they're bent, and the state c (..., U)."""
    bend, bend_gate = bends
    units = c.shape[-1]
    i, at_i = bend_gate.forward(z[..., :units])
    f, at_f = bend_gate.forward(z[..., units : 2 * units])
    g, at_g = bend.forward(z[..., 2 * units : 3 * units])
    o, at_o = bend_gate.forward(z[..., 3 * units :])
    new = f * c + i * g
    bent, at_c = bend.forward(new)
    return o * bent, new, (i, f, g, o, c, bent, at_i, at_f, at_g, at_o, at_c)


def lstm_gates_backward(dh, dc, cache, bends):
    """Returns dz (..., 4 U), and the gradient of the state c before the step, of `lstm_gates`."""
    i, f, g, o, c, bent, at_i, at_f, at_g, at_o, at_c = cache
    bend, bend_gate = bends
    dc = dc + bend.backward(dh * o, at_c)
    gates = [
        bend_gate.backward(dc * g, at_i),
        bend_gate.backward(dc * c, at_f),
        bend.backward(dc * i, at_g),
        bend_gate.backward(dh * bent, at_o),
    ]
    return xp_of(dh).concatenate(gates, axis=-1), dc * f
