"""Choices element by element: limits, and one of two values by a condition."""

from kerasette.backend import is_array, xp_of
from kerasette.functions.elementwise import sum_to


def clip(x, low, high, *, out=None):
    """Computes y = min(max(x, low), high) for two numbers, either of which may be None."""
    return xp_of(x).clip(x, low, high, out=out), (x, low, high)


def clip_backward(dy, cache, *, dx=None):
    """Returns dy within the limits, these included as in TensorFlow, and 0 beyond them."""
    x, low, high = cache
    xp = xp_of(dy)
    inside = xp.ones(x.shape, bool)
    if low is not None:
        inside &= x >= low
    if high is not None:
        inside &= x <= high
    return xp.multiply(dy, inside, out=dx)


def where(condition, x1, x2):
    """Computes y = x1 where the condition holds, else x2, with NumPy's broadcasting.

    Args:
        condition: bool array; of another type, what isn't 0 is true.
        x1, x2: arrays or plain numbers.

    Returns:
        y and the cache for `where_backward`.
    """
    xp = xp_of(condition)
    condition = condition if condition.dtype.kind == "b" else condition != 0
    return xp.where(condition, x1, x2), (condition, *[x.shape if is_array(x) else None for x in (x1, x2)])


def where_backward(dy, cache, *, dx1=None, dx2=None):
    """Returns dx1 = dy where the condition holds and dx2 = dy elsewhere, each summed to its shape.

    That of a plain number is None.
    """
    condition, shape1, shape2 = cache
    return (
        None if shape1 is None else sum_to(dy * condition, shape1, dx1),
        None if shape2 is None else sum_to(dy * ~condition, shape2, dx2),
    )
