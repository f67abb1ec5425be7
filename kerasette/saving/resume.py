"""The state of a training run as one HDF5 file: saved whole or not at all, and taken up again to the bit.

| in the file | what it is |
|---|---|
| state | JSON text as bytes: all that is no array, see `packing`; it names the arrays |
| weights/0, 1 ... | all parameters, in the order of `model.weights` |
| slots/0, 1 ... | the optimizer: steps, learning rate (float64), slots, in the order of `optimizer.state()` |
| progress/metrics/... | running sums of metrics |
| callbacks/k/1/... | what the k-th callback that has a state remembers |
| random/... | states of the global generators of Python and NumPy |

Every array has its CRC-32 beside it, as in files of weights.
"""

import os

import numpy as np

from kerasette.errors import LoadError, type_error, value_error
from kerasette.saving import hdf5
from kerasette.saving.atomic import check_target
from kerasette.saving.faults import load_error
from kerasette.saving.packing import pack, unpack

FORMAT = 1
TEXT = "state"


def save_run(run, filepath) -> None:
    """Writes the state of a run of fit to a file; whole or not at all.

    Args:
        run: the models.run.Run.
        filepath: of the file; its directory exists.

    Raises:
        InvalidType: where a callback's state holds something that can't be saved.
        MissingFile: where the directory doesn't exist.
        SaveError: where the disk is full or doesn't return what was written; the old file is kept.
    """
    path = check_target(_path_of(run, filepath))
    text, arrays = pack({"format": FORMAT, **run.state()})
    hdf5.write(path, {TEXT: np.frombuffer(text.encode(), "uint8"), **arrays})


def load_run(run, filepath) -> int:
    """Makes a run of fit go on where the one in the file was; returns the number of its next epoch.

    Raises:
        MissingFile: where there is no such file.
        LoadError: where it is damaged, or of another model, optimizer or data; nothing is changed.
    """
    path = _path_of(run, filepath)
    state = _read(path)
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        found = state.get("format") if isinstance(state, dict) else None
        raise load_error(f"'{path}' has the format {found!r}; this kerasette reads {FORMAT}.")
    run.restore(state, path)
    return run.epoch


def _path_of(run, filepath):
    if run is None:
        raise value_error("There is no run to save or resume: fit isn't running.")
    try:
        return os.fsdecode(filepath)
    except TypeError:
        raise type_error(f"resume: a path is wanted, got {type(filepath).__name__}.") from None


def _read(path):
    """Returns the values in a file."""
    with hdf5.reading(path) as stored:
        if TEXT not in stored or stored[TEXT].dtype != "uint8":
            raise load_error(f"'{path}' isn't the state of a run.")
        if sum(item.nbytes for item in stored.values()) > os.path.getsize(path):  # packed by somebody else
            raise load_error(f"'{path}' claims to hold more than it does.")
        arrays = {name: item.read() for name, item in stored.items()}
    try:
        return unpack(arrays.pop(TEXT).tobytes(), arrays)
    except LoadError as problem:
        raise load_error(f"'{path}' isn't the state of a run. {problem}") from problem
