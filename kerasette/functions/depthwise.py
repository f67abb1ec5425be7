"""Depthwise convolution, where each channel has a kernel of its own, and the separable one built on it.

There is no matrix in it to multiply: it multiplies and adds whole images, once for each place of the window.
"""

import itertools
import math

from kerasette.backend import xp_of
from kerasette.functions import patches
from kerasette.functions.convolution import conv, conv_backward, deliver, new_arrays, packed, room_for
from kerasette.functions.core import add_bias, sum_rows
from kerasette.functions.kernels import swappable
from kerasette.shapes import windows


def depthwise_conv(x, kernel, bias=None, strides=1, padding="valid", dilation=1, *, out=None, scratch=None):
    """Convolves each channel by itself with M kernels: y[o, c M + m] = sum x[o s + k d, c] kernel[k, c, m].

    Args:
        x: images (N, *S, C).
        kernel: (*K, C, M).
        bias: (C M,), or None.
        strides, padding, dilation, out, scratch: as in `conv`.

    Returns:
        y (N, *O, C M) and the cache for `depthwise_conv_backward`.
    """
    scratch = scratch or new_arrays(xp_of(x))
    places = windows(x.shape[1:-1], kernel.shape[:-2], strides, padding, dilation, "depthwise_conv")
    weights = _flat(kernel)
    y = room_for(out, scratch, "y", (len(x), *places.positions, weights.shape[-1]), x.dtype)
    depthwise_windows(x, weights, y, *places[2:], scratch)
    if bias is not None:
        add_bias(y, bias)
    return deliver(y, out), (x, kernel, places, bias is not None, scratch)


def depthwise_conv_backward(dy, cache, *, need_dx=True, dx=None, dkernel=None, dbias=None):
    """Returns dx, dkernel, dbias of `depthwise_conv`; arguments and result as in `conv_backward`."""
    x, kernel, places, has_bias, scratch = cache
    dy = packed(dy, scratch, "dy")
    room = room_for(dkernel, scratch, "dkernel", kernel.shape, dy.dtype)
    depthwise_gradient(x, dy, _flat(room), *places[2:], scratch)
    dbias = sum_rows(dy, dbias) if has_bias else None
    if not need_dx:
        return None, deliver(room, dkernel), dbias
    image = room_for(dx, scratch, "dx", x.shape, dy.dtype)
    depthwise_scatter(dy, _flat(kernel), image, *places[2:], scratch)
    return deliver(image, dx), deliver(room, dkernel), dbias


def _flat(kernel):
    """Returns a kernel (*K, C, M) as (*K, C M)."""
    return kernel.reshape(*kernel.shape[:-2], kernel.shape[-2] * kernel.shape[-1])


@swappable
def depthwise_windows(x, weights, y, strides, dilation, before, scratch):
    """Writes on `y` each window of `x` times `weights`, summed over the window.

    Args:
        x: images (N, *S, C).
        weights: (*K, C M).
        y: destination (N, *O, C M), contiguous; its O says how many positions there are.
        strides, dilation: of the window, one number for each axis of S.
        before: how many zeros stand before each axis.
        scratch: `scratch(name, shape, dtype)` gives work arrays.
    """
    moves = _moves(y.shape[1:-1], weights.shape[:-1], strides, dilation)
    for part, images in _spaced(x, weights, y, strides, dilation, before, scratch):
        sums = y[part]
        product = scratch("product", sums.shape, y.dtype)
        for number, (offset, pixels) in enumerate(moves):
            xp_of(y).multiply(images[pixels], weights[offset], out=product if number else sums)
            if number:
                sums += product


@swappable
def depthwise_gradient(x, dy, dweights, strides, dilation, before, scratch):
    """Writes on `dweights` (*K, C M) the gradient of `depthwise_windows` by its weights; see there."""
    moves = _moves(dy.shape[1:-1], dweights.shape[:-1], strides, dilation)
    dweights.fill(0)
    for part, images in _spaced(x, dweights, dy, strides, dilation, before, scratch):
        product = scratch("product", dy[part].shape, dy.dtype)
        for offset, pixels in moves:
            dweights[offset] += sum_rows(xp_of(dy).multiply(images[pixels], dy[part], out=product))


@swappable
def depthwise_scatter(dy, weights, dx, strides, dilation, before, scratch):
    """Writes on `dx` (N, *S, C) the gradient of `depthwise_windows` by its images; see there."""
    moves = _moves(dy.shape[1:-1], weights.shape[:-1], strides, dilation)
    lengths = _lengths(dx, weights, dy, strides, dilation, before)
    inside = patches.inside_zeros(dx.shape[1:-1], before)
    for part in _blocks(dx, lengths, weights):
        gradient, images = dy[part], dx[part]
        product = scratch("product", gradient.shape, dy.dtype)
        total = scratch("total", (len(images), *lengths, weights.shape[-1]), dy.dtype)
        total.fill(0)
        for offset, pixels in moves:
            seen = total[pixels]
            seen += xp_of(dy).multiply(gradient, weights[offset], out=product)
        inner = total[inside]
        if inner.shape == images.shape:
            images[...] = inner
        else:
            inner.reshape(*images.shape, -1).sum(-1, None, images)


def _spaced(x, weights, y, strides, dilation, before, scratch):
    """Yields blocks of `x` (slice, images) with the zeros that windows touch, each channel M times."""
    lengths = _lengths(x, weights, y, strides, dilation, before)
    channels = x.shape[-1]
    multiplier = weights.shape[-1] // channels
    ready = multiplier == 1 and lengths == x.shape[1:-1] and not any(before)
    inside = patches.inside_zeros(x.shape[1:-1], before)
    for part in _blocks(x, lengths, weights):
        images = x[part]
        if not ready:
            grid = scratch("spaced", (len(images), *lengths, channels, multiplier), x.dtype)
            grid.fill(0)
            grid[inside] = images[..., None]
            images = grid.reshape(len(images), *lengths, channels * multiplier)
        yield part, images


def _lengths(x, weights, y, strides, dilation, before):
    return patches.padded_lengths(x.shape[1:-1], y.shape[1:-1], weights.shape[:-1], strides, dilation, before)


def _moves(positions, window, strides, dilation):
    """Returns, for each place of a window, its index and that of the pixels that all windows have there."""
    axes = [
        [patches.every(k * d, o, s) for k in range(count)]
        for o, count, s, d in zip(positions, window, strides, dilation, strict=True)
    ]
    offsets = itertools.product(*map(range, window))
    pixels = ((slice(None), *index) for index in itertools.product(*axes))
    return list(zip(offsets, pixels, strict=True))


def _blocks(x, lengths, weights):
    """Returns slices of as many images as the cache holds."""
    size = patches.images_at_once(x, (*lengths, weights.shape[-1] // x.shape[-1]))
    return [slice(start, start + size) for start in range(0, len(x), size)]


# ---------------------------------------------------------------- separable


def separable_conv(
    x, depthwise_kernel, pointwise_kernel, bias=None, strides=1, padding="valid", dilation=1, *, out=None,
    scratch=None,
):  # fmt: skip
    """Computes a depthwise convolution, then one of 1 x 1 windows that mixes its channels (Chollet 2017).

    Args:
        x: images (N, *S, C).
        depthwise_kernel: (*K, C, M).
        pointwise_kernel: (1, ..., C M, F).
        bias: (F,), or None.
        strides, padding, dilation, out, scratch: as in `conv`.

    Returns:
        y (N, *O, F) and the cache for `separable_conv_backward`.
    """
    scratch = scratch or new_arrays(xp_of(x))
    places = windows(x.shape[1:-1], depthwise_kernel.shape[:-2], strides, padding, dilation, "separable_conv")
    shape = (len(x), *places.positions, math.prod(depthwise_kernel.shape[-2:]))
    room = scratch("hidden", shape, x.dtype)
    hidden, first = depthwise_conv(
        x, depthwise_kernel, None, strides, padding, dilation, out=room, scratch=scratch
    )
    y, second = conv(hidden, pointwise_kernel, bias, out=out, scratch=scratch)
    return y, (first, second, hidden, pointwise_kernel, scratch)


def separable_conv_backward(
    dy, cache, *, need_dx=True, dx=None, ddepthwise=None, dpointwise=None, dbias=None
):
    """Returns dx, ddepthwise, dpointwise, dbias of `separable_conv`.

    Args:
        dy: gradient by y, (N, *O, F).
        cache: from `separable_conv`.
        need_dx: whether dx is wanted; if not, it comes back as None.
        dx, ddepthwise, dpointwise, dbias: destinations.

    Returns:
        dx or None; the gradients by both kernels; dbias, None where there was no bias.
    """
    first, second, hidden, kernel, scratch = cache
    room = scratch("dhidden", hidden.shape, dy.dtype)
    if dpointwise is None:  # the two kernels must not share a buffer
        dpointwise = scratch("dpointwise", kernel.shape, dy.dtype)
    dhidden, dpointwise, dbias = conv_backward(dy, second, dx=room, dkernel=dpointwise, dbias=dbias)
    dx, ddepthwise, _ = depthwise_conv_backward(dhidden, first, need_dx=need_dx, dx=dx, dkernel=ddepthwise)
    return dx, ddepthwise, dpointwise, dbias
