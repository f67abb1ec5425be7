"""Rewrites of convolutions and pooling: ReLUs, biases and maxima in another order, results left out."""

import numpy as np
import pytest

import kerasette as k
from kerasette import layers, optimizers, utils
from kerasette.backend import set_backend
from tests.engine_runs import same_bits


def kinds_of(model):
    """Returns the names of the classes of a plan's operations."""
    return [type(step.operation).__name__ for step in model._engine.plan.steps]


def near(found, wanted):
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_a_relu_behind_the_maxima_changes_no_bit(monkeypatch, own, padding):
    """max(relu(x)) is relu(max(x)), ties at 0 and gradients included."""

    def trained():
        utils.set_random_seed(4)
        relu = (
            [layers.Conv2D(4, 3, activation="relu")]
            if own
            else [layers.Conv2D(4, 3), layers.Activation("relu")]
        )
        body = [*relu, layers.MaxPooling2D(2, padding=padding), layers.Flatten(), layers.Dense(2)]
        model = k.Sequential([k.Input((9, 9, 1)), *body]).compile("mse", optimizers.SGD(0.1))
        rng = np.random.default_rng(1)
        x = np.round(rng.normal(size=(12, 9, 9, 1)), 1)
        losses_seen = [model.train_on_batch(x, x[:, 0, :2, 0]) for _ in range(3)]
        kinds = [step.operation.fuses_with for step in model._engine.plan.steps]
        return kinds, losses_seen, [*model.get_weights(), model.predict(x, verbose=0)]

    for name in ("stops_early", "output_bias", "joins_maxima"):
        monkeypatch.setattr(layers.Conv2D, name, None)
    kinds, seen, weights = trained()
    monkeypatch.setattr(layers.MaxPooling2D, "keeps_order", False)
    plain_kinds, plain_seen, plain_weights = trained()
    assert kinds.index("relu") == plain_kinds.index("relu") + 1
    assert seen == plain_seen
    assert same_bits(weights, plain_weights)


def test_a_relu_that_others_read_stays_where_it_is():
    inputs = k.Input((8, 8, 1))
    x = layers.Conv2D(2, 3, activation="relu")(inputs)
    pooled = layers.GlobalAveragePooling2D()(layers.MaxPooling2D()(x))
    model = k.Model(inputs, layers.Add()([pooled, layers.GlobalAveragePooling2D()(x)])).compile("mse", "sgd")
    kinds = [step.operation.fuses_with for step in model._engine.plan.steps]
    assert kinds.index("relu") == 1


@pytest.mark.parametrize("pool", [True, False])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("frozen", [True, False])
def test_a_bias_that_is_added_late_changes_no_number(monkeypatch, pool, activation, frozen):
    """max(x + b) is max(x) + b; where a ReLU follows both are one step."""

    def trained():
        utils.set_random_seed(4)
        first = layers.Conv2D(4, 3, activation=activation, bias_initializer="random_normal", name="first")
        body = [first, *([layers.MaxPooling2D()] if pool else [])]
        body += [layers.Conv2D(3, 2, bias_initializer="random_normal", bias_regularizer="l2")]
        body += [layers.MaxPooling2D(), layers.Flatten(), layers.Dense(2)]
        model = k.Sequential([k.Input((10, 10, 2)), *body])
        first.trainable = not frozen
        model.compile("mse", optimizers.SGD(0.1))
        x = np.random.default_rng(1).normal(size=(12, 10, 10, 2))
        seen = [model.train_on_batch(x, x[:, 0, 0, :2]) for _ in range(3)]
        late = kinds_of(model).count("Bias")
        return late, [*seen, *model.get_weights(), model.predict(x, verbose=0)]

    late, found = trained()
    assert late == (2 if activation == "relu" else 1)
    monkeypatch.setattr(layers.Conv2D, "output_bias", None)
    late, wanted = trained()
    assert late == 0
    near(found, wanted)


@pytest.mark.parametrize("channels", [1, 16])  # few, and enough for tiles
@pytest.mark.parametrize("activation", ["relu", "tanh", None])
@pytest.mark.parametrize("frozen", [True, False])
def test_maxima_taken_at_once_change_no_number(monkeypatch, channels, activation, frozen):
    def trained():
        utils.set_random_seed(4)
        first = layers.Conv2D(16, 3, padding="same", activation=activation, bias_initializer="random_normal")
        second = layers.Conv2D(32, 3, activation=activation, use_bias=False)
        body = [
            first,
            layers.MaxPooling2D(),
            second,
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(2),
        ]
        model = k.Sequential([k.Input((29, 28, channels)), *body])
        first.trainable = not frozen
        model.compile("mse", optimizers.SGD(0.001))
        x = np.random.default_rng(1).normal(size=(12, 29, 28, channels))
        seen = [model.train_on_batch(x, x[:, 0, :2, 0]) for _ in range(3)]
        joined = kinds_of(model).count("Halved")
        return joined, [*seen, *model.get_weights(), model.predict(x, verbose=0)]

    joined, found = trained()
    assert joined == (0 if activation == "tanh" else 2)
    monkeypatch.setattr(layers.Conv2D, "joins_maxima", False)
    joined, wanted = trained()
    assert joined == 0
    near(found, wanted)


@pytest.mark.parametrize("other", ["strides", "same", "first", "window"])
def test_only_maxima_of_two_by_two_are_taken_at_once(other):
    pooling = {
        "strides": {"strides": 1},
        "same": {"padding": "same"},
        "first": {"data_format": "channels_first"},
        "window": {"pool_size": (2, 3)},
    }[other]
    model = k.Sequential([k.Input((9, 9, 2)), layers.Conv2D(4, 3), layers.MaxPooling2D(**pooling)])
    x = np.random.default_rng(1).normal(size=(3, 9, 9, 2)).astype("float32")
    assert "Halved" not in kinds_of(model.compile("mse"))
    np.testing.assert_allclose(model.predict(x), model.layers[1](model.layers[0](x)), rtol=1e-5)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("pool", [layers.MaxPooling2D, layers.AveragePooling2D])
def test_a_convolution_leaves_out_what_its_pooling_leaves_unread(monkeypatch, pool, data_format):
    """Of 7 x 8 results, windows of 2 x 3 read 6 x 6; no number that matters changes."""

    def trained():
        utils.set_random_seed(4)
        own = {"data_format": data_format}
        body = [
            layers.Conv2D(4, 3, **own),
            pool((2, 3), **own),
            layers.Conv2D(3, 2, padding="same", activation="relu", **own),
            pool(2, **own),
        ]
        shape = (9, 10, 2) if data_format == "channels_last" else (2, 9, 10)
        model = k.Sequential([k.Input(shape), *body, layers.Flatten(), layers.Dense(2)])
        model.compile("mse", optimizers.SGD(0.1))
        x = np.random.default_rng(1).normal(size=(12, *shape))
        seen = [model.train_on_batch(x, x[:, 0, 0, :2]) for _ in range(3)]
        plan = model._engine.plan
        parts = [step.options.get("part") for step in plan.steps if step.operation.stops_early]
        return parts, [*seen, *model.get_weights(), model.predict(x, verbose=0)]

    parts, found = trained()
    (first, second), last = parts, data_format == "channels_last"
    assert first == ((6, 6, 4) if last else (4, 6, 6))
    assert second == (((2, 2, 3) if last else (3, 2, 2)) if pool is layers.MaxPooling2D else None)
    monkeypatch.setattr(layers.Conv2D, "stops_early", False)
    parts, wanted = trained()
    assert parts == []
    near(found, wanted)


@pytest.mark.parametrize("reader", ["convolution", "penalty", "output"])
def test_results_that_others_read_are_complete(reader):
    inputs = k.Input((9, 9, 1))
    x = layers.Conv2D(2, 3, activity_regularizer="l2" if reader == "penalty" else None)(inputs)
    outputs = [layers.GlobalAveragePooling2D()(layers.MaxPooling2D()(x))]
    if reader != "penalty":
        outputs.append(x if reader == "output" else layers.Flatten()(layers.Conv2D(1, 7)(x)))
    plan = k.Model(inputs, outputs).compile("mse", "sgd")._engine.plan
    assert not any("part" in step.options for step in plan.steps)


@pytest.mark.parametrize("pool", ["MaxPooling1D", "AveragePooling1D"])
@pytest.mark.parametrize("of_channels", [0, 1])
def test_windows_over_channels_change_no_rewritten_number(monkeypatch, pool, of_channels):
    """Where one layer has its channels last and the other first, a bias can't wait nor a row be left out."""
    formats = ("channels_last", "channels_first")[:: 1 if of_channels else -1]

    def outcome():
        utils.set_random_seed(4)
        body = [
            layers.Conv1D(5, 3, activation="relu", bias_initializer="random_normal", data_format=formats[0]),
            getattr(layers, pool)(2, data_format=formats[1]),
        ]
        model = k.Sequential([k.Input((9, 7)), *body, layers.Flatten(), layers.Dense(2)])
        model.compile("mse", optimizers.SGD(0.1))
        x = np.random.default_rng(1).normal(size=(6, 9, 7))
        return [*[model.train_on_batch(x, x[:, 0, :2]) for _ in range(3)], *model.get_weights()]

    found = outcome()
    monkeypatch.setattr(layers.Conv1D, "stops_early", False)
    monkeypatch.setattr(layers.Conv1D, "output_bias", None)
    near(found, outcome())


def test_rewritten_plans_give_the_same_numbers_on_a_device(standin):
    def outcome():
        utils.set_random_seed(4)
        body = [layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(2), layers.Conv2D(3, 2)]
        body += [layers.AveragePooling2D(2), layers.Flatten(), layers.Dense(2)]
        model = k.Sequential([k.Input((11, 11, 2)), *body]).compile("mse", optimizers.SGD(0.1))
        x = np.random.default_rng(1).normal(size=(6, 11, 11, 2))
        losses_seen = [model.train_on_batch(x, x[:, 0, 0]) for _ in range(3)]
        assert any("part" in step.options for step in model._engine.plan.steps)
        return [*losses_seen, *model.get_weights(), model.predict(x)]

    found = outcome()
    set_backend("numpy")
    for a, b in zip(found, outcome(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
