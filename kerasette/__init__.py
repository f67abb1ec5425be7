"""kerasette: Keras-style neural networks in readable NumPy, with hand-written gradients.

The names are Keras's: `kerasette.layers`, `.models`, `.losses`, `.optimizers` ... Each room is opened
when it is first used, so importing the package costs little more than importing NumPy.
"""

import importlib
import sys

from kerasette.backend import set_backend
from kerasette.errors import no_attribute

__version__ = "0.1.0"

__all__ = [
    "Callback",
    "Initializer",
    "Input",
    "KerasTensor",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "Operation",
    "Optimizer",
    "Regularizer",
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
    "preprocessing",
    "regularizers",
    "saving",
    "set_backend",
    "testing",
    "utils",
]

_NOUNS = {  # name -> (room, name there)
    "Callback": ("callbacks", "Callback"),
    "Initializer": ("initializers", "Initializer"),
    "Input": ("layers", "Input"),
    "KerasTensor": ("graph", "SymbolicTensor"),
    "Layer": ("layers", "Layer"),
    "Loss": ("losses", "Loss"),
    "Metric": ("metrics", "Metric"),
    "Model": ("models", "Model"),
    "Operation": ("graph", "Operation"),
    "Optimizer": ("optimizers", "Optimizer"),
    "Regularizer": ("regularizers", "Regularizer"),
    "Sequential": ("models", "Sequential"),
}
_MISSING = {  # what Keras has here, and what does the work instead
    "Variable": "Layers make theirs with add_weight(), metrics with add_variable().",
    "applications": "There are no pretrained models to download.",
    "distribution": "Training runs on one machine.",
    "dtype_policies": "Numbers are float32 or float64: see kerasette.config.set_floatx.",
    "mixed_precision": "Numbers are float32 or float64: see kerasette.config.set_floatx.",
    "quantizers": "Numbers are float32 or float64.",
    "random": "Draw with NumPy; kerasette.utils.set_random_seed seeds everything.",
}
_ROOMS = frozenset(name for name in __all__ if name.islower()) - {"set_backend"}


class _Elsewhere:
    """A finder that Python asks last: `from kerasette.applications import VGG16` tells what to do instead."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        package, _, room = name.partition(".")
        if package == __name__ and room in _MISSING:
            raise ModuleNotFoundError(f"No module named '{name}'. {_MISSING[room]}", name=name)


sys.meta_path.append(_Elsewhere)


def __getattr__(name):
    if name in _NOUNS:
        room, own = _NOUNS[name]
        return getattr(importlib.import_module(f"kerasette.{room}"), own)
    if name in _ROOMS:
        return importlib.import_module(f"kerasette.{name}")
    raise no_attribute(__name__, name, __all__, _MISSING.get(name, ""))


def __dir__():
    return sorted({*globals(), *__all__})
