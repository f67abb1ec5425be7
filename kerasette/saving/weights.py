"""`.weights.h5` files in Keras 3's layout, layers/<class>_<n>/vars/<k>: by position, never by layer name."""

import os
import warnings

import numpy as np

from kerasette.errors import LoadError, type_error, value_error
from kerasette.layers import Layer
from kerasette.models import Model
from kerasette.registry import snake_case
from kerasette.saving import hdf5
from kerasette.saving.atomic import check_target

ENDING = ".weights.h5"
OLDER_ROOT = "_layer_checkpoint_dependencies"  # what TensorFlow 2.13 called the group "layers"
# What Keras's files hold besides the weights of layers: optimizers, metrics, states of random generators.
FOREIGN = frozenset(
    {"optimizer", "metrics", "_metrics", "compile_metrics", "_compile_metrics", "seed_generator"}
)


class Place:
    """Where one layer stands in the file.

    Attributes:
        layer: the Layer.
        group: path of the group that holds its arrays.
        parameters: [(path of the array, Parameter)], in Keras's order.
    """

    __slots__ = ("group", "layer", "parameters")

    def __init__(self, path, layer):
        self.layer = layer
        self.group = f"{path}/vars" if path else "vars"
        own = () if isinstance(layer, Model) else layer.parameters
        self.parameters = [(f"{self.group}/{number}", parameter) for number, parameter in enumerate(own)]


def places(model: Layer) -> list[Place]:
    """Returns the place of the model and of every layer in it, nested ones included, each once.

    A layer's group is called as its class, counted within one model, as Keras does it; a shared layer
    stands where it is met first.
    """
    found, seen, stack = [], set(), [("", model)]
    while stack:
        path, layer = stack.pop()
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        found.append(Place(path, layer))
        if isinstance(layer, Model):
            stack.extend(reversed(_children(path, layer)))
    return found


def _children(path, model):
    start = f"{path}/layers" if path else "layers"
    counts, children = {}, []
    for layer in model.layers:
        base = snake_case("Functional" if type(layer) is Model else type(layer).__name__)
        count = counts.get(base, 0)
        counts[base] = count + 1
        children.append((f"{start}/{base}_{count}" if count else f"{start}/{base}", layer))
    return children


def _checked(what, model, filepath) -> str:
    """Returns the path as text, or raises where the model has no weights yet or the ending is wrong."""
    try:
        path = os.fsdecode(filepath)
    except TypeError:
        raise type_error(f"{what}: filepath is a path, got {type(filepath).__name__}.") from None
    if not path.endswith(ENDING):
        raise value_error(f"{what}: the name of a file of weights ends in '{ENDING}', got '{path}'.")
    if not model.built:
        raise value_error(
            f"{what}: {model.name} has no weights yet, because its input shape is unknown.",
            "Put Input(shape) first, call model.build((None, ...)), or fit it.",
        )
    return path


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
    path = check_target(_checked("save_weights", model, filepath), overwrite)
    arrays, attributes = {}, {}
    for place in places(model):
        attributes[place.group] = {"name": place.layer.name}
        for name, parameter in place.parameters:
            value = parameter.numpy()
            arrays[name] = value.astype(np.int64) if _is_counter(parameter) else value
    hdf5.write(path, arrays, attributes)


# ---------------------------------------------------------------- reading


def load_weights(model: Model, filepath, skip_mismatch: bool = False) -> None:
    """Reads all weights of a model from a file of ours or of Keras; all or none.

    Everything is read and checked before the first parameter changes. Layers are matched as Keras
    does it: by class and position, not by name.

    Args:
        model: built Model or Sequential.
        filepath: ends in ".weights.h5".
        skip_mismatch: loads the layers that fit, and warns about those that don't.

    Raises:
        InvalidValue: for another ending or an unbuilt model.
        MissingFile: where there is no such file.
        LoadError: where it is no HDF5 file, damaged, or doesn't fit the model.
    """
    path = _checked("load_weights", model, filepath)
    with hdf5.reading(path) as stored:
        stored = _named_as_now(stored)
        fitting, problems = _compare(places(model), stored)
        if problems and not skip_mismatch:
            raise LoadError(_table(path, model, problems))
        arrays = [(parameter, _fitted(path, parameter, stored[name])) for name, parameter in fitting]
    if problems:
        warnings.warn(_table(path, model, problems) + " Those layers were left as they are.", stacklevel=3)
    _warn_of_nan(path, arrays)
    for parameter, array in arrays:
        parameter.assign(array)


def _named_as_now(stored):
    """Returns {name: Stored} without optimizers and the like, with the groups' present names."""
    stored = {name: item for name, item in stored.items() if FOREIGN.isdisjoint(name.split("/"))}
    if any(name.startswith("layers/") for name in stored):
        return stored
    return {name.replace(OLDER_ROOT, "layers"): item for name, item in stored.items()}


def _compare(wanted: list[Place], stored):
    """Returns [(name in the file, parameter)] of the layers that fit, and lines about everything else."""
    fitting, problems, known = [], [], set()
    for place in wanted:
        wrong = []
        for name, parameter in place.parameters:
            known.add(name)
            item = stored.get(name)
            if item is None:
                wrong.append(f"{parameter.path}: missing / {parameter.shape}")
            elif item.shape != parameter.shape:
                wrong.append(f"{parameter.path}: {item.shape} / {parameter.shape}")
            elif not _castable(item.dtype, parameter):
                wrong.append(f"{parameter.path}: {item.dtype} / {parameter.dtype}")
        problems += wrong
        fitting += [] if wrong else place.parameters
    problems += [
        f"{name}: {item.shape} / no such layer" for name, item in stored.items() if name not in known
    ]
    return fitting, problems


def _is_counter(parameter):
    """Tells whether it is the count of Normalization: whole in Keras's files, and read by nobody."""
    return parameter.name == "count" and parameter.shape == () and not parameter.trainable


def _castable(dtype, parameter):
    """Tells whether numbers of the file may become the parameter's: floats to floats, whole to whole ones."""
    if _is_counter(parameter):
        return True
    return dtype.kind == "f" if np.dtype(parameter.dtype).kind == "f" else dtype.kind in "iu"


def _table(path, model, problems):
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


def _fitted(path, parameter, item):
    """Returns the stored values in the parameter's type; LoadError where that type can't hold them."""
    values = item.read()
    if str(values.dtype) == parameter.dtype:
        return values
    with np.errstate(over="ignore", invalid="ignore"):
        fitted = values.astype(parameter.dtype)
    lost = np.isfinite(values) & ~np.isfinite(fitted) if values.dtype.kind == "f" else fitted != values
    if lost.any():
        raise LoadError(f"'{path}': {parameter.path} has numbers that {parameter.dtype} can't hold.")
    return fitted


def _warn_of_nan(path, arrays):
    bad = [parameter.layer_name for parameter, array in arrays if not np.isfinite(array).all()]
    if bad:
        names = ", ".join(list(dict.fromkeys(bad))[:8])
        warnings.warn(f"'{path}' has NaN or infinite weights in {names}.", stacklevel=4)
