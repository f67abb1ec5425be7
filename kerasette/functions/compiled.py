"""Hot loops compiled by numba: the functions of the same names elsewhere say what each one does.

They take what their loops suit (contiguous arrays of one float type, images with one or two axes) and
return NotImplemented for the rest. No operation is reordered for speed, so results differ from NumPy's
by rounding at most, and not from run to run.
"""

import ctypes
from functools import cache

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

__all__ = [
    "adam_step",
    "add_bias",
    "bias_relu",
    "bias_relu_backward",
    "col2im",
    "depthwise_gradient",
    "depthwise_scatter",
    "depthwise_windows",
    "deviation_products",
    "deviation_sums",
    "im2col",
    "max_pool_scatter",
    "max_pool_windows",
    "mix_deviations",
    "momentum_step",
    "relu_gradient",
    "rmsprop_step",
    "scale_deviations",
    "sum_rows",
    "sum_scatter",
    "sum_windows",
]

SHORT = 16  # numbers in a row of a window below which NumPy's loops over all windows are faster

jit = numba.njit(nogil=True, cache=True, error_model="numpy")


def _suits(*arrays) -> bool:
    """Tells whether the arrays are contiguous and of one float type that the loops know."""
    dtype = arrays[0].dtype
    return dtype in (np.float32, np.float64) and all(
        a.dtype == dtype and a.flags.c_contiguous for a in arrays
    )


# ---------------------------------------------------------------- windows of images as rows


def im2col(x, cols, window, strides, dilation, before, scratch=None):
    short = window[-1] * x.shape[-1] < SHORT
    if len(window) > 2 or not _suits(x, cols) or (short and x.shape[-1] > 1):
        return NotImplemented
    loop = _im2col_of_one if short else _im2col
    loop(_lines(x), _segments(cols), x.shape[-1], *_two(window, strides, dilation, before))
    return cols


def col2im(cols, dx, window, strides, dilation, before, scratch=None):
    if len(window) > 2 or not _suits(cols, dx) or window[-1] * dx.shape[-1] < SHORT:
        return NotImplemented
    dx.fill(0)
    _col2im(_segments(cols), _lines(dx), dx.shape[-1], *_two(window, strides, dilation, before))
    return dx


def _lines(images):
    """Returns images (N, H, W, C) or (N, W, C) as (N, H, W C)."""
    height = images.shape[1] if images.ndim == 4 else 1
    return images.reshape(len(images), height, images.shape[-2] * images.shape[-1])


def _segments(cols):
    """Returns windows (N, *O, *K, C) as (N, H, W, kh, kw C)."""
    if cols.ndim == 6:
        return cols.reshape(*cols.shape[:4], cols.shape[4] * cols.shape[5])
    return cols.reshape(len(cols), 1, cols.shape[1], 1, cols.shape[2] * cols.shape[3])


def _two(window, strides, dilation, before):
    """Returns the geometry for two axes; an axis before the only one has a window of 1."""
    if len(window) == 2:
        return tuple(window), tuple(strides), tuple(dilation), tuple(before)
    return (1, *window), (1, *strides), (1, *dilation), (0, *before)


@jit
def _im2col(lines, cols, channels, window, strides, dilation, before):
    height, length, run = lines.shape[1], lines.shape[2], cols.shape[4]
    for image in range(cols.shape[0]):
        for i in range(cols.shape[1]):
            for j in range(cols.shape[2]):
                left = (j * strides[1] - before[1]) * channels
                inside = dilation[1] == 1 and left >= 0 and left + run <= length
                for p in range(window[0]):
                    row, segment = i * strides[0] + p * dilation[0] - before[0], cols[image, i, j, p]
                    if row < 0 or row >= height:
                        segment[:] = 0
                    elif inside:
                        source = lines[image, row, left : left + run]
                        for t in range(run):
                            segment[t] = source[t]
                    else:
                        for q in range(window[1]):
                            start, part = left + q * dilation[1] * channels, segment[q * channels :]
                            if start < 0 or start >= length:
                                part[:channels] = 0
                            else:
                                source = lines[image, row, start : start + channels]
                                for t in range(channels):
                                    part[t] = source[t]


@jit
def _im2col_of_one(lines, cols, channels, window, strides, dilation, before):
    """The same for images of one channel: each element of all windows in a line, then the next element."""
    height, width = lines.shape[1], lines.shape[2]
    for image in range(cols.shape[0]):
        for i in range(cols.shape[1]):
            for p in range(window[0]):
                row = i * strides[0] + p * dilation[0] - before[0]
                inside = 0 <= row < height
                for q in range(window[1]):
                    first = q * dilation[1] - before[1]
                    for j in range(cols.shape[2]):
                        column = j * strides[1] + first
                        if inside and 0 <= column < width:
                            cols[image, i, j, p, q] = lines[image, row, column]
                        else:
                            cols[image, i, j, p, q] = 0


@jit
def _col2im(cols, lines, channels, window, strides, dilation, before):
    height, length, run = lines.shape[1], lines.shape[2], cols.shape[4]
    for image in range(cols.shape[0]):
        for i in range(cols.shape[1]):
            for j in range(cols.shape[2]):
                left = (j * strides[1] - before[1]) * channels
                inside = dilation[1] == 1 and left >= 0 and left + run <= length
                for p in range(window[0]):
                    row, segment = i * strides[0] + p * dilation[0] - before[0], cols[image, i, j, p]
                    if row < 0 or row >= height:
                        continue
                    if inside:
                        target = lines[image, row, left : left + run]
                        for t in range(run):
                            target[t] += segment[t]
                        continue
                    for q in range(window[1]):
                        start, part = left + q * dilation[1] * channels, segment[q * channels :]
                        if 0 <= start < length:
                            target = lines[image, row, start : start + channels]
                            for t in range(channels):
                                target[t] += part[t]


# ---------------------------------------------------------------- pooling


def max_pool_windows(x, y, window, strides, before, scratch, keep=True):
    if len(window) > 2 or not _suits(x, y) or np.prod(window) > 255:
        return NotImplemented
    winners = scratch("winners", y.shape, np.uint8)
    if tuple(window) == tuple(strides) == (2, 2) and not any(before):
        _max_pool_of_four(x, y, winners)
    else:
        _pool(_max_pool, (x, y, winners), window, strides, before)
    return winners


def max_pool_scatter(dy, winners, dx, window, strides, before, scratch):
    if winners.dtype != np.uint8 or not _suits(dy, dx):
        return NotImplemented
    side_by_side = tuple(window) == tuple(strides) and not any(before)
    whole = side_by_side and all(
        o * s == n for o, s, n in zip(dy.shape[1:], strides, dx.shape[1:], strict=False)
    )
    return _pool(_max_pool_place if whole else _max_pool_scatter, (dy, winners, dx), window, strides, before)


def sum_windows(x, y, window, strides, before, scratch):
    if len(window) > 2 or not _suits(x, y):
        return NotImplemented
    return _pool(_sum_windows, (x, y), window, strides, before)


def sum_scatter(dy, dx, window, strides, before, scratch):
    if len(window) > 2 or not _suits(dy, dx):
        return NotImplemented
    return _pool(_sum_scatter, (dy, dx), window, strides, before)


def _pool(loop, arrays, window, strides, before):
    """Runs a loop over windows; images with one axis become images with two."""
    arrays = [array[:, None] for array in arrays] if len(window) == 1 else arrays
    loop(*arrays, *_two(window, strides, (1,) * len(window), before))


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


# ---------------------------------------------------------------- a kernel for each channel


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
    if rank > 2 or not _suits(x, weights, y) or x.shape[-1] != y.shape[-1]:
        return NotImplemented
    if rank == 1:
        x, weights, y = x[:, None], weights[None], y[:, None]
    loop(x, weights, y, *_two(weights.shape[2 - rank : 2], strides, dilation, before)[1:])
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


# ---------------------------------------------------------------- rows, bias, ReLU


def add_bias(y, bias):
    if not _suits(y, bias):
        return NotImplemented
    _add_bias(y.reshape(-1, y.shape[-1]), bias)
    return y


def sum_rows(x, out=None):
    if not _suits(x) or x.ndim < 2:
        return NotImplemented
    total = np.zeros(x.shape[-1])
    _sum_rows(x.reshape(-1, x.shape[-1]), total)
    if out is None:
        return total.astype(x.dtype)
    out[...] = total
    return out


def bias_relu(y, bias):
    if not _suits(y, bias):
        return NotImplemented
    _bias_relu(y.reshape(-1, y.shape[-1]), bias)
    return y


def bias_relu_backward(dy, y, *, dx=None, dbias=None):
    dx = np.empty_like(dy) if dx is None else dx
    if not _suits(dy, y, dx):
        return NotImplemented
    total, rows = np.zeros(dy.shape[-1]), (-1, dy.shape[-1])
    _bias_relu_backward(dy.reshape(rows), y.reshape(rows), dx.reshape(rows), total)
    if dbias is None:
        return dx, total.astype(dy.dtype)
    dbias[...] = total
    return dx, dbias


def relu_gradient(dy, y, dx=None):
    dx = np.empty_like(dy) if dx is None else dx
    if not _suits(dy, y, dx):
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


# ---------------------------------------------------------------- rows of channels, for batch normalization


def deviation_sums(x, shift, work):
    if not _suits(x, shift):
        return NotImplemented
    sums = np.zeros((2, len(shift)))
    _deviation_sums(x, shift, *sums)
    return sums.astype(x.dtype)


def scale_deviations(x, shift, scale, offset, y):
    if not _suits(x, shift, scale, offset, y):
        return NotImplemented
    return _scale_deviations(x, shift, scale, offset, y)


def deviation_products(x, shift, dy, work):
    if not _suits(x, shift, dy):
        return NotImplemented
    sums = np.zeros((2, len(shift)))
    _deviation_products(x, shift, dy, *sums)
    return sums.astype(x.dtype)


def mix_deviations(x, shift, slope, offset, dy, scale, dx):
    if not _suits(x, shift, slope, offset, dy, scale, dx):
        return NotImplemented
    return _mix_deviations(x, shift, slope, offset, dy, scale, dx)


@jit
def _deviation_sums(x, shift, sums, squares):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            deviation = x[i, j] - shift[j]
            sums[j] += deviation
            squares[j] += deviation * deviation


@jit
def _scale_deviations(x, shift, scale, offset, y):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            y[i, j] = (x[i, j] - shift[j]) * scale[j] + offset[j]


@jit
def _deviation_products(x, shift, dy, along, plain):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            along[j] += (x[i, j] - shift[j]) * dy[i, j]
            plain[j] += dy[i, j]


@jit
def _mix_deviations(x, shift, slope, offset, dy, scale, dx):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            dx[i, j] = ((x[i, j] - shift[j]) * slope[j] + offset[j] + dy[i, j]) * scale[j]


# ---------------------------------------------------------------- optimizers: one block of a run


@jit
def adam_step(theta, grad, momentum, velocity, scratch, alpha, rest_1, rest_2, epsilon):
    a, r1, r2, e = alpha[()], rest_1[()], rest_2[()], epsilon[()]
    for i in range(theta.size):
        g = grad[i]
        m = momentum[i] + (g - momentum[i]) * r1
        v = velocity[i] + (g * g - velocity[i]) * r2
        momentum[i] = m
        velocity[i] = v
        theta[i] -= m * a / (np.sqrt(v) + e)


@jit
def momentum_step(theta, grad, velocity, scratch, learning_rate, momentum):
    a, mu = learning_rate[()], momentum[()]
    for i in range(theta.size):
        v = velocity[i] * mu - grad[i] * a
        velocity[i] = v
        theta[i] += v


@jit
def rmsprop_step(theta, grad, velocity, scratch, learning_rate, rho, rest, epsilon, momentum):
    a, p, r, e = learning_rate[()], rho[()], rest[()], epsilon[()]
    for i in range(theta.size):
        g = grad[i]
        v = velocity[i] * p + g * g * r
        velocity[i] = v
        theta[i] -= g * a / np.sqrt(v + e)


# ---------------------------------------------------------------- matrix products inside of a loop


@cache
def sgemm_address() -> int:
    """Returns where cblas_sgemm of NumPy's own BLAS stands in memory, or 0 where it isn't found.

    Of the forms that there are only OpenBLAS with long integers is known here; wheels of NumPy bring it.
    """
    from threadpoolctl import ThreadpoolController

    for library in ThreadpoolController().lib_controllers:
        for name in ("scipy_cblas_sgemm64_", "cblas_sgemm64_"):
            function = getattr(library.dynlib, name, None) if "numpy" in library.filepath else None
            if function is not None:
                return ctypes.cast(function, ctypes.c_void_p).value
    return 0


@intrinsic
def _call_sgemm(typing, address, turned, m, n, k, a, lda, b, ldb, keep, c, ldc):
    """Calls cblas_sgemm at `address` for rows: c = a b + keep c, or a^T b + keep c where `turned` is 112."""
    long, real = numba.types.int64, numba.types.float32
    pointer = numba.types.CPointer(real)
    signature = numba.types.void(
        long, numba.types.int32, long, long, long, pointer, long, pointer, long, real, pointer, long
    )

    def generate(context, builder, signature, values):
        number, long, real = ir.IntType(32), ir.IntType(64), ir.FloatType()
        array = real.as_pointer()
        types = [*[number] * 3, long, long, long, real, array, long, array, long, real, array, long]
        where, turned, m, n, k, a, lda, b, ldb, keep, c, ldc = values
        rows, plain, one = ir.Constant(number, 101), ir.Constant(number, 111), ir.Constant(real, 1.0)
        function = builder.inttoptr(where, ir.FunctionType(ir.VoidType(), types).as_pointer())
        builder.call(function, [rows, turned, plain, m, n, k, one, a, lda, b, ldb, keep, c, ldc])
        return context.get_dummy_value()

    return signature, generate


@jit
def product(sgemm, a, b, c):
    """Computes c = a b for contiguous float32 matrices."""
    k, n = b.shape
    _call_sgemm(sgemm, 111, len(a), n, k, a.ctypes, k, b.ctypes, n, np.float32(0), c.ctypes, n)


@jit
def turned_product(sgemm, a, b, c, keep=np.float32(0)):  # noqa: B008 (a constant)
    """Computes c = a^T b + keep c for contiguous float32 matrices."""
    (k, m), n = a.shape, b.shape[1]
    _call_sgemm(sgemm, 112, m, n, k, a.ctypes, m, b.ctypes, n, keep, c.ctypes, n)
