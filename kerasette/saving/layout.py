"""Where each parameter stands in Keras 3's files: layers/<class>_<n>/vars/<k>, by position, never by name."""

import numpy as np

from kerasette.backend import to_numpy
from kerasette.layers import Layer
from kerasette.models import Model
from kerasette.params import Parameter
from kerasette.registry import snake_case

OLDER_ROOT = "_layer_checkpoint_dependencies"  # what TensorFlow 2.12 to 2.15 called the group "layers"
NOW, TWICE, ONCE, LATE = "now", "twice", "once", "late"  # styles of naming, see places
OWN_GROUP = "kerasette"  # what only we write, and Keras passes over
OPTIMIZER = "optimizer"
# What files hold besides the weights of layers: optimizers, metrics, states of random generators.
FOREIGN = frozenset(
    {OPTIMIZER, "metrics", "_metrics", "compile_metrics", "_compile_metrics", "seed_generator", OWN_GROUP}
)


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


def places(model: Layer, style: str = NOW) -> list[Place]:
    """Returns the place of the model and of every layer in it, nested ones included, each once.

    A layer's group is called as its class, counted within one model, as Keras does it; a shared layer
    stands where it is met first.

    Args:
        model: the model.
        style: NOW, or a way of TensorFlow 2.12 to 2.15: TWICE met every layer with weights a second time
            and counted that too, ONCE counted no layer that it had met before, LATE counted as NOW; all
            called the projections of attention by private names.
    """
    found, seen = [], set()
    stack = [iter([("", model)])]  # what is left to visit on each floor: models may be nested however deep
    while stack:
        path, layer = next(stack[-1], (None, None))
        if layer is None:
            stack.pop()
        elif id(layer) not in seen:
            seen.add(id(layer))
            is_model = isinstance(layer, Model)
            own, inner = ([], ()) if is_model else parts(layer)
            found.append(Place(path, layer.name, own))
            start = f"{path}/" if path else ""
            stack.append(_in_model(start, layer, style, seen) if is_model else _in_layer(start, inner, style))
    return found


def _in_layer(start, inner, style):
    """Yields (path, layer) of what is within a layer."""
    for name, part in inner:
        older = style != NOW and name.endswith("_dense") and not name.startswith("_")  # of attention
        yield start + ("_" if older else "") + name, part


def _in_model(start, model, style, seen):
    """Yields (path, layer) of the layers of a model, those before having been visited."""
    root = start + ("layers" if style in (NOW, LATE) else OLDER_ROOT)
    counts = {}
    for layer in model.layers:
        if style == ONCE and id(layer) in seen:
            continue
        name = getattr(layer, "saved_class", type(layer).__name__)
        base = snake_case("Functional" if type(layer) is Model else name)
        count = counts.get(base, 0)
        counts[base] = count + (2 if style == TWICE and layer.parameters else 1)
        yield f"{root}/{base}_{count}" if count else f"{root}/{base}", layer


def parts(layer: Layer) -> tuple[list[Parameter], list]:
    """Returns a layer's own parameters, and [(name of a group within its own, a Layer)].

    A layer with layers inside says so by `saved_parts()`, which returns that list, under the names of
    the attributes that Keras keeps them in.
    """
    if not hasattr(layer, "saved_parts"):
        return layer.parameters, []
    inner = layer.saved_parts()
    taken = {id(parameter) for _, part in inner for parameter in part.parameters}
    return [one for one in layer.parameters if id(one) not in taken], inner


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


def style_of(model: Layer, stored: dict) -> str:
    """Returns in which style a file names its groups; `stored` are its arrays of layers."""
    older = any(name.startswith(f"{OLDER_ROOT}/") for name in stored)
    private = any("/_query_dense/" in name for name in stored)
    for style in (TWICE, ONCE) if older else (LATE,) if private else ():
        if {name for place in places(model, style) for name, _ in place.parameters} == stored.keys():
            return style
    return ONCE if older else NOW


def of_layers(stored: dict) -> dict:
    """Returns {name: Stored} without optimizers, metrics and the like."""
    return {name: item for name, item in stored.items() if FOREIGN.isdisjoint(name.split("/"))}


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
