"""What compiles the loops, what they take, and matrix products that they can call."""

import ctypes
from functools import cache

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

jit = numba.njit(nogil=True, cache=True, error_model="numpy")


def suits(*arrays, dtypes=(np.float32, np.float64)) -> bool:
    """Tells whether the arrays are contiguous and all of one of the types."""
    dtype = arrays[0].dtype
    return dtype in dtypes and all(a.dtype == dtype and a.flags.c_contiguous for a in arrays)


# ---------------------------------------------------------------- matrix products inside of a loop


def suits_products(*arrays) -> bool:
    """Tells whether the arrays are contiguous and of the type that the products take."""
    return suits(*arrays, dtypes=(np.float32,))


@cache
def sgemm_address() -> int:
    """Returns where cblas_sgemm of NumPy's own BLAS stands in memory, or 0 where it isn't found.

    Of the forms that there are only OpenBLAS with long integers is known here; wheels of NumPy bring it.
    """
    from threadpoolctl import ThreadpoolController

    for library in ThreadpoolController().lib_controllers:
        for name in ("scipy_cblas_sgemm64_", "cblas_sgemm64_"):
            function = getattr(library.dynlib, name, None) if "numpy" in library.filepath else None
            if function is not None:
                return ctypes.cast(function, ctypes.c_void_p).value
    return 0


@intrinsic
def _call_sgemm(typing, address, turned, m, n, k, a, lda, b, ldb, keep, c, ldc):
    """Calls cblas_sgemm at `address` for rows: c = a b + keep c, or a^T b + keep c where `turned` is 112."""
    long, real = numba.types.int64, numba.types.float32
    pointer = numba.types.CPointer(real)
    signature = numba.types.void(
        long, numba.types.int32, long, long, long, pointer, long, pointer, long, real, pointer, long
    )

    def generate(context, builder, signature, values):
        number, long, real = ir.IntType(32), ir.IntType(64), ir.FloatType()
        array = real.as_pointer()
        types = [*[number] * 3, long, long, long, real, array, long, array, long, real, array, long]
        where, turned, m, n, k, a, lda, b, ldb, keep, c, ldc = values
        rows, plain, one = ir.Constant(number, 101), ir.Constant(number, 111), ir.Constant(real, 1.0)
        function = builder.inttoptr(where, ir.FunctionType(ir.VoidType(), types).as_pointer())
        builder.call(function, [rows, turned, plain, m, n, k, one, a, lda, b, ldb, keep, c, ldc])
        return context.get_dummy_value()

    return signature, generate


@jit
def product(sgemm, a, b, c):
    """Computes c = a b for contiguous float32 matrices."""
    k, n = b.shape
    _call_sgemm(sgemm, 111, len(a), n, k, a.ctypes, k, b.ctypes, n, np.float32(0), c.ctypes, n)


@jit
def turned_product(sgemm, a, b, c, keep=np.float32(0)):  # noqa: B008 (a constant)
    """Computes c = a^T b + keep c for contiguous float32 matrices."""
    (k, m), n = a.shape, b.shape[1]
    _call_sgemm(sgemm, 112, m, n, k, a.ctypes, m, b.ctypes, n, keep, c.ctypes, n)
