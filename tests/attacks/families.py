"""One small model for each class of layer, and odd values for each of its arguments."""

import inspect
import itertools
import json

import kerasette
from kerasette import layers, registry
from kerasette.saving import model_to_json

SHAPES = ((4,), (6, 4), (8, 8, 3), (4, 8, 8, 3))
# What arguments that have no default get, by their names in Keras.
REQUIRED = {
    **dict.fromkeys(("units", "filters", "output_size", "n", "key_dim", "head_dim", "depth", "groups"), 4),
    **dict.fromkeys(("kernel_size", "height", "width", "sequence_length"), 3),
    **dict.fromkeys(("pool_size", "num_heads", "num_query_heads", "num_key_value_heads"), 2),
    **dict.fromkeys(("rate", "factor", "stddev", "height_factor", "scale", "l1", "value_range"), 0.2),
    "input_dim": 10,
    "output_dim": 4,
    "target_shape": (-1,),
    "dims": (1,),
    "activation": "tanh",
    "axes": 1,
    "equation": "ab,bc->ac",
    "output_shape": 4,
    "num_tokens": 5,
    "num_bins": 5,
    "bin_boundaries": [0.0, 1.0],
}
SKIPPED = {"InputLayer", "Layer", "Functional", "Model", "Sequential"}
ODD = (
    *(None, True, -1, 0, 2**31, 2**62, 10**30, 0.5, -2.5, 1e300, "", "x", "float16", "/etc/hostname"),
    *([], [-1], [2**40] * 3, [None], ["x"], [[[]]], {}, {"class_name": "Dense", "config": {"units": 1}}),
    {"class_name": "__lambda__", "config": {"code": ""}},
)


def texts() -> list[str]:
    """Returns the JSON text of a model for each class of layer that can be made from these values."""
    found = []
    for name in registry.names("layer"):
        cls = registry.find("layer", name)
        if cls.__name__ == name and name not in SKIPPED:
            text = next(filter(None, (_text(cls, shape) for shape in SHAPES)), None)
            found += [text] if text else []
    return found


def _text(cls, shape):
    """Returns the JSON text of a model with such a layer, or None where these values don't make one."""
    try:
        made = _made(cls)
        x = kerasette.Input(shape)
        count = 1 if made.inputs_wanted == 1 else 2
        y = made(x) if count == 1 else made([x, kerasette.Input(shape)])
        inputs = x if count == 1 else list(y.node.inputs)
        return model_to_json(kerasette.Model(inputs, y))
    except (ValueError, TypeError, AttributeError, KeyError):
        return None


def _made(cls):
    needed = [
        one.name
        for one in inspect.signature(cls).parameters.values()
        if one.default is one.empty and one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
    ]
    if {"layer", "cell"} & set(needed):
        inner = layers.LSTM(3, return_sequences=True) if cls.__name__ == "Bidirectional" else layers.Dense(3)
        return cls(inner)
    return cls(**{name: REQUIRED[name] for name in needed})


def edited(text: str, rng) -> str:
    """Returns a model's text with one or two arguments of its layers set to something odd."""
    entry = json.loads(text)
    inner = [one for one in entry["config"]["layers"] if one["class_name"] != "InputLayer"]
    for _ in range(1 if rng.random() < 0.7 else 2):
        config = inner[rng.integers(len(inner))]["config"]
        keys = [key for key in config if key not in ("name", "dtype")]
        key = keys[rng.integers(len(keys))]
        config[key] = ODD[rng.integers(len(ODD))]
        if isinstance(config[key], list) and rng.random() < 0.5:
            config[key] = list(itertools.islice(itertools.cycle(config[key] or [0]), int(rng.integers(1, 5))))
    return json.dumps(entry)
