"""CuPy's ufuncs: elementwise calls with `out`, `dtype` and `casting`, and few methods."""

import numpy as np

from tests.cupy_standin import tables
from tests.cupy_standin.array import Undefined, box, check_dtype, destination, ndarray, operand

OPERATORS = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "floordiv": "floor_divide",
    "mod": "remainder", "pow": "power", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
}  # fmt: skip
COMPARISONS = {
    "eq": "equal",
    "ne": "not_equal",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
}
UNARY = {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}


class ufunc:  # noqa: N801 - CuPy's name
    """One elementwise operation; NumPy's of the same name does the work."""

    def __init__(self, name):
        self.__name__ = self.name = name
        self._numpy = getattr(np, name)
        self.nin, self.nout, self.nargs = self._numpy.nin, self._numpy.nout, self._numpy.nargs

    def __repr__(self):
        return f"<ufunc 'cupy_{self.name}'>"

    def __call__(self, *args, **keywords):
        out = keywords.pop("out", None)
        options = {name: keywords.pop(name) for name in ("dtype", "casting") if name in keywords}
        if keywords:
            raise TypeError(f"Wrong arguments {sorted(keywords)}")
        if not self.nin <= len(args) <= self.nargs:
            raise TypeError(
                f"Wrong number of arguments for {self.name!r}: {len(args)}, not {self.nin} to {self.nargs}"
            )
        if out is not None and len(args) > self.nin:
            raise ValueError("Cannot specify 'out' as both a positional and keyword argument")
        outs = args[self.nin :] if out is None else out if isinstance(out, tuple) else (out,)
        if outs and len(outs) != self.nout:
            raise ValueError("The 'out' tuple must have exactly one entry per ufunc output")
        return self._run(args[: self.nin], outs, options)

    def _run(self, inputs, outs, options):
        values = [operand(value, f"cupy.{self.name}") for value in inputs]
        if not any(isinstance(value, ndarray) for value in inputs):
            raise TypeError(f"cupy.{self.name} got no device array")
        if options.get("dtype") is not None:
            options["dtype"] = check_dtype(options["dtype"])
        places = tuple(None if out is None else destination(out, f"cupy.{self.name}") for out in outs)
        if not any(place is not None for place in places):
            return box(self._numpy(*values, **options))
        shape = np.broadcast_shapes(*(np.shape(value) for value in values))
        if any(place is not None and place.shape != shape for place in places):
            raise ValueError("Out shape is mismatched")
        self._numpy(*values, out=places, **options)
        return outs[0] if self.nout == 1 else tuple(outs)

    def reduce(self, array, axis=0, dtype=None, out=None, keepdims=False):
        if self.name not in tables.REDUCIBLE:
            raise NotImplementedError(f"`cupy_{self.name}.reduce` is not supported yet")
        return (array.sum if self.name == "add" else array.prod)(axis, dtype, out, keepdims)

    def accumulate(self, array, axis=0, dtype=None, out=None):
        if self.name not in tables.REDUCIBLE:
            raise NotImplementedError(f"`cupy_{self.name}.accumulate` is not supported yet")
        return (array.cumsum if self.name == "add" else array.cumprod)(axis, dtype, out)

    def at(self, a, indices, b=None):
        if self.name not in tables.SCATTERS:
            raise NotImplementedError(f"`cupy_{self.name}.at` is not supported yet")
        a._scatter(tables.SCATTERS[self.name], indices, b)

    def outer(self, A, B, **keywords):
        return self(A.reshape(A.shape + (1,) * B.ndim), B.reshape((1,) * A.ndim + B.shape), **keywords)


TABLE = {name: ufunc(name) for name in tables.UFUNCS}


def matmul(*args, axes=None, axis=None, keepdims=False, casting="same_kind", dtype=None, signature=None,
           order="K", out=None):  # fmt: skip
    """CuPy's matmul; `out` may not overlap an input."""
    if axes is not None or axis is not None or keepdims or signature is not None:
        raise TypeError("the stand-in's matmul takes out, dtype and casting only")
    if len(args) == 3:
        out = args[2]
    if len(args) not in (2, 3) or not all(isinstance(value, ndarray) for value in args[:2]):
        raise TypeError(f"matmul takes two device arrays, got {[type(value).__name__ for value in args]}")
    left, right = args[0]._data, args[1]._data
    options = {"casting": casting} | ({} if dtype is None else {"dtype": check_dtype(dtype)})
    if out is None:
        return box(np.matmul(left, right, **options))
    place = destination(out, "matmul")
    if np.shares_memory(place, left) or np.shares_memory(place, right):
        raise Undefined("matmul: out overlaps an input")
    np.matmul(left, right, out=place, **options)
    return out


def _add_operators():
    def binary(function):
        def call(self, other):  # CuPy, too, leaves it to those that say that they take no ufuncs
            refuses = getattr(other, "__array_ufunc__", True) is None
            return NotImplemented if refuses else function(self, other)

        return call

    for short, name in (OPERATORS | COMPARISONS).items():
        setattr(ndarray, f"__{short}__", binary(TABLE[name]))
    for short, name in OPERATORS.items():
        setattr(ndarray, f"__r{short}__", lambda self, other, function=TABLE[name]: function(other, self))
        setattr(
            ndarray, f"__i{short}__", lambda self, other, function=TABLE[name]: function(self, other, self)
        )
    for short, name in UNARY.items():
        setattr(ndarray, f"__{short}__", lambda self, function=TABLE[name]: function(self))
    ndarray.__divmod__ = binary(TABLE["divmod"])
    ndarray.__matmul__ = binary(matmul)
    ndarray.__rmatmul__ = lambda self, other: matmul(other, self)


_add_operators()
