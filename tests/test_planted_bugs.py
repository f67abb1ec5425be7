"""The tests can fail: three planted bugs are caught here, all of them by `python tools/plant_bugs.py`."""

import importlib.util

import pytest

from tests.conftest import ROOT

spec = importlib.util.spec_from_file_location("plant_bugs", ROOT / "tools" / "plant_bugs.py")
plant_bugs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(plant_bugs)

QUICK = ("tanh: wrong sign in the derivative", "bias gradient: mean for sum", "L2 halved")


@pytest.mark.parametrize("bug", plant_bugs.BUGS, ids=lambda bug: bug.name)
def test_the_text_to_replace_stands_once_in_the_source(bug):
    assert bug.matches(), f"{bug.path} no longer holds, exactly once:\n{bug.old}"
    assert bug.old != bug.new


def test_there_are_enough_bugs():
    assert len(plant_bugs.BUGS) >= 20
    assert len({bug.name for bug in plant_bugs.BUGS}) == len(plant_bugs.BUGS)


@pytest.mark.parametrize("name", QUICK)
def test_a_planted_bug_is_caught(name):
    (bug,) = [bug for bug in plant_bugs.BUGS if bug.name == name]
    assert plant_bugs.failing_without_bugs([bug]) == []
    assert plant_bugs.is_caught(bug)
