"""LSTM and its cell."""

from kerasette.layers.recurrent.base import Recurrent, checked_cudnn
from kerasette.layers.recurrent.cells import BuiltinCell
from kerasette.registry import register


@register("layer")
class LSTMCell(BuiltinCell):
    """One step of LSTM: c = f c' + i g, h = o activation(c). Hochreiter & Schmidhuber 1997, Gers et al. 2000.

    i f g o are the blocks of x kernel + h' recurrent_kernel + bias, bent by `recurrent_activation`; g by
    `activation`.

    Args:
        units: of state and output.
        activation, recurrent_activation: names or objects, None for linear.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: names or objects.
        unit_forget_bias: whether the bias of f begins at 1 (Jozefowicz et al. 2015).
        kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties, or None.
        kernel_constraint, recurrent_constraint, bias_constraint: applied after each update, or None.
        dropout, recurrent_dropout: share of the inputs, of the state, that is dropped in training; below 1.
        seed: of the dropout; by default it follows the model's seed.
        implementation: 0, 1 or 2; with 1 each gate drops inputs of its own. No file holds it.

    Call it as `cell(inputs, states)`.

    >>> import numpy as np
    >>> y, (h, c) = LSTMCell(2)(np.ones((1, 3)), [np.zeros((1, 2)), np.zeros((1, 2))])
    >>> y.shape, c.shape
    ((1, 2), (1, 2))
    """

    pair = "lstm"
    gates = 4
    config_hidden = (*BuiltinCell.config_hidden, "implementation")

    def __init__(
        self,
        units: int,
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
        *,
        implementation: int = 2,
        **base,
    ):
        super().__init__(**base)
        self._store(
            units,
            use_bias,
            dropout,
            recurrent_dropout,
            seed,
            implementation,
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

    @property
    def state_size(self):
        """Units of h and of c."""
        return [self.units, self.units]


@register("layer")
class LSTM(Recurrent):
    """The long short-term memory: c = f c' + i g, h = o activation(c). Hochreiter & Schmidhuber 1997.

    i f g o are the blocks of x kernel + h' recurrent_kernel + bias, bent by `recurrent_activation`; g by
    `activation`. With both at their defaults and no recurrent_dropout it takes the fast way.

    Args:
        units: of state and output.
        activation, recurrent_activation: names or objects, None for linear.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: names or objects.
        unit_forget_bias: whether the bias of f begins at 1 (Jozefowicz et al. 2015).
        kernel_regularizer, recurrent_regularizer, bias_regularizer, activity_regularizer: penalties, or None.
        kernel_constraint, recurrent_constraint, bias_constraint: applied after each update, or None.
        dropout, recurrent_dropout: share of the inputs, of the state, that is dropped in training; below 1.
            All steps of a sequence drop the same; with a recurrent_dropout each gate its own.
        seed: of the dropout; by default it follows the model's seed.
        return_sequences, return_state, go_backwards, stateful, unroll, zero_output_for_mask: see `Recurrent`.
        use_cudnn: "auto", True or False; of no effect.
        implementation: 0, 1 or 2; with 1 each gate drops inputs of its own, also without a recurrent_dropout.
            No file holds it, as none of Keras does.

    Input: (batch, steps, features). Output: (batch, units), or (batch, steps, units).
    Called as `layer(x, initial_state=[h, c], mask=mask)`.

    >>> import numpy as np
    >>> LSTM(4, return_sequences=True)(np.ones((1, 3, 2))).shape
    (1, 3, 4)
    """

    config_hidden = (*Recurrent.config_hidden, "implementation")

    def __init__(
        self,
        units: int,
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
        unroll: bool = False,
        use_cudnn="auto",
        *,
        implementation: int = 2,
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
        self.use_cudnn = checked_cudnn(self.name, use_cudnn)
        self._adopt(
            LSTMCell,
            units=units,
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
            implementation=implementation,
        )
