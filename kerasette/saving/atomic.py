"""Files that are replaced whole or not at all: a save that fails never costs the old file."""

import contextlib
import errno
import os
import shutil
import stat
import threading

from kerasette.errors import MissingFile, SaveError, shorten, value_error

BLOCK = 1 << 20  # bytes a write
SPARE = 1 << 16  # bytes that must stay free on the disk

_lock = threading.Lock()
_busy: set[str] = set()  # temporary files that this process is writing now


def save_error(code: int, *sentences: str) -> SaveError:
    """Returns a SaveError with the error number `code` (errno.ENOSPC ...) and the joined `sentences`."""
    return SaveError(code, shorten(" ".join(sentences)))


def check_target(path: str, overwrite: bool = True) -> str:
    """Returns the real path that a save to `path` would replace, or raises before anything is written.

    Raises:
        MissingFile: where the directory doesn't exist.
        InvalidValue: where something stands there that may not be replaced.
    """
    path = os.path.realpath(path)  # a link stays a link: its target is replaced
    directory = os.path.dirname(path)
    if not os.path.isdir(directory):
        raise MissingFile(
            f"The directory '{directory}' doesn't exist, so nothing is saved there. Make it first."
        )
    if not os.path.lexists(path):
        return path
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise value_error(f"'{path}' is no regular file, so it isn't replaced.", "Choose another name.")
    if not overwrite:
        raise value_error(
            f"'{path}' exists and overwrite is False.", "Choose another name, or pass overwrite=True."
        )
    return path


def write_whole(path: str, data, verify=None) -> None:
    """Writes `data` beside `path`, reads it back, and only then lets it take the place of `path`.

    Whatever fails on the way, the old file is untouched and the temporary one is removed. After a
    crash of the machine there is the old file or the new one.

    Args:
        path: where to; see `check_target`.
        data: bytes-like.
        verify: called with the temporary file's path; raises where the content isn't what it should be.

    Raises:
        SaveError: where the disk hasn't the space.
        OSError: as the system reports it.
    """
    path = check_target(path)
    directory, name = os.path.split(path)
    data = memoryview(data)
    free = shutil.disk_usage(directory).free
    if free < len(data) + SPARE:
        raise save_error(
            errno.ENOSPC,
            f"Saving '{path}' takes {len(data):,} bytes, and the disk has {free:,} left.",
            "Free some space; nothing was changed.",
        )
    temporary = os.path.join(directory, f".{name}.{os.getpid()}.tmp")
    with _alone(temporary):
        try:
            _write(temporary, path, data)
            if verify is not None:
                verify(temporary)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
    _sync_directory(directory)


@contextlib.contextmanager
def _alone(temporary):
    """Holds the name of a temporary file against the other threads of this process."""
    with _lock:
        if temporary in _busy:
            raise save_error(errno.EBUSY, f"Another thread is saving to the place of '{temporary}' now.")
        _busy.add(temporary)
    try:
        # Nobody of this process writes it, so it is what a killed process of the same number left.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        yield
    finally:
        with _lock:
            _busy.discard(temporary)


def _write(temporary, path, data):
    """Writes and syncs the temporary file; it gets the permissions of the file that it will replace."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with open(os.open(temporary, flags, 0o666), "wb", buffering=0) as file:
        with contextlib.suppress(OSError):  # no old file, or a file system without permissions
            os.chmod(temporary, stat.S_IMODE(os.stat(path).st_mode))
        done = 0
        while done < len(data):
            done += file.write(data[done : done + BLOCK])
        os.fsync(file.fileno())


def _sync_directory(directory):
    """Makes the new name last; systems that can't open a directory do it by themselves."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    with contextlib.suppress(OSError):
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
