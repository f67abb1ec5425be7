"""Depthwise and separable convolution layers."""

from kerasette import functions
from kerasette.errors import positive_int
from kerasette.layers.convolution import Windowed
from kerasette.registry import register


class DepthwiseConvolution(Windowed):
    """What DepthwiseConv1D and DepthwiseConv2D share; DepthwiseConv2D tells the arguments."""

    strides_and_dilation = True

    def __init__(
        self,
        kernel_size,
        strides=1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate=1,
        activation=None,
        use_bias: bool = True,
        depthwise_initializer="glorot_uniform",
        bias_initializer="zeros",
        depthwise_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        depthwise_constraint=None,
        bias_constraint=None,
        **base,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **base)
        self.depth_multiplier = positive_int(self.name, "depth_multiplier", depth_multiplier)
        self._describe(kernel_size, strides, padding, data_format, dilation_rate)
        self._describe_result(activation, use_bias, bias_initializer, bias_regularizer, bias_constraint)
        self.depthwise_initializer, self.depthwise_regularizer = depthwise_initializer, depthwise_regularizer
        self.depthwise_constraint = depthwise_constraint

    def _build_for(self, channels):
        self._add_kernel("kernel", (*self.kernel_size, channels, self.depth_multiplier), "depthwise")
        self._add_bias(self._filters(channels))

    def _filters(self, channels):
        return None if channels is None else channels * self.depth_multiplier

    def forward(self, ctx, w, x):
        y, cache = functions.depthwise_conv(
            self._inward(ctx.xp, x),
            w["kernel"],
            w.get("bias"),
            self.strides,
            self.padding,
            self.dilation_rate,
            scratch=ctx.buffer,
        )
        return self._outward(ctx.xp, y), cache

    def backward(self, ctx, w, dw, dy, cache):
        dx = functions.depthwise_conv_backward(
            self._inward(ctx.xp, dy), cache, need_dx=ctx.need_dx, dkernel=dw["kernel"], dbias=dw.get("bias")
        )[0]
        return self._outward(ctx.xp, dx)


@register("layer")
class DepthwiseConv1D(DepthwiseConvolution):
    """Convolution of each channel of sequences by itself.

    Arguments and weights are those of DepthwiseConv2D, with one axis.
    """

    rank = 1


@register("layer")
class DepthwiseConv2D(DepthwiseConvolution):
    """Convolution of each channel of images by itself: (batch, height, width, channels).

    Args:
        kernel_size: of the window: a whole number, or one for each axis.
        strides: steps of the window.
        padding: "valid" or "same" (output length ceil(length / stride)); upper case does as well.
        depth_multiplier: number of output channels for each input channel.
        data_format: "channels_last" or "channels_first"; by default `kerasette.config.image_data_format()`.
        dilation_rate: distance of the window's elements.
        activation: name or object, None for linear.
        use_bias: whether a bias is added.
        depthwise_initializer, bias_initializer: names or objects.
        depthwise_regularizer, bias_regularizer, activity_regularizer: penalties, or None.
        depthwise_constraint, bias_constraint: applied after each update, or None.

    Weights: kernel (*kernel_size, channels, depth_multiplier), bias (channels depth_multiplier,).

    >>> import numpy as np
    >>> DepthwiseConv2D(2, depthwise_initializer="ones")(np.ones((1, 2, 2, 3))).ravel()
    array([4., 4., 4.], dtype=float32)
    """

    rank = 2


class SeparableConvolution(Windowed):
    """What SeparableConv1D and SeparableConv2D share; SeparableConv2D tells the arguments."""

    strides_and_dilation = True

    def __init__(
        self,
        filters: int,
        kernel_size,
        strides=1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate=1,
        depth_multiplier: int = 1,
        activation=None,
        use_bias: bool = True,
        depthwise_initializer="glorot_uniform",
        pointwise_initializer="glorot_uniform",
        bias_initializer="zeros",
        depthwise_regularizer=None,
        pointwise_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        depthwise_constraint=None,
        pointwise_constraint=None,
        bias_constraint=None,
        **base,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **base)
        self.filters = positive_int(self.name, "filters", filters)
        self.depth_multiplier = positive_int(self.name, "depth_multiplier", depth_multiplier)
        self._describe(kernel_size, strides, padding, data_format, dilation_rate)
        self._describe_result(activation, use_bias, bias_initializer, bias_regularizer, bias_constraint)
        self.depthwise_initializer, self.depthwise_regularizer = depthwise_initializer, depthwise_regularizer
        self.pointwise_initializer, self.pointwise_regularizer = pointwise_initializer, pointwise_regularizer
        self.depthwise_constraint, self.pointwise_constraint = depthwise_constraint, pointwise_constraint

    def _build_for(self, channels):
        hidden = channels * self.depth_multiplier
        self._add_kernel(
            "depthwise_kernel", (*self.kernel_size, channels, self.depth_multiplier), "depthwise"
        )
        self._add_kernel("pointwise_kernel", (*(1,) * self.rank, hidden, self.filters), "pointwise")
        self._add_bias(self.filters)

    def _filters(self, channels):
        return self.filters

    def forward(self, ctx, w, x):
        y, cache = functions.separable_conv(
            self._inward(ctx.xp, x),
            w["depthwise_kernel"],
            w["pointwise_kernel"],
            w.get("bias"),
            self.strides,
            self.padding,
            self.dilation_rate,
            scratch=ctx.buffer,
        )
        return self._outward(ctx.xp, y), cache

    def backward(self, ctx, w, dw, dy, cache):
        dx = functions.separable_conv_backward(
            self._inward(ctx.xp, dy),
            cache,
            need_dx=ctx.need_dx,
            ddepthwise=dw["depthwise_kernel"],
            dpointwise=dw["pointwise_kernel"],
            dbias=dw.get("bias"),
        )[0]
        return self._outward(ctx.xp, dx)


@register("layer", "SeparableConvolution1D")
class SeparableConv1D(SeparableConvolution):
    """Depthwise convolution of sequences, then a mix of the channels.

    Arguments and weights are those of SeparableConv2D, with one axis.
    """

    rank = 1


@register("layer", "SeparableConvolution2D")
class SeparableConv2D(SeparableConvolution):
    """Depthwise convolution of images, then a mix of the channels: (batch, height, width, channels).

    Args:
        filters: number of output channels.
        kernel_size: of the depthwise window: a whole number, or one for each axis.
        strides: steps of the window.
        padding: "valid" or "same" (output length ceil(length / stride)); upper case does as well.
        data_format: "channels_last" or "channels_first"; by default `kerasette.config.image_data_format()`.
        dilation_rate: distance of the window's elements.
        depth_multiplier: number of channels between the two steps for each input channel.
        activation: name or object, None for linear.
        use_bias: whether a bias is added.
        depthwise_initializer, pointwise_initializer, bias_initializer: names or objects.
        depthwise_regularizer, pointwise_regularizer, bias_regularizer, activity_regularizer: penalties,
            or None.
        depthwise_constraint, pointwise_constraint, bias_constraint: applied after each update, or None.

    Chollet 2017. Weights: depthwise_kernel (*kernel_size, channels, depth_multiplier), pointwise_kernel
    (1, 1, channels depth_multiplier, filters), bias (filters,).

    >>> import numpy as np
    >>> SeparableConv2D(8, 3, padding="same")(np.ones((1, 9, 9, 4))).shape
    (1, 9, 9, 8)
    """

    rank = 2
