"""Operations along axes: sums and extremes, softmax, matrix products.

On symbolic tensors the batch (axis 0) stays as it is: a sum over it would depend on how the batch is cut.
"""

from functools import cached_property

from kerasette import functions
from kerasette.backend import is_array
from kerasette.ops.base import Op, output_buffer
from kerasette.registry import register
from kerasette.shapes import broadcast, normalize_axes, pretty


class Reduction(Op):
    """An operation that takes the elements along `axis` together.

    Args:
        axis: axis, or several of them; None for all, which symbolic tensors refuse.
        keepdims: whether the axes stay with length 1.
        base: constants and name.
    """

    pair = ()
    keeps_integers = True

    def __init__(self, axis=None, keepdims: bool = False, **base):
        super().__init__(**base)
        self.axis = tuple(axis) if isinstance(axis, (list, tuple)) else axis
        self.keepdims = bool(keepdims)

    @classmethod
    def settings(cls):
        return "axis", "keepdims"

    def output_shape(self, shape):
        axes = (0,) if self.axis is None else normalize_axes(self.axis, len(shape) + 1, self.name)
        if 0 in axes:
            raise self.error(
                f"axis {self.axis} takes in the batch of samples {pretty(shape)};",
                f"name axes from 1 to {len(shape)}.",
            )
        if self.keepdims:
            return tuple(1 if axis in axes else n for axis, n in enumerate(shape, 1))
        return tuple(n for axis, n in enumerate(shape, 1) if axis not in axes)

    def forward(self, ctx, w, x):
        (x,) = self.arguments(ctx, (x,))
        axes = None if self.axis is None else normalize_axes(self.axis, x.ndim, self.name)
        return self.pair[0](x, axes, self.keepdims)

    def backward(self, ctx, w, dw, dy, cache):
        return self.pair[1](dy, cache)


@register("operation")
class Sum(Reduction):
    """Sum over axes."""

    pair = functions.sum_axes, functions.sum_axes_backward


@register("operation")
class Mean(Reduction):
    """Mean over axes."""

    keeps_integers = False
    pair = functions.mean_axes, functions.mean_axes_backward


@register("operation")
class Max(Reduction):
    """Maximum over axes."""

    pair = functions.max_axes, functions.max_axes_backward


@register("operation")
class Min(Reduction):
    """Minimum over axes."""

    pair = functions.min_axes, functions.min_axes_backward


@register("operation")
class Softmax(Op):
    """exp(x) / sum(exp(x)) over an axis.

    Args:
        axis: the axis, or several of them.
        base: constants and name.
    """

    module = "keras.src.ops.nn"

    def __init__(self, axis=-1, **base):
        super().__init__(**base)
        self.axis = tuple(axis) if isinstance(axis, (list, tuple)) else axis

    @cached_property
    def fuses_with(self):
        return "softmax" if self.axis == -1 else None

    @classmethod
    def settings(cls):
        return ("axis",)

    def output_shape(self, shape):
        if self.axis is None or 0 in normalize_axes(self.axis, len(shape) + 1, self.name):
            raise self.error(f"axis {self.axis} takes in the batch of samples {pretty(shape)}.")
        return shape

    def forward(self, ctx, w, x):
        (x,) = self.arguments(ctx, (x,))
        return functions.softmax(x, self.axis, out=output_buffer(ctx, x.shape, (x,)))

    def backward(self, ctx, w, dw, dy, cache):
        return functions.softmax_backward(dy, cache, dx=ctx.buffer("dx", dy.shape))


@register("operation")
class LogSoftmax(Softmax):
    """log(softmax(x)) over an axis, without overflow.

    Args:
        axis: the axis, or several of them.
        base: constants and name.
    """

    def forward(self, ctx, w, x):
        (x,) = self.arguments(ctx, (x,))
        return functions.log_softmax(x, self.axis, out=output_buffer(ctx, x.shape, (x,)))

    def backward(self, ctx, w, dw, dy, cache):
        return functions.log_softmax_backward(dy, cache, dx=ctx.buffer("dx", dy.shape))


@register("operation")
class Matmul(Op):
    """Matrix product over the last two axes, sample by sample."""

    def output_shape(self, *shapes):
        tensors = iter((None, *shape) for shape in shapes)
        left, right = (self.constants[k].shape if k in self._arrays() else next(tensors) for k in range(2))
        if len(shapes) == 2:
            self._need(len(left) == len(right) and len(left) > 2, left, right)
        elif 0 in self.constants:
            self._need(len(right) > 2 and self._fits(left, len(right)), left, right)
        else:
            self._need(self._fits(right, len(left)), left, right)
        return self._product(left, right)[1:]

    def _arrays(self):
        for value in self.constants.values():
            if not is_array(value):
                raise self.error(f"a matrix product needs arrays, got {value!r}. Use multiply for numbers.")
        return self.constants

    def _fits(self, shape, rank):
        """Tells whether a constant of `shape` leaves the first of a tensor's `rank` axes alone."""
        return len(shape) < rank or len(shape) == 2 or (len(shape) == rank and shape[0] == 1)

    def _need(self, fits, left, right):
        if not fits:
            raise self.error(
                f"a product of {pretty(left)} and {pretty(right)} would mix the samples of a batch.",
                "Two tensors need equally many axes, at least three; an array goes to the right of vectors.",
            )

    def _product(self, left, right):
        inner = left[-1], right[-1] if len(right) == 1 else right[-2]
        if None not in inner and inner[0] != inner[1]:
            raise self.error(
                f"shapes {pretty(left)} and {pretty(right)} differ in the axis that is summed over."
            )
        rows = left[-2:-1]
        columns = right[-1:] if len(right) > 1 else ()
        return (*broadcast(left[:-2], right[:-2], owner=self.name), *rows, *columns)

    def forward(self, ctx, w, *xs):
        return functions.matmul(*self.arguments(ctx, xs))

    def backward(self, ctx, w, dw, dy, cache):
        need = tuple(position not in self.constants for position in range(2))
        return self.for_inputs(functions.matmul_backward(dy, cache, need=need))


# ---------------------------------------------------------------- the functions


def sum(x, axis=None, keepdims: bool = False):
    """Returns the sum over `axis`."""
    return Sum.of(x, axis=axis, keepdims=keepdims)


def mean(x, axis=None, keepdims: bool = False):
    """Returns the mean over `axis`."""
    return Mean.of(x, axis=axis, keepdims=keepdims)


def max(x, axis=None, keepdims: bool = False):
    """Returns the maximum over `axis`; equal elements share its gradient."""
    return Max.of(x, axis=axis, keepdims=keepdims)


def min(x, axis=None, keepdims: bool = False):
    """Returns the minimum over `axis`; equal elements share its gradient."""
    return Min.of(x, axis=axis, keepdims=keepdims)


def softmax(x, axis=-1):
    """Returns exp(x) / sum(exp(x)) over `axis`."""
    return Softmax.of(x, axis=axis)


def log_softmax(x, axis=-1):
    """Returns the logarithm of softmax(x), without overflow."""
    return LogSoftmax.of(x, axis=axis)


def matmul(x1, x2):
    """Returns the matrix product over the last two axes, batched over those before."""
    return Matmul.of(x1, x2)
