"""Regularizers against Keras: losses, gradients, arguments, configurations, refusals."""

import inspect

import numpy as np
import pytest

from kerasette import regularizers
from kerasette.errors import InvalidType, InvalidValue
from tests.keras_oracle import keras, tf

CASES = [
    ("L1", {}),
    ("L1", {"l1": 0.3}),
    ("L2", {}),
    ("L2", {"l2": 0.3}),
    ("L2", {"l2": 0}),
    ("L1L2", {}),
    ("L1L2", {"l1": 0.2, "l2": 0.3}),
    ("L1L2", {"l1": 0.2}),
    ("OrthogonalRegularizer", {}),
    ("OrthogonalRegularizer", {"factor": 2.0, "mode": "columns"}),
    ("OrthogonalRegularizer", {"factor": 0.5, "mode": "rows"}),
]
each_case = pytest.mark.parametrize(("name", "arguments"), CASES, ids=lambda item: str(item))
CLASSES = ("L1", "L2", "L1L2", "OrthogonalRegularizer")
W = np.random.default_rng(0).normal(size=(5, 3))


@each_case
def test_as_keras(name, arguments):
    ours = getattr(regularizers, name)(**arguments)
    theirs = getattr(keras().regularizers, name)(**arguments)
    w = W.astype("float32")
    w[1, 2] = 0
    variable = tf().Variable(w)
    with tf().GradientTape() as tape:
        wanted = theirs(variable)
    gradient = tape.gradient(wanted, variable, unconnected_gradients="zero")
    loss = ours(w)
    assert loss.dtype == "float32"
    assert loss.ndim == 0
    np.testing.assert_allclose(loss, wanted.numpy(), rtol=1e-5)
    found = ours.gradient(w)
    assert found.dtype == "float32"
    np.testing.assert_allclose(found, gradient.numpy(), rtol=1e-5, atol=1e-7)


@each_case
def test_gradient_by_central_differences(name, arguments):
    ours = getattr(regularizers, name)(**arguments)
    w, step = W.copy(), 1e-5
    numeric = np.empty_like(w)
    for index in np.ndindex(w.shape):
        w[index] = W[index] + step
        above = ours(w)
        w[index] = W[index] - step
        numeric[index] = (above - ours(w)) / (2 * step)
        w[index] = W[index]
    found = ours.gradient(w)
    assert found.dtype == "float64"
    assert np.abs(found - numeric).max() <= 1e-6 * max(np.abs(numeric).max(), 1e-3)


@each_case
def test_destination_and_strided_input(name, arguments):
    ours = getattr(regularizers, name)(**arguments)
    wanted, out, copy = ours.gradient(W), np.full_like(W, 7), W.copy()
    assert ours.gradient(W, out=out) is out
    np.testing.assert_array_equal(out, wanted)
    strided = np.repeat(W, 2, axis=1)[:, ::2]
    np.testing.assert_allclose(ours.gradient(strided), wanted, rtol=1e-12)
    np.testing.assert_allclose(ours(strided), ours(W), rtol=1e-12)
    np.testing.assert_array_equal(W, copy)


@each_case
def test_on_another_array_module(name, arguments, standin):
    ours = getattr(regularizers, name)(**arguments)
    w = standin.asarray(W)
    np.testing.assert_allclose(ours(w).get(), ours(W), rtol=1e-12)
    found = ours.gradient(w, standin.empty(W.shape, "float64"))
    np.testing.assert_allclose(found.get(), ours.gradient(W), rtol=1e-12)


@pytest.mark.parametrize("name", CLASSES)
def test_signature_as_keras(name):
    ours = inspect.signature(getattr(regularizers, name).__init__)
    theirs = inspect.signature(getattr(keras().regularizers, name).__init__)
    assert [(p.name, p.default) for p in ours.parameters.values()] == [
        (p.name, p.default) for p in theirs.parameters.values()
    ]


@each_case
def test_config_round_trip_with_keras(name, arguments):
    ours = getattr(regularizers, name)(**arguments)
    again = regularizers.deserialize(regularizers.serialize(ours))
    assert type(again) is type(ours)
    assert again.get_config() == ours.get_config()
    theirs = keras().regularizers.deserialize(regularizers.serialize(ours))
    back = regularizers.get(keras().regularizers.serialize(theirs))
    np.testing.assert_allclose(back(W), ours(W), rtol=1e-6)
    assert set(theirs.get_config()) == set(ours.get_config())


def test_names():
    keras_names = [name for name in dir(keras().regularizers) if not name.startswith("_")]
    for name in keras_names:
        assert hasattr(regularizers, name), name
    assert regularizers.get("l1").l1 == regularizers.get("L1").l1 == 0.01
    assert regularizers.get("l2").l2 == 0.01
    both = regularizers.get("l1_l2")
    assert (both.l1, both.l2) == (0.01, 0.01)
    assert (regularizers.get("l1l2").l1, regularizers.l1_l2().l2) == (0.0, 0.0)
    assert regularizers.get("orthogonal_regularizer").mode == "rows"
    assert regularizers.get(None) is None
    assert isinstance(regularizers.get(regularizers.L2), regularizers.L2)
    kept = regularizers.L1(0.5)
    assert regularizers.get(kept) is kept
    assert regularizers.L1(None).l1 == 0.01


def test_unknown_name_has_a_hint():
    with pytest.raises(InvalidValue, match="Did you mean 'l1_l2'"):
        regularizers.get("l1_12")


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), "0.1", True, [0.1]])
def test_bad_factors_are_refused(value):
    for make in (regularizers.L1, regularizers.L2, regularizers.L1L2, regularizers.OrthogonalRegularizer):
        with pytest.raises(InvalidValue, match="at least 0"):
            make(value)


def test_other_bad_arguments():
    with pytest.raises(InvalidValue, match="mode"):
        regularizers.OrthogonalRegularizer(mode="row")
    with pytest.raises(InvalidType, match="Did you mean 'l2'"):
        regularizers.L2(L2=0.1)
    with pytest.raises(InvalidValue, match="matrix"):
        regularizers.OrthogonalRegularizer()(np.ones((2, 2, 2)))
    with pytest.raises(InvalidType):
        regularizers.get(3)


def test_orthogonal_without_pairs_or_length():
    regularizer = regularizers.OrthogonalRegularizer()
    with np.errstate(all="raise"):
        assert regularizer(np.ones((1, 3))) == 0
        assert not regularizer.gradient(np.ones((1, 3))).any()
        w = np.array([[0.0, 0.0], [3.0, 4.0]])
        assert regularizer(w) == 0
        assert np.isfinite(regularizer.gradient(w)).all()


class Cubic(regularizers.Regularizer):
    def __init__(self, strength):
        self.strength = strength

    def __call__(self, w):
        return self.strength * abs(w**3).sum()

    def gradient(self, w, out=None):
        return np.multiply(w * abs(w), 3 * self.strength, out=out)


def test_own_regularizer():
    kept = Cubic(2.0)
    assert regularizers.get(kept) is kept
    assert kept.get_config() == {"strength": 2.0}
    again = regularizers.deserialize(regularizers.serialize(kept), {"Cubic": Cubic})
    assert again.strength == 2.0


def test_without_gradient_is_refused_when_fetched():
    class Half(regularizers.Regularizer):
        def __call__(self, w):
            return w.sum() / 2

    class Silent(regularizers.Regularizer):
        pass

    for item in (Half(), Half, lambda w: w.sum()):
        with pytest.raises(InvalidType, match="no gradient"):
            regularizers.get(item)
    with pytest.raises(NotImplementedError, match="Silent"):
        Silent()(W)
    with pytest.raises(NotImplementedError, match="gradient"):
        Silent().gradient(W)
