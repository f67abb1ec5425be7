"""The good model and its files, and how an attack gets into each of them."""

import functools
import json
import os
import shutil
import zipfile
from pathlib import Path

import h5py
import numpy as np

import kerasette
from kerasette import Input, layers
from tests.attacks import families

ENDINGS = {"load_weights": ".weights.h5", "keras": ".keras", "h5": ".h5", "json": ".json", "config": ".json"}
SHAPE = (4, 64)  # of the array that attacks change


def model():
    """Returns a small compiled model whose second kernel is large enough for chunks."""
    x = Input(SHAPE[:1], name="x")
    y = layers.Dense(SHAPE[1], activation="tanh", name="wide")(x)
    y = layers.BatchNormalization(name="norm")(y)
    y = layers.Dense(100, activation="relu", kernel_regularizer="l2", name="second")(y)
    made = kerasette.Model(x, layers.Dense(3, activation="softmax", name="head")(y), name="good")
    made.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return made


class Good:
    """A good file for each way in; `attack` makes bad ones of them.

    Args:
        folder: where they stand; attacks get folders of their own beside it.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        made = model()
        x = np.random.default_rng(0).normal(size=(32, *SHAPE[:1])).astype("f4")
        made.fit(x, np.arange(32) % 3, batch_size=8, epochs=2, verbose=0)
        self.entry = json.loads(made.to_json())
        made.save_weights(self.path("load_weights"))
        if hasattr(made, "save"):
            made.save(self.path("keras"))
            made.save(self.path("h5"))
        for entry in ("json", "config"):
            self.path(entry).write_text(json.dumps(self.entry))
        for entry in ENDINGS:  # so that what handles errors is imported before, too
            if not self.path(entry).exists():
                continue
            whole = self.path(entry).read_bytes()
            (folder / f"broken.{entry}{ENDINGS[entry]}").write_bytes(whole[: len(whole) // 2])
        self.model = made

    @functools.cached_property
    def families(self) -> list[str]:
        """The text of a small model for each class of layer."""
        return families.texts()

    def path(self, entry) -> Path:
        """Returns the good file of one entry."""
        return self.folder / f"good.{entry}{ENDINGS[entry]}"

    def bait(self) -> Path:
        """Returns the folder of files that nobody may touch."""
        folder = self.folder / "bait"
        if not folder.exists():
            folder.mkdir()
            (folder / "secret.bin").write_bytes(np.zeros(SHAPE, "f4").tobytes())
            (folder / "words.txt").write_text("secret\nwords\n")
            with h5py.File(folder / "other.h5", "w") as file:
                file["x"] = np.zeros(SHAPE, "f4")
        return folder

    def attack(self, attack, entry: str, folder: Path) -> Path:
        """Returns the file of one attack for one way in."""
        path = folder / f"a{ENDINGS[entry]}"
        shutil.copyfile(self.path(entry), path)
        getattr(self, f"_{attack.level}")(attack, entry, path)
        return path

    # ------------------------------------------------------------ how each level gets in

    def _config(self, attack, entry, path):
        """Puts another configuration into the file; the attack gets a fresh dictionary."""
        changed = attack.change(json.loads(json.dumps(self.entry)), self.bait())
        text = changed if isinstance(changed, (str, bytes)) else json.dumps(changed)
        if entry in ("json", "config"):
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        elif entry == "keras":
            rewrite(path, {"config.json": text})
        else:
            with h5py.File(path, "r+") as file:
                set_text(file, "model_config", text)

    def _arrays(self, attack, entry, path):
        """Changes the HDF5 file, or the one inside."""
        inner = path
        if entry == "keras":
            inner = path.with_suffix(".inner.h5")
            with zipfile.ZipFile(path) as archive:
                inner.write_bytes(archive.read("model.weights.h5"))
        with h5py.File(inner, "r+") as file:
            attack.change(file, kernel(file), self.bait())
        if attack.after:
            inner.write_bytes(attack.after(inner.read_bytes()))
        if entry == "keras":
            rewrite(path, {"model.weights.h5": inner.read_bytes()})
            inner.unlink()

    def _sample(self, attack, entry, path):
        """Puts a whole other model there."""
        path.unlink()
        attack.build(path)

    def _both(self, attack, entry, path):
        """Changes the configuration and the arrays."""
        for level, change in (("config", attack.configure), ("arrays", attack.arrays)):
            getattr(self, f"_{level}")(Attack(attack.name, level, change), entry, path)

    def _zip(self, attack, entry, path):
        """Makes another archive of the same members."""
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        path.unlink()
        made = attack.change(members, path, self.bait())
        if made is not None:
            path.write_bytes(made)

    def _file(self, attack, entry, path):
        """Puts something else in the place of the file."""
        whole = path.read_bytes()
        path.unlink()
        made = attack.change(whole, path, self.bait())
        if made is not None:
            path.write_bytes(made)


class Attack:
    """One attack.

    Args:
        name: of it.
        level: "config" (change(entry, bait) returns the entry or a text), "arrays" (change(file, kernel,
            bait) writes into an open HDF5 file), "zip" (change(members, path, bait) returns bytes), "file"
            (change(bytes, path, bait) returns bytes, or puts something at the path itself).
        change: see above.
        says: regular expression that the message holds.
        entries: the ways in that it applies to; by default all that its level has.
        loads: True where kerasette may also load it (harmless, or with a warning).
        after: for "arrays": bytes -> bytes, applied when HDF5 has written the file.
    """

    LEVELS = {
        "config": ("keras", "h5", "json", "config"),
        "arrays": ("load_weights", "keras", "h5"),
        "zip": ("keras",),
        "file": ("load_weights", "keras", "h5"),
    }

    def __init__(self, name, level, change, says="", *, entries=None, loads=False, after=None):
        self.name, self.level, self.change, self.says = name, level, change, says
        self.entries = entries or self.LEVELS[level]
        self.loads, self.after = loads, after


# ---------------------------------------------------------------- tools of the attacks


def rewrite(path, members):
    """Replaces members of a .keras file; everything is stored as it is."""
    with zipfile.ZipFile(path) as archive:
        whole = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**whole, **members}.items():
            archive.writestr(name, data)


def set_text(file, name, text):
    """Writes a text attribute as Keras does."""
    if name in file.attrs:
        del file.attrs[name]
    data = text if isinstance(text, bytes) else text.encode()
    if len(data) < 60_000:
        file.attrs[name] = np.bytes_(data) if b"\0" not in data else data
        return
    file.attrs.create(name, data.decode("utf-8", "surrogateescape"), dtype=h5py.string_dtype())


def kernel(file) -> str:
    """Returns the path of the first kernel that belongs to a layer."""
    found = []

    def visit(name, item):
        if isinstance(item, h5py.Dataset) and item.shape == SHAPE and "optimizer" not in name:
            found.append(name)

    file.visititems(visit)
    return found[0]


def layer(entry, name="wide"):
    """Returns the entry of one layer of the good model's configuration."""
    return next(one for one in entry["config"]["layers"] if one["config"]["name"] == name)


def setting(name, value, of="wide"):
    """Returns a change of a configuration that sets one argument of one layer."""

    def change(entry, bait):
        layer(entry, of)["config"][name] = value(bait) if callable(value) else value
        return entry

    return change


def instead(make):
    """Returns a change that puts `make(file, group, name, values, bait)` in the place of the kernel."""

    def change(file, where, bait):
        values = file[where][()]
        group, name = os.path.split(where)
        del file[where]
        make(file[group], name, values, bait)

    return change
