"""The older `.h5` files: what Keras 2 wrote, by its own words, and weights by order and by name."""

import json

import h5py
import numpy as np
import pytest

import kerasette
from kerasette import Input, Model, Sequential, layers
from kerasette.errors import LoadError
from kerasette.models import load_model, model_from_json
from kerasette.saving import legacy_config
from tests.keras_oracle import keras


def write(path, model_config, weights, training=None, root="model_weights"):
    """Writes a file as Keras 2 did: `weights` is {layer: [arrays]}."""
    with h5py.File(path, "w") as file:
        if model_config is not None:
            file.attrs["model_config"] = json.dumps(model_config).encode()
        if training is not None:
            file.attrs["training_config"] = json.dumps(training).encode()
        file.attrs["keras_version"] = b"2.4.0"
        group = file.create_group(root) if root else file
        group.attrs["layer_names"] = [name.encode() for name in weights]
        for layer, arrays in weights.items():
            names = [f"{layer}/w{k}:0".encode() for k in range(len(arrays))]
            own = group.create_group(layer)
            own.attrs["weight_names"] = names
            for name, array in zip(names, arrays, strict=True):
                own.create_dataset(name.decode(), data=array)


def old_dense(name, units, **more):
    plain = {"units": units, "activation": "linear", "use_bias": True, "dtype": "float32", "trainable": True}
    zeros = {"class_name": "Zeros", "config": {"dtype": "float32"}}
    return {"class_name": "Dense", "config": {"name": name, **plain, "bias_initializer": zeros, **more}}


def arrays(*shapes):
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype("float32") for shape in shapes]


OPTIMIZER = {"lr": 0.1, "decay": 0.5, "momentum": 0.0, "nesterov": False, "is_legacy_optimizer": True}


def test_a_sequential_of_keras_2(tmp_path):
    leaky = {"class_name": "LeakyReLU", "config": {"name": "leaky", "alpha": 0.3, "dtype": "float32"}}
    chain = [old_dense("a", 3, batch_input_shape=[None, 4]), leaky, old_dense("b", 2)]
    held = {"a": arrays((4, 3), (3,)), "leaky": [], "b": arrays((3, 2), (2,))}
    training = {
        "optimizer_config": {"class_name": "Custom>SGD", "config": OPTIMIZER},
        "loss": "mse",
        "metrics": ["accuracy"],
        "loss_weights": None,
        "sample_weight_mode": None,
    }
    for config in (chain, {"name": "old", "layers": chain}):
        write(tmp_path / "m.h5", {"class_name": "Sequential", "config": config}, held, training)
        model = load_model(tmp_path / "m.h5")
        h = np.ones((2, 4), "f4") @ held["a"][0] + held["a"][1]
        wanted = np.where(h > 0, h, 0.3 * h) @ held["b"][0] + held["b"][1]
        np.testing.assert_allclose(model.predict(np.ones((2, 4)), verbose=0), wanted, rtol=1e-5)
        rates = []
        for _ in range(3):
            rates.append(model.optimizer.learning_rate)
            model.train_on_batch(np.ones((2, 4)), np.ones((2, 2)))
        np.testing.assert_allclose(rates, [0.1, 0.1 / 1.5, 0.1 / 2])


def old_functional(operators=()):
    source = {
        "name": "x",
        "batch_input_shape": [None, 4],
        "dtype": "float32",
        "sparse": False,
        "ragged": False,
    }
    entries = [
        {"class_name": "InputLayer", "config": source, "name": "x", "inbound_nodes": []},
        {**old_dense("d", 4), "name": "d", "inbound_nodes": [[["x", 0, 0, {}]], [["d", 0, 0, {}]]]},
        *operators,
    ]
    last = entries[-1]["name"]
    ends = {"input_layers": [["x", 0, 0]], "output_layers": [[last, 1 if last == "d" else 0, 0]]}
    return {"class_name": "Model", "config": {"name": "old", "layers": entries, **ends}}


def operation(name, function, calls):
    config = {"name": name, "trainable": True, "dtype": "float32", "function": function}
    return {"class_name": "TFOpLambda", "config": config, "name": name, "inbound_nodes": calls}


def test_shared_layers_and_operators_of_keras_2(tmp_path):
    held = {"x": [], "d": arrays((4, 4), (4,))}
    x = np.random.default_rng(1).normal(size=(3, 4)).astype("float32")
    once = x @ held["d"][0] + held["d"][1]
    twice = once @ held["d"][0] + held["d"][1]
    write(tmp_path / "m.h5", old_functional(), held)
    np.testing.assert_allclose(load_model(tmp_path / "m.h5").predict(x, verbose=0), twice, rtol=1e-5)
    operators = [
        operation("add", "__operators__.add", [["d", 0, 0, {"y": ["x", 0, 0], "name": None}]]),
        operation("sub", "math.subtract", [["_CONSTANT_VALUE", -1, 1.5, {"y": ["add", 0, 0]}]]),
        operation("mul", "math.multiply", [["sub", 0, 0, {"y": 2.0}]]),
    ]
    write(tmp_path / "m.h5", old_functional(operators), held)
    model = load_model(tmp_path / "m.h5")
    np.testing.assert_allclose(model.predict(x, verbose=0), 2 * (1.5 - (once + x)), rtol=1e-4, atol=1e-5)
    bad = operation("fft", "signal.fft", [["d", 0, 0, {}]])
    write(tmp_path / "m.h5", old_functional([bad]), held)
    with pytest.raises(LoadError, match=r"signal\.fft"):
        load_model(tmp_path / "m.h5")


@pytest.mark.skipif(not hasattr(layers, "DepthwiseConv2D"), reason="kerasette has no DepthwiseConv2D yet")
def test_keys_that_keras_2_had():
    conv = {
        "class_name": "DepthwiseConv2D",
        "config": {
            "name": "c",
            "kernel_size": [3, 3],
            "groups": 1,
            "kernel_initializer": None,
            "dtype": "float32",
        },
    }
    norm = {
        "class_name": "BatchNormalization",
        "config": {"name": "n", "axis": [3], "fused": True, "renorm": False},
    }
    first = {
        "class_name": "InputLayer",
        "config": {"name": "i", "batch_input_shape": [None, 5, 5, 2], "ragged": False},
    }
    text = json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": [first, conv, norm]}})
    model = model_from_json(text)
    assert model.output.shape == (None, 3, 3, 2) and model.layers[1].axis == 3


def states_of_keras_2():
    """An encoder and a decoder as Keras 2 wrote them: its states are further inputs of the call."""

    def entry(cls, name, config, *places):
        config = {"name": name, "dtype": "float32", **config}
        nodes = [[[*place, {}] for place in places]] if places else []
        return {"class_name": cls, "name": name, "config": config, "inbound_nodes": nodes}

    units = {"units": 3, "time_major": False, "implementation": 2, "activation": "tanh"}
    entries = [
        entry("InputLayer", "a", {"batch_input_shape": [None, 5, 2], "ragged": False, "sparse": False}),
        entry("InputLayer", "b", {"batch_input_shape": [None, 4, 2], "ragged": False, "sparse": False}),
        entry("SpatialDropout1D", "drop", {"rate": 0.5, "noise_shape": None, "seed": None}, ["a", 0, 0]),
        entry("LSTM", "encoder", {**units, "return_state": True}, ["drop", 0, 0]),
        entry("LSTM", "decoder", units, ["b", 0, 0], ["encoder", 0, 1], ["encoder", 0, 2]),
    ]
    ends = {"input_layers": [["a", 0, 0], ["b", 0, 0]], "output_layers": [["decoder", 0, 0]]}
    return {"class_name": "Functional", "config": {"name": "old", "layers": entries, **ends}}


def test_states_of_recurrent_layers_of_keras_2(tmp_path):
    weights = arrays((2, 12), (3, 12), (12,), (2, 12), (3, 12), (12,))
    held = {"a": [], "b": [], "drop": [], "encoder": weights[:3], "decoder": weights[3:]}
    write(tmp_path / "m.h5", states_of_keras_2(), held)
    model = load_model(tmp_path / "m.h5")
    x, z = np.random.default_rng(1).normal(size=(2, 3, 4, 2)).astype("float32")
    x = np.concatenate([x, z[:, :1]], axis=1)
    a, b = Input((5, 2)), Input((4, 2))
    _, *states = layers.LSTM(3, return_state=True)(a)
    wanted = Model([a, b], layers.LSTM(3)(b, initial_state=states))
    wanted.set_weights(weights)
    assert np.array_equal(model.predict([x, z], verbose=0), wanted.predict([x, z], verbose=0))


def test_hard_sigmoid_was_another_function(tmp_path):
    entry = states_of_keras_2()
    entry["config"]["layers"][-1]["config"]["recurrent_activation"] = "hard_sigmoid"
    weights = arrays((2, 12), (3, 12), (12,), (2, 12), (3, 12), (12,))
    write(tmp_path / "m.h5", entry, {"encoder": weights[:3], "decoder": weights[3:]})
    with pytest.warns(UserWarning, match=r"Keras 2\.4\.0, whose hard_sigmoid was 0\.2 x") as caught:
        load_model(tmp_path / "m.h5")
    assert caught[0].filename == __file__
    with pytest.raises(LoadError, match="hard_sigmoid"):
        load_model(tmp_path / "m.h5", strict=True)


def test_where_random_numbers_of_keras_2_came_from():
    flip = {"name": "f", "mode": "horizontal", "rng_type": "stateful", "auto_vectorize": True, "seed": 1}
    source = {"name": "i", "batch_input_shape": [None, 5, 5, 2]}
    chain = [{"class_name": "InputLayer", "config": source}, {"class_name": "RandomFlip", "config": flip}]
    text = json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": chain}})
    assert model_from_json(text).layers[0].mode == "horizontal"


def test_words_of_keras_3_stay():
    model = Sequential([Input((4,)), layers.Dense(3, kernel_regularizer="l2"), layers.Dense(2)])
    entry = json.loads(model.to_json())
    source = entry["config"]["layers"][0]["config"]
    words = ("optional", "sparse", "ragged")  # which Keras writes of every input
    for word in words:
        with pytest.raises(LoadError, match=f"no argument '{word}'"):  # nothing that ours could be
            model_from_json(json.dumps(entry).replace(f'"{word}": false', f'"{word}": true'))
    assert [source.pop(word) for word in words] == [False] * 3  # what ours always is, so nothing is lost
    assert legacy_config.modern(json.loads(model.to_json())) == entry


# ---------------------------------------------------------------- weights alone


def chain(*units, name="d"):
    made = [layers.Dense(n, name=f"{name}{k}") for k, n in enumerate(units)]
    return Sequential([Input((4,)), *made])


def test_weights_by_order_and_by_name(tmp_path):
    held = {"d0": arrays((4, 3), (3,)), "pool": [], "d1": arrays((3, 2), (2,))}
    for root, ending in (("", ".h5"), ("", ".hdf5"), ("model_weights", ".h5")):
        path = tmp_path / f"w{ending}"
        write(path, None, held, root=root)
        model = chain(3, 2, name="other")
        model.load_weights(path)
        wanted = [*held["d0"], *held["d1"]]
        assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), wanted, strict=True))
    before = model.get_weights()
    model.load_weights(path, by_name=True)  # no layer has one of those names
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))
    x = Input((3,))
    other = Model(x, [layers.Dense(2, name="d1")(x), layers.Dense(2, name="new")(x)])
    fresh = other.get_layer("new").get_weights()
    other.load_weights(path, by_name=True)
    assert np.array_equal(other.get_layer("d1").get_weights()[0], held["d1"][0])
    assert np.array_equal(other.get_layer("new").get_weights()[0], fresh[0])


def test_weights_that_don_t_fit(tmp_path):
    path = tmp_path / "w.h5"
    write(path, None, {"d0": arrays((4, 3), (3,)), "d1": arrays((3, 2))}, root="")
    model = chain(5, 2)
    before = [w.tobytes() for w in model.get_weights()]
    with pytest.raises(LoadError, match=r"d0/kernel: \(4, 3\) / \(4, 5\)") as caught:
        model.load_weights(path)
    assert "layer 'd1': 1 weights / 2" in str(caught.value)
    with pytest.raises(LoadError, match="layer 'd2': 0 weights / 2"):
        chain(3, 2, 2).load_weights(path, by_name=False)
    assert [w.tobytes() for w in model.get_weights()] == before
    model = chain(3, 2)
    with pytest.warns(UserWarning, match=r"doesn't fit sequential") as caught:
        model.load_weights(path, skip_mismatch=True)
    _, *lines = str(caught[0].message).splitlines()
    assert lines == ["  layer 'd1': 1 weights / 2", "Those layers were left as they are."]
    assert caught[0].filename == __file__
    write(path, None, {"d0": arrays((4, 3), (3,)), "gone": []}, root="")
    with h5py.File(path, "r+") as file:
        del file["gone"]
    with pytest.raises(LoadError, match="no such group"):
        model.load_weights(path)


def test_frozen_layers_change_the_order(tmp_path):
    for first, second in ((kerasette, keras()), (keras(), kerasette)):
        models = []
        for library in (first, second):
            inner = library.Sequential(
                [library.Input((4,)), library.layers.BatchNormalization(), library.layers.Dense(3)],
                name="inner",
            )
            inner.layers[0].trainable = False
            models.append(library.Sequential([library.Input((4,)), inner, library.layers.Dense(2)]))
        rng = np.random.default_rng(0)
        models[0].set_weights([rng.uniform(0.1, 0.9, w.shape) for w in models[0].get_weights()])
        models[0].save(tmp_path / "m.h5")
        x = np.ones((2, 4), "float32")
        wanted = np.asarray(models[0](x))
        np.testing.assert_allclose(
            np.asarray(second.models.load_model(tmp_path / "m.h5")(x)), wanted, rtol=1e-5
        )


def test_lists_of_names_that_are_too_long_for_one_attribute(tmp_path):
    y = x = Input((4,))
    for layer in (layers.Dense(3), *(layers.ReLU(name=f"{'long' * 200}_{k}") for k in range(100))):
        y = layer(y)
    model = Model(x, layers.Dense(2)(y))  # Keras builds a Sequential anew for each of its layers
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5") as file:
        assert (
            "layer_names0" in file["model_weights"].attrs and "layer_names" not in file["model_weights"].attrs
        )
    x = np.ones((2, 4), "float32")
    wanted = model.predict(x, verbose=0)
    assert np.array_equal(load_model(tmp_path / "m.h5").predict(x, verbose=0), wanted)
    np.testing.assert_allclose(np.asarray(keras().models.load_model(tmp_path / "m.h5")(x)), wanted, rtol=1e-5)
