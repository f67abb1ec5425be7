"""`.keras` archives: three stored members, one after the other, without compression.

| member | what it is |
|---|---|
| metadata.json | the version of Keras whose layout it is, the date, kerasette's own version |
| config.json | architecture and compile_config, as Keras 3 serializes them |
| model.weights.h5 | weights, optimizer, and in the group "kerasette" what only we write (docs/FORMATS.md) |
"""

import contextlib
import datetime
import errno
import json
import struct

from kerasette.errors import LoadError, value_error
from kerasette.saving import hdf5, zips
from kerasette.saving.atomic import save_error, write_whole
from kerasette.saving.guard import check_depth
from kerasette.saving.stored import checksums, joined_sum

LAYOUT = "3.15.1"  # the Keras whose layout this is
_DAY = (1 << 5) | 1  # 1980-01-01: the same model makes the same members whenever it is saved
_LARGE = 0xFFFFFFFF


def metadata() -> dict:
    """Returns what Keras says in metadata.json."""
    now = datetime.datetime.now().strftime("%Y-%m-%d@%H:%M:%S")
    return {"keras_version": LAYOUT, "date_saved": now}


def text(value: dict, who: str) -> bytes:
    """Returns JSON text; InvalidValue where a number isn't finite, a value has no words in JSON, or where it
    would be too deep or too large to be read again."""
    try:
        check_depth(value)
        return json.dumps(value, allow_nan=False).encode()
    except LoadError as problem:
        remedy = "Nest models less deep, or save its weights alone with save_weights()."
        raise value_error(f"{who} couldn't be loaded again. {problem}", remedy) from problem
    except (ValueError, TypeError) as problem:
        raise value_error(f"{who} can't be written as JSON: {problem}.") from problem


def write(path: str, about: bytes, config: bytes, arrays: dict, texts: dict) -> None:
    """Writes an archive; whole and read back, or not at all.

    Args:
        path: where to.
        about, config: the two texts.
        arrays, texts: what model.weights.h5 holds, see hdf5.pieces.

    Raises:
        SaveError: where the disk is full, or what is read back isn't what was written.
    """
    members = [(zips.METADATA, [about]), (zips.CONFIG, [config]), (zips.WEIGHTS, hdf5.pieces(arrays, texts))]

    def verify(temporary):
        try:
            with zips.reading(temporary) as archive:
                hdf5.check(temporary, path, arrays, archive.window(zips.WEIGHTS, whole=False))
        except LoadError as problem:
            raise save_error(errno.EIO, f"'{path}' wasn't saved: {problem}") from problem

    write_whole(path, pieces(members), verify)


def pieces(members: list) -> list:
    """Returns the pieces of a zip archive; `members` is [(name, pieces)], each stored as it is."""
    found, directory, offset = [], [], 0
    for name, parts in members:
        sizes = [memoryview(part).nbytes for part in parts]
        size = sum(sizes)
        total = joined_sum(checksums(parts), sizes)
        header, entry = _headers(name.encode(), size, total, offset)
        found += [header, *parts]
        directory.append(entry)
        offset += len(header) + size
    return [*found, _ending(directory, offset)]


def _headers(name, size, total, offset):
    """Returns a member's own header and its entry in the list of members."""
    large = size >= _LARGE or offset >= _LARGE
    version, short = (45, _LARGE) if large else (20, size)
    own = struct.pack("<HHQQ", 1, 16, size, size) if large else b""
    common = struct.pack("<HHHHHLLLH", version, 0, 0, 0, _DAY, total, short, short, len(name))
    header = zips.START + common + struct.pack("<H", len(own)) + name + own
    listed = struct.pack("<HHQQQ", 1, 24, size, size, offset) if large else b""
    place = struct.pack("<HHHHLL", len(listed), 0, 0, 0, 0o600 << 16, _LARGE if large else offset)
    entry = b"PK\x01\x02" + struct.pack("<H", 3 << 8 | version) + common + place + name + listed
    return header, entry


def _ending(directory, offset):
    """Returns the list of members and what ends the archive."""
    entries = b"".join(directory)
    count, size, large = len(directory), len(entries), b""
    if offset >= _LARGE:
        record = struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, count, count, size, offset)
        locator = struct.pack("<LQL", 0, offset + size, 1)
        large = zips.LARGE_END + record + zips.LOCATOR + locator
    end = struct.pack("<HHHHLLH", 0, 0, count, count, size, min(offset, _LARGE), 0)
    return entries + large + zips.END + end


@contextlib.contextmanager
def reading(path: str):
    """Opens an archive; the value is (metadata text, config text, hdf5.Contents, names of layers' files)."""
    with zips.reading(path) as archive:
        about = archive.read(zips.METADATA) if zips.METADATA in archive else b"{}"
        config = archive.read(zips.CONFIG)
        with hdf5.reading(path, archive.window(zips.WEIGHTS)) as stored:
            yield about, config, stored, archive.assets
