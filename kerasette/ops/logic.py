"""Comparisons and logic: they give bool tensors, which have no gradient. Masks are made of them."""

from kerasette.backend import is_array, xp_of
from kerasette.ops.arithmetic import Binary
from kerasette.ops.axes import Reduction
from kerasette.ops.base import Op
from kerasette.registry import register
from kerasette.shapes import normalize_axes


class Comparison(Binary):
    """An operation on two operands that broadcast, with a bool result."""

    ufunc = ""

    def output_dtype(self, *dtypes):
        return "bool"

    def forward(self, ctx, w, *xs):
        x1, x2 = self.arguments(ctx, xs)
        xp = xp_of(x1 if is_array(x1) else x2)
        return getattr(xp, self.ufunc)(x1, x2), None


@register("operation")
class Equal(Comparison):
    """x1 == x2."""

    ufunc = "equal"


@register("operation")
class NotEqual(Comparison):
    """x1 != x2."""

    ufunc = "not_equal"


@register("operation")
class Greater(Comparison):
    """x1 > x2."""

    ufunc = "greater"


@register("operation")
class GreaterEqual(Comparison):
    """x1 >= x2."""

    ufunc = "greater_equal"


@register("operation")
class Less(Comparison):
    """x1 < x2."""

    ufunc = "less"


@register("operation")
class LessEqual(Comparison):
    """x1 <= x2."""

    ufunc = "less_equal"


@register("operation")
class LogicalAnd(Comparison):
    """x1 and x2; what isn't 0 is true."""

    ufunc = "logical_and"


@register("operation")
class LogicalOr(Comparison):
    """x1 or x2; what isn't 0 is true."""

    ufunc = "logical_or"


@register("operation")
class LogicalNot(Op):
    """True where x is 0."""

    def output_dtype(self, *dtypes):
        return "bool"

    def forward(self, ctx, w, x):
        return xp_of(x).logical_not(x), None


class Quantifier(Reduction):
    """Whether any, or all, of the elements along axes aren't 0."""

    ufunc = ""

    def output_dtype(self, *dtypes):
        return "bool"

    def forward(self, ctx, w, x):
        axes = None if self.axis is None else tuple(normalize_axes(self.axis, x.ndim, self.name))
        return getattr(xp_of(x), self.ufunc)(x, axis=axes, keepdims=self.keepdims), None


@register("operation")
class Any(Quantifier):
    """Whether any element isn't 0."""

    ufunc = "any"


@register("operation")
class All(Quantifier):
    """Whether no element is 0."""

    ufunc = "all"


def equal(x1, x2):
    """Returns x1 == x2, element by element."""
    return Equal.of(x1, x2)


def not_equal(x1, x2):
    """Returns x1 != x2, element by element."""
    return NotEqual.of(x1, x2)


def greater(x1, x2):
    """Returns x1 > x2, element by element."""
    return Greater.of(x1, x2)


def greater_equal(x1, x2):
    """Returns x1 >= x2, element by element."""
    return GreaterEqual.of(x1, x2)


def less(x1, x2):
    """Returns x1 < x2, element by element."""
    return Less.of(x1, x2)


def less_equal(x1, x2):
    """Returns x1 <= x2, element by element."""
    return LessEqual.of(x1, x2)


def logical_and(x1, x2):
    """Returns whether both aren't 0, element by element."""
    return LogicalAnd.of(x1, x2)


def logical_or(x1, x2):
    """Returns whether x1 or x2 isn't 0, element by element."""
    return LogicalOr.of(x1, x2)


def logical_not(x):
    """Returns whether x is 0, element by element."""
    return LogicalNot.of(x)


def any(x, axis=None, keepdims: bool = False):
    """Returns whether any element along `axis` isn't 0."""
    return Any.of(x, axis=axis, keepdims=keepdims)


def all(x, axis=None, keepdims: bool = False):
    """Returns whether no element along `axis` is 0."""
    return All.of(x, axis=axis, keepdims=keepdims)
