"""Constraints against Keras: values, arguments, configurations, refusals."""

import inspect

import numpy as np
import pytest

from kerasette import constraints
from kerasette.errors import InvalidType, InvalidValue
from tests.keras_oracle import keras

CASES = [
    ("MaxNorm", {}),
    ("MaxNorm", {"max_value": 1.5, "axis": 1}),
    ("MaxNorm", {"max_value": 3, "axis": [0, 1, 2]}),
    ("MaxNorm", {"max_value": 0}),
    ("NonNeg", {}),
    ("UnitNorm", {}),
    ("UnitNorm", {"axis": -1}),
    ("UnitNorm", {"axis": [0, 1]}),
    ("MinMaxNorm", {}),
    ("MinMaxNorm", {"min_value": 1.0, "max_value": 2.0, "rate": 0.5, "axis": 1}),
    ("MinMaxNorm", {"min_value": 3.0, "max_value": 3.5, "axis": [0, 2]}),
]
each_case = pytest.mark.parametrize(("name", "arguments"), CASES, ids=lambda item: str(item))
CLASSES = ("MaxNorm", "NonNeg", "UnitNorm", "MinMaxNorm")
W = np.random.default_rng(0).normal(size=(3, 2, 4, 5)) * np.array([0.1, 1, 2, 3, 0])


@each_case
def test_as_keras(name, arguments):
    ours = getattr(constraints, name)(**arguments)
    theirs = getattr(keras().constraints, name)(**arguments)
    for dtype, tolerance in (("float32", 1e-6), ("float64", 1e-12)):
        w = W.astype(dtype)
        copy = w.copy()
        found = ours(w)
        assert found.dtype == dtype
        assert found is not w
        np.testing.assert_allclose(found, theirs(w).numpy(), rtol=tolerance, atol=tolerance)
        np.testing.assert_array_equal(w, copy)


@each_case
def test_on_another_array_module(name, arguments, standin):
    ours = getattr(constraints, name)(**arguments)
    np.testing.assert_allclose(ours(standin.asarray(W)).get(), ours(W), rtol=1e-12)


@pytest.mark.parametrize("name", CLASSES)
def test_signature_as_keras(name):
    named = [
        [
            (p.name, p.default)
            for p in inspect.signature(getattr(module, name).__init__).parameters.values()
            if p.kind is p.POSITIONAL_OR_KEYWORD
        ]
        for module in (constraints, keras().constraints)
    ]
    assert named[0] == named[1]


@each_case
def test_config_round_trip_with_keras(name, arguments):
    ours = getattr(constraints, name)(**arguments)
    again = constraints.deserialize(constraints.serialize(ours))
    assert type(again) is type(ours)
    assert again.get_config() == ours.get_config()
    theirs = keras().constraints.deserialize(constraints.serialize(ours))
    assert theirs.get_config() == ours.get_config()
    back = constraints.get(keras().constraints.serialize(theirs))
    np.testing.assert_array_equal(back(W), ours(W))


def test_names():
    for name in dir(keras().constraints):
        if not name.startswith("_"):
            assert hasattr(constraints, name), name
    assert constraints.get("max_norm").max_value == constraints.get("MaxNorm").max_value == 2
    assert isinstance(constraints.get("non_neg"), constraints.NonNeg)
    assert isinstance(constraints.get(constraints.UnitNorm), constraints.UnitNorm)
    assert constraints.get(None) is None
    assert constraints.get(abs) is abs
    with pytest.raises(InvalidValue, match="Did you mean 'max_norm'"):
        constraints.get("maxnorm_")
    with pytest.raises(InvalidType):
        constraints.get(3)


@pytest.mark.parametrize(
    "make",
    [
        lambda: constraints.MaxNorm(-1),
        lambda: constraints.MaxNorm("2"),
        lambda: constraints.MaxNorm(float("nan")),
        lambda: constraints.MaxNorm(None),
        lambda: constraints.MinMaxNorm(2.0, 1.0),
        lambda: constraints.MinMaxNorm(-1.0),
        lambda: constraints.MinMaxNorm(rate=1.5),
    ],
)
def test_bad_arguments_are_refused(make):
    with pytest.raises(InvalidValue):
        make()


def test_unknown_argument_has_a_hint():
    with pytest.raises(InvalidType, match="Did you mean 'max_value'"):
        constraints.MaxNorm(max_val=3)


def test_own_constraint():
    class Silent(constraints.Constraint):
        pass

    class Small(constraints.Constraint):
        def __init__(self, top=1):
            self.top = top

        def __call__(self, w):
            return np.clip(w, -self.top, self.top)

    assert constraints.get(Small)(W).max() == 1
    again = constraints.deserialize(constraints.serialize(Small(2)), {"Small": Small})
    assert again.top == 2
    with pytest.raises(NotImplementedError, match="Silent"):
        Silent()(W)
