"""Models in models: on hundreds of floors, with shapes and switches that pass through all of them."""

import numpy as np
import pytest

import kerasette as k
from kerasette import layers, saving
from kerasette.engine import Plan
from kerasette.errors import InvalidValue, LoadError
from kerasette.saving import inspection
from tests.keras_oracle import keras

FLOORS = 600  # Python follows some 300
X = np.random.default_rng(5).normal(size=(8, 4)).astype("float32")


def nested(library, floors, shape=(4,), inner=None):
    """Returns a model in a model in a model ..., with one Dense on the ground floor and one above."""
    inputs = library.Input(shape)
    hidden = library.layers.Dense(4, "tanh")(inputs)
    model = library.Model(inputs, hidden if inner is None else inner(hidden))
    for _ in range(floors):
        inputs = library.Input(shape)
        model = library.Model(inputs, model(inputs))
    inputs = library.Input(shape)
    return library.Model(inputs, library.layers.Dense(2)(model(inputs)))


def flat(model):
    """Returns the same layers without any models between."""
    first, last = (layer for layer in model._leaves() if layer.weights)
    x = k.Input((4,))
    return k.Model(x, last(first(x)))


@pytest.fixture
def tower():
    k.utils.set_random_seed(3)
    return nested(k, FLOORS)


def test_a_tower_learns_as_its_layers_do(tower):
    start, y, results = tower.get_weights(), X[:, :2], []
    for model in (tower, flat(tower)):
        model.set_weights(start)
        model.compile("mse", "sgd", metrics=["mae"])
        history = model.fit(X, y, 4, 3, shuffle=False, verbose=0).history
        results.append((history, model.evaluate(X, y, verbose=0), model.predict(X), model(X)))
    for a, b in zip(*results, strict=True):
        np.testing.assert_equal(a, b)
    assert not np.array_equal(tower.get_weights()[0], start[0])


def test_a_tower_shows_itself(tower, capsys):
    tower.summary()
    tower.summary(expand_nested=True)
    assert "dense" in capsys.readouterr().out
    assert tower.count_params() == 4 * 4 + 4 + 4 * 2 + 2
    assert len(tower.weights) == len(tower.trainable_weights) == 4
    assert tower.output_shape == (None, 2)


def test_weights_of_a_tower_are_saved_and_loaded(tower, tmp_path):
    path = tmp_path / "tower.weights.h5"
    tower.save_weights(path)
    before = tower.get_weights()
    tower.set_weights([0 * array for array in before])
    tower.load_weights(path)
    for a, b in zip(tower.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_of_a_lower_tower_cross_to_keras_and_back(tmp_path):
    ours, theirs = nested(k, 60), nested(keras(), 60)
    ours.save_weights(tmp_path / "ours.weights.h5")
    theirs.load_weights(tmp_path / "ours.weights.h5")
    np.testing.assert_allclose(ours.predict(X), theirs(X), rtol=1e-5, atol=1e-6)
    theirs.set_weights([array + 1 for array in theirs.get_weights()])
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    ours.load_weights(tmp_path / "theirs.weights.h5")
    np.testing.assert_allclose(ours.predict(X), theirs(X), rtol=1e-5, atol=1e-6)


def test_what_cannot_be_written_down_says_so(tower, tmp_path):
    """Keras gives up with a RecursionError, on fewer floors."""
    for call in (tower.get_config, tower.to_json, lambda: saving.clone_model(tower)):
        with pytest.raises(InvalidValue, match=r"^\w+: the model has models in models"):
            call()
    for ending in (".keras", ".h5"):
        with pytest.raises(InvalidValue):
            tower.save(tmp_path / f"tower{ending}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_no_file_is_written_that_could_not_be_read(ending, tmp_path):
    """Configurations are read down to a hundred lists and objects in one another."""
    nested(k, 20).save(tmp_path / f"low{ending}")
    assert k.models.load_model(tmp_path / f"low{ending}").count_params() == 30
    with pytest.raises(InvalidValue, match=r"couldn't be loaded again.*100 deep.*save_weights"):
        nested(k, 60).save(tmp_path / f"high{ending}")
    assert [path.name for path in tmp_path.iterdir()] == [f"low{ending}"]


def test_lengths_that_were_open_pass_through_all_floors():
    """Called with other shapes than it was described with, each model works its shapes out again."""
    inner = nested(k, FLOORS, (None, 4))
    x = k.Input((7, 4))
    assert inner(x).shape == (None, 7, 2)
    model = k.Model(x, layers.Flatten()(inner(x)))
    assert model.output.shape == (None, 14)
    assert model.predict(np.zeros((3, 7, 4), "float32")).shape == (3, 14)


def test_an_activation_that_changes_the_shape_counts_in_a_nested_model():
    """Keras says 30 here, and computes 15."""
    inputs = k.Input((None, 4))
    inner = k.Model(inputs, layers.Dense(6, activation="glu")(inputs))
    x = k.Input((5, 4))
    model = k.Model(x, layers.Flatten()(inner(x)))
    assert model.output.shape == (None, 15)
    assert model.predict(np.ones((2, 5, 4), "float32")).shape == (2, 15)


@pytest.mark.parametrize("floor", [0, 3])
def test_freezing_reaches_down_as_in_keras(floor):
    """A frozen model has no trainable weights itself, but those above it go by the layers."""
    counts = []
    for library in (k, keras()):
        model = nested(library, 4)
        floors = [model]
        while hasattr(floors[-1].layers[-1], "layers") or len(floors) == 1:
            floors.append(next(one for one in floors[-1].layers if hasattr(one, "layers")))
        inner = floors[1 + floor]
        dense = next(one for one in floors[-1].layers if one.weights)
        found = []
        for switched, on in ((inner, False), (dense, True), (inner, True), (model, False), (dense, True)):
            switched.trainable = on
            found.append([len(one.trainable_weights) for one in (model, inner, dense)])
            found.append([one.trainable for one in (model, inner, dense)])
        counts.append(found)
    assert counts[0] == counts[1]


def test_layers_and_models_that_are_shared_count_once():
    """Forty floors, each calling the one below twice, have 2 ** 40 ways to the ground."""
    inputs = k.Input((4,))
    model = k.Model(inputs, layers.Dense(4)(inputs))
    for _ in range(40):
        inputs = k.Input((4,))
        model = k.Model(inputs, layers.Add()([inputs, model(inputs)]))
        model = k.Sequential([inputs.operation, model])
    assert len(model.weights) == 2
    model.trainable = False
    assert not model.trainable_weights


def test_paths_of_a_file_are_limited_in_all(tower, tmp_path, monkeypatch):
    """Long names of groups that hold many others would cost more memory than the file has bytes."""
    path = tmp_path / "tower.weights.h5"
    tower.save_weights(path)
    monkeypatch.setattr(inspection, "LONGEST", 1 << 16)
    with pytest.raises(LoadError, match="paths of 65,536 characters"):
        tower.load_weights(path)


# ---------------------------------------------------------------- a mode that a call fixed


def called(layer, *modes, library=k):
    """Returns a model in a model, and so on, around `layer`; each is called in one of the `modes`."""
    for mode in modes:
        x = library.Input((4,))
        layer = library.Model(x, layer(x) if mode is None else layer(x, training=mode))
    return layer


def again(model, way, path):
    """Returns the model as it comes back from a file, a configuration or clone_model."""
    if way == "clone":
        copy = saving.clone_model(model)
    elif way == "json":
        copy = k.models.model_from_json(model.to_json())
    else:
        model.save(path / f"model{way}")
        copy = k.models.load_model(path / f"model{way}")
    copy.set_weights(model.get_weights())
    return copy


@pytest.mark.parametrize("modes", [(None, True), (None, True, None), (None, None, True), (True, False)])
def test_a_nested_model_in_training_drops_everywhere(modes):
    """Keras does in m(x); its predict gives its own mode to all layers, whatever their calls said."""
    model = called(layers.Dropout(1.0), *modes, None)
    for y in (model(X), model(X, training=False), model.predict(X)):
        np.testing.assert_array_equal(y, 0 * X)
    theirs = called(keras().layers.Dropout(0.999999), *modes[1:], None, library=keras())
    if True in modes[1:]:
        np.testing.assert_array_equal(theirs(X), 0 * X)


@pytest.mark.parametrize("way", ["as it is", "clone", "json", ".keras", ".h5"])
@pytest.mark.parametrize("modes", [(None, False), (None, False, None), (False, True), (None, None, False)])
def test_a_base_called_in_inference_mode_stays_in_it(modes, way, tmp_path):
    """What Keras's guide to transfer learning promises: statistics stay, and factors learn by them."""
    k.utils.set_random_seed(2)
    model = called(layers.BatchNormalization(), *modes, None)
    model.set_weights([array + 0.5 for array in model.get_weights()])
    start, flat = model.get_weights(), called(layers.BatchNormalization(), False)
    flat.set_weights(start)
    if way != "as it is":
        model = again(model, way, tmp_path)
    for one in (model, flat):
        one.compile("sgd", "mse")
        one.fit(X, 2 * X, 4, 2, shuffle=False, verbose=0)
        np.testing.assert_array_equal(one.get_weights()[2:], start[2:])
        assert not np.array_equal(one.get_weights()[0], start[0])
    np.testing.assert_array_equal(model.get_weights(), flat.get_weights())
    np.testing.assert_array_equal(model.predict(X), flat.predict(X))


def test_a_call_in_the_middle_says_nothing_about_the_others():
    """One base, called twice: once it follows fit, once it doesn't."""
    base = called(layers.BatchNormalization(), None)
    x = k.Input((4,))
    model = k.Model(x, layers.Add()([base(x), base(x, training=False)]))
    model.compile("sgd", "mse")
    model.fit(X, X, 8, verbose=0)
    np.testing.assert_allclose(base.layers[-1].moving_mean.numpy(), 0.01 * X.mean(0), rtol=1e-4)


def test_batches_meet_only_where_a_call_is_in_training():
    for mode, wanted in ((None, [False, True]), (False, [False, False]), (True, [True, True])):
        plan = Plan(called(layers.BatchNormalization(), None, mode, None).graph)
        assert [plan.gathers(training) for training in (False, True)] == wanted


def test_what_is_drawn_in_inference_is_drawn_anew():
    """The spread of many predictions tells how sure a model is (Monte Carlo dropout)."""
    for layer in (layers.Dropout(0.5), called(layers.Dropout(0.5), None)):
        model = called(layer, True)
        for run in (model, lambda x, model=model: model.predict(x, batch_size=4)):
            first, second = run(np.ones((8, 4))), run(np.ones((8, 4)))
            assert not np.array_equal(first, second)
            assert not np.array_equal(first[:4], first[4:])


def test_one_output_in_a_list_and_shapes_are_as_in_keras():
    def build(library):
        i = library.Input((4,))
        y = library.layers.Dense(3)(i)
        return library.Model([i], [y]), library.Model(i, [y, library.layers.Dense(2)(y)])

    x = np.ones((2, 4), "float32")
    for ours, theirs in zip(build(k), build(keras()), strict=True):
        theirs.set_weights(ours.get_weights())
        found, wanted = ours.predict(x), theirs.predict(x, verbose=0)
        assert type(found) is type(wanted)
        np.testing.assert_allclose(np.concatenate(found, -1), np.concatenate(wanted, -1), rtol=1e-5)
        assert ours.output_shape == theirs.output_shape
    assert ours.compute_output_shape((7, 4)) == theirs.compute_output_shape((7, 4))
    lstm = k.layers.LSTM(3, return_state=True)
    assert lstm.compute_output_shape((None, 5, 2)) == ((None, 3), (None, 3), (None, 3))
