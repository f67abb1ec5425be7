"""Layers that add noise in training, and the one that only adds a penalty."""

from kerasette import functions
from kerasette.backend import image_data_format
from kerasette.errors import fraction, one_of, value_error
from kerasette.layers.base import Layer
from kerasette.layers.core import Dropout, checked_seed, noise_shape
from kerasette.registry import register
from kerasette.regularizers import L1L2


@register("layer")
class GaussianNoise(Layer):
    """Adds normal noise in training.

    Args:
        stddev: its standard deviation, from 0 to 1.
        seed: of this layer's random numbers; by default they follow the model's seed.
    """

    def __init__(self, stddev: float, seed: int | None = None, **base):
        super().__init__(**base)
        self.stddev = fraction(self.name, "stddev", stddev)
        self.seed = checked_seed(self.name, seed)

    def draw(self, rng, batch, shape):
        return rng.normal((batch, *shape), self.dtype)

    def forward(self, ctx, w, x):
        if not ctx.training:
            return x, None
        return functions.gaussian_noise(x, ctx.noise, self.stddev, out=ctx.buffer("y", x.shape))

    def backward(self, ctx, w, dw, dy, cache):
        return dy


@register("layer")
class GaussianDropout(Layer):
    """Multiplies by normal noise of mean 1 in training; its deviation is sqrt(rate / (1 - rate)).

    Args:
        rate: from 0 to 1 (exclusive), as of the Dropout whose variance it has.
        seed: of this layer's random numbers; by default they follow the model's seed.
    """

    def __init__(self, rate: float, seed: int | None = None, **base):
        super().__init__(**base)
        self.rate = fraction(self.name, "rate", rate, below_one=True)
        self.seed = checked_seed(self.name, seed)

    def draw(self, rng, batch, shape):
        return rng.normal((batch, *shape), self.dtype)

    def forward(self, ctx, w, x):
        if not ctx.training:
            return x, None
        return functions.gaussian_dropout(x, ctx.noise, self.rate, out=ctx.buffer("y", x.shape))

    def backward(self, ctx, w, dw, dy, cache):
        if cache is None:
            return dy
        return functions.gaussian_dropout_backward(dy, cache, dx=ctx.buffer("dx", dy.shape))


@register("layer")
class AlphaDropout(Layer):
    """Dropout that keeps mean and variance, for networks with selu.

    Args:
        rate: the share that is dropped, from 0 to 1 (exclusive).
        noise_shape: shape of the random mask, as in Dropout.
        seed: of this layer's random numbers; by default they follow the model's seed.

    Klambauer et al. 2017.
    """

    def __init__(self, rate: float, noise_shape=None, seed: int | None = None, **base):
        super().__init__(**base)
        self.rate = fraction(self.name, "rate", rate, below_one=True)
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)
        self.seed = checked_seed(self.name, seed)

    def draw(self, rng, batch, shape):
        return rng.keep(noise_shape(self.name, self.noise_shape, batch, shape), self.rate)

    def forward(self, ctx, w, x):
        if not ctx.training:
            return x, None
        return functions.alpha_dropout(x, ctx.noise, self.rate, out=ctx.buffer("y", x.shape))

    def backward(self, ctx, w, dw, dy, cache):
        if cache is None:
            return dy
        return functions.alpha_dropout_backward(dy, cache, dx=ctx.buffer("dx", dy.shape))


class _SpatialDropout(Layer):
    """Dropout of whole channels."""

    config_hidden = (*Layer.config_hidden, "trainable", "activity_regularizer")  # Keras's class lacks them
    data_format = "channels_last"

    def __init__(self, rate: float, seed: int | None = None, **base):
        super().__init__(**base)
        if self.activity is not None:
            raise value_error(
                f"{self.name}: activity_regularizer isn't provided; use ActivityRegularization."
            )
        self.rate = fraction(self.name, "rate", rate)
        self.seed = checked_seed(self.name, seed)

    def draw(self, rng, batch, shape):
        if self.data_format == "channels_first":
            return rng.keep((batch, shape[0], *(1,) * (len(shape) - 1)), self.rate)
        return rng.keep((batch, *(1,) * (len(shape) - 1), shape[-1]), self.rate)

    forward, backward = Dropout.forward, Dropout.backward


@register("layer")
class SpatialDropout1D(_SpatialDropout):
    """Drops whole features of sequences (batch, steps, features).

    Args:
        rate: the share that is dropped, from 0 to 1.
        seed: of this layer's random numbers; by default they follow the model's seed.
    """

    input_ranks = (2,)


class _ImageDropout(_SpatialDropout):
    """Dropout of whole channels of arrays that have a data format."""

    def __init__(self, rate: float, data_format: str | None = None, seed: int | None = None, **base):
        super().__init__(rate, seed, **base)
        self.data_format = image_data_format() if data_format is None else data_format
        one_of(self.name, "data_format", self.data_format, ("channels_last", "channels_first"))


@register("layer")
class SpatialDropout2D(_ImageDropout):
    """Drops whole channels of images.

    Args:
        rate: the share that is dropped, from 0 to 1.
        data_format: "channels_last" or "channels_first"; by default `kerasette.config.image_data_format()`.
        seed: of this layer's random numbers; by default they follow the model's seed.
    """

    input_ranks = (3,)


@register("layer")
class SpatialDropout3D(_ImageDropout):
    """Drops whole channels of volumes.

    Args:
        rate: the share that is dropped, from 0 to 1.
        data_format: "channels_last" or "channels_first"; by default `kerasette.config.image_data_format()`.
        seed: of this layer's random numbers; by default they follow the model's seed.
    """

    input_ranks = (4,)


@register("layer")
class ActivityRegularization(Layer):
    """Gives its input back, and adds l1 sum(|x|) + l2 sum(x^2), divided by the batch's size, to the loss.

    Args:
        l1, l2: factors.
    """

    config_hidden = (*Layer.config_hidden, "activity_regularizer")

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **base):
        super().__init__(activity_regularizer=L1L2(l1, l2), **base)
        self.l1, self.l2 = l1, l2

    def forward(self, ctx, w, x):
        return x, None

    def backward(self, ctx, w, dw, dy, cache):
        return dy
