"""BatchNormalization under a mask: the statistics are those of the steps that count, as in Keras."""

import numpy as np
import pytest

import kerasette
from kerasette import layers, losses
from kerasette.config import set_threads
from kerasette.errors import InvalidValue
from kerasette.saving import load_model
from tests.engine_runs import same_bits
from tests.keras_oracle import keras

ROWS, STEPS, WORDS = 24, 6, 9
VALID = {
    "some": np.arange(STEPS) < 1 + np.arange(ROWS)[:, None] % STEPS,
    "none": np.zeros((ROWS, STEPS), bool),
    "all": np.ones((ROWS, STEPS), bool),
    "numbers": np.tile([2.0, 0.0, 1.0], (ROWS, STEPS // 3)),
    "a row for all": np.array([[True, True, False, True, False, False]]),
}


@pytest.fixture(autouse=True)
def seeded():
    kerasette.utils.set_random_seed(3)


def sequences(features=4):
    return np.random.default_rng(0).standard_normal((ROWS, STEPS, features)).astype("float32")


def tokens():
    """Returns numbers of words (ROWS, STEPS), 0 where the shorter rows have ended."""
    return np.random.default_rng(1).integers(1, WORDS, (ROWS, STEPS)) * VALID["some"]


def reader(lib, norm):
    """Returns a model that reads words: an embedding with a mask, a normalization, a mean over the steps."""
    inputs = lib.Input((STEPS,))
    x = lib.layers.Embedding(WORDS, 4, mask_zero=True)(inputs)
    x = lib.layers.Dense(5, activation="tanh")(norm(lib.layers)(x))
    return lib.Model(inputs, lib.layers.Dense(1)(lib.layers.GlobalAveragePooling1D()(x)))


def halved(lib_layers):
    return lib_layers.BatchNormalization(momentum=0.5)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("valid", VALID)
def test_arrays_with_a_mask_give_what_keras_gives(valid, axis, training):
    x = 3 + 2 * sequences()
    ours = layers.BatchNormalization(axis=axis, momentum=0.5)
    theirs = keras().layers.BatchNormalization(axis=axis, momentum=0.5)
    found, wanted = (norm(x, training=training, mask=VALID[valid]) for norm in (ours, theirs))
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-4 if valid == "none" else 1e-5)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_what_is_left_out_may_be_anything():
    """At a mean of 1e5 too, and whatever the numbers are that don't count."""
    x, valid = (1e5 + sequences()).astype("float32"), VALID["some"]
    layer = layers.BatchNormalization(momentum=0.0)
    plain = layers.BatchNormalization(momentum=0.0)
    wanted = plain(x[valid], training=True)
    x[~valid] = np.nan
    np.testing.assert_allclose(layer(x, training=True, mask=valid)[valid], wanted, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(layer.moving_mean.numpy(), plain.moving_mean.numpy(), rtol=1e-7)
    np.testing.assert_allclose(layer.moving_variance.numpy(), plain.moving_variance.numpy(), rtol=1e-5)


@pytest.mark.parametrize("norm", [halved, lambda L: L.TimeDistributed(halved(L))])
def test_embeddings_bring_their_mask_along_in_fit(norm):
    x, y = tokens(), np.random.default_rng(2).standard_normal((ROWS, 1)).astype("float32")
    ours, theirs = reader(kerasette, norm), reader(keras(), norm)
    theirs.set_weights(ours.get_weights())
    told = []
    for model, lib in ((ours, kerasette), (theirs, keras())):
        model.compile(lib.optimizers.SGD(0.1), "mse")
        fitted = model.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0)
        told.append(fitted.history["loss"] + [model.evaluate(x, y, verbose=0)])
    np.testing.assert_allclose(*told, rtol=1e-5)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), rtol=1e-4, atol=1e-5)


def trained(workers=1):
    """Returns the weights after three steps, and the number of micro-batches."""
    set_threads(workers)
    kerasette.utils.set_random_seed(5)
    model = reader(kerasette, halved).compile("sgd", losses.MeanSquaredError())
    x = np.tile(tokens(), (4, 1))
    x[-ROWS:] = 0  # a whole micro-batch of which nothing counts
    y = np.random.default_rng(2).standard_normal((len(x), 1))
    for _ in range(3):
        model.train_on_batch(x, y)
    return model.get_weights(), len(model._engine.cuts(len(x), True))


def test_parts_of_a_batch_count_together(request):
    whole, parts = trained()
    assert parts == 1
    request.getfixturevalue("small_cache")
    cut, parts = trained(workers=2)
    assert parts > 3
    for a, b in zip(whole, cut, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5)
    for workers in (1, 3, 5):
        assert same_bits(cut, trained(workers)[0])


def test_masks_given_by_name_go_through_files(tmp_path):
    """Keras reads and writes the mask of a call; it need not come along with the input."""
    models = []
    for lib in (kerasette, keras()):
        x, valid = lib.Input((STEPS, 4)), lib.Input((STEPS,), dtype="bool")
        models.append(lib.Model([x, valid], halved(lib.layers)(x, mask=valid)))
    ours, theirs = models
    ours.save(tmp_path / "ours.keras")
    theirs.save(tmp_path / "theirs.keras")
    readers = [load_model(tmp_path / "theirs.keras"), keras().models.load_model(tmp_path / "ours.keras")]
    data, changed = [sequences(), VALID["some"]], []
    for model in (ours, theirs, *readers):
        model.compile("sgd", "mse")
        model.train_on_batch(data, np.zeros_like(data[0]))
        changed.append(np.concatenate(model.get_weights()))
    for weights in changed[1:]:
        np.testing.assert_allclose(weights, changed[0], rtol=1e-5, atol=1e-6)


def test_embedded_masks_go_through_files(tmp_path):
    theirs = reader(keras(), halved)
    theirs.save(tmp_path / "theirs.keras")
    ours = load_model(tmp_path / "theirs.keras")
    y = np.zeros((ROWS, 1))
    for model in (ours, theirs):
        model.compile("sgd", "mse")
        model.train_on_batch(tokens(), y)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("shape", [(ROWS, 3), (ROWS, STEPS, 4), (ROWS,)])
def test_masks_of_another_shape_are_refused(shape):
    layer = layers.BatchNormalization()
    with pytest.raises(InvalidValue, match=r"mask of shape .* without its last axis"):
        layer(sequences(), mask=np.ones(shape, bool))
    with pytest.raises(InvalidValue, match="mask of shape"):
        layer(layers.Input((STEPS, 4)), mask=layers.Input(shape[1:], dtype="bool"))


def test_a_frozen_layer_checks_and_ignores_the_mask():
    layer = layers.BatchNormalization(trainable=False)
    x = sequences()
    np.testing.assert_array_equal(layer(x, training=True, mask=VALID["some"]), layer(x))
