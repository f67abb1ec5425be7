"""The rows of NUMERICS about activations and losses: large arguments, saturation, zeros, labels."""

import math
import warnings

import numpy as np
import pytest

import kerasette
from kerasette import activations, registry
from kerasette import functions as f
from kerasette.errors import InvalidValue
from kerasette.functions.special import erf
from tests.keras_oracle import keras, tf

ACTIVATIONS = sorted({*registry.names("activation")} - {"threshold"})


def row(*values, dtype=np.float32):
    return np.array([values], dtype)


def value_and_slope(name, *arrays, **keywords):
    """Returns the losses and their gradient for dlosses of 1."""
    results = getattr(f, name)(*arrays, **keywords)
    return results[0], getattr(f, f"{name}_backward")(np.ones_like(results[0]), results[-1])


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield


# ---------------------------------------------------------------- activations


@pytest.mark.parametrize(
    ("name", "keywords"),
    [
        ("relu", {}),
        ("relu", {"max_value": 6}),
        ("relu", {"max_value": 5, "negative_slope": 0.1}),
        ("relu", {"threshold": 1.0}),
        ("leaky_relu", {"negative_slope": 0.0}),
        ("leaky_relu", {"negative_slope": 0.2}),
    ],
)
def test_rectifiers_of_nan_and_infinity_as_in_keras(name, keywords):
    x = row(np.nan, np.inf, 7.0, -1.0)
    wanted = getattr(keras().activations, name)(x, **keywords).numpy()
    np.testing.assert_allclose(getattr(f, name)(x, **keywords)[0], wanted)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_large_arguments_stay_finite(name, dtype):
    x = row(-1e4, -500.0, -100.0, -20.0, 0.0, 1.0, 20.0, 100.0, 500.0, 1e4, dtype=dtype)
    if name == "exponential":
        x = np.minimum(x, 80.0)
    activation = activations.get(name)
    y, cache = activation.forward(x)
    dx = activation.backward(np.ones_like(y), cache)
    assert np.isfinite(y).all()
    assert np.isfinite(dx).all()


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "silu", "log_sigmoid", "elu", "tanh"])
def test_small_values_keep_their_digits(name):
    """Element by element as TensorFlow's, where sigmoid is 1e-35 too."""
    x = np.linspace(-80.0, 80.0, 641, dtype=np.float32)
    tensor = tf().constant(x)
    with tf().GradientTape() as tape:
        tape.watch(tensor)
        wanted = getattr(keras().activations, name)(tensor)
    y, dx = value_and_slope(name, x)
    np.testing.assert_allclose(y, wanted.numpy(), rtol=1e-5, atol=1e-37)
    # The slopes of TensorFlow lose their own last digits where they are taken from y.
    np.testing.assert_allclose(dx, tape.gradient(wanted, tensor).numpy(), rtol=1e-5, atol=5e-7)


def test_softmax_subtracts_the_maximum():
    y, _ = f.softmax(row(1000.0, 0.0, -1000.0))
    np.testing.assert_array_equal(y, row(1.0, 0.0, 0.0))


def test_softmax_of_nothing_but_minus_infinity_is_nan():
    with np.errstate(invalid="ignore"):
        y, _ = f.softmax(row(-np.inf, -np.inf))
    assert np.isnan(y).all()


def test_log_softmax_is_not_the_logarithm_of_softmax():
    y, _ = f.log_softmax(row(1000.0, 0.0))
    np.testing.assert_array_equal(y, row(0.0, -1000.0))


def test_erf():
    x = np.concatenate([np.linspace(-7.0, 7.0, 5001), [1e-300, -1e4, 1e4]])
    np.testing.assert_allclose(erf(x), [math.erf(value) for value in x], rtol=1e-15, atol=0)
    single = x.astype(np.float32)
    assert erf(single).dtype == np.float32
    np.testing.assert_allclose(erf(single), [math.erf(value) for value in single], rtol=1e-6, atol=0)


# ---------------------------------------------------------------- cross-entropies


def test_crossentropy_of_saturated_probabilities_is_clipped():
    p, _ = f.softmax(row(100.0, 0.0))
    losses, dp = value_and_slope("categorical_crossentropy", row(0.0, 1.0), p)
    assert losses[0] == pytest.approx(16.118, abs=1e-3)
    assert (dp == 0).all()
    losses, _ = value_and_slope("sparse_categorical_crossentropy", np.array([1]), p)
    assert losses[0] == pytest.approx(16.118, abs=1e-3)


def test_crossentropy_of_saturated_logits_is_exact_and_alive():
    losses, dz = value_and_slope("softmax_crossentropy", row(0.0, 1.0), row(100.0, 0.0))
    assert losses[0] == 100.0
    np.testing.assert_allclose(dz, row(1.0, -1.0))
    losses, dz = value_and_slope("sparse_softmax_crossentropy", np.array([1]), row(100.0, 0.0))
    assert losses[0] == 100.0
    np.testing.assert_allclose(dz, row(1.0, -1.0))


def test_crossentropy_divides_by_the_row_sum():
    losses, _ = value_and_slope("categorical_crossentropy", row(0.0, 1.0), row(1.0, 3.0))
    assert losses[0] == pytest.approx(-math.log(0.75))


@pytest.mark.parametrize("scale", [1e4, -1e4])
@pytest.mark.parametrize("fused", ["softmax_crossentropy", "sigmoid_crossentropy"])
def test_large_logits_stay_finite(fused, scale):
    losses, dz = value_and_slope(fused, row(1.0, 0.0), row(scale, 0.0))
    assert np.isfinite(losses).all()
    assert np.isfinite(dz).all()


def test_binary_crossentropy_is_clipped_unevenly_in_float32():
    losses, dp = value_and_slope("binary_crossentropy", row(0.0), row(1.0))
    assert losses[0] == pytest.approx(15.942, abs=1e-3)
    assert (dp == 0).all()
    losses, _ = value_and_slope("binary_crossentropy", row(1.0), row(0.0))
    assert losses[0] == pytest.approx(16.118, abs=1e-3)


def test_binary_crossentropy_of_logits():
    losses, dz = value_and_slope("sigmoid_crossentropy", row(0.0), row(100.0))
    assert losses[0] == 100.0
    np.testing.assert_allclose(dz, row(1.0))


@pytest.mark.parametrize(
    ("fused", "plain", "activation", "labels"),
    [
        ("softmax_crossentropy", "categorical_crossentropy", "softmax", np.eye(3)[[0, 2, 1, 1]]),
        ("sparse_softmax_crossentropy", "sparse_categorical_crossentropy", "softmax", np.array([0, 2, 1, 1])),
        ("sigmoid_crossentropy", "binary_crossentropy", "sigmoid", np.eye(3)[[0, 2, 1, 1]]),
    ],
)
def test_fusing_changes_no_number(fused, plain, activation, labels):
    logits = np.random.default_rng(4).normal(size=(4, 3))
    dlosses = np.random.default_rng(5).normal(size=4)
    losses, p, cache = getattr(f, fused)(labels, logits)
    dlogits = getattr(f, f"{fused}_backward")(dlosses, cache)
    separate, p_cache = getattr(f, activation)(logits)
    apart, loss_cache = getattr(f, plain)(labels, separate)
    dp = getattr(f, f"{plain}_backward")(dlosses, loss_cache)
    np.testing.assert_allclose(p, separate)
    np.testing.assert_allclose(losses, apart)
    np.testing.assert_allclose(dlogits, getattr(f, f"{activation}_backward")(dp, p_cache), atol=1e-12)


# ---------------------------------------------------------------- labels


@pytest.mark.parametrize("name", ["sparse_categorical_crossentropy", "sparse_softmax_crossentropy"])
@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([0, 3], "Label 3 at row 1 is outside 0 ... 2"),
        ([-1, 0], "Label -1 at row 0 is outside 0 ... 2"),
        ([0.0, 1.7], "Label 1.7 at row 1 is no whole number"),
        ([[0, 1, 0], [1, 0, 0]], "one-hot"),
        ([0, 1, 2], "don't fit"),
    ],
)
def test_bad_class_numbers_are_refused(name, labels, words):
    p = np.full((2, 3), 1 / 3, np.float32)
    with pytest.raises(InvalidValue, match=words.replace(".", "[.]")):
        getattr(f, name)(np.array(labels), p)


def test_class_numbers_of_any_type_and_ignored_ones():
    p = np.full((3, 3), 1 / 3, np.float32)
    for labels in (np.array([2, 1, 0], np.uint8), np.array([[2.0], [1.0], [0.0]])):
        losses, _ = f.sparse_categorical_crossentropy(labels, p)
        np.testing.assert_allclose(losses, math.log(3.0), rtol=1e-6)
    losses, dp = value_and_slope("sparse_categorical_crossentropy", np.array([2, -1, 0]), p, ignore_class=-1)
    np.testing.assert_allclose(losses, [math.log(3.0), 0.0, math.log(3.0)], rtol=1e-6)
    assert (dp[1] == 0).all()


@pytest.mark.parametrize(
    "name", ["mean_squared_error", "binary_crossentropy", "categorical_crossentropy", "huber"]
)
def test_shapes_that_only_broadcast_are_refused(name):
    with pytest.raises(InvalidValue, match="both the same"):
        getattr(f, name)(np.zeros((4, 1)), np.full((4, 3), 0.3))


def test_integer_labels_keep_the_type_of_the_predictions():
    losses, cache = f.mean_squared_error(np.array([[1, 2]]), row(1.5, 2.0))
    assert losses.dtype == cache.dtype == np.float32


# ---------------------------------------------------------------- zeros


def test_kl_divergence_at_zero():
    losses, _ = f.kl_divergence(row(0.0, 1.0), row(0.0, 1.0))
    assert losses[0] == 0.0


def test_cosine_similarity_at_zero():
    losses, _ = f.cosine_similarity(row(1.0, 1.0), row(0.0, 0.0))
    assert losses[0] == 0.0
    losses, dy_pred = value_and_slope("cosine_similarity", row(0.0, 0.0), row(1.0, 1.0))
    assert losses[0] == 0.0
    assert (dy_pred == 0).all()


def test_percentage_error_at_zero():
    losses, _ = f.mean_absolute_percentage_error(row(0.0), row(1.0))
    assert losses[0] == pytest.approx(1e9)


@pytest.mark.parametrize("kind", ["sigmoid", None])
def test_saturated_focal_crossentropy_learns_as_in_keras(kind):
    ends = []
    for k in (keras(), kerasette):
        start = k.initializers.Constant(-50.0)
        model = k.Sequential([k.layers.Input((1,)), k.layers.Dense(1, kind, kernel_initializer=start)])
        model.compile(k.optimizers.SGD(1.0), k.losses.BinaryFocalCrossentropy(from_logits=kind is None))
        loss = model.train_on_batch(np.ones((2, 1)), np.ones((2, 1)))
        ends.append((float(loss), float(model.get_weights()[0][0, 0])))
    assert ends[0] == ends[1] == (50.0, -49.0)


KINKS = [
    ("hinge", row(1.0, 1.0, -1.0), row(1.0, 0.5, -1.0), {}),
    ("squared_hinge", row(1.0, 1.0, -1.0), row(1.0, 0.5, -1.0), {}),
    ("categorical_hinge", row(1.0, 0.0, 0.0), row(1.0, 2.0, 2.0), {}),
    ("categorical_hinge", row(1.0, 0.0, 0.0), row(1.0, 0.0, 0.0), {}),
    ("huber", row(0.0, 0.0, 0.0), row(1.0, 0.0, -1.0), {}),
    ("mean_absolute_error", row(1.0, 0.0), row(1.0, 2.0), {}),
    ("mean_squared_logarithmic_error", row(1.0, 1.0, 1.0), row(1e-7, -1.0, 1.0), {}),
    ("kl_divergence", row(0.0, 0.5, 0.5), row(1e-7, 1.0, 1.5), {}),
    ("log_cosh", row(0.0, 0.0), row(1e4, -1e4), {}),
    ("categorical_crossentropy", row(0.0, 0.0, 1.0), row(1.0, 0.0, 0.0), {}),
    ("binary_crossentropy", row(0.0, 0.0, 1.0, 1.0), row(1.0, 0.0, 0.0, 1.0), {}),
    ("sparse_categorical_crossentropy", np.array([0]), row(0.0, 1.0, 0.5), {}),
    ("binary_focal_crossentropy", row(0.0, 1.0, 1.0), row(0.0, 1.0, 0.5), {"gamma": 2.0}),
]


@pytest.mark.parametrize(("name", "y_true", "y_pred", "keywords"), KINKS, ids=lambda value: str(value)[:30])
def test_kinks_as_tensorflow(name, y_true, y_pred, keywords):
    tensor = tf().constant(y_pred)
    with tf().GradientTape() as tape:
        tape.watch(tensor)
        wanted = getattr(keras().losses, name)(tf().constant(y_true), tensor, **keywords)
    losses, dy_pred = value_and_slope(name, y_true, y_pred, **keywords)
    np.testing.assert_allclose(losses, wanted.numpy(), rtol=1e-5)
    np.testing.assert_allclose(dy_pred, tape.gradient(wanted, tensor).numpy(), rtol=1e-5, atol=1e-7)
