"""Operations that move elements: slices, reshape, transpose, concatenate. The batch (axis 0) stays whole."""

import math

from kerasette import functions
from kerasette.graph import SymbolicTensor
from kerasette.ops.base import Op
from kerasette.registry import register
from kerasette.shapes import normalize_axes, normalize_axis, pretty


class _Moving(Op):
    """An operation whose result has the type of its input."""

    def output_dtype(self, *dtypes):
        return dtypes[0]


@register("operation")
class GetItem(_Moving):
    """x[key]; the key is the constant at position 1."""

    def __init__(self, **base):
        super().__init__(**base)
        for part in self.key if self.constants else ():
            whole = isinstance(part, int) and not isinstance(part, bool)
            if not (whole or part is None or part is Ellipsis or isinstance(part, slice)):
                raise self.error(f"a key has slices, whole numbers, None and ..., got {part!r}.")

    @property
    def key(self):
        """Slices, whole numbers, None and `...`, as a tuple."""
        key = self.constants[1]
        return key if isinstance(key, tuple) else (key,)

    def output_shape(self, shape):
        full = (None, *shape)
        key = self._whole_key(len(full))
        if not key or key[0] != slice(None):
            raise self.error("the batch (the first axis) can't be sliced or indexed; write x[:, ...].")
        lengths, out = iter(full), []
        for part in key:
            if part is None:
                out.append(1)
                continue
            length = next(lengths)
            if isinstance(part, slice):
                out.append(self._slice_length(part, length))
            elif length is not None and not -length <= part < length:
                raise self.error(f"index {part} is out of range for samples of shape {pretty(shape)}.")
        return tuple(out[1:])

    def _whole_key(self, rank):
        """Returns the key with one part for each axis, `...` spelled out."""
        taken = sum(part is not None and part is not Ellipsis for part in self.key)
        if taken > rank or self.key.count(Ellipsis) > 1:
            raise self.error(f"the key {self.key!r} has more parts than a tensor with {rank} axes.")
        rest = [slice(None)] * (rank - taken)
        if Ellipsis not in self.key:
            return [*self.key, *rest]
        place = self.key.index(Ellipsis)
        return [*self.key[:place], *rest, *self.key[place + 1 :]]

    def _slice_length(self, part, length):
        if length is None:
            return None
        return len(range(*part.indices(length)))

    def forward(self, ctx, w, x):
        return functions.getitem(x, self.key)

    def backward(self, ctx, w, dw, dy, cache):
        return functions.getitem_backward(dy, cache, dx=ctx.buffer("dx", cache[0]))

    def now(self, arguments):
        self.constants = {1: arguments[1]}
        return super().now(arguments[:1])


class _Viewing(_Moving):
    """An operation that only gives the elements another shape."""

    def target(self, shape):
        """Returns the shape of the result for an array of `shape`."""
        raise NotImplementedError(f"{type(self).__name__} defines no target().")

    def forward(self, ctx, w, x):
        return x.reshape(self.target(x.shape)), x.shape

    def backward(self, ctx, w, dw, dy, shape):
        return dy.reshape(shape)


@register("operation")
class Reshape(_Viewing):
    """Another shape for the same elements.

    Args:
        newshape: the shape, batch included; for symbolic tensors it begins with -1 or None (the batch), and
            one further length may then be -1.
        base: constants and name.
    """

    def __init__(self, newshape, **base):
        super().__init__(**base)
        self.newshape = (newshape,) if isinstance(newshape, int) else tuple(newshape)

    @classmethod
    def settings(cls):
        return ("newshape",)

    def output_shape(self, shape):
        rest = self.newshape[1:]
        if not self.newshape or self.newshape[0] not in (-1, None) or rest.count(-1) > 1:
            raise self.error(
                f"newshape must begin with -1, the batch, and have lengths after it, got {self.newshape}."
            )
        if None in shape:
            return tuple(None if n == -1 else n for n in rest)
        size, known = math.prod(shape), math.prod(n for n in rest if n != -1)
        if size != known if -1 not in rest else not known or size % known:
            raise self.error(
                f"samples of shape {pretty(shape)} can't become {rest}: they hold {size} elements."
            )
        return tuple(size // known if n == -1 else n for n in rest)

    def target(self, shape):
        if self.newshape[:1] in ((-1,), (None,)) and -1 in self.newshape[1:]:
            return (shape[0], *self.output_shape(shape[1:]))
        return tuple(-1 if n is None else n for n in self.newshape)


@register("operation")
class ExpandDims(_Viewing):
    """A new axis of length 1.

    Args:
        axis: its place in the result.
        base: constants and name.
    """

    def __init__(self, axis, **base):
        super().__init__(**base)
        self.axis = axis

    @classmethod
    def settings(cls):
        return ("axis",)

    def output_shape(self, shape):
        if normalize_axis(self.axis, len(shape) + 2, self.name) == 0:
            raise self.error("the batch stays the first axis; axis must not be 0.")
        return self.target((None, *shape))[1:]

    def target(self, shape):
        place = normalize_axis(self.axis, len(shape) + 1, self.name)
        return (*shape[:place], 1, *shape[place:])


@register("operation")
class Squeeze(_Viewing):
    """The input without axes of length 1.

    Args:
        axis: the axis or axes to remove; None for all that have length 1, the batch excepted.
        base: constants and name.
    """

    def __init__(self, axis=None, **base):
        super().__init__(**base)
        self.axis = tuple(axis) if isinstance(axis, (list, tuple)) else axis

    @classmethod
    def settings(cls):
        return ("axis",)

    def output_shape(self, shape):
        if self.axis is not None and 0 in normalize_axes(self.axis, len(shape) + 1, self.name):
            raise self.error("the batch can't be removed; axis must not be 0.")
        return self.target((None, *shape))[1:]

    def target(self, shape):
        ones = [axis for axis, n in enumerate(shape) if n == 1]
        axes = ones if self.axis is None else normalize_axes(self.axis, len(shape), self.name)
        if any(shape[axis] not in (1, None) for axis in axes):
            raise self.error(f"axis {self.axis} of a tensor of shape {pretty(shape)} hasn't length 1.")
        return tuple(n for axis, n in enumerate(shape) if axis not in axes)


@register("operation")
class Transpose(_Moving):
    """The axes in another order.

    Args:
        axes: the old axes in their new order; None reverses them, which symbolic tensors refuse.
        base: constants and name.
    """

    def __init__(self, axes=None, **base):
        super().__init__(**base)
        self.axes = None if axes is None else tuple(axes)

    @classmethod
    def settings(cls):
        return ("axes",)

    def _order(self, rank):
        order = tuple(reversed(range(rank))) if self.axes is None else self.axes
        order = tuple(normalize_axis(axis, rank, self.name) for axis in order)
        if sorted(order) != list(range(rank)):
            raise self.error(f"axes {self.axes} must name each of {rank} axes once.")
        return order

    def output_shape(self, shape):
        order = self._order(len(shape) + 1)
        if order[0] != 0:
            raise self.error(f"the batch stays the first axis; the order {order} would move it.")
        return tuple(shape[axis - 1] for axis in order[1:])

    def forward(self, ctx, w, x):
        order = self._order(x.ndim)
        return x.transpose(order), order

    def backward(self, ctx, w, dw, dy, order):
        return dy.transpose([order.index(axis) for axis in range(len(order))])


@register("operation")
class Swapaxes(Transpose):
    """Two axes swapped.

    Args:
        axis1, axis2: the axes.
        base: constants and name.
    """

    def __init__(self, axis1, axis2, **base):
        super().__init__(**base)
        self.axis1, self.axis2 = axis1, axis2

    @classmethod
    def settings(cls):
        return "axis1", "axis2"

    def _order(self, rank):
        order = list(range(rank))
        first, second = (normalize_axis(axis, rank, self.name) for axis in (self.axis1, self.axis2))
        order[first], order[second] = second, first
        return tuple(order)


@register("operation")
class Concatenate(Op):
    """Several inputs one behind the other along `axis`.

    Args:
        axis: 0, Keras's default, is the batch, which symbolic tensors refuse.
        base: constants and name.
    """

    keeps_integers = True

    def __init__(self, axis=0, **base):
        super().__init__(**base)
        self.axis = axis

    @classmethod
    def settings(cls):
        return ("axis",)

    def output_shape(self, *shapes):
        axis = normalize_axis(self.axis, len(shapes[0]) + 1, self.name) - 1
        if axis < 0:
            raise self.error("inputs can't be joined along the batch; name another axis, e.g. axis=-1.")
        if self.constants:
            raise self.error("joins symbolic tensors with each other, or arrays with each other.")
        rest = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}
        if len(rest) > 1:
            raise self.error(
                f"samples of shape {' and '.join(map(pretty, shapes))} differ beside axis {self.axis}."
            )
        lengths = [shape[axis] for shape in shapes]
        joined = None if None in lengths else sum(lengths)
        return (*shapes[0][:axis], joined, *shapes[0][axis + 1 :])

    def forward(self, ctx, w, *xs):
        return functions.concatenate(self.arguments(ctx, xs), self.axis)

    def backward(self, ctx, w, dw, dy, cache):
        return self.for_inputs(functions.concatenate_backward(dy, cache))


@register("operation")
class Stack(Concatenate):
    """Several inputs of one shape along a new axis.

    Args:
        axis: its place in the result; 0, Keras's default, is the batch, which symbolic tensors refuse.
        base: constants and name.
    """

    def output_shape(self, *shapes):
        place = normalize_axis(self.axis, len(shapes[0]) + 2, self.name) - 1
        if place < 0:
            raise self.error("the batch stays the first axis; name another one, e.g. axis=-1.")
        if self.constants:
            raise self.error("joins symbolic tensors with each other, or arrays with each other.")
        if len(set(shapes)) > 1:
            raise self.error(f"samples of shape {' and '.join(map(pretty, shapes))} differ.")
        return (*shapes[0][:place], len(shapes), *shapes[0][place:])

    def forward(self, ctx, w, *xs):
        return functions.stack(self.arguments(ctx, xs), self.axis)

    def backward(self, ctx, w, dw, dy, cache):
        return self.for_inputs(functions.stack_backward(dy, cache))


# ---------------------------------------------------------------- the functions


def getitem(x, key):
    """Returns x[key]: slices, whole numbers, None and `...`; the batch of a symbolic tensor must be `:`."""
    return GetItem.of(x, key)


def reshape(x, newshape):
    """Returns x in another shape; for symbolic tensors it begins with -1, the batch."""
    return Reshape.of(x, newshape=newshape)


def expand_dims(x, axis):
    """Returns x with a new axis of length 1."""
    return ExpandDims.of(x, axis=axis)


def squeeze(x, axis=None):
    """Returns x without axes of length 1."""
    return Squeeze.of(x, axis=axis)


def transpose(x, axes=None):
    """Returns x with its axes in another order."""
    return Transpose.of(x, axes=axes)


def swapaxes(x, axis1, axis2):
    """Returns x with two axes swapped."""
    return Swapaxes.of(x, axis1=axis1, axis2=axis2)


def concatenate(xs, axis=0):
    """Returns the inputs one behind the other along `axis`."""
    return Concatenate.of(*xs, axis=axis)


def stack(xs, axis=0):
    """Returns the inputs, which have one shape, along a new axis."""
    return Stack.of(*xs, axis=axis)


def shape(x):
    """Returns the shape of x as a tuple, None where a length is open."""
    return x.shape if isinstance(x, SymbolicTensor) else tuple(x.shape)
