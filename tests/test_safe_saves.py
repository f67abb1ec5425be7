"""Saves that fail keep the old file, whatever they fail of."""

import builtins
import os
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest

from kerasette.errors import InvalidValue, KerasetteError, MissingFile
from kerasette.saving import atomic
from tests.saved_weights import run


class Failing:
    """A file object that fails at its `at`-th operation (write, or fsync's fileno), once or from then on."""

    def __init__(self, file, at, log):
        self._file, self._at, self._log = file, at, log

    def _tick(self, name):
        self._log.append(name)
        if len(self._log) >= self._at:
            raise OSError(28, "No space left on device")

    def write(self, data):
        self._tick("write")
        return self._file.write(data)

    def fileno(self):
        self._tick("fsync")
        return self._file.fileno()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()


def operations(monkeypatch, at, kind=Failing):
    """Puts the shim under every file that a save opens for writing; returns the log of operations."""
    log = []

    def shimmed(file, mode="r", *rest, **keywords):
        opened = builtins.open(file, mode, *rest, **keywords)  # noqa: SIM115 - the shim closes it
        return kind(opened, at, log) if "w" in mode else opened

    monkeypatch.setattr(atomic, "open", shimmed, raising=False)
    return log


def test_a_fault_at_every_operation_keeps_the_old_file(saved, monkeypatch):
    _, path, other = saved
    old = path.read_bytes()
    monkeypatch.setattr(atomic, "BLOCK", 2000)  # many writes
    log = operations(monkeypatch, at=10**9)
    other.save_weights(path)
    total = len(log)
    assert total > 15 and log[-1] == "fsync"
    path.write_bytes(old)
    for at in range(1, total + 1):
        operations(monkeypatch, at)
        with pytest.raises(OSError, match="No space left"):
            other.save_weights(path)
        assert path.read_bytes() == old
        assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("function", ["replace", "fsync", "open"])
@pytest.mark.parametrize("fault", [OSError(5, "Input/output error"), KeyboardInterrupt(), MemoryError()])
def test_a_fault_of_the_system_keeps_the_old_file(saved, monkeypatch, function, fault):
    _, path, other = saved
    old = path.read_bytes()

    def fail(*_, **__):
        raise fault

    with monkeypatch.context() as patch:
        patch.setattr(os, function, fail)
        with pytest.raises(type(fault)):
            other.save_weights(path)
    assert path.read_bytes() == old
    assert os.listdir(path.parent) == [path.name]


class Garbling(Failing):
    """A file object that flips one bit of its `at`-th write."""

    def write(self, data):
        self._log.append("write")
        data = bytearray(data)
        if len(self._log) == self._at:
            data[len(data) // 3] ^= 4
        return self._file.write(data)

    def fileno(self):
        return self._file.fileno()


def test_what_the_disk_garbles_never_replaces_the_old_file(saved, monkeypatch):
    _, path, other = saved
    old = path.read_bytes()
    monkeypatch.setattr(atomic, "BLOCK", 2000)
    log = operations(monkeypatch, 10**9, Garbling)
    other.save_weights(path)
    total = len(log)
    path.write_bytes(old)
    for at in range(1, total + 1):
        operations(monkeypatch, at, Garbling)
        with pytest.raises(atomic.SaveError, match="wasn't saved"):
            other.save_weights(path)
        assert path.read_bytes() == old
        assert os.listdir(path.parent) == [path.name]


def test_a_full_disk_is_seen_before(saved, monkeypatch):
    _, path, other = saved
    old = path.read_bytes()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    with pytest.raises(atomic.SaveError, match="1,000 left") as caught:
        other.save_weights(path)
    assert isinstance(caught.value, OSError) and isinstance(caught.value, KerasetteError)
    assert path.read_bytes() == old
    assert os.listdir(path.parent) == [path.name]


LIMITED = """
    import resource, signal, sys
    import kerasette
    from kerasette.errors import KerasetteError
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    Dense = kerasette.layers.Dense
    model = kerasette.Sequential([kerasette.Input((4,)), Dense(64), Dense(100)])
    import h5py, tqdm
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    try:
        model.save_weights(sys.argv[1])
    except OSError as problem:
        sys.exit(7)
"""

KILLED = """
    import sys
    import kerasette
    Dense = kerasette.layers.Dense
    model = kerasette.Sequential([kerasette.Input((4,)), Dense(64), Dense(100)])
    print("ready", flush=True)
    while True:
        model.save_weights(sys.argv[1])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="needs RLIMIT_FSIZE")
def test_a_limit_on_the_size_of_files(saved):
    _, path, _ = saved
    old = path.read_bytes()
    assert run(LIMITED, path, 20_000).wait(60) == 7
    assert path.read_bytes() == old
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
def test_killed_at_random_moments(saved):
    _, path, other = saved
    rng = np.random.default_rng(0)
    for _ in range(4):
        process = run(KILLED, path, stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(float(rng.uniform(0.0, 0.3)))
        process.kill()
        process.wait()
        process.stdout.close()
        other.load_weights(path)


def test_leftovers_of_a_killed_process_don_t_stand_in_the_way(saved):
    model, path, _ = saved
    left = path.parent / f".{path.name}.{os.getpid()}.tmp"
    left.write_bytes(b"half a file")
    model.save_weights(path)
    assert os.listdir(path.parent) == [path.name]


def test_links_and_permissions_stay(saved):
    model, path, _ = saved
    path.chmod(0o640)
    link = path.parent / "link.weights.h5"
    link.symlink_to(path.name)
    model.save_weights(link)
    assert link.is_symlink() and path.stat().st_mode & 0o777 == 0o640
    model.load_weights(link)


def test_places_that_can_t_be_written(saved):
    model, path, _ = saved
    (path.parent / "d.weights.h5").mkdir()
    with pytest.raises(InvalidValue, match="no regular file"):
        model.save_weights(path.parent / "d.weights.h5")
    with pytest.raises(MissingFile, match="directory"):
        model.save_weights(path.parent / "no" / "w.weights.h5")
