"""Arguments and configurations of optimizers, Keras's beside ours; subclasses of the user's."""

import copy
import inspect

import numpy as np
import pytest

from kerasette import optimizers
from kerasette.errors import InvalidType, InvalidValue
from kerasette.optimizers import schedules
from tests import keras_oracle
from tests.flat_runs import NAMES, run_of, train, vector_run, vectors

# ---------------------------------------------------------------- arguments and configurations


@pytest.mark.parametrize("name", NAMES)
def test_signature_as_keras(name):
    theirs = inspect.signature(getattr(keras_oracle.keras().optimizers, name)).parameters
    ours = inspect.signature(getattr(optimizers, name)).parameters
    wanted = {key: value.default for key, value in theirs.items() if key != "kwargs"}
    assert {key: value.default for key, value in ours.items() if key in wanted} == wanted
    assert [key for key in ours if key in wanted] == list(wanted)
    assert set(ours) - set(wanted) == ({"momentum"} if name == "Adagrad" else set())


@pytest.mark.parametrize("name", NAMES)
def test_configuration_round_trip_with_keras(name):
    keras = keras_oracle.keras()
    options = {"learning_rate": 0.25, "weight_decay": 0.5, "use_ema": True, "clipnorm": 2.0}
    ours = getattr(optimizers, name)(**options)
    config = optimizers.serialize(ours)
    theirs = keras.optimizers.deserialize(copy.deepcopy(config))
    assert set(theirs.get_config()) == set(ours.get_config())
    back = optimizers.deserialize(keras.optimizers.serialize(theirs))
    assert type(back) is type(ours) and back.get_config() == ours.get_config()


def test_schedule_in_configuration():
    keras = keras_oracle.keras()
    ours = optimizers.SGD(schedules.CosineDecay(0.1, 100, warmup_target=0.5, warmup_steps=10), momentum=0.5)
    theirs = keras.optimizers.deserialize(optimizers.serialize(ours))
    assert float(theirs.learning_rate) == pytest.approx(ours.learning_rate)
    back = optimizers.deserialize(keras.optimizers.serialize(theirs))
    assert back.get_config() == ours.get_config()


def test_adagrad_momentum_is_in_the_configuration_only_where_set():
    assert "momentum" not in optimizers.Adagrad().get_config()
    again = optimizers.Adagrad.from_config(optimizers.Adagrad(momentum=0.5).get_config())
    assert again.momentum == 0.5


def test_adagrad_with_momentum():
    run, grads = vector_run(5), vectors(5, 4)
    theta, total, velocity = run.theta.astype("float64"), np.full(5, 0.1), np.zeros(5)
    train(optimizers.Adagrad(0.5, momentum=0.9), run, grads)
    for grad in grads:
        total += grad.astype("float64") ** 2
        velocity = 0.9 * velocity + 0.5 * grad / np.sqrt(total + 1e-7)
        theta -= velocity
    np.testing.assert_allclose(run.theta, theta, rtol=1e-5)


@pytest.mark.parametrize(
    "name", ["adam", "Adam", "ADAM", "adamw", "adam_w", "rmsprop", "RMSprop", "sgd", "lion"]
)
def test_get_by_name(name):
    assert isinstance(optimizers.get(name), optimizers.Optimizer)


def test_get_other_forms():
    adam = optimizers.Adam(0.5)
    assert optimizers.get(adam) is adam and optimizers.get(None) is None
    assert optimizers.get({"class_name": "adam", "config": {"learning_rate": 0.5}}).learning_rate == 0.5
    assert isinstance(optimizers.get(optimizers.SGD), optimizers.SGD)
    own = {"SGD": Signed}
    assert isinstance(optimizers.get({"class_name": "SGD", "config": {}}, own), Signed)
    with pytest.raises(InvalidValue, match="Did you mean 'adam'"):
        optimizers.get("adm")
    for wrong in (3, len):
        with pytest.raises(InvalidType, match="optimizer"):
            optimizers.get(wrong)


BAD = [
    ("SGD", {"lr": 0.1}, TypeError, "use learning_rate"),
    ("SGD", {"decay": 0.1}, TypeError, "use learning_rate"),
    ("Adam", {"beta1": 0.1}, TypeError, "Did you mean 'beta_1'"),
    ("SGD", {"learning_rate": -0.1}, ValueError, "learning_rate"),
    ("SGD", {"learning_rate": float("nan")}, ValueError, "learning_rate"),
    ("SGD", {"learning_rate": "0.1"}, ValueError, "learning_rate"),
    ("SGD", {"momentum": 1.5}, ValueError, "momentum"),
    ("RMSprop", {"momentum": -0.5}, ValueError, "momentum"),
    ("RMSprop", {"rho": 1.1}, ValueError, "rho"),
    ("Adam", {"beta_1": 1.0}, ValueError, "beta_1"),
    ("Adam", {"beta_2": -0.1}, ValueError, "beta_2"),
    ("Adam", {"epsilon": -1e-7}, ValueError, "epsilon"),
    ("Adam", {"epsilon": None}, ValueError, "epsilon"),
    ("AdamW", {"weight_decay": None}, ValueError, "weight_decay"),
    ("Lion", {"beta_1": 0.0}, ValueError, "beta_1"),
    ("Adagrad", {"initial_accumulator_value": -1}, ValueError, "initial_accumulator_value"),
    ("Ftrl", {"learning_rate_power": 0.5}, ValueError, "learning_rate_power"),
    ("Ftrl", {"l1_regularization_strength": -0.5}, ValueError, "l1_regularization_strength"),
    ("SGD", {"weight_decay": -0.1}, ValueError, "weight_decay"),
    ("SGD", {"clipnorm": -1.0}, ValueError, "clipnorm"),
    ("SGD", {"clipnorm": 1.0, "clipvalue": 1.0}, ValueError, "only one"),
    ("SGD", {"gradient_accumulation_steps": 1}, ValueError, "at least 2"),
    ("SGD", {"use_ema": True, "ema_momentum": 1.5}, ValueError, "ema_momentum"),
    ("SGD", {"use_ema": True, "ema_overwrite_frequency": 0}, ValueError, "ema_overwrite_frequency"),
    ("SGD", {"loss_scale_factor": 8.0}, ValueError, "not supported"),
]


@pytest.mark.parametrize(("name", "options", "error", "words"), BAD, ids=lambda value: str(value)[:40])
def test_bad_arguments(name, options, error, words):
    with pytest.raises(error, match=words):
        getattr(optimizers, name)(**options)


def test_learning_rate_can_be_set():
    optimizer = optimizers.SGD(0.5)
    run = run_of({"d/kernel": np.zeros(2)})
    train(optimizer, run, [np.ones(2)])
    optimizer.learning_rate = 0.25
    train(optimizer, run, [np.ones(2)])
    assert (run.theta == -0.75).all() and optimizer.get_config()["learning_rate"] == 0.25
    optimizer.learning_rate = schedules.ExponentialDecay(1.0, 1, 0.5)
    assert optimizer.learning_rate == 0.25
    with pytest.raises(TypeError, match="ExponentialDecay"):
        optimizer.learning_rate = 0.1


def test_learning_rate_from_a_function():
    rates = iter([1.0, 0.5])
    run = run_of({"d/kernel": np.zeros(2)})
    train(optimizers.SGD(lambda: next(rates)), run, [np.ones(2), np.ones(2)])
    assert (run.theta == -1.5).all()


# ---------------------------------------------------------------- subclasses


class Signed(optimizers.Optimizer):
    """Steps by the sign, with its own slot and numbers."""

    slots = ("count",)

    def __init__(self, learning_rate=0.5, factor=2.0, **options):
        super().__init__(learning_rate, **options)
        self.factor = factor

    def begin_step(self, learning_rate, t):
        return (learning_rate * self.factor, float(t))

    def update(self, theta, grad, count, scratch, rate, t):
        count += t
        self.xp.sign(grad, grad)
        grad *= rate
        theta -= grad


def test_a_subclass_of_the_users():
    run = run_of({"d/kernel": np.zeros(3)})
    optimizer = Signed(factor=4.0, clipnorm=1.0)
    train(optimizer, run, [np.array([3, 0, -3])] * 2)
    assert run.theta.tolist() == [-4, 0, 4]
    assert dict(optimizer.state())["signed/d_kernel_count"].tolist() == [3, 3, 3]
    assert Signed.from_config(optimizer.get_config()).get_config() == optimizer.get_config()
    again = optimizers.deserialize(optimizers.serialize(optimizer), custom_objects={"Signed": Signed})
    assert again.factor == 4.0


def test_what_a_subclass_forgets_is_named():
    class Nothing(optimizers.Optimizer):
        pass

    class Wrong(optimizers.SGD):
        def begin_step(self, learning_rate, t):
            return learning_rate

    for cls, words in ((Nothing, "must define update"), (Wrong, "must return a tuple")):
        with pytest.raises(TypeError, match=words):
            train(cls(), run_of({"d/kernel": np.zeros(3)}), [np.ones(3)])
