"""Losses of margins, for labels -1 and 1 (or 0 and 1) and predictions without a bound."""

from kerasette.functions import losses as pairs
from kerasette.losses.base import FunctionLoss
from kerasette.registry import register

MEAN = "sum_over_batch_size"


@register("loss")
class Hinge(FunctionLoss):
    """mean(max(1 - y_true y_pred, 0)) over the last axis."""

    function = staticmethod(pairs.hinge)
    derivative = staticmethod(pairs.hinge_backward)

    def __init__(self, reduction=MEAN, name="hinge", dtype=None):
        super().__init__(name, reduction, dtype)


@register("loss")
class SquaredHinge(FunctionLoss):
    """mean(max(1 - y_true y_pred, 0)^2) over the last axis."""

    function = staticmethod(pairs.squared_hinge)
    derivative = staticmethod(pairs.squared_hinge_backward)

    def __init__(self, reduction=MEAN, name="squared_hinge", dtype=None):
        super().__init__(name, reduction, dtype)


@register("loss")
class CategoricalHinge(FunctionLoss):
    """max(1 + max((1 - y_true) y_pred) - sum(y_true y_pred), 0) over the last axis; y_true is one-hot."""

    function = staticmethod(pairs.categorical_hinge)
    derivative = staticmethod(pairs.categorical_hinge_backward)

    def __init__(self, reduction=MEAN, name="categorical_hinge", dtype=None):
        super().__init__(name, reduction, dtype)
