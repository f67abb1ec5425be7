"""A strict stand-in for CuPy: its rules held without a GPU, the numbers computed by NumPy underneath.

    with cupy_standin.install() as cupy:       # or the pytest fixture `standin`
        ...                                    # set_backend("cupy") is done; models live on the "device"
    cupy_standin.transfers.to_host             # copies back, their bytes, hidden waits

Where CuPy is lenient at a price (NumPy scalars, lists and host arrays as indices, overlapping out=) or silent
(indices out of bounds wrap around, repeated indices in an assignment) the stand-in refuses. Fresh memory from
`empty` holds NaN.
"""

import contextlib
import sys

import numpy as np

from tests.cupy_standin.array import Transfers, Undefined, ndarray, transfers
from tests.cupy_standin.module import CUPY

__all__ = ["CUPY", "Transfers", "Undefined", "device", "install", "ndarray", "peek", "transfers"]

NAMES = ("cupy", "cupy.random", "cupy.linalg", "cupy.lib", "cupyx")


@contextlib.contextmanager
def install(backend: str = "cupy"):
    """Puts the stand-in where `import cupy` and kerasette.backend find it, and puts all back after.

    Args:
        backend: the array module of new models meanwhile: "cupy" or "numpy".

    Yields:
        The module; the counters start at nought.
    """
    from kerasette.backend import _State

    modules = {name: sys.modules.get(name) for name in NAMES}
    before = _State.cupy, _State.backend
    sys.modules.update({"cupy": CUPY, "cupyx": None})
    sys.modules.update({f"cupy.{name}": getattr(CUPY, name) for name in ("random", "linalg", "lib")})
    _State.cupy, _State.backend = CUPY, backend
    transfers.reset()
    try:
        yield CUPY
    finally:
        _State.cupy, _State.backend = before
        for name, module in modules.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module


def device(array) -> ndarray:
    """Returns a device array with the numbers of `array`, without counting a copy."""
    return ndarray._of(np.array(array))


def peek(array: ndarray) -> np.ndarray:
    """Returns the numbers of a device array, without counting a copy."""
    return array._data.copy()
