"""Layers that add noise in training, and the one that only adds a penalty."""

from kerasette import functions
from kerasette.backend import image_data_format
from kerasette.errors import fraction, one_of, value_error
from kerasette.layers.base import Layer
from kerasette.layers.core import Dropout, Noisy
from kerasette.registry import register
from kerasette.regularizers import L1L2


class _Gaussian(Noisy):
    """Base of layers whose noise is normal."""

    def draw(self, rng, batch, shape):
        return rng.normal((batch, *shape), self.dtype)


@register("layer")
class GaussianNoise(_Gaussian):
    """Adds normal noise in training.

    Args:
        stddev: its standard deviation, from 0 to 1.
        seed: of this layer's random numbers; by default they follow the model's seed.
    """

    function = staticmethod(functions.gaussian_noise)
    amount = "stddev"

    def __init__(self, stddev: float, seed: int | None = None, **base):
        super().__init__(seed, **base)
        self.stddev = fraction(self.name, "stddev", stddev)


@register("layer")
class GaussianDropout(_Gaussian):
    """Multiplies by normal noise of mean 1 in training; its deviation is sqrt(rate / (1 - rate)).

    Args:
        rate: from 0 to 1 (exclusive), as of the Dropout whose variance it has.
        seed: of this layer's random numbers; by default they follow the model's seed.
    """

    function = staticmethod(functions.gaussian_dropout)
    derivative = staticmethod(functions.gaussian_dropout_backward)

    def __init__(self, rate: float, seed: int | None = None, **base):
        super().__init__(seed, **base)
        self.rate = fraction(self.name, "rate", rate, below_one=True)


@register("layer")
class AlphaDropout(Dropout):
    """Dropout that keeps mean and variance, for networks with selu.

    Args:
        rate: the share that is dropped, from 0 to 1 (exclusive).
        noise_shape: shape of the random mask, as in Dropout.
        seed: of this layer's random numbers; by default they follow the model's seed.

    Klambauer et al. 2017.
    """

    function = staticmethod(functions.alpha_dropout)
    derivative = staticmethod(functions.alpha_dropout_backward)

    def __init__(self, rate: float, noise_shape=None, seed: int | None = None, **base):
        super().__init__(rate, noise_shape, seed, **base)
        fraction(self.name, "rate", rate, below_one=True)


class _SpatialDropout(Noisy):
    """Dropout of whole channels."""

    config_hidden = (*Layer.config_hidden, "trainable", "activity_regularizer")  # Keras's class lacks them
    data_format = "channels_last"

    def __init__(self, rate: float, seed: int | None = None, **base):
        super().__init__(seed, **base)
        if self.activity is not None:
            raise value_error(
                f"{self.name}: activity_regularizer isn't provided; use ActivityRegularization."
            )
        self.rate = fraction(self.name, "rate", rate)

    def draw(self, rng, batch, shape):
        if self.data_format == "channels_first":
            return rng.keep((batch, shape[0], *(1,) * (len(shape) - 1)), self.rate)
        return rng.keep((batch, *(1,) * (len(shape) - 1), shape[-1]), self.rate)


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

    supports_masking = True
    config_hidden = (*Layer.config_hidden, "activity_regularizer")

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **base):
        super().__init__(activity_regularizer=L1L2(l1, l2), **base)
        self.l1, self.l2 = l1, l2

    def forward(self, ctx, w, x):
        return x, None

    def backward(self, ctx, w, dw, dy, cache):
        return dy
