"""Where each parameter stands in Keras 3's weights: layers/<class>_<n>/vars/<k>, by position, never by name."""

import numpy as np

from kerasette.backend import to_numpy
from kerasette.layers import Layer
from kerasette.models import Model
from kerasette.params import Parameter
from kerasette.registry import snake_case

OLDER_ROOT = "_layer_checkpoint_dependencies"  # what TensorFlow 2.13 called the group "layers"
OWN_GROUP = "kerasette"  # what only we write, and Keras passes over
OPTIMIZER = "optimizer"
# What files hold besides the weights of layers: optimizers, metrics, states of random generators.
FOREIGN = frozenset(
    {OPTIMIZER, "metrics", "_metrics", "compile_metrics", "_compile_metrics", "seed_generator", OWN_GROUP}
)
# Layers that are one piece here and hold a cell in Keras, which is where their weights stand.
WITH_CELL = frozenset({"LSTM", "GRU", "SimpleRNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"})


class Place:
    """One group of arrays in the file.

    Attributes:
        name: what Keras's attribute "name" of the group says.
        group: path of the group.
        parameters: [(path of the array, Parameter)], in Keras's order.
    """

    __slots__ = ("group", "name", "parameters")

    def __init__(self, path, name, parameters):
        self.name = name
        self.group = f"{path}/vars" if path else "vars"
        self.parameters = [(f"{self.group}/{number}", one) for number, one in enumerate(parameters)]


def places(model: Layer) -> list[Place]:
    """Returns the place of the model and of every layer in it, nested ones included, each once.

    A layer's group is called as its class, counted within one model, as Keras does it; a shared layer
    stands where it is met first.
    """
    found, seen, stack = [], set(), [("", model)]
    while stack:
        path, layer = stack.pop()
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        own, inner = parts(layer)
        found.append(Place(path, layer.name, own))
        start = f"{path}/" if path else ""
        for name, part in reversed(inner):
            if isinstance(part, Layer):
                stack.append((start + name, part))
            else:
                found.append(Place(start + name, f"{layer.name}_{name}", part))
    return found


def parts(layer: Layer) -> tuple[list[Parameter], list]:
    """Returns a layer's own parameters, and [(name of a group within its own, a Layer or parameters)].

    A layer with layers inside says so by `saved_parts()`, which returns that list, under the names of
    the attributes that Keras keeps them in.
    """
    if isinstance(layer, Model):
        return [], _children(layer)
    if hasattr(layer, "saved_parts"):
        inner = layer.saved_parts()
        taken = {id(one) for _, part in inner for one in (part.parameters if isinstance(part, Layer) else part)}
        return [one for one in layer.parameters if id(one) not in taken], inner
    if type(layer).__name__ in WITH_CELL:
        return [], [("cell", layer.parameters)]
    return layer.parameters, []


def _children(model):
    counts, children = {}, []
    for layer in model.layers:
        base = snake_case("Functional" if type(layer) is Model else type(layer).__name__)
        count = counts.get(base, 0)
        counts[base] = count + 1
        children.append((f"layers/{base}_{count}" if count else f"layers/{base}", layer))
    return children


def is_counter(parameter: Parameter) -> bool:
    """Tells whether it is the count of Normalization: whole in Keras's files, and read by nobody."""
    return parameter.name == "count" and parameter.shape == () and not parameter.trainable


def arrays_of(found: list[Place]) -> tuple[dict, dict]:
    """Returns {path: array} (views of the parameters where they live on the host) and {group: attributes}."""
    arrays, attributes = {}, {}
    for place in found:
        attributes[place.group] = {"name": place.name}
        for name, parameter in place.parameters:
            value = to_numpy(parameter.value)
            arrays[name] = value.astype(np.int64) if is_counter(parameter) else value
    return arrays, attributes


def of_layers(stored: dict) -> dict:
    """Returns {name: Stored} without optimizers and the like, with the groups' present names."""
    stored = {name: item for name, item in stored.items() if FOREIGN.isdisjoint(name.split("/"))}
    if any(name.startswith("layers/") for name in stored):
        return stored
    return {name.replace(OLDER_ROOT, "layers"): item for name, item in stored.items()}


def mismatch(parameter, item) -> list[str]:
    """Returns one line where what the file has can't become the parameter, else none."""
    if item is None:
        return [f"{parameter.path}: missing / {parameter.shape}"]
    if item.shape != parameter.shape:
        return [f"{parameter.path}: {item.shape} / {parameter.shape}"]
    if not _castable(item.dtype, parameter):
        return [f"{parameter.path}: {item.dtype} / {parameter.dtype}"]
    return []


def _castable(dtype, parameter):
    """Tells whether numbers of the file may become the parameter's: floats to floats, whole to whole ones."""
    if is_counter(parameter):
        return True
    return dtype.kind == "f" if np.dtype(parameter.dtype).kind == "f" else dtype.kind in "iu"
