"""Configurations, clones and wrappers of recurrent layers; signatures, the device."""

import inspect
import json

import numpy as np
import pytest

import kerasette
from kerasette import Input, Model, Sequential, layers, registry
from kerasette import layers as L  # noqa: N812
from tests import cupy_standin, keras_oracle
from tests.recurrent_runs import BUILTIN_CELLS, THREE, normal, padded_on_the_right

pytestmark = pytest.mark.usefixtures("seeded")


# ---------------------------------------------------------------- configurations


WRAPPED = {
    "Bidirectional": lambda L: L.Bidirectional(L.LSTM(3, return_sequences=True, dropout=0.1), "sum"),
    "two layers": lambda L: L.Bidirectional(L.LSTM(3), backward_layer=L.GRU(2, go_backwards=True)),
    "TimeDistributed": lambda L: L.TimeDistributed(L.Dense(2, activation="relu")),
    "RNN": lambda L: L.RNN(L.GRUCell(2, reset_after=False), return_state=True),
    "stack": lambda L: L.RNN([L.LSTMCell(2, unit_forget_bias=False), L.SimpleRNNCell(3)]),
    "in one another": lambda L: L.Bidirectional(L.RNN([L.LSTMCell(2), L.GRUCell(3)])),
}


def plain(config):
    """Returns a configuration of Keras as the reader of files hands it over: without types of numbers."""
    if isinstance(config, dict):
        return {
            key: plain(value)
            for key, value in config.items()
            if key not in ("dtype", "build_config", "quantization_config")
        }
    return [plain(item) for item in config] if isinstance(config, list) else config


@pytest.mark.parametrize("make", WRAPPED.values(), ids=WRAPPED)
def test_configurations_go_both_ways(make):
    keras = keras_oracle.keras()
    x = normal(2, 4, 3)
    ours = make(layers)
    first = ours(x)
    config = json.loads(json.dumps(ours.get_config()))
    copy = type(ours).from_config(config)
    assert json.loads(json.dumps(copy.get_config())) == config
    copy(x)
    copy.set_weights(ours.get_weights())
    theirs = getattr(keras.layers, type(ours).__name__).from_config(config)
    theirs.build(x.shape)
    theirs.set_weights(ours.get_weights())
    back = type(ours).from_config(plain(json.loads(json.dumps(theirs.get_config()))))
    back(x)
    back.set_weights(ours.get_weights())
    for other in (copy, theirs, back):
        for a, b in zip(parts_of(first), parts_of(other(x)), strict=True):
            np.testing.assert_allclose(np.array(b), a, rtol=1e-5, atol=1e-6)


def parts_of(result):
    return result if isinstance(result, (tuple, list)) else [result]


def test_models_are_cloned_with_their_states_and_wrappers():
    inputs, start = Input((None, 3)), Input((4,))
    y, *states = L.Bidirectional(L.GRU(4, return_sequences=True, return_state=True))(
        inputs, initial_state=[start, start]
    )
    y = L.RNN([L.LSTMCell(4), L.GRUCell(3)])(L.TimeDistributed(L.Dense(5))(y))
    model = Model([inputs, start], [y, L.Add()(states)])
    xs = [normal(2, 6, 3), normal(2, 4, seed=1)]
    for copy in (
        kerasette.models.clone_model(model),
        kerasette.models.model_from_json(model.to_json()),
    ):
        copy.set_weights(model.get_weights())
        for a, b in zip(model.predict(xs, verbose=0), copy.predict(xs, verbose=0), strict=True):
            np.testing.assert_array_equal(a, b)


def test_graphs_of_cells_are_cloned():
    x, h = Input((3,)), Input((4,))
    y, new = L.GRUCell(4)(x, h)
    y, both = L.StackedRNNCells([L.SimpleRNNCell(4), L.GRUCell(2)])(y, [new, L.Dense(2)(h)])
    model = Model([x, h], [y, *both])
    copy = kerasette.models.clone_model(model)
    copy.set_weights(model.get_weights())
    xs = [normal(5, 3), normal(5, 4, seed=1)]
    for a, b in zip(model.predict(xs, verbose=0), copy.predict(xs, verbose=0), strict=True):
        np.testing.assert_array_equal(a, b)


def test_results_are_the_user_s():
    """What a model returned doesn't change when it is called again."""
    inputs = Input((4, 3))
    model = Model(inputs, L.LSTM(5, return_sequences=True)(inputs))
    first = model(normal(2, 4, 3))
    kept = np.array(first)
    model(normal(2, 4, 3, seed=1))
    np.testing.assert_array_equal(first, kept)
    whole = model.predict(normal(6, 4, 3), batch_size=2, verbose=0)
    np.testing.assert_allclose(whole[:2], model(normal(6, 4, 3)[:2]), rtol=1e-6)


def test_integers_lead_straight_in():
    inputs = Input((4, 2), dtype="int32")
    model = Model(inputs, L.Bidirectional(L.SimpleRNN(3))(inputs)).compile("mse", "sgd")
    x = np.arange(16).reshape(2, 4, 2) % 3
    np.testing.assert_allclose(model.predict(x, verbose=0), model(x.astype("float32")), rtol=1e-6)
    assert np.isfinite(model.train_on_batch(x, normal(2, 6)))


def test_on_a_device():
    """Masks, states, both directions, stacks and steps in a model, trained on the stand-in for CuPy."""

    def run():
        kerasette.utils.set_random_seed(3)
        inputs, start = Input((5, 3)), Input((4,))
        x = L.Bidirectional(L.LSTM(4, return_sequences=True))(L.Masking()(inputs))
        y, state = L.GRU(4, return_state=True, go_backwards=True)(x, initial_state=start)
        cells = [L.LSTMCell(3, activation="softplus"), L.GRUCell(2, reset_after=False), L.SimpleRNNCell(4)]
        z = L.RNN(cells, return_sequences=True)(L.TimeDistributed(L.Dense(3, activation="tanh"))(x))
        z = L.TimeDistributed(inner_model_without_noise())(z)
        model = Model([inputs, start], L.Add()([y, state, L.SimpleRNN(4, stateful=True)(z)]))
        model.compile("mse", "sgd")
        data = normal(6, 5, 3) * padded_on_the_right(6, 5)[:, :, None]
        losses = [model.train_on_batch([data, normal(6, 4)], normal(6, 4, seed=2)) for _ in range(2)]
        return [np.array(losses), model.predict([data, normal(6, 4)], verbose=0), *model.get_weights()]

    results = [run()]
    with cupy_standin.install():
        results.append(run())
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6)


def inner_model_without_noise():
    inputs = Input((4,))
    return Model(inputs, L.Dense(3)(L.BatchNormalization()(inputs)))


def test_signatures_are_keras_s():
    keras = keras_oracle.keras()
    names = [*THREE, *BUILTIN_CELLS, L.RNN, L.StackedRNNCells, L.Bidirectional, L.TimeDistributed]
    names += [L.ConvLSTM1D, L.ConvLSTM2D, L.ConvLSTM3D]
    for cls in names:
        theirs = inspect.signature(getattr(keras.layers, cls.__name__)).parameters.values()
        ours = registry.signature(cls).parameters
        for parameter in theirs:
            if parameter.kind is parameter.VAR_KEYWORD:
                continue
            assert parameter.name in ours, (cls, parameter.name)
            assert str(ours[parameter.name].default).lower() == str(parameter.default).lower(), parameter.name
        positional = [p.name for p in ours.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        wanted = [p.name for p in theirs if p.kind is p.POSITIONAL_OR_KEYWORD]
        assert positional == wanted, cls


# ---------------------------------------------------------------- wrappers


def test_inner_layers_are_reachable_and_switch_together():
    layer = L.Bidirectional(L.LSTM(2))
    layer(normal(2, 3, 4))
    assert layer.forward_layer.cell.kernel is layer.weights[0]
    assert layer.backward_layer.cell.bias is layer.weights[5]
    assert layer.weights[0].path.endswith(f"/{layer.forward_layer.name}/lstm_cell/kernel")
    layer.forward_layer.trainable = False
    assert len(layer.trainable_weights) == 3 and len(layer.non_trainable_weights) == 3
    layer.trainable = False
    assert not layer.trainable_weights and not layer.backward_layer.cell.trainable
    assert L.LSTM(2, trainable=False).cell.trainable is False


def test_frozen_inner_layers_stay():
    inputs = Input((3, 4))
    layer = L.Bidirectional(L.SimpleRNN(2))
    model = Model(inputs, layer(inputs))
    layer.forward_layer.trainable = False
    before = model.get_weights()
    model.compile("mse", "sgd").fit(normal(8, 3, 4), normal(8, 4), verbose=0)
    changed = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert changed == [False] * 3 + [True] * 3


def test_a_copied_layer_has_weights_of_its_own():
    inner = L.LSTM(2)
    inner(normal(1, 2, 3))
    layer = L.Bidirectional(inner)
    layer(normal(1, 2, 3))
    assert not np.array_equal(inner.get_weights()[0], layer.forward_layer.get_weights()[0])
    first = [np.full(w.shape, k, "float32") for k, w in enumerate(layer.get_weights())]
    again = L.Bidirectional(L.LSTM(2), weights=first)
    again(normal(1, 2, 3))
    for a, b in zip(again.get_weights(), first, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_layer_may_be_distributed_and_used_alone():
    dense, x = L.Dense(3), normal(2, 4, 5)
    wrapped = L.TimeDistributed(dense)
    np.testing.assert_allclose(wrapped(x), dense(x), rtol=1e-6)
    inputs, alone = Input((4, 5)), Input((5,))
    model = Model([inputs, alone], [wrapped(inputs), dense(alone)]).compile("mse", "sgd")
    model.fit([x, x[:, 0]], [normal(2, 4, 3), normal(2, 3)], verbose=0)
    np.testing.assert_allclose(wrapped(x), dense(x), rtol=1e-6)


def test_a_sequential_without_input_is_distributed():
    inner = Sequential([L.Dense(4, activation="tanh"), L.Dense(2)])
    layer, x = L.TimeDistributed(inner), normal(3, 5, 6)
    found = layer(x)
    np.testing.assert_allclose(found[:, 2], inner(x[:, 2]), rtol=1e-5)
    assert [p.path.split("/")[0] for p in layer.parameters] == [layer.name] * 4
    inner.add(L.Dense(3))
    assert L.TimeDistributed(inner)(x).shape == (3, 5, 3)


def test_open_lengths():
    inputs = Input((None, 3))
    y = L.TimeDistributed(L.Dense(2))(L.Bidirectional(L.LSTM(4, return_sequences=True, dropout=0.2))(inputs))
    assert y.shape == (None, None, 2)
    model = Model(inputs, y).compile("mse", "sgd")
    for steps in (3, 7, 5):
        assert model.predict(normal(2, steps, 3), verbose=0).shape == (2, steps, 2)
        assert np.isfinite(model.train_on_batch(normal(2, steps, 3), normal(2, steps, 2)))
