"""Changes of images as functions of what was drawn for them: affine maps, flips, crops, contrast, brightness.

Images are (N, H, W, C) where nothing else is said. Nothing loops over samples.
"""

import math

from kerasette.backend import xp_of
from kerasette.functions.common import put
from kerasette.functions.shaping import mean_axes

FILL_MODES = ("reflect", "wrap", "constant", "nearest")
INTERPOLATIONS = ("nearest", "bilinear")

# ---------------------------------------------------------------- affine maps


def affine_transform(
    x, transform, interpolation="bilinear", fill_mode="constant", fill_value=0.0, size=None, *, out=None
):
    """Reads each pixel of the output from where an affine map of its place points to in the input.

    The pixel in column u and row v comes from column a0 u + a1 v + a2 and row b0 u + b1 v + b2, as in
    keras.ops.image.affine_transform.

    Args:
        x: (N, H, W, C).
        transform: (N, 6): a0, a1, a2, b0, b1, b2; or (N, 4): a0, a2, b1, b2 of maps that keep rows and
            columns apart (a1 = b0 = 0), which are cheaper; or a list of these numbers, for all images.
        interpolation: "bilinear" (of the four pixels around) or "nearest".
        fill_mode: what stands outside the image: "reflect" (d c b a | a b c d | d c b a), "wrap"
            (a b c d | a b c d), "nearest" (a a a a | a b c d) or "constant".
        fill_value: the value outside where `fill_mode` is "constant".
        size: height and width of the output; by default those of the input.
        out: destination (N, height, width, C).

    Returns:
        y (N, height, width, C), and the cache for `affine_transform_backward`.
    """
    xp = xp_of(x)
    settings = interpolation, fill_mode, x.shape[1:3] if size is None else tuple(size)
    planes = _planes(x)  # (C, N H W)
    rows, columns = _neighbours(xp, x, transform, *settings)
    y = 0.0  # (C, N, height, width)
    for index, weight in _taps(rows, columns):
        part = planes.take(index, axis=1)
        part *= weight
        part += y
        y = part
    if fill_mode == "constant" and fill_value:
        inside = sum(weight for _, weight in rows) * sum(weight for _, weight in columns)
        y += (1.0 - inside) * fill_value
    return put(xp.moveaxis(y, 0, 3), out), (x, transform, settings)


def affine_transform_backward(dy, cache, *, dx=None):
    """Returns dx: every pixel of dy is added to those that it was read from, by the same weights."""
    x, transform, settings = cache
    xp = xp_of(dy)
    rows, columns = _neighbours(xp, x, transform, *settings)
    gradients = _planes(dy).reshape(x.shape[3], *dy.shape[:3])
    dx = xp.empty(x.shape, dy.dtype) if dx is None else dx
    taps = [(index.reshape(-1), weight) for index, weight in _taps(rows, columns)]
    for channel, dplane in enumerate(gradients):
        total = xp.zeros(x.size // x.shape[3], dy.dtype)
        for index, weight in taps:
            xp.add.at(total, index, (dplane * weight).reshape(-1))
        dx[..., channel] = total.reshape(x.shape[:3])
    return dx


def _planes(x):
    """Returns (N, H, W, C) as (C, N H W): long rows, however few channels there are."""
    return xp_of(x).moveaxis(x, 3, 0).reshape(x.shape[3], -1)


def _neighbours(xp, x, transform, interpolation, fill_mode, size):
    """Returns for the rows and for the columns a list of (pixel, weight), broadcastable to (N, *size).

    The rows are counted in pixels from the beginning of the batch.
    """
    a0, a1, a2, b0, b1, b2 = _coefficients(transform)
    v = xp.arange(size[0], dtype=x.dtype)[:, None]
    u = xp.arange(size[1], dtype=x.dtype)
    column = a0 * u + a2 if a1 is None else a0 * u + a1 * v + a2
    row = b1 * v + b2 if b0 is None else b0 * u + b1 * v + b2
    count, height, width, _ = x.shape
    rows, columns = (
        _pixels(xp, _folded(xp, place, length, fill_mode), length, interpolation, fill_mode)
        for place, length in ((row, height), (column, width))
    )
    first = (xp.arange(count) * (height * width))[:, None, None]
    return [(first + pixel * width, weight) for pixel, weight in rows], columns


def _coefficients(transform):
    """Returns a0, a1, a2, b0, b1, b2, numbers or (N, 1, 1); a1 and b0 are None where they are 0."""
    single = isinstance(transform, list)
    parts = transform if single else [transform[:, k, None, None] for k in range(transform.shape[1])]
    return parts if len(parts) == 6 else [parts[0], None, parts[1], None, parts[2], parts[3]]


def _folded(xp, place, length, fill_mode):
    """Returns places outside 0 to `length` - 1 moved to where `fill_mode` finds their value.

    TensorFlow's rules (which are SciPy's): a wrapped image repeats its border pixels only once.
    """
    if fill_mode == "constant":
        return place
    last = length - 1
    if last and fill_mode == "reflect":
        place -= xp.floor(place * (0.5 / length)) * (2.0 * length)
        place = xp.minimum(place, (2.0 * length - 1.0) - place)
    elif last and fill_mode == "wrap":
        turns = xp.trunc(place / last) - (place < 0.0)
        place = xp.where((place < 0.0) | (place > last), place - length * turns, place)
    return xp.clip(place, 0.0, last)


def _pixels(xp, place, length, interpolation, fill_mode):
    """Returns [(whole number of a pixel, its weight)] for places along one axis; 0 counts outside."""
    if interpolation == "nearest":
        low = xp.trunc(place + xp.copysign(0.5, place))
        found = [(low, xp.ones_like(place))]
    else:
        low = xp.floor(place)
        part = place - low
        found = [(low, 1.0 - part), (low + 1.0, part)]
    if fill_mode == "constant":
        found = [(pixel, weight * ((pixel >= 0.0) & (pixel < length))) for pixel, weight in found]
    return [(xp.clip(pixel, 0.0, length - 1).astype("int64"), weight) for pixel, weight in found]


def _taps(rows, columns):
    """Yields (number of a pixel in the whole batch, its weight), each (N, height, width)."""
    for row, row_weight in rows:
        for column, column_weight in columns:
            yield row + column, row_weight * column_weight


def rotations(angle, height, width):
    """Returns the maps (N, 6) that turn images about their centre by `angle` (N, 1), in radians."""
    xp = xp_of(angle)
    x, y = (width - 1) / 2.0, (height - 1) / 2.0
    cos, sin = xp.cos(angle), xp.sin(angle)
    return xp.concatenate([cos, -sin, x - x * cos + y * sin, sin, cos, y - x * sin - y * cos], axis=1)


def zooms(vertical, horizontal, height, width):
    """Returns the maps (N, 4) that shrink images about their centre by the factors, both (N, 1)."""
    xp = xp_of(vertical)
    x, y = (width - 1) / 2.0, (height - 1) / 2.0
    return xp.concatenate([horizontal, x - x * horizontal, vertical, y - y * vertical], axis=1)


def translations(down, right):
    """Returns the maps (N, 4) that move images by so many pixels, both (N, 1)."""
    xp = xp_of(down)
    one = xp.ones_like(down)
    return xp.concatenate([one, -right, one, -down], axis=1)


# ---------------------------------------------------------------- flips and crops


def flip_where(x, flips, axes, *, out=None):
    """Reverses the order along `axes` of those samples for which `flips` is True.

    Args:
        x: any shape, samples first.
        flips: (N,), bool.
        axes: one or several of the other axes.
        out: destination like x.
    """
    xp = xp_of(x)
    key = tuple(slice(None, None, -1) if axis in axes else slice(None) for axis in range(x.ndim))
    y = xp.empty(x.shape, x.dtype) if out is None else out
    y[...] = x
    xp.copyto(y, x[key], where=flips.reshape(-1, *(1,) * (x.ndim - 1)))
    return y, (flips, axes)


def flip_where_backward(dy, cache, *, dx=None):
    """Returns dy, flipped in the same way."""
    return flip_where(dy, *cache, out=dx)[0]


def crop_at(x, start, size, *, out=None):
    """Cuts the same window out of all images.

    Args:
        x: (N, H, W, C).
        start: (1, 2), whole numbers: its first row and column. An array, so that no device has to wait.
        size: its height and width.
        out: destination (N, height, width, C).
    """
    xp = xp_of(x)
    rows, columns = (start[0, k] + xp.arange(size[k]) for k in (0, 1))
    return put(x.take(rows, axis=1).take(columns, axis=2), out), (x.shape, rows, columns)


def crop_at_backward(dy, cache, *, dx=None):
    """Returns dy at the window's place, and zeros around it."""
    shape, rows, columns = cache
    dx = xp_of(dy).empty(shape, dy.dtype) if dx is None else dx
    dx[...] = 0.0
    dx[:, rows[:, None], columns] = dy
    return dx


def fit_window(x, size, *, out=None):
    """Cuts out the largest centred window with the proportions of `size`, and stretches it to `size`.

    Bilinear, with the borders of the outer pixels on one another: keras.layers.Resizing with
    crop_to_aspect_ratio.

    Args:
        x: (N, H, W, C).
        size: height and width of the result.
        out: destination (N, height, width, C).
    """
    row, column, height, width = _window(*x.shape[1:3], size)
    inner = x[:, row : row + height, column : column + width]
    across, down = width / size[1], height / size[0]
    stretched = [across, across / 2 - 0.5, down, down / 2 - 0.5]
    y, cache = affine_transform(inner, stretched, "bilinear", "nearest", size=size, out=out)
    return y, (x.shape, (row, column), cache)


def fit_window_backward(dy, cache, *, dx=None):
    """Returns the transpose of the stretching at the window's place, and zeros around it."""
    shape, (row, column), cache = cache
    dx = xp_of(dy).empty(shape, dy.dtype) if dx is None else dx
    dx[...] = 0.0
    height, width = cache[0].shape[1:3]
    affine_transform_backward(dy, cache, dx=dx[:, row : row + height, column : column + width])
    return dx


def _window(height, width, size):
    """Returns (row, column, height, width) of the largest centred window with the proportions of `size`."""
    inner = max(min(height, math.floor(width * size[0] / size[1])), 1)
    across = max(min(width, math.floor(height * size[1] / size[0])), 1)
    return (height - inner) // 2, (width - across) // 2, inner, across


# ---------------------------------------------------------------- contrast and brightness


def adjust_contrast(x, factor, low, high, *, out=None):
    """Computes y = (x - mean) factor + mean for each image and channel, kept between `low` and `high`.

    Args:
        x: (N, H, W, C).
        factor: (N, 1, 1, 1).
        low, high: the range of y.
        out: destination like x.
    """
    y = _contrasted(x, factor, out)
    xp_of(x).clip(y, low, high, out=y)
    return y, (x, factor, low, high)


def adjust_contrast_backward(dy, cache, *, dx=None):
    """Returns dx = g factor + mean(g (1 - factor)), where g is dy without what was cut off."""
    x, factor, low, high = cache
    kept = dy * _inside(_contrasted(x, factor), low, high)
    return _contrasted(kept, factor, dx)


def _contrasted(x, factor, out=None):
    """Returns (x - mean) factor + mean: a linear map that is its own transpose."""
    xp = xp_of(x)
    mean = mean_axes(mean_axes(x, 1, True)[0], 2, True)[0]
    row = xp.broadcast_to(mean * (1.0 - factor), (len(x), 1, *x.shape[2:])).copy()
    y = xp.multiply(x, factor, out=out)
    y += row  # as long as the rows of y: adding only the channels at a time would be slow
    return y


def adjust_brightness(x, delta, low, high, *, out=None):
    """Computes y = x + delta, kept between `low` and `high`.

    Args:
        x: (N, H, W, C).
        delta: (N, 1, 1, 1).
        low, high: the range of y.
        out: destination like x.
    """
    xp = xp_of(x)
    y = xp.add(x, delta, out=out)
    xp.clip(y, low, high, out=y)
    return y, (x, delta, low, high)


def adjust_brightness_backward(dy, cache, *, dx=None):
    """Returns dy where nothing was cut off, else 0."""
    x, delta, low, high = cache
    return xp_of(dy).multiply(dy, _inside(x + delta, low, high), out=dx)


def _inside(values, low, high):
    return (values >= low) & (values <= high)
