"""Downloads and get_file: resumed, checked, put in place at once; what a bad network leaves behind."""

import hashlib
import io
import os
import sys
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest

from kerasette.errors import InvalidValue, LoadError, MissingFile
from kerasette.utils import download as download_module
from kerasette.utils import get_file
from kerasette.utils.download import cache_directory, download, expect_digest

pytest_plugins = ["tests.loopback"]

CONTENT = bytes(range(256)) * 4000  # 1 MB: several reads
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(server):
    """The server of tests/loopback.py with one file."""
    server.files["/data.bin"] = CONTENT
    return server


def fetch(server, target, **keywords):
    keywords.setdefault("check", expect_digest(DIGEST))
    return download([server.url + "data.bin"], target, progress=False, **keywords)


# ---------------------------------------------------------------- downloads


def test_download_puts_one_file_in_place(server, tmp_path, no_proxy):
    target = tmp_path / "new" / "data.bin"
    assert fetch(server, target) == str(target)
    assert target.read_bytes() == CONTENT
    assert os.listdir(target.parent) == ["data.bin"]


def test_broken_transfer_resumes_where_it_stopped(server, tmp_path, no_proxy):
    server.breaks = [300_000]
    fetch(server, tmp_path / "data.bin")
    assert [span for _, span in server.requests] == [None, "bytes=300000-"]
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_part_of_an_earlier_call_is_resumed(server, tmp_path, no_proxy):
    target = tmp_path / "data.bin"
    server.breaks = [1000, 2000, 3000]
    with pytest.raises(MissingFile, match="broke off after 6000 of 1024000 bytes"):
        fetch(server, target)
    assert os.listdir(tmp_path) == ["data.bin.part"]  # nothing incomplete under the final name
    fetch(server, target)
    assert server.requests[-1][1] == "bytes=6000-"
    assert target.read_bytes() == CONTENT and os.listdir(tmp_path) == ["data.bin"]


def test_second_mirror_goes_on(server, tmp_path, no_proxy):
    server.breaks = [1000, 0]
    server.files["/other.bin"] = CONTENT
    urls = [server.url + name for name in ("missing.bin", "data.bin", "other.bin")]
    download(urls, tmp_path / "data.bin", check=expect_digest(DIGEST), progress=False)
    assert server.requests[-1] == ("/other.bin", "bytes=1000-")
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_wrong_part_is_thrown_away(server, tmp_path, no_proxy):
    for part in (b"x" * 5000, b"x" * len(CONTENT), b"x" * (len(CONTENT) + 9)):
        (tmp_path / "data.bin.part").write_bytes(part)
        fetch(server, tmp_path / "data.bin")
        assert server.requests[-2][1] == f"bytes={len(part)}-" and server.requests[-1][1] is None
        assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_complete_part_needs_no_bytes(server, tmp_path, no_proxy):
    (tmp_path / "data.bin.part").write_bytes(CONTENT)
    fetch(server, tmp_path / "data.bin")
    assert len(server.requests) == 1
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_server_without_ranges_starts_anew(server, tmp_path, no_proxy):
    server.ranges = False
    (tmp_path / "data.bin.part").write_bytes(CONTENT[:5000])
    fetch(server, tmp_path / "data.bin")
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_without_a_checksum_nothing_is_resumed(server, tmp_path, no_proxy):
    (tmp_path / "data.bin.part").write_bytes(b"x" * 5000)
    server.breaks = [1000]
    fetch(server, tmp_path / "data.bin", check=None)
    assert [span for _, span in server.requests] == [None, None]
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_wrong_content_never_gets_the_name(server, tmp_path, no_proxy):
    target = tmp_path / "data.bin"
    target.write_bytes(b"the old one")
    server.files["/data.bin"] = CONTENT[:-1] + b"!"
    with pytest.raises(LoadError, match="checksum"):
        fetch(server, target)
    assert target.read_bytes() == b"the old one" and os.listdir(tmp_path) == ["data.bin"]


def test_too_much_content_is_given_up(server, tmp_path, no_proxy):
    with pytest.raises(MissingFile, match="more than 5000 bytes"):
        fetch(server, tmp_path / "data.bin", limit=5000)
    assert os.listdir(tmp_path) == []


def test_failure_before_the_rename_leaves_the_old_file(server, tmp_path, no_proxy, monkeypatch):
    target = tmp_path / "data.bin"
    target.write_bytes(b"the old one")
    monkeypatch.setattr(download_module.os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        fetch(server, target)
    assert target.read_bytes() == b"the old one"


def test_downloads_at_once_all_end_whole(server, tmp_path, no_proxy):
    target = tmp_path / "data.bin"
    threads = [threading.Thread(target=fetch, args=(server, target)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert target.read_bytes() == CONTENT and os.listdir(tmp_path) == ["data.bin"]


@pytest.mark.skipif(os.name == "nt", reason="an open file can't be renamed on Windows anyway")
def test_part_of_another_process_is_left_alone(server, tmp_path, no_proxy):
    part = tmp_path / "data.bin.part"
    part.write_bytes(CONTENT[:700])
    other = download_module._open_locked(str(part))
    fetch(server, tmp_path / "data.bin")
    other.close()
    assert part.read_bytes() == CONTENT[:700]
    assert (tmp_path / "data.bin").read_bytes() == CONTENT
    assert sorted(os.listdir(tmp_path)) == ["data.bin", "data.bin.part"]


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "/etc/hostname", "data:,x"])
def test_other_addresses_are_refused(url, tmp_path):
    with pytest.raises(MissingFile, match="not an http, https or file address"):
        download([url], tmp_path / "x", progress=False)


def test_cache_directory_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("KERASETTE_CACHE", str(tmp_path / "own"))
    assert cache_directory() == str(tmp_path / "own")
    monkeypatch.delenv("KERASETTE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_directory() == str(tmp_path / "kerasette")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    for system, below in (("linux", ".cache"), ("darwin", "Library/Caches")):
        monkeypatch.setattr(sys, "platform", system)
        assert cache_directory() == str(tmp_path / below / "kerasette")


# ---------------------------------------------------------------- get_file


def test_get_file_keeps_and_checks(server, empty_machine):
    path = get_file("mine.bin", server.url + "data.bin", file_hash=DIGEST)
    assert path == str(empty_machine / "datasets" / "mine.bin")
    assert (
        get_file("mine.bin", server.url + "data.bin", file_hash=DIGEST) == path and len(server.requests) == 1
    )
    md5 = hashlib.md5(CONTENT).hexdigest()
    get_file("mine.bin", server.url + "data.bin", md5_hash=md5)
    get_file("mine.bin", server.url + "data.bin", file_hash=md5.upper(), hash_algorithm="md5")
    assert len(server.requests) == 1
    Path(path).write_bytes(b"damaged")
    get_file("mine.bin", server.url + "data.bin", file_hash=DIGEST)
    assert len(server.requests) == 2 and Path(path).read_bytes() == CONTENT
    get_file("mine.bin", server.url + "data.bin", force_download=True)
    assert len(server.requests) == 3
    with pytest.raises(LoadError, match="checksum"):
        get_file("other.bin", server.url + "data.bin", file_hash="0" * 64)


def test_get_file_names_and_directories(server, empty_machine, tmp_path):
    server.files["/a%20b.bin?x=1"] = b"1"
    assert get_file(origin=server.url + "a%20b.bin?x=1") == str(empty_machine / "datasets" / "a b.bin")
    path = get_file(origin=server.url + "data.bin", cache_dir=tmp_path / "c", cache_subdir="sub")
    assert path == str(tmp_path / "c" / "sub" / "data.bin")
    local = tmp_path / "local.txt"
    local.write_text("here")
    assert Path(get_file(origin=local.as_uri())).read_text() == "here"


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"origin": "http://127.0.0.1/"},
        {"origin": "http://127.0.0.1/x", "fname": "../x"},
        {"origin": "http://127.0.0.1/x", "fname": ".."},
        {"origin": "http://127.0.0.1/x", "file_hash": "12"},
        {"origin": "http://127.0.0.1/x", "file_hash": "z" * 64},
        {"origin": "http://127.0.0.1/x", "file_hash": "0" * 64, "hash_algorithm": "crc"},
        {"origin": "http://127.0.0.1/x", "archive_format": "rar"},
    ],
)
def test_get_file_refuses(arguments, empty_machine):
    with pytest.raises(InvalidValue):
        get_file(**arguments)


def archive_of(kind, name="inside/a.txt"):
    stream = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(stream, "w") as file:
            file.writestr(name, "text")
    else:
        with tarfile.open(fileobj=stream, mode="w:gz") as file:
            member = tarfile.TarInfo(name)
            member.size = 4
            file.addfile(member, io.BytesIO(b"text"))
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_get_file_unpacks(kind, server, empty_machine):
    server.files[f"/pack.{kind}"] = archive_of(kind)
    for _ in range(2):
        path = get_file(origin=f"{server.url}pack.{kind}", extract=True)
        assert path == str(empty_machine / "datasets" / "pack_extracted")
        assert Path(path, "inside", "a.txt").read_text() == "text"
    assert len(server.requests) == 1
    named = get_file("bare", f"{server.url}pack.{kind}", extract=True)
    assert named == str(empty_machine / "datasets" / "bare") and os.listdir(named) == ["inside"]
    assert not [name for name in os.listdir(empty_machine / "datasets") if name.startswith(".unpack")]


def test_get_file_unpacks_nothing_outside_and_nothing_else(server, empty_machine):
    server.files["/evil.tar.gz"] = archive_of("tar.gz", "../../evil.txt")
    with pytest.raises(LoadError, match="can't be unpacked"):
        get_file(origin=server.url + "evil.tar.gz", extract=True)
    with pytest.raises(LoadError, match="no tar or zip archive"):
        get_file(origin=server.url + "data.bin", extract=True)
    assert sorted(os.listdir(empty_machine / "datasets")) == ["data.bin", "evil.tar.gz"]
    assert not (empty_machine / "evil.txt").exists()
