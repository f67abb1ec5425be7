"""Operations element by element, with NumPy's broadcasting: + - * / ** and the elementary functions."""

from kerasette import functions
from kerasette.backend import is_array
from kerasette.errors import type_error
from kerasette.ops.base import Op, is_number, output_buffer
from kerasette.registry import register
from kerasette.shapes import broadcast, pretty


class Binary(Op):
    """An operation on two operands that broadcast; `pair` holds its function and that one's backward."""

    pair = ()
    keeps_integers = True

    def output_shape(self, *shapes):
        if len({len(shape) for shape in shapes}) > 1:
            raise self.error(
                f"samples of shape {' and '.join(map(pretty, shapes))} have different numbers of axes,",
                "so the batch of one would meet an axis of the other. Use expand_dims first.",
            )
        for value in self.constants.values():
            if not is_number(value):
                raise type_error(f"{self.name} takes symbolic tensors, arrays and numbers, got {value!r}.")
        arrays = [value for value in self.constants.values() if is_array(value)]
        for array in arrays:
            rank = len(shapes[0]) + 1
            if array.ndim > rank or (array.ndim == rank and array.shape[0] != 1):
                raise self.error(
                    f"the array of shape {array.shape} has an axis of its own for the batch of samples",
                    f"{pretty(shapes[0])}. Give it the shape of one sample.",
                )
        rank = len(shapes[0])
        samples = [array.shape[array.ndim - min(rank, array.ndim) :] for array in arrays]
        return broadcast(*shapes, *samples, owner=f"{self.name} ({type(self).__name__})")

    def forward(self, ctx, w, *xs):
        x1, x2 = self.arguments(ctx, xs)
        shape1, shape2 = (x.shape if is_array(x) else () for x in (x1, x2))
        shape = shape1 if shape1 == shape2 else broadcast(shape1, shape2)
        return self.pair[0](x1, x2, out=output_buffer(ctx, shape, (x1, x2)))

    def backward(self, ctx, w, dw, dy, cache):
        need = (0 not in self.constants, 1 not in self.constants)
        return self.for_inputs(self.pair[1](dy, cache, need=need))


@register("operation")
class Add(Binary):
    """x1 + x2."""

    pair = functions.add, functions.add_backward


@register("operation")
class Subtract(Binary):
    """x1 - x2."""

    pair = functions.subtract, functions.subtract_backward


@register("operation")
class Multiply(Binary):
    """x1 * x2."""

    pair = functions.multiply, functions.multiply_backward


@register("operation")
class Divide(Binary):
    """x1 / x2."""

    keeps_integers = False
    pair = functions.divide, functions.divide_backward


@register("operation")
class TrueDivide(Divide):
    """x1 / x2, under the name that Keras has for the operator."""


@register("operation")
class Power(Binary):
    """x1 ** x2."""

    pair = functions.power, functions.power_backward


@register("operation")
class Maximum(Binary):
    """The greater of x1 and x2."""

    pair = functions.maximum, functions.maximum_backward


@register("operation")
class Minimum(Binary):
    """The lesser of x1 and x2."""

    pair = functions.minimum, functions.minimum_backward


# ---------------------------------------------------------------- one operand


class Unary(Op):
    """An operation on one operand; `pair` holds its function and that one's backward."""

    pair = ()

    def forward(self, ctx, w, x):
        (x,) = self.arguments(ctx, (x,))
        return self.pair[0](x, out=output_buffer(ctx, x.shape, (x,)))

    def backward(self, ctx, w, dw, dy, cache):
        return self.pair[1](dy, cache, dx=ctx.buffer("dx", dy.shape))


@register("operation")
class Negative(Unary):
    """-x."""

    keeps_integers = True
    pair = functions.negative, functions.negative_backward


@register("operation")
class Absolute(Unary):
    """|x|."""

    keeps_integers = True
    pair = functions.absolute, functions.absolute_backward


@register("operation")
class Square(Unary):
    """x * x."""

    keeps_integers = True
    pair = functions.square, functions.square_backward


@register("operation")
class Exp(Unary):
    """e to the power of x."""

    pair = functions.exp, functions.exp_backward


@register("operation")
class Log(Unary):
    """Natural logarithm of x."""

    pair = functions.log, functions.log_backward


@register("operation")
class Log1p(Unary):
    """Natural logarithm of 1 + x."""

    pair = functions.log1p, functions.log1p_backward


@register("operation")
class Sqrt(Unary):
    """Square root of x."""

    pair = functions.sqrt, functions.sqrt_backward


@register("operation")
class Relu(Unary):
    """max(x, 0)."""

    module = "keras.src.ops.nn"
    pair = functions.relu, functions.relu_backward


@register("operation")
class Sigmoid(Unary):
    """1 / (1 + exp(-x))."""

    module = "keras.src.ops.nn"
    fuses_with = "sigmoid"
    pair = functions.sigmoid, functions.sigmoid_backward


@register("operation")
class Softplus(Unary):
    """log(1 + exp(x))."""

    module = "keras.src.ops.nn"
    pair = functions.softplus, functions.softplus_backward


@register("operation")
class Tanh(Unary):
    """Hyperbolic tangent of x."""

    pair = functions.tanh, functions.tanh_backward


# ---------------------------------------------------------------- the functions


def add(x1, x2):
    """Returns x1 + x2."""
    return Add.of(x1, x2)


def subtract(x1, x2):
    """Returns x1 - x2."""
    return Subtract.of(x1, x2)


def multiply(x1, x2):
    """Returns x1 * x2."""
    return Multiply.of(x1, x2)


def divide(x1, x2):
    """Returns x1 / x2."""
    return Divide.of(x1, x2)


def true_divide(x1, x2):
    """Returns x1 / x2."""
    return TrueDivide.of(x1, x2)


def power(x1, x2):
    """Returns x1 ** x2."""
    return Power.of(x1, x2)


def maximum(x1, x2):
    """Returns the greater of x1 and x2, element by element."""
    return Maximum.of(x1, x2)


def minimum(x1, x2):
    """Returns the lesser of x1 and x2, element by element."""
    return Minimum.of(x1, x2)


def negative(x):
    """Returns -x."""
    return Negative.of(x)


def absolute(x):
    """Returns |x|."""
    return Absolute.of(x)


def abs(x):
    """Returns |x|."""
    return Absolute.of(x)


def square(x):
    """Returns x * x."""
    return Square.of(x)


def exp(x):
    """Returns e to the power of x."""
    return Exp.of(x)


def log(x):
    """Returns the natural logarithm of x."""
    return Log.of(x)


def log1p(x):
    """Returns the natural logarithm of 1 + x."""
    return Log1p.of(x)


def sqrt(x):
    """Returns the square root of x."""
    return Sqrt.of(x)


def relu(x):
    """Returns max(x, 0)."""
    return Relu.of(x)


def sigmoid(x):
    """Returns 1 / (1 + exp(-x))."""
    return Sigmoid.of(x)


def softplus(x):
    """Returns log(1 + exp(x))."""
    return Softplus.of(x)


def tanh(x):
    """Returns the hyperbolic tangent of x."""
    return Tanh.of(x)
