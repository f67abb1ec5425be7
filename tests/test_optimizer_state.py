"""The state of optimizers: its order and names, going on from it, copies, and what is refused."""

import copy
import pickle

import numpy as np
import pytest

from kerasette import optimizers
from kerasette.errors import InvalidValue, LoadError
from kerasette.optimizers import schedules
from tests.flat_runs import keras_pair, keras_variables, random_arrays, run_of, train, vector_run, vectors

LISTED = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("Adagrad", {}),
    ("RMSprop", {"momentum": 0.9, "centered": True}),
    ("Adam", {}),
    ("Adam", {"amsgrad": True, "use_ema": True, "gradient_accumulation_steps": 2}),
    ("AdamW", {}),
    ("Adamax", {}),
    ("Nadam", {}),
    ("Adadelta", {}),
    ("Lion", {}),
    ("Ftrl", {}),
]


@pytest.mark.parametrize(("name", "options"), LISTED, ids=str)
def test_state_is_ordered_and_named_as_in_keras(name, options):
    ours, theirs = keras_pair(name, options)
    theirs.build(keras_variables())
    ours.build([run_of(random_arrays(7))])
    wanted = [
        (v.path.partition("/")[2] or "u_product", tuple(v.shape), str(v.dtype)) for v in theirs.variables
    ]
    found = [(n.partition("/")[2], array.shape, str(array.dtype)) for n, array in ours.state()]
    assert found == wanted


def test_state_with_a_schedule_has_no_learning_rate():
    optimizer = optimizers.SGD(schedules.ExponentialDecay(0.1, 10, 0.9))
    optimizer.build([vector_run(3)])
    assert [name for name, _ in optimizer.state()] == ["sgd/iteration"]


@pytest.mark.parametrize(("name", "options"), LISTED, ids=str)
def test_training_goes_on_after_load_state(name, options):
    first, grads = getattr(optimizers, name)(**options), vectors(26, 8)
    run = run_of(random_arrays(7))
    train(first, run, grads[:4])
    saved, weights = [(key, array.copy()) for key, array in first.state()], run.theta.copy()
    wanted = train(first, run, grads[4:])
    for arrays in (saved, [array for _, array in saved]):
        second, other = getattr(optimizers, name)(**options), run_of(random_arrays(7))
        other.theta[...] = weights
        second.build([other])
        second.load_state(arrays)
        assert train(second, other, grads[4:]).tobytes() == wanted.tobytes()
        assert second.iterations == first.iterations


def test_bad_state_changes_nothing():
    optimizer = optimizers.Adam()
    with pytest.raises(InvalidValue, match="no state yet"):
        optimizer.state()
    train(optimizer, run_of(random_arrays(7)), vectors(26, 2))
    good = [(name, array.copy()) for name, array in optimizer.state()]
    transposed, negative, text = list(good), list(good), list(good)
    transposed[2] = ("k", np.ones((4, 3), "float32"))
    negative[0] = ("i", np.array(-1))
    rate = [good[0], ("r", np.array(np.nan, "float32")), *good[2:]]
    text[3] = ("k", np.full((3, 4), "a"))
    for bad in (good[:-1], transposed, negative, text, rate, [("i", np.array(1.5)), *good[1:]]):
        with pytest.raises(LoadError, match="nothing was changed"):
            optimizer.load_state([(name, array + 1 if array.dtype == "f4" else array) for name, array in bad])
        for (name, array), (_, wanted) in zip(optimizer.state(), good, strict=True):
            np.testing.assert_array_equal(array, wanted, err_msg=name)


@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, lambda o: pickle.loads(pickle.dumps(o))])
@pytest.mark.parametrize("name", ["Adam", "Nadam", "SGD"])
def test_copies_continue(copied, name):
    run, grads = run_of(random_arrays(7)), vectors(26, 6)
    optimizer = getattr(optimizers, name)(0.1, weight_decay=0.1, use_ema=True)
    optimizer.exclude_from_weight_decay(var_list=[run.parameters[0]])
    train(optimizer, run, grads[:3])
    other = run_of(random_arrays(7))
    other.theta[...] = run.theta
    twin = copied(copied(optimizer))
    wanted = train(optimizer, run, grads[3:])
    assert train(twin, other, grads[3:]).tobytes() == wanted.tobytes()
    assert twin.iterations == 6
