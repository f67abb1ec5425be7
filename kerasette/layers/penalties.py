"""What layers and models say of the penalties that training adds to the loss."""

from kerasette.backend import to_numpy
from kerasette.errors import type_error


class Penalized:
    """The part of a layer that Keras calls its losses."""

    @property
    def losses(self) -> list[float]:
        """The penalties on the weights that training adds to the loss, one for each weight that has one.

        Those on outputs (activity_regularizer) depend on a batch, of which a layer keeps nothing, so they
        aren't here; fit and evaluate count them in.
        """
        penalized = [p for p in self.trainable_weights if p.regularizer is not None]
        return [float(to_numpy(p.regularizer(p.value))) for p in penalized]

    def add_loss(self, loss):
        """Keras's way to a loss from within call(), which isn't provided; the error says what is.

        Raises:
            InvalidType: always.
        """
        raise type_error(
            f"{self.name} ({type(self).__name__}): add_loss() isn't provided.",
            "Penalize weights by regularizers (kernel_regularizer=, add_param(..., regularizer=)), outputs "
            "by activity_regularizer=, of your own too; write all else as a loss of (y_true, y_pred) with "
            "kerasette.ops for compile().",
        )
