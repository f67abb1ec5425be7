"""Losses written as formulas, one text for kerasette and for Keras, and the data they are trained on."""

import numpy as np

from tests.harness import relative_error

ROWS = 20
RNG = np.random.default_rng(3)
X = RNG.normal(size=(ROWS, 3)).astype("float32")
Y = RNG.uniform(0.05, 0.95, (ROWS, 2)).astype("float32")
CLASSES = RNG.integers(0, 2, ROWS)
WEIGHTS = RNG.random(ROWS)


def mean_of_all(lib):
    return lambda t, p: lib.ops.mean(lib.ops.square(t - p))


def one_a_sample(lib):
    return lambda t, p: lib.ops.mean(lib.ops.abs(t - p), axis=-1)


def one_an_element(lib):
    return lambda t, p: lib.ops.square(t - p)


def huber(lib):
    def loss(t, p):
        error = lib.ops.abs(t - p)
        return lib.ops.mean(lib.ops.where(error <= 0.3, 0.5 * error**2, 0.3 * error - 0.045), axis=-1)

    return loss


def crossentropy(lib):
    def loss(t, p):
        p = lib.ops.clip(p, 1e-7, 1.0 - 1e-7)
        return -lib.ops.sum(t * lib.ops.log(p) + (1 - t) * lib.ops.log(1 - p), axis=-1)

    return loss


def weighted_by_class(lib):
    def loss(t, p):
        factor = 1.0 + lib.ops.cast(t > 0.5, "float32") * lib.ops.stop_gradient(p)
        return lib.ops.mean(factor * lib.ops.square(t - p), axis=-1)

    return loss


def one_hot_classes(lib):
    def loss(t, p):
        wanted = lib.ops.one_hot(lib.ops.cast(lib.ops.reshape(t, (-1,)), "int32"), 2)
        return -lib.ops.sum(wanted * lib.ops.log_softmax(p), axis=-1)

    return loss


def other_losses(lib):
    mse = lib.losses.MeanSquaredError()

    def loss(t, p):
        spread = lib.ops.mean(lib.ops.abs(p - lib.ops.mean(p, axis=0)))
        return mse(t, p) + 0.3 * lib.losses.binary_crossentropy(t, p) - 0.1 * spread

    return loss


def sparse(lib):
    def loss(t, p):
        return lib.ops.mean(lib.losses.sparse_categorical_crossentropy(t, p, from_logits=True))

    return loss


def correlation(lib):
    def loss(t, p):
        t, p = t - lib.ops.mean(t, axis=0), p - lib.ops.mean(p, axis=0)
        return 1 - lib.ops.sum(t * p) / lib.ops.sqrt(lib.ops.sum(t * t) * lib.ops.sum(p * p))

    return loss


def subclass(lib):
    class Scaled(lib.losses.Loss):
        def __init__(self, factor=2.0):
            super().__init__(reduction="sum")
            self.factor = factor

        def call(self, y_true, y_pred):
            return self.factor * lib.ops.mean(lib.ops.square(y_true - y_pred), axis=-1)

    return Scaled(3.0)


FORMULAS = [
    (mean_of_all, Y),
    (one_a_sample, Y),
    (one_an_element, Y),
    (huber, Y),
    (crossentropy, Y),
    (weighted_by_class, Y),
    (one_hot_classes, CLASSES),
    (other_losses, Y),
    (sparse, CLASSES),
    (correlation, Y),
    (subclass, Y),
]


def trained(lib, formula, x, y, weights, masked=False):
    """Returns losses, weights after training and the loss in evaluate, with the library `lib`.

    Class numbers meet logits, other targets probabilities.
    """
    inputs = lib.layers.Input(x.shape[1:])
    hidden = lib.layers.Masking()(inputs) if masked else inputs
    outputs = lib.layers.Dense(2, activation="linear" if y.ndim == 1 else "sigmoid")(hidden)
    model = lib.Model(inputs, outputs)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    model.compile(optimizer=lib.optimizers.Adam(0.05), loss=formula(lib))
    history = model.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0, sample_weight=weights)
    score = model.evaluate(x, y, batch_size=8, verbose=0, sample_weight=weights)
    return [history.history["loss"], *model.get_weights(), [score]]


def agree(found, wanted):
    for ours, theirs in zip(found, wanted, strict=True):
        assert relative_error(ours, theirs) <= 1e-4
