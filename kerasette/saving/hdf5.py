"""Arrays <-> HDF5 files: written whole and verified, read with every claim of the file checked first.

The HDF5 library itself isn't made for hostile files: our checks run after it has read the metadata.
"""

import contextlib
import errno
import os

import numpy as np

from kerasette.errors import LoadError
from kerasette.saving import inspection
from kerasette.saving.atomic import save_error, write_whole

PLAIN = 1 << 14  # bytes; smaller arrays are stored without chunks
CHUNK = 1 << 20  # bytes of a chunk, about
LARGEST_ROW = 1 << 26  # bytes; arrays with longer rows are stored without chunks


def library():
    """Returns h5py, told never to load a filter plugin from the disk."""
    os.environ.setdefault("HDF5_PLUGIN_PRELOAD", "::")
    import h5py

    return h5py


# ---------------------------------------------------------------- writing


def image(arrays: dict[str, np.ndarray], attributes: dict[str, dict[str, str]] | None = None) -> bytes:
    """Returns an HDF5 file as bytes.

    It is made in memory, because HDF5 crashes where a write to its file fails half-way.

    Args:
        arrays: path of each dataset ("layers/dense/vars/0") -> array.
        attributes: path of each group -> its attributes; groups without datasets are named here too.
    """
    h5py = library()
    with h5py.File("image", "w", driver="core", backing_store=False, block_size=CHUNK) as file:
        for path, values in (attributes or {}).items():
            group = file.require_group(path)
            for name, value in values.items():
                group.attrs[name] = value
        for path, array in arrays.items():
            _store(file, path, np.asarray(array, order="C"))
        file.flush()
        return file.id.get_file_image()


def _store(file, path, array):
    """Writes one dataset: CRC-32 beside it, and where it is large, HDF5's own checksums in it too."""
    keywords = {}
    if array.nbytes >= PLAIN and array.nbytes // len(array) <= LARGEST_ROW:
        rows = max(1, CHUNK * len(array) // array.nbytes)
        pieces = -(-len(array) // rows)
        keywords = {"chunks": (-(-len(array) // pieces), *array.shape[1:]), "fletcher32": True}
    dataset = file.create_dataset(path, data=array, **keywords)
    dataset.attrs.create(inspection.CHECKSUM, inspection.checksum(array), dtype="<u4")


def write(
    path: str, arrays: dict[str, np.ndarray], attributes: dict[str, dict[str, str]] | None = None
) -> None:
    """Writes arrays to an HDF5 file: whole and read back, or not at all.

    Raises:
        SaveError: where the disk is full, or what is read back isn't what was written.
    """
    wanted = {name: (array.shape, inspection.checksum(array)) for name, array in arrays.items()}

    def verify(temporary):
        try:
            with reading(temporary) as stored:
                found = {
                    name: (item.shape, inspection.checksum(item.read())) for name, item in stored.items()
                }
        except LoadError as problem:
            raise save_error(
                errno.EIO, f"'{path}' wasn't saved: what was written can't be read back. {problem}"
            ) from problem
        if found != wanted:
            raise save_error(errno.EIO, f"'{path}' wasn't saved: what was read back isn't what was written.")

    write_whole(path, image(arrays, attributes), verify)


# ---------------------------------------------------------------- reading


@contextlib.contextmanager
def reading(path: str):
    """Opens an HDF5 file; the value is {path: Stored}, every dataset checked and none read yet.

    Raises:
        MissingFile: where there is no such file.
        LoadError: for everything else that is wrong.
    """
    inspection.check_file(path)
    h5py = library()
    with inspection.faults(path):
        file = h5py.File(path, "r", locking=False)
    try:
        with inspection.faults(path):
            datasets = inspection.datasets(h5py, file, path)
        yield datasets
    finally:
        with inspection.faults(path):
            file.close()
