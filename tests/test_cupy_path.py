"""Whole training runs on the strict stand-in for CuPy: NumPy's numbers, and no copy more than needed."""

import subprocess
import sys

import numpy as np
import pytest

import kerasette as k
from kerasette import layers, losses, metrics, optimizers, utils
from kerasette.backend import backend, set_backend
from kerasette.errors import InvalidValue
from kerasette.graph import Context
from tests import cupy_standin
from tests.conftest import ROOT
from tests.cupy_standin import device, peek, transfers
from tests.layer_cases import LAYER_CASES
from tests.layer_harness import Run, upstream

CLOSE = {"rtol": 1e-6, "atol": 1e-6}


# ---------------------------------------------------------------- layers


LOOKING = (layers.CategoryEncoding, layers.Embedding)  # these look at their numbers before they use them


class Raw:
    """A layer case run forward and backward by the contract, on whatever arrays it is given."""

    def __init__(self, layer, xp, w, xs, noise, dy, training):
        ctx = Context(xp, "float32", training=training)
        ctx.batch, ctx.noise = len(xs[0]), noise
        self.y, cache = layer.forward(ctx, w, *xs)
        activation = layer.output_activation
        if activation is not None:
            self.y, activated = activation.forward(self.y)
            dy = activation.backward(dy, activated)
        self.dw = {name: xp.zeros(value.shape, value.dtype) for name, value in w.items()}
        dx = layer.backward(ctx, w, self.dw, dy, cache)
        self.dx = dx if isinstance(dx, tuple) else (dx,)


@pytest.mark.parametrize("case", LAYER_CASES, ids=repr)
def test_layers(case):
    """Every line of layer_cases.py: output and all gradients equal NumPy's, and nothing comes back."""
    layer, xs = case.make(), case.inputs()
    plain = Run(layer, xs, training=case.training)
    dy = upstream(plain.y.shape, plain.y.dtype)
    noise = plain.ctx.noise
    wanted = Raw(layer, np, plain.w, xs, noise, dy, case.training)
    with cupy_standin.install() as xp:
        w = {name: device(value) for name, value in plain.w.items()}
        on_device = [device(x) for x in xs]
        moved = None if noise is None else device(noise)
        for _ in range(2):  # a layer's constants go up the first time
            transfers.reset()
            found = Raw(layer, xp, w, on_device, moved, device(dy), case.training)
        assert transfers.to_device == 0
        if case.layer not in LOOKING:
            assert (transfers.to_host, transfers.syncs) == (0, 0)
    np.testing.assert_allclose(peek(found.y), wanted.y, **CLOSE)
    for a, b in zip(found.dx, wanted.dx, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(peek(a), b, **CLOSE)
    for name, gradient in wanted.dw.items():
        np.testing.assert_allclose(peek(found.dw[name]), gradient, err_msg=name, **CLOSE)


# ---------------------------------------------------------------- whole models


def network(units=3, activation="softmax", seed=0):
    """Weights by NumPy's streams in both cases; Dropout of rate nought, so that no noise differs."""
    utils.set_random_seed(seed)
    x = k.Input((5,))
    shared = layers.Dense(5, activation="tanh", kernel_regularizer="l2", kernel_constraint="max_norm")
    h = layers.BatchNormalization(momentum=0.7)(shared(x))
    h = layers.Dense(6, activation="relu", activity_regularizer="l1")(shared(h) + x[:, ::-1])
    h = layers.Dropout(0.0)(h)
    return k.Model(x, layers.Dense(units, activation=activation)(layers.LayerNormalization()(h)))


def numbers(rows=20, kind="label", units=3):
    rng = np.random.default_rng(4)
    x, w = rng.normal(size=(rows, 5)).astype("float32"), rng.uniform(0.5, 1.5, rows).astype("float32")
    labels = rng.integers(0, units, rows)
    y = {
        "label": labels,
        "one-hot": np.eye(units, dtype="float32")[labels],
        "real": rng.normal(size=(rows, units)).astype("float32"),
        "positive": rng.uniform(0.1, 1.0, (rows, units)).astype("float32"),
        "binary": rng.integers(0, 2, (rows, units)).astype("float32"),
    }[kind]
    return x, y, w


def everywhere(run):
    """Returns [run() on NumPy, run() on the stand-in]."""
    results = [run()]
    with cupy_standin.install():
        results.append(run())
    return results


def alike(wanted, found):
    assert len(wanted) == len(found)
    for a, b in zip(wanted, found, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6)


def test_fit_evaluate_predict():
    """Histories, metrics, weights and predictions are NumPy's to a millionth."""

    def run():
        model = network().compile(
            "sparse_categorical_crossentropy",
            optimizers.Adam(0.01, weight_decay=0.01),
            metrics=["accuracy", "sparse_categorical_crossentropy"],
            weighted_metrics=["accuracy"],
        )
        x, y, w = numbers()
        history = model.fit(
            x, y, sample_weight=w, batch_size=8, epochs=3, verbose=0, validation_data=(x, y), shuffle=False
        ).history
        results = [np.array(history[name]) for name in sorted(history)]
        results.append(np.array(model.evaluate(x, y, verbose=0)))
        results.append(model.predict(x, verbose=0))
        assert all(type(value) is float for values in history.values() for value in values)
        assert type(results[-1]) is np.ndarray
        return results + model.get_weights()

    alike(*everywhere(run))


LOSSES = [
    ("mse", "real"), ("mae", "real"), ("mape", "positive"), ("msle", "positive"), ("huber", "real"),
    ("log_cosh", "real"), ("cosine_similarity", "real"), ("hinge", "binary"), ("squared_hinge", "binary"),
    ("categorical_hinge", "one-hot"), ("kl_divergence", "positive"), ("poisson", "positive"),
    ("binary_crossentropy", "binary"), ("binary_focal_crossentropy", "binary"),
    ("categorical_crossentropy", "one-hot"), ("categorical_focal_crossentropy", "one-hot"),
    ("sparse_categorical_crossentropy", "label"), ("dice", "binary"), ("tversky", "binary"),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "kind"), LOSSES)
def test_losses(loss, kind):
    """A step and an evaluation with each loss, with sample weights."""

    def run():
        model = network().compile(losses.get(loss), optimizers.SGD(0.1))
        x, y, w = numbers(kind=kind)
        results = [model.train_on_batch(x, y, sample_weight=w), model.train_on_batch(x, y)]
        return [np.array(results), *model.get_weights()]

    alike(*everywhere(run))


METRICS = [
    ("label", ["accuracy", "sparse_top_k_categorical_accuracy", "sparse_categorical_crossentropy"]),
    (
        "one-hot",
        [
            "accuracy", "top_k_categorical_accuracy", "categorical_crossentropy", "kl_divergence",
            metrics.AUC, metrics.Precision, metrics.Recall, metrics.F1Score, metrics.TruePositives,
            metrics.FalsePositives, metrics.TrueNegatives, metrics.FalseNegatives,
        ],
    ),
    ("binary", ["binary_accuracy", "binary_crossentropy", "hinge", "squared_hinge"]),
    (
        "real",
        [
            "mse", "mae", "mape", "msle", "log_cosh", "poisson", metrics.R2Score,
            metrics.RootMeanSquaredError, metrics.CosineSimilarity,
        ],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "names"), METRICS)
def test_metrics(kind, names):
    """Each metric, weighted and not: values are NumPy's; only results come back, once an evaluation."""

    def run():
        own = [name if isinstance(name, str) else name() for name in names]
        others = [name if isinstance(name, str) else name() for name in names]
        loss = {"label": "sparse_categorical_crossentropy"}.get(kind, "mse")
        model = network().compile(loss, "sgd", metrics=own, weighted_metrics=others)
        x, y, w = numbers(kind=kind)
        y = abs(y) if kind == "real" else y
        results = model.evaluate(x, y, sample_weight=w, batch_size=8, verbose=0)
        return [np.ravel(np.asarray(value)) for value in results]

    alike(*everywhere(run))


OPTIMIZERS = [
    lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    lambda: optimizers.Adagrad(0.1),
    lambda: optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    lambda: optimizers.Adam(0.01, amsgrad=True),
    lambda: optimizers.AdamW(0.01),
    lambda: optimizers.Adamax(0.01),
    lambda: optimizers.Nadam(0.01),
    lambda: optimizers.Adadelta(1.0),
    lambda: optimizers.Lion(0.01),
    lambda: optimizers.Ftrl(0.1),
    lambda: optimizers.SGD(0.1, clipnorm=0.1),
    lambda: optimizers.SGD(0.1, global_clipnorm=0.1),
    lambda: optimizers.SGD(0.1, clipvalue=0.01, weight_decay=0.1),
    lambda: optimizers.Adam(0.01, use_ema=True, ema_overwrite_frequency=2),
    lambda: optimizers.SGD(0.1, gradient_accumulation_steps=2),
    lambda: optimizers.SGD(optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)),
]


@pytest.mark.parametrize("number", range(len(OPTIMIZERS)))
def test_optimizers(number):
    """Five steps of each; nothing comes back to the host meanwhile but the loss at the end."""

    def run():
        model = network(units=2, activation="linear").compile("mse", OPTIMIZERS[number]())
        x, y, _ = numbers(kind="real", units=2)
        for _ in range(2):  # makes the numbers without axes that the update rules read
            model.train_on_batch(x, y)
        batches = [model._on_device([x], [y], [None]) for _ in range(5)]
        transfers.reset()
        for xs, ys, ws in batches:
            model._train_step(xs, ys, ws)
        assert (transfers.to_host, transfers.to_device) == (0, 0)
        return model.get_weights()

    alike(*everywhere(run))


# ---------------------------------------------------------------- transfers


def test_a_step_moves_its_batch_and_nothing_else(standin):
    """Of x, y and w each goes up once a step; one number for the loss and one a metric come back an epoch."""
    model = network().compile("sparse_categorical_crossentropy", "adam", metrics=["accuracy"])
    x, y, w = numbers(20)
    model.fit(x, y, sample_weight=w, batch_size=8, verbose=0)  # whatever is made at first is made
    for epochs in (1, 4):
        transfers.reset()
        model.fit(x, y, sample_weight=w, batch_size=8, epochs=epochs, verbose=0)
        assert transfers.to_device == 3 * 3 * epochs
        assert transfers.bytes_to_device == epochs * (x.nbytes + w.nbytes + y.nbytes)
        assert (transfers.to_host, transfers.bytes_to_host) == (2 * epochs, 2 * 8 * epochs)
        assert transfers.syncs == 0


def test_evaluate_and_predict_move_what_they_must(standin):
    model = network().compile("sparse_categorical_crossentropy", "adam", metrics=["accuracy"])
    x, y, _ = numbers(20)
    model.evaluate(x, y, batch_size=8, verbose=0)
    transfers.reset()
    model.evaluate(x, y, batch_size=8, verbose=0)
    assert transfers.to_device == 2 * 3
    assert transfers.to_host <= 3 and transfers.bytes_to_host <= 24
    model.predict(x, batch_size=8, verbose=0)
    transfers.reset()
    predicted = model.predict(x, batch_size=8, verbose=0)
    assert transfers.to_device == 3
    assert (transfers.to_host, transfers.bytes_to_host) == (3, predicted.nbytes)


# ---------------------------------------------------------------- where a model lives


def test_a_model_moves_there_and_back(standin):
    """`to` takes weights, optimizer state and counts along: training goes on as if nothing had happened."""
    x, y, _ = numbers()
    set_backend("numpy")
    stays, moves = network(), network()
    finals = []
    for model in (stays, moves):
        model.compile("sparse_categorical_crossentropy", optimizers.Adam(0.01))
        for place in ("numpy", "cupy", "numpy"):
            if model is moves:
                assert model.to(place) is model
                kind = cupy_standin.ndarray if place == "cupy" else np.ndarray
                assert all(type(weight.value) is kind for weight in model.weights)
            model.fit(x, y, epochs=2, verbose=0, shuffle=False)
        assert model.optimizer.iterations == 6
        finals.append([*model.get_weights(), model.predict(x)])
    alike(*finals)


def test_a_model_that_was_not_compiled_moves_too(standin):
    set_backend("numpy")
    model = network()
    x, _, _ = numbers()
    wanted = model.predict(x)
    np.testing.assert_allclose(model.to("cupy").predict(x), wanted, **CLOSE)
    assert isinstance(model(x), cupy_standin.ndarray)


def test_noise_on_the_device(standin):
    """Dropout draws there: one seed gives the same weights twice, and they do change."""
    x, y, _ = numbers()
    finals = []
    for _ in range(2):
        utils.set_random_seed(0)
        h = layers.GaussianNoise(0.1)(layers.Dropout(0.5)(layers.Dense(6, "relu")(first := k.Input((5,)))))
        model = k.Model(first, layers.Dense(3, "softmax")(h))
        model.compile("sparse_categorical_crossentropy", "adam")
        model.fit(x, y, epochs=2, verbose=0)
        finals.append(model.get_weights())
    assert all(np.array_equal(a, b) for a, b in zip(*finals, strict=True))
    assert all(np.isfinite(array).all() for array in finals[0])


def test_set_backend_and_its_errors(standin):
    assert backend() == "cupy"
    assert isinstance(network().weights[0].value, cupy_standin.ndarray)
    k.set_backend("numpy")
    assert type(network().weights[0].value) is np.ndarray
    with pytest.raises(InvalidValue, match="cupy"):
        set_backend("cuda")


SCRIPT = """
import kerasette
from kerasette import config
try:
    print(config.backend())
except ValueError as problem:
    print(problem)
"""


@pytest.mark.parametrize(
    ("value", "printed"),
    [("cupy", "cupy"), ("numpy", "numpy"), ("", "numpy"), (None, "numpy"), ("tpu", "KERASETTE_BACKEND")],
)
def test_the_environment_names_the_backend(value, printed):
    """It is read when the backend is first asked for, not at import."""
    environment = {"PATH": "", "PYTHONPATH": str(ROOT)}
    if value is not None:
        environment["KERASETTE_BACKEND"] = value
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert printed in done.stdout


def test_models_that_share_layers_move_together(standin):
    set_backend("numpy")
    x = layers.Input((3,))
    trunk = layers.Dense(4, activation="tanh")(x)
    first = k.Model(x, layers.Dense(1)(trunk)).compile("mse", "adam")
    second = k.Model(x, layers.Dense(2)(trunk)).compile("mse", "adam")
    data = np.random.default_rng(0).standard_normal((6, 3)).astype("float32")
    first.train_on_batch(data, data[:, :1])
    second.train_on_batch(data, data[:, :2])
    before = second.predict(data)
    first.to("cupy")
    np.testing.assert_allclose(second.predict(data), before, rtol=1e-6)
    weights = first.get_weights()
    second.train_on_batch(data, data[:, :2])
    assert not np.array_equal(weights[0], first.get_weights()[0])
    assert np.isfinite(first.train_on_batch(data, data[:, :1]))
