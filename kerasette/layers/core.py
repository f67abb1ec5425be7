"""Dense, Activation, Dropout and the layers that only change shapes."""

import math
from functools import cached_property

from kerasette import activations, functions
from kerasette.backend import image_data_format
from kerasette.errors import fraction, one_of, positive_int, type_error, value_error
from kerasette.functions.common import floats
from kerasette.layers.base import Layer
from kerasette.registry import register


@register("layer")
class Dense(Layer):
    """Fully connected layer: y = activation(x @ kernel + bias).

    Args:
        output_size: number of units; Keras's name `units` is the same argument.
        activation: name or object, None for linear.
        use_bias: whether a bias is added.
        kernel_initializer, bias_initializer: names or objects.
        kernel_regularizer, bias_regularizer, activity_regularizer: penalties, or None.
        kernel_constraint, bias_constraint: applied after each update, or None.

    Input: (batch, ..., features). Output: (batch, ..., output_size).

    >>> import numpy as np
    >>> Dense(2, kernel_initializer="ones")(np.ones((1, 3)))
    array([[3., 3.]], dtype=float32)
    """

    supports_masking = True
    aliases = {"units": "output_size"}

    def __init__(
        self,
        output_size: int,
        activation=None,
        use_bias: bool = True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        **base,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **base)
        self.output_size = positive_int(self.name, "units", output_size)
        self.activation = activation
        self.output_activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer, self.bias_initializer = kernel_initializer, bias_initializer
        self.kernel_regularizer, self.bias_regularizer = kernel_regularizer, bias_regularizer
        self.kernel_constraint, self.bias_constraint = kernel_constraint, bias_constraint

    def build(self, shape):
        features = shape[-1] if shape else None
        if features is None:
            raise value_error(
                f"{self.name} (Dense) needs a known last axis, got inputs of shape {(None, *shape)}."
            )
        self.add_param(
            "kernel",
            (features, self.output_size),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        if self.use_bias:
            self.add_param(
                "bias",
                (self.output_size,),
                self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def output_shape(self, shape):
        if self.built and shape[-1] != self.kernel.shape[0]:
            raise value_error(
                f"{self.name} (Dense) was built for {self.kernel.shape[0]} features, got inputs of shape "
                f"{(None, *shape)}."
            )
        return (*shape[:-1], self.output_size)

    def forward(self, ctx, w, x):
        x = floats(x, ctx.buffer.dtype)
        out = ctx.buffer("y", (*x.shape[:-1], self.output_size))
        return functions.dense(x, w["kernel"], w.get("bias"), out=out)

    def backward(self, ctx, w, dw, dy, cache):
        x = cache[0]
        dx = ctx.buffer("dx", x.shape) if ctx.need_dx else None
        return functions.dense_backward(
            dy, cache, need_dx=ctx.need_dx, dx=dx, dkernel=dw["kernel"], dbias=dw.get("bias")
        )[0]


@register("layer")
class Activation(Layer):
    """Applies an activation to its input.

    Args:
        activation: name or object, e.g. "relu".
    """

    supports_masking = True

    def __init__(self, activation, **base):
        super().__init__(**base)
        self.activation = activation
        self.function = activations.get(activation)

    @cached_property
    def fuses_with(self):
        return self.function.kind_name

    def output_shape(self, shape):
        return self.function.output_shape(shape)

    def forward(self, ctx, w, x):
        x = floats(x, ctx.buffer.dtype)
        y, cache = self.function.forward(x, out=ctx.buffer("y", self.output_shape(x.shape)))
        return y, (cache, x.shape)

    def backward(self, ctx, w, dw, dy, cache):
        cache, shape = cache
        return self.function.backward(dy, cache, dx=ctx.buffer("dx", shape))


class Noisy(Layer):
    """Base of layers that change their input at random in training, and outside pass it unchanged.

    Attributes:
        function: `y, cache = function(x, noise, amount, out=...)`; here dropout.
        derivative: `dx = derivative(dy, cache, dx=...)`; unused where the cache is None.
        amount: name of the argument that says how much.
    """

    supports_masking = True
    function = staticmethod(functions.dropout)
    derivative = staticmethod(functions.dropout_backward)
    amount = "rate"

    def __init__(self, seed=None, **base):
        super().__init__(**base)
        self.seed = checked_seed(self.name, seed)

    def forward(self, ctx, w, x):
        x = floats(x, ctx.buffer.dtype)
        if not ctx.training:
            return x, None
        return self.function(x, ctx.noise, getattr(self, self.amount), out=ctx.buffer("y", x.shape))

    def backward(self, ctx, w, dw, dy, cache):
        if cache is None:
            return dy
        return self.derivative(dy, cache, dx=ctx.buffer("dx", dy.shape))


@register("layer")
class Dropout(Noisy):
    """Sets inputs to zero at random in training, and scales the others by 1 / (1 - rate).

    Args:
        rate: the share that is dropped, from 0 to 1.
        noise_shape: shape of the random mask, batch included; 1 shares the mask along an axis, None takes
            the input's length. By default the input's shape.
        seed: of this layer's random numbers; by default they follow the model's seed.

    Srivastava et al. 2014, in its inverted form. Outside training the input passes unchanged.

    >>> import numpy as np
    >>> y = Dropout(0.5, seed=1)(np.ones((1, 100)), training=True)
    >>> sorted(set(y.ravel().tolist()))
    [0.0, 2.0]
    """

    def __init__(self, rate: float, noise_shape=None, seed: int | None = None, **base):
        super().__init__(seed, **base)
        self.rate = fraction(self.name, "rate", rate)
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)

    def draw(self, rng, batch, shape):
        return rng.keep(noise_shape(self.name, self.noise_shape, batch, shape), self.rate)


def checked_seed(owner: str, seed):
    """Returns `seed`, a whole number of at least 0 or None; raises for anything else."""
    return None if seed is None else positive_int(owner, "seed", seed, minimum=0)


def noise_shape(owner: str, wanted, batch: int, shape: tuple) -> tuple:
    """Returns the shape of the random array for `batch` samples of `shape`.

    Args:
        owner: who asks, for the message.
        wanted: the layer's noise_shape (batch included; None where the input's length counts), or None.
        batch, shape: of the input.

    Raises:
        InvalidValue: where `wanted` can't be broadcast to the input.
    """
    full = (batch, *shape)
    if wanted is None:
        return full
    if len(wanted) != len(full) or any(n not in (None, 1, m) for n, m in zip(wanted, full, strict=True)):
        raise value_error(
            f"{owner}: noise_shape {wanted} doesn't fit inputs of shape {full}.",
            "Give one entry an axis, the batch included: 1, None, or the input's length.",
        )
    return tuple(m if n is None else n for n, m in zip(wanted, full, strict=True))


# ---------------------------------------------------------------- shapes


class Rearranging(Layer):
    """Base of layers that move elements and compute nothing: the type of the input stays."""

    def input_dtype(self, dtype):
        return self.dtype if dtype.startswith("float") else dtype

    def output_dtype(self, dtype):
        return dtype


@register("layer")
class Identity(Rearranging):
    """Gives its input back."""

    supports_masking = True

    def forward(self, ctx, w, x):
        return x, None

    def backward(self, ctx, w, dw, dy, cache):
        return dy


class _Reshaping(Rearranging):
    """A layer whose forward only gives the samples another shape."""

    def forward(self, ctx, w, x):
        return x.reshape(len(x), *self.output_shape(x.shape[1:])), x.shape

    def backward(self, ctx, w, dw, dy, shape):
        return dy.reshape(shape)


@register("layer")
class Flatten(_Reshaping):
    """Turns each sample into one row.

    Args:
        data_format: "channels_last", or "channels_first": then the second axis is moved to the end before.
            By default `kerasette.config.image_data_format()`.
    """

    def __init__(self, data_format: str | None = None, **base):
        super().__init__(**base)
        self.data_format = image_data_format() if data_format is None else data_format
        one_of(self.name, "data_format", self.data_format, ("channels_last", "channels_first"))

    def output_shape(self, shape):
        return (None if None in shape else math.prod(shape),)

    def _moves(self, x):
        return self.data_format == "channels_first" and x.ndim > 2

    def forward(self, ctx, w, x):
        last = ctx.xp.moveaxis(x, 1, -1) if self._moves(x) else x
        y, shape = super().forward(ctx, w, last)
        return y, (shape, last is not x)

    def backward(self, ctx, w, dw, dy, cache):
        shape, moved = cache
        dx = super().backward(ctx, w, dw, dy, shape)
        return ctx.xp.moveaxis(dx, -1, 1) if moved else dx


@register("layer")
class Reshape(_Reshaping):
    """Gives each sample another shape.

    Args:
        target_shape: shape of one sample; one length may be -1 and follows from the others.

    >>> import numpy as np
    >>> Reshape((-1, 2))(np.zeros((5, 6))).shape
    (5, 3, 2)
    """

    def __init__(self, target_shape, **base):
        super().__init__(**base)
        if isinstance(target_shape, (int, str)):
            raise type_error(f"{self.name}: target_shape must be a tuple, got {target_shape!r}.")
        self.target_shape = tuple(
            -1 if n == -1 else positive_int(self.name, "each length of target_shape", n) for n in target_shape
        )
        if self.target_shape.count(-1) > 1:
            raise value_error(f"{self.name}: target_shape may have one -1, got {self.target_shape}.")

    def output_shape(self, shape):
        if None in shape:
            return tuple(None if n == -1 else n for n in self.target_shape)
        size, known = math.prod(shape), math.prod(n for n in self.target_shape if n != -1)
        if size % known if -1 in self.target_shape else size != known:
            raise value_error(
                f"{self.name} (Reshape) can't give {size} elements of shape {tuple(shape)}",
                f"the shape {self.target_shape}. One length may be -1.",
            )
        return tuple(size // known if n == -1 else n for n in self.target_shape)


@register("layer")
class Permute(Rearranging):
    """Puts the axes of each sample in another order.

    Args:
        dims: the axes in their new order, counted from 1: (2, 1) swaps the two of a matrix.
    """

    def __init__(self, dims, **base):
        super().__init__(**base)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise value_error(
                f"{self.name}: dims must hold the axes 1 to {len(self.dims)} once each, got {dims}."
            )
        self.input_ranks = (len(self.dims),)

    def output_shape(self, shape):
        return tuple(shape[axis - 1] for axis in self.dims)

    def forward(self, ctx, w, x):
        return x.transpose(0, *self.dims), None

    def backward(self, ctx, w, dw, dy, cache):
        return dy.transpose(0, *(self.dims.index(axis) + 1 for axis in range(1, dy.ndim)))


@register("layer")
class RepeatVector(Rearranging):
    """Repeats each row `n` times: (batch, features) becomes (batch, n, features).

    Args:
        n: how often.
    """

    input_ranks = (1,)

    def __init__(self, n: int, **base):
        super().__init__(**base)
        self.n = positive_int(self.name, "n", n)

    def output_shape(self, shape):
        return (self.n, *shape)

    def forward(self, ctx, w, x):
        return ctx.xp.repeat(x[:, None], self.n, axis=1), None

    def backward(self, ctx, w, dw, dy, cache):
        return dy.sum(axis=1)
