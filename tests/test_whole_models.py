"""Whole models against Keras: random graphs from one code text, weights copied, every number compared.

Models with an even number compute in float64 (held to 1e-5), the others in float32 (held to 1e-4).
"""

import contextlib
import functools

import numpy as np
import pytest

import kerasette
from kerasette.registry import reset_names
from tests import random_graphs
from tests.keras_oracle import keras, keras_floats, tf

GRAPHS = range(40)
TRAINED = range(25)  # the first graphs: one for each of the optimizers and schedules
OPTIMIZERS = [
    ("SGD", {"learning_rate": 0.05}),
    ("SGD", {"learning_rate": 0.05, "momentum": 0.9}),
    ("SGD", {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True}),
    ("Adam", {"learning_rate": 0.01}),
    ("Adam", {"learning_rate": 0.01, "amsgrad": True, "beta_2": 0.5}),
    ("AdamW", {"learning_rate": 0.01, "weight_decay": 0.1}),
    ("RMSprop", {"learning_rate": 0.01}),
    ("RMSprop", {"learning_rate": 0.01, "momentum": 0.5, "centered": True}),
    ("Adagrad", {"learning_rate": 0.05}),
    ("Adadelta", {"learning_rate": 1.0}),
    ("Adamax", {"learning_rate": 0.01}),
    ("Nadam", {"learning_rate": 0.01}),
    ("Lion", {"learning_rate": 0.01}),
    ("Ftrl", {"learning_rate": 0.05}),
    ("SGD", {"learning_rate": 0.1, "clipnorm": 0.3}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.5, "global_clipnorm": 0.5}),
    ("Adam", {"learning_rate": 0.02, "clipvalue": 0.05}),
    ("SGD", {"learning_rate": 0.05, "weight_decay": 0.1}),
    ("SGD", {"learning_rate": 0.05, "use_ema": True, "ema_momentum": 0.8}),
    ("Adam", {"learning_rate": 0.01, "use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 2}),
    ("SGD", {"learning_rate": 0.05, "gradient_accumulation_steps": 2}),
    ("RMSprop", {"learning_rate": 0.01, "weight_decay": 0.05}),
]
SCHEDULES = [
    lambda k: k.optimizers.schedules.ExponentialDecay(0.1, 3, 0.5),
    lambda k: k.optimizers.schedules.PiecewiseConstantDecay([2, 4], [0.1, 0.05, 0.01]),
    lambda k: k.optimizers.schedules.CosineDecay(0.01, 6, warmup_target=0.1, warmup_steps=2),
]


@contextlib.contextmanager
def float_type(number):
    """Sets the float type of model `number` in both libraries."""
    dtype = "float32" if number % 2 else "float64"
    before = kerasette.config.floatx()
    kerasette.config.set_floatx(dtype)
    try:
        with keras_floats(dtype):
            yield dtype
    finally:
        kerasette.config.set_floatx(before)


def library(name):
    return keras() if name == "keras" else kerasette


def alone(values):
    return values[0] if len(values) == 1 else values


class Pair:
    """One random model in both libraries, with the same weights, data and settings.

    Attributes:
        models: {"keras": model, "kerasette": model}.
        xs, ys, weights: data, as fit takes it.
        start: the weights that both begin with.
    """

    graphs = random_graphs  # the module that builds

    def __init__(self, number, noisy=False):
        self.number = number
        with float_type(number) as dtype:
            keras().utils.clear_session()
            reset_names()
            tf().random.set_seed(number)
            self.models = {
                name: self.graphs.build(library(name), number, noisy) for name in ("keras", "kerasette")
            }
            xs, ys, weights = self.graphs.data(number, dtype=dtype)
        self.xs, self.ys, self.weights = alone(xs), alone(ys), alone(weights)
        rng = np.random.default_rng(number)
        shapes = [array.shape for array in self.models["keras"].get_weights()]
        self.start = [
            rng.uniform(0.1, 0.9, shape).astype(dtype) * rng.choice([-1, 1], shape) for shape in shapes
        ]
        for array, weight in zip(self.start, self.models["keras"].weights, strict=True):
            if "variance" in weight.path:
                array[...] = abs(array)
        self.tolerance = 1e-4 if number % 2 else 1e-5

    def reset(self, optimizer=None, **settings):
        """Gives both models the start weights and, where an optimizer is named, compiles them."""
        for name, model in self.models.items():
            model.set_weights([array.copy() for array in self.start])
            if optimizer is not None:
                k = library(name)
                words = {"run_eagerly": True} if name == "keras" else {}
                with float_type(self.number):
                    model.compile(optimizer(k), **self.graphs.settings(k, self.number, **settings), **words)

    def both(self, function):
        """Returns [function(model)] of Keras and of kerasette."""
        with float_type(self.number):
            return [function(self.models[name]) for name in ("keras", "kerasette")]

    def same(self, wanted, found, what):
        """Holds two arrays, lists or dicts of arrays against each other."""
        if isinstance(wanted, dict):
            assert set(found) == set(wanted), what
            for key, value in wanted.items():
                self.same(value, found[key], f"{what} {key}")
            return
        if isinstance(wanted, (list, tuple)):
            assert len(found) == len(wanted), what
            for position, (a, b) in enumerate(zip(wanted, found, strict=True)):
                self.same(a, b, f"{what} [{position}]")
            return
        wanted = np.asarray(wanted)
        assert np.shape(found) == wanted.shape, what
        np.testing.assert_allclose(
            found, wanted, rtol=self.tolerance, atol=self.tolerance, err_msg=f"{what}, graph {self.number}"
        )

    def same_weights(self, what):
        wanted, found = self.both(lambda model: model.get_weights())
        for weight, a, b in zip(self.models["kerasette"].weights, wanted, found, strict=True):
            self.same(a, b, f"{what}: {weight.path}")


@functools.cache
def pair(number):
    return Pair(number)


def optimizer(number):
    """Returns a function of a library to the optimizer of model `number`."""
    place = number % (len(OPTIMIZERS) + len(SCHEDULES))
    if place >= len(OPTIMIZERS):
        return lambda k: k.optimizers.SGD(SCHEDULES[place - len(OPTIMIZERS)](k), momentum=0.5)
    name, options = OPTIMIZERS[place]
    return lambda k: getattr(k.optimizers, name)(**options)


# ---------------------------------------------------------------- what it is


@pytest.mark.parametrize("number", GRAPHS)
def test_names_order_and_shapes_are_keras(number):
    """Layers have Keras's names and order; weights have its order, names and shapes."""
    wanted, found = pair(number).both(
        lambda model: {
            "layers": [layer.name for layer in model.layers],
            "weights": [(*weight.path.split("/")[-2:], tuple(weight.shape)) for weight in model.weights],
            "trainable": [weight.path.split("/")[-2:] for weight in model.trainable_weights],
            "inputs": [tensor.name for tensor in model.inputs],
            "outputs": list(model.output_names),
            "shapes": [tuple(tensor.shape) for tensor in model.outputs],
            "count": model.count_params(),
        }
    )
    assert found == wanted


# ---------------------------------------------------------------- what it computes


@pytest.mark.parametrize("number", GRAPHS)
def test_predictions(number):
    twins = pair(number)
    twins.reset()
    twins.same(*twins.both(lambda model: model.predict_on_batch(twins.xs)), "predict")


@pytest.mark.parametrize("number", GRAPHS[:10])
def test_evaluation_as_a_list(number):
    """The loss, the losses of the outputs, the metrics: in Keras's order."""
    twins = pair(number)
    twins.reset(optimizer(number), weighted=False, named=False)
    plain = twins.both(lambda model: model.evaluate(twins.xs, twins.ys, batch_size=8, verbose=0))
    twins.same(*plain, "evaluate as a list")


@pytest.mark.parametrize("number", range(100, 104))
def test_noise_stays_out_of_predictions(number):
    """Dropout and its kin change nothing outside training."""
    twins = Pair(number, noisy=True)
    twins.reset()
    twins.same(*twins.both(lambda model: model.predict(twins.xs, verbose=0)), "predict")


@pytest.mark.parametrize("number", TRAINED)
def test_weights_and_history_after_training(number):
    """Two epochs of fit in order, 8 + 6 rows, validation with and without weights; a batch with weights."""
    twins = pair(number)
    twins.reset(optimizer(number))
    rest = {"epochs": 2, "batch_size": 8, "shuffle": False, "verbose": 0, "validation_freq": 2}
    validation = (twins.xs, twins.ys, twins.weights) if number % 3 else (twins.xs, twins.ys)
    wanted, found = twins.both(
        lambda model: model.fit(twins.xs, twins.ys, validation_data=validation, **rest).history
    )
    twins.same(wanted, found, "history")
    twins.same_weights("after fit")
    wanted, found = twins.both(
        lambda model: model.train_on_batch(twins.xs, twins.ys, sample_weight=twins.weights, return_dict=True)
    )
    twins.same(wanted, found, "train_on_batch")
    twins.same_weights("after train_on_batch")
