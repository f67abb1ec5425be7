"""What a zip archive has to be before anything in it is believed; nothing is ever extracted.

A member is read in place: small ones whole, weights through a window on the archive's own file.
"""

import contextlib
import io
import os
import stat
import struct
import zipfile
import zlib

from kerasette.errors import KerasetteError
from kerasette.saving.faults import load_error
from kerasette.saving.inspection import check_regular, look
from kerasette.saving.stored import Source

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
MEMBERS = {CONFIG: 16 << 20, METADATA: 1 << 20, WEIGHTS: None}  # name -> largest size in bytes
ASSETS = "assets/"  # where Keras puts the words that layers of texts know; nothing in it is ever read
MOST = len(MEMBERS) + 100  # members, those included
ENTRY, ENTRY_SIZE = b"PK\x01\x02", 46
START, END = b"PK\x03\x04", b"PK\x05\x06"
END_SIZE = 22  # bytes of the record that ends an archive without a comment
LOCATOR, LARGE_END = b"PK\x06\x07", b"PK\x06\x06"  # what stands before it in archives over 4 GiB
LOCATOR_SIZE, LARGE_END_SIZE = 20, 56
LARGEST_DIRECTORY = 1 << 16  # bytes of the list of members
_SPECIAL = 0x1 | 0x20 | 0x40 | 0x2000  # encrypted, patched, strongly encrypted, masked


class Window(io.RawIOBase):
    """A part of an open file as a file of its own, read only.

    Args:
        file: a binary file that can be sought.
        start: where the part begins.
        size: its bytes.

    Attributes:
        descriptor: of the whole file.
    """

    def __init__(self, file, start: int, size: int):
        self.descriptor, self.start = file.fileno(), start
        self._file, self._size = file, size
        self._at = 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, offset, whence=os.SEEK_SET):
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self):
        return self._at

    def readinto(self, buffer):
        view = memoryview(buffer).cast("B")[: max(0, self._size - self._at)]
        self._file.seek(self.start + self._at)
        count = self._file.readinto(view)
        self._at += count
        return count


class Archive:
    """The members of an open archive, every claim about them checked, none of them read yet.

    Attributes:
        names: the names of the members.
        assets: those of them that are files of layers.
    """

    def __init__(self, path, file, members):
        self._path, self._file = path, file
        self._members = members  # name -> (ZipInfo, where its bytes begin)
        self.names = tuple(members)
        self.assets = [name for name in members if name not in MEMBERS]

    def __contains__(self, name):
        return name in self._members

    def _found(self, name):
        if name not in self._members:
            raise load_error(f"'{self._path}' has no '{name}'; it is no model of Keras's.")
        return self._members[name]

    def read(self, name: str) -> bytes:
        """Returns a small member whole; LoadError where its checksum doesn't fit."""
        info, start = self._found(name)
        with _faults(self._path):
            self._file.seek(start)
            raw = self._file.read(info.compress_size)
            data = _inflated(raw, info.file_size) if info.compress_type else raw
        if len(data) != info.file_size or zlib.crc32(data) != info.CRC:
            raise load_error(f"'{self._path}' is damaged: the checksum of '{name}' doesn't fit.")
        return data

    def window(self, name: str, whole: bool = True) -> Window:
        """Returns a stored member as a file, after (with `whole`) all of it was read for its checksum."""
        info, start = self._found(name)
        if info.compress_type != zipfile.ZIP_STORED:
            raise load_error(f"'{self._path}': '{name}' is compressed; weights are stored as they are.")
        if whole:
            with _faults(self._path):
                total = Source(self._file.fileno()).checksum(start, info.file_size)
            if total != info.CRC:
                raise load_error(
                    f"'{self._path}' is damaged: the checksum of '{name}' doesn't fit. Fetch it again."
                )
        return Window(self._file, start, info.file_size)


def _inflated(raw, size):
    """Returns what `raw` unpacks to, at most one byte more than `size`."""
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(raw, size + 1)


@contextlib.contextmanager
def reading(path: str):
    """Opens an archive; the value is an Archive.

    Raises:
        MissingFile: where there is no such file.
        LoadError: for everything else that is wrong.
    """
    check_regular(path)
    with contextlib.ExitStack() as stack:
        with _faults(path):
            file = stack.enter_context(open(path, "rb", buffering=0))
            members = _members(path, file)
        yield Archive(path, file, members)


@contextlib.contextmanager
def _faults(path):
    """Turns what zipfile and zlib raise inside into one LoadError."""
    try:
        yield
    except KerasetteError:
        raise
    except Exception as problem:
        text = " ".join(str(problem).split())
        what = f"{type(problem).__name__}: {text}"
        raise load_error(f"'{path}' can't be read as a zip archive ({what}).") from problem


def _members(path, file):
    """Returns {name: (ZipInfo, where its bytes begin)}, or raises."""
    size = os.fstat(file.fileno()).st_size
    start = file.read(32)
    if not start.startswith(START):
        raise load_error(f"'{path}' is no .keras file: it {look(start, START)}.")
    directory, length, count = _check_end(path, file, size)
    _check_list(path, file, directory, length, count)
    with zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
    found, extents = {}, []
    for info in infos:
        who = f"'{path}': the member '{info.filename[:60]}'"
        if info.filename in found:
            raise load_error(f"{who} stands there twice.")
        _check_member(who, info)
        begin = _begin(who, file, info)
        found[info.filename] = info, begin
        extents.append((info.header_offset, begin + info.compress_size, who))
    before = 0
    for begin, end, who in sorted(extents):
        if begin < before or end > directory:
            raise load_error(f"{who} lies over another one, or outside the archive.")
        before = end
    return found


def _check_end(path, file, size):
    """Raises unless the archive ends with a short list of members; returns its place, size and number."""
    file.seek(max(0, size - END_SIZE))
    end = file.read(END_SIZE)
    if not end.startswith(END) or end[-2:] != b"\0\0" or len(end) < END_SIZE:
        raise load_error(
            f"'{path}' is truncated: ends at byte {size} without a list of its members. Fetch it again."
        )
    disk, first, here, count, length, offset = struct.unpack("<4H2L", end[4:20])
    behind = size - END_SIZE
    file.seek(max(0, behind - LOCATOR_SIZE))
    locator = file.read(LOCATOR_SIZE)
    if locator.startswith(LOCATOR):  # of an archive over 4 GiB: the true numbers stand before it
        behind -= LOCATOR_SIZE + LARGE_END_SIZE
        file.seek(max(0, behind))
        record = file.read(LARGE_END_SIZE)
        if struct.unpack("<4xLQL", locator) != (0, behind, 1) or not record.startswith(LARGE_END):
            raise load_error(f"'{path}': the list of its members lies at the wrong place.")
        disk, first, here, count, length, offset = struct.unpack("<16x2L4Q", record)
    if max(count, here) > MOST or length > LARGEST_DIRECTORY or disk or first:
        raise load_error(f"'{path}' lists {count} members; a model has at most {MOST}.")
    if offset + length != behind:
        raise load_error(f"'{path}': the list of its members lies at the wrong place.")
    return offset, length, count


def _check_list(path, file, start, length, count):
    """Raises unless the list of members is filled by its entries, without remarks: one way to read it."""
    file.seek(start)
    data, at, found, remark = file.read(length), 0, 0, 0
    while data.startswith(ENTRY, at) and len(data) >= at + ENTRY_SIZE:
        name, extra, remark = struct.unpack_from("<3H", data, at + 28)
        at += ENTRY_SIZE + name + extra + remark
        found += 1
        if remark:
            break
    if (at, found) != (length, count) or remark:
        raise load_error(f"'{path}': the list of its members has other entries than it says.")


def _check_member(who, info):
    asset = info.filename.startswith(ASSETS) and not info.filename.endswith("/")
    if not (asset or info.filename in MEMBERS) or info.orig_filename != info.filename:
        raise load_error(f"{who} isn't one that a model has: {', '.join(MEMBERS)}.")
    if info.flag_bits & _SPECIAL:
        raise load_error(f"{who} is encrypted; that isn't read.")
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG) or info.external_attr & 0x10:
        raise load_error(f"{who} is a link, a directory or a device.")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise load_error(f"{who} is compressed in a way that isn't read.")
    if asset:
        return
    stored = info.compress_type == zipfile.ZIP_STORED
    limit = MEMBERS[info.filename]
    if (stored and info.file_size != info.compress_size) or (limit is None and not stored):
        raise load_error(f"{who} isn't stored as it is, as weights must be.")
    if limit is not None and max(info.file_size, info.compress_size) > limit:
        raise load_error(f"{who} has {info.file_size:,} bytes; {limit:,} are allowed.")


def _begin(who, file, info):
    """Returns where the bytes of a member begin; its own header must say what the list says."""
    file.seek(info.header_offset)
    header = file.read(30)
    if len(header) < 30 or not header.startswith(START):
        raise load_error(f"{who} isn't where the list of members says.")
    flags, method, crc, packed, size, name_length, extra = struct.unpack("<6xHH4xLLLHH", header)
    name = file.read(name_length)
    plain = 0xFFFFFFFF not in (packed, size) and not flags & 0x8  # else the sizes stand elsewhere
    told = (info.CRC, info.compress_size, info.file_size)
    if name != info.filename.encode() or flags & _SPECIAL or method != info.compress_type:
        raise load_error(f"{who} is called or packed otherwise in its own header.")
    if plain and (crc, packed, size) != told:
        raise load_error(f"{who} has other sizes in its own header.")
    return info.header_offset + 30 + name_length + extra
