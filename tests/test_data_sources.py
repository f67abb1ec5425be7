"""Files read a part at a time, generators and sequences of batches, class weights, and the split."""

import warnings

import numpy as np
import pytest

from kerasette.data import Signature, make_batches, rows_of, split
from kerasette.data import columns as columns_module
from kerasette.errors import InvalidType, InvalidValue
from tests.data_cases import (
    CLASSES,
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
    same,
    series,
    torch_tensor,
)


@pytest.fixture
def h5(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"], file["y"], file["labels"], file["w"] = X, Y, LABELS, W
        yield file


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("shuffle", [False, True, "batch"])
def test_lazy_data_is_read_in_parts(shuffle):
    rows = 3000
    x = np.random.default_rng(0).normal(size=(rows, 256))
    signature = Signature(["i"], [(256,)], ["float32"], ["o"], [(1,)], [Plain()])
    source, target = Counting(x), Counting(x[:, 0])
    batches = make_batches(source, target, signature=signature, batch_size=64, shuffle=shuffle)
    assert sum(source.reads) + sum(target.reads) <= 1
    iterator = batches.epoch(1)
    next(iterator)
    assert sum(source.reads) <= 4 * 512
    (found,), (y,), _ = joined(batches, 1)
    assert max(source.reads) <= 4 * 512
    expected = make_batches(x, x[:, 0], signature=signature, batch_size=64, shuffle=shuffle)
    np.testing.assert_array_equal(found, joined(expected, 1)[0][0])
    np.testing.assert_array_equal(y[:, 0], found[:, 0])


@pytest.mark.parametrize("shuffle", [False, True, "batch"])
def test_h5py(h5, shuffle):
    for target, signature, values in (("y", ONE, Y), ("labels", CLASSES, LABELS)):
        found = make_batches(h5["x"], h5[target], h5["w"], signature=signature, batch_size=4, shuffle=shuffle)
        expected = make_batches(X, values, W, signature=signature, batch_size=4, shuffle=shuffle)
        for seed in (1, 2):
            same(collect(found, seed), collect(expected, seed))


def test_scattered_rows_are_read_one_by_one_or_in_runs():
    source = Counting(np.arange(10_000.0))
    lazy = columns_module.Lazy(source, (), "float32", lambda raw, rows: raw)
    for rows in ([9000, 3, 500], [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 9000, 9001, 9002, 9003], [4, 2, 3]):
        out = np.empty(len(rows), "float32")
        lazy.fill(out, np.array(rows))
        assert out.tolist() == rows
    assert source.reads == [3, 10, 4, 3]


def test_lazy_class_weights_and_shapes(h5):
    weights = {0: 1.0, 1: 2.0, 2: 3.0}
    found = make_batches(
        h5["x"], h5["labels"], signature=CLASSES, batch_size=4, class_weight=weights, shuffle=True
    )
    _, (y,), (w,) = joined(found, 1)
    np.testing.assert_array_equal(w, y + 1.0)
    with pytest.raises(InvalidValue, match="x has 4 features per row; layer 'inp' needs 3"):
        make_batches(h5["x"], signature=Signature(["inp"], [(3,)], ["float32"], ["o"], [(1,)], [None]))


def test_errors_in_files_name_the_true_row():
    broken = X.copy()
    broken[17, 2] = np.nan
    for shuffle in (False, True):
        batches = make_batches(Counting(broken), Y, signature=ONE, batch_size=4, shuffle=shuffle)
        with pytest.raises(
            InvalidValue, match="x has 1 NaN or infinite value, the first in row 17, column 2"
        ):
            list(batches.epoch(1))


def test_files_of_text_are_refused_at_once(h5):
    h5["text"] = np.array(["a", "b"], dtype="S1")
    with pytest.raises(InvalidType, match="not a number"):
        make_batches(h5["text"], signature=ONE, needs_y=False)


# ---------------------------------------------------------------- streams


def pieces(start=0, stop=ROWS, size=5):
    for i in range(start, stop, size):
        yield X[i : i + size], Y[i : i + size], W[i : i + size]


class Sequence:
    ended = 0

    def __len__(self):
        return 5

    def __getitem__(self, index):
        assert isinstance(index, int)
        return (
            X[index * 5 : index * 5 + 5].tolist(),
            Y[index * 5 : index * 5 + 5],
            W[index * 5 : index * 5 + 5],
        )

    def on_epoch_end(self):
        self.ended += 1


class Iterable:
    def __iter__(self):
        return pieces()


@pytest.mark.parametrize("source", [pieces, Sequence, Iterable])
def test_streams_give_the_batches_of_arrays(source):
    batches = make_batches(source(), signature=ONE, shuffle=False)
    assert (batches.rows, batches.batch_size) == (None, None)
    assert batches.steps == (5 if source is Sequence else None)
    assert batches.repeats == (source is not pieces)
    same(collect(batches), collect(make_batches(X, Y, W, signature=ONE, batch_size=5)))
    if batches.repeats:
        assert len(collect(batches)) == 5
    else:
        with pytest.raises(InvalidValue, match="gives no more batches"):
            collect(batches)


def test_a_sequence_shuffles_its_batches_and_hears_of_the_end():
    sequence = Sequence()
    batches = make_batches(sequence, signature=ONE, shuffle=True)
    starts = [[xs[0][0, 0] for xs, _, _ in collect(batches, seed)] for seed in (1, 1, 2)]
    assert starts[0] == starts[1] != starts[2]
    assert sorted(starts[2]) == sorted(X[::5, 0])
    assert sequence.ended == 3


def test_a_generator_goes_on_from_epoch_to_epoch():
    batches = make_batches(pieces(), signature=ONE, steps=2)
    assert [len(collect(batches, seed)) for seed in (1, 2)] == [2, 2]
    with pytest.warns(UserWarning, match="ran out after 1 of 2 steps"):
        assert len(collect(batches, 3)) == 1
    with pytest.raises(InvalidValue, match="gives no more batches"):
        collect(batches, 4)


def test_an_iterable_with_steps_starts_again():
    batches = make_batches(Iterable(), signature=ONE, steps=3)
    starts = [[float(xs[0][0, 0]) for xs, _, _ in collect(batches, seed)] for seed in (1, 2)]
    expected = X[::5, 0].tolist()
    assert starts == [expected[:3], [*expected[3:], expected[0]]]
    assert [float(xs[0][0, 0]) for xs, _, _ in collect(batches)] == expected[:3]


def test_generators_of_inputs_alone_and_of_dicts():
    batches = make_batches(iter([X, X[:3]]), signature=ONE, needs_y=False, who="predict")
    assert [len(xs[0]) for xs, ys, _ in batches.epoch() if ys == [None]] == [ROWS, 3]
    several = make_batches(iter([({"a": X, "b": Y}, [Y, LABELS])]), signature=TWO)
    same(collect(several), collect(make_batches([X, Y], [Y, LABELS], signature=TWO)))


def test_data_loaders():
    torch = pytest.importorskip("torch")
    data = torch.utils.data
    loader = data.DataLoader(data.TensorDataset(torch.tensor(X), torch.tensor(Y)), batch_size=5)
    batches = make_batches(loader, signature=ONE)
    assert batches.steps == 5
    for _ in range(2):
        same(collect(batches), collect(make_batches(X, Y, signature=ONE, batch_size=5)))


@pytest.mark.parametrize(
    ("batch", "error", "words"),
    [
        ((X, Y[:3]), InvalidValue, "batch 0: the numbers of rows differ: x has 25, y has 3"),
        ((X[:, :3], Y), InvalidValue, "batch 0: x has 3 features per row; layer 'inp' needs 4"),
        ((X * np.nan, Y), InvalidValue, "batch 0: x has 100 NaN"),
        ((X,), InvalidValue, "batch 0: y is missing; the loss needs y"),
        ((X, Y, W, W), InvalidType, "batch 0 is a tuple of 4 entries"),
        ((X, Y, -W), InvalidValue, "negative weight"),
        ((X[:0], Y[:0]), InvalidValue, "x has 0 rows"),
    ],
)
def test_bad_batches_of_a_generator(batch, error, words):
    with pytest.raises(error, match=words):
        collect(make_batches(iter([batch]), signature=ONE))


# ---------------------------------------------------------------- weights


def test_class_weights_become_sample_weights():
    weights = {0: 1.0, 1: 2.0, 2: np.float32(3.0)}
    for y, signature in ((LABELS, CLASSES), (np.eye(3)[LABELS], Signature(*(*_parts(), [(3,)], [Plain()])))):
        _, _, (w,) = joined(make_batches(X, y, signature=signature, class_weight=weights))
        np.testing.assert_array_equal(w, np.array([1, 2, 3], "float32")[LABELS])
        _, _, (w,) = joined(make_batches(X, y, W, signature=signature, class_weight=weights))
        np.testing.assert_array_equal(w, W * np.array([1, 2, 3], "float32")[LABELS])
    stream = make_batches(iter([(X, LABELS, W)]), signature=CLASSES, class_weight=weights)
    np.testing.assert_array_equal(joined(stream)[2][0], w)


def _parts():
    return ["inp"], [(4,)], ["float32"], ["out"]


def test_a_missing_class_warns_once_and_counts_one():
    with pytest.warns(UserWarning, match="class 1") as caught:
        batches = make_batches(X, LABELS, signature=CLASSES, class_weight={0: 5.0, 2: 0.5})
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(joined(batches)[2][0], np.array([5, 1, 0.5], "float32")[LABELS])


# ---------------------------------------------------------------- split


def test_split_takes_the_last_rows():
    (x, y, w), (vx, vy, vw) = split(X, Y.tolist(), None, 0.25)
    np.testing.assert_array_equal(x, X[:18])
    np.testing.assert_array_equal(vx, X[18:])
    assert (y, vy, w, vw) == (Y[:18].tolist(), Y[18:].tolist(), None, None)
    assert np.shares_memory(vx, X)


def test_split_of_lists_dicts_frames_and_tensors():
    (x, y, w), (vx, vy, vw) = split([X, Y], {"p": series(Y), "q": LABELS}, W, 0.2)
    assert [len(a) for a in (*x, *y.values(), w)] == [20] * 5
    assert [len(a) for a in (*vx, *vy.values(), vw)] == [5] * 5
    (x, _, _), (vx, _, _) = split(frame(X), torch_tensor(Y), None, 0.2)
    assert (len(x), len(vx), list(vx.columns)) == (20, 5, ["c0", "c1", "c2", "c3"])
    (x, _, _), (vx, _, _) = split(list(X), LABELS, None, 0.2)
    assert (len(x), len(vx)) == (20, 5)
    make_batches(vx, signature=ONE, needs_y=False)


def test_split_leaves_files_unread():
    source = Counting(X)
    (x, y, _), (vx, vy, _) = split(source, Y, None, 0.2)
    assert source.reads == []
    for shuffle in (False, True):
        found = make_batches(x, y, signature=ONE, shuffle=shuffle, batch_size=4)
        same(
            collect(found, 1),
            collect(make_batches(X[:20], Y[:20], signature=ONE, shuffle=shuffle, batch_size=4), 1),
        )
        found = make_batches(vx, vy, signature=ONE, shuffle=shuffle, batch_size=4)
        same(
            collect(found, 1),
            collect(make_batches(X[20:], Y[20:], signature=ONE, shuffle=shuffle, batch_size=4), 1),
        )


def test_split_of_h5py(h5):
    _, (vx, vy, _) = split(h5["x"], h5["y"], None, 0.2)
    found = make_batches(vx, vy, signature=ONE, shuffle=True, batch_size=2)
    same(
        collect(found, 1), collect(make_batches(X[20:], Y[20:], signature=ONE, shuffle=True, batch_size=2), 1)
    )


def test_split_refuses():
    for source in (pieces(), Sequence(), Iterable()):
        with pytest.raises(InvalidType, match="validation_data"):
            split(source, None, None, 0.2)
    with pytest.raises(InvalidValue, match="leaves one part empty"):
        split(X[:2], Y[:2], None, 0.9)
    with pytest.raises(InvalidValue, match="validation_split"):
        split(X, Y, None, 1.5)


def test_rows_of():
    assert [rows_of(x) for x in (X, frame(X), [X, Y], {"a": X}, X.tolist(), list(X[:3]), [1, 2], [])] == [
        25, 25, 25, 25, 25, 4, 2, 0,
    ]  # fmt: skip
