"""Schedules: Keras's numbers at every step, in plain Python numbers; configurations and errors."""

import inspect

import numpy as np
import pytest

from kerasette.errors import InvalidValue
from kerasette.optimizers import schedules
from tests import keras_oracle

CASES = [
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.9}),
    (
        "ExponentialDecay",
        {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.9, "staircase": True},
    ),
    ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.5}),
    (
        "InverseTimeDecay",
        {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.5, "staircase": True},
    ),
    ("PiecewiseConstantDecay", {"boundaries": [3, 10, 11], "values": [1.0, 0.5, 0.25, 0.1]}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 20}),
    (
        "PolynomialDecay",
        {"initial_learning_rate": 0.1, "decay_steps": 20, "end_learning_rate": 0.2, "power": 2.5},
    ),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "power": 0.5, "cycle": True}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 20}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 20, "alpha": 0.2}),
    (
        "CosineDecay",
        {
            "initial_learning_rate": 0.01,
            "decay_steps": 20,
            "alpha": 0.1,
            "warmup_target": 0.3,
            "warmup_steps": 9,
        },
    ),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 20, "warmup_steps": 9}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 5}),
    (
        "CosineDecayRestarts",
        {"initial_learning_rate": 0.1, "first_decay_steps": 5, "t_mul": 1.0, "m_mul": 0.5},
    ),
    (
        "CosineDecayRestarts",
        {"initial_learning_rate": 0.1, "first_decay_steps": 4, "t_mul": 1.5, "alpha": 0.1},
    ),
]
NAMES = sorted({name for name, _ in CASES})


@pytest.mark.parametrize(("name", "options"), CASES, ids=lambda value: str(value)[:70])
def test_same_rates_as_keras(name, options):
    theirs = getattr(keras_oracle.keras().optimizers.schedules, name)(**options)
    ours = getattr(schedules, name)(**options)
    for step in range(50):
        rate = ours(step)
        assert isinstance(rate, (float, int))
        assert rate == pytest.approx(float(theirs(step)), rel=3e-6, abs=1e-7), step


@pytest.mark.parametrize("name", NAMES)
def test_signature_as_keras(name):
    theirs = inspect.signature(getattr(keras_oracle.keras().optimizers.schedules, name)).parameters
    ours = inspect.signature(getattr(schedules, name)).parameters
    assert [(p.name, p.default) for p in ours.values()] == [(p.name, p.default) for p in theirs.values()]


@pytest.mark.parametrize(("name", "options"), CASES, ids=lambda value: str(value)[:70])
def test_configuration_round_trip_with_keras(name, options):
    keras = keras_oracle.keras()
    ours = getattr(schedules, name)(**options)
    theirs = keras.optimizers.schedules.deserialize(schedules.serialize(ours))
    assert theirs.get_config() == ours.get_config()
    back = schedules.deserialize(keras.optimizers.schedules.serialize(theirs))
    assert type(back) is type(ours) and back.get_config() == ours.get_config()


@pytest.mark.parametrize("t_mul", [1, 2, 3, 10])
def test_restarts_are_exact(t_mul):
    """At the first step of each wave the rate is the top; a quotient of logarithms misses some of them."""
    schedule = schedules.CosineDecayRestarts(0.5, 10, t_mul=t_mul)
    start, length = 0, 10
    for _ in range(5):
        assert schedule(start) == 0.5 and schedule(start + length - 1) < 0.05
        start, length = start + length, length * t_mul


def test_a_schedule_of_the_users():
    class Linear(schedules.LearningRateSchedule):
        def __init__(self, slope):
            self.slope = slope

        def __call__(self, step):
            return self.slope * step

    assert Linear(0.5)(4) == 2.0
    config = schedules.serialize(Linear(0.5))
    assert schedules.deserialize(config, custom_objects={"Linear": Linear}).slope == 0.5
    with pytest.raises(NotImplementedError, match="LearningRateSchedule"):
        schedules.LearningRateSchedule()(0)


BAD = [
    ("ExponentialDecay", (0.1, 0, 0.9), "decay_steps"),
    ("ExponentialDecay", (-0.1, 1, 0.9), "initial_learning_rate"),
    ("InverseTimeDecay", (0.1, -1, 0.9), "decay_steps"),
    ("InverseTimeDecay", (0.1, 1, -0.9), "decay_rate"),
    ("PiecewiseConstantDecay", ([1, 2], [0.1, 0.2]), "one value more"),
    ("PiecewiseConstantDecay", ([2, 1], [0.1, 0.2, 0.3]), "rise"),
    ("PolynomialDecay", (0.1, 0), "decay_steps"),
    ("CosineDecay", (0.1, 0), "decay_steps"),
    ("CosineDecay", (0.1, 5, -1), "alpha"),
    ("CosineDecayRestarts", (0.1, 0), "first_decay_steps"),
    ("CosineDecayRestarts", (0.1, 5, 0.5), "t_mul"),
]


@pytest.mark.parametrize(("name", "arguments", "word"), BAD, ids=str)
def test_bad_arguments(name, arguments, word):
    with pytest.raises(InvalidValue, match=word):
        getattr(schedules, name)(*arguments)


def test_numpy_numbers_are_taken():
    assert float(schedules.ExponentialDecay(np.float32(0.5), np.int64(2), 0.5)(2)) == 0.25
