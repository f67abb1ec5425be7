"""compile(loss="crossentropy"): which of the three cross-entropies it is follows from shapes, as in Keras."""

import numpy as np
import pytest

import kerasette as k
from kerasette import layers, models, optimizers, saving
from kerasette.errors import InvalidValue
from tests.keras_oracle import keras

RNG = np.random.default_rng(4)
X = RNG.normal(size=(12, 5, 4)).astype("float32")
LABELS = RNG.integers(0, 3, (12, 5))
COLUMNS = np.eye(3, dtype="float32")[LABELS]
# name: (whether each step has an output, activation, targets, the loss that is meant)
CASES = {
    "numbers": (False, "softmax", LABELS[:, 0], "sparse_categorical_crossentropy"),
    "numbers in a column": (False, "softmax", LABELS[:, :1], "sparse_categorical_crossentropy"),
    "columns": (False, "softmax", COLUMNS[:, 0], "categorical_crossentropy"),
    "columns without softmax": (False, "sigmoid", COLUMNS[:, 0], "categorical_crossentropy"),
    "yes or no": (False, "sigmoid", LABELS[:, 0] % 2, "binary_crossentropy"),
    "yes or no in a column": (False, "sigmoid", LABELS[:, :1] % 2, "binary_crossentropy"),
    "a number a step": (True, "softmax", LABELS, "sparse_categorical_crossentropy"),
    "a number a step in a column": (True, "softmax", LABELS[..., None], "sparse_categorical_crossentropy"),
    "columns a step": (True, "softmax", COLUMNS, "categorical_crossentropy"),
}


def classifier(library, case, loss):
    steps, activation, _, meant = CASES[case]
    inputs = library.Input((5, 4))
    hidden = library.layers.Dense(6, "tanh")(inputs if steps else library.layers.Flatten()(inputs))
    units = 1 if meant.startswith("binary") else 3
    model = library.Model(inputs, library.layers.Dense(units, activation)(hidden))
    model.compile(optimizer=library.optimizers.SGD(0.5), loss=loss, metrics=["accuracy"])
    return model


@pytest.mark.parametrize("name", ["crossentropy", "CE"])
@pytest.mark.parametrize("case", CASES)
def test_it_is_the_loss_that_is_meant(case, name):
    model, named = (classifier(k, case, loss) for loss in (name, CASES[case][3]))
    named.set_weights(model.get_weights())
    assert model.loss == name
    assert model._engine.plan.fused == named._engine.plan.fused == [case != "columns without softmax"]
    y = CASES[case][2]
    histories = [one.fit(X, y, 4, 3, shuffle=False, verbose=0).history for one in (model, named)]
    assert histories[0] == histories[1]
    for a, b in zip(model.get_weights(), named.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert model.evaluate(X, y, verbose=0) == named.evaluate(X, y, verbose=0)


# Behind a sigmoid Keras on TensorFlow takes the logits of the sigmoid for those of a softmax.
@pytest.mark.parametrize("case", [case for case in CASES if case != "columns without softmax"])
def test_keras_has_the_same_numbers(case):
    ours, theirs = (classifier(library, case, "crossentropy") for library in (k, keras()))
    ours.set_weights(theirs.get_weights())
    y = CASES[case][2]
    histories = [one.fit(X, y, 4, 3, shuffle=False, verbose=0).history for one in (ours, theirs)]
    assert list(histories[0]) == ["loss", "accuracy"]
    for key, values in histories[0].items():
        np.testing.assert_allclose(values, histories[1][key], rtol=1e-4)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "loss", ["ce", ["ce", "crossentropy"], {"a": "crossentropy", "b": "ce"}, {"a": "ce", "b": "mse"}]
)
def test_several_outputs_have_each_their_own(loss):
    def build(library):
        inputs = library.Input((4,))
        outputs = [
            library.layers.Dense(3, "softmax", name="a")(inputs),
            library.layers.Dense(1, "sigmoid", name="b")(inputs),
        ]
        model = library.Model(inputs, outputs)
        model.compile(optimizer=library.optimizers.SGD(0.5), loss=loss)
        return model

    ours, theirs = build(k), build(keras())
    ours.set_weights(theirs.get_weights())
    y = [LABELS[:, 0], LABELS[:, 1] % 2]
    histories = [one.fit(X[:, 0], y, 4, 3, shuffle=False, verbose=0).history for one in (ours, theirs)]
    assert set(histories[0]) == set(histories[1])
    for key, values in histories[0].items():
        np.testing.assert_allclose(values, histories[1][key], rtol=1e-4)


@pytest.mark.parametrize("case", ["numbers", "columns", "yes or no"])
def test_other_ways_to_get_there(case):
    """Keras's order and ours, a model without a shape, batches from a generator, weights of samples."""
    units, y = 1 if case == "yes or no" else 3, CASES[case][2]
    weights = RNG.random(12)
    orders = ("crossentropy", optimizers.SGD(0.5)), (optimizers.SGD(0.5), "ce")
    results = []
    for order in (*orders, (CASES[case][3], optimizers.SGD(0.5))):
        k.utils.set_random_seed(1)
        model = k.Sequential([layers.Flatten(), layers.Dense(units, CASES[case][1])]).compile(*order)
        model.fit(((X[i : i + 4], y[i : i + 4], weights[i : i + 4]) for i in (0, 4, 8)), verbose=0)
        results.append(model.evaluate(X, y, sample_weight=weights, verbose=0))
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("case", ["numbers", "columns", "yes or no"])
@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_files_keep_the_name(case, ending, tmp_path):
    y = CASES[case][2]
    for first, second in ((k, k), (k, keras()), (keras(), k)):
        model = classifier(first, case, "crossentropy")
        model.fit(X, y, verbose=0)
        model.save(tmp_path / f"m{ending}")
        if second is not k and ending == ".h5":
            continue  # Keras can't read this loss in an .h5 file, not even in its own
        again = second.models.load_model(tmp_path / f"m{ending}")
        assert again.loss == "crossentropy"
        values = [one.evaluate(X, y, verbose=0) for one in (model, again)]
        np.testing.assert_allclose(values[1], values[0], rtol=1e-5)
        again.fit(X, y, verbose=0)


def test_copies_learn_as_well():
    model = classifier(k, "numbers", "ce")
    model.fit(X, LABELS[:, 0], verbose=0)
    copy = saving.clone_model(model)
    copy.set_weights(model.get_weights())
    copy.compile(optimizers.SGD(0.5), model.loss)
    assert (
        copy.train_on_batch(X, LABELS[:, 0])
        == model.train_on_batch(X, LABELS[:, 0], return_dict=True)["loss"]
    )


WRONG = [
    ("numbers", LABELS[:, 0] + 1, "the value 3 at row"),
    ("numbers", COLUMNS[:, 0, :2], "needs both the same"),
    ("columns", None, "y is missing"),
    ("yes or no", LABELS[:, 0] + 1, "values from 0 to 1"),
    ("yes or no", COLUMNS[:, 0], "needs both the same"),
]


@pytest.mark.parametrize(("case", "y", "told"), WRONG)
def test_targets_that_fit_none_are_refused_before_any_weight_changes(case, y, told):
    model = classifier(k, case, "crossentropy")
    before = model.get_weights()
    with pytest.raises(InvalidValue, match=told):
        model.fit(X, y, verbose=0)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    model.fit(X, CASES[case][2], verbose=0)  # what was refused has decided nothing


def test_a_loss_of_one_s_own_may_have_the_name(tmp_path):
    def crossentropy(y_true, y_pred):
        return k.ops.mean((y_true - y_pred) ** 2, axis=-1)

    model = k.Sequential([k.Input((4,)), layers.Dense(3)]).compile(crossentropy, "sgd")
    x, y = X[:, 0], COLUMNS[:, 0]
    wanted = model.evaluate(x, y, verbose=0)
    for name in ("a.h5", "a.keras"):
        model.save(tmp_path / name)
        own = {"crossentropy": crossentropy}
        again = models.load_model(tmp_path / name, custom_objects=own)
        assert again.evaluate(x, y, verbose=0) == pytest.approx(wanted, rel=1e-6)
    with saving.custom_object_scope({"ce": crossentropy}):
        model.compile(loss="ce", optimizer="sgd")
    assert model.evaluate(x, y, verbose=0) == pytest.approx(wanted, rel=1e-6)
