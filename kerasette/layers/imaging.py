"""The geometry of sequences, images and volumes: zeros around them, parts of them, other sizes."""

import numpy as np

from kerasette import functions
from kerasette.errors import one_of, positive_int, type_error, value_error
from kerasette.functions.interpolation import INTERPOLATIONS, aspect_box
from kerasette.layers.core import Rearranging
from kerasette.layers.spatial import Spatial, borders
from kerasette.registry import register
from kerasette.shapes import as_tuple

# ---------------------------------------------------------------- borders


class _Bordered(Spatial, Rearranging):
    """Adds borders (sign +1) or takes them away (-1); `sides` holds a pair (before, after) for each axis."""

    sign = 1

    def _set_sides(self, argument, value):
        self.sides = borders(self._who, argument, value, self.rank)
        return self.sides[0] if self.rank == 1 else self.sides

    def output_shape(self, shape):
        lengths, channels = self._apart(shape)
        found = [
            None if n is None else n + self.sign * sum(side)
            for n, side in zip(lengths, self.sides, strict=True)
        ]
        if any(n is not None and n <= 0 for n in found):
            raise value_error(
                f"{self._who} takes {self.sides} away from inputs of shape {(None, *shape)}: none is left.",
                "Crop less, or use larger inputs.",
            )
        return self._together(found, channels)

    @property
    def _everywhere(self):
        """The pairs of all axes, the batch included."""
        none = (0, 0)
        return (none, none, *self.sides) if self._first else (none, *self.sides, none)


class _ZeroPadding(_Bordered):
    def __init__(self, padding=1, data_format: str | None = None, **base):
        super().__init__(**base)
        self._set_format(data_format)
        self.padding = self._set_sides("padding", padding)

    def forward(self, ctx, w, x):
        out = ctx.buffer("y", (len(x), *self.output_shape(x.shape[1:])), x.dtype)
        return functions.zero_padding(x, self._everywhere, out=out)

    def backward(self, ctx, w, dw, dy, cache):
        return functions.zero_padding_backward(dy, cache)


@register("layer")
class ZeroPadding1D(_ZeroPadding):
    """Zeros before and after the steps of a sequence.

    Args:
        padding: how many on both sides, or (before, after).
        data_format: "channels_last" or "channels_first"; by default `kerasette.config.image_data_format()`.
    """

    rank = 1


@register("layer")
class ZeroPadding2D(_ZeroPadding):
    """Zeros around images.

    Args:
        padding: how many on each side; or two numbers (height, width); or ((top, bottom), (left, right)).
        data_format: "channels_last" or "channels_first"; by default `kerasette.config.image_data_format()`.

    >>> import numpy as np
    >>> ZeroPadding2D(((1, 0), (2, 2)))(np.ones((1, 3, 3, 8))).shape
    (1, 4, 7, 8)
    """

    rank = 2

    def __init__(self, padding=(1, 1), data_format: str | None = None, **base):
        super().__init__(padding, data_format, **base)


@register("layer")
class ZeroPadding3D(_ZeroPadding):
    """Zeros around volumes.

    Args:
        padding: how many on each side; or three numbers; or three pairs (before, after).
        data_format: "channels_last" or "channels_first"; by default `kerasette.config.image_data_format()`.
    """

    rank = 3

    def __init__(self, padding=((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **base):
        super().__init__(padding, data_format, **base)


class _Cropping(_Bordered):
    sign = -1

    def forward(self, ctx, w, x):
        self.output_shape(x.shape[1:])  # raises where an open length turns out too short
        return functions.cropping(x, self._everywhere)

    def backward(self, ctx, w, dw, dy, cache):
        return functions.cropping_backward(dy, cache, dx=ctx.buffer("dx", cache[0]))


@register("layer")
class Cropping1D(_Cropping):
    """Takes steps away from the beginning and the end of a sequence (batch, steps, channels).

    Args:
        cropping: how many on both sides, or (beginning, end).
    """

    rank = 1

    def __init__(self, cropping=(1, 1), **base):
        super().__init__(**base)
        self.cropping = self._set_sides("cropping", cropping)


@register("layer")
class Cropping2D(_Cropping):
    """Takes borders away from images.

    Args:
        cropping: how many on each side; or two numbers (height, width); or ((top, bottom), (left, right)).
        data_format: "channels_last" or "channels_first"; by default `kerasette.config.image_data_format()`.
    """

    rank = 2

    def __init__(self, cropping=((0, 0), (0, 0)), data_format: str | None = None, **base):
        super().__init__(**base)
        self._set_format(data_format)
        self.cropping = self._set_sides("cropping", cropping)


@register("layer")
class Cropping3D(_Cropping):
    """Takes borders away from volumes.

    Args:
        cropping: how many on each side; or three numbers; or three pairs (before, after).
        data_format: "channels_last" or "channels_first"; by default `kerasette.config.image_data_format()`.
    """

    rank = 3

    def __init__(self, cropping=((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **base):
        super().__init__(**base)
        self._set_format(data_format)
        self.cropping = self._set_sides("cropping", cropping)


# ---------------------------------------------------------------- upsampling


class _UpSampling(Spatial, Rearranging):
    """Repeats pixels; `times` says how often along each axis."""

    def output_shape(self, shape):
        lengths, channels = self._apart(shape)
        longer = [None if n is None else n * k for n, k in zip(lengths, self.times, strict=True)]
        return self._together(longer, channels)

    def _inward(self, ctx, x):
        return ctx.xp.moveaxis(x, 1, -1) if self._first else x  # whole numbers stay

    def forward(self, ctx, w, x):
        y, cache = functions.upsample(self._inward(ctx, x), self.times, scratch=ctx.buffer)
        return self._outward(ctx, y), cache

    def backward(self, ctx, w, dw, dy, cache):
        return self._outward(ctx, functions.upsample_backward(self._inward(ctx, dy), cache))


@register("layer")
class UpSampling1D(_UpSampling):
    """Repeats each step of a sequence (batch, steps, channels).

    Args:
        size: how often.
    """

    rank = 1

    def __init__(self, size: int = 2, **base):
        super().__init__(**base)
        self.size = positive_int(self._who, "size", size)
        self.times = (self.size,)


@register("layer")
class UpSampling2D(_UpSampling):
    """Makes images larger by whole factors.

    Args:
        size: factor, or two of them for height and width.
        data_format: "channels_last" or "channels_first"; by default `kerasette.config.image_data_format()`.
        interpolation: "nearest" (repeats pixels), "bilinear", "bicubic", "lanczos3" or "lanczos5".

    >>> import numpy as np
    >>> UpSampling2D((1, 2), interpolation="bilinear")(np.array([[[[0.0], [4.0]]]])).ravel()
    array([0., 1., 3., 4.], dtype=float32)
    """

    rank = 2

    def __init__(self, size=(2, 2), data_format: str | None = None, interpolation: str = "nearest", **base):
        super().__init__(**base)
        self.size = self.times = as_tuple(size, 2, self._who, "size")
        self._set_format(data_format)
        self.interpolation = _interpolation(self._who, interpolation)

    @property
    def _repeats(self):
        return self.interpolation == "nearest"

    def input_dtype(self, dtype):
        return super().input_dtype(dtype) if self._repeats else self.dtype

    def output_dtype(self, dtype):
        return dtype if self._repeats else self.dtype

    def forward(self, ctx, w, x):
        if self._repeats:
            return super().forward(ctx, w, x)
        x = Spatial._inward(self, ctx, x)
        size = (x.shape[1] * self.times[0], x.shape[2] * self.times[1])
        y, cache = functions.resize(x, size, self.interpolation, scratch=ctx.buffer)
        return self._outward(ctx, y), cache

    def backward(self, ctx, w, dw, dy, cache):
        if self._repeats:
            return super().backward(ctx, w, dw, dy, cache)
        return self._outward(ctx, functions.resize_backward(self._inward(ctx, dy), cache))


@register("layer")
class UpSampling3D(_UpSampling):
    """Repeats the elements of volumes along each axis.

    Args:
        size: how often; or three numbers.
        data_format: "channels_last" or "channels_first"; by default `kerasette.config.image_data_format()`.
    """

    rank = 3

    def __init__(self, size=(2, 2, 2), data_format: str | None = None, **base):
        super().__init__(**base)
        self.size = self.times = as_tuple(size, 3, self._who, "size")
        self._set_format(data_format)


def _interpolation(owner, value):
    name = value.lower() if isinstance(value, str) else value
    one_of(owner, "interpolation", name, INTERPOLATIONS)
    return name


# ---------------------------------------------------------------- one size for all


class _Sized(Spatial):
    """A layer whose result has the size (height, width)."""

    def _set_size(self, height, width, data_format):
        self.height = positive_int(self._who, "height", height)
        self.width = positive_int(self._who, "width", width)
        self._set_format(data_format)

    def output_shape(self, shape):
        return self._together((self.height, self.width), self._apart(shape)[1])


@register("layer")
class Resizing(_Sized):
    """Gives images the size (height, width).

    Args:
        height, width: of the result.
        interpolation: "bilinear", "nearest", "bicubic", "lanczos3" or "lanczos5".
        crop_to_aspect_ratio: whether to take the largest part in the middle that has the new aspect ratio,
            instead of distorting the image.
        pad_to_aspect_ratio: whether to put `fill_value` on two sides until the image has the new aspect
            ratio, instead of distorting it.
        fill_mode: how to pad; only "constant".
        fill_value: what to pad with.
        antialias: whether shrinking looks at all pixels that a new one covers.
        data_format: "channels_last" or "channels_first"; by default `kerasette.config.image_data_format()`.

    The result holds floats; that of whole numbers is rounded and kept within their type, as in Keras.

    >>> import numpy as np
    >>> Resizing(2, 3)(np.ones((5, 28, 28, 1))).shape
    (5, 2, 3, 1)
    """

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        data_format: str | None = None,
        **base,
    ):
        super().__init__(**base)
        self._set_size(height, width, data_format)
        self.interpolation = _interpolation(self._who, interpolation)
        for name, value in (
            ("crop_to_aspect_ratio", crop_to_aspect_ratio),
            ("pad_to_aspect_ratio", pad_to_aspect_ratio),
            ("antialias", antialias),
        ):
            one_of(self._who, name, value, (False, True))
        if crop_to_aspect_ratio and pad_to_aspect_ratio:
            raise value_error(
                f"{self._who}: crop_to_aspect_ratio and pad_to_aspect_ratio exclude each other; give one."
            )
        one_of(self._who, "fill_mode", fill_mode, ("constant",))
        if isinstance(fill_value, bool) or not isinstance(fill_value, (int, float)):
            raise type_error(f"{self._who}: fill_value must be a number, got {fill_value!r}.")
        self.crop_to_aspect_ratio, self.pad_to_aspect_ratio = crop_to_aspect_ratio, pad_to_aspect_ratio
        self.fill_mode, self.fill_value, self.antialias = fill_mode, fill_value, antialias

    def input_dtype(self, dtype):
        return dtype if "int" in dtype else self.dtype

    def forward(self, ctx, w, x):
        images, size = self._inward(ctx, x), (self.height, self.width)
        box = None
        if self.crop_to_aspect_ratio or self.pad_to_aspect_ratio:
            box = aspect_box(*images.shape[1:3], size, inside=self.crop_to_aspect_ratio)
        y, cache = functions.resize(
            images, size, self.interpolation, self.antialias, box, self.fill_value, scratch=ctx.buffer
        )
        if x.dtype.kind in "iu":
            limits = np.iinfo(x.dtype)
            ctx.xp.clip(ctx.xp.rint(y, y), limits.min, limits.max, out=y)
        return self._outward(ctx, y), cache

    def backward(self, ctx, w, dw, dy, cache):
        return self._outward(ctx, functions.resize_backward(self._inward(ctx, dy), cache))


@register("layer")
class CenterCrop(_Sized):
    """Takes the part (height, width) in the middle of images.

    Of an image that is too small the largest part with that aspect ratio is resized (bilinear).

    Args:
        height, width: of the result.
        data_format: "channels_last" or "channels_first"; by default `kerasette.config.image_data_format()`.
    """

    def __init__(self, height: int, width: int, data_format: str | None = None, **base):
        super().__init__(**base)
        self._set_size(height, width, data_format)

    def forward(self, ctx, w, x):
        images, size = self._inward(ctx, x), (self.height, self.width)
        extra = [n - wanted for n, wanted in zip(images.shape[1:3], size, strict=True)]
        if min(extra) < 0:
            box = aspect_box(*images.shape[1:3], size, inside=True)
            y, cache = functions.resize(images, size, box=box, scratch=ctx.buffer)
            return self._outward(ctx, y), (functions.resize_backward, cache)
        cut = ((0, 0), *((more // 2, more - more // 2) for more in extra), (0, 0))
        y, cache = functions.cropping(images, cut)
        return self._outward(ctx, y), (functions.cropping_backward, cache)

    def backward(self, ctx, w, dw, dy, cache):
        backward, inner = cache
        return self._outward(ctx, backward(self._inward(ctx, dy), inner))
