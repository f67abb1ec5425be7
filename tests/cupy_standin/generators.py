"""Random numbers of the stand-in: the few draws of cupy.random.Generator, by NumPy's Philox."""

import numpy as np

from tests.cupy_standin.array import box, destination


class Philox4x3210:
    """The bit generator; CuPy takes a seed and how many states it keeps."""

    def __init__(self, seed=None, *, size=-1):
        self._numpy = np.random.Philox(seed)


class Generator:
    """Draws are device arrays, of size None too."""

    def __init__(self, bit_generator):
        if not isinstance(bit_generator, Philox4x3210):
            raise TypeError(f"Generator takes a bit generator of CuPy, got {type(bit_generator).__name__}")
        self._numpy = np.random.Generator(bit_generator._numpy)

    def random(self, size=None, dtype=np.float64, out=None):
        return self._floats(self._numpy.random, size, dtype, out)

    def standard_normal(self, size=None, dtype=np.float64, out=None):
        return self._floats(self._numpy.standard_normal, size, dtype, out)

    def uniform(self, low=0.0, high=1.0, size=None, dtype=np.float64):
        return self.random(size, dtype) * (high - low) + low

    def integers(self, low, high=None, size=None, dtype=np.int64, endpoint=False):
        low, high = int(low), None if high is None else int(high)
        draw = self._numpy.integers(low, high, size, dtype=np.dtype(dtype), endpoint=endpoint)
        return box(np.asarray(draw))

    @staticmethod
    def _floats(draw, size, dtype, out):
        dtype = np.dtype(dtype)
        if dtype.name not in ("float32", "float64"):
            raise TypeError(f"the stand-in draws float32 and float64, not {dtype}")
        if out is None:
            return box(np.asarray(draw(size, dtype=dtype)))
        place = destination(out, "random")
        if place.dtype != dtype:
            raise TypeError(f"Supplied output array has the wrong type: {place.dtype}, not {dtype}")
        if not (place.flags.c_contiguous or place.flags.f_contiguous):
            raise ValueError("Supplied output array is not contiguous, writable or aligned.")
        if size is not None and (tuple(size) if isinstance(size, (list, tuple)) else (size,)) != place.shape:
            raise ValueError("size must match out.shape when used together")
        place[...] = draw(place.shape, dtype=dtype)
        return out


def default_rng(seed=None):
    """Returns a Generator for `seed`."""
    return seed if isinstance(seed, Generator) else Generator(Philox4x3210(seed))
