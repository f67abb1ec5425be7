"""Gradients of whole calls of recurrent layers, cells and wrappers, by inputs, states and weights."""

import itertools

import numpy as np
import pytest

from kerasette import Input, Model, Sequential
from kerasette import layers as L  # noqa: N812
from tests.recurrent_runs import BUILTIN_CELLS, MASK, each_of_three, gradients, normal

pytestmark = pytest.mark.usefixtures("seeded")


@each_of_three
@pytest.mark.parametrize(
    ("sequences", "states", "backwards"), list(itertools.product((False, True), repeat=3))
)
def test_gradients_by_everything(cls, sequences, states, backwards):
    def make(x, mask, *start):
        layer = cls(3, return_sequences=sequences, return_state=states, go_backwards=backwards)
        return layer(x, initial_state=list(start), mask=mask)

    gradients(make, (5, 2), MASK, *[(3,)] * (2 if cls is L.LSTM else 1))


@each_of_three
def test_gradients_of_dropped_sequences(cls):
    def make(x, mask):
        layer = cls(3, dropout=0.4, recurrent_dropout=0.3, return_sequences=True)
        return layer(L.Dense(2)(x), mask=mask)

    gradients(make, (5, 2), MASK, training=True)
    gradients(lambda x: cls(3, dropout=0.4)(x), (5, 2), training=True)


@pytest.mark.parametrize("mode", ["concat", "sum", "mul", "ave", None])
@pytest.mark.parametrize("sequences", [False, True])
def test_gradients_of_bidirectional(mode, sequences):
    def make(x, mask, *start):
        layer = L.Bidirectional(L.LSTM(2, return_sequences=sequences, return_state=True), merge_mode=mode)
        return layer(x, initial_state=list(start), mask=mask)

    gradients(make, (5, 2), MASK, *[(2,)] * 4)
    plain = L.Bidirectional(L.GRU(2, return_sequences=sequences, dropout=0.3), merge_mode=mode)
    gradients(plain, (5, 2), training=True)


def test_gradients_of_cells_and_stacks():
    cells = [L.LSTMCell(3, dropout=0.3), L.GRUCell(2, recurrent_dropout=0.2), L.SimpleRNNCell(4)]
    options = {"return_sequences": True, "return_state": True, "go_backwards": True}

    def make(x, mask, *start):
        return L.RNN(cells, **options)(x, initial_state=[list(start[:2]), start[2], start[3]], mask=mask)

    gradients(make, (5, 2), MASK, (3,), (3,), (2,), (4,), training=True)
    for cls in BUILTIN_CELLS:
        count = 2 if cls is L.LSTMCell else 1

        def single(x, *states, cls=cls):
            y, new = cls(3, dropout=0.4)(x, list(states))
            return [y, *new]

        gradients(single, (2,), *[(3,)] * count, training=True)

    def stack(x, *states):
        y, new = L.StackedRNNCells([L.LSTMCell(3), L.SimpleRNNCell(2)])(x, list(states))
        return [y, *new]

    gradients(stack, (2,), (3,), (3,), (2,))


def test_gradients_of_sequences_of_images():
    images = L.ConvLSTM2D(2, (2, 3), strides=2, return_sequences=True, return_state=True, go_backwards=True)
    gradients(
        lambda x, mask, *start: images(x, initial_state=list(start), mask=mask),
        (3, 4, 3, 1), ((3,), "mask"), (2, 1, 2), (2, 1, 2),
    )  # fmt: skip
    rows = L.ConvLSTM1D(2, 3, padding="same", dropout=0.3, recurrent_dropout=0.3, unit_forget_bias=False)
    mask = ((2,), "mask")
    gradients(
        lambda x, mask: rows(L.TimeDistributed(L.Dense(2))(x), mask=mask), (2, 3, 2), mask, training=True
    )
    first = L.ConvLSTM1D(
        2, 2, data_format="channels_first", dilation_rate=2, padding="same", activation="elu"
    )
    gradients(lambda x, *start: first(x, initial_state=list(start)), (2, 2, 4), (2, 4), (2, 4))
    gradients(L.Bidirectional(L.ConvLSTM1D(2, 2, use_bias=False)), (2, 3, 1))


def test_channels_first_is_the_same_turned():
    options = {"padding": "same", "return_sequences": True, "return_state": True}
    last, first = L.ConvLSTM2D(2, 3, **options), L.ConvLSTM2D(2, 3, data_format="channels_first", **options)
    x = normal(2, 3, 4, 5, 3)
    wanted = last(x)
    first(x.transpose(0, 1, 4, 2, 3))
    first.set_weights(last.get_weights())
    for a, b in zip(wanted, first(x.transpose(0, 1, 4, 2, 3)), strict=True):
        np.testing.assert_allclose(np.moveaxis(b, a.ndim - 3, -1), a, rtol=1e-6)


def inner_model():
    inputs = Input((3,))
    hidden = L.Dense(4, activation="tanh")(L.BatchNormalization()(inputs))
    shared = L.Dense(4)
    both = [shared(hidden), shared(L.Dropout(0.3)(hidden))]
    return Model(inputs, L.Add()([*both, hidden[:, ::-1]]))


@pytest.mark.parametrize(
    "inner",
    [
        lambda: L.Dense(3, activation="softmax"),
        L.BatchNormalization,
        lambda: L.Dropout(0.4),
        lambda: L.Dropout(0.4, noise_shape=(1, None)),
        inner_model,
        lambda: Sequential([Input((3,)), inner_model(), L.Dense(2, activation="tanh")]),
    ],
    ids=["Dense", "BatchNormalization", "Dropout", "one mask", "Model", "nested models"],
)
def test_gradients_of_time_distributed(inner):
    gradients(L.TimeDistributed(inner()), (4, 3), training=True)
    gradients(lambda x: L.TimeDistributed(inner())(L.Dense(3)(x)), (4, 3))


@pytest.mark.parametrize("cls", [L.LSTM, L.GRU])
def test_gradients_where_each_gate_drops_inputs_of_its_own(cls):
    gradients(lambda x: cls(3, dropout=0.4, implementation=1)(x), (5, 2), training=True)
