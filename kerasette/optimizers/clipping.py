"""Gradients scaled down to a norm, as Keras does it."""

import numpy as np

from kerasette.backend import xp_of
from kerasette.functions.common import inner


def clip_together(grads, most: float) -> None:
    """Scales all gradients, in place, so that the L2 norm of them together is at most `most`.

    A norm that is infinite or NaN makes all of them NaN.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        norm = sum(inner(grad, grad) for grad in grads) ** 0.5
        norm += norm - norm
        for grad in grads:
            _scale(grad, norm, most)


def clip_each(grads, runs, most: float) -> None:
    """Scales the gradient of each parameter of `runs`, in place, so that its L2 norm is at most `most`."""
    with np.errstate(invalid="ignore", over="ignore"):
        for grad, run in zip(grads, runs, strict=True):
            for parameter in run.parameters:
                part = grad[parameter.offset : parameter.offset + parameter.size]
                _scale(part, inner(part, part) ** 0.5, most)


def _scale(grad, norm, most):
    grad *= (most / xp_of(grad).maximum(norm, most)).astype(grad.dtype)
