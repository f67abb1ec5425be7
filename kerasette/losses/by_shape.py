"""The loss "crossentropy", or "ce": which of three it is shows in the shapes of targets and predictions."""

from kerasette import registry
from kerasette.losses import targets
from kerasette.losses.base import Loss
from kerasette.losses.probabilistic import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
)

NAMES = ("crossentropy", "ce")


class ClassCrossentropy(Loss):
    """Cross-entropy for classes, whether targets are class numbers or have one column a class.

    Both leave a softmax to their fused form, so the plan of a model needn't know which one it will be. That
    shows in the targets that `prepare` returns: class numbers have one axis less than predictions.

    Args:
        name: of the loss.
    """

    fuses_with = "softmax"

    def __init__(self, name):
        super().__init__(name)
        self._numbers, self._columns = SparseCategoricalCrossentropy(), CategoricalCrossentropy()

    def prepare(self, y, output_shape, who="y"):
        """Returns class numbers or columns, whichever `y` is; see `Loss.prepare`."""
        y = targets.numeric(y, who, self.name)
        holds_numbers = y.ndim < 1 + len(output_shape) or y.shape[-1] == 1
        return (self._numbers if holds_numbers else self._columns).prepare(y, output_shape, who)

    def _of(self, y_true, y_pred):
        return self._numbers if y_true.ndim < y_pred.ndim else self._columns

    def forward(self, y_true, y_pred):
        """Returns (losses, cache); see `Loss.forward`."""
        loss = self._of(y_true, y_pred)
        losses, cache = loss.forward(y_true, y_pred)
        return losses, (loss, cache)

    def backward(self, dlosses, cache):
        """Returns the gradient by `y_pred`; see `Loss.backward`."""
        loss, cache = cache
        return loss.backward(dlosses, cache)

    def fused_forward(self, y_true, logits):
        """Returns (losses, predictions, cache), given the input of the softmax."""
        loss = self._of(y_true, logits)
        losses, y_pred, cache = loss.fused_forward(y_true, logits)
        return losses, y_pred, (loss, cache)

    def fused_backward(self, dlosses, cache):
        """Returns the gradient by the logits."""
        loss, cache = cache
        return loss.fused_backward(dlosses, cache)


def is_by_shape(identifier) -> bool:
    """Tells whether `identifier` is a name whose loss depends on the shapes, and none of the user's own."""
    is_name = isinstance(identifier, str) and identifier.lower() in NAMES
    return is_name and not registry.is_known("loss", identifier)


def loss_by_shape(name: str, output_shape) -> Loss:
    """Returns the cross-entropy for predictions of `output_shape` (of one sample), called `name`."""
    is_single = tuple(output_shape)[-1:] in ((), (1,))
    return BinaryCrossentropy(name=name) if is_single else ClassCrossentropy(name)
