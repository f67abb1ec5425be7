"""Nested plain values and arrays <-> JSON text and named arrays, without losing a bit.

In the JSON a list is a list, and everything that JSON has no word for is an object with one key:
`{"dict": {...}}`, `{"pairs": [[key, value] ...]}`, `{"tuple": [...]}`, `{"float": "nan"}`, and for arrays,
of which only the name stands there, `{"array": name}`, `{"bool": name}`, `{"number": name}` (one number of
NumPy's) and `{"floats": name}` (a long list of Python's floats).
"""

import json
import math

import numpy as np

from kerasette.backend import is_array, to_numpy
from kerasette.errors import LoadError, type_error
from kerasette.saving.config import parse
from kerasette.saving.faults import load_error

MANY = 64  # floats in a list that are stored as an array
DEEPEST = 40  # containers in containers, each of which may be two levels of JSON


def pack(value) -> tuple[str, dict[str, np.ndarray]]:
    """Returns the JSON text for nested values, and the arrays that it names.

    Args:
        value: None, bools, numbers, texts and arrays, and lists, tuples and dicts of those.

    Raises:
        InvalidType: for anything else, with the place where it stands.
    """
    arrays = {}
    return json.dumps(_packed(value, (), arrays), allow_nan=False), arrays


def _packed(value, place, arrays):
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if kind is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if is_array(value) or isinstance(value, np.generic):
        return _array(to_numpy(value), place, arrays, "array" if is_array(value) else "number")
    if len(place) < DEEPEST:
        if kind is list and len(value) >= MANY and all(type(item) is float for item in value):
            return _array(np.array(value), place, arrays, "floats")
        if kind in (list, tuple):
            items = [_packed(item, (*place, k), arrays) for k, item in enumerate(value)]
            return items if kind is list else {"tuple": items}
        if kind is dict:
            return _dict(value, place, arrays)
    raise type_error(
        f"The state of a run can't hold {'/'.join(map(str, place)) or 'it'}: a {kind.__name__}.",
        "Numbers, texts, None, arrays, and lists, tuples and dicts of those can be saved.",
    )


def _dict(value, place, arrays):
    if all(type(key) is str for key in value):
        return {"dict": {key: _packed(item, (*place, key), arrays) for key, item in value.items()}}
    pairs = enumerate(value.items())
    return {"pairs": [[_packed(part, (*place, k), arrays) for part in pair] for k, pair in pairs]}


def _array(array, place, arrays, kind):
    """Enters an array under a name made of its place; returns what stands for it."""
    if array.dtype.kind == "b":
        kind, array = f"{kind} of bool", array.view("uint8")
    if array.dtype.kind not in "iuf" or array.dtype.itemsize > 8:
        raise type_error(f"The state of a run can't hold {'/'.join(map(str, place))}: {array.dtype}.")
    base = "/".join(str(part).replace("/", "_").strip(".") or "_" for part in place) or "value"
    name, count = base, 1
    while name in arrays:
        count += 1
        name = f"{base}_{count}"
    arrays[name] = array
    return {kind: name}


def unpack(text: bytes, arrays: dict[str, np.ndarray]):
    """Returns the values that `pack` was given.

    Raises:
        LoadError: for a text that isn't one of `pack`'s.
    """
    try:
        return _unpacked(parse(text), arrays)
    except LoadError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as problem:
        raise load_error(f"Its text is none of ours ({type(problem).__name__}: {problem}).") from problem


_OF_ARRAY = {
    "array": lambda array: array,
    "array of bool": lambda array: array.view(bool),
    "floats": lambda array: array.tolist(),
    "number": lambda array: array[()],
    "number of bool": lambda array: array.view(bool)[()],
}


def _unpacked(value, arrays):
    if isinstance(value, list):
        return [_unpacked(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    if kind == "dict":
        return {key: _unpacked(item, arrays) for key, item in inner.items()}
    if kind == "pairs":
        return {_unpacked(key, arrays): _unpacked(item, arrays) for key, item in inner}
    if kind == "tuple":
        return tuple(_unpacked(item, arrays) for item in inner)
    return float(inner) if kind == "float" else _OF_ARRAY[kind](arrays[inner])
