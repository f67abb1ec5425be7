"""Pooling over windows: the largest or the mean of each."""

from kerasette import functions
from kerasette.errors import one_of
from kerasette.layers.spatial import Spatial
from kerasette.registry import register
from kerasette.shapes import as_tuple, conv_length


class _Pooling(Spatial):
    """What all pooling layers share.

    Args:
        pool_size: of the window: a whole number, or one for each axis.
        strides: steps of the window; by default the window, so that windows don't meet.
        padding: "valid" (windows inside the input only) or "same" (output length ceil(length / stride); what
            lies outside the input doesn't count). Upper case does as well.
        data_format: "channels_last" or "channels_first"; by default `kerasette.config.image_data_format()`.
        name: unique within a model.
    """

    def __init__(
        self,
        pool_size,
        strides=None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **base,
    ):
        super().__init__(name=name, **base)
        self.pool_size = as_tuple(pool_size, self.rank, self._who, "pool_size")
        self.strides = as_tuple(
            self.pool_size if strides is None else strides, self.rank, self._who, "strides"
        )
        self.padding = padding.lower() if isinstance(padding, str) else padding
        one_of(self._who, "padding", self.padding, ("valid", "same"))
        self._set_format(data_format)

    def output_shape(self, shape):
        lengths, channels = self._apart(shape)
        axes = zip(lengths, self.pool_size, self.strides, strict=True)
        return self._together(
            [conv_length(n, k, s, self.padding, 1, self._who) for n, k, s in axes], channels
        )

    def reads(self, shape):
        """Returns the shape of that part of a sample which lies in some window."""
        if self.padding == "same" or None in shape:
            return shape
        lengths, channels = self._apart(self.output_shape(shape))
        axes = zip(lengths, self.pool_size, self.strides, strict=True)
        return self._together([(n - 1) * s + k for n, k, s in axes], channels)


class _MaxPooling(_Pooling):
    keeps_order, reads = True, _Pooling.reads

    def __init__(self, pool_size=2, strides=None, padding="valid", data_format=None, name=None, **base):
        super().__init__(pool_size, strides, padding, data_format, name, **base)

    @property
    def halves(self):
        """Whether the windows are 2 x 2 pixels side by side, channels last, an odd end left out."""
        return self.pool_size == self.strides == (2, 2) and self.padding == "valid" and not self._first

    def forward(self, ctx, w, x):
        y, cache = functions.max_pool(
            self._inward(ctx, x), self.pool_size, self.strides, self.padding, ctx.need_dx, scratch=ctx.buffer
        )
        return self._outward(ctx, y), cache

    def backward(self, ctx, w, dw, dy, cache):
        return self._outward(ctx, functions.max_pool_backward(self._inward(ctx, dy), cache))


class _AveragePooling(_Pooling):
    reads = _Pooling.reads

    def forward(self, ctx, w, x):
        y, cache = functions.average_pool(
            self._inward(ctx, x), self.pool_size, self.strides, self.padding, scratch=ctx.buffer
        )
        return self._outward(ctx, y), cache

    def backward(self, ctx, w, dw, dy, cache):
        return self._outward(ctx, functions.average_pool_backward(self._inward(ctx, dy), cache))


ARGUMENTS = _Pooling.__doc__.partition("share.")[2].strip()


@register("layer", "MaxPool1D")
class MaxPooling1D(_MaxPooling):
    __doc__ = f"""Maximum of windows of sequences: (batch, steps, channels) to (batch, fewer steps, channels).

    The gradient goes to the first maximum of each window.

    {ARGUMENTS}

    >>> import numpy as np
    >>> MaxPooling1D(2)(np.array([[[1.0], [3.0], [2.0], [0.0]]])).ravel()
    array([3., 2.], dtype=float32)
    """

    rank = 1


@register("layer", "MaxPool2D")
class MaxPooling2D(_MaxPooling):
    __doc__ = f"""Maximum of windows of images (batch, height, width, channels).

    The gradient goes to the first maximum of each window, row by row.

    {ARGUMENTS}

    >>> import numpy as np
    >>> MaxPooling2D(3, strides=2, padding="same")(np.ones((1, 28, 27, 8))).shape
    (1, 14, 14, 8)
    """

    def __init__(self, pool_size=(2, 2), strides=None, padding="valid", data_format=None, name=None, **base):
        super().__init__(pool_size, strides, padding, data_format, name, **base)

    rank = 2


@register("layer", "MaxPool3D")
class MaxPooling3D(_MaxPooling):
    __doc__ = f"""Maximum of windows of volumes (batch, depth, height, width, channels).

    The gradient goes to the first maximum of each window, row by row.

    {ARGUMENTS}
    """

    def __init__(
        self, pool_size=(2, 2, 2), strides=None, padding="valid", data_format=None, name=None, **base
    ):
        super().__init__(pool_size, strides, padding, data_format, name, **base)

    rank = 3


@register("layer", "AvgPool1D")
class AveragePooling1D(_AveragePooling):
    __doc__ = f"""Mean of windows of sequences: (batch, steps, channels) to (batch, fewer steps, channels).

    {ARGUMENTS}

    >>> import numpy as np
    >>> AveragePooling1D(2, padding="same")(np.array([[[2.0], [4.0], [6.0]]])).ravel()
    array([3., 6.], dtype=float32)
    """

    rank = 1


@register("layer", "AvgPool2D")
class AveragePooling2D(_AveragePooling):
    __doc__ = f"""Mean of windows of images (batch, height, width, channels).

    {ARGUMENTS}
    """

    rank = 2


@register("layer", "AvgPool3D")
class AveragePooling3D(_AveragePooling):
    __doc__ = f"""Mean of windows of volumes (batch, depth, height, width, channels).

    {ARGUMENTS}
    """

    rank = 3


MaxPool1D, MaxPool2D, MaxPool3D = MaxPooling1D, MaxPooling2D, MaxPooling3D
AvgPool1D, AvgPool2D, AvgPool3D = AveragePooling1D, AveragePooling2D, AveragePooling3D
