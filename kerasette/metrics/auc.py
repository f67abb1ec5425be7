"""Areas under curves of decisions at many thresholds."""

import numpy as np

from kerasette.backend import epsilon, xp_of
from kerasette.errors import fraction, one_of, positive_int, value_error
from kerasette.functions.activations import sigmoid
from kerasette.functions.values import as_pair
from kerasette.metrics.confusion import Decisions, divide, evenly
from kerasette.registry import register

CURVES = ("ROC", "PR", "PRGAIN", "roc", "pr", "prgain")
SUMS = ("interpolation", "majoring", "minoring", "Interpolation", "Majoring", "Minoring")


@register("metric")
class AUC(Decisions):
    """Area under the ROC or the precision-recall curve, as a sum over thresholds.

    Args:
        num_thresholds: how many thresholds, from 0 to 1 at equal distances; at least 2.
        curve: "ROC", "PR" (precision over recall) or "PRGAIN" (Flach and Kull, 2015).
        summation_method: "interpolation" (between thresholds; for PR as Davis and Goadrich, 2006),
            "minoring" or "majoring" (the lower or the higher end of each step).
        name, dtype: see `Metric`.
        thresholds: numbers from 0 to 1 to use instead; 0 and 1 are added.
        multi_label: whether each column is a problem of its own, and the areas are averaged.
        num_labels: number of columns, where `multi_label`; otherwise the first batch tells.
        label_weights: weight of each column.
        from_logits: whether predictions are logits.

    >>> AUC(num_thresholds=3)([0, 0, 1, 1], [0, 0.5, 0.3, 0.9])
    0.75
    """

    _direction = "up"

    def __init__(
        self,
        num_thresholds=200,
        curve="ROC",
        summation_method="interpolation",
        name=None,
        dtype=None,
        thresholds=None,
        multi_label=False,
        num_labels=None,
        label_weights=None,
        from_logits=False,
    ):
        super().__init__(dtype, name)
        one_of("AUC", "curve", curve, CURVES)
        one_of("AUC", "summation_method", summation_method, SUMS)
        if num_labels and not multi_label:
            raise value_error("AUC: num_labels is only for multi_label=True.")
        self.num_thresholds = positive_int("AUC", "num_thresholds", num_thresholds, minimum=2)
        self.curve = curve
        self.summation_method = summation_method
        self.thresholds = thresholds
        self.multi_label = multi_label
        self.num_labels = num_labels
        self.label_weights = label_weights
        self.from_logits = from_logits
        if thresholds is None:
            inner = [i / (num_thresholds - 1) for i in range(1, num_thresholds - 1)]
        else:
            inner = sorted(fraction("AUC", "thresholds", one) for one in thresholds)
        even = thresholds is None or evenly([0.0, *inner, 1.0])
        self._set_thresholds([-epsilon(), *inner, 1.0 + epsilon()], even)

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch; see `Decisions.update_state`."""
        if self.from_logits:
            y_true, y_pred = as_pair(y_true, y_pred)
            y_pred = sigmoid(y_pred)[0]
        positive, y_pred, weights = self._inputs(y_true, y_pred, sample_weight)
        if not self.multi_label:
            if self.label_weights is not None:
                weights = self._label_weights(y_pred) * (1.0 if weights is None else weights)
            arrays = positive, y_pred, weights
            positive, y_pred, weights = (None if array is None else array.reshape(-1) for array in arrays)
        elif y_pred.ndim != 2 or self.num_labels not in (None, y_pred.shape[1]):
            labels = "labels" if self.num_labels is None else self.num_labels
            raise value_error(
                f"{self.name}: multi_label=True needs predictions (n, {labels}), got {y_pred.shape}."
            )
        else:
            for variable in self._variables:
                variable.shape = (len(self._limits), y_pred.shape[1])
        self._add(positive, y_pred, weights)

    def _label_weights(self, y_pred):
        """Returns the weight of each column in the shape of the predictions."""
        xp = xp_of(y_pred)
        weights = self._tables.get(("labels", xp.__name__))
        if weights is None:
            weights = xp.asarray(np.asarray(self.label_weights, dtype="float64"))
            self._tables["labels", xp.__name__] = weights
        return xp.broadcast_to(weights, y_pred.shape)

    def result(self):
        """Returns the area, or the (weighted) mean of those of all columns."""
        method = self.summation_method.lower()
        curve = self.curve.upper()
        if curve == "PR" and method == "interpolation":
            steps = self._interpolated()
        else:
            x, y = self._points(curve)
            lower, upper = np.minimum(y[:-1], y[1:]), np.maximum(y[:-1], y[1:])
            heights = {"minoring": lower, "majoring": upper, "interpolation": (lower + upper) / 2}[method]
            steps = (x[:-1] - x[1:]) * heights
        areas = steps.sum(axis=0)
        if not self.multi_label:
            return float(areas)
        if self.label_weights is None:
            return float(areas.mean())
        weights = np.asarray(self.label_weights, dtype="float64")
        return float(divide((areas * weights).sum(), weights.sum()))

    def _points(self, curve):
        """Returns x and y of the curve at each threshold, the lowest threshold (largest x) first."""
        tp, fp, tn, fn = self._counts()
        recall = divide(tp, tp + fn)
        if curve == "ROC":
            return divide(fp, fp + tn), recall
        if curve == "PR":
            return recall, divide(tp, tp + fp)
        scale = divide(tp + fn, tn + fp)
        recall_gain = np.where(tp == 0, 0.0, 1.0 - scale * divide(fn, tp))
        precision_gain = np.where(tp == 0, 1.0, 1.0 - scale * divide(fp, tp))
        return np.maximum(recall_gain, 0.0), precision_gain

    def _interpolated(self):
        """Returns the areas between thresholds under the precision-recall curve.

        Between two thresholds, true positives grow linearly with all positives (Davis and Goadrich, 2006):
        tp = a + slope * p, so the area is slope * (dtp + a * log(p1 / p2)) / positives.
        """
        tp, fp, _, fn = self._counts()
        p = tp + fp
        dtp = tp[:-1] - tp[1:]
        slope = divide(dtp, np.maximum(p[:-1] - p[1:], 0.0))
        intercept = tp[1:] - slope * p[1:]
        both = (p[:-1] > 0) & (p[1:] > 0)
        ratio = np.where(both, divide(p[:-1], np.maximum(p[1:], 0.0)), 1.0)
        return divide(slope * (dtp + intercept * np.log(ratio)), np.maximum(tp[1:] + fn[1:], 0.0))
