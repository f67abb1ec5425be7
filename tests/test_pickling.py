"""Copies and pickles of everything that lasts: whole, on their own, and training on to the same bits."""

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import kerasette as k
from kerasette import (
    callbacks,
    constraints,
    initializers,
    layers,
    losses,
    metrics,
    optimizers,
    registry,
    regularizers,
    utils,
)
from kerasette.optimizers import schedules

ROOT = Path(__file__).resolve().parent.parent


def pickled(item):
    return pickle.loads(pickle.dumps(item))


WAYS = [copy.deepcopy, pickled, lambda item: pickled(copy.deepcopy(pickled(item)))]
every_way = pytest.mark.parametrize("way", WAYS, ids=["deepcopy", "pickle", "both"])

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 6)).astype("float32")
Y = RNG.integers(0, 3, 50)


# ---------------------------------------------------------------- models


def chain():
    hidden = [layers.Dense(8, "relu", kernel_constraint="max_norm"), layers.Dropout(0.3)]
    model = k.Sequential([k.Input((6,)), *hidden, layers.BatchNormalization(), layers.Dense(3, "softmax")])
    return model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"]), X, Y


def without_input():
    model = k.Sequential([layers.Dense(8, "tanh"), layers.GaussianNoise(0.1), layers.Dense(3)])
    return model.compile(optimizers.SGD(0.1, momentum=0.9), losses.MeanSquaredError()), X, X[:, :3]


def several():
    """Two inputs, two outputs, a layer that stands twice, an operation, a model within, weights of losses."""
    a, b = k.Input((6,), name="a"), k.Input((6,), name="b")
    shared = layers.Dense(5, activation="tanh")
    inner_x = k.Input((5,))
    inner = k.Model(inner_x, layers.Dense(4)(layers.Dropout(0.2)(inner_x)), name="inner")
    both = shared(a) * shared(b)
    one, two = inner(both), layers.Dense(1, activation="sigmoid", name="two")(both)
    model = k.Model({"a": a, "b": b}, [layers.Dense(3, "softmax", name="one")(one), two])
    rate = schedules.CosineDecay(0.05, 100)
    model.compile(
        optimizers.AdamW(rate, use_ema=True, gradient_accumulation_steps=2),
        ["sparse_categorical_crossentropy", "binary_crossentropy"],
        loss_weights=[1.0, 0.5],
        metrics=[["accuracy"], [metrics.AUC(), "mae"]],
    )
    return model, {"a": X, "b": -X}, [Y, (X[:, :1] > 0).astype("float32")]


def recurrent():
    """Masks, a layer that holds others, dropout between steps."""
    steps = k.Input((7,), dtype="int32")
    h = layers.Embedding(9, 4, mask_zero=True)(steps)
    h = layers.Bidirectional(layers.LSTM(3, dropout=0.2, recurrent_dropout=0.1))(h)
    model = k.Model(steps, layers.Dense(3, "softmax")(h))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model, np.random.default_rng(3).integers(0, 9, (50, 7)), Y


MODELS = [chain, without_input, several, recurrent]


def fit(model, x, y, epochs=2):
    history = model.fit(x, y, batch_size=8, epochs=epochs, validation_split=0.2, verbose=0)
    return history.history


def state(model):
    return [a.tobytes() for a in (*model.get_weights(), *(v for _, v in model.optimizer.state(exact=True)))]


def check_homes(model, original):
    """Checks that the parameters lie in vectors as before, and that the optimizer works on these."""
    homes, wanted = (list(dict.fromkeys(p.home for p in one.parameters)) for one in (model, original))
    assert [home.vector.size for home in homes] == [home.vector.size for home in wanted]
    for home in homes:
        assert sum(parameter.size for parameter in home.parameters) == home.vector.size
        for parameter in home.parameters:
            first = home.vector[parameter.offset :].ctypes.data
            assert parameter.home is home and parameter.value.ctypes.data == first
            assert parameter.value.flags.c_contiguous
    runs = [[run.theta.size for run in one._engine.runs] for one in (model, original)]
    assert runs[0] == runs[1]
    for run in model._engine.runs:
        assert any(np.shares_memory(run.theta, home.vector) for home in homes)


@every_way
@pytest.mark.parametrize("make", MODELS)
def test_a_copy_trains_on_as_the_model_would(make, way):
    utils.set_random_seed(1)
    model, x, y = make()
    fit(model, x, y)
    twin = way(model)
    check_homes(twin, model)
    assert state(twin) == state(model)
    assert twin.history.history == model.history.history
    before = state(model)
    found = fit(twin, x, y)
    assert state(model) == before  # the copy is on its own
    assert fit(model, x, y) == found
    assert state(twin) == state(model)
    assert [w.name for w in twin.weights] == [w.name for w in model.weights]
    assert twin.to_json() == model.to_json()
    assert twin.metrics_names == model.metrics_names


@every_way
@pytest.mark.parametrize("make", MODELS)
def test_copies_before_the_first_step(make, way):
    utils.set_random_seed(1)
    model, x, y = make()
    twin = way(model)
    if make is without_input:
        assert not twin.built
        twin.build((None, 6))
        model.build((None, 6))
        twin.set_weights(model.get_weights())
    compiled_before = model._engine is not None and twin._engine is not None
    assert compiled_before or make is without_input
    if compiled_before:
        assert fit(twin, x, y) == fit(model, x, y)
        assert state(twin) == state(model)


def test_a_shallow_copy_is_the_same_model():
    model, x, y = chain()
    twin = copy.copy(model)
    fit(model, x, y)
    fit(twin, x, y)
    np.testing.assert_array_equal(twin.predict(x), model.predict(x))
    assert twin.layers[0] is model.layers[0] and twin.optimizer is model.optimizer


@every_way
def test_a_model_that_was_never_compiled(way):
    x = k.Input((6,))
    model = k.Model(x, layers.Dense(2)(x))
    twin = way(model)
    assert not twin.compiled
    np.testing.assert_array_equal(twin.predict(X), model.predict(X))
    twin.compile("sgd", "mse").fit(X, X[:, :2], verbose=0)
    assert not np.array_equal(twin.get_weights()[0], model.get_weights()[0])


@every_way
def test_within_a_run(way):
    """A copy that a callback takes in the middle of fit goes on from there."""
    model, x, y = chain()
    taken = []

    class Takes(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            taken.append(way(self.model))

    model.fit(x, y, batch_size=8, epochs=4, verbose=0, callbacks=[Takes()])
    fit_on = taken[1].fit(x, y, batch_size=8, epochs=4, initial_epoch=2, verbose=0)
    assert len(fit_on.history["loss"]) == 2
    assert state(taken[1]) == state(model)


@every_way
def test_what_was_frozen_after_compile(way):
    """A discriminator trains although its layers are frozen for the model that was compiled after it."""
    utils.set_random_seed(0)
    z, x = k.Input((2,)), k.Input((6,))
    judge = k.Model(x, layers.Dense(1, "sigmoid")(layers.BatchNormalization()(layers.Dense(4)(x))))
    judge.compile("adam", "binary_crossentropy")
    judge.trainable = False
    made = layers.Dense(6)(z)
    joint = k.Model(z, judge(made)).compile("sgd", "binary_crossentropy")
    pair = way((judge, joint))
    ones = np.ones((50, 1))
    for _ in range(3):
        losses_ = [
            (one[0].train_on_batch(X, ones), one[1].train_on_batch(X[:, :2], ones))
            for one in ((judge, joint), pair)
        ]
        assert losses_[0] == losses_[1]
    assert [m.trainable for m in pair] == [m.trainable for m in (judge, joint)] == [False, True]
    assert pair[0].weights[0] is pair[1].layers[-1].weights[0]  # still shared
    assert state(pair[0]) == state(judge) and state(pair[1]) == state(joint)


@every_way
def test_models_that_begin_within_another(way):
    model, x, y = chain()
    features = k.Model(model.input, model.layers[0].output)
    rest = k.Model(model.layers[2].output, model.output)
    twins = way((model, features, rest))
    h = features.predict(x)
    for one, other, data in zip((model, features), twins, (x, x), strict=False):
        np.testing.assert_array_equal(other.predict(data), one.predict(data))
    np.testing.assert_array_equal(twins[2].predict(h), rest.predict(h))
    fit(twins[0], x, y)
    assert not np.array_equal(twins[1].predict(x), h)  # it shares the weights of its model
    assert twins[0].layers[0].output.shape == (None, 8)
    assert k.Model(twins[0].input, twins[0].layers[1].output).predict(x).shape == (50, 8)


@every_way
def test_deep_models(way):
    x = h = k.Input((2,))
    for _ in range(3000):
        h = h + 1.0
    model = k.Model(x, h)
    np.testing.assert_array_equal(way(model).predict(X[:, :2]), model.predict(X[:, :2]))


class Mine(layers.Layer):
    """A layer that no registry knows, with an array of its own."""

    def __init__(self, factors, **keywords):
        super().__init__(**keywords)
        self.factors = factors

    def forward(self, ctx, w, x):
        return x * self.factors, None

    def backward(self, ctx, w, dw, dy, cache):
        return dy * self.factors


@every_way
def test_layers_and_functions_of_one_s_own(way):
    model = k.Sequential([k.Input((6,)), Mine(np.arange(6, dtype="float32")), layers.Dense(2)])
    model.compile("adam", losses.Huber(0.5), metrics=[mine])
    twin = way(model)
    assert fit(twin, X, X[:, :2]) == fit(model, X, X[:, :2])


def mine(y_true, y_pred):
    return k.losses.mean_squared_error(y_true, y_pred)


@every_way
def test_single_layers(way):
    layer = layers.Dense(3, kernel_regularizer="l2")
    free = layer(X)
    twin = way(layer)
    np.testing.assert_array_equal(twin(X), free)
    model = k.Sequential([k.Input((6,)), layer])
    twin = way(layer)
    twin.kernel.assign(np.zeros((6, 3)))
    assert model.predict(X).any() and not twin(X).any()
    k.Sequential([k.Input((6,)), way(layer), layers.Dense(1)]).compile("sgd", "mse").fit(X, Y, verbose=0)


# ---------------------------------------------------------------- everything else

NEEDED = {  # class -> arguments that it can't be made without
    **{name: {"num_classes": 3} for name in ("MeanIoU", "OneHotMeanIoU")},
    **{name: {"num_classes": 3, "target_class_ids": [0, 2]} for name in ("IoU", "OneHotIoU")},
}
SCHEDULES = [
    schedules.ExponentialDecay(0.1, 10, 0.5),
    schedules.PiecewiseConstantDecay([3, 5], [0.1, 0.2, 0.3]),
    schedules.CosineDecayRestarts(0.1, 7),
    schedules.PolynomialDecay(0.1, 10),
    schedules.InverseTimeDecay(0.1, 5, 0.5),
]


def everything(kind):
    """Yields one object of each class of a kind that can be made without arguments, or with those above."""
    for cls in sorted({registry.find(kind, name) for name in registry.names(kind)}, key=repr):
        try:
            yield cls(**NEEDED.get(cls.__name__, {})) if isinstance(cls, type) else 0
        except TypeError:
            continue


@every_way
@pytest.mark.parametrize(
    ("kind", "least"),
    [
        ("optimizer", 10),
        ("loss", 19),
        ("metric", 30),
        ("initializer", 10),
        ("regularizer", 3),
        ("constraint", 3),
    ],
)
def test_objects_of_every_class(kind, least, way):
    assert optimizers and losses and metrics and initializers and regularizers and constraints
    found = 0
    for item in everything(kind):
        twin = way(item)
        assert type(twin) is type(item) and twin is not item
        assert repr(twin.get_config()) == repr(item.get_config())
        found += 1
    assert found >= least


@every_way
def test_schedules(way):
    for schedule in SCHEDULES:
        twin = way(schedule)
        assert [twin(step) for step in range(20)] == [schedule(step) for step in range(20)]


@every_way
def test_metrics_keep_their_sums(way):
    y, p = np.eye(2, dtype="float32")[Y % 2], np.abs(X[:, :2]) / 4
    batches = [(y[:20], p[:20]), (y[20:], p[20:])]
    checked = 0
    for metric in everything("metric"):
        try:
            metric.update_state(*batches[0])
        except (ValueError, TypeError):
            continue  # wants other targets
        twin = way(metric)
        twin.update_state(*batches[1])
        metric.update_state(*batches[1])
        np.testing.assert_array_equal(twin.result(), metric.result(), err_msg=metric.name)
        checked += 1
    assert checked > 25


@every_way
def test_histories_and_callbacks(way):
    model, x, y = chain()
    stopping = callbacks.EarlyStopping("loss", patience=1, restore_best_weights=True)
    history = model.fit(x, y, epochs=3, verbose=0, callbacks=[stopping])
    twin = way(history)
    assert (twin.history, twin.epoch, twin.params) == (history.history, history.epoch, history.params)
    assert twin.model is None and history.model is model
    assert len(pickle.dumps(history)) < 2000
    other = way(stopping)
    assert (other.best, other.wait) == (stopping.best, stopping.wait)
    assert all(np.array_equal(a, b) for a, b in zip(other.best_weights, stopping.best_weights, strict=True))


# ---------------------------------------------------------------- threads and processes


@pytest.mark.parametrize("what", ["threads", "spawn", *(["fork", "within"] if hasattr(os, "fork") else [])])
def test_threads_and_processes(what):
    """8 threads predict with one model; processes, forked (also within a fit) or spawned, work: same bits."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.other_processes", what],
        cwd=ROOT,
        env={**os.environ, "KERASETTE_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.stdout.strip() == "well", done.stdout + done.stderr
