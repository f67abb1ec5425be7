"""The layers of a configuration that nothing here is called: all of them, not the first only."""

from kerasette import registry
from kerasette.layers import INSTEAD
from kerasette.saving.faults import load_error

_INNER = ("layer", "backward_layer", "forward_layer", "cell")


def missing(entry: dict) -> list[str]:
    """Returns the class names in an entry that no registered layer or operation has, each once, in order.

    Args:
        entry: of a model, in Keras 3's words.
    """
    found, stack = {}, [entry]
    while stack:
        entry = stack.pop()
        if not isinstance(entry, dict):
            continue
        name, config = entry.get("class_name"), entry.get("config")
        if isinstance(name, str) and not _is_known(entry, name):
            found[name] = None
        if not isinstance(config, dict):
            continue
        inner = [config[key] for key in _INNER if isinstance(config.get(key), dict)]
        for key in ("layers", "cells"):
            inner += config[key] if isinstance(config.get(key), list) else []
        stack.extend(reversed(inner))
    return list(found)


def _is_known(entry, name):
    names = [name, entry.get("registered_name")]
    return any(
        isinstance(one, str) and registry.is_known(kind, one)
        for kind in ("layer", "operation")
        for one in names
    )


def refuse_missing(entry: dict) -> None:
    """Raises LoadError with the names of all layers that are missing.

    One alone is left to the registry, unless it is one of Keras's that is missing on purpose.
    """
    unknown = missing(entry)
    instead = [INSTEAD[name] for name in unknown if name in INSTEAD]
    if len(unknown) > 1 or instead:
        names = f"layers: {', '.join(unknown)}" if len(unknown) > 1 else f"layer '{unknown[0]}'"
        raise load_error(
            f"Unknown {names}.",
            *dict.fromkeys(instead),
            f"Your own are handed over by custom_objects={{'{unknown[0]}': ...}}.",
        )
