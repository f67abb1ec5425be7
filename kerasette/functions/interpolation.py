"""Interpolation along one axis as a matrix: the weights that TensorFlow's resizing gives each pixel.

Pixel i of a line covers [i, i + 1], so its centre is i + 0.5; pixel o of n that are made of m lies at
(o + 0.5) m / n. Positions are computed in float32, as TensorFlow does, so that ties fall to the same side.
"""

from functools import lru_cache

import numpy as np

from kerasette.backend import to_module

CUBIC = -0.5  # Keys 1981: the free parameter with which parabolas are met exactly
PHASES = 1024  # TensorFlow's bicubic weights are those of the nearest of so many positions between two pixels


def _triangle(x):
    return np.maximum(1 - x, 0.0)


def _cubic(x):
    near = ((CUBIC + 2) * x - (CUBIC + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * CUBIC - 4 * CUBIC
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _lanczos(radius):
    return lambda x: np.where(x < radius, np.sinc(x) * np.sinc(x / radius), 0.0)


# How a pixel's weight falls with its distance.
KERNELS = {"bilinear": _triangle, "bicubic": _cubic, "lanczos3": _lanczos(3), "lanczos5": _lanczos(5)}
INTERPOLATIONS = ("nearest", *KERNELS)


@lru_cache(maxsize=256)
def interpolation(length: int, size: int, method: str, antialias: bool = False) -> np.ndarray:
    """Returns the matrix (size, length) that turns a line of `length` pixels into one of `size`.

    Each row adds up to 1. Nobody writes on the array: all callers share it.

    Args:
        length, size: of the line before and after.
        method: one of INTERPOLATIONS.
        antialias: whether, where the line gets shorter, the kernel gets as many times wider.

    >>> interpolation(2, 4, "bilinear")
    array([[1.  , 0.  ],
           [0.75, 0.25],
           [0.25, 0.75],
           [0.  , 1.  ]])
    """
    pixels = np.arange(length)[None, :]
    if method == "nearest":
        weights = (pixels == _nearest(length, size)).astype("float64")
    elif method == "bilinear" and not antialias:
        weights = _triangle(abs(np.clip(_positions(length, size), 0, length - 1) - pixels))
    elif method == "bicubic" and not antialias:
        weights = _cubic(abs(_in_phases(_positions(length, size)) - pixels))
    else:
        ratio = np.float32(1) / (np.float32(size) / np.float32(length))  # so here, in TensorFlow
        width = max(float(ratio), 1.0) if antialias else 1.0
        weights = KERNELS[method](abs(_positions(length, size, ratio) - pixels) / width)
    weights /= weights.sum(axis=1, keepdims=True)
    weights.flags.writeable = False
    return weights


def _centres(length, size, ratio=None):
    """Returns the centres of the new pixels among the old ones, (size, 1), in float32."""
    ratio = np.float32(length) / np.float32(size) if ratio is None else ratio
    return ((np.arange(size, dtype="float32") + np.float32(0.5)) * ratio)[:, None]


def _positions(length, size, ratio=None):
    """Returns the centres, counted in pixels from the centre of the first one."""
    return (_centres(length, size, ratio) - np.float32(0.5)).astype("float64")


def _nearest(length, size):
    return np.minimum(np.floor(_centres(length, size)), length - 1)


def _in_phases(positions):
    """Returns positions rounded to the nearest phase between two pixels."""
    below = np.floor(positions)
    return below + np.rint((positions - below) * PHASES) / PHASES


@lru_cache(maxsize=256)
def framed(length: int, size: int, method: str, antialias: bool, start: int, count: int):
    """Returns the interpolation of `count` pixels from `start` on, of a line of `length`.

    Those outside the line are left out. So a box inside the line crops it, a larger one pads it.

    Args:
        length, size: of the line before and after.
        method, antialias: as in `interpolation`.
        start, count: of the box; `start` may be negative.

    Returns:
        The matrix (size, length), and the share of each row that lies inside the line, (size,).
    """
    low, high = max(start, 0), min(start + count, length)
    weights = np.zeros((size, length))
    weights[:, low:high] = interpolation(count, size, method, antialias)[:, low - start : high - start]
    weights.flags.writeable = False
    return weights, weights.sum(axis=1)


@lru_cache(maxsize=256)
def framed_on(xp, dtype: str, *frame):
    """Returns the matrix of `framed(*frame)` as an array of `xp`; all callers share it."""
    return to_module(xp, framed(*frame)[0], dtype)


@lru_cache(maxsize=64)
def outside_on(xp, dtype: str, rows: tuple, columns: tuple):
    """Returns the share of each pixel of the result that lies outside the image, (height, width, 1).

    Args:
        xp, dtype: module and type of the result.
        rows, columns: arguments of `framed` for the two axes.
    """
    inside = framed(*rows)[1][:, None] * framed(*columns)[1]
    return to_module(xp, (1.0 - inside)[..., None], dtype)


def aspect_box(height: int, width: int, size: tuple[int, int], inside: bool):
    """Returns the centred box with the aspect ratio of `size`: ((top, height), (left, width)), as in Keras.

    Args:
        height, width: of the image.
        size: the height and width whose ratio is wanted.
        inside: whether it is the largest box inside the image, else the smallest one around it; then what is
            added is the same on both sides, so one pixel of it may be missing.

    >>> aspect_box(4, 8, (10, 10), inside=True), aspect_box(4, 8, (10, 10), inside=False)
    (((0, 4), (2, 4)), ((-2, 8), (0, 8)))
    """
    fitting = width * size[0] // size[1], height * size[1] // size[0]
    if inside:
        lengths = [max(min(n, fit), 1) for n, fit in zip((height, width), fitting, strict=True)]
        return tuple(((n - m) // 2, m) for n, m in zip((height, width), lengths, strict=True))
    extra = [max(fit - n, 0) // 2 for n, fit in zip((height, width), fitting, strict=True)]
    return tuple((-more, n + 2 * more) for n, more in zip((height, width), extra, strict=True))
