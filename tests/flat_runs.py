"""Runs as small as the contract allows, steps on them, and Keras's optimizers beside them."""

import numpy as np

from kerasette import optimizers
from kerasette.optimizers import schedules
from tests import keras_oracle

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


EVERY = [(name, {}) for name in NAMES] + [
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("RMSprop", {"momentum": 0.9, "centered": True}),
    ("Adam", {"amsgrad": True, "weight_decay": 0.1, "clipvalue": 0.5}),
    ("Adagrad", {"momentum": 0.9}),
]
