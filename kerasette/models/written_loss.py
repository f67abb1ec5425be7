"""A loss written as a formula: a function of (y_true, y_pred), or a Loss with call() alone."""

import numpy as np

from kerasette.backend import xp_of
from kerasette.errors import InvalidType, type_error, value_error
from kerasette.functions.values import align
from kerasette.losses import Loss, targets
from kerasette.ops.recording import Recorded, Recording


class WrittenLoss(Loss):
    """A loss whose gradient comes from the operations that its formula is made of.

    The formula sees the whole batch: it may return one loss a sample, several, or a single number for all
    of them. So the batch isn't cut into parts for several threads.

    Args:
        formula: function of (y_true, y_pred): operators, `kerasette.ops`, activations, other losses.
        name: of the loss.
        reduction: see `Loss`.
    """

    couples_batch = True

    def __init__(self, formula, name, reduction="sum_over_batch_size"):
        super().__init__(name=name, reduction=reduction)
        self.formula = formula

    def prepare(self, y, output_shape, who="y"):
        """Returns the targets as floats in whatever shape they have: only the formula knows what fits."""
        return targets.floats(targets.numeric(y, who, self.name), who)

    def forward(self, y_true, y_pred):
        """Returns (losses, cache); a single number stands for the loss of each sample."""
        recording = Recording()
        source = recording.watch(y_pred)
        result = self._result(y_true, source)
        losses = result.value
        if not losses.ndim:
            losses = xp_of(losses).broadcast_to(losses, y_pred.shape[:-1] or y_pred.shape)
        return losses, (recording, source, result)

    def backward(self, dlosses, cache):
        """Returns the gradient by `y_pred`."""
        recording, source, result = cache
        if not result.ndim:
            dlosses = dlosses.sum().reshape(())
        gradient = recording.gradient(result, dlosses, source)
        return xp_of(dlosses).zeros_like(source.value) if gradient is None else gradient.copy()

    def try_out(self, output_shape, dtype, xp) -> None:
        """Computes the formula once with made-up numbers, so that what can't be differentiated shows early.

        The shape of the targets isn't known yet; a formula that needs another one than that of the
        predictions shows its faults at the first batch.

        Raises:
            InvalidType: where the formula isn't made of operations on y_pred.
        """
        y = xp.full((2, *(length or 2 for length in output_shape)), 0.5, dtype)
        try:
            with np.errstate(all="ignore"):
                self.forward(y, y)
        except InvalidType:
            raise
        except Exception:  # another shape of the targets may do
            pass

    def _result(self, y_true, y_pred):
        try:
            result = self.formula(*align(y_true, y_pred))
        except TypeError as problem:
            raise self._no_formula(f"has no gradient: {problem}") from problem
        if not isinstance(result, Recorded):
            raise self._no_formula(f"returns a {type(result).__name__} without a gradient by y_pred")
        if result.ndim and result.shape[0] != y_pred.shape[0]:
            raise value_error(
                f"The loss '{self.name}' returns the shape {result.shape} for {y_pred.shape[0]} samples;",
                "return one number, or one or more for each sample: reduce over the last axis.",
            )
        return result

    def _no_formula(self, what):
        return type_error(
            f"The loss '{self.name}' {what}.",
            "Write it with operators and kerasette.ops (ops.mean, ops.square ...) and return the losses; "
            "or subclass Loss with forward and backward.",
        )


def loss_for(loss):
    """Returns the Loss that training uses for what `losses.get` gives: one with a gradient, or None."""
    if isinstance(loss, Loss):
        written = loss.is_formula or type(loss).forward is Loss.forward
        return WrittenLoss(loss.call, loss.name, loss.reduction) if written else loss
    return None if loss is None else WrittenLoss(loss, getattr(loss, "__name__", type(loss).__name__))
