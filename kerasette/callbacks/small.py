"""Short callbacks: CSVLogger, LambdaCallback, TerminateOnNaN."""

import csv
import math
import os

from kerasette.callbacks.base import Callback, say
from kerasette.errors import MissingFile, unknown_argument


class CSVLogger(Callback):
    """Writes one line of numbers an epoch to a CSV file, and flushes it.

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
            self._columns = ["epoch", *logs]
            writer.writerow(self._columns)
        writer.writerow([epoch, *(logs.get(name, "NA") for name in self._columns[1:])])
        self._file.flush()

    def on_train_end(self, logs=None):
        if self._file is not None:
            self._file.close()
        self._file = self._columns = None


class LambdaCallback(Callback):
    """Calls the functions that it was given: `LambdaCallback(on_epoch_end=lambda epoch, logs: ...)`.

    Args:
        hooks: any hook of Callback by name, each a function with the hook's arguments.
    """

    def __init__(self, **hooks):
        super().__init__()
        known = [name for name in dir(Callback) if name.startswith("on_")]
        for name, function in hooks.items():
            if name not in known:
                raise unknown_argument("LambdaCallback", name, known)
            if function is not None:
                setattr(self, name, function)


class TerminateOnNaN(Callback):
    """Ends training when the loss is NaN or infinite."""

    def on_train_batch_end(self, batch, logs=None):
        loss = (logs or {}).get("loss")
        if loss is not None and not math.isfinite(loss):
            say(f"Batch {batch}: the loss is {loss}; training ends.")
            self.model.stop_training = True
