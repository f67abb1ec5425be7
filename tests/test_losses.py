"""Losses against Keras: every option, reduction and kind of weight; gradients; names and configurations."""

import inspect

import numpy as np
import pytest

import kerasette
from kerasette import losses, registry
from tests.case_data import public
from tests.keras_oracle import keras, tf
from tests.loss_cases import CASES, IDS, bits, labels, numbers, one_hot, shares

REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)

PUBLIC, NAMES, FUNCTIONS = public(losses, losses.Loss)


def value(result):
    return result.numpy() if hasattr(result, "numpy") else result


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_call_equals_keras(case, reduction):
    name, arguments, y_true, y_pred = case
    ours = getattr(losses, name)(**arguments, reduction=reduction)
    theirs = getattr(keras().losses, name)(**arguments, reduction=reduction)
    single = theirs.call(tf().constant(y_true, "float32"), tf().constant(y_pred)).numpy()
    weights = [None, 0.5]
    if single.ndim == 1:
        weights += [np.arange(6.0), np.arange(6.0)[:, None], np.zeros(6)]
    if single.ndim == 2:
        weights += [np.arange(6.0)[:, None], np.arange(single.size, dtype="float32").reshape(single.shape)]
    for weight in weights:
        want = value(theirs(y_true, y_pred, sample_weight=weight))
        np.testing.assert_allclose(ours(y_true, y_pred, weight), want, rtol=3e-6, atol=1e-6)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_gradient_of_the_mean_equals_keras(case):
    """What the engine does: single losses times weight / count, and back."""
    name, arguments, y_true, y_pred = case
    ours, theirs = getattr(losses, name)(**arguments), getattr(keras().losses, name)(**arguments)
    y = ours.prepare(y_true, y_pred.shape[1:], "y")
    single, cache = ours.forward(y, y_pred)
    assert single.shape[0] == len(y_pred)
    scale = ours.scaler(len(y), None, y)(single)
    gradient = ours.backward(np.full(single.shape, scale, single.dtype), cache)
    point = tf().constant(y_pred)
    with tf().GradientTape() as tape:
        tape.watch(point)
        total = theirs(y_true, point)
    np.testing.assert_allclose((single * scale).sum(), total.numpy(), rtol=3e-6, atol=1e-6)
    want = tape.gradient(total, point).numpy()
    np.testing.assert_allclose(gradient, want, rtol=2e-5, atol=1e-6)
    assert gradient.shape == y_pred.shape
    assert gradient.dtype == y_pred.dtype
    assert gradient.flags.writeable
    assert not np.shares_memory(gradient, y_pred)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight"])
@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_parts_of_a_batch_add_up(case, reduction):
    """The scaler knows the whole batch, whatever part of it the losses come from."""
    name, arguments, y_true, y_pred = case
    loss = getattr(losses, name)(**arguments, reduction=reduction)
    if loss.couples_batch or y_pred.ndim == 1:
        return
    y = loss.prepare(y_true, y_pred.shape[1:], "y")
    weights = np.arange(6, dtype="float32")
    for weight in (None, weights):
        scale = loss.scaler(6, weight, y)
        total = 0.0
        for part in (slice(0, 4), slice(4, 6)):
            single = loss.forward(y[part], y_pred[part])[0]
            factor = 1.0 if weight is None else weight[part].reshape((-1,) + (1,) * (single.ndim - 1))
            total += (single * factor * scale(single)).sum()
        want = loss(y, y_pred, None if weight is None else weight)
        np.testing.assert_allclose(total, want, rtol=1e-5)


@pytest.mark.parametrize("name", ["Dice", "Tversky"])
def test_one_loss_for_the_whole_batch_with_weights(name):
    y_true, y_pred, weights = bits(6, 4), shares(6, 4), np.arange(6.0, dtype="float32")
    for reduction in ("sum_over_batch_size", "sum"):
        loss = getattr(losses, name)(reduction=reduction)
        assert loss.couples_batch
        single, _ = loss.forward(y_true, y_pred)
        for weight in (None, weights):
            total = (single * (1.0 if weight is None else weight)).sum() * loss.scaler(6, weight)(single)
            np.testing.assert_allclose(total, loss(y_true, y_pred, weight), rtol=1e-6)


# ---------------------------------------------------------------- fused with the last activation


FUSED = [
    ("BinaryCrossentropy", {"label_smoothing": 0.1}, bits(6, 3), "sigmoid"),
    ("BinaryFocalCrossentropy", {"label_smoothing": 0.1, "gamma": 1.5}, bits(6, 3), "sigmoid"),
    ("BinaryFocalCrossentropy", {"apply_class_balancing": True, "alpha": 0.4}, bits(6, 3), "sigmoid"),
    ("BinaryCrossentropy", {}, bits(6), "sigmoid"),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}, one_hot(6, 3), "softmax"),
    ("SparseCategoricalCrossentropy", {}, labels(3, 6), "softmax"),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1}, labels(3, 6), "softmax"),
]


@pytest.mark.parametrize(("name", "arguments", "y_true", "activation"), FUSED)
def test_fusing_changes_no_number(name, arguments, y_true, activation):
    logits = numbers(6, 3 if y_true.ndim == 2 or activation == "softmax" else 1)
    if name == "BinaryCrossentropy" and y_true.ndim == 1:
        y_true = y_true[:, None]
    loss = getattr(losses, name)(**arguments)
    assert loss.fuses_with == activation
    plain = getattr(losses, name)(**arguments, from_logits=True)
    assert plain.fuses_with is None
    single, y_pred, cache = loss.fused_forward(y_true, logits)
    want, want_cache = plain.forward(y_true, logits)
    np.testing.assert_allclose(single, want, rtol=1e-5)
    np.testing.assert_allclose(single, loss.forward(y_true, y_pred)[0], rtol=1e-4, atol=1e-6)
    probabilities = kerasette.activations.get(activation)(logits)
    np.testing.assert_allclose(y_pred, probabilities, rtol=1e-5)
    upstream = numbers(*single.shape)
    np.testing.assert_allclose(
        loss.fused_backward(upstream, cache), plain.backward(upstream, want_cache), rtol=1e-5, atol=1e-7
    )


def test_fused_sigmoid_keeps_the_shape_of_the_predictions():
    loss, y_true, logits = losses.BinaryCrossentropy(), bits(6, 4), numbers(6, 4, 1)
    single, y_pred, cache = loss.fused_forward(y_true, logits)
    assert (single.shape, y_pred.shape) == ((6,), (6, 4, 1))
    assert loss.fused_backward(np.ones(6, "float32"), cache).shape == (6, 4, 1)


def test_what_does_not_fuse():
    assert losses.CategoricalCrossentropy(axis=1).fuses_with is None
    assert losses.BinaryCrossentropy(dtype="float64").fuses_with is None
    assert losses.MeanSquaredError().fuses_with is None


def test_sparse_crossentropy_over_another_axis():
    """Keras on TensorFlow refuses this; it must be what the last axis gives."""
    y_true, y_pred = labels(3, 6, 4), shares(6, 4, 3)
    loss, moved = losses.SparseCategoricalCrossentropy(axis=1), y_pred.swapaxes(1, 2)
    np.testing.assert_allclose(loss(y_true, moved), losses.SparseCategoricalCrossentropy()(y_true, y_pred))
    assert loss.prepare(y_true[:, None, :], (3, 4), "y").shape == (6, 4)
    gradient = loss.backward(np.ones((6, 4), "float32"), loss.forward(y_true, moved)[1])
    assert gradient.shape == moved.shape


# ---------------------------------------------------------------- NUMERICS


def test_sample_weights_divide_by_the_count_not_by_their_sum():
    y, p = np.zeros((2, 1)), np.array([[1.0], [2.0]])
    assert losses.MeanSquaredError()(y, p, [2.0, 1.0]) == 3.0


def test_all_weights_zero_is_zero():
    y, p = np.zeros((2, 1)), np.ones((2, 1))
    assert losses.MeanSquaredError()(y, p, [0.0, 0.0]) == 0.0
    assert losses.MeanSquaredError(reduction="mean_with_sample_weight")(y, p, [0.0, 0.0]) == 0.0


def test_all_labels_ignored_is_zero():
    loss = losses.SparseCategoricalCrossentropy(ignore_class=0)
    y, p = np.zeros(3, int), shares(3, 2)
    assert loss(y, p) == 0.0
    assert loss.scaler(3, None, y)(loss.forward(y, p)[0]) == 0.0


def test_vector_against_column_is_the_exact_mean():
    y = np.arange(10.0)
    assert losses.MeanSquaredError()(y, np.zeros((10, 1))) == 28.5
    assert losses.mean_squared_error(y, np.zeros((10, 1))).shape == (10,)


def test_saturated_probabilities_are_clipped():
    np.testing.assert_allclose(losses.CategoricalCrossentropy()([[0, 1]], [[1.0, 0.0]]), 16.118, atol=1e-3)
    loss = losses.CategoricalCrossentropy()
    single, _, _ = loss.fused_forward(np.array([[0.0, 1.0]], "float32"), np.array([[100.0, 0.0]], "float32"))
    assert single[0] == 100.0


# ---------------------------------------------------------------- other types and devices


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_dtype_float64(case):
    name, arguments, y_true, y_pred = case
    loss = getattr(losses, name)(**arguments, dtype="float64")
    y = loss.prepare(y_true, y_pred.shape[1:], "y")
    single, cache = loss.forward(y, y_pred)
    gradient = loss.backward(np.ones(single.shape), cache)
    assert (single.dtype, gradient.dtype, gradient.shape) == ("float64", "float32", y_pred.shape)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_on_a_device(case, standin):
    name, arguments, y_true, y_pred = case
    loss = getattr(losses, name)(**arguments)
    y = loss.prepare(y_true, y_pred.shape[1:], "y")
    want, want_cache = loss.forward(y, y_pred)
    upstream = np.ones(want.shape, want.dtype)
    got, cache = loss.forward(standin.asarray(y), standin.asarray(y_pred))
    gradient = loss.backward(standin.asarray(upstream), cache)
    np.testing.assert_allclose(got.get(), want, rtol=1e-6)
    np.testing.assert_allclose(gradient.get(), loss.backward(upstream, want_cache), rtol=1e-5, atol=1e-7)
    assert isinstance(loss(standin.asarray(y), standin.asarray(y_pred)), float)


# ---------------------------------------------------------------- signatures, names, configurations


@pytest.mark.parametrize("name", NAMES)
def test_signature_is_keras(name):
    ours = inspect.signature(getattr(losses, name).__init__)
    assert ours == inspect.signature(getattr(keras().losses, name).__init__)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_signature_is_keras(name):
    assert inspect.signature(getattr(losses, name)) == inspect.signature(getattr(keras().losses, name))


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_function_equals_keras(case):
    name, arguments, y_true, y_pred = case
    if y_true.ndim != y_pred.ndim and name == "BinaryCrossentropy":
        return  # Keras's function would broadcast
    function = registry.snake_case(name)
    ours = getattr(losses, function)(y_true, y_pred, **arguments)
    theirs = getattr(keras().losses, function)(y_true, y_pred, **arguments)
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=3e-6, atol=1e-6)


def test_functions_take_lists():
    assert losses.mse([[0.0, 2.0]], [[1.0, 1.0]]).tolist() == [1.0]
    assert losses.sparse_categorical_crossentropy([1], [[0.5, 0.5]]).shape == (1,)
    assert losses.mse([[0]], np.array([[2]])).dtype == "float32"


def test_get_knows_every_name_of_keras():
    from keras.src.losses import ALL_OBJECTS_DICT

    missing = {"ctc", "CTC", "circle", "Circle", "Loss", "LossFunctionWrapper"}
    for name, item in ALL_OBJECTS_DICT.items():
        if name not in missing and "Generalized" not in name and "generalized" not in name:
            want = item().name if isinstance(item, type) else item.__name__
            assert losses.get(name).name in (want, f"{want}_loss")
    for function in FUNCTIONS:
        assert isinstance(losses.get(getattr(losses, function)), losses.Loss)


def test_get_takes_anything():
    assert losses.get(None) is None
    assert isinstance(losses.get(losses.Huber), losses.Huber)
    loss = losses.Huber(delta=2.0)
    assert losses.get(loss) is loss
    assert losses.get(losses.serialize(loss)).delta == 2.0
    assert losses.get({"class_name": "Huber", "config": {"delta": 3.0}}).delta == 3.0
    function = {"module": "builtins", "class_name": "function", "config": "mean_squared_error"}
    assert isinstance(losses.get(function), losses.MeanSquaredError)
    assert losses.get("mine", {"mine": losses.Huber}).name == "huber_loss"


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_configuration_round_trip_and_keras_reads_it(case):
    name, arguments, y_true, y_pred = case
    loss = getattr(losses, name)(**arguments, name="mine", reduction="sum")
    config = loss.get_config()
    again = losses.deserialize(losses.serialize(loss))
    assert again.get_config() == config
    theirs = getattr(keras().losses, name).from_config(config)
    np.testing.assert_allclose(again(y_true, y_pred), theirs(y_true, y_pred).numpy(), rtol=3e-6, atol=1e-6)
    assert set(theirs.get_config()) <= set(config)


def test_a_loss_of_ones_own_needs_no_super():
    class Plain(losses.Loss):
        def __init__(self):
            self.power = 2

        def forward(self, y_true, y_pred):
            error = y_pred - y_true
            return (error**self.power).sum(axis=-1), error

        def backward(self, dlosses, error):
            return self.power * error * dlosses[:, None]

    loss = losses.get(Plain())
    assert loss([[1.0]], [[3.0]]) == 4.0
    assert loss.prepare([1.0, 2.0], (1,), "y").shape == (2, 1)
