"""The state of an optimizer as a list of named arrays, in Keras's order, and back."""

import numpy as np

from kerasette.backend import floatx, to_module, to_numpy
from kerasette.errors import LoadError, shorten, value_error

AVERAGE, ACCUMULATOR = "average", "gradient_accumulator"


def listing(optimizer) -> list:
    """Returns [(name, array)]: count of steps, learning rate, then the slots as Keras orders them."""
    if not optimizer.built:
        raise value_error(f"{type(optimizer).__name__} has no state yet: it is built when training begins.")
    return [*_numbers(optimizer), *_slot_views(optimizer), *_extras(optimizer)]


def load(optimizer, arrays) -> None:
    """Checks all `arrays` (in the order of `listing`), then writes them."""
    wanted = listing(optimizer)
    arrays = [to_numpy(item[1] if isinstance(item, tuple) else item) for item in arrays]
    _check(type(optimizer).__name__, wanted, arrays)
    heads = _numbers(optimizer)
    tail = len(wanted) - len(optimizer.extras)
    optimizer._calls = int(arrays[0])
    if len(heads) > 1 and np.float32(arrays[1]) != np.float32(optimizer._learning_rate):
        # Files round it to float32: where only that differs, the exact number stays.
        optimizer._learning_rate = float(arrays[1])
    for (_, view), array in zip(wanted[len(heads) : tail], arrays[len(heads) : tail], strict=True):
        view[...] = to_module(optimizer.xp, array, view.dtype)
    for name, array in zip(optimizer.extras, arrays[tail:], strict=True):
        setattr(optimizer, name, float(array))


def _numbers(optimizer) -> list:
    found = [(f"{optimizer.name}/iteration", np.array(optimizer._calls, dtype="int64"))]
    if isinstance(optimizer._learning_rate, float):
        found.append((f"{optimizer.name}/learning_rate", np.array(optimizer._learning_rate, dtype=floatx())))
    return found


def _slot_views(optimizer) -> list:
    groups = [(name,) for name in (AVERAGE, ACCUMULATOR) if name in optimizer._slots.vectors]
    groups += [(group,) if isinstance(group, str) else group for group in optimizer.slots]
    slots = optimizer._slots
    return [
        (f"{optimizer.name}/{parameter.path.replace('/', '_')}_{name}", slots.view(name, index, parameter))
        for group in groups
        for index, parameter in slots.places()
        for name in group
    ]


def _extras(optimizer) -> list:
    own, kind = optimizer.name, floatx()
    return [(f"{own}/{name}", np.array(getattr(optimizer, name), dtype=kind)) for name in optimizer.extras]


def _check(owner: str, wanted: list, arrays: list) -> None:
    if len(wanted) != len(arrays):
        raise LoadError(
            f"The state of {owner} is {len(wanted)} arrays, got {len(arrays)}; nothing was changed."
        )
    wrong = [
        f"{name}: {array.dtype} {array.shape} for {own.dtype} {tuple(own.shape)}"
        for (name, own), array in zip(wanted, arrays, strict=True)
        if array.shape != tuple(own.shape) or array.dtype.kind not in ("iu" if own.dtype.kind == "i" else "f")
    ]
    for (name, own), array in zip(wanted, arrays, strict=True):
        if not wrong and own.ndim == 0 and not 0 <= array < np.inf:
            wrong = [f"{name}: {array}"]
    if wrong:
        table = "; ".join(wrong)
        raise LoadError(shorten(f"The state of {owner} doesn't fit; nothing was changed. {table}."))
