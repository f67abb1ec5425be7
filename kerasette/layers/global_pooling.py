"""Pooling over whole sequences, images and volumes: one number a channel."""

from kerasette import functions
from kerasette.errors import one_of
from kerasette.layers.spatial import Spatial
from kerasette.registry import register


class _GlobalPooling(Spatial):
    """What all of them share.

    Args:
        data_format: "channels_last" or "channels_first"; by default `kerasette.config.image_data_format()`.
        keepdims: whether the axes that are pooled stay, with length 1.
    """

    pair = ()

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **base):
        super().__init__(**base)
        self._set_format(data_format)
        one_of(self._who, "keepdims", keepdims, (False, True))
        self.keepdims = keepdims

    def output_shape(self, shape):
        channels = self._apart(shape)[1]
        return self._together((1,) * self.rank, channels) if self.keepdims else (channels,)

    def forward(self, ctx, w, x, **named):
        y, cache = self.pair[0](self._inward(ctx, x), **named)
        return (y.reshape(len(x), *self.output_shape(x.shape[1:])) if self.keepdims else y), cache

    def backward(self, ctx, w, dw, dy, cache):
        shape = cache[-1]
        dy = dy.reshape(shape[0], shape[-1])
        return self._outward(ctx, self.pair[1](dy, cache, dx=ctx.buffer("dx", shape)))


class _GlobalMaxPooling(_GlobalPooling):
    pair = functions.global_max_pool, functions.global_max_pool_backward


class _GlobalAveragePooling(_GlobalPooling):
    pair = functions.global_average_pool, functions.global_average_pool_backward


ARGUMENTS = _GlobalPooling.__doc__.partition("share.")[2].strip()


@register("layer", "GlobalMaxPool1D")
class GlobalMaxPooling1D(_GlobalMaxPooling):
    __doc__ = f"""Maximum over the steps of a sequence: (batch, steps, channels) to (batch, channels).

    Equal maxima share the gradient, as in Keras.

    {ARGUMENTS}
    """

    rank = 1


@register("layer", "GlobalMaxPool2D")
class GlobalMaxPooling2D(_GlobalMaxPooling):
    __doc__ = f"""Maximum over an image: (batch, height, width, channels) to (batch, channels).

    Equal maxima share the gradient, as in Keras.

    {ARGUMENTS}
    """

    rank = 2


@register("layer", "GlobalMaxPool3D")
class GlobalMaxPooling3D(_GlobalMaxPooling):
    __doc__ = f"""Maximum over a volume: (batch, depth, height, width, channels) to (batch, channels).

    Equal maxima share the gradient, as in Keras.

    {ARGUMENTS}
    """

    rank = 3


@register("layer", "GlobalAvgPool1D")
class GlobalAveragePooling1D(_GlobalAveragePooling):
    __doc__ = f"""Mean over the steps of a sequence: (batch, steps, channels) to (batch, channels).

    With a mask (batch, steps), as an Embedding with mask_zero makes it, only the steps that count. A sequence
    of which none counts has the mean 0 (in Keras: NaN).

    {ARGUMENTS}

    >>> import numpy as np
    >>> x = np.array([[[1.0], [3.0], [50.0]]])
    >>> GlobalAveragePooling1D()(x, mask=np.array([[True, True, False]]))
    array([[2.]], dtype=float32)
    """

    rank = 1
    supports_masking = True
    tensor_arguments = ("mask",)

    def compute_mask(self, inputs, mask=None):
        """Returns None: the steps are gone, and the mask with them."""

    def forward(self, ctx, w, x, mask=None):
        return super().forward(ctx, w, x, mask=mask)

    def backward(self, ctx, w, dw, dy, cache):
        dx = super().backward(ctx, w, dw, dy, cache)
        return dx if cache[0] is None else (dx, {})


@register("layer", "GlobalAvgPool2D")
class GlobalAveragePooling2D(_GlobalAveragePooling):
    __doc__ = f"""Mean over an image: (batch, height, width, channels) to (batch, channels).

    {ARGUMENTS}

    >>> import numpy as np
    >>> GlobalAveragePooling2D(keepdims=True)(np.ones((2, 7, 7, 16))).shape
    (2, 1, 1, 16)
    """

    rank = 2


@register("layer", "GlobalAvgPool3D")
class GlobalAveragePooling3D(_GlobalAveragePooling):
    __doc__ = f"""Mean over a volume: (batch, depth, height, width, channels) to (batch, channels).

    {ARGUMENTS}
    """

    rank = 3


GlobalMaxPool1D, GlobalMaxPool2D, GlobalMaxPool3D = GlobalMaxPooling1D, GlobalMaxPooling2D, GlobalMaxPooling3D
GlobalAvgPool1D, GlobalAvgPool2D, GlobalAvgPool3D = (
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
)
