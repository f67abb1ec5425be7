"""What losses refuse: bad arguments, targets that don't fit the predictions, labels that don't exist."""

import numpy as np
import pytest

import kerasette
from kerasette import losses
from kerasette.errors import InvalidType, InvalidValue

# ---------------------------------------------------------------- errors


def squares(y_true, y_pred):
    return (y_true - y_pred) ** 2


class OnlyForward(losses.Loss):
    def forward(self, y_true, y_pred):
        return squares(y_true, y_pred).mean(axis=-1), None


def test_functions_of_ones_own_come_back_as_they_are():
    assert losses.get(squares) is squares


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: losses.get("meen_squared_error"), InvalidValue, "Did you mean 'mean_squared_error'"),
        (lambda: losses.get("MeanSquareError"), InvalidValue, "Did you mean 'MeanSquaredError'"),
        (lambda: losses.get(losses.Loss()), InvalidType, "no forward.*Define call.*forward.*backward"),
        (lambda: losses.get(OnlyForward), InvalidType, "no backward"),
        (lambda: losses.get(3), InvalidType, "got int"),
        (lambda: losses.Huber(dela=1.0), InvalidType, "no argument 'dela'.*'delta'"),
        (lambda: losses.Huber(delta=0.0), InvalidValue, "above 0"),
        (lambda: losses.MeanSquaredError(reduction="avg"), InvalidValue, "reduction must be one of"),
        (lambda: losses.MeanSquaredError(dtype="float16"), InvalidValue, "dtype must be one of"),
        (lambda: losses.BinaryCrossentropy(label_smoothing=2), InvalidValue, "label_smoothing"),
        (lambda: losses.CategoricalCrossentropy(axis=True), InvalidValue, "axis"),
        (lambda: losses.MeanSquaredError(reduction="none").scaler(3, None), InvalidValue, "needs one number"),
        (lambda: losses.MeanSquaredError()([[1.0]], [[1.0]], [1.0, 2.0]), InvalidValue, r"\(2,\)"),
        (lambda: losses.MeanSquaredError()([[1.0, 2.0]], [[1.0]]), InvalidValue, r"\(1, 2\).*\(1, 1\)"),
        (lambda: losses.Loss()([[1.0]], [[1.0]]), InvalidType, "no forward"),
    ],
)
def test_errors(make, error, words):
    with pytest.raises(error, match=words) as caught:
        make()
    assert len(str(caught.value)) <= 400


# ---------------------------------------------------------------- prepare


@pytest.mark.parametrize(
    ("name", "y", "output_shape", "shape", "dtype"),
    [
        ("mse", [1, 2, 3], (1,), (3, 1), "float32"),
        ("mse", [[1], [2]], (1,), (2, 1), "float32"),
        ("mse", [1.0, 2.0], (), (2, 1), "float32"),
        ("mse", [[1.0], [2.0]], (), (2, 1), "float32"),
        ("mse", np.zeros((2, 5)), (5, 1), (2, 5), "float32"),
        ("mse", np.zeros((2, 5, 1)), (5,), (2, 5), "float32"),
        ("mse", np.zeros((2, 7, 3)), (None, 3), (2, 7, 3), "float32"),
        ("mse", np.zeros((0, 3)), (3,), (0, 3), "float32"),
        ("binary_crossentropy", [True, False], (1,), (2, 1), "float32"),
        ("categorical_crossentropy", np.eye(3, dtype=int), (3,), (3, 3), "float32"),
        ("sparse_categorical_crossentropy", np.array([0, 2], "uint8"), (3,), (2,), "uint8"),
        ("sparse_categorical_crossentropy", [[0], [2]], (3,), (2,), "int64"),
        ("sparse_categorical_crossentropy", [0.0, 2.0], (3,), (2,), "int64"),
        ("sparse_categorical_crossentropy", [True, False], (2,), (2,), "uint8"),
        ("sparse_categorical_crossentropy", np.zeros((2, 5, 1), int), (5, 3), (2, 5), "int64"),
        ("sparse_categorical_crossentropy", np.zeros((2, 5), int), (5, 3), (2, 5), "int64"),
        ("sparse_categorical_crossentropy", [5, 9], (None,), (2,), "int64"),
    ],
)
def test_prepare_reconciles(name, y, output_shape, shape, dtype):
    prepared = losses.get(name).prepare(np.asarray(y), output_shape, "y")
    assert (prepared.shape, prepared.dtype) == (shape, dtype)


def test_prepare_exempts_the_ignored_class():
    loss = losses.SparseCategoricalCrossentropy(ignore_class=255)
    assert loss.prepare(np.array([0, 255]), (3,), "y").tolist() == [0, 255]
    with pytest.raises(InvalidValue, match="value 3 at row 1"):
        loss.prepare(np.array([0, 3]), (3,), "y")


def test_prepare_casts_to_floatx():
    kerasette.config.set_floatx("float64")
    assert losses.get("mse").prepare(np.zeros((2, 1), "float32"), (1,), "y").dtype == "float64"


@pytest.mark.parametrize(
    ("name", "y", "output_shape", "error", "words"),
    [
        ("mse", None, (1,), InvalidValue, "y is missing"),
        ("mse", np.array([["a"]]), (1,), InvalidType, "needs numbers"),
        ("mse", np.array([[None]]), (1,), InvalidType, "needs numbers"),
        ("mse", np.zeros((4, 1)), (3,), InvalidValue, r"\(4, 1\).*\(4, 3\)"),
        ("mse", np.zeros((4, 3)), (1,), InvalidValue, r"\(4, 3\).*\(4, 1\)"),
        ("mse", np.zeros(4), (3,), InvalidValue, r"\(4,\).*\(4, 3\)"),
        ("mse", np.zeros((4, 1, 3)), (2, 3), InvalidValue, r"\(4, 1, 3\).*\(4, 2, 3\).*units"),
        ("mse", np.zeros(4), (5, 1), InvalidValue, "leave return_sequences out"),
        ("mse", np.zeros((4, 5, 1)), (1,), InvalidValue, "set return_sequences=True"),
        ("mse", np.array([[0.0], [1e300]]), (1,), InvalidValue, r"1e\+300 at row \(1, 0\): too large"),
        ("bce", np.array([0.0, 1.0, 2.0]), (1,), InvalidValue, "value 2 at row.*hinge"),
        ("bce", np.array([-1.0, 1.0]), (1,), InvalidValue, "value -1.*from 0 to 1"),
        ("binary_focal_crossentropy", np.array([-1.0]), (1,), InvalidValue, "from 0 to 1"),
        (
            "categorical_crossentropy",
            np.array([0, 1, 2]),
            (3,),
            InvalidValue,
            "sparse_categorical_crossentropy",
        ),
        ("categorical_crossentropy", np.array([[0], [1]]), (3,), InvalidValue, "sparse_.*to_categorical"),
        ("categorical_crossentropy", np.zeros((2, 4)), (3,), InvalidValue, r"\(2, 4\).*\(2, 3\)"),
        ("categorical_focal_crossentropy", np.array([0, 1]), (3,), InvalidValue, "to_categorical"),
        ("sparse_categorical_crossentropy", np.eye(3), (3,), InvalidValue, "use 'categorical_crossentropy'"),
        ("sparse_categorical_crossentropy", np.array([0, 3]), (3,), InvalidValue, "value 3 at row 1.*0 to 2"),
        ("sparse_categorical_crossentropy", np.array([0, -1]), (3,), InvalidValue, "value -1 at row 1"),
        ("sparse_categorical_crossentropy", np.array([1.7]), (3,), InvalidValue, "value 1.7 at row 0"),
        ("sparse_categorical_crossentropy", np.array([np.nan]), (3,), InvalidValue, "value nan at row 0"),
        ("sparse_categorical_crossentropy", np.zeros((2, 4)), (3,), InvalidValue, r"\(2, 4\).*Reshape"),
        (losses.CosineSimilarity(axis=0), np.zeros((2, 3)), (3,), InvalidValue, "axis=0"),
        (losses.BinaryCrossentropy(axis=2), np.zeros((2, 3)), (3,), InvalidValue, "axis=2"),
        (losses.Dice(axis=(0, 1)), np.zeros((2, 3)), (3,), InvalidValue, "axes within a sample"),
    ],
)
def test_prepare_refuses(name, y, output_shape, error, words):
    with pytest.raises(error, match=words) as caught:
        losses.get(name).prepare(y, output_shape, "y")
    assert len(str(caught.value)) <= 400


# ---------------------------------------------------------------- labels are checked once


@pytest.mark.parametrize("from_logits", [False, True])
def test_direct_calls_of_the_sparse_loss_check_the_labels(from_logits):
    """Training has its labels checked by prepare(), so forward() doesn't look again; callers have not."""
    loss = losses.SparseCategoricalCrossentropy(from_logits=from_logits)
    y_pred = np.full((2, 3), 1 / 3, "float32")
    for call in (loss, loss.call):
        for labels in ([0, 3], [-1, 0], [0.0, 1.5]):
            with pytest.raises(ValueError, match="Label"):
                call(np.array(labels), y_pred)
    with pytest.raises(ValueError, match="don't fit"):
        loss.forward(np.array([0, 1, 2]), y_pred)
    for labels in ([0, 3], [-1, 0], [0.0, 1.5]):
        with pytest.raises(ValueError, match="y holds"):
            loss.prepare(np.array(labels), (3,), "y")
