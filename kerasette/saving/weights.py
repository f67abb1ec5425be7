"""The weights of a model: written to `.weights.h5` files, read from any file of ours or of Keras."""

import os
import warnings

import numpy as np

from kerasette.backend import to_numpy
from kerasette.errors import LoadError, type_error, value_error
from kerasette.models import Model
from kerasette.saving import hdf5, legacy_layout, zips
from kerasette.saving.atomic import check_target
from kerasette.saving.faults import load_error
from kerasette.saving.layout import arrays_of, mismatch, of_layers, places, style_of
from kerasette.saving.stored import each, read_all

ENDING = ".weights.h5"
READ = (ENDING, ".h5", ".hdf5", ".keras")  # endings of the files that weights are read from


def path_of(what: str, filepath, endings: tuple[str, ...]) -> str:
    """Returns a path as text, or raises where it is none or has another ending than these."""
    try:
        path = os.fsdecode(filepath)
    except TypeError:
        raise type_error(f"{what}: filepath is a path, got {type(filepath).__name__}.") from None
    if not path.endswith(endings):
        wanted = " or ".join(f"'{ending}'" for ending in endings)
        raise value_error(f"{what}: the name of the file ends in {wanted}, got '{path}'.")
    return path


def _want_built(what, model):
    if not model.built:
        raise value_error(
            f"{what}: {model.name} has no weights yet, because its input shape is unknown.",
            "Put Input(shape) first, call model.build((None, ...)), or fit it.",
        )


def save_weights(model: Model, filepath, overwrite: bool = True) -> None:
    """Writes all weights of a model to a file that Keras reads too; whole or not at all.

    The file is written under another name, read back and compared, and only then takes its place.

    Args:
        model: built Model or Sequential.
        filepath: ends in ".weights.h5"; the directory exists.
        overwrite: False refuses to replace a file.

    Raises:
        InvalidValue: for another ending, an unbuilt model, or a file that may not be replaced.
        MissingFile: where the directory doesn't exist.
        SaveError: where the disk is full or doesn't return what was written; the old file is kept.
    """
    path = path_of("save_weights", filepath, (ENDING,))
    _want_built("save_weights", model)
    hdf5.write(check_target(path, overwrite), *arrays_of(places(model)))


# ---------------------------------------------------------------- reading


def load_weights(model: Model, filepath, skip_mismatch: bool = False, by_name: bool = False) -> None:
    """Reads all weights of a model from a file of ours or of Keras; all or none.

    Everything is read and checked before the first parameter changes. Layers are matched as Keras
    does it: by class and position in files of Keras 3, in order in older ones.

    Args:
        model: built Model or Sequential.
        filepath: ends in ".weights.h5" or ".keras", or in ".h5" or ".hdf5" as older Keras wrote them.
        skip_mismatch: loads the layers that fit, and warns about those that don't.
        by_name: for older files: matches layers by name; those without weights in the file stay.

    Raises:
        InvalidValue: for another ending, an unbuilt model, or by_name with a file of Keras 3.
        MissingFile: where there is no such file.
        LoadError: where it is damaged, or doesn't fit the model.
    """
    path = path_of("load_weights", filepath, READ)
    _want_built("load_weights", model)
    if path.endswith(".keras"):
        with zips.reading(path) as archive, hdf5.reading(path, archive.window(zips.WEIGHTS)) as stored:
            _load(model, path, stored, None, skip_mismatch, by_name)
        return
    with hdf5.reading(path) as stored:
        _load(model, path, stored, legacy_layout.listed(path, stored), skip_mismatch, by_name)


def _load(model, path, stored, layers, skip_mismatch, by_name):
    """Reads and checks everything, then changes the parameters; `layers` are those of an older file."""
    if layers is None and by_name:
        raise value_error(
            f"load_weights: by_name is for files of older Keras, and '{path}' is one of Keras 3,",
            "which matches layers by class and position. Leave it out.",
        )
    if layers is None:
        pairs, problems = compare(model, stored)
    else:
        pairs, problems = legacy_layout.match(model, stored, layers, by_name)
    if problems and not skip_mismatch:
        raise LoadError(table(path, model, problems))
    arrays = [np.empty(item.shape, item.dtype) for _, item in pairs]
    finite = read_all(path, [(item, array) for (_, item), array in zip(pairs, arrays, strict=True)])
    new = [(one, fitted(path, one, array)) for (one, _), array in zip(pairs, arrays, strict=True)]
    if problems:
        text = table(path, model, problems)
        warnings.warn(f"{text}\nThose layers were left as they are.", stacklevel=4)
    warn_of_nan(path, [pair for pair, good in zip(new, finite, strict=True) if not good], stacklevel=5)
    each(lambda pair: pair[0].assign(pair[1]), new, sum(array.nbytes for array in arrays))


def fill(path: str, model: Model, pairs: list, strict: bool = False) -> None:
    """Reads values right into the parameters of a model that nobody has yet.

    Args:
        path: of the file, for messages.
        model: the new model.
        pairs: [(Parameter, Stored)], of equal shapes.
        strict: whether NaN is an error instead of a warning.
    """

    def is_as_stored(parameter, item):
        return isinstance(parameter.value, np.ndarray) and str(item.dtype) == parameter.dtype

    as_stored = [pair for pair in pairs if is_as_stored(*pair)]
    finite = read_all(path, [(item, parameter.value) for parameter, item in as_stored])
    doubtful = [parameter for (parameter, _), good in zip(as_stored, finite, strict=True) if not good]
    for parameter, item in pairs:
        if not is_as_stored(parameter, item):
            parameter.assign(fitted(path, parameter, item.read()))
            doubtful.append(parameter)
    warn_of_nan(path, [(parameter, to_numpy(parameter.value)) for parameter in doubtful], strict)


# ---------------------------------------------------------------- what fits


def compare(model: Model, stored: dict) -> tuple[list, list[str]]:
    """Returns [(Parameter, Stored)] of what fits, and a line about everything else.

    A layer of which one weight doesn't fit is left out whole.

    Args:
        model: whose weights are wanted.
        stored: {name: Stored} of the whole file.
    """
    stored = of_layers(stored)
    fitting, problems, known = [], [], set()
    for place in places(model, style_of(model, stored)):
        group = place.parameters
        wrong = [line for name, parameter in group for line in mismatch(parameter, stored.get(name))]
        problems += wrong
        fitting += [] if wrong else [(parameter, stored[name]) for name, parameter in group]
        known.update(name for name, _ in group)
    problems += [
        f"{name}: {item.shape} / no such layer" for name, item in stored.items() if name not in known
    ]
    return fitting, problems


def table(path: str, model: Model, problems: list[str]) -> str:
    """Returns the message: each line is a layer's weight, its shape in the file, its shape in the model."""
    text = f"'{path}' doesn't fit {model.name}; in the file / in the model:"
    shown = 0
    for line in problems:
        if shown and len(text) + len(line) > 370:
            break
        text += f"\n  {line}"
        shown += 1
    more = len(problems) - shown
    return f"{text}\n  and {more} more." if more else text


def fitted(path: str, parameter, values: np.ndarray) -> np.ndarray:
    """Returns stored values in the parameter's type; LoadError where that type can't hold them."""
    if str(values.dtype) == parameter.dtype:
        return values
    with np.errstate(over="ignore", invalid="ignore"):
        result = values.astype(parameter.dtype)
    lost = np.isfinite(values) & ~np.isfinite(result) if values.dtype.kind == "f" else result != values
    if lost.any():
        raise load_error(f"'{path}': {parameter.path} has numbers that {parameter.dtype} can't hold.")
    return result


def warn_of_nan(path: str, arrays: list, strict: bool = False, stacklevel: int = 4) -> None:
    """Warns of (or refuses) weights that are no numbers; `arrays` is [(Parameter, array)]."""
    bad = [parameter.layer_name for parameter, array in arrays if not np.isfinite(array).all()]
    if bad:
        names = ", ".join(list(dict.fromkeys(bad))[:8])
        if strict:
            raise load_error(f"'{path}' has NaN or infinite weights in {names}.")
        warnings.warn(f"'{path}' has NaN or infinite weights in {names}.", stacklevel=stacklevel)
