"""Arithmetic element by element with NumPy's broadcasting, and matrix products, each with its derivative.

Operands are arrays or plain numbers. Every backward takes `need`: for which operands the gradient is
wanted; the others come back as None. A gradient is summed back to the shape of its operand.
"""

from kerasette.backend import is_array, xp_of
from kerasette.functions.common import put

BOTH = (True, True)


def sum_to(values, shape, out=None):
    """Returns `values` summed over the axes along which an operand of `shape` was broadcast.

    Sums run in float64: NumPy adds along leading axes one row after another.

    Args:
        values: array whose shape `shape` broadcasts to.
        shape: of the result.
        out: destination of that shape.

    Returns:
        The sums; `values` itself where nothing was broadcast and there is no destination.
    """
    shape = tuple(shape)
    if values.shape == shape:
        return put(values, out)
    extra = values.ndim - len(shape)
    axes = [axis for axis in range(values.ndim) if axis < extra or shape[axis - extra] != values.shape[axis]]
    sums = values.sum(tuple(axes), "float64").astype(values.dtype)
    return put(sums.reshape(shape), out)


def _xp(*operands):
    return next(xp_of(operand) for operand in operands if is_array(operand))


def _shape(operand):
    return operand.shape if is_array(operand) else ()


def _total(values, operand, out, needed):
    """Returns the gradient of one operand, or None where it isn't wanted."""
    return sum_to(values, _shape(operand), out) if needed else None


# ---------------------------------------------------------------- two operands


def add(x1, x2, *, out=None):
    """Computes y = x1 + x2."""
    return _xp(x1, x2).add(x1, x2, out=out), (_shape(x1), _shape(x2))


def add_backward(dy, cache, *, need=BOTH, dx1=None, dx2=None):
    """Returns dx1 = dy and dx2 = dy, each summed to its shape."""
    shape1, shape2 = cache
    return (
        sum_to(dy, shape1, dx1) if need[0] else None,
        sum_to(dy, shape2, dx2) if need[1] else None,
    )


def subtract(x1, x2, *, out=None):
    """Computes y = x1 - x2."""
    return _xp(x1, x2).subtract(x1, x2, out=out), (_shape(x1), _shape(x2))


def subtract_backward(dy, cache, *, need=BOTH, dx1=None, dx2=None):
    """Returns dx1 = dy and dx2 = -dy."""
    shape1, shape2 = cache
    first = sum_to(dy, shape1, dx1) if need[0] else None
    if not need[1]:
        return first, None
    return first, xp_of(dy).negative(sum_to(dy, shape2), out=dx2)


def multiply(x1, x2, *, out=None):
    """Computes y = x1 x2."""
    return _xp(x1, x2).multiply(x1, x2, out=out), (x1, x2)


def multiply_backward(dy, cache, *, need=BOTH, dx1=None, dx2=None):
    """Returns dx1 = dy x2 and dx2 = dy x1."""
    x1, x2 = cache
    return (
        _product(dy, x2, x1, dx1) if need[0] else None,
        _product(dy, x1, x2, dx2) if need[1] else None,
    )


def _product(dy, factor, operand, out):
    """Returns dy factor, summed to the shape of `operand`; straight into `out` where nothing is summed."""
    xp = xp_of(dy)
    if _shape(operand) == dy.shape:
        return xp.multiply(dy, factor, out=out)
    return sum_to(xp.multiply(dy, factor), _shape(operand), out)


def divide(x1, x2, *, out=None):
    """Computes y = x1 / x2."""
    y = _xp(x1, x2).divide(x1, x2, out=out)
    return y, (x1, x2, y)


def divide_backward(dy, cache, *, need=BOTH, dx1=None, dx2=None):
    """Returns dx1 = dy / x2 and dx2 = -dy y / x2."""
    x1, x2, y = cache
    share = xp_of(dy).divide(dy, x2)
    return (
        _total(share, x1, dx1, need[0]),
        _total(-(share * y), x2, dx2, True) if need[1] else None,
    )


def power(x1, x2, *, out=None):
    """Computes y = x1 ** x2."""
    y = _xp(x1, x2).power(x1, x2, out=out)
    return y, (x1, x2, y)


def power_backward(dy, cache, *, need=BOTH, dx1=None, dx2=None):
    """Returns dx1 = dy x2 x1 ** (x2 - 1) and dx2 = dy y log(x1), which is 0 where x1 isn't positive."""
    x1, x2, y = cache
    xp = xp_of(dy)
    first = second = None
    if need[0]:
        flat = not is_array(x2) and x2 == 0
        slope = xp.zeros_like(dy) if flat else dy * (x2 * xp.power(x1, x2 - 1))
        first = sum_to(slope, _shape(x1), dx1)
    if need[1]:
        base = x1 if is_array(x1) else xp.full((), x1, dtype=dy.dtype)
        positive = base > 0
        logs = xp.log(xp.where(positive, base, 1.0))
        second = sum_to(dy * y * logs, _shape(x2), dx2)
    return first, second


def maximum(x1, x2, *, out=None):
    """Computes y = max(x1, x2)."""
    return _xp(x1, x2).maximum(x1, x2, out=out), (x1, x2, x1 >= x2)


def minimum(x1, x2, *, out=None):
    """Computes y = min(x1, x2)."""
    return _xp(x1, x2).minimum(x1, x2, out=out), (x1, x2, x1 <= x2)


def maximum_backward(dy, cache, *, need=BOTH, dx1=None, dx2=None):
    """Returns dy for the operand that was chosen, 0 for the other; equal ones: the first, as TensorFlow."""
    x1, x2, first = cache
    return (
        _total(dy * first, x1, dx1, True) if need[0] else None,
        _total(dy * ~first, x2, dx2, True) if need[1] else None,
    )


minimum_backward = maximum_backward


# ---------------------------------------------------------------- matrix products


def matmul(x1, x2, *, out=None):
    """Computes the matrix product over the last two axes, batched over those before, as `numpy.matmul`.

    Args:
        x1: (..., I, J), or (J,).
        x2: (..., J, K), or (J,).
        out: destination (..., I, K).

    Returns:
        y and the cache for `matmul_backward`.
    """
    return xp_of(x1).matmul(x1, x2, out=out), (x1, x2)


def matmul_backward(dy, cache, *, need=BOTH, dx1=None, dx2=None):
    """Returns dx1 = dy x2^T and dx2 = x1^T dy, over the last two axes."""
    x1, x2 = cache
    xp = xp_of(dy)
    left = x1[None, :] if x1.ndim == 1 else x1
    right = x2[:, None] if x2.ndim == 1 else x2
    if x2.ndim == 1:
        dy = dy[..., None]
    if x1.ndim == 1:
        dy = dy[..., None, :]
    first = second = None
    if need[0]:
        first = put(sum_to(xp.matmul(dy, right.swapaxes(-1, -2)), left.shape).reshape(x1.shape), dx1)
    if need[1]:
        second = put(sum_to(xp.matmul(left.swapaxes(-1, -2), dy), right.shape).reshape(x2.shape), dx2)
    return first, second


# ---------------------------------------------------------------- one operand


def negative(x, *, out=None):
    """Computes y = -x."""
    return xp_of(x).negative(x, out=out), None


def negative_backward(dy, cache=None, *, dx=None):
    """Returns -dy."""
    return xp_of(dy).negative(dy, out=dx)


def absolute(x, *, out=None):
    """Computes y = |x|."""
    return xp_of(x).absolute(x, out=out), x


def absolute_backward(dy, x, *, dx=None):
    """Returns dy sign(x), 0 at 0 as TensorFlow."""
    xp = xp_of(dy)
    return xp.multiply(dy, xp.sign(x), out=dx)


def exp(x, *, out=None):
    """Computes y = exp(x)."""
    y = xp_of(x).exp(x, out=out)
    return y, y


def exp_backward(dy, y, *, dx=None):
    """Returns dy y."""
    return xp_of(dy).multiply(dy, y, out=dx)


def log(x, *, out=None):
    """Computes the natural logarithm of x."""
    return xp_of(x).log(x, out=out), x


def log_backward(dy, x, *, dx=None):
    """Returns dy / x."""
    return xp_of(dy).divide(dy, x, out=dx)


def log1p(x, *, out=None):
    """Computes the natural logarithm of 1 + x, exact for small x."""
    return xp_of(x).log1p(x, out=out), x


def log1p_backward(dy, x, *, dx=None):
    """Returns dy / (1 + x)."""
    return xp_of(dy).divide(dy, 1.0 + x, out=dx)


def sqrt(x, *, out=None):
    """Computes y = sqrt(x)."""
    y = xp_of(x).sqrt(x, out=out)
    return y, y


def sqrt_backward(dy, y, *, dx=None):
    """Returns dy / (2 y), infinite at 0."""
    return xp_of(dy).divide(dy, 2.0 * y, out=dx)


def square(x, *, out=None):
    """Computes y = x^2."""
    return xp_of(x).square(x, out=out), x


def square_backward(dy, x, *, dx=None):
    """Returns 2 dy x."""
    return xp_of(dy).multiply(dy, 2.0 * x, out=dx)
