"""Configurations: what a model is made of survives get_config, JSON and clone_model, and Keras reads it."""

import json

import numpy as np
import pytest

import kerasette
from kerasette import Input, Model, Sequential, layers, ops, registry
from kerasette.errors import InvalidType, InvalidValue, LoadError
from kerasette.saving import CustomObjectScope, clone_model, config, register_keras_serializable
from tests.config_lines import FURTHER, SEVERAL
from tests.keras_oracle import keras

L = layers

# A line for each class of layer: the shape of one sample that it takes, and ways to make it (from L).
FAMILIES = {
    "Activation": ((4,), ["L.Activation('gelu')", "L.Activation('softmax')"]),
    "ActivityRegularization": ((4,), ["L.ActivityRegularization(l1=0.1, l2=0.2)"]),
    "AlphaDropout": ((4,), ["L.AlphaDropout(0.2, seed=3)"]),
    "AveragePooling1D": (
        (6, 2),
        ["L.AveragePooling1D(2)", "L.AveragePooling1D(3, strides=2, padding='same')"],
    ),
    "AveragePooling2D": (
        (6, 5, 2),
        ["L.AveragePooling2D(2)", "L.AveragePooling2D(3, strides=2, padding='same')"],
    ),
    "AveragePooling3D": (
        (4, 4, 5, 2),
        ["L.AveragePooling3D(2)", "L.AveragePooling3D(3, strides=2, padding='same')"],
    ),
    "BatchNormalization": (
        (3, 4),
        ["L.BatchNormalization()", "L.BatchNormalization(axis=1, scale=False)"],
    ),
    "CategoryEncoding": ((4,), ["L.CategoryEncoding(7, output_mode='count')"]),
    "CenterCrop": ((6, 5, 2), ["L.CenterCrop(3, 4)"]),
    "Cropping1D": ((6, 2), ["L.Cropping1D()", "L.Cropping1D((1, 2))"]),
    "Cropping2D": ((6, 5, 2), ["L.Cropping2D()", "L.Cropping2D(((1, 0), (0, 2)))"]),
    "Cropping3D": ((4, 4, 5, 2), ["L.Cropping3D()", "L.Cropping3D((1, 0, 2))"]),
    "Dense": (
        (4,),
        [
            "L.Dense(5, activation='tanh', kernel_initializer='he_normal', kernel_regularizer='l2')",
            "L.Dense(3, use_bias=False, kernel_constraint='non_neg', activity_regularizer='l1')",
            "L.Dense(3, trainable=False)",
            "L.Dense(3, kernel_initializer=K.initializers.HeNormal(seed=1), bias_initializer='ones',"
            " kernel_regularizer=K.regularizers.L1L2(0.1, 0.2), bias_constraint=K.constraints.MaxNorm(2.0))",
        ],
    ),
    "Dropout": ((3, 4), ["L.Dropout(0.5)", "L.Dropout(0.25, noise_shape=(None, 1, 4), seed=1)"]),
    "ELU": ((4,), ["L.ELU(alpha=0.5)"]),
    "Flatten": ((3, 4), ["L.Flatten()"]),
    "GaussianDropout": ((4,), ["L.GaussianDropout(0.2)"]),
    "GaussianNoise": ((4,), ["L.GaussianNoise(0.1, seed=2)"]),
    "GlobalAveragePooling1D": (
        (6, 2),
        ["L.GlobalAveragePooling1D()", "L.GlobalAveragePooling1D('channels_first', keepdims=True)"],
    ),
    "GlobalAveragePooling2D": (
        (6, 5, 2),
        ["L.GlobalAveragePooling2D()", "L.GlobalAveragePooling2D('channels_first', keepdims=True)"],
    ),
    "GlobalAveragePooling3D": (
        (4, 4, 5, 2),
        ["L.GlobalAveragePooling3D()", "L.GlobalAveragePooling3D('channels_first', keepdims=True)"],
    ),
    "GlobalMaxPooling1D": (
        (6, 2),
        ["L.GlobalMaxPooling1D()", "L.GlobalMaxPooling1D('channels_first', keepdims=True)"],
    ),
    "GlobalMaxPooling2D": (
        (6, 5, 2),
        ["L.GlobalMaxPooling2D()", "L.GlobalMaxPooling2D('channels_first', keepdims=True)"],
    ),
    "GlobalMaxPooling3D": (
        (4, 4, 5, 2),
        ["L.GlobalMaxPooling3D()", "L.GlobalMaxPooling3D('channels_first', keepdims=True)"],
    ),
    "GroupNormalization": (
        (3, 4),
        ["L.GroupNormalization(2)", "L.GroupNormalization(-1, axis=1, epsilon=0.1, center=False)"],
    ),
    "Identity": ((4,), ["L.Identity()"]),
    "LayerNormalization": (
        (3, 4),
        ["L.LayerNormalization()", "L.LayerNormalization(axis=[1, 2], epsilon=1e-5)"],
    ),
    "LeakyReLU": ((4,), ["L.LeakyReLU(negative_slope=0.1)"]),
    "MaxPooling1D": ((6, 2), ["L.MaxPooling1D(2)", "L.MaxPooling1D(3, strides=2, padding='same')"]),
    "MaxPooling2D": ((6, 5, 2), ["L.MaxPooling2D(2)", "L.MaxPooling2D(3, strides=2, padding='same')"]),
    "MaxPooling3D": ((4, 4, 5, 2), ["L.MaxPooling3D(2)", "L.MaxPooling3D(3, strides=2, padding='same')"]),
    "Normalization": (
        (4,),
        ["L.Normalization()", "L.Normalization(mean=[1.0, 2, 3, 4], variance=[1.0, 1, 4, 4])"],
    ),
    "PReLU": ((3, 4), ["L.PReLU()", "L.PReLU(shared_axes=[1], alpha_initializer='ones')"]),
    "Permute": ((3, 4), ["L.Permute((2, 1))"]),
    "RMSNormalization": ((3, 4), ["L.RMSNormalization()", "L.RMSNormalization([1, 2], epsilon=1e-3)"]),
    "RandomBrightness": ((4, 5, 3), ["L.RandomBrightness(0.2)", "L.RandomBrightness((0, 0.3), [0, 1], 1)"]),
    "RandomContrast": (
        (4, 5, 3),
        ["L.RandomContrast(0.2)", "L.RandomContrast((0.1, 0.3), (0, 1), data_format='channels_first')"],
    ),
    "RandomCrop": ((4, 5, 3), ["L.RandomCrop(4, 5)", "L.RandomCrop(3, 2, seed=1)"]),
    "RandomFlip": ((4, 5, 3), ["L.RandomFlip()", "L.RandomFlip('horizontal', seed=1)"]),
    "RandomRotation": (
        (4, 5, 3),
        ["L.RandomRotation(0.1)", "L.RandomRotation((-0.1, 0.2), 'constant', 'nearest', fill_value=1.0)"],
    ),
    "RandomTranslation": ((4, 5, 3), ["L.RandomTranslation(0.1, (0, 0.2), fill_mode='wrap')"]),
    "RandomZoom": ((4, 5, 3), ["L.RandomZoom(0.1)", "L.RandomZoom((-0.2, 0.1), 0.3, 'nearest')"]),
    "ReLU": ((4,), ["L.ReLU()", "L.ReLU(max_value=6.0, negative_slope=0.1, threshold=0.5)"]),
    "RepeatVector": ((4,), ["L.RepeatVector(3)"]),
    "Rescaling": ((4,), ["L.Rescaling(0.5, offset=1.0)", "L.Rescaling([1.0, 2.0, 3.0, 4.0])"]),
    "Reshape": ((3, 4), ["L.Reshape((-1, 2))"]),
    "Resizing": (
        (6, 5, 2),
        ["L.Resizing(3, 4)", "L.Resizing(3, 4, 'nearest', pad_to_aspect_ratio=True, fill_value=1.0)"],
    ),
    "Softmax": ((3, 4), ["L.Softmax()", "L.Softmax(axis=1)"]),
    "SpatialDropout1D": ((3, 4), ["L.SpatialDropout1D(0.3)"]),
    "SpatialDropout2D": ((3, 4, 2), ["L.SpatialDropout2D(0.3)"]),
    "SpatialDropout3D": ((3, 4, 2, 2), ["L.SpatialDropout3D(0.3)"]),
    "UnitNormalization": ((4,), ["L.UnitNormalization()"]),
    "UpSampling1D": ((6, 2), ["L.UpSampling1D()", "L.UpSampling1D(3)"]),
    "UpSampling2D": ((6, 5, 2), ["L.UpSampling2D()", "L.UpSampling2D((1, 3), interpolation='bilinear')"]),
    "UpSampling3D": ((4, 4, 5, 2), ["L.UpSampling3D()", "L.UpSampling3D((1, 2, 3))"]),
    "ZeroPadding1D": ((6, 2), ["L.ZeroPadding1D()", "L.ZeroPadding1D((1, 2))"]),
    "ZeroPadding2D": ((6, 5, 2), ["L.ZeroPadding2D()", "L.ZeroPadding2D(((1, 0), (0, 2)))"]),
    "ZeroPadding3D": ((4, 4, 5, 2), ["L.ZeroPadding3D()", "L.ZeroPadding3D((1, 0, 2))"]),
}
FAMILIES.update(FURTHER)
MERGES = ["L.Add()", "L.Average()", "L.Maximum()", "L.Minimum()", "L.Multiply()", "L.Concatenate(axis=-1)"]
PAIRS = ["L.Subtract()", "L.Dot(axes=1)", "L.Dot(axes=-1, normalize=True)"]
ELSEWHERE = {
    "Add",
    "Average",
    "Concatenate",
    "Dot",
    "Maximum",
    "Minimum",
    "Multiply",
    "Subtract",
}  # in the two lists
MODELS = {"InputLayer", "Model", "Sequential"}


def make(text, library=kerasette):
    return eval(text, {"L": library.layers, "K": library})


def example(model, rows=3):
    rng = np.random.default_rng(0)
    return [rng.normal(size=(rows, *tensor.shape[1:])).astype("float32") for tensor in model.inputs]


def results(model):
    x = example(model)
    y = model.predict(x if len(x) > 1 else x[0], verbose=0)
    return list(y.values()) if isinstance(y, dict) else y if isinstance(y, list) else [y]


def assert_equal(copy, model, weights=True):
    """The same structure, and with the weights copied the same predictions, bit for bit."""
    assert type(copy) is type(model)
    assert copy.get_config() == model.get_config()
    assert [layer.name for layer in copy.layers] == [layer.name for layer in model.layers]
    assert [t.shape for t in (*copy.inputs, *copy.outputs)] == [
        t.shape for t in (*model.inputs, *model.outputs)
    ]
    assert copy.input_names == model.input_names and copy.output_names == model.output_names
    assert [w.path for w in copy.weights] == [w.path for w in model.weights]
    assert [w.path for w in copy.trainable_weights] == [w.path for w in model.trainable_weights]
    assert not {id(w) for w in copy.weights} & {id(w) for w in model.weights}
    if weights:
        copy.set_weights(model.get_weights())
        for mine, other in zip(results(copy), results(model), strict=True):
            assert mine.dtype == other.dtype and np.array_equal(mine, other)


def assert_round_trips(model, weights=True):
    plain = json.loads(json.dumps(model.get_config()))
    assert plain == model.get_config()
    assert_equal(type(model).from_config(model.get_config()), model, weights)
    assert_equal(type(model).from_config(plain), model, weights)
    assert_equal(kerasette.models.model_from_json(model.to_json()), model, weights)
    assert_equal(clone_model(model), model, weights)


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


def random_model(seed, depth=0):
    """A graph of vectors of length 4 with merges, shared layers, operations, inner models."""
    rng = np.random.default_rng(seed)
    inputs = [Input((4,), name=f"in{k}") for k in range(rng.integers(1, 3))]
    tensors = list(inputs)
    shared = [L.Dense(4, activation="relu"), L.PReLU()]
    if depth < 2:
        shared.append(random_model(seed + 1000, depth + 1))
    for tensor in inputs:
        tensors.append(shared[0](tensor))
    for _ in range(rng.integers(3, 9)):
        a, b = (tensors[k] for k in rng.integers(len(tensors), size=2))
        choice = rng.integers(8)
        if choice == 0:
            layer = shared[rng.integers(len(shared))]
            wanted = len(layer.inputs) if isinstance(layer, Model) else 1
            new = layer([a, b][:wanted] if wanted > 1 else a)
            new = new[0] if isinstance(new, (tuple, list)) else new
        elif choice == 1:
            new = make(MERGES[rng.integers(5)])([a, b])
        elif choice == 2:
            new = L.Dense(4)(make(MERGES[5])([a, b, a]))
        elif choice == 3:
            new = [a + b, a - b, a * b, -a, a * 2.0, 1.0 - a, a / 4.0][rng.integers(7)]
        elif choice == 4:
            new = L.Dense(4)(a[:, 1:3])
        elif choice == 5:
            new = L.Dropout(0.5)(a, training=bool(rng.integers(2)) if rng.integers(2) else None)
        elif choice == 6:
            new = ops.concatenate([a[:, :2], b[:, 2:]], axis=1)
        else:
            text = ["L.BatchNormalization()", "L.LayerNormalization()", "L.Activation('tanh')", "L.ELU()"][
                rng.integers(4)
            ]
            new = make(text)(a)
        tensors.append(new)
    outputs = [L.Add()(tensors), tensors[-1]]
    return Model(
        inputs if len(inputs) > 1 else inputs[0], outputs[0] if depth or rng.integers(2) else outputs
    )


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


# ---------------------------------------------------------------- what is refused


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


def test_nothing_read_changes_state():
    before = dict(registry._CUSTOM), {kind: dict(table) for kind, table in registry._KINDS.items()}
    with pytest.raises(InvalidValue):
        kerasette.models.model_from_json(
            '{"class_name": "Nope", "config": {}}', custom_objects={"Mine": Scaled}
        )
    assert before == (registry._CUSTOM, registry._KINDS)
