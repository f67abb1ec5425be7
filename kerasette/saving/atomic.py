"""Files that are replaced whole or not at all: a save that fails never costs the old file."""

import contextlib
import errno
import os
import re
import shutil
import stat
import threading
from concurrent.futures import ThreadPoolExecutor

from kerasette.errors import KerasetteError, MissingFile, SaveError, shorten, value_error

BLOCK = 1 << 18  # bytes a write
PART = 1 << 23  # bytes that are synced and read back together, while the next are written
SPARE = 1 << 16  # bytes that must stay free on the disk

_lock = threading.Lock()
_busy: set[str] = set()  # temporary files that this process is writing now
_swept: set[str] = set()  # paths beside which this process has looked for what others left


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
        data: bytes-like, or a list of such pieces, which are written one after the other.
        verify: called with the temporary file's path, whose bytes are those of `data`; raises where
            that isn't the file it should be.

    Raises:
        SaveError: where the disk hasn't the space or doesn't return what was written, or whatever else
            the system reports.
    """
    path = check_target(path)
    directory, name = os.path.split(path)
    pieces = [memoryview(piece) for piece in (data if isinstance(data, list) else [data])]
    size, free = sum(len(piece) for piece in pieces), shutil.disk_usage(directory).free
    if free < size + SPARE:
        raise save_error(
            errno.ENOSPC,
            f"Saving '{path}' takes {size:,} bytes, and the disk has {free:,} left.",
            "Free some space; nothing was changed.",
        )
    temporary = os.path.join(directory, f".{name}.{os.getpid()}.tmp")
    with _alone(temporary):
        try:
            _write(temporary, path, pieces, size)
            if verify is not None:
                verify(temporary)
            os.replace(temporary, path)
        except BaseException as problem:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            if isinstance(problem, OSError) and not isinstance(problem, KerasetteError):
                text = f"'{path}' wasn't saved: {problem.strerror}. What stood there is as it was."
                raise save_error(problem.errno, text) from problem
            raise
    _sync_directory(directory)
    if path not in _swept:
        _swept.add(path)
        _sweep(directory, name)


def _sweep(directory, name):
    """Removes what processes that were killed left of their saves to the same place."""
    for other in os.listdir(directory) if os.name == "posix" else ():
        left = re.fullmatch(rf"\.{re.escape(name)}\.(\d+)\.tmp", other)
        if left is None or int(left[1]) == os.getpid():
            continue
        try:
            os.kill(int(left[1]), 0)  # asks whether the process is there
        except (ProcessLookupError, OverflowError):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(directory, other))
        except OSError:
            continue


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


class _Aside:
    """A thread that does what it is given, in order; what failed in it is raised at the end."""

    def __init__(self):
        self._pool, self._jobs = ThreadPoolExecutor(1), []

    def do(self, function, *arguments):
        self._jobs.append(self._pool.submit(function, *arguments))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self._pool.shutdown(cancel_futures=kind is not None)
        if kind is None:
            for job in self._jobs:
                job.result()


def _write(temporary, path, pieces, size):
    """Writes, reads back and syncs the temporary file; it gets the permissions of the one that it replaces.

    A large file is on its way to the disk and read back while the rest of it is written.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with (
        open(os.open(temporary, flags, 0o666), "wb", buffering=0) as file,
        open(temporary, "rb", buffering=0) as back,
        _Aside() as syncs,
        _Aside() as reads,
    ):
        with contextlib.suppress(OSError):  # no old file, or a file system without permissions
            os.chmod(temporary, stat.S_IMODE(os.stat(path).st_mode))
        if size > PART:
            reads.do(_forget, path)
        for number, part in enumerate(_parts(pieces)):
            if number and hasattr(os, "fdatasync"):
                syncs.do(os.fdatasync, file.fileno())
            for block in part:
                done = 0
                while done < len(block):
                    done += file.write(block[done:])
            reads.do(_compare, back, part, path)
        os.fsync(file.fileno())
        if os.path.getsize(temporary) != size:
            raise _torn(path)


def _parts(pieces):
    """Yields the blocks of all pieces in lists of about PART bytes."""
    part = []
    for block in _blocks(pieces):
        part.append(block)
        if len(part) * BLOCK >= PART:
            yield part
            part = []
    yield part


def _blocks(pieces):
    """Yields the bytes of all pieces in blocks, small pieces together."""
    small = bytearray()
    for piece in pieces:
        if len(small) + len(piece) <= BLOCK:
            small += piece
            continue
        if small:
            yield memoryview(small)
            small = bytearray()
        for begin in range(0, len(piece), BLOCK):
            yield piece[begin : begin + BLOCK]
    if small:
        yield memoryview(small)


def _compare(back, part, path):
    """Raises SaveError unless these blocks come next in the file that is read back."""
    buffer = bytearray(max(map(len, part), default=0))
    for block in part:
        done = 0
        while done < len(block):
            count = back.readinto(memoryview(buffer)[done : len(block)])
            if not count:
                raise _torn(path)
            done += count
        if not buffer.startswith(block):
            raise _torn(path)


def _torn(path):
    return save_error(errno.EIO, f"'{path}' wasn't saved: what was read back isn't what was written.")


def _forget(path):
    """Drops the old file from the memory of the system now, not when its name goes and all wait for it."""
    if hasattr(os, "posix_fadvise"):
        with contextlib.suppress(OSError), open(path, "rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


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
