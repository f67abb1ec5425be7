"""Metrics against Keras: every option, sample weights and unequal batches; errors."""

import numpy as np
import pytest

from kerasette import metrics
from kerasette.errors import InvalidType, InvalidValue
from tests.keras_oracle import keras
from tests.metric_cases import (
    CASES,
    CUTS,
    IDS,
    N,
    bits,
    labels,
    numbers,
    one_hot,
    shares,
    uniform,
    weights_for,
)


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
