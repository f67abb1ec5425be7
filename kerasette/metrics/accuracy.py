"""How often predictions are right."""

from kerasette.backend import xp_of
from kerasette.errors import positive_int, value_error
from kerasette.functions.values import as_arrays, as_pair
from kerasette.metrics.base import Averaged
from kerasette.registry import register


def same_shapes(y_true, y_pred, who: str) -> None:
    """Raises InvalidValue where two arrays have different shapes, even if they could be broadcast."""
    if y_true.shape != y_pred.shape:
        raise value_error(
            f"{who}: y_true has the shape {y_true.shape}, y_pred {y_pred.shape}; wanted the same."
        )


def accuracy(y_true, y_pred):
    """Returns where y_true equals y_pred."""
    y_true, y_pred = as_pair(y_true, y_pred)
    same_shapes(y_true, y_pred, "accuracy")
    return y_true == y_pred


def binary_accuracy(y_true, y_pred, threshold=0.5):
    """Returns where y_true (0 or 1) equals y_pred > threshold."""
    y_true, y_pred = as_pair(y_true, y_pred)
    same_shapes(y_true, y_pred, "binary_accuracy")
    return (y_pred > threshold) == y_true


def categorical_accuracy(y_true, y_pred):
    """Returns where y_true and y_pred, one column a class, have the same (first) largest column."""
    y_true, y_pred = as_arrays(y_true, y_pred)
    same_shapes(y_true, y_pred, "categorical_accuracy")
    return y_true.argmax(axis=-1) == y_pred.argmax(axis=-1)


def _labels(y_true, y_pred, who):
    """Returns class numbers without an axis of the classes."""
    if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1:
        y_true = y_true[..., 0]
    if y_true.shape != y_pred.shape[:-1]:
        raise value_error(
            f"{who}: class numbers of the shape {y_true.shape} don't fit predictions {y_pred.shape}.",
            f"Wanted {y_pred.shape[:-1]}; for one column a class use the metric without 'sparse'.",
        )
    return y_true


def sparse_categorical_accuracy(y_true, y_pred):
    """Returns where class number y_true is the largest of y_pred; the first, if equal."""
    y_true, y_pred = as_arrays(y_true, y_pred)
    return y_pred.argmax(axis=-1) == _labels(y_true, y_pred, "sparse_categorical_accuracy")


def _in_top_k(labels, y_pred, k):
    """Returns whether fewer than k classes are above the right one; False for a class that doesn't exist."""
    xp = xp_of(y_pred)
    exists = (labels >= 0) & (labels < y_pred.shape[-1])
    labels = labels * exists
    right = xp.take_along_axis(y_pred, labels[..., None], axis=-1)
    return ((y_pred > right).sum(axis=-1) < k) & exists & xp.isfinite(right[..., 0])


def top_k_categorical_accuracy(y_true, y_pred, k=5):
    """Returns where the largest of y_true is among the k largest of y_pred."""
    y_true, y_pred = as_arrays(y_true, y_pred)
    same_shapes(y_true, y_pred, "top_k_categorical_accuracy")
    return _in_top_k(y_true.argmax(axis=-1), y_pred, k)


def sparse_top_k_categorical_accuracy(y_true, y_pred, k=5, from_sorted_ids=False):
    """Returns where class number y_true is among the k largest of y_pred.

    Args:
        y_true: class numbers.
        y_pred: one column a class; or class numbers, best first, where `from_sorted_ids`.
        k: how many classes count.
        from_sorted_ids: whether y_pred holds sorted class numbers.
    """
    y_true, y_pred = as_arrays(y_true, y_pred)
    labels = _labels(y_true, y_pred, "sparse_top_k_categorical_accuracy")
    if from_sorted_ids:
        return (y_pred[..., :k] == labels[..., None]).any(axis=-1)
    return _in_top_k(labels.astype("int64"), y_pred, k)


class _Share(Averaged):
    """The share of samples that are right."""

    _direction = "up"


@register("metric")
class Accuracy(_Share):
    """How often y_true equals y_pred.

    >>> Accuracy()([1, 2, 3, 4], [0, 2, 3, 4])
    0.75
    """

    function = staticmethod(accuracy)

    def __init__(self, name="accuracy", dtype=None):
        super().__init__(name, dtype)


@register("metric")
class BinaryAccuracy(_Share):
    """How often y_true (0 or 1) equals y_pred > threshold.

    Args:
        name, dtype: see `Metric`.
        threshold: above it (not at it) a prediction means 1.
    """

    function = staticmethod(binary_accuracy)
    options = ("threshold",)

    def __init__(self, name="binary_accuracy", dtype=None, threshold=0.5):
        super().__init__(name, dtype)
        self.threshold = threshold


@register("metric")
class CategoricalAccuracy(_Share):
    """How often the largest prediction is at the largest of y_true, which has one column a class."""

    function = staticmethod(categorical_accuracy)

    def __init__(self, name="categorical_accuracy", dtype=None):
        super().__init__(name, dtype)


@register("metric")
class SparseCategoricalAccuracy(_Share):
    """How often the largest prediction is at the class number y_true."""

    function = staticmethod(sparse_categorical_accuracy)

    def __init__(self, name="sparse_categorical_accuracy", dtype=None):
        super().__init__(name, dtype)


@register("metric")
class TopKCategoricalAccuracy(_Share):
    """How often the largest of y_true is among the k largest predictions.

    Args:
        k: how many classes count.
        name, dtype: see `Metric`.
    """

    function = staticmethod(top_k_categorical_accuracy)
    options = ("k",)

    def __init__(self, k=5, name="top_k_categorical_accuracy", dtype=None):
        super().__init__(name, dtype)
        self.k = positive_int("TopKCategoricalAccuracy", "k", k)


@register("metric")
class SparseTopKCategoricalAccuracy(_Share):
    """How often the class number y_true is among the k largest predictions.

    Args:
        k: how many classes count.
        name, dtype: see `Metric`.
        from_sorted_ids: whether predictions are class numbers, best first.
    """

    function = staticmethod(sparse_top_k_categorical_accuracy)
    options = ("k", "from_sorted_ids")

    def __init__(self, k=5, name="sparse_top_k_categorical_accuracy", dtype=None, from_sorted_ids=False):
        super().__init__(name, dtype)
        self.k = positive_int("SparseTopKCategoricalAccuracy", "k", k)
        self.from_sorted_ids = from_sorted_ids
