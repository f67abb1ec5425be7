"""The largest or the sum of each window of an image, and the way back: the inner loops of pooling.

Plain arrays and tuples of whole numbers, channels last, any number of axes. Each element of the window is one
strided view of the images. NumPy copies such a view at the speed of memory, but compares and adds fast only
where both arrays are contiguous: so every view is copied first.
"""

import itertools
import math
from functools import lru_cache

from kerasette.backend import xp_of
from kerasette.functions.kernels import swappable


@swappable
def max_pool_windows(x, y, window, strides, before, scratch, keep=True):
    """Writes the maximum of each window of `x` to `y`; what lies outside `x` counts as minus infinity.

    A NaN in a window makes its maximum NaN.

    Args:
        x: images (N, *S, C).
        y: destination (N, *O, C); its O says how many positions there are.
        window, strides: of the window, one number for each axis of S.
        before: how many positions of the first window lie before the image, one number for each axis of S.
        scratch: `scratch(name, shape, dtype)` gives work arrays.
        keep: whether `max_pool_scatter` will follow.

    Returns:
        The winners, or None: for each element of the window that lies inside the image somewhere, row by row,
        a bool array like y that is True where it is the maximum, and of equal ones the first.
    """
    places = _places(x.shape[1:-1], y.shape[1:-1], window, strides, before)
    winners = scratch("winners", (len(places), *y.shape), bool) if keep else None
    room = y, scratch("part", y.shape, y.dtype)
    largest((_load(x, room[k > 0], place, -math.inf) for k, (_, *place) in enumerate(places)), y, winners)
    return winners


def largest(parts, y, winners=None):
    """Writes on `y` the largest of the numbers at each place of several arrays like it.

    Args:
        parts: iterable of the arrays, the first of which may be y itself.
        winners: destination (number of parts, *y.shape) of bools, True for the first of the largest; or None.
    """
    xp, best = xp_of(y), None
    for index, part in enumerate(parts):
        if best is None:
            best = part
            continue
        if winners is not None:
            xp.greater(part, best, winners[index])
        best = xp.maximum(best, part, out=y)
    if best is not y:
        y[...] = best
    if winners is not None:
        _leave_last(xp, winners)


def shares(dy, winners, parts, images=slice(None)):
    """Writes the gradients of `largest` on `parts` (number of parts, *dy.shape): dy at the winners, else 0.

    Args:
        dy: gradient by y, or by those of its images that `images` says.
        winners: from `largest`, for all of y; or, like y, the number of the first of the largest parts.
        parts: destination.
        images: slice of y's first axis.
    """
    xp = xp_of(dy)
    for number, part in enumerate(parts):
        if winners.dtype == bool:
            part[...] = winners[number, images]
        else:
            part[...] = xp.equal(winners[images], number)
        part *= dy


def _leave_last(xp, winners):
    """Of the elements that are larger than all before leaves the last one True, else the first element."""
    later = winners[0]
    later.fill(False)
    for larger in winners[:0:-1]:
        xp.greater(larger, later, larger)
        xp.logical_or(later, larger, later)
    xp.logical_not(later, later)


@swappable
def max_pool_scatter(dy, winners, dx, window, strides, before, scratch):
    """Writes the gradient of `max_pool_windows` to `dx`: dy at the first maximum of each window.

    Args:
        dy: gradient by y, (N, *O, C).
        winners: from `max_pool_windows`; or, like y, the numbers of the winning elements, counted row by row.
        dx: destination (N, *S, C); what it held before is gone.
        window, strides, before, scratch: as in `max_pool_windows`.
    """
    xp = xp_of(dy)
    part = scratch("part", dy.shape, dy.dtype)
    places = _places(dx.shape[1:-1], dy.shape[1:-1], window, strides, before)
    row = {number: index for index, (number, _, _) in enumerate(places)}

    def share(number):
        part[...] = winners[row[number]] if winners.dtype == bool else xp.equal(winners, number)
        return xp.multiply(part, dy, part)

    _spread(share, dx, dy.shape[1:-1], window, strides, before, scratch)


@swappable
def sum_windows(x, y, window, strides, before, scratch):
    """Writes the sum of each window of `x` to `y`; what lies outside `x` counts as zero.

    Args:
        x: images (N, *S, C).
        y: destination (N, *O, C).
        window, strides, before, scratch: as in `max_pool_windows`.
    """
    (_, *first), *others = _places(x.shape[1:-1], y.shape[1:-1], window, strides, before)
    part = scratch("part", y.shape, y.dtype)
    _load(x, y, first, 0)
    for _, *place in others:
        _load(x, part, place, 0)
        y += part


@swappable
def sum_scatter(dy, dx, window, strides, before, scratch):
    """Writes the sum of dy over all windows that each pixel is in to `dx`: the transpose of `sum_windows`.

    Args:
        dy: (N, *O, C).
        dx: destination (N, *S, C); what it held before is gone.
        window, strides, before, scratch: as in `max_pool_windows`.
    """
    _spread(lambda number: dy, dx, dy.shape[1:-1], window, strides, before, scratch)


# ---------------------------------------------------------------- one array for each element


def take_apart(x, parts, window, strides, before):
    """Copies each element of all windows of `x` to an array of its own; what lies outside `x` is zero.

    Args:
        x: images (N, *S, C).
        parts: destination (elements of the window row by row, N, *O, C).
        window, strides, before: as in `max_pool_windows`.

    Returns:
        parts.
    """
    places = _places(x.shape[1:-1], parts.shape[2:-1], window, strides, before)
    if len(places) < len(parts):
        parts.fill(0)
    for number, *place in places:
        _load(x, parts[number], place, 0)
    return parts


def put_together(parts, dx, window, strides, before, scratch):
    """Writes the sum of what the windows hold of each pixel to `dx`: the transpose of `take_apart`.

    Args:
        parts: (elements of the window, N, *O, C).
        dx: destination (N, *S, C); what it held before is gone.
        window, strides, before, scratch: as in `max_pool_windows`.
    """
    _spread(lambda number: parts[number], dx, parts.shape[2:-1], window, strides, before, scratch)


# ---------------------------------------------------------------- which pixels


@lru_cache(maxsize=1024)
def _places(lengths, positions, window, strides, before):
    """Returns (number, index of the windows, index of their pixels) for each element of the window.

    They come row by row; those that lie outside the image everywhere are left out. The index of the windows
    is None where every window has its pixel there.
    """
    axes = []
    for n, o, k, s, p in zip(lengths, positions, window, strides, before, strict=True):
        reach = []
        for element in range(k):
            low, high = _inside(element, n, o, s, p)
            if low < high:
                pixels = _steps(low * s + element - p, high - low, s)
                reach.append((element, slice(low, high), pixels, high - low == o))
        axes.append(reach)
    places = []
    for parts in itertools.product(*axes):
        number = _count(window, (element for element, *_ in parts))
        outer = (slice(None), *(windows for _, windows, _, _ in parts))
        inner = (slice(None), *(pixels for _, _, pixels, _ in parts))
        places.append((number, None if all(whole for *_, whole in parts) else outer, inner))
    return tuple(places)


@lru_cache(maxsize=1024)
def _classes(lengths, positions, window, strides, before):
    """Returns (index of pixels, their lengths, [(number, index of windows, index in the class)]) for classes.

    The pixels of a class are one stride apart. Within it, one element of all windows lies side by side.
    """
    axes = []
    for n, o, k, s, p in zip(lengths, positions, window, strides, before, strict=True):
        classes = []
        for rest in range(min(s, n)):
            members = []
            for element in range(k):
                low, high = _inside(element, n, o, s, p)
                shift, other = divmod(element - p - rest, s)
                if other == 0 and low < high:
                    members.append((element, slice(low, high), slice(low + shift, high + shift)))
            count = (n - 1 - rest) // s + 1
            classes.append((_steps(rest, count, s), count, members))
        axes.append(classes)
    found = []
    for parts in itertools.product(*axes):
        members = [
            (
                _count(window, (element for element, _, _ in member)),
                (slice(None), *(windows for _, windows, _ in member)),
                (slice(None), *(pixels for _, _, pixels in member)),
            )
            for member in itertools.product(*(members for _, _, members in parts))
        ]
        pixels = (slice(None), *(pixels for pixels, _, _ in parts))
        found.append((pixels, tuple(count for _, count, _ in parts), members))
    return tuple(found)


def _inside(element, length, positions, stride, before):
    """Returns the first window whose element lies inside the image, and the one behind the last such."""
    low = max(0, -((element - before) // stride))
    return low, min(positions, (length - 1 + before - element) // stride + 1)


def _steps(start, count, step):
    return slice(start, start + (count - 1) * step + 1, step)


def _count(window, element):
    """Returns the number of an element of the window, counted row by row."""
    number = 0
    for k, at in zip(window, element, strict=True):
        number = number * k + at
    return number


# ---------------------------------------------------------------- to and fro


def _load(x, part, place, outside):
    """Copies one element of each window of `x` to `part`; returns it."""
    outer, inner = place
    if outer is None:
        part[...] = x[inner]
        return part
    part.fill(outside)
    part[outer] = x[inner]
    return part


def _spread(share, dx, positions, window, strides, before, scratch):
    """Writes to each pixel of `dx` the sum of what its windows give it: `share(number)` for each element."""
    geometry = dx.shape[1:-1], positions, window, strides, before
    if all(k <= s for k, s in zip(window, strides, strict=True)):  # at most one window for each pixel
        _clear(dx, positions, window, strides, before)
        for number, outer, inner in _places(*geometry):
            given = share(number)
            dx[inner] = given if outer is None else given[outer]
        return
    for pixels, lengths, members in _classes(*geometry):
        sums = scratch("sums", (len(dx), *lengths, dx.shape[-1]), dx.dtype)
        sums.fill(0)
        for number, outer, inner in members:
            total = sums[inner]
            total += share(number)[outer]
        dx[pixels] = sums


def _clear(dx, positions, window, strides, before):
    """Sets to zero the pixels of `dx` that no window reaches, and maybe others."""
    if window != strides:
        dx.fill(0)
        return
    for axis, (o, s, p) in enumerate(zip(positions, strides, before, strict=True), 1):
        beyond = o * s - p  # the first pixel that no window reaches
        if beyond < dx.shape[axis]:
            dx[(slice(None),) * axis + (slice(beyond, None),)] = 0
