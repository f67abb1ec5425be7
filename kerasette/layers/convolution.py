"""Convolution layers over one, two and three axes, and their transposes."""

from kerasette import activations, functions
from kerasette.backend import image_data_format
from kerasette.errors import one_of, positive_int, value_error
from kerasette.layers.base import Layer
from kerasette.registry import register
from kerasette.shapes import as_tuple, conv_length, transposed_lengths

FORMATS = ("channels_last", "channels_first")


class Windowed(Layer):
    """Base of all convolutions: checks what describes their windows, and keeps channels last inside.

    Attributes:
        rank: number of axes that a window moves along.
        paddings: those that the layer takes.
        strides_and_dilation: whether both may be more than 1 at a time.
    """

    rank = 2
    paddings = ("valid", "same")
    strides_and_dilation = False

    def _describe(self, kernel_size, strides, padding, data_format, dilation_rate):
        who = f"{self.name} ({type(self).__name__})"
        self.kernel_size = as_tuple(kernel_size, self.rank, who, "kernel_size")
        self.strides = as_tuple(strides, self.rank, who, "strides")
        self.dilation_rate = as_tuple(dilation_rate, self.rank, who, "dilation_rate")
        self.padding = padding.lower() if isinstance(padding, str) else padding
        self.data_format = image_data_format() if data_format is None else data_format
        one_of(who, "padding", self.padding, self.paddings)
        one_of(who, "data_format", self.data_format, FORMATS)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1 and not self.strides_and_dilation:
            raise value_error(
                f"{who}: strides and dilation_rate can't both be more than 1, got {self.strides} and",
                f"{self.dilation_rate}.",
                "Use one of them (depthwise and separable layers take both).",
            )
        self.input_ranks = (self.rank + 1,)

    def _describe_result(self, activation, use_bias, initializer, regularizer, constraint):
        self.activation = activation
        self.output_activation = activations.get(activation)
        self.use_bias = use_bias
        self.bias_initializer, self.bias_regularizer = initializer, regularizer
        self.bias_constraint = constraint

    def _add_kernel(self, name, shape, prefix):
        """Adds a parameter whose initializer, regularizer and constraint are called `prefix`_..."""
        initializer, regularizer, constraint = (
            getattr(self, f"{prefix}_{what}") for what in ("initializer", "regularizer", "constraint")
        )
        self.add_param(name, shape, initializer, regularizer=regularizer, constraint=constraint)

    def _add_bias(self, filters):
        if self.use_bias:
            self._add_kernel("bias", (filters,), "bias")

    def build(self, shape):
        lengths, channels = self._apart(shape)
        if channels is None:
            raise value_error(
                f"{self.name} ({type(self).__name__}) needs to know the number of channels, got inputs",
                f"of shape {(None, *shape)} with data_format='{self.data_format}'.",
            )
        self._lengths(lengths)  # raises where the window doesn't fit, before parameters are made
        self._channels = channels
        self._build_for(channels)

    def output_shape(self, shape):
        lengths, channels = self._apart(shape)
        if self.built and channels != self._channels:
            raise value_error(
                f"{self.name} ({type(self).__name__}) was built for {self._channels} channels, got inputs",
                f"of shape {(None, *shape)}, which have {channels}.",
            )
        lengths, filters = self._lengths(lengths), self._filters(channels)
        return (filters, *lengths) if self._first else (*lengths, filters)

    def _lengths(self, lengths):
        """Returns the output lengths for those of the input; None where one is open."""
        who = f"{self.name} ({type(self).__name__})"
        axes = zip(lengths, self.kernel_size, self.strides, self.dilation_rate, strict=True)
        return tuple(conv_length(n, k, s, self.padding, d, who) for n, k, s, d in axes)

    @property
    def _first(self):
        return self.data_format == "channels_first"

    def _apart(self, shape):
        """Returns the lengths and the number of channels of one sample."""
        return (shape[1:], shape[0]) if self._first else (shape[:-1], shape[-1])

    def _inward(self, xp, x):
        """Returns `x` with its channels last."""
        return xp.moveaxis(x, 1, -1) if self._first else x

    def _outward(self, xp, y):
        """Returns `y`, or None, with its channels where the user wants them."""
        return xp.moveaxis(y, -1, 1) if self._first and y is not None else y


class Convolution(Windowed):
    """What Conv1D, Conv2D and Conv3D share; Conv2D tells the arguments."""

    def __init__(
        self,
        filters: int,
        kernel_size,
        strides=1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate=1,
        groups: int = 1,
        activation=None,
        use_bias: bool = True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        **base,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **base)
        self.filters = positive_int(self.name, "filters", filters)
        self.groups = positive_int(self.name, "groups", groups)
        if self.filters % self.groups:
            raise value_error(
                f"{self.name}: filters must be a multiple of groups, got {filters} filters, {groups} groups."
            )
        self._describe(kernel_size, strides, padding, data_format, dilation_rate)
        self._describe_result(activation, use_bias, bias_initializer, bias_regularizer, bias_constraint)
        self.kernel_initializer, self.kernel_regularizer = kernel_initializer, kernel_regularizer
        self.kernel_constraint = kernel_constraint

    def _build_for(self, channels):
        if channels % self.groups:
            raise value_error(
                f"{self.name} ({type(self).__name__}): {channels} input channels can't be cut into",
                f"{self.groups} groups; they must be a multiple.",
            )
        self._add_kernel("kernel", (*self.kernel_size, channels // self.groups, self.filters), "kernel")
        self._add_bias(self.filters)

    def _filters(self, channels):
        return self.filters

    @property
    def output_bias(self):
        """The bias may be added later, where channels are last."""
        return "bias" if self.use_bias and not self._first else None

    @property
    def stops_early(self):
        """Whether `forward` takes `part`: not where a window is a pixel, since nothing is copied there."""
        return any(n > 1 for n in (*self.kernel_size, *self.strides))

    @property
    def joins_maxima(self):
        """Whether `forward_maxima` may be used: `functions.conv_max_pool` knows windows of 3 x 3 pixels."""
        plain = self.groups == 1 and max(*self.strides, *self.dilation_rate) == 1
        return plain and self.kernel_size == (3, 3) and not self._first

    def forward(self, ctx, w, x, part=None):
        y, cache = functions.conv(
            self._inward(ctx.xp, x),
            w["kernel"],
            w.get("bias"),
            self.strides,
            self.padding,
            self.dilation_rate,
            positions=part and tuple(self._apart(part)[0]),
            scratch=ctx.buffer,
        )
        return self._outward(ctx.xp, y), cache

    def backward(self, ctx, w, dw, dy, cache):
        dx = functions.conv_backward(
            self._inward(ctx.xp, dy), cache, need_dx=ctx.need_dx, dkernel=dw["kernel"], dbias=dw.get("bias")
        )[0]
        return self._outward(ctx.xp, dx)

    def forward_maxima(self, ctx, w, x):
        bias, keep = w.get("bias"), ctx.goes_back
        return functions.conv_max_pool(x, w["kernel"], bias, self.padding, keep, scratch=ctx.buffer)

    def backward_maxima(self, ctx, w, dw, dy, cache):
        return functions.conv_max_pool_backward(
            dy, cache, need_dx=ctx.need_dx, dkernel=dw["kernel"], dbias=dw.get("bias")
        )[0]


@register("layer", "Convolution1D")
class Conv1D(Convolution):
    """Convolution over sequences: (batch, steps, channels) becomes (batch, new steps, filters).

    Arguments and weights are those of Conv2D, with one axis. padding="causal" puts all zeros before the
    first step, so that no result looks ahead.

    >>> import numpy as np
    >>> Conv1D(1, 2, padding="causal", kernel_initializer="ones")(np.ones((1, 3, 1))).ravel()
    array([1., 2., 2.], dtype=float32)
    """

    rank = 1
    paddings = ("valid", "same", "causal")


@register("layer", "Convolution2D")
class Conv2D(Convolution):
    """Convolution over images: (batch, height, width, channels) becomes (batch, height', width', filters).

    Args:
        filters: number of output channels.
        kernel_size: of the window: a whole number, or one for each axis.
        strides: steps of the window.
        padding: "valid" (windows inside the input only) or "same" (output length ceil(length / stride));
            upper case does as well.
        data_format: "channels_last" or "channels_first"; by default `kerasette.config.image_data_format()`.
        dilation_rate: distance of the window's elements.
        groups: number of groups of channels that are convolved apart.
        activation: name or object, None for linear.
        use_bias: whether a bias is added.
        kernel_initializer, bias_initializer: names or objects.
        kernel_regularizer, bias_regularizer, activity_regularizer: penalties, or None.
        kernel_constraint, bias_constraint: applied after each update, or None.

    Weights: kernel (*kernel_size, channels / groups, filters), bias (filters,).

    >>> import numpy as np
    >>> Conv2D(8, 3, strides=2, padding="same")(np.ones((1, 28, 28, 3))).shape
    (1, 14, 14, 8)
    """

    rank = 2


@register("layer", "Convolution3D")
class Conv3D(Convolution):
    """Convolution over volumes: (batch, depth, height, width, channels).

    Arguments and weights are those of Conv2D, with three axes.
    """

    rank = 3


# ---------------------------------------------------------------- transposed


class TransposedConvolution(Windowed):
    """What the transposed convolutions share; Conv2DTranspose tells the arguments."""

    def __init__(
        self,
        filters: int,
        kernel_size,
        strides=1,
        padding: str = "valid",
        output_padding=None,
        data_format: str | None = None,
        dilation_rate=1,
        activation=None,
        use_bias: bool = True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        **base,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **base)
        self.filters = positive_int(self.name, "filters", filters)
        self._describe(kernel_size, strides, padding, data_format, dilation_rate)
        self.output_padding = (
            None
            if output_padding is None
            else as_tuple(output_padding, self.rank, self.name, "output_padding", minimum=0)
        )
        self._lengths((None,) * self.rank)  # raises where output_padding doesn't fit
        self._describe_result(activation, use_bias, bias_initializer, bias_regularizer, bias_constraint)
        self.kernel_initializer, self.kernel_regularizer = kernel_initializer, kernel_regularizer
        self.kernel_constraint = kernel_constraint

    def _build_for(self, channels):
        self._add_kernel("kernel", (*self.kernel_size, self.filters, channels), "kernel")
        self._add_bias(self.filters)

    def _filters(self, channels):
        return self.filters

    def _lengths(self, lengths):
        who = f"{self.name} ({type(self).__name__})"
        settings = self.kernel_size, self.strides, self.padding, self.output_padding, self.dilation_rate
        return transposed_lengths(lengths, *settings, who)

    def forward(self, ctx, w, x):
        y, cache = functions.conv_transpose(
            self._inward(ctx.xp, x),
            w["kernel"],
            w.get("bias"),
            self.strides,
            self.padding,
            self.output_padding,
            self.dilation_rate,
            scratch=ctx.buffer,
        )
        return self._outward(ctx.xp, y), cache

    def backward(self, ctx, w, dw, dy, cache):
        dx = functions.conv_transpose_backward(
            self._inward(ctx.xp, dy), cache, need_dx=ctx.need_dx, dkernel=dw["kernel"], dbias=dw.get("bias")
        )[0]
        return self._outward(ctx.xp, dx)


@register("layer", "Convolution1DTranspose")
class Conv1DTranspose(TransposedConvolution):
    """Transposed convolution over sequences: (batch, steps, channels) becomes (batch, more steps, filters).

    Arguments and weights are those of Conv2DTranspose, with one axis.
    """

    rank = 1


@register("layer", "Convolution2DTranspose")
class Conv2DTranspose(TransposedConvolution):
    """Transposed convolution over images: leads back to the shape that a Conv2D came from.

    Args:
        filters: number of output channels.
        kernel_size: of the window: a whole number, or one for each axis.
        strides: how many output pixels lie between the windows of neighbouring input pixels.
        padding: "same" (output length: length times stride) or "valid" (length times stride, plus what the
            window reaches beyond the stride); upper case does as well.
        output_padding: 0 to strides - 1, one number or one for each axis: then the output length is
            (length - 1) stride + window + output_padding, for "same" less 2 floor(window / 2).
        data_format: "channels_last" or "channels_first"; by default `kerasette.config.image_data_format()`.
        dilation_rate: distance of the window's elements.
        activation: name or object, None for linear.
        use_bias: whether a bias is added.
        kernel_initializer, bias_initializer: names or objects.
        kernel_regularizer, bias_regularizer, activity_regularizer: penalties, or None.
        kernel_constraint, bias_constraint: applied after each update, or None.

    Weights: kernel (*kernel_size, filters, channels), bias (filters,).

    >>> import numpy as np
    >>> Conv2DTranspose(8, 3, strides=2, padding="same")(np.ones((1, 7, 7, 3))).shape
    (1, 14, 14, 8)
    """

    rank = 2


@register("layer", "Convolution3DTranspose")
class Conv3DTranspose(TransposedConvolution):
    """Transposed convolution over volumes: (batch, depth, height, width, channels).

    Arguments and weights are those of Conv2DTranspose, with three axes; data_format stands before
    output_padding, as in Keras.
    """

    rank = 3

    def __init__(
        self,
        filters: int,
        kernel_size,
        strides=1,
        padding: str = "valid",
        data_format: str | None = None,
        output_padding=None,
        dilation_rate=1,
        **options,
    ):
        super().__init__(
            filters, kernel_size, strides, padding, output_padding, data_format, dilation_rate, **options
        )
