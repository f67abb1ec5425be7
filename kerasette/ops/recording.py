"""Formulas on arrays that remember how they were computed, so that their gradient can follow.

A graph describes one sample, before there are any numbers. A recording watches one computation on a whole
batch: a formula may take the mean over all samples, and everything that it computes has its own backward
already. Losses that are written as a formula use it.

>>> import numpy as np
>>> from kerasette import ops
>>> recording = Recording()
>>> x = recording.watch(np.array([1.0, 2.0, 3.0]))
>>> y = ops.sum(ops.square(x) / 2)
>>> float(y.value), recording.gradient(y, np.array(1.0), x).tolist()
(7.0, [1.0, 2.0, 3.0])
"""

from kerasette.backend import xp_of
from kerasette.errors import type_error
from kerasette.graph import Context


class Recording:
    """What was computed from some arrays, call by call, and the way back."""

    def __init__(self):
        self._calls = []  # (operation, ctx, cache, the Recorded that went in, index of the result)
        self._count = 0

    def watch(self, array) -> "Recorded":
        """Returns `array` as something whose use is recorded."""
        self._count += 1
        return Recorded(array, self, self._count)

    def apply(self, operation, inputs):
        """Returns operation.forward of the `inputs`: recorded, or a plain array where it has no gradient."""
        xp, dtype = xp_of(inputs[0].value), inputs[0].value.dtype
        ctx = Context(xp, dtype)
        y, cache = operation.forward(ctx, {}, *[one.value for one in inputs])
        if y.dtype.kind != "f":
            return y
        result = self.watch(xp.asarray(y))
        self._calls.append((operation, ctx, cache, inputs, result.index))
        return result

    def gradient(self, result, dresult, source):
        """Returns the gradient with respect to `source`, given that of `result`; None where there is none."""
        gradients = {result.index: dresult}
        for operation, ctx, cache, inputs, index in reversed(self._calls):
            dy = gradients.pop(index, None)
            if dy is None:
                continue
            dxs = operation.backward(ctx, {}, {}, dy, cache)
            for one, dx in zip(inputs, dxs if isinstance(dxs, tuple) else (dxs,), strict=True):
                before = gradients.get(one.index)
                if dx is not None:  # the condition of `where` has none
                    gradients[one.index] = dx if before is None else before + dx
        return gradients.get(source.index)


class Recorded:
    """An array within a formula that is being recorded; operators and kerasette.ops take it.

    Attributes:
        value: the array.
        recording: where its use is written down.
        index: its number there.
    """

    __slots__ = ("index", "recording", "value")
    __array_priority__ = 1000  # so that array + recorded reaches our operators
    __array_ufunc__ = None

    def __init__(self, value, recording, index):
        self.value, self.recording, self.index = value, recording, index

    shape = property(lambda self: self.value.shape)
    ndim = property(lambda self: self.value.ndim)
    dtype = property(lambda self: str(self.value.dtype))

    def __len__(self):
        return len(self.value)

    def __repr__(self):
        return f"<recorded array shape={self.shape}, dtype={self.dtype}>"

    def __kerasette_call__(self, forward, backward):
        """Returns `forward(array) -> y, cache`, recorded; its gradient is `backward(dy, cache)`."""
        return self.recording.apply(_Pair(forward, backward), [self])

    def _no_value(self, *_, **__):
        raise type_error(
            "within a formula y_pred is no plain array or number, which NumPy or `if` could take: "
            "its gradient would be lost"
        )

    __array__ = __bool__ = __float__ = __int__ = __iter__ = _no_value


class _Pair:
    """A pair of functions of one array as an operation."""

    def __init__(self, forward, backward):
        self._forward, self._backward = forward, backward

    def forward(self, ctx, w, x):
        return self._forward(x)

    def backward(self, ctx, w, dw, dy, cache):
        return self._backward(dy, cache)
