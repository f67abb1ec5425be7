"""ConvLSTM1D, ConvLSTM2D and ConvLSTM3D: LSTMs over sequences of images."""

import math

from kerasette.errors import value_error
from kerasette.layers.convolution import Windowed
from kerasette.layers.recurrent.base import Recurrent
from kerasette.layers.recurrent.cells import BuiltinCell
from kerasette.registry import register


@register("layer")
class ConvLSTMCell(Windowed, BuiltinCell):
    """One step of a ConvLSTM layer; see ConvLSTM2D. Keras has it inside these layers only.

    Args:
        rank: number of axes of an image.
    """

    pair = "conv_lstm"
    gates = 4

    def __init__(
        self,
        rank: int,
        filters: int,
        kernel_size,
        strides=1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate=1,
        activation="tanh",
        recurrent_activation="sigmoid",
        use_bias: bool = True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **base,
    ):
        super().__init__(**base)
        self.rank = rank
        self._describe(kernel_size, strides, padding, data_format, dilation_rate)
        self._store(
            filters,
            use_bias,
            dropout,
            recurrent_dropout,
            seed,
            activation=activation,
            recurrent_activation=recurrent_activation,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            unit_forget_bias=unit_forget_bias,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
        )
        self._geometry = {"strides": self.strides, "padding": self.padding, "dilation": self.dilation_rate}

    @property
    def filters(self):
        """Channels of state and output."""
        return self.units

    @property
    def state_size(self):
        """Channels of h and of c."""
        return [self.units, self.units]

    def step_shapes(self, shape):
        """See `cells.step_shapes`."""
        lengths, channels = self._apart(shape)
        if None in (*lengths, channels):
            raise value_error(
                f"{self.name} (ConvLSTM) needs images of known lengths and channels, got {(None, *shape)}."
            )
        lengths = self._lengths(lengths)
        state = (self.filters, *lengths) if self._first else (*lengths, self.filters)
        return state, [state, state]

    output_shape = BuiltinCell.output_shape

    def build(self, shape, *states):
        self.step_shapes(shape)
        _, channels = self._apart(shape)
        width = self.gates * self.filters
        self._channels = channels
        self._add("kernel", "kernel", (*self.kernel_size, channels, width))
        self._add("recurrent_kernel", "recurrent", (*self.kernel_size, self.filters, width))
        if self.use_bias:
            self._add("bias", "bias", (width,))

    # ------------------------------------------------------------ dropout: each gate has masks of its own

    def _inside(self, shape):
        """Returns the shapes of images and states with channels last."""
        lengths, channels = self._apart(shape)
        return (*lengths, channels), (*self._lengths(lengths), self.filters)

    def _draw(self, rng, batch, shape, *_):
        pairs = zip(self._inside(shape), (self.dropout, self.recurrent_dropout), strict=True)
        drawn = [rng.keep((batch, self.gates * math.prod(one)), rate) for one, rate in pairs if rate]
        return drawn[0] if len(drawn) == 1 else rng.xp.concatenate(drawn, axis=1)

    def _drops(self, ctx, x):
        if not ctx.training or ctx.noise is None:
            return None, None
        found, start = [], 0
        shapes = (x.shape[2:], (*self._lengths(x.shape[2:-1]), self.filters))
        for shape, rate in zip(shapes, (self.dropout, self.recurrent_dropout), strict=True):
            width = self.gates * math.prod(shape) if rate else 0
            keep = ctx.noise[:, start : start + width]
            start += width
            factors = ctx.xp.multiply(keep, 1 / (1 - rate), dtype=x.dtype)
            found.append(factors.reshape(len(x), self.gates, *shape) if rate else None)
        return found

    # ------------------------------------------------------------ the contract, channels last inside

    def _to(self, xp, array, ahead, inward):
        """Moves the channels behind the lengths, or back; `ahead` axes stand before both."""
        if not self._first or array is None:
            return array
        return xp.moveaxis(array, ahead, -1) if inward else xp.moveaxis(array, -1, ahead)

    def run(self, ctx, w, x, states, mask, options):
        x = self._to(ctx.xp, x, 2, True)
        states = [self._to(ctx.xp, state, 1, True) for state in states]
        y, cache = super().run(ctx, w, x, states, mask, {**options, **self._geometry})
        return self._turned(ctx.xp, y, options, False), (cache, options)

    def run_back(self, ctx, w, dw, dy, cache, dx=None):
        cache, options = cache
        dy = self._turned(ctx.xp, dy, options, True)
        dx, dstates = super().run_back(ctx, w, dw, dy, cache)
        return self._to(ctx.xp, dx, 2, False), [self._to(ctx.xp, one, 1, False) for one in dstates]

    def _turned(self, xp, y, options, inward):
        """Moves the channels of y, and of the states behind it."""
        ahead = 2 if options.get("sequences") else 1
        if not options.get("states"):
            return self._to(xp, y, ahead, inward)
        return (self._to(xp, y[0], ahead, inward), *[self._to(xp, one, 1, inward) for one in y[1:]])


class _ConvLSTM(Recurrent):
    """Base of the ConvLSTM layers; ConvLSTM2D tells the arguments."""

    rank = 2

    def __init__(
        self,
        filters: int,
        kernel_size,
        strides=1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate=1,
        activation="tanh",
        recurrent_activation="sigmoid",
        use_bias: bool = True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        **base,
    ):
        super().__init__(
            activity_regularizer=activity_regularizer,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            **base,
        )
        self.input_ranks = (self.rank + 2,)
        self._adopt(
            ConvLSTMCell,
            rank=self.rank,
            filters=filters,
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            unit_forget_bias=unit_forget_bias,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
        )

    def _fits(self, shape):
        return self.cell._apart(shape[1:])[1] == self.cell._channels


@register("layer")
class ConvLSTM1D(_ConvLSTM):
    """An LSTM over sequences of rows (batch, steps, length, channels); see ConvLSTM2D."""

    rank = 1


@register("layer")
class ConvLSTM2D(_ConvLSTM):
    """An LSTM whose products with kernels are convolutions. Shi et al. 2015.

    Args:
        filters: channels of state and output.
        kernel_size, strides, padding, data_format, dilation_rate: of the convolution of the inputs, as in
            Conv2D. That of the state has strides of 1 and keeps its lengths.
        activation, recurrent_activation: names or objects, None for linear.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: names or objects.
        unit_forget_bias: whether the bias of the forget gate begins at 1.
        kernel_regularizer, recurrent_regularizer, bias_regularizer, activity_regularizer: penalties, or None.
        kernel_constraint, recurrent_constraint, bias_constraint: applied after each update, or None.
        dropout, recurrent_dropout: share of the inputs, of the state, that is dropped in training; below 1.
            All steps of a sequence drop the same; each gate its own.
        seed: of the dropout; by default it follows the model's seed.
        return_sequences, return_state, go_backwards, stateful: see `Recurrent`.

    Input: (batch, steps, rows, columns, channels), or with channels_first (batch, steps, channels, rows,
    columns). Output: (batch, rows, columns, filters), or with steps behind the batch.

    >>> import numpy as np
    >>> ConvLSTM2D(4, 3, padding="same")(np.ones((1, 2, 6, 5, 3))).shape
    (1, 6, 5, 4)
    """

    rank = 2


@register("layer")
class ConvLSTM3D(_ConvLSTM):
    """An LSTM over sequences of volumes (batch, steps, depth, rows, columns, channels); see ConvLSTM2D."""

    rank = 3
