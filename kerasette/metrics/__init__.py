"""Metrics, under Keras's names.

>>> metric = get("mse")
>>> metric.update_state([[0.0], [1.0]], [[1.0], [1.0]])
>>> metric.update_state([[0.0]], [[2.0]])
>>> metric.result()  # (1 + 0 + 4) / 3
1.6666...
"""
# ruff: noqa: F401 - the names are for users

from kerasette import registry
from kerasette.errors import no_attribute, type_error, unknown, value_error
from kerasette.functions.values import (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_hinge,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from kerasette.metrics.accuracy import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from kerasette.metrics.auc import AUC
from kerasette.metrics.base import Mean, MeanMetricWrapper, Metric, Sum
from kerasette.metrics.confusion import (
    FalseNegatives,
    FalsePositives,
    Precision,
    PrecisionAtRecall,
    Recall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
    TrueNegatives,
    TruePositives,
)
from kerasette.metrics.iou import BinaryIoU, IoU, MeanIoU, OneHotIoU, OneHotMeanIoU
from kerasette.metrics.means import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    KLDivergence,
    LogCoshError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    RootMeanSquaredError,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)
from kerasette.metrics.scores import (
    ConcordanceCorrelation,
    F1Score,
    FBetaScore,
    PearsonCorrelation,
    R2Score,
    concordance_correlation,
    pearson_correlation,
)

bce = BCE = binary_crossentropy
kld = KLD = kl_divergence
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
mse = MSE = mean_squared_error
msle = MSLE = mean_squared_logarithmic_error
logcosh = log_cosh

for _function in (
    binary_accuracy,
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_accuracy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_hinge,
    concordance_correlation,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    pearson_correlation,
    poisson,
    sparse_categorical_accuracy,
    sparse_categorical_crossentropy,
    sparse_top_k_categorical_accuracy,
    squared_hinge,
    top_k_categorical_accuracy,
):
    registry.register("function")(_function)  # so that a MeanMetricWrapper's configuration finds it


def get(identifier, custom_objects: dict | None = None) -> Metric | None:
    """Returns the Metric for a name (of a metric or a loss), a function, config, class, Loss or Metric.

    Raises:
        InvalidValue: for an unknown name, with the nearest one.
        InvalidType: for anything else.
    """
    if identifier is None or isinstance(identifier, Metric):
        return identifier
    if isinstance(identifier, str):
        identifier = _named(identifier, custom_objects)
    elif isinstance(identifier, dict):
        identifier = deserialize(identifier, custom_objects)
    item = identifier() if isinstance(identifier, type) else identifier
    if isinstance(item, Metric):
        return item
    if not callable(item):
        raise type_error(f"A metric is a name, a function, a Loss or a Metric; got {type(item).__name__}.")
    return MeanMetricWrapper(item)


def _named(name, custom_objects):
    """Returns the class or function of a metric's or loss's name."""
    metrics, losses = registry.names("metric"), registry.names("loss")
    if name in losses and name not in metrics and name not in (custom_objects or {}):
        return registry.find("loss", name)
    try:
        return registry.find("metric", name, custom_objects)
    except ValueError:
        raise unknown("metric", name, {*metrics, *losses, "acc", "crossentropy", "ce"}) from None


def choose(identifier, y_shape, output_shape, loss=None) -> Metric:
    """Returns the Metric for `identifier`; "accuracy" (or "acc") and "crossentropy" ("ce") go by the shapes.

    Args:
        identifier: see `get`. A name becomes the metric's name.
        y_shape, output_shape: shapes of targets and predictions, the batch axis included.
        loss: that of the output, or None; its `from_logits` holds for "crossentropy".
    """
    if identifier is None:
        raise value_error("A metric is a name, a function, a Loss or a Metric; got None.")
    wanted = identifier.lower() if isinstance(identifier, str) else ""
    if wanted in ("accuracy", "acc"):
        classes = BinaryAccuracy, SparseCategoricalAccuracy, CategoricalAccuracy
        return classes[_problem(y_shape, output_shape)](name=identifier)
    if wanted in ("crossentropy", "ce"):
        classes = BinaryCrossentropy, SparseCategoricalCrossentropy, CategoricalCrossentropy
        logits = getattr(loss, "from_logits", False)
        return classes[_problem(y_shape, output_shape)](name=identifier, from_logits=logits)
    metric = get(identifier)
    if isinstance(identifier, str):
        metric.name = identifier
    return metric


def _problem(y_shape, output_shape) -> int:
    """Returns 0 for yes or no, 1 for class numbers, 2 for one column a class."""
    if y_shape is None:
        raise value_error("A metric needs targets; this output has none.")
    if len(output_shape) < 2 or output_shape[-1] == 1:
        return 0
    return 1 if len(y_shape) < len(output_shape) or y_shape[-1] == 1 else 2


def serialize(metric):
    """Returns the configuration of a Metric, or the name of a function."""
    return registry.serialize(metric)


def deserialize(config, custom_objects: dict | None = None):
    """Returns the Metric that a configuration (or a name) describes."""
    if isinstance(config, dict) and config.get("class_name") == "function":
        return _named(config["config"], custom_objects)
    return registry.resolve("metric", config, custom_objects)


def __getattr__(name):
    raise no_attribute(__name__, name, [own for own in globals() if not own.startswith("_")])
