"""A convolution with windows of 3 x 3 pixels and the maximum of each 2 x 2 of its results, in one.

The four results come out as four arrays, so that their maximum is one of whole arrays, and they never stand
in an image. Where channels are many, `winograd` brings them; where they are few, each is a matrix product of
tiles of 4 x 4 pixels with a kernel that is zero outside 3 x 3 of them. A number that isn't finite may spread
over the four results of its tile.
"""

import itertools
import math

from kerasette.backend import xp_of
from kerasette.functions import patches, winograd
from kerasette.functions.common import blocks
from kerasette.functions.convolution import conv, conv_backward, deliver, new_arrays, packed, room_for
from kerasette.functions.core import add_bias, sum_rows
from kerasette.functions.kernels import swappable
from kerasette.functions.pooling import max_pool, max_pool_backward
from kerasette.functions.windows import largest, shares
from kerasette.functions.winograd import ONE, STEP, TILE
from kerasette.shapes import windows

FEW = 4  # channels that are worth products with zeros
BLOCK = 2**20  # numbers in the results of one block of images
PLACES = tuple(  # where the kernel stands on a tile for each of its four results: an index of (4, 4, 4, C, F)
    (2 * row + column, slice(row, row + 3), slice(column, column + 3))
    for row, column in itertools.product(range(2), repeat=2)
)


def conv_max_pool(x, kernel, bias=None, padding="valid", keep=True, *, out=None, scratch=None):
    """Computes `max_pool(conv(x, kernel, bias, padding=padding), 2)`.

    Args:
        x: images (N, H, W, C).
        kernel: (3, 3, C, F).
        bias: (F,), or None.
        padding: of the convolution, "valid" or "same".
        keep: whether backward will follow.
        out: destination (N, H', W', F).
        scratch: as in `conv`.

    Returns:
        y (N, H', W', F), and the cache for `conv_max_pool_backward`.

    Raises:
        InvalidValue: where the windows don't fit.
    """
    scratch = scratch or new_arrays(xp_of(x))
    places = windows(x.shape[1:-1], kernel.shape[:-2], padding=padding, owner="conv_max_pool")
    halves = windows(places.positions, 2, 2, owner="conv_max_pool").positions
    places = places._replace(positions=tuple(2 * count for count in halves))
    way = _way(x, kernel, places)
    if way is None:

        def whole(name, shape, dtype):
            return scratch(f"whole {name}", shape, dtype)

        y, before = conv(x, kernel, bias, padding=padding, positions=places.positions, scratch=whole)
        y, cache = max_pool(y, 2, keep=keep, out=out, scratch=scratch)
        return y, (None, before, cache)
    y = room_for(out, scratch, "y", (len(x), *halves, kernel.shape[-1]), x.dtype)
    tiles, winners = way[0](y, x, kernel, places, keep, scratch)
    if bias is not None:
        add_bias(y, bias)
    return deliver(y, out), (way[1], x, tiles, winners, kernel, places, bias is not None, scratch)


def conv_max_pool_backward(dy, cache, *, need_dx=True, dx=None, dkernel=None, dbias=None):
    """Returns dx, dkernel, dbias of `conv_max_pool`: dy counts for the first maximum of each four.

    Args and returns: as in `conv_backward`.
    """
    if cache[0] is None:
        _, before, after = cache
        dy = max_pool_backward(dy, after)
        return conv_backward(dy, before, need_dx=need_dx, dx=dx, dkernel=dkernel, dbias=dbias)
    gradients, x, tiles, winners, kernel, places, has_bias, scratch = cache
    dy = packed(dy, scratch, "dy")
    room = room_for(dkernel, scratch, "dkernel", kernel.shape, dy.dtype)
    image = room_for(dx, scratch, "dx", x.shape, dy.dtype) if need_dx else None
    gradients(dy, x, tiles, winners, kernel, places, room, image, scratch)
    dbias = sum_rows(dy, dbias) if has_bias else None
    return deliver(image, dx) if need_dx else None, deliver(room, dkernel), dbias


def _way(x, kernel, places):
    """Returns how to compute the maxima, and the way back: two functions, or None."""
    if kernel.shape[:-2] == (3, 3) and kernel.shape[2] == x.shape[-1] <= FEW:
        return direct_maxima, direct_maxima_gradients
    if winograd.pays(x, kernel, places):
        return winograd.tiled_maxima, winograd.tiled_maxima_gradients
    return None


# ---------------------------------------------------------------- few channels


@swappable
def direct_maxima(y, x, kernel, places, keep, scratch):
    """Does what `winograd.tiled_maxima` does, by one product for each of the four results."""
    xp, weights, parts = xp_of(x), _shifted(kernel, scratch), _blocks(y)
    winners = scratch("winners", (4, *y.shape), bool) if keep else None
    for part in parts:
        cols = _tiles(x[part], y, places, scratch)
        results = scratch("results", (4, len(cols), y.shape[-1]), x.dtype)
        xp.matmul(cols, weights, out=results)
        largest(results.reshape(4, *y[part].shape), y[part], winners[:, part] if keep else None)
    return cols if len(parts) == 1 else None, winners


@swappable
def direct_maxima_gradients(dy, x, tiles, winners, kernel, places, dkernel, dx, scratch):
    """Does what `winograd.tiled_maxima_gradients` does."""
    xp, weights = xp_of(dy), _shifted(kernel, scratch)
    total, share = (scratch(name, weights.shape, dy.dtype) for name in ("total", "share"))
    for number, part in enumerate(_blocks(dy)):
        cols = _tiles(x[part], dy, places, scratch) if tiles is None else tiles
        dresults = scratch("results", (4, *dy[part].shape), dy.dtype)
        shares(dy[part], winners, dresults, part)
        dresults = dresults.reshape(4, -1, dy.shape[-1])
        xp.matmul(cols.T, dresults, out=share if number else total)
        if number:
            total += share
        if dx is not None:
            dcols = xp.matmul(dresults, weights.swapaxes(1, 2)).sum(0)
            dcols = dcols.reshape(*dy[part].shape[:-1], *TILE, x.shape[-1])
            patches.col2im(dcols, dx[part], TILE, STEP, ONE, places.before, scratch)
    dkernel[...] = sum(total.reshape(4, 4, 4, *kernel.shape[2:])[place] for place in PLACES)


def _tiles(x, y, places, scratch):
    """Returns the tiles of images `x` as rows (tiles, 16 C)."""
    cols = scratch("cols", (len(x), *y.shape[1:-1], *TILE, x.shape[-1]), x.dtype)
    patches.im2col(x, cols, TILE, STEP, ONE, places.before, scratch)
    return cols.reshape(-1, 16 * x.shape[-1])


def _shifted(kernel, scratch):
    """Returns the kernel as it stands on a tile for each of its four results, zeros around: (4, 16 C, F)."""
    weights = scratch("weights", (4, 4, 4, *kernel.shape[2:]), kernel.dtype)
    weights.fill(0)
    for place in PLACES:
        weights[place] = kernel
    return weights.reshape(4, -1, kernel.shape[-1])


def _blocks(y):
    """Returns slices of images whose four results hold up to BLOCK numbers."""
    return blocks(len(y), 4 * math.prod(y.shape[1:]), BLOCK)
