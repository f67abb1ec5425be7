"""SimpleRNN and its cell."""

from kerasette.layers.recurrent.base import Recurrent
from kerasette.layers.recurrent.cells import BuiltinCell
from kerasette.registry import register


@register("layer")
class SimpleRNNCell(BuiltinCell):
    """One step of SimpleRNN: h = activation(x kernel + h' recurrent_kernel + bias). Elman 1990.

    Args:
        units: of state and output.
        activation: name or object, None for linear.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: names or objects.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties, or None.
        kernel_constraint, recurrent_constraint, bias_constraint: applied after each update, or None.
        dropout, recurrent_dropout: share of the inputs, of the state, that is dropped in training; below 1.
        seed: of the dropout; by default it follows the model's seed.

    Call it as `cell(inputs, states)`.

    >>> import numpy as np
    >>> y, (h,) = SimpleRNNCell(2)(np.ones((1, 3)), [np.zeros((1, 2))])
    >>> y.shape, h.shape
    ((1, 2), (1, 2))
    """

    pair = "simple_rnn"

    def __init__(
        self,
        units: int,
        activation="tanh",
        use_bias: bool = True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
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
        self._store(
            units,
            use_bias,
            dropout,
            recurrent_dropout,
            seed,
            activation=activation,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
        )


@register("layer")
class SimpleRNN(Recurrent):
    """The recurrent layer whose output is fed back: h = activation(x kernel + h' recurrent_kernel + bias).

    Elman 1990.

    Args:
        units: of state and output.
        activation: name or object, None for linear.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: names or objects.
        kernel_regularizer, recurrent_regularizer, bias_regularizer, activity_regularizer: penalties, or None.
        kernel_constraint, recurrent_constraint, bias_constraint: applied after each update, or None.
        dropout, recurrent_dropout: share of the inputs, of the state, that is dropped in training; below 1.
            All steps of a sequence drop the same.
        return_sequences, return_state, go_backwards, stateful, unroll, zero_output_for_mask: see `Recurrent`.
        seed: of the dropout; by default it follows the model's seed.

    Input: (batch, steps, features). Output: (batch, units), or (batch, steps, units).
    Called as `layer(x, initial_state=[h], mask=mask)`.

    >>> import numpy as np
    >>> SimpleRNN(4, return_sequences=True)(np.ones((1, 3, 2))).shape
    (1, 3, 4)
    """

    def __init__(
        self,
        units: int,
        activation="tanh",
        use_bias: bool = True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: int | None = None,
        **base,
    ):
        super().__init__(
            activity_regularizer=activity_regularizer,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            **base,
        )
        self._adopt(
            SimpleRNNCell,
            units=units,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
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
