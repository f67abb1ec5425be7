"""Configurations: what a model is made of survives get_config, JSON and clone_model, and Keras reads it."""

import numpy as np
import pytest

import kerasette
from kerasette import Input, Model, Sequential, ops, registry
from kerasette import layers as L  # noqa: N812
from kerasette.errors import InvalidType, InvalidValue
from kerasette.saving import CustomObjectScope, clone_model, register_keras_serializable
from tests.config_lines import ELSEWHERE, FAMILIES, MODELS, SEVERAL
from tests.keras_oracle import keras
from tests.round_trips import assert_round_trips, example, make, random_model, results


def test_every_layer_has_a_line():
    known = {
        cls.__name__ for cls in registry._KINDS["layer"].values() if cls.__module__.startswith("kerasette.")
    }
    assert known == set(FAMILIES) | ELSEWHERE | SEVERAL | MODELS


LINES = [(text, shape) for shape, texts in FAMILIES.values() for text in texts]


@pytest.mark.parametrize(("text", "shape"), LINES, ids=[text for text, _ in LINES])
def test_each_layer(text, shape):
    x = Input(shape)
    whole = "CategoryEncoding" in text
    assert_round_trips(Model(x, make(text)(x)), weights=not whole)
    assert_round_trips(Sequential([Input(shape), make(text)]), weights=not whole)


@pytest.mark.parametrize(("text", "shape"), LINES, ids=[text for text, _ in LINES])
def test_each_layer_in_the_words_of_keras(text, shape):
    """Our JSON in Keras, and Keras's in ours: the same class with the same arguments."""
    x, kx = Input(shape), keras().layers.Input(shape)
    ours, theirs = Model(x, make(text)(x)), keras().Model(kx, make(text, keras())(kx))
    there = keras().models.model_from_json(ours.to_json())
    here = kerasette.models.model_from_json(theirs.to_json())
    assert [w.shape for w in there.get_weights()] == [w.shape for w in ours.get_weights()]
    assert there.output_shape == here.output.shape == ours.output.shape == theirs.output_shape
    assert here.layers[-1].trainable == there.layers[-1].trainable == ours.layers[-1].trainable
    assert type(here.layers[-1]).__name__ == type(there.layers[-1]).__name__
    back = kerasette.models.model_from_json(there.to_json())  # through Keras and home again
    assert back.layers[-1].get_config().keys() == ours.layers[-1].get_config().keys()
    if "CategoryEncoding" not in text:
        rng = np.random.default_rng(0)
        weights = [
            rng.uniform(0.5, 1.5, w.shape).astype("float32") if w.ndim else w for w in ours.get_weights()
        ]
        for model in (here, back, ours):
            model.set_weights(weights)
        for other in (here, back):
            np.testing.assert_allclose(results(other)[0], results(ours)[0], rtol=1e-5, atol=1e-6)


# ---------------------------------------------------------------- random graphs


@pytest.mark.parametrize("seed", range(25))
def test_random_graphs(seed):
    model = random_model(seed)
    random = any(layer["config"].get("rate") for layer in model.get_config()["layers"])
    assert_round_trips(model, weights=not random)


@pytest.mark.parametrize("text", ["L.Dropout(0.5)", "L.RandomFlip()"])
def test_random_layers_of_keras_s_models_follow_fit_and_predict(text):
    """Keras writes the default mode of each call as if it had been given; one that was given stays."""
    shape = (4, 4, 1)
    kx = keras().Input(shape)
    theirs = keras().Model(kx, make(text, keras())(kx))
    ours = kerasette.models.model_from_json(theirs.to_json())
    assert ours.graph.nodes[-1].keywords == {}
    for mode in (True, False):
        x = Input(shape)
        fixed = Model(x, make(text)(x, training=mode))
        copy = kerasette.models.model_from_json(fixed.to_json())
        assert bool(copy.graph.nodes[-1].keywords["training"]) is mode
        assert copy.get_config() == fixed.get_config()
        keras().models.model_from_json(fixed.to_json())


@pytest.mark.parametrize("seed", range(4))
def test_random_graphs_in_keras(seed):
    model = random_model(seed)
    there = keras().models.model_from_json(model.to_json())
    assert [w.shape for w in there.get_weights()] == [w.shape for w in model.get_weights()]
    there.set_weights(model.get_weights())
    x = example(model)
    theirs = there(x if len(x) > 1 else x[0])
    theirs = theirs if isinstance(theirs, (list, tuple)) else [theirs]
    if '"training": 1' not in model.to_json():
        for mine, other in zip(results(model), theirs, strict=True):
            np.testing.assert_allclose(mine, np.asarray(other), rtol=1e-4, atol=1e-4)
    back = kerasette.models.model_from_json(there.to_json())
    assert [layer.name for layer in back.layers] == [layer.name for layer in model.layers]
    back.set_weights(model.get_weights())
    if '"training": 1' not in model.to_json():
        for mine, other in zip(results(model), results(back), strict=True):
            assert np.array_equal(mine, other)


OPERATIONS = [
    lambda x: -x / (x * x + 1.0),
    lambda x: 2.0 - x,
    lambda x: x**2,
    lambda x: x[:, 1],
    lambda x: x[..., None, 0],
    lambda x: x[:, ::2, -1],
    lambda x: x @ np.ones((4, 2), "float32"),
    lambda x: ops.matmul(x, ops.transpose(x, (0, 2, 1))),
    lambda x: ops.sum(x, axis=[1, 2], keepdims=True),
    lambda x: ops.mean(x, axis=-1) - ops.max(x, axis=-1),
    lambda x: ops.softmax(ops.squeeze(ops.expand_dims(x, 1), 1)),
    lambda x: ops.reshape(ops.exp(x), (-1, 12)),
    lambda x: ops.concatenate([ops.maximum(x, 0.0), ops.sqrt(ops.absolute(x))], axis=1),
    lambda x: kerasette.activations.gelu(x),
]


@pytest.mark.parametrize("number", range(len(OPERATIONS)))
def test_operations(number):
    x = Input((3, 4))
    model = Model(x, OPERATIONS[number](x))
    assert_round_trips(model)
    if "kerasette.ops" in model.to_json():
        return
    there = keras().models.model_from_json(model.to_json())
    np.testing.assert_allclose(results(model)[0], np.asarray(there(example(model)[0])), rtol=1e-4, atol=1e-5)
    assert np.array_equal(results(kerasette.models.model_from_json(there.to_json()))[0], results(model)[0])


# ---------------------------------------------------------------- structures


def test_lists_dicts_and_single_tensors():
    a, b = Input((4,), name="a"), Input((4,), name="b")
    y, z = L.Dense(2, name="y")(a + b), L.Dense(3, name="z")(b)
    for inputs in ([a, b], {"a": a, "b": b}):
        for outputs in ([y, z], {"first": y, "second": z}):
            model = Model(inputs, outputs)
            assert_round_trips(model)
    assert_round_trips(Model([a], [L.ReLU()(a)]))
    assert isinstance(
        Model.from_config(Model(a, {"one": L.ReLU()(a)}).get_config()).predict(np.ones((1, 4))), dict
    )


def test_a_model_in_the_middle_of_a_graph():
    x = Input((4,))
    hidden = L.Dense(5, name="hidden")(x)
    model = Model(hidden, L.Dense(2)(hidden), name="tail")
    copy = Model.from_config(model.get_config())
    copy.set_weights(model.get_weights())
    assert copy.input_names == model.input_names == ["hidden"]
    assert np.array_equal(results(copy)[0], results(model)[0])
    assert clone_model(model).get_config() == copy.get_config()


def test_trainable_stays_layer_by_layer():
    model = Sequential([Input((4,)), L.Dense(3), L.Dense(2)])
    model.trainable = False
    model.layers[1].trainable = True
    assert_round_trips(model)
    frozen = Model(x := Input((4,)), Sequential([L.Dense(3)], trainable=False)(x))
    assert_round_trips(frozen)


def test_sequentials_that_aren_t_built():
    model = Sequential([L.Dense(3), L.Dropout(0.1)], name="open")
    for copy in (Sequential.from_config(model.get_config()), clone_model(model)):
        assert not copy.built and copy.name == "open"
        assert copy.get_config() == model.get_config()
    model.build((None, 4))
    assert_round_trips(model)
    text = keras().Sequential([keras().layers.Dense(3)]).to_json()
    assert not kerasette.models.model_from_json(text).built


def test_depth_is_no_matter():
    x = y = Input((2,))
    layer = L.Dense(2)
    for _ in range(3000):
        y = layer(y) + 1.0
    model = Model(x, y)
    assert Model.from_config(model.get_config()).get_config() == model.get_config()
    assert len(clone_model(model).graph.nodes) == 6001


def test_models_of_float64():
    kerasette.config.set_floatx("float64")
    model = Sequential([Input((4,)), L.Dense(2)])
    text = model.to_json()
    assert_round_trips(model)
    kerasette.config.set_floatx("float32")
    with pytest.raises(InvalidValue, match="dtype"):
        kerasette.models.model_from_json(text)


# ---------------------------------------------------------------- cloning


def test_clone_has_fresh_weights_and_new_layers():
    model = Sequential([Input((4,)), L.Dense(3)])
    copy = clone_model(model)
    assert copy.layers[0] is not model.layers[0]
    assert not np.array_equal(copy.get_weights()[0], model.get_weights()[0])


def test_clone_function_and_input_tensors():
    x = Input((4,), name="x")
    inner = Sequential([Input((4,)), L.Dense(4, name="core")], name="inner")
    model = Model(x, L.Dense(2, name="last")(inner(x)))

    def wider(layer):
        met.append(layer.name)
        settings = layer.get_config()
        return type(layer).from_config({**settings, "units": 4}) if isinstance(layer, L.Dense) else layer

    met = []
    copy = clone_model(model, clone_function=wider)
    assert copy.output.shape == (None, 4) and met == ["inner", "last"]
    assert copy.get_layer("inner") is inner
    met = []
    assert clone_model(model, clone_function=wider, recursive=True).get_layer("inner") is not inner
    assert met == ["core", "last"]
    other = Input((4,), name="other")
    assert clone_model(model, input_tensors=other).input is other
    assert clone_model(model, input_tensors=[other]).input_names == ["other"]
    assert clone_model(Sequential([L.Dense(3)]), input_tensors=other).output.shape == (None, 3)
    calls = []
    clone_model(model, call_function=lambda layer, *xs, **kw: calls.append(layer.name) or layer(*xs, **kw))
    assert calls == ["inner", "last"]


def test_clone_refuses():
    model = Sequential([Input((4,)), L.Dense(3)])
    with pytest.raises(InvalidType, match="Model"):
        clone_model(L.Dense(3))
    with pytest.raises(InvalidType, match="symbolic"):
        clone_model(model, input_tensors=np.ones((2, 4)))
    with pytest.raises(InvalidValue, match="1 input"):
        clone_model(model, input_tensors=[Input((4,)), Input((4,))])
    with pytest.raises(InvalidType, match="clone_function"):
        clone_model(model, clone_function=lambda layer: None)


# ---------------------------------------------------------------- the user's own classes


class Scaled(L.Layer):
    """Multiplies by a number, and has no other arguments."""

    def __init__(self, factor, **base):
        super().__init__(**base)
        self.factor = factor

    def forward(self, ctx, w, x):
        return x * self.factor, None

    def backward(self, ctx, w, dw, dy, cache):
        return dy * self.factor


def test_custom_layers():
    x = Input((4,))
    model = Model(x, Scaled(3.0)(x))
    assert np.array_equal(results(clone_model(model))[0], results(model)[0])
    with pytest.raises(InvalidValue, match="Unknown layer 'Scaled'"):
        kerasette.models.model_from_json(model.to_json())
    for copy in (
        kerasette.models.model_from_json(model.to_json(), custom_objects={"Scaled": Scaled}),
        Model.from_config(model.get_config(), custom_objects={"Scaled": Scaled}),
    ):
        assert np.array_equal(results(copy)[0], results(model)[0])
    with CustomObjectScope({"Scaled": Scaled}):
        Model.from_config(model.get_config())
    before = dict(registry._CUSTOM)
    try:
        register_keras_serializable("mine")(Scaled)
        assert '"registered_name": "mine>Scaled"' in model.to_json()
        assert_round_trips(model)
    finally:
        registry._CUSTOM.clear()
        registry._CUSTOM.update(before)


def test_nothing_read_changes_state():
    before = dict(registry._CUSTOM), {kind: dict(table) for kind, table in registry._KINDS.items()}
    with pytest.raises(InvalidValue):
        kerasette.models.model_from_json(
            '{"class_name": "Nope", "config": {}}', custom_objects={"Mine": Scaled}
        )
    assert before == (registry._CUSTOM, registry._KINDS)
