"""Where each parameter stands in the `.h5` files of older Keras: by the layers' names, in listed order.

<root>: layer_names = [a, b ...]          <root> is "model_weights" in files of whole models
<root>/a: weight_names = [n1, n2 ...]
<root>/a/n1                               an array; n1 may have slashes of its own
"""

from kerasette.layers import Layer
from kerasette.models import Model
from kerasette.params import Parameter
from kerasette.saving.faults import load_error
from kerasette.saving.layout import mismatch

ROOT = "model_weights"
TOP = "top_level_model_weights"
NAMES = "weight_names"


def listed(path: str, stored) -> list[tuple[str, list[str]]] | None:
    """Returns [(layer's name, paths of its arrays)], or None where the file is one of Keras 3's own layout.

    Args:
        path: of the file, for messages.
        stored: its hdf5.Contents.
    """
    root = ROOT if ROOT in stored.groups else ""
    names = stored.texts(root, "layer_names")
    if names is None:
        return None
    start = f"{root}/" if root else ""
    found = []
    for name in names:
        group = start + name
        if group not in stored.groups:
            raise load_error(f"'{path}' lists the layer '{name}' and has no such group.")
        arrays = [f"{group}/{weight}" for weight in stored.texts(group, NAMES) or ()]
        missing = next((array for array in arrays if array not in stored), None)
        if missing is not None:
            raise load_error(f"'{path}' lists '{missing}' and has no such array.")
        found.append((name, arrays))
    return found


def weights_of(layer: Layer) -> list[Parameter]:
    """Returns a layer's parameters in the order of these files: those that training may change now first."""
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def match(model: Model, stored, layers: list, by_name: bool = False) -> tuple[list, list[str]]:
    """Returns [(Parameter, Stored)] of the layers that fit, and a line about everything else.

    Args:
        model: whose weights are wanted.
        stored: the file's hdf5.Contents.
        layers: what `listed` returned.
        by_name: matches layers by their names, and lets those that have none in the file be.
    """
    pairs = _by_name(model, layers) if by_name else _in_order(model, layers)
    fitting, problems = [], []
    for layer, name, arrays in pairs:
        if layer is None:
            problems.append(f"layer '{name}': {len(arrays)} weights / no such layer")
            continue
        weights = weights_of(layer)
        wrong = (
            []
            if len(arrays) == len(weights)
            else [f"layer '{layer.name}': {len(arrays)} weights / {len(weights)}"]
        )
        both = [(one, stored[array]) for one, array in zip(weights, arrays, strict=False)]
        wrong = wrong or [line for pair in both for line in mismatch(*pair)]
        problems += wrong
        fitting += [] if wrong else both
    return fitting, problems


def _in_order(model, layers):
    """Returns [(layer or None, name in the file, arrays)] of the layers with weights, in order."""
    wanted = [layer for layer in model.layers if layer.parameters]
    there = [entry for entry in layers if entry[1]]
    pairs = [(layer, *entry) for layer, entry in zip(wanted, there, strict=False)]
    pairs += [(None, *entry) for entry in there[len(wanted) :]]
    return pairs + [(layer, layer.name, []) for layer in wanted[len(there) :]]


def _by_name(model, layers):
    names = {layer.name: layer for layer in model.layers}
    return [(names[name], name, arrays) for name, arrays in layers if name in names]


def arrays_of(model: Model, value) -> tuple[dict, dict]:
    """Returns {path: array} and {group: attributes} of a model's weights as Keras 3 writes them.

    Args:
        model: a built model.
        value: function from a Parameter to the array to write.
    """
    arrays, texts = {}, {ROOT: {"layer_names": [layer.name for layer in model.layers]}}
    for layer in model.layers:
        group, weights = f"{ROOT}/{layer.name}", weights_of(layer)
        names = _distinct([f"{layer.name}/{_short(layer, one)}" for one in weights])
        texts[group] = {NAMES: names}
        arrays.update((f"{group}/{name}", value(one)) for name, one in zip(names, weights, strict=True))
    texts[f"{ROOT}/{TOP}"] = {NAMES: []}
    return arrays, texts


def _short(layer, parameter):
    return parameter.name if parameter.layer_name == layer.name else parameter.path


def _distinct(names):
    """Returns the names with a number behind those that stand there before."""
    found = {}
    for name in names:
        own, count = name, 0
        while own in found:
            count += 1
            own = f"{name}_{count}"
        found[own] = None
    return list(found)
