"""What a file has to be before anything in it is believed: HDF5's rules of this house."""

import contextlib
import difflib
import os
import re
import stat
import zlib

import numpy as np

from kerasette.errors import KerasetteError, LoadError, MissingFile, shorten

SIGNATURE = b"\x89HDF\r\n\x1a\n"
CHECKSUM = "crc32"  # attribute of each dataset that we write
DEEPEST = 200  # groups in groups
LEAST_CHUNK = 1 << 20  # bytes that a chunk may always have
FILTERS = {1: "deflate", 2: "shuffle", 3: "fletcher32"}
BFLOAT16 = "bfloat16"

_STARTS = (
    (b"PK\x03\x04", "a zip archive, as a .keras file is"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x93NUMPY", "a .npy file"),
    (b"version https://git-lfs", "a Git LFS pointer: the file itself wasn't fetched"),
    (b"<", "a page of HTML or XML, perhaps of a download that failed"),
    (b"{", "JSON text"),
    (b"\x80", "a Python pickle"),
)


def load_error(*sentences: str) -> LoadError:
    """Returns a LoadError whose message joins `sentences`."""
    return LoadError(shorten(" ".join(sentences)))


@contextlib.contextmanager
def faults(path: str):
    """Turns whatever h5py raises inside into one LoadError."""
    try:
        yield
    except KerasetteError:
        raise
    except Exception as problem:
        raise _explained(path, problem) from problem


def _explained(path, problem):
    text = " ".join(str(problem).split())
    ends = re.search(r"truncated file: eof = (\d+).*stored_eof = (\d+)", text)
    if ends:
        return load_error(
            f"'{path}' is truncated: ends at byte {ends[1]}, {ends[2]} were written. Fetch it again."
        )
    if "Fletcher32" in text or "error detected" in text:
        return load_error(f"'{path}' is damaged: a checksum doesn't fit its data. Fetch it again.")
    return load_error(
        f"'{path}' can't be read as HDF5; it is damaged or truncated ({type(problem).__name__}: {text})."
    )


def checksum(array: np.ndarray) -> int:
    """Returns the CRC-32 of the array's bytes, in C order and little-endian."""
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return zlib.crc32(array.reshape(-1).view(np.uint8))


# ---------------------------------------------------------------- the file as a whole


def check_file(path: str) -> None:
    """Raises unless `path` is a regular file that begins as HDF5 does.

    Raises:
        MissingFile: where there is none, with the names of files that are nearly called so.
        LoadError: where it is something else, with what it looks like.
    """
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFile(shorten(f"There is no file '{path}'.{_nearby(path)}")) from None
    except OSError as problem:
        raise load_error(f"'{path}' can't be opened: {problem.strerror}.") from problem
    if not stat.S_ISREG(mode):
        what = "a directory" if stat.S_ISDIR(mode) else "no regular file"
        raise load_error(f"'{path}' is {what}; weights are read from a regular HDF5 file.")
    try:
        with open(path, "rb") as file:
            start = file.read(32)
    except OSError as problem:
        raise load_error(f"'{path}' can't be opened: {problem.strerror}.") from problem
    if not start.startswith(SIGNATURE):
        raise load_error(
            f"'{path}' is no HDF5 file: it {_look(start)}.", "Weights are saved with save_weights()."
        )


def _look(start):
    if not start:
        return "is empty"
    if not start.strip(b"\0"):
        return "begins with zeros"
    if len(start) < len(SIGNATURE) and SIGNATURE.startswith(start):
        return f"is truncated after {len(start)} bytes"
    kind = next((kind for begin, kind in _STARTS if start.startswith(begin)), None)
    return f"begins with {start[:8]!r}" + (f" and looks like {kind}" if kind else "")


def _nearby(path):
    directory, name = os.path.split(path)
    try:
        names = os.listdir(directory or ".")
    except OSError:
        return f" The directory '{directory}' doesn't exist either."
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6) or sorted(
        other for other in names if other.endswith(".weights.h5")
    )
    return f" Nearby: {', '.join(repr(name) for name in near[:3])}." if near else ""


# ---------------------------------------------------------------- its datasets


class Stored:
    """One dataset of an open file: its claims are checked, its values not read yet.

    Attributes:
        name: path in the file.
        shape: tuple of whole numbers.
        dtype: NumPy's type of the values, in the machine's byte order.
    """

    __slots__ = ("_bfloat16", "_dataset", "_path", "dtype", "name", "shape")

    def __init__(self, path, name, dataset, bfloat16):
        self._path, self._dataset, self._bfloat16 = path, dataset, bfloat16
        self.name = name
        self.shape = tuple(dataset.shape)
        self.dtype = np.dtype("float32") if bfloat16 else dataset.dtype.newbyteorder("=")

    @property
    def nbytes(self) -> int:
        """Bytes of the values in memory, as a Python number that can't overflow."""
        size = self.dtype.itemsize
        for length in self.shape:
            size *= length
        return size

    def read(self) -> np.ndarray:
        """Returns the values; LoadError where a checksum of the file doesn't fit them."""
        with faults(self._path):
            values = np.asarray(self._dataset[()])
            wanted = self._checksum()
        if wanted is not None and checksum(values) != wanted:
            raise load_error(
                f"'{self._path}' is damaged: the checksum of '{self.name}' doesn't fit. Fetch it again."
            )
        if self._bfloat16:
            return (values.view("<u2").astype(np.uint32) << 16).view(np.float32)
        return values.astype(self.dtype, copy=False)

    def _checksum(self):
        """Returns the CRC-32 that stands beside the values, or None; anything else there is refused."""
        attributes = self._dataset.attrs
        if CHECKSUM not in attributes:
            return None
        kind = attributes.get_id(CHECKSUM)
        if kind.shape != () or kind.dtype != np.dtype("<u4"):
            raise load_error(f"'{self._path}': the checksum of '{self.name}' is of another type than ours.")
        return int(attributes[CHECKSUM])


def datasets(h5py, file, path: str) -> dict[str, Stored]:
    """Returns {name: Stored} of an open file, every link, type and storage checked.

    Links are followed one by one and only hard ones, so nothing outside the file is ever touched.
    """
    if file.userblock_size:
        raise load_error(f"'{path}' has a block of foreign data before its HDF5 part.")
    found, extents, seen = {}, [], {h5py.h5o.get_info(file.id).addr}
    stack = [("", file["/"], 0)]
    while stack:
        where, group, depth = stack.pop()
        for name in group:
            full = f"{where}/{name}" if where else name
            item = _opened(h5py, group, name, f"'{path}': '{full}'")
            address = h5py.h5o.get_info(item.id).addr
            if address in seen or depth > DEEPEST:
                raise load_error(f"'{path}': '{full}' stands there under a second name, or too deep.")
            seen.add(address)
            if isinstance(item, h5py.Group):
                stack.append((full, item, depth + 1))
                continue
            found[full] = _checked(h5py, path, full, item, extents)
    _check_overlaps(path, extents)
    return found


def _opened(h5py, group, name, who):
    """Returns the group or dataset called `name`: a hard link of this file, nothing else."""
    if not name or "/" in name or name in (".", ".."):
        raise load_error(f"{who} isn't a name that weights have.")
    link = group.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        raise load_error(f"{who} is a link to another place ({type(link).__name__}); those aren't followed.")
    item = group[name]
    if not isinstance(item, (h5py.Group, h5py.Dataset)):
        raise load_error(f"{who} is neither a group nor an array.")
    return item


def _checked(h5py, path, name, dataset, extents):
    """Returns the dataset's Stored, or raises; adds the places of its bytes in the file to `extents`."""
    who = f"'{path}': '{name}'"
    bfloat16 = _check_type(h5py, who, dataset)
    if dataset.shape is None:
        raise load_error(f"{who} has no shape.")
    stored = Stored(path, name, dataset, bfloat16)
    nominal = stored.nbytes // 2 if bfloat16 else stored.nbytes
    settings = dataset.id.get_create_plist()
    layout = settings.get_layout()
    if settings.get_external_count():
        raise load_error(f"{who} keeps its values in another file; that isn't followed.")
    if layout == h5py.h5d.CHUNKED:
        _check_chunks(who, name, dataset, settings, nominal, extents)
    elif layout == h5py.h5d.CONTIGUOUS:
        if dataset.id.get_storage_size() != nominal:
            raise load_error(f"{who} should hold {nominal} bytes and holds {dataset.id.get_storage_size()}.")
        if nominal:
            extents.append((dataset.id.get_offset(), nominal, name))
    elif layout != h5py.h5d.COMPACT or dataset.id.get_storage_size() != nominal:
        raise load_error(f"{who} isn't stored as a plain array of this file.")
    return stored


def _check_type(h5py, who, dataset):
    """Raises unless the values are plain numbers of at most 8 bytes; tells whether they are bfloat16."""
    kind = dataset.id.get_type()
    code, size = kind.get_class(), kind.get_size()
    if code == h5py.h5t.OPAQUE and size == 2 and dataset.attrs.get("dtype") == BFLOAT16:
        return True
    if code not in (h5py.h5t.INTEGER, h5py.h5t.FLOAT) or size > 8 or dataset.dtype.kind not in "iuf":
        raise load_error(f"{who} holds {dataset.dtype}; weights are real numbers of at most 8 bytes.")
    return False


def _check_chunks(who, name, dataset, settings, nominal, extents):
    filters = [settings.get_filter(index)[0] for index in range(settings.get_nfilters())]
    if len(set(filters)) < len(filters) or not set(filters) <= set(FILTERS):
        raise load_error(
            f"{who} is packed by the filters {filters}; known: {', '.join(FILTERS.values())}, once each."
        )
    chunk = dataset.dtype.itemsize
    wanted = 1
    for length, part in zip(dataset.shape, settings.get_chunk(), strict=True):
        chunk *= part
        wanted *= -(-length // part)
    if chunk > max(2 * nominal, LEAST_CHUNK):
        raise load_error(f"{who} has {nominal} bytes in chunks of {chunk}.")
    places = []
    dataset.id.chunk_iter(places.append)
    if len(places) != wanted:
        raise load_error(f"{who} should have {wanted} chunks and has {len(places)}.")
    packed = 1 in filters  # deflate: the size in the file may be any
    for place in places:
        if place.filter_mask or (not packed and place.size > chunk + 4):
            raise load_error(f"{who}: a chunk isn't packed as the array says.")
        extents.append((place.byte_offset, place.size, name))


def _check_overlaps(path, extents):
    """Raises where the bytes of two arrays overlap, or lie outside the file."""
    size, before = os.path.getsize(path), 0
    for offset, length, name in sorted(extents, key=lambda extent: (extent[0] is None, extent[0] or 0)):
        if offset is None or offset < before or offset + length > size:
            raise load_error(f"'{path}': the values of '{name}' lie outside the file, or over others.")
        before = offset + length
