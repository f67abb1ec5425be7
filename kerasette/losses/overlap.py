"""Losses of overlapping regions, for segmentation: Dice and Tversky."""

from kerasette.backend import xp_of
from kerasette.errors import value_error
from kerasette.functions import similarity
from kerasette.losses.base import FunctionLoss
from kerasette.registry import register

MEAN = "sum_over_batch_size"


class _Overlap(FunctionLoss):
    """A loss that is summed over chosen axes.

    With axis=None there is one loss for the whole batch; every sample, and every step of it, is then given
    that one, so that means, masks and sample weights work as for any other loss.
    """

    @property
    def couples_batch(self):
        """Whether all samples of a batch share one loss."""
        return self.axis is None

    def forward(self, y_true, y_pred):
        """Returns (losses, cache); see `Loss.forward`."""
        losses, cache = super().forward(y_true, y_pred)
        if losses.ndim == 0:
            losses = xp_of(losses).broadcast_to(losses, y_pred.shape[:-1] or y_pred.shape)
        return losses, cache

    def backward(self, dlosses, cache):
        """Returns the gradient by `y_pred`; see `Loss.backward`."""
        return super().backward(dlosses.sum() if self.axis is None else dlosses, cache)

    def call(self, y_true, y_pred):
        """Returns the losses; of arrays a single one where `axis` is None."""
        if hasattr(y_pred, "__kerasette_call__"):
            return super().call(y_true, y_pred)
        return super().forward(y_true, y_pred)[0]

    def scaler(self, rows, weights, y_true=None):
        """Returns the function that scales losses; see `Loss.scaler`."""
        scale = super().scaler(rows, weights, y_true)
        if self.axis is not None or self.reduction in (MEAN, "mean"):
            return scale
        if weights is None and self.reduction != "sum":
            return scale
        count = 1 if weights is None else weights.size  # the one loss counts once for each weight
        return lambda losses: scale(losses) * count / losses.size

    def prepare(self, y, output_shape, who="y"):
        """Returns the targets; see `Loss.prepare`."""
        axes = self.axis if isinstance(self.axis, (list, tuple)) else [self.axis]
        ndim = 1 + len(output_shape)
        if self.axis is not None and any(not 1 <= (a + ndim if a < 0 else a) < ndim for a in axes):
            raise value_error(
                f"The loss {self.name} has axis={self.axis!r}; "
                f"for training these must be axes within a sample: 1 to {ndim - 1}.",
                "Use None to sum over the whole batch.",
            )
        return super().prepare(y, output_shape, who)


def _axes(axis):
    """Returns `axis`, a list (which is what files make of a tuple) as a tuple."""
    return tuple(axis) if isinstance(axis, list) else axis


@register("loss")
class Dice(_Overlap):
    """1 - 2 sum(t p) / (sum(t) + sum(p) + epsilon) (Milletari et al., 2016).

    Args:
        reduction, name, dtype: see `Loss`.
        axis: the axes that are summed; None for all, the batch included.
    """

    function = staticmethod(similarity.dice)
    derivative = staticmethod(similarity.dice_backward)
    options = ("axis",)

    def __init__(self, reduction=MEAN, name="dice", axis=None, dtype=None):
        super().__init__(name, reduction, dtype)
        self.axis = _axes(axis)


@register("loss")
class Tversky(_Overlap):
    """1 - s / (s + alpha sum(t (1 - p)) + beta sum(p (1 - t)) + epsilon), s = sum(t p) (Salehi et al., 2017).

    Args:
        alpha: weight of the parts of `y_true` that are missed.
        beta: weight of the parts of `y_pred` outside `y_true`.
        reduction, name, dtype: see `Loss`.
        axis: the axes that are summed; None for all, the batch included.
    """

    function = staticmethod(similarity.tversky)
    derivative = staticmethod(similarity.tversky_backward)
    options = ("alpha", "beta", "axis")

    def __init__(self, alpha=0.5, beta=0.5, reduction=MEAN, name="tversky", axis=None, dtype=None):
        super().__init__(name, reduction, dtype)
        self.alpha = alpha
        self.beta = beta
        self.axis = _axes(axis)
