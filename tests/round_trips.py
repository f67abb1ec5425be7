"""Models through configurations and back, and random models to send, for the tests of configurations."""

import json

import numpy as np

import kerasette
from kerasette import Input, Model, ops
from kerasette import layers as L  # noqa: N812
from kerasette.saving import clone_model
from tests.config_lines import MERGES


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
