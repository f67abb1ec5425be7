"""Configurations that are refused: by a message of our own, whatever stands in them."""

import json

import numpy as np
import pytest

import kerasette
from kerasette import Input, Model
from kerasette import layers as L  # noqa: N812
from kerasette.errors import InvalidType, InvalidValue, LoadError
from kerasette.saving import config
from tests.round_trips import random_model


def plain():
    return json.loads(Model(x := Input((4,), name="x"), L.Dense(3, name="d")(x)).to_json())


def put(path, value):
    def change(entry):
        place = entry
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return change


DENSE = ("config", "layers", 1)
REFUSED = {
    "unknown class": (put((*DENSE, "class_name"), "Densee"), "Unknown layer 'Densee'. Did you mean 'Dense'"),
    "class of another kind": (put((*DENSE, "class_name"), "Adam"), "Unknown layer"),
    "module path": (put((*DENSE, "class_name"), "os.system"), "Unknown layer"),
    "no class": (put((*DENSE, "class_name"), None), "class_name"),
    "unknown argument": (put((*DENSE, "config", "unitz"), 3), "unitz"),
    "wrong type": (put((*DENSE, "config", "units"), "many"), "units"),
    "wrong range": (put((*DENSE, "config", "units"), -1), "units"),
    "config no dict": (put((*DENSE, "config"), [1]), "config"),
    "unknown key": (put((*DENSE, "fun"), 1), "unknown key 'fun'"),
    "unknown key of the model": (put(("config", "fun"), 1), "unknown key 'fun'"),
    "unknown outer key": (put(("fun",), 1), "unknown key 'fun'"),
    "activation is a layer": (put((*DENSE, "config", "activation"), "Dense"), "activation"),
    "activation runs code": (
        put((*DENSE, "config", "activation"), {"class_name": "__lambda__", "config": {"value": "x"}}),
        "__lambda__",
    ),
    "initializer is a layer": (
        put((*DENSE, "config", "kernel_initializer"), {"class_name": "Dense", "config": {"units": 3}}),
        "Dense",
    ),
    "mixed precision": (
        put((*DENSE, "config", "dtype"), {"class_name": "DTypePolicy", "config": {"name": "mixed_float16"}}),
        "dtype",
    ),
    "quantized": (
        put((*DENSE, "config", "dtype"), {"class_name": "QuantizedDTypePolicy", "config": {}}),
        "policy",
    ),
    "quantization": (put((*DENSE, "config", "quantization_config"), {"a": 1}), "quantization_config"),
    "name with a slash": (put((*DENSE, "config", "name"), "a/b"), "name"),
    "two names": (put((*DENSE, "name"), "e"), "under the name"),
    "twice": (lambda e: e["config"]["layers"].append(e["config"]["layers"][0]), "twice"),
    "missing tensor": (
        put((*DENSE, "inbound_nodes", 0, "args", 0, "config", "keras_history"), ["y", 0, 0]),
        "needs call 0 of 'y'",
    ),
    "needs itself": (
        put((*DENSE, "inbound_nodes", 0, "args", 0, "config", "keras_history"), ["d", 0, 0]),
        "needs call 0 of 'd'",
    ),
    "odd place": (
        put((*DENSE, "inbound_nodes", 0, "args", 0, "config", "keras_history"), ["x", 0.5, 0]),
        "place",
    ),
    "odd output": (put(("config", "output_layers"), ["d", 0, 7]), "output 7"),
    "no output": (put(("config", "output_layers"), None), "output_layers"),
    "odd keyword": (put((*DENSE, "inbound_nodes", 0, "kwargs"), {"self": True}), "can't be called"),
    "odd call": (put((*DENSE, "inbound_nodes", 0), 5), "dictionary"),
    "odd arguments": (put((*DENSE, "inbound_nodes", 0, "args"), "ab"), "list of arguments"),
    "layers no list": (put(("config", "layers"), {"a": 1}), "must be a list"),
    "layer no dict": (put(("config", "layers", 1), 3), "dictionary"),
    "trainable": (put(("config", "trainable"), "yes"), "trainable"),
    "registered name": (put((*DENSE, "registered_name"), ["a"]), "registered name"),
    "no model": (
        lambda e: e.update(class_name="Dense", module="keras.layers", config={"units": 3}),
        "not a Model",
    ),
    "input without shape": (put(("config", "layers", 0, "config", "batch_shape"), 4), "batch_shape"),
    "input of text": (put(("config", "layers", 0, "config", "batch_shape"), [None, "a"]), "each length"),
    "input of objects": (put(("config", "layers", 0, "config", "dtype"), "object"), "dtype"),
    "odd batch": (put(("config", "layers", 0, "config", "batch_shape"), ["a", 4]), "batch_size"),
    "sparse input": (put(("config", "layers", 0, "config", "sparse"), True), "sparse"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    change, words = REFUSED[name]
    entry = plain()
    kerasette.models.model_from_json(json.dumps(entry))
    change(entry)
    with pytest.raises(InvalidValue) as caught:
        kerasette.models.model_from_json(json.dumps(entry))
    assert words in str(caught.value) and len(str(caught.value)) <= 400


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[1]", "is a list"),
        ('{"a": NaN}', "NaN"),
        ('{"a": -Infinity}', "Infinity"),
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "'c' twice"),
        ("[" * 101 + "]" * 101, "more than 100 deep"),
        ("[" * 200_000, "more than 100 deep"),
        ('{"a": ' * 101 + "1" + "}" * 101, "more than 100 deep"),
        ('{"a": "' + "[" * 200 + '\\""', "no JSON"),
        ('{"a": ' + "1" * 5000 + "}", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (" " * ((16 << 20) + 1), "16,777,216"),
        (None, "no JSON"),
    ],
    ids=range(14),
)
def test_json_that_is_refused(text, words):
    with pytest.raises(LoadError, match=words):
        kerasette.models.model_from_json(text)


def test_brackets_in_texts_are_no_depth():
    assert config.parse(json.dumps({"a": "[" * 300 + '"\\'})) == {"a": "[" * 300 + '"\\'}


def test_dictionaries_that_hold_themselves():
    entry = plain()["config"]
    entry["layers"].append(entry)
    with pytest.raises(InvalidValue, match="deep"):
        Model.from_config(entry)


def places_of(value, path=()):
    """Yields the path of everything in nested data."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, key)
        if isinstance(inner, (dict, list)):
            yield from places_of(inner, (*path, key))


@pytest.mark.parametrize("seed", range(3))
def test_random_changes_raise_our_errors_only(seed):
    model = random_model(seed)
    text = model.to_json()
    places = list(places_of(json.loads(text)))
    rng = np.random.default_rng(seed)
    values = [
        None,
        True,
        0,
        -1,
        1.5,
        "",
        "Dense",
        "a/b",
        [],
        [1],
        {},
        {"class_name": "Dense", "config": {}},
        10**30,
    ]
    for _ in range(150):
        entry = json.loads(text)
        put(places[rng.integers(len(places))], values[rng.integers(len(values))])(entry)
        try:
            assert isinstance(kerasette.models.model_from_json(json.dumps(entry)), Model)
        except (InvalidValue, InvalidType, LoadError) as problem:
            assert len(str(problem)) <= 400
