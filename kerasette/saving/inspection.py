"""What a file has to be before anything in it is believed: HDF5's rules of this house."""

import difflib
import os
import stat

from kerasette.errors import MissingFile, shorten
from kerasette.saving import attributes
from kerasette.saving.chunks import Chunks
from kerasette.saving.faults import load_error
from kerasette.saving.stored import Source, Stored

SIGNATURE = b"\x89HDF\r\n\x1a\n"
DEEPEST = 2_000  # groups in groups: each model within a model takes two
MOST = 50_000  # groups and arrays
LONGEST = 1 << 26  # characters of the paths of all of them
RATIO, ALWAYS = 20, 64 << 20  # packed arrays are at most so many times the file, or at most so many bytes
BFLOAT16 = "bfloat16"

_STARTS = (
    (b"PK\x03\x04", "a zip archive, as a .keras file is"),
    (SIGNATURE, "HDF5, as a .h5 file is"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x93NUMPY", "a .npy file"),
    (b"version https://git-lfs", "a Git LFS pointer: the file itself wasn't fetched"),
    (b"<", "a page of HTML or XML, perhaps of a download that failed"),
    (b"{", "JSON text"),
    (b"\x80", "a Python pickle"),
)


# ---------------------------------------------------------------- the file as a whole


def check_regular(path: str) -> None:
    """Raises unless `path` is a regular file.

    Raises:
        MissingFile: where there is none, with the names of files that are nearly called so.
        LoadError: where it is something else.
    """
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFile(shorten(f"There is no file '{path}'.{_nearby(path)}")) from None
    except (OSError, ValueError) as problem:
        raise load_error(f"'{path}' can't be opened: {problem}.") from problem
    if not stat.S_ISREG(mode):
        what = "a directory" if stat.S_ISDIR(mode) else "no regular file"
        raise load_error(f"'{path}' is {what}; only regular files are read.")


def beginning(path: str) -> bytes:
    """Returns the first 32 bytes of a regular file; raises as `check_regular` does."""
    check_regular(path)
    try:
        with open(path, "rb") as file:
            return file.read(32)
    except OSError as problem:
        raise load_error(f"'{path}' can't be opened: {problem.strerror}.") from problem


def check_file(path: str) -> None:
    """Raises unless `path` is a regular file that begins as HDF5 does.

    Raises:
        MissingFile: where there is none, with the names of files that are nearly called so.
        LoadError: where it is something else, with what it looks like.
    """
    start = beginning(path)
    if not start.startswith(SIGNATURE):
        raise load_error(
            f"'{path}' is no HDF5 file: it {look(start)}.", "Weights are saved with save_weights()."
        )


def look(start: bytes, signature: bytes = SIGNATURE) -> str:
    """Returns what a file looks like that begins with `start`, and not with `signature`."""
    if not start:
        return "is empty"
    if not start.strip(b"\0"):
        return "begins with zeros"
    if len(start) < len(signature) and signature.startswith(start):
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
        other for other in names if other.endswith((".weights.h5", ".keras"))
    )
    return f" Nearby: {', '.join(repr(name) for name in near[:3])}." if near else ""


# ---------------------------------------------------------------- its datasets


class Groups(dict):
    """{path: h5py.Group} of an open file ("" is the file's own), each opened when it is asked for."""

    def __init__(self, file, names):
        super().__init__(dict.fromkeys(names))
        self._file = file

    def __getitem__(self, name):
        super().__getitem__(name)
        return self._file[name or "/"]


def walk(h5py, file, path: str, size: int, source: Source) -> tuple[dict[str, Stored], Groups]:
    """Returns {name: Stored} and the groups of an open file of `size` bytes; everything is checked.

    Links are followed one by one and only hard ones, so nothing outside the file is ever touched.
    """
    if file.userblock_size:
        raise load_error(f"'{path}' has a block of foreign data before its HDF5 part.")
    found, names, extents = {}, [""], []
    for name, item in _objects(h5py, h5py.h5g.open(file.id, b"/"), path):
        if isinstance(item, h5py.h5d.DatasetID):
            found[name] = _checked(h5py, path, name, h5py.Dataset(item), extents, source)
        else:
            names.append(name)
    total = sum(item.nbytes for item in found.values())
    if total > max(RATIO * size, ALWAYS):
        raise load_error(f"'{path}' has {size:,} bytes and claims to hold {total:,}; it is packed too well.")
    _check_overlaps(path, extents, size)
    return found, Groups(file, names)


def _objects(h5py, root, path):
    """Yields (name, open group or dataset) of all that hangs on a group by hard links; other links raise."""
    seen, length = {h5py.h5o.get_info(root).addr}, 0
    stack = [("", root, iter(_links(root)))]  # the groups on the way to where we are
    while stack:
        where, group, rest = stack[-1]
        link = next(rest, None)
        if link is None:
            stack.pop()
            continue
        full = where + _name(h5py, link, f"'{path}': '{where}")
        if link.address in seen or len(stack) > DEEPEST:
            raise load_error(f"'{path}': '{full}' stands there under a second name, or too deep.")
        seen.add(link.address)
        length += len(full)
        if len(seen) > MOST or length > LONGEST:
            raise load_error(
                f"'{path}' has more than {MOST:,} groups and arrays, or paths of {LONGEST:,} characters."
            )
        item = h5py.h5o.open(group, link.name)
        if isinstance(item, h5py.h5g.GroupID):
            stack.append((f"{full}/", item, iter(_links(item))))
            yield full, h5py.Group(item)
        elif not isinstance(item, h5py.h5d.DatasetID):
            raise load_error(f"'{path}': '{full}' is neither a group nor an array.")
        yield full, item


class _Link:
    """One entry of a group: its name as bytes, which kind of link it is, where a hard one leads."""

    __slots__ = ("address", "kind", "name")

    def __init__(self, name, info):
        self.name, self.kind, self.address = name, info.type, info.u


def _links(group):
    """Returns the links of a group; none of them is followed."""
    found = []
    group.links.iterate(lambda name, info: found.append(_Link(name, info)), info=True)
    return found


def _name(h5py, link, who):
    """Returns the name of a link that may be followed: a hard one, of this file."""
    try:
        name = link.name.decode("utf-8")
    except UnicodeDecodeError:
        raise load_error(f"{who}{link.name!r}' isn't a name that weights have.") from None
    if not name or "/" in name or name in (".", ".."):
        raise load_error(f"{who}{name}' isn't a name that weights have.")
    if link.kind != h5py.h5l.TYPE_HARD:
        kinds = {h5py.h5l.TYPE_SOFT: "SoftLink", h5py.h5l.TYPE_EXTERNAL: "ExternalLink"}
        kind = kinds.get(link.kind, "of an unknown kind")
        raise load_error(f"{who}{name}' is a link to another place ({kind}); those aren't followed.")
    return name


def _checked(h5py, path, name, dataset, extents, source):
    """Returns the dataset's Stored, or raises; adds the places of its bytes in the file to `extents`."""
    who = f"'{path}': '{name}'"
    bfloat16 = _check_type(h5py, path, who, dataset, source)
    if dataset.shape is None:
        raise load_error(f"{who} has no shape.")
    stored = Stored(path, name, dataset, bfloat16)
    nominal = stored.nbytes // 2 if bfloat16 else stored.nbytes
    settings = dataset.id.get_create_plist()
    layout = settings.get_layout()
    if settings.get_external_count():
        raise load_error(f"{who} keeps its values in another file; that isn't followed.")
    if layout == h5py.h5d.CHUNKED:
        stored.chunks = Chunks(who, dataset, settings, nominal)
        extents.extend((place.byte_offset, place.size, name) for place in stored.chunks.places)
    elif layout == h5py.h5d.CONTIGUOUS:
        if dataset.id.get_storage_size() != nominal:
            raise load_error(f"{who} should hold {nominal} bytes and holds {dataset.id.get_storage_size()}.")
        if nominal:
            extents.append((dataset.id.get_offset(), nominal, name))
            stored.plain = source, dataset.id.get_offset()
    elif layout != h5py.h5d.COMPACT or dataset.id.get_storage_size() != nominal:
        raise load_error(f"{who} isn't stored as a plain array of this file.")
    return stored


def _check_type(h5py, path, who, dataset, source):
    """Raises unless the values are plain numbers of at most 8 bytes; tells whether they are bfloat16."""
    kind = dataset.id.get_type()
    code, size = kind.get_class(), kind.get_size()
    opaque = code == h5py.h5t.OPAQUE and size == 2
    if opaque and attributes.text(h5py, path, dataset, source, "dtype") == BFLOAT16:
        return True
    if code not in (h5py.h5t.INTEGER, h5py.h5t.FLOAT) or size > 8 or dataset.dtype.kind not in "iuf":
        raise load_error(f"{who} holds {dataset.dtype}; weights are real numbers of at most 8 bytes.")
    if not kind.equal(h5py.h5t.py_create(dataset.dtype)):
        raise load_error(f"{who} holds {dataset.dtype} in a form of its own: unused bits or another bias.")
    return False


def _check_overlaps(path, extents, size):
    """Raises where the bytes of two arrays overlap, or lie outside the file."""
    before = 0
    for offset, length, name in sorted(extents, key=lambda extent: (extent[0] is None, extent[0] or 0)):
        if offset is None or offset < before or offset + length > size:
            raise load_error(f"'{path}': the values of '{name}' lie outside the file, or over others.")
        before = offset + length
