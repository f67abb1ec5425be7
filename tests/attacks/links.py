"""Ways out of a file: links, storage elsewhere, things that are no files, and bytes that lie over others."""

import io
import os
import socket
import struct

import h5py
import numpy as np

from tests.attacks import good
from tests.attacks.good import SHAPE, Attack, instead

FAR = 1 << 40


def linked(make):
    """Returns a change that puts a link in the kernel's place."""

    def change(group, name, values, bait):
        group[name] = make(bait)

    return instead(change)


def group_linked(make):
    """Returns a change that puts a link in the place of the kernel's whole group."""

    def change(file, where, bait):
        group = where.rpartition("/")[0]
        del file[group]
        file[group] = make(bait)

    return change


def external(*parts):
    """Returns a change that lets the kernel's values lie in other files."""

    def change(group, name, values, bait):
        files = [(str(bait / part) if part[0] != "/" else part, 0, h5py.h5f.UNLIMITED) for part in parts]
        group.create_dataset(name, values.shape, values.dtype, external=files)

    return instead(change)


def fifo(group, name, values, bait):
    place = bait / "pipe"
    if not place.exists():
        os.mkfifo(place)
    group.create_dataset(name, values.shape, values.dtype, external=[(str(place), 0, values.nbytes)])


def virtual(source):
    """Returns a change that makes the kernel a view of other datasets."""

    def change(group, name, values, bait):
        layout = h5py.VirtualLayout(values.shape, values.dtype)
        where = source if source == "." else str(bait / source)
        layout[:] = h5py.VirtualSource(where, "x", values.shape)
        group.create_virtual_dataset(name, layout)

    return instead(change)


def loop(group, name, values, bait):
    group["a"] = h5py.SoftLink(f"{group.name}/b")
    group["b"] = h5py.SoftLink(f"{group.name}/a")
    group[name] = h5py.SoftLink(f"{group.name}/a")


def cycle(file, where, bait):
    file[where.rpartition("/")[0] + "/again"] = file["/"]


def twice(file, where, bait):
    file[where + "0"] = file[where]


def odd_names(*names):
    """Returns a change that adds groups of these names."""

    def change(file, where, bait):
        group = file[where.rpartition("/")[0]]
        for name in names:
            h5py.h5g.create(group.id, name, lcpl=None)

    return change


def unknown_link(data):
    """Turns the external link of a file into one of a class that nobody knows."""
    place = data.find(b"evil-link")
    start = data.rfind(b"\x40", place - 16, place)
    return data[:start] + b"\x80" + data[start + 1 :]


def evil_link(group, name, values, bait):
    group["evil-link"] = h5py.ExternalLink(str(bait / "other.h5"), "x")


# ---------------------------------------------------------------- bytes at the wrong place


def extents(data):
    """Returns (offset, bytes) of the contiguous arrays of a file, the kernel's first."""
    with h5py.File(io.BytesIO(data), "r") as file:
        found = []

        def visit(name, item):
            if isinstance(item, h5py.Dataset) and item.id.get_offset() is not None and item.nbytes:
                found.append((item.shape != SHAPE, item.id.get_offset(), item.nbytes))

        file.visititems(visit)
    return [(offset, size) for _, offset, size in sorted(found)]


def moved(choose):
    """Returns a change of the file's bytes: the kernel's address becomes `choose(extents, file size)`."""

    def change(data):
        places = extents(data)
        offset, size = places[0]
        old = struct.pack("<QQ", offset, size)
        new = struct.pack("<QQ", choose(places, len(data)) % (1 << 64), size)
        return data.replace(old, new)

    return change


def two_chunks(group, name, values, bait):
    group.create_dataset(name, data=values, chunks=(SHAPE[0] // 2, SHAPE[1]))


def one_chunk_twice(data):
    """Lets the second chunk of the kernel be the first."""
    with h5py.File(io.BytesIO(data), "r") as file:
        dataset = file[good.kernel(file)]
        first, second = (dataset.id.get_chunk_info(k).byte_offset for k in range(2))
    return data.replace(struct.pack("<Q", second), struct.pack("<Q", first))


def untouched(file, where, bait):
    """The kernel as a plain array."""
    values = file[where][()]
    del file[where]
    file.create_dataset(where, data=values)


# ---------------------------------------------------------------- in place of the file


def directory(whole, path, bait):
    path.mkdir()


def pipe(whole, path, bait):
    os.mkfifo(path)


def plug(whole, path, bait):
    """A socket; its name may not be long, so it is made beside and moved."""
    before = os.getcwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("s")
        os.rename("s", path.name)
    finally:
        os.chdir(before)


def points_to(target):
    """Returns a change that makes the path a symbolic link."""

    def change(whole, path, bait):
        os.symlink(target, path)

    return change


def points_to_pipe(whole, path, bait):
    os.mkfifo(path.parent / "pipe")
    os.symlink("pipe", path)


def points_to_itself(whole, path, bait):
    os.symlink(path.name, path)


def points_to_good(whole, path, bait):
    (path.parent / "real").write_bytes(whole)
    os.symlink("real", path)


def sparse(whole, path, bait):
    """A huge file of zeros behind a good beginning."""
    with open(path, "wb") as file:
        file.write(whole[:512])
        file.truncate(FAR)


def shifted(size, start=b""):
    """Returns a change that puts a block of `size` bytes before the file."""
    return lambda whole, path, bait: start + bytes(size - len(start)) + whole


def user_block(start):
    """Returns a change to a true HDF5 file behind a block of the user's, which begins with `start`."""

    def change(whole, path, bait):
        with h5py.File(path, "w", userblock_size=512) as file, h5py.File(io.BytesIO(whole), "r") as source:
            for name, value in source.attrs.items():
                file.attrs[name] = value
            for name in source:
                source.copy(name, file)
        data = path.read_bytes()
        path.unlink()
        return start + data[len(start) :]

    return change


HDF5_ONLY = ("load_weights", "h5")
LINKS = {
    "soft link": (linked(lambda bait: h5py.SoftLink("/")), "SoftLink"),
    "dangling soft link": (linked(lambda bait: h5py.SoftLink("/nowhere")), "SoftLink"),
    "soft links in a ring": (instead(loop), "SoftLink"),
    "soft link upward": (linked(lambda bait: h5py.SoftLink("../../../..")), "SoftLink"),
    "external link": (linked(lambda bait: h5py.ExternalLink(str(bait / "other.h5"), "x")), "ExternalLink"),
    "external link to no HDF5": (
        linked(lambda bait: h5py.ExternalLink(str(bait / "secret.bin"), "x")),
        "ExternalLink",
    ),
    "external link to a device": (
        linked(lambda bait: h5py.ExternalLink("/dev/zero", "x")),
        "ExternalLink",
    ),
    "group behind a soft link": (group_linked(lambda bait: h5py.SoftLink("/")), "SoftLink"),
    "group behind an external link": (
        group_linked(lambda bait: h5py.ExternalLink(str(bait / "other.h5"), "/")),
        "ExternalLink",
    ),
    "values in another file": (external("secret.bin"), "another file"),
    "values in two files": (external("secret.bin"), "another file"),
    "values in a system file": (external("/etc/hostname"), "another file"),
    "values in a pipe": (instead(fifo), "another file"),
    "a view of another file": (virtual("other.h5"), "plain array"),
    "a view of itself": (virtual("."), "plain array"),
    "a group in itself": (cycle, "second name"),
    "an array under two names": (twice, "second name"),
    "names of no text": (odd_names(b"\xff\xfe"), "name"),
}

MOVED = {
    "over another array": lambda places, size: places[1][0] - 8,
    "over the head of the file": lambda places, size: 0,
    "behind the end": lambda places, size: size,
    "half behind the end": lambda places, size: size - places[0][1] // 2,
    "far behind the end": lambda places, size: FAR,
    "before the beginning": lambda places, size: -4096,
    "nowhere": lambda places, size: -1,
}

ATTACKS = [
    *(Attack(name, "arrays", change, says) for name, (change, says) in LINKS.items()),
    Attack("a link of an unknown class", "arrays", instead(evil_link), after=unknown_link),
    *(Attack(f"values {name}", "arrays", untouched, after=moved(to)) for name, to in MOVED.items()),
    Attack("one chunk in two places", "arrays", instead(two_chunks), "over others", after=one_chunk_twice),
    Attack("a directory", "file", directory, "directory"),
    Attack("a pipe", "file", pipe, "no regular file"),
    Attack("a socket", "file", plug, "no regular file"),
    Attack("a link to zeros without end", "file", points_to("/dev/zero"), "no regular file"),
    Attack("a link to a terminal", "file", points_to("/dev/tty"), "no regular file|can't be opened"),
    Attack("a link to a pipe", "file", points_to_pipe, "no regular file"),
    Attack("a link to itself", "file", points_to_itself, "can't be opened"),
    Attack("a link to a good file", "file", points_to_good, loads=True),
    Attack("a hole of a terabyte", "file", sparse),
    Attack("zeros before it", "file", shifted(512), "begins with zeros"),
    Attack("a script before it", "file", shifted(512, b"#!/bin/sh\nexit 1\n"), "begins with"),
    Attack("a good beginning before it", "file", shifted(512, b"\x89HDF\r\n\x1a\n")),
    Attack("a user's block of zeros", "file", user_block(b""), "begins with zeros", entries=HDF5_ONLY),
    Attack("a user's block of another kind", "file", user_block(b"PK\x03\x04"), entries=HDF5_ONLY),
    Attack("a user's block in disguise", "file", user_block(b"\x89HDF\r\n\x1a\n"), entries=HDF5_ONLY),
    Attack("nothing at all", "file", lambda whole, path, bait: b"", "empty"),
    Attack("the end of a file", "file", lambda whole, path, bait: whole[len(whole) // 2 :]),
    Attack("the file twice", "file", lambda whole, path, bait: whole + whole, loads=True),
    Attack(
        "rubbish behind it",
        "file",
        lambda whole, path, bait: whole + np.random.default_rng(0).bytes(5000),
        loads=True,
    ),
]
