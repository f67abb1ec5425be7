"""Files that are damaged or hostile are refused and change nothing."""

import os
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest

from kerasette.errors import LoadError
from kerasette.saving import stored
from tests.saved_weights import run, small_model, state


def refused(model, path, match=None):
    """Checks that loading raises a LoadError of one screen, and leaves the model byte for byte as it was."""
    before = state(model)
    with pytest.raises(LoadError, match=match) as caught:
        model.load_weights(path)
    assert state(model) == before
    assert len(str(caught.value)) <= 400 + len(str(path))
    return str(caught.value)


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
