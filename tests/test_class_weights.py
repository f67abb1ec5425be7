"""Class weights: one factor a row, or a step, and what isn't taken."""

import numpy as np
import pytest

import kerasette
from kerasette.data import Signature, make_batches
from kerasette.errors import InvalidValue
from tests.data_cases import CLASSES, LABELS, Step, W, X, joined

WEIGHTS = {0: 1.0, 1: 2.0, 2: 5.0}
STEPS = Signature(["inp"], [(4,)], ["float32"], ["out"], [(5, 3)], [Step()])
STEP_LABELS = np.arange(25 * 5).reshape(25, 5) % 7 % 3


@pytest.mark.parametrize("one_hot", [False, True])
def test_labels_of_steps_get_a_weight_each(one_hot):
    y = np.eye(3, dtype="float32")[STEP_LABELS] if one_hot else STEP_LABELS
    wanted = np.array([1.0, 2.0, 5.0], "float32")[STEP_LABELS]
    _, _, (w,) = joined(make_batches(X, y, signature=STEPS, class_weight=WEIGHTS))
    np.testing.assert_array_equal(w, wanted)
    for weights, factor in ((W, W[:, None]), (wanted, wanted)):
        _, _, (w,) = joined(make_batches(X, y, weights, signature=STEPS, class_weight=WEIGHTS))
        np.testing.assert_array_equal(w, wanted * factor)


def test_labels_of_steps_in_a_file_and_from_a_generator(tmp_path):
    np.save(tmp_path / "y.npy", STEP_LABELS)
    y = np.load(tmp_path / "y.npy", mmap_mode="r")
    wanted = np.array([1.0, 2.0, 5.0], "float32")[STEP_LABELS]
    _, _, (w,) = joined(make_batches(X, y, signature=STEPS, class_weight=WEIGHTS))
    np.testing.assert_array_equal(w, wanted)
    _, _, (w,) = joined(make_batches(iter([(X, STEP_LABELS)]), signature=STEPS, class_weight=WEIGHTS))
    np.testing.assert_array_equal(w, wanted)


def test_training_with_class_weights_of_steps_equals_sample_weights():
    x, y = np.random.default_rng(0).normal(size=(6, 5, 4)), STEP_LABELS[:6]
    ends = []
    for more in ({"class_weight": WEIGHTS}, {"sample_weight": np.array([1.0, 2.0, 5.0])[y]}):
        dense = kerasette.layers.Dense(3, "softmax", kernel_initializer="ones")
        model = kerasette.Sequential([kerasette.Input((5, 4)), dense])
        model.compile("sgd", "sparse_categorical_crossentropy")
        loss = model.fit(x, y, epochs=2, shuffle=False, verbose=0, **more).history["loss"]
        ends.append((loss, model.get_weights()[0].tolist()))
    assert ends[0] == ends[1]


def test_targets_that_name_no_class_of_a_row_or_step_are_refused():
    words = r"one class a row, or one for each step: \(None, 5\); y has the shape \(25, 4, 7\)"
    with pytest.raises(InvalidValue, match=words):
        make_batches(X, np.zeros((25, 4, 7)), signature=STEPS, class_weight=WEIGHTS)
    bad = STEP_LABELS.copy()
    bad[6, 2] = 3
    with pytest.raises(InvalidValue, match="class numbers from 0 to 2 in y, got 3 in row 6"):
        make_batches(X, bad, signature=STEPS, class_weight=WEIGHTS)


def test_factors_beyond_the_float_type_are_refused():
    with pytest.raises(InvalidValue, match=r"class_weight\[1\] must be a number from 0 to 3.4e\+38"):
        make_batches(X, LABELS, signature=CLASSES, class_weight={0: 1, 1: 1e300, 2: 1})


def test_factors_of_zero_warn():
    with pytest.warns(UserWarning, match="class_weight is 0 for every class"):
        make_batches(X, LABELS, signature=CLASSES, class_weight={0: 0, 1: 0, 2: 0})
