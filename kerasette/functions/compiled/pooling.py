"""Maxima and sums over windows of images, and their gradients."""

import numpy as np

from kerasette.functions.compiled.images import two_axes
from kerasette.functions.compiled.jit import jit, suits

__all__ = ["max_pool_scatter", "max_pool_windows", "sum_scatter", "sum_windows"]


def max_pool_windows(x, y, window, strides, before, scratch, keep=True):
    if len(window) > 2 or not suits(x, y) or np.prod(window) > 255:
        return NotImplemented
    winners = scratch("winners", y.shape, np.uint8)
    if tuple(window) == tuple(strides) == (2, 2) and not any(before):
        _max_pool_of_four(x, y, winners)
    else:
        _pool(_max_pool, (x, y, winners), window, strides, before)
    return winners


def max_pool_scatter(dy, winners, dx, window, strides, before, scratch):
    if winners.dtype != np.uint8 or not suits(dy, dx):
        return NotImplemented
    side_by_side = tuple(window) == tuple(strides) and not any(before)
    whole = side_by_side and all(
        o * s == n for o, s, n in zip(dy.shape[1:], strides, dx.shape[1:], strict=False)
    )
    return _pool(_max_pool_place if whole else _max_pool_scatter, (dy, winners, dx), window, strides, before)


def sum_windows(x, y, window, strides, before, scratch):
    if len(window) > 2 or not suits(x, y):
        return NotImplemented
    return _pool(_sum_windows, (x, y), window, strides, before)


def sum_scatter(dy, dx, window, strides, before, scratch):
    if len(window) > 2 or not suits(dy, dx):
        return NotImplemented
    return _pool(_sum_scatter, (dy, dx), window, strides, before)


def _pool(loop, arrays, window, strides, before):
    """Runs a loop over windows; images with one axis become images with two."""
    arrays = [array[:, None] for array in arrays] if len(window) == 1 else arrays
    loop(*arrays, *two_axes(window, strides, (1,) * len(window), before))


@jit
def _max_pool(x, y, winners, window, strides, dilation, before):
    count, height, width, channels = x.shape
    for image in range(count):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                best, place, fresh = y[image, i, j], winners[image, i, j], True
                for p in range(window[0]):
                    row = i * strides[0] + p - before[0]
                    for q in range(window[1]):
                        column = j * strides[1] + q - before[1]
                        if row < 0 or row >= height or column < 0 or column >= width:
                            continue
                        pixel, number = x[image, row, column], np.uint8(p * window[1] + q)
                        if fresh:
                            fresh = False
                            for t in range(channels):
                                best[t] = pixel[t]
                                place[t] = number
                            continue
                        for t in range(channels):
                            larger = pixel[t] > best[t] or pixel[t] != pixel[t]
                            best[t] = pixel[t] if larger else best[t]
                            place[t] = number if larger else place[t]


@jit
def _max_pool_of_four(x, y, winners):
    """The same for 2 x 2 pixels that lie side by side: in one pass, four times as fast."""
    for image in range(y.shape[0]):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                first, second = x[image, 2 * i, 2 * j], x[image, 2 * i, 2 * j + 1]
                third, fourth = x[image, 2 * i + 1, 2 * j], x[image, 2 * i + 1, 2 * j + 1]
                best, place = y[image, i, j], winners[image, i, j]
                for t in range(best.size):
                    top, number, value = first[t], np.int32(0), second[t]
                    larger = value > top or np.isnan(value)
                    top, number = value if larger else top, np.int32(1) if larger else number
                    value = third[t]
                    larger = value > top or np.isnan(value)
                    top, number = value if larger else top, np.int32(2) if larger else number
                    value = fourth[t]
                    larger = value > top or np.isnan(value)
                    best[t] = value if larger else top
                    place[t] = np.uint8(np.int32(3) if larger else number)


@jit
def _max_pool_place(dy, winners, dx, window, strides, dilation, before):
    """What `_max_pool_scatter` does, where each pixel is in one window: nothing to clear, nothing to add."""
    for image in range(dy.shape[0]):
        for i in range(dy.shape[1]):
            for j in range(dy.shape[2]):
                gradient, place = dy[image, i, j], winners[image, i, j]
                for p in range(window[0]):
                    for q in range(window[1]):
                        pixel = dx[image, i * window[0] + p, j * window[1] + q]
                        number = np.uint8(p * window[1] + q)
                        for t in range(gradient.size):
                            pixel[t] = gradient[t] if place[t] == number else 0


@jit
def _max_pool_scatter(dy, winners, dx, window, strides, dilation, before):
    count, height, width, channels = dx.shape
    dx.reshape(-1)[:] = 0
    for image in range(count):
        for i in range(dy.shape[1]):
            for j in range(dy.shape[2]):
                gradient, place = dy[image, i, j], winners[image, i, j]
                for p in range(window[0]):
                    row = i * strides[0] + p - before[0]
                    for q in range(window[1]):
                        column = j * strides[1] + q - before[1]
                        if row < 0 or row >= height or column < 0 or column >= width:
                            continue
                        pixel, number = dx[image, row, column], np.uint8(p * window[1] + q)
                        for t in range(channels):
                            pixel[t] += gradient[t] if place[t] == number else 0


@jit
def _sum_windows(x, y, window, strides, dilation, before):
    count, height, width, channels = x.shape
    y.reshape(-1)[:] = 0
    for image in range(count):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                total = y[image, i, j]
                for p in range(window[0]):
                    row = i * strides[0] + p - before[0]
                    for q in range(window[1]):
                        column = j * strides[1] + q - before[1]
                        if 0 <= row < height and 0 <= column < width:
                            pixel = x[image, row, column]
                            for t in range(channels):
                                total[t] += pixel[t]


@jit
def _sum_scatter(dy, dx, window, strides, dilation, before):
    count, height, width, channels = dx.shape
    dx.reshape(-1)[:] = 0
    for image in range(count):
        for i in range(dy.shape[1]):
            for j in range(dy.shape[2]):
                gradient = dy[image, i, j]
                for p in range(window[0]):
                    row = i * strides[0] + p - before[0]
                    for q in range(window[1]):
                        column = j * strides[1] + q - before[1]
                        if 0 <= row < height and 0 <= column < width:
                            pixel = dx[image, row, column]
                            for t in range(channels):
                                pixel[t] += gradient[t]
