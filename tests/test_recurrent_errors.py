"""What recurrent layers, cells and wrappers refuse."""

import numpy as np
import pytest

from kerasette import Input, Sequential
from kerasette import layers as L  # noqa: N812
from kerasette.errors import InvalidType, InvalidValue, KerasetteError
from tests.recurrent_runs import normal

pytestmark = pytest.mark.usefixtures("seeded")


WRONG = [
    (lambda: L.LSTM(0), "units"),
    (lambda: L.LSTM(2, use_cudnn="yes"), "use_cudnn"),
    (lambda: L.LSTM(2, implementation=3), "implementation"),
    (lambda: L.LSTM(2, activation="glu"), "activation"),
    (lambda: L.LSTM(2, return_sequences="yes"), "return_sequences"),
    (lambda: L.LSTMCell(2, activity_regularizer="l2"), "activity_regularizer"),
    (lambda: L.LSTM(2)(normal(2, 3)), r"needs inputs with 3 axes.* x\[..., None\]"),
    (lambda: Sequential([Input((3, 1)), L.LSTM(2), L.GRU(2)]), "Set return_sequences=True"),
    (lambda: Sequential([Input((3, 1)), L.LSTM(2, return_state=True), L.Dense(1)]), "has 3 outputs, a chain"),
    (lambda: L.LSTM(2)(normal(2, 3, 4, 5)), "needs inputs with 3 axes.* Flatten"),
    (lambda: L.LSTM(2)(Input((3, None))), "known last axis"),
    (lambda: L.LSTM(2)(normal(2, 0, 3)), "at least one step"),
    (lambda: L.LSTM(2)(normal(2, 3, 4), initial_state=normal(2, 2)), "has 2 states"),
    (lambda: L.GRU(2)(normal(2, 3, 4), initial_state=normal(2, 3)), "initial state needs shape"),
    (lambda: L.GRU(2)(normal(2, 3, 4), initial_state="zeros"), "initial_state must be"),
    (lambda: L.RNN(3), "a cell must be a layer"),
    (lambda: L.RNN(L.Dense(3)), "state_size"),
    (lambda: L.StackedRNNCells([]), "list of cells"),
    (lambda: L.RNN([L.LSTMCell(2, name="a"), L.LSTMCell(2, name="a")]), "different names"),
    (lambda: L.GRUCell(2)(normal(2, 3), [normal(2, 3)]), "a state needs shape"),
    (lambda: L.Bidirectional(L.Dense(2)), "recurrent layer"),
    (lambda: L.Bidirectional(3), "must be a layer"),
    (lambda: L.Bidirectional(L.LSTM(2), merge_mode="add"), "merge_mode"),
    (lambda: L.Bidirectional(L.LSTM(2), backward_layer=L.LSTM(2)), "go_backwards"),
    (lambda: L.Bidirectional(L.LSTM(2, activity_regularizer="l2")), "activity_regularizer"),
    (lambda: L.Bidirectional(L.LSTM(2))(normal(2, 3, 4), initial_state=[normal(2, 2)] * 2), "4 states"),
    (
        lambda: L.Bidirectional(
            L.LSTM(2, return_sequences=True), backward_layer=L.LSTM(2, go_backwards=True)
        ),
        "same return_sequences",
    ),
    (
        lambda: L.Bidirectional(L.LSTM(2), "sum", backward_layer=L.LSTM(3, go_backwards=True))(
            normal(1, 2, 3)
        ),
        "outputs of one shape",
    ),
    (lambda: L.ConvLSTM2D(2, 3)(Input((4, None, 5, 2))), "known lengths"),
    (lambda: L.ConvLSTM2D(2, 3)(normal(2, 4, 5, 2)), "needs inputs with 5 axes"),
    (lambda: L.ConvLSTM1D(2, 2)(normal(2, 3, 4, 5), initial_state=[normal(2, 2)] * 2), "initial state needs"),
    (lambda: L.ConvLSTM1D(2, 2, padding="causal"), "padding"),
    (lambda: L.TimeDistributed(3), "must be a layer"),
    (lambda: L.TimeDistributed(L.Dense(2))(normal(2, 3)), r"\(batch, steps, ...\)"),
    (lambda: L.TimeDistributed(L.Dense(2, activity_regularizer="l2")), "activity_regularizer"),
    (lambda: L.TimeDistributed(L.LSTM(2, stateful=True)), "stateful"),
    (
        lambda: L.TimeDistributed(Sequential([Input((3, 2)), L.LSTM(2, stateful=True)])).couples_batch,
        "stateful",
    ),
    (
        lambda: L.TimeDistributed(Sequential([Input((2,)), L.Dense(2, activity_regularizer="l2")])).draw,
        "activity",
    ),
    (lambda: L.TimeDistributed(L.LSTM(2, return_state=True))(normal(2, 3, 4, 5)), "several outputs"),
    (lambda: L.TimeDistributed(L.Dense(2))(normal(2, 3, 4), mask=np.ones((2, 4), bool)), "mask has 4 steps"),
]


@pytest.mark.parametrize(("make", "message"), WRONG, ids=[message for _, message in WRONG])
def test_errors_say_what_is_wrong(make, message):
    with pytest.raises((InvalidValue, InvalidType), match=message) as found:
        make()
    assert isinstance(found.value, KerasetteError) and len(str(found.value)) <= 400


def test_another_number_of_features_is_refused():
    layer = L.LSTM(2)
    layer(normal(2, 3, 4))
    with pytest.raises(InvalidValue, match="another number of features"):
        layer(normal(2, 3, 5))
