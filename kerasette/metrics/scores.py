"""Scores that need sums over all batches: F scores, the coefficient of determination, correlations."""

import warnings

import numpy as np

from kerasette.backend import epsilon, xp_of
from kerasette.errors import one_of, positive_int, value_error
from kerasette.functions.values import as_arrays, as_pair
from kerasette.metrics.accuracy import same_shapes
from kerasette.metrics.base import Averaged, Metric, plain, spread, weights_like
from kerasette.registry import register


def _table(owner, y_true, y_pred):
    """Raises InvalidValue unless both are tables (n, columns) of one shape."""
    if y_true.ndim != 2 or y_pred.ndim != 2:
        raise value_error(
            f"{owner} needs y_true and y_pred (n, columns), got {y_true.shape} and {y_pred.shape}."
        )
    same_shapes(y_true, y_pred, owner)


@register("metric")
class FBetaScore(Metric):
    """(1 + beta^2) precision recall / (beta^2 precision + recall), for each class or averaged.

    Args:
        average: None for one score a class; "micro" counts all classes together; "macro" is the mean over
            classes; "weighted" weighs them by their number of samples.
        beta: how much more recall counts than precision; a float above 0.
        threshold: above it a prediction is positive; None makes the largest of each row positive.
        name, dtype: see `Metric`.
    """

    _direction = "up"

    def __init__(self, average=None, beta=1.0, threshold=None, name="fbeta_score", dtype=None):
        super().__init__(dtype, name)
        who = type(self).__name__
        one_of(who, "average", average, (None, "micro", "macro", "weighted"))
        if not isinstance(beta, float) or beta <= 0:
            raise value_error(f"{who}: beta must be a float above 0, got {beta!r}.")
        if threshold is not None and not (isinstance(threshold, float) and 0 < threshold <= 1):
            raise value_error(f"{who}: threshold must be a float above 0 and at most 1, got {threshold!r}.")
        self.average = average
        self.beta = beta
        self.threshold = threshold
        names = ("true_positives", "false_positives", "false_negatives", "intermediate_weights")
        self._sums = [self.add_variable(name=name) for name in names]

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch: y_true and y_pred (n, classes), sample_weight (n,)."""
        y_true, y_pred = as_arrays(y_true, y_pred)
        _table(type(self).__name__, y_true, y_pred)
        y_true, y_pred = (a.astype(self.dtype, copy=False) for a in (y_true, y_pred))
        if self.threshold is None:
            above = (y_pred >= y_pred.max(axis=-1, keepdims=True)) & (abs(y_pred) > 1e-9)
        else:
            above = y_pred > self.threshold
        weighted = y_true.astype("float64")
        rest = 1.0 - weighted
        if sample_weight is not None:
            weights = spread(weights_like(y_true, sample_weight), y_true.shape, self.name)
            weighted, rest = weighted * weights, rest * weights
        axis = None if self.average == "micro" else 0
        parts = weighted * above, rest * above, weighted * ~above, weighted
        for variable, part in zip(self._sums, parts, strict=True):
            variable.shape = () if axis is None else y_true.shape[1:]
            variable.value = variable.value + part.sum(axis=axis)

    def result(self):
        """Returns the score: an array with one a class where `average` is None, else a float."""
        tp, fp, fn, count = (variable.numpy() for variable in self._sums)
        low, squared = epsilon(), self.beta**2
        precision, recall = tp / (tp + fp + low), tp / (tp + fn + low)
        score = (1.0 + squared) * precision * recall / (squared * precision + recall + low)
        if self.average == "weighted":
            score = (score * count / (count.sum() + low)).sum()
        elif self.average is not None:
            score = score.mean()
        return plain(np.asarray(score, dtype=self.dtype if score.ndim else None))


@register("metric")
class F1Score(FBetaScore):
    """The harmonic mean of precision and recall; arguments as in `FBetaScore`.

    >>> F1Score(average="macro")([[1, 0], [0, 1], [0, 1]], [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    0.66666...
    """

    def __init__(self, average=None, threshold=None, name="f1_score", dtype=None):
        super().__init__(average=average, beta=1.0, threshold=threshold, name=name, dtype=dtype)


@register("metric")
class R2Score(Metric):
    """1 - sum((y_true - y_pred)^2) / sum((y_true - mean(y_true))^2): 1 is perfect, 0 no better than the mean.

    Args:
        class_aggregation: None for one score a column; "uniform_average", or "variance_weighted_average".
        num_regressors: number of independent regressors for the adjusted score; 0 for the plain one.
        name, dtype: see `Metric`.

    >>> R2Score()([[1.0], [4.0], [3.0]], [[2.0], [4.0], [4.0]])
    0.571428...
    """

    _direction = "up"

    def __init__(self, class_aggregation="uniform_average", num_regressors=0, name="r2_score", dtype=None):
        super().__init__(dtype, name)
        known = (None, "uniform_average", "variance_weighted_average")
        one_of("R2Score", "class_aggregation", class_aggregation, known)
        self.class_aggregation = class_aggregation
        self.num_regressors = positive_int("R2Score", "num_regressors", num_regressors, minimum=0)
        self.num_samples = self.add_variable(name="num_samples")
        self._sums = [self.add_variable(name=name) for name in ("squared_sum", "sum", "residual", "count")]

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch: y_true and y_pred (n, columns), sample_weight (n,) or (n, columns)."""
        y_true, y_pred = as_pair(y_true, y_pred)
        _table("R2Score", y_true, y_pred)
        xp = xp_of(y_pred)
        y_true, y_pred = y_true.astype("float64"), y_pred.astype("float64")
        weights = xp.ones(y_true.shape)
        if sample_weight is not None:
            weights = weights * spread(weights_like(y_true, sample_weight), y_true.shape, self.name)
        weighted, error = y_true * weights, y_true - y_pred
        parts = y_true * weighted, weighted, error * error * weights, weights
        for variable, part in zip(self._sums, parts, strict=True):
            variable.shape = y_true.shape[1:]
            variable.value = variable.value + part.sum(axis=0)
        self.num_samples.value = self.num_samples.value + y_true.size

    def result(self):
        """Returns the score: an array with one a column where `class_aggregation` is None, else a float."""
        squared, total, residual, count = (variable.numpy() for variable in self._sums)
        with np.errstate(divide="ignore", invalid="ignore"):
            spread_ = squared - total * total / count
            scores = 1.0 - residual / spread_
            scores = np.where(np.isinf(scores), 0.0, scores)
            if self.class_aggregation == "uniform_average":
                scores = scores.mean()
            elif self.class_aggregation == "variance_weighted_average":
                scores = (spread_ * scores).sum() / spread_.sum()
        return plain(self._adjusted(np.asarray(scores)))

    def _adjusted(self, score):
        """Returns the score adjusted for the number of regressors (Theil, 1961)."""
        rest = float(self.num_samples) - self.num_regressors - 1
        if self.num_regressors == 0:
            return score
        if rest <= 0:
            warnings.warn(
                "R2Score: num_regressors isn't below the number of samples - 1; the score is not adjusted.",
                stacklevel=3,
            )
            return score
        return 1.0 - (1.0 - score) * (float(self.num_samples) - 1.0) / rest


# ---------------------------------------------------------------- correlations within samples


def pearson_correlation(y_true, y_pred, axis=-1):
    """Returns the correlation of y_true and y_pred along `axis`: 1 where they lie on a rising line."""
    y_true, y_pred = as_pair(y_true, y_pred)
    same_shapes(y_true, y_pred, "pearson_correlation")
    y_true = y_true.astype(y_pred.dtype, copy=False)
    a = y_true - y_true.mean(axis=axis, keepdims=True)
    b = y_pred - y_pred.mean(axis=axis, keepdims=True)
    a = a / a.std(axis=axis, keepdims=True)
    return (a * (b / b.std(axis=axis, keepdims=True))).mean(axis=axis)


def concordance_correlation(y_true, y_pred, axis=-1):
    """Returns 2 cov / (var + var + (difference of means)^2) along `axis`; 1 if both are equal (Lin, 1989)."""
    y_true, y_pred = as_pair(y_true, y_pred)
    same_shapes(y_true, y_pred, "concordance_correlation")
    y_true = y_true.astype(y_pred.dtype, copy=False)
    mean_true, mean_pred = (y.mean(axis=axis, keepdims=True) for y in (y_true, y_pred))
    shift = mean_true - mean_pred
    scale = y_true.var(axis=axis, keepdims=True) + y_pred.var(axis=axis, keepdims=True) + shift * shift
    return (2.0 * (y_true - mean_true) * (y_pred - mean_pred) / (scale + epsilon())).mean(axis=axis)


@register("metric")
class PearsonCorrelation(Averaged):
    """The mean over samples of the correlation of y_true and y_pred.

    Args:
        name, dtype: see `Metric`.
        axis: along which they are correlated.
    """

    _direction = "up"
    function = staticmethod(pearson_correlation)
    options = ("axis",)

    def __init__(self, name="pearson_correlation", dtype=None, axis=-1):
        super().__init__(name, dtype)
        self.axis = axis


@register("metric")
class ConcordanceCorrelation(Averaged):
    """The mean over samples of the concordance correlation; arguments as in `PearsonCorrelation`."""

    _direction = "up"
    function = staticmethod(concordance_correlation)
    options = ("axis",)

    def __init__(self, name="concordance_correlation", dtype=None, axis=-1):
        super().__init__(name, dtype)
        self.axis = axis
