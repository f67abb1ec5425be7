"""The gated recurrent unit over whole sequences. Cho et al. 2014."""

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


def gru(
    x,
    kernel,
    recurrent_kernel,
    bias=None,
    h=None,
    mask=None,
    drop=None,
    recurrent_drop=None,
    *,
    reset_after=True,
    activation=None,
    recurrent_activation=None,
    sequences=False,
    states=False,
    reverse=False,
    zero_output=False,
    out=None,
    buffer=None,
):
    """Computes h = z h' + (1 - z) n step by step, h' being the state before; z r n are the gates.

    z and r are sigmoids of x K + h' R + b. n = tanh(x K + b + r (h' R + b')) where the reset gate comes
    after the product, else tanh(x K + (r h') R + b); each with its own columns of K, R and b.

    Args:
        x: (N, T, I).
        kernel, recurrent_kernel: K (I, 3 U), R (U, 3 U); gates in the order z r n.
        bias: (2, 3 U), the rows b and b', where `reset_after`; else (3 U,); or None.
        h: (N, U), the state before the first step; None for zeros.
        mask: bool (N, T), or None. A step left out (False) copies the state and the output before it.
        drop, recurrent_drop: factors of inputs and state, 0 or 1 / (1 - rate): (N, I) and (N, U), or
            for each gate (N, 3, I) and (N, 3, U); or None.
        reset_after: see above.
        activation, recurrent_activation: objects with `forward` and `backward`, or None. With another
            activation than the default, a `recurrent_drop`, or the reset gate before the product, the
            slower general way is taken.
        sequences, states, reverse, zero_output: see `steps.Options`.
        out: destination of y.
        buffer: `buffer(name, shape, dtype)` gives arrays that the way back still needs.

    Returns:
        y (N, T, U) or (N, U), or (y, h) where `states`; and the cache for `gru_backward`.
    """
    options = Options(sequences, states, reverse, zero_output)
    weights, units = (kernel, recurrent_kernel, bias), len(recurrent_kernel)
    plain = activation is None and recurrent_activation is None and reset_after
    if plain and is_shared(drop, recurrent_drop):
        run = Run(x, h, units, mask, drop, options, buffer)
        gates = _forward(run, weights)
        return run.results(run.states[-1:], out), (run, gates, weights, h)
    bends = (activation or TANH, recurrent_activation or SIGMOID)
    step = partial(_step, weights=weights, drops=(drop, recurrent_drop), bends=bends, reset_after=reset_after)
    y, passed = scan(step, x, started(x, (h,), units), mask, options, out)
    back = partial(_step_backward, bends=bends, reset_after=reset_after)
    return y, (None, (passed, back), weights, h)


def gru_backward(
    dy, cache, *, need_dx=True, dx=None, dkernel=None, drecurrent_kernel=None, dbias=None, dh=None
):
    """Returns the gradients of `gru` by x, kernel, recurrent_kernel, bias and h.

    Args:
        dy: gradient of y, or where `states` of (y, h); None counts as zeros.
        cache: from `gru`.
        need_dx: whether dx is wanted; if not, it comes back as None.
        dx, dkernel, drecurrent_kernel, dbias, dh: destinations.

    Returns:
        The five of them; None for an argument that was None.
    """
    run, made, weights, h = cache
    if run is None:
        dx, dweights, dstates = scan_backward(dy, *made, dx)
    else:
        dx, dweights, dstates = _backward(run, made, weights, dy, run.input_gradient(need_dx, dx))
    return (
        dx if need_dx else None,
        *delivered(dweights, weights, (dkernel, drecurrent_kernel, dbias)),
        *delivered(dstates, (h,), (dh,)),
    )


# ---------------------------------------------------------------- the fast way

# Rows of a product (4 U): what the inputs give to n, then z and r, then what the state gives to n. So
# one product makes all of it: the weights of the first block are 0 for the state, of the last 0 for x.


def _forward(run, weights):
    """Fills the states of `run`; returns z, r, n and the state's part of n, by steps (T, 4 U, N)."""
    units, n = run.states.shape[1], run.shape[0]
    gates = run.array("gates", run.steps, 4 * units, n)
    # A product goes to an array that stays in the nearest cache, and from there to memory.
    room = run.array("made", 4 * units, n), run.array("work", units, n), run.half()
    gru_steps(gates, run.blocks, _packed(run, weights, 0.5), run.skipped, room)
    return gates


@swappable
def gru_steps(gates, blocks, packed, skipped, room):
    """Runs all steps; fills `gates` and the states in `blocks`.

    Args:
        gates: (T, 4 U, N), the rows z, r, n, and what the state gives to n.
        blocks: (T + 1, K, N), see `steps.Run`.
        packed: (K, 4 U), the weights.
        skipped: bool (T, N), or None.
        room: arrays (4 U, N) and (U, N) to work in, and 0.5 as an array without axes.
    """
    xp, product, (made, work, half), units = xp_of(gates), packed.T, room, len(room[1])
    of_x, of_z_r, of_h = made[:units], made[units : 3 * units], made[3 * units :]
    states = blocks[:, :units]
    spans = ((0, 2), (0, 1), (1, 2), (2, 3), (3, 4))
    parts = [gates[:, first * units : stop * units] for first, stop in spans]
    for step, (read, before, h, z_r, z, r, n_gate, kept) in enumerate(
        zip(blocks, states, states[1:], *parts, strict=False)
    ):
        product.dot(read, made)
        xp.tanh(of_z_r, z_r)
        _candidate(z_r, of_h, of_x, kept, work, half, r)
        xp.tanh(work, n_gate)
        _mix(z, n_gate, before, h, work)
        if skipped is not None:
            xp.copyto(h, before, where=skipped[step])


def _candidate(z_r, of_h, of_x, kept, work, half, r):
    """Makes sigmoids of half the gates' tanh, in place; writes r of_h + of_x on `work`, of_h on `kept`.

    Args:
        z_r: (2 U, N), the rows z and r.
        of_h, of_x: (U, N), what the state and the inputs give to n.
        kept, work: (U, N).
        half: 0.5 as an array without axes.
        r: (U, N), the last rows of `z_r`.
    """
    xp = xp_of(z_r)
    xp.multiply(z_r, half, z_r)
    xp.add(z_r, half, z_r)
    kept[...] = of_h
    xp.multiply(r, of_h, work)
    xp.add(work, of_x, work)


def _mix(z, n, before, h, work):
    """Writes z before + (1 - z) n on `h`; all (U, N)."""
    xp = xp_of(z)
    xp.subtract(before, n, work)
    xp.multiply(work, z, work)
    xp.add(work, n, h)


def _packed(run, weights, scale):
    """Returns the weights in one array (K, 4 U), those of z and r times `scale`."""
    kernel, recurrent_kernel, bias = weights
    units = len(recurrent_kernel)
    packed = run.array("packed", run.blocks.shape[1], 4 * units)
    of_h, of_x = packed[:units], packed[units : run.ones]
    of_h[:, :units], of_h[:, units:] = 0.0, recurrent_kernel
    of_x[:, :units], of_x[:, units : 3 * units] = kernel[:, 2 * units :], kernel[:, : 2 * units]
    of_x[:, 3 * units :] = 0.0
    packed[run.ones :] = 0.0
    if bias is not None:
        ones = packed[run.ones]
        ones[:units], ones[3 * units :] = bias[0, 2 * units :], bias[1, 2 * units :]
        run.xp.add(bias[0, : 2 * units], bias[1, : 2 * units], ones[units : 3 * units])
    packed[:, units : 3 * units] *= scale
    return packed


def _backward(run, gates, weights, dy, dx):
    """Returns dx, and the gradients of weights and initial state."""
    kernel, recurrent_kernel, _ = weights
    xp, units, n = run.xp, run.states.shape[1], run.shape[0]
    dys, finals = run.output_gradients(dy, 1)
    of_inputs = xp.concatenate([kernel[:, 2 * units :], kernel[:, : 2 * units]], axis=1)
    back = Back(run, of_inputs, 4 * units, dys, finals, dx)
    room = run.array("direct", units, n), run.array("rest", 2 * units, n), run.array("work", units, n)
    for steps, dz, outer, skipped in back:
        read = run.blocks[steps]
        gru_steps_backward(gates[steps], read, recurrent_kernel, dz, back.dh, outer, skipped, room)
    dx, dweights = back.results()
    return dx, _keras_order(xp, units, *dweights), [back.dh.T]


@swappable
def gru_steps_backward(gates, blocks, recurrent_kernel, dz, dh, dys, skipped, room):
    """Fills dz (n, z, r, what the state gives to n) of some steps, and makes of dh after them that before.

    Args:
        gates: (C, 4 U, N), those of the steps.
        blocks: (C, K, N), what the steps read.
        recurrent_kernel: (U, 3 U).
        dz, dys, skipped: see `steps.Back`.
        dh: (U, N).
        room: arrays (U, N), (2 U, N) and (U, N) to work in.
    """
    (direct, rest, work), units = room, len(dh)
    parts = rest, rest[:units], rest[units:], work
    for step, found in backward_steps(dz, recurrent_kernel, [dh], dys, skipped, direct):
        _cell_backward(gates[step], blocks[step, :units], dh, direct, found, parts)


def _cell_backward(now, before, dh, direct, dgates, room):
    """Computes the gradients by a step's gates, and the part of dh that goes straight to the state before.

    dn = dh (1 - z) (1 - n^2), dr = dn of_h r (1 - r), dz = dh (before - n) z (1 - z).

    Args:
        now: (4 U, N), the rows z, r, n and of_h of the step.
        before, dh, direct: (U, N).
        dgates: (4 U, N), in the order n z r of_h.
        room: an array (2 U, N) to work in, its halves, and one (U, N).
    """
    xp, units, (rest, rest_of_z, rest_of_r, work) = xp_of(now), len(dh), room
    z_r, n, kept = now[: 2 * units], now[2 * units : 3 * units], now[3 * units :]
    dn, dz, dr = dgates[:units], dgates[units : 2 * units], dgates[2 * units : 3 * units]
    xp.multiply(dh, now[:units], direct)
    xp.subtract(dh, direct, work)  # dh (1 - z)
    xp.multiply(n, n, dn)
    xp.multiply(work, dn, dn)
    xp.subtract(work, dn, dn)
    xp.multiply(z_r, z_r, rest)
    xp.subtract(z_r, rest, rest)
    xp.subtract(before, n, work)
    xp.multiply(work, rest_of_z, work)
    xp.multiply(work, dh, dz)
    xp.multiply(kept, rest_of_r, work)
    xp.multiply(work, dn, dr)
    xp.multiply(dn, now[units : 2 * units], dgates[3 * units :])


def _keras_order(xp, units, dkernel, drecurrent_kernel, dbias):
    """Returns the gradients of kernel, recurrent kernel and bias, out of those by rows of the product."""
    dkernel = xp.concatenate([dkernel[:, units : 3 * units], dkernel[:, :units]], axis=1)
    of_x = xp.concatenate([dbias[units : 3 * units], dbias[:units]])
    return dkernel, drecurrent_kernel[:, units:], xp.stack([of_x, dbias[units:]])


# ---------------------------------------------------------------- the general way


def _step(x, h, weights, drops, bends, reset_after):
    """Returns y, the new state, and the cache for `_step_backward`, of one step."""
    kernel, recurrent_kernel, bias = weights
    bend, bend_gate = bends
    units = h.shape[1]
    of_x, of_state = (None, None) if bias is None else bias if reset_after else (bias, None)
    a, read = gate_products(x, kernel, drops[0])
    a = a if of_x is None else a + of_x
    drop, drop_n = _split(drops[1])
    b, read_state = gate_products(h, recurrent_kernel[:, : 2 * units], drop)
    b = b if of_state is None else b + of_state[: 2 * units]
    z, at_z = bend_gate.forward(a[:, :units] + b[:, :units])
    r, at_r = bend_gate.forward(a[:, units : 2 * units] + b[:, units:])
    last = recurrent_kernel[:, 2 * units :]
    if reset_after:
        c, read_n = gate_products(h, last, drop_n)
        c = c if of_state is None else c + of_state[2 * units :]
        reset, rest = r * c, c
    else:
        rest = h if drop_n is None else h * drop_n
        reset, read_n = gate_products(r * rest, last)
    n, at_n = bend.forward(a[:, 2 * units :] + reset)
    new = z * h + (1.0 - z) * n
    return new, (new,), (read, read_state, read_n, (z, r, n, h, rest, drop_n), (at_z, at_r, at_n))


def _split(drop):
    """Returns the factors of the state for z and r, and for n."""
    if drop is None or drop.ndim == 2:
        return drop, drop
    return drop[:, :2], drop[:, 2]


def _step_backward(dy, dstates, cache, bends, reset_after):
    """Returns dx, the gradient of the state before the step, and those of the weights."""
    read, read_state, read_n, (z, r, n, h, rest, drop_n), (at_z, at_r, at_n) = cache
    bend, bend_gate = bends
    xp = xp_of(z)
    dh = dstates[0] if dy is None else dstates[0] + dy
    dz = bend_gate.backward(dh * (h - n), at_z)
    dn = bend.backward(dh * (1.0 - z), at_n)
    dproduct = dn * r if reset_after else dn
    dinner, dlast = gate_products_backward(dproduct, read_n)
    if reset_after:
        dr, dh_n = dn * rest, dinner
    else:
        dr = dinner * rest
        dh_n = dinner * r if drop_n is None else dinner * r * drop_n
    dr = bend_gate.backward(dr, at_r)
    gates = xp.concatenate([dz, dr, dn], axis=1)
    dx, dkernel = gate_products_backward(gates, read)
    dh_z_r, dfirst = gate_products_backward(gates[:, : 2 * z.shape[1]], read_state)
    drecurrent_kernel = xp.concatenate([dfirst, dlast], axis=1)
    dbias = sum_rows(gates)
    if reset_after:
        dbias = xp.stack([dbias, xp.concatenate([dbias[: 2 * z.shape[1]], sum_rows(dproduct)])])
    return dx, (dh * z + dh_z_r + dh_n,), (dkernel, drecurrent_kernel, dbias)
