"""Layers that prepare data: Rescaling, Normalization by adapted statistics, CategoryEncoding."""

import math

import numpy as np

from kerasette import functions
from kerasette.backend import is_array, to_numpy
from kerasette.errors import one_of, positive_int, type_error, value_error
from kerasette.functions.constants import Constant
from kerasette.layers.base import Layer
from kerasette.registry import register, serialize
from kerasette.shapes import broadcast, normalize_axes, pretty

ROWS = 1 << 16  # elements that adapt() looks at in one go: an array on disk is never loaded whole


def _numbers(owner, argument, value):
    """Returns `value` as a Constant, or raises InvalidType where it isn't made of numbers."""
    try:
        constant = Constant(value)
        constant.value.astype(np.float64)
    except (TypeError, ValueError):
        constant = None
    if constant is None or constant.value.dtype.kind not in "fiu":
        raise type_error(f"{owner}: {argument} must be a number or an array of numbers, got {value!r}.")
    return constant


@register("layer")
class Rescaling(Layer):
    """Computes inputs * scale + offset, e.g. Rescaling(1 / 255) for images.

    Args:
        scale: number, or numbers that broadcast to one sample.
        offset: number, or numbers that broadcast to one sample.
    """

    supports_masking = True

    def __init__(self, scale, offset=0.0, **base):
        super().__init__(**base)
        self.scale, self.offset = scale, offset
        self._factor = _numbers(self.name, "scale", scale)
        self._shift = _numbers(self.name, "offset", offset)

    def output_shape(self, shape):
        for constant in (self._factor, self._shift):
            if broadcast(shape, constant.shape, owner=self.name) != tuple(shape):
                raise value_error(
                    f"{self.name} (Rescaling) has numbers of shape {constant.shape}, which don't fit",
                    f"samples of shape {pretty(shape)}.",
                )
        return shape

    def forward(self, ctx, w, x):
        dtype = ctx.buffer.dtype
        scale, offset = self._factor(ctx.xp, dtype), self._shift(ctx.xp, dtype)
        return functions.rescale(x, scale, offset, out=ctx.buffer("y", x.shape), dtype=dtype)

    def backward(self, ctx, w, dw, dy, cache):
        return functions.rescale_backward(dy, cache, dx=ctx.buffer("dx", dy.shape))


@register("layer")
class Normalization(Layer):
    """Shifts and scales each feature to mean 0 and variance 1, by statistics that are given or adapted.

    Args:
        axis: the axis or axes (counted with the batch as axis 0) that keep statistics of their own; None
            for one mean and variance of everything.
        mean, variance: the statistics, both of one shape. Without them call `adapt(data)`.
        invert: whether the layer undoes the normalization instead.

    >>> layer = Normalization()
    >>> layer.adapt([[1.0, 10.0], [3.0, 10.0]])
    >>> layer([[1.0, 11.0]]).tolist()[0][0]
    -1.0
    """

    supports_masking = True

    def __init__(self, axis=-1, mean=None, variance=None, invert: bool = False, **base):
        super().__init__(**base)
        if axis is not None and not isinstance(axis, (int, list, tuple)):
            raise type_error(
                f"{self.name}: axis must be a whole number, a list of them, or None, got {axis!r}."
            )
        if (mean is None) != (variance is None):
            raise value_error(f"{self.name}: give mean and variance, or neither and call adapt(data).")
        one_of(self.name, "invert", invert, (False, True))
        self.axis, self.input_mean, self.input_variance, self.invert = axis, mean, variance, invert
        self._given = None
        self._built_for = None
        if mean is not None:
            self._given = _numbers(self.name, "mean", mean), _numbers(self.name, "variance", variance)
            if self._given[0].shape != self._given[1].shape:
                raise value_error(f"{self.name}: mean and variance must have one shape.")
            if (self._given[1].value < 0).any():
                raise value_error(f"{self.name}: a variance is never negative, got {variance!r}.")

    def _kept(self, rank):
        """Returns the axes that keep statistics of their own, for arrays of `rank` axes."""
        axes = normalize_axes(() if self.axis is None else self.axis, rank, self.name)
        if 0 in axes:
            raise value_error(
                f"{self.name} (Normalization): axis {self.axis} is the batch of inputs with {rank} axes.",
                "Give each sample an axis for its features, or axis=None.",
            )
        return axes

    def _spread(self, shape):
        """Returns the shape in which the statistics broadcast to a batch of samples of `shape`."""
        kept = self._kept(len(shape) + 1)
        return tuple(shape[axis - 1] if axis in kept else 1 for axis in range(1, len(shape) + 1))

    @property
    def mean(self):
        """The mean as Keras has it, (1, ...) to broadcast to a batch; before the build what was given."""
        return self._statistic("mean", self.input_mean, 0)

    @property
    def variance(self):
        """The variance, likewise."""
        return self._statistic("variance", self.input_variance, 1)

    def _statistic(self, name, given, place):
        if not self.built:
            return given
        value = self._params[name].numpy() if self._given is None else self._given[place].value
        shape = (1, *(1 if n is None else n for n in self._spread(self._built_for)))
        return np.broadcast_to(np.asarray(value, self.dtype).reshape(value.shape and shape), shape).copy()

    def get_config(self):
        """Returns the arguments; what `adapt` found is among the weights."""
        given = {"mean": serialize(self.input_mean), "variance": serialize(self.input_variance)}
        return {**super().get_config(), **given}

    def fixed_axes(self, shape):
        one_for_all = self._given is not None and not self._given[0].shape
        return () if one_for_all else self._kept(len(shape) + 1)

    def build(self, shape):
        self._built_for = tuple(shape)
        lengths = tuple(shape[axis - 1] for axis in self._kept(len(shape) + 1))
        if self._given is not None:
            if self._given[0].shape not in ((), lengths):
                raise value_error(
                    f"{self.name}: mean has shape {self._given[0].shape}, samples of shape {pretty(shape)}",
                    f"need {lengths}.",
                )
            return
        if None in lengths:
            raise value_error(f"{self.name} needs known lengths on axis {self.axis}, got {pretty(shape)}.")
        self.add_param("mean", lengths, "zeros", trainable=False)
        self.add_param("variance", lengths, "ones", trainable=False)
        self.add_param("count", (), "zeros", trainable=False)  # as in Keras's files; nobody reads it

    def adapt(self, data) -> None:
        """Sets mean and variance (biased) to those of `data`, computed in float64.

        Args:
            data: an array, nested lists of numbers, or an iterable of arrays: one batch each.

        Raises:
            InvalidValue: where there are no rows, a statistic isn't finite, or the layer was given both.
        """
        if self._given is not None:
            raise value_error(
                f"{self.name} was given mean and variance; adapt() is for a layer without them."
            )
        total = _Statistics()
        for batch in _batches(data):
            self._ensure_built([batch.shape[1:]])
            axes = tuple(axis for axis in range(batch.ndim) if axis not in self._kept(batch.ndim))
            with np.errstate(over="ignore", invalid="ignore"):  # told below
                total.add(batch, axes)
        if not total.count:
            raise value_error(f"{self.name}: adapt() got 0 rows.")
        with np.errstate(over="ignore"):
            found = [np.asarray(n).astype(self.dtype) for n in (total.mean, total.squares / total.count)]
        if not all(np.isfinite(one).all() for one in found):
            raise value_error(
                f"{self.name}: adapt() got NaN or infinity, or numbers whose mean or variance is too large",
                f"for {self.dtype}. Clean them first.",
            )
        for name, statistic in zip(("mean", "variance"), found, strict=True):
            self._params[name].assign(statistic)

    def forward(self, ctx, w, x):
        dtype = ctx.buffer.dtype
        if self._given is None:
            mean, variance = w["mean"], w["variance"]
        else:
            given = [one(ctx.xp, dtype) for one in self._given]
            mean, variance = given if self._given[0].shape else [ctx.xp.full((), one, dtype) for one in given]
        if mean.ndim:
            shape = self._spread(x.shape[1:])
            mean, variance = mean.reshape(shape), variance.reshape(shape)
        out = ctx.buffer("y", x.shape)
        return functions.standardize(x, mean, variance, self.invert, out=out, dtype=dtype)

    def backward(self, ctx, w, dw, dy, cache):
        return functions.standardize_backward(dy, cache, dx=ctx.buffer("dx", dy.shape))


class _Statistics:
    """Mean and sum of squared deviations of batches, merged in float64 (Chan, Golub & LeVeque 1983)."""

    def __init__(self):
        self.count, self.mean, self.squares = 0, 0.0, 0.0

    def add(self, batch, axes):
        batch = batch.astype(np.float64)
        count = math.prod(batch.shape[axis] for axis in axes)
        if not count:
            return
        mean = batch.mean(axes, keepdims=True)
        squares = np.square(batch - mean).sum(axes)
        gap = mean.reshape(squares.shape) - self.mean
        total = self.count + count
        self.squares = self.squares + squares + gap * gap * (self.count * count / total)
        self.mean = self.mean + gap * (count / total)
        self.count = total


def _batches(data):
    """Yields NumPy arrays with at most ROWS elements (but at least one row) from whatever adapt() takes."""
    whole = is_array(data) or (hasattr(data, "shape") and hasattr(data, "__getitem__"))
    if not whole and isinstance(data, (list, tuple)) and not any(hasattr(item, "shape") for item in data):
        data, whole = np.asarray(data), True
    for item in [data] if whole else data:
        part = _as_rows(item)
        if not part.shape or getattr(part.dtype, "kind", "f") not in "fiub":
            raise type_error(f"adapt() needs rows of numbers, got an item of type {part.dtype}.")
        rows = max(1, ROWS // max(1, math.prod(part.shape[1:])))
        for start in range(0, part.shape[0], rows):
            yield to_numpy(part[start : start + rows])


def _as_rows(item):
    """Returns a table, an array or a list of rows as something with a shape."""
    if hasattr(item, "to_numpy"):
        return item.to_numpy()
    return item if hasattr(item, "shape") else np.asarray(item)


@register("layer")
class CategoryEncoding(Layer):
    """Turns category numbers into vectors.

    Args:
        num_tokens: how many categories there are: numbers go from 0 to num_tokens - 1.
        output_mode: "multi_hot" (1 for each category that occurs in the sample), "one_hot" (a vector for
            each number) or "count" (how often each category occurs).
        sparse: only False passes.

    Called as `layer(x, count_weights=w)` in mode "count", each number counts by its weight.

    >>> import numpy as np
    >>> CategoryEncoding(4, output_mode="count")(np.array([[1, 1, 3]]))
    array([[0., 2., 0., 1.]], dtype=float32)
    """

    config_hidden = (*Layer.config_hidden, "sparse")

    def __init__(
        self, num_tokens: int | None = None, output_mode: str = "multi_hot", sparse: bool = False, **base
    ):
        super().__init__(**base)
        if num_tokens is None:
            raise value_error(f"{self.name}: num_tokens must be set: how many categories there are.")
        self.num_tokens = positive_int(self.name, "num_tokens", num_tokens)
        output_mode = "count" if output_mode == "counts" else output_mode
        one_of(self.name, "output_mode", output_mode, ("multi_hot", "one_hot", "count"))
        self.output_mode = output_mode
        if sparse:
            raise value_error(f"{self.name}: sparse outputs aren't provided; use sparse=False.")
        self.sparse = sparse

    def __call__(self, inputs, count_weights=None, *, training: bool | None = None):
        """Applies the layer; see `Layer.__call__`.

        Args:
            inputs: whole numbers, (batch, ...).
            count_weights: like `inputs`; in mode "count" only.
            training: of no effect.
        """
        if count_weights is None:
            return super().__call__(inputs, training=training)
        return super().__call__(inputs, count_weights, training=training)

    def input_dtype(self, dtype):
        return self.dtype if dtype.startswith("float") else dtype

    def _check_inputs(self, shapes):
        if not 1 <= len(shapes) <= 2:
            raise value_error(f"{self.name} takes one input and count_weights, got {len(shapes)} inputs.")
        if len(shapes) == 2 and self.output_mode != "count":
            raise value_error(
                f"{self.name}: count_weights go with output_mode='count', not {self.output_mode!r}."
            )
        if len(shapes) == 2 and tuple(shapes[0]) != tuple(shapes[1]):
            raise value_error(
                f"{self.name}: inputs of shape {shapes[0]}, count_weights of {shapes[1]} a sample."
            )
        if len(shapes[0]) != 1 and self.output_mode != "one_hot":
            raise value_error(
                f"{self.name}: output_mode {self.output_mode!r} takes inputs of shape (batch, n),",
                f"got samples of shape {pretty(shapes[0])}. Use Reshape or Flatten before it.",
            )

    def output_shape(self, shape, weights_shape=None):
        if self.output_mode != "one_hot" or (shape and shape[-1] == 1):
            shape = shape[:-1]
        return (*shape, self.num_tokens)

    def forward(self, ctx, w, x, weights=None):
        numbers = functions.whole_numbers(x, self.num_tokens, f"{self.name} (CategoryEncoding)")
        tokens, dtype = self.num_tokens, ctx.buffer.dtype
        if self.output_mode == "one_hot":
            y = functions.one_hot(numbers, tokens, dtype)
            return y.reshape(len(x), *self.output_shape(x.shape[1:])), None
        y, _ = functions.count_tokens(numbers, weights, tokens=tokens, dtype=dtype)
        if self.output_mode == "multi_hot":
            return (y > 0).astype(dtype), None
        return y, numbers if weights is not None else None

    def backward(self, ctx, w, dw, dy, numbers):
        return None if numbers is None else (None, functions.count_tokens_backward(dy, numbers))
