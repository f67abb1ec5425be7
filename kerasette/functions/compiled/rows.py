"""Rows of numbers: bias, sums, ReLU, and deviations of channels for batch normalization."""

import numpy as np

from kerasette.functions.compiled.jit import jit, suits

__all__ = [
    "add_bias",
    "bias_relu",
    "bias_relu_backward",
    "deviation_products",
    "deviation_sums",
    "mix_deviations",
    "relu_gradient",
    "scale_deviations",
    "sum_rows",
]

# ---------------------------------------------------------------- bias, sums, ReLU


def add_bias(y, bias):
    if not suits(y, bias):
        return NotImplemented
    _add_bias(y.reshape(-1, y.shape[-1]), bias)
    return y


def sum_rows(x, out=None):
    if not suits(x) or x.ndim < 2:
        return NotImplemented
    total = np.zeros(x.shape[-1])
    _sum_rows(x.reshape(-1, x.shape[-1]), total)
    if out is None:
        return total.astype(x.dtype)
    out[...] = total
    return out


def bias_relu(y, bias):
    if not suits(y, bias):
        return NotImplemented
    _bias_relu(y.reshape(-1, y.shape[-1]), bias)
    return y


def bias_relu_backward(dy, y, *, dx=None, dbias=None):
    dx = np.empty_like(dy) if dx is None else dx
    if not suits(dy, y, dx):
        return NotImplemented
    total, rows = np.zeros(dy.shape[-1]), (-1, dy.shape[-1])
    _bias_relu_backward(dy.reshape(rows), y.reshape(rows), dx.reshape(rows), total)
    if dbias is None:
        return dx, total.astype(dy.dtype)
    dbias[...] = total
    return dx, dbias


def relu_gradient(dy, y, dx=None):
    dx = np.empty_like(dy) if dx is None else dx
    if not suits(dy, y, dx):
        return NotImplemented
    _relu_gradient(dy.reshape(-1), y.reshape(-1), dx.reshape(-1))
    return dx


@jit
def _add_bias(rows, bias):
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            rows[i, j] += bias[j]


@jit
def _bias_relu(rows, bias):
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            y = rows[i, j] + bias[j]
            rows[i, j] = y if y > 0 or np.isnan(y) else 0


@jit
def _bias_relu_backward(dy, y, dx, total):
    for i in range(dy.shape[0]):
        for j in range(dy.shape[1]):
            slope = dy[i, j] * (y[i, j] > 0)
            dx[i, j] = slope
            total[j] += slope


@jit
def _sum_rows(rows, total):
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            total[j] += rows[i, j]


@jit
def _relu_gradient(dy, y, dx):
    for i in range(dy.size):
        dx[i] = dy[i] * (y[i] > 0)


# ---------------------------------------------------------------- channels, for batch normalization

FEW = 32  # rows whose deviations are added up in their own type


def deviation_sums(x, shift, work):
    if not suits(x, shift):
        return NotImplemented
    sums = np.zeros((2, len(shift)))
    _deviation_sums(x, shift, *sums)
    return sums.astype(x.dtype)


def scale_deviations(x, shift, scale, offset, y):
    if not suits(x, shift, scale, offset, y):
        return NotImplemented
    return _scale_deviations(x, shift, scale, offset, y)


def deviation_products(x, shift, dy, work):
    if not suits(x, shift, dy):
        return NotImplemented
    sums = np.zeros((2, len(shift)))
    _deviation_products(x, shift, dy, *sums)
    return sums.astype(x.dtype)


def mix_deviations(x, shift, slope, offset, dy, scale, dx):
    if not suits(x, shift, slope, offset, dy, scale, dx):
        return NotImplemented
    return _mix_deviations(x, shift, slope, offset, dy, scale, dx)


@jit
def _deviation_sums(x, shift, sums, squares):
    first, second = np.zeros(x.shape[1], x.dtype), np.zeros(x.shape[1], x.dtype)
    for start in range(0, x.shape[0], FEW):
        for i in range(start, min(start + FEW, x.shape[0])):
            for j in range(x.shape[1]):
                deviation = x[i, j] - shift[j]
                first[j] += deviation
                second[j] += deviation * deviation
        _fold(first, sums)
        _fold(second, squares)


@jit
def _fold(part, total):
    """Adds `part` to `total`, which has more digits, and clears it."""
    for j in range(part.size):
        total[j] += part[j]
        part[j] = 0


@jit
def _scale_deviations(x, shift, scale, offset, y):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            y[i, j] = (x[i, j] - shift[j]) * scale[j] + offset[j]


@jit
def _deviation_products(x, shift, dy, along, plain):
    first, second = np.zeros(x.shape[1], x.dtype), np.zeros(x.shape[1], x.dtype)
    for start in range(0, x.shape[0], FEW):
        for i in range(start, min(start + FEW, x.shape[0])):
            for j in range(x.shape[1]):
                first[j] += (x[i, j] - shift[j]) * dy[i, j]
                second[j] += dy[i, j]
        _fold(first, along)
        _fold(second, plain)


@jit
def _mix_deviations(x, shift, slope, offset, dy, scale, dx):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            dx[i, j] = ((x[i, j] - shift[j]) * slope[j] + offset[j] + dy[i, j]) * scale[j]
