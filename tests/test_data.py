"""Data of every kind becomes the same batches; files are read a batch at a time."""

import warnings

import numpy as np
import pytest

from kerasette.data import Batches, Signature, make_batches, rows_of, split
from kerasette.data import columns as columns_module
from kerasette.errors import InvalidType, InvalidValue

ROWS = 25
X = np.random.default_rng(0).normal(size=(ROWS, 4)).astype("float32")
Y = np.random.default_rng(1).normal(size=(ROWS, 1)).astype("float32")
W = np.linspace(0.5, 2.0, ROWS, dtype="float32")
LABELS = np.arange(ROWS) % 3


class Plain:
    """Stands for a loss with targets of the output's shape."""

    def prepare(self, y, output_shape, who):
        return np.asarray(y, "float32").reshape(len(y), *output_shape)


class Sparse:
    """Stands for a loss with class numbers."""

    def prepare(self, y, output_shape, who):
        y = y.reshape(len(y)).astype("int32")
        if (y >= output_shape[-1]).any():
            raise InvalidValue(f"{who}: label too large")
        return y


ONE = Signature(["inp"], [(4,)], ["float32"], ["out"], [(1,)], [Plain()])
CLASSES = Signature(["inp"], [(4,)], ["float32"], ["out"], [(3,)], [Sparse()])
TWO = Signature(["a", "b"], [(4,), (1,)], ["float32"] * 2, ["p", "q"], [(1,), (3,)], [Plain(), Sparse()])


def collect(batches, seed=None):
    """Returns copies of all batches: what a batch holds is gone once the next one is asked for."""

    def copies(arrays):
        return [None if array is None else array.copy() for array in arrays]

    return [tuple(map(copies, batch)) for batch in batches.epoch(seed)]


def joined(batches, seed=None):
    """Returns (xs, ys, ws) of a whole epoch."""
    parts = collect(batches, seed)
    return tuple(
        [
            None if column[0] is None else np.concatenate(column)
            for column in zip(*(part[k] for part in parts), strict=True)
        ]
        for k in range(3)
    )


def same(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        for left, right in zip(a, b, strict=True):
            for p, q in zip(left, right, strict=True):
                assert (p is None) == (q is None)
                if p is not None:
                    assert p.dtype == q.dtype
                    np.testing.assert_array_equal(p, q)


@pytest.fixture
def h5(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"], file["y"], file["labels"], file["w"] = X, Y, LABELS, W
        yield file


class Counting:
    """An array in a file, as far as anyone can tell; counts what is read."""

    def __init__(self, array):
        self._array, self.shape, self.dtype = array, array.shape, array.dtype
        self.reads = []

    def __getitem__(self, rows):
        if not isinstance(rows, slice):
            assert (np.diff(rows) > 0).all(), "h5py takes increasing indices only"
        part = self._array[rows]
        self.reads.append(len(part))
        return part


# ---------------------------------------------------------------- kinds of data


def frame(values):
    return pytest.importorskip("pandas").DataFrame(values, columns=[f"c{i}" for i in range(values.shape[1])])


def series(values):
    return pytest.importorskip("pandas").Series(values.reshape(-1))


def torch_tensor(values):
    return pytest.importorskip("torch").tensor(values, requires_grad=values.dtype.kind == "f")


def memmap(values, path):
    array = np.memmap(path, values.dtype, "w+", shape=values.shape)
    array[:] = values
    return array


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
