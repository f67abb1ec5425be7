"""clone_model: the same graph again, with new layers and fresh weights."""

from kerasette.errors import type_error, value_error
from kerasette.graph import SymbolicTensor
from kerasette.layers import Input, InputLayer, Layer
from kerasette.models import Model, Sequential
from kerasette.saving.config import too_deep


def clone_model(
    model: Model, input_tensors=None, clone_function=None, call_function=None, recursive: bool = False
):
    """Returns a model of the same structure with layers and weights of its own.

    Args:
        model: Model or Sequential.
        input_tensors: symbolic tensors to build on instead of new inputs: one, or a list of them.
        clone_function: called with each layer (but inputs), returns the one to use in the copy.
        call_function: called with (layer, *inputs, **keywords) instead of the layer itself.
        recursive: whether `clone_function` is also called for the layers of inner models, instead of
            for the inner models.

    Raises:
        InvalidType: where an argument is of the wrong kind, or `clone_function` returns no layer.
        InvalidValue: where the number of input tensors differs, or models are nested in one another deeper
            than Python follows.
    """
    if not isinstance(model, Model):
        raise type_error(f"clone_model: model must be a Model or Sequential, got {type(model).__name__}.")
    make = _maker(clone_function, call_function, recursive)
    given = _given(model, input_tensors)
    clone = _clone_chain if isinstance(model, Sequential) else _clone_graph
    try:
        return clone(model, given, make, call_function)
    except RecursionError:
        raise too_deep("clone_model") from None


def _maker(clone_function, call_function, recursive):
    """Returns the function that copies one layer."""

    def make(layer):
        if isinstance(layer, Model) and recursive:
            return clone_model(layer, None, clone_function, call_function, recursive)
        if isinstance(layer, Model) and clone_function is None:
            return clone_model(layer)
        if clone_function is None or not isinstance(layer, Layer):
            return type(layer).from_config(layer.get_config())
        copy = clone_function(layer)
        if not isinstance(copy, Layer):
            raise type_error(
                f"clone_model: clone_function returned a {type(copy).__name__} for '{layer.name}'."
            )
        return copy

    return make


def _given(model, tensors):
    if tensors is None:
        return None
    tensors = list(tensors) if isinstance(tensors, (list, tuple)) else [tensors]
    if not all(isinstance(tensor, SymbolicTensor) for tensor in tensors):
        raise type_error(
            "clone_model: input_tensors are symbolic tensors, made by Input or by calling layers."
        )
    wanted = 1 if isinstance(model, Sequential) else len(model.inputs)
    if len(tensors) != wanted:
        raise value_error(
            f"clone_model: {model.name} has {wanted} input(s), got {len(tensors)} input_tensors."
        )
    return tensors


def _new_input(tensor):
    """Returns a new input like `tensor`, under the name that data is given by."""
    return Input(tensor.shape[1:], tensor.shape[0], tensor.dtype, name=tensor.operation.name)


def _class_of(model, base):
    """Returns the model's own class where that is made as `base` is."""
    return type(model) if type(model).__init__ is base.__init__ else base


def _clone_chain(model, given, make, call_function):
    source = given[0] if given else _new_input(model.inputs[0]) if model.built else None
    layers = [make(layer) for layer in model.layers]
    if source is not None and (call_function or not isinstance(source.operation, InputLayer)):
        tensor = source
        for layer in layers:
            tensor = call_function(layer, tensor) if call_function else layer(tensor)
        copy = Model(source, tensor, name=model.name)
    else:
        copy = _class_of(model, Sequential)([] if source is None else [source], name=model.name)
        for layer in layers:
            copy.add(layer)
    copy._trainable = model.trainable
    return copy


def _clone_graph(model, given, make, call_function):
    graph = model.graph
    inputs = given or [_new_input(tensor) for tensor in graph.inputs]
    tensors = {id(old): new for old, new in zip(graph.inputs, inputs, strict=True)}
    copies = {}
    for node in graph.nodes:
        if id(node.outputs[0]) in tensors:
            continue
        operation = node.operation
        copy = copies.get(operation)
        if copy is None:
            copy = copies[operation] = make(operation)
        sources = [tensors[id(tensor)] for tensor in node.positional]
        keywords = {name: _replaced(value, tensors) for name, value in node.keywords.items()}
        results = _call(copy, sources, keywords, call_function)
        tensors.update((id(old), new) for old, new in zip(node.outputs, results, strict=True))
    outputs = [tensors[id(tensor)] for tensor in graph.outputs]
    cls = _class_of(model, Model)
    copy = cls(_as(model._input_structure, inputs), _as(model._output_structure, outputs), name=model.name)
    copy._trainable = model.trainable
    return copy


def _call(copy, inputs, keywords, call_function):
    if not isinstance(copy, Layer):
        result = copy.symbolic_call(inputs, keywords)
    elif call_function is not None:
        result = call_function(copy, *inputs, **keywords)
    else:
        result = copy(inputs if len(inputs) > 1 else inputs[0], **keywords)
    return result if isinstance(result, tuple) else (result,)


def _replaced(value, tensors):
    """Returns a keyword's value with the tensors of the copy."""
    if isinstance(value, (list, tuple)):
        return [_replaced(item, tensors) for item in value]
    return tensors[id(value)] if isinstance(value, SymbolicTensor) else value


def _as(structure, tensors):
    kind, names = structure
    if kind == "one":
        return tensors[0]
    return dict(zip(names, tensors, strict=True)) if kind == "dict" else tensors
