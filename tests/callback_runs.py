"""Training runs for callbacks: of numbers alone, and of a small model in either library."""

import numpy as np

import kerasette as kt

ROUNDS = 300  # random sequences for each callback


class Optimizer:
    """What callbacks want of an optimizer."""

    def __init__(self, learning_rate=0.5):
        self.learning_rate = learning_rate


class Model:
    """What callbacks want of a model: it notes what is done to it."""

    metrics = ()

    def __init__(self, learning_rate=0.5):
        self.optimizer = Optimizer(learning_rate)
        self.stop_training = False
        self.written = []
        self.weights = 0

    def direction_of(self, name):
        return None

    def get_weights(self):
        return [self.weights]

    def set_weights(self, weights):
        (self.weights,) = weights

    def save_weights(self, filepath, overwrite=True):
        self.written.append((str(filepath), self.weights))


def run(callback, sequence, batches=0):
    """Lets `callback` hear a training run over `sequence` ; returns the model and the rates."""
    model, rates = Model(), []
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, logs in enumerate(sequence):
        callback.on_epoch_begin(epoch, {})
        for batch in range(batches):
            model.weights = epoch + (batch + 1) / 100
            callback.on_train_batch_begin(batch, {})
            callback.on_train_batch_end(batch, dict(logs))
        model.weights = epoch + 1
        callback.on_epoch_end(epoch, dict(logs))
        rates.append(model.optimizer.learning_rate)
        if model.stop_training:
            break
    callback.on_train_end({})
    return model, rates


def sequence_of(rng, name, length=25):
    """Returns logs that go up and down, in steps that float32 holds exactly."""
    values = np.cumsum(rng.integers(-3, 3, length)) / 4 + rng.integers(-1, 2)
    return [{name: float(value), "other": 1.0} for value in values]


def direction(rng):
    """Returns a monitored name and a mode that go together."""
    return [
        ("val_loss", "auto"),
        ("loss", "min"),
        ("val_score", "max"),
        ("val_score", "min"),
    ][rng.integers(4)]


def tiny(room=kt):
    """Returns a compiled model of either library, and data."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(10, 3)).astype("float32"), rng.normal(size=(10, 1)).astype("float32")
    model = room.Sequential(
        [room.layers.Input((3,)) if room is not kt else kt.Input((3,)), room.layers.Dense(1)]
    )
    model.compile(loss="mse", optimizer="sgd", metrics=["mae"])
    return model, x, y
