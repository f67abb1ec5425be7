"""CSVLogger: one line of numbers an epoch, in a file that a crash or a full disk leaves readable."""

import contextlib
import csv
import io
import os
import warnings

from kerasette.callbacks.base import Callback
from kerasette.errors import MissingFile, SaveError, shorten


class CSVLogger(Callback):
    """Writes one line of numbers an epoch to a CSV file.

    The columns are "epoch" and the names in alphabetic order; what an epoch doesn't report is "NA". A file
    of an earlier run is replaced when the first epoch ends, so that a run that fails at once doesn't cost
    it. A line is in the file whole or not at all. A resumed run (see `fit`) takes back the lines of epochs
    that it trains again.

    Args:
        filename: path of the file.
        separator: between the columns.
        append: whether lines are added to an existing file.

    Raises:
        MissingFile: when training begins, where the directory doesn't exist.
        SaveError: where a line can't be written.
    """

    def __init__(self, filename, separator: str = ",", append: bool = False):
        super().__init__()
        self.filename = os.fspath(filename)
        self.separator = separator
        self.append = append
        self._begins = not append  # whether the next line begins the file
        self._columns = None

    def on_train_begin(self, logs=None):
        folder = os.path.dirname(self.filename) or "."
        if not os.path.isdir(folder):
            raise MissingFile(f"CSVLogger: the directory '{folder}' doesn't exist. Make it before training.")
        with _faults(self.filename), open(self.filename, "ab"):  # whether it can be written shows now
            self._begins, self._columns = not self.append, None
        if self.append:
            with open(self.filename, newline="", encoding="utf-8") as file:
                self._columns = next(csv.reader(file, delimiter=self.separator), None)

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        columns = self._columns or ["epoch", *_columns_of(logs)]
        lines = [] if self._columns else [columns]
        lines.append([epoch, *(_cell(logs.get(name, "NA")) for name in columns[1:])])
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=self.separator).writerows(lines)
        with _faults(self.filename):
            (_replace if self._begins else _append)(self.filename, text.getvalue().encode())
        self._begins, self._columns = False, columns

    def get_state(self):
        """Returns the columns, and how long the file is; None where nothing was written yet."""
        if self._begins:
            return {"columns": None, "size": None}
        with _faults(self.filename), open(self.filename, "rb+") as file:
            os.fsync(file.fileno())  # a crash after the run was saved doesn't shorten the file
            return {"columns": self._columns, "size": os.fstat(file.fileno()).st_size}

    def set_state(self, state):
        """Cuts the file back to where it was."""
        size = state["size"]
        self._begins, self._columns = size is None, state["columns"]
        if size is None:
            return
        if os.path.getsize(self.filename) < size:
            self._begins, self._columns = True, None
            warnings.warn(
                f"CSVLogger: '{self.filename}' lacks lines that were there when the run was saved; "
                "it begins anew with the next epoch.",
                stacklevel=2,
            )
        else:
            with _faults(self.filename):
                os.truncate(self.filename, size)


@contextlib.contextmanager
def _faults(path):
    """Names the file in what the system reports."""
    try:
        yield
    except OSError as problem:
        text = f"CSVLogger: '{path}' can't be written ({problem.strerror}); the lines before are kept."
        raise SaveError(problem.errno, shorten(text)) from problem


def _append(path, data):
    """Adds `data` to a file; where that fails half-way, what was added is taken back."""
    with open(path, "ab", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            _write(file, data)
        except BaseException:
            os.truncate(path, size)
            raise


def _replace(path, data):
    """Puts a file with `data` in the place of `path`."""
    folder, name = os.path.split(os.path.realpath(path))
    temporary = os.path.join(folder, f".{name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb", buffering=0) as file:
            _write(file, data)
            os.fsync(file.fileno())
        os.replace(temporary, os.path.join(folder, name))
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _write(file, data):
    done = 0
    while done < len(data):
        done += file.write(data[done:])


def _columns_of(logs):
    """Returns the names in order; validation may come later, so its columns are always there."""
    names = sorted(logs)
    if any(name.startswith("val_") for name in names):
        return names
    return [*names, *(f"val_{name}" for name in names)]


def _cell(value):
    """Returns a number as it is, and several as "[1, 2]" within quotation marks."""
    if isinstance(value, str) or not hasattr(value, "__iter__") or getattr(value, "ndim", 1) == 0:
        return value
    return f'"[{", ".join(map(str, value))}]"'
