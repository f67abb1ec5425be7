"""Convolution of few channels and its maxima as one; `functions/pooled_convolution.py` has the plain one.

Each tile of 4 x 4 pixels gives four results of 3 x 3 of them, a row of tiles at a time. They take float32.
"""

import numpy as np

from kerasette.functions.compiled.jit import jit, suits_products

__all__ = ["direct_maxima", "direct_maxima_gradients"]


def direct_maxima(y, x, kernel, places, keep, scratch):
    if not suits_products(x, kernel, y):
        return NotImplemented
    winners = scratch("winners", y.shape, np.uint8) if keep else no_winners(scratch)
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


def no_winners(scratch):
    """Returns the winners that nobody will ask for."""
    return scratch("no winners", (0, 0, 0, 0), np.uint8)


@jit
def largest_of_four(sums, best, place):
    """Writes the largest of four numbers on `best`, and the first such place on `place` if that has room."""
    if place.size == 0:
        for t in range(best.size):
            top, other = _larger(sums[0, t], sums[1, t]), _larger(sums[2, t], sums[3, t])
            best[t] = _larger(top, other)
        return
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
def _larger(one, other):
    return other if other > one or np.isnan(other) else one


@jit
def share_of_four(dy, place, shares):
    """Writes dy on that of four arrays which `place` says, and zero on the others."""
    for k in range(4):
        here = shares[k]
        for t in range(dy.size):
            here[t] = dy[t] if place[t] == k else np.float32(0)


@jit
def _surrounded(x, image, before):
    """Returns x (H, W, C), or where tiles reach beyond it `image` with x inside and zeros around."""
    if before == (0, 0) and x.shape[0] >= image.shape[0] and x.shape[1] >= image.shape[1]:
        return x
    height = min(x.shape[0], image.shape[0] - before[0])
    width = min(x.shape[1], image.shape[1] - before[1])
    image[before[0] : before[0] + height, before[1] : before[1] + width] = x[:height, :width]
    return image


@jit
def _tile(image, i, j, c):
    """Returns the 4 x 4 pixels of one channel from row i and column j on."""
    return (
        *(image[i, j, c], image[i, j + 1, c], image[i, j + 2, c], image[i, j + 3, c]),
        *(image[i + 1, j, c], image[i + 1, j + 1, c], image[i + 1, j + 2, c], image[i + 1, j + 3, c]),
        *(image[i + 2, j, c], image[i + 2, j + 1, c], image[i + 2, j + 2, c], image[i + 2, j + 3, c]),
        *(image[i + 3, j, c], image[i + 3, j + 1, c], image[i + 3, j + 2, c], image[i + 3, j + 3, c]),
    )


@jit
def _result(d, k, c, t, p):
    """Returns the result of filter t on the 3 x 3 pixels of tile d from number p on."""
    upper = d[p] * k[0, c, t] + d[p + 1] * k[1, c, t] + d[p + 2] * k[2, c, t]
    middle = d[p + 4] * k[3, c, t] + d[p + 5] * k[4, c, t] + d[p + 6] * k[5, c, t]
    return upper + middle + (d[p + 8] * k[6, c, t] + d[p + 9] * k[7, c, t] + d[p + 10] * k[8, c, t])


@jit
def _maxima(kernel, image, sums, y, winners, x, before):
    channels, filters = kernel.shape[1:]
    length = y.shape[2] * filters
    image[:, :, :] = 0
    for number in range(y.shape[0]):
        pixels = _surrounded(x[number], image, before)
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                at, d = j * filters, _tile(pixels, 2 * i, 2 * j, 0)
                for t in range(filters):
                    sums[0, at + t] = _result(d, kernel, 0, t, 0)
                    sums[1, at + t] = _result(d, kernel, 0, t, 1)
                    sums[2, at + t] = _result(d, kernel, 0, t, 4)
                    sums[3, at + t] = _result(d, kernel, 0, t, 5)
                for c in range(1, channels):
                    d = _tile(pixels, 2 * i, 2 * j, c)
                    for t in range(filters):
                        sums[0, at + t] += _result(d, kernel, c, t, 0)
                        sums[1, at + t] += _result(d, kernel, c, t, 1)
                        sums[2, at + t] += _result(d, kernel, c, t, 4)
                        sums[3, at + t] += _result(d, kernel, c, t, 5)
            at = (number * y.shape[1] + i) * length
            largest_of_four(sums, y.reshape(-1)[at : at + length], winners.reshape(-1)[at : at + length])


@jit
def _brings(d, p, q, r, s, at):
    """Returns what the pixels of tile d from number `at` on bring to one number of the kernel."""
    return (d[at] * p + d[at + 1] * q) + (d[at + 4] * r + d[at + 5] * s)


@jit
def _maxima_gradients(dkernel, image, shares, dy, winners, x, before):
    channels, filters = dkernel.shape[1:]
    length = dy.shape[2] * filters
    image[:, :, :] = 0
    dkernel[:, :, :] = 0
    for number in range(dy.shape[0]):
        pixels = _surrounded(x[number], image, before)
        for i in range(dy.shape[1]):
            share_of_four(dy[number, i].reshape(length), winners[number, i].reshape(length), shares)
            for j in range(dy.shape[2]):
                at = j * filters
                for c in range(channels):
                    d = _tile(pixels, 2 * i, 2 * j, c)
                    for t in range(filters):
                        p, q = shares[0, at + t], shares[1, at + t]
                        r, s = shares[2, at + t], shares[3, at + t]
                        dkernel[0, c, t] += _brings(d, p, q, r, s, 0)
                        dkernel[1, c, t] += _brings(d, p, q, r, s, 1)
                        dkernel[2, c, t] += _brings(d, p, q, r, s, 2)
                        dkernel[3, c, t] += _brings(d, p, q, r, s, 4)
                        dkernel[4, c, t] += _brings(d, p, q, r, s, 5)
                        dkernel[5, c, t] += _brings(d, p, q, r, s, 6)
                        dkernel[6, c, t] += _brings(d, p, q, r, s, 8)
                        dkernel[7, c, t] += _brings(d, p, q, r, s, 9)
                        dkernel[8, c, t] += _brings(d, p, q, r, s, 10)
