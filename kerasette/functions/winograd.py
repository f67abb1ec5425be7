"""Convolution with windows of 3 x 3 pixels by fewer multiplications: Winograd's F(2 x 2, 3 x 3).

Four results that lie side by side need a tile of 4 x 4 pixels. Computed one by one they take 4 x 9
multiplications for each channel and filter, here 16: with matrices B, G and A of whole numbers and halves,

    Y = A^T [ (G g G^T) * (B^T d B) ] A        d: tile, g: kernel, Y: 2 x 2 results, *: number by number

(Lavin & Gray 2016, "Fast algorithms for convolutional neural networks", arXiv:1509.09308; Winograd 1980). The
16 numbers of a tile keep to themselves until the end, so that over channels it is 16 matrix products. Each
of the three maps is linear, so its gradient is its transpose. Results are rounded about as those of a plain
convolution, gradients up to twice as much; a number that isn't finite spreads over all results of its tile.
"""

import math
from functools import lru_cache

import numpy as np

from kerasette.backend import xp_of
from kerasette.functions import patches
from kerasette.functions.common import blocks
from kerasette.functions.kernels import compiled, swappable
from kerasette.functions.windows import largest, put_together, shares, take_apart

TILE, STEP = (4, 4), (2, 2)  # pixels in a tile, and from one to the next
ONE, NONE = (1, 1), (0, 0)  # pixels from one of a tile to the next, and before the first result
ROOM = 2**18  # numbers in the tiles of one block of images
APART = 16  # numbers between rows whose length may be a power of two, which would share lines of a cache
LEAST_WEIGHTS = 512  # fewer channels times filters aren't worth the way to tiles and back
LEAST_TILES = 48  # fewer aren't worth mapping the kernel
WORTH = 2**22  # multiplications to save before the tiles are worth their array calls
WORTH_COMPILED = 2**20  # and where those are few

_B = np.array([[1, 0, 0, 0], [0, 1, -1, 1], [-1, 1, 1, 0], [0, 0, 0, -1]])
_G = np.array([[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]]) / 2
_A = np.array([[1, 0], [1, 1], [1, -1], [0, -1]])
MAPS = {  # of a tile, a kernel and products as vectors
    "tile": np.kron(_B.T, _B.T),  # B^T d B: (16, 16)
    "kernel": np.kron(_G, _G),  # G g G^T: (16, 9)
    "results": np.kron(_A.T, _A.T),  # A^T m A: (4, 16)
}


def pays(x, kernel, places) -> bool:
    """Tells whether the convolution of `x` (N, H, W, C) with `kernel` (*K, C / groups, F) is faster so.

    It depends on shapes and on the kernels that are in use.
    """
    saved = _saved(x.shape, kernel.shape, places)
    return saved >= WORTH or (saved >= WORTH_COMPILED and compiled("tiled_correlate") is not None)


@lru_cache(maxsize=1024)
def _saved(x, kernel, places):
    """Returns how many multiplications are saved for these shapes; none where tiles aren't worth it."""
    if places.window != (3, 3) or any(n > 1 for n in (*places.strides, *places.dilation)):
        return -math.inf
    weights, tiles = math.prod(kernel[2:]), math.prod(tiles_of(places))
    if kernel[2] != x[-1] or weights < LEAST_WEIGHTS or x[0] * tiles < LEAST_TILES:
        return -math.inf
    return x[0] * (9 * math.prod(places.positions) - 16 * tiles) * weights


def tiles_of(places) -> tuple[int, int]:
    """Returns how many tiles lie one below the other and side by side."""
    return tuple(-(-count // 2) for count in places.positions)


# ---------------------------------------------------------------- convolution


@swappable
def tiled_correlate(x, kernel, y, places, scratch):
    """Writes the convolution of `x` (N, H, W, C) with `kernel` (3, 3, C, F) on `y` (N, H', W', F).

    Args:
        places: shapes.Windows.
        scratch: `scratch(name, shape, dtype)` gives work arrays.

    Returns:
        What `tiled_gradients` can use again: the tiles of x, where they all were at hand, else None.
    """

    def deliver(part, quarters):
        put_together(quarters, y[part], STEP, STEP, NONE, scratch)

    return _convolve(x, kernel, places, scratch, deliver)


@swappable
def tiled_gradients(dy, x, tiles, kernel, places, dkernel, dx, scratch):
    """Writes the gradients of `tiled_correlate` by kernel and x on `dkernel` and, unless None, on `dx`.

    Args:
        dy: gradient by y, (N, H', W', F).
        x, kernel, places, scratch: as before.
        tiles: what `tiled_correlate` returned.
    """

    def collect(part, dquarters):
        take_apart(dy[part], dquarters, STEP, STEP, NONE)

    _convolve_backward(collect, x, tiles, kernel, places, dkernel, dx, scratch)


@swappable
def tiled_maxima(y, x, kernel, places, keep, scratch):
    """Writes the maximum of each four results of `tiled_correlate` on `y` (N, H' / 2, W' / 2, F).

    Args:
        x, kernel, scratch: as before.
        places: shapes.Windows, with even numbers of positions.
        keep: whether `tiled_maxima_gradients` will follow.

    Returns:
        The tiles as before; and which of four is the first maximum, as `windows.largest` writes it, or None.
    """
    winners = scratch("winners", (4, *y.shape), bool) if keep else None

    def deliver(part, quarters):
        largest(quarters, y[part], winners[:, part] if keep else None)

    return _convolve(x, kernel, places, scratch, deliver), winners


@swappable
def tiled_maxima_gradients(dy, x, tiles, winners, kernel, places, dkernel, dx, scratch):
    """Writes the gradients of `tiled_maxima` on `dkernel` and, unless None, on `dx`; dy: like its y."""

    def collect(part, dquarters):
        shares(dy[part], winners, dquarters, part)

    _convolve_backward(collect, x, tiles, kernel, places, dkernel, dx, scratch)


def _convolve(x, kernel, places, scratch, deliver):
    """Calls `deliver` with each block of images and its results (4, N, rows, columns, F); returns tiles."""
    xp, weights, parts = xp_of(x), tiled_kernel(kernel, scratch), _blocks(x, places)
    for part in parts:
        tiles = _tiles(x[part], places, scratch)
        products = room(scratch, "products", (*tiles.shape[:4], kernel.shape[-1]), x.dtype)
        xp.matmul(_rows(tiles), weights, out=_rows(products))
        deliver(part, _map("results", products, room(scratch, "results", (4, *products.shape[1:]), x.dtype)))
    return tiles if len(parts) == 1 else None


def _convolve_backward(collect, x, tiles, kernel, places, dkernel, dx, scratch):
    """The way back: `collect` writes the gradients by the results of each block on the array it is given."""
    xp, turned = xp_of(x), tiled_kernel(kernel.swapaxes(2, 3), scratch)  # (16, F, C)
    total, share = (room(scratch, name, (16, *kernel.shape[2:]), x.dtype) for name in ("total", "share"))
    for number, part in enumerate(_blocks(x, places)):
        here = _tiles(x[part], places, scratch) if tiles is None else tiles
        shape = (*here.shape[1:4], kernel.shape[-1])
        dresults = room(scratch, "results", (4, *shape), x.dtype)
        collect(part, dresults)
        dproducts = _map_back("results", dresults, room(scratch, "products", (16, *shape), x.dtype))
        xp.matmul(_rows(here).swapaxes(1, 2), _rows(dproducts), out=share if number else total)
        if number:
            total += share
        if dx is not None:
            dtiles = room(scratch, "dtiles", here.shape, x.dtype)
            xp.matmul(_rows(dproducts), turned, out=_rows(dtiles))
            dpixels = _map_back("tile", dtiles, room(scratch, "pixels", here.shape, x.dtype))
            put_together(dpixels, dx[part], TILE, STEP, places.before, scratch)
    tiled_kernel_backward(total, dkernel)


# ---------------------------------------------------------------- the three maps


def tiled_kernel(kernel, scratch):
    """Returns G g G^T for each channel and filter of a kernel (3, 3, C, F): (16, C, F)."""
    flat = kernel.reshape(9, *kernel.shape[2:])
    return _map("kernel", flat, room(scratch, "weights", (16, *flat.shape[1:]), kernel.dtype))


def tiled_kernel_backward(dweights, dkernel):
    """Writes the gradient of `tiled_kernel` on `dkernel` (contiguous)."""
    _map_back("kernel", dweights, dkernel.reshape(9, *dweights.shape[1:]))


def _tiles(x, places, scratch):
    """Returns B^T d B for each tile and channel of images `x`: (16, N, rows, columns, C)."""
    shape = (16, len(x), *tiles_of(places), x.shape[-1])
    pixels = room(scratch, "pixels", shape, x.dtype)
    windows = pixels.reshape(*TILE, *shape[1:]).transpose(2, 3, 4, 0, 1, 5)
    patches.im2col(x, windows, TILE, STEP, ONE, places.before, scratch)
    return _map("tile", pixels, room(scratch, "tiles", shape, x.dtype))


def _map(name, parts, out, back=False):
    """Writes a map of the first axis of parts (k, N, rows, columns, C), or its transpose, on out; returns it.

    That is a product for each row, short enough that BLAS needs no copies of its own.
    """
    xp = xp_of(parts)
    xp.matmul(_matrix(xp, name, back, parts.dtype), _by_row(parts), out=_by_row(out))
    return out


def _map_back(name, parts, out):
    return _map(name, parts, out, back=True)


@lru_cache
def _matrix(xp, name, back, dtype):
    """Returns the matrix of a map, or its transpose, as an array of module `xp`."""
    return xp.asarray(np.array(MAPS[name].T if back else MAPS[name], dtype, order="C"))


def _by_row(parts):
    """Returns a view of (k, N, rows, columns, C) as (N rows, k, columns C), of (k, C, F) as (C, k, F)."""
    count = math.prod(parts.shape[1 : max(2, parts.ndim - 2)])
    return parts.reshape(len(parts), count, -1).swapaxes(0, 1)


def _rows(parts):
    """Returns a view of (k, N, rows, columns, C) as (k, tiles, C)."""
    return parts.reshape(len(parts), -1, parts.shape[-1])


def room(scratch, name, shape, dtype):
    """Returns a work array of `shape` whose rows on the first axis are APART."""
    length = math.prod(shape[1:])
    return scratch(name, (shape[0], length + APART), dtype)[:, :length].reshape(shape)


def _blocks(x, places):
    """Returns slices of images whose tiles hold up to ROOM numbers."""
    return blocks(len(x), 16 * math.prod(tiles_of(places)) * x.shape[-1], ROOM)
