"""Bad data is refused before the first batch, with a message that says what came and what to do."""

import re

import numpy as np
import pytest

from kerasette.data import Signature, make_batches
from kerasette.errors import KerasetteError
from tests.data_cases import CLASSES, LABELS, ONE, ROWS, TWO, Plain, W, X, Y

COUNTS = Signature(["ids"], [(2,)], ["int32"], ["out"], [(1,)], [None])
IMAGES = Signature(["inp"], [(28, 28, 1)], ["float32"], ["out"], [(1,)], [Plain()], ["conv2d"])


def changed(array, place, value):
    copy = array.copy()
    copy[place] = value
    return copy


def pandas():
    return pytest.importorskip("pandas")


def sparse():
    return pytest.importorskip("scipy.sparse").csr_matrix(X)


# what is wrong, arguments of make_batches (or a function that makes them), error, what the message must say
BAD = [
    ("features", {"x": X[:, :3]}, ValueError, "fit: x has 3 features per row; layer 'inp' needs 4."),
    ("one feature", {"x": X[:, :1]}, ValueError, "x has 1 feature per row; layer 'inp' needs 4."),
    (
        "rank",
        {"x": np.zeros((5, 28, 28))},
        ValueError,
        "x has the shape (5, 28, 28); layer 'inp' needs (None, 4). Reshape",
    ),
    ("one sample", {"x": X[0]}, ValueError, "x has the shape (4,); layer 'inp' needs (None, 4)", "x[None]"),
    (
        "flat images",
        {"x": np.zeros((5, 784)), "signature": IMAGES},
        ValueError,
        "layer 'conv2d' needs (None, 28, 28, 1)",
        "x.reshape(-1, 28, 28, 1)",
    ),
    ("number", {"x": np.float32(3)}, ValueError, "x is a single number"),
    ("lengths", {"y": Y[:9], "sample_weight": W[:3]}, ValueError, "x has 25, y has 9, sample_weight has 3"),
    (
        "lengths, two",
        {"x": [X, Y[:9]], "y": [Y, LABELS], "signature": TWO},
        ValueError,
        "x['a'] has 25, x['b'] has 9",
    ),
    (
        "NaN in x",
        {"x": changed(X, ([3, 7], [1, 0]), np.nan)},
        ValueError,
        "x has 2 NaN or infinite values",
        "first in row 3, column 1",
        "allow_nonfinite=True",
    ),
    (
        "Inf in x",
        {"x": changed(X, (7, 2), -np.inf)},
        ValueError,
        "x has 1 NaN or infinite value",
        "first in row 7, column 2",
    ),
    ("NaN in float64", {"x": changed(X.astype("float64"), (7, 2), np.nan)}, ValueError, "row 7, column 2"),
    ("NaN in y", {"y": changed(Y, (24, 0), np.nan)}, ValueError, "y has 1 NaN", "row 24, column 0"),
    (
        "NaN in flat y",
        {"y": changed(Y[:, 0], 2, np.nan)},
        ValueError,
        "y has 1 NaN or infinite value, the first in row 2.",
    ),
    (
        "NaN in an image",
        {"x": changed(np.zeros((2, 28, 28, 1)), (1, 5, 6, 0), np.nan), "y": Y[:2], "signature": IMAGES},
        ValueError,
        "in row 1, at (5, 6, 0)",
    ),
    (
        "NaN in weights",
        {"sample_weight": changed(W, 4, np.nan)},
        ValueError,
        "sample_weight has 1 NaN",
        "row 4",
    ),
    (
        "beyond float32",
        {"x": changed(X.astype("float64"), (5, 1), 1e300)},
        ValueError,
        "x has 1 value beyond float32's 3.4e+38",
        "1e+300, in row 5, column 1",
        "Scale",
    ),
    (
        "y beyond float32",
        {"y": changed(Y.astype("float64"), (5, 0), -1e300)},
        ValueError,
        "y has 1 value beyond float32",
    ),
    ("y None", {"y": None}, ValueError, "y is missing; the loss needs y"),
    (
        "one y None",
        {"x": [X, Y], "y": [Y, None], "signature": TWO},
        ValueError,
        "y['q'] is missing; the loss needs y",
    ),
    ("x None", {"x": None}, ValueError, "x is missing"),
    ("no rows", {"x": X[:0], "y": Y[:0]}, ValueError, "x has 0 rows"),
    (
        "object",
        {"x": changed(X.astype(object), (3, 1), "big")},
        TypeError,
        "x[3][1] is 'big' of type str, not a number",
    ),
    (
        "None inside",
        {"x": changed(X.astype(object), (0, 2), None)},
        TypeError,
        "x[0][2] is None of type NoneType",
    ),
    ("strings", {"y": np.array(["cat"] * ROWS)}, TypeError, "y[0] is", "'cat'", "not a number", "Encode"),
    ("bytes", {"y": np.array([b"cat"] * ROWS)}, TypeError, "y[0] is", "not a number"),
    ("list with text", {"x": [[1, 2, 3, 4], [5, "six", 7, 8]]}, TypeError, "x[1][1] is 'six' of type str"),
    ("list with None", {"x": [[1, 2, 3, 4], [5, None, 7, 8]]}, TypeError, "x[1][1] is None of type NoneType"),
    ("complex", {"x": X.astype("complex64")}, TypeError, "x has dtype complex64; models take numbers"),
    ("dates", {"x": X.astype("int64").astype("M8[s]")}, TypeError, "x has dtype datetime64[s]"),
    (
        "ragged",
        {"x": [[1, 2, 3, 4], [1, 2, 3, 4], [1, 2]]},
        ValueError,
        "x is ragged: row 2 has 2 values, row 0 has 4",
    ),
    (
        "ragged inside",
        {"x": [[[1, 2], [3, 4]], [[1, 2], [3]]]},
        ValueError,
        "x is ragged: row 1 holds lists of different",
    ),
    (
        "ragged, scalar",
        {"x": [[1, 2, 3, 4], 5]},
        ValueError,
        "x is ragged: row 1 has no list but a single value",
    ),
    (
        "ragged objects",
        {"x": np.array([X[0], X[0, :2]], dtype=object)},
        ValueError,
        "row 1 has 2 values, row 0 has 4",
    ),
    (
        "text columns",
        lambda: {
            "x": pandas().DataFrame({"size": [1.5], "town": ["Bern"], "kind": pandas().Categorical(["a"])})
        },
        TypeError,
        "x (DataFrame) has non-numeric columns: 'town' (",
        "), 'kind' (category).",
        "Encode",
        "drop",
    ),
    (
        "text series",
        lambda: {"x": X[:2], "y": pandas().Series(["a", "b"], name="species")},
        TypeError,
        "y (Series) is not numeric: 'species' (",
    ),
    ("sparse", lambda: {"x": sparse()}, TypeError, "x is a sparse matrix", "x.toarray()"),
    ("string for x", {"x": "data.csv"}, TypeError, "x is of type str, which holds no rows"),
    ("generator function", {"x": lambda: None}, TypeError, "x is of type function, which holds no rows"),
    (
        "negative weight",
        {"sample_weight": changed(W, 4, -1)},
        ValueError,
        "sample_weight has a negative weight, -1.0 in row 4",
    ),
    (
        "weight per value",
        {"sample_weight": np.ones((ROWS, 3))},
        ValueError,
        "sample_weight has the shape (25, 3); one weight",
    ),
    ("batch_size 0", {"batch_size": 0}, ValueError, "batch_size must be a whole number of at least 1, got 0"),
    (
        "batch_size 1.5",
        {"batch_size": 1.5},
        ValueError,
        "batch_size must be a whole number of at least 1, got 1.5",
    ),
    ("steps 0", {"steps": 0}, ValueError, "steps must be a whole number of at least 1, got 0"),
    ("shuffle", {"shuffle": "batches"}, ValueError, "Did you mean 'batch'?"),
    (
        "unknown input",
        {"x": {"a": X, "bb": Y}, "signature": TWO},
        ValueError,
        "x has an entry 'bb', but the model has no input of that name",
        "Did you mean 'b'?",
    ),
    (
        "unknown output",
        {"x": [X, Y], "y": {"p": Y, "r": LABELS}, "signature": TWO},
        ValueError,
        "y has an entry 'r', but the model has no output of that name",
    ),
    ("input left out", {"x": {"a": X}, "signature": TWO}, ValueError, "x has nothing for the input 'b'"),
    (
        "one for two",
        {"x": X, "signature": TWO},
        ValueError,
        "x is one array, but the model has 2 inputs: 'a', 'b'",
    ),
    (
        "three for two",
        {"x": [X, X, X], "signature": TWO},
        ValueError,
        "x is a list of 3, but the model has 2 inputs",
    ),
    ("two for one", {"x": [X, X]}, ValueError, "x is a list of 2 arrays, but the model has 1 input: 'inp'"),
    (
        "two targets for one",
        {"y": [Y, Y]},
        ValueError,
        "y is a list of 2 arrays, but the model has 1 output: 'out'",
    ),
    ("y beside a generator", {"x": iter([(X, Y)])}, ValueError, "y was given beside x of type list_iterator"),
    (
        "fractions for whole inputs",
        {"x": np.array([[1, 2], [3, 4.5]]), "y": None, "signature": COUNTS},
        ValueError,
        "x has 1 value that int32 can't hold, the first, 4.5",
        "in row 1, column 1",
    ),
    (
        "too large for whole inputs",
        {"x": np.array([[1, 2**40]]), "y": None, "signature": COUNTS},
        ValueError,
        "that int32 can't hold",
    ),
    (
        "class_weight key",
        {"class_weight": {0: 1, 1: 1, 2: 1, 3: 1}, "signature": CLASSES, "y": LABELS},
        ValueError,
        "class_weight has the key 3, which is no class",
        "0 to 2",
    ),
    (
        "class_weight text",
        {"class_weight": {"cat": 1}, "signature": CLASSES, "y": LABELS},
        ValueError,
        "has the key 'cat'",
    ),
    (
        "class_weight factor",
        {"class_weight": {0: -1}, "signature": CLASSES, "y": LABELS},
        ValueError,
        "class_weight[0] must be a number from 0 to 3.4e+38, got -1",
    ),
    (
        "class_weight list",
        {"class_weight": [1, 2]},
        TypeError,
        "class_weight is a dict of class to factor, got list",
    ),
    (
        "class_weight, two outputs",
        {"x": [X, Y], "class_weight": {0: 1}, "signature": TWO},
        ValueError,
        "with one output",
    ),
    (
        "class_weight, fractions",
        {"class_weight": {0: 1, 1: 1}, "y": Y * 0 + 0.5},
        ValueError,
        "class numbers from 0 to 1 in y",
    ),
]


@pytest.mark.parametrize(
    ("given", "error", "words"), [(b[1], b[2], b[3:]) for b in BAD], ids=[b[0] for b in BAD]
)
@pytest.mark.filterwarnings("ignore:fit. class_weight")
def test_bad_data(given, error, words):
    arguments = {"x": X, "y": Y, "signature": ONE, **(given() if callable(given) else given)}
    with pytest.raises(error) as caught:
        make_batches(**arguments)
    message = str(caught.value)
    assert isinstance(caught.value, KerasetteError)
    assert message.startswith("fit: ")
    assert len(message) <= 400
    for part in words:
        assert part in message, message


def test_nonfinite_data_can_be_let_through():
    x = changed(X.astype("float64"), ([3, 4, 5], [1, 2, 3]), [np.nan, np.inf, 1e300])
    (xs, ys, _), *_ = make_batches(x, Y * np.nan, signature=ONE, allow_nonfinite=True).epoch()
    assert np.isnan(xs[0][3, 1])
    assert np.isinf(xs[0][[4, 5], [2, 3]]).all()
    assert np.isnan(ys[0]).all()


@pytest.mark.parametrize("rows", [25, 30_000])
def test_large_finite_values_pass_although_their_sum_overflows(rows):
    for dtype in ("float32", "float64"):
        x = np.full((rows, 4), 3e38, dtype)
        (xs, _, _), *_ = make_batches(x, np.zeros(rows), signature=ONE).epoch()
        assert np.isfinite(xs[0]).all()
        x[rows - 2, 3] = np.nan
        with pytest.raises(ValueError, match=re.escape(f"in row {rows - 2}, column 3")):
            make_batches(x, np.zeros(rows), signature=ONE)


def test_weights_of_zero_warn():
    with pytest.warns(UserWarning, match="sample_weight is 0 for every row") as caught:
        make_batches(X, Y, np.zeros(ROWS), signature=ONE)
    assert caught[0].filename == __file__


def test_messages_name_who_asks():
    with pytest.raises(ValueError, match=r"^evaluate: x has 3 features"):
        make_batches(X[:, :3], Y, signature=ONE, who="evaluate")


def test_nothing_needs_y_for_prediction():
    batches = make_batches(X, signature=ONE, batch_size=10, needs_y=False, who="predict")
    assert [(len(xs[0]), ys, ws) for xs, ys, ws in batches.epoch()] == [
        (n, [None], [None]) for n in (10, 10, 5)
    ]


def test_the_loss_learns_what_its_targets_are_called():
    with pytest.raises(ValueError, match=r"^fit: y\['q'\]: label too large"):
        make_batches([X, Y], [Y, LABELS + 1], signature=TWO)
    with pytest.raises(ValueError, match=r"^fit, batch 0: y: label too large"):
        list(make_batches(iter([(X, LABELS + 1)]), signature=CLASSES).epoch())
