"""`get_file`: a file of the network in the cache, unpacked where that is asked for."""

import os
import shutil
import tempfile

from kerasette.errors import LoadError, one_of, value_error
from kerasette.utils.download import cache_directory, download, expect_digest


def get_file(
    fname: str | os.PathLike | None = None,
    origin: str | None = None,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: str | None = "auto",
    cache_dir: str | os.PathLike | None = None,
    force_download: bool = False,
) -> str:
    """Downloads a file unless the cache has it, and returns its path (with `extract`, the directory's).

    Give `file_hash` where you know it: content that doesn't have that hash is never used, and a broken
    download is then resumed instead of begun again.

    Args:
        fname: name in the cache; by default the last part of `origin`.
        origin: URL of the file, http, https or file.
        untar: older name of `extract`, for tar archives.
        md5_hash: older name of `file_hash`, for an MD5.
        file_hash: SHA-256 or MD5 of the file, in hexadecimal digits.
        cache_subdir: directory below the cache directory; an absolute path stands for itself.
        hash_algorithm: "sha256", "md5", or "auto" to tell by the length of the hash.
        extract: unpacks a tar or zip archive beside the file, into its name without the ending +
            "_extracted" (or into `fname` where that has no ending).
        archive_format: "tar", "zip", or "auto" for either.
        cache_dir: cache directory; by default KERASETTE_CACHE, else the system's place for caches.
        force_download: fetches the file even where the cache has it.

    Returns:
        The path of the file, or of the directory that the archive was unpacked into.

    Raises:
        InvalidValue: where an argument can't be used.
        MissingFile: where the file can't be fetched.
        LoadError: where the content doesn't have the hash, or the archive can't be unpacked.
    """
    one_of("get_file", "archive_format", archive_format, ("auto", "tar", "zip", None))
    name = _name(fname, origin)
    if md5_hash is not None and file_hash is None:
        file_hash, hash_algorithm = md5_hash, "md5"
    check = None if file_hash is None else expect_digest(file_hash, hash_algorithm)
    base = cache_directory() if cache_dir is None else os.path.expanduser(os.fspath(cache_dir))
    directory = os.path.join(base, cache_subdir)
    stem = name.split(".")[0] or name
    bare_name = fname is not None and stem == name
    path = os.path.join(directory, f"{name}_archive" if bare_name and (extract or untar) else name)
    fresh = force_download or not os.path.isfile(path) or (check is not None and not check(path))
    if fresh:
        download([origin], path, check=check, advice=f"Without a network, put the file at '{path}' by hand.")
    if not (extract or untar):
        return path
    unpacked = os.path.join(directory, name if bare_name else f"{stem}_extracted")
    if fresh or not os.path.isdir(unpacked):
        _unpack(path, unpacked, archive_format if extract else "tar")
    return unpacked


def _name(fname, origin):
    if not origin:
        raise value_error("get_file needs `origin`, the URL of the file.")
    if fname is None or not os.fspath(fname):
        from urllib.parse import unquote, urlsplit

        name = unquote(os.path.basename(urlsplit(origin).path))
    else:
        name = os.fspath(fname)
    if not name or name in (".", "..") or "/" in name or os.sep in name:
        raise value_error(
            f"get_file: fname must be the plain name of a file, got {name!r}.",
            "Choose the directory with cache_dir and cache_subdir.",
        )
    return name


def _unpack(archive, target, kind):
    """Unpacks `archive` into a directory beside `target` that then takes its name."""
    import tarfile
    import zipfile

    work = tempfile.mkdtemp(prefix=".unpack-", dir=os.path.dirname(target))
    try:
        if kind in ("auto", "tar") and tarfile.is_tarfile(archive):
            with tarfile.open(archive) as file:
                file.extractall(work, filter="data")  # refuses members that leave the directory
        elif kind in ("auto", "zip") and zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as file:
                file.extractall(work)
        else:
            wanted = "tar or zip" if kind == "auto" else kind
            raise LoadError(
                f"get_file: '{archive}' is no {wanted} archive. Leave `extract` out to get the file."
            )
        os.chmod(work, 0o755)
        shutil.rmtree(target, ignore_errors=True)
        os.replace(work, target)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError) as problem:
        raise LoadError(f"get_file: '{archive}' can't be unpacked: {problem}") from problem
    finally:
        shutil.rmtree(work, ignore_errors=True)
