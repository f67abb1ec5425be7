"""Layers that combine several inputs, and their functional forms: `add([x, y])` is `Add()([x, y])`."""

from functools import reduce

from kerasette import functions, ops
from kerasette.errors import one_of, value_error
from kerasette.layers.base import Layer
from kerasette.registry import register
from kerasette.shapes import broadcast, normalize_axis, pretty

LEAST_LENGTH = 1e-7  # Dot: a shorter vector is divided by this, as in Keras


class Merge(Layer):
    """Base of the layers that combine inputs element by element.

    The samples broadcast as in NumPy: (4, 1) with (3,) gives (4, 3), whatever the batch.
    """

    supports_masking = True
    inputs_wanted = None

    def output_shape(self, *shapes):
        return broadcast(*shapes, owner=f"{self.name} ({type(self).__name__})")

    def forward(self, ctx, w, *xs):
        shapes = [x.shape for x in xs]
        if shapes.count(shapes[0]) == len(shapes):
            y, cache = self.merge(xs, ctx.buffer("y", shapes[0]))
            return y, (cache, shapes)
        if len({len(x) for x in xs}) > 1:
            raise value_error(
                f"{self.name} ({type(self).__name__}) got batches of {' and '.join(str(len(x)) for x in xs)}",
                "samples. All inputs need the same number.",
            )
        rank = max(x.ndim for x in xs)
        xs = [x if x.ndim == rank else x.reshape(len(x), *(1,) * (rank - x.ndim), *x.shape[1:]) for x in xs]
        out = ctx.buffer("y", (len(xs[0]), *self.output_shape(*[x.shape[1:] for x in xs])))
        y, cache = self.merge(xs, out)
        return y, (cache, shapes)

    def backward(self, ctx, w, dw, dy, cache):
        cache, shapes = cache
        dxs = self.divide(ctx, dy, cache)
        if shapes.count(dy.shape) == len(shapes):
            return dxs
        return tuple(dx.reshape(shape) for dx, shape in zip(dxs, shapes, strict=True))

    def compute_mask(self, inputs, mask=None):
        """Returns the mask of the steps that count in any input; None where some input has none."""
        return None if None in mask else reduce(ops.logical_or, mask)

    def merge(self, xs, out):
        """Returns y (in `out`) for inputs of one rank, and the cache."""
        raise NotImplementedError(f"{type(self).__name__} defines no merge().")

    def divide(self, ctx, dy, cache):
        """Returns the gradient with respect to each input of `merge`."""
        raise NotImplementedError(f"{type(self).__name__} defines no divide().")


def _destinations(ctx, xs):
    return [ctx.buffer(f"dx{k}", x.shape) for k, x in enumerate(xs)]


@register("layer")
class Add(Merge):
    """Adds its inputs.

    >>> import numpy as np
    >>> Add()([np.ones((1, 2)), np.ones((1, 2))])
    array([[2., 2.]], dtype=float32)
    """

    def merge(self, xs, out):
        return functions.add_all(xs, out=out)

    def divide(self, ctx, dy, cache):
        return functions.add_all_backward(dy, cache)


@register("layer")
class Subtract(Merge):
    """Subtracts the second of two inputs from the first."""

    inputs_wanted = 2

    def merge(self, xs, out):
        return functions.subtract(*xs, out=out)

    def divide(self, ctx, dy, cache):
        return functions.subtract_backward(dy, cache, dx2=ctx.buffer("dx", cache[1]))


@register("layer")
class Multiply(Merge):
    """Multiplies its inputs element by element."""

    def merge(self, xs, out):
        return functions.multiply_all(xs, out=out)

    def divide(self, ctx, dy, cache):
        return functions.multiply_all_backward(dy, cache, dxs=_destinations(ctx, cache))


@register("layer")
class Average(Merge):
    """Takes the mean of its inputs, element by element."""

    def merge(self, xs, out):
        return functions.average_all(xs, out=out)

    def divide(self, ctx, dy, cache):
        return functions.average_all_backward(dy, cache, dx=ctx.buffer("dx", dy.shape))


@register("layer")
class Maximum(Merge):
    """Takes the greatest of its inputs, element by element."""

    def merge(self, xs, out):
        return functions.maximum_all(xs, out=out)

    def divide(self, ctx, dy, cache):
        return functions.maximum_all_backward(dy, cache, dxs=_destinations(ctx, cache[0]))


@register("layer")
class Minimum(Merge):
    """Takes the least of its inputs, element by element."""

    def merge(self, xs, out):
        return functions.minimum_all(xs, out=out)

    def divide(self, ctx, dy, cache):
        return functions.minimum_all_backward(dy, cache, dxs=_destinations(ctx, cache[0]))


@register("layer")
class Concatenate(Layer):
    """Joins its inputs along one axis.

    Args:
        axis: counted with the batch as axis 0, which itself can't be joined.
    """

    supports_masking = True
    inputs_wanted = None

    def __init__(self, axis: int = -1, **base):
        super().__init__(**base)
        self.axis = axis

    def output_shape(self, *shapes):
        who = f"{self.name} (Concatenate)"
        axis = normalize_axis(self.axis, len(shapes[0]) + 1, who) - 1
        if axis < 0:
            raise value_error(f"{who} can't join along the batch; axis must not be {self.axis}.")
        if len({len(shape) for shape in shapes}) > 1:
            raise self._mismatch(shapes)
        joined = []
        for position, lengths in enumerate(zip(*shapes, strict=True)):
            known = {n for n in lengths if n is not None}
            if position == axis:
                joined.append(None if None in lengths else sum(lengths))
            elif len(known) > 1:
                raise self._mismatch(shapes)
            else:
                joined.append(known.pop() if known else None)
        return tuple(joined)

    def compute_mask(self, inputs, mask=None):
        """Returns the masks joined like the inputs; along features: the steps that count in any input."""
        if self.axis % inputs[0].ndim == 1 and any(m is not None for m in mask):
            pairs = zip(inputs, mask, strict=True)
            return ops.concatenate(
                [ops.any(ops.equal(x, x), axis=-1) if m is None else m for x, m in pairs], 1
            )
        return None if None in mask else reduce(ops.logical_or, mask)

    def _mismatch(self, shapes):
        return value_error(
            f"{self.name} (Concatenate) needs inputs that differ on axis {self.axis} at most,",
            "got samples of shape",
            f"{' and '.join(map(pretty, shapes))}.",
        )

    def forward(self, ctx, w, *xs):
        out = ctx.buffer("y", (len(xs[0]), *self.output_shape(*[x.shape[1:] for x in xs])))
        return functions.concatenate(xs, self.axis, out=out)

    def backward(self, ctx, w, dw, dy, cache):
        return functions.concatenate_backward(dy, cache)


@register("layer")
class Dot(Layer):
    """Takes the dot product of two inputs along one axis of each, sample by sample.

    Args:
        axes: the axis (counted with the batch as axis 0) that is summed over: one for both, or two.
        normalize: whether both are scaled to length 1 along it first: the cosine.

    Inputs (batch, A, K) and (batch, B, K) with axes=2 give (batch, A, B); two vectors give (batch, 1).

    >>> import numpy as np
    >>> Dot(axes=1)([np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]])])
    array([[11.]], dtype=float32)
    """

    supports_masking = True
    inputs_wanted = 2

    def __init__(self, axes, normalize: bool = False, **base):
        super().__init__(**base)
        pair = list(axes) if isinstance(axes, (list, tuple)) else [axes, axes]
        if len(pair) != 2 or not all(isinstance(axis, int) and not isinstance(axis, bool) for axis in pair):
            raise value_error(f"{self.name}: axes must be one whole number or two, got {axes!r}.")
        self.axes = axes
        one_of(self.name, "normalize", normalize, (False, True))
        self.normalize = normalize

    def _pair(self, shapes):
        """Returns the two axes counted from the front, after a look at the shapes."""
        who = f"{self.name} (Dot)"
        given = self.axes if isinstance(self.axes, (list, tuple)) else (self.axes, self.axes)
        pair = tuple(
            normalize_axis(axis, len(shape) + 1, who) for axis, shape in zip(given, shapes, strict=True)
        )
        if 0 in pair:
            raise value_error(f"{who} can't sum over the batch; axes must not be {self.axes}.")
        lengths = {shape[axis - 1] for axis, shape in zip(pair, shapes, strict=True)} - {None}
        if len(lengths) > 1:
            raise value_error(
                f"{who}: the axes {pair} of samples of shape {' and '.join(map(pretty, shapes))}",
                "differ in length.",
            )
        return pair

    def compute_mask(self, inputs, mask=None):
        """Returns None: the product has no steps of its inputs."""

    def output_shape(self, *shapes):
        pair = self._pair(shapes)
        rest = [
            n for axis, shape in zip(pair, shapes, strict=True) for k, n in enumerate(shape, 1) if k != axis
        ]
        return tuple(rest) or (1,)

    def forward(self, ctx, w, x1, x2):
        axes, caches = self._pair([x1.shape[1:], x2.shape[1:]]), (None, None)
        if self.normalize:
            x1, first = functions.unit_normalization(x1, axes[:1], LEAST_LENGTH)
            x2, second = functions.unit_normalization(x2, axes[1:], LEAST_LENGTH)
            caches = (first, second)
        y, cache = functions.batch_dot(x1, x2, axes)
        return y, (cache, caches)

    def backward(self, ctx, w, dw, dy, cache):
        cache, caches = cache
        dxs = functions.batch_dot_backward(dy, cache)
        if self.normalize:
            dxs = tuple(
                functions.unit_normalization_backward(dx, c) for dx, c in zip(dxs, caches, strict=True)
            )
        return dxs


# ---------------------------------------------------------------- functional forms


def add(inputs, **base):
    """Returns Add()(inputs)."""
    return Add(**base)(inputs)


def subtract(inputs, **base):
    """Returns Subtract()(inputs)."""
    return Subtract(**base)(inputs)


def multiply(inputs, **base):
    """Returns Multiply()(inputs)."""
    return Multiply(**base)(inputs)


def average(inputs, **base):
    """Returns Average()(inputs)."""
    return Average(**base)(inputs)


def maximum(inputs, **base):
    """Returns Maximum()(inputs)."""
    return Maximum(**base)(inputs)


def minimum(inputs, **base):
    """Returns Minimum()(inputs)."""
    return Minimum(**base)(inputs)


def concatenate(inputs, axis: int = -1, **base):
    """Returns Concatenate(axis)(inputs)."""
    return Concatenate(axis, **base)(inputs)


def dot(inputs, axes=-1, **base):
    """Returns Dot(axes)(inputs)."""
    return Dot(axes, **base)(inputs)
