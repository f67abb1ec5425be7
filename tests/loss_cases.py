"""One line for each option of each loss, with data it takes."""

from tests.case_data import Draws

DRAWS = Draws(7)
numbers, shares, one_hot, bits, labels = DRAWS.numbers, DRAWS.shares, DRAWS.one_hot, DRAWS.bits, DRAWS.labels

# class, arguments, y_true, y_pred
CASES = [
    ("MeanSquaredError", {}, numbers(6, 3), numbers(6, 3)),
    ("MeanSquaredError", {}, numbers(6, 4, 3), numbers(6, 4, 3)),
    ("MeanAbsoluteError", {}, numbers(6, 3), numbers(6, 3)),
    ("MeanAbsolutePercentageError", {}, numbers(6, 3), numbers(6, 3)),
    ("MeanSquaredLogarithmicError", {}, shares(6, 3), shares(6, 3)),
    ("Huber", {}, 3 * numbers(6, 3), numbers(6, 3)),
    ("Huber", {"delta": 0.3}, numbers(6, 3), numbers(6, 3)),
    ("LogCosh", {}, 5 * numbers(6, 3), numbers(6, 3)),
    ("CosineSimilarity", {}, numbers(6, 3), numbers(6, 3)),
    ("CosineSimilarity", {"axis": 1}, numbers(6, 4, 3), numbers(6, 4, 3)),
    ("Poisson", {}, 3 * shares(6, 3), shares(6, 3)),
    ("KLDivergence", {}, shares(6, 3), shares(6, 3)),
    ("Hinge", {}, bits(6, 3), numbers(6, 3)),
    ("Hinge", {}, 2 * bits(6, 3) - 1, numbers(6, 3)),
    ("SquaredHinge", {}, bits(6, 3), numbers(6, 3)),
    ("CategoricalHinge", {}, one_hot(6, 3), numbers(6, 3)),
    ("BinaryCrossentropy", {}, bits(6, 3), shares(6, 3)),
    ("BinaryCrossentropy", {"from_logits": True}, bits(6, 3), numbers(6, 3)),
    ("BinaryCrossentropy", {"label_smoothing": 0.2}, bits(6, 3), shares(6, 3)),
    ("BinaryCrossentropy", {"axis": 1}, bits(6, 4, 3), shares(6, 4, 3)),
    ("CategoricalCrossentropy", {}, one_hot(6, 3), shares(6, 3)),
    ("CategoricalCrossentropy", {"from_logits": True}, one_hot(6, 3), numbers(6, 3)),
    ("CategoricalCrossentropy", {"label_smoothing": 0.2}, one_hot(6, 3), shares(6, 3)),
    ("CategoricalCrossentropy", {"axis": 1}, one_hot(6, 4, 3).swapaxes(1, 2), shares(6, 3, 4, axis=1)),
    ("SparseCategoricalCrossentropy", {}, labels(3, 6), shares(6, 3)),
    ("SparseCategoricalCrossentropy", {}, labels(3, 6, 1), shares(6, 3)),
    ("SparseCategoricalCrossentropy", {}, labels(3, 6, 4), shares(6, 4, 3)),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, labels(3, 6), numbers(6, 3)),
    ("SparseCategoricalCrossentropy", {"ignore_class": 0}, labels(3, 6), shares(6, 3)),
    ("SparseCategoricalCrossentropy", {"ignore_class": -1}, labels(4, 6, 4) - 1, shares(6, 4, 3)),
    ("BinaryFocalCrossentropy", {}, bits(6, 3), shares(6, 3)),
    ("BinaryFocalCrossentropy", {"apply_class_balancing": True, "alpha": 0.4}, bits(6, 3), shares(6, 3)),
    ("BinaryFocalCrossentropy", {"gamma": 3.0, "from_logits": True}, bits(6, 3), numbers(6, 3)),
    ("BinaryFocalCrossentropy", {"label_smoothing": 0.1}, bits(6, 3), shares(6, 3)),
    ("CategoricalFocalCrossentropy", {}, one_hot(6, 3), shares(6, 3)),
    ("CategoricalFocalCrossentropy", {"alpha": 0.5, "gamma": 1.0}, one_hot(6, 3), shares(6, 3)),
    ("CategoricalFocalCrossentropy", {"alpha": [0.2, 0.3, 0.5]}, one_hot(6, 3), shares(6, 3)),
    ("CategoricalFocalCrossentropy", {"from_logits": True}, one_hot(6, 3), numbers(6, 3)),
    ("Dice", {}, bits(6, 4, 3), shares(6, 4, 3)),
    ("Dice", {"axis": (1, 2)}, bits(6, 4, 3), shares(6, 4, 3)),
    ("Tversky", {"alpha": 0.3, "beta": 0.7}, bits(6, 4, 3), shares(6, 4, 3)),
    ("Tversky", {"axis": (1, 2)}, bits(6, 4, 3), shares(6, 4, 3)),
    # Shapes that differ by a last axis of length 1.
    ("MeanSquaredError", {}, numbers(6), numbers(6, 1)),
    ("MeanSquaredError", {}, numbers(6, 1), numbers(6)),
    ("MeanSquaredError", {}, numbers(6, 4), numbers(6, 4, 1)),
    ("MeanSquaredError", {}, numbers(6, 4, 1), numbers(6, 4)),
    ("BinaryCrossentropy", {}, bits(6), shares(6, 2)[:, :1]),
    ("BinaryCrossentropy", {}, bits(6, 4), shares(6, 4, 2)[..., :1]),
]
IDS = [f"{name}-{'-'.join(map(str, arguments.items()))}-{y.shape}" for name, arguments, y, _ in CASES]
