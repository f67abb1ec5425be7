"""What the stand-in offers, by name and by CuPy's own signature; tests/test_standin.py holds it to real CuPy.

A name that isn't here is an AttributeError. To use one more function of CuPy in kerasette, add its line.
"""

# Elementwise operations that CuPy has as ufuncs: NumPy's of the same name does the work.
UFUNCS = ["abs", "absolute", "add", "arctan", "arctan2", "arctanh", "bitwise_and", "bitwise_or", "bitwise_xor", "cbrt", "ceil", "conj", "copysign", "cos", "cosh", "divide", "divmod", "equal", "exp", "exp2", "expm1", "floor", "floor_divide", "fmax", "fmin", "fmod", "greater", "greater_equal", "hypot", "invert", "isfinite", "isinf", "isnan", "less", "less_equal", "log", "log10", "log1p", "log2", "logaddexp", "logical_and", "logical_not", "logical_or", "logical_xor", "maximum", "minimum", "mod", "multiply", "negative", "not_equal", "positive", "power", "reciprocal", "remainder", "rint", "sign", "signbit", "sin", "sinh", "sqrt", "square", "subtract", "tan", "tanh", "true_divide", "trunc"]

REDUCIBLE = ("add", "multiply")  # the others have neither reduce nor accumulate
SCATTERS = {"add": "add", "maximum": "max", "minimum": "min", "subtract": "sub"}  # those that have .at
SCATTER_TYPES = ("int32", "uint32", "uint64", "float32", "float64")  # CUDA's atomic operations

# Functions that take device arrays. NumPy does the work, unless module.py has one of its own.
FUNCTIONS = {
    "all": "a, axis=None, out=None, keepdims=False",
    "allclose": "a, b, rtol=1e-05, atol=1e-08, equal_nan=False",
    "amax": "a, axis=None, out=None, keepdims=False",
    "amin": "a, axis=None, out=None, keepdims=False",
    "any": "a, axis=None, out=None, keepdims=False",
    "argmax": "a, axis=None, dtype=None, out=None, keepdims=False",
    "argmin": "a, axis=None, dtype=None, out=None, keepdims=False",
    "argsort": "a, axis=-1, kind=None",
    "argwhere": "a",
    "argpartition": "a, kth, axis=-1",
    "around": "a, decimals=0, out=None",
    "array_equal": "a1, a2, equal_nan=False",
    "array_split": "ary, indices_or_sections, axis=0",
    "ascontiguousarray": "a, dtype=None",
    "average": "a, axis=None, weights=None, returned=False, *, keepdims=False",
    "bincount": "x, weights=None, minlength=None",
    "broadcast_to": "array, shape",
    "clip": "a, a_min, a_max, out=None",
    "concatenate": "tup, axis=0, out=None, *, dtype=None, casting='same_kind'",
    "copy": "a, order='K'",
    "count_nonzero": "a, axis=None",
    "cumprod": "a, axis=None, dtype=None, out=None",
    "cumsum": "a, axis=None, dtype=None, out=None",
    "diag": "v, k=0",
    "diff": "a, n=1, axis=-1, prepend=None, append=None",
    "dot": "a, b, out=None",
    "expand_dims": "a, axis",
    "flatnonzero": "a",
    "flip": "a, axis=None",
    "inner": "a, b",
    "isclose": "a, b, rtol=1e-05, atol=1e-08, equal_nan=False",
    "kron": "a, b",
    "max": "a, axis=None, out=None, keepdims=False",
    "may_share_memory": "a, b, max_work=None",
    "mean": "a, axis=None, dtype=None, out=None, keepdims=False",
    "median": "a, axis=None, out=None, overwrite_input=False, keepdims=False",
    "min": "a, axis=None, out=None, keepdims=False",
    "moveaxis": "a, source, destination",
    "nan_to_num": "x, copy=True, nan=0.0, posinf=None, neginf=None",
    "nonzero": "a",
    "outer": "a, b, out=None",
    "pad": "array, pad_width, mode='constant', **kwargs",
    "partition": "a, kth, axis=-1",
    "prod": "a, axis=None, dtype=None, out=None, keepdims=False",
    "ptp": "a, axis=None, out=None, keepdims=False",
    "put_along_axis": "arr, indices, values, axis",
    "ravel": "a, order='C'",
    "repeat": "a, repeats, axis=None",
    "reshape": "a, newshape, order='C', *, copy=None",
    "roll": "a, shift, axis=None",
    "round": "a, decimals=0, out=None",
    "searchsorted": "a, v, side='left', sorter=None",
    "shares_memory": "a, b, max_work=None",
    "sort": "a, axis=-1, kind=None",
    "split": "ary, indices_or_sections, axis=0",
    "squeeze": "a, axis=None",
    "stack": "tup, axis=0, out=None, *, dtype=None, casting='same_kind'",
    "std": "a, axis=None, dtype=None, out=None, ddof=0, keepdims=False",
    "sum": "a, axis=None, dtype=None, out=None, keepdims=False",
    "swapaxes": "a, axis1, axis2",
    "take": "a, indices, axis=None, out=None",
    "take_along_axis": "a, indices, axis",
    "tensordot": "a, b, axes=2",
    "tile": "A, reps",
    "trace": "a, offset=0, axis1=0, axis2=1, dtype=None, out=None",
    "transpose": "a, axes=None",
    "tril": "m, k=0",
    "triu": "m, k=0",
    "unique": "ar, return_index=False, return_inverse=False, return_counts=False, axis=None, *, "
    "equal_nan=True",
    "var": "a, axis=None, dtype=None, out=None, ddof=0, keepdims=False",
    "vdot": "a, b",
    "where": "condition, x=None, y=None",
    "copyto": "dst, src, casting='same_kind', where=None",
    "linalg.cholesky": "a",
    "linalg.det": "a",
    "linalg.eigh": "a, UPLO='L'",
    "linalg.inv": "a",
    "linalg.norm": "x, ord=None, axis=None, keepdims=False",
    "linalg.qr": "a, mode='reduced'",
    "linalg.solve": "a, b",
    "linalg.svd": "a, full_matrices=True, compute_uv=True",
    "lib.stride_tricks.as_strided": "x, shape=None, strides=None",
    "lib.stride_tricks.sliding_window_view": "x, window_shape, axis=None, *, subok=False, writeable=False",
}

# Functions that make device arrays out of numbers.
CREATORS = {
    "arange": "start, stop=None, step=1, dtype=None",
    "empty": "shape, dtype=float, order='C'",
    "eye": "N, M=None, k=0, dtype=float, order='C'",
    "full": "shape, fill_value, dtype=None, order='C'",
    "identity": "n, dtype=float",
    "linspace": "start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0",
    "ones": "shape, dtype=float, order='C'",
    "tri": "N, M=None, k=0, dtype=float",
    "zeros": "shape, dtype=float, order='C'",
}
LIKE = {
    "empty_like": "prototype, dtype=None, order='K', subok=None, shape=None",
    "full_like": "a, fill_value, dtype=None, order='K', subok=None, shape=None",
    "ones_like": "a, dtype=None, order='K', subok=None, shape=None",
    "zeros_like": "a, dtype=None, order='K', subok=None, shape=None",
}
# Written by hand in module.py; here for their signatures.
SPECIAL = {
    "array": "obj, dtype=None, copy=True, order='K', subok=False, ndmin=0, *, blocking=False",
    "asarray": "a, dtype=None, order=None, *, copy=None, blocking=False",
    "asnumpy": "a, stream=None, order='C', out=None, *, blocking=True",
    "can_cast": "from_, to, casting='safe'",
    "einsum": "*operands, **kwargs",
    "get_array_module": "*args",
    "matmul": "*args, axes=None, axis=None, keepdims=False, casting='same_kind', dtype=None, signature=None, "
    "order='K', out=None",
    "result_type": "*arrays_and_dtypes",
}

# Those of NumPy that CuPy hands on unchanged.
SHARED = ["bool_", "complex64", "complex128", "dtype", "e", "finfo", "float16", "float32", "float64", "floating", "generic", "iinfo", "inexact", "inf", "int8", "int16", "int32", "int64", "integer", "intp", "issubdtype", "nan", "newaxis", "number", "pi", "promote_types", "uint8", "uint16", "uint32", "uint64", "broadcast_shapes"]

# Parameters that may hold device arrays; a device array anywhere else is an error, as in CuPy.
ARRAY_PARAMETERS = frozenset(
    ["a", "a1", "a2", "A", "a_max", "a_min", "append", "ar", "arr", "array", "ary", "b", "condition", "dst", "indices", "m", "max", "min", "out", "prepend", "prototype", "src", "tup", "v", "values", "weights", "where", "x", "y", "sorter"]
)
SYNCHRONISING = frozenset(
    ["argwhere", "bincount", "flatnonzero", "nonzero", "unique"]
)  # the shape is known on the device

METHODS = {
    "all": "axis=None, out=None, keepdims=False",
    "any": "axis=None, out=None, keepdims=False",
    "argmax": "axis=None, out=None, dtype=None, keepdims=False",
    "argmin": "axis=None, out=None, dtype=None, keepdims=False",
    "argsort": "axis=-1, kind=None",
    "clip": "min=None, max=None, out=None",
    "conj": "",
    "copy": "order='C'",
    "cumprod": "axis=None, dtype=None, out=None",
    "cumsum": "axis=None, dtype=None, out=None",
    "diagonal": "offset=0, axis1=0, axis2=1",
    "flatten": "order='C'",
    "max": "axis=None, out=None, keepdims=False",
    "mean": "axis=None, dtype=None, out=None, keepdims=False",
    "min": "axis=None, out=None, keepdims=False",
    "nonzero": "",
    "prod": "axis=None, dtype=None, out=None, keepdims=None",
    "ravel": "order='C'",
    "repeat": "repeats, axis=None",
    "round": "decimals=0, out=None",
    "searchsorted": "v, side='left', sorter=None",
    "squeeze": "axis=None",
    "std": "axis=None, dtype=None, out=None, ddof=0, keepdims=False",
    "sum": "axis=None, dtype=None, out=None, keepdims=False",
    "swapaxes": "axis1, axis2",
    "trace": "offset=0, axis1=0, axis2=1, dtype=None, out=None",
    "var": "axis=None, dtype=None, out=None, ddof=0, keepdims=False",
}
# Written by hand in array.py.
SPECIAL_METHODS = {
    "astype": "dtype, order='K', casting=None, subok=None, copy=True",
    "dot": "b, out=None",
    "fill": "value",
    "get": "stream=None, order='C', out=None, blocking=True",
    "item": "",
    "reshape": "*shape, order='C', copy=None",
    "scatter_add": "slices, value",
    "scatter_max": "slices, value",
    "set": "arr, stream=None",
    "sort": "axis=-1, kind=None",
    "take": "indices, axis=None, out=None",
    "tobytes": "order='C'",
    "tolist": "",
    "transpose": "*axes",
    "view": "dtype=None, type=None",
}


def compiled(parameters: str):
    """Returns the inspect.Signature that the text `parameters` spells."""
    import inspect

    scope = {}
    exec(f"def f({parameters}): pass", {}, scope)  # the text is ours
    return inspect.signature(scope["f"])
