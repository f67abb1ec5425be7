"""Data cut into parts: for training and for testing."""

import math

import numpy as np

from kerasette.backend import host_generator, is_array, next_seed, xp_of
from kerasette.errors import positive_int, type_error, value_error


def train_test_split(
    *arrays,
    test_size: float | int = 0.3,
    shuffle: bool = True,
    stratify=None,
    seed: int | None = None,
) -> list:
    """Cuts arrays of equal length into training and test rows, the same rows in each array.

    Args:
        *arrays: arrays, lists, pandas DataFrames or Series with one entry a sample.
        test_size: fraction of the samples (above 0, below 1), or their number.
        shuffle: draws the test rows at random; False takes the last ones.
        stratify: labels, one a sample: the classes then have the same shares in both parts.
        seed: makes the draw repeatable; None draws one from kerasette's global stream.

    Returns:
        `[first_train, first_test, second_train, second_test, ...]`.

    Raises:
        InvalidValue: for lengths that differ, a part that would be empty, or labels without shuffle.

    >>> train_test_split([0, 1, 2, 3, 4], test_size=2, shuffle=False)
    [[0, 1, 2], [3, 4]]
    """
    count = _common_length("train_test_split", arrays)
    test = _size("train_test_split", "test_size", test_size, count)
    if not 0 < test < count:
        raise value_error(
            f"train_test_split: test_size={test_size} of {count} samples leaves one part empty.",
            "Change test_size or give more samples.",
        )
    if stratify is not None:
        train_rows, test_rows = _stratified(stratify, count, test, shuffle, seed)
    else:
        order = _order(count, shuffle, seed)
        train_rows, test_rows = order[: count - test], order[count - test :]
    return [_take(array, rows) for array in arrays for rows in (train_rows, test_rows)]


def split_dataset(
    dataset,
    left_size: float | int | None = None,
    right_size: float | int | None = None,
    shuffle: bool = False,
    seed: int | None = None,
) -> tuple:
    """Cuts a dataset into a left part, from its beginning, and a right part, from its end.

    Args:
        dataset: an array, or a tuple or list of arrays of equal length.
        left_size: fraction (above 0, below 1) or number of samples on the left; None takes what the
            right part leaves.
        right_size: the same for the right.
        shuffle: shuffles the samples first.
        seed: makes the shuffle repeatable; None draws one from kerasette's global stream.

    Returns:
        `(left, right)`, each made like `dataset`.

    Raises:
        InvalidType: where `dataset` is something else.
        InvalidValue: for sizes that don't fit, or lengths that differ.

    >>> left, right = split_dataset(np.arange(5), left_size=0.6)
    >>> left, right
    (array([0, 1, 2]), array([3, 4]))
    """
    parts = dataset if isinstance(dataset, (tuple, list)) else (dataset,)
    if not parts or not all(hasattr(part, "shape") for part in parts):
        raise type_error(
            f"split_dataset takes an array, or a tuple or list of arrays; got {type(dataset).__name__}.",
            "Convert other data with numpy.asarray first.",
        )
    count = _common_length("split_dataset", parts)
    left, right = _two_sizes(left_size, right_size, count)
    order = _order(count, shuffle, seed)
    halves = [[_take(part, rows) for part in parts] for rows in (order[:left], order[count - right :])]
    if isinstance(dataset, (tuple, list)):
        return type(dataset)(halves[0]), type(dataset)(halves[1])
    return halves[0][0], halves[1][0]


# ---------------------------------------------------------------- rows


def _order(count, shuffle, seed):
    if not shuffle:
        return np.arange(count)
    return _generator(seed).permutation(count)


def _generator(seed):
    seed = next_seed() if seed is None else positive_int("split", "seed", seed, minimum=0)
    return host_generator(seed)


def _stratified(labels, count, test, shuffle, seed):
    """Returns training and test rows; each class gives its share, remainders to the largest."""
    if not shuffle:
        raise value_error("train_test_split: stratify draws rows at random; it needs shuffle=True.")
    labels = np.asarray(labels)
    if labels.shape[:1] != (count,):
        raise value_error(f"train_test_split: stratify has shape {labels.shape}, the data {count} samples.")
    _, classes = np.unique(labels, axis=0, return_inverse=True)
    classes = classes.reshape(-1)
    sizes = np.bincount(classes)
    if sizes.min() < 2 or test < len(sizes) or count - test < len(sizes):
        raise value_error(
            f"train_test_split: {count} samples of {len(sizes)} classes (the smallest has {sizes.min()})",
            f"can't be cut into {count - test} and {test} with every class in both. Leave stratify out.",
        )
    generator = _generator(seed)
    order = generator.permutation(count)
    chosen = np.zeros(count, dtype=bool)
    for label, share in enumerate(_shares(sizes, test)):
        chosen[order[classes[order] == label][:share]] = True
    return order[~chosen[order]], order[chosen[order]]


def _shares(sizes, total):
    """Returns how many of `total` each class of `sizes` gives: at least 1 and never all of a class."""
    exact = sizes * (total / sizes.sum())
    shares = np.clip(np.floor(exact).astype(int), 1, sizes - 1)
    while shares.sum() != total:
        step = 1 if shares.sum() < total else -1
        allowed = (shares + step >= 1) & (shares + step < sizes)
        shares[int(np.where(allowed, step * (exact - shares), -np.inf).argmax())] += step
    return shares


def _take(array, rows):
    """Returns the entries `rows` of an array, a list or a pandas object."""
    if hasattr(array, "iloc"):
        return array.iloc[rows]
    if isinstance(array, (list, tuple)):
        return type(array)([array[row] for row in rows])
    if not is_array(array):  # e.g. an HDF5 dataset, which takes rows in rising order only
        array = np.asarray(array)
    return array[xp_of(array).asarray(rows)]


# ---------------------------------------------------------------- sizes


def _common_length(owner, arrays):
    if not arrays:
        raise value_error(f"{owner} needs at least one array.")
    lengths = [len(array) for array in arrays]
    if len(set(lengths)) > 1:
        raise value_error(f"{owner} needs arrays of one length, got {', '.join(map(str, lengths))}.")
    return lengths[0]


def _size(owner, argument, size, count):
    """Returns a number of samples from a fraction or a number."""
    whole = isinstance(size, (int, np.integer)) and not isinstance(size, bool)
    fraction = isinstance(size, (float, np.floating)) and math.isfinite(size)
    if (whole and 0 < size < count) or (fraction and 0 < size < 1):
        return int(size) if whole else round(float(size) * count)
    raise value_error(
        f"{owner}: {argument} must be a fraction above 0 and below 1, or a number of samples",
        f"from 1 to {count - 1}; got {size!r}.",
    )


def _two_sizes(left_size, right_size, count):
    if left_size is None and right_size is None:
        raise value_error("split_dataset needs left_size or right_size.")
    left = None if left_size is None else _size("split_dataset", "left_size", left_size, count)
    right = None if right_size is None else _size("split_dataset", "right_size", right_size, count)
    left = count - right if left is None else left
    right = count - left if right is None else right
    if left + right > count:
        raise value_error(
            f"split_dataset: left_size={left_size} and right_size={right_size} exceed {count} samples."
        )
    if left == 0 or right == 0:
        raise value_error(f"split_dataset: {left} and {right} of {count} samples leave one part empty.")
    return left, right
