"""What the tests of recurrent layers share: the layers by kind, data, masks, gradients of whole models."""

import numpy as np
import pytest

from kerasette import Input, Model
from kerasette import layers as L  # noqa: N812
from kerasette.testing import check_gradients

THREE = (L.SimpleRNN, L.LSTM, L.GRU)
BUILTIN_CELLS = (L.SimpleRNNCell, L.LSTMCell, L.GRUCell)
each_of_three = pytest.mark.parametrize("cls", THREE, ids=lambda cls: cls.__name__)
GENERAL = {"activation": "softsign"}  # takes the general way


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def padded_on_the_right(rows, steps):
    """Returns a mask with 0, 1, 2 ... valid steps in the rows."""
    return np.arange(steps) < (np.arange(rows) % (steps + 1))[:, None]


def gradients(make, *shapes, training=False):
    """Checks a model that `make` builds of inputs; a pair (shape, "mask") is an input of bools."""
    tensors, arrays = [], []
    for number, shape in enumerate(shapes):
        is_mask = isinstance(shape[-1], str)
        shape = shape[0] if is_mask else shape
        tensors.append(Input(shape, dtype="bool" if is_mask else None))
        drawn = np.random.default_rng(number).standard_normal((4, *shape))
        arrays.append(drawn > -0.3 if is_mask else drawn)
    check_gradients(Model(tensors, make(*tensors)), *arrays, training=training)


MASK = ((5,), "mask")
