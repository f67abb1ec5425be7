"""What some versions of Keras wrote or computed otherwise, so that a file may not be what it seems."""

FORGOT = "3.2."  # wrote each call of a shared layer as the first one
OTHER_SIGMOID = ("2.", "1.")  # whose hard_sigmoid is another function than Keras 3's


def otherwise(version: str, entry: dict) -> list[str]:
    """Returns what has to be said about a model of this version of Keras, as ends of sentences.

    Args:
        version: of the Keras that wrote the file.
        entry: of the model, as it stands in the file.
    """
    found = []
    if version.startswith(FORGOT) and (names := _forgotten(entry)):
        found.append(f"which forgot later calls of {', '.join(names[:8])}: its graph may be another one")
    if version.startswith(OTHER_SIGMOID) and "hard_sigmoid" in _values(entry):
        found.append(
            "whose hard_sigmoid was 0.2 x + 0.5 between 0 and 1; here it is x / 6 + 0.5 as in Keras 3, "
            "so outputs differ"
        )
    return found


def _values(entry):
    """Yields all texts in an entry."""
    stack = [entry]
    while stack:
        value = stack.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, (dict, list)):
            stack += value.values() if isinstance(value, dict) else value


def _forgotten(entry):
    """Returns the names of layers that are called several times, and only the first call is used."""
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
    stack = [*(layer.get("inbound_nodes") for layer in layers), config.get("output_layers")]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            stack += value.values()
        elif isinstance(value, list) and len(value) == 3 and isinstance(value[0], str):
            yield value[0], value[1]
        elif isinstance(value, list):
            stack += value
