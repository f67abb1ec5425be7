"""A model with everything that the engine cuts, and a few steps of it, for the tests of the engine."""

import numpy as np

import kerasette as k
from kerasette import layers, optimizers, utils
from kerasette.config import set_threads


def two_headed(norm=False):
    """Shared layers, noise of three kinds, two inputs and outputs, penalties of both sorts."""
    utils.set_random_seed(5)
    a, b = k.Input((6,), name="a"), k.Input((6,), name="b")
    shared = layers.Dense(8, activation="tanh", kernel_regularizer="l2", activity_regularizer="l1")
    x = layers.Dropout(0.3)(shared(a)) + layers.GaussianNoise(0.1)(shared(b))
    if norm:
        x = layers.BatchNormalization()(x)
    x = layers.LayerNormalization()(layers.Dense(8, activation="relu", kernel_constraint="non_neg")(x))
    one = layers.Dense(3, activation="softmax", name="one")(x)
    two = layers.Dense(1, name="two")(layers.Dropout(0.2, noise_shape=(None, 1))(x))
    return k.Model([a, b], [one, two])


def numbers(rows, seed=0):
    rng = np.random.default_rng(seed)
    xs = [rng.normal(size=(rows, 6)).astype("float32") for _ in range(2)]
    ys = [rng.integers(0, 3, rows), rng.normal(size=(rows, 1)).astype("float32")]
    return xs, ys, [rng.uniform(0.1, 2.0, rows).astype("float32") for _ in range(2)]


def trained(rows=100, workers=1, norm=False, metrics=True, steps=3):
    """Returns (weights, results, number of micro-batches) after `steps` steps on `rows` rows."""
    set_threads(workers)
    model = two_headed(norm)
    words = {"metrics": [["accuracy"], ["mae"]], "weighted_metrics": [["accuracy"], []]} if metrics else {}
    model.compile(
        optimizers.Adam(0.01), ["sparse_categorical_crossentropy", "mse"], loss_weights=[1.0, 0.5], **words
    )
    xs, ys, ws = numbers(rows)
    results = [model.train_on_batch(xs, ys, sample_weight=ws, return_dict=True) for _ in range(steps)]
    results.append(model.evaluate(xs, ys, batch_size=rows, verbose=0, return_dict=True))
    return model.get_weights(), results, len(model._engine.cuts(rows, True))


def same_bits(left, right):
    return all(a.tobytes() == b.tobytes() for a, b in zip(left, right, strict=True))
