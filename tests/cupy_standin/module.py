"""The module that stands in for `cupy`: an explicit list of functions, each with CuPy's own signature."""

import types

import numpy as np

from tests.cupy_standin import tables, ufuncs
from tests.cupy_standin.array import (
    Undefined,
    arguments,
    bounded,
    box,
    check_dtype,
    dot,
    ndarray,
    operand,
    transfers,
)
from tests.cupy_standin.generators import Generator, Philox4x3210, default_rng


class Module(types.ModuleType):
    """A module that says what to do about a name it lacks."""

    def __getattr__(self, name):
        raise AttributeError(
            f"module '{self.__name__}' (the stand-in) has no attribute '{name}': CuPy lacks it, or its line "
            "is missing from tests/cupy_standin/tables.py."
        )


def _wrapped(name, parameters):
    """Returns the function `name` with CuPy's `parameters` outside and NumPy's function inside."""
    signature = tables.compiled(parameters)
    inner = np
    for part in name.split("."):
        inner = getattr(inner, part)

    def call(*args, **keywords):
        required, optional = arguments(signature, args, keywords, f"cupy.{name}")
        first = next(iter(signature.bind(*args, **keywords).arguments.values()))
        _on_device(first, name)
        if name in tables.SYNCHRONISING:
            transfers.wait()
        result = bounded(lambda: inner(*required, **optional))
        out = keywords.get("out", signature.bind(*args, **keywords).arguments.get("out"))
        if out is not None:
            return out
        plain = type(result) in (bool, int, float) and not name.endswith("_memory")
        return box(np.asarray(result) if plain else result)

    call.__name__ = name.rpartition(".")[2]
    call.__signature__ = signature
    return call


def _on_device(value, name):
    items = value if isinstance(value, (list, tuple)) and value else [value]
    if not all(isinstance(item, ndarray) for item in items):
        raise TypeError(f"cupy.{name} takes device arrays, got {type(items[0]).__name__}")


def _creator(name, parameters):
    signature = tables.compiled(parameters)

    def call(*args, **keywords):
        bound = signature.bind(*args, **keywords)
        fill = bound.arguments.get("fill_value")
        if isinstance(fill, ndarray):
            raise TypeError(f"cupy.{name}: fill_value is a device array; assign it instead")
        required, optional = arguments(signature, args, keywords, f"cupy.{name}")
        if name == "arange":
            return box(np.arange(*bound.args[:3], **{k: v for k, v in optional.items() if k == "dtype"}))
        return box(getattr(np, name)(*required, **optional))

    call.__name__ = name
    call.__signature__ = signature
    return call


def empty(shape, dtype=float, order="C"):
    return ndarray(shape, dtype, order)


def empty_like(prototype, dtype=None, order="K", subok=None, shape=None):
    _on_device(prototype, "empty_like")
    return ndarray(prototype.shape if shape is None else shape, prototype.dtype if dtype is None else dtype)


def asarray(a, dtype=None, order=None, *, copy=None, blocking=False):
    if isinstance(a, ndarray):
        same = copy is not True and dtype in (None, a.dtype) and order in (None, "K")
        return a if same else box(np.array(a._data, dtype=dtype, order=order or "K"))
    if isinstance(a, (list, tuple)) and any(isinstance(item, ndarray) for item in a):
        raise TypeError("asarray of a list of device arrays: use stack.")
    data = np.array(a, dtype=dtype, order=order or "K")
    check_dtype(data.dtype)
    transfers.up(data.nbytes)
    return ndarray._of(data)


def array(obj, dtype=None, copy=True, order="K", subok=False, ndmin=0, *, blocking=False):
    if subok or ndmin:
        raise NotImplementedError("array: subok and ndmin are not for the stand-in")
    return asarray(obj, dtype, order, copy=bool(copy))


def asnumpy(a, stream=None, order="C", out=None, *, blocking=True):
    return a.get(order=order, out=out) if isinstance(a, ndarray) else np.asarray(a, order=order)


def get_array_module(*args):
    return CUPY if any(isinstance(value, ndarray) for value in args) else np


def result_type(*arrays_and_dtypes):
    return np.result_type(*(item._data if isinstance(item, ndarray) else item for item in arrays_and_dtypes))


def can_cast(from_, to, casting="safe"):
    return np.can_cast(from_.dtype if isinstance(from_, ndarray) else from_, to, casting)


def einsum(*operands, **kwargs):
    unknown = set(kwargs) - {"dtype", "optimize"}
    if unknown:
        raise TypeError(f"Did not understand the following kwargs: {sorted(unknown)}")
    if not isinstance(operands[0], str):
        raise TypeError("einsum: give the subscripts as text")
    _on_device(operands[1:], "einsum")
    return box(np.einsum(operands[0], *(operand(value, "einsum") for value in operands[1:]), **kwargs))


def where(condition, x=None, y=None):
    _on_device(condition, "where")
    if (x is None) != (y is None):
        raise ValueError("Must provide both 'x' and 'y' or neither.")
    if x is None:
        transfers.wait()
        return box(np.where(condition._data))
    return box(np.where(condition._data, operand(x, "where"), operand(y, "where")))


def clip(a, a_min, a_max, out=None):
    _on_device(a, "clip")
    low, high = (None if value is None else operand(value, "clip") for value in (a_min, a_max))
    result = np.clip(a._data, low, high)
    if out is None:
        return box(result)
    ufuncs.TABLE["positive"](box(result), out=out)
    return out


def take(a, indices, axis=None, out=None):
    _on_device(a, "take")
    return a.take(indices, axis, out)


def copyto(dst, src, casting="same_kind", where=None):
    _on_device(dst, "copyto")
    mask = {} if where is None else {"where": operand(where, "copyto")}
    np.copyto(dst._data, operand(src, "copyto"), casting=casting, **mask)


def put_along_axis(arr, indices, values, axis):
    _on_device(arr, "put_along_axis")
    index, data = indices._data, operand(values, "put_along_axis")
    if np.size(data) > 1:
        written = np.zeros(arr.shape, np.int64)
        bounded(lambda: np.put_along_axis(written, index, 1, axis))
        wanted = index.size if axis is None else arr.size // max(arr.shape[axis], 1) * index.shape[axis]
        if written.sum() != wanted:
            raise Undefined("put_along_axis by an index with repeats: undefined on a device.")
    bounded(lambda: np.put_along_axis(arr._data, index, data, axis))


SPECIAL = {
    function.__name__: function
    for function in (array, asarray, asnumpy, can_cast, clip, copyto, dot, einsum, empty, empty_like,
                     get_array_module, put_along_axis, result_type, take, where, ufuncs.matmul)
}  # fmt: skip


def build():
    """Returns a new module object that looks like `cupy`, with its submodules."""
    module = Module("cupy", "A strict stand-in for CuPy, on NumPy.")
    for name in ("random", "linalg", "lib"):
        setattr(module, name, Module(f"cupy.{name}"))
    module.lib.stride_tricks = Module("cupy.lib.stride_tricks")
    module.random.Generator, module.random.Philox4x3210 = Generator, Philox4x3210
    module.random.default_rng = default_rng
    for name in tables.SHARED:
        setattr(module, name, getattr(np, name))
    made = {name: _wrapped(name, parameters) for name, parameters in tables.FUNCTIONS.items()}
    made |= {name: _creator(name, text) for name, text in tables.CREATORS.items()}
    made |= {name: _wrapped(name, text) for name, text in tables.LIKE.items()}
    for name, function in (made | ufuncs.TABLE | SPECIAL).items():
        home, _, last = name.rpartition(".")
        place = module
        for part in home.split(".") if home else ():
            place = getattr(place, part)
        setattr(place, last, function)
    module.ndarray, module.ufunc = ndarray, ufuncs.ufunc
    return module


CUPY = build()
