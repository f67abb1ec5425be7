"""Means of losses: squared, absolute and logarithmic errors, cross-entropies, margins."""

import math

from kerasette.backend import xp_of
from kerasette.functions import values
from kerasette.metrics.accuracy import same_shapes
from kerasette.metrics.base import Averaged, spread, weights_like
from kerasette.registry import register


class _Distance(Averaged):
    """A mean that is better the lower it is."""

    _direction = "down"


@register("metric", "mse", "MSE")
class MeanSquaredError(_Distance):
    """mean((y_pred - y_true)^2)."""

    function = staticmethod(values.mean_squared_error)

    def __init__(self, name="mean_squared_error", dtype=None):
        super().__init__(name, dtype)


@register("metric")
class RootMeanSquaredError(_Distance):
    """sqrt(mean((y_pred - y_true)^2)): the root is taken of the mean over all batches.

    >>> RootMeanSquaredError()([[0.0], [0.0]], [[3.0], [4.0]])  # sqrt(25 / 2)
    3.53553...
    """

    def __init__(self, name="root_mean_squared_error", dtype=None):
        super().__init__(name, dtype)

    def samples(self, y_true, y_pred):
        """Returns squared errors."""
        y_true, y_pred = values.as_pair(y_true, y_pred)
        same_shapes(y_true, y_pred, self.name)
        error = y_pred - y_true
        return error * error

    def result(self):
        """Returns the root of the mean."""
        return math.sqrt(super().result())


@register("metric", "mae", "MAE")
class MeanAbsoluteError(_Distance):
    """mean(|y_pred - y_true|)."""

    function = staticmethod(values.mean_absolute_error)

    def __init__(self, name="mean_absolute_error", dtype=None):
        super().__init__(name, dtype)


@register("metric", "mape", "MAPE")
class MeanAbsolutePercentageError(_Distance):
    """100 mean(|y_pred - y_true| / max(|y_true|, epsilon))."""

    function = staticmethod(values.mean_absolute_percentage_error)

    def __init__(self, name="mean_absolute_percentage_error", dtype=None):
        super().__init__(name, dtype)


@register("metric", "msle", "MSLE")
class MeanSquaredLogarithmicError(_Distance):
    """mean((log(1 + y_pred) - log(1 + y_true))^2)."""

    function = staticmethod(values.mean_squared_logarithmic_error)

    def __init__(self, name="mean_squared_logarithmic_error", dtype=None):
        super().__init__(name, dtype)


@register("metric")
class LogCoshError(_Distance):
    """mean(log(cosh(y_pred - y_true)))."""

    function = staticmethod(values.log_cosh)

    def __init__(self, name="logcosh", dtype=None):
        super().__init__(name, dtype)


@register("metric")
class CosineSimilarity(Averaged):
    """The mean cosine of the angle between y_true and y_pred: 1 for one direction (the loss has -1).

    Args:
        name, dtype: see `Metric`.
        axis: of the vectors.
    """

    _direction = "up"
    options = ("axis",)

    def __init__(self, name="cosine_similarity", dtype=None, axis=-1):
        super().__init__(name, dtype)
        self.axis = axis

    def samples(self, y_true, y_pred):
        """Returns cosines."""
        return -values.cosine_similarity(y_true, y_pred, self.axis)


@register("metric")
class Poisson(_Distance):
    """mean(y_pred - y_true log(y_pred + epsilon))."""

    function = staticmethod(values.poisson)

    def __init__(self, name="poisson", dtype=None):
        super().__init__(name, dtype)


@register("metric")
class KLDivergence(_Distance):
    """The mean of sum(y_true log(y_true / y_pred))."""

    function = staticmethod(values.kl_divergence)

    def __init__(self, name="kl_divergence", dtype=None):
        super().__init__(name, dtype)


# ---------------------------------------------------------------- cross-entropies


@register("metric", "bce", "BCE")
class BinaryCrossentropy(_Distance):
    """The mean binary cross-entropy.

    Args:
        name, dtype: see `Metric`.
        from_logits: whether predictions are logits.
        label_smoothing: 0 to 1; the part of each label that is replaced by one half.
    """

    function = staticmethod(values.binary_crossentropy)
    options = ("from_logits", "label_smoothing")

    def __init__(self, name="binary_crossentropy", dtype=None, from_logits=False, label_smoothing=0):
        super().__init__(name, dtype)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing


@register("metric")
class CategoricalCrossentropy(_Distance):
    """The mean categorical cross-entropy; y_true has one column a class.

    Args:
        name, dtype: see `Metric`.
        from_logits: whether predictions are logits.
        label_smoothing: 0 to 1; the part of each label that is spread over all classes.
        axis: of the classes.
    """

    function = staticmethod(values.categorical_crossentropy)
    options = ("from_logits", "label_smoothing", "axis")

    def __init__(
        self, name="categorical_crossentropy", dtype=None, from_logits=False, label_smoothing=0, axis=-1
    ):
        super().__init__(name, dtype)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis


@register("metric")
class SparseCategoricalCrossentropy(_Distance):
    """The mean categorical cross-entropy of class numbers.

    Args:
        name, dtype: see `Metric`.
        from_logits: whether predictions are logits.
        ignore_class: label whose samples have loss 0. As in Keras they still count in the mean, unless
            there are sample weights.
        axis: of the classes in the predictions.
    """

    function = staticmethod(values.sparse_categorical_crossentropy)
    options = ("from_logits", "ignore_class", "axis")

    def __init__(
        self,
        name="sparse_categorical_crossentropy",
        dtype=None,
        from_logits=False,
        ignore_class=None,
        axis=-1,
    ):
        super().__init__(name, dtype)
        self.from_logits = from_logits
        self.ignore_class = ignore_class
        self.axis = axis

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch; see `Averaged.update_state`."""
        losses = self.samples(y_true, y_pred)
        if sample_weight is not None and self.ignore_class is not None:
            y_true, _ = values.as_arrays(y_true, y_pred)
            valid = (y_true != self.ignore_class).reshape(losses.shape)
            xp = xp_of(losses)
            sample_weight = self._weights(xp, sample_weight, losses) * valid
        self._add(losses, sample_weight)

    def _weights(self, xp, weights, losses):
        weights = weights_like(losses, weights)
        return xp.broadcast_to(spread(weights, losses.shape, self.name), losses.shape)


# ---------------------------------------------------------------- margins


@register("metric")
class Hinge(_Distance):
    """mean(max(1 - y_true y_pred, 0)); labels are -1 and 1, or 0 and 1."""

    function = staticmethod(values.hinge)

    def __init__(self, name="hinge", dtype=None):
        super().__init__(name, dtype)


@register("metric")
class SquaredHinge(_Distance):
    """mean(max(1 - y_true y_pred, 0)^2); labels are -1 and 1, or 0 and 1."""

    function = staticmethod(values.squared_hinge)

    def __init__(self, name="squared_hinge", dtype=None):
        super().__init__(name, dtype)


@register("metric")
class CategoricalHinge(_Distance):
    """The mean of max(1 + max((1 - y_true) y_pred) - sum(y_true y_pred), 0); y_true is one-hot."""

    function = staticmethod(values.categorical_hinge)

    def __init__(self, name="categorical_hinge", dtype=None):
        super().__init__(name, dtype)
