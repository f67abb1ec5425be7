"""Losses with masks and weights of steps: trained as Keras does, or refused before any weight changes."""

import numpy as np
import pytest

import kerasette as k
from kerasette import layers, losses
from kerasette.errors import InvalidValue
from tests.keras_oracle import keras

RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 6, 4)).astype("float32")
X[:3, 4:] = 0
ONE_HOT = np.eye(3, dtype="float32")[RNG.integers(0, 3, (8, 6))]
WEIGHTS = RNG.random((8, 6)).astype("float32")


def reader(lib, loss, units=3, activation="softmax"):
    stack = [lib.Input((6, 4)), lib.layers.Masking(), lib.layers.Dense(units, activation=activation)]
    model = lib.Sequential(stack)
    model.compile(optimizer="sgd", loss=loss)
    return model


@pytest.mark.parametrize("weights", [None, WEIGHTS, WEIGHTS[..., None]])
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight"])
@pytest.mark.parametrize("name", ["Dice", "Tversky"])
def test_a_loss_of_the_whole_batch_with_a_mask_trains_as_in_keras(name, reduction, weights):
    ours, theirs = (reader(lib, getattr(lib.losses, name)(reduction=reduction)) for lib in (k, keras()))
    ours.set_weights(theirs.get_weights())
    settings = {"sample_weight": weights, "batch_size": 5, "epochs": 2, "shuffle": False, "verbose": 0}
    found, wanted = (model.fit(X, ONE_HOT, **settings).history["loss"] for model in (ours, theirs))
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
    np.testing.assert_allclose(ours.get_weights()[0], theirs.get_weights()[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "loss, units, y",
    [
        (losses.Dice(axis=1), 3, ONE_HOT),
        (losses.Tversky(axis=(1, 2)), 3, ONE_HOT),
        (losses.CosineSimilarity(axis=1), 3, ONE_HOT),
        (losses.BinaryCrossentropy(axis=1), 3, ONE_HOT),
        (losses.CategoricalCrossentropy(axis=1), 3, ONE_HOT),
        ("mse", 1, WEIGHTS),
    ],
)
def test_a_loss_without_the_axis_of_steps_is_refused_with_a_mask(loss, units, y):
    model = reader(k, loss, units, None if units == 1 else "softmax")
    before = model.get_weights()[0]
    with pytest.raises(InvalidValue, match=r"which a mask or sample_weight of the shape .* doesn't fit"):
        model.fit(X, y, verbose=0)
    assert np.array_equal(model.get_weights()[0], before)


def test_weights_with_last_axes_of_length_1_are_those_without_them():
    x = RNG.normal(size=(5, 4, 3, 2)).astype("float32")
    model = k.Sequential([k.Input((4, 3, 2)), layers.Dense(2)]).compile("mse", "sgd")
    each = RNG.random(5)
    values = [model.evaluate(x, x, sample_weight=w, verbose=0) for w in (each, each[:, None, None])]
    assert values[0] == values[1]
