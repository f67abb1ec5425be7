"""Data of every kind becomes the same batches, in the order that the seed says."""

import time
import tracemalloc

import numpy as np
import pytest

import kerasette
from kerasette import backend, layers, models
from kerasette.data import Batches, Signature, make_batches
from kerasette.data import columns as columns_module
from kerasette.errors import InvalidValue
from tests.data_cases import (
    LABELS,
    ONE,
    ROWS,
    TWO,
    Counting,
    Plain,
    W,
    X,
    Y,
    collect,
    frame,
    joined,
    memmap,
    same,
    series,
    torch_tensor,
)

KINDS = {
    "list of one array": lambda v, p: [v],
    "tuple of one array": lambda v, p: (v,),
    "list of rows": lambda v, p: v.tolist(),
    "list of arrays": lambda v, p: list(v),
    "float64": lambda v, p: v.astype("float64"),
    "fortran order": lambda v, p: np.asfortranarray(v),
    "every second": lambda v, p: np.repeat(v, 2, axis=0)[::2],
    "big endian": lambda v, p: v.astype(">f4"),
    "read only": lambda v, p: np.frombuffer(v.tobytes(), v.dtype).reshape(v.shape),
    "objects": lambda v, p: v.astype(object),
    "frame": lambda v, p: frame(v),
    "torch": lambda v, p: torch_tensor(v),
    "memmap": memmap,
    "lazy": lambda v, p: Counting(v),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shuffle", [False, True, "batch"])
def test_each_kind_gives_the_batches_of_plain_arrays(kind, shuffle, tmp_path):
    make = KINDS[kind]
    expected = make_batches(X, Y, W, signature=ONE, batch_size=4, shuffle=shuffle)
    found = make_batches(
        make(X, tmp_path / "x"),
        make(Y, tmp_path / "y"),
        W.tolist(),
        signature=ONE,
        batch_size=4,
        shuffle=shuffle,
    )
    assert (found.rows, found.steps, found.batch_size) == (ROWS, 7, 4)
    for seed in (3, 3, 4):
        same(collect(found, seed), collect(expected, seed))


def test_default_batch_size_and_last_batch():
    batches = make_batches(np.zeros((70, 4)), np.zeros(70), signature=ONE)
    assert isinstance(batches, Batches)
    assert [len(xs[0]) for xs, _, _ in batches.epoch()] == [32, 32, 6]
    assert all(ws == [None] for _, _, ws in batches.epoch())


def test_series_and_dicts_by_name():
    inputs = {"b": series(Y), "a": frame(X)}
    targets = {"q": series(LABELS), "p": Y}
    found = make_batches(inputs, targets, signature=TWO, batch_size=7)
    expected = make_batches([X, Y], [Y, LABELS], signature=TWO, batch_size=7)
    same(collect(found), collect(expected))
    assert joined(found)[0][1].shape == (ROWS, 1)


def test_one_weight_array_serves_all_outputs():
    _, _, (p, q) = joined(make_batches([X, Y], [Y, LABELS], W, signature=TWO))
    np.testing.assert_array_equal(p, W)
    np.testing.assert_array_equal(q, W)
    _, _, (p, q) = joined(make_batches([X, Y], [Y, LABELS], {"q": W[:, None]}, signature=TWO))
    assert p is None
    np.testing.assert_array_equal(q, W)


def test_pandas_missing_values_and_mixed_columns():
    pandas = pytest.importorskip("pandas")
    data = pandas.DataFrame({"i": [1, 2, 3], "f": [0.5, 1.5, 2.5], "b": [True, False, True]})
    data["n"] = pandas.array([1, None, 3], dtype="Int64")
    batches = make_batches(data, signature=ONE, needs_y=False, allow_nonfinite=True)
    np.testing.assert_array_equal(
        joined(batches)[0][0], np.array([[1, 0.5, 1, 1], [2, 1.5, 0, np.nan], [3, 2.5, 1, 3]], "float32")
    )
    with pytest.raises(InvalidValue, match=r"1 NaN or infinite value, the first in row 1, column 'n'"):
        make_batches(data, signature=ONE, needs_y=False)


def test_tensorflow_tensor():
    tf = pytest.importorskip("tensorflow")
    found = make_batches(tf.constant(X), tf.constant(Y), signature=ONE)
    same(collect(found), collect(make_batches(X, Y, signature=ONE)))


@pytest.mark.parametrize(
    ("given", "shape"),
    [((6,), (1,)), ((6, 1), ()), ((6, 4, 1), (4,)), ((6, 4, 4), (4, 4, 1)), ((6, 9), (None,))],
)
def test_a_trailing_axis_of_one_comes_and_goes(given, shape):
    signature = Signature(["i"], [shape], ["float32"], ["o"], [(1,)], [None])
    xs, _, _ = next(iter(make_batches(np.zeros(given), signature=signature, needs_y=False).epoch()))
    assert xs[0].shape == (6, *(n or 9 for n in shape))


def test_output_without_loss_passes_targets_on():
    signature = Signature(["i"], [(4,)], ["float32"], ["p", "q"], [(1,), (2,)], [Plain(), None])
    assert joined(make_batches(X, {"p": Y}, signature=signature))[1][1] is None
    np.testing.assert_array_equal(joined(make_batches(X, [Y, LABELS], signature=signature))[1][1], LABELS)


def test_large_sources_of_another_dtype_are_cast_chunk_by_chunk(monkeypatch):
    monkeypatch.setattr(columns_module, "CAST_WHOLE", 0)
    pixels = np.random.default_rng(0).integers(0, 255, (ROWS, 4), "uint8")
    for source in (pixels, pixels.astype("float64")):
        for shuffle in (False, True):
            found = make_batches(source, Y, signature=ONE, batch_size=4, shuffle=shuffle)
            expected = make_batches(pixels.astype("float32"), Y, signature=ONE, batch_size=4, shuffle=shuffle)
            assert not found._columns[0].direct
            same(collect(found, 1), collect(expected, 1))


@pytest.mark.parametrize("turned", [False, True])
def test_fit_keeps_large_uint8_images_as_they_are(turned):
    """A float copy would take four times their memory, here 80 MB; turned ones are copied once, as uint8."""
    pixels = np.random.default_rng(0).integers(0, 255, (26_000, 784), "uint8")
    pixels = np.asfortranarray(pixels) if turned else pixels
    model = models.Sequential([layers.Input((784,)), layers.Rescaling(1 / 255), layers.Dense(1)])
    model.compile("adam", "mse")
    tracemalloc.start()
    model.fit(pixels, pixels[:, :1] / 255.0, batch_size=500, verbose=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20e6 + turned * pixels.nbytes


def test_uint8_images_train_as_in_keras(monkeypatch):
    monkeypatch.setattr(columns_module, "CAST_WHOLE", 0)
    keras = pytest.importorskip("keras")
    pixels = np.random.default_rng(0).integers(0, 255, (50, 4, 4), "uint8")
    labels, weights, trained = pixels[:, 0, 0] % 3, None, []
    for library in (keras, kerasette):
        rows = library.layers.Input((4, 4))
        flat = library.layers.Flatten()(library.layers.Rescaling(1 / 255)(rows))
        model = library.models.Model(rows, library.layers.Dense(3, activation="softmax")(flat))
        weights = model.get_weights() if weights is None else weights
        model.set_weights(weights)
        model.compile(
            optimizer=library.optimizers.SGD(learning_rate=0.5), loss="sparse_categorical_crossentropy"
        )
        model.fit(pixels, labels, batch_size=8, epochs=3, shuffle=False, verbose=0)
        trained.append([*model.get_weights(), model.predict(pixels, verbose=0)])
    for theirs, ours in zip(*trained, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_single_array_for_prediction_takes_the_short_way():
    (xs, ys, ws), *rest = make_batches(X, signature=ONE, batch_size=100, needs_y=False, who="predict").epoch()
    assert xs[0] is X
    assert (ys, ws, rest) == ([None], [None], [])


def test_no_rows_are_fine_for_prediction():
    batches = make_batches(np.zeros((0, 4)), signature=ONE, needs_y=False, who="predict")
    assert (batches.rows, batches.steps, list(batches.epoch())) == (0, 0, [])


# ---------------------------------------------------------------- order


@pytest.mark.parametrize("size", [1, 4, 25, 100])
def test_shuffle_is_a_permutation_that_depends_on_the_seed_alone(size):
    numbers = np.arange(ROWS, dtype="float32")[:, None].repeat(4, 1)
    batches = make_batches(
        numbers, numbers[:, :1], numbers[:, 0], signature=ONE, batch_size=size, shuffle=True
    )
    first = joined(batches, 5)
    np.random.seed(1)
    joined(batches, 6)
    (again,), (targets,), (weights,) = joined(batches, 5)
    np.testing.assert_array_equal(first[0][0], again)
    np.testing.assert_array_equal(targets, again[:, :1])
    np.testing.assert_array_equal(weights, again[:, 0])
    assert sorted(again[:, 0]) == list(range(ROWS))
    assert (again[:, 0] != np.arange(ROWS)).any()
    assert (joined(batches, 6)[0][0] != again).any()
    fresh = make_batches(numbers, numbers[:, :1], numbers[:, 0], signature=ONE, batch_size=size, shuffle=True)
    np.testing.assert_array_equal(joined(fresh, 5)[0][0], again)


def test_without_shuffle_rows_keep_their_order():
    batches = make_batches(X, Y, signature=ONE, batch_size=3)
    for seed in (None, 1):
        np.testing.assert_array_equal(joined(batches, seed)[0][0], X)


def test_shuffle_batch_keeps_batches_together():
    numbers = np.arange(ROWS, dtype="float32")[:, None].repeat(4, 1)
    batches = make_batches(numbers, Y, signature=ONE, batch_size=4, shuffle="batch")
    starts = [xs[0][0, 0] for xs, _, _ in collect(batches, 2)]
    assert starts[-1] == 24
    assert sorted(starts) == list(range(0, 25, 4))
    assert starts != sorted(starts)
    assert all((np.diff(xs[0][:, 0]) == 1).all() for xs, _, _ in collect(batches, 2))


def test_chunks_of_many_batches_join_seamlessly():
    numbers = np.arange(100_000, dtype="float32")
    signature = Signature(["i"], [(1,)], ["float32"], ["o"], [(1,)], [Plain()])
    batches = make_batches(numbers, numbers, signature=signature, batch_size=7, shuffle=True)
    (x,), (y,), _ = joined(batches, 1)
    np.testing.assert_array_equal(x, y)
    np.testing.assert_array_equal(np.sort(x[:, 0]), numbers)
    assert batches.steps == sum(1 for _ in batches.epoch(2))


def test_fewer_steps_go_on_where_they_stopped():
    numbers = np.arange(12, dtype="float32")[:, None].repeat(4, 1)
    batches = make_batches(numbers, numbers[:, :1], signature=ONE, batch_size=4, steps=2)
    assert batches.steps == 2
    epochs = [[xs[0][0, 0] for xs, _, _ in batches.epoch(seed)] for seed in (1, 2, 3)]
    assert epochs == [[0, 4], [8, 0], [4, 8]]
    assert [[xs[0][0, 0] for xs, _, _ in batches.epoch(None)] for _ in range(2)] == [[0, 4], [0, 4]]
    with pytest.raises(InvalidValue, match="4 steps were asked for, but the data makes 3 batches"):
        make_batches(numbers, numbers[:, :1], signature=ONE, batch_size=4, steps=4)


@pytest.mark.parametrize("threads", [1, 2])
def test_chunks_are_gathered_ahead(monkeypatch, threads):
    """Each batch holds until the next is asked for, also while a helper fills the other buffers."""
    before = backend.threads()
    monkeypatch.setattr("kerasette.data.batches.CHUNK_BYTES", 3 * 8 * X[:1].nbytes)
    backend.set_threads(threads)
    try:
        x = np.arange(100 * X[0].size, dtype="float32").reshape(100, *X.shape[1:])
        batches = make_batches(x, np.zeros(100, int), signature=ONE, batch_size=8, shuffle=True)
        seen = []
        for (xs, *_), _, _ in batches.epoch(7):
            held = xs.copy()
            time.sleep(0.001)
            assert np.array_equal(xs, held)
            seen.append(held)
        assert [len(part) for part in seen] == [8] * 12 + [4]
        assert np.array_equal(np.sort(np.concatenate(seen), axis=0), x)
        early = batches.epoch(8)
        next(early)
        early.close()  # the helper has finished by then
    finally:
        backend.set_threads(before)
