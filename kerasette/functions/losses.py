"""Regression and margin losses, one value a sample, and their gradients by the predictions.

Every pair has one form::

    losses, cache = f(y_true, y_pred)                       # (..., C), (..., C) -> (...)
    dy_pred = f_backward(dlosses, cache, *, dy_pred=None)   # (...) -> (..., C)

Losses are means over the last axis, as Keras's functions are. `dlosses` is the gradient by each loss:
for a mean over N samples it is weight / N. `y_true` may be of any real dtype; the gradient by it is not
taken. At kinks the gradient is TensorFlow's.
"""

import math

from kerasette.backend import epsilon, xp_of
from kerasette.functions.common import mean, put, targets

LOG_2 = math.log(2.0)


def _mean_backward(dlosses, slope, dy_pred):
    """Returns `slope` (..., C), the derivative of each element, times its share of `dlosses` (...)."""
    share = dlosses * (1.0 / slope.shape[-1])
    return xp_of(slope).multiply(slope, share[..., None], out=dy_pred)


# ---------------------------------------------------------------- differences


def mean_squared_error(y_true, y_pred):
    """Computes mean((y_pred - y_true)^2) over the last axis.

    Args:
        y_true, y_pred: (..., C).

    Returns:
        losses (...) and the cache for `mean_squared_error_backward`.
    """
    error = y_pred - targets(y_true, y_pred)
    return (error * error).sum(axis=-1) / error.shape[-1], error


def mean_squared_error_backward(dlosses, cache, *, dy_pred=None):
    """Returns the gradient by `y_pred`, (..., C), for `dlosses` (...)."""
    share = dlosses * (2.0 / cache.shape[-1])
    return xp_of(cache).multiply(cache, share[..., None], out=dy_pred)


def mean_absolute_error(y_true, y_pred):
    """Computes mean(|y_pred - y_true|) over the last axis.

    Args:
        y_true, y_pred: (..., C).

    Returns:
        losses (...) and the cache for `mean_absolute_error_backward`.
    """
    error = y_pred - targets(y_true, y_pred)
    return mean(abs(error)), error


def mean_absolute_error_backward(dlosses, cache, *, dy_pred=None):
    """Returns the gradient by `y_pred`, (..., C), for `dlosses` (...); 0 where the error is 0."""
    return _mean_backward(dlosses, xp_of(cache).sign(cache), dy_pred)


def mean_absolute_percentage_error(y_true, y_pred):
    """Computes 100 mean(|y_pred - y_true| / max(|y_true|, epsilon)) over the last axis.

    Args:
        y_true, y_pred: (..., C).

    Returns:
        losses (...) and the cache for `mean_absolute_percentage_error_backward`.
    """
    y_true = targets(y_true, y_pred)
    scale = xp_of(y_pred).maximum(abs(y_true), epsilon())
    error = (y_pred - y_true) / scale
    return 100.0 * mean(abs(error)), (error, scale)


def mean_absolute_percentage_error_backward(dlosses, cache, *, dy_pred=None):
    """Returns the gradient by `y_pred`, (..., C), for `dlosses` (...); 0 where the error is 0."""
    error, scale = cache
    return _mean_backward(dlosses, 100.0 * xp_of(error).sign(error) / scale, dy_pred)


def mean_squared_logarithmic_error(y_true, y_pred):
    """Computes mean((log(1 + y_pred) - log(1 + y_true))^2), both clipped below at epsilon.

    Args:
        y_true, y_pred: (..., C).

    Returns:
        losses (...) and the cache for `mean_squared_logarithmic_error_backward`.
    """
    xp, low = xp_of(y_pred), epsilon()
    log_true = xp.log(xp.maximum(targets(y_true, y_pred), low) + 1.0)
    error = xp.log(xp.maximum(y_pred, low) + 1.0) - log_true
    return mean(error * error), (error, y_pred, low)


def mean_squared_logarithmic_error_backward(dlosses, cache, *, dy_pred=None):
    """Returns the gradient by `y_pred`, (..., C), for `dlosses` (...); 0 where `y_pred` was clipped."""
    error, y_pred, low = cache
    slope = 2.0 * error / (xp_of(error).maximum(y_pred, low) + 1.0)
    return _mean_backward(dlosses, slope * (y_pred >= low), dy_pred)


def huber(y_true, y_pred, delta=1.0):
    """Computes the mean of e^2 / 2 where |e| <= delta, else of delta |e| - delta^2 / 2 (Huber, 1964).

    Args:
        y_true, y_pred: (..., C).
        delta: the error from which on the loss grows linearly.

    Returns:
        losses (...) and the cache for `huber_backward`.
    """
    xp = xp_of(y_pred)
    error = y_pred - targets(y_true, y_pred)
    size = abs(error)
    near = xp.minimum(size, delta)
    return mean(near * (size - 0.5 * near)), (error, delta)


def huber_backward(dlosses, cache, *, dy_pred=None):
    """Returns the gradient by `y_pred`, (..., C), for `dlosses` (...)."""
    error, delta = cache
    return _mean_backward(dlosses, xp_of(error).clip(error, -delta, delta), dy_pred)


def log_cosh(y_true, y_pred):
    """Computes mean(log(cosh(y_pred - y_true))) over the last axis, without overflow for large errors.

    Args:
        y_true, y_pred: (..., C).

    Returns:
        losses (...) and the cache for `log_cosh_backward`.
    """
    xp = xp_of(y_pred)
    error = y_pred - targets(y_true, y_pred)
    size = abs(error)
    return mean(size + xp.log1p(xp.exp(-2.0 * size)) - LOG_2), error


def log_cosh_backward(dlosses, cache, *, dy_pred=None):
    """Returns the gradient by `y_pred`, (..., C), for `dlosses` (...)."""
    return _mean_backward(dlosses, xp_of(cache).tanh(cache), dy_pred)


def poisson(y_true, y_pred):
    """Computes mean(y_pred - y_true log(y_pred + epsilon)) over the last axis.

    Args:
        y_true: counts, (..., C).
        y_pred: rates, (..., C), not negative.

    Returns:
        losses (...) and the cache for `poisson_backward`.
    """
    y_true, raised = targets(y_true, y_pred), y_pred + epsilon()
    return mean(y_pred - y_true * xp_of(y_pred).log(raised)), (y_true, raised)


def poisson_backward(dlosses, cache, *, dy_pred=None):
    """Returns the gradient by `y_pred`, (..., C), for `dlosses` (...)."""
    y_true, raised = cache
    return _mean_backward(dlosses, 1.0 - y_true / raised, dy_pred)


# ---------------------------------------------------------------- margins


def signed_labels(y_true):
    """Returns labels of 0 and 1 as -1 and 1, and any other labels as they are.

    All of `y_true` decides: one value that is neither 0 nor 1 leaves the whole array unchanged, as in Keras.
    """
    xp = xp_of(y_true)
    binary = xp.all((y_true == 0) | (y_true == 1))  # stays on the device
    return xp.where(binary, 2.0 * y_true - 1.0, y_true)


def hinge(y_true, y_pred):
    """Computes mean(max(1 - y_true y_pred, 0)) over the last axis.

    Args:
        y_true: -1 and 1, or 0 and 1, (..., C).
        y_pred: (..., C).

    Returns:
        losses (...) and the cache for `hinge_backward`.
    """
    signs = signed_labels(targets(y_true, y_pred))
    margin = 1.0 - signs * y_pred
    return mean(xp_of(y_pred).maximum(margin, 0.0)), (signs, margin)


def hinge_backward(dlosses, cache, *, dy_pred=None):
    """Returns the gradient by `y_pred`, (..., C), for `dlosses` (...)."""
    signs, margin = cache
    return _mean_backward(dlosses, -signs * (margin >= 0.0), dy_pred)


def squared_hinge(y_true, y_pred):
    """Computes mean(max(1 - y_true y_pred, 0)^2) over the last axis.

    Args:
        y_true: -1 and 1, or 0 and 1, (..., C).
        y_pred: (..., C).

    Returns:
        losses (...) and the cache for `squared_hinge_backward`.
    """
    signs = signed_labels(targets(y_true, y_pred))
    margin = xp_of(y_pred).maximum(1.0 - signs * y_pred, 0.0)
    return mean(margin * margin), (signs, margin)


def squared_hinge_backward(dlosses, cache, *, dy_pred=None):
    """Returns the gradient by `y_pred`, (..., C), for `dlosses` (...)."""
    signs, margin = cache
    return _mean_backward(dlosses, -2.0 * signs * margin, dy_pred)


def categorical_hinge(y_true, y_pred):
    """Computes max(1 + max((1 - y_true) y_pred) - sum(y_true y_pred), 0) over the last axis.

    Args:
        y_true: one-hot rows, (..., C).
        y_pred: (..., C).

    Returns:
        losses (...) and the cache for `categorical_hinge_backward`.
    """
    y_true = targets(y_true, y_pred)
    wrong = (1.0 - y_true) * y_pred
    worst = wrong.max(axis=-1, keepdims=True)
    margin = worst[..., 0] - (y_true * y_pred).sum(axis=-1) + 1.0
    return xp_of(y_pred).maximum(margin, 0.0), (y_true, wrong == worst, margin)


def categorical_hinge_backward(dlosses, cache, *, dy_pred=None):
    """Returns the gradient by `y_pred`, (..., C), for `dlosses` (...); equal worst classes share it."""
    y_true, worst, margin = cache
    ties = worst.sum(axis=-1, keepdims=True).astype(y_true.dtype)
    slope = (1.0 - y_true) * worst / ties - y_true
    return put(slope * (dlosses * (margin >= 0.0))[..., None], dy_pred)
