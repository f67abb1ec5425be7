"""Optimizers: the same numbers as Keras's, on flat runs; state, options, threads, errors."""

import copy
import gc
import inspect
import pickle
import threading
import tracemalloc
import warnings

import numpy as np
import pytest

from kerasette import Input, Model, layers, optimizers
from kerasette.backend import set_threads
from kerasette.errors import InvalidType, InvalidValue, LoadError
from kerasette.optimizers import schedules, state
from kerasette.params import Parameter, lay_out, runs_of
from tests import keras_oracle
from tests.cupy_standin import device, peek, transfers

NAMES = ["SGD", "Adagrad", "RMSprop", "Adam", "AdamW", "Adamax", "Nadam", "Adadelta", "Lion", "Ftrl"]
SHAPES = {"d1/kernel": (3, 4), "d1/bias": (4,), "d2/kernel": (4, 2), "d2/bias": (2,)}
STEPS = 12


class Place:
    """A parameter in a run, as small as the contract allows."""

    def __init__(self, path, offset, shape, parameter=None):
        self.path, self.name, self.offset, self.shape = path, path.split("/")[-1], offset, shape
        self.size = int(np.prod(shape))
        self.parameter = parameter if parameter is not None else self


class Run:
    """A vector and its parameters."""

    def __init__(self, theta, parameters):
        self.theta, self.parameters = theta, parameters


def run_of(weights, known=None, dtype="float32"):
    """Returns one run of {path: array}; `known` is {path: object} for identities that outlive the run."""
    places, offset = [], 0
    for path, array in weights.items():
        places.append(Place(path, offset, array.shape, (known or {}).get(path)))
        offset += array.size
    return Run(np.concatenate([array.ravel() for array in weights.values()]).astype(dtype), places)


def random_arrays(seed, scale=1.0):
    generator = np.random.default_rng(seed)
    return {path: (scale * generator.normal(size=shape)).astype("float32") for path, shape in SHAPES.items()}


def flat(arrays, dtype="float32"):
    return np.concatenate([array.ravel() for array in arrays.values()]).astype(dtype)


def vector_run(size, seed=0, dtype="float32"):
    return run_of({"big/kernel": np.random.default_rng(seed).normal(size=size)}, dtype=dtype)


def train(optimizer, run, grads, run_parallel=None):
    """Builds, and makes one step for each vector of `grads`; returns a copy of the weights."""
    optimizer.build([run])
    vector = np.empty_like(run.theta)
    bound = [vector]
    for grad in grads:
        vector[...] = grad
        optimizer.step(bound, run_parallel)
    return run.theta.copy()


def vectors(size, count, seed=1):
    return list(np.random.default_rng(seed).normal(size=(count, size)).astype("float32"))


# ---------------------------------------------------------------- against Keras

CASES = [
    ("SGD", {}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"nesterov": True}),
    ("Adagrad", {"learning_rate": 0.1}),
    ("Adagrad", {"initial_accumulator_value": 0.5, "epsilon": 1e-3}),
    ("RMSprop", {}),
    ("RMSprop", {"rho": 0.8, "momentum": 0.7}),
    ("RMSprop", {"centered": True}),
    ("RMSprop", {"centered": True, "momentum": 0.5, "epsilon": 1e-4}),
    ("Adam", {}),
    ("Adam", {"amsgrad": True, "beta_1": 0.7, "beta_2": 0.6, "learning_rate": 0.01}),
    ("Adam", {"epsilon": 0.1, "learning_rate": 0.1}),
    ("AdamW", {"learning_rate": 0.01, "weight_decay": 0.1}),
    ("AdamW", {"amsgrad": True}),
    ("Adamax", {"learning_rate": 0.01}),
    ("Nadam", {"learning_rate": 0.01}),
    ("Adadelta", {"learning_rate": 1.0}),
    ("Adadelta", {"rho": 0.5, "epsilon": 1e-2}),
    ("Lion", {"learning_rate": 0.01}),
    ("Lion", {"beta_1": 0.5, "beta_2": 0.7, "weight_decay": 0.1}),
    ("Ftrl", {"learning_rate": 0.1}),
    (
        "Ftrl",
        {
            "learning_rate": 0.1,
            "learning_rate_power": -0.7,
            "l1_regularization_strength": 0.05,
            "l2_regularization_strength": 0.1,
            "l2_shrinkage_regularization_strength": 0.2,
            "beta": 0.3,
        },
    ),
    *[(name, {"weight_decay": 0.05, "learning_rate": 0.02}) for name in NAMES],
    *[(name, {"clipnorm": 1.0, "learning_rate": 0.02}) for name in NAMES],
    ("SGD", {"clipnorm": 100.0}),
    ("SGD", {"global_clipnorm": 1.0, "learning_rate": 0.1, "momentum": 0.5}),
    ("Adam", {"global_clipnorm": 0.3}),
    ("SGD", {"global_clipnorm": 100.0}),
    ("SGD", {"clipvalue": 0.4, "learning_rate": 0.1}),
    ("RMSprop", {"clipvalue": 0.4, "weight_decay": 0.1}),
    ("Adam", {"use_ema": True}),
    ("SGD", {"use_ema": True, "ema_momentum": 0.7, "ema_overwrite_frequency": 5, "learning_rate": 0.1}),
    ("Adam", {"use_ema": True, "ema_momentum": 0.5, "gradient_accumulation_steps": 2}),
    ("SGD", {"gradient_accumulation_steps": 3, "learning_rate": 0.1, "momentum": 0.9}),
    ("Nadam", {"gradient_accumulation_steps": 4, "learning_rate": 0.1}),
    ("AdamW", {"gradient_accumulation_steps": 3, "global_clipnorm": 0.5}),
    (
        "SGD",
        {
            "gradient_accumulation_steps": 3,
            "learning_rate": 0.1,
            "use_ema": True,
            "ema_momentum": 0.6,
            "ema_overwrite_frequency": 2,
            "clipnorm": 0.5,
            "weight_decay": 0.1,
        },
    ),
    ("SGD", {"clipnorm": 0.0}),
]


def keras_pair(name, options, **schedule):
    """Returns our optimizer and Keras's, of the same options."""
    keras = keras_oracle.keras()
    ours, theirs = dict(options), dict(options)
    if schedule:
        ours["learning_rate"] = schedules.ExponentialDecay(**schedule)
        theirs["learning_rate"] = keras.optimizers.schedules.ExponentialDecay(**schedule)
    return getattr(optimizers, name)(**ours), getattr(keras.optimizers, name)(**theirs)


def keras_variables(dtype="float32"):
    keras = keras_oracle.keras()
    found = []
    for path, array in random_arrays(7).items():
        with keras.name_scope(path.split("/")[0]):
            found.append(keras.Variable(array, name=path.split("/")[1], dtype=dtype))
    return found


def compare(ours, theirs, tolerance=1e-6, dtype="float32"):
    """Makes the same steps with both; weights, and in the end the whole state, must agree."""
    variables, run = keras_variables(dtype), run_of(random_arrays(7), dtype=dtype)
    theirs.build(variables)
    ours.build([run])
    vector = np.empty_like(run.theta)
    bound = [vector]
    for step in range(STEPS):
        grads = random_arrays(100 + step, scale=0.5)
        theirs.apply([grads[path].astype(dtype) for path in SHAPES], variables)
        vector[...] = flat(grads)
        ours.step(bound)
        wanted = np.concatenate([variable.numpy().ravel() for variable in variables])
        np.testing.assert_allclose(run.theta, wanted, rtol=tolerance, atol=tolerance, err_msg=f"step {step}")
    for (name, array), variable in zip(ours.state(), theirs.variables, strict=True):
        np.testing.assert_allclose(array, variable.numpy(), rtol=2e-5, atol=1e-6, err_msg=name)
    assert ours.iterations == int(theirs.iterations)
    return run, variables


def float32_tolerance(name, learning_rate):
    """In float32 Keras rounds beta_2 before it takes 1 - beta_2^t: 3e-5 of a step, where ours is exact."""
    return 1e-6 + (5e-5 * learning_rate if name in ("Adam", "AdamW", "Nadam") else 0)


@pytest.mark.parametrize(("name", "options"), CASES, ids=lambda value: str(value)[:60])
def test_same_steps_as_keras(name, options):
    tolerance = float32_tolerance(name, options.get("learning_rate", 0.001))
    compare(*keras_pair(name, options), tolerance)


@pytest.mark.parametrize(("name", "options"), CASES, ids=lambda value: str(value)[:60])
def test_same_steps_as_keras_in_float64(name, options):
    """Keras passes some numbers through float32; with those that it holds exactly the steps are equal."""
    defaults = inspect.signature(getattr(optimizers, name)).parameters
    options = {
        **{key: defaults[key].default for key in defaults if key not in ("name", "momentum")},
        **options,
    }
    exact = {key: float(np.float32(x)) if isinstance(x, float) else x for key, x in options.items()}
    tolerance = 1e-6 if name == "Nadam" else 1e-9  # Nadam's 0.96 can't be chosen
    compare(*keras_pair(name, exact), tolerance, dtype="float64")


@pytest.mark.parametrize("name", NAMES)
def test_schedule_same_steps_as_keras(name):
    decay = {"initial_learning_rate": 0.1, "decay_steps": 3, "decay_rate": 0.5}
    ours, theirs = keras_pair(name, {"weight_decay": 0.01}, **decay)
    compare(ours, theirs, float32_tolerance(name, 0.1))
    assert ours.learning_rate == pytest.approx(float(theirs.learning_rate), rel=1e-6)


def test_schedule_counts_steps_where_gradients_are_accumulated():
    decay = {"initial_learning_rate": 0.1, "decay_steps": 3, "decay_rate": 0.5}
    compare(*keras_pair("SGD", {"gradient_accumulation_steps": 3}, **decay))


def test_excluded_from_weight_decay_as_keras():
    ours, theirs = keras_pair("AdamW", {"weight_decay": 0.5, "learning_rate": 0.125, "beta_2": 0.75})
    for optimizer in (ours, theirs):
        optimizer.exclude_from_weight_decay(var_names=["bias"])
    compare(ours, theirs)
    run = run_of(random_arrays(7))
    before = run.theta.copy()
    ours = optimizers.SGD(1.0, weight_decay=0.5)
    ours.exclude_from_weight_decay(var_list=[run.parameters[0].parameter])
    ours.build([run])
    ours.step([np.zeros_like(run.theta)])
    np.testing.assert_allclose(run.theta[:12], before[:12])
    np.testing.assert_allclose(run.theta[12:], before[12:] / 2, rtol=1e-6)


def test_final_average_as_keras():
    ours, theirs = keras_pair(
        "Adam", {"use_ema": True, "learning_rate": 0.1, "ema_momentum": 0.8, "beta_2": 0.75}
    )
    run, variables = compare(ours, theirs)
    ours.finalize_variable_values()
    theirs.finalize_variable_values(variables)
    wanted = np.concatenate([variable.numpy().ravel() for variable in variables])
    np.testing.assert_allclose(run.theta, wanted, rtol=1e-6, atol=1e-6)


def test_finalize_takes_some_parameters():
    run = run_of(random_arrays(7))
    optimizer = optimizers.SGD(0.5, use_ema=True, ema_momentum=0.9)
    train(optimizer, run, vectors(run.theta.size, 3))
    before = run.theta.copy()
    optimizer.finalize_variable_values([run.parameters[1]])
    assert (run.theta[:12] == before[:12]).all() and (run.theta[16:] == before[16:]).all()
    assert (run.theta[12:16] == optimizer._slots.vectors["average"][0][12:16]).all()


@pytest.mark.parametrize(
    "options", [{"clipnorm": 1.0}, {"global_clipnorm": 1.0}, {"clipvalue": 1.0}], ids=str
)
@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_infinite_norm_as_keras(options, bad):
    ours, theirs = keras_pair("SGD", {"learning_rate": 1.0, **options})
    variables, run = keras_variables(), run_of(random_arrays(7))
    grads = random_arrays(3)
    grads["d1/kernel"][0, 0] = bad
    theirs.apply([grads[path] for path in SHAPES], variables)
    ours.build([run])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours.step([flat(grads)])
    wanted = np.concatenate([variable.numpy().ravel() for variable in variables])
    np.testing.assert_allclose(run.theta, wanted, rtol=1e-5, atol=1e-6)
    if "global_clipnorm" in options:
        assert np.isnan(run.theta).all()


def test_adam_with_tiny_gradients():
    """Epsilon outside the bias correction: 3.15e-6 for the first step, where other formulas give 5e-4."""
    run = run_of({"d/kernel": np.zeros(3)}, dtype="float64")
    optimizer = optimizers.Adam(0.001)
    optimizer.build([run])
    optimizer.step([np.full(3, 1e-8)])
    np.testing.assert_allclose(run.theta, -3.15e-6, rtol=0.01)


def test_zero_gradient_with_clipping_stays_zero():
    for options in ({"clipnorm": 1.0}, {"global_clipnorm": 1.0}):
        run = run_of({"d/kernel": np.ones(3)})
        train(optimizers.SGD(1.0, **options), run, [np.zeros(3)])
        assert (run.theta == 1).all()


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


# ---------------------------------------------------------------- runs, blocks, threads

EVERY = [(name, {}) for name in NAMES] + [
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("RMSprop", {"momentum": 0.9, "centered": True}),
    ("Adam", {"amsgrad": True, "weight_decay": 0.1, "clipvalue": 0.5}),
    ("Adagrad", {"momentum": 0.9}),
]


@pytest.mark.parametrize(("name", "options"), EVERY, ids=str)
def test_blocks_and_threads_are_bit_identical(name, options):
    size, found = 1000, []
    for block, workers, parallel in (
        (size, 1, None),
        (64, 1, None),
        (64, 3, in_threads),
        (37, 5, in_reverse),
    ):
        set_threads(workers)
        optimizer = getattr(optimizers, name)(**options)
        optimizer.block_size = block
        found.append(train(optimizer, vector_run(size), vectors(size, 4), parallel))
    for other in found[1:]:
        assert other.tobytes() == found[0].tobytes()


def in_threads(tasks):
    workers = [threading.Thread(target=task) for task in tasks]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def in_reverse(tasks):
    assert len(tasks) == 5
    for task in reversed(tasks):
        task()


@pytest.mark.parametrize("block", [5, 16384])
def test_weight_decay_spares_excluded_parameters_across_blocks(block):
    run = run_of(random_arrays(7))
    before = run.theta.copy()
    optimizer = optimizers.SGD(1.0, weight_decay=0.5)
    optimizer.block_size = block
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.build([run])
    optimizer.step([np.zeros_like(run.theta)])
    kept = np.r_[np.zeros(12), np.ones(4), np.zeros(8), np.ones(2)].astype(bool)
    np.testing.assert_array_equal(run.theta[kept], before[kept])
    np.testing.assert_allclose(run.theta[~kept], before[~kept] / 2, rtol=1e-6)


@pytest.mark.parametrize(("name", "options"), EVERY, ids=str)
def test_float64_stays_float64_and_exact(name, options):
    """The same steps in both types agree to float32's precision, so no float32 number hides in float64."""
    grads = vectors(50, 5)
    narrow = train(getattr(optimizers, name)(**options), vector_run(50), grads)
    wide = train(getattr(optimizers, name)(**options), vector_run(50, dtype="float64"), grads)
    assert wide.dtype == "float64"
    np.testing.assert_allclose(narrow, wide, rtol=1e-4, atol=1e-6)


def test_mixed_types_in_one_optimizer():
    one, two = vector_run(20), vector_run(20, dtype="float64")
    optimizer = optimizers.Adam(0.1)
    optimizer.build([one, two])
    grad = vectors(20, 1)[0]
    optimizer.step([grad.copy(), grad.astype("float64")])
    alone = vector_run(20, dtype="float64")
    train(optimizers.Adam(0.1), alone, [grad])
    assert two.theta.tobytes() == alone.theta.tobytes() and one.theta.dtype == "float32"


def test_no_runs_at_all():
    optimizer = optimizers.Adam(global_clipnorm=1.0, use_ema=True)
    optimizer.build([])
    optimizer.step([])
    assert optimizer.iterations == 1 and len(optimizer.state()) == 2


def test_new_gradient_vectors_are_noticed():
    run = run_of({"d/kernel": np.zeros(3)})
    optimizer = optimizers.SGD(1.0)
    optimizer.build([run])
    grads = [np.ones(3, "float32")]
    optimizer.step(grads)
    grads[0] = np.full(3, 2, "float32")
    optimizer.step(grads)
    optimizer.step([np.full(3, 4, "float32")])
    assert (run.theta == -7).all()


def test_steps_are_checked():
    optimizer = optimizers.SGD()
    with pytest.raises(InvalidValue, match="build"):
        optimizer.step([np.zeros(3, "float32")])
    optimizer.build([run_of({"d/kernel": np.zeros(3)})])
    for wrong in ([], [np.zeros(4, "float32")], [np.zeros(3, "float64")]):
        with pytest.raises(InvalidValue, match="gradient"):
            optimizer.step(wrong)
    with pytest.raises(InvalidValue, match="before training"):
        optimizer.exclude_from_weight_decay(var_names=["bias"])


def test_slots_follow_parameters_when_runs_are_cut_anew():
    weights = random_arrays(7)
    known = {path: object() for path in weights}
    whole = run_of(weights, known)
    optimizer = optimizers.Adam(0.1)
    train(optimizer, whole, vectors(26, 3))
    before = dict(optimizer.state())
    first = run_of({path: weights[path] for path in ("d1/kernel",)}, known)
    second = run_of({path: weights[path] for path in ("d2/bias", "d2/kernel")}, known)  # d1/bias is frozen
    optimizer.build([first, second])
    after = dict(optimizer.state())
    assert list(after)[2:] == [f"adam/{n}_{s}" for n in ("d1_kernel", "d2_bias", "d2_kernel") for s in SLOTS]
    for name in after:
        np.testing.assert_array_equal(after[name], before[name], err_msg=name)
    optimizer.build([run_of(weights, known)])  # d1/bias is back, and begins anew
    again = dict(optimizer.state())
    for name in again:
        wanted = 0 if "d1_bias" in name else before[name]
        np.testing.assert_array_equal(again[name], wanted + np.zeros_like(again[name]), err_msg=name)
    assert optimizer.iterations == 3


SLOTS = ("momentum", "velocity")


def test_average_of_a_parameter_that_joins_late_begins_at_its_value():
    weights = random_arrays(7)
    known = {path: object() for path in weights}
    optimizer = optimizers.SGD(use_ema=True)
    train(optimizer, run_of({"d1/bias": weights["d1/bias"]}, known), vectors(4, 2))
    optimizer.build([run_of(weights, known)])
    averages = dict(optimizer.state())
    np.testing.assert_array_equal(averages["sgd/d1_kernel_average"], weights["d1/kernel"])


def test_building_again_changes_nothing():
    run = run_of(random_arrays(7))
    optimizer = optimizers.Adam()
    train(optimizer, run, vectors(26, 2))
    before = optimizer.state()
    program = optimizer._program
    optimizer.build([run])
    assert optimizer._program is program
    optimizer.build([Run(run.theta, run.parameters)])
    after = optimizer.state()
    assert all(np.shares_memory(a, b) for (_, a), (_, b) in zip(before[2:], after[2:], strict=True))


def test_real_runs_of_parameters():
    parameters = [
        Parameter(path.split("/")[1], array, layer_name=path[:2]) for path, array in random_arrays(7).items()
    ]
    lay_out(parameters)
    optimizer = optimizers.Adam(0.1, weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_list=[parameters[1]])
    runs = runs_of(parameters)
    train(optimizer, runs[0], vectors(26, 3))
    before = dict(optimizer.state())
    optimizer.build(runs_of([parameters[0], *parameters[2:]]))
    after = dict(optimizer.state())
    assert len(optimizer._slots.runs) == 2 and len(after) == 8
    for name in after:
        np.testing.assert_array_equal(after[name], before[name], err_msg=name)
    assert not optimizer.decayed(parameters[1]) and optimizer.decayed(parameters[0])


DEVICE = [
    *EVERY,
    ("SGD", {"clipnorm": 0.5, "use_ema": True, "ema_overwrite_frequency": 2}),
    ("Adam", {"global_clipnorm": 0.5, "weight_decay": 0.1}),
    ("SGD", {"gradient_accumulation_steps": 2}),
    ("Nadam", {"clipvalue": 0.5}),
]


@pytest.mark.parametrize(("name", "options"), DEVICE, ids=str)
def test_on_a_device(standin, name, options):
    """The same numbers as on the host, nothing copied to it, and a state that moves with the weights."""
    host, grads = vector_run(50), vectors(50, 4)
    wanted = train(getattr(optimizers, name)(**options), host, grads)
    optimizer, run = getattr(optimizers, name)(**options), vector_run(50)
    optimizer.block_size = 7
    optimizer.build([Run(run.theta.copy(), run.parameters)])
    run.theta = device(run.theta)
    bound = [device(grads[0])]
    optimizer.build([run])
    sources = [device(grad) for grad in grads]
    transfers.reset()
    for source in sources:
        bound[0][...] = source
        optimizer.step(bound)
    assert transfers.to_host == 0
    np.testing.assert_allclose(peek(run.theta), wanted, rtol=1e-6, atol=1e-7)
    back = Run(peek(run.theta), run.parameters)
    optimizer.build([back])
    optimizer.step([grads[0].copy()])


# ---------------------------------------------------------------- state

LISTED = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("Adagrad", {}),
    ("RMSprop", {"momentum": 0.9, "centered": True}),
    ("Adam", {}),
    ("Adam", {"amsgrad": True, "use_ema": True, "gradient_accumulation_steps": 2}),
    ("AdamW", {}),
    ("Adamax", {}),
    ("Nadam", {}),
    ("Adadelta", {}),
    ("Lion", {}),
    ("Ftrl", {}),
]


@pytest.mark.parametrize(("name", "options"), LISTED, ids=str)
def test_state_is_ordered_and_named_as_in_keras(name, options):
    ours, theirs = keras_pair(name, options)
    theirs.build(keras_variables())
    ours.build([run_of(random_arrays(7))])
    wanted = [
        (v.path.partition("/")[2] or "u_product", tuple(v.shape), str(v.dtype)) for v in theirs.variables
    ]
    found = [(n.partition("/")[2], array.shape, str(array.dtype)) for n, array in ours.state()]
    assert found == wanted


def test_state_with_a_schedule_has_no_learning_rate():
    optimizer = optimizers.SGD(schedules.ExponentialDecay(0.1, 10, 0.9))
    optimizer.build([vector_run(3)])
    assert [name for name, _ in optimizer.state()] == ["sgd/iteration"]


@pytest.mark.parametrize(("name", "options"), LISTED, ids=str)
def test_training_goes_on_after_load_state(name, options):
    first, grads = getattr(optimizers, name)(**options), vectors(26, 8)
    run = run_of(random_arrays(7))
    train(first, run, grads[:4])
    saved, weights = [(key, array.copy()) for key, array in first.state()], run.theta.copy()
    wanted = train(first, run, grads[4:])
    for arrays in (saved, [array for _, array in saved]):
        second, other = getattr(optimizers, name)(**options), run_of(random_arrays(7))
        other.theta[...] = weights
        second.build([other])
        second.load_state(arrays)
        assert train(second, other, grads[4:]).tobytes() == wanted.tobytes()
        assert second.iterations == first.iterations


def test_bad_state_changes_nothing():
    optimizer = optimizers.Adam()
    with pytest.raises(InvalidValue, match="no state yet"):
        optimizer.state()
    train(optimizer, run_of(random_arrays(7)), vectors(26, 2))
    good = [(name, array.copy()) for name, array in optimizer.state()]
    transposed, negative, text = list(good), list(good), list(good)
    transposed[2] = ("k", np.ones((4, 3), "float32"))
    negative[0] = ("i", np.array(-1))
    rate = [good[0], ("r", np.array(np.nan, "float32")), *good[2:]]
    text[3] = ("k", np.full((3, 4), "a"))
    for bad in (good[:-1], transposed, negative, text, rate, [("i", np.array(1.5)), *good[1:]]):
        with pytest.raises(LoadError, match="nothing was changed"):
            optimizer.load_state([(name, array + 1 if array.dtype == "f4" else array) for name, array in bad])
        for (name, array), (_, wanted) in zip(optimizer.state(), good, strict=True):
            np.testing.assert_array_equal(array, wanted, err_msg=name)


@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, lambda o: pickle.loads(pickle.dumps(o))])
@pytest.mark.parametrize("name", ["Adam", "Nadam", "SGD"])
def test_copies_continue(copied, name):
    run, grads = run_of(random_arrays(7)), vectors(26, 6)
    optimizer = getattr(optimizers, name)(0.1, weight_decay=0.1, use_ema=True)
    optimizer.exclude_from_weight_decay(var_list=[run.parameters[0]])
    train(optimizer, run, grads[:3])
    other = run_of(random_arrays(7))
    other.theta[...] = run.theta
    twin = copied(copied(optimizer))
    wanted = train(optimizer, run, grads[3:])
    assert train(twin, other, grads[3:]).tobytes() == wanted.tobytes()
    assert twin.iterations == 6


# ---------------------------------------------------------------- subclasses, memory


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


@pytest.mark.parametrize(("name", "options"), EVERY, ids=str)
def test_no_allocation_from_step_to_step(name, options):
    run, source = vector_run(5000), vectors(5000, 1)[0]
    optimizer = getattr(optimizers, name)(**options)
    grads = [np.empty_like(source)]
    optimizer.build([run])

    def steps(count):
        for _ in range(count):
            grads[0][...] = source
            optimizer.step(grads)
        return tracemalloc.get_traced_memory()

    tracemalloc.start()
    steps(20)
    gc.collect()
    before = steps(1)[0]
    tracemalloc.reset_peak()
    after, peak = steps(50)
    tracemalloc.stop()
    assert after - before < 1500 and peak - before < 5000  # a vector is 20,000 bytes


def test_the_momentum_of_a_single_number_may_be_negative():
    """Attention's scale is a parameter without axes, and so is its slot: no count that has to be above 0."""
    x = Input((3, 2))
    model = Model(x, layers.Attention(use_scale=True)([x, x])).compile(
        "mse", optimizers.SGD(0.1, momentum=0.9)
    )
    data = np.random.default_rng(0).normal(size=(4, 3, 2))
    model.train_on_batch(data, data)
    (count, rate, (name, moment)) = state.listing(model.optimizer)
    assert name.endswith("scale_momentum") and moment.shape == ()
    state.load(model.optimizer, [count, rate, (name, np.float32(-0.5))])
    assert state.listing(model.optimizer)[2][1] == -0.5
    with pytest.raises(LoadError, match=r"learning_rate: -0\.1"):
        state.load(model.optimizer, [count, (rate[0], np.float32(-0.1)), (name, moment)])
