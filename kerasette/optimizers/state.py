"""The state of an optimizer as a list of named arrays, in Keras's order, and back."""

import numpy as np

from kerasette.backend import floatx, to_module, to_numpy
from kerasette.errors import LoadError, shorten, value_error
from kerasette.optimizers.slots import handle
from kerasette.params import Parameter

AVERAGE, ACCUMULATOR = "average", "gradient_accumulator"


def listing(optimizer, exact: bool = False, parameters=None) -> list:
    """Returns [(name, array)]: count of steps, learning rate, then the slots as Keras orders them.

    With `exact` single numbers come in float64, as they are kept. Slots follow the order of
    `parameters`, by default that of the runs.
    """
    if not optimizer.built:
        raise value_error(f"{type(optimizer).__name__} has no state yet: it is built when training begins.")
    kind = "float64" if exact else floatx()
    return [*_numbers(optimizer, kind), *_slot_views(optimizer, parameters), *_extras(optimizer, kind)]


def variables(optimizer) -> list[Parameter]:
    """The state as named arrays, as in Keras; what is assigned to those of the slots takes effect.

    The count of steps and the learning rate are copies that can't be written: set `learning_rate` instead.
    """
    pairs = listing(optimizer) if optimizer.built else _numbers(optimizer, floatx())
    for _, array in pairs:
        if not array.ndim and isinstance(array, np.ndarray) and array.base is None:
            array.flags.writeable = False
    return [
        Parameter(path.split("/", 1)[1], array, layer_name=optimizer.name, trainable=False)
        for path, array in pairs
    ]


def load(optimizer, arrays, parameters=None) -> None:
    """Checks all `arrays` (in the order of `listing`), then writes them."""
    wanted = listing(optimizer, parameters=parameters)
    arrays = [to_numpy(item[1] if isinstance(item, tuple) else item) for item in arrays]
    heads = _numbers(optimizer, "float64")
    tail = len(wanted) - len(optimizer.extras)
    _check(type(optimizer).__name__, wanted, arrays, slots=range(len(heads), tail))
    optimizer._calls = int(arrays[0])
    if len(heads) > 1:
        rate = arrays[1]
        # Keras's files round it to float32: where only that differs, the exact number stays.
        if rate.dtype == "float64" or rate != np.float32(optimizer._learning_rate):
            optimizer._learning_rate = float(rate)
    for (_, view), array in zip(wanted[len(heads) : tail], arrays[len(heads) : tail], strict=True):
        view[...] = to_module(optimizer.xp, array, view.dtype)
    for name, array in zip(optimizer.extras, arrays[tail:], strict=True):
        setattr(optimizer, name, float(array))


def _numbers(optimizer, kind) -> list:
    found = [(f"{optimizer.name}/iteration", np.array(optimizer._calls, dtype="int64"))]
    if isinstance(optimizer._learning_rate, float):
        found.append((f"{optimizer.name}/learning_rate", np.array(optimizer._learning_rate, dtype=kind)))
    return found


def _slot_views(optimizer, parameters=None) -> list:
    groups = [(name,) for name in (AVERAGE, ACCUMULATOR) if name in optimizer._slots.vectors]
    groups += [(group,) if isinstance(group, str) else group for group in optimizer.slots]
    slots = optimizer._slots
    places = slots.places()
    if parameters is not None:
        order = {parameter: number for number, parameter in enumerate(parameters)}
        places.sort(key=lambda place: order[handle(place[1])])
    return [
        (f"{optimizer.name}/{parameter.path.replace('/', '_')}_{name}", slots.view(name, index, parameter))
        for group in groups
        for index, parameter in places
        for name in group
    ]


def _extras(optimizer, kind) -> list:
    own = optimizer.name
    return [(f"{own}/{name}", np.array(getattr(optimizer, name), dtype=kind)) for name in optimizer.extras]


def _check(owner: str, wanted: list, arrays: list, slots: range) -> None:
    """Raises LoadError where an array isn't like the wanted one, or a number of the optimizer is below 0."""
    if len(wanted) != len(arrays):
        raise LoadError(
            f"The state of {owner} is {len(wanted)} arrays, got {len(arrays)}; nothing was changed."
        )
    wrong = [
        f"{name}: {array.dtype} {array.shape} for {own.dtype} {tuple(own.shape)}"
        for (name, own), array in zip(wanted, arrays, strict=True)
        if array.shape != tuple(own.shape) or array.dtype.kind not in ("iu" if own.dtype.kind == "i" else "f")
    ]
    for number, ((name, _), array) in enumerate(zip(wanted, arrays, strict=True)):
        if not wrong and number not in slots and not 0 <= array < np.inf:
            wrong = [f"{name}: {array}"]
    if wrong:
        table = "; ".join(wrong)
        raise LoadError(shorten(f"The state of {owner} doesn't fit; nothing was changed. {table}."))
