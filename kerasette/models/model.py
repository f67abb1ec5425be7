"""Model: a graph of layers with names, weights and configuration. Training is in training.py."""

from kerasette.backend import module, xp_of
from kerasette.engine.unfolding import unfold
from kerasette.errors import hint, type_error, value_error
from kerasette.graph import Graph, SymbolicTensor
from kerasette.layers.base import Layer, as_tensor, auto_name
from kerasette.models.training import Trainer
from kerasette.params import lay_out
from kerasette.registry import register

# What Keras's models may override. Nothing here would call it, so a subclass that does is refused.
_HOOKS = (
    "call",
    "train_step",
    "test_step",
    "predict_step",
    "compute_loss",
    "compute_metrics",
    "get_metrics_result",
    "make_train_function",
    "make_test_function",
    "make_predict_function",
)


def _upper_floor(name):
    """Returns a module that wraps models: the one way up, taken only when it is asked for."""
    if name == "saving":
        from kerasette import saving  # lazy

        return saving
    from kerasette import plotting  # lazy

    return plotting


@register("layer", "Functional")
class Model(Trainer, Layer):
    """The layers between some inputs and some outputs.

    Args:
        inputs: a tensor made by `Input`, an uncalled layer that knows its input, or a list or dict of them.
        outputs: a tensor, or a list or dict of them.
        name: of the model.
        trainable: whether training may change its parameters.

    Raises:
        InvalidValue: where the graph is disconnected, an input is unused, or two layers share a name.

    >>> from kerasette.layers import Dense, Input
    >>> x = Input((4,))
    >>> model = Model(x, Dense(3, activation="softmax")(Dense(8, activation="tanh")(x)))
    >>> model.count_params()
    67
    """

    kind = "layer"
    written_as = "keras.src.models.functional", "Functional"
    inputs_wanted = None

    def __init_subclass__(cls, **keywords):
        super().__init_subclass__(**keywords)
        for hook in _HOOKS:
            if hasattr(cls, hook):
                raise type_error(
                    f"{cls.__name__} defines {hook}(), which no method of a model would ever call.",
                    "Describe a model by calling layers; for training of your own write a loss, a metric, "
                    "a callback, or a loop over train_on_batch().",
                )

    def __init__(self, inputs=None, outputs=None, name: str | None = None, trainable: bool = True):
        if inputs is None or outputs is None:
            raise type_error(
                f"{type(self).__name__} needs inputs and outputs: Model(x, layer(x)).",
                "Models that are written as a class with call() are not supported.",
            )
        super().__init__(name=auto_name("functional") if name is None else name, trainable=True)
        self._trainer_state()
        self._describe(inputs, outputs)
        if not trainable:
            self.trainable = False

    def _describe(self, inputs, outputs):
        self._input_structure, tensors = _flatten(inputs, "inputs")
        self._output_structure, results = _flatten(outputs, "outputs")
        tensors, results = (
            [_brought_input(value) for value in tensors],
            [as_tensor(value) for value in results],
        )
        _check_symbolic((*tensors, *results))
        self.graph = Graph(tensors, results)
        self._check_graph()
        self.layers = [operation for operation in self.graph.operations if isinstance(operation, Layer)]
        self.input_names = self._input_structure[1] or [t.operation.name for t in self.graph.inputs]
        self.output_names = _output_names(self._output_structure, self.graph.outputs)
        lay_out(self.parameters)
        self.built = True

    def _check_graph(self):
        if len({id(tensor) for tensor in self.graph.inputs}) < len(self.graph.inputs):
            raise value_error("Model: one tensor stands twice among the inputs.")
        unused = self.graph.unused_inputs()
        if unused:
            raise value_error(
                f"Model: no output depends on the input '{unused[0].name}'.",
                "Leave it out, or use it in the graph.",
            )
        seen = {}
        for operation in self.graph.operations:
            if seen.setdefault(operation.name, operation) is not operation:
                raise value_error(
                    f"Model: two layers are called '{operation.name}'"
                    f" ({type(seen[operation.name]).__name__} and {type(operation).__name__}).",
                    "Give each layer a name of its own.",
                )

    # ------------------------------------------------------------ what it is made of

    def _described(self):
        """Returns the graph; a model that has none yet raises."""
        return self.graph

    inputs = property(lambda self: list(self._described().inputs))
    outputs = property(lambda self: list(self._described().outputs))
    input = property(lambda self: _alone(self.inputs), doc="The input tensor, or the list of them.")
    output = property(lambda self: _alone(self.outputs), doc="The output tensor, or the list of them.")
    input_shape = property(lambda self: _alone([tensor.shape for tensor in self.inputs]))

    @input_shape.setter
    def input_shape(self, value):
        """A model's input shape follows from its inputs; Layer sets None here."""

    @property
    def parameters(self):
        """All parameters of all layers, each once, in Keras's order."""
        return list(dict.fromkeys(parameter for layer in self._leaves() for parameter in layer.parameters))

    @property
    def trainable_weights(self):
        """The parameters that training may change."""
        if not self.trainable:
            return []
        return list(dict.fromkeys(p for layer in self._leaves() for p in layer.trainable_weights))

    @property
    def non_trainable_weights(self):
        """The parameters that training leaves alone."""
        trained = set(self.trainable_weights)
        return [parameter for parameter in self.parameters if parameter not in trained]

    @property
    def trainable(self) -> bool:
        """Whether training may change the parameters; setting it sets it on every layer."""
        return self._trainable

    @trainable.setter
    def trainable(self, value):
        for layer in self._within():
            if isinstance(layer, Model):
                layer._trainable = bool(value)
            else:
                layer.trainable = value

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Returns the layer called `name`, or the one at `index` of `layers`.

        Raises:
            InvalidValue: where there is none.
        """
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise value_error(
                    f"{self.name} has {len(self.layers)} layers; there is none at index {index}."
                )
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise value_error(
            f"{self.name} has no layer '{name}'.", hint(name, [layer.name for layer in self.layers])
        )

    # ------------------------------------------------------------ as a layer

    @property
    def output_shape(self):
        """The shape of the output, the batch included; a list of shapes for several outputs."""
        shapes = [tensor.shape for tensor in self.graph.outputs]
        return shapes[0] if len(shapes) == 1 else shapes

    def shape_of_result(self, *input_shapes):
        """Returns the shape of one sample of the output (a tuple of shapes for several outputs)."""
        tensors = self.graph.outputs
        if list(input_shapes) == [tensor.shape[1:] for tensor in self.graph.inputs]:
            result = tuple(tensor.shape[1:] for tensor in tensors)
        else:
            shapes = unfold(self.graph, input_shapes, lambda node, given, _: node.output_shapes(given))
            result = tuple(shapes[id(tensor)] for tensor in tensors)
        return result[0] if len(result) == 1 else result

    def _check_inputs(self, shapes):
        wanted = [tensor.shape[1:] for tensor in self.graph.inputs]
        if len(shapes) != len(wanted):
            raise value_error(f"{self.name} takes {len(wanted)} input(s), got {len(shapes)}.")
        for tensor, have, want in zip(self.graph.inputs, shapes, wanted, strict=True):
            if len(have) != len(want) or any(w not in (None, h) for h, w in zip(have, want, strict=True)):
                raise value_error(
                    f"{self.name}: the input '{tensor.name}' needs the shape {(None, *want)},",
                    f"got {(None, *have)}.",
                )

    def __call__(self, *inputs, **keywords):
        """Applies the model; see `Layer.__call__`. Inputs may also come as one dict by name."""
        if len(inputs) == 1 and isinstance(inputs[0], dict):
            inputs = _by_name(self, inputs[0])
        return super().__call__(*inputs, **keywords)

    def _call_now(self, inputs, training, named=None, options=None):
        xp = self._xp()
        xs = [self._as_input(xp, value) for value in inputs]
        self._check_inputs([x.shape[1:] for x in xs])
        training = self.trains_by_default if training is None else bool(training)
        return self._structured(self._compute(xs, training))

    @property
    def trains_by_default(self) -> bool:
        """Whether all layers that know a training mode are such that change data: then calls show that."""
        moody = [one for one in self._leaves() if one.draw is not None or one.couples_batch or one.gathers]
        return bool(moody) and all(layer.trains_by_default for layer in moody)

    def _within(self):
        """Returns this model and all layers and models in it, each once, in order."""
        found, waiting = {}, [self]
        while waiting:
            layer = waiting.pop()
            if layer not in found:
                found[layer] = None
                waiting.extend(reversed(layer.layers) if isinstance(layer, Model) else ())
        return list(found)

    def _leaves(self):
        """Returns all layers once, those of nested models in place of these."""
        if not any(isinstance(layer, Model) for layer in self.layers):
            return self.layers
        return [layer for layer in self._within() if not isinstance(layer, Model)]

    def _xp(self):
        return xp_of(self.parameters[0].value) if self.parameters else module()

    def _structured(self, results):
        """Returns a list of outputs in the form that the model was described with."""
        kind, names = self._output_structure
        if kind == "dict":
            return dict(zip(names, results, strict=True))
        return results[0] if len(results) == 1 else results  # as Keras, where one output was given in a list

    # ------------------------------------------------------------ what stands on the floors above

    def summary(
        self,
        line_length=None,
        positions=None,
        print_fn=None,
        expand_nested=False,
        show_trainable=False,
        layer_range=None,
    ):
        """Prints a table of the layers: names, types, output shapes, numbers of parameters."""
        _upper_floor("plotting").summary(
            self, line_length, positions, print_fn, expand_nested, show_trainable, layer_range
        )

    def save(self, filepath, overwrite: bool = True, *, include_optimizer: bool = True, sample=None) -> None:
        """Writes the whole model to a `.keras` or `.h5` file that Keras reads too. See saving.save_model."""
        _upper_floor("saving").save_model(
            self, filepath, overwrite, include_optimizer=include_optimizer, sample=sample
        )

    def save_weights(self, filepath, overwrite: bool = True) -> None:
        """Writes all weights to a `.weights.h5` file that Keras reads too; whole or not at all."""
        _upper_floor("saving").save_weights(self, filepath, overwrite=overwrite)

    def load_weights(self, filepath, skip_mismatch: bool = False, by_name: bool = False) -> None:
        """Reads the weights of a file, Keras's own included; all or none. See saving.load_weights."""
        _upper_floor("saving").load_weights(self, filepath, skip_mismatch=skip_mismatch, by_name=by_name)

    def save_run(self, filepath) -> None:
        """Writes the state of the fit that is running, for callbacks; whole or not at all."""
        _upper_floor("saving").save_run(self._run, filepath)

    def resume_run(self, filepath) -> int:
        """Goes on where the run in the file was, for callbacks' on_train_begin; returns the next epoch."""
        return _upper_floor("saving").load_run(self._run, filepath)

    def get_config(self) -> dict:
        """Returns the configuration of the graph and its layers: plain values, as Keras writes them."""
        return _upper_floor("saving").model_config(self)

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None):
        """Returns a new model made from `get_config()`'s dictionary."""
        return _upper_floor("saving").model_from_config(config, custom_objects, cls)

    def to_json(self, **keywords) -> str:
        """Returns the architecture as JSON text; `keywords` go to json.dumps."""
        return _upper_floor("saving").model_to_json(self, **keywords)

    def _repr_html_(self):
        return _upper_floor("plotting").model_html(self)

    def __repr__(self):
        return f"<{type(self).__name__} name={self.name}, layers={len(self.layers)}>"


def _flatten(value, what):
    """Returns ((kind, names), list of tensors) of a tensor, a list or a dict."""
    if isinstance(value, dict):
        return ("dict", list(value)), list(value.values())
    if isinstance(value, (list, tuple)):
        if not value:
            raise value_error(f"Model: {what} is empty.")
        return ("list", None), list(value)
    return ("one", None), [value]


def _brought_input(value):
    """Returns the input tensor, also of a layer that stands for its own input."""
    if isinstance(value, Layer):
        tensor = value.as_tensor()
        return tensor.node.inputs[0]
    return value


def _by_name(model, values):
    """Returns the inputs of a model in its order, given a dict of them."""
    names = model.input_names
    for name in values:
        if name not in names:
            raise value_error(f"{model.name} has no input called '{name}'.", hint(name, names))
    missing = [name for name in names if name not in values]
    if missing:
        raise value_error(
            f"{model.name} needs the input '{missing[0]}', got only {', '.join(map(repr, values)) or 'none'}."
        )
    return [values[name] for name in names]


def _check_symbolic(tensors):
    for tensor in tensors:
        if not isinstance(tensor, SymbolicTensor):
            raise type_error(
                f"Model: inputs and outputs are symbolic tensors, got {type(tensor).__name__}.",
                "Make inputs with Input(shape) and outputs by calling layers.",
            )


def _output_names(structure, tensors):
    if structure[0] == "dict":
        return structure[1]
    names, counts = [], {}
    for tensor in tensors:
        base = tensor.operation.name
        count = counts.get(base, 0)
        counts[base] = count + 1
        names.append(f"{base}_{count}" if count else base)
    return names


def _alone(values):
    return values[0] if len(values) == 1 else values
