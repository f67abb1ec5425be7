"""Saves that fail or are cut short cost nothing: weights, models, runs, logs, and fit with all of them."""

import builtins
import errno
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import numpy as np
import pytest

import kerasette as k
from kerasette import callbacks, layers
from kerasette.callbacks import csv_logger
from kerasette.errors import KerasetteError, MissingFile, SaveError
from kerasette.saving import atomic
from tests.crash_loops import KINDS, model_of, set_all

ROOT = Path(__file__).resolve().parent.parent
LONG = bool(os.environ.get("KERASETTE_LONG"))  # make long: more kills
SAVERS = ["weights", "run", *(["model"] if hasattr(k.Model, "save") else [])]
NAMES = {"weights": "w.weights.h5", "run": "run.h5", "model": "m.keras"}
X, Y = np.zeros((4, 20), "float32"), np.zeros((4, 30), "float32")


class SaveOnce(callbacks.Callback):
    """Saves the run when training begins."""

    remembers = ()

    def __init__(self, path):
        super().__init__()
        self.path = path

    def on_train_begin(self, logs=None):
        self.model.save_run(self.path)


def save(kind, folder, number):
    """Saves a model whose weights are all `number`."""
    model = model_of()
    set_all(model, number)
    path = folder / NAMES[kind]
    if kind == "run":
        model.fit(X, Y, epochs=0, verbose=0, callbacks=[SaveOnce(path)])
    else:
        (model.save_weights if kind == "weights" else model.save)(path)


def loaded(kind, folder) -> set:
    """Returns the numbers that the weights in the file have."""
    return {float(value) for array in KINDS[kind][1](folder) for value in np.unique(array)}


@pytest.fixture(params=SAVERS)
def saved(request, tmp_path):
    """(kind of file, its folder, its bytes): a file whose weights are all 1."""
    save(request.param, tmp_path, 1)
    return request.param, tmp_path, (tmp_path / NAMES[request.param]).read_bytes()


def is_kept(saved):
    """Checks that the old file is there, byte for byte, and nothing else."""
    kind, folder, old = saved
    assert os.listdir(folder) == [NAMES[kind]]
    assert (folder / NAMES[kind]).read_bytes() == old
    assert loaded(kind, folder) == {1.0}


# ---------------------------------------------------------------- faults at every operation


class Faulty:
    """A file object that fails at its `at`-th operation.

    `how`: "full" (no space), "half" (writes half of it, then no space), "torn" (changes a bit silently).
    """

    def __init__(self, file, at, how, log):
        self._file, self._at, self._how, self._log = file, at, how, log

    def write(self, data):
        self._log.append("write")
        if len(self._log) != self._at:
            return self._file.write(data)
        if self._how == "torn":
            changed = bytearray(data)
            changed[len(changed) // 2] ^= 1
            return self._file.write(changed)
        if self._how == "half":
            self._file.write(bytes(data)[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fileno(self):
        self._log.append("fileno")
        if len(self._log) == self._at and self._how == "full":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return self._file.fileno()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()


def shim(monkeypatch, where, at, how="full"):
    """Puts the shim under every file that a module opens for writing; returns the log of operations."""
    log = []

    def opened(file, mode="r", *rest, **keywords):
        found = builtins.open(file, mode, *rest, **keywords)  # noqa: SIM115 - the shim closes it
        return found if mode in ("r", "rb") else Faulty(found, at, how, log)

    monkeypatch.setattr(where, "open", opened, raising=False)
    return log


@pytest.mark.parametrize("how", ["full", "half", "torn"])
def test_a_fault_at_every_operation(saved, monkeypatch, how):
    kind, folder, _ = saved
    monkeypatch.setattr(atomic, "BLOCK", 1500)
    with monkeypatch.context() as patch:
        log = shim(patch, atomic, at=None)
        save(kind, folder, 1)
    total = len(log)
    assert total > 5
    saved = kind, folder, (folder / NAMES[kind]).read_bytes()
    for at in range(1, total + 1):
        if log[at - 1] != "write" and how != "full":
            continue
        with monkeypatch.context() as patch:
            shim(patch, atomic, at, how)
            with pytest.raises(SaveError, match="wasn't saved") as caught:
                save(kind, folder, 2)
        assert len(str(caught.value)) <= 420 and NAMES[kind] in str(caught.value)
        is_kept(saved)


def test_large_files_are_synced_and_read_back_while_they_are_written(tmp_path, monkeypatch):
    """Every fault in a file of many parts, also those that only the threads beside the writer meet."""
    monkeypatch.setattr(atomic, "BLOCK", 1000)
    monkeypatch.setattr(atomic, "PART", 4000)
    path, old, new = tmp_path / "file", b"old" * 9000, [b"head", np.arange(20_000, dtype="u1"), b"end"]
    path.write_bytes(old)
    synced = []
    with monkeypatch.context() as patch:
        log = shim(patch, atomic, at=None)
        patch.setattr(os, "fdatasync", synced.append, raising=False)
        atomic.write_whole(path, new)
    assert path.read_bytes() == b"".join(bytes(piece) for piece in new) and len(synced) >= 3
    path.write_bytes(old)
    for at, how in itertools.product(range(1, len(log) + 1), ("full", "torn", "half")):
        if log[at - 1] != "write" and how != "full":
            continue
        with monkeypatch.context() as patch:
            shim(patch, atomic, at, how)
            with pytest.raises(SaveError, match="wasn't saved"):
                atomic.write_whole(path, new)
        assert os.listdir(tmp_path) == ["file"] and path.read_bytes() == old

    def refuse(_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:  # the system tells of a fault once: to the sync that met it
        patch.setattr(os, "fdatasync", refuse, raising=False)
        with pytest.raises(SaveError, match=os.strerror(errno.EIO)):
            atomic.write_whole(path, new)
    assert os.listdir(tmp_path) == ["file"] and path.read_bytes() == old


@pytest.mark.parametrize("function", ["open", "fsync", "replace"])
@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_a_system_that_refuses(saved, monkeypatch, function, code):
    kind, folder, _ = saved

    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, function, refuse)
        with pytest.raises(SaveError, match=os.strerror(code)) as caught:
            save(kind, folder, 2)
    assert caught.value.errno == code
    is_kept(saved)


def test_a_disk_that_is_full_before(saved, monkeypatch):
    kind, folder, _ = saved
    with monkeypatch.context() as patch:
        patch.setattr(atomic.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 100}))
        with pytest.raises(SaveError, match="100 left"):
            save(kind, folder, 2)
    is_kept(saved)


@pytest.mark.parametrize("kind", SAVERS)
def test_a_missing_directory(kind, tmp_path):
    with pytest.raises(MissingFile, match="doesn't exist"):
        save(kind, tmp_path / "no", 1)
    assert list(tmp_path.iterdir()) == []


def test_what_killed_processes_left_is_removed(saved):
    kind, folder, _ = saved
    name = NAMES[kind]
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for left in (
        f".{name}.{gone.pid}.tmp",
        f".{name}.{os.getppid()}.tmp",
        f".other.{gone.pid}.tmp",
        name + ".tmp",
    ):
        (folder / left).write_bytes(b"half")
    atomic._swept.clear()
    save(kind, folder, 3)
    assert loaded(kind, folder) == {3.0}
    wanted = {name, f".{name}.{os.getppid()}.tmp", f".other.{gone.pid}.tmp", name + ".tmp"}
    assert set(os.listdir(folder)) == wanted


# ---------------------------------------------------------------- limits of the system


LIMITED = """
    import os, resource, signal, sys
    from pathlib import Path
    from tests.test_crash_safety import save, SaveError
    import tqdm
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    kind, folder, what = sys.argv[1:]
    if what == "limit":
        save(kind, Path(folder, "..", "warm"), 1)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))
    else:
        os.setuid(65534)
    try:
        save(kind, Path(folder), 2)
    except SaveError as problem:
        print(problem)
        sys.exit(7)
"""


def limited(kind, folder, what):
    """Saves in a process with a limit; returns what it said, once it ended with a SaveError."""
    command = [sys.executable, "-c", textwrap.dedent(LIMITED), kind, str(folder), what]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 7, done.stderr
    return done.stdout


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="needs RLIMIT_FSIZE")
def test_a_limit_on_the_size_of_files(tmp_path):
    (tmp_path / "warm").mkdir()
    for kind in SAVERS:
        folder = tmp_path / kind
        folder.mkdir()
        save(kind, folder, 1)
        old = (folder / NAMES[kind]).read_bytes()
        assert os.strerror(errno.EFBIG) in limited(kind, folder, "limit")
        is_kept((kind, folder, old))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="changes the user")
def test_a_directory_that_can_t_be_written():
    with tempfile.TemporaryDirectory() as scratch:  # pytest's own folders are closed to the other user
        os.chmod(scratch, 0o755)
        for kind in SAVERS:
            folder = Path(scratch, kind)
            folder.mkdir(mode=0o755)
            save(kind, folder, 1)
            old = (folder / NAMES[kind]).read_bytes()
            assert os.strerror(errno.EACCES) in limited(kind, folder, "user")
            is_kept((kind, folder, old))


# ---------------------------------------------------------------- fit


def best_and_log(folder):
    return [
        callbacks.ModelCheckpoint(
            folder / "best.weights.h5", "loss", save_best_only=True, save_weights_only=True
        ),
        callbacks.CSVLogger(folder / "log.csv"),
    ]


@pytest.mark.parametrize("at", [1, 9, 15, 25])
def test_a_disk_that_fills_while_training_runs(tmp_path, monkeypatch, at):
    """fit raises; checkpoint, log and run are those of the last epoch that was saved whole."""

    def fit(**keywords):
        k.utils.set_random_seed(0)
        model = k.Sequential([k.Input((3,)), layers.Dense(2)]).compile("sgd", "mse")
        x = np.random.default_rng(0).normal(size=(12, 3))
        listeners = best_and_log(tmp_path)
        return model.fit(x, x[:, :2], epochs=6, verbose=0, callbacks=listeners, **keywords)

    with monkeypatch.context() as patch:
        shim(patch, atomic, at, "half")
        with pytest.raises(SaveError, match="No space left"):
            fit(resume=tmp_path / "run.h5")
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".tmp")]
    lines = (tmp_path / "log.csv").read_text().splitlines()
    again = fit(resume=tmp_path / "run.h5").history["loss"]
    assert len(again) == 6
    assert (tmp_path / "log.csv").read_text().splitlines()[: len(lines)] == lines


def test_a_place_that_can_t_be_written_shows_before_training(tmp_path):
    seen = []

    class Spy(callbacks.Callback):
        remembers = ()

        def on_train_batch_end(self, batch, logs=None):
            seen.append(batch)

    for keywords in ({"resume": tmp_path / "no" / "run.h5"}, {"callbacks": [callbacks.CSVLogger(tmp_path)]}):
        listeners = [*keywords.pop("callbacks", []), Spy()]
        with pytest.raises(KerasetteError):
            model_of().fit(X, Y, verbose=0, callbacks=listeners, **keywords)
    assert not seen


# ---------------------------------------------------------------- logs


@pytest.mark.parametrize("how", ["full", "half"])
def test_a_line_is_in_the_log_whole_or_not_at_all(tmp_path, monkeypatch, how):
    path = tmp_path / "log.csv"
    path.write_text("an older run\n")
    logger = callbacks.CSVLogger(path)
    logger.on_train_begin()
    for epoch in range(3):  # the first line replaces the older file, the others are added
        old = path.read_bytes()
        for at in (1, 2, 3):
            with monkeypatch.context() as patch:
                log = shim(patch, csv_logger, at, how)
                try:
                    logger.on_epoch_end(epoch, {"loss": 1.0})
                except SaveError as problem:
                    assert "the lines before are kept" in str(problem)
                    assert path.read_bytes() == old and os.listdir(tmp_path) == ["log.csv"]
                    continue
            assert len(log) < at or how == "half"
            break
    assert path.read_text().split() == ["epoch,loss,val_loss", "0,1.0,NA", "1,1.0,NA", "2,1.0,NA"]


def test_a_run_that_fails_at_once_doesn_t_cost_the_older_log(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("an older run\n")
    with pytest.raises(ValueError, match="doesn't exist"):
        model_of().fit(
            X,
            Y,
            verbose=0,
            callbacks=[callbacks.CSVLogger(path), callbacks.LambdaCallback(on_train_begin=stop)],
        )
    assert path.read_text() == "an older run\n"


def stop(logs):
    raise ValueError("what isn't there doesn't exist")


# ---------------------------------------------------------------- kill -9


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and kill -9")
@pytest.mark.parametrize("kind", SAVERS)
def test_killed_at_random_moments(kind):
    """200 kills in all (1,020 in the long form): no file is lost, no two saves are mixed."""
    count = 340 if LONG else {"weights": 120, "run": 50, "model": 30}[kind]
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash_loops", kind, str(count)],
        cwd=ROOT,
        env={**os.environ, "KERASETTE_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 files lost" in done.stdout
