"""Intersection over union of classes, for segmentation."""

import numpy as np

from kerasette.backend import epsilon, xp_of
from kerasette.errors import positive_int, value_error
from kerasette.functions.values import as_arrays
from kerasette.metrics.base import Metric, spread, weights_like
from kerasette.registry import register


@register("metric")
class IoU(Metric):
    """The mean over chosen classes of tp / (tp + fp + fn).

    Args:
        num_classes: number of classes.
        target_class_ids: the classes whose values are averaged.
        name: see `Metric`.
        dtype: "int64" (the default) makes whole numbers of sample weights, as in Keras; "float32" keeps them.
        ignore_class: label whose samples don't count.
        sparse_y_true, sparse_y_pred: whether they are class numbers, not one column a class.
        axis: of the classes, where they aren't.

    >>> IoU(num_classes=2, target_class_ids=[0])([0, 0, 1, 1], [0, 1, 0, 1])
    0.333333...
    """

    dtypes = ("int64", "int32", "float32", "float64")
    _direction = "up"

    def __init__(
        self,
        num_classes,
        target_class_ids,
        name=None,
        dtype=None,
        ignore_class=None,
        sparse_y_true=True,
        sparse_y_pred=True,
        axis=-1,
    ):
        super().__init__(dtype or "int64", name)
        self.num_classes = positive_int(type(self).__name__, "num_classes", num_classes)
        if any(not 0 <= one < num_classes for one in target_class_ids):
            raise value_error(
                f"{type(self).__name__}: target_class_ids must be from 0 to {num_classes - 1}, "
                f"got {list(target_class_ids)}."
            )
        self.target_class_ids = list(target_class_ids)
        self.ignore_class = ignore_class
        self.sparse_y_true = sparse_y_true
        self.sparse_y_pred = sparse_y_pred
        self.axis = axis
        self.total_cm = self.add_variable((num_classes, num_classes), name="total_confusion_matrix")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch of labels and predictions; labels outside 0 ... num_classes - 1 don't count."""
        y_true, y_pred = as_arrays(y_true, y_pred)
        y_true = y_true if self.sparse_y_true else y_true.argmax(axis=self.axis)
        y_pred = y_pred if self.sparse_y_pred else y_pred.argmax(axis=self.axis)
        shape = y_true.shape
        true, pred = y_true.reshape(-1).astype("int64"), y_pred.reshape(-1).astype("int64")
        if true.size != pred.size:
            raise value_error(f"{self.name}: y_true has the shape {shape}, y_pred {y_pred.shape}.")
        xp, classes = xp_of(y_pred), self.num_classes
        counts = (true >= 0) & (true < classes) & (pred >= 0) & (pred < classes)
        if self.ignore_class is not None:
            counts &= true != self.ignore_class
        weights = counts.astype("float64")
        if sample_weight is not None:
            given = weights_like(true, sample_weight).astype(self.dtype)
            weights = weights * xp.broadcast_to(spread(given, shape, self.name), shape).reshape(-1)
        table = xp.zeros(classes * classes)
        xp.add.at(table, (true * classes + pred) * counts, weights)
        self.total_cm.value = self.total_cm.value + table.reshape(classes, classes)

    def result(self):
        """Returns the mean over the target classes that occur; 0 where none does."""
        table = self.total_cm.numpy()
        hits = np.diagonal(table)[self.target_class_ids]
        union = (table.sum(axis=0) + table.sum(axis=1))[self.target_class_ids] - hits
        occurs = union > 1e-9
        return float((hits / (union + epsilon()) * occurs).sum() / (occurs.sum() + epsilon()))


@register("metric")
class BinaryIoU(IoU):
    """IoU of two classes, of predictions that mean 1 from a threshold on.

    Args:
        target_class_ids: (0, 1), or one of them.
        threshold: a prediction of at least this means 1.
        name, dtype: see `IoU`.
    """

    def __init__(self, target_class_ids=(0, 1), threshold=0.5, name=None, dtype=None):
        super().__init__(2, target_class_ids, name, dtype)
        self.threshold = threshold

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch; see `IoU.update_state`."""
        y_true, y_pred = as_arrays(y_true, y_pred)
        super().update_state(y_true, (y_pred >= self.threshold).astype(y_pred.dtype), sample_weight)


@register("metric")
class MeanIoU(IoU):
    """The mean of all classes' IoU; arguments as in `IoU`."""

    def __init__(
        self,
        num_classes,
        name=None,
        dtype=None,
        ignore_class=None,
        sparse_y_true=True,
        sparse_y_pred=True,
        axis=-1,
    ):
        targets = range(positive_int(type(self).__name__, "num_classes", num_classes))
        super().__init__(num_classes, targets, name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)


@register("metric")
class OneHotIoU(IoU):
    """IoU for targets with one column a class; arguments as in `IoU`."""

    def __init__(
        self,
        num_classes,
        target_class_ids,
        name=None,
        dtype=None,
        ignore_class=None,
        sparse_y_pred=False,
        axis=-1,
    ):
        super().__init__(num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis)


@register("metric")
class OneHotMeanIoU(MeanIoU):
    """The mean of all classes' IoU, for targets with one column a class; arguments as in `IoU`."""

    def __init__(self, num_classes, name=None, dtype=None, ignore_class=None, sparse_y_pred=False, axis=-1):
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)
