"""What a model is made of, as plain data in Keras 3's form, and as JSON text."""

import json
import math

from kerasette import registry
from kerasette.errors import KerasetteError, LoadError, value_error
from kerasette.graph import SymbolicTensor
from kerasette.layers import InputLayer, Layer
from kerasette.models import Model, Sequential
from kerasette.ops.base import encode
from kerasette.ops.shaping import Concatenate
from kerasette.saving import rebuilding
from kerasette.saving.faults import load_error
from kerasette.saving.guard import DEEPEST, MOST, check_depth, guarded
from kerasette.saving.layers_missing import refuse_missing
from kerasette.saving.legacy_config import modern
from kerasette.saving.rebuilding import OPERATIONS, TENSOR

LARGEST_TEXT = 16 << 20  # bytes of JSON
_OWN = "kerasette."  # where the classes live that Keras has under the same names


def model_config(model: Model) -> dict:
    """Returns the configuration of a model's graph and layers: plain values, without weights.

    Args:
        model: Model or Sequential; a Sequential need not be built.

    Raises:
        InvalidType: where a layer has an argument that no file can hold.
        InvalidValue: where models are nested in one another deeper than Python follows.
    """
    config = {"name": model.name, "trainable": model.trainable}
    try:
        return {**config, **(_chain(model) if isinstance(model, Sequential) else _graph(model))}
    except RecursionError:
        raise too_deep("get_config") from None


def too_deep(who: str):
    """Returns the InvalidValue for models that are nested too deep in one another for `who`."""
    return value_error(
        f"{who}: the model has models in models, too many floors of them for a configuration.",
        "Call inner layers directly, or save its weights alone with save_weights().",
    )


def model_from_config(config: dict, custom_objects: dict | None = None, cls: type = Model) -> Model:
    """Returns a new model (with fresh weights) made from what `model_config` returned, or Keras's get_config.

    Args:
        config: the dictionary.
        custom_objects: name -> class or function, for what kerasette doesn't know by itself.
        cls: Model, Sequential or a subclass with the same constructor.

    Raises:
        LoadError: where the configuration names an unknown class, has an unknown key, asks for too
            many parameters (see `parameter_limit`) or doesn't fit together.
    """
    with guarded(custom_objects):
        check_depth(config)
        entry = modern({"class_name": cls.__name__, "config": config})
        return rebuilding.model(entry["config"], cls)


def model_to_json(model: Model, **keywords) -> str:
    """Returns the architecture as JSON text; Keras reads it where it has all the layers.

    Args:
        model: Model or Sequential.
        keywords: for json.dumps, e.g. indent=2.
    """
    try:
        return json.dumps(entry_of(model), allow_nan=False, **keywords)
    except RecursionError:
        raise too_deep("to_json") from None
    except KerasetteError:
        raise
    except ValueError as problem:
        raise value_error(f"{model.name} can't be written as JSON: {problem}.") from problem


def model_from_json(json_string: str, custom_objects: dict | None = None) -> Model:
    """Returns a new model (with fresh weights) made from the text of `to_json`, ours or Keras's.

    Args:
        json_string: at most 16 MiB.
        custom_objects: name -> class or function, for what kerasette doesn't know by itself.

    Raises:
        LoadError: where the text is no JSON, or too large, too deep, ambiguous; and as
            `model_from_config`.
    """
    entry = parse(json_string)
    with guarded(custom_objects):
        entry = modern(entry)
        refuse_missing(entry)
        model = rebuilding.layer(entry)
        if not isinstance(model, Model):
            raise load_error(f"The text describes a {type(model).__name__}, not a Model or Sequential.")
        return model


def parse(text: str | bytes) -> dict:
    """Returns the object that a JSON text describes; refuses duplicate keys, NaN, great depth and size.

    >>> parse('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    kerasette.errors.LoadError: The configuration has the key 'a' twice in one object.
    """
    if not isinstance(text, (str, bytes)):
        raise load_error(f"The configuration is no JSON text, but a {type(text).__name__}.")
    if len(text) > LARGEST_TEXT:
        raise load_error(f"The configuration has {len(text):,} characters; {LARGEST_TEXT:,} are allowed.")
    try:
        text = text.decode("utf-8") if isinstance(text, bytes) else text
        if sum(map(text.count, "[{,")) > MOST:
            raise load_error(f"The configuration has more than {MOST:,} values.")
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refused, parse_float=_finite)
    except RecursionError:
        raise load_error(f"The configuration is nested more than {DEEPEST} deep.") from None
    except LoadError:
        raise
    except ValueError as problem:
        raise load_error(f"The configuration is no JSON: {problem}.") from problem
    check_depth(value)
    if not isinstance(value, dict):
        raise load_error(f"The configuration is a {type(value).__name__}; a model's is an object.")
    return value


def _unique(pairs):
    found = dict(pairs)
    if len(found) < len(pairs):
        seen = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))
        raise load_error(f"The configuration has the key '{twice}' twice in one object.")
    return found


def _finite(digits):
    number = float(digits)
    if math.isinf(number):
        raise load_error(f"The configuration holds the number {digits}, which is too large.")
    return number


def _refused(name):
    raise load_error(f"The configuration holds the number {name}, which isn't allowed.")


# ---------------------------------------------------------------- layers


def entry_of(layer) -> dict:
    """Returns what Keras writes for one layer or model: module, class, config, registered name."""
    cls = type(layer)
    module, name, registered = "keras.layers", cls.__name__, registry.registered_name(cls)
    if registered is not None:
        module = None
    elif cls is Model:
        module, name, registered = "keras.src.models.functional", "Functional", "Functional"
    elif cls is Sequential:
        module = "keras"
    elif not cls.__module__.startswith(_OWN):
        module, registered = cls.__module__, name
    entry = {"module": module, "class_name": name, "config": _config(layer), "registered_name": registered}
    shapes = _built_for(layer)
    return {**entry, "build_config": shapes} if shapes else entry


def _config(layer):
    if isinstance(layer, InputLayer):
        return _input_config(layer.name, (layer.batch_size, *layer.shape), layer.dtype)
    config = layer.get_config()
    if not isinstance(layer, Model):
        policy = {"name": layer.dtype}
        config["dtype"] = {
            "module": "keras",
            "class_name": "DTypePolicy",
            "config": policy,
            "registered_name": None,
        }
    return config


def _input_config(name, batch_shape, dtype):
    plain = {"sparse": False, "ragged": False, "optional": False}
    return {"batch_shape": list(batch_shape), "dtype": dtype, "name": name, **plain}


def _built_for(layer):
    """Returns Keras's note of the shapes that the parameters of a plain layer were made for, or None."""
    if isinstance(layer, Model) or not layer.parameters or not layer._nodes:
        return None
    shapes = [list(tensor.shape) for tensor in layer._nodes[0].positional]
    if layer.inputs_apart:
        names = ("query_shape", "value_shape", "key_shape")
        return {"shapes_dict": dict(zip(names, shapes, strict=False))}
    return {"input_shape": shapes[0] if len(shapes) == 1 else shapes}


# ---------------------------------------------------------------- models


def _chain(model):
    layers = [entry_of(layer) for layer in model.layers]
    if not model.built:
        return {"layers": layers}
    source = model.inputs[0]
    inputs = _input_config(source.operation.name, source.shape, source.dtype)
    first = {"module": "keras.layers", "class_name": "InputLayer", "config": inputs, "registered_name": None}
    return {"layers": [first, *layers], "build_input_shape": list(source.shape)}


def _graph(model):
    graph = model.graph
    places, calls = _places(graph)
    entries = []
    for tensor in graph.inputs:
        if tensor.node.inputs:  # the model begins behind a layer of a larger graph
            entries.append(_input_entry(places[id(tensor)][0], tensor))
    for operation in graph.operations:
        nodes = calls[operation]
        if isinstance(operation, InputLayer):
            entries.append(_input_entry(operation.name, nodes[0].outputs[0]))
            continue
        entry = entry_of(operation) if isinstance(operation, Layer) else _operation_entry(operation)
        inbound = [_call(operation, node, places) for node in nodes]
        entries.append({**entry, "name": operation.name, "inbound_nodes": inbound})
    return {
        "layers": entries,
        "input_layers": _structured(model._input_structure, graph.inputs, places),
        "output_layers": _structured(model._output_structure, graph.outputs, places),
    }


def _places(graph):
    """Returns {id(tensor): [layer's name, number of the call, of the output]} and {operation: its nodes}.

    Calls are numbered within this graph, in its order, so that equal graphs get equal numbers.
    """
    calls = {}
    for node in graph.nodes:
        calls.setdefault(node.operation, []).append(node)
    places, names = {}, {operation.name for operation in calls}
    for operation, nodes in calls.items():
        for number, node in enumerate(nodes):
            places.update((id(tensor), [operation.name, number, tensor.index]) for tensor in node.outputs)
    for tensor in graph.inputs:
        if tensor.node.inputs:
            name = tensor.operation.name
            while name in names:
                name += "_input"
            names.add(name)
            places[id(tensor)] = [name, 0, 0]
    return places, calls


def _input_entry(name, tensor):
    config = _input_config(name, tensor.shape, tensor.dtype)
    entry = {"module": "keras.layers", "class_name": "InputLayer", "config": config, "registered_name": None}
    return {**entry, "name": name, "inbound_nodes": []}


def _operation_entry(operation):
    config = operation.get_config()
    config.pop("constants", None)  # Keras keeps them among the arguments of the call
    name = type(operation).__name__
    module = operation.module or OPERATIONS
    return {"module": module, "class_name": name, "config": config, "registered_name": name}


def _call(operation, node, places):
    """Returns one call: its arguments, tensors by where they come from."""
    tensors = [_tensor(tensor, places) for tensor in node.positional]
    constants = getattr(operation, "constants", None)
    if isinstance(operation, Layer):
        single = len(tensors) == 1 and (operation.inputs_wanted == 1 or isinstance(operation, Model))
        arguments = tensors if single or operation.inputs_apart else [tensors]
    elif constants:
        rest = iter(tensors)
        count = len(tensors) + len(constants)
        arguments = [encode(constants[k]) if k in constants else next(rest) for k in range(count)]
    else:
        arguments = [tensors] if isinstance(operation, Concatenate) else tensors
    keywords = {name: _written(value, places) for name, value in node.keywords.items()}
    if "training" in keywords and operation.draw is not None:
        keywords["training"] = int(keywords["training"])  # see rebuilding.said_nothing
    return {"args": arguments, "kwargs": keywords}


def _written(value, places):
    """Returns a keyword's value with its tensors described."""
    if isinstance(value, (list, tuple)):
        return [_written(item, places) for item in value]
    return _tensor(value, places) if isinstance(value, SymbolicTensor) else value


def _tensor(tensor, places):
    config = {"shape": list(tensor.shape), "dtype": tensor.dtype, "keras_history": places[id(tensor)]}
    return {"class_name": TENSOR, "config": config}


def _structured(structure, tensors, places):
    kind, names = structure
    found = [places[id(tensor)] for tensor in tensors]
    if kind == "one":
        return found[0]
    return dict(zip(names, found, strict=True)) if kind == "dict" else found
