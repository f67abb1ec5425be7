"""Embedding and Masking: numbers that are no rows, repeated ones, masks, and Keras 2's arguments."""

import time

import numpy as np
import pytest

import kerasette as k
from kerasette import Input, Model, Sequential, functions, layers
from kerasette.backend import set_random_seed
from kerasette.errors import InvalidValue, KerasetteError
from tests import cupy_standin
from tests.keras_oracle import keras, tf


@pytest.fixture(autouse=True)
def seeded():
    set_random_seed(2)


# ---------------------------------------------------------------- numbers of rows


@pytest.mark.parametrize("numbers", [[[5]], [[0, -1]], [[1.0, 7.0]], [[-3.0]], [[np.nan]], [[10**12]]])
def test_a_number_without_a_row_is_named(numbers):
    layer = layers.Embedding(5, 2, name="words")
    wrong = next(n for n in np.ravel(numbers) if not 0 <= n < 5)
    with pytest.raises(InvalidValue, match=r"words.*0 to 4") as problem:
        layer(np.array(numbers))
    assert str(wrong) in str(problem.value)
    assert len(str(problem.value)) <= 400


def test_fractions_are_refused_and_whole_floats_taken():
    layer = layers.Embedding(5, 2)
    with pytest.raises(InvalidValue, match=r"whole number, got 1\.5"):
        layer(np.array([[1.0, 1.5]]))
    np.testing.assert_array_equal(layer(np.array([[1.0, 3.0]])), layer(np.array([[1, 3]])))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int32", "int64", "float32", "float64"])
def test_every_type_of_whole_numbers(dtype):
    layer = layers.Embedding(3, 2)
    y = layer(np.array([[0, 1, 1]], dtype))
    np.testing.assert_array_equal(y[0], layer.embeddings.numpy()[[0, 1, 1]])
    assert y.dtype == "float32"


@pytest.mark.parametrize("fails", ["fit", "predict", "evaluate"])
def test_a_model_names_it_too(fails):
    model = Sequential(
        [Input((2,), dtype="int32"), layers.Embedding(5, 2), layers.Flatten(), layers.Dense(1)]
    )
    model.compile("sgd", "mse")
    x, y = np.array([[1, 2], [3, 9]]), np.zeros((2, 1))
    with pytest.raises(InvalidValue, match=r"index 9.*0 to 4"):
        getattr(model, fails)(*(x,) if fails == "predict" else (x, y), verbose=0)


def test_nothing_is_looked_up_in_an_empty_batch():
    assert layers.Embedding(3, 2)(np.zeros((0, 4), int)).shape == (0, 4, 2)


def test_the_device_checks_as_well():
    with cupy_standin.install() as xp:
        table = cupy_standin.device(np.eye(3, dtype="float32"))
        numbers = functions.row_numbers(xp.asarray([[2, 0]]), 3, "it")
        y, cache = functions.embedding(numbers, table)
        found = cupy_standin.peek(functions.embedding_backward(y, cache))
        with pytest.raises(InvalidValue, match="index 3"):
            functions.row_numbers(xp.asarray([3]), 3, "it")
    np.testing.assert_array_equal(found, np.diag([1.0, 0.0, 1.0]))


# ---------------------------------------------------------------- gradients


@pytest.mark.parametrize(("rows", "width"), [(4, 3), (4, 4), (3000, 6), (1, 1)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_repeated_numbers_add(rows, width, dtype):
    rng = np.random.default_rng(0)
    numbers = rng.integers(0, rows, (50, 40))
    dy = rng.normal(size=(50, 40, width)).astype(dtype)
    wanted = np.zeros((rows, width))
    np.add.at(wanted, numbers, dy.astype("float64"))
    found = functions.embedding_backward(dy, (numbers, (rows, width)))
    assert found.dtype == dtype
    np.testing.assert_allclose(found, wanted, rtol=1e-4 if dtype == "float32" else 1e-12, atol=2e-4)


def test_rows_that_were_not_used_have_no_gradient():
    room = np.full((5, 2), np.nan)
    found = functions.embedding_backward(np.ones((2, 2)), (np.array([1, 1]), (5, 2)), dtable=room)
    assert found is room
    np.testing.assert_array_equal(room, [[0, 0], [2, 2], [0, 0], [0, 0], [0, 0]])


def test_it_is_faster_than_adding_row_by_row():
    rng = np.random.default_rng(0)
    numbers, dy = rng.integers(0, 5000, 4096), rng.normal(size=(4096, 64)).astype("float32")
    table = np.zeros((5000, 64), "float32")

    def best(work):
        times = []
        for _ in range(5):
            begin = time.process_time()
            work()
            times.append(time.process_time() - begin)
        return min(times)

    slow = best(lambda: np.add.at(table, numbers, dy))
    assert best(lambda: functions.embedding_backward(dy, (numbers, table.shape), dtable=table)) < 0.6 * slow


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_training_is_keras_s(optimizer):
    def build(k):
        model = k.Sequential([k.Input((4,), dtype="int32")])
        model.add(k.layers.Embedding(7, 3, embeddings_regularizer="l2", embeddings_constraint="max_norm"))
        model.add(k.layers.Flatten())
        model.add(k.layers.Dense(2))
        model.compile(getattr(k.optimizers, optimizer)(0.05), "mse")
        return model

    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 6, (20, 4)), rng.normal(size=(20, 2))
    ours, theirs = build(k), build(keras())
    ours.set_weights(theirs.get_weights())
    for model in (ours, theirs):
        model.fit(x, y, epochs=3, batch_size=5, shuffle=False, verbose=0)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


# ---------------------------------------------------------------- arguments


def test_weights_to_begin_with():
    table = np.arange(6.0).reshape(3, 2)
    for weights in (table, [table]):
        layer = layers.Embedding(3, 2, weights=weights)
        np.testing.assert_array_equal(layer.get_weights()[0], table)
        np.testing.assert_array_equal(layer(np.array([[2]])), [[[4, 5]]])
        assert "weights" not in layer.get_config()
    with pytest.raises(KerasetteError, match=r"\(3, 2\)"):
        layers.Embedding(3, 2, weights=np.ones((2, 3)))


def test_input_length_has_no_effect():
    with pytest.warns(UserWarning, match="input_length") as told:
        layer = layers.Embedding(3, 2, input_length=4)
    assert told[0].filename == __file__
    assert "input_length" not in layer.get_config()
    assert layer(np.zeros((1, 6), int)).shape == (1, 6, 2)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"input_dim": 0}, "input_dim"),
        ({"output_dim": 1.5}, "output_dim"),
        ({"mask_zero": "yes"}, "mask_zero"),
        ({"lora_rank": 2}, "lora_rank"),
        ({"vocabulary": 2}, "vocabulary"),
    ],
)
def test_wrong_arguments(arguments, match):
    with pytest.raises(KerasetteError, match=match):
        layers.Embedding(**{"input_dim": 3, "output_dim": 2, **arguments})


# ---------------------------------------------------------------- masks


def test_zero_is_padding_where_asked():
    x = Input((None,), dtype="int32")
    plain, masked = layers.Embedding(5, 2)(x), layers.Embedding(5, 2, mask_zero=True)(x)
    assert plain.mask is None
    np.testing.assert_array_equal(Model(x, masked.mask).predict(np.array([[1, 0, 3]])), [[True, False, True]])
    assert masked.shape == (None, None, 2)


def test_padding_has_no_part_in_the_loss():
    def build(k):
        x = k.Input((5,), dtype="int32")
        h = k.layers.Embedding(6, 4, mask_zero=True)(x)
        model = k.Model(x, k.layers.Dense(1)(h))
        model.compile(k.optimizers.SGD(0.1), "mse")
        return model

    x = np.array([[1, 2, 0, 0, 0], [3, 4, 5, 1, 0], [0, 0, 0, 0, 0]])
    y = np.random.default_rng(0).normal(size=(3, 5, 1))
    ours, theirs = build(k), build(keras())
    ours.set_weights(theirs.get_weights())
    losses = [model.fit(x, y, epochs=3, shuffle=False, verbose=0).history["loss"] for model in (ours, theirs)]
    np.testing.assert_allclose(*losses, rtol=1e-5)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, -1, 0.5])
def test_masking_is_keras_s(value):
    x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    x[0, 1:3] = value
    x[1, 2, :2] = value  # not the whole step
    layer = layers.Masking(value)
    np.testing.assert_array_equal(layer(x), keras().layers.Masking(value)(x))
    source = Input((4, 3))
    np.testing.assert_array_equal(
        Model(source, layer(source).mask).predict(x), keras().layers.Masking(value).compute_mask(x)
    )
    tensor = tf().constant(x)
    with tf().GradientTape() as tape:
        tape.watch(tensor)
        total = tf().reduce_sum(keras().layers.Masking(value)(tensor) * 2.0)
    y, cache = functions.masking(x, value)
    np.testing.assert_array_equal(
        functions.masking_backward(np.full_like(y, 2.0), cache), tape.gradient(total, tensor)
    )


@pytest.mark.parametrize("value", ["0", None, float("nan"), True])
def test_masked_values_are_numbers(value):
    with pytest.raises(KerasetteError, match="mask_value"):
        layers.Masking(value)


# ---------------------------------------------------------------- EinsumDense


@pytest.mark.parametrize(
    ("arguments", "shape", "match"),
    [
        (("abc,cd->abd", (None, 3), None, "e"), (2, 4), "bias_axes"),
        (("abc,cd->abd", (5, 3)), (2, 4), "'b' is 2 in the input"),
        (("abc,cd->abe", (None, 3)), (2, 4), "names 'e'"),
        (("abc,cd->bad", (None, 3)), (2, 4), "batch"),
        (("abc,cd->abd", 3), (2, 4), "2 lengths"),
        (("ab,bc->ac", 3), (2, 4), "3 axes"),
        (("ab->ac", 3), (2,), "can't be used"),
        ((3, 3), (2,), "text"),
        (("ab,bc->ac", 3), (None,), "'b' must be known"),
    ],
)
def test_mistakes_in_equations_are_named(arguments, shape, match):
    with pytest.raises(KerasetteError, match=match):
        layers.EinsumDense(*arguments)(Input(shape))


def test_kernels_begin_as_in_keras():
    """Their spread follows from the axes that count inputs and outputs."""
    layer = layers.EinsumDense("abc,cde->abde", (None, 40, 5))
    layer(np.ones((1, 2, 30), "float32"))
    limit = np.sqrt(6 / (30 + 200))
    kernel = layer.kernel.numpy()
    assert 0.95 * limit < abs(kernel).max() <= limit
    heads = layers.MultiHeadAttention(4, 5)
    heads(np.ones((1, 2, 30)), np.ones((1, 2, 30)))
    query, key = heads.get_weights()[0], heads.get_weights()[2]
    assert abs(query).max() <= np.sqrt(6 / (30 + 20)) < 1.1 * abs(query).max()
    assert not np.array_equal(query, key)
