"""kerasette: Keras-style neural networks in readable NumPy, with hand-written gradients.

The names are Keras's: `kerasette.layers`, `.models`, `.losses`, `.optimizers` ... Rooms that need
heavier libraries (files, plots, datasets) are opened when they are first used.
"""

import importlib

from kerasette.backend import backend, set_backend
from kerasette.layers import Input, Layer
from kerasette.models import Model, Sequential
from kerasette.ops import operators as _operators  # gives symbolic tensors their + - * / @ [ ]

__version__ = "0.1.0"

_ROOMS = (
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
    "testing",
    "utils",
)

__all__ = ["Input", "Layer", "Model", "Sequential", "backend", "set_backend", *_ROOMS]


def __getattr__(name):
    if name in _ROOMS:
        return importlib.import_module(f"kerasette.{name}")
    raise AttributeError(f"module 'kerasette' has no attribute '{name}'")


def __dir__():
    return sorted({*globals(), *_ROOMS})
