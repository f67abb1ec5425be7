"""Convolution with one kernel for each channel, and its gradients."""

from kerasette.functions.compiled.images import two_axes
from kerasette.functions.compiled.jit import jit, suits

__all__ = ["depthwise_gradient", "depthwise_scatter", "depthwise_windows"]


def depthwise_windows(x, weights, y, strides, dilation, before, scratch):
    return _depthwise(_weigh, x, weights, y, strides, dilation, before)


def depthwise_gradient(x, dy, dweights, strides, dilation, before, scratch):
    dweights.fill(0)
    return _depthwise(_weigh_gradient, x, dweights, dy, strides, dilation, before)


def depthwise_scatter(dy, weights, dx, strides, dilation, before, scratch):
    return _depthwise(_weigh_scatter, dx, weights, dy, strides, dilation, before)


def _depthwise(loop, x, weights, y, strides, dilation, before):
    """Runs a loop over images, weights and windows; for one kernel a channel, on one or two axes."""
    rank = len(strides)
    if rank > 2 or not suits(x, weights, y) or x.shape[-1] != y.shape[-1]:
        return NotImplemented
    if rank == 1:
        x, weights, y = x[:, None], weights[None], y[:, None]
    loop(x, weights, y, *two_axes(weights.shape[2 - rank : 2], strides, dilation, before)[1:])
    return None


@jit
def _weigh(x, weights, y, strides, dilation, before):
    y.reshape(-1)[:] = 0
    for image in range(y.shape[0]):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                total = y[image, i, j]
                for p in range(weights.shape[0]):
                    row = i * strides[0] + p * dilation[0] - before[0]
                    for q in range(weights.shape[1]):
                        column = j * strides[1] + q * dilation[1] - before[1]
                        if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
                            pixel, weight = x[image, row, column], weights[p, q]
                            for t in range(total.size):
                                total[t] += pixel[t] * weight[t]


@jit
def _weigh_gradient(x, dweights, dy, strides, dilation, before):
    for image in range(dy.shape[0]):
        for i in range(dy.shape[1]):
            for j in range(dy.shape[2]):
                gradient = dy[image, i, j]
                for p in range(dweights.shape[0]):
                    row = i * strides[0] + p * dilation[0] - before[0]
                    for q in range(dweights.shape[1]):
                        column = j * strides[1] + q * dilation[1] - before[1]
                        if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
                            pixel, weight = x[image, row, column], dweights[p, q]
                            for t in range(gradient.size):
                                weight[t] += pixel[t] * gradient[t]


@jit
def _weigh_scatter(dx, weights, dy, strides, dilation, before):
    dx.reshape(-1)[:] = 0
    for image in range(dy.shape[0]):
        for i in range(dy.shape[1]):
            for j in range(dy.shape[2]):
                gradient = dy[image, i, j]
                for p in range(weights.shape[0]):
                    row = i * strides[0] + p * dilation[0] - before[0]
                    for q in range(weights.shape[1]):
                        column = j * strides[1] + q * dilation[1] - before[1]
                        if 0 <= row < dx.shape[1] and 0 <= column < dx.shape[2]:
                            pixel, weight = dx[image, row, column], weights[p, q]
                            for t in range(gradient.size):
                                pixel[t] += gradient[t] * weight[t]
