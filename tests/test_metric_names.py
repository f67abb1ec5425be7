"""Metrics by name: signatures, what a name stands for by the shapes, names in the history, one's own."""

import inspect

import numpy as np
import pytest

from kerasette import losses, metrics
from kerasette.registry import register_keras_serializable
from tests.case_data import public
from tests.keras_oracle import keras
from tests.metric_cases import CUTS, N, labels, numbers, shares, uniform

PUBLIC, NAMES, FUNCTIONS = public(metrics, metrics.Metric)


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
