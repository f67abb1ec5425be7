"""Windows of images as rows of a matrix, and the way back: what turns a convolution into a matrix product.

Both work on blocks of images with zeros around them that fit the cache. NumPy copies any view at the speed
of memory, but adds fast only where both arrays are contiguous: so the way back copies first and adds then.
"""

import itertools
import math
from functools import lru_cache

from kerasette.backend import xp_of
from kerasette.functions.kernels import swappable

GRID = 2**16  # numbers of a block of padded images
SHORT = 5  # a run of fewer numbers isn't worth a copy of its own


@swappable
def im2col(x, cols, window, strides, dilation, before, scratch=None):
    """Writes each window of `x` into `cols`; what lies outside `x` is zero.

    Args:
        x: images (N, *S, C).
        cols: destination (N, *O, *window, C), contiguous; its O says how many positions there are.
        window, strides, dilation: of the window, one number for each axis of S.
        before: how many zeros stand before each axis.
        scratch: `scratch(name, shape, dtype)` gives work arrays; new ones by default.

    Returns:
        cols.
    """
    lengths = padded_lengths(x.shape[1:-1], cols.shape[1:], window, strides, dilation, before)
    if lengths == x.shape[1:-1] and not any(before):
        _copy_windows(x, cols, window, strides, dilation)
        return cols
    shape = (images_at_once(x, lengths), *lengths, x.shape[-1])
    grid = _work(x, scratch, "padded", shape)
    grid.fill(0)
    inside = inside_zeros(x.shape[1:-1], before)
    for start in range(0, len(x), shape[0]):
        images = x[start : start + shape[0]]
        block = grid[: len(images)]
        block[inside] = images
        _copy_windows(block, cols[start : start + shape[0]], window, strides, dilation)
    return cols


@swappable
def col2im(cols, dx, window, strides, dilation, before, scratch=None):
    """Adds up in `dx` what the windows in `cols` hold of each pixel: the transpose of `im2col`.

    Args:
        cols: (N, *O, *window, C).
        dx: destination (N, *S, C); what it held before is gone.
        window, strides, dilation, before: as in `im2col`.
        scratch: `scratch(name, shape, dtype)` gives work arrays; new ones by default.

    Returns:
        dx.
    """
    lengths = padded_lengths(dx.shape[1:-1], cols.shape[1:], window, strides, dilation, before)
    shape = (images_at_once(dx, lengths), *lengths, dx.shape[-1])
    total, part = _work(dx, scratch, "added", (2, *shape))
    moves = _moves(cols.shape[1 : 1 + len(window)], window, strides, dilation, shape[1:])
    inside = inside_zeros(dx.shape[1:-1], before)
    for start in range(0, len(dx), shape[0]):
        images = dx[start : start + shape[0]]
        _add_windows(cols[start : start + shape[0]], total[: len(images)], part[: len(images)], moves)
        images[...] = total[: len(images)][inside]
    return dx


def padded_lengths(lengths, positions, window, strides, dilation, before):
    """Returns the lengths of images with all the zeros that windows touch."""
    axes = zip(lengths, positions, window, strides, dilation, before, strict=False)
    return tuple(max((o - 1) * s + (k - 1) * d + 1, p + n) for n, o, k, s, d, p in axes)


def inside_zeros(lengths, before):
    """Returns the index of the images among their zeros."""
    return (slice(None), *(slice(p, p + n) for n, p in zip(lengths, before, strict=True)))


def images_at_once(x, lengths):
    """Returns how many padded images one block has."""
    return max(1, min(len(x), GRID // max(1, math.prod(lengths) * x.shape[-1])))


def _work(like, scratch, name, shape):
    if scratch is None:
        return xp_of(like).empty(shape, like.dtype)
    return scratch(name, shape, like.dtype)


def _copy_windows(x, cols, window, strides, dilation):
    """Writes the windows of `x`, none of which reaches beyond it, into `cols`."""
    batch, *axes, channel = x.strides
    steps = [s * step for s, step in zip(strides, axes, strict=True)]
    inner = [d * step for d, step in zip(dilation, axes, strict=True)]
    every = (batch, *steps, *inner, channel)
    view = xp_of(x).lib.stride_tricks.as_strided(x, cols.shape, every)  # the same pixel in many places
    if x.shape[-1] == 1 and (window[-1] < SHORT or dilation[-1] > 1):
        for offset in itertools.product(*map(range, window)):
            place = (..., *offset, slice(None))
            cols[place] = view[place]
    else:
        cols[...] = view


@lru_cache(maxsize=256)
def _moves(positions, window, strides, dilation, shape):
    """Plans `_add_windows`: (shift, whether to clear, [(place in the window, pixels)]) for each move.

    A window is cut into tiles of one stride. The pixels under one tile of all windows are different ones,
    so they can be copied into an image; that image, moved by the tile's place (`shift` numbers of the flat
    array), is what the tile adds to the result.
    """
    tiles = {}
    for offset in itertools.product(*map(range, window)):
        pairs = [divmod(k * d, s) for k, d, s in zip(offset, dilation, strides, strict=True)]
        tiles.setdefault(tuple(tile for tile, _ in pairs), []).append((offset, [rest for _, rest in pairs]))
    moves, written = [], None
    for tile, members in tiles.items():
        shift = 0
        for at, s, length in zip(tile, strides, shape, strict=False):
            shift = shift * length + at * s
        rests = [rest for _, rest in members]
        pixels = [
            ((..., *offset, slice(None)), (slice(None), *map(every, rest, positions, strides)))
            for offset, rest in members
        ]
        moves.append((shift * shape[-1], rests != written, pixels))
        written = rests if any(tile) else None
    return tuple(moves)


def every(first, count, step):
    return slice(first, first + max(0, (count - 1) * step + 1), step)


def _add_windows(cols, total, part, moves):
    """Writes the sum of the windows in `cols` on `total`; `part` is a work array like it."""
    total.fill(0)
    flat_total, flat_part = total.reshape(-1), part.reshape(-1)
    for shift, clear, pixels in moves:
        target = part if shift else total
        if shift and clear:
            part.fill(0)
        for place, where in pixels:
            target[where] = cols[place]
        if shift:
            later = flat_total[shift:]
            later += flat_part[: later.size]
