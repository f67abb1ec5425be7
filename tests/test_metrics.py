"""Metrics against Keras: every option, sample weights and unequal batches; names, shapes, errors, devices."""

import inspect

import numpy as np
import pytest

from kerasette import errors, losses, metrics
from kerasette.errors import InvalidType, InvalidValue
from kerasette.registry import register_keras_serializable
from tests.keras_oracle import keras

RNG = np.random.default_rng(11)
N = 14

PUBLIC = {name: getattr(metrics, name) for name in dir(metrics) if not name.startswith("_")}
NAMES = [name for name, item in PUBLIC.items() if inspect.isclass(item) and issubclass(item, metrics.Metric)]
OURS = ("choose", "get", "serialize", "deserialize")  # not by Keras's signature, or not Keras's at all
FUNCTIONS = [
    name
    for name, item in PUBLIC.items()
    if inspect.isfunction(item) and item.__name__ == name and name not in (*OURS, *dir(errors))
]


def numbers(*shape):
    return RNG.normal(size=shape).astype("float32")


def uniform(*shape):
    """Returns numbers from 0 to 1, some of them exactly at thresholds that divide [0, 1] evenly."""
    p = RNG.uniform(size=shape).astype("float32")
    coarse = np.round(p * 10).astype("float32") / np.float32(10)
    return np.where(RNG.uniform(size=shape) < 0.3, coarse, p)


def shares(*shape):
    p = np.exp(numbers(*shape))
    return (p / p.sum(axis=-1, keepdims=True)).astype("float32")


def one_hot(*shape):
    return np.eye(shape[-1], dtype="float32")[RNG.integers(0, shape[-1], shape[:-1])]


def bits(*shape):
    return RNG.integers(0, 2, shape).astype("float32")


def labels(classes, *shape):
    return RNG.integers(0, classes, shape)


# class, arguments, y_true, y_pred
MEANS = [
    ("Accuracy", {}, labels(3, N, 2), labels(3, N, 2).astype("float32")),
    ("Accuracy", {}, labels(3, N), labels(3, N, 1).astype("float32")),
    ("BinaryAccuracy", {}, bits(N, 3), uniform(N, 3)),
    ("BinaryAccuracy", {}, bits(N), uniform(N, 1)),
    ("BinaryAccuracy", {"threshold": 0.3}, bits(N, 3), uniform(N, 3)),
    ("CategoricalAccuracy", {}, one_hot(N, 3), shares(N, 3)),
    ("CategoricalAccuracy", {}, one_hot(N, 4, 3), shares(N, 4, 3)),
    ("SparseCategoricalAccuracy", {}, labels(3, N), shares(N, 3)),
    ("SparseCategoricalAccuracy", {}, labels(3, N, 1), shares(N, 3)),
    ("SparseCategoricalAccuracy", {}, labels(3, N, 4), shares(N, 4, 3)),
    ("TopKCategoricalAccuracy", {"k": 2}, one_hot(N, 5), shares(N, 5)),
    ("TopKCategoricalAccuracy", {"k": 2}, one_hot(N, 4, 5), shares(N, 4, 5)),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, labels(5, N), shares(N, 5)),
    ("SparseTopKCategoricalAccuracy", {}, labels(9, N), shares(N, 9)),
    ("SparseTopKCategoricalAccuracy", {"k": 3}, labels(5, N), np.round(shares(N, 5), 1)),
    ("MeanSquaredError", {}, numbers(N, 3), numbers(N, 3)),
    ("MeanSquaredError", {}, numbers(N), numbers(N, 1)),
    ("MeanSquaredError", {}, numbers(N, 4, 3), numbers(N, 4, 3)),
    ("RootMeanSquaredError", {}, numbers(N, 3), numbers(N, 3)),
    ("RootMeanSquaredError", {}, numbers(N), numbers(N, 1)),
    ("MeanAbsoluteError", {}, numbers(N, 3), numbers(N, 3)),
    ("MeanAbsolutePercentageError", {}, numbers(N, 3), numbers(N, 3)),
    ("MeanSquaredLogarithmicError", {}, uniform(N, 3), uniform(N, 3)),
    ("LogCoshError", {}, numbers(N, 3), numbers(N, 3)),
    ("CosineSimilarity", {}, numbers(N, 3), numbers(N, 3)),
    ("CosineSimilarity", {"axis": 1}, numbers(N, 4, 3), numbers(N, 4, 3)),
    ("Poisson", {}, uniform(N, 3), shares(N, 3)),
    ("KLDivergence", {}, shares(N, 3), shares(N, 3)),
    ("BinaryCrossentropy", {}, bits(N, 3), uniform(N, 3) * 0.9 + 0.05),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, bits(N, 3), numbers(N, 3)),
    ("CategoricalCrossentropy", {}, one_hot(N, 3), shares(N, 3)),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, one_hot(N, 3), numbers(N, 3)),
    ("CategoricalCrossentropy", {"axis": 1}, one_hot(N, 4, 3).swapaxes(1, 2), shares(N, 4, 3).swapaxes(1, 2)),
    ("SparseCategoricalCrossentropy", {}, labels(3, N), shares(N, 3)),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, labels(3, N, 4), numbers(N, 4, 3)),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1}, labels(3, N), shares(N, 3)),
    ("Hinge", {}, 2 * bits(N, 3) - 1, numbers(N, 3)),
    ("SquaredHinge", {}, 2 * bits(N, 3) - 1, numbers(N, 3)),
    ("CategoricalHinge", {}, one_hot(N, 3), numbers(N, 3)),
    ("PearsonCorrelation", {}, numbers(N, 5), numbers(N, 5)),
    ("ConcordanceCorrelation", {}, numbers(N, 5), numbers(N, 5)),
    ("ConcordanceCorrelation", {"axis": 1}, numbers(N, 5, 2), numbers(N, 5, 2)),
]
COUNTS = [
    *[
        (name, {"thresholds": limits}, bits(N, 3), uniform(N, 3))
        for name in (
            "TruePositives",
            "FalsePositives",
            "TrueNegatives",
            "FalseNegatives",
            "Precision",
            "Recall",
        )
        for limits in (None, 0.3, [0.2, 0.7], [0.0, 0.5, 1.0], [k / 10 for k in range(11)])
    ],
    ("Precision", {}, bits(N), uniform(N, 1)),
    ("Precision", {"top_k": 2}, bits(N, 5), uniform(N, 5)),
    ("Recall", {"top_k": 2}, bits(N, 5), np.round(uniform(N, 5), 1)),
    ("Precision", {"top_k": 2, "thresholds": 0.4}, bits(N, 5), uniform(N, 5)),
    ("Recall", {"class_id": 1}, bits(N, 3), uniform(N, 3)),
    ("Precision", {"class_id": 2, "top_k": 2}, bits(N, 5), uniform(N, 5)),
    ("SensitivityAtSpecificity", {"specificity": 0.4}, bits(N), uniform(N)),
    ("SensitivityAtSpecificity", {"specificity": 0.4, "num_thresholds": 1}, bits(N, 3), uniform(N, 3)),
    ("SpecificityAtSensitivity", {"sensitivity": 0.6, "num_thresholds": 2}, bits(N, 3), uniform(N, 3)),
    ("SpecificityAtSensitivity", {"sensitivity": 0.6, "class_id": 1}, bits(N, 3), uniform(N, 3)),
    ("PrecisionAtRecall", {"recall": 0.7}, bits(N, 3), uniform(N, 3)),
    ("RecallAtPrecision", {"precision": 0.5, "num_thresholds": 11}, bits(N, 3), uniform(N, 3)),
]
AREAS = [
    *[
        ("AUC", {"curve": curve, "summation_method": method}, bits(N), uniform(N))
        for curve in ("ROC", "PR", "PRGAIN")
        for method in ("interpolation", "majoring", "minoring")
    ],
    ("AUC", {"num_thresholds": 11}, bits(N, 1), uniform(N, 1)),
    ("AUC", {"num_thresholds": 2}, bits(N), uniform(N)),
    ("AUC", {"thresholds": [0.2, 0.5, 0.6]}, bits(N), uniform(N)),
    ("AUC", {"thresholds": [0.25, 0.5, 0.75]}, bits(N), uniform(N)),
    ("AUC", {"from_logits": True}, bits(N, 2), numbers(N, 2)),
    ("AUC", {"multi_label": True}, bits(N, 3), uniform(N, 3)),
    ("AUC", {"multi_label": True, "curve": "PR", "num_labels": 3}, bits(N, 3), uniform(N, 3)),
    ("AUC", {"multi_label": True, "thresholds": [0.3, 0.4]}, bits(N, 3), uniform(N, 3)),
    ("AUC", {"multi_label": True, "label_weights": [0.2, 0.3, 0.5]}, bits(N, 3), uniform(N, 3)),
    ("AUC", {"label_weights": [0.2, 0.3, 0.5]}, bits(N, 3), uniform(N, 3)),
    ("AUC", {"label_weights": [0.2, 0.3, 0.5], "thresholds": [0.3, 0.4]}, bits(N, 3), uniform(N, 3)),
]
SCORES = [
    *[
        (name, {"average": average, "threshold": threshold}, one_hot(N, 3), uniform(N, 3))
        for name in ("F1Score", "FBetaScore")
        for average in (None, "micro", "macro", "weighted")
        for threshold in (None, 0.4)
    ],
    ("FBetaScore", {"beta": 2.0}, one_hot(N, 3), uniform(N, 3)),
    ("F1Score", {"average": "macro"}, one_hot(N, 3), np.round(uniform(N, 3))),
    ("R2Score", {}, numbers(N, 3), numbers(N, 3)),
    ("R2Score", {"class_aggregation": None}, numbers(N, 3), numbers(N, 3)),
    ("R2Score", {"class_aggregation": "variance_weighted_average"}, numbers(N, 3), numbers(N, 3)),
    ("R2Score", {"num_regressors": 2}, numbers(N, 1), numbers(N, 1)),
]
OVERLAPS = [
    ("IoU", {"num_classes": 3, "target_class_ids": [0, 2]}, labels(3, N), labels(3, N)),
    (
        "IoU",
        {"num_classes": 3, "target_class_ids": [1], "dtype": "float32"},
        labels(3, N, 2),
        labels(3, N, 2),
    ),
    ("IoU", {"num_classes": 3, "target_class_ids": [0, 1], "ignore_class": 2}, labels(3, N), labels(3, N)),
    ("IoU", {"num_classes": 3, "target_class_ids": [0], "sparse_y_pred": False}, labels(3, N), shares(N, 3)),
    ("IoU", {"num_classes": 3, "target_class_ids": [0]}, labels(5, N) - 1, labels(3, N)),
    ("MeanIoU", {"num_classes": 4}, labels(3, N), labels(3, N)),
    ("BinaryIoU", {}, bits(N, 2), uniform(N, 2)),
    ("BinaryIoU", {"target_class_ids": [1], "threshold": 0.3}, bits(N), uniform(N)),
    ("OneHotIoU", {"num_classes": 3, "target_class_ids": [0, 2]}, one_hot(N, 3), shares(N, 3)),
    ("OneHotMeanIoU", {"num_classes": 3}, one_hot(N, 2, 3), shares(N, 2, 3)),
]
CASES = MEANS + COUNTS + AREAS + SCORES + OVERLAPS


def name_of(case):
    name, arguments, y_true, _ = case
    return "-".join([name, *(f"{key}={value}" for key, value in arguments.items()), str(y_true.shape)])


IDS = [name_of(case) for case in CASES]
CUTS = (slice(0, 6), slice(6, 11), slice(11, N))  # unequal batches


def weights_for(case):
    """Returns sample weights that Keras takes for a metric."""
    name, _, y_true, y_pred = case
    vector = RNG.integers(0, 5, N).astype("float32")
    if "IoU" in name:
        return [None] if max(y_true.ndim, y_pred.ndim) > 2 or y_true.shape != (N,) else [None, vector]
    found = [None, vector, np.zeros(N, "float32")]
    if any(case is one for one in MEANS):
        found.append(vector[:, None])
        if y_true.ndim == y_pred.ndim == 3 and "axis" not in case[1]:
            found.append(RNG.uniform(size=(N, y_true.shape[1])).astype("float32"))
    return found


@pytest.mark.parametrize("case", CASES, ids=IDS)
@pytest.mark.filterwarnings("ignore:.*weight as .float.")
def test_metric_equals_keras(case):
    name, arguments, y_true, y_pred = case
    ours, theirs = getattr(metrics, name)(**arguments), getattr(keras().metrics, name)(**arguments)
    for weight in weights_for(case):
        if name == "R2Score" and weight is not None and not weight.any():
            continue
        ours.reset_state()
        theirs.reset_state()
        for cut in CUTS:
            part = None if weight is None else weight[cut]
            ours.update_state(y_true[cut], y_pred[cut], sample_weight=part)
            theirs.update_state(y_true[cut], y_pred[cut], sample_weight=part)
            got, want = ours.result(), theirs.result().numpy()
            np.testing.assert_allclose(got, want, rtol=2e-6, atol=2e-6)
            assert isinstance(got, float if want.ndim == 0 else np.ndarray)
            assert np.shape(got) == want.shape


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_reset_forgets_everything(case):
    name, arguments, y_true, y_pred = case
    metric = getattr(metrics, name)(**arguments)
    first = metric(y_true, y_pred)
    metric.update_state(y_true[::-1], y_pred)
    metric.reset_state()
    np.testing.assert_array_equal(metric(y_true, y_pred), first)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_configuration_round_trip_and_keras_reads_it(case):
    name, arguments, y_true, y_pred = case
    metric = getattr(metrics, name)(**arguments)
    metric.name = "mine"
    config = metric.get_config()
    again = metrics.deserialize(metrics.serialize(metric))
    assert again.get_config() == config
    np.testing.assert_array_equal(again(y_true, y_pred), metric(y_true, y_pred))
    theirs = getattr(keras().metrics, name).from_config(config)
    assert theirs.name == "mine"
    np.testing.assert_allclose(metric.result(), theirs(y_true, y_pred).numpy(), rtol=2e-6, atol=2e-6)
    assert set(theirs.get_config()) <= set(config)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_inputs_are_not_touched(case):
    name, arguments, y_true, y_pred = case
    before = y_true.copy(), y_pred.copy()
    getattr(metrics, name)(**arguments)(y_true, y_pred, np.ones(N) if "IoU" not in name else None)
    np.testing.assert_array_equal(y_true, before[0])
    np.testing.assert_array_equal(y_pred, before[1])


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_on_a_device_nothing_comes_back_before_result(case, standin):
    from tests import cupy_standin

    name, arguments, y_true, y_pred = case
    host, metric = getattr(metrics, name)(**arguments), getattr(metrics, name)(**arguments)
    arrays = [cupy_standin.device(array) for array in (y_true, y_pred)]
    metric.update_state(*arrays)
    cupy_standin.transfers.reset()
    metric.update_state(*arrays)
    assert (cupy_standin.transfers.to_host, cupy_standin.transfers.syncs) == (0, 0)
    host.update_state(y_true, y_pred)
    host.update_state(y_true, y_pred)
    np.testing.assert_allclose(metric.result(), host.result(), rtol=1e-6)


# ---------------------------------------------------------------- sums and means


@pytest.mark.parametrize("name", ["Mean", "Sum"])
@pytest.mark.parametrize(
    ("values", "weights"),
    [
        ([1.0, 3.0, 5.0], None),
        (7.0, None),
        (7.0, 2.0),
        ([1.0, 3.0, 5.0], [1.0, 0.0, 2.0]),
        ([1.0, 3.0, 5.0], [0.0, 0.0, 0.0]),
        ([1.0, 3.0, 5.0], [[1.0], [0.0], [2.0]]),
        ([[1.0, 2.0], [3.0, 4.0]], None),
        ([[1.0, 2.0], [3.0, 4.0]], [1.0, 3.0]),
        ([[1.0, 2.0], [3.0, 4.0]], [[1.0], [3.0]]),
        ([[1.0, 2.0], [3.0, 4.0]], [[1.0, 0.5], [3.0, 0.0]]),
    ],
)
def test_mean_and_sum_equal_keras(name, values, weights):
    ours, theirs = getattr(metrics, name)(), getattr(keras().metrics, name)()
    for scale in (1.0, 3.0):
        scaled = np.asarray(values) * scale
        ours.update_state(scaled.tolist(), weights)
        theirs.update_state(scaled.tolist(), weights)
    np.testing.assert_allclose(ours.result(), theirs.result().numpy(), rtol=1e-6)
    assert [variable.name for variable in ours.variables] == [v.name for v in theirs.variables]
    np.testing.assert_allclose([float(v) for v in ours.variables], [v.numpy() for v in theirs.variables])


def test_mean_of_nothing_is_zero():
    assert metrics.Mean().result() == 0.0
    assert metrics.MeanSquaredError().result() == 0.0


def test_mean_over_unequal_batches_is_exact():
    y, metric = np.arange(10.0)[:, None], metrics.MeanSquaredError()
    for cut in (slice(0, 4), slice(4, 8), slice(8, 10)):
        metric.update_state(y[cut], np.zeros_like(y[cut]))
    assert metric.result() == 28.5


def test_weights_divide_by_their_sum_and_no_weights_by_the_count():
    y, p, metric = np.zeros((2, 1)), np.array([[1.0], [2.0]]), metrics.MeanSquaredError()
    assert metric(y, p) == 2.5
    metric.reset_state()
    assert metric(y, p, [2.0, 1.0]) == 2.0


def test_many_small_numbers_keep_their_sum():
    metric = metrics.Mean()
    for _ in range(100):
        metric.update_state(np.full(10_000, 0.1, "float32"))
    assert abs(metric.result() - np.float32(0.1)) < 1e-9


def test_accuracy_takes_the_first_of_equal_and_lies_strictly_above_one_half():
    assert metrics.SparseCategoricalAccuracy()([0, 1], [[0.5, 0.5], [0.5, 0.5]]) == 0.5
    assert metrics.BinaryAccuracy()([0.0, 1.0], [0.5, 0.5]) == 0.5
    assert metrics.BinaryAccuracy()([[0.0], [0.0]], [[0.5], [0.5]]) == 1.0


def test_top_k_counts_ties_and_labels_that_do_not_exist():
    ours = metrics.SparseTopKCategoricalAccuracy(k=1)
    theirs = keras().metrics.SparseTopKCategoricalAccuracy(k=1)
    y, p = np.array([0, 1, -1, 7]), np.full((4, 2), 0.5, "float32")
    assert ours(y, p) == theirs(y, p).numpy() == 0.5
    ids = np.array([[2, 0, 1], [1, 2, 0]], "float32")
    y = np.array([0, 0])
    ours = metrics.SparseTopKCategoricalAccuracy(k=2, from_sorted_ids=True)
    theirs = keras().metrics.SparseTopKCategoricalAccuracy(k=2, from_sorted_ids=True)
    assert ours(y, ids) == theirs(y, ids).numpy() == 0.5
    assert ours.get_config() == theirs.get_config()


def test_nan_predictions_do_not_stop_a_metric():
    for name in ("AUC", "Precision", "SparseCategoricalAccuracy", "BinaryAccuracy"):
        y_true, y_pred = np.array([1, 0]), np.array([[np.nan, np.nan], [0.2, 0.8]], "float32")
        metric = getattr(metrics, name)()
        metric.update_state(y_true if name.startswith("Sparse") else np.eye(2)[y_true], y_pred)
        assert 0 <= metric.result() <= 1


def test_adjusted_r2_without_enough_samples_warns():
    metric = metrics.R2Score(num_regressors=5)
    metric.update_state([[1.0], [2.0], [3.0]], [[1.0], [2.0], [2.0]])
    with pytest.warns(UserWarning, match="not adjusted"):
        assert metric.result() == 0.5


def test_comparing_many_predictions_at_once_is_cut_in_pieces(monkeypatch):
    from kerasette.metrics import confusion

    y_true, y_pred = bits(50, 2), uniform(50, 2)
    whole = metrics.AUC(thresholds=[0.2, 0.3])(y_true, y_pred)
    monkeypatch.setattr(confusion, "CHUNK", 30)
    np.testing.assert_allclose(metrics.AUC(thresholds=[0.2, 0.3])(y_true, y_pred), whole)


# ---------------------------------------------------------------- names and choices


@pytest.mark.parametrize("name", NAMES)
def test_signature_is_keras(name):
    ours = inspect.signature(getattr(metrics, name).__init__)
    theirs = inspect.signature(getattr(keras().metrics, name).__init__)
    assert ours == theirs


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_signature_is_keras(name):
    assert inspect.signature(getattr(metrics, name)) == inspect.signature(getattr(keras().metrics, name))


def test_functions_equal_keras():
    y, p = labels(5, N), shares(N, 5)
    for name in ("sparse_categorical_accuracy", "sparse_top_k_categorical_accuracy"):
        np.testing.assert_array_equal(getattr(metrics, name)(y, p), getattr(keras().metrics, name)(y, p))
    for name in ("categorical_accuracy", "top_k_categorical_accuracy", "binary_accuracy"):
        one = np.eye(5)[y]
        np.testing.assert_array_equal(getattr(metrics, name)(one, p), getattr(keras().metrics, name)(one, p))
    assert metrics.mean_squared_error is losses.mean_squared_error


def test_get_knows_every_name_of_keras():
    from keras.src.metrics import ALL_OBJECTS_DICT

    for name, item in ALL_OBJECTS_DICT.items():
        arguments = inspect.signature(item.__init__).parameters.values()
        free = all(a.default is not a.empty for a in list(arguments)[1:] if a.kind is not a.VAR_KEYWORD)
        if free and item.__name__ != "Metric":
            assert type(metrics.get(name)).__name__ == item.__name__
    assert isinstance(metrics.get("huber").fn, losses.Huber)


def test_get_takes_anything():
    assert metrics.get(None) is None
    assert isinstance(metrics.get(metrics.AUC), metrics.AUC)
    metric = metrics.Precision(thresholds=0.3)
    assert metrics.get(metric) is metric
    assert metrics.get(metrics.serialize(metric)).thresholds == 0.3
    assert (
        metrics.get({"class_name": "function", "config": "mean_squared_error"}).name == "mean_squared_error"
    )
    assert metrics.get("mine", {"mine": metrics.Recall}).name.startswith("recall")


def test_names_are_counted_as_in_keras():
    from kerasette.registry import reset_names

    reset_names()
    assert [metrics.Precision().name for _ in range(2)] == ["precision", "precision_1"]
    assert [metrics.IoU(2, [0]).name, metrics.AUC(name="mine").name] == ["io_u", "mine"]


SHAPES = [
    ((None,), (None, 1), "BinaryAccuracy"),
    ((None, 1), (None, 1), "BinaryAccuracy"),
    ((None,), (None, 3), "SparseCategoricalAccuracy"),
    ((None, 1), (None, 3), "SparseCategoricalAccuracy"),
    ((None, 3), (None, 3), "CategoricalAccuracy"),
    ((None, 4), (None, 4, 3), "SparseCategoricalAccuracy"),
    ((None, 4, 1), (None, 4, 3), "SparseCategoricalAccuracy"),
    ((None, 4, 3), (None, 4, 3), "CategoricalAccuracy"),
    ((None, 4), (None, 4, 1), "BinaryAccuracy"),
]


@pytest.mark.parametrize(("y_shape", "output_shape", "name"), SHAPES)
@pytest.mark.parametrize("identifier", ["accuracy", "acc", "Accuracy"])
def test_accuracy_goes_by_the_shapes_as_in_keras(y_shape, output_shape, name, identifier):
    from keras.src.trainers.compile_utils import get_metric

    sizes = [tuple(8 if n is None else n for n in shape) for shape in (y_shape, output_shape)]
    theirs = get_metric(identifier, *(np.zeros(size) for size in sizes))
    ours = metrics.choose(identifier, y_shape, output_shape)
    assert type(ours).__name__ == type(theirs).__name__ == name
    assert ours.name == theirs.name == identifier


def test_crossentropy_goes_by_the_shapes_and_the_loss():
    logits = losses.CategoricalCrossentropy(from_logits=True)
    metric = metrics.choose("ce", (None, 3), (None, 3), logits)
    assert (type(metric), metric.name, metric.from_logits) == (metrics.CategoricalCrossentropy, "ce", True)
    assert not metrics.choose("crossentropy", (None,), (None, 3)).from_logits


def function_of_mine(y_true, y_pred):
    return abs(y_true - y_pred)


@pytest.mark.parametrize(
    ("identifier", "name"),
    [
        ("mse", "mse"),
        ("MSE", "MSE"),
        ("AUC", "AUC"),
        ("BinaryAccuracy", "BinaryAccuracy"),
        ("huber", "huber"),
        (losses.MeanSquaredError(), "mean_squared_error"),
        (losses.mean_squared_error, "mean_squared_error"),
        (losses.Huber(name="mine"), "mine"),
        (function_of_mine, "function_of_mine"),
        (lambda y_true, y_pred: y_true - y_pred, "lambda"),
        (metrics.MeanSquaredError(name="other"), "other"),
    ],
)
def test_names_in_the_history(identifier, name):
    metric = metrics.choose(identifier, (None, 1), (None, 1))
    assert isinstance(metric, metrics.Metric)
    assert metric.name == name
    if identifier != "huber" and not isinstance(identifier, (losses.Loss, metrics.Metric)):
        from keras.src.trainers.compile_utils import get_metric

        assert get_metric(identifier, np.zeros((2, 1)), np.zeros((2, 1))).name == name


def test_losses_as_metrics_are_exact_over_unequal_batches_and_with_weights():
    y, p, weights = numbers(N, 3), numbers(N, 3), uniform(N)
    for identifier in (losses.MeanSquaredError(), losses.mean_squared_error, "mse"):
        metric = metrics.choose(identifier, y.shape, p.shape)
        for cut in CUTS:
            metric.update_state(y[cut], p[cut], weights[cut])
        single = losses.mean_squared_error(y, p)
        np.testing.assert_allclose(metric.result(), (single * weights).sum() / weights.sum(), rtol=1e-6)


def test_wrapper_passes_arguments_on_and_has_a_configuration():
    metric = metrics.MeanMetricWrapper(losses.huber, name="h", delta=0.1)
    theirs = keras().metrics.MeanMetricWrapper(keras().losses.huber, name="h", delta=0.1)
    y, p = numbers(N, 3), numbers(N, 3)
    np.testing.assert_allclose(metric(y, p), theirs(y, p).numpy(), rtol=1e-6)
    assert metric.get_config() == theirs.get_config()
    again = metrics.deserialize(metrics.serialize(metric))
    assert again(y, p) == metric.result()
    again = metrics.deserialize(metrics.serialize(metrics.MeanMetricWrapper(losses.Huber(delta=0.1))))
    np.testing.assert_allclose(again(y, p), metric.result(), rtol=1e-6)


def test_wrapped_functions_of_ones_own_are_found_by_their_registered_name():
    register_keras_serializable("tests")(function_of_mine)
    metric = metrics.MeanMetricWrapper(function_of_mine)
    assert metrics.deserialize(metrics.serialize(metric)).fn is function_of_mine


def test_a_metric_in_the_style_of_keras():
    class Hits(metrics.Metric):
        def __init__(self, name="hits", **keywords):
            super().__init__(name=name, **keywords)
            self.hits = self.add_weight(name="hits", initializer="zeros")
            self.seen = self.add_variable(shape=(), initializer="ones", name="seen")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.hits.assign_add((y_true == y_pred).sum())
            self.seen.assign(self.seen + len(y_true))

        def result(self):
            return self.hits / self.seen

    metric = metrics.get(Hits)
    assert metric(np.arange(3), np.arange(3)) == 0.75
    metric.reset_state()
    assert [float(v) for v in metric.variables] == [0.0, 1.0]
    assert (1 - metric.seen, 2 * metric.seen, metric.seen - 1, 1 / metric.seen) == (0, 2, 0, 1)
    metric.seen.assign_sub(1)
    assert np.asarray(metric.seen) == 0.0


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: metrics.get("acuracy"), InvalidValue, "Did you mean 'accuracy'"),
        (lambda: metrics.get("F1"), InvalidValue, "Unknown metric 'F1'"),
        (lambda: metrics.get(3), InvalidType, "got int"),
        (lambda: metrics.choose(None, (None,), (None, 1)), InvalidValue, "got None"),
        (lambda: metrics.choose("accuracy", None, (None, 1)), InvalidValue, "has none"),
        (lambda: metrics.AUC(curv="PR"), InvalidType, "no argument 'curv'.*'curve'"),
        (lambda: metrics.AUC(curve="RO"), InvalidValue, "curve must be one of"),
        (lambda: metrics.AUC(summation_method="mean"), InvalidValue, "summation_method"),
        (lambda: metrics.AUC(num_thresholds=1), InvalidValue, "at least 2"),
        (lambda: metrics.AUC(num_labels=2), InvalidValue, "multi_label"),
        (lambda: metrics.AUC(thresholds=[2.0]), InvalidValue, "0 to 1"),
        (lambda: metrics.AUC(multi_label=True)(bits(4), uniform(4)), InvalidValue, r"\(n, labels\)"),
        (lambda: metrics.Precision(thresholds=1.5), InvalidValue, "thresholds"),
        (lambda: metrics.Precision(top_k=0), InvalidValue, "top_k"),
        (lambda: metrics.Precision(class_id=1)(bits(4), uniform(4)), InvalidValue, "class_id"),
        (lambda: metrics.PrecisionAtRecall(1.5), InvalidValue, "recall"),
        (lambda: metrics.RecallAtPrecision(0.5, num_thresholds=0), InvalidValue, "num_thresholds"),
        (lambda: metrics.F1Score(average="mean"), InvalidValue, "average"),
        (lambda: metrics.F1Score()(bits(4), uniform(4)), InvalidValue, "columns"),
        (lambda: metrics.FBetaScore(beta=1), InvalidValue, "beta"),
        (lambda: metrics.FBetaScore(threshold=2.0), InvalidValue, "threshold"),
        (lambda: metrics.R2Score(class_aggregation="mean"), InvalidValue, "class_aggregation"),
        (lambda: metrics.R2Score(num_regressors=-1), InvalidValue, "num_regressors"),
        (lambda: metrics.IoU(2, [2]), InvalidValue, "0 to 1"),
        (lambda: metrics.MeanIoU(0), InvalidValue, "num_classes"),
        (lambda: metrics.MeanIoU(2)([0, 1], [0, 1, 1]), InvalidValue, r"\(2,\)"),
        (lambda: metrics.TopKCategoricalAccuracy(k=0), InvalidValue, "k must"),
        (lambda: metrics.MeanSquaredError(dtype="float16"), InvalidValue, "dtype"),
        (
            lambda: metrics.MeanSquaredError()(numbers(4, 3), numbers(4, 1)),
            InvalidValue,
            r"\(4, 3\).*\(4, 1\)",
        ),
        (lambda: metrics.BinaryAccuracy()(numbers(4, 3), numbers(4, 1)), InvalidValue, r"\(4, 3\).*\(4, 1\)"),
        (
            lambda: metrics.RootMeanSquaredError()(numbers(4), numbers(4, 2)),
            InvalidValue,
            r"\(4,\).*\(4, 2\)",
        ),
        (
            lambda: metrics.CategoricalAccuracy()(labels(3, 4), shares(4, 3)),
            InvalidValue,
            r"\(4,\).*\(4, 3\)",
        ),
        (
            lambda: metrics.SparseCategoricalAccuracy()(one_hot(4, 3), shares(4, 3)),
            InvalidValue,
            "without 'sparse'",
        ),
        (lambda: metrics.Mean()([1.0, 2.0], [1.0, 2.0, 3.0]), InvalidValue, r"\(3,\).*\(2,\)"),
        (lambda: metrics.Precision()(bits(4), uniform(4), np.ones(3)), InvalidValue, r"\(3,\).*\(4,\)"),
        (lambda: metrics.Metric().update_state(), InvalidType, "no update_state"),
        (lambda: metrics.Metric().result(), InvalidType, "no result"),
        (lambda: metrics.Mean().add_variable((), aggregation="mean"), InvalidValue, "aggregation"),
    ],
)
def test_errors(make, error, words):
    with pytest.raises(error, match=words) as caught:
        make()
    assert len(str(caught.value)) <= 400
