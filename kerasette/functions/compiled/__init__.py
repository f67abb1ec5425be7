"""Hot loops compiled by numba: the functions of the same names elsewhere say what each one does.

They take what their loops suit (contiguous arrays of one float type, images with one or two axes) and
return NotImplemented for the rest. No operation is reordered for speed, so results differ from NumPy's
by rounding at most, and not from run to run.
"""

from kerasette.functions.compiled import (
    convolution,
    depthwise,
    images,
    jit,
    pooled_convolution,
    pooling,
    rows,
    steps,
    updates,
    winograd,
)

MODULES = (images, pooling, pooled_convolution, depthwise, rows, updates)
WITH_PRODUCTS = (steps, convolution, winograd)  # their loops call a BLAS that `jit` must have found


def available() -> dict:
    """Returns {name: compiled function} of all that can run here."""
    modules = MODULES + (WITH_PRODUCTS if jit.sgemm_address() else ())
    return {name: getattr(module, name) for module in modules for name in module.__all__}
