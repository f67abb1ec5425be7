"""Padding, windows without copies, and time series against Keras."""

import itertools

import numpy as np
import pytest

import kerasette as k
from kerasette import layers, utils
from kerasette.backend import set_random_seed
from kerasette.errors import KerasetteError
from tests.keras_oracle import keras

LISTS = [[1], [2, 3], [4, 5, 6], []]


# ---------------------------------------------------------------- padding


@pytest.mark.parametrize("padding", ["pre", "post"])
@pytest.mark.parametrize("truncating", ["pre", "post"])
@pytest.mark.parametrize("maxlen", [None, 1, 2, 3, 5])
def test_padding_is_keras_s(padding, truncating, maxlen):
    options = {"padding": padding, "truncating": truncating, "maxlen": maxlen}
    vectors = [np.arange(2.0 * n).reshape(n, 2) for n in (1, 3, 2)]
    for sequences, more in (
        (LISTS, {}),
        (LISTS, {"value": -1, "dtype": "int64"}),
        (vectors, {"dtype": "float32"}),
    ):
        ours = utils.pad_sequences(sequences, **options, **more)
        theirs = keras().utils.pad_sequences(sequences, **options, **more)
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype


def test_texts_can_be_padded():
    words = utils.pad_sequences([["a"], ["b", "c"]], dtype=object, value="", padding="post")
    assert words.tolist() == [["a", ""], ["b", "c"]]
    assert k.preprocessing.sequence.pad_sequences is utils.pad_sequences


@pytest.mark.parametrize(
    ("sequences", "options", "match"),
    [
        ([[1], [2]], {"padding": "before"}, "padding"),
        ([[1], [2]], {"truncating": "end"}, "truncating"),
        ([[1], [2]], {"maxlen": 0}, "maxlen"),
        ([[1], [2]], {"value": "x"}, "object"),
        ([[1], [[2]]], {}, "shape"),
        ([[1.5], [2.0]], {}, "dtype='float32'"),
        ([[300]], {"dtype": "int8"}, "int8 can't hold"),
        ([1, 2], {}, "item 0"),
        (5, {}, "list of sequences"),
        ("abc", {}, "list of sequences"),
        (iter([[1]]), {}, "list of sequences"),
        ([], {}, "maxlen"),
    ],
)
def test_mistakes_in_padding_are_named(sequences, options, match):
    with pytest.raises(KerasetteError, match=match):
        utils.pad_sequences(sequences, **options)


# ---------------------------------------------------------------- windows


def test_windows_copy_nothing():
    data = np.arange(20.0).reshape(10, 2)
    windows = utils.sliding_windows(data, 3, stride=2, sampling_rate=2)
    assert np.shares_memory(windows, data)
    assert not windows.flags.writeable
    assert windows.shape == (3, 3, 2)
    np.testing.assert_array_equal(windows[1], data[2:8:2])
    dataset = utils.timeseries_dataset_from_array(data, None, 4, batch_size=3)
    assert np.shares_memory(dataset[1], data)
    generator = utils.TimeseriesGenerator(data, data, 4)
    assert np.shares_memory(generator[0][0], data)


def test_long_series_take_no_memory():
    """A million windows of a thousand steps: 8 GB, were they copied."""
    data = np.zeros(1_001_000)
    dataset = utils.timeseries_dataset_from_array(data, data, 1000, shuffle=True, batch_size=4)
    assert dataset.windows.shape == (1_000_001, 1000)
    assert dataset[0][0].nbytes == 4 * 1000 * 8


def outcome(dataset):
    return [
        tuple(map(np.asarray, batch)) if isinstance(batch, tuple) else (np.asarray(batch),)
        for batch in dataset
    ]


@pytest.mark.parametrize(("stride", "rate"), list(itertools.product((1, 3), (1, 2))))
@pytest.mark.parametrize(("start", "end"), list(itertools.product((None, 2), (None, 9))))
def test_time_series_are_keras_s(stride, rate, start, end):
    rng = np.random.default_rng(0)
    data = rng.normal(size=(12, 2)).astype("float32")
    for targets, size in itertools.product((None, rng.normal(size=(12, 3)), data[:, 0]), (None, 3)):
        arguments = (data, targets, 3, stride, rate, size)
        options = {"start_index": start, "end_index": end}
        ours = outcome(utils.timeseries_dataset_from_array(*arguments, **options))
        theirs = outcome(keras().utils.timeseries_dataset_from_array(*arguments, **options))
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            for one, other in zip(a, b, strict=True):
                np.testing.assert_array_equal(one, other)


def test_shuffled_series_come_in_another_order_each_time():
    data = np.arange(50)
    make = [
        lambda seed=seed: utils.timeseries_dataset_from_array(
            data, data, 3, batch_size=7, shuffle=True, seed=seed
        )
        for seed in (1, 2)
    ]
    first, second = outcome(series := make[0]()), outcome(series)
    for passes in (first, second):
        starts = np.concatenate([x[:, 0] for x, _ in passes])
        assert sorted(starts) == list(range(48))
        np.testing.assert_array_equal(np.concatenate([y for _, y in passes]), starts)
        assert list(starts) != list(range(48))
    assert not np.array_equal(first[0][0], second[0][0])
    again = make[0]()
    again.set_state({"passes": 1})
    assert series.get_state() == {"passes": 2}
    np.testing.assert_array_equal(again[0][0], second[0][0])
    assert not np.array_equal(make[1]()[0][0], first[0][0])


def test_two_series_side_by_side():
    data = np.arange(100)
    inputs, targets = (
        utils.timeseries_dataset_from_array(d, None, 20, 20, batch_size=2) for d in (data, data * 2)
    )
    pairs = list(zip(inputs, targets, strict=True))
    assert len(pairs) == len(inputs) == 3
    np.testing.assert_array_equal(pairs[1][1], pairs[1][0] * 2)
    np.testing.assert_array_equal(inputs[-1], inputs[2])
    with pytest.raises(IndexError, match="3 batches"):
        inputs[3]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"sequence_length": 20}, "20 steps doesn't fit into 10"),
        ({"sequence_length": 0}, "sequence_length"),
        ({"sampling_rate": 0}, "sampling_rate"),
        ({"sequence_stride": 0}, "sequence_stride"),
        ({"batch_size": 0}, "batch_size"),
        ({"start_index": -1}, "start_index"),
        ({"start_index": 10}, "start_index"),
        ({"end_index": 11}, "end_index"),
        ({"start_index": 5, "end_index": 5}, "end_index"),
        ({"shuffle": True, "seed": -1}, "seed"),
        ({"format": "grain"}, "format"),
        ({"data": 3.0}, "steps"),
    ],
)
def test_mistakes_in_time_series_are_named(options, match):
    arguments = {"data": np.arange(10), "targets": None, "sequence_length": 3, **options}
    with pytest.raises(KerasetteError, match=match):
        utils.timeseries_dataset_from_array(**arguments)


# ---------------------------------------------------------------- Keras 2's generator


def test_generator_is_keras_2_s():
    keras()
    legacy = pytest.importorskip("keras.src.legacy.preprocessing.sequence")
    data, targets = np.random.default_rng(0).normal(size=(14, 2)), np.arange(14.0)
    for length, rate, stride, start, end, reverse, size in itertools.product(
        (1, 4), (1, 3), (1, 2), (0, 2), (None, 10), (False, True), (2, 20)
    ):
        arguments = (data, targets, length, rate, stride, start, end, False, reverse, size)
        ours, theirs = utils.TimeseriesGenerator(*arguments), legacy.TimeseriesGenerator(*arguments)
        assert len(ours) == len(theirs)
        for index in range(len(ours)):
            for a, b in zip(ours[index], theirs[index], strict=True):
                np.testing.assert_array_equal(a, b)


def test_generator_shuffles():
    set_random_seed(1)
    data = np.arange(100)
    x, y = utils.TimeseriesGenerator(data, data, 5, shuffle=True, batch_size=16)[0]
    np.testing.assert_array_equal(x[:, -1] + 1, y)
    assert list(y) != sorted(y)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"targets": np.arange(9)}, "9 targets"),
        ({"length": 10}, "no window fits"),
        ({"length": 0}, "length"),
        ({"end_index": 12}, "no window fits"),
    ],
)
def test_mistakes_in_generators_are_named(options, match):
    with pytest.raises(KerasetteError, match=match):
        utils.TimeseriesGenerator(**{"data": np.arange(10), "targets": np.arange(10), "length": 3, **options})


def test_models_take_them():
    set_random_seed(1)
    series = np.sin(np.arange(200) * 0.3).astype("float32")
    for data in (
        utils.timeseries_dataset_from_array(series[:-1], series[8:], 8, batch_size=16, shuffle=True, seed=1),
        utils.TimeseriesGenerator(series, series, 8, batch_size=16),
    ):
        model = k.Sequential([k.Input((8,)), layers.Dense(1)])
        model.compile(k.optimizers.Adam(0.05), "mse")
        losses = model.fit(data, epochs=12, verbose=0).history["loss"]
        assert losses[-1] < 0.05 * losses[0]
        assert model.evaluate(data, verbose=0) < 0.05 * losses[0]
