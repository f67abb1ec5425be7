"""Files that prove themselves: a few inputs with the outputs that they gave, computed again on loading."""

import warnings

import numpy as np

from kerasette.backend import to_numpy
from kerasette.errors import value_error
from kerasette.saving.costs import is_cheap
from kerasette.saving.faults import load_error
from kerasette.saving.layout import OWN_GROUP

INPUTS, OUTPUTS = f"{OWN_GROUP}/sample/inputs", f"{OWN_GROUP}/sample/outputs"
MOST_ROWS = 256
RELATIVE, ABSOLUTE = 1e-3, 1e-5  # other processors and libraries add up in another order


def arrays_of(model, sample) -> dict:
    """Returns {path: array} of the sample's inputs and of the outputs that the model gives for them.

    Args:
        model: a built model.
        sample: what predict takes: an array, a list of them or a dict by input name; at most 256 rows.

    Raises:
        InvalidValue: for too many rows, or data that the model can't take.
    """
    if sample is None:
        return {}
    inputs = _in_order(model, sample)
    rows = {len(array) if array.ndim else 0 for array in inputs}
    if len(rows) != 1 or not 1 <= max(rows) <= MOST_ROWS:
        raise value_error(f"save: sample has {sorted(rows)} rows; 1 to {MOST_ROWS} are kept in a file.")
    outputs = [_plain(array) for array in _outputs(model, inputs)]
    return {
        **{f"{INPUTS}/{k}": _plain(array) for k, array in enumerate(inputs)},
        **{f"{OUTPUTS}/{k}": array for k, array in enumerate(outputs)},
    }


def _in_order(model, sample):
    """Returns the sample's arrays, one for each input, in the model's order and types."""
    names = model.input_names
    if isinstance(sample, dict):
        if set(sample) != set(names):
            raise value_error(f"save: sample has the inputs {sorted(sample)}; the model's are {names}.")
        sample = [sample[name] for name in names]
    elif not isinstance(sample, (list, tuple)) or len(names) == 1:
        one = isinstance(sample, (list, tuple)) and len(sample) == 1 and np.ndim(sample[0]) > 1
        sample = [sample[0] if one else sample]
    if len(sample) != len(names):
        raise value_error(f"save: sample has {len(sample)} inputs; the model has {len(names)}.")
    wanted = [tensor.dtype for tensor in model.inputs]
    return [np.asarray(to_numpy(array), dtype=dtype) for array, dtype in zip(sample, wanted, strict=True)]


def _plain(array):
    return array.view("uint8") if array.dtype == bool else array


def _outputs(model, inputs):
    result = model.predict(inputs if len(inputs) > 1 else inputs[0], batch_size=MOST_ROWS, verbose=0)
    result = list(result.values()) if isinstance(result, dict) else result
    return [to_numpy(array) for array in (result if isinstance(result, (list, tuple)) else [result])]


# ---------------------------------------------------------------- on loading


def check(path: str, model, stored, strict: bool = False) -> None:
    """Computes the sample of a file again; warns (or with `strict` raises) where the outputs differ.

    Args:
        path: of the file, for messages.
        model: the model with its weights read.
        stored: the file's hdf5.Contents.
        strict: whether a difference is a LoadError; computes large samples too.
    """
    inputs, outputs = (_numbered(stored, start) for start in (INPUTS, OUTPUTS))
    if not inputs and not outputs:
        return
    problem = _misfit(model, inputs, outputs)
    if problem is None and not strict and not is_cheap(model, [item.shape for item in inputs]):
        warnings.warn(
            f"'{path}' has a sample that takes long to compute, so it wasn't compared; strict=True does it.",
            stacklevel=4,
        )
        return
    problem = problem or _difference(model, inputs, outputs)
    if problem is None:
        return
    text = f"'{path}': the model doesn't give the outputs of the sample that was saved with it: {problem}."
    if strict:
        raise load_error(text)
    warnings.warn(text, stacklevel=4)


def _numbered(stored, start):
    names = [f"{start}/{k}" for k in range(sum(name.startswith(f"{start}/") for name in stored))]
    return [stored[name] for name in names if name in stored]


def _misfit(model, inputs, outputs):
    """Returns what makes the sample one of another model, or None."""
    shapes = [tensor.shape[1:] for tensor in model.inputs]
    rows = {item.shape[:1] for item in (*inputs, *outputs)}
    if len(inputs) != len(shapes) or len(outputs) != len(model.outputs) or len(rows) != 1:
        return "it has other inputs or outputs"
    for item, wanted in zip(inputs, shapes, strict=True):
        lengths = item.shape[1:]
        if len(lengths) != len(wanted) or any(
            w not in (None, n) for n, w in zip(lengths, wanted, strict=True)
        ):
            return f"an input has the shape {item.shape}"
    return None if 1 <= inputs[0].shape[0] <= MOST_ROWS else "it has too many rows"


def _difference(model, inputs, outputs):
    """Returns the largest difference as a text, or None where there is none to speak of."""
    xs = [item.read() for item in inputs]
    xs = [x.astype(tensor.dtype) for x, tensor in zip(xs, model.inputs, strict=True)]
    try:
        results = _outputs(model, xs)
    except Exception as problem:  # what layers do with numbers that they never get otherwise
        return f"it can't be computed ({problem})"
    for number, (result, item) in enumerate(zip(results, outputs, strict=True)):
        wanted = item.read()
        if result.shape != wanted.shape:
            return f"output {number} has the shape {result.shape}, not {wanted.shape}"
        off = np.abs(result.astype("f8") - wanted)
        scale = max(float(np.abs(wanted).max(initial=0.0)), 1e-30)
        if not np.all(off <= ABSOLUTE + RELATIVE * scale):
            return f"output {number} is off by up to {float(off.max()):.3g} of {scale:.3g}"
    return None
