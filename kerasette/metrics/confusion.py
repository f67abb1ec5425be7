"""Metrics of decisions at thresholds: true and false positives and negatives, precision, recall."""

import numpy as np

from kerasette.backend import xp_of
from kerasette.errors import fraction, positive_int, value_error
from kerasette.functions.values import as_pair
from kerasette.metrics.accuracy import same_shapes
from kerasette.metrics.base import Metric, spread, weights_like
from kerasette.registry import register

LOWEST = -1e10  # below every prediction, and every threshold where top_k decides
CHUNK = 2**22  # elements of the table of thresholds by predictions that are held at once


def evenly(thresholds) -> bool:
    """Tells whether three thresholds or more divide [0, 1] evenly, so that counting needs no comparisons."""
    count = len(thresholds)
    return count >= 3 and np.allclose(thresholds, np.arange(count) / (count - 1), atol=1e-7)


def threshold_list(owner: str, thresholds, default: float) -> list[float]:
    """Returns thresholds as a list.

    Raises:
        InvalidValue: where one lies outside [0, 1].
    """
    if thresholds is None:
        return [default]
    given = list(thresholds) if isinstance(thresholds, (list, tuple, np.ndarray)) else [thresholds]
    return [fraction(owner, "thresholds", one) for one in given]


def divide(a, b):
    """Returns a / b on the host, and 0 where b is 0."""
    return np.divide(a, b, out=np.zeros(np.shape(b)), where=np.asarray(b) != 0)


class Decisions(Metric):
    """Base of metrics that compare predictions with thresholds and count the four cases.

    A subclass sets `_limits` (the thresholds), `_even` (see `evenly`) and adds the accumulators of `cases`.
    """

    cases = ("true_positives", "false_positives", "true_negatives", "false_negatives")
    top_k = class_id = None

    def _set_thresholds(self, limits, even):
        self._limits = limits
        self._even = even
        self._with_zero = limits[0] < 0  # whether a prediction of 0 is above the first threshold
        self._tables = {}  # name of a module -> the thresholds as an array there
        for case in self.cases:
            setattr(self, case, self.add_variable((len(limits),), name=case))

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch.

        Args:
            y_true: labels; 0 is negative, anything else positive.
            y_pred: predictions in the shape of `y_true`.
            sample_weight: one a sample, or one a prediction.
        """
        arrays = self._inputs(y_true, y_pred, sample_weight)
        self._add(*(None if array is None else array.reshape(-1) for array in arrays))

    def _inputs(self, y_true, y_pred, weights):
        """Returns labels (bool), predictions and weights (float64, or None), all of one shape."""
        y_true, y_pred = as_pair(y_true, y_pred)
        same_shapes(y_true, y_pred, self.name)
        xp = xp_of(y_pred)
        y_pred, positive = y_pred.astype(self.dtype, copy=False), y_true != 0
        if self.top_k is not None:
            ranks = xp.argsort(xp.argsort(-y_pred, axis=-1, kind="stable"), axis=-1)
            y_pred = xp.where(ranks < self.top_k, y_pred, LOWEST)
        if self.class_id is not None:
            if y_pred.ndim < 2:
                raise value_error(f"{self.name}: class_id needs predictions (n, c), got {y_pred.shape}.")
            positive, y_pred = (a[..., self.class_id : self.class_id + 1] for a in (positive, y_pred))
        if weights is None:
            return positive, y_pred, None
        weights = spread(weights_like(y_pred, weights), y_pred.shape, self.name).astype("float64")
        return positive, y_pred, xp.broadcast_to(weights, y_pred.shape)

    def _add(self, positive, y_pred, weights):
        """Adds labels, predictions and weights (or None), (n,) or (n, labels)."""
        right = positive.astype("float64") if weights is None else positive * weights
        above = self._buckets(y_pred) if self._even else self._compare(y_pred)
        true = above(right)
        sums = {"true_positives": true}
        if "false_negatives" in self.cases:
            sums["false_negatives"] = right.sum(axis=0) - true
        if "false_positives" in self.cases or "true_negatives" in self.cases:
            wrong = (1.0 if weights is None else weights) - right
            sums["false_positives"] = false = above(wrong)
            sums["true_negatives"] = wrong.sum(axis=0) - false
        for case in self.cases:
            variable = getattr(self, case)
            variable.value = variable.value + sums[case]

    def _compare(self, y_pred):
        """Returns a function: the sum of weights of predictions above each threshold, (T,) or (T, labels)."""
        xp = xp_of(y_pred)
        limits = self._tables.get(xp.__name__)
        if limits is None:
            limits = self._tables[xp.__name__] = xp.asarray(np.asarray(self._limits, dtype=self.dtype))
        limits = limits.reshape((-1,) + (1,) * y_pred.ndim)
        step = max(1, CHUNK // (len(self._limits) * max(1, y_pred[:1].size)))

        def above(weights):
            total = 0.0
            for start in range(0, len(y_pred), step):
                part = slice(start, start + step)
                total = total + ((y_pred[part] > limits) * weights[part]).sum(axis=1)
            return total

        return above

    def _buckets(self, y_pred):
        """Returns what `_compare` does, for even thresholds: each weight is added to its interval."""
        xp, count = xp_of(y_pred), len(self._limits)
        inside = xp.fmin(xp.fmax(y_pred, 0.0), 1.0)  # fmax also makes 0 of NaN
        place = xp.ceil(inside * float(count - 1)).astype("int64")  # 0: above no threshold
        if self._with_zero:
            place = xp.maximum(place, 1)
        labels = y_pred.shape[1:]
        if labels:
            place = place * labels[0] + xp.arange(labels[0])
        place = place.reshape(-1)

        def above(weights):
            sums = xp.zeros(((count + 1) * (labels[0] if labels else 1),))
            xp.add.at(sums, place, weights.reshape(-1))
            return sums.reshape((count + 1, *labels))[::-1].cumsum(axis=0)[::-1][1:]

        return above

    def _counts(self):
        """Returns the four cases (those that are counted) as host arrays."""
        return [variable.numpy() for variable in self._variables]


def single(values, dtype):
    """Returns a float for one threshold, else the array in `dtype`."""
    return float(values[0]) if len(values) == 1 else values.astype(dtype)


class _Count(Decisions):
    """One of the four cases."""

    def __init__(self, thresholds=None, name=None, dtype=None):
        super().__init__(dtype, name)
        self.thresholds = thresholds
        limits = threshold_list(type(self).__name__, thresholds, 0.5)
        self._set_thresholds(limits, evenly(limits))

    def result(self):
        """Returns the (weighted) number of cases: a float, or an array with one for each threshold."""
        return single(self._counts()[0], self.dtype)


@register("metric")
class TruePositives(_Count):
    """The number of positives that are above the threshold.

    Args:
        thresholds: 0.5 by default, or a number or list of numbers from 0 to 1.
        name, dtype: see `Metric`.

    >>> TruePositives()([0, 1, 1, 1], [0.9, 0.9, 0.2, 0.6])
    2.0
    """

    cases = ("true_positives",)


@register("metric")
class FalsePositives(_Count):
    """The number of negatives that are above the threshold; arguments as in `TruePositives`."""

    cases = ("false_positives",)


@register("metric")
class TrueNegatives(_Count):
    """The number of negatives that are not above the threshold; arguments as in `TruePositives`."""

    cases = ("true_negatives",)


@register("metric")
class FalseNegatives(_Count):
    """The number of positives that are not above the threshold; arguments as in `TruePositives`."""

    cases = ("false_negatives",)


class _Share(Decisions):
    """True positives over true positives and one kind of error."""

    _direction = "up"

    def __init__(self, thresholds=None, top_k=None, class_id=None, name=None, dtype=None):
        super().__init__(dtype, name)
        who = type(self).__name__
        self.thresholds = thresholds
        self.top_k = top_k if top_k is None else positive_int(who, "top_k", top_k)
        self.class_id = class_id if class_id is None else positive_int(who, "class_id", class_id, minimum=0)
        limits = threshold_list(who, thresholds, 0.5 if top_k is None else LOWEST)
        self._set_thresholds(limits, evenly(limits))
        self._with_zero = False

    def result(self):
        """Returns the share, 0 where there are no cases: a float, or an array with one for each threshold."""
        right, error = self._counts()
        return single(divide(right, right + error), self.dtype)


@register("metric")
class Precision(_Share):
    """True positives over all that are above the threshold.

    Args:
        thresholds: 0.5 by default, or a number or list of numbers from 0 to 1.
        top_k: only the k largest predictions of a row count as above; without thresholds all of them do.
        class_id: the only column that counts.
        name, dtype: see `Metric`.

    >>> Precision()([0, 1, 1, 1], [1, 0, 1, 1])  # 2 of 3
    0.666...
    """

    cases = ("true_positives", "false_positives")


@register("metric")
class Recall(_Share):
    """True positives over all positives; arguments as in `Precision`.

    >>> Recall()([0, 1, 1, 1, 1], [1, 0, 1, 1, 1])
    0.75
    """

    cases = ("true_positives", "false_negatives")


# ---------------------------------------------------------------- the best of one at a given other


class _Best(Decisions):
    """The largest value of one rate at thresholds where another one reaches a given value."""

    _direction = "up"

    def _set(self, value, argument, num_thresholds, class_id):
        who = type(self).__name__
        self.num_thresholds = positive_int(who, "num_thresholds", num_thresholds)
        self.class_id = class_id if class_id is None else positive_int(who, "class_id", class_id, minimum=0)
        self._least = fraction(who, argument, value)
        several = num_thresholds > 1
        limits = [i / (num_thresholds - 1) for i in range(num_thresholds)] if several else [0.5]
        self._set_thresholds(limits, several)

    def _largest(self, given, wanted):
        return float(np.where(given.astype(self.dtype) >= self._least, wanted, 0.0).max())

    def _rates(self):
        """Returns recall, specificity and precision at all thresholds."""
        tp, fp, tn, fn = self._counts()
        return divide(tp, tp + fn), divide(tn, tn + fp), divide(tp, tp + fp)


@register("metric")
class SensitivityAtSpecificity(_Best):
    """The largest recall of positives where that of negatives is at least `specificity`.

    Args:
        specificity: 0 to 1.
        num_thresholds: how many thresholds are tried.
        class_id: the only column that counts.
        name, dtype: see `Metric`.
    """

    def __init__(self, specificity, num_thresholds=200, class_id=None, name=None, dtype=None):
        super().__init__(dtype, name)
        self.specificity = specificity
        self._set(specificity, "specificity", num_thresholds, class_id)

    def result(self):
        """Returns the largest sensitivity."""
        recall, specificity, _ = self._rates()
        return self._largest(specificity, recall)


@register("metric")
class SpecificityAtSensitivity(_Best):
    """The largest recall of negatives where that of positives is at least `sensitivity`.

    Args:
        sensitivity: 0 to 1.
        num_thresholds, class_id, name, dtype: see `SensitivityAtSpecificity`.
    """

    def __init__(self, sensitivity, num_thresholds=200, class_id=None, name=None, dtype=None):
        super().__init__(dtype, name)
        self.sensitivity = sensitivity
        self._set(sensitivity, "sensitivity", num_thresholds, class_id)

    def result(self):
        """Returns the largest specificity."""
        recall, specificity, _ = self._rates()
        return self._largest(recall, specificity)


@register("metric")
class PrecisionAtRecall(_Best):
    """The largest precision where recall is at least `recall`.

    Args:
        recall: 0 to 1.
        num_thresholds, class_id, name, dtype: see `SensitivityAtSpecificity`.
    """

    def __init__(self, recall, num_thresholds=200, class_id=None, name=None, dtype=None):
        super().__init__(dtype, name)
        self.recall = recall
        self._set(recall, "recall", num_thresholds, class_id)

    def result(self):
        """Returns the largest precision."""
        recall, _, precision = self._rates()
        return self._largest(recall, precision)


@register("metric")
class RecallAtPrecision(_Best):
    """The largest recall where precision is at least `precision`.

    Args:
        precision: 0 to 1.
        num_thresholds, class_id, name, dtype: see `SensitivityAtSpecificity`.
    """

    def __init__(self, precision, num_thresholds=200, class_id=None, name=None, dtype=None):
        super().__init__(dtype, name)
        self.precision = precision
        self._set(precision, "precision", num_thresholds, class_id)

    def result(self):
        """Returns the largest recall."""
        recall, _, precision = self._rates()
        return self._largest(precision, recall)
