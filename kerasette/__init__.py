"""kerasette: Keras-style neural networks in readable NumPy, with hand-written gradients.

The names are Keras's: `kerasette.layers`, `.models`, `.losses`, `.optimizers` ... Each room is opened
when it is first used, so importing the package costs little more than importing NumPy.
"""

import importlib

from kerasette.backend import set_backend

__version__ = "0.1.0"

__all__ = [
    "Input",
    "Layer",
    "Model",
    "Sequential",
    "activations",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "plotting",
    "regularizers",
    "saving",
    "set_backend",
    "testing",
    "utils",
]

_NOUNS = {"Input": "layers", "Layer": "layers", "Model": "models", "Sequential": "models"}
_ROOMS = frozenset(name for name in __all__ if name.islower()) - {"set_backend"}


def __getattr__(name):
    if name in _NOUNS:
        return getattr(importlib.import_module(f"kerasette.{_NOUNS[name]}"), name)
    if name in _ROOMS:
        return importlib.import_module(f"kerasette.{name}")
    raise AttributeError(f"module 'kerasette' has no attribute '{name}'")


def __dir__():
    return sorted({*globals(), *__all__})
