"""Convolution and its transpose over any number of axes, each as one matrix product for a block of images.

Three moves make both: the windows of images times the kernel (`correlate`), its derivative by the kernel
(`kernel_gradient`), and its transpose (`spread`). The gradient of either by its input is the other one.
"""

import math

from kerasette.backend import xp_of
from kerasette.errors import value_error
from kerasette.functions import patches, winograd
from kerasette.functions.common import blocks, put
from kerasette.functions.core import add_bias, sum_rows
from kerasette.functions.kernels import swappable
from kerasette.shapes import transposed_lengths, windows

BLOCK = 2**19  # numbers in the windows of one block of images, on the host
DEVICE_BLOCK = 2**26  # on a device, where long calls matter more than any cache
SMALL_PRODUCT = 10**6  # multiplications up to which BLAS needs no copies of its own


def conv(
    x,
    kernel,
    bias=None,
    strides=1,
    padding="valid",
    dilation=1,
    *,
    positions=None,
    out=None,
    scratch=None,
):
    """Computes a convolution (with the kernel not turned, as usual): y[o] = sum x[o s + k d] kernel[k].

    Args:
        x: images (N, *S, C), any number of axes S.
        kernel: (*K, C / groups, F); the number of groups follows from it.
        bias: (F,), or None.
        strides, dilation: whole numbers, or one for each axis in a tuple.
        padding: "valid", "same" (output length ceil(n / stride)) or "causal" (the same, zeros before only).
        positions: how many results of each axis are wanted, from the first on; all by default. Windows of one
            pixel, one step apart, copy nothing that could be left out: they take no `positions`.
        out: destination (N, *O, F).
        scratch: `scratch(name, shape, dtype)` gives the arrays that this call and its backward need (named
            "y", "dx", "cols" ...), so that none is made anew; new ones by default.

    Returns:
        y (N, *O, F) and the cache for `conv_backward`.

    Raises:
        InvalidValue: where the window doesn't fit, or the channels don't suit the kernel.
    """
    scratch = scratch or new_arrays(xp_of(x))
    places = windows(x.shape[1:-1], kernel.shape[:-2], strides, padding, dilation, "conv")
    if positions is not None:
        places = places._replace(positions=tuple(positions))
    groups = _groups(x.shape[-1], kernel)
    y = room_for(out, scratch, "y", (len(x), *places.positions, kernel.shape[-1]), x.dtype)
    tiled = winograd.pays(x, kernel, places)
    if tiled:
        parts = winograd.tiled_correlate(x, kernel, y, places, scratch)
    else:
        parts = correlate(x, kernel, y, places, groups, scratch)
    if bias is not None:
        add_bias(y, bias)
    return deliver(y, out), (x, tiled, parts, kernel, places, groups, bias is not None, scratch)


def conv_backward(dy, cache, *, need_dx=True, dx=None, dkernel=None, dbias=None):
    """Returns dx, dkernel, dbias of `conv`.

    Args:
        dy: gradient by y, (N, *O, F).
        cache: from `conv`.
        need_dx: whether dx is wanted; if not, it comes back as None.
        dx, dkernel, dbias: destinations.

    Returns:
        dx or None; dkernel; dbias, None where there was no bias.
    """
    x, tiled, parts, kernel, places, groups, has_bias, scratch = cache
    dy = packed(dy, scratch, "dy")
    room = room_for(dkernel, scratch, "dkernel", kernel.shape, dy.dtype)
    image = room_for(dx, scratch, "dx", x.shape, dy.dtype) if need_dx else None
    if tiled:
        winograd.tiled_gradients(dy, x, parts, kernel, places, room, image, scratch)
    else:
        kernel_gradient(x, dy, room, parts, places, groups, scratch)
        if need_dx:
            spread(dy, kernel, image, places, groups, scratch)
    dbias = sum_rows(dy, dbias) if has_bias else None
    return deliver(image, dx) if need_dx else None, deliver(room, dkernel), dbias


def conv_transpose(
    x,
    kernel,
    bias=None,
    strides=1,
    padding="valid",
    output_padding=None,
    dilation=1,
    *,
    out=None,
    scratch=None,
):
    """Computes a transposed convolution: what `conv_backward` does with dy, plus a bias.

    Each number of `x` spreads the kernel, times itself, over y (Zeiler et al. 2010; Dumoulin & Visin 2016).

    Args:
        x: images (N, *O, C).
        kernel: (*K, F, C), the kernel of the convolution that leads from y to x.
        bias: (F,), or None.
        strides, dilation: whole numbers, or one for each axis in a tuple.
        padding: "valid" or "same".
        output_padding: as `extra` of `shapes.transposed_length`, one for each axis, or None.
        out: destination (N, *S, F).
        scratch: as in `conv`.

    Returns:
        y (N, *S, F) and the cache for `conv_transpose_backward`.
    """
    scratch = scratch or new_arrays(xp_of(x))
    lengths = transposed_lengths(
        x.shape[1:-1], kernel.shape[:-2], strides, padding, output_padding, dilation, "conv_transpose"
    )
    places = windows(lengths, kernel.shape[:-2], strides, padding, dilation, "conv_transpose")
    x = packed(x, scratch, "x")
    y = room_for(out, scratch, "y", (len(x), *lengths, kernel.shape[-2]), x.dtype)
    spread(x, kernel, y, places, 1, scratch)
    if bias is not None:
        add_bias(y, bias)
    return deliver(y, out), (x, kernel, places, bias is not None, scratch)


def conv_transpose_backward(dy, cache, *, need_dx=True, dx=None, dkernel=None, dbias=None):
    """Returns dx, dkernel, dbias of `conv_transpose`; arguments and result as in `conv_backward`."""
    x, kernel, places, has_bias, scratch = cache
    dy = packed(dy, scratch, "dy")
    cols = None
    if need_dx:
        image = room_for(dx, scratch, "dx", x.shape, dy.dtype)
        cols = correlate(dy, kernel, image, places, 1, scratch)
        dx = deliver(image, dx)
    room = room_for(dkernel, scratch, "dkernel", kernel.shape, dy.dtype)
    kernel_gradient(dy, x, room, cols, places, 1, scratch)
    dbias = sum_rows(dy, dbias) if has_bias else None
    return dx if need_dx else None, deliver(room, dkernel), dbias


# ---------------------------------------------------------------- the three moves


@swappable
def correlate(x, kernel, y, places, groups, scratch):
    """Writes the windows of `x` times `kernel` on `y` (contiguous).

    Returns:
        The windows as `kernel_gradient` takes them, where all of them are at hand, else None.
    """
    xp, weights = xp_of(x), _matrices(kernel, 1, groups)
    cols = None
    parts = _blocks(x, places)
    for part in parts:
        cols = _windows_of(x[part], kernel, places, groups, scratch)
        xp.matmul(cols, weights, out=_matrices(y[part], cols.shape[1], groups))
    return cols if len(parts) == 1 else None


@swappable
def kernel_gradient(x, dy, dkernel, cols, places, groups, scratch):
    """Writes the transposed windows of `x` times `dy` on `dkernel`; all contiguous but `x`.

    `cols` are the windows if `correlate` returned them.
    """
    xp = xp_of(dy)
    total = _matrices(dkernel, 1, groups)  # (G, 1, K C/G, F/G)
    for number, part in enumerate(_blocks(x, places)):
        here = _windows_of(x[part], dkernel, places, groups, scratch) if cols is None else cols
        pieces = here.shape[1]
        right = _matrices(dy[part], pieces, groups)
        if pieces == 1 and number == 0:
            xp.matmul(here.swapaxes(2, 3), right, out=total)
            continue
        shape = (groups, pieces, *total.shape[2:])
        products = xp.matmul(here.swapaxes(2, 3), right, out=scratch("products", shape, dy.dtype))
        if number == 0:
            products.sum(1, None, total, True)
        else:
            total += products.sum(1, None, None, True)


@swappable
def spread(dy, kernel, dx, places, groups, scratch):
    """Writes on `dx` what each window of it gets from `dy` (contiguous): dy times the transposed kernel.

    Where there are as many windows as pixels, that is a convolution with the kernel turned around: windows
    of dy are copied in less time than windows of dx are added up.
    """
    xp, weights = xp_of(dy), _matrices(kernel, 1, groups).swapaxes(2, 3)
    if places.is_pixel:
        xp.matmul(_matrices(dy, 1, groups), weights, out=_matrices(dx, 1, groups))
        return
    if groups == 1 and places.keep(dx.shape[1:-1]):
        turned = xp.flip(kernel, tuple(range(len(places.window)))).swapaxes(-2, -1)
        correlate(dy, xp.ascontiguousarray(turned), dx, places.turned(), 1, scratch)
        return
    for part in _blocks(dx, places):
        images = dx[part]
        cols = scratch("dcols", _cols_shape(images, places, groups), dy.dtype)
        right = _matrices(dy[part], 1, groups)
        xp.matmul(right, weights, out=cols.reshape(*right.shape[:3], weights.shape[3]))
        for group in range(groups):
            patches.col2im(cols[group], _channels(images, group, groups), *places[1:], scratch)


# ---------------------------------------------------------------- arrays as matrices


def _windows_of(x, kernel, places, groups, scratch):
    """Returns the windows of `x` as matrices (groups, pieces, rows, K C/G): x itself where each is a pixel.

    BLAS copies its operands to order them, which small products can do without: where a window is small
    each image is a product of its own, in half the time.
    """
    positions, depth = math.prod(places.positions), math.prod(places.window) * x.shape[-1] // groups
    small = 64 <= positions <= SMALL_PRODUCT // max(1, depth * kernel.shape[-1] // groups)
    pieces = len(x) if small and len(x) else 1
    if places.is_pixel:
        return _matrices(packed(x, scratch, "x"), pieces, groups)
    cols = scratch("cols", _cols_shape(x, places, groups), x.dtype)
    for group in range(groups):
        patches.im2col(_channels(x, group, groups), cols[group], *places[1:], scratch)
    return cols.reshape(groups, pieces, len(x) * positions // pieces, depth)


def _cols_shape(x, places, groups):
    return (groups, len(x), *places.positions, *places.window, x.shape[-1] // groups)


def _channels(x, group, groups):
    """Returns the channels of one group, as a view."""
    size = x.shape[-1] // groups
    return x if groups == 1 else x[..., group * size : (group + 1) * size]


def _matrices(array, pieces, groups):
    """Returns a view of a contiguous (..., G n) as (groups, pieces, rows, n)."""
    size = array.shape[-1]
    rows = math.prod(array.shape[:-1]) // pieces
    return array.reshape(pieces, rows, groups, size // groups).transpose(2, 0, 1, 3)


def _blocks(x, places):
    """Returns slices of images whose windows hold up to BLOCK numbers."""
    room = BLOCK if xp_of(x).__name__ == "numpy" else DEVICE_BLOCK
    each = 1 if places.is_pixel else math.prod((*places.positions, *places.window, x.shape[-1]))
    return blocks(len(x), each, room)


def _groups(channels, kernel):
    """Returns how many groups of channels a kernel (*K, C / groups, F) has."""
    each, filters = kernel.shape[-2:]
    if channels % each or filters % (channels // each):
        raise value_error(
            f"conv: a kernel of shape {tuple(kernel.shape)} doesn't go with {channels} channels:",
            f"they must be a multiple of {each}, and {filters} filters a multiple of the groups.",
        )
    return channels // each


# ---------------------------------------------------------------- destinations


def new_arrays(xp):
    """Returns the `scratch` of calls that were given none."""
    return lambda name, shape, dtype: xp.empty(shape, dtype)


def room_for(out, scratch, name, shape, dtype):
    """Returns `out` where that is contiguous, else an array to compute in."""
    return out if out is not None and out.flags.c_contiguous else scratch(name, shape, dtype)


def deliver(place, out):
    return place if out is None or out is place else put(place, out)


def packed(x, scratch, name):
    """Returns `x`, or a contiguous copy of it."""
    return x if x.flags.c_contiguous else put(x, scratch(name, x.shape, x.dtype))
