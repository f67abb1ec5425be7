"""How near a training step comes to the machine's own speed at matrix products."""

import math
import time

import numpy as np

SIDE = 1_536  # of the square matrices: some 50 ms a product on one core


def peak_flops(seconds: float = 1.0) -> float:
    """Returns the operations a second of the best float32 product, on all cores NumPy's BLAS uses."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((SIDE, SIDE), dtype="float32") for _ in range(2))
    out = np.empty_like(a)
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        begin = time.perf_counter()
        np.matmul(a, b, out=out)
        times.append(time.perf_counter() - begin)
    return 2 * SIDE**3 / min(times)


def step_flops(work) -> float:
    """Returns the operations of the matrix products of one training step of a convolutional work.

    A layer has one product forward and two backward (of the kernel and of its input); the first layer's
    input needs none.
    """
    shape, total, factor = work.shape, 0, 2
    for kind, *arguments in work.stack:
        before, shape = shape, shape_after(shape, kind, *arguments)
        if kind in ("conv", "dense"):
            inputs = before[-1] * (9 if kind == "conv" else 1)
            total += factor * 2 * math.prod(shape) * inputs
            factor = 3
    return total * work.batch


def shape_after(shape: tuple, kind: str, *arguments) -> tuple:
    """Returns the shape of a row after one entry of a convolutional or dense stack."""
    if kind == "conv":
        filters, strides, padding = arguments
        lost = 0 if padding == "same" else 2
        return *((side - lost - 1) // strides + 1 for side in shape[:2]), filters
    if kind == "pool":
        return shape[0] // 2, shape[1] // 2, shape[2]
    return {"flatten": (math.prod(shape),), "dense": (*shape[:-1], *arguments[:1])}.get(kind, shape)
