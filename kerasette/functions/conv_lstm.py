"""The LSTM whose products are convolutions, over whole sequences of images. Shi et al. 2015."""

from functools import partial

from kerasette.backend import xp_of
from kerasette.functions.convolution import conv, conv_backward
from kerasette.functions.lstm import lstm_gates, lstm_gates_backward
from kerasette.functions.scan import SIGMOID, TANH, scan, scan_backward
from kerasette.functions.steps import Options, delivered

GATES = 4


def conv_lstm(
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
    strides=1,
    padding="valid",
    dilation=1,
    activation=None,
    recurrent_activation=None,
    sequences=False,
    states=False,
    reverse=False,
    zero_output=False,
    out=None,
    buffer=None,
):
    """Computes c = f c' + i g, h = o tanh(c) step by step; i f g o are the gates of K * x + R * h' + bias.

    Args:
        x: (N, T, *S, C).
        kernel, recurrent_kernel, bias: K (*k, C, 4 F), R (*k, F, 4 F), (4 F,) or None; gates i f g o.
        h, c: (N, *O, F), the states before the first step; None for zeros.
        mask: bool (N, T), or None. A step left out (False) copies the states and the output before it.
        drop, recurrent_drop: factors of inputs and state for each gate, 0 or 1 / (1 - rate):
            (N, 4, *S, C), (N, 4, *O, F); or None.
        strides, padding, dilation: of the convolution of x, see `conv`. That of the state keeps its lengths.
        activation, recurrent_activation: objects with `forward` and `backward`; None for tanh, sigmoid.
        sequences, states, reverse, zero_output: see `steps.Options`.
        out: destination of y.
        buffer: `buffer(name, shape, dtype)` gives the arrays for the convolution of all inputs.

    Returns:
        y (N, T, *O, F) or (N, *O, F), or (y, h, c) where `states`; and the cache for `conv_lstm_backward`.
    """
    options = Options(sequences, states, reverse, zero_output)
    bends = (activation or TANH, recurrent_activation or SIGMOID)
    shared = None if drop is None else drop[:, :, None]  # by all steps
    z, read = _gates(x, kernel, bias, shared, (strides, padding, dilation), folded=True, scratch=buffer)
    xp, shape = xp_of(x), (len(x), *z.shape[2:-1], recurrent_kernel.shape[-2])
    start = [xp.zeros(shape, x.dtype) if state is None else state for state in (h, c)]
    step = partial(_step, recurrent_kernel=recurrent_kernel, drop=recurrent_drop, bends=bends)
    y, passed = scan(step, z, start, mask, options, out)
    return y, (passed, read, bends, (kernel, recurrent_kernel, bias), (h, c))


def conv_lstm_backward(
    dy, cache, *, need_dx=True, dx=None, dkernel=None, drecurrent_kernel=None, dbias=None, dh=None, dc=None
):
    """Returns the gradients of `conv_lstm` by x, kernel, recurrent_kernel, bias, h and c.

    Args:
        dy: gradient of y, or where `states` of (y, h, c); None counts as zeros.
        cache: from `conv_lstm`.
        need_dx: whether dx is wanted; if not, it comes back as None.
        dx, dkernel, drecurrent_kernel, dbias, dh, dc: destinations.

    Returns:
        The six of them; None for an argument that was None.
    """
    passed, read, bends, weights, start = cache
    dz, (drecurrent,), dstates = scan_backward(dy, passed, partial(_step_backward, bends=bends))
    found, dinput, dadded = _gates_backward(dz, read, need_dx)
    if found is not None and dx is not None:
        dx[...] = found
    sums = delivered((dinput, drecurrent, dadded), weights, (dkernel, drecurrent_kernel, dbias))
    return found if dx is None or not need_dx else dx, *sums, *delivered(dstates, start, (dh, dc))


def _step(z, h, c, recurrent_kernel, drop, bends):
    """Returns y, the new states, and the cache for `_step_backward`, of one step."""
    part, read = _gates(h, recurrent_kernel, None, drop, (1, "same", 1))
    h, c, gates = lstm_gates(z + part, c, bends)
    return h, (h, c), (read, gates)


def _step_backward(dy, dstates, cache, bends):
    """Returns the gradients by z, by the states before the step, and by the kernel."""
    read, gates = cache
    dz, dc = lstm_gates_backward(dstates[0] if dy is None else dstates[0] + dy, dstates[1], gates, bends)
    dh, dkernel, _ = _gates_backward(dz, read, True)
    return dz, (dh, dc), (dkernel,)


def _gates(x, kernel, bias, drop, geometry, folded=False, scratch=None):
    """Convolves for all gates, each with dropped images of its own where there is a `drop`.

    Args:
        x: (N, *S, C), or (N, T, *S, C) where `folded`.
        kernel, bias: of all gates.
        drop: (N, 4, ...) broadcasting to x in each gate, or None.
        geometry: strides, padding, dilation.
        folded: whether x has steps, which are so many images more.
        scratch: gives the arrays of one convolution, or None.
    """
    lead = x.shape[: 1 + folded]
    images = [x] if drop is None else [x * drop[:, gate] for gate in range(GATES)]
    width, scratch = kernel.shape[-1] // len(images), scratch if drop is None else None
    ys, caches = [], []
    for gate, image in enumerate(images):
        part = slice(gate * width, (gate + 1) * width)
        image = image.reshape(-1, *x.shape[1 + folded :])
        added = None if bias is None else bias[part]
        y, cache = conv(image, kernel[..., part], added, *geometry, scratch=scratch)
        ys.append(y)
        caches.append(cache)
    y = ys[0] if len(ys) == 1 else xp_of(x).concatenate(ys, axis=-1)
    return y.reshape(*lead, *y.shape[1:]), (caches, drop, x.shape)


def _gates_backward(dz, cache, need_dx):
    """Returns dx or None, dkernel and dbias or None, of `_gates`."""
    caches, drop, shape = cache
    xp, width, found, total = xp_of(dz), dz.shape[-1] // len(caches), [], None
    dz = dz.reshape(-1, *dz.shape[len(dz.shape) - len(caches[0][0].shape) + 1 :])
    for gate, one in enumerate(caches):
        dx, *weights = conv_backward(dz[..., gate * width : (gate + 1) * width], one, need_dx=need_dx)
        found.append(weights)
        if need_dx:
            dx = dx.reshape(shape)
            dx = dx if drop is None else dx * drop[:, gate]
            total = dx if total is None else total + dx
    kernels, biases = zip(*found, strict=True)
    has_bias = biases[0] is not None
    return total, xp.concatenate(kernels, axis=-1), xp.concatenate(biases) if has_bias else None
