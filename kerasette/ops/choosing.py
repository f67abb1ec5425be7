"""Operations that choose or replace: limits, one of two values, types, and what stops the way back."""

from kerasette import functions
from kerasette.backend import floatx, xp_of
from kerasette.errors import one_of
from kerasette.ops.arithmetic import Binary, Unary
from kerasette.ops.axes import Reduction
from kerasette.ops.base import ARRAY_TYPES, Op
from kerasette.registry import register
from kerasette.shapes import normalize_axes


@register("operation")
class Clip(Unary):
    """The elements, moved to the nearer of two limits where they lie beyond.

    Args:
        x_min, x_max: the limits, numbers or None.
        base: constants and name.
    """

    keeps_integers = True

    def __init__(self, x_min, x_max, **base):
        super().__init__(**base)
        self.x_min, self.x_max = x_min, x_max

    @classmethod
    def settings(cls):
        return "x_min", "x_max"

    def forward(self, ctx, w, x):
        (x,) = self.arguments(ctx, (x,))
        return functions.clip(x, self.x_min, self.x_max)

    def backward(self, ctx, w, dw, dy, cache):
        return functions.clip_backward(dy, cache, dx=ctx.buffer("dx", dy.shape))


@register("operation")
class Where(Binary):
    """x1 where a condition holds, else x2; the condition has no gradient."""

    def output_dtype(self, *dtypes):
        values = dtypes if 0 in self.constants else dtypes[1:]
        return super().output_dtype(*values) if values else floatx()

    def forward(self, ctx, w, *xs):
        condition, x1, x2 = self.arguments(ctx, xs)
        return functions.where(condition, x1, x2)

    def backward(self, ctx, w, dw, dy, cache):
        return self.for_inputs((None, *functions.where_backward(dy, cache)))


class Flat(Unary):
    """An operation with the derivative 0 wherever it has one."""

    keeps_integers = True

    def backward(self, ctx, w, dw, dy, cache):
        return ctx.xp.zeros_like(dy)


@register("operation")
class Sign(Flat):
    """-1, 0 or 1."""

    def forward(self, ctx, w, x):
        return xp_of(x).sign(x), None


class Filled(Flat):
    """One number in the shape of x.

    Args:
        dtype: type of the result; that of x unless given.
        base: constants and name.
    """

    number = 0.0

    def __init__(self, dtype=None, **base):
        super().__init__(**base)
        one_of(self.name, "dtype", dtype, (None, *ARRAY_TYPES))
        self.dtype = dtype

    @classmethod
    def settings(cls):
        return ("dtype",)

    def output_dtype(self, dtype):
        return super().output_dtype(dtype) if self.dtype is None else self.dtype

    def forward(self, ctx, w, x):
        return ctx.xp.full(x.shape, self.number, x.dtype if self.dtype is None else self.dtype), None


@register("operation")
class ZerosLike(Filled):
    """Zeros in the shape of x; see `Filled`."""


@register("operation")
class OnesLike(Filled):
    """Ones in the shape of x; see `Filled`."""

    number = 1.0


@register("operation")
class StopGradient(Flat):
    """x itself, as if it were a constant."""

    module = "keras.src.ops.core"

    def forward(self, ctx, w, x):
        return x, None


@register("operation")
class Cast(Op):
    """x in another type.

    Args:
        dtype: its name; the default float type unless given.
        base: constants and name.
    """

    module = "keras.src.ops.core"

    def __init__(self, dtype=None, **base):
        super().__init__(**base)
        self.dtype = floatx() if dtype is None else dtype
        one_of("cast", "dtype", self.dtype, ARRAY_TYPES)

    @classmethod
    def settings(cls):
        return ("dtype",)

    def output_dtype(self, dtype):
        return self.dtype

    def forward(self, ctx, w, x):
        return x.astype(self.dtype), x.dtype

    def backward(self, ctx, w, dw, dy, dtype):
        return dy.astype(dtype)


@register("operation")
class Argmax(Reduction):
    """The place of the maximum along an axis."""

    def output_dtype(self, dtype):
        return "int32"

    def forward(self, ctx, w, x):
        xp = xp_of(x)
        if self.axis is None:
            return xp.argmax(x).astype("int32"), None
        (axis,) = normalize_axes(self.axis, x.ndim, self.name)
        y = xp.argmax(x, axis=axis).astype("int32")
        return xp.expand_dims(y, axis) if self.keepdims else y, None


@register("operation")
class OneHot(Op):
    """A row with a 1 at the place of each class number; no 1 where there is no such class.

    Args:
        num_classes: how many there are.
        axis: must be -1, the new last axis.
        dtype: must be the default float type.
        sparse: must be False.
        base: constants and name.
    """

    module = "keras.src.ops.nn"

    def __init__(self, num_classes, axis=-1, dtype=None, sparse=False, **base):
        super().__init__(**base)
        self.num_classes, self.axis, self.dtype = num_classes, axis, floatx() if dtype is None else dtype
        self.sparse = sparse
        one_of("one_hot", "axis", axis, (-1,))
        one_of("one_hot", "sparse", sparse, (False,))
        one_of("one_hot", "dtype", self.dtype, (floatx(),))

    @classmethod
    def settings(cls):
        return "num_classes", "axis", "dtype", "sparse"

    def output_shape(self, shape):
        return (*shape, self.num_classes)

    def forward(self, ctx, w, x):
        classes = xp_of(x).arange(self.num_classes)
        return (x[..., None] == classes).astype(self.dtype), None

    def backward(self, ctx, w, dw, dy, cache):
        return ctx.xp.zeros(dy.shape[:-1], dy.dtype)


# ---------------------------------------------------------------- the functions


def clip(x, x_min, x_max):
    """Returns x, at least `x_min` and at most `x_max` (numbers, or None)."""
    return Clip.of(x, x_min=x_min, x_max=x_max)


def where(condition, x1, x2):
    """Returns x1 where the condition holds, else x2, element by element."""
    return Where.of(condition, x1, x2)


def sign(x):
    """Returns -1, 0 or 1; its gradient is 0."""
    return Sign.of(x)


def zeros_like(x, dtype=None):
    """Returns zeros in the shape of x."""
    return ZerosLike.of(x, dtype=dtype)


def ones_like(x, dtype=None):
    """Returns ones in the shape of x."""
    return OnesLike.of(x, dtype=dtype)


def stop_gradient(x):
    """Returns x; no gradient goes back through it."""
    return StopGradient.of(x)


def cast(x, dtype):
    """Returns x in the type `dtype`."""
    return Cast.of(x, dtype=dtype)


def argmax(x, axis=None, keepdims: bool = False):
    """Returns the place of the maximum along `axis`; of equal ones the first."""
    return Argmax.of(x, axis=axis, keepdims=keepdims)


def one_hot(x, num_classes, axis=-1, dtype=None):
    """Returns for each class number in x a row with a 1 at its place."""
    return OneHot.of(x, num_classes=num_classes, axis=axis, dtype=dtype)
