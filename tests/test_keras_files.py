"""Whole models to Keras and back: predictions, training that goes on, files that prove themselves."""

import warnings
import zipfile

import numpy as np
import pytest

import kerasette
from kerasette import Input, Model, Sequential, layers, registry, saving
from kerasette.commands.inspecting import page
from kerasette.errors import LoadError
from kerasette.models import load_model
from tests import random_graphs
from tests.config_lines import FAMILIES, MERGES, PAIRS
from tests.keras_oracle import keras

ENDINGS = (".keras", ".h5")
WHOLE = ("CategoryEncoding", "Embedding")  # layers whose inputs are whole numbers
UNSAVED = {("RandomBrightness", ".h5")}  # what Keras itself can't save
OTHERWISE = {"RandomCrop"}  # what predicts otherwise in Keras: it isn't compared


def listed(value):
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, (list, tuple)) else [value]


def predictions(model, x):
    """Returns the outputs as a list; Keras is called, as its predict keeps statistics of its first call."""
    x = x if len(x) > 1 else x[0]
    ours = isinstance(model, Model)
    return [np.asarray(y) for y in listed(model.predict(x, verbose=0) if ours else model(x, training=False))]


def assert_close(mine, theirs, tolerance=1e-5):
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def scramble(model):
    """Gives every weight a random value."""
    rng = np.random.default_rng(1)
    weights = [rng.uniform(0.3, 0.9, w.shape).astype(w.dtype) if w.ndim else w for w in model.get_weights()]
    model.set_weights(weights)
    return model


def quiet_load(library, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return library.models.load_model(path)


def exchange(build, x, folder, name=""):
    """Checks that a model made by either library predicts the same when the other has loaded its file."""
    for first, second in ((kerasette, keras()), (keras(), kerasette), (kerasette, kerasette)):
        model = build(first)
        if name != "Normalization":  # which Keras takes up only when it loads
            scramble(model)
        for ending in ENDINGS:
            if first is not kerasette and (name, ending) in UNSAVED:
                continue
            path = folder / f"m{ending}"
            model.save(path)
            other = quiet_load(second, path)
            if name not in OTHERWISE:
                assert_close(predictions(model, x), predictions(other, x))


# ---------------------------------------------------------------- every family, both ways


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_crosses_both_ways(name, tmp_path):
    shape, texts = FAMILIES[name]
    rng = np.random.default_rng(0)

    def build(library):
        scope = {"L": library.layers, "K": library, "np": np}
        x = library.Input(shape, dtype="int32") if name in WHOLE else library.Input(shape)
        return library.Model(x, [eval(text, scope)(x) for text in texts])

    x = rng.integers(0, 5, (3, *shape)) if name in WHOLE else rng.normal(size=(3, *shape)).astype("float32")
    exchange(build, [x], tmp_path, name)


OPERATIONS = {
    "limits": lambda o, x: o.clip(x, -0.5, 0.5) + o.sign(x),
    "choices": lambda o, x: o.where(x > 0.1, x, -x) + o.where(x <= 0.2, 0.0, x),
    "arrays": lambda o, x: o.where(x >= 0.1, x, np.array([1.0, 2.0, 3.0, 4.0], "float32")),
    "fills": lambda o, x: o.zeros_like(x) * x + o.ones_like(x),
    "types": lambda o, x: o.cast(x > 0.1, "float32") * o.stop_gradient(x),
    "classes": lambda o, x: o.one_hot(o.argmax(x, axis=-1), 4) * x,
    "logarithms": lambda o, x: o.log1p(o.softplus(x)) + o.log_softmax(x),
    "piles": lambda o, x: o.stack([x, o.abs(x), x], axis=1) @ np.ones((4, 2), "float32"),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_cross_both_ways(name, tmp_path):
    def build(library):
        x = library.Input((4,))
        return library.Model(x, OPERATIONS[name](library.ops, library.layers.Dense(4)(x)))

    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    exchange(build, [x], tmp_path)


def test_merges_cross_both_ways(tmp_path):
    def build(library):
        a, b = library.Input((4,), name="a"), library.Input((4,), name="b")
        made = [eval(text, {"L": library.layers})([a, b]) for text in (*MERGES, *PAIRS)]
        return library.Model([a, b], made)

    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    exchange(build, list(x), tmp_path)


@pytest.mark.parametrize("seed", range(6))
def test_random_graphs_cross_and_train_on(seed, tmp_path):
    xs, ys, _ = random_graphs.data(seed)
    alone = [values if len(values) > 1 else values[0] for values in (xs, ys)]
    optimizer = ("adam", "sgd", "rmsprop", "adagrad")[seed % 4]
    for first, second in ((kerasette, keras()), (keras(), kerasette)):
        model = random_graphs.build(first, seed)
        model.compile(optimizer, **random_graphs.settings(first, seed))
        fit = {"batch_size": 8, "shuffle": False, "verbose": 0}
        model.fit(*alone, epochs=2, **fit)
        for ending in ENDINGS:
            path = tmp_path / f"{first.__name__}{ending}"
            model.save(path)
            try:
                other = quiet_load(second, path)
            except Exception:
                if first is kerasette or ending == ".keras":
                    raise
                with pytest.raises(Exception):  # noqa: B017 - Keras can't read its own file either
                    quiet_load(keras(), path)
                continue
            assert_close(predictions(model, xs), predictions(other, xs))
            if ending == ".h5":  # Keras loses its optimizer there
                continue
            other.fit(*alone, epochs=2, **fit)
            path = tmp_path / "again.keras"
            other.save(path)
            again = quiet_load(first, path)
            model.fit(*alone, epochs=2, **fit)
            assert_close(predictions(model, xs), predictions(other, xs), 2e-3)
            assert_close(predictions(again, xs), predictions(other, xs))


# ---------------------------------------------------------------- training goes on


def schedule(o):
    return o.schedules.ExponentialDecay(0.05, 3, 0.8)


OPTIMIZERS = {
    "SGD": lambda o: o.SGD(0.05),
    "momentum": lambda o: o.SGD(schedule(o), momentum=0.9, nesterov=True),
    "Adam": lambda o: o.Adam(0.01),
    "amsgrad": lambda o: o.Adam(0.01, amsgrad=True, clipnorm=0.5),
    "averages": lambda o: o.Adam(0.01, use_ema=True, ema_momentum=0.8),
    "accumulation": lambda o: o.Adam(0.01, gradient_accumulation_steps=3),
    "AdamW": lambda o: o.AdamW(0.01, weight_decay=0.02),
    "Adamax": lambda o: o.Adamax(0.01),
    "Nadam": lambda o: o.Nadam(schedule(o)),
    "Adagrad": lambda o: o.Adagrad(0.05),
    "Adadelta": lambda o: o.Adadelta(0.5),
    "RMSprop": lambda o: o.RMSprop(0.01, momentum=0.5, centered=True),
    "Ftrl": lambda o: o.Ftrl(0.05, l1_regularization_strength=0.001),
    "Lion": lambda o: o.Lion(0.005),
}


def trained(library, optimizer):
    """Returns a compiled model whose inner parts are shared, frozen and nested, and its data."""
    layers = library.layers
    x = library.Input((4,))
    deep = layers.Dense(4, use_bias=False, name="deep")  # whose bias would get rounding errors for gradients
    inner = library.Sequential([library.Input((4,)), deep, layers.BatchNormalization()])
    shared, frozen = layers.Dense(4, activation="tanh", name="shared"), layers.Dense(4, name="frozen")
    frozen.trainable = False
    y = layers.Dense(2, name="out")(layers.Add()([shared(inner(x)), shared(frozen(x))]))
    model = library.Model(x, y)
    rng = np.random.default_rng(2)
    model.set_weights([rng.uniform(0.2, 0.8, w.shape) for w in model.get_weights()])
    model.compile(OPTIMIZERS[optimizer](library.optimizers), "mse")
    return model


def steps(model):
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(20, 4)).astype("float32"), rng.normal(size=(20, 2)).astype("float32")
    for begin in range(0, 20, 4):  # not fit, at whose end averages take the place of weights
        model.train_on_batch(x[begin : begin + 4], y[begin : begin + 4])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_goes_on_as_if_nothing_had_happened(optimizer, tmp_path):
    path = tmp_path / "m.keras"
    for first, second in ((keras(), kerasette), (kerasette, keras()), (kerasette, kerasette)):
        model = trained(first, optimizer)
        steps(model)
        model.save(path)
        other = second.models.load_model(path)
        for one in (model, other):
            steps(one)
        exact = first is second
        assert int(np.asarray(other.optimizer.iterations)) == int(np.asarray(model.optimizer.iterations))
        for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
            assert np.array_equal(a, b) if exact else np.allclose(a, b, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("ending", ENDINGS)
def test_training_goes_on_from_both_formats(ending, tmp_path):
    model = trained(kerasette, "Adam")
    steps(model)
    model.save(tmp_path / f"m{ending}")
    other = load_model(tmp_path / f"m{ending}")
    assert other.optimizer.get_config() == model.optimizer.get_config()
    for one in (model, other):
        steps(one)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), other.get_weights(), strict=True))


def test_what_compile_was_told_is_kept(tmp_path):
    x = Input((3,), name="x")
    model = Model(
        x, {"p": layers.Dense(2, name="p")(x), "q": layers.Dense(3, activation="softmax", name="q")(x)}
    )
    losses = {"p": kerasette.losses.Huber(delta=0.5), "q": "categorical_crossentropy"}
    metrics = {"p": ["mae"], "q": ["accuracy", kerasette.metrics.TopKCategoricalAccuracy(2)]}
    model.compile("adam", losses, {"p": 0.5, "q": 2.0}, metrics)
    data = np.ones((4, 3)), {"p": np.zeros((4, 2)), "q": np.eye(3)[[0, 1, 2, 0]]}
    wanted = model.evaluate(*data, verbose=0, return_dict=True)
    for ending in ENDINGS:
        model.save(tmp_path / f"m{ending}")
        assert load_model(tmp_path / f"m{ending}").evaluate(*data, verbose=0, return_dict=True) == wanted
        theirs = quiet_load(keras(), tmp_path / f"m{ending}").evaluate(*data, verbose=0, return_dict=True)
        assert theirs["loss"] == pytest.approx(wanted["loss"], rel=1e-5)
    assert not load_model(tmp_path / "m.keras", compile=False).compiled
    model.save(tmp_path / "m.keras", include_optimizer=False)
    assert not load_model(tmp_path / "m.keras").compiled


def test_a_file_of_keras_that_never_trained(tmp_path):
    theirs = keras().Sequential([keras().Input((4,)), keras().layers.Dense(2)])
    theirs.compile("adam", "mse")
    theirs.save(tmp_path / "m.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_model(tmp_path / "m.keras").optimizer.iterations == 0


# ---------------------------------------------------------------- one's own classes


class Scaled(layers.Layer):
    """A layer of the user's: one factor a feature."""

    def __init__(self, start=2.0, **base):
        super().__init__(**base)
        self.start = start

    def build(self, shape):
        self.add_param("factor", shape, kerasette.initializers.Constant(self.start))

    def forward(self, ctx, w, x):
        return x * w["factor"], x

    def backward(self, ctx, w, dw, dy, x):
        dw["factor"][...] = (dy * x).sum(axis=0)
        return dy * w["factor"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_custom_layers_come_by_name_only(ending, tmp_path):
    model = Sequential([Input((3,)), Scaled(3.0), layers.Dense(2)])
    path = tmp_path / f"m{ending}"
    model.save(path)
    with pytest.raises(LoadError, match="Scaled"):
        load_model(path)
    other = load_model(path, custom_objects={"Scaled": Scaled})
    assert other.layers[0].start == 3.0
    assert_close(predictions(model, [np.ones((2, 3))]), predictions(other, [np.ones((2, 3))]), 0)


def test_registered_layers(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_CUSTOM", {})
    saving.register_keras_serializable("mine")(Scaled)
    Sequential([Input((3,)), Scaled()]).save(tmp_path / "m.keras")
    assert isinstance(load_model(tmp_path / "m.keras").layers[0], Scaled)
    registry._CUSTOM.clear()
    with pytest.raises(LoadError, match="Scaled"):
        load_model(tmp_path / "m.keras")


# ---------------------------------------------------------------- files of Keras that aren't read


def words(path):
    """Saves a model of Keras's that knows words, with the files that it keeps them in."""
    k = keras()
    table = k.layers.TextVectorization(max_tokens=10, output_sequence_length=4)
    table.adapt(["a b c", "b c d"])
    k.Sequential([k.Input((1,), dtype="string"), table, k.layers.Embedding(10, 4)]).save(path)
    return str(path)


def test_a_layer_of_texts_is_named_and_inspected(tmp_path):
    path = words(tmp_path / "words.keras")
    with pytest.raises(LoadError, match=r"Unknown layer 'TextVectorization'. Texts and tables are prepared"):
        load_model(path)
    assert "Not supported without custom_objects: TextVectorization." in page(path)


def test_the_files_of_a_layer_are_not_read(tmp_path):
    class Words(layers.Layer):
        @classmethod
        def from_config(cls, config):
            return cls(name=config["name"])

        def forward(self, ctx, w, x):
            return x, None

    path = words(tmp_path / "words.keras")
    with pytest.raises(LoadError, match="dtype must be one of"):
        load_model(path, custom_objects={"TextVectorization": Words})
    simple = tmp_path / "simple.keras"
    Sequential([Input((2,)), layers.Dense(1)]).save(simple)
    with zipfile.ZipFile(simple, "a") as archive:
        archive.writestr("assets/words.txt", "a b")
    with pytest.raises(LoadError, match=r"files of layers, which aren't read: assets/words.txt"):
        load_model(simple)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_lambda_in_a_file_says_what_to_write_instead(tmp_path, ending):
    k = keras()
    path = str(tmp_path / f"lambda{ending}")
    k.Sequential([k.Input((3,)), k.layers.Lambda(lambda x: 2 * x, name="twice")]).save(path)
    with pytest.raises(LoadError, match=r"Unknown layer 'Lambda'. Use kerasette.ops .*custom_objects"):
        load_model(path)


def test_weights_of_mixed_precision_are_for_a_model_made_here(tmp_path):
    k, path = keras(), str(tmp_path / "mixed.keras")
    theirs = k.Sequential([k.Input((3,)), k.layers.Dense(2, dtype="mixed_float16")])
    theirs.save(path)
    with pytest.raises(LoadError, match=r"mixed_float16.* load_weights\(\)"):
        load_model(path)
    ours = Sequential([Input((3,)), layers.Dense(2)])
    ours.load_weights(path)
    np.testing.assert_array_equal(ours.get_weights()[0], theirs.get_weights()[0])


def test_a_loss_of_one_s_own_comes_by_custom_objects(tmp_path):
    def l1(y_true, y_pred):
        return kerasette.ops.mean(kerasette.ops.abs(y_true - y_pred), axis=-1)

    model = Sequential([Input((3,)), layers.Dense(2)])
    model.compile("sgd", l1)
    model.save(tmp_path / "own.keras")
    with pytest.raises(LoadError, match=r"pass custom_objects=\{'l1': \.\.\.\}\. Or .* compile=False"):
        load_model(tmp_path / "own.keras")
    assert load_model(tmp_path / "own.keras", custom_objects={"l1": l1}).loss is l1
