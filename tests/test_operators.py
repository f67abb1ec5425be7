"""Operators of Python on symbolic tensors, beside those that tests/test_ops.py has as operations."""

import numpy as np

from kerasette import Input, Model


def test_comparisons_by_operators_are_tensors():
    x = Input((3,))
    given = np.array([[0.0, 1.0, 2.0]], "float32")
    for made, wanted in (
        (x * (x != 1.0), [[0, 0, 2]]),
        (x * ((x > 0.0) & (x < 2.0)), [[0, 1, 0]]),
        (x + ((x < 1.0) | (x > 1.0)), [[1, 1, 3]]),
        (x + ~(x > 0.0), [[1, 1, 2]]),
    ):
        assert Model(x, made).predict(given).tolist() == wanted
    assert x in [x] and x == x  # noqa: PLR0124
