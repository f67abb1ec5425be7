"""Which array module, which float type, which random numbers: NumPy, or CuPy where it is asked for."""

import math
import os
import random

import numpy as np

from kerasette.errors import one_of, positive_int, type_error, value_error
from kerasette.registry import reset_names as clear_session  # noqa: F401  # where Keras has it

FLOATS = ("float32", "float64")


class _State:
    """The settings of this process; the functions below are the way to read and set them."""

    floatx = "float32"
    epsilon = 1e-7
    image_data_format = "channels_last"
    backend = None  # "numpy" or "cupy"; None until KERASETTE_BACKEND has been asked
    cupy = None  # the loaded CuPy module; None until somebody asks for it
    threads = None  # worker threads; None means one a core
    seeds = np.random.default_rng()


# ---------------------------------------------------------------- array modules


def xp_of(array):
    """Returns the module (numpy or cupy) that `array` belongs to.

    Raises:
        InvalidType: for anything that is no array.
    """
    if isinstance(array, (np.ndarray, np.generic)):
        return np
    if _State.cupy is not None and isinstance(array, _State.cupy.ndarray):
        return _State.cupy
    raise type_error(f"Expected an array, got {type(array).__name__}.")


def is_array(value) -> bool:
    """Tells whether `value` is an array of NumPy or of a loaded CuPy."""
    return isinstance(value, np.ndarray) or (
        _State.cupy is not None and isinstance(value, _State.cupy.ndarray)
    )


def module(name: str | None = None):
    """Returns the array module called `name` ("numpy" or "cupy"; by default the one that is set).

    Raises:
        InvalidValue: for another name, or where CuPy can't be imported.
    """
    name = backend() if name is None else name
    one_of("backend", "name", name, ("numpy", "cupy"))
    if name == "numpy":
        return np
    if _State.cupy is None:
        try:
            import cupy
        except ImportError as problem:
            raise value_error(
                f"The backend 'cupy' needs the CuPy package, and importing it failed: {problem}.",
                "Install the build for your CUDA version, or use set_backend('numpy').",
            ) from problem
        _State.cupy = cupy
    return _State.cupy


def set_backend(name: str) -> None:
    """Makes new models live on "numpy" (the host) or "cupy" (a GPU).

    Raises:
        InvalidValue: for another name, or where CuPy can't be imported.
    """
    module(name)
    _State.backend = name


def backend() -> str:
    """Returns the name of the array module that new models use: "numpy" or "cupy".

    It is KERASETTE_BACKEND, else "numpy", until `set_backend` says otherwise.
    """
    if _State.backend is None:
        asked = os.environ.get("KERASETTE_BACKEND") or "numpy"
        one_of("environment", "KERASETTE_BACKEND", asked, ("numpy", "cupy"))
        _State.backend = asked
    return _State.backend


def to_numpy(array) -> np.ndarray:
    """Returns `array` as a NumPy array, copied from the device where it lives on one."""
    if _State.cupy is not None and isinstance(array, _State.cupy.ndarray):
        return array.get()
    return np.asarray(array)


def to_module(xp, array, dtype=None):
    """Returns `array` as an array of `xp`; what comes from the host is cast to `dtype` there."""
    if xp is np:
        return np.asarray(to_numpy(array), dtype=dtype)
    if isinstance(array, xp.ndarray):
        return array if dtype is None else array.astype(dtype, copy=False)
    return xp.asarray(np.asarray(array, dtype=dtype))


# ---------------------------------------------------------------- settings


def floatx() -> str:
    """Returns the default float type: "float32" unless set otherwise."""
    return _State.floatx


def computed(dtype: str) -> str:
    """Returns the type that values of type `dtype` take part in: floats of any size in the default one."""
    return floatx() if dtype.startswith("float") else dtype


def set_floatx(value: str) -> None:
    """Sets the float type of new layers: "float32" or "float64".

    Raises:
        InvalidValue: for any other type.
    """
    one_of("set_floatx", "value", value, FLOATS)
    _State.floatx = value


def epsilon() -> float:
    """Returns the fuzz factor that keeps divisions and logarithms finite (1e-7)."""
    return _State.epsilon


def set_epsilon(value: float) -> None:
    """Sets the fuzz factor of losses and optimizers."""
    _State.epsilon = float(value)


def image_data_format() -> str:
    """Returns "channels_last" or "channels_first", the default layout of images."""
    return _State.image_data_format


def set_image_data_format(value: str) -> None:
    """Sets the default layout of images: "channels_last" or "channels_first"."""
    one_of("set_image_data_format", "data_format", value, ("channels_last", "channels_first"))
    _State.image_data_format = value


def threads() -> int:
    """Returns how many worker threads the engine may use (KERASETTE_THREADS, else one a core)."""
    if _State.threads is None:
        _State.threads = _threads_from_environment()
    return _State.threads


def set_threads(count: int) -> None:
    """Sets how many worker threads the engine may use; results don't depend on it."""
    _State.threads = positive_int("set_threads", "count", count)


def _threads_from_environment() -> int:
    asked = os.environ.get("KERASETTE_THREADS")
    if asked is None:
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity else os.cpu_count() or 1
    if not asked.isdigit():
        raise value_error(f"KERASETTE_THREADS must be a whole number of at least 1, got {asked!r}.")
    return positive_int("environment", "KERASETTE_THREADS", int(asked))


def apart(array, given):
    """Returns `array`, or a copy where its memory may be that of one of the arrays `given`."""
    xp = xp_of(array)
    return array.copy() if any(xp.may_share_memory(array, one) for one in given) else array


# ---------------------------------------------------------------- random numbers


def set_random_seed(seed: int) -> None:
    """Seeds Python, NumPy and kerasette: the same program then gives the same numbers.

    Args:
        seed: a whole number from 0 to 2**32 - 1.

    Raises:
        InvalidValue: where `seed` is something else.
    """
    seed = positive_int("set_random_seed", "seed", seed, minimum=0)
    if seed >= 2**32:
        raise value_error(f"set_random_seed: seed must be below 2**32, got {seed}.")
    random.seed(seed)
    np.random.seed(seed)
    _State.seeds = np.random.default_rng(seed)


def random_state() -> dict:
    """Returns the state of the global generators of Python, NumPy and kerasette: numbers, texts, arrays."""
    version, words, gauss = random.getstate()
    return {
        "python": [version, np.array(words, dtype="uint32"), gauss],
        "numpy": np.random.get_state(legacy=False),
        "kerasette": _State.seeds.bit_generator.state,
    }


def set_random_state(state: dict) -> None:
    """Takes over what `random_state()` returned."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(int(word) for word in words), gauss))
    np.random.set_state(state["numpy"])
    _State.seeds.bit_generator.state = state["kerasette"]


def next_seed() -> int:
    """Returns the next number of the global stream, for a layer or model that was given no seed."""
    return int(_State.seeds.integers(2**31))


def host_generator(*key: int) -> np.random.Generator:
    """Returns a NumPy generator that depends on `key` alone (e.g. seed, layer, step)."""
    return np.random.Generator(np.random.SFC64([int(part) for part in key]))


class Random:
    """Random arrays for one `key` on the module `xp`: the few draws that layers need.

    The stream depends on the key alone, never on what was drawn elsewhere. The streams of NumPy and
    CuPy differ from each other.
    """

    def __init__(self, xp, *key: int):
        self.xp = xp
        if xp is np:
            self._generator = host_generator(*key)
        else:
            words = np.random.SeedSequence([int(part) for part in key]).generate_state(2)
            self._generator = xp.random.Generator(xp.random.Philox4x3210(int(words[0]) << 32 | int(words[1])))

    def uniform(self, shape, dtype="float32"):
        """Returns numbers uniform in [0, 1)."""
        return self._generator.random(shape, dtype=dtype)

    def normal(self, shape, dtype="float32"):
        """Returns standard normal numbers."""
        return self._generator.standard_normal(shape, dtype=dtype)

    def keep(self, shape, rate: float):
        """Returns a bool array, False with probability `rate` (in steps of 2**-16)."""
        cut = round(rate * 65536)
        if cut >= 65536:
            return self.xp.zeros(shape, dtype=bool)
        if self.xp is not np:
            return self._generator.integers(0, 65536, size=shape, dtype="uint16") >= cut
        count = math.prod(shape)
        words = self._generator.bit_generator.random_raw(-(-count // 4))  # 64 bits for four of ours
        return words.view("uint16")[:count].reshape(shape) >= cut

    def integers(self, low: int, high: int, shape, dtype="int64"):
        """Returns whole numbers from `low` to `high` - 1."""
        return self._generator.integers(low, high, size=shape, dtype=dtype)


# ---------------------------------------------------------------- reusable arrays


class Scratch:
    """Named arrays that are made once and reused: `scratch(name, shape, dtype)`.

    A smaller array under the same name is a view of the largest one so far, so a shorter last
    batch costs no new memory. One name has one dtype.
    """

    __slots__ = ("_base", "_shaped", "dtype", "xp")

    def __init__(self, xp=np, dtype=None):
        self.xp = xp
        self.dtype = _State.floatx if dtype is None else dtype
        self._base = {}  # name -> flat array, the largest so far
        self._shaped = {}  # (name, shape) -> view of it

    def __call__(self, name, shape, dtype=None):
        array = self._shaped.get((name, shape))
        if array is None:
            array = self._make(name, shape, self.dtype if dtype is None else dtype)
        return array

    def _make(self, name, shape, dtype):
        size = 1
        for length in shape:
            size *= length
        base = self._base.get(name)
        if base is None or base.size < size or base.dtype != dtype:
            base = self._base[name] = self.xp.empty(size, dtype)
            self._shaped = {key: array for key, array in self._shaped.items() if key[0] != name}
        array = self._shaped[name, shape] = base[:size].reshape(shape)
        return array

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(base.nbytes for base in self._base.values())
