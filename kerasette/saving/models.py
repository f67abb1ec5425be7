"""save_model and load_model: whole models, in the format that the name and the first bytes tell."""

import re
import sys
import warnings

from kerasette import params
from kerasette.errors import shorten, value_error
from kerasette.models import Model
from kerasette.saving import (
    archive,
    compilation,
    layout,
    legacy_config,
    legacy_h5,
    legacy_layout,
    optimizer_state,
    rebuilding,
    samples,
    versions,
    weights,
    zips,
)
from kerasette.saving.atomic import check_target
from kerasette.saving.config import entry_of, parse
from kerasette.saving.faults import load_error, told
from kerasette.saving.guard import check_depth, guarded
from kerasette.saving.hdf5 import reading
from kerasette.saving.inspection import SIGNATURE, beginning, look
from kerasette.saving.layers_missing import refuse_missing

OWN_VERSION = "kerasette_version"  # key of metadata.json
ZIP, OLDER = ".keras", (".h5", ".hdf5")
REASON = "A file can't ask for more than it stores; it is damaged, or wasn't made by Keras."
_BUILT = "Put Input(shape) first, call model.build((None, ...)), or fit it."


def save_model(
    model: Model, filepath, overwrite: bool = True, *, include_optimizer: bool = True, sample=None
) -> None:
    """Writes a whole model: layers, weights, what compile() was told, and the optimizer's state.

    Keras reads the file, and so does `load_model`. It is written under another name, read back and
    compared, and only then takes its place.

    Args:
        model: built Model or Sequential.
        filepath: ends in ".keras", or in ".h5" for the older layout; the directory exists.
        overwrite: False refuses to replace a file.
        include_optimizer: whether what compile() was told and the optimizer's state are written.
        sample: a few inputs as predict takes them. They are stored with the outputs that they give, and
            whoever loads the file finds out whether the model still gives these.

    Raises:
        InvalidValue: for another ending, an unbuilt model, or a file that may not be replaced.
        InvalidType: where a layer has an argument that no file can hold.
        MissingFile: where the directory doesn't exist.
        SaveError: where the disk is full or doesn't return what was written; the old file is kept.
    """
    path = weights.path_of("save", filepath, (ZIP, *OLDER))
    if path.endswith(weights.ENDING):
        raise value_error(f"save: '{path}' is the name of a file of weights alone.", "Call save_weights().")
    if not isinstance(model, Model):
        raise value_error(f"save_model: a Model or Sequential is saved, got a {type(model).__name__}.")
    if not model.built:
        raise value_error(f"save: {model.name} has no weights yet, as its input shape is unknown.", _BUILT)
    path = check_target(path, overwrite)
    extra = samples.arrays_of(model, sample)
    if path.endswith(OLDER):
        legacy_h5.write(path, model, include_optimizer, extra)
        return
    entry = entry_of(model)
    arrays, texts = layout.arrays_of(layout.places(model))
    compiled = compilation.compile_config(model) if include_optimizer else None
    if compiled is not None:
        entry["compile_config"] = compiled
        more, names = optimizer_state.arrays_of(model)
        arrays, texts = {**arrays, **more}, {**texts, **names}
    about = archive.text({**archive.metadata(), OWN_VERSION: _version()}, model.name)
    archive.write(path, about, archive.text(entry, model.name), {**arrays, **extra}, texts)


def _version():
    return sys.modules[__name__.partition(".")[0]].__version__


# ---------------------------------------------------------------- loading


def load_model(
    filepath,
    custom_objects: dict | None = None,
    compile: bool = True,
    safe_mode: bool = True,
    *,
    strict: bool = False,
) -> Model:
    """Reads a whole model from a file of ours or of Keras (2 and 3), ready to predict and to train on.

    Nothing in a file is ever run as code, and no file makes more parameters than it stores.

    Args:
        filepath: ends in ".keras", ".h5" or ".hdf5".
        custom_objects: name -> class or function, for what kerasette doesn't know by itself.
        compile: whether the model is compiled as it was, optimizer state included.
        safe_mode: accepted for Keras's sake; there is no other mode here.
        strict: whether what else is a warning is an error: weights that are no numbers, the state of
            another optimizer, a sample that comes out differently, a file of a newer Keras.

    Raises:
        InvalidValue: for another ending.
        MissingFile: where there is no such file.
        LoadError: where it is damaged or hostile, or has what kerasette doesn't know.
    """
    path = weights.path_of("load_model", filepath, (ZIP, *OLDER))
    start = beginning(path)
    if start.startswith(zips.START):
        with archive.reading(path) as (about, config, stored, assets):
            parts = parse(about), parse(config), stored, assets
            return _from_archive(path, parts, custom_objects, compile, strict)
    if start.startswith(SIGNATURE):
        with reading(path) as stored:
            return _from_older(path, stored, custom_objects, compile, strict)
    wanted = zips.START if path.endswith(ZIP) else SIGNATURE
    raise load_error(f"'{path}' is no model of Keras's: it {look(start, wanted)}.")


def _from_archive(path, parts, custom_objects, compile, strict):
    about, entry, stored, assets = parts
    _check_version(path, str(about.get("keras_version")), entry, strict)
    held = layout.of_layers(stored)
    with guarded(custom_objects):
        entry = legacy_config.modern(entry, unlist=OWN_VERSION not in about)
        model = _made(path, entry, held)
        if assets:
            raise load_error(f"'{path}' has files of layers, which aren't read: {', '.join(assets)}.")
        pairs, problems = weights.compare(model, stored)
        _fill(path, model, pairs, problems, strict)
        if compile and entry.get("compile_config") is not None:
            _compile(path, model, entry["compile_config"], optimizer_state.stored_state(stored), strict)
    samples.check(path, model, stored, strict)
    return model


def _from_older(path, stored, custom_objects, compile, strict):
    with guarded(custom_objects):
        parts = legacy_h5.Parts(path, stored)
        _check_version(path, parts.version, parts.entry, strict)
        start = f"{legacy_layout.ROOT}/"
        held = {name: item for name, item in stored.items() if name.startswith(start)}
        model = _made(path, parts.entry, held)
        pairs, problems = legacy_layout.match(model, stored, parts.layers)
        _fill(path, model, pairs, problems, strict)
        if compile and parts.compiled is not None:
            _compile(path, model, parts.compiled, optimizer_state.legacy_state(path, stored), strict)
    samples.check(path, model, stored, strict)
    return model


def _made(path, entry, held):
    """Returns the model of an entry with zeros as weights; `held` are the arrays that the file has for it."""
    check_depth(entry)
    refuse_missing(entry)
    elements = sum(item.elements for item in held.values())
    with params.limited(elements, REASON, blank=True):
        model = rebuilding.layer({key: value for key, value in entry.items() if key != "compile_config"})
    if not isinstance(model, Model):
        raise load_error(f"'{path}' describes a {type(model).__name__}, not a Model or Sequential.")
    return model


def _fill(path, model, pairs, problems, strict):
    if problems:
        raise load_error(weights.table(path, model, problems))
    weights.fill(path, model, pairs, strict)


def _compile(path, model, config, items, strict):
    try:
        compilation.compile_model(model, config)
    except ValueError as problem:
        raise load_error(f"{told(problem)} Or load '{path}' with compile=False.") from problem
    optimizer_state.restore(path, model, items, strict)


def _check_version(path, version, entry, strict):
    """Warns of what the Keras of a file did otherwise, and of one newer than what is known here."""
    numbers = re.match(r"(\d+)\.(\d+)", version)
    newest = tuple(map(int, archive.LAYOUT.split(".")[:2]))
    for text in versions.otherwise(version, entry):
        _warn(f"'{path}' is of Keras {version[:20]}, {text}.", strict)
    if numbers is not None and tuple(map(int, numbers.groups())) > newest:
        text = f"'{path}' was written by Keras {version[:20]}; known is the layout up to {archive.LAYOUT}."
        _warn(f"{text} It is loaded where nothing in it is new.", strict)


def _warn(text, strict):
    if strict:
        raise load_error(text)
    warnings.warn(shorten(text), stacklevel=5)
