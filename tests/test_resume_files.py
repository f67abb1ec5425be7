"""What a resumed run reads: data that can be taken up again, files that fit, values that were packed."""

import warnings

import h5py
import numpy as np
import pytest

from kerasette import backend, callbacks, optimizers, utils
from kerasette.data import Signature, make_batches
from kerasette.errors import InvalidType, LoadError
from kerasette.saving import packing, resume
from tests.test_resume import Stopped, StopsAt, X, Y, fit, model_of, same, state

# ---------------------------------------------------------------- data


class Sequence:
    def __init__(self, noise=0.0):
        self.noise = noise

    def __len__(self):
        return 7

    def __getitem__(self, index):
        rows = slice(index * 8, index * 8 + 8)
        return X[rows] + self.noise * np.random.normal(), Y[rows]


def test_generators_are_refused_before_training(tmp_path):
    def generator():
        while True:
            yield X, Y

    model = model_of()
    before = state(model)
    with pytest.raises(InvalidType, match=r"generator can't be resumed.*get_state"):
        model.fit(generator(), steps_per_epoch=3, epochs=2, verbose=0, resume=tmp_path / "a.h5")
    with pytest.raises(InvalidType, match="validation_data: a run on a generator"):
        fit(model, resume=tmp_path / "a.h5", validation_data=generator(), validation_steps=2)
    assert state(model) == before
    assert not list(tmp_path.iterdir())


def test_an_iterator_with_a_state_goes_on(tmp_path):
    class Endless:
        def __init__(self):
            self.rng = np.random.default_rng(5)

        def __iter__(self):
            return self

        def __next__(self):
            rows = self.rng.integers(0, 60, 8)
            return X[rows], Y[rows]

        def get_state(self):
            return self.rng.bit_generator.state

        def set_state(self, state):
            self.rng.bit_generator.state = state

    def run(**keywords):
        utils.set_random_seed(2)
        model = model_of()
        model.fit(Endless(), steps_per_epoch=4, epochs=5, verbose=0, **keywords)
        return model

    whole = run()
    backup = callbacks.BackupAndRestore(tmp_path, save_freq=3)
    with pytest.raises(Stopped):
        run(callbacks=[backup, StopsAt("on_train_batch_end", 13)])
    assert same(run(callbacks=[backup]), whole)


@pytest.mark.parametrize("steps", [None, 3])
def test_a_sequence_with_a_state_goes_on_within_a_pass(tmp_path, steps):
    class Turns(Sequence):
        turn = 0

        def on_epoch_begin(self):
            self.turn += 1

        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            return x * self.turn, y

        def get_state(self):
            return {"turn": self.turn}

        def set_state(self, state):
            self.turn = state["turn"]

    def run(**keywords):
        utils.set_random_seed(2)
        model = model_of()
        model.fit(Turns(), epochs=5, steps_per_epoch=steps, verbose=0, **keywords)
        return model

    whole = run()
    backup = callbacks.BackupAndRestore(tmp_path, save_freq=5)
    with pytest.raises(Stopped):
        run(callbacks=[backup, StopsAt("on_train_batch_end", 13)])
    assert same(run(callbacks=[backup]), whole)


@pytest.mark.parametrize("kind", ["hooks", "iterable"])
def test_data_that_may_change_is_named(tmp_path, kind):
    class Hooked(Sequence):
        def on_epoch_end(self):
            """May do anything."""

    class Iterable:
        def __iter__(self):
            return iter([(X, Y)] * 3)

    data = Hooked() if kind == "hooks" else Iterable()
    with pytest.warns(UserWarning, match="exact only if the"):
        model_of().fit(data, epochs=2, verbose=0, resume=tmp_path / "a.h5")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model_of().fit(Sequence(), epochs=2, verbose=0, resume=tmp_path / "b.h5")


SIGNATURE = Signature(["x"], [(5,)], ["float32"], ["y"], [(3,)], [None])


@pytest.mark.parametrize("shuffle", [False, True, "batch"])
@pytest.mark.parametrize("size", [1, 7, 60, 100])
@pytest.mark.parametrize("steps", [None, 1, 3])
@pytest.mark.parametrize("source", ["array", "cast", "file", "sequence"])
def test_batches_go_on_where_they_were(tmp_path, source, shuffle, size, steps):
    """Whatever the data: another object with the state gives the batches that this one would have given."""
    if steps is not None and steps > -(-60 // size):
        pytest.skip("fewer batches than steps")

    def batches():
        x = X.astype("float64") if source == "cast" else X
        if source == "sequence":
            return make_batches(Sequence(0.1), signature=SIGNATURE, shuffle=bool(shuffle), steps=steps)
        if source == "file":
            x = opened["x"]
        return make_batches(x, Y, signature=SIGNATURE, batch_size=size, shuffle=shuffle, steps=steps)

    def taken(given):
        return [(xs[0].tobytes(), ys[0].tobytes()) for xs, ys, _ in given]

    with h5py.File(tmp_path / "x.h5", "w") as opened:
        opened["x"] = X
        np.random.seed(0)
        whole = batches()
        wanted = [taken(whole.epoch(seed)) for seed in range(4)]
        for epoch, done in ((0, 0), (0, 1), (1, len(wanted[0]) - 1), (2, len(wanted[0])), (3, 1)):
            np.random.seed(0)
            before = batches()
            for seed in range(epoch):
                taken(before.epoch(seed))
            running = before.epoch(epoch)
            for _ in range(done):
                next(running)
            after, saved, numbers = batches(), before.state(), np.random.get_state()
            np.random.seed(9)
            after.restore(saved, done)
            np.random.set_state(numbers)
            assert taken(after.epoch(epoch, done)) == wanted[epoch][done:]
            for seed in range(epoch + 1, 4):
                assert taken(after.epoch(seed)) == wanted[seed]


# ---------------------------------------------------------------- logs


def test_a_log_that_lost_lines_begins_anew(tmp_path):
    log = tmp_path / "log.csv"
    fit(model_of(), epochs=3, resume=tmp_path / "a.h5", callbacks=[callbacks.CSVLogger(log)])
    log.write_text("epoch\n")
    with pytest.warns(UserWarning, match="lacks lines"):
        fit(model_of(), epochs=4, resume=tmp_path / "a.h5", callbacks=[callbacks.CSVLogger(log)])
    assert [line.split(",")[0] for line in log.read_text().splitlines()] == ["epoch", "3"]


def test_an_appended_log(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("epoch,accuracy,loss\n0,0.5,1.0\n")
    kept = log.read_text()
    logger = callbacks.CSVLogger(log, append=True)
    utils.set_random_seed(1)
    fit(model_of(), epochs=4, callbacks=[logger])
    whole = log.read_text()
    log.write_text(kept)
    stopped_at = [logger, StopsAt("on_epoch_end", 2)]
    utils.set_random_seed(1)
    with pytest.raises(Stopped):
        fit(model_of(), epochs=4, resume=tmp_path / "a.h5", callbacks=stopped_at)
    assert len(log.read_text().splitlines()) == 5  # the line of an epoch that is trained again
    fit(model_of(), epochs=4, resume=tmp_path / "a.h5", callbacks=[logger])
    assert log.read_text() == whole


# ---------------------------------------------------------------- files that don't fit


@pytest.fixture
def saved(tmp_path):
    """The path of the state of a run of two epochs."""
    fit(model_of(), epochs=2, resume=tmp_path / "run.h5")
    return tmp_path / "run.h5"


def refused(path, match, model=None, **keywords):
    """Checks that fit raises a LoadError and changes nothing."""
    model = model or model_of()
    before, file, seeds = state(model), path.read_bytes(), repr(backend.random_state())
    with pytest.raises(LoadError, match=match) as caught:
        fit(model, epochs=4, **{"resume": path, **keywords})
    assert len(str(caught.value)) <= 420
    assert state(model) == before and repr(backend.random_state()) == seeds
    assert path.read_bytes() == file
    assert fit(model, epochs=1)["loss"]


def test_other_models_optimizers_and_data_are_refused(saved):
    refused(saved, r"dense_?\d*/kernel: float32 \(5, 8\) / float32 \(5, 9\)", model_of(9))
    refused(saved, "with Adam; this model has SGD", model_of(optimizer="sgd"))
    refused(saved, "another run", model_of(optimizer=optimizers.Adam(amsgrad=True)))
    refused(saved, r"rows of the data: \[60\] / \[50\]", x=X[:50], y=Y[:50])
    refused(saved, r"batch_size of the data: \[8\] / \[9\]", batch_size=9)
    refused(saved, "rows of the data", validation_split=0.2)
    refused(saved, "Delete the file", steps_per_epoch=2)


def test_damaged_files_are_refused(saved):
    whole = saved.read_bytes()
    rng = np.random.default_rng(0)
    for end in rng.integers(0, len(whole), 20):
        saved.write_bytes(whole[:end])
        refused(saved, "run.h5")
    wanted = model_of()
    saved.write_bytes(whole)
    fit(wanted, epochs=2, resume=saved)
    found = 0
    for place in rng.integers(0, len(whole), 60):
        changed = bytearray(whole)
        changed[place] ^= 1 << int(rng.integers(8))
        saved.write_bytes(changed)
        model = model_of()
        before = state(model)
        try:
            fit(model, epochs=2, resume=saved)
            assert state(model) == state(wanted)  # nothing is stored in that byte
        except LoadError:
            found += 1
            assert state(model) == before
    assert found > 15
    saved.write_bytes(b"")
    refused(saved, "is empty")


def test_other_files_are_refused(saved, tmp_path):
    model = model_of()
    model.save_weights(tmp_path / "w.weights.h5")
    refused(tmp_path / "w.weights.h5", "isn't the state of a run")
    text, arrays = packing.pack({"format": 99})
    resume.hdf5.write(str(saved), {"state": np.frombuffer(text.encode(), "uint8"), **arrays})
    refused(saved, "has the format 99")
    for wrong in ({"format": 1}, {"format": 1, "optimizer": "Adam"}, [1, 2], 5):
        text, arrays = packing.pack(wrong)
        resume.hdf5.write(str(saved), {"state": np.frombuffer(text.encode(), "uint8"), **arrays})
        refused(saved, "run.h5")


# ---------------------------------------------------------------- plain values


def test_packed_values_come_back_bit_by_bit():
    value = {
        "numbers": [
            0,
            -1,
            2**200,
            0.1,
            -0.0,
            1e-320,
            float("inf"),
            -float("inf"),
            True,
            None,
            "text \u20ac \0",
        ],
        "floats": [float(one) for one in np.random.default_rng(0).normal(size=100)] + [float("nan")],
        "empty": [[], {}, (), ""],
        "nested": {"a": ({"b": [(1, 2)]},), "c/d": 1, "": 2, ".": np.ones(2)},
        "keys": {1: "a", (2, 3): "b", None: "c"},
        "arrays": [np.arange(6, dtype=kind).reshape(2, 3) for kind in ("u1", "i8", "f2", "f4", "f8")],
        "odd": [np.array(3.5), np.zeros((0, 4)), np.array([True, False]), np.arange(4)[::2]],
        "scalars": [np.float32(0.1), np.int64(7), np.bool_(True), np.float64("nan")],
        "a": {"b": np.ones(1)},
        "a/b": np.zeros(1),
    }
    text, arrays = packing.pack(value)
    back = packing.unpack(text.encode(), arrays)

    def check(one, other):
        assert type(one) is type(other)
        if isinstance(one, dict):
            assert list(one) == list(other)
            one, other = list(one.values()), list(other.values())
        if isinstance(one, (list, tuple)):
            assert len(one) == len(other)
            for pair in zip(one, other, strict=True):
                check(*pair)
        elif isinstance(one, (np.ndarray, np.generic)):
            assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
        else:
            assert repr(one) == repr(other)

    check(value, back)


def deep():
    value = []
    for _ in range(60):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value", [{1, 2}, b"bytes", object(), 1j, np.array(["a"]), np.zeros(2, "c8"), deep()]
)
def test_what_can_t_be_packed(value):
    with pytest.raises(InvalidType, match="can't hold here"):
        packing.pack({"here": value})


@pytest.mark.parametrize(
    "text",
    [
        *(
            b"",
            b"[]",
            b"\xff",
            b"{" * 300,
            b'{"x": NaN}',
            b'{"array": "no"}',
            b'{"a": 1, "b": 2}',
            b'{"floats": 1}',
        ),
        *(
            b'{"dict": 5}',
            b'{"tuple": 3}',
            b'{"pairs": [1]}',
            b'{"float": "abc"}',
            b'{"dict": {"a": 1, "a": 2}}',
        ),
    ],
)
def test_texts_of_others(text):
    with pytest.raises(LoadError):
        packing.unpack(text, {})
