"""One error for whatever is wrong with a file."""

import contextlib
import re

from kerasette.errors import KerasetteError, LoadError, UnknownName, shorten

LONGEST_NAME = 60  # characters of one from a file that a message repeats


def load_error(*sentences: str) -> LoadError:
    """Returns a LoadError whose message joins `sentences`."""
    return LoadError(shorten(" ".join(sentences)))


def told(problem: Exception) -> str:
    """Returns what an error in a configuration says, and for an unknown name how to hand one's own over."""
    if not isinstance(problem, UnknownName):
        return str(problem)
    name = str(problem.name)[:LONGEST_NAME]
    return f"{problem} If '{name}' is your own, pass custom_objects={{'{name}': ...}}."


@contextlib.contextmanager
def faults(path: str):
    """Turns whatever h5py raises inside into one LoadError."""
    try:
        yield
    except KerasetteError:
        raise
    except Exception as problem:
        raise _explained(path, problem) from problem


def _explained(path, problem):
    text = " ".join(str(problem).split())
    ends = re.search(r"truncated file: eof = (\d+).*stored_eof = (\d+)", text)
    if ends:
        return load_error(
            f"'{path}' is truncated: ends at byte {ends[1]}, {ends[2]} were written. Fetch it again."
        )
    if "Fletcher32" in text or "error detected" in text:
        return load_error(f"'{path}' is damaged: a checksum doesn't fit its data. Fetch it again.")
    return load_error(
        f"'{path}' can't be read as HDF5; it is damaged or truncated ({type(problem).__name__}: {text})."
    )
