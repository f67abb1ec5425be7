"""Saves that fail keep the old file; files that are damaged or hostile are refused and change nothing."""

import builtins
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

import kerasette
from kerasette.errors import InvalidValue, KerasetteError, LoadError, MissingFile
from kerasette.saving import atomic, stored

ROOT = Path(__file__).resolve().parent.parent


def small_model(*units):
    layers = [kerasette.layers.Dense(n) for n in units or (3, 2)]
    return kerasette.Sequential([kerasette.Input((4,)), *layers])


def state(model):
    return [w.tobytes() for w in model.get_weights()]


@pytest.fixture
def saved(tmp_path):
    """A model whose second layer is large enough for chunks, its file, and another model of its shape."""
    model, other = small_model(64, 100), small_model(64, 100)
    path = tmp_path / "w.weights.h5"
    model.save_weights(path)
    return model, path, other


def refused(model, path, match=None):
    """Checks that loading raises a LoadError of one screen, and leaves the model byte for byte as it was."""
    before = state(model)
    with pytest.raises(LoadError, match=match) as caught:
        model.load_weights(path)
    assert state(model) == before
    assert len(str(caught.value)) <= 400 + len(str(path))
    return str(caught.value)


# ---------------------------------------------------------------- saves that fail


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


def run(code, *arguments, **keywords):
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, **keywords)


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


# ---------------------------------------------------------------- files that are damaged


def test_truncation(saved):
    _, path, model = saved
    whole = path.read_bytes()
    for end in sorted({*range(100), *range(100, len(whole) - 64, 997), *range(len(whole) - 64, len(whole))}):
        path.write_bytes(whole[:end])
        refused(model, path)
    path.write_bytes(whole[:-1])
    assert f"truncated: ends at byte {len(whole) - 1}" in refused(model, path)


def data_bytes(path):
    """Returns the numbers of all bytes of the file that hold values."""
    found = []
    with h5py.File(path) as file:

        def visit(_, item):
            if isinstance(item, h5py.Dataset):
                if item.chunks:
                    for k in range(item.id.get_num_chunks()):
                        place = item.id.get_chunk_info(k)
                        found.extend(range(place.byte_offset, place.byte_offset + place.size))
                else:
                    found.extend(range(item.id.get_offset(), item.id.get_offset() + item.nbytes))

        file.visititems(visit)
    return found


def test_every_flipped_bit_of_the_values_is_seen(saved):
    _, path, model = saved
    whole = bytearray(path.read_bytes())
    places = data_bytes(path)
    rng = np.random.default_rng(0)
    before = state(model)
    for place in rng.choice(places, 300, replace=False):
        bit = 1 << int(rng.integers(8))
        whole[place] ^= bit
        path.write_bytes(whole)
        with pytest.raises(LoadError, match="damaged"):
            model.load_weights(path)
        whole[place] ^= bit
    assert state(model) == before
    path.write_bytes(whole)
    model.load_weights(path)


def test_a_checksum_is_written_for_every_array(saved):
    _, path, _ = saved
    with h5py.File(path) as file:
        for name in ("layers/dense/vars/0", "layers/dense/vars/1", "layers/dense_1/vars/0"):
            assert file[name].attrs[stored.CHECKSUM] == stored.checksum(file[name][()])


# ---------------------------------------------------------------- files that are something else


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"", "is empty"),
        (b"\0" * 100, "begins with zeros"),
        (b"PK\x03\x04....", "zip archive"),
        (b"\x1f\x8b\x08....", "gzip"),
        (b"<!DOCTYPE html><html>", "HTML"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
        (b'{"a": 1}', "JSON"),
        (b"\x93NUMPY\x01\x00", ".npy"),
        (b"\x89HDF", "truncated after 4 bytes"),
        (b"hello", "begins with b'hello'"),
    ],
)
def test_what_it_looks_like(tmp_path, start, words):
    path = tmp_path / "w.weights.h5"
    path.write_bytes(start)
    assert words in refused(small_model(), path)


def test_no_regular_file(tmp_path):
    path = tmp_path / "d.weights.h5"
    path.mkdir()
    refused(small_model(), path, "directory")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "f.weights.h5")
        refused(small_model(), tmp_path / "f.weights.h5", "no regular file")


def changed(path, change):
    """Applies `change(h5py file)` to the file."""
    with h5py.File(path, "r+") as file:
        change(file)


KERNEL = "layers/dense/vars/0"


def replace(make):
    """Returns a change that puts `make(group, name, values)` in the place of the first kernel."""

    def change(file):
        values = file[KERNEL][()]
        del file[KERNEL]
        make(file["layers/dense/vars"], "0", values)

    return change


def external_values(group, name, values):
    (Path(group.file.filename).parent / "secret.bin").write_bytes(values.tobytes())
    target = str(Path(group.file.filename).parent / "secret.bin")
    group.create_dataset(name, values.shape, values.dtype, external=[(target, 0, values.nbytes)])


def virtual(group, name, values):
    layout = h5py.VirtualLayout(values.shape, values.dtype)
    source = h5py.VirtualSource(str(Path(group.file.filename).parent / "other.h5"), "x", values.shape)
    layout[:] = source
    group.create_virtual_dataset(name, layout)


def scale_offset(group, name, values):
    group.create_dataset(name, data=values, scaleoffset=3, chunks=values.shape)


def huge_chunks(group, name, values):
    group.create_dataset(name, values.shape, values.dtype, maxshape=(None, None), chunks=(4096, 4096))


def missing_chunks(group, name, values):
    group.create_dataset(name, values.shape, values.dtype, chunks=(1, 8))


def never_written(group, name, values):
    group.create_dataset(name, values.shape, values.dtype)


CHANGES = {
    "soft link": (
        replace(lambda g, n, v: g.__setitem__(n, h5py.SoftLink("/layers/dense_1/vars/0"))),
        "SoftLink",
    ),
    "external link": (
        replace(lambda g, n, v: g.__setitem__(n, h5py.ExternalLink("o.h5", "x"))),
        "ExternalLink",
    ),
    "external values": (replace(external_values), "another file"),
    "virtual": (replace(virtual), "plain array"),
    "second name": (lambda f: f.__setitem__("layers/dense_9", f["layers/dense"]), "second name"),
    "cycle": (lambda f: f.__setitem__("layers/dense/vars/loop", f["layers"]), "second name"),
    "named type": (lambda f: f.__setitem__("layers/type", np.dtype("f4")), "neither a group"),
    "integers": (replace(lambda g, n, v: g.create_dataset(n, data=v.astype("i4"))), "int32 / float32"),
    "complex": (replace(lambda g, n, v: g.create_dataset(n, data=v.astype("c8"))), "real numbers"),
    "booleans": (replace(lambda g, n, v: g.create_dataset(n, data=v > 0)), "real numbers"),
    "text": (replace(lambda g, n, v: g.create_dataset(n, data="text")), "real numbers"),
    "long double": (
        replace(lambda g, n, v: g.create_dataset(n, data=v.astype(np.longdouble))),
        "real numbers",
    ),
    "records": (replace(lambda g, n, v: g.create_dataset(n, data=np.zeros(3, "f4,f4"))), "real numbers"),
    "no shape": (replace(lambda g, n, v: g.create_dataset(n, dtype="f4")), "no shape"),
    "shape": (replace(lambda g, n, v: g.create_dataset(n, data=v.T)), r"\(64, 4\) / \(4, 64\)"),
    "flat": (replace(lambda g, n, v: g.create_dataset(n, data=v.ravel())), r"\(256,\) / \(4, 64\)"),
    "scale offset": (replace(scale_offset), "filters"),
    "huge chunks": (replace(huge_chunks), "in chunks of"),
    "missing chunks": (replace(missing_chunks), "should have 32 chunks"),
    "never written": (replace(never_written), "should hold"),
    "too large numbers": (
        replace(lambda g, n, v: g.create_dataset(n, data=v.astype("f8") * 1e300)),
        "can't hold",
    ),
    "missing": (lambda f: f.__delitem__(KERNEL), "missing"),
    "group for an array": (replace(lambda g, n, v: g.create_group(n)), "missing"),
    "wrong checksum": (lambda f: f[KERNEL].attrs.__setitem__("crc32", np.uint32(1)), "checksum"),
    "odd checksum": (lambda f: f[KERNEL].attrs.__setitem__("crc32", "abc"), "checksum"),
    "extra layer": (lambda f: f.__setitem__("layers/conv2d/vars/0", np.zeros(3, "f4")), "no such layer"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_hostile_or_wrong_content(saved, name):
    _, path, model = saved
    change, words = CHANGES[name]
    changed(path, change)
    refused(model, path, words)


def test_a_user_block_is_refused(saved, tmp_path):
    _, path, model = saved
    whole = path.read_bytes()
    blocked = tmp_path / "b.weights.h5"
    with h5py.File(blocked, "w", userblock_size=512) as file, h5py.File(path) as source:
        source.copy("layers", file)
    refused(model, blocked, "begins with zeros")
    data = bytearray(blocked.read_bytes())
    data[:8] = whole[:8]
    blocked.write_bytes(data)
    refused(model, blocked)


def test_compressed_and_big_endian_files_are_read(saved):
    model, path, other = saved

    def squeeze(file):
        for name in (KERNEL, "layers/dense_1/vars/0"):
            values = file[name][()].astype(">f8")
            del file[name]
            file.create_dataset(name, data=values, compression="gzip", shuffle=True, fletcher32=True)

    changed(path, squeeze)
    other.load_weights(path)
    assert state(other) == state(model)


def test_depth_is_limited(saved):
    _, path, model = saved
    changed(path, lambda file: file.create_group("/".join(["g"] * 2100)))
    refused(model, path, "too deep")


def test_another_file_is_never_opened(saved, monkeypatch):
    """An external link to a file that exists: refused without touching it."""
    _, path, model = saved
    target = path.parent / "o.h5"
    with h5py.File(target, "w") as file:
        file["x"] = np.zeros((4, 64), "f4")
    os.utime(target, (1, 1))
    changed(path, replace(lambda g, n, v: g.__setitem__(n, h5py.ExternalLink(str(target), "x"))))
    refused(model, path, "ExternalLink")
    assert target.stat().st_atime == 1


def test_random_damage_never_loads_silently_and_never_changes_the_model(saved):
    """Flips anywhere, metadata included, in a process of its own: the library under us may even crash."""
    model, path, _ = saved
    np.savez(path.parent / "good.npz", *model.get_weights())
    process = run(FUZZ, path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    out, _ = process.communicate(timeout=60)
    assert "silent" not in out
    assert process.returncode < 0 or "refused" in out


FUZZ = """
    import sys
    import numpy as np
    import kerasette
    from kerasette.errors import KerasetteError
    path = sys.argv[1]
    whole = open(path, "rb").read()
    Dense = kerasette.layers.Dense
    model = kerasette.Sequential([kerasette.Input((4,)), Dense(64), Dense(100)])
    before = [w.tobytes() for w in model.get_weights()]
    good = np.load(path.replace("w.weights.h5", "good.npz"))
    good = [good[f"arr_{k}"].tobytes() for k in range(4)]
    rng = np.random.default_rng(0)
    for _ in range(200):
        data = bytearray(whole)
        data[rng.integers(96, len(data))] ^= 1 << int(rng.integers(8))
        open(path, "wb").write(data)
        try:
            model.load_weights(path)
            if [w.tobytes() for w in model.get_weights()] != good:
                print("silent", flush=True)
            old = [np.frombuffer(b, "f4").reshape(w.shape) for b, w in zip(before, model.get_weights())]
            model.set_weights(old)
        except KerasetteError:
            if [w.tobytes() for w in model.get_weights()] != before:
                print("silent change", flush=True)
            print("refused", flush=True)
"""
