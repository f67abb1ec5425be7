"""Dropout in recurrent layers: one mask for all steps, as many masks as in Keras."""

import numpy as np
import pytest

import kerasette
from kerasette import Input, Model
from kerasette import layers as L  # noqa: N812
from kerasette.errors import InvalidType, InvalidValue
from tests import keras_oracle
from tests.recurrent_runs import each_of_three, normal

pytestmark = pytest.mark.usefixtures("seeded")


@each_of_three
def test_dropout_is_the_same_in_all_steps_and_scaled(cls):
    """With the identity for a kernel, the first step shows which inputs are left, and the second the same."""
    layer = cls(4, dropout=0.5, return_sequences=True, seed=3)
    x = np.ones((50, 2, 4), "float32")
    layer(x)
    inputs = []
    original = layer.cell._drops

    def spy(ctx, x):
        inputs.append(original(ctx, x))
        return inputs[-1]

    layer.cell._drops = spy
    layer(x, training=True)
    layer(x)
    (drop, recurrent), nothing = inputs
    assert recurrent is None and nothing == (None, None)
    assert drop.shape == (50, 4) and set(np.unique(drop)) == {0.0, 2.0}
    assert 0.3 < (drop == 0).mean() < 0.7


@pytest.mark.parametrize(("cls", "gates"), [(L.SimpleRNN, 1), (L.LSTM, 4), (L.GRU, 3)])
def test_masks_of_dropout_are_as_many_as_in_keras(cls, gates):
    """One for inputs alone; one for each gate where the state is dropped too."""
    shared = cls(3, dropout=0.5)
    apart = cls(3, dropout=0.5, recurrent_dropout=0.5)
    rng = kerasette.backend.Random(np, 1)
    assert shared.draw(rng, 7, (5, 2)).shape == (7, 2)
    assert apart.draw(rng, 7, (5, 2)).shape == (7, gates * (2 + 3))
    assert cls(3).draw is None


@pytest.mark.parametrize(("cls", "gates"), [(L.LSTM, 4), (L.GRU, 3), (L.LSTMCell, 4), (L.GRUCell, 3)])
def test_implementation_is_taken_as_keras_takes_it(cls, gates):
    """It decides how many masks inputs have, and nothing else; no file holds it."""
    theirs = getattr(keras_oracle.keras().layers, cls.__name__)
    shape = (5, 2) if cls in (L.LSTM, L.GRU) else (2,)
    for number in (0, 1, 2):
        layer, other = (
            cls(3, dropout=0.5, implementation=number),
            theirs(3, dropout=0.5, implementation=number),
        )
        masks = getattr(other, "cell", other).dropout_mask_count if number == 1 else 1
        assert masks == (gates if number == 1 else 1)
        assert layer.draw(kerasette.backend.Random(np, 1), 7, shape).shape == (7, 2 * masks)
        assert "implementation" not in layer.get_config() and "implementation" not in other.get_config()
        assert cls.from_config(layer.get_config()).implementation == 2
        assert cls(3, implementation=number).draw is None
    for wrong in (3, "2", None):
        with pytest.raises(InvalidValue, match="implementation"):
            cls(3, implementation=wrong)


@pytest.mark.parametrize("name", ["LSTM", "GRU"])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_implementation_changes_no_prediction(name, number):
    def build(library):
        inputs = library.Input((6, 3))
        return library.Model(
            inputs, getattr(library.layers, name)(4, dropout=0.3, implementation=number)(inputs)
        )

    ours, theirs, x = build(kerasette), build(keras_oracle.keras()), normal(5, 6, 3)
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x, verbose=0), rtol=1e-5, atol=1e-6)


def test_simple_rnn_has_but_one_implementation():
    for library, error in ((kerasette, InvalidType), (keras_oracle.keras(), ValueError)):
        with pytest.raises(error, match="implementation"):
            library.layers.SimpleRNN(2, implementation=2)


@each_of_three
def test_one_seed_gives_one_training(cls):
    x, y, finals = normal(40, 5, 3), normal(40, 4, seed=1), []
    for _ in range(2):
        kerasette.utils.set_random_seed(1)
        inputs = Input((5, 3))
        model = Model(inputs, L.Bidirectional(cls(2, dropout=0.3, recurrent_dropout=0.2))(inputs))
        model.compile("mse", "adam").fit(x, y, epochs=2, verbose=0, batch_size=16)
        finals.append(model.get_weights())
    for a, b in zip(*finals, strict=True):
        np.testing.assert_array_equal(a, b)


def test_rates_of_one_are_refused():
    with pytest.raises(InvalidValue, match=r"dropout must be a number from 0 to 1 \(exclusive\)"):
        L.LSTM(2, dropout=1.0)
    with pytest.raises(InvalidValue, match="recurrent_dropout"):
        L.GRU(2, recurrent_dropout=-0.1)
