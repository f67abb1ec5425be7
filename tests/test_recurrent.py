"""Recurrent layers and cells: masks to the bit, states that are kept, one step at a time."""

import numpy as np
import pytest

from kerasette import Input, Model, Sequential, layers
from kerasette import layers as L  # noqa: N812
from kerasette.errors import InvalidValue
from tests import keras_oracle
from tests.recurrent_runs import (
    BUILTIN_CELLS,
    GENERAL,
    MASK,
    each_of_three,
    gradients,
    normal,
    padded_on_the_right,
)

pytestmark = pytest.mark.usefixtures("seeded")


# ---------------------------------------------------------------- masks


@each_of_three
@pytest.mark.parametrize("how", [{}, GENERAL, {"return_sequences": True}], ids=str)
def test_right_padded_equals_truncated_to_the_bit(cls, how):
    layer = cls(6, return_state=True, **how)
    x = normal(7, 9, 5)
    mask = np.zeros((7, 9), bool)
    mask[:, :4] = True
    padded, whole = layer(x, mask=mask), layer(x[:, :4])
    if how.get("return_sequences"):
        np.testing.assert_array_equal(padded[0][:, :4], whole[0])
        np.testing.assert_array_equal(padded[0][:, 4:], np.repeat(whole[0][:, -1:], 5, axis=1))
    else:
        np.testing.assert_array_equal(padded[0], whole[0])
    for found, wanted in zip(padded[1:], whole[1:], strict=True):
        np.testing.assert_array_equal(found, wanted)


@each_of_three
@pytest.mark.parametrize("how", [{}, GENERAL], ids=str)
def test_each_row_ends_where_its_mask_does(cls, how):
    layer = cls(6, **how)
    x, mask = normal(5, 4, 3), padded_on_the_right(5, 4)
    found = layer(x, mask=mask)
    assert not found[0].any()  # no valid step: zeros
    for row in range(1, 5):
        alone = layer(np.repeat(x[row : row + 1, :row], 5, axis=0))
        np.testing.assert_allclose(found[row], alone[0], rtol=1e-5, atol=1e-6)


@each_of_three
@pytest.mark.parametrize("how", [{}, GENERAL], ids=str)
def test_fully_masked_gives_zeros_and_keeps_the_states(cls, how):
    layer = cls(4, return_state=True, return_sequences=True, **how)
    states = [normal(3, 4, seed=k) for k in range(2 if cls is L.LSTM else 1)]
    y, *last = layer(normal(3, 5, 2), initial_state=states, mask=np.zeros((3, 5), bool))
    assert not y.any()
    for found, wanted in zip(last, states, strict=True):
        np.testing.assert_array_equal(found, wanted)


@each_of_three
def test_what_stands_under_a_mask_does_not_matter(cls):
    layer = cls(4, return_sequences=True)
    x, mask = normal(3, 5, 2), padded_on_the_right(3, 5)
    other = np.where(mask[:, :, None], x, 1e30).astype("float32")
    with np.errstate(over="ignore", invalid="ignore"):
        np.testing.assert_array_equal(layer(x, mask=mask), layer(other, mask=mask))


def test_masks_of_numbers_and_wrong_masks():
    layer = L.LSTM(3)
    x, mask = normal(2, 4, 2), padded_on_the_right(2, 4)
    np.testing.assert_array_equal(layer(x, mask=mask), layer(x, mask=mask.astype("float32")))
    with pytest.raises(InvalidValue, match="mask has 3 steps"):
        layer(x, mask=np.ones((2, 3), bool))


def test_masks_pass_on():
    masked = L.Masking()(Input((5, 3)))
    assert L.LSTM(2)(masked).mask is None
    assert L.LSTM(2, return_sequences=True)(masked).mask is masked.mask
    outs = L.LSTM(2, return_sequences=True, return_state=True)(masked)
    assert [out.mask for out in outs] == [masked.mask, None, None]
    outs = L.Bidirectional(L.GRU(2, return_sequences=True), merge_mode=None)(masked)
    assert [out.mask for out in outs] == [masked.mask, masked.mask]
    assert L.TimeDistributed(L.Dense(2))(masked).mask is masked.mask


# ---------------------------------------------------------------- stateful layers


def test_states_move_on_as_in_keras():
    keras = keras_oracle.keras()

    def build(In, L, M):
        x = In(batch_shape=(4, 3, 2))
        y = L.LSTM(3, stateful=True, return_sequences=True)(x)
        return M(x, L.Bidirectional(L.GRU(2, stateful=True))(y))

    ours = build(Input, layers, Model)
    theirs = build(keras.Input, keras.layers, keras.Model)
    theirs.set_weights(ours.get_weights())
    assert len(ours.weights) == len(theirs.weights)  # the states are none
    ours.compile("mse", "sgd")
    theirs.compile("sgd", "mse")
    x, y = normal(8, 3, 2), normal(8, 4, seed=1)

    def compare():
        for mine, other in zip(ours.layers[1:], theirs.layers[1:], strict=True):
            for a, b in zip(mine.states, other.states, strict=True):
                np.testing.assert_allclose(a, b.numpy(), rtol=1e-4, atol=1e-6)

    for _ in range(2):
        found, wanted = (model.predict(x, batch_size=4, verbose=0) for model in (ours, theirs))
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)
        compare()
        found, wanted = (model.evaluate(x, y, batch_size=4, verbose=0) for model in (ours, theirs))
        assert found == pytest.approx(wanted, rel=1e-4)
        compare()
        for model in (ours, theirs):
            model.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
        compare()
    for model in (ours, theirs):
        for layer in model.layers[1:]:
            layer.reset_states()
    found, wanted = (model.predict(x, batch_size=4, verbose=0) for model in (ours, theirs))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


@each_of_three
def test_stateful_calls_follow_one_another(cls):
    layer, x = cls(3, stateful=True), normal(2, 6, 4)
    whole = layer(x)
    layer.reset_state()
    layer(x[:, :2])
    np.testing.assert_allclose(layer(x[:, 2:]), whole, rtol=1e-5, atol=1e-6)
    with pytest.raises(InvalidValue, match=r"remembers 2 samples, but got 3"):
        layer(normal(3, 6, 4))
    layer.reset_states()
    layer(normal(3, 6, 4))


def test_an_initial_state_goes_before_the_state_that_is_kept():
    layer, x, start = L.GRU(3, stateful=True), normal(2, 4, 2), normal(2, 3, seed=1)
    first = layer(x, initial_state=start)
    layer(x)
    np.testing.assert_array_equal(layer(x, initial_state=start), first)


# ---------------------------------------------------------------- cells


@pytest.mark.parametrize("cls", BUILTIN_CELLS, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("options", [{}, {"use_bias": False}, GENERAL], ids=str)
def test_one_step_is_keras_s(cls, options):
    keras = keras_oracle.keras()
    ours, theirs = cls(3, **options), getattr(keras.layers, cls.__name__)(3, **options)
    x, states = normal(4, 2), [normal(4, 3, seed=k) for k in range(2 if cls is L.LSTMCell else 1)]
    theirs.build((4, 2))
    ours(x, states)
    ours.set_weights([weight.numpy() for weight in theirs.weights])
    y, new = ours(x, states)
    wanted, wanted_new = theirs(x, states)
    for a, b in zip([y, *new], [wanted, *wanted_new], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert ours.state_size == theirs.state_size and ours.output_size == theirs.output_size
    assert [s.shape for s in ours.get_initial_state(4)] == [
        tuple(s.shape) for s in theirs.get_initial_state(4)
    ]
    if len(states) == 1:
        y, state = ours(x, states[0])
        np.testing.assert_array_equal(state, new[0])


@pytest.mark.parametrize("cls", BUILTIN_CELLS, ids=lambda cls: cls.__name__)
def test_rnn_over_a_cell_is_the_layer(cls):
    layer = getattr(L, cls.__name__.removesuffix("Cell"))(3, return_sequences=True)
    over = L.RNN(cls(3), return_sequences=True)
    x, mask = normal(4, 5, 2), padded_on_the_right(4, 5)
    layer(x), over(x)
    over.set_weights(layer.get_weights())
    np.testing.assert_array_equal(layer(x, mask=mask), over(x, mask=mask))


class Leaky(L.Cell):
    """A cell of one's own: h = (1 - rate) h' + rate tanh(x kernel); its output is 2 h."""

    def __init__(self, units, rate=0.3, **base):
        super().__init__(**base)
        self.units, self.rate = units, rate
        self.state_size = self.output_size = units

    def build(self, shape):
        self.add_param("kernel", (shape[-1], self.units))

    def forward(self, ctx, w, x, h):
        bent = np.tanh(x @ w["kernel"])
        new = (1 - self.rate) * h + self.rate * bent
        return (2 * new, new), (x, bent)

    def backward(self, ctx, w, dw, dy, cache):
        x, bent = cache
        dh = 2 * dy[0] + dy[1]
        dz = self.rate * dh * (1 - bent * bent)
        dw["kernel"][...] = x.T @ dz
        return dz @ w["kernel"].T, (1 - self.rate) * dh


def test_a_cell_of_one_s_own():
    def make(x, mask, start):
        return L.RNN(Leaky(3), return_sequences=True, return_state=True)(x, initial_state=start, mask=mask)

    gradients(make, (5, 2), MASK, (3,))
    gradients(lambda x: L.RNN([Leaky(3), L.LSTMCell(2), Leaky(2)])(x), (5, 2))
    gradients(L.Bidirectional(L.RNN(Leaky(3), zero_output_for_mask=True)), (5, 2))
    x = normal(4, 3, 2)
    y, h = L.RNN(Leaky(3), return_state=True)(x)
    np.testing.assert_array_equal(y, 2 * h)
    model = Sequential([Input((3, 2)), L.RNN(Leaky(3)), L.Dense(1)]).compile("mse", "adam")
    losses = model.fit(normal(40, 3, 2), normal(40, 1, seed=1), epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_states_of_stacked_cells_come_in_a_row():
    layer = L.RNN([L.LSTMCell(2), L.GRUCell(3)], return_state=True)
    assert [a.shape for a in layer(normal(4, 5, 2))] == [(4, 3), (4, 2), (4, 2), (4, 3)]
    assert layer.cell.state_size == [[2, 2], 3] and layer.cell.output_size == 3
    assert [t.shape for t in layer(Input((5, 2)))] == [(None, 3), (None, 2), (None, 2), (None, 3)]
