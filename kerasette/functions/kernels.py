"""Where compiled versions of the hot loops come in, behind the same function names.

A function marked with `swappable` is plain array code. Where numba is installed and the arrays are
NumPy's and large enough, the function of the same name in `compiled` does its work; where that one
can't take the arguments it says so, and the plain one does. KERASETTE_KERNELS or
`kerasette.config.set_kernels` forces either.
"""

import os
from functools import wraps

import numpy as np

from kerasette.errors import KerasetteError, one_of, value_error

CHOICES = ("auto", "numpy", "numba")
LEAST = 1 << 12  # numbers below which importing numba isn't worth it


class _State:
    asked = None
    table = None  # {name: compiled function}, once it has been looked for


def kernels() -> str:
    """Returns which kernels run: "auto" (numba's where it is installed), "numpy" or "numba"."""
    if _State.asked is None:
        asked = os.environ.get("KERASETTE_KERNELS") or "auto"
        one_of("environment", "KERASETTE_KERNELS", asked, CHOICES)
        _State.asked = asked
    return _State.asked


def set_kernels(which: str) -> None:
    """Chooses the kernels: "auto", "numpy" or "numba". Optimizers notice at their next build.

    Raises:
        InvalidValue: for another name, and for "numba" where that can't be imported.
    """
    one_of("set_kernels", "which", which, CHOICES)
    before, _State.asked, _State.table = _State.asked, which, None
    try:
        if which == "numba":
            _table()
    except KerasetteError:
        _State.asked = before
        raise


def compiled(name: str):
    """Returns the compiled function called `name`, or None."""
    table = _State.table
    return (_table() if table is None else table).get(name)


def swappable(function):
    """Lets the compiled function of the same name do the work where there is one and it can.

    It is asked by the first argument: an array of NumPy with enough numbers.
    """
    name = function.__name__

    @wraps(function)
    def chosen(array, *arguments, **keywords):
        if array.size < LEAST or type(array) is not np.ndarray:  # small arrays are in a hurry
            return function(array, *arguments, **keywords)
        fast = compiled(name)
        result = NotImplemented if fast is None else fast(array, *arguments, **keywords)
        return function(array, *arguments, **keywords) if result is NotImplemented else result

    chosen.plain = function
    return chosen


def _table():
    which = kernels()
    if which == "numpy":
        _State.table = {}
        return _State.table
    try:
        from kerasette.functions import compiled as compiled_loops
    except Exception as problem:  # numba can fail in many ways to suit the NumPy that is there
        if which == "numba":
            raise value_error(
                f"KERASETTE_KERNELS is 'numba', but that can't be imported ({problem}).",
                "Install kerasette[fast], or choose 'auto' or 'numpy'.",
            ) from problem
        _State.table = {}
        return _State.table
    _State.table = compiled_loops.available()
    return _State.table
