"""What makes arrays, and what takes them in and out of the back end."""

import numpy as np

from kerasette.backend import floatx, is_array, module, to_module, to_numpy
from kerasette.graph import SymbolicTensor
from kerasette.ops.choosing import cast
from kerasette.ops.recording import Recorded


def arange(start, stop=None, step=1, dtype=None):
    """Returns the numbers from `start` (or 0, where only one is given) to `stop`, which is left out."""
    start, stop = (0, start) if stop is None else (start, stop)
    array = module().arange(start, stop, step)
    default = floatx() if array.dtype.kind == "f" else "int32"
    return array.astype(default if dtype is None else dtype)


def zeros(shape, dtype=None):
    """Returns an array of zeros."""
    return module().zeros(shape, floatx() if dtype is None else dtype)


def ones(shape, dtype=None):
    """Returns an array of ones."""
    return module().ones(shape, floatx() if dtype is None else dtype)


def convert_to_tensor(x, dtype=None):
    """Returns `x` as an array of the back end; symbolic tensors stay what they are."""
    if not isinstance(x, (SymbolicTensor, Recorded)):
        array = x if is_array(x) else np.asarray(x)
        default = floatx() if array.dtype.kind == "f" and not is_array(x) else None
        return to_module(module(), array, default if dtype is None else dtype)
    return x if dtype in (None, x.dtype) else cast(x, dtype)


def convert_to_numpy(x):
    """Returns an array, a list or a number as a NumPy array."""
    return to_numpy(x) if is_array(x) else np.asarray(x)
