"""Every activation of Keras 3, with its derivative: the smooth ones and the two softmaxes.

Every pair has one form::

    y, cache = f(x, ..., out=None)
    dx = f_backward(dy, cache, *, dx=None)

`x` and `y` have any one shape. Where the cache holds nothing of x, `out` may be x itself; `IN_PLACE` of
`kerasette.activations` lists those. `dx` may be `dy` itself. Large arguments give no overflow and no warning.
The piecewise linear ones are in `kerasette.functions.rectifiers`.
"""

import math

from kerasette.backend import xp_of
from kerasette.errors import value_error
from kerasette.functions.common import at_least, put, row_peaks, row_sums
from kerasette.functions.special import erf

# exp() of these neither overflows nor makes the reciprocal a (slow) denormal; by bytes of the type.
_EXP_LIMIT = {2: 9.0, 4: 87.0, 8: 708.0}
_SQRT_HALF = math.sqrt(0.5)
_GELU_TANH = math.sqrt(2.0 / math.pi)
_GELU_CUBE = 0.044715
_MISH_LIMIT = 20.0  # from here on tanh(softplus(x)) is 1 in float64, and exp(x)**4 still fits float32


def _room(dx, dy):
    """Returns `dx` as a place for intermediate values; None where it is `dy`, which is still needed."""
    return None if dx is dy else dx


def linear(x, *, out=None):
    """Returns `x` itself (or its copy in `out`), and an empty cache."""
    return (x if out is None else put(x, out)), None


def linear_backward(dy, cache, *, dx=None):
    """Returns `dy` itself, or its copy in `dx`."""
    return dy if dx is None else put(dy, dx)


# ---------------------------------------------------------------- sigmoid and tanh


def sigmoid(x, *, out=None):
    """Computes y = 1 / (1 + exp(-x)); `out` may be `x`."""
    xp = xp_of(x)
    y = at_least(x, -_EXP_LIMIT[x.dtype.itemsize], out)
    xp.negative(y, out=y)
    xp.exp(y, out=y)
    y += 1.0
    y = xp.reciprocal(y, out=y)
    return y, y


def sigmoid_backward(dy, cache, *, dx=None):
    """Returns dy y (1 - y)."""
    xp = xp_of(dy)
    slope = xp.subtract(1.0, cache, out=_room(dx, dy))
    slope *= cache
    return xp.multiply(dy, slope, out=slope if dx is None else dx)


def tanh(x, *, out=None):
    """Computes y = tanh(x); `out` may be `x`."""
    y = xp_of(x).tanh(x, out=out)
    return y, y


def tanh_backward(dy, cache, *, dx=None):
    """Returns dy (1 - y^2)."""
    xp = xp_of(dy)
    slope = xp.multiply(cache, cache, out=_room(dx, dy))
    xp.subtract(1.0, slope, out=slope)
    return xp.multiply(dy, slope, out=slope if dx is None else dx)


def tanh_shrink(x, *, out=None):
    """Computes y = x - tanh(x); `out` may be `x`."""
    xp = xp_of(x)
    bent = xp.tanh(x)
    return xp.subtract(x, bent, out=out), bent


def tanh_shrink_backward(dy, cache, *, dx=None):
    """Returns dy tanh(x)^2."""
    return xp_of(dy).multiply(dy, cache * cache, out=dx)


def softsign(x, *, out=None):
    """Computes y = x / (1 + |x|)."""
    return xp_of(x).divide(x, 1.0 + abs(x), out=out), x


def softsign_backward(dy, cache, *, dx=None):
    """Returns dy / (1 + |x|)^2."""
    size = 1.0 + abs(cache)
    return xp_of(dy).divide(dy, size * size, out=dx)


# ---------------------------------------------------------------- softmax and its kin


def softmax(x, axis=-1, *, out=None):
    """Computes y = exp(x) / sum(exp(x)), stable for any finite `x`; `out` may be `x`.

    Args:
        x: (..., C).
        axis: axis, or axes, of the sum; None for all.
        out: destination.

    Returns:
        y, whose sums over `axis` are 1, and the cache for `softmax_backward`.
    """
    xp = xp_of(x)
    y = xp.subtract(x, row_peaks(xp, x, axis), out=out)
    xp.exp(y, out=y)
    y /= row_sums(xp, y, axis, True)
    return y, (y, axis)


def softmax_backward(dy, cache, *, dx=None):
    """Returns y (dy - sum(dy y))."""
    y, axis = cache
    xp = xp_of(dy)
    product = xp.multiply(dy, y, out=_room(dx, dy))
    dx = xp.subtract(dy, row_sums(xp, product, axis, True), out=product if dx is None else dx)
    dx *= y
    return dx


def log_softmax(x, axis=-1, *, out=None):
    """Computes y = x - log(sum(exp(x))), stable for any finite `x`; `out` may be `x`.

    Args:
        x: (..., C).
        axis: axis, or axes, of the sum; None for all.
        out: destination.

    Returns:
        y and the cache for `log_softmax_backward`.
    """
    xp = xp_of(x)
    y = xp.subtract(x, row_peaks(xp, x, axis), out=out)
    y -= xp.log(row_sums(xp, xp.exp(y), axis, True))
    return y, (y, axis)


def log_softmax_backward(dy, cache, *, dx=None):
    """Returns dy - exp(y) sum(dy)."""
    y, axis = cache
    xp = xp_of(dy)
    return xp.subtract(dy, xp.exp(y) * row_sums(xp, dy, axis, True), out=dx)


def sparsemax(x, axis=-1, *, out=None):
    """Computes the point of the probability simplex nearest to `x` (Martins and Astudillo, 2016).

    Keras 3.15 computes something else where more than one class stays above 0: its rows don't add up to 1.

    Args:
        x: (..., C).
        axis: the axis of the classes.
        out: destination; may be `x`.

    Returns:
        y, whose sums over `axis` are 1, and the cache for `sparsemax_backward`.
    """
    xp = xp_of(x)
    rows = xp.moveaxis(x, axis, -1)
    ordered = xp.sort(rows, axis=-1)[..., ::-1]
    sums = ordered.cumsum(axis=-1) - 1.0
    ranks = xp.arange(1, rows.shape[-1] + 1, dtype=x.dtype)
    support = (ordered > sums / ranks).sum(axis=-1, keepdims=True)  # how many classes stay above 0
    tau = xp.take_along_axis(sums, support - 1, axis=-1) / support.astype(x.dtype)
    y = xp.subtract(x, xp.moveaxis(tau, -1, axis), out=out)
    xp.maximum(y, 0.0, out=y)
    return y, (y, axis)


def sparsemax_backward(dy, cache, *, dx=None):
    """Returns dy less its mean over the classes with y > 0, and 0 for the others."""
    y, axis = cache
    inside = y > 0.0
    size = inside.sum(axis=axis, keepdims=True).astype(dy.dtype)
    shared = (dy * inside).sum(axis=axis, keepdims=True) / size
    return put((dy - shared) * inside, dx)


# ---------------------------------------------------------------- softplus and its kin


def softplus(x, *, out=None):
    """Computes y = log(1 + exp(x)); `out` may be `x`."""
    xp = xp_of(x)
    tail = xp.log1p(xp.exp(-abs(x)))
    y = at_least(x, 0.0, out)
    y += tail
    return y, y


def softplus_backward(dy, cache, *, dx=None):
    """Returns dy sigmoid(x) = dy (1 - exp(-y))."""
    xp = xp_of(dy)
    return xp.multiply(dy, -xp.expm1(-cache), out=dx)


def log_sigmoid(x, *, out=None):
    """Computes y = log(sigmoid(x)); `out` may be `x`."""
    xp = xp_of(x)
    tail = xp.log1p(xp.exp(-abs(x)))
    y = xp.minimum(x, 0.0, out=out)
    y -= tail
    return y, y


def log_sigmoid_backward(dy, cache, *, dx=None):
    """Returns dy sigmoid(-x) = dy (1 - exp(y))."""
    xp = xp_of(dy)
    return xp.multiply(dy, -xp.expm1(cache), out=dx)


def squareplus(x, b=4, *, out=None):
    """Computes y = (x + sqrt(x^2 + b)) / 2 (Barron, 2021), without cancellation for x < 0; `out` may be `x`.

    Args:
        x: any shape.
        b: how wide the bend at 0 is; not negative.
        out: destination.

    Returns:
        y and the cache for `squareplus_backward`.

    Raises:
        InvalidValue: for a negative `b`.
    """
    if b < 0:
        raise value_error(f"squareplus: b must not be negative, got {b!r}.")
    xp = xp_of(x)
    root = xp.sqrt(x * x + float(b))
    # The product of y(x) and y(-x) is b / 4; the small number keeps 0 / 0 away where b and x are 0.
    upper = xp.maximum(0.5 * (abs(x) + root), 1e-30)
    y = put(xp.where(x >= 0.0, upper, 0.25 * float(b) / upper), out)
    return y, (y, xp.maximum(root, 1e-30))


def squareplus_backward(dy, cache, *, dx=None):
    """Returns dy y / sqrt(x^2 + b)."""
    y, root = cache
    return xp_of(dy).multiply(dy, y / root, out=dx)


def sparse_plus(x, *, out=None):
    """Computes y = 0 up to -1, (x + 1)^2 / 4 up to 1, x beyond; `out` may be `x`."""
    xp = xp_of(x)
    slope = xp.clip(0.5 * x + 0.5, 0.0, 1.0)
    return put(xp.where(x < 1.0, slope * slope, x), out), slope


def sparse_plus_backward(dy, cache, *, dx=None):
    """Returns dy times (x + 1) / 2, clipped to [0, 1]."""
    return xp_of(dy).multiply(dy, cache, out=dx)


def exponential(x, *, out=None):
    """Computes y = exp(x); `out` may be `x`."""
    y = xp_of(x).exp(x, out=out)
    return y, y


def exponential_backward(dy, cache, *, dx=None):
    """Returns dy y."""
    return xp_of(dy).multiply(dy, cache, out=dx)


# ---------------------------------------------------------------- gated by themselves


def silu(x, *, out=None):
    """Computes y = x sigmoid(x), also known as swish."""
    gate, _ = sigmoid(x)
    return xp_of(x).multiply(x, gate, out=out), (x, gate)


def silu_backward(dy, cache, *, dx=None):
    """Returns dy s (1 + x (1 - s)), s = sigmoid(x)."""
    x, gate = cache
    slope = (1.0 - gate) * x
    slope += 1.0
    slope *= gate
    return xp_of(dy).multiply(dy, slope, out=dx)


def gelu(x, approximate=False, *, out=None):
    """Computes y = x Phi(x), Phi being the normal distribution function (Hendrycks and Gimpel, 2016).

    Args:
        x: any shape.
        approximate: whether Phi is taken as (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.
        out: destination.

    Returns:
        y and the cache for `gelu_backward`.
    """
    xp = xp_of(x)
    bent = xp.tanh(_GELU_TANH * x * (1.0 + _GELU_CUBE * x * x)) if approximate else erf(x * _SQRT_HALF)
    share = 0.5 + 0.5 * bent
    return xp.multiply(x, share, out=out), (x, share, approximate)


def gelu_backward(dy, cache, *, dx=None):
    """Returns dy (Phi(x) + x Phi'(x))."""
    x, share, approximate = cache
    xp = xp_of(dy)
    if approximate:
        inner = _GELU_TANH * (1.0 + 3.0 * _GELU_CUBE * x * x)
        density = 2.0 * share * (1.0 - share) * inner
    else:
        density = xp.exp(-0.5 * x * x) * (0.5 * _GELU_TANH)
    return xp.multiply(dy, share + x * density, out=dx)


def mish(x, *, out=None):
    """Computes y = x tanh(softplus(x)) (Misra, 2019)."""
    xp = xp_of(x)
    grown = xp.exp(xp.minimum(x, _MISH_LIMIT))
    top = grown * (grown + 2.0)  # (1 + e)^2 - 1; tanh(log(1 + e)) is top / (top + 2)
    return xp.multiply(x, top / (top + 2.0), out=out), (x, grown)


def mish_backward(dy, cache, *, dx=None):
    """Returns dy (t + x (1 - t^2) sigmoid(x)), t = tanh(softplus(x))."""
    x, grown = cache
    top = grown * (grown + 2.0)
    bottom = top + 2.0
    slope = top / bottom + x * (4.0 * grown / bottom) * ((grown + 1.0) / bottom)
    return xp_of(dy).multiply(dy, slope, out=dx)


def glu(x, axis=-1, *, out=None):
    """Computes y = a sigmoid(b) for the halves a and b of `x` along `axis` (Dauphin et al., 2016).

    Args:
        x: (..., 2 C).
        axis: the axis that is halved.
        out: destination (..., C).

    Returns:
        y (..., C) and the cache for `glu_backward`.

    Raises:
        InvalidValue: where the axis has an odd length.
    """
    if x.shape[axis] % 2:
        raise value_error(f"glu halves axis {axis}; its length must be even, got the shape {x.shape}.")
    linear_half, gate = _halves(x, axis)
    gate, _ = sigmoid(gate)
    return xp_of(x).multiply(linear_half, gate, out=out), (linear_half, gate, x.shape, axis)


def _halves(x, axis):
    """Returns views of the two halves of `x` along `axis`."""
    middle = x.shape[axis] // 2
    before = (slice(None),) * (axis % x.ndim)
    return x[(*before, slice(None, middle))], x[(*before, slice(middle, None))]


def glu_backward(dy, cache, *, dx=None):
    """Returns the halves dy s and dy a s (1 - s), s = sigmoid(b), side by side along `axis`."""
    linear_half, gate, shape, axis = cache
    xp = xp_of(dy)
    if dx is None:
        dx = xp.empty(shape, dtype=dy.dtype)
    dlinear, dgate = _halves(dx, axis)
    xp.multiply(dy, gate, out=dlinear)
    xp.multiply(dlinear, linear_half * (1.0 - gate), out=dgate)
    return dx
