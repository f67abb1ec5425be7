"""Where data sets are found: a given path, KERASETTE_DATA, the checkout's datasets/, the cache, a mirror."""

import os
from collections.abc import Iterator

import numpy as np

from kerasette.errors import LoadError, MissingFile
from kerasette.utils.download import cache_directory, download

LARGEST = 1 << 26  # bytes of a compressed file, well above any that the loaders fetch


def local_roots() -> Iterator[str]:
    """Yields the directories searched before the cache: KERASETTE_DATA, the checkout's datasets/."""
    own = os.environ.get("KERASETTE_DATA")
    if own:
        yield os.path.expanduser(own)
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    yield os.path.join(os.path.dirname(package), "datasets")


def first_file(paths) -> str | None:
    """Returns the first of `paths` that is a file, or None."""
    return next((path for path in paths if os.path.isfile(path)), None)


def damaged(path: str) -> LoadError:
    """Returns the error for a file whose content isn't the data set's."""
    return LoadError(
        f"'{path}' is damaged or another file: its content doesn't have the data set's SHA-256. "
        "Delete it or put a whole copy in its place."
    )


# ---------------------------------------------------------------- gzip-compressed IDX files


class IdxFile:
    """One array of unsigned bytes in an IDX file, known by its shape and the SHA-256 of the unpacked file.

    Args:
        name: of the unpacked file; the compressed one has ".gz" behind it.
        sha256: of the unpacked file, header included.
        shape: of the array.
    """

    def __init__(self, name: str, sha256: str, shape: tuple[int, ...]):
        self.name, self.sha256, self.shape = name, sha256, shape

    def read(self, path: str) -> np.ndarray | None:
        """Returns the array in `path` (compressed or not), or None where the content is not the right one."""
        import gzip
        import zlib

        begin = 4 + 4 * len(self.shape)
        content = bytearray(begin + int(np.prod(self.shape)))
        try:
            with (gzip.open if path.endswith((".gz", ".part")) else open)(path, "rb") as file:
                whole = _fill(file, content) and not file.read(1)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            return None
        if not whole or not self.holds(content):
            return None
        return np.frombuffer(content, np.uint8, offset=begin).reshape(self.shape)

    def holds(self, *content) -> bool:
        """Tells whether the bytes of `content`, one after the other, are the unpacked file."""
        import hashlib

        digest = hashlib.sha256()
        for part in content:
            digest.update(part)
        return digest.hexdigest() == self.sha256

    def header(self) -> bytes:
        """Returns the file's first bytes: two zeros, 8 for unsigned bytes, the rank, the lengths."""
        lengths = b"".join(length.to_bytes(4, "big") for length in self.shape)
        return bytes([0, 0, 8, len(self.shape)]) + lengths

    def load(self, folder: str, mirrors: tuple[str, ...]) -> np.ndarray:
        """Returns the array from the first place that has it, else from a mirror by way of the cache."""
        path = first_file(where for root in local_roots() for where in self.paths(os.path.join(root, folder)))
        if path is not None:
            return self.load_file(path)
        cached = os.path.join(cache_directory(), "datasets", folder, f"{self.name}.gz")
        array = self.read(cached) if os.path.isfile(cached) else None
        if array is None:
            urls = [f"{mirror}{self.name}.gz" for mirror in mirrors]
            advice = f"Without a network, put the file at '{cached}' or into $KERASETTE_DATA/{folder}/."
            download(
                urls, cached, check=lambda part: self.read(part) is not None, advice=advice, limit=LARGEST
            )
            array = self.load_file(cached)
        return array

    def load_file(self, path: str) -> np.ndarray:
        """Returns the array in `path`, or raises LoadError where the content is not the right one."""
        array = self.read(path)
        if array is None:
            raise damaged(path)
        return array

    def paths(self, directory: str) -> list[str]:
        """Returns the two names that the file may have in `directory`."""
        return [os.path.join(directory, self.name + ending) for ending in (".gz", "")]


def _fill(file, content):
    """Reads into all of `content`; tells whether there was enough."""
    view, done = memoryview(content), 0
    while done < len(view):
        count = file.readinto(view[done : done + (1 << 20)])
        if not count:
            return False
        done += count
    return True


def load_images(folder: str, files: list[IdxFile], mirrors: tuple[str, ...], path=None) -> tuple:
    """Returns `(x_train, y_train), (x_test, y_test)` of a data set in four IDX files.

    Args:
        folder: the data set's directory below each root.
        files: images and labels for training, images and labels for testing.
        mirrors: URLs that a file's name is added to.
        path: None to search; else a directory with the files (or with `folder` in it), one of the
            files, or an .npz archive with x_train, y_train, x_test and y_test.

    Raises:
        MissingFile: where files are neither on this machine nor to be had from a mirror.
        LoadError: where a file's content is damaged.
    """
    if path is None:
        arrays = [file.load(folder, mirrors) for file in files]
    elif os.path.isfile(path) and os.fspath(path).endswith(".npz"):
        arrays = _from_npz(os.fspath(path), files)
    else:
        arrays = [file.load_file(_inside(os.fspath(path), folder, file)) for file in files]
    return (arrays[0], arrays[1]), (arrays[2], arrays[3])


def _inside(path, folder, file):
    directory = os.path.dirname(path) if os.path.isfile(path) else path
    found = first_file([*file.paths(directory), *file.paths(os.path.join(directory, folder))])
    if found is None:
        raise MissingFile(
            f"'{path}' has no file '{file.name}.gz' (or '{file.name}'). "
            "Give the directory that holds the four files, or no path to search and download."
        )
    return found


def _from_npz(path, files):
    """Returns the four arrays of an archive such as Keras's mnist.npz."""
    import zipfile

    names = ("x_train", "y_train", "x_test", "y_test")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = [archive[name] for name in names]
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as problem:
        raise LoadError(f"'{path}' isn't an archive of {', '.join(names)}: {problem}") from problem
    for name, array, file in zip(names, arrays, files, strict=True):
        if array.shape != file.shape or array.dtype != np.uint8:
            raise LoadError(f"'{path}': {name} is {array.dtype} {array.shape}, not uint8 {file.shape}.")
        if not file.holds(file.header(), np.ascontiguousarray(array)):
            raise damaged(path)
    return arrays
