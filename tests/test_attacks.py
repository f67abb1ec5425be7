"""Every attack through every way in: nothing runs, nothing else is opened, little is spent, nothing changes."""

import ctypes
import os
import re
import struct
import sys

import pytest

from tests.attacks import bombs, code, links, types, zips
from tests.attacks.arena import EXTRA, SECONDS, Arena
from tests.attacks.good import ENDINGS, Good

FAMILIES = {"code": code, "bombs": bombs, "links": links, "zips": zips, "types": types}
CASES = [
    pytest.param(attack, entry, id=f"{family}-{attack.name[:50]}-{entry}".encode("ascii", "replace").decode())
    for family, module in FAMILIES.items()
    for attack in module.ATTACKS
    for entry in attack.entries
]
LONGEST = 400

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts memory as Linux does")


class Bell:
    """Tells whether anybody, HDF5's own C code included, opened a file of a folder (Linux's inotify)."""

    OPENED, CREATED, READ = 0x20, 0x100, 0x1
    HEAD = struct.Struct("iIII")

    def __init__(self, folder):
        self._c = ctypes.CDLL(None, use_errno=True)
        self._handle = self._c.inotify_init1(os.O_NONBLOCK)
        mask = self.OPENED | self.CREATED | self.READ
        if self._handle < 0 or self._c.inotify_add_watch(self._handle, os.fsencode(folder), mask) < 0:
            raise OSError(ctypes.get_errno(), "inotify")

    def rung(self) -> list[str]:
        """Returns what was touched since the last call."""
        try:
            data = os.read(self._handle, 1 << 16)
        except BlockingIOError:
            return []
        found, at = [], 0
        while at < len(data):
            _, _, _, size = self.HEAD.unpack_from(data, at)
            at += self.HEAD.size
            found.append(data[at : at + size].rstrip(b"\0").decode())
            at += size
        return found

    def close(self):
        """Stops listening."""
        os.close(self._handle)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return Good(tmp_path_factory.mktemp("good"))


@pytest.fixture(scope="module")
def arena(good):
    made = Arena(good.folder)
    yield made
    made.close()


@pytest.fixture(scope="module")
def bell(good):
    made = Bell(good.bait())
    yield made
    made.close()


def attacked(good, arena, bell, attack, entry, folder):
    """Returns the answer of the arena, and what of the bait was touched while it ran."""
    path = good.attack(attack, entry, folder)
    bell.rung()
    found = arena.run(entry, path)
    return found, bell.rung()


@pytest.mark.parametrize(("attack", "entry"), CASES)
def test_an_attack(good, arena, bell, tmp_path, attack, entry):
    found, touched = attacked(good, arena, bell, attack, entry, tmp_path)
    assert "died" not in found, f"the process died of signal {found['died']}"
    assert touched == []
    assert found["events"] == [], found
    assert found["seconds"] <= SECONDS, found
    assert found["peak"] <= EXTRA, found
    if found["error"] is None:
        assert attack.loads, f"it loaded: {found}"
        return
    assert found["error"] == "LoadError" and "ValueError" in found["bases"], found
    assert len(found["text"]) <= LONGEST, f"{len(found['text'])} characters: {found['text']}"
    assert found["text"].isprintable() or set(filter(lambda c: not c.isprintable(), found["text"])) == {"\n"}
    assert not found["changed"], found
    matches = re.search(attack.says, found["text"])
    assert matches, f"{attack.says!r} isn't in: {found['text']}"


@pytest.mark.parametrize("entry", ENDINGS)
def test_a_good_file_loads(good, arena, bell, entry):
    """The limits of the arena let a good file through, and a load touches nothing else either."""
    bell.rung()
    found = arena.run(entry, good.path(entry))
    assert found["error"] is None, found
    assert (found["events"], bell.rung()) == ([], [])
