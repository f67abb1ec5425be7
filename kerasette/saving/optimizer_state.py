"""The state of an optimizer in files: as Keras 3 numbers its arrays, and as older files name them."""

import warnings

import numpy as np

from kerasette.errors import LoadError, shorten
from kerasette.optimizers import state
from kerasette.saving.faults import load_error
from kerasette.saving.layout import OPTIMIZER

GROUP = f"{OPTIMIZER}/vars"
LEGACY_GROUP = "optimizer_weights"


def _order(model):
    """Returns the parameters that the optimizer serves, in the order in which Keras's would."""
    served = {parameter for run in model._engine.runs for parameter in (p.parameter for p in run.parameters)}
    return [parameter for parameter in model.trainable_weights if parameter in served]


def listing(model) -> list:
    """Returns [(name, array)] of a compiled model's optimizer in Keras's order; empty where it has none.

    Where layers were frozen or freed after compile(), there is no state that fits the model.
    """
    optimizer = model.optimizer
    if optimizer is None or model._engine is None or not optimizer.serves(model._engine.runs):
        return []
    order = _order(model)
    if len(order) != sum(len(run.parameters) for run in model._engine.runs):
        return []
    return state.listing(optimizer, parameters=order)


def arrays_of(model) -> tuple[dict, dict]:
    """Returns {path: array} and {group: attributes} for the weights of a `.keras` file."""
    found = listing(model)
    if not found:
        return {}, {}
    arrays = {f"{GROUP}/{number}": array for number, (_, array) in enumerate(found)}
    return arrays, {GROUP: {"name": model.optimizer.name}}


def legacy_arrays_of(model) -> tuple[dict, dict]:
    """Returns {path: array} and {group: attributes} for an `.h5` file."""
    found = listing(model)
    if not found:
        return {}, {}
    arrays = {f"{LEGACY_GROUP}/{name}": array for name, array in found}
    return arrays, {LEGACY_GROUP: {"weight_names": [name for name, _ in found]}}


# ---------------------------------------------------------------- reading


def stored_state(stored) -> list:
    """Returns the Stored arrays of the optimizer in a `.keras` file, in order."""
    start = f"{GROUP}/"
    numbers = {name.removeprefix(start): item for name, item in stored.items() if name.startswith(start)}
    return [numbers[str(k)] for k in range(len(numbers)) if str(k) in numbers]


def legacy_state(path: str, stored) -> list:
    """Returns the Stored arrays of the optimizer in an `.h5` file, in order."""
    if LEGACY_GROUP not in stored.groups:
        return []
    names = [f"{LEGACY_GROUP}/{name}" for name in stored.texts(LEGACY_GROUP, "weight_names") or ()]
    missing = next((name for name in names if name not in stored), None)
    if missing is not None:
        raise load_error(f"'{path}' lists '{missing}' and has no such array.")
    return [stored[name] for name in names]


def restore(path: str, model, items: list, strict: bool = False) -> None:
    """Reads the state into the optimizer of a model that was compiled just now.

    Like Keras it starts afresh, with a warning, where the state is that of other weights; a file that
    Keras wrote before training has the numbers alone.

    Args:
        path: of the file, for messages.
        model: compiled and built.
        items: the Stored arrays; none leave the optimizer as it is.
        strict: whether a state that doesn't fit is an error.
    """
    if not items or model._engine is None:
        return None
    optimizer, order = model.optimizer, _order(model)
    wanted = state.listing(optimizer, parameters=order)
    numbers = [array for name, array in wanted[:2] if name.endswith(("/iteration", "/learning_rate"))]
    if len(items) == len(numbers) < len(wanted):  # Keras 3, before training
        items = [*items, *(array for _, array in wanted[len(numbers) :])]
    elif len(items) == len(wanted) - 1 and len(numbers) == 2:  # Keras 2: the rate stands with the arguments
        items = [items[0], numbers[1], *items[1:]]
    elif len(items) == len(wanted) - 2 and "u_product" in optimizer.extras:  # and Nadam's product is left out
        items = [items[0], numbers[1], *items[1:], _product(optimizer, int(items[0].read()))]
    singles = [item for item in items[2:] if item.shape == ()]
    if len(singles) == len(optimizer.extras):  # Keras 3.0 had them before the slots
        items = [*items[:2], *(item for item in items[2:] if item.shape), *singles]
    shapes = [item.shape for item in items]
    if shapes != [tuple(array.shape) for _, array in wanted]:
        return _differs(path, optimizer, f"{len(items)} arrays for {len(wanted)}", strict)
    arrays = [item.read() if hasattr(item, "read") else item for item in items]
    try:
        state.load(optimizer, arrays, order)
    except LoadError as problem:
        return _differs(path, optimizer, str(problem), strict)
    return None


def _product(optimizer, steps):
    """Returns what Nadam's product is after a number of steps; past 2,000 it no longer changes float32."""
    product = 1.0
    for step in range(1, min(steps, 2000) + 1):
        product *= optimizer.beta_1 * (1 - 0.5 * 0.96**step)
    return np.array(product, "float32")


def _differs(path, optimizer, what, strict):
    text = f"'{path}': the state of {type(optimizer).__name__} isn't that of this model ({what})"
    if strict:
        raise load_error(f"{text}.")
    warnings.warn(shorten(f"{text}; the optimizer starts afresh."), stacklevel=5)
