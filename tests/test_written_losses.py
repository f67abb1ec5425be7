"""Losses written as formulas: Keras's numbers from the same text, true gradients, and what is refused."""

import pickle

import numpy as np
import pytest

import kerasette as k
from kerasette import activations, layers, losses, models, ops, optimizers, saving
from kerasette.errors import InvalidType, InvalidValue
from kerasette.models.written_loss import WrittenLoss
from tests import cupy_standin, keras_oracle
from tests.harness import numeric_gradient, relative_error
from tests.loss_formulas import (
    CLASSES,
    FORMULAS,
    RNG,
    ROWS,
    WEIGHTS,
    X,
    Y,
    agree,
    mean_of_all,
    one_a_sample,
    one_an_element,
    trained,
)

# ---------------------------------------------------------------- formulas, for either library


@pytest.mark.parametrize(("formula", "y"), FORMULAS, ids=[f.__name__ for f, _ in FORMULAS])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_the_same_text_gives_keras_numbers(formula, y, weights):
    if formula is one_an_element and weights is not None:
        pytest.skip("Keras can't weight these")
    agree(trained(k, formula, X, y, weights), trained(keras_oracle.keras(), formula, X, y, weights))


@pytest.mark.parametrize("formula", [mean_of_all, one_a_sample], ids=["mean_of_all", "one_a_sample"])
def test_masks_count_as_in_keras(formula):
    x = RNG.normal(size=(ROWS, 4, 3)).astype("float32")
    x[:7, 2:] = 0.0
    y = RNG.random((ROWS, 4, 2)).astype("float32")
    agree(trained(k, formula, x, y, None, True), trained(keras_oracle.keras(), formula, x, y, None, True))


def test_targets_with_an_axis_less_meet_predictions_row_by_row():
    """Of a Loss with call() Keras makes (n, n) errors here, without a word."""

    class Squares(losses.Loss):
        def call(self, y_true, y_pred):
            assert y_true.shape == y_pred.shape == (5, 1)
            return ops.square(y_true - y_pred)

    for loss in (Squares(), lambda t, p: ops.square(t - p)):
        model = k.Sequential([k.Input((3,)), layers.Dense(1)]).compile("sgd", loss)
        score = model.evaluate(X[:5], Y[:5, 0], verbose=0)
        assert score == pytest.approx(((Y[:5, :1] - model.predict(X[:5])) ** 2).mean(), rel=1e-5)


# ---------------------------------------------------------------- gradients


EXPRESSIONS = {
    "operators": lambda t, p: (p * t - 2.0) / (1 + p * p) + 1 / (3 - p) - (-p) ** 3 + 2**p,
    "batch": lambda t, p: p - ops.max(p, axis=0, keepdims=True) * ops.min(p, axis=1, keepdims=True),
    "products": lambda t, p: ops.matmul(ops.matmul(p, ops.transpose(p)), t),
    "pieces": lambda t, p: ops.concatenate([t[:1] * p[:1], p[1:, ::-1]], axis=0) * ops.stack([p, t])[0],
    "shapes": lambda t, p: ops.reshape(ops.expand_dims(ops.squeeze(p[:, None]), 1), (-1, 2)) * t,
    "functions": lambda t, p: ops.exp(p) + ops.log1p(ops.sqrt(p)) + ops.softplus(p) * ops.tanh(p),
    "chosen": lambda t, p: ops.maximum(p, t) * ops.minimum(p, 0.4) + ops.where(t > p, p, t * p),
    "condition": lambda t, p: ops.where(p, t * p, t) + ops.square(p),
    "activations": lambda t, p: activations.gelu(p) + activations.elu(p, 0.5) * activations.softmax(p),
    "one number": lambda t, p: ops.mean(ops.sum(p, axis=1) ** 2),
    "twice": lambda t, p: p,
    "other losses": lambda t, p: (
        losses.huber(t, p, delta=0.2)
        + losses.KLDivergence(reduction="none")(t, p)
        + losses.CosineSimilarity()(t, p, [1.0, 2.0, 0.0, 1.0])
        + losses.categorical_crossentropy(t, p, label_smoothing=0.1)
        + losses.dice(t, p)
    ),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_gradients_are_those_of_central_differences(name):
    rng = np.random.default_rng(1)
    y_true, y_pred = rng.uniform(0.2, 0.9, (2, 4, 2))
    loss = WrittenLoss(EXPRESSIONS[name], "own")
    values, cache = loss.forward(y_true, y_pred)
    assert values.dtype == "float64" and values.shape[0] == 4
    kept = y_true.copy(), y_pred.copy()
    dlosses = rng.normal(size=values.shape)
    before = dlosses.copy()
    gradient = loss.backward(dlosses, cache)
    assert gradient.base is None and gradient.flags.writeable
    wanted = numeric_gradient(lambda: float((loss.forward(y_true, y_pred)[0] * dlosses).sum()), y_pred)
    assert relative_error(gradient, wanted) <= 1e-6
    assert np.array_equal(kept, (y_true, y_pred)) and np.array_equal(before, dlosses)


LIBRARY = [
    (losses.mean_squared_error, losses.MeanSquaredError),
    (losses.mean_absolute_error, losses.MeanAbsoluteError),
    (losses.mean_absolute_percentage_error, losses.MeanAbsolutePercentageError),
    (losses.mean_squared_logarithmic_error, losses.MeanSquaredLogarithmicError),
    (losses.log_cosh, losses.LogCosh),
    (losses.poisson, losses.Poisson),
    (losses.hinge, losses.Hinge),
    (losses.squared_hinge, losses.SquaredHinge),
    (losses.categorical_hinge, losses.CategoricalHinge),
    (losses.cosine_similarity, losses.CosineSimilarity),
    (losses.binary_crossentropy, losses.BinaryCrossentropy),
    (losses.binary_focal_crossentropy, losses.BinaryFocalCrossentropy),
    (losses.categorical_crossentropy, losses.CategoricalCrossentropy),
    (losses.categorical_focal_crossentropy, losses.CategoricalFocalCrossentropy),
    (losses.kl_divergence, losses.KLDivergence),
    (losses.tversky, losses.Tversky),
]


@pytest.mark.parametrize(("function", "cls"), LIBRARY, ids=[cls.__name__ for _, cls in LIBRARY])
def test_the_librarys_losses_keep_their_gradients_within_a_formula(function, cls):
    """2 loss + 1 as a formula, of the function and of the object, beside the loss by itself."""
    y_pred = Y.astype("float64")
    y_true = np.eye(2)[CLASSES]
    single = cls(reduction="none")
    values, cache = single.forward(y_true, y_pred)
    dlosses = np.asarray(RNG.normal(size=values.shape))
    wanted = single.backward(2 * dlosses, cache)
    for formula in (lambda t, p: 2 * function(t, p) + 1, lambda t, p: 2 * single(t, p) + 1):
        loss = WrittenLoss(formula, "own")
        found, cache = loss.forward(y_true, y_pred)
        np.testing.assert_allclose(found, np.broadcast_to(2 * values + 1, found.shape), rtol=1e-12)
        dy = np.broadcast_to(dlosses / found.size, found.shape) if not values.ndim else dlosses
        np.testing.assert_allclose(loss.backward(dy, cache), wanted, rtol=1e-9, atol=1e-12)


# ---------------------------------------------------------------- in a model


def fitted(loss, **keywords):
    k.utils.set_random_seed(5)
    model = k.Sequential([k.Input((3,)), layers.Dense(2, activation="sigmoid")])
    model.compile(loss, optimizers.Adam(0.05), **keywords)
    model.fit(X, Y, epochs=2, verbose=0)
    return model


def test_a_written_mse_trains_like_the_librarys():
    own, library = fitted(mean_of_all(k)), fitted("mse")
    for a, b in zip(own.get_weights(), library.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_several_outputs_and_weights():
    x = k.Input((3,))
    outputs = {"a": layers.Dense(2, name="a")(x), "b": layers.Dense(1, name="b")(x)}
    model = k.Model(x, outputs).compile(
        loss={"a": one_a_sample(k), "b": "mse"}, optimizer="sgd", loss_weights={"a": 0.5, "b": 2.0}
    )
    scores = model.evaluate(X, {"a": Y, "b": Y[:, :1]}, return_dict=True, verbose=0)
    assert scores["loss"] == pytest.approx(0.5 * scores["a_loss"] + 2.0 * scores["b_loss"], rel=1e-5)
    y_a, y_b = (model.predict(X)[name] for name in "ab")
    assert scores["a_loss"] == pytest.approx(abs(Y - y_a).mean(), rel=1e-5)
    assert scores["b_loss"] == pytest.approx(((Y[:, :1] - y_b) ** 2).mean(), rel=1e-5)


def test_both_orders_of_compile():
    loss = mean_of_all(k)
    for arguments in ((loss, "sgd"), ("sgd", loss), (losses.MeanSquaredError, optimizers.SGD)):
        model = k.Sequential([k.Input((3,)), layers.Dense(2)]).compile(*arguments)
        assert isinstance(model.optimizer, optimizers.SGD)
        assert model.evaluate(X, Y, verbose=0) > 0


def own_loss(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


class OwnLoss(losses.Loss):
    """A loss with call() and an argument, for files."""

    def __init__(self, factor=1.0, name="own"):
        super().__init__(name=name)
        self.factor = factor

    def call(self, y_true, y_pred):
        return self.factor * own_loss(y_true, y_pred)


OWN = {"own_loss": own_loss, "OwnLoss": OwnLoss}


@pytest.mark.parametrize("loss", [own_loss, OwnLoss(2.0)], ids=["function", "class"])
@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_files_and_pickles(loss, name, tmp_path):
    model = fitted(loss, metrics=[own_loss])
    wanted = model.evaluate(X, Y, verbose=0)
    assert pickle.loads(pickle.dumps(model)).evaluate(X, Y, verbose=0) == wanted
    model.save(tmp_path / name)
    loaded = models.load_model(tmp_path / name, custom_objects=OWN)
    assert loaded.evaluate(X, Y, verbose=0) == wanted
    with pytest.raises(ValueError, match=r"Unknown (loss|metric) 'own_?[lL]oss'|Unknown loss 'OwnLoss'"):
        models.load_model(tmp_path / name)
    with saving.custom_object_scope(OWN):
        assert models.load_model(tmp_path / name).evaluate(X, Y, verbose=0) == wanted


def test_metrics_are_functions_too():
    model = fitted("mse", metrics=[own_loss, lambda t, p: np.abs(t - p).max(axis=-1), OwnLoss(3.0)])
    scores = model.evaluate(X, Y, return_dict=True, verbose=0)
    errors = Y - model.predict(X)
    assert scores["own_loss"] == pytest.approx((errors**2).mean(), rel=1e-5)
    assert scores["own"] == pytest.approx(3 * (errors**2).mean(), rel=1e-5)
    assert scores["lambda"] == pytest.approx(abs(errors).max(axis=-1).mean(), rel=1e-5)


@pytest.mark.parametrize(("formula", "y"), FORMULAS, ids=[f.__name__ for f, _ in FORMULAS])
def test_on_a_device(formula, y):
    wanted = trained(k, formula, X, y, WEIGHTS)
    with cupy_standin.install():
        k.set_backend("cupy")
        found = trained(k, formula, X, y, WEIGHTS)
    agree(found, wanted)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("loss", "error", "words"),
    [
        (lambda t, p: np.mean(np.square(t - p)), InvalidType, "no gradient: .*ufunc.*kerasette.ops"),
        (lambda t, p: np.mean(p), InvalidType, "no plain array"),
        (lambda t, p: float(p[0, 0]), InvalidType, "no plain array"),
        (lambda t, p: p if ops.mean(p) else t, InvalidType, "no plain array"),
        (lambda t, p: sum(p), InvalidType, "no plain array"),
        (lambda t, p: t, InvalidType, "returns a ndarray without a gradient"),
        (lambda t, p: p > 0.5, InvalidType, "without a gradient"),
        (lambda t, p: 0.0, InvalidType, "returns a float"),
        (lambda t, p: None, InvalidType, "returns a NoneType"),
        (lambda t: t, InvalidType, "takes 1 positional argument"),
    ],
)
def test_faults_show_in_compile(loss, error, words):
    model = k.Sequential([k.Input((3,)), layers.Dense(2)])
    with pytest.raises(error, match=words):
        model.compile("sgd", loss)


def test_faults_of_shape_show_before_any_weight_changes():
    model = k.Sequential([k.Input((3,)), layers.Dense(2)])
    model.compile("sgd", lambda t, p: ops.sum(ops.square(p), axis=0))
    before = model.get_weights()
    with pytest.raises(InvalidValue, match=r"returns the shape \(2,\) for 20 samples"):
        model.fit(X, Y, verbose=0)
    model.compile("sgd", lambda t, p: p[:, [0, 0]])
    with pytest.raises(InvalidValue, match="a key has slices"):
        model.fit(X, Y, verbose=0)
    model.compile("sgd", lambda t, p: ops.square(t - p))
    with pytest.raises(ValueError, match="go together"):
        model.fit(X, np.zeros((ROWS, 5)), verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        assert np.array_equal(a, b)
    with pytest.raises(InvalidValue, match="y is missing"):
        model.fit(X, verbose=0)


# ---------------------------------------------------------------- losses that change one of the library's


def doubled(lib, name):
    """Returns one of a library's losses whose call is doubled."""

    class Doubled(getattr(lib.losses, name)):
        def call(self, y_true, y_pred):
            return 2 * super().call(y_true, y_pred)

    return Doubled()


@pytest.mark.parametrize(
    ("name", "activation"),
    [
        ("MeanSquaredError", "tanh"),
        ("CategoricalCrossentropy", "softmax"),
        ("SparseCategoricalCrossentropy", "softmax"),
        ("BinaryCrossentropy", "sigmoid"),
    ],
)
def test_a_call_that_replaces_the_library_s_is_what_is_trained(name, activation):
    """Though its base has a forward of its own, and may be fused with the last activation."""
    y = CLASSES if name.startswith("Sparse") else np.eye(2)[CLASSES]

    def build(lib):
        inputs = lib.Input((3,))
        model = lib.Model(inputs, lib.layers.Dense(2, activation)(inputs))
        model.compile(loss=doubled(lib, name), optimizer=lib.optimizers.SGD(0.1))
        return model

    ours, theirs = build(k), build(keras_oracle.keras())
    ours.set_weights(theirs.get_weights())
    assert ours._engine.plan.fused == [False]
    settings = {"batch_size": 8, "epochs": 3, "shuffle": False, "verbose": 0}
    histories = [model.fit(X, y, **settings).history["loss"] for model in (ours, theirs)]
    np.testing.assert_allclose(*histories, rtol=1e-4)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_a_forward_that_replaces_the_library_s_is_what_is_trained():
    class Doubled(losses.CategoricalCrossentropy):
        def forward(self, y_true, y_pred):
            values, cache = super().forward(y_true, y_pred)
            return 2 * values, cache

        def backward(self, dlosses, cache):
            return super().backward(2 * dlosses, cache)

    class Again(Doubled):
        """Nothing is replaced here, so nothing is taken back that wasn't before."""

    for loss in (Doubled(), Again()):
        assert loss.fuses_with is None and not loss.is_formula
        inputs = k.Input((3,))
        model = k.Model(inputs, layers.Dense(2, "softmax")(inputs)).compile(loss, optimizers.SGD(0.1))
        plain = k.Model(inputs, model.outputs).compile(losses.CategoricalCrossentropy(), optimizers.SGD(0.1))
        assert plain._engine.plan.fused == [True]
        y = np.eye(2)[CLASSES]
        assert model.evaluate(X, y, verbose=0) == pytest.approx(2 * plain.evaluate(X, y, verbose=0), rel=1e-5)
