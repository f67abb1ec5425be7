"""Einstein sums of an input and a kernel, as transposed axes around one matrix product."""

import math
from functools import lru_cache

from kerasette.backend import xp_of
from kerasette.errors import value_error
from kerasette.functions.core import sum_rows
from kerasette.functions.elementwise import sum_to

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


@lru_cache(maxsize=256)
def spelled_out(equation: str, rank: int) -> tuple[str, str, str]:
    """Returns the letters of input, kernel and output, those that "..." stands for among them.

    Args:
        equation: "ab,bc->ac"; input and output may both begin or both end with "...".
        rank: number of axes of the input.

    Raises:
        InvalidValue: where the equation has another form, names an axis twice in one place, or doesn't
            fit the rank.

    >>> spelled_out("...x,xy->...y", 3)
    ('abx', 'xy', 'aby')
    """
    left, arrow, output = equation.replace(" ", "").partition("->")
    x, comma, kernel = left.partition(",")
    parts = (x, kernel, output)
    plain = [part.replace("...", "", 1) for part in parts]
    open_ends = [part.startswith("...") - part.endswith("...") for part in parts]
    fine = arrow and comma and open_ends[0] == open_ends[2] and not open_ends[1]
    if not fine or not all(part.isalpha() and len(set(part)) == len(part) for part in plain):
        raise value_error(
            f"The einsum equation '{equation}' can't be used.",
            "Write 'ab,bc->ac', '...b,bc->...c' or 'ab...,bc->ac...', each letter once in each part.",
        )
    hidden = rank - len(plain[0])
    if hidden < 0 or (hidden and not open_ends[0]):
        raise value_error(f"The einsum equation '{equation}' doesn't fit inputs with {rank} axes.")
    rest = "".join([letter for letter in _LETTERS if letter not in equation][:hidden])
    if open_ends[0] > 0:
        return rest + plain[0], plain[1], rest + plain[2]
    return plain[0] + rest, plain[1], plain[2] + rest


class _Plan:
    """The axes of an equation by what becomes of them, and the orders that put like ones together.

    Attributes:
        summed: axes of x that are in neither the kernel nor the output.
        x_order, kernel_order: axes in the order (shared, own, contracted) and (shared, contracted, own).
        y_order: where the axes of the output come from in the product's (shared, x's own, kernel's own).
        counts: how many axes are (shared, x's own, contracted, kernel's own).
    """

    def __init__(self, equation, rank):
        x, kernel, y = spelled_out(equation, rank)
        lost = [letter for letter in y if letter not in x + kernel]
        lost += [letter for letter in kernel if letter not in x + y]
        if lost:
            raise value_error(f"The einsum equation '{equation}' names '{lost[0]}' in one place only.")
        self.summed = tuple(axis for axis, letter in enumerate(x) if letter not in kernel + y)
        x = "".join(letter for letter in x if letter in kernel + y)
        shared = [letter for letter in x if letter in kernel and letter in y]
        own = [letter for letter in y if letter not in kernel]
        contracted = [letter for letter in kernel if letter in x and letter not in y]
        new = [letter for letter in y if letter not in x]
        self.x_order = tuple(map(x.index, shared + own + contracted))
        self.kernel_order = tuple(map(kernel.index, shared + contracted + new))
        self.y_order = tuple(map((shared + own + new).index, y))
        self.counts = len(shared), len(own), len(contracted), len(new)


_plan = lru_cache(maxsize=256)(_Plan)


def einsum(x, kernel, bias=None, *, equation, out=None):
    """Computes the Einstein sum of `x` and `kernel`, plus `bias`, by one matrix product.

    Args:
        x: input.
        kernel: the other operand; each of its axes is an axis of x or of y.
        bias: broadcasts to y, or None.
        equation: "abc,cd->abd"; "..." may stand for axes that x and y have in common.
        out: destination like y.

    Returns:
        y, and the cache for `einsum_backward`.
    """
    xp, plan = xp_of(x), _plan(equation, x.ndim)
    rows, shape = _rows(x, plan)  # (B, F, C)
    columns, kernel_shape = _columns(kernel, plan)  # (B, C, K)
    shared, own, contracted, _ = plan.counts
    full = (*shape[: shared + own], *kernel_shape[shared + contracted :])
    y = _ordered(_product(xp, rows, columns, _room(plan.y_order, out)), full, plan.y_order, out)
    if bias is not None:
        y += bias
    return y, (x, kernel, None if bias is None else bias.shape, plan)


def einsum_backward(dy, cache, *, need_dx=True, dx=None, dkernel=None, dbias=None):
    """Returns dx, dkernel and dbias of `einsum`.

    Args:
        dy: gradient by y.
        cache: from `einsum`.
        need_dx: whether dx is wanted; if not, it comes back as None.
        dx, dkernel, dbias: destinations.

    Returns:
        dx or None, dkernel, dbias or None (where there was no bias).
    """
    x, kernel, bias_shape, plan = cache
    xp = xp_of(dy)
    rows, shape = _rows(x, plan)
    columns, kernel_shape = _columns(kernel, plan)
    turned = dy.transpose(_inverse(plan.y_order))  # axes: shared, x's own, kernel's own
    dproduct = turned.reshape(len(rows), rows.shape[1], columns.shape[2])  # (B, F, K)
    order = _inverse(plan.kernel_order)
    dcolumns = _product(xp, rows.swapaxes(1, 2), dproduct, _room(order, dkernel))  # (B, C, K)
    dkernel = _ordered(dcolumns, kernel_shape, order, dkernel)
    dbias = None if bias_shape is None else _bias_gradient(dy, bias_shape, dbias)
    if not need_dx:
        return None, dkernel, dbias
    order = _inverse(plan.x_order)
    room = None if plan.summed else _room(order, dx)
    drows = _product(xp, dproduct, columns.swapaxes(1, 2), room)  # (B, F, C)
    if not plan.summed:
        return _ordered(drows, shape, order, dx), dkernel, dbias
    dx = xp.empty(x.shape, x.dtype) if dx is None else dx
    dx[...] = xp.expand_dims(_ordered(drows, shape, order), plan.summed)
    return dx, dkernel, dbias


def _rows(x, plan):
    """Returns `x` as (shared, own, contracted) matrices, and its shape in that order of axes."""
    if plan.summed:
        x = x.sum(plan.summed)
    x = x.transpose(plan.x_order)
    shared, own, _, _ = plan.counts
    sizes = [math.prod(part) for part in (x.shape[:shared], x.shape[shared : shared + own])]
    return x.reshape(*sizes, math.prod(x.shape[shared + own :])), x.shape


def _columns(kernel, plan):
    """Returns `kernel` as (shared, contracted, own) matrices, and its shape in that order of axes."""
    kernel = kernel.transpose(plan.kernel_order)
    shared, _, contracted, _ = plan.counts
    sizes = [math.prod(p) for p in (kernel.shape[:shared], kernel.shape[shared : shared + contracted])]
    return kernel.reshape(*sizes, math.prod(kernel.shape[shared + contracted :])), kernel.shape


def _product(xp, a, b, out=None):
    """Returns a @ b for stacks of matrices; a single one by the call that is fastest for it."""
    if len(a) == 1:
        return a[0].dot(b[0], None if out is None else out.reshape(a.shape[1], b.shape[2]))
    return xp.matmul(a, b, out=None if out is None else out.reshape(len(a), a.shape[1], b.shape[2]))


def _inverse(order):
    return tuple(order.index(axis) for axis in range(len(order)))


def _room(order, out):
    """Returns the destination `out` where a product can be written straight into it, else None."""
    straight = out is not None and out.flags.c_contiguous and order == tuple(range(len(order)))
    return out if straight else None


def _ordered(product, shape, order, out=None):
    """Returns a product as an array of `shape`, its axes then in `order`; in `out` if that is given."""
    found = product.reshape(shape).transpose(order)
    if out is None:
        return found
    if _room(order, out) is None:
        out[...] = found
    return out


def _bias_gradient(dy, shape, out):
    size = math.prod(shape)
    if dy.shape[dy.ndim - len(shape) :] == shape:  # no axis of length 1 that was spread
        dbias = sum_rows(dy.reshape(-1, size)).reshape(shape)
    else:
        dbias = sum_to(dy, shape)
    if out is None:
        return dbias
    out[...] = dbias
    return out
