"""ModelCheckpoint: writes the model or its weights while training runs."""

import os

from kerasette.callbacks.base import say
from kerasette.callbacks.monitor import Monitor
from kerasette.errors import positive_int, value_error


class ModelCheckpoint(Monitor):
    """Writes the model after each epoch, after every n batches, or whenever it is the best so far.

    Args:
        filepath: ends with ".keras" or ".h5", or for weights alone with ".weights.h5"; may hold fields:
            "m-{epoch:02d}-{val_loss:.3f}.keras".
        monitor, mode: what is watched for `save_best_only`, see Monitor.
        verbose: 1 prints a line for each file.
        save_best_only: whether only improvements are written; without the number in the logs each is.
        save_weights_only: whether weights are written, and not the whole model with its optimizer.
        save_freq: "epoch", or a number of batches.
        initial_value_threshold: value that has to be improved on first.

    Raises:
        InvalidValue: for a name with another ending, or when training begins and the directory can't be made.
    """

    remembers = ("best", "_epoch", "_batches")

    def __init__(
        self,
        filepath,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq="epoch",
        initial_value_threshold: float | None = None,
    ):
        super().__init__(monitor, mode)
        self.filepath = os.fspath(filepath)
        _check_ending(self.filepath, save_weights_only)
        if save_freq != "epoch":
            positive_int("ModelCheckpoint", "save_freq", save_freq)
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = save_freq
        self.best = initial_value_threshold
        self._epoch = 0
        self._batches = 0

    def on_train_begin(self, logs=None):
        folder = os.path.dirname(self.filepath.split("{", maxsplit=1)[0]) or "."
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as problem:
            raise value_error(
                f"ModelCheckpoint: the directory '{folder}' can't be made ({problem.strerror}).",
                "Give another filepath.",
            ) from problem

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        self._batches += 1
        if self.save_freq != "epoch" and self._batches % self.save_freq == 0:
            self._save(logs, {"batch": batch + 1})

    def on_epoch_end(self, epoch, logs=None):
        if self.save_freq == "epoch":
            self._save(logs, {})

    def _save(self, logs, fields):
        value = self.value_in(logs) if self.save_best_only else None
        if value is not None:  # without a number to go by, rather one file too many
            if not self.improves(value, self.best):
                return
            self.best = value
        try:
            path = self.filepath.format(epoch=self._epoch + 1, **fields, **(logs or {}))
        except KeyError as problem:
            raise value_error(
                f"ModelCheckpoint: '{self.filepath}' names {problem}, which training doesn't report.",
                f"Known: epoch, {', '.join(logs or {})}.",
            ) from problem
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)  # folders named after epochs or numbers
        if self.save_weights_only:
            self.model.save_weights(path)
        else:
            self.model.save(path)
        if self.verbose:
            what = "weights" if self.save_weights_only else "model"
            say(f"Epoch {self._epoch + 1}: {what} written to {path}.")


def _check_ending(path, weights_only):
    of_weights = path.endswith(".weights.h5")
    if weights_only and not of_weights:
        raise value_error(f"ModelCheckpoint: filepath must end with '.weights.h5', got '{path}'.")
    if not weights_only and (of_weights or not path.endswith((".keras", ".h5"))):
        raise value_error(
            f"ModelCheckpoint: filepath must end with '.keras' or '.h5', got '{path}'.",
            "For weights alone pass save_weights_only=True and '.weights.h5'.",
        )
