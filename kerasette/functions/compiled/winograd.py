"""Convolutions by tiles compiled as a whole; `functions/winograd.py` has the plain ones and the formulas.

A few images at a time become tiles, few enough to stay in the cache until their results are written. Rows of
tiles are mapped first, along whole lines of pixels, and then their columns. They take float32.
"""

from functools import partial

import numpy as np

from kerasette.functions.compiled.jit import jit, product, sgemm_address, suits_products, turned_product
from kerasette.functions.compiled.pooled_convolution import largest_of_four, no_winners, share_of_four
from kerasette.functions.winograd import room, tiled_kernel, tiled_kernel_backward, tiles_of

__all__ = ["tiled_correlate", "tiled_gradients", "tiled_maxima", "tiled_maxima_gradients"]

ROOM = 1 << 17  # numbers in the tiles and the products of the images taken at a time


def tiled_correlate(x, kernel, y, places, scratch):
    if not suits_products(x, kernel, y):
        return NotImplemented
    loop = partial(_correlate, pooled=False)
    _run(loop, x, tiled_kernel(kernel, scratch), y, no_winners(scratch), places, scratch)
    return None


def tiled_maxima(y, x, kernel, places, keep, scratch):
    if not suits_products(x, kernel, y):
        return NotImplemented
    winners = scratch("winners", y.shape, np.uint8) if keep else no_winners(scratch)
    loop = partial(_correlate, pooled=True)
    _run(loop, x, tiled_kernel(kernel, scratch), y, winners, places, scratch)
    return None, winners


def tiled_gradients(dy, x, tiles, kernel, places, dkernel, dx, scratch):
    return _gradients_of(False, dy, x, no_winners(scratch), kernel, places, dkernel, dx, scratch)


def tiled_maxima_gradients(dy, x, tiles, winners, kernel, places, dkernel, dx, scratch):
    return _gradients_of(True, dy, x, winners, kernel, places, dkernel, dx, scratch)


def _gradients_of(pooled, dy, x, winners, kernel, places, dkernel, dx, scratch):
    if winners.dtype == bool or not suits_products(dy, x, kernel, dkernel, *(() if dx is None else (dx,))):
        return NotImplemented
    turned = tiled_kernel(kernel.swapaxes(2, 3), scratch)
    total = room(scratch, "total", (16, *kernel.shape[2:]), dy.dtype)
    total.fill(0)
    loop = partial(_gradients, total=total, dx=x[:0] if dx is None else dx, pooled=pooled)
    _run(loop, x, turned, dy, winners, places, scratch)
    tiled_kernel_backward(total, dkernel)
    return None


def _run(loop, x, weights, y, winners, places, scratch):
    """Runs a loop that takes some images at a time, with room for their tiles, products and rows."""
    rows, columns = tiles_of(places)
    (channels, filters), each = (x.shape[-1], y.shape[-1]), rows * columns
    count = max(1, min(len(x), ROOM // (16 * each * (channels + filters))))
    tiles = scratch("tiles", (16, count * each, channels), x.dtype)
    products = scratch("products", (16, count * each, filters), x.dtype)
    line = scratch("line", (8, (2 * columns + 2) * max(channels, filters)), x.dtype)
    arrays = x, weights, y, winners, tiles, products, line
    loop(sgemm_address(), *arrays, grid=(rows, columns), before=places.before)


@jit
def _correlate(sgemm, x, weights, y, winners, tiles, products, line, grid, before, pooled):
    each = grid[0] * grid[1]
    count = tiles.shape[1] // each
    for start in range(0, len(x), count):
        stop = min(start + count, len(x))
        _to_tiles(x[start:stop], tiles, line, grid, before)
        used = (stop - start) * each
        for k in range(16):
            product(sgemm, tiles[k, :used], weights[k], products[k, :used])
        if pooled:
            _to_maxima(products, y[start:stop], winners[start:stop], line, grid)
        else:
            _to_results(products, y[start:stop], line, grid)


@jit
def _gradients(sgemm, x, turned, dy, winners, tiles, products, line, grid, before, total, dx, pooled):
    each = grid[0] * grid[1]
    count = tiles.shape[1] // each
    for start in range(0, len(x), count):
        stop = min(start + count, len(x))
        _to_tiles(x[start:stop], tiles, line, grid, before)
        if pooled:
            _from_maxima(dy[start:stop], winners[start:stop], products, line, grid)
        else:
            _from_results(dy[start:stop], products, line, grid)
        used = (stop - start) * each
        for k in range(16):
            turned_product(sgemm, tiles[k, :used], products[k, :used], total[k], np.float32(1))
        if len(dx):
            for k in range(16):
                product(sgemm, products[k, :used], turned[k], tiles[k, :used])
            _from_tiles(tiles, dx[start:stop], line, grid, before)


# ---------------------------------------------------------------- tiles


@jit
def _to_tiles(x, tiles, line, grid, before):
    """Writes B^T d B of the tiles of images x (N, H, W, C) on tiles (16, N rows columns, C)."""
    height, channels = x.shape[1], x.shape[3]
    margin = before[1] * channels
    length = min(x.shape[2], 2 * grid[1] + 2 - before[1]) * channels
    line[:, :] = 0
    zeros = np.zeros(length, x.dtype)
    for image in range(len(x)):
        pixels = x[image].reshape(height, x.shape[2] * channels)
        for i in range(grid[0]):
            for a in range(4):
                first, second, sign = _pair(a)
                one, other = 2 * i + first - before[0], 2 * i + second - before[0]
                left = pixels[one, :length] if 0 <= one < height else zeros
                right = pixels[other, :length] if 0 <= other < height else zeros
                target = line[a, margin : margin + length]
                for t in range(length):
                    target[t] = left[t] + sign * right[t]
            number = (image * grid[0] + i) * grid[1]
            for a in range(4):
                for j in range(grid[1]):
                    for b in range(4):
                        first, second, sign = _pair(b)
                        left = line[a, (2 * j + first) * channels :]
                        right = line[a, (2 * j + second) * channels :]
                        target = tiles[4 * a + b, number + j]
                        for t in range(channels):
                            target[t] = left[t] + sign * right[t]


@jit
def _from_tiles(tiles, dx, line, grid, before):
    """Adds up B d B^T of the tiles in images dx (N, H, W, C): the transpose of `_to_tiles`."""
    height, channels = dx.shape[1], dx.shape[3]
    margin = before[1] * channels
    length = min(dx.shape[2], 2 * grid[1] + 2 - before[1]) * channels
    for image in range(len(dx)):
        pixels = dx[image].reshape(height, dx.shape[2] * channels)
        pixels[:] = 0
        for i in range(grid[0]):
            line[:, :] = 0
            number = (image * grid[0] + i) * grid[1]
            for a in range(4):
                for j in range(grid[1]):
                    first, second = tiles[4 * a, number + j], tiles[4 * a + 1, number + j]
                    third, fourth = tiles[4 * a + 2, number + j], tiles[4 * a + 3, number + j]
                    for k in range(4):
                        here = line[a, (2 * j + k) * channels :]
                        for t in range(channels):
                            here[t] += _pixel(k, first[t], second[t], third[t], fourth[t])
            first, second = line[0, margin : margin + length], line[1, margin : margin + length]
            third, fourth = line[2, margin : margin + length], line[3, margin : margin + length]
            for k in range(4):
                if 0 <= 2 * i + k - before[0] < height:
                    here = pixels[2 * i + k - before[0]]
                    for t in range(length):
                        here[t] += _pixel(k, first[t], second[t], third[t], fourth[t])


@jit
def _pair(row):
    """Returns which two pixels a row of B^T takes, and the sign of the second one."""
    first, second, sign = ((0, 2, -1), (1, 2, 1), (2, 1, -1), (1, 3, -1))[row]
    return first, second, np.float32(sign)


@jit
def _pixel(row, p, q, r, s):
    """Returns a row of B times four numbers of a tile: what they give to a pixel."""
    if row == 0:
        return p
    if row == 1:
        return q - r + s
    return q + r - p if row == 2 else -s


# ---------------------------------------------------------------- results


@jit
def _down(products, start, length, line):
    """Writes A^T m of a row of tiles, from number `start` on, on line: the upper four, then the lower."""
    for b in range(4):
        first, second = products[b].reshape(-1)[start:], products[4 + b].reshape(-1)[start:]
        third, fourth = products[8 + b].reshape(-1)[start:], products[12 + b].reshape(-1)[start:]
        upper, lower = line[b], line[4 + b]
        for t in range(length):
            upper[t] = first[t] + second[t] + third[t]
            lower[t] = second[t] - third[t] - fourth[t]


@jit
def _to_results(products, y, line, grid):
    """Writes A^T m A of the products (16, N rows columns, F) on results y (N, H', W', F)."""
    filters, length = y.shape[3], grid[1] * y.shape[3]
    for number in range(len(y) * grid[0]):
        _down(products, number * length, length, line)
        image, i = divmod(number, grid[0])
        for a in range(min(2, y.shape[1] - 2 * i)):
            for j in range(grid[1]):
                at = j * filters
                first, second = line[4 * a, at:], line[4 * a + 1, at:]
                third, fourth = line[4 * a + 2, at:], line[4 * a + 3, at:]
                here = y[image, 2 * i + a, 2 * j]
                for t in range(filters):
                    here[t] = first[t] + second[t] + third[t]
                if 2 * j + 1 < y.shape[2]:
                    here = y[image, 2 * i + a, 2 * j + 1]
                    for t in range(filters):
                        here[t] = second[t] - third[t] - fourth[t]


@jit
def _from_results(dy, products, line, grid):
    """Writes A y A^T of results dy (N, H', W', F) on products (16, N rows columns, F)."""
    filters, length = dy.shape[3], dy.shape[2] * dy.shape[3]
    line[:, :] = 0
    zeros = np.zeros(length, dy.dtype)
    for image in range(len(dy)):
        results = dy[image].reshape(dy.shape[1], length)
        for i in range(grid[0]):
            top = results[2 * i]
            low = results[2 * i + 1] if 2 * i + 1 < len(results) else zeros
            for a in range(4):
                plus, sign = _share(a)
                here = line[a]
                for t in range(length):
                    here[t] = plus * top[t] + sign * low[t]
            number = (image * grid[0] + i) * grid[1]
            for a in range(4):
                for j in range(grid[1]):
                    left, right = line[a, 2 * j * filters :], line[a, (2 * j + 1) * filters :]
                    for b in range(4):
                        plus, sign = _share(b)
                        here = products[4 * a + b, number + j]
                        for t in range(filters):
                            here[t] = plus * left[t] + sign * right[t]


# ---------------------------------------------------------------- maxima of four results


@jit
def _to_maxima(products, y, winners, line, grid):
    """Writes the maximum of each four A^T m A on y (N, rows, columns, F), and which one it is on winners."""
    length = grid[1] * y.shape[3]
    for number in range(len(y) * grid[0]):
        start, stop = number * length, (number + 1) * length
        _down(products, start, length, line)
        for t in range(length):
            first, second, third, fourth = line[0, t], line[1, t], line[2, t], line[3, t]
            line[0, t], line[1, t] = first + second + third, second - third - fourth
            first, second, third, fourth = line[4, t], line[5, t], line[6, t], line[7, t]
            line[2, t], line[3, t] = first + second + third, second - third - fourth
        largest_of_four(line, y.reshape(-1)[start:stop], winners.reshape(-1)[start:stop])


@jit
def _from_maxima(dy, winners, products, line, grid):
    """Writes A y A^T, of dy where the winner stands and zeros, on products (16, N rows columns, F)."""
    length = grid[1] * dy.shape[3]
    for number in range(len(dy) * grid[0]):
        start = number * length
        stop = start + length
        share_of_four(dy.reshape(-1)[start:stop], winners.reshape(-1)[start:stop], line)
        for a in range(4):
            top, low = _share(a)
            for b in range(4):
                left, right = _share(b)
                here = products[4 * a + b].reshape(-1)[start:]
                p, q, r, s = top * left, top * right, low * left, low * right
                for t in range(length):
                    here[t] = p * line[0, t] + q * line[1, t] + r * line[2, t] + s * line[3, t]


@jit
def _share(row):
    """Returns a row of A: what each of two results brings."""
    return np.float32(row < 3), np.float32(row == 1) - np.float32(row > 1)
