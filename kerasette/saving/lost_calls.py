"""Shared layers in files of Keras 3.2, which wrote for each of their calls that it was the first one."""

VERSION = "3.2."


def lost(entry: dict) -> list[str]:
    """Returns the names of the layers that are called several times and of which only the first call is used.

    Args:
        entry: of a model, as Keras 3 writes it; models in models are looked at too.
    """
    found, stack = [], [entry]
    while stack:
        config = stack.pop().get("config")
        layers = config.get("layers") if isinstance(config, dict) else None
        layers = [layer for layer in layers if isinstance(layer, dict)] if isinstance(layers, list) else []
        numbered = {name for name, number in _calls(layers, config) if number} if layers else ()
        for layer in layers:
            nodes, name = layer.get("inbound_nodes"), str(layer.get("name"))
            if isinstance(nodes, list) and len(nodes) > 1 and name not in numbered:
                found.append(name)
        stack += layers
    return found


def _calls(layers, config):
    """Yields (layer's name, number of the call) of each tensor that a call takes or the model gives."""
    stack = [
        *(layer.get("inbound_nodes") for layer in layers),
        config.get("output_layers") if layers else None,
    ]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            stack += value.values()
        elif isinstance(value, list) and len(value) == 3 and isinstance(value[0], str):
            yield value[0], value[1]
        elif isinstance(value, list):
            stack += value
