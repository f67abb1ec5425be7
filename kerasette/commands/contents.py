"""What a file says about itself, read without making a layer or reading a weight."""

import contextlib
import os

from kerasette import registry
from kerasette.saving import config, hdf5, legacy_config, zips
from kerasette.saving.faults import load_error
from kerasette.saving.inspection import SIGNATURE, beginning, look
from kerasette.saving.layout import OPTIMIZER, OWN_GROUP

WRAPPED = ("layer", "forward_layer", "backward_layer", "cell")  # settings that are layers themselves


class Contents:
    """One file's content.

    Attributes:
        kind: what the file is, in words.
        size: bytes of the file.
        versions: [(name, text)] of what wrote it.
        entry: the configuration of the model, or None.
        compiled: what it was compiled with, or None.
        arrays: {path in the file: Stored}; open as long as `opened` lasts.
        layer_names: for older files: the layers' groups, else None.
    """

    def __init__(self, kind, size):
        self.kind, self.size = kind, size
        self.versions, self.entry, self.compiled = [], None, None
        self.arrays, self.layer_names = {}, None


@contextlib.contextmanager
def opened(path: str):
    """Opens a file of any kind that kerasette reads; the value is its Contents.

    Raises:
        MissingFile: where there is no such file.
        LoadError: where it is of no such kind, or breaks a rule of safe files.
    """
    start = beginning(path)
    with contextlib.ExitStack() as stack:
        if start.startswith(zips.START):
            yield _archive(path, stack)
        elif start.startswith(SIGNATURE):
            yield _hdf5(path, stack)
        elif start.lstrip()[:1] == b"{":
            yield _json(path)
        else:
            raise load_error(f"'{path}' is no file of a model: it {look(start)}.")


def _archive(path, stack):
    archive = stack.enter_context(zips.reading(path))
    found = Contents("whole model (.keras)", os.path.getsize(path))
    if zips.METADATA in archive:
        metadata = config.parse(archive.read(zips.METADATA))
        names = {"keras_version": "Keras", "date_saved": "saved", "kerasette_version": "kerasette"}
        found.versions = [(names[key], str(metadata[key])) for key in names if key in metadata]
    found.entry = legacy_config.modern(config.parse(archive.read(zips.CONFIG)))
    found.compiled = found.entry.get("compile_config")
    found.arrays = stack.enter_context(hdf5.reading(path, archive.window(zips.WEIGHTS)))
    return found


def _hdf5(path, stack):
    stored = stack.enter_context(hdf5.reading(path))
    whole = stored.text("", "model_config")
    older = "model_weights" in stored.groups or stored.texts("", "layer_names") is not None
    kind = "whole model (older .h5)" if whole else "weights (older .h5)" if older else "weights (.weights.h5)"
    found = Contents(kind, os.path.getsize(path))
    found.arrays = stored
    names = {"keras_version": "Keras", "backend": "backend"}
    found.versions = [(names[key], text) for key in names if (text := stored.text("", key))]
    if whole:
        found.entry = legacy_config.modern(config.parse(whole))
        compiled = stored.text("", "training_config")
        found.compiled = config.parse(compiled) if compiled else None
    if older:
        group = "model_weights" if "model_weights" in stored.groups else ""
        found.layer_names = stored.texts(group, "layer_names") or []
    return found


def _json(path):
    found = Contents("architecture (JSON)", os.path.getsize(path))
    if found.size > config.LARGEST_TEXT:
        raise load_error(f"'{path}' has {found.size:,} bytes; {config.LARGEST_TEXT:,} are allowed.")
    with open(path, "rb") as file:
        found.entry = config.parse(file.read())
    return found


# ---------------------------------------------------------------- layers, by what the configuration says


class Layer:
    """One entry of a configuration, as far as it can be believed without making the layer.

    Attributes:
        entry: what it was made from.
        name, cls: texts.
        depth: how many models it stands in.
        group: where its weights stand in files of Keras 3.
        settings: its configuration.
    """

    def __init__(self, entry, depth, group):
        self.entry = entry
        self.settings = _dict(entry.get("config"))
        self.cls = str(entry.get("class_name"))
        self.name = str(self.settings.get("name") or entry.get("name") or "")
        self.module = str(entry.get("module") or "")
        self.depth, self.group = depth, group

    @property
    def is_model(self) -> bool:
        """Tells whether it has layers itself."""
        return isinstance(self.settings.get("layers"), list)

    @property
    def is_operation(self) -> bool:
        """Tells whether it is an operation on tensors, which has no weights."""
        return ".ops" in self.module

    @property
    def supported(self) -> bool:
        """Tells whether kerasette knows the class by itself."""
        kind = "operation" if self.is_operation else "layer"
        registered = str(self.entry.get("registered_name") or "")
        ours = (self.module or "keras").partition(".")[0] in registry.KERAS and ">" not in registered
        return ours and registry.is_known(kind, self.cls)


def layers(entry: dict) -> list[Layer]:
    """Returns every layer of a model's entry, each followed by those in it; not the model itself."""
    found, stack = [], [(entry, 0, "")]
    while stack:
        entry, depth, group = stack.pop()
        one = Layer(entry, depth, group)
        if depth:
            found.append(one)
        if one.is_model:
            stack.extend(reversed(list(_inner(one.settings["layers"], depth + 1, group))))
        wrapped = [one.settings.get(key) for key in WRAPPED]
        stack.extend((inner, depth + 1, "") for inner in reversed(wrapped) if isinstance(inner, dict))
    return found


def _inner(entries, depth, group):
    """Yields (entry, depth, group of its weights) of a model's layers, counted by class as Keras does it."""
    counts = {}
    for entry in entries:
        entry = _dict(entry)
        cls = str(entry.get("class_name"))
        base = registry.snake_case("Functional" if cls == "Model" else cls)
        number = counts.get(base, 0)
        counts[base] = number + 1
        start = f"{group}/" if group else ""
        yield entry, depth, f"{start}layers/{base}" + (f"_{number}" if number else "")


def _dict(value):
    return value if isinstance(value, dict) else {}


def weights_of(found: Contents, listed: list[Layer]) -> list[list]:
    """Returns the Stored of each layer's own weights, for the layers in `listed`."""
    older = found.layer_names is not None
    places = {(one.name if older else one.group): number for number, one in enumerate(listed)}
    weights = [[] for _ in listed]
    for path, item in found.arrays.items():
        group = path.removeprefix("model_weights/").split("/", 1)[0] if older else path
        while group and group not in places:
            group = group.rpartition("/")[0]
        if group:
            weights[places[group]].append(item)
    return weights


def groups_of(found: Contents) -> dict[str, list]:
    """Returns {group: its Stored} of a file without a configuration; what isn't of layers is left out."""
    groups = {}
    for path, item in found.arrays.items():
        if not _is_state(path):
            groups.setdefault(path.rpartition("/")[0], []).append(item)
    return groups


def state_of(found: Contents) -> list:
    """Returns the Stored of the optimizer."""
    return [item for path, item in found.arrays.items() if _is_state(path) == OPTIMIZER]


def _is_state(path):
    """Returns "optimizer" for its arrays, "" for those of layers, another word for the rest."""
    first = path.split("/", maxsplit=1)[0]
    if first in (OPTIMIZER, "optimizer_weights"):
        return OPTIMIZER
    return first if first in (OWN_GROUP, "metrics", "_metrics", "compile_metrics") else ""
