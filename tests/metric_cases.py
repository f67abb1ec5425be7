"""One line for each option of each metric, with data and weights it takes."""

import numpy as np

from tests.case_data import Draws

DRAWS = Draws(11)
numbers, shares, one_hot, bits, labels = DRAWS.numbers, DRAWS.shares, DRAWS.one_hot, DRAWS.bits, DRAWS.labels
N = 14


def uniform(*shape):
    """Returns numbers from 0 to 1, some of them exactly at thresholds that divide [0, 1] evenly."""
    p = DRAWS.rng.uniform(size=shape).astype("float32")
    coarse = np.round(p * 10).astype("float32") / np.float32(10)
    return np.where(DRAWS.rng.uniform(size=shape) < 0.3, coarse, p)


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
    vector = DRAWS.rng.integers(0, 5, N).astype("float32")
    if "IoU" in name:
        return [None] if max(y_true.ndim, y_pred.ndim) > 2 or y_true.shape != (N,) else [None, vector]
    found = [None, vector, np.zeros(N, "float32")]
    if any(case is one for one in MEANS):
        found.append(vector[:, None])
        if y_true.ndim == y_pred.ndim == 3 and "axis" not in case[1]:
            found.append(DRAWS.rng.uniform(size=(N, y_true.shape[1])).astype("float32"))
    return found
