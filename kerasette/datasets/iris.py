"""Iris: four lengths of 150 flowers of three species (R. A. Fisher 1936)."""

import os

import numpy as np

from kerasette.backend import host_generator
from kerasette.datasets._files import damaged, first_file, local_roots
from kerasette.errors import MissingFile, fraction, positive_int

CLASS_NAMES = ("setosa", "versicolor", "virginica")
FEATURE_NAMES = ("sepal_length", "sepal_width", "petal_length", "petal_width")

_SHA256 = "9cc1c345c71bcc9b486b74cbf6063fa66f4bb5e0f603a4b3c3471ec2e5e8e355"


def load_data(
    test_split: float = 0.3, seed: int = 113, path: str | os.PathLike | None = None
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Returns the flowers, shuffled and cut into training and test rows.

    Args:
        test_split: fraction of the rows for testing, from 0 to below 1.
        seed: of the shuffle; the same seed gives the same split.
        path: CSV file, or directory with iris.csv; by default the copy that comes with the package.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: float32 (n, 4), centimetres in the order of
        `FEATURE_NAMES`; int64 (n,), indices of `CLASS_NAMES`.

    Raises:
        InvalidValue: for another test_split or seed.
        MissingFile: where the file is not found.
        LoadError: where its content is damaged.

    >>> (x_train, y_train), (x_test, y_test) = load_data()
    >>> x_train.shape, x_test.shape
    ((105, 4), (45, 4))
    """
    test_split = fraction("iris.load_data", "test_split", test_split, below_one=True)
    seed = positive_int("iris.load_data", "seed", seed, minimum=0)
    x, y = load_all(path)
    order = host_generator(seed).permutation(len(x))
    train, test = np.split(order, [round(len(x) * (1 - test_split))])
    return (x[train], y[train]), (x[test], y[test])


def load_all(path: str | os.PathLike | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Returns all 150 rows in Fisher's order: x float32 (150, 4) in centimetres, y int64 (150,)."""
    import hashlib

    file = _find(path)
    with open(file, "rb") as stream:
        content = stream.read(1 << 16).replace(b"\r\n", b"\n")  # a checkout may have changed the line ends
    if hashlib.sha256(content).hexdigest() != _SHA256:
        raise damaged(file)
    rows = [line.split(",") for line in content.decode().splitlines()[1:]]
    x = np.array([row[:4] for row in rows], dtype="float32")
    return x, np.array([CLASS_NAMES.index(row[4]) for row in rows])


def _find(path):
    if path is not None:
        places = [os.fspath(path), os.path.join(path, "iris.csv")]
    else:
        roots = [os.path.dirname(os.path.abspath(__file__)), *local_roots()]
        places = [os.path.join(root, "iris.csv") for root in roots]
    found = first_file(places)
    if found is None:
        raise MissingFile(f"iris.csv is in none of: {', '.join(map(repr, places))}. Give its path.")
    return found
