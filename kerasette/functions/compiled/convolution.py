"""Convolutions compiled as a whole; `functions/convolution.py` has the plain ones of the same names.

A few images at a time become rows of windows, small enough to stay in the cache until the matrix product has
read them, and no lock of Python is held from the first to the last. They take float32, one group of channels,
and one or two axes.
"""

import numpy as np

from kerasette.functions.compiled.images import (
    col2im_to_lines,
    im2col_of_lines,
    im2col_of_one,
    lines_of,
    two_axes,
)
from kerasette.functions.compiled.jit import jit, product, sgemm_address, suits_products, turned_product
from kerasette.functions.convolution import SMALL_PRODUCT

__all__ = ["correlate", "kernel_gradient", "spread"]

ROOM = 1 << 17  # numbers in the windows of the images taken at a time


def correlate(x, kernel, y, places, groups, scratch):
    if not _fits(places, groups, x, kernel, y):
        return NotImplemented
    windows = _windows(x, places, y.shape[-1], scratch)
    _correlate(sgemm_address(), lines_of(x), _matrix(kernel), _matrix(y), *windows, *_geometry(x, places))
    return None


def kernel_gradient(x, dy, dkernel, cols, places, groups, scratch):
    if not _fits(places, groups, x, dy, dkernel):
        return NotImplemented
    ends, windows = (_matrix(dy), _matrix(dkernel)), _windows(x, places, dy.shape[-1], scratch)
    _kernel_gradient(sgemm_address(), lines_of(x), *ends, *windows, *_geometry(x, places))
    return None


def spread(dy, kernel, dx, places, groups, scratch):
    if not _fits(places, groups, dy, kernel, dx):
        return NotImplemented
    weights = np.ascontiguousarray(_matrix(kernel).T)
    windows = _windows(dx, places, dy.shape[-1], scratch)
    _spread(sgemm_address(), _matrix(dy), weights, lines_of(dx), *windows, *_geometry(dx, places))
    return None


def _fits(places, groups, *arrays):
    known = groups == 1 and len(places.window) <= 2 and not places.is_pixel
    return known and suits_products(*arrays)


def _matrix(array):
    """Returns (..., n) as (rows, n); a kernel (*K, C, F) as (K C, F)."""
    return array.reshape(-1, array.shape[-1])


def _windows(images, places, filters, scratch):
    """Returns room for the windows of some images, as (N, H, W, kh, kw C) and as matrix.

    Images whose product is small are taken one by one, as in `functions/convolution.py`.
    """
    window, positions = (1, *places.window)[-2:], (1, *places.positions)[-2:]
    depth, count = window[0] * window[1] * images.shape[-1], positions[0] * positions[1]
    room = 1 if depth * count * filters <= SMALL_PRODUCT else ROOM // max(1, depth * count)
    number = max(1, min(len(images), room))
    cols = scratch("windows", (number, *positions, window[0], window[1] * images.shape[-1]), images.dtype)
    return cols, cols.reshape(number * count, depth)


def _geometry(images, places):
    return (images.shape[-1], *two_axes(places.window, places.strides, places.dilation, places.before))


@jit
def _fill(lines, cols, channels, window, strides, dilation, before):
    if channels == 1:
        im2col_of_one(lines, cols, channels, window, strides, dilation, before)
    else:
        im2col_of_lines(lines, cols, channels, window, strides, dilation, before)


@jit
def _correlate(sgemm, lines, kernel, y, cols, matrix, channels, window, strides, dilation, before):
    count = cols.shape[1] * cols.shape[2]
    for start in range(0, len(lines), len(cols)):
        stop = min(start + len(cols), len(lines))
        _fill(lines[start:stop], cols[: stop - start], channels, window, strides, dilation, before)
        rows = matrix[: (stop - start) * count]
        product(sgemm, rows, kernel, y[start * count : stop * count])


@jit
def _kernel_gradient(sgemm, lines, dy, dkernel, cols, matrix, channels, window, strides, dilation, before):
    count = cols.shape[1] * cols.shape[2]
    dkernel[:] = 0
    for start in range(0, len(lines), len(cols)):
        stop = min(start + len(cols), len(lines))
        _fill(lines[start:stop], cols[: stop - start], channels, window, strides, dilation, before)
        rows = matrix[: (stop - start) * count]
        turned_product(sgemm, rows, dy[start * count : stop * count], dkernel, np.float32(1))


@jit
def _spread(sgemm, dy, weights, lines, cols, matrix, channels, window, strides, dilation, before):
    count = cols.shape[1] * cols.shape[2]
    for start in range(0, len(lines), len(cols)):
        stop = min(start + len(cols), len(lines))
        product(sgemm, dy[start * count : stop * count], weights, matrix[: (stop - start) * count])
        lines[start:stop] = 0
        col2im_to_lines(cols[: stop - start], lines[start:stop], channels, window, strides, dilation, before)
