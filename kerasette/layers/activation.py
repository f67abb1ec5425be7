"""Activations with arguments or parameters of their own, as layers."""

from functools import cached_property

from kerasette import functions
from kerasette.errors import value_error
from kerasette.layers.base import Layer
from kerasette.layers.normalization import checked_axis
from kerasette.registry import register
from kerasette.shapes import normalize_axes


def _not_negative(owner, argument, value):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        raise value_error(f"{owner}: {argument} must be a number of at least 0, got {value!r}.")
    return value


class _Elementwise(Layer):
    """A layer that applies one pair of functions; `arguments` gives what follows the input."""

    supports_masking = True
    pair = ()

    @property
    def arguments(self):
        """What the forward function gets besides x."""
        return ()

    def forward(self, ctx, w, x):
        return self.pair[0](x, *self.arguments, out=ctx.buffer("y", x.shape))

    def backward(self, ctx, w, dw, dy, cache):
        return self.pair[1](dy, cache, dx=ctx.buffer("dx", dy.shape))


@register("layer")
class ReLU(_Elementwise):
    """Computes x above `threshold`, negative_slope (x - threshold) below, and at most `max_value`.

    Args:
        max_value: upper bound, or None.
        negative_slope: slope below the threshold.
        threshold: where the two pieces meet.
    """

    pair = functions.relu, functions.relu_backward

    def __init__(self, max_value=None, negative_slope: float = 0.0, threshold: float = 0.0, **base):
        super().__init__(**base)
        self.max_value = None if max_value is None else _not_negative(self.name, "max_value", max_value)
        self.negative_slope = _not_negative(self.name, "negative_slope", negative_slope)
        self.threshold = _not_negative(self.name, "threshold", threshold)

    @property
    def arguments(self):
        return self.negative_slope, self.max_value, self.threshold


@register("layer")
class LeakyReLU(_Elementwise):
    """Computes x for x > 0, else negative_slope x.

    Args:
        negative_slope: slope below 0; the older name `alpha` is the same argument.
    """

    pair = functions.leaky_relu, functions.leaky_relu_backward

    def __init__(self, negative_slope: float = 0.3, *, alpha: float | None = None, **base):
        super().__init__(**base)
        if alpha is not None and negative_slope != 0.3:
            raise value_error(f"{self.name}: negative_slope and alpha say the same; give one.")
        slope = negative_slope if alpha is None else alpha
        self.negative_slope = _not_negative(self.name, "negative_slope", slope)
        self.alpha = None

    config_hidden = (*Layer.config_hidden, "alpha")

    @property
    def arguments(self):
        return (self.negative_slope,)


@register("layer")
class ELU(_Elementwise):
    """Computes x for x > 0, else alpha (exp(x) - 1).

    Args:
        alpha: limit far below 0, with its sign changed.
    """

    pair = functions.elu, functions.elu_backward

    def __init__(self, alpha: float = 1.0, **base):
        super().__init__(**base)
        self.alpha = alpha

    @property
    def arguments(self):
        return (self.alpha,)


@register("layer")
class PReLU(Layer):
    """Computes x for x > 0, else alpha x, with slopes alpha that are trained.

    Args:
        alpha_initializer, alpha_regularizer, alpha_constraint: of the slopes.
        shared_axes: axes (the batch is 0, the first of a sample 1) along which one slope serves all.

    He et al. 2015.
    """

    supports_masking = True

    def __init__(
        self,
        alpha_initializer="Zeros",
        alpha_regularizer=None,
        alpha_constraint=None,
        shared_axes=None,
        **base,
    ):
        super().__init__(**base)
        self.alpha_initializer = alpha_initializer
        self.alpha_regularizer, self.alpha_constraint = alpha_regularizer, alpha_constraint
        self.shared_axes = None if shared_axes is None else checked_axis(self.name, shared_axes)

    def fixed_axes(self, shape):
        rank = len(shape) + 1
        shared = () if self.shared_axes is None else normalize_axes(self.shared_axes, rank, self.name)
        return tuple(axis for axis in range(1, rank) if axis not in shared)

    def build(self, shape):
        own = self.fixed_axes(shape)
        lengths = tuple(n if axis in own else 1 for axis, n in enumerate(shape, 1))
        if None in lengths:
            raise value_error(
                f"{self.name} (PReLU) needs known lengths, got samples of shape {tuple(shape)}.",
                "Name the open axes in shared_axes.",
            )
        self.add_param(
            "alpha",
            lengths,
            self.alpha_initializer,
            regularizer=self.alpha_regularizer,
            constraint=self.alpha_constraint,
        )

    def forward(self, ctx, w, x):
        return functions.prelu(x, w["alpha"], out=ctx.buffer("y", x.shape))

    def backward(self, ctx, w, dw, dy, cache):
        dx = ctx.buffer("dx", dy.shape) if ctx.need_dx else None
        return functions.prelu_backward(dy, cache, need_dx=ctx.need_dx, dx=dx, dalpha=dw["alpha"])[0]


@register("layer")
class Softmax(_Elementwise):
    """Computes exp(x) / sum(exp(x)) over `axis`.

    Args:
        axis: axis or list of axes, counted with the batch as axis 0.
    """

    pair = functions.softmax, functions.softmax_backward

    def __init__(self, axis=-1, **base):
        super().__init__(**base)
        self.axis = checked_axis(self.name, axis)

    @cached_property
    def fuses_with(self):
        return "softmax" if self.axis == -1 else None

    def output_shape(self, shape):
        if 0 in normalize_axes(self.axis, len(shape) + 1, self.name):
            raise value_error(
                f"{self.name} (Softmax) can't sum over the batch; axis must not be {self.axis}."
            )
        return shape

    @property
    def arguments(self):
        return (tuple(self.axis) if isinstance(self.axis, list) else self.axis,)
