"""Dense products, bias, dropout, and sums over rows: the pairs that nearly every model runs."""

from kerasette.backend import xp_of
from kerasette.functions.kernels import swappable

PLAIN_ROWS = 128  # up to here adding in the array's own type loses no more than rounding does anyway
LARGE = 1 << 16  # numbers of a matrix that BLAS takes long to read turned
FEW_ROWS = range(8, 65)
STRIPES = 16  # rows added in the array's own type before float64 takes over


def dense(x, kernel, bias=None, *, out=None):
    """Computes y = x kernel + bias over the last axis of `x`.

    Args:
        x: (..., I).
        kernel: (I, O).
        bias: (O,), or None.
        out: destination (..., O), contiguous where `x` has two axes.

    Returns:
        y (..., O) and the cache for `dense_backward`.
    """
    if x.ndim != 2:
        return _dense_any_rank(x, kernel, bias, out)
    y = x.dot(kernel, out)  # (N, O); the method is twice as fast as matmul on small arrays
    if bias is not None:
        add_bias(y, bias)
    return y, (x, kernel, bias is not None)


def dense_backward(dy, cache, *, need_dx=True, dx=None, dkernel=None, dbias=None):
    """Returns dx, dkernel and dbias of `dense` for the gradient `dy` (..., O).

    Args:
        dy: gradient by y, (..., O).
        cache: from `dense`.
        need_dx: whether dx is wanted; if not, it comes back as None.
        dx, dkernel, dbias: destinations (..., I), (I, O), (O,); contiguous.

    Returns:
        dx or None, dkernel, dbias or None (where there was no bias).
    """
    x, kernel, has_bias = cache
    if x.ndim != 2:
        return _dense_any_rank_backward(dy, cache, need_dx, dx, dkernel, dbias)
    dkernel = x.T.dot(dy, dkernel)  # (I, N) (N, O)
    dbias = sum_rows(dy, dbias) if has_bias else None
    dx = _times_turned(dy, kernel, dx) if need_dx else None
    return dx, dkernel, dbias


def _times_turned(dy, kernel, dx):
    """Returns dy kernel^T, (N, O) (O, I).

    BLAS reads a turned matrix the slower the larger it is. With few rows it takes half the time to turn
    these and what comes out, and not the kernel.
    """
    if kernel.size < LARGE or len(dy) not in FEW_ROWS:
        return dy.dot(kernel.T, dx)
    turned = kernel.dot(dy.T)  # (I, O) (O, N)
    return turned.T.copy() if dx is None else _copy(turned.T, dx)


def _dense_any_rank(x, kernel, bias, out):
    shape = (*x.shape[:-1], kernel.shape[1])
    y, _ = dense(_rows(x), kernel, bias, out=_rows_of(out))
    return _unfold(y, shape, out), (x, kernel, bias is not None)


def _dense_any_rank_backward(dy, cache, need_dx, dx, dkernel, dbias):
    x, kernel, has_bias = cache
    folded = (_rows(x), kernel, has_bias)
    rows, dkernel, dbias = dense_backward(
        _rows(dy), folded, need_dx=need_dx, dx=_rows_of(dx), dkernel=dkernel, dbias=dbias
    )
    return _unfold(rows, x.shape, dx) if need_dx else None, dkernel, dbias


def _rows(x):
    """Returns `x` with all its axes but the last one folded into rows."""
    return x.reshape(-1, x.shape[-1])


def _rows_of(out):
    """Returns the rows of a destination, or None where they'd be a copy."""
    return _rows(out) if out is not None and out.flags.c_contiguous else None


def _unfold(rows, shape, out):
    """Returns `rows` as `shape`; in `out` where that is given and wasn't written yet."""
    if out is None:
        return rows.reshape(shape)
    if not out.flags.c_contiguous:
        out[...] = rows.reshape(shape)
    return out


# ---------------------------------------------------------------- sums over rows


@swappable
def add_bias(y, bias):
    """Adds bias (C,) to each row of `y` (..., C), in place; returns y."""
    rows = y[0] if len(y) == 1 else y  # NumPy adds (C,) to (C,) in half the time of (1, C)
    rows += bias
    return y


@swappable
def sum_rows(x, out=None):
    """Sums `x` over all axes but the last, as exactly as its type can hold the result.

    NumPy adds along the first axis one row after another: a million equal float32 rows lose two
    digits that way. So beyond 128 rows, stripes of 16 rows are added in the array's own type and
    the rest in float64, which is exact to the last float32 digit and faster than the plain sum.

    Args:
        x: (..., C).
        out: destination (C,).

    Returns:
        The sums, (C,), of the dtype of `x`.
    """
    if x.ndim != 2:
        x = _rows(x)
    count = len(x)
    if count == 1:
        return _copy(x[0], out)
    if count <= PLAIN_ROWS:
        return x.sum(0, None, out)
    length = count // STRIPES
    # Row r of `stripes` holds the sum of the rows r, r + length, r + 2 length ...
    stripes = x[: length * STRIPES].reshape(STRIPES, -1).sum(0).reshape(length, -1)  # (L, C)
    total = stripes.sum(0, "float64")
    total += x[length * STRIPES :].sum(0, "float64")
    return _copy(total.astype(x.dtype), out)


def _copy(x, out):
    if out is None:
        return x.copy()
    out[...] = x
    return out


# ---------------------------------------------------------------- bias


def bias_add(x, bias, *, out=None):
    """Computes y = x + bias over the last axis.

    Args:
        x: (..., C).
        bias: (C,).
        out: destination like x.

    Returns:
        y (..., C) and the cache for `bias_add_backward`.
    """
    return xp_of(x).add(x, bias, out), None


def bias_add_backward(dy, cache=None, *, need_dx=True, dx=None, dbias=None):
    """Returns dx (or None) and dbias of `bias_add`."""
    return _copy(dy, dx) if need_dx else None, sum_rows(dy, dbias)


# ---------------------------------------------------------------- dropout


def dropout(x, keep, rate, *, out=None):
    """Sets elements to zero and scales the rest by 1 / (1 - rate), so that the mean stays.

    Srivastava et al. 2014, in its inverted form. At rate 1 everything becomes zero.

    Args:
        x: any shape.
        keep: bool, like x or broadcastable to it; False drops. It comes from the caller's generator.
        rate: the probability of False in `keep`, from 0 to 1.
        out: destination like x.

    Returns:
        y like x, and the cache for `dropout_backward`.
    """
    scale = 1 / (1 - rate) if rate < 1 else 0.0
    y = xp_of(x).multiply(x, keep, out)
    y *= scale
    return y, (keep, scale)


def dropout_backward(dy, cache, *, need_dx=True, dx=None):
    """Returns dx = dy keep / (1 - rate), or None where it isn't wanted."""
    if not need_dx:
        return None
    keep, scale = cache
    dx = xp_of(dy).multiply(dy, keep, dx)
    dx *= scale
    return dx
