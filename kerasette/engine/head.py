"""One output's loss, as the engine uses it."""


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

    def scale(self, rows, y_true, weights):
        """Returns None where every loss has the same factor, else what `factors` has to know of the batch."""
        if weights is None and self.loss.counts_all:
            return None
        return self.loss.scaler(rows, weights, y_true)

    def factors(self, xp, losses, rows, weights, scale):
        """Returns the factor of each of `losses` in the batch's value: weight / count."""
        if scale is not None:
            return _weighted(xp, losses, weights, scale(losses))
        key = losses.shape, rows
        array = self._constants.get(key)
        if array is None:
            if len(self._constants) > 8:
                self._constants.clear()
            factor = self.loss.scaler(rows, None)(losses)
            array = self._constants[key] = xp.full(losses.shape, factor, losses.dtype)
        return array


def _weighted(xp, losses, weights, factor):
    if weights is None:
        return xp.full(losses.shape, factor, losses.dtype)
    weights = weights.reshape(weights.shape + (1,) * (losses.ndim - weights.ndim))
    return xp.broadcast_to(weights * factor, losses.shape).astype(losses.dtype, copy=False)
