"""kerasette.utils: against Keras where Keras has the same, and by its own promises elsewhere."""

import inspect
import subprocess
import sys

import numpy as np
import pytest

from kerasette import registry, utils
from kerasette.errors import InvalidType, InvalidValue
from kerasette.utils import normalize, split_dataset, to_categorical, train_test_split
from tests import keras_oracle
from tests.conftest import ROOT

# ---------------------------------------------------------------- to_categorical


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([0, 1, 2], None),
        ([0, 1, 2], 4),
        ([[0], [1]], None),
        ([[0, 1], [1, 2]], None),
        (np.array([[[0]], [[1]]]), 3),
        (np.array([1, 0], np.uint8), None),
        (np.array([1.0, 0.0], np.float32), 2),
        (2, 3),
        ([True, False], None),
        ([], 3),
        (np.zeros((0, 1), int), 2),
    ],
)
def test_to_categorical_is_keras(labels, classes):
    expected = keras_oracle.keras().utils.to_categorical(labels, classes)
    got = to_categorical(labels, classes)
    assert got.dtype == expected.dtype and got.shape == expected.shape
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("labels", "classes", "text"),
    [
        ([0, 3, 1], 3, "label 3 (position 1) is not from 0 to 2"),
        ([0, 1, -1], None, "label -1 (position 2) is not at least 0"),
        ([0, -2], 2, "label -2"),
        ([0.0, 1.7], None, "whole numbers as labels, got 1.7"),
        ([float("nan")], None, "nan"),
        ([], None, "num_classes"),
        ([0], 0, "num_classes"),
        ([0], -3, "num_classes"),
        ([0], 2.5, "num_classes"),
    ],
)
def test_to_categorical_refuses(labels, classes, text):
    with np.errstate(invalid="ignore"), pytest.raises(InvalidValue) as caught:
        to_categorical(labels, classes)
    assert text in str(caught.value)


@pytest.mark.parametrize("labels", [["cat", "dog"], [None, 1], [1j]])
def test_to_categorical_refuses_what_is_no_number(labels):
    with pytest.raises(InvalidType, match="whole numbers"):
        to_categorical(labels)


# ---------------------------------------------------------------- normalize


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "uint8"])
@pytest.mark.parametrize(("axis", "order"), [(-1, 2), (1, 2), (2, 1), (-2, 3), (-1, np.inf)])
def test_normalize_is_keras(dtype, axis, order):
    x = np.random.default_rng(0).integers(0, 4, (3, 4, 5)).astype(dtype)
    x[1, 2] = 0
    expected = keras_oracle.keras().utils.normalize(x, axis, order)
    got = normalize(x, axis, order)
    assert got.dtype == expected.dtype
    np.testing.assert_allclose(got, expected, rtol=1e-3 if dtype == "float16" else 1e-6)


def test_normalize_without_an_axis_is_keras():
    x = np.random.default_rng(0).normal(size=(3, 4))
    np.testing.assert_allclose(normalize(x, None), keras_oracle.keras().utils.normalize(x, None))


def test_normalize_of_a_list_is_keras():
    keras = keras_oracle.keras()
    for x in ([3.0, 4.0], [[3.0, -4.0], [0.0, 0.0]], 5.0):
        expected = np.asarray(keras.utils.normalize(x))
        got = normalize(x)
        assert got.dtype == expected.dtype == np.float32 and got.shape == expected.shape
        np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_normalize_along_axis_0():
    # Keras's NumPy path takes axis 0 for -1 and divides by norms of the wrong shape; this is the definition.
    x = np.random.default_rng(0).normal(size=(3, 3))
    np.testing.assert_allclose(np.linalg.norm(normalize(x, axis=0), axis=0), 1)
    np.testing.assert_allclose(normalize(x, axis=0), normalize(x.T).T)


def test_normalize_leaves_its_input_alone():
    x = np.array([[3.0, 4.0], [0.0, 0.0]])
    normalize(x)
    assert x.tolist() == [[3.0, 4.0], [0.0, 0.0]]


def test_normalize_refuses():
    with pytest.raises(InvalidValue, match="axis 5"):
        normalize(np.ones((2, 2)), axis=5)
    with pytest.raises(InvalidType, match="numbers"):
        normalize(np.array(["a"]))
    with pytest.raises(InvalidType, match="numbers"):
        normalize([[1.0], [1.0, 2.0]])


# ---------------------------------------------------------------- splits

SIZES = [
    {"left_size": 0.8},
    {"left_size": 3},
    {"right_size": 0.25},
    {"left_size": 0.3, "right_size": 0.3},
    {"left_size": 0.25},
    {"left_size": 4, "right_size": 3},
    {"left_size": 0.15},
    {"right_size": 0.15},
]
WRONG_SIZES = [
    {},
    {"left_size": 0},
    {"left_size": 11},
    {"left_size": 10},
    {"left_size": 1.0},
    {"left_size": 1.5},
    {"left_size": 0.8, "right_size": 0.8},
    {"left_size": 0.01},
    {"left_size": 0.99},
]


def test_split_dataset_sizes_are_keras():
    keras, x = keras_oracle.keras(), np.arange(10)
    for sizes in SIZES:
        expected = [[int(item) for item in half] for half in keras.utils.split_dataset(x, **sizes)]
        assert [half.tolist() for half in split_dataset(x, **sizes)] == expected, sizes
    for sizes in WRONG_SIZES:
        with pytest.raises(ValueError):
            keras.utils.split_dataset(x, **sizes)
        with pytest.raises(InvalidValue):
            split_dataset(x, **sizes)


def test_split_dataset_keeps_the_form_and_the_pairs():
    x, y = np.arange(20).reshape(10, 2), np.arange(10) * 2
    left, right = split_dataset((x, y), left_size=0.7, shuffle=True, seed=1)
    assert isinstance(left, tuple) and isinstance(split_dataset([x, y], 0.5)[0], list)
    for half in (left, right):
        np.testing.assert_array_equal(half[0][:, 0], half[1])
    assert sorted([*left[1], *right[1]]) == y.tolist() and left[1].tolist() != y[:7].tolist()
    again = split_dataset((x, y), left_size=0.7, shuffle=True, seed=1)
    np.testing.assert_array_equal(left[0], again[0][0])


def test_split_dataset_refuses():
    with pytest.raises(InvalidValue, match="10, 5"):
        split_dataset((np.arange(10), np.arange(5)), left_size=0.5)
    for other in ({"a": np.arange(4)}, [1, 2, 3], "text", ()):
        with pytest.raises(InvalidType):
            split_dataset(other, left_size=0.5)


def test_train_test_split_is_a_partition_with_the_pairs():
    x, y = np.arange(20).reshape(10, 2), list(range(0, 20, 2))
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.3, seed=3)
    assert (len(x_train), len(x_test)) == (7, 3) and isinstance(y_train, list)
    assert x_train[:, 0].tolist() == y_train and x_test[:, 0].tolist() == y_test
    assert sorted(y_train + y_test) == y
    assert train_test_split(y, test_size=4, shuffle=False) == [y[:6], y[6:]]


def test_train_test_split_seeds():
    x = np.arange(100)
    utils.set_random_seed(5)
    first = train_test_split(x)[1]
    second = train_test_split(x)[1]
    utils.set_random_seed(5)
    np.testing.assert_array_equal(first, train_test_split(x)[1])
    assert first.tolist() != second.tolist()


def test_train_test_split_with_pandas():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": range(10)}, index=list("abcdefghij"))
    train, test = train_test_split(frame, test_size=3, seed=0)
    assert len(train) == 7 and sorted([*train.index, *test.index]) == list(frame.index)


@pytest.mark.parametrize("names", [False, True])
def test_stratified_shares(names):
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    labels = np.array(["a", "b", "c"])[labels] if names else labels
    train, test = train_test_split(labels, test_size=0.3, stratify=labels, seed=0)
    assert np.unique(test, return_counts=True)[1].tolist() == [15, 9, 6]
    assert np.unique(train, return_counts=True)[1].tolist() == [35, 21, 14]
    rare = np.repeat([0, 1], [97, 3])
    train, test = train_test_split(rare, test_size=2, stratify=rare, seed=0)
    assert np.bincount(test).tolist() == [1, 1]


def test_stratified_rows_are_drawn_from_the_whole_class():
    labels = np.repeat([0, 1], 50)
    rows = train_test_split(np.arange(100), stratify=labels, seed=0)[1]
    assert rows.tolist() != sorted(rows) and len(set(rows)) == 30
    assert rows.tolist() != train_test_split(np.arange(100), stratify=labels, seed=1)[1].tolist()


@pytest.mark.parametrize(
    "keywords",
    [
        {"test_size": 0},
        {"test_size": 10},
        {"test_size": 0.01},
        {"test_size": 1.0},
        {"test_size": True},
        {"seed": -1},
        {"stratify": np.arange(10)},
        {"stratify": np.zeros(9)},
        {"stratify": np.arange(10) % 2, "test_size": 1},
        {"stratify": np.arange(10) % 2, "shuffle": False},
    ],
)
def test_train_test_split_refuses(keywords):
    with pytest.raises(InvalidValue):
        train_test_split(np.arange(10), **keywords)


def test_train_test_split_needs_arrays_of_one_length():
    with pytest.raises(InvalidValue, match="10, 9"):
        train_test_split(np.arange(10), np.arange(9))
    with pytest.raises(InvalidValue, match="at least one"):
        train_test_split()


# ---------------------------------------------------------------- on a device


def test_arrays_of_a_device_stay_there(standin):
    labels = standin.asarray(np.array([0, 2, 1]))
    rows = to_categorical(labels)
    assert isinstance(rows, standin.ndarray) and rows.get().tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]
    with pytest.raises(InvalidValue, match="label -1"):
        to_categorical(labels - 1)
    with pytest.raises(InvalidValue, match=r"got 0\.5"):
        to_categorical(labels / 2)
    unit = normalize(standin.asarray(np.array([[3.0, 4.0], [0.0, 0.0]], "float32")))
    assert isinstance(unit, standin.ndarray) and unit.dtype == "float32"
    np.testing.assert_allclose(unit.get(), [[0.6, 0.8], [0, 0]])
    left, right = split_dataset(standin.asarray(np.arange(6)), 0.5, shuffle=True, seed=1)
    assert sorted([*left.get(), *right.get()]) == list(range(6))


# ---------------------------------------------------------------- names


@pytest.mark.parametrize("name", ["to_categorical", "normalize", "get_file", "set_random_seed"])
def test_arguments_are_keras(name):
    expected = inspect.signature(getattr(keras_oracle.keras().utils, name)).parameters
    own = inspect.signature(getattr(utils, name)).parameters
    assert list(own) == list(expected)
    assert {key: item.default for key, item in own.items()} == {
        key: item.default for key, item in expected.items()
    }


def test_every_name_exists_and_import_stays_light():
    heavy = "urllib.request ssl tarfile zipfile tqdm pandas h5py matplotlib sklearn cupy"
    code = (
        "import sys, numpy; before = set(sys.modules); import kerasette.utils, kerasette.datasets; "
        f"print(*(set('{heavy}'.split()) & set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == []
    lazy = set(utils._PLOTTING)
    assert all(hasattr(utils, name) for name in set(utils.__all__) - lazy)
    assert lazy <= set(dir(utils)) and not hasattr(utils, "no_such_name")


def test_registered_names():
    @utils.register_keras_serializable("tests_of_utils", name="Own")
    class Own(registry.Configurable):
        kind = "layer"

        def __init__(self, size=1):
            self.size = size

    try:
        assert utils.get_registered_name(Own) == "tests_of_utils>Own"
        assert utils.get_registered_object("tests_of_utils>Own") is Own
        config = utils.serialize_keras_object(Own(size=4))
        assert utils.deserialize_keras_object(config).size == 4
        assert utils.deserialize_keras_object({"a": [config, 1]})["a"][0].size == 4
    finally:
        registry._CUSTOM.pop("tests_of_utils>Own")
    assert utils.get_registered_object("tests_of_utils>Own") is None
    assert utils.get_registered_object("x", {"x": 1}) == 1 and utils.get_registered_name(len) == "len"
    with utils.custom_object_scope({"Own": Own}):
        assert utils.get_registered_object("Own") is Own
    with pytest.raises(InvalidValue, match="custom_objects"):
        utils.deserialize_keras_object(config)
    assert utils.deserialize_keras_object(config, {"Own": Own}).size == 4
