"""Every line of cases passes every check of harness.py, and every pair has a line."""

import pytest

from kerasette import functions
from tests.cases import CASES
from tests.harness import CHECKS


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case, check):
    check(case)


def test_every_pair_has_a_line():
    pairs = {name.removesuffix("_backward") for name in dir(functions) if name.endswith("_backward")}
    held = {case.forward.__name__ for case in CASES}
    assert sorted(pairs - held) == []
