"""compile(): what it takes, what it refuses, and that a refusal leaves the model as it was."""

import numpy as np
import pytest

import kerasette as k
from kerasette import layers, metrics
from kerasette.errors import InvalidType, InvalidValue

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 4)).astype("float32")
Y = RNG.normal(size=(24, 1)).astype("float32")


def small(*arguments, **keywords):
    model = k.Sequential([k.Input((4,)), layers.Dense(1)])
    return model.compile(*arguments or ("adam", "mse"), **keywords)


# ---------------------------------------------------------------- a compile() that fails


@pytest.mark.parametrize(
    "wrong",
    [
        {"loss": "msee"},
        {"optimizer": "adamm"},
        {"metrics": ["maee"]},
        {"loss_weights": "a"},
        {"loss": ["mse", "mae"]},
        {"metrics": [metrics.Mean(name="loss")]},
        {"loss": lambda y_true, y_pred: 1.0},
    ],
)
def test_a_compile_that_fails_leaves_the_model_as_it_was(wrong):
    model, twin = small(metrics=["mae"]), small(metrics=["mae"])
    twin.set_weights(model.get_weights())
    for one in (model, twin):
        one.fit(X, Y, shuffle=False, verbose=0)
    optimizer = model.optimizer
    with pytest.raises((InvalidValue, InvalidType)):
        model.compile(**{"optimizer": "sgd", "loss": "mae", **wrong})
    assert model.optimizer is optimizer and optimizer.iterations == 1 and model.loss == "mse"
    for one in (model, twin):  # the slots are those of before, too
        one.fit(X, Y, shuffle=False, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], twin.get_weights()[0])
    assert model.evaluate(X, Y, verbose=0) == twin.evaluate(X, Y, verbose=0)


def test_a_compile_that_fails_leaves_a_model_that_waits_for_data_as_it_was():
    model = k.Sequential([layers.Dense(1)]).compile("adam", "mse")
    with pytest.raises(InvalidValue, match="msee"):
        model.compile("sgd", "msee")
    assert model.loss == "mse" and isinstance(model.optimizer, k.optimizers.Adam)
    assert len(model.fit(X, Y, verbose=0).history["loss"]) == 1
    fresh = k.Sequential([layers.Dense(1)])
    with pytest.raises(InvalidValue, match="msee"):
        fresh.compile("sgd", "msee")
    assert not fresh.compiled


# ---------------------------------------------------------------- hooks that nothing calls


@pytest.mark.parametrize(
    "hook", ["train_step", "test_step", "predict_step", "compute_loss", "make_train_function", "call"]
)
def test_a_subclass_that_overrides_the_training_loop_is_refused(hook):
    with pytest.raises(InvalidType, match=rf"Mine defines {hook}\(\), which no method"):
        type("Mine", (k.Model,), {hook: lambda self, *given: None})
    mixed_in = type("Mixin", (), {hook: lambda self, *given: None})
    with pytest.raises(InvalidType, match="would ever call"):
        type("Mine", (mixed_in, k.Sequential), {})


def test_a_subclass_with_methods_of_its_own_trains():
    class Mine(k.Sequential):
        def fit_twice(self, *given):
            return [self.fit(*given, verbose=0).history["loss"][0] for _ in range(2)]

    first, second = Mine([k.Input((4,)), layers.Dense(1)]).compile("sgd", "mse").fit_twice(X, Y)
    assert second < first
