"""Layers that change images at random in training, so that a model sees more than there are."""

import math

from kerasette import functions
from kerasette.backend import image_data_format
from kerasette.errors import one_of, positive_int, type_error, value_error
from kerasette.functions.augmentation import FILL_MODES, INTERPOLATIONS
from kerasette.functions.common import floats
from kerasette.layers.base import Layer
from kerasette.layers.core import checked_seed
from kerasette.registry import register


class _Augmentation(Layer):
    """Base: numbers are drawn for the whole batch, and outside training images pass unchanged.

    Called on arrays directly such a layer is in training mode unless the call says otherwise, as in Keras:
    that is how people look at what it does.
    """

    input_ranks = (3,)
    trains_by_default = True
    derivative = None  # the backward function
    config_hidden = (*Layer.config_hidden, "activity_regularizer", "bounding_box_format")

    def __init__(self, seed=None, data_format=None, *, bounding_box_format=None, **base):
        super().__init__(**base)
        if self.activity is not None:
            raise value_error(f"{self.name}: activity_regularizer isn't provided.")
        if bounding_box_format is not None:
            raise value_error(
                f"{self.name}: bounding boxes aren't provided, so bounding_box_format must be None,",
                f"got {bounding_box_format!r}.",
            )
        self.seed = checked_seed(self.name, seed)
        self.data_format = image_data_format() if data_format is None else data_format
        one_of(self.name, "data_format", self.data_format, ("channels_last", "channels_first"))
        self.bounding_box_format = None

    def _images(self, ctx, array):
        """Returns a view of `array` with its channels last."""
        return array if self.data_format == "channels_last" else ctx.xp.moveaxis(array, 1, 3)

    def draw(self, rng, batch, shape):
        return rng.uniform((batch, 2), self.dtype)

    def forward(self, ctx, w, x):
        x = floats(x, ctx.buffer.dtype)
        if not ctx.training:
            return x, None
        y = ctx.buffer("y", x.shape)
        return y, self._change(self._images(ctx, x), ctx.noise, self._images(ctx, y))

    def _change(self, images, noise, out):
        """Writes changed images into `out` and returns the cache; `noise` is what `draw` returned."""
        raise NotImplementedError

    def backward(self, ctx, w, dw, dy, cache):
        if cache is None:
            return dy
        dx = ctx.buffer("dx", dy.shape)
        self.derivative(self._images(ctx, dy), cache, dx=self._images(ctx, dx))
        return dx


def _bounds(owner, argument, factor, low=-1.0, high=1.0, *, above=False):
    """Returns (lower, upper) of a factor: a number stands for both directions, a pair for itself.

    Args:
        owner, argument: for the message.
        factor: what the user gave.
        low, high: the range of each number; `above` leaves `low` itself out.
    """
    pair = list(factor) if isinstance(factor, (list, tuple)) else [factor]
    if len(pair) > 2 or len(pair) < isinstance(factor, (list, tuple)) * 2 or not all(map(_is_number, pair)):
        raise type_error(f"{owner}: {argument} must be a number or a pair of numbers, got {factor!r}.")
    for number in pair:
        if not low <= number <= high or (above and number == low):
            brackets = f"({low:g}, {high:g}]" if above else f"[{low:g}, {high:g}]"
            raise value_error(f"{owner}: {argument} must lie in {brackets}, got {factor!r}.")
    return (-abs(pair[0]), abs(pair[0])) if len(pair) == 1 else (min(pair), max(pair))


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _between(noise, bounds):
    """Returns numbers uniform between `bounds` for those from 0 to 1 in `noise`."""
    return bounds[0] + noise * (bounds[1] - bounds[0])


# ---------------------------------------------------------------- flips and crops


@register("layer")
class RandomFlip(_Augmentation):
    """Mirrors half of the images in training.

    Args:
        mode: "horizontal" (left and right change places), "vertical", or "horizontal_and_vertical": as in
            Keras one draw decides about both directions, so images are turned by 180 degrees.
        seed: of this layer's random numbers; by default they follow the model's seed.
        data_format: "channels_last" or "channels_first"; by default `kerasette.config.image_data_format()`.

    Input and output: (batch, height, width, channels).
    """

    derivative = staticmethod(functions.flip_where_backward)

    def __init__(
        self,
        mode: str = "horizontal_and_vertical",
        seed: int | None = None,
        data_format: str | None = None,
        **base,
    ):
        super().__init__(seed, data_format, **base)
        one_of(self.name, "mode", mode, ("horizontal", "vertical", "horizontal_and_vertical"))
        self.mode = mode

    def draw(self, rng, batch, shape):
        return rng.keep((batch,), 0.5)

    def _change(self, images, noise, out):
        axes = {"vertical": (1,), "horizontal": (2,)}.get(self.mode, (1, 2))
        return functions.flip_where(images, noise, axes, out=out)[1]


@register("layer")
class RandomCrop(_Augmentation):
    """Cuts a window of one size out of images: in training at a random place, the same for a whole batch.

    In inference, and where images are smaller than that, it is the largest centred window of the same
    proportions, stretched or shrunk to the size (bilinear).

    Args:
        height, width: of the window.
        seed: of this layer's random numbers; by default they follow the model's seed.
        data_format: "channels_last" or "channels_first"; by default `kerasette.config.image_data_format()`.
        name: of the layer.

    Input: (batch, H, W, channels). Output: (batch, height, width, channels).

    >>> import numpy as np
    >>> RandomCrop(2, 3)(np.zeros((4, 5, 5, 1))).shape
    (4, 2, 3, 1)
    """

    def __init__(
        self,
        height: int,
        width: int,
        seed: int | None = None,
        data_format: str | None = None,
        name: str | None = None,
        **base,
    ):
        super().__init__(seed, data_format, name=name, **base)
        self.height = positive_int(self.name, "height", height)
        self.width = positive_int(self.name, "width", width)

    def output_shape(self, shape):
        channels = shape[0 if self.data_format == "channels_first" else 2]
        if self.data_format == "channels_first":
            return (channels, self.height, self.width)
        return (self.height, self.width, channels)

    def draw(self, rng, batch, shape):
        lengths = shape[:2] if self.data_format == "channels_last" else shape[1:]
        room = [max(length - n, 0) for length, n in zip(lengths, (self.height, self.width), strict=True)]
        return rng.xp.concatenate([rng.integers(0, n + 1, (1, 1)) for n in room], axis=1)

    def forward(self, ctx, w, x):
        images, size = self._images(ctx, floats(x, ctx.buffer.dtype)), (self.height, self.width)
        y = ctx.buffer("y", (len(x), *self.output_shape(x.shape[1:])))
        out = self._images(ctx, y)
        if ctx.training and images.shape[1] >= size[0] and images.shape[2] >= size[1]:
            cache = functions.crop_at(images, ctx.noise, size, out=out)[1]
            return y, (functions.crop_at_backward, cache, x.shape)
        cache = functions.fit_window(images, size, out=out)[1]
        return y, (functions.fit_window_backward, cache, x.shape)

    def backward(self, ctx, w, dw, dy, cache):
        derivative, cache, shape = cache
        dx = ctx.buffer("dx", shape)
        derivative(self._images(ctx, dy), cache, dx=self._images(ctx, dx))
        return dx


# ---------------------------------------------------------------- affine maps


class _Affine(_Augmentation):
    """Base of the layers that sample images at the places an affine map gives."""

    derivative = staticmethod(functions.affine_transform_backward)

    def __init__(self, fill_mode, interpolation, seed, fill_value, data_format, **base):
        super().__init__(seed, data_format, **base)
        one_of(self.name, "fill_mode", fill_mode, FILL_MODES)
        one_of(self.name, "interpolation", interpolation, INTERPOLATIONS)
        if not _is_number(fill_value):
            raise type_error(f"{self.name}: fill_value must be a number, got {fill_value!r}.")
        self.fill_mode, self.interpolation, self.fill_value = fill_mode, interpolation, fill_value

    def _maps(self, noise, height, width):
        """Returns the map of each image, given numbers from 0 to 1, (batch, 2)."""
        raise NotImplementedError

    def _change(self, images, noise, out):
        maps = self._maps(noise, *images.shape[1:3])
        settings = self.interpolation, self.fill_mode, self.fill_value
        return functions.affine_transform(images, maps, *settings, out=out)[1]


@register("layer")
class RandomRotation(_Affine):
    """Turns each image about its centre by an angle of its own, in training.

    Args:
        factor: the largest angle as a share of a full turn, or a pair (lower, upper): 0.1 turns by -36 to
            36 degrees, positive angles counter-clockwise.
        fill_mode: what stands outside the image: "reflect", "wrap", "constant" or "nearest".
        interpolation: "bilinear" or "nearest".
        seed: of this layer's random numbers; by default they follow the model's seed.
        fill_value: the value outside where `fill_mode` is "constant".
        data_format: "channels_last" or "channels_first"; by default `kerasette.config.image_data_format()`.

    Input and output: (batch, height, width, channels).
    """

    def __init__(
        self,
        factor,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **base,
    ):
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **base)
        self.factor = factor
        self._turns = _bounds(self.name, "factor", factor)

    def _maps(self, noise, height, width):
        return functions.rotations(_between(noise[:, :1], self._turns) * (2 * math.pi), height, width)


@register("layer")
class RandomZoom(_Affine):
    """Zooms each image by factors of its own, in training.

    Args:
        height_factor: how much smaller things may become vertically, as a share, or a pair (lower, upper):
            (0.2, 0.3) zooms out by 20 to 30 %, (-0.3, -0.2) zooms in. Above -1, up to 1.
        width_factor: the same horizontally; None keeps the proportions.
        fill_mode: what stands outside the image: "reflect", "wrap", "constant" or "nearest".
        interpolation: "bilinear" or "nearest".
        seed: of this layer's random numbers; by default they follow the model's seed.
        fill_value: the value outside where `fill_mode` is "constant".
        data_format: "channels_last" or "channels_first"; by default `kerasette.config.image_data_format()`.

    Input and output: (batch, height, width, channels).
    """

    def __init__(
        self,
        height_factor,
        width_factor=None,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **base,
    ):
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **base)
        self.height_factor, self.width_factor = height_factor, width_factor
        self._vertical = _bounds(self.name, "height_factor", height_factor, above=True)
        self._horizontal = None
        if width_factor is not None:
            self._horizontal = _bounds(self.name, "width_factor", width_factor, above=True)

    def _maps(self, noise, height, width):
        down = across = 1.0 + _between(noise[:, :1], self._vertical)
        if self._horizontal is not None:
            across = 1.0 + _between(noise[:, 1:], self._horizontal)
        return functions.zooms(down, across, height, width)


@register("layer")
class RandomTranslation(_Affine):
    """Moves each image by distances of its own, in training.

    Args:
        height_factor: how far down, as a share of the height, or a pair (lower, upper): 0.2 moves by -20 %
            (up) to 20 %.
        width_factor: how far to the right, as a share of the width, or a pair.
        fill_mode: what stands outside the image: "reflect", "wrap", "constant" or "nearest".
        interpolation: "bilinear" or "nearest".
        seed: of this layer's random numbers; by default they follow the model's seed.
        fill_value: the value outside where `fill_mode` is "constant".
        data_format: "channels_last" or "channels_first"; by default `kerasette.config.image_data_format()`.

    Input and output: (batch, height, width, channels).
    """

    def __init__(
        self,
        height_factor,
        width_factor,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **base,
    ):
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **base)
        self.height_factor, self.width_factor = height_factor, width_factor
        self._down = _bounds(self.name, "height_factor", height_factor)
        self._right = _bounds(self.name, "width_factor", width_factor)

    def _maps(self, noise, height, width):
        down = _between(noise[:, :1], self._down) * float(height)
        return functions.translations(down, _between(noise[:, 1:], self._right) * float(width))


# ---------------------------------------------------------------- contrast and brightness


class _Coloring(_Augmentation):
    """Base of the layers that change values, and keep them in a range."""

    def __init__(self, factor, value_range, seed, **base):
        super().__init__(seed, **base)
        self.factor, self.value_range = factor, value_range
        given = value_range if isinstance(value_range, (list, tuple)) else []
        if len(given) != 2 or not all(map(_is_number, given)) or given[0] == given[1]:
            raise value_error(
                f"{self.name}: value_range must be a pair of different numbers, got {value_range!r}."
            )
        self._range = float(min(given)), float(max(given))


@register("layer")
class RandomContrast(_Coloring):
    """Moves the values of each image and channel away from their mean or towards it, in training.

    y = (x - mean) f + mean, kept in `value_range`; f lies between 1 - lower and 1 + upper.

    Args:
        factor: a pair (lower, upper) of numbers from 0 to 1, or one number for both.
        value_range: the least and the largest value.
        seed: of this layer's random numbers; by default they follow the model's seed.
        data_format: "channels_last" or "channels_first"; by default `kerasette.config.image_data_format()`.

    Input and output: (batch, height, width, channels).
    """

    derivative = staticmethod(functions.adjust_contrast_backward)

    def __init__(self, factor, value_range=(0, 255), seed: int | None = None, **base):
        super().__init__(factor, value_range, seed, **base)
        _bounds(self.name, "factor", factor, low=0.0)
        lower, upper = factor if isinstance(factor, (list, tuple)) else (factor, factor)
        self._factors = 1.0 - lower, 1.0 + upper

    def _change(self, images, noise, out):
        factor = _between(noise[:, 0], self._factors)[:, None, None, None]
        return functions.adjust_contrast(images, factor, *self._range, out=out)[1]


@register("layer")
class RandomBrightness(_Coloring):
    """Adds a number of its own to each image in training, and keeps the values in `value_range`.

    Args:
        factor: the largest number as a share of the range, or a pair (lower, upper), from -1 (black) to 1
            (white).
        value_range: the least and the largest value.
        seed: of this layer's random numbers; by default they follow the model's seed.
        data_format: of no effect, as the axes don't matter; accepted as in Keras.

    Input and output: (batch, height, width, channels).
    """

    derivative = staticmethod(functions.adjust_brightness_backward)

    def __init__(self, factor, value_range=(0, 255), seed: int | None = None, **base):
        super().__init__(factor, value_range, seed, **base)
        self._shares = _bounds(self.name, "factor", factor)

    def _change(self, images, noise, out):
        low, high = self._range
        delta = (_between(noise[:, 0], self._shares) * (high - low))[:, None, None, None]
        return functions.adjust_brightness(images, delta, low, high, out=out)[1]
