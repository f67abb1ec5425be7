"""Losses for numbers: squared, absolute, relative and logarithmic errors, and angles."""

from kerasette.errors import value_error
from kerasette.functions import losses as pairs
from kerasette.functions import similarity
from kerasette.losses import targets
from kerasette.losses.base import FunctionLoss
from kerasette.registry import register

MEAN = "sum_over_batch_size"


@register("loss", "mse", "MSE")
class MeanSquaredError(FunctionLoss):
    """mean((y_pred - y_true)^2) over the last axis.

    >>> MeanSquaredError()([[0.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 0.0]])
    0.5
    """

    function = staticmethod(pairs.mean_squared_error)
    derivative = staticmethod(pairs.mean_squared_error_backward)

    def __init__(self, reduction=MEAN, name="mean_squared_error", dtype=None):
        super().__init__(name, reduction, dtype)


@register("loss", "mae", "MAE")
class MeanAbsoluteError(FunctionLoss):
    """mean(|y_pred - y_true|) over the last axis."""

    function = staticmethod(pairs.mean_absolute_error)
    derivative = staticmethod(pairs.mean_absolute_error_backward)

    def __init__(self, reduction=MEAN, name="mean_absolute_error", dtype=None):
        super().__init__(name, reduction, dtype)


@register("loss", "mape", "MAPE")
class MeanAbsolutePercentageError(FunctionLoss):
    """100 mean(|y_pred - y_true| / max(|y_true|, epsilon)) over the last axis."""

    function = staticmethod(pairs.mean_absolute_percentage_error)
    derivative = staticmethod(pairs.mean_absolute_percentage_error_backward)

    def __init__(self, reduction=MEAN, name="mean_absolute_percentage_error", dtype=None):
        super().__init__(name, reduction, dtype)


@register("loss", "msle", "MSLE")
class MeanSquaredLogarithmicError(FunctionLoss):
    """mean((log(1 + y_pred) - log(1 + y_true))^2) over the last axis, both clipped below at epsilon."""

    function = staticmethod(pairs.mean_squared_logarithmic_error)
    derivative = staticmethod(pairs.mean_squared_logarithmic_error_backward)

    def __init__(self, reduction=MEAN, name="mean_squared_logarithmic_error", dtype=None):
        super().__init__(name, reduction, dtype)


@register("loss")
class Huber(FunctionLoss):
    """Mean over the last axis of e^2 / 2 where |e| <= delta, else of delta |e| - delta^2 / 2 (Huber, 1964).

    Args:
        delta: the error from which on the loss grows linearly.
        reduction, name, dtype: see `Loss`.
    """

    function = staticmethod(pairs.huber)
    derivative = staticmethod(pairs.huber_backward)
    options = ("delta",)

    def __init__(self, delta=1.0, reduction=MEAN, name="huber_loss", dtype=None):
        super().__init__(name, reduction, dtype)
        if delta <= 0:
            raise value_error(f"Huber: delta must be above 0, got {delta!r}.")
        self.delta = delta


@register("loss", "logcosh")
class LogCosh(FunctionLoss):
    """mean(log(cosh(y_pred - y_true))) over the last axis."""

    function = staticmethod(pairs.log_cosh)
    derivative = staticmethod(pairs.log_cosh_backward)

    def __init__(self, reduction=MEAN, name="log_cosh", dtype=None):
        super().__init__(name, reduction, dtype)


@register("loss")
class Poisson(FunctionLoss):
    """mean(y_pred - y_true log(y_pred + epsilon)) over the last axis, for counts."""

    function = staticmethod(pairs.poisson)
    derivative = staticmethod(pairs.poisson_backward)

    def __init__(self, reduction=MEAN, name="poisson", dtype=None):
        super().__init__(name, reduction, dtype)


@register("loss")
class CosineSimilarity(FunctionLoss):
    """Minus the cosine of the angle between y_true and y_pred: -1 for one direction, 1 for opposite ones.

    Args:
        axis: of the vectors, within a sample.
        reduction, name, dtype: see `Loss`.
    """

    function = staticmethod(similarity.cosine_similarity)
    derivative = staticmethod(similarity.cosine_similarity_backward)
    options = ("axis",)

    def __init__(self, axis=-1, reduction=MEAN, name="cosine_similarity", dtype=None):
        super().__init__(name, reduction, dtype)
        self.axis = axis

    def prepare(self, y, output_shape, who="y"):
        """Returns the targets; see `Loss.prepare`."""
        targets.class_axis(self.axis, tuple(output_shape) or (1,), self.name)
        return super().prepare(y, output_shape, who)
