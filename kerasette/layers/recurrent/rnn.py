"""RNN: any cell, or a stack of them, run over time."""

from kerasette.errors import type_error
from kerasette.layers.recurrent.base import Recurrent
from kerasette.layers.recurrent.cells import StackedRNNCells, checked_cell
from kerasette.registry import register


@register("layer")
class RNN(Recurrent):
    """Runs a cell over the steps of a sequence.

    Args:
        cell: a cell, or a list of them, which become one StackedRNNCells. A cell of your own derives from
            `kerasette.layers.Cell`, which says what it has to define; it is run step by step.
        return_sequences, return_state, go_backwards, stateful, unroll, zero_output_for_mask: see `Recurrent`.

    Input: (batch, steps, ...). Output: (batch, units), or (batch, steps, units); with `return_state` a
    tuple of that and the last states of all cells one after another.

    >>> import numpy as np
    >>> from kerasette.layers import GRUCell, LSTMCell
    >>> RNN([LSTMCell(4), GRUCell(2)])(np.ones((1, 5, 3))).shape
    (1, 2)
    """

    input_ranks = None

    def __init__(
        self,
        cell,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **base,
    ):
        super().__init__(
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            zero_output_for_mask=zero_output_for_mask,
            **base,
        )
        several = isinstance(cell, (list, tuple))
        self.cell = StackedRNNCells(cell) if several else checked_cell(self.name, cell)
        if not self.trainable:
            self.cell.trainable = False

    def _check_inputs(self, shapes):
        super()._check_inputs(shapes)
        if len(shapes[0]) < 2:
            raise type_error(f"{self.name} (RNN) needs inputs (batch, steps, ...), got {(None, *shapes[0])}.")
