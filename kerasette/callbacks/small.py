"""Short callbacks: CSVLogger, LambdaCallback, TerminateOnNaN."""

import csv
import math
import os

from kerasette.callbacks.base import Callback, say
from kerasette.errors import KerasetteError, MissingFile, type_error, unknown_argument


class CSVLogger(Callback):
    """Writes one line of numbers an epoch to a CSV file, and flushes it.

    The columns are "epoch" and the names in alphabetic order; what an epoch doesn't report is "NA".

    Args:
        filename: path of the file.
        separator: between the columns.
        append: whether lines are added to an existing file.

    Raises:
        MissingFile: when training begins, where the directory doesn't exist.
    """

    def __init__(self, filename, separator: str = ",", append: bool = False):
        super().__init__()
        self.filename = os.fspath(filename)
        self.separator = separator
        self.append = append
        self._file = None
        self._columns = None

    def on_train_begin(self, logs=None):
        folder = os.path.dirname(self.filename) or "."
        if not os.path.isdir(folder):
            raise MissingFile(f"CSVLogger: the directory '{folder}' doesn't exist. Make it before training.")
        if self.append and os.path.exists(self.filename):
            with open(self.filename, newline="") as file:
                self._columns = next(csv.reader(file, delimiter=self.separator), None)
        self._file = open(self.filename, "a" if self.append else "w", newline="")  # noqa: SIM115

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        writer = csv.writer(self._file, delimiter=self.separator)
        if self._columns is None:
            self._columns = ["epoch", *_columns_of(logs)]
            writer.writerow(self._columns)
        writer.writerow([epoch, *(_cell(logs.get(name, "NA")) for name in self._columns[1:])])
        self._file.flush()

    def on_train_end(self, logs=None):
        if self._file is not None:
            self._file.close()
        self._file = self._columns = None


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


class LambdaCallback(Callback):
    """Calls the functions that it was given: `LambdaCallback(on_epoch_end=lambda epoch, logs: ...)`.

    Args:
        on_epoch_begin, on_epoch_end: functions of (epoch, logs), or None.
        on_train_begin, on_train_end: functions of (logs).
        on_train_batch_begin, on_train_batch_end: functions of (batch, logs).
        hooks: any other hook of Callback by name, with the hook's arguments.

    Raises:
        InvalidType: for a name that is no hook, and for what can't be called.
    """

    def __init__(
        self,
        on_epoch_begin=None,
        on_epoch_end=None,
        on_train_begin=None,
        on_train_end=None,
        on_train_batch_begin=None,
        on_train_batch_end=None,
        **hooks,
    ):
        super().__init__()
        hooks |= {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
        }
        known = [name for name in dir(Callback) if name.startswith("on_")]
        for name, function in hooks.items():
            if name not in known:
                raise unknown_argument("LambdaCallback", name, known)
            if function is None:
                continue
            if not callable(function):
                raise type_error(f"LambdaCallback: {name} is a function, got {type(function).__name__}.")
            setattr(self, name, function)


class TerminateOnNaN(Callback):
    """Ends training when the loss is NaN or infinite.

    Args:
        raise_error: whether fit raises RuntimeError then, instead of ending as usual.
    """

    def __init__(self, raise_error: bool = False):
        super().__init__()
        self.raise_error = raise_error

    def on_train_batch_end(self, batch, logs=None):
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise NotFinite(f"Batch {batch}: the loss is {loss}. Try a smaller learning rate.")
        say(f"Batch {batch}: the loss is {loss}; training ends.")
        self.model.stop_training = True


class NotFinite(KerasetteError, RuntimeError):
    """The loss is NaN or infinite, and TerminateOnNaN was asked to raise."""
