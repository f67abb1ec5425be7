"""The device array of the stand-in: a NumPy array in a box that opens only where CuPy's does."""

import threading

import numpy as np

from tests.cupy_standin import tables

HOST = "Implicit conversion to a NumPy array is not allowed. Please use `.get()`."
REFUSED_KINDS = "OSUVMm"  # object, text, records, dates


class Undefined(AssertionError):
    """Something that NumPy refuses or defines and CuPy does silently otherwise: never rely on it."""


class Transfers:
    """Copies between host and device, and waits for the device: counts and bytes."""

    def __init__(self):
        self._lock = threading.Lock()
        self.reset()

    def reset(self):
        """Sets every counter to nought."""
        self.to_device = self.to_host = self.bytes_to_device = self.bytes_to_host = self.syncs = 0

    def up(self, nbytes):
        """Counts one copy to the device."""
        with self._lock:
            self.to_device += 1
            self.bytes_to_device += nbytes

    def down(self, nbytes):
        """Counts one copy to the host."""
        with self._lock:
            self.to_host += 1
            self.bytes_to_host += nbytes

    def wait(self):
        """Counts one hidden wait: the host needs a number of the device to go on (a shape, a count)."""
        with self._lock:
            self.syncs += 1


transfers = Transfers()


def check_dtype(dtype):
    """Raises where CuPy has no arrays of `dtype`; else returns it as NumPy's."""
    dtype = np.dtype(dtype)
    if dtype.kind in REFUSED_KINDS or dtype.name in ("longdouble", "float128", "complex256"):
        raise ValueError(f"Unsupported dtype {dtype}")
    return dtype


def box(value):
    """Returns what NumPy gave, with every array and NumPy scalar as a device array."""
    if isinstance(value, (np.ndarray, np.generic)):
        return ndarray._of(np.asarray(value))
    if isinstance(value, list):
        return [box(item) for item in value]
    if isinstance(value, tuple):
        return tuple(box(item) for item in value)
    return value


def operand(value, who="operator"):
    """Returns the NumPy array or Python number behind an operand; host arrays and scalars are refused.

    CuPy takes NumPy scalars as numbers; here they are refused, since they also widen float32 to float64.
    """
    if isinstance(value, ndarray):
        return value._data
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)} in {who}: a host array meets a device array.")
    if isinstance(value, np.generic):
        raise TypeError(f"{who} got the NumPy scalar {value!r}: use a Python number beside device arrays.")
    if isinstance(value, (bool, int, float, complex)):
        return value
    raise TypeError(f"Unsupported type {type(value)} in {who}")


def destination(out, who):
    """Returns the NumPy array behind `out`, which must be a device array."""
    if not isinstance(out, ndarray):
        raise TypeError(f"{who}: output arguments type must be cupy.ndarray, got {type(out).__name__}")
    return out._data


def argument(name, value, who):
    """Returns an argument as NumPy may see it: device arrays unboxed where CuPy takes arrays."""
    if isinstance(value, np.ndarray):
        raise TypeError(f"{who}: {name} is a host array; CuPy functions take device arrays.")
    if isinstance(value, ndarray):
        if name not in tables.ARRAY_PARAMETERS:
            raise TypeError(f"{who}: {name} can't be a device array.")
        return value._data
    if isinstance(value, (list, tuple)) and any(isinstance(item, (ndarray, np.ndarray)) for item in value):
        return type(value)(argument(name, item, who) for item in value)
    if name == "dtype" and value is not None:
        return check_dtype(value)
    return value


def arguments(signature, args, keywords, who):
    """Binds a call to CuPy's `signature`; returns the required ones and a dict of the others."""
    bound = signature.bind(*args, **keywords)
    required, optional = [], {}
    for name, parameter in signature.parameters.items():
        if name not in bound.arguments:
            continue
        value = bound.arguments[name]
        if parameter.kind is parameter.VAR_KEYWORD:
            optional.update({key: argument(key, item, who) for key, item in value.items()})
        elif parameter.default is parameter.empty:
            required.append(argument(name, value, who))
        elif value is not parameter.default:
            optional[name] = destination(value, who) if name == "out" else argument(name, value, who)
    return required, optional


def _index(slices):
    """Returns (index for NumPy, its device arrays as NumPy's); anything CuPy would upload is refused."""
    parts = slices if isinstance(slices, tuple) else (slices,)
    plain, arrays = [], []
    for part in parts:
        if isinstance(part, ndarray):
            if part.dtype.kind not in "biu":
                raise IndexError(f"arrays used as indices must be integer or boolean, not {part.dtype}")
            arrays.append(part._data)
            plain.append(part._data)
        elif part is None or part is Ellipsis or type(part) is int or isinstance(part, (slice, np.integer)):
            plain.append(part)
        else:
            raise TypeError(
                f"A device array indexed by {type(part).__name__}: a copy to the device each time."
            )
    return tuple(plain), arrays


class _Flags:
    def __init__(self, flags):
        self.c_contiguous, self.f_contiguous = flags.c_contiguous, flags.f_contiguous
        self.owndata = flags.owndata


class ndarray:  # noqa: N801 - CuPy's name
    """A device array; `_data` is nobody's business but the stand-in's."""

    __slots__ = ("_data",)
    __hash__ = None

    def __init__(self, shape, dtype=float, order="C"):
        data = np.empty(shape, check_dtype(dtype), order)
        # Filled, so that nobody relies on fresh memory being nought.
        kind = data.dtype.kind
        data[...] = np.nan if kind in "fc" else True if kind == "b" else np.iinfo(data.dtype).max
        self._data = data

    @classmethod
    def _of(cls, data):
        check_dtype(data.dtype)
        self = cls.__new__(cls)
        self._data = data
        return self

    # ------------------------------------------------ what NumPy must not do with it

    def __array__(self, *_, **__):
        raise TypeError(HOST)

    def __array_ufunc__(self, ufunc, method, *_, **__):
        raise TypeError(f"np.{ufunc.__name__} on a device array: use xp_of(array). {HOST}")

    def __array_function__(self, function, *_, **__):
        raise TypeError(f"np.{function.__name__} on a device array: use xp_of(array). {HOST}")

    # ------------------------------------------------ description, known to the host

    shape = property(lambda self: self._data.shape)
    dtype = property(lambda self: self._data.dtype)
    ndim = property(lambda self: self._data.ndim)
    size = property(lambda self: self._data.size)
    nbytes = property(lambda self: self._data.nbytes)
    itemsize = property(lambda self: self._data.itemsize)
    strides = property(lambda self: self._data.strides)
    flags = property(lambda self: _Flags(self._data.flags))
    T = property(lambda self: box(self._data.T))
    mT = property(lambda self: box(self._data.mT))  # noqa: N815
    real = property(lambda self: box(self._data.real))
    imag = property(lambda self: box(self._data.imag))
    base = property(lambda self: None if self._data.base is None else box(self._data.base))

    def __len__(self):
        return len(self._data)

    def __iter__(self):
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (self[index] for index in range(len(self)))

    # ------------------------------------------------ to the host: each counts

    def get(self, stream=None, order="C", out=None, blocking=True):
        transfers.down(self.nbytes)
        if out is None:
            return np.array(self._data, order=order)
        if out.dtype != self.dtype or out.shape != self.shape:
            raise TypeError(f"{out.dtype}{out.shape} can't be obtained from {self.dtype}{self.shape}")
        out[...] = self._data
        return out

    def _number(self, what):
        if self.size != 1:
            raise ValueError(f"{what} of a device array with {self.size} elements")
        return self.get().item()

    def __bool__(self):
        return bool(self._number("The truth value"))

    def __int__(self):
        return int(self._number("int()"))

    def __float__(self):
        return float(self._number("float()"))

    def __complex__(self):
        return complex(self._number("complex()"))

    def item(self):
        return self._number("item()")

    def tolist(self):
        return self.get().tolist()

    def tobytes(self, order="C"):
        return self.get().tobytes(order)

    def __repr__(self):
        return repr(self.get()).replace("array(", "device_array(", 1)

    def __str__(self):
        return str(self.get())

    def __format__(self, spec):
        return format(self.get(), spec)

    def __reduce__(self):
        return _upload, (self.get(),)

    # ------------------------------------------------ indexing

    def __getitem__(self, slices):
        index, arrays = _index(slices)
        if not arrays:  # the dots keep a single element a view, as CuPy does
            return box(self._data[index if Ellipsis in index else (*index, Ellipsis)])
        if any(array.dtype.kind == "b" for array in arrays):
            transfers.wait()
        return box(bounded(lambda: self._data[index]))

    def __setitem__(self, slices, value):
        index, arrays = _index(slices)
        data = operand(value, "item assignment")
        if any(array.dtype.kind == "b" for array in arrays):
            transfers.wait()
        elif arrays and getattr(data, "size", 1) > 1:
            written = np.zeros(self.shape, np.int64)
            bounded(lambda: np.add.at(written, index, 1))
            if (written > 1).any():
                raise Undefined(
                    "An assignment whose index repeats: which value stays is undefined on a device."
                )
        bounded(lambda: self._data.__setitem__(index, data))

    def _scatter(self, operation, slices, value):
        if self.dtype.name not in tables.SCATTER_TYPES:
            raise TypeError(f"scatter_{operation} supports {tables.SCATTER_TYPES}; got {self.dtype}")
        index, _ = _index(slices)
        ufunc = {"add": np.add, "sub": np.subtract, "max": np.maximum, "min": np.minimum}[operation]
        data = operand(value, f"scatter_{operation}")
        bounded(lambda: ufunc.at(self._data, index, np.asarray(data).astype(self.dtype)))

    def scatter_add(self, slices, value):
        self._scatter("add", slices, value)

    def scatter_max(self, slices, value):
        self._scatter("max", slices, value)

    def take(self, indices, axis=None, out=None):
        if not isinstance(indices, (int, np.integer, ndarray)):
            raise TypeError(f"take by {type(indices).__name__} would copy it to the device each time.")
        index = indices._data if isinstance(indices, ndarray) else indices
        if out is not None and destination(out, "take").dtype != self.dtype:
            raise TypeError("Output dtype mismatch")
        result = bounded(lambda: np.take(self._data, index, axis))
        if out is None:
            return box(result)
        if out.shape != result.shape:
            raise ValueError("Output shape mismatch")
        out._data[...] = result
        return out

    # ------------------------------------------------ methods that NumPy's don't mirror

    def astype(self, dtype, order="K", casting=None, subok=None, copy=True):
        if casting is not None or subok is not None:
            raise TypeError("CuPy's astype supports neither casting nor subok.")
        data = self._data.astype(check_dtype(dtype), order=order, copy=copy)
        return self if data is self._data else box(data)

    def reshape(self, *shape, order="C", copy=None):
        return box(self._data.reshape(*shape, order=order, copy=copy))

    def transpose(self, *axes):
        return box(self._data.transpose(*axes))

    def view(self, dtype=None, type=None):
        return box(self._data.view() if dtype is None else self._data.view(check_dtype(dtype)))

    def fill(self, value):
        if isinstance(value, np.ndarray):
            raise TypeError("fill with a host array")
        self._data.fill(value._data if isinstance(value, ndarray) else value)

    def set(self, arr, stream=None):
        if not isinstance(arr, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if arr.dtype != self.dtype or arr.shape != self.shape:
            raise TypeError(f"{arr.dtype}{arr.shape} can't be set to {self.dtype}{self.shape}")
        transfers.up(arr.nbytes)
        self._data[...] = arr

    def sort(self, axis=-1, kind=None):
        self._data.sort(axis)

    def dot(self, b, out=None):
        return dot(self, b, out)

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy()


def bounded(action):
    """Runs an indexing action; an index out of bounds is no IndexError in CuPy, which wraps it around."""
    try:
        return action()
    except IndexError as problem:
        if "out of bounds" in str(problem):
            raise Undefined(f"{problem}: CuPy would wrap it around and say nothing") from None
        raise


def _upload(array):
    transfers.up(array.nbytes)
    return ndarray._of(np.array(array))


def dot(a, b, out=None):
    """CuPy's dot: `out` must be C-contiguous and of the result's dtype, and may not overlap."""
    left, right = (operand(value, "dot") for value in (a, b))
    if not isinstance(a, ndarray) or not isinstance(b, ndarray):
        raise TypeError("dot takes device arrays")
    if out is None:
        return box(np.dot(left, right))
    data = destination(out, "dot")
    if np.result_type(left, right) != data.dtype:
        raise ValueError("Not supported dtype combination.")
    if not data.flags.c_contiguous:
        raise ValueError("Output array must be C-contiguous")
    if np.shares_memory(data, left) or np.shares_memory(data, right):
        raise Undefined("dot: out overlaps an input")
    np.dot(left, right, out=data)
    return out


def _add_methods():
    """Gives ndarray the methods of tables.METHODS: CuPy's signature outside, NumPy's function inside."""

    def method(name, signature):
        def call(self, *args, **keywords):
            required, optional = arguments(signature, args, keywords, f"ndarray.{name}")
            if name in tables.SYNCHRONISING:
                transfers.wait()
            out = signature.bind(*args, **keywords).arguments.get("out")
            result = getattr(self._data, name)(*required, **optional)
            return box(result) if out is None else out

        call.__name__ = name
        call.__signature__ = signature
        return call

    for name, parameters in tables.METHODS.items():
        setattr(ndarray, name, method(name, tables.compiled(parameters)))


_add_methods()
