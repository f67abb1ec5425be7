"""What users reach for: Keras's names, inputs by name, arguments that don't exist, and clear errors."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

import kerasette as k
from kerasette import layers, losses, metrics
from kerasette.errors import InvalidType, InvalidValue
from tests.conftest import ROOT
from tests.keras_oracle import keras

X = np.random.default_rng(0).normal(size=(12, 4)).astype("float32")
Y = X[:, :1] * 2


def single(**compile_arguments):
    model = k.Sequential([k.Input((4,), name="x"), layers.Dense(1, name="out")])
    return model.compile("sgd", "mse", **compile_arguments)


def double(first="a", second="b", **compile_arguments):
    x = k.Input((4,))
    outputs = [layers.Dense(1, name=first)(x), layers.Dense(1, name=second)(x)]
    return k.Model(x, outputs).compile("sgd", ["mse", "mse"], **compile_arguments)


# ---------------------------------------------------------------- whole numbers as inputs


def float_layers():
    return [
        layers.Dense(2),
        layers.Activation("tanh"),
        layers.Dropout(0.5),
        layers.GaussianNoise(0.2),
        layers.GroupNormalization(2),
        layers.RMSNormalization(),
        layers.BatchNormalization(),
        layers.Rescaling(0.5),
    ]


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "bool"])
def test_an_input_of_whole_numbers_leads_into_any_layer(dtype):
    """As in Keras the result is float32, and the same as for the numbers as floats."""
    data = np.arange(24).reshape(6, 4).astype(dtype)
    for layer in float_layers():
        model = k.Sequential([k.Input((4,), dtype=dtype), layer])
        found = model.predict(data, verbose=0)
        assert found.dtype == model.output.dtype == "float32"
        np.testing.assert_allclose(found, layer(data.astype("float32"), training=False), atol=1e-6)


def test_training_on_whole_numbers_is_keras_s():
    data, y = np.arange(12).reshape(3, 4) % 5, np.ones((3, 2))
    ours = k.Sequential([k.Input((4,), dtype="int32"), layers.Dense(2)])
    theirs = keras().Sequential([keras().Input((4,), dtype="int32"), keras().layers.Dense(2)])
    theirs.set_weights(ours.get_weights())
    for model in (ours, theirs):
        model.compile(optimizer="sgd", loss="mse")
        model.fit(data, y, epochs=3, verbose=0)
    for found, wanted in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


# ---------------------------------------------------------------- inputs by name


def difference(structure=list):
    a, b = k.Input((4,), name="a"), k.Input((4,), name="b")
    inputs = {"left": a, "right": b} if structure is dict else [a, b]
    return k.Model(inputs, layers.Subtract()([a, b]))


def test_calls_take_inputs_by_name():
    model = difference()
    wanted = X - 2 * X
    np.testing.assert_array_equal(model({"b": 2 * X, "a": X}), wanted)
    np.testing.assert_array_equal(model([X, 2 * X]), wanted)
    assert model({"a": k.Input((4,)), "b": k.Input((4,))}).shape == (None, 4)
    assert np.array_equal(single()({"x": X}), single()({"x": X})) is False  # other weights
    with pytest.raises(InvalidValue, match="needs the input 'b'"):
        model({"a": X})
    with pytest.raises(InvalidValue, match="no input called 'A'"):
        model({"A": X, "b": X})


def test_a_dict_of_inputs_names_them_as_in_keras():
    """The keys of the dict that described the model count, not the names of its tensors."""
    model = difference(dict)
    named = {"left": X, "right": 2 * X}
    for found in (model(named), model.predict(named, verbose=0)):
        np.testing.assert_array_equal(found, X - 2 * X)
    with pytest.raises(InvalidValue, match="left"):
        model({"a": X, "b": X})


# ---------------------------------------------------------------- arguments


SWITCHES = [
    ("run_eagerly", "yes"),
    ("run_eagerly", 2),
    ("steps_per_execution", 0),
    ("steps_per_execution", 1.5),
    ("steps_per_execution", "auto"),
    ("jit_compile", "maybe"),
    ("auto_scale_loss", None),
]


@pytest.mark.parametrize(("name", "value"), SWITCHES)
def test_compile_looks_at_switches_that_change_nothing(name, value):
    with pytest.raises(InvalidValue, match=name):
        single(**{name: value})


def test_the_switches_of_keras_pass():
    single(run_eagerly=True, steps_per_execution=10, jit_compile=False, auto_scale_loss=False)
    single(run_eagerly=None, jit_compile="auto")


@pytest.mark.parametrize("verbose", [7, -1, "loud", None, 1.5])
def test_verbose_is_looked_at_everywhere(verbose):
    model = single()
    for call in (
        lambda: model.fit(X, Y, verbose=verbose),
        lambda: model.evaluate(X, Y, verbose=verbose),
        lambda: model.predict(X, verbose=verbose),
    ):
        with pytest.raises(InvalidValue, match="verbose"):
            call()


UNKNOWN = [
    (lambda m: m.fit(X, Y, epoch=3), "fit has no argument 'epoch'. Did you mean 'epochs'?"),
    (lambda m: m.fit(X, Y, batchsize=3), "Did you mean 'batch_size'?"),
    (lambda m: m.fit(X, Y, validation=(X, Y)), "Did you mean 'validation_"),
    (lambda m: m.evaluate(X, Y, batch=3), "evaluate has no argument 'batch'"),
    (lambda m: m.predict(X, workers=2), "predict has no argument 'workers'"),
    (lambda m: m.train_on_batch(X, Y, sample_weights=Y), "Did you mean 'sample_weight'?"),
    (lambda m: m.compile("sgd", "mse", metric=["mae"]), "Did you mean 'metrics'?"),
]


@pytest.mark.parametrize(("call", "told"), UNKNOWN)
def test_unknown_keywords_name_the_nearest(call, told):
    with pytest.raises(InvalidType) as caught:
        call(single())
    assert told in str(caught.value)


@pytest.mark.parametrize("name", ["crossentropy", "ce", "xent", "cross_entropy", "CrossEntropy"])
def test_crossentropy_alone_could_be_any_of_three(name):
    with pytest.raises(InvalidValue, match=r"sparse_categorical_.*\n?.*'categorical_.* 'binary_"):
        losses.get(name)


@pytest.mark.parametrize("name", ["xent", "cross_entropy"])
def test_what_isnt_quite_crossentropy_is_told_so(name):
    with pytest.raises(InvalidValue, match="Did you mean 'crossentropy'"):
        single().compile("adam", name)


# ---------------------------------------------------------------- names in the history


def test_two_results_of_one_name_are_refused():
    """An output called "val" would hide the validation loss; without validation it is welcome."""
    model = double("val", "b")
    before = model.get_weights()
    with pytest.raises(InvalidValue, match="'val_loss'"):
        model.fit(X, [Y, Y], validation_data=(X, [Y, Y]), verbose=0)
    with pytest.raises(InvalidValue, match="'val_loss'"):
        model.fit(X, [Y, Y], validation_split=0.25, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert set(model.fit(X, [Y, Y], verbose=0).history) == {"loss", "val_loss", "b_loss"}
    named = single(metrics=[metrics.MeanAbsoluteError(name="val_loss")])
    with pytest.raises(InvalidValue, match="'val_loss'"):
        named.fit(X, Y, validation_data=(X, Y), verbose=0)
    one = k.Sequential([k.Input((4,)), layers.Dense(1, name="val")]).compile("sgd", "mse")
    assert set(one.fit(X, Y, validation_data=(X, Y), verbose=0).history) == {"loss", "val_loss"}


def test_a_metric_is_not_called_as_the_loss():
    with pytest.raises(InvalidValue, match="'loss'"):
        single(metrics=[metrics.MeanAbsoluteError(name="loss")])
    with pytest.raises(InvalidValue, match="'a_loss'"):
        double(metrics=[[metrics.MeanAbsoluteError(name="loss")], None])


def test_metrics_of_one_name_are_counted_as_in_keras():
    def results(module):
        x = module.Input((4,))
        outputs = [module.layers.Dense(1, name=name)(x) for name in ("a", "a_b")]
        model = module.Model(x, outputs)
        made = [[module.metrics.MeanAbsoluteError(name=name)] for name in ("b_c", "c")]
        model.compile(optimizer="sgd", loss=["mse", "mse"], metrics=made)
        return sorted(model.evaluate(X, [Y, Y], verbose=0, return_dict=True))

    assert results(k) == results(keras()) == ["a_b_c", "a_b_c_1", "a_b_loss", "a_loss", "loss"]


def test_the_names_of_metrics_are_known_before_the_first_batch():
    model = double(metrics=[["mae"], ["mae", "mse"]], weighted_metrics=[["mae"], None])
    named = model.metrics_names
    assert named == list(model.evaluate(X, [Y, Y], verbose=0, return_dict=True))
    assert "a_weighted_mae" in named


# ---------------------------------------------------------------- what Keras has there, too


def test_penalties_on_weights_are_keras_s():
    def penalties(module, weights=None):
        dense = module.layers.Dense(1, kernel_regularizer="l2", bias_regularizer="l1")
        frozen = module.layers.Dense(2, kernel_regularizer="l2", trainable=False)
        model = module.Sequential([module.Input((4,)), frozen, dense])
        model.set_weights(weights or [w + 0.5 for w in model.get_weights()])
        return [[float(one) for one in part.losses] for part in (model, dense, frozen)], model.get_weights()

    ours, weights = penalties(k)
    theirs, _ = penalties(keras(), weights)
    assert [len(part) for part in ours] == [2, 2, 0]
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5)
    assert single().losses == []


def test_penalties_of_layers_within_layers_are_keras_s():
    def penalties(module, weights=None):
        inner = module.Sequential([module.Input((3, 4)), module.layers.LSTM(2, recurrent_regularizer="l2")])
        both = module.layers.Bidirectional(module.layers.GRU(2, kernel_regularizer="l1"))
        x = module.Input((3, 4))
        model = module.Model(x, [inner(x), both(x)])
        model.set_weights(weights or model.get_weights())
        return [[float(one) for one in part.losses] for part in (model, inner, both)], model.get_weights()

    ours, weights = penalties(k)
    for mine, other in zip(ours, penalties(keras(), weights)[0], strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5)
    assert [len(part) for part in ours] == [3, 1, 2]
    assert layers.Dense(2, kernel_regularizer="l2").losses == []  # it has no weights yet


def test_what_is_there_instead_of_add_loss():
    for one in (single(), layers.Dense(2, name="mine")):
        with pytest.raises(InvalidType, match=r"add_loss\(\) isn't provided.*regularizer.*kerasette\.ops"):
            one.add_loss(1.0)


@pytest.mark.parametrize("name", ["Adam", "SGD", "Adagrad", "RMSprop"])
def test_the_variables_of_optimizers_are_keras_s(name):
    def described(module):
        module.utils.clear_session()
        model = module.Sequential([module.Input((4,)), module.layers.Dense(1)])
        model.compile(optimizer=getattr(module.optimizers, name)(), loss="mse")
        before = len(module.optimizers.get(name).variables)
        model.fit(X, Y, verbose=0)
        found = model.optimizer.variables
        # Keras puts the model's name before the layer's.
        paths = [v.path.replace("sequential_", "") for v in found]
        return paths, [tuple(v.shape) for v in found], before

    ours, theirs = described(k), described(keras())
    assert ours[1:] == theirs[1:]
    assert ours[0] == theirs[0]


def test_what_is_assigned_to_an_optimizer_s_slot_takes_effect():
    model = single()
    model.compile("mse", "adam")
    model.fit(X, Y, verbose=0)
    count, rate, slot = model.optimizer.variables[:3]
    assert count.numpy() == 1 and rate.numpy() == np.float32(0.001)
    slot.assign(np.zeros(slot.shape))
    assert not model.optimizer.variables[2].numpy().any()
    with pytest.raises(ValueError, match="read-only"):
        count.assign(3)


# ---------------------------------------------------------------- layers of one's own


class Bare(layers.Layer):
    def forward(self, ctx, w, x):
        return x * 2


class Three(layers.Layer):
    def forward(self, ctx, w, x):
        return x, None, None


class Other(layers.Layer):
    def output_shape(self, shape):
        return (*shape[:-1], 7)

    def forward(self, ctx, w, x):
        return x, None


class Pair(layers.Layer):
    def output_shape(self, shape):
        return shape, shape

    def forward(self, ctx, w, x):
        return x, None


@pytest.mark.parametrize(
    ("layer", "error", "told"),
    [
        (Bare(name="mine"), InvalidType, r"mine \(Bare\): forward must return two things.* got one ndarray"),
        (Three(name="mine"), InvalidType, "got 3 values"),
        (Other(name="mine"), InvalidValue, r"mine \(Other\).*\(12, 4\).*declares \(12, 7\)"),
        (Pair(name="mine"), InvalidValue, "declares .* and "),
    ],
)
def test_a_forward_that_returns_something_else_is_told(layer, error, told):
    with pytest.raises(error, match=told):
        layer(X)


# ---------------------------------------------------------------- make


@pytest.mark.skipif(shutil.which("make") is None, reason="make isn't installed")
def test_a_call_that_would_not_run_is_refused():
    with pytest.raises(InvalidType, match=r"Doubled defines call\(\), but Dense.forward\(\) would run"):

        class Doubled(layers.Dense):
            def call(self, x):
                return 2 * x

    class Own(layers.Dense):
        def call(self, x):
            """A method of its own, beside its forward."""

        def forward(self, ctx, w, x):
            return super().forward(ctx, w, x)

    assert Own(2)(X).shape == (len(X), 2)


def test_a_layer_without_forward_is_told_when_it_is_described():
    class Doubled(layers.Layer):
        def call(self, x):
            return 2 * x

    with pytest.raises(NotImplementedError, match="Doubled defines no forward"):
        Doubled()(k.Input((4,)))


def test_batches_of_different_sizes_are_not_merged():
    for wrong in (layers.Add, layers.Multiply):
        with pytest.raises(InvalidValue, match="batches of 3 and 1 samples"):
            wrong()([np.ones((3, 2)), np.ones((1, 2))])


def test_make_wants_a_python_that_is_new_enough(tmp_path):
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    old = tmp_path / "python3"
    pretend = "import sys; sys.version_info = (3, 8); sys.version = '3.8.1 old'; exec(sys.argv[2])"
    old.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{pretend}" "$@"\n')
    old.chmod(0o755)
    done = subprocess.run(
        ["make", "demo", f"PYTHON={old}", "VENV=none"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "needs Python 3.11 or newer" in done.stderr and "3.8.1" in done.stderr
