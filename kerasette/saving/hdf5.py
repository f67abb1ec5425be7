"""Arrays <-> HDF5 files: written whole and verified, read with every claim of the file checked first.

The HDF5 library itself isn't made for hostile files: our checks run after it has read the metadata.
"""

import contextlib
import errno
import os

import numpy as np

from kerasette.errors import LoadError
from kerasette.saving import attributes, inspection
from kerasette.saving.atomic import save_error, write_whole
from kerasette.saving.faults import faults, load_error
from kerasette.saving.stored import CHECKSUM, Source, checksums, raw

PAGE = 1 << 12  # bytes


def library():
    """Returns h5py, told never to load a filter plugin from the disk."""
    os.environ.setdefault("HDF5_PLUGIN_PRELOAD", "::")
    import h5py

    return h5py


# ---------------------------------------------------------------- writing


class _Pages:
    """A file for HDF5 to write its headers to: it keeps only the pages that are written.

    HDF5 crashes where a write to its file fails half-way, so what it writes goes to memory; the
    values of arrays, which are the most of it, never pass through here.
    """

    def __init__(self):
        self._pages = {}
        self._at = self.size = 0

    def seek(self, offset, whence=os.SEEK_SET):
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        return self._at

    def tell(self):
        return self._at

    def flush(self):
        """Everything is where it belongs already."""

    def truncate(self, size=None):
        self.size = self._at if size is None else size
        return self.size

    def _spans(self, begin, length):
        """Yields (page's number, where in the page, how many bytes, where in the span)."""
        done = 0
        while done < length:
            number, offset = divmod(begin + done, PAGE)
            count = min(PAGE - offset, length - done)
            yield number, offset, count, done
            done += count

    def write(self, data):
        data = memoryview(data).cast("B")
        for number, offset, count, done in self._spans(self._at, len(data)):
            page = self._pages.setdefault(number, bytearray(PAGE))
            page[offset : offset + count] = data[done : done + count]
        self._at += len(data)
        self.size = max(self.size, self._at)
        return len(data)

    def read(self, count):
        """Returns the next bytes; h5py asks for the method, though it calls the next one."""
        data = self.part(self._at, self._at + count)
        self._at += count
        return data

    def readinto(self, buffer):
        view = memoryview(buffer).cast("B")
        view[:] = self.read(len(view))
        return len(view)

    def part(self, begin: int, end: int) -> bytes:
        """Returns the bytes from `begin` to `end`; where none was written they are 0."""
        found = bytearray(end - begin)
        for number, offset, count, done in self._spans(begin, end - begin):
            page = self._pages.get(number)
            if page is not None:
                found[done : done + count] = page[offset : offset + count]
        return bytes(found)


def pieces(arrays: dict[str, np.ndarray], texts: dict[str, dict] | None = None) -> list:
    """Returns an HDF5 file as a list of pieces: headers as bytes, arrays as they lie in memory.

    Args:
        arrays: path of each dataset ("layers/dense/vars/0") -> array.
        texts: path of each group ("" for the file's own) -> its attributes: texts, or lists of them;
            groups without datasets are named here too.
    """
    h5py = library()
    pages, places = _Pages(), []
    with h5py.File(pages, "w") as file:
        way = [("", file)]
        for path, values in (texts or {}).items():
            group = _group(way, path)
            for name, value in values.items():
                _write_texts(group, name, value)
        arrays = {path: np.asarray(array, order="C") for path, array in arrays.items()}
        sums = checksums([raw(array) for array in arrays.values()])
        for (path, array), total in zip(arrays.items(), sums, strict=True):
            offset = _reserve(h5py, way, path, array, total)
            if array.size:
                places.append((offset, array))
    found, before = [], 0
    for offset, array in sorted(places, key=lambda place: place[0]):
        found += [pages.part(before, offset), raw(array)]
        before = offset + array.nbytes
    return [*found, pages.part(before, pages.size)]


def _group(way, path):
    """Returns the group `path`, made where there is none.

    From the file's own each would cost its depth, so `way` keeps (path, group) of all on the way to the last.
    """
    while way[-1][0] and not path.startswith(way[-1][0] + "/") and path != way[-1][0]:
        way.pop()
    before = way[-1][0]
    for name in filter(None, path[len(before) :].split("/")):
        before = f"{before}/{name}" if before else name
        way.append((before, way[-1][1].require_group(name)))
    return way[-1][1]


def _write_texts(group, name, value):
    """Writes a text, or a list of texts as Keras does it: a long one as several attributes."""
    if isinstance(value, str):
        group.attrs[name] = value
        return
    whole = np.array([text.encode() for text in value]) if value else np.array([], "f8")
    count = -(-whole.nbytes // attributes.SPLIT)
    if count <= 1:
        group.attrs[name] = whole
        return
    rows = attributes.SPLIT // whole.itemsize
    for number, begin in enumerate(range(0, len(whole), rows)):
        group.attrs[f"{name}{number}"] = whole[begin : begin + rows]


def _reserve(h5py, way, path, array, total) -> int:
    """Makes a dataset with its CRC-32, and returns where its values belong; none are written."""
    group, _, name = path.rpartition("/")
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    settings.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    space = h5py.h5s.create_simple(array.shape) if array.ndim else h5py.h5s.create(h5py.h5s.SCALAR)
    kind = h5py.h5t.py_create(array.dtype.newbyteorder("<"), logical=True)
    made = h5py.h5d.create(_group(way, group).id, name.encode(), kind, space, settings)
    h5py.Dataset(made).attrs.create(CHECKSUM, total, dtype="<u4")
    return made.get_offset()


def write(path: str, arrays: dict[str, np.ndarray], texts: dict[str, dict] | None = None) -> None:
    """Writes arrays to an HDF5 file: whole and read back, or not at all.

    Raises:
        SaveError: where the disk is full, or what is read back isn't what was written.
    """
    write_whole(path, pieces(arrays, texts), lambda temporary: check(temporary, path, arrays))


def check(temporary: str, path: str, arrays: dict[str, np.ndarray], part=None) -> None:
    """Raises SaveError unless the file that was written for `path` has just these arrays, by shape."""
    try:
        with reading(temporary, part) as stored:
            found = {name: item.shape for name, item in stored.items()}
    except LoadError as problem:
        raise save_error(
            errno.EIO, f"'{path}' wasn't saved: what was written can't be read back. {problem}"
        ) from problem
    if found != {name: np.shape(array) for name, array in arrays.items()}:
        raise save_error(errno.EIO, f"'{path}' wasn't saved: what was read back isn't what was written.")


# ---------------------------------------------------------------- reading


class Contents(dict):
    """The datasets of an open file: {path: Stored}, every one checked and none read yet.

    Attributes:
        size: bytes of the file.
        groups: the paths of its groups, the file's own being "".
    """

    def __init__(self, h5py, file, path, size, source):
        self._h5py, self._path, self._source = h5py, path, source
        self.size = size
        found, self._groups = inspection.walk(h5py, file, path, size, source)
        super().__init__(found)

    @property
    def groups(self):
        return self._groups.keys()

    def text(self, group: str, name: str) -> str | None:
        """Returns a text attribute of a group, or None where there is none."""
        return attributes.text(self._h5py, self._path, self._groups[group], self._source, name)

    def texts(self, group: str, name: str) -> list[str] | None:
        """Returns an attribute that is a list of texts, or None where there is none."""
        return attributes.texts(self._h5py, self._path, self._groups[group], self._source, name)


@contextlib.contextmanager
def reading(path: str, part=None):
    """Opens an HDF5 file; the value is its Contents.

    Args:
        path: of the file.
        part: None, or what of the file is HDF5: a zips.Window on it.

    Raises:
        MissingFile: where there is no such file.
        LoadError: for everything else that is wrong.
    """
    h5py = library()
    if part is None:
        inspection.check_file(path)
    with contextlib.ExitStack() as stack:
        with faults(path):
            if part is None:
                descriptor = stack.enter_context(open(path, "rb", buffering=0)).fileno()
                source, size = Source(descriptor), os.fstat(descriptor).st_size
                file = h5py.File(path, "r", locking=False)
            else:
                source, size = Source(part.descriptor, part.start), part.seek(0, os.SEEK_END)
                file = h5py.File(part, "r")
        stack.callback(_close, path, file)
        with faults(path):
            if part is None and not os.path.samestat(os.stat(path), os.fstat(descriptor)):
                raise load_error(f"'{path}' was replaced while it was opened. Try again.")
            contents = Contents(h5py, file, path, size, source)
        yield contents


def _close(path, file):
    with faults(path):
        file.close()
