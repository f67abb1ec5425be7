"""Convolution of few channels and its maxima as one; `functions/pooled_convolution.py` has the plain one.

Each tile of 4 x 4 pixels gives four results of 3 x 3 of them, a row of tiles at a time. They take float32.
"""

import numpy as np

from kerasette.functions.compiled.jit import jit, suits_products

__all__ = ["direct_maxima", "direct_maxima_gradients"]


def direct_maxima(x, kernel, y, places, keep, scratch):
    if not suits_products(x, kernel, y):
        return NotImplemented
    winners = scratch("winners", y.shape, np.uint8)
    arrays = _image(x, y, scratch), _results(y, scratch), y, winners, x
    _maxima(kernel.reshape(9, *kernel.shape[2:]), *arrays, places.before)
    return None, winners


def direct_maxima_gradients(dy, x, tiles, winners, kernel, places, dkernel, dx, scratch):
    if dx is not None or winners.dtype == bool or not suits_products(dy, x, dkernel):
        return NotImplemented
    arrays = _image(x, dy, scratch), _results(dy, scratch), dy, winners, x
    _maxima_gradients(dkernel.reshape(9, *kernel.shape[2:]), *arrays, places.before)
    return None


def _image(x, y, scratch):
    """Returns room for an image with zeros around, to the end of the last tile."""
    return scratch("image", (2 * y.shape[1] + 2, 2 * y.shape[2] + 2, x.shape[3]), x.dtype)


def _results(y, scratch):
    """Returns room for the four results of each tile of a row."""
    return scratch("four", (4, y.shape[2] * y.shape[3]), y.dtype)


@jit
def largest_of_four(sums, best, place):
    """Writes the largest of four numbers on `best`, and the number of the first such on `place`."""
    for t in range(best.size):
        top, number, value = sums[0, t], np.int32(0), sums[1, t]
        larger = value > top or np.isnan(value)
        top, number = value if larger else top, np.int32(1) if larger else number
        value = sums[2, t]
        larger = value > top or np.isnan(value)
        top, number = value if larger else top, np.int32(2) if larger else number
        value = sums[3, t]
        larger = value > top or np.isnan(value)
        best[t] = value if larger else top
        place[t] = np.uint8(np.int32(3) if larger else number)


@jit
def share_of_four(dy, place, shares):
    """Writes dy on that of four arrays which `place` says, and zero on the others."""
    for k in range(4):
        here = shares[k]
        for t in range(dy.size):
            here[t] = dy[t] if place[t] == k else np.float32(0)


@jit
def _surround(x, image, before):
    """Copies x (H, W, C) to where it stands in `image`; what lies outside stays zero."""
    height = min(x.shape[0], image.shape[0] - before[0])
    length = min(x.shape[1], image.shape[1] - before[1]) * x.shape[2]
    for i in range(height):
        line, source = image[i + before[0], before[1] :].reshape(-1), x[i].reshape(-1)
        for t in range(length):
            line[t] = source[t]


@jit
def _maxima(kernel, image, sums, y, winners, x, before):
    channels, filters = kernel.shape[1:]
    image[:, :, :] = 0
    for number in range(y.shape[0]):
        _surround(x[number], image, before)
        for i in range(y.shape[1]):
            sums[:, :] = 0
            for j in range(y.shape[2]):
                at = j * filters
                for c in range(channels):
                    tile = image[2 * i : 2 * i + 4, 2 * j : 2 * j + 4, c]
                    a0, a1, a2, a3 = tile[0, 0], tile[0, 1], tile[0, 2], tile[0, 3]
                    b0, b1, b2, b3 = tile[1, 0], tile[1, 1], tile[1, 2], tile[1, 3]
                    c0, c1, c2, c3 = tile[2, 0], tile[2, 1], tile[2, 2], tile[2, 3]
                    d0, d1, d2, d3 = tile[3, 0], tile[3, 1], tile[3, 2], tile[3, 3]
                    for t in range(filters):
                        k0, k1, k2 = kernel[0, c, t], kernel[1, c, t], kernel[2, c, t]
                        k3, k4, k5 = kernel[3, c, t], kernel[4, c, t], kernel[5, c, t]
                        k6, k7, k8 = kernel[6, c, t], kernel[7, c, t], kernel[8, c, t]
                        upper = (a0 * k0 + a1 * k1 + a2 * k2) + (b0 * k3 + b1 * k4 + b2 * k5)
                        sums[0, at + t] += upper + (c0 * k6 + c1 * k7 + c2 * k8)
                        upper = (a1 * k0 + a2 * k1 + a3 * k2) + (b1 * k3 + b2 * k4 + b3 * k5)
                        sums[1, at + t] += upper + (c1 * k6 + c2 * k7 + c3 * k8)
                        upper = (b0 * k0 + b1 * k1 + b2 * k2) + (c0 * k3 + c1 * k4 + c2 * k5)
                        sums[2, at + t] += upper + (d0 * k6 + d1 * k7 + d2 * k8)
                        upper = (b1 * k0 + b2 * k1 + b3 * k2) + (c1 * k3 + c2 * k4 + c3 * k5)
                        sums[3, at + t] += upper + (d1 * k6 + d2 * k7 + d3 * k8)
            length = y.shape[2] * filters
            largest_of_four(sums, y[number, i].reshape(length), winners[number, i].reshape(length))


@jit
def _maxima_gradients(dkernel, image, shares, dy, winners, x, before):
    channels, filters = dkernel.shape[1:]
    length = dy.shape[2] * filters
    image[:, :, :] = 0
    dkernel[:, :, :] = 0
    for number in range(dy.shape[0]):
        _surround(x[number], image, before)
        for i in range(dy.shape[1]):
            share_of_four(dy[number, i].reshape(length), winners[number, i].reshape(length), shares)
            for j in range(dy.shape[2]):
                at = j * filters
                for c in range(channels):
                    tile = image[2 * i : 2 * i + 4, 2 * j : 2 * j + 4, c]
                    a0, a1, a2, a3 = tile[0, 0], tile[0, 1], tile[0, 2], tile[0, 3]
                    b0, b1, b2, b3 = tile[1, 0], tile[1, 1], tile[1, 2], tile[1, 3]
                    c0, c1, c2, c3 = tile[2, 0], tile[2, 1], tile[2, 2], tile[2, 3]
                    d0, d1, d2, d3 = tile[3, 0], tile[3, 1], tile[3, 2], tile[3, 3]
                    for t in range(filters):
                        p, q = shares[0, at + t], shares[1, at + t]
                        r, s = shares[2, at + t], shares[3, at + t]
                        dkernel[0, c, t] += (a0 * p + a1 * q) + (b0 * r + b1 * s)
                        dkernel[1, c, t] += (a1 * p + a2 * q) + (b1 * r + b2 * s)
                        dkernel[2, c, t] += (a2 * p + a3 * q) + (b2 * r + b3 * s)
                        dkernel[3, c, t] += (b0 * p + b1 * q) + (c0 * r + c1 * s)
                        dkernel[4, c, t] += (b1 * p + b2 * q) + (c1 * r + c2 * s)
                        dkernel[5, c, t] += (b2 * p + b3 * q) + (c2 * r + c3 * s)
                        dkernel[6, c, t] += (c0 * p + c1 * q) + (d0 * r + d1 * s)
                        dkernel[7, c, t] += (c1 * p + c2 * q) + (d1 * r + d2 * s)
                        dkernel[8, c, t] += (c2 * p + c3 * q) + (d2 * r + d3 * s)
