"""Configurations that older Keras wrote, in the words of Keras 3; those of Keras 3 stay as they are.

What is named here are Keras 2's keys: `batch_input_shape`, calls as lists, `alpha`, `lr` ...
"""

from kerasette import registry
from kerasette.errors import value_error
from kerasette.saving.legacy_ops import from_lambda

TENSOR = "__keras_tensor__"
CONSTANT = "_CONSTANT_VALUE"  # stands for a number among the inputs of a call
DEEPEST = 100  # lists and objects in one another
_INNER = ("layer", "backward_layer", "forward_layer", "cell")  # slots of layers in layers
# Keys that Keras no longer has, with the values under which they meant nothing; None: whatever it is.
_DROPPED = {
    "InputLayer": {"sparse": (False,), "ragged": (False,), "type_spec": (None,), "optional": (False,)},
    "Embedding": {"input_length": None, "sparse": (False,)},
    "BatchNormalization": {
        "renorm": (False,),
        "fused": None,
        "virtual_batch_size": (None,),
        "adjustment": (None,),
        "synchronized": (False,),
        "renorm_clipping": (None,),
        "renorm_momentum": None,
    },
    "DepthwiseConv2D": {"groups": None, "filters": (None,)},
    "MultiHeadAttention": {
        "query_shape": None,
        "key_shape": None,
        "value_shape": None,
        "softmax_robust_masking": (False,),
    },
    "Attention": {"causal": (False,)},
}
_RANDOM = {"rng_type": None, "auto_vectorize": None}
_RECURRENT = {"time_major": (False,), "implementation": None, "zero_output_for_mask": None, "cell_type": None}
_CONVOLUTIONS = {"groups": (1,), "filters": (None,)}
_KERNELS = tuple(f"kernel_{what}" for what in ("initializer", "regularizer", "constraint"))
_RENAMED = {
    "LeakyReLU": {"alpha": "negative_slope"},
    "Functional": {},
    "InputLayer": {"input_dtype": "dtype"},
}
_CLASSES = {
    "Model": "Functional",
    "CuDNNLSTM": "LSTM",
    "CuDNNGRU": "GRU",
    "BatchNormalizationV1": "BatchNormalization",
}


def modern(entry: dict, unlist: bool = False) -> dict:
    """Returns the entry of a layer or model in Keras 3's words; what isn't understood stays as it is.

    Args:
        entry: of a layer or model.
        unlist: makes a list of one input or output that input or output, as all Keras before 3.6 wrote
            lists, and predict gives an array all the same. In files of Keras 2 this is always done.
    """
    if not isinstance(entry, dict) or not isinstance(entry.get("class_name"), str):
        return entry
    name = entry["class_name"]
    if ">" in name:  # "Package>Name" of the user's, who may call a class as Keras does; or of Keras itself
        package, _, short = name.rpartition(">")
        registered = {} if package.lower().startswith("keras") else {"registered_name": name}
        entry, name = {**entry, **registered}, short
    entry = {**entry, "class_name": _CLASSES.get(name, name)}
    config = entry.get("config")
    if isinstance(config, list):  # a Sequential of Keras 1 and 2.1
        config = {"layers": config}
    if not isinstance(config, dict):
        return entry
    if "module" not in entry:
        entry["module"] = "keras.ops" if _is_operation(entry, config) else "keras.layers"
    entry["config"] = (
        _of_model(config, unlist) if isinstance(config.get("layers"), list) else _of_layer(entry, config)
    )
    if isinstance(entry.get("inbound_nodes"), list):
        entry["inbound_nodes"] = [_call(call, _takes_states(name)) for call in entry["inbound_nodes"]]
    return from_lambda(entry) if name.endswith("OpLambda") else entry


def _is_operation(entry, config):
    """Tells Add, the operation of an `.h5` file, from Add, the layer: only layers say `trainable`."""
    name = entry["class_name"]
    if name not in registry.names("layer"):
        return name in registry.names("operation")
    return name in registry.names("operation") and "trainable" not in config and "dtype" not in config


def _of_model(config, unlist):
    older = any(_has_older_calls(entry) for entry in config["layers"])
    config = {**config, "layers": [modern(entry, unlist) for entry in config["layers"]]}
    for key in ("input_layers", "output_layers") if older or unlist else ():
        places = config.get(key)
        if isinstance(places, list) and len(places) == 1 and isinstance(places[0], list):
            config[key] = places[0]  # one tensor, not a list of one: so Keras 3 reads it too
    return _renumbered(config) if older else config


def _has_older_calls(entry):
    calls = entry.get("inbound_nodes") if isinstance(entry, dict) else None
    return isinstance(calls, list) and any(isinstance(call, list) for call in calls)


def _renumbered(config):
    """Returns the model's config with Keras 2's numbers of calls: those of inner models began at 1."""
    inner = {
        entry["config"].get("name")
        for entry in config["layers"]
        if isinstance(entry, dict) and isinstance(entry.get("config"), dict) and "layers" in entry["config"]
    }

    def renumber(value, depth=0):
        if depth > DEEPEST:
            raise value_error(f"The configuration is nested more than {DEEPEST} deep.")
        if _is_place(value) and value[0] in inner and value[1] > 0:
            return [value[0], value[1] - 1, *value[2:]]
        if isinstance(value, list):
            return [renumber(item, depth + 1) for item in value]
        if isinstance(value, dict):
            return {key: renumber(item, depth + 1) for key, item in value.items()}
        return value

    layers = [
        {**entry, "inbound_nodes": renumber(entry["inbound_nodes"])} if "inbound_nodes" in entry else entry
        for entry in config["layers"]
    ]
    ends = {key: renumber(config[key]) for key in ("input_layers", "output_layers") if key in config}
    return {**config, "layers": layers, **ends}


def _of_layer(entry, config):
    name = entry["class_name"]
    config = {_RENAMED.get(name, {}).get(key, key): value for key, value in config.items()}
    shape = config.pop("batch_input_shape", None)
    if shape is not None and name == "InputLayer":
        config.setdefault("batch_shape", shape)
    elif isinstance(shape, list) and "inbound_nodes" not in entry:
        config["input_shape"] = shape[1:]
    for key, values in _dropped(name).items():
        if key in config and (values is None or config[key] in values):
            del config[key]
    if name.startswith(("DepthwiseConv", "SeparableConv")):
        config = {key: value for key, value in config.items() if key not in _KERNELS}
    if isinstance(config.get("axis"), list) and len(config["axis"]) == 1 and name == "BatchNormalization":
        config["axis"] = config["axis"][0]
    if isinstance(config.get("dtype"), dict) and config["dtype"].get("class_name") == "Policy":
        config["dtype"] = config["dtype"].get("config", {}).get("name")
    for key in _INNER:
        if isinstance(config.get(key), dict):
            config[key] = modern(config[key])
    if isinstance(config.get("cells"), list):
        config["cells"] = [modern(cell) for cell in config["cells"]]
    return {key: _initializer(key, value) for key, value in config.items()}


def _dropped(name):
    if name in _DROPPED:
        return _DROPPED[name]
    if name.startswith("Random"):
        return _RANDOM
    if name.startswith("SpatialDropout"):
        return {"noise_shape": (None,)}
    if name.endswith(("LSTM", "GRU", "RNN", "Cell")) or name.startswith("ConvLSTM"):
        return _RECURRENT
    return _CONVOLUTIONS if "Conv" in name and name not in ("Conv1D", "Conv2D", "Conv3D") else {}


def _initializer(key, value):
    """Returns an initializer's entry without the type that TensorFlow 1 wrote into it."""
    if (
        not key.endswith("initializer")
        or not isinstance(value, dict)
        or not isinstance(value.get("config"), dict)
    ):
        return value
    inner = {name: item for name, item in value["config"].items() if name != "dtype"}
    return {**value, "config": inner}


# ---------------------------------------------------------------- calls


def _takes_states(name):
    """Tells whether further inputs of a layer are the states with which it begins."""
    return name.endswith(("LSTM", "GRU", "RNN")) or name.startswith("ConvLSTM") or name == "Bidirectional"


def _call(call, states):
    """Returns one call as {"args", "kwargs"}; Keras 2 wrote [[layer, call, output, keywords] ...]."""
    if not isinstance(call, list):
        return call
    places = [call] if call and isinstance(call[0], str) else call
    keywords, operands = {}, []
    for place in places:
        constant = isinstance(place, list) and len(place) > 2 and place[0] == CONSTANT
        if not constant and not _is_place(place):
            raise value_error(f"A call's input is [layer, call, output, keywords], got {place!r}.")
        operands.append(place[2] if constant else _tensor(place))
        keywords.update(place[3] if len(place) > 3 and isinstance(place[3], dict) else {})
    keywords = {key: _keyword(value) for key, value in keywords.items()}
    if states and len(operands) > 1:
        first, *rest = operands
        return {"args": [first], "kwargs": {**keywords, "initial_state": rest if len(rest) > 1 else rest[0]}}
    return {"args": [operands] if len(operands) > 1 else operands, "kwargs": keywords}


def _is_place(value):
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and all(type(number) is int for number in value[1:3])
    )


def _keyword(value):
    """Returns a keyword's value, with tensors where places stand."""
    if _is_place(value):
        return _tensor(value)
    if isinstance(value, list) and value and all(_is_place(item) for item in value):
        return [_tensor(item) for item in value]
    return value


def _tensor(place):
    return {"class_name": TENSOR, "config": {"keras_history": place[:3]}}


# ---------------------------------------------------------------- losses, metrics, optimizers


def modern_part(entry: dict) -> dict:
    """Returns the entry of a loss or metric in Keras 3's words."""
    config = entry.get("config")
    if not isinstance(config, dict):
        return entry
    config = dict(config)
    if config.get("reduction") == "auto":
        config["reduction"] = "sum_over_batch_size"
    if isinstance(config.get("fn"), str):
        config["fn"] = {"class_name": "function", "config": config["fn"]}
    if entry.get("class_name") != "MeanMetricWrapper":
        config.pop("fn", None)  # the function of a loss, which its class has anyway
    return {**entry, "config": config}


def modern_optimizer(entry: dict) -> dict:
    """Returns the entry of an optimizer in Keras 3's words.

    Keras 2 divided the learning rate by 1 + decay * steps; that is a schedule now.
    """
    name, config = entry.get("class_name"), entry.get("config")
    if not isinstance(name, str) or not isinstance(config, dict):
        return entry
    config = {("learning_rate" if key == "lr" else key): value for key, value in config.items()}
    for key in ("jit_compile", "is_legacy_optimizer"):
        config.pop(key, None)
    decay = config.pop("decay", None)
    if decay:
        config["learning_rate"] = {
            "class_name": "InverseTimeDecay",
            "config": {
                "initial_learning_rate": config.get("learning_rate"),
                "decay_steps": 1,
                "decay_rate": decay,
            },
        }
    if not registry.is_known("optimizer", name):  # TensorFlow 2.11 to 2.15 wrote "Custom>Adam"
        name = name.rpartition(">")[2]
    return {**entry, "class_name": name, "config": config}
