"""Activations of pieces: relu and its kin, exponential units, hard forms, shrinks, thresholds.

The form is that of `kerasette.functions.activations`. Where y alone tells the slope it is the cache, else a
mask made before `out` is written; so `out` may be `x` in all but those that say otherwise.
At the kinks the derivative is TensorFlow's: 0 for relu at 0.
"""

from kerasette.backend import xp_of
from kerasette.functions.common import at_least, put
from kerasette.functions.core import add_bias, sum_rows
from kerasette.functions.kernels import swappable

_SELU_SCALE = 1.0507009873554805
_SELU_LIMIT = 1.0507009873554805 * 1.6732632423543772  # -y far below 0

# ---------------------------------------------------------------- relu and its kin


def relu(x, negative_slope=0.0, max_value=None, threshold=0.0, *, out=None):
    """Computes y = max(x, 0), or Keras's general form of it.

    With t = `threshold`, the general form is x for x > t, else negative_slope (x - t); at most `max_value`.

    Args:
        x: any shape.
        negative_slope: slope below the threshold.
        max_value: upper bound; None for none.
        threshold: where the two pieces meet.
        out: destination; may be `x`.

    Returns:
        y and the cache for `relu_backward`.
    """
    if negative_slope == 0.0 and max_value is None and threshold == 0.0:
        y = at_least(x, 0.0, out)
        return y, y
    y, slope = _general_relu(x, negative_slope, max_value, threshold)
    return put(y, out), (slope,)


def _general_relu(x, negative_slope, max_value, threshold):
    xp = xp_of(x)
    above = x > threshold
    y = at_least(x, 0.0) if threshold == 0.0 else xp.where(above, x, 0.0)  # Keras lets NaN pass at 0 only
    if max_value is not None:
        # Keras takes relu6 where that fits, whose slope at 6 is 0; its clip has 1 at both ends.
        above = above & (y >= 0.0) & (y < max_value if max_value == 6 and threshold == 0 else y <= max_value)
        y = xp.clip(y, 0.0, max_value)
    slope = above.astype(x.dtype)
    if negative_slope != 0.0:
        y += negative_slope * xp.minimum(x - threshold, 0.0)
        below = x <= threshold if threshold == 0 and max_value is None else x < threshold
        slope += negative_slope * below.astype(x.dtype)
    return y, slope


def relu_backward(dy, cache, *, dx=None):
    """Returns dy where y > 0, else 0; or dy times the slope of the general form."""
    if type(cache) is tuple:
        return xp_of(dy).multiply(dy, cache[0], out=dx)
    return relu_gradient(dy, cache, dx)


@swappable
def relu_gradient(dy, y, dx=None):
    """Returns dy where y > 0, else 0, in `dx` where that is given."""
    return xp_of(dy).multiply(dy, y > 0.0, out=dx)


@swappable
def bias_relu(y, bias):
    """Adds bias (C,) to each row of `y` (..., C) and sets what is below 0 to 0, in place; returns y."""
    return at_least(add_bias(y, bias), 0.0, y)


@swappable
def bias_relu_backward(dy, y, *, dx=None, dbias=None):
    """Returns dx (dy where y > 0, else 0) and its sum over the rows, dbias (C,), of `bias_relu`."""
    dx = relu_gradient(dy, y, dx)
    return dx, sum_rows(dx, dbias)


def leaky_relu(x, negative_slope=0.2, *, out=None):
    """Computes y = x for x > 0, else negative_slope x (Maas et al., 2013); `out` may be `x`."""
    xp = xp_of(x)
    positive = x > 0.0
    larger = xp.maximum if negative_slope <= 1.0 else xp.minimum
    # 0 times infinity would be NaN.
    y = at_least(x, 0.0, out) if negative_slope == 0.0 else larger(x, negative_slope * x, out=out)
    return y, (positive, negative_slope)


def leaky_relu_backward(dy, cache, *, dx=None):
    """Returns dy where x > 0, else negative_slope dy."""
    positive, negative_slope = cache
    slope = positive.astype(dy.dtype)  # sums of exact zeros and ones; `where` is slow on random signs
    slope += negative_slope * (1.0 - slope)
    return xp_of(dy).multiply(dy, slope, out=dx)


def relu6(x, *, out=None):
    """Computes y = min(max(x, 0), 6); `out` may be `x`."""
    y = xp_of(x).clip(x, 0.0, 6.0, out=out)
    return y, y


def relu6_backward(dy, cache, *, dx=None):
    """Returns dy where 0 < y < 6, else 0."""
    return xp_of(dy).multiply(dy, (cache > 0.0) & (cache < 6.0), out=dx)


def threshold(x, threshold, default_value, *, out=None):
    """Computes y = x for x > threshold, else default_value; `out` may be `x`."""
    mask = x > threshold
    return put(xp_of(x).where(mask, x, default_value), out), mask


def threshold_backward(dy, cache, *, dx=None):
    """Returns dy where x > threshold, else 0."""
    return xp_of(dy).multiply(dy, cache, out=dx)


# ---------------------------------------------------------------- exponential units


def elu(x, alpha=1.0, *, out=None):
    """Computes y = x for x > 0, else alpha (exp(x) - 1) (Clevert et al., 2015); `out` may be `x`."""
    xp = xp_of(x)
    positive = None if alpha == 1.0 else x > 0.0  # the slope has a jump at 0
    below = alpha * xp.expm1(xp.minimum(x, 0.0))
    y = at_least(x, 0.0, out)
    y += below
    return y, (y, positive, alpha)


def elu_backward(dy, cache, *, dx=None):
    """Returns dy for x > 0, else dy (y + alpha)."""
    y, positive, alpha = cache
    xp = xp_of(dy)
    slope = xp.minimum(y, 0.0) + 1.0 if positive is None else xp.where(positive, 1.0, y + alpha)
    return xp.multiply(dy, slope, out=dx)


def selu(x, *, out=None):
    """Computes y = 1.0507 x for x > 0, else 1.7581 (exp(x) - 1) (Klambauer et al., 2017)."""
    xp = xp_of(x)
    below = _SELU_LIMIT * xp.expm1(xp.minimum(x, 0.0))
    y = at_least(x, 0.0, out)
    y *= _SELU_SCALE
    y += below
    return y, y


def selu_backward(dy, cache, *, dx=None):
    """Returns 1.0507 dy for y >= 0, else dy (y + 1.7581)."""
    xp = xp_of(dy)
    return xp.multiply(dy, xp.where(cache < 0.0, cache + _SELU_LIMIT, _SELU_SCALE), out=dx)


def celu(x, alpha=1.0, *, out=None):
    """Computes y = max(x, 0) + alpha (exp(min(x, 0) / alpha) - 1) (Barron, 2017); `out` may be `x`."""
    xp = xp_of(x)
    below = alpha * xp.expm1(xp.minimum(x, 0.0) / alpha)
    y = at_least(x, 0.0, out)
    y += below
    return y, (y, alpha)


def celu_backward(dy, cache, *, dx=None):
    """Returns dy for y > 0, else dy (y / alpha + 1); 1 at 0, where TensorFlow counts both pieces."""
    y, alpha = cache
    xp = xp_of(dy)
    return xp.multiply(dy, xp.minimum(y, 0.0) / alpha + 1.0, out=dx)


# ---------------------------------------------------------------- hard forms


def hard_sigmoid(x, *, out=None):
    """Computes y = x / 6 + 1 / 2, clipped to [0, 1]; `out` may be `x`."""
    xp = xp_of(x)
    y = xp.add(x, 3.0, out=out)
    xp.clip(y, 0.0, 6.0, out=y)
    y /= 6.0
    return y, y


def hard_sigmoid_backward(dy, cache, *, dx=None):
    """Returns dy / 6 where 0 < y < 1, else 0."""
    inside = (cache > 0.0) & (cache < 1.0)
    return put(dy * inside / 6.0, dx)


def hard_silu(x, *, out=None):
    """Computes y = x hard_sigmoid(x), also known as hard_swish; `out` must not be `x`."""
    gate, _ = hard_sigmoid(x)
    return xp_of(x).multiply(x, gate, out=out), (x, gate)


def hard_silu_backward(dy, cache, *, dx=None):
    """Returns dy (h + x h'), h = hard_sigmoid(x)."""
    x, gate = cache
    slope = gate + x * ((gate > 0.0) & (gate < 1.0)) / 6.0
    return xp_of(dy).multiply(dy, slope, out=dx)


def hard_tanh(x, *, out=None):
    """Computes y = x, clipped to [-1, 1]; `out` may be `x`."""
    inside = (x >= -1.0) & (x <= 1.0)
    return xp_of(x).clip(x, -1.0, 1.0, out=out), inside


def hard_tanh_backward(dy, cache, *, dx=None):
    """Returns dy where -1 <= x <= 1, else 0."""
    return xp_of(dy).multiply(dy, cache, out=dx)


def sparse_sigmoid(x, *, out=None):
    """Computes y = (x + 1) / 2, clipped to [0, 1]; `out` may be `x`."""
    xp = xp_of(x)
    y = xp.add(x, 1.0, out=out)
    y *= 0.5
    y = xp.clip(y, 0.0, 1.0, out=y)
    return y, y


def sparse_sigmoid_backward(dy, cache, *, dx=None):
    """Returns dy / 2 where 0 < y < 1, else 0."""
    inside = (cache > 0.0) & (cache < 1.0)
    return put(dy * inside * 0.5, dx)


# ---------------------------------------------------------------- shrinks


def soft_shrink(x, threshold=0.5, *, out=None):
    """Computes y = x - t for x > t, x + t for x < -t, else 0; `out` may be `x`."""
    xp = xp_of(x)
    above, below = x > threshold, x < -threshold
    y = xp.where(above, x - threshold, xp.where(below, x + threshold, 0.0))
    return put(y, out), above | below


def soft_shrink_backward(dy, cache, *, dx=None):
    """Returns dy where |x| > t, else 0."""
    return xp_of(dy).multiply(dy, cache, out=dx)


def hard_shrink(x, threshold=0.5, *, out=None):
    """Computes y = x where |x| > t, else 0; `out` may be `x`."""
    mask = abs(x) > threshold
    return put(xp_of(x).where(mask, x, 0.0), out), mask


def hard_shrink_backward(dy, cache, *, dx=None):
    """Returns dy where |x| > t, else 0."""
    return xp_of(dy).multiply(dy, cache, out=dx)
