"""Every attack by every way in: nothing runs, nothing else is opened, little is spent, nothing changes."""

import ctypes
import json
import os
import re
import shutil
import signal
import struct
import sys

import numpy as np
import pytest

import kerasette
from kerasette import layers
from kerasette.errors import LoadError
from kerasette.saving import inspection
from tests.attacks import bombs, code, links, samples, texts, types, zips
from tests.attacks.arena import EXTRA, SECONDS, Arena
from tests.attacks.good import ENDINGS, Attack, Good

FAMILIES = (code, bombs, texts, links, zips, types, samples)
CASES = [
    pytest.param(attack, entry, id=f"{module.__name__[14:]}-{attack.name[:50]}-{entry}")
    for module in FAMILIES
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


@pytest.fixture
def place(good):
    """A folder for one attack, gone afterwards: some of them are large."""
    folder = good.folder / "one"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize(("attack", "entry"), CASES)
def test_an_attack(good, arena, bell, place, attack, entry):
    path = good.attack(attack, entry, place)
    bell.rung()
    found = arena.run(entry, path)
    assert bell.rung() == []
    assert "died" not in found, f"the process died: {found['died']}"
    assert found["events"] == [], found
    assert found["seconds"] <= SECONDS, found
    assert found["peak"] <= EXTRA, found
    if found["error"] is None:
        assert attack.loads, f"it loaded: {found}"
        assert entry == "load_weights" or not found["changed"]
        return
    assert found["error"] == "LoadError" and "ValueError" in found["bases"], found
    assert len(found["text"]) <= LONGEST, f"{len(found['text'])} characters: {found['text']}"
    assert found["text"].isprintable() or set(filter(lambda c: not c.isprintable(), found["text"])) == {"\n"}
    assert not found["changed"], found
    matches = re.search(attack.says, found["text"])
    assert matches, f"{attack.says!r} isn't in: {found['text']}"


@pytest.mark.parametrize(
    ("what", "seen"),
    [
        ("code", lambda found, rung: any(event.startswith("exec") for event in found["events"])),
        ("file {}/secret.bin", lambda found, rung: found["events"] and "secret.bin" in rung),
        ("hdf5 {}/other.h5", lambda found, rung: "other.h5" in rung),  # no event of Python's tells of it
        ("memory", lambda found, rung: found["error"] == "MemoryError"),
        ("change", lambda found, rung: found["changed"]),
        ("crash", lambda found, rung: found["died"] == signal.SIGABRT),
        ("time 2.5", lambda found, rung: found["seconds"] > SECONDS),
        ("time inf", lambda found, rung: found["died"] == signal.SIGXCPU),
    ],
)
def test_the_arena_sees_what_no_file_may_do(good, arena, bell, place, what, seen):
    path = place / "control"
    path.write_text(what.format(good.bait()))
    bell.rung()
    found = arena.run("control", path)
    assert seen(found, bell.rung()), found


@pytest.mark.parametrize("entry", ENDINGS)
def test_a_good_file_loads(good, arena, bell, entry):
    """The limits of the arena let a good file through, and a load touches nothing else either."""
    bell.rung()
    found = arena.run(entry, good.path(entry))
    assert found["error"] is None, found
    assert (found["events"], bell.rung()) == ([], [])


# ---------------------------------------------------------------- what the caller hands over


class Mine(layers.Layer):
    """A layer of the user's, for what a file calls Lambda or Dense."""

    def __init__(self, function=None, units=None, **base):
        super().__init__(**base)
        self.function, self.units = function, units

    def output_shape(self, shape):
        return shape[:-1] + (64,)

    def forward(self, ctx, w, x):
        return ctx.xp.repeat(x, 16, axis=-1), None


def fits(entry, bait):
    """Lets the layer behind need no weights of the first one."""
    return code.becomes("Lambda", {"function": "anything"})(entry, bait)


@pytest.mark.parametrize("entry", ["json", "config"])
def test_a_lambda_loads_when_it_is_handed_over(good, place, entry):
    path = good.attack(Attack("", "config", fits), entry, place)
    config = json.loads(path.read_text())

    def load(**keywords):
        if entry == "json":
            return kerasette.models.model_from_json(path.read_text(), **keywords)
        return kerasette.Model.from_config(config["config"], **keywords)

    with pytest.raises(LoadError, match="Lambda"):
        load()
    model = load(custom_objects={"Lambda": Mine})
    assert type(model.get_layer("wide")) is Mine
    with pytest.raises(LoadError, match="Lambda"):  # the name is known no longer than that call took
        load()


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_an_unknown_class_loads_when_it_is_handed_over(place, ending):
    x = kerasette.Input((4,))
    path = place / f"m{ending}"
    kerasette.Model(x, layers.Dense(2)(Mine(units=3)(x))).save(path)
    with pytest.raises(LoadError, match="Mine"):
        kerasette.models.load_model(path)
    model = kerasette.models.load_model(path, custom_objects={"Mine": Mine})
    assert [type(layer) for layer in model.layers[1:]] == [Mine, layers.Dense]


def test_a_class_of_the_user_s_is_never_taken_for_ours(place):
    """Whoever calls a class of one's own Dense gets that one, or an error."""

    class Dense(Mine):
        pass

    x = kerasette.Input((4,))
    path = place / "m.keras"
    kerasette.Model(x, Dense(units=3)(x)).save(path)
    with pytest.raises(LoadError, match="custom_objects"):
        kerasette.models.load_model(path)
    model = kerasette.models.load_model(path, custom_objects={"Dense": Dense})
    assert type(model.layers[1]) is Dense


def test_more_parameters_where_the_caller_allows_them():
    model = kerasette.Sequential([kerasette.Input((6000,)), layers.Dense(6000, kernel_initializer="zeros")])
    text = model.to_json()
    with pytest.raises(LoadError, match="parameter_limit"):
        kerasette.models.model_from_json(text)
    with kerasette.saving.parameter_limit(40_000_000):
        assert kerasette.models.model_from_json(text).count_params() == 6000 * 6001


def test_loading_draws_no_random_numbers(good):
    """What comes after is the same whether a file was loaded before or not."""
    drawn = []
    for load in (False, True):
        kerasette.utils.set_random_seed(5)
        if load:
            kerasette.models.load_model(good.path("keras"), compile=False)  # a loss and an optimizer may draw
        drawn.append(layers.Dense(3)(np.ones((1, 4), "f4")))
    assert np.array_equal(*drawn)


def test_the_number_of_groups_is_limited(good, monkeypatch):
    monkeypatch.setattr(inspection, "MOST", 8)
    with pytest.raises(LoadError, match="more than 8"):
        good.model.load_weights(good.path("load_weights"))
