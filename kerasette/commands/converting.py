"""convert: a model from one form of file to another."""

import os

from kerasette.commands.pages import shown, size
from kerasette.errors import value_error

WRITTEN = (".keras", ".weights.h5", ".h5", ".hdf5", ".json")


def convert(source: str, target: str, force: bool = False) -> str:
    """Reads a whole model and writes it to `target` in the form that its ending says.

    Args:
        source: .keras, .h5 or .hdf5; layers that kerasette doesn't know are an error.
        target: .keras, .h5 or .hdf5 (whole models), .weights.h5 (weights), .json (architecture).
        force: whether a file that exists is replaced.

    Returns:
        One line that says what was written.

    Raises:
        InvalidValue: for another ending, or a target that exists.
        LoadError: where `source` can't be read.
        SaveError: where `target` can't be written; what stood there is kept.
    """
    from kerasette.saving import load_model

    if not target.endswith(WRITTEN):
        raise value_error(f"'{target}' ends in none of {', '.join(WRITTEN)}.")
    if os.path.lexists(target) and not force:
        raise value_error(f"'{target}' exists.", "Add --force to replace it.")
    model = load_model(source)
    if target.endswith(".weights.h5"):
        model.save_weights(target)
    elif target.endswith(".json"):
        _write_text(target, model.to_json())
    else:
        model.save(target)
    return f"{shown(target, 200)}: {size(os.path.getsize(target))}, {model.count_params():,} parameters\n"


def _write_text(target, text):
    from kerasette.saving.atomic import write_whole

    write_whole(target, text.encode())
