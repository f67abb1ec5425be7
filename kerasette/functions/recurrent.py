"""The simple recurrent layer over whole sequences. Elman 1990."""

from functools import partial

from kerasette.backend import xp_of
from kerasette.functions.core import sum_rows
from kerasette.functions.kernels import swappable
from kerasette.functions.scan import (
    TANH,
    gate_products,
    gate_products_backward,
    is_shared,
    scan,
    scan_backward,
    started,
)
from kerasette.functions.steps import Back, Options, Run, backward_steps, delivered


def simple_rnn(
    x,
    kernel,
    recurrent_kernel,
    bias=None,
    h=None,
    mask=None,
    drop=None,
    recurrent_drop=None,
    *,
    activation=None,
    sequences=False,
    states=False,
    reverse=False,
    zero_output=False,
    out=None,
    buffer=None,
):
    """Computes h = tanh(x kernel + h' recurrent_kernel + bias) step by step, h' being the state before.

    Args:
        x: (N, T, I).
        kernel, recurrent_kernel, bias: (I, U), (U, U), (U,) or None.
        h: (N, U), the state before the first step; None for zeros.
        mask: bool (N, T), or None. A step left out (False) copies the state and the output before it.
        drop, recurrent_drop: factors of inputs and state, 0 or 1 / (1 - rate): (N, I), (N, U); or None.
        activation: object with `forward` and `backward`, or None. With another activation than tanh, or
            with a `recurrent_drop`, the slower general way is taken.
        sequences, states, reverse, zero_output: see `steps.Options`.
        out: destination of y.
        buffer: `buffer(name, shape, dtype)` gives arrays that the way back still needs.

    Returns:
        y (N, T, U) or (N, U), or (y, h) where `states`; and the cache for `simple_rnn_backward`.
    """
    options = Options(sequences, states, reverse, zero_output)
    weights, units = (kernel, recurrent_kernel, bias), len(recurrent_kernel)
    if activation is None and is_shared(drop, recurrent_drop):
        run = Run(x, h, units, mask, drop, options, buffer)
        _forward(run, weights)
        return run.results(run.states[-1:], out), (run, None, weights, h)
    bend = activation or TANH
    step = partial(_step, weights=weights, drops=(drop, recurrent_drop), bend=bend)
    y, passed = scan(step, x, started(x, (h,), units), mask, options, out)
    return y, (None, (passed, partial(_step_backward, bend=bend)), weights, h)


def simple_rnn_backward(
    dy, cache, *, need_dx=True, dx=None, dkernel=None, drecurrent_kernel=None, dbias=None, dh=None
):
    """Returns the gradients of `simple_rnn` by x, kernel, recurrent_kernel, bias and h.

    Args:
        dy: gradient of y, or where `states` of (y, h); None counts as zeros.
        cache: from `simple_rnn`.
        need_dx: whether dx is wanted; if not, it comes back as None.
        dx, dkernel, drecurrent_kernel, dbias, dh: destinations.

    Returns:
        The five of them; None for an argument that was None.
    """
    run, made, weights, h = cache
    if run is None:
        dx, dweights, dstates = scan_backward(dy, *made, dx)
    else:
        dx, dweights, dstates = _backward(run, weights, dy, run.input_gradient(need_dx, dx))
    return (
        dx if need_dx else None,
        *delivered(dweights, weights, (dkernel, drecurrent_kernel, dbias)),
        *delivered(dstates, (h,), (dh,)),
    )


# ---------------------------------------------------------------- the fast way


def _forward(run, weights):
    """Fills the states of `run`."""
    kernel, recurrent_kernel, bias = weights
    units = len(recurrent_kernel)
    packed = run.array("packed", run.blocks.shape[1], units)
    packed[:units], packed[units : run.ones] = recurrent_kernel, kernel
    packed[run.ones :] = 0.0
    if bias is not None:
        packed[run.ones] = bias
    simple_rnn_steps(run.blocks, packed, run.skipped, run.array("z", units, run.shape[0]))


@swappable
def simple_rnn_steps(blocks, packed, skipped, z):
    """Runs all steps: h = tanh(packed^T block), written into the block after.

    Args:
        blocks: (T + 1, K, N), see `steps.Run`.
        packed: (K, U), the weights.
        skipped: bool (T, N), or None.
        z: (U, N) to work in.
    """
    xp, product = xp_of(blocks), packed.T
    states = blocks[:, : len(z)]
    for step, (read, h) in enumerate(zip(blocks[:-1], states[1:], strict=True)):
        product.dot(read, z)
        xp.tanh(z, h)
        if skipped is not None:
            xp.copyto(h, states[step], where=skipped[step])


def _backward(run, weights, dy, dx):
    """Returns dx, and the gradients of weights and initial state."""
    kernel, recurrent_kernel, _ = weights
    dys, finals = run.output_gradients(dy, 1)
    back = Back(run, kernel, kernel.shape[1], dys, finals, dx)
    for steps, dz, outer, skipped in back:
        after = run.blocks[steps.start + 1 : steps.stop + 1]
        simple_rnn_steps_backward(after, recurrent_kernel, dz, back.dh, outer, skipped)
    return *back.results(), [back.dh.T]


@swappable
def simple_rnn_steps_backward(blocks, recurrent_kernel, dz, dh, dys, skipped):
    """Fills dz = dh (1 - h^2) of some steps, and makes of dh after them that before them.

    Args:
        blocks: (C, K, N), those after the steps.
        recurrent_kernel: (U, U).
        dz, dys, skipped: see `steps.Back`.
        dh: (U, N).
    """
    xp, h = xp_of(blocks), blocks[:, : len(dh)]
    slopes = xp.multiply(h, h)
    xp.subtract(1.0, slopes, slopes)
    for step, found in backward_steps(dz, recurrent_kernel, [dh], dys, skipped):
        xp.multiply(dh, slopes[step], found)


# ---------------------------------------------------------------- the general way


def _step(x, h, weights, drops, bend):
    """Returns y, the new state, and the cache for `_step_backward`, of one step."""
    kernel, recurrent_kernel, bias = weights
    z, read = gate_products(x, kernel, drops[0])
    part, read_state = gate_products(h, recurrent_kernel, drops[1])
    h, at = bend.forward(z + part if bias is None else z + part + bias)
    return h, (h,), (read, read_state, at)


def _step_backward(dy, dstates, cache, bend):
    """Returns dx, the gradient of the state before the step, and those of the weights."""
    read, read_state, at = cache
    dz = bend.backward(dstates[0] if dy is None else dstates[0] + dy, at)
    dx, dkernel = gate_products_backward(dz, read)
    dh, drecurrent_kernel = gate_products_backward(dz, read_state)
    return dx, (dh,), (dkernel, drecurrent_kernel, sum_rows(dz))
