"""From a configuration to a model: each class looked up by name, each key known, each call made again."""

from kerasette import registry
from kerasette.backend import floatx
from kerasette.errors import KerasetteError, one_of, positive_int, value_error
from kerasette.graph import SymbolicTensor
from kerasette.layers import InputLayer, Layer
from kerasette.layers.base import INPUT_DTYPES
from kerasette.models import Model, Sequential
from kerasette.saving.guard import count_call

TENSOR = "__keras_tensor__"
OPERATIONS = "kerasette.ops"  # module of the operations that Keras doesn't have
_INNER = ("layer", "backward_layer", "forward_layer", "cell", "cells")  # slots of layers in layers
OPERANDS = ("query", "value", "key")  # of attention: inputs that Keras's calls may name
AXES = 32  # of an input
_ENTRY = {
    "module",
    "class_name",
    "config",
    "registered_name",
    "build_config",
    "name",
    "inbound_nodes",
    "shared_object_id",
}
_OUTERMOST = _ENTRY | {"compile_config", "keras_version", "backend"}
_GRAPH = {"name", "trainable", "dtype", "layers", "input_layers", "output_layers"}
_CHAIN = {"name", "trainable", "dtype", "layers", "build_input_shape"}
# What Keras writes for every layer of a kind and we have only in this one setting.
_NEUTRAL = {"quantization_config": None, "lora_rank": None, "lora_alpha": None, "initial": None}
_NEUTRAL_INPUT = {"sparse": False, "ragged": False, "optional": False}


def _known_keys(who, config, known):
    if not isinstance(config, dict):
        raise value_error(f"{who}: a dictionary was expected, got {type(config).__name__}.")
    extra = [key for key in config if key not in known]
    if extra:
        raise value_error(f"{who} has the unknown key '{extra[0]}'.", registry.hint(extra[0], known))


# ---------------------------------------------------------------- layers


def layer(entry: dict) -> Layer:
    """Returns the layer or model that an entry (module, class_name, config ...) describes."""
    _known_keys("The entry of a layer", entry, _OUTERMOST)
    return _made(entry, "layer", _own_arguments(entry))


def _made(entry, kind, config):
    """Returns the object of `kind`, looked up by name and made from `config`."""
    name = entry.get("class_name")
    plain = {key: entry.get(key) for key in ("module", "class_name", "registered_name")}
    plain["config"] = config
    try:
        made = registry.deserialize(plain, kind)
    except KerasetteError:
        raise
    except Exception as problem:  # what a constructor does with a value of the wrong type
        raise value_error(f"The configuration of {name} doesn't fit: {problem!r}.") from problem
    wanted = Layer if kind == "layer" else registry.Configurable
    if not isinstance(made, wanted):
        raise value_error(f"'{name}' stands where a {kind} is wanted, and is a {type(made).__name__}.")
    return made


def _own_arguments(entry):
    """Returns the constructor arguments in an entry of ours or of Keras, in our words."""
    config = entry.get("config")
    if not isinstance(config, dict):
        raise value_error(
            f"'{entry.get('class_name')}' needs a dictionary as config, got {type(config).__name__}."
        )
    config = dict(config)
    if isinstance(config.get("dtype"), dict):
        config["dtype"] = _policy(config["dtype"])
    if str(entry.get("module")).startswith("keras"):
        neutral = _NEUTRAL_INPUT if entry.get("class_name") == "InputLayer" else _NEUTRAL
        config = {key: value for key, value in config.items() if key not in neutral or value != neutral[key]}
    config.update({key: _inner(value) for key, value in config.items() if key in _INNER})
    if entry.get("class_name") == "InputLayer":
        _input_arguments(config)
    elif config.get("dtype") == floatx():
        del config["dtype"]  # the layers' own default, which a user's layer need not take
    return config


def _inner(value):
    """Returns the entry of a layer in a layer (or a list of them) with its arguments in our words."""
    if isinstance(value, list):
        return [_inner(item) for item in value]
    if (
        not isinstance(value, dict)
        or not isinstance(value.get("config"), dict)
        or "layers" in value["config"]
    ):
        return value  # nothing, or a model, which is put into our words when it is made
    return {**value, "config": _own_arguments(value)}


def _input_arguments(config):
    """Puts Keras's batch_shape into our words; the batch size and type are checked here."""
    if "batch_shape" in config:
        shape = config.pop("batch_shape")
        if not isinstance(shape, (list, tuple)) or not shape:
            raise value_error(f"InputLayer: batch_shape must be a list, got {shape!r}.")
        if len(shape) > AXES:
            raise value_error(f"InputLayer: batch_shape has {len(shape)} axes; {AXES} are allowed.")
        config["batch_size"], config["shape"] = shape[0], tuple(shape[1:])
    if config.get("batch_size") is not None:
        positive_int("InputLayer", "batch_size", config["batch_size"])
    if config.get("dtype") is not None:
        one_of("InputLayer", "dtype", config["dtype"], INPUT_DTYPES)


def _policy(dtype):
    """Returns the name of the type in a Keras dtype policy."""
    inner = dtype.get("config")
    if dtype.get("class_name") != "DTypePolicy" or not isinstance(inner, dict) or set(inner) != {"name"}:
        raise value_error(
            f"The dtype policy {dtype.get('class_name')!r} isn't provided; save the model in {floatx()}."
        )
    if str(inner["name"]).endswith("float16"):
        raise value_error(
            f"The dtype policy {inner['name']!r} isn't provided. The file's weights are {floatx()}:",
            "build the same model here and give it this file with load_weights().",
        )
    return inner["name"]


# ---------------------------------------------------------------- models


def model(config: dict, cls: type = Model) -> Model:
    """Returns the model of the class `cls` that a configuration describes, with fresh weights."""
    if issubclass(cls, Sequential):
        return _chain(config, cls)
    return _graph(config, cls)


def _finished(made, config):
    """Returns the model; each layer has its own `trainable`, so the model's must not be passed on to them."""
    trainable = config.get("trainable", True)
    if not isinstance(trainable, bool):
        raise value_error(f"{made.name}: trainable must be True or False, got {trainable!r}.")
    made._trainable = trainable
    return made


def _chain(config, cls):
    _known_keys("The configuration of a Sequential", config, _CHAIN)
    layers = [layer(entry) for entry in _list_of(config, "layers")]
    for one in layers:
        count_call(one)
    made = cls(layers, name=config.get("name"))
    shape = config.get("build_input_shape")
    if shape is not None and not made.built and layers:
        if not isinstance(shape, (list, tuple)):
            raise value_error(f"{made.name}: build_input_shape must be a list, got {shape!r}.")
        made.build(tuple(shape))
    return _finished(made, config)


def _graph(config, cls):
    _known_keys("The configuration of a Model", config, _GRAPH)
    calls = _Calls()
    for entry in _list_of(config, "layers"):
        calls.enter(entry)
    calls.run()
    inputs, outputs = (calls.structure(config.get(key), key) for key in ("input_layers", "output_layers"))
    return _finished(cls(inputs, outputs, name=config.get("name")), config)


def _list_of(config, key):
    value = config.get(key)
    if not isinstance(value, (list, tuple)):
        raise value_error(f"A model's '{key}' must be a list, got {type(value).__name__}.")
    return value


class _Calls:
    """The calls of a graph: made again as soon as what they take is there, so in any order and depth."""

    def __init__(self):
        self.operations = {}  # name -> layer or operation
        self.entries = {}  # (name, number of the call) -> what the file says about the call
        self.outputs = {}  # (name, number of the call) -> tuple of tensors

    def enter(self, entry):
        """Makes the layer of one entry and notes its calls."""
        _known_keys("The entry of a layer", entry, _OUTERMOST)
        made = operation(entry) if _is_operation(entry) else layer(entry)
        name = entry.get("name", made.name)
        if name != made.name or name in self.operations:
            raise value_error(
                f"The layer '{made.name}' stands in the file twice, or under the name {name!r}."
            )
        self.operations[name] = made
        if isinstance(made, InputLayer):
            self.outputs[name, 0] = (made.tensor(),)
            return
        for number, call in enumerate(_list_of(entry, "inbound_nodes")):
            _known_keys(f"A call of '{name}'", call, {"args", "kwargs"})
            self.entries[name, number] = call

    def run(self):
        """Makes every call."""
        waiting, ready, missing = {}, [], {}
        for key, call in self.entries.items():
            needs = {tuple(place[:2]) for place in _places_in((call.get("args"), call.get("kwargs")))}
            needs |= {(key[0], key[1] - 1)} if key[1] else set()  # calls keep their order
            missing[key] = needs = {need for need in needs if need not in self.outputs}
            for need in needs:
                waiting.setdefault(need, []).append(key)
            if not needs:
                ready.append(key)
        while ready:
            key = ready.pop()
            self._call(key)
            for other in waiting.pop(key, ()):
                missing[other].discard(key)
                if not missing[other]:
                    ready.append(other)
        stuck = next((key for key in self.entries if key not in self.outputs), None)
        if stuck is not None:
            need = sorted(missing[stuck], key=str)[0]
            raise value_error(
                f"Call {stuck[1]} of '{stuck[0]}' needs call {need[1]} of '{need[0]}', which isn't there."
            )

    def _call(self, key):
        made, call = self.operations[key[0]], self.entries[key]
        arguments, keywords = call.get("args", ()), call.get("kwargs", {})
        if not isinstance(arguments, (list, tuple)) or not isinstance(keywords, dict):
            raise value_error(f"A call of '{key[0]}' needs a list of arguments and a dictionary of keywords.")
        count_call(made)
        try:
            if isinstance(made, Layer):
                result = self._call_layer(made, arguments, keywords)
            else:
                one_list = len(arguments) == 1 and isinstance(arguments[0], (list, tuple))
                given = arguments[0] if one_list else arguments  # what is no tensor is a constant of its own
                result = made.symbolic_call([self.tensor(value) for value in given if _is_tensor(value)])
        except KerasetteError:
            raise
        except Exception as problem:
            raise value_error(f"The call of '{key[0]}' doesn't fit: {problem!r}.") from problem
        self.outputs[key] = result if isinstance(result, tuple) else (result,)

    def _call_layer(self, made, arguments, keywords):
        apart = [name for name in OPERANDS if made.inputs_apart and _is_tensor(keywords.get(name))]
        arguments = [*arguments, *(keywords[name] for name in apart)]
        keywords = {name: value for name, value in keywords.items() if name not in apart}
        known = ("training", *made.tensor_arguments, *made.call_options)
        given = {name: value for name, value in keywords.items() if not said_nothing(made, name, value)}
        for name, value in given.items():
            if name not in known:
                raise value_error(f"{made.name} can't be called with {name}={value!r}.")
        given = {name: self._keyword(made, name, value) for name, value in given.items()}
        if len(arguments) != 1:
            return made(*self._tensors(made.name, arguments), **given)
        inner = arguments[0]
        return made(self.tensor(inner) if _is_tensor(inner) else self._tensors(made.name, inner), **given)

    def _keyword(self, made, name, value):
        """Returns the value of a call's keyword: a flag or number, a tensor, or a list of tensors."""
        if isinstance(value, (bool, int, float)):
            return value
        if _is_tensor(value):
            return self.tensor(value)
        if isinstance(value, (list, tuple)) and all(_is_tensor(item) for item in value):
            return [self.tensor(item) for item in value]
        raise value_error(f"{made.name} can't be called with {name}={value!r}.")

    def _tensors(self, name, arguments):
        """Returns the symbolic tensors among a layer's arguments; None stands for one that wasn't given."""
        plain = isinstance(arguments, (list, tuple))
        if not plain or not all(value is None or _is_tensor(value) for value in arguments):
            raise value_error(f"'{name}' can't be called with {arguments!r}.")
        return [self.tensor(value) for value in arguments if value is not None]

    def tensor(self, value) -> SymbolicTensor:
        """Returns the tensor that a place (name, call, output) or its description stands for."""
        name, number, index = _place(value)
        outputs = self.outputs.get((name, number), ())
        if index >= len(outputs):
            raise value_error(
                f"The configuration names output {index} of call {number} of '{name}', which isn't there."
            )
        return outputs[index]

    def structure(self, value, key):
        """Returns the tensors of the model's inputs or outputs: one, a list or a dict of them."""
        if isinstance(value, dict):
            return {str(name): self.tensor(place) for name, place in value.items()}
        if isinstance(value, (list, tuple)) and value and isinstance(value[0], (list, tuple)):
            return [self.tensor(place) for place in value]
        if not value:
            raise value_error(f"A model's '{key}' is missing.")
        return self.tensor(value)


def _is_tensor(value):
    return isinstance(value, dict) and value.get("class_name") == TENSOR


def said_nothing(layer, name, value):
    """Tells whether a keyword stands in a file without having been given.

    That is None, the masks of inputs that have none, and the mode of random layers: Keras writes
    `training: false` for every call of a Dropout (true for layers that change images) that named no mode,
    and follows fit and predict all the same. A call that did name one stands as 0 or 1 in our files.
    """
    if name == "training" and layer.draw is not None and value is layer.trains_by_default:
        return True
    return value is None or (isinstance(value, list) and all(item is None for item in value))


def _place(value):
    """Returns (layer's name, number of the call, number of the output) of a place as files write it."""
    if isinstance(value, dict):
        inner = value.get("config")
        value = inner.get("keras_history") if isinstance(inner, dict) else None
    if not isinstance(value, (list, tuple)) or len(value) != 3 or not isinstance(value[0], str):
        raise value_error(f"A tensor's place is [layer, call, output], got {value!r}.")
    if not all(type(number) is int and number >= 0 for number in value[1:]):
        raise value_error(f"A tensor's place is [layer, call, output], got {value!r}.")
    return tuple(value)


def _places_in(value):
    """Yields the place of each tensor in nested lists and dictionaries."""
    stack = [value]
    while stack:
        value = stack.pop()
        if _is_tensor(value):
            yield _place(value)
        elif isinstance(value, (list, tuple, dict)):
            stack.extend(value.values() if isinstance(value, dict) else value)


# ---------------------------------------------------------------- operations


def _is_operation(entry):
    return str(entry.get("module")).startswith(("keras.src.ops", "keras.ops", OPERATIONS))


def operation(entry):
    """Returns the operation of an entry; the constants among its arguments become its own."""
    config = dict(_own_arguments(entry))
    calls = _list_of(entry, "inbound_nodes")
    if len(calls) != 1 or "constants" in config:
        raise value_error(
            f"The operation '{entry.get('class_name')}' needs exactly one call, got {len(calls)}."
        )
    call = calls[0] if isinstance(calls[0], dict) else {}
    arguments = call.get("args", ())
    if call.get("kwargs") or not isinstance(arguments, (list, tuple)):
        raise value_error(
            f"The operation '{entry.get('class_name')}' takes a list of arguments and no keywords."
        )
    if len(arguments) == 1 and isinstance(arguments[0], (list, tuple)):
        arguments = arguments[0]  # concatenate takes one list
    constants = [[k, _constant(v)] for k, v in enumerate(arguments) if not _is_tensor(v)]
    if constants:
        config["constants"] = constants
    return _made(entry, "operation", config)


def _constant(value):
    """Returns a constant with Keras's two words for an array made one."""
    if isinstance(value, dict) and value.get("class_name") == "__tensor__":
        return {**value, "class_name": "__numpy__"}
    return value
