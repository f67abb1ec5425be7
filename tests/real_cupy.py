"""The installed CuPy's own word on what it has and takes. It imports without a GPU."""

import inspect
import re

import pytest

POSITIONAL, KEYWORD = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY


def cupy():
    """Returns the real CuPy, or skips the test where it isn't installed."""
    return pytest.importorskip(
        "cupy", reason="CuPy isn't installed, nothing to compare (it imports without a GPU)"
    )


def find(path: str):
    """Returns the object of CuPy at the dotted `path` ("linalg.svd", "random.Generator.random"), or None."""
    item = cupy()
    for part in path.split("."):
        item = getattr(item, part, None)
        if item is None:
            return None
    return item


def is_constant(item) -> bool:
    """Tells whether `item` is a number or NumPy's own (pi, float32, newaxis), not a function of CuPy."""
    return not callable(item) or (getattr(item, "__module__", None) or "").startswith("numpy")


def signature(item) -> inspect.Signature | None:
    """Returns the signature of a function, ufunc or method of CuPy, or None where it tells none.

    A ufunc's (it has none of its own) is what its `__call__` takes: inputs, outputs, out, dtype, casting.
    A compiled method's stands in the first line of its docstring.
    """
    if isinstance(item, cupy().ufunc):
        inputs = [inspect.Parameter(f"x{n}", inspect.Parameter.POSITIONAL_ONLY) for n in range(item.nin)]
        outputs = [inspect.Parameter(f"out{n}", inspect.Parameter.POSITIONAL_ONLY, default=None)
                   for n in range(item.nout)]  # fmt: skip
        options = [inspect.Parameter(name, KEYWORD, default=None) for name in ("out", "dtype", "casting")]
        return inspect.Signature(inputs + outputs + options)
    if getattr(item, "__name__", "") == "astype":  # casting and subok stand in its line, but raise when given
        return from_docstring(item, without=("casting", "subok"))
    try:
        found = inspect.signature(item)
    except (TypeError, ValueError):
        return from_docstring(item)
    parameters = list(found.parameters.values())
    if parameters and parameters[0].name == "self":
        found = found.replace(parameters=parameters[1:])
    if getattr(item, "__name__", "") == "einsum":  # its keywords are read by hand: see its docstring
        keywords = [inspect.Parameter(name, KEYWORD, default=None) for name in ("dtype", "optimize")]
        found = found.replace(parameters=[parameters[0], *keywords])
    return found


def from_docstring(item, without=()) -> inspect.Signature | None:
    """Returns the signature in the first line of a compiled function's docstring, but for `without`."""
    first = (item.__doc__ or "").split("\n")[0]
    match = re.fullmatch(r"[\w.]+\((.*)\)(?: -> .*)?", first)
    if not match:
        return None
    parameters = []
    kind = POSITIONAL
    for text in filter(None, (part.strip() for part in match[1].split(","))):
        name, _, default = (part.strip() for part in text.partition("="))
        name = name.split()[-1]  # "_ndarray_base out", "int axis"
        if name in ("self", "/", *without) or text.endswith(" self"):
            continue
        if name.startswith("*"):
            kind = KEYWORD
            if name != "*":
                parameters.append(inspect.Parameter(name[1:], inspect.Parameter.VAR_POSITIONAL))
            continue
        value = default if default else inspect.Parameter.empty
        parameters.append(inspect.Parameter(name, kind, default=value))
    return inspect.Signature(parameters)


def misfit(item, positional: int, keywords) -> str | None:
    """Returns why a call with so many positional arguments and these keywords doesn't fit, or None.

    Only too many and unknown arguments are looked for: a `*list` in the call hides how many there are.
    """
    found = signature(item)
    if found is None:
        return "CuPy tells no signature"
    try:
        found.bind_partial(*[None] * positional, **dict.fromkeys(keywords))
    except TypeError as problem:
        return f"{problem}; CuPy takes {found}"
    return None
