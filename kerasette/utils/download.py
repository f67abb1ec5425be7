"""Files from the network: several mirrors, resumed where one broke off, checked, put in place at once."""

import os
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import contextmanager, nullcontext, suppress
from functools import partial

from kerasette.errors import LoadError, MissingFile, value_error

CHUNK = 1 << 17  # bytes a read
ATTEMPTS = 3  # tries a mirror; each goes on where the one before broke off
TIMEOUT = 30.0  # seconds without a byte


class _RefusedError(Exception):
    """Why one try gave no file: the sentence for the user."""


def cache_directory() -> str:
    """Returns where downloads are kept: KERASETTE_CACHE, else the system's place for caches.

    That is XDG_CACHE_HOME or ~/.cache on Linux, ~/Library/Caches on macOS and LOCALAPPDATA on Windows,
    each with "kerasette" below it.
    """
    own = os.environ.get("KERASETTE_CACHE")
    if own:
        return os.path.expanduser(own)
    system = {"darwin": "~/Library/Caches", "win32": os.environ.get("LOCALAPPDATA") or "~/AppData/Local"}
    base = os.environ.get("XDG_CACHE_HOME") or system.get(sys.platform, "~/.cache")
    return os.path.join(os.path.expanduser(base), "kerasette")


def file_digest(path: str, algorithm: str = "sha256") -> str:
    """Returns the digest of the file at `path` as lower-case hexadecimal digits."""
    import hashlib

    digest = hashlib.new(algorithm)
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def download(
    urls: Iterable[str],
    target: str | os.PathLike,
    *,
    check: Callable[[str], bool] | None = None,
    advice: str = "",
    limit: int | None = None,
    timeout: float = TIMEOUT,
    progress: bool = True,
) -> str:
    """Fetches the first of `urls` that answers with the right content, and puts it at `target`.

    The bytes go to `target` + ".part". A complete and checked part is flushed to the disk and renamed,
    so nothing incomplete ever stands under the final name. Where `check` is given, a part that an
    earlier call left is resumed (HTTP Range), by any mirror; without it a resumed file couldn't be
    trusted, and each call begins at the first byte.

    Args:
        urls: mirrors of one file, http, https or file.
        target: path of the file; its directory is made where it is missing.
        check: gets the path of a complete download, and returns whether its content is right.
        advice: last sentence of the error, e.g. where to put the file by hand.
        limit: bytes after which a mirror that goes on sending is given up.
        timeout: seconds without a byte after which a mirror is given up.
        progress: shows a progress bar where the error stream is a terminal.

    Returns:
        `target`.

    Raises:
        MissingFile: where no mirror could be reached or had the file; names each URL and why.
        LoadError: where every mirror answered, but with wrong content.
    """
    target, urls = os.fspath(target), list(urls)
    os.makedirs(os.path.dirname(os.path.abspath(target)), exist_ok=True)
    reasons = []
    with _part_file(target, resume=check is not None) as (part, path):
        for url in urls:
            try:
                _from_one_mirror(part, path, check, partial(_transfer, url, part, limit, timeout, progress))
            except _RefusedError as reason:
                reasons.append((url, str(reason)))
                continue
            _put_in_place(part, path, target)
            return target
    name = os.path.basename(target)
    tried = "; ".join(f"{url} ({reason})" for url, reason in reasons) or "no URL"
    wrong = reasons and all(reason.startswith("checksum") for _, reason in reasons)
    error = LoadError if wrong else MissingFile
    raise error(f"Could not download '{name}'. Tried: {tried}. {advice}".rstrip())


# ---------------------------------------------------------------- the part file


@contextmanager
def _part_file(target, resume):
    """Gives the open part file and its path; a part that may be resumed later stays after a failure.

    Two processes must never write one part, since the first to end renames it while the other goes on
    writing. The second therefore takes a part of its own.
    """
    shared, private = f"{target}.part", f"{target}.{os.getpid()}-{threading.get_ident()}.part"
    part = _open_locked(shared) if resume else None
    path = private if part is None else shared
    part = part or open(path, "w+b")  # noqa: SIM115 (closed below)
    try:
        yield part, path
    finally:
        empty = not part.closed and part.seek(0, os.SEEK_END) == 0
        part.close()
        if path == private or empty:
            with suppress(FileNotFoundError):
                os.remove(path)


def _open_locked(path):
    """Opens `path` for update with an advisory lock, or returns None where another process has it."""
    part = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666), "r+b")
    try:
        import fcntl
    except ImportError:  # Windows: an open file can't be renamed there, which protects it as well
        return part
    try:
        fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(part.fileno()), os.stat(path)):
            return part
    except OSError:
        pass  # locked by somebody else, or renamed between open and lock
    part.close()
    return None


def _put_in_place(part, path, target):
    part.flush()
    os.fsync(part.fileno())
    if os.name == "nt":
        part.close()
    os.replace(path, target)
    if os.name != "nt":
        directory = os.open(os.path.dirname(os.path.abspath(target)), os.O_RDONLY)
        with suppress(OSError):  # some file systems can't sync a directory
            os.fsync(directory)
        os.close(directory)


# ---------------------------------------------------------------- one mirror


def _from_one_mirror(part, path, check, transfer):
    """Fills `part` with checked content by calls of `transfer`, or raises _RefusedError."""
    import http.client

    for attempt in range(ATTEMPTS):
        if check is None:
            part.truncate(0)
        begin = part.seek(0, os.SEEK_END)
        try:
            transfer()
        except _RefusedError:
            raise
        except (OSError, http.client.HTTPException) as problem:  # URLError and timeouts are OSErrors
            if attempt == ATTEMPTS - 1 or part.seek(0, os.SEEK_END) == begin:
                raise _RefusedError(_reason(problem)) from problem
            continue
        part.flush()
        if check is None or check(path):
            return
        part.truncate(0)
        if begin == 0:
            break
    raise _RefusedError("checksum of the content differs")


def _reason(problem):
    return str(getattr(problem, "reason", None) or problem) or type(problem).__name__


def _transfer(url, part, limit, timeout, progress):
    """Appends the bytes of `url` that `part` lacks; starts anew where the server sends the whole file."""
    begin = part.seek(0, os.SEEK_END)
    response = _open(url, begin, timeout)
    if response is None:
        return
    with response:
        if begin and not _continues(response, begin):
            begin = 0
        part.seek(begin)
        part.truncate()
        size = response.headers.get("Content-Length", "")
        total = begin + int(size) if size.isdigit() else None
        done = begin
        with _bar(os.path.basename(url), begin, total, progress) as bar:
            while chunk := response.read(CHUNK):
                done += len(chunk)
                if limit is not None and done > limit:
                    part.truncate(0)
                    raise _RefusedError(f"sends more than {limit} bytes")
                part.write(chunk)
                if bar is not None:
                    bar.update(len(chunk))
    if total is not None and done != total:
        raise ConnectionError(f"broke off after {done} of {total} bytes")


def _open(url, begin, timeout):
    """Returns the response for the bytes from `begin` on, or None where the part is complete (HTTP 416)."""
    import urllib.error
    import urllib.request

    if not url.lower().startswith(("http://", "https://", "file://")):
        raise _RefusedError("not an http, https or file address")
    headers = {"User-Agent": "kerasette", "Accept-Encoding": "identity"}
    if begin:
        headers["Range"] = f"bytes={begin}-"
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as problem:
        problem.close()
        if begin and problem.code == 416:
            return None
        raise _RefusedError(f"HTTP status {problem.code}") from problem


def _continues(response, begin):
    """Tells whether the response holds the bytes from `begin` on, not those from 0."""
    span = response.headers.get("Content-Range") or ""
    return getattr(response, "status", None) == 206 and span.startswith(f"bytes {begin}-")


def _bar(name, begin, total, progress):
    if not progress:
        return nullcontext()
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return nullcontext()
    return tqdm(desc=name, initial=begin, total=total, unit="B", unit_scale=True, disable=None)


def expect_digest(digest: str, algorithm: str = "auto") -> Callable[[str], bool]:
    """Returns a check for `download`: whether a file has this SHA-256 or MD5 digest.

    Args:
        digest: hexadecimal digits.
        algorithm: "sha256", "md5", or "auto" to tell by the length.

    Raises:
        InvalidValue: for another algorithm, or a digest that is none of the algorithm's.
    """
    lengths = {"sha256": 64, "md5": 32}
    digest = str(digest).strip().lower()
    if algorithm == "auto":
        algorithm = next((name for name, length in lengths.items() if length == len(digest)), "auto")
    if lengths.get(algorithm) != len(digest) or set(digest) - set("0123456789abcdef"):
        raise value_error(
            f"A file's hash is the 64 digits of a SHA-256 or the 32 of an MD5, got {digest!r} ({algorithm}).",
            "Compute it with sha256sum.",
        )
    return lambda path: file_digest(path, algorithm) == digest
