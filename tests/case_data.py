"""Targets and predictions for lines of losses and metrics, and the names that a module has for its users."""

import inspect

import numpy as np

from kerasette import errors

# Not by Keras's signature, or not Keras's at all.
OURS = ("choose", "get", "serialize", "deserialize", *dir(errors))


class Draws:
    """Arrays drawn from one generator, in the order in which they are asked for."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def numbers(self, *shape):
        return self.rng.normal(size=shape).astype("float32")

    def shares(self, *shape, axis=-1):
        p = np.exp(self.numbers(*shape))
        return (p / p.sum(axis=axis, keepdims=True)).astype("float32")

    def one_hot(self, *shape):
        return np.eye(shape[-1], dtype="float32")[self.labels(shape[-1], *shape[:-1])]

    def bits(self, *shape):
        return self.labels(2, *shape).astype("float32")

    def labels(self, classes, *shape):
        return self.rng.integers(0, classes, shape)


def public(module, base):
    """Returns {name: object}, the names of the classes of kind `base`, and those of Keras's functions."""
    found = {name: getattr(module, name) for name in dir(module) if not name.startswith("_")}
    classes = [name for name, one in found.items() if inspect.isclass(one) and issubclass(one, base)]
    functions = [
        name
        for name, one in found.items()
        if inspect.isfunction(one) and one.__name__ == name and name not in OURS
    ]
    return found, classes, functions
