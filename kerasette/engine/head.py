"""One output's loss, as the engine uses it."""

from kerasette.backend import floatx
from kerasette.errors import value_error


class Head:
    """One output's loss, as the engine uses it.

    Args:
        loss: has forward, backward, and for `fused` fused_forward, fused_backward (see losses.Loss).
        weight: factor of this loss in the sum of losses.
        fused: whether the loss gets the input of the last activation ("logits").
    """

    def __init__(self, loss, weight=1.0, fused=False):
        self.loss = loss
        self.weight = weight
        self._fused = fused
        self._constants = {}  # (shape of losses, rows) -> array of the factors of unweighted losses

    def forward(self, y_true, output):
        """Returns (losses, prediction, cache)."""
        if self._fused:
            return self.loss.fused_forward(y_true, output)
        losses, cache = self.loss.forward(y_true, output)
        return losses, output, cache

    def backward(self, dlosses, cache):
        """Returns the gradient with respect to the output, given that of each single loss."""
        dout = self.loss.fused_backward(dlosses, cache) if self._fused else self.loss.backward(dlosses, cache)
        if self.weight != 1.0:
            dout *= self.weight
        return dout

    def masked(self, mask, weights, y_true):
        """Returns the sample weights with a mask in them, as Keras has it.

        Steps that don't count weigh nothing; for a mean the others share the weight of all:
        mean(loss * weight * total / valid). With no valid step at all every weight is 0.

        Args:
            mask: bool (n, steps).
            weights: (n,) or (n, steps), or None.
            y_true: the targets, some of which may not count either.
        """
        factors = mask.astype(floatx() if weights is None else weights.dtype)
        if self.loss.reduction in ("sum_over_batch_size", "mean"):
            valid = self.loss.valid(y_true)
            total = mask.size if valid is None else valid.sum()
            both = mask if valid is None else mask & valid.reshape(mask.shape)
            factors *= total / both.sum().clip(1)
        if weights is None:
            return factors
        return factors * weights.reshape(weights.shape + (1,) * (factors.ndim - weights.ndim))

    def scale(self, rows, y_true, weights):
        """Returns None where every loss has the same factor, else what `factors` has to know of the batch."""
        if weights is None and self.loss.counts_all:
            return None
        return self.loss.scaler(rows, weights, y_true)

    def factors(self, xp, losses, rows, weights, scale):
        """Returns the factor of each of `losses` in the batch's value: weight / count."""
        if scale is not None:
            self._check_weights(losses, weights)
            return _weighted(xp, losses, weights, scale(losses))
        key = losses.shape, rows
        array = self._constants.get(key)
        if array is None:
            if len(self._constants) > 8:
                self._constants.clear()
            factor = self.loss.scaler(rows, None)(losses)
            array = self._constants[key] = xp.full(losses.shape, factor, losses.dtype)
        return array

    def _check_weights(self, losses, weights):
        """Raises InvalidValue where a mask or weights of steps don't fit the losses of a batch."""
        if weights is None or weights.shape == losses.shape[: weights.ndim]:
            return
        raise value_error(
            f"The loss {self.loss.name} makes losses of the shape {losses.shape},"
            f" which a mask or sample_weight of the shape {weights.shape} doesn't fit.",
            "The loss must keep the axis of steps: give y as many axes as the predictions have,"
            " and let its axis be the last; or leave out the mask.",
        )


def _weighted(xp, losses, weights, factor):
    if weights is None:
        return xp.full(losses.shape, factor, losses.dtype)
    weights = weights.reshape(weights.shape + (1,) * (losses.ndim - weights.ndim))
    return xp.broadcast_to(weights * factor, losses.shape).astype(losses.dtype, copy=False)
