"""BackupAndRestore: the state of the run in a file, and the way back to it after a crash."""

import contextlib
import os
import warnings

from kerasette.callbacks.base import Callback
from kerasette.errors import LoadError, positive_int, type_error, value_error


class RunFile(Callback):
    """Saves the state of a run to a file, and goes on from there: what `fit(resume=path)` adds.

    It is called after all other callbacks, so that what they did in an epoch is in the file.

    Args:
        filepath: of the file.
        save_freq: "epoch", or a number of batches.
        keep_previous: whether the state before the last one is kept too, as filepath + ".previous".
        delete: whether the file is removed when the run has come to its end.
    """

    remembers = ()
    runs_last = True
    wants_lazy_logs = True

    def __init__(self, filepath, save_freq="epoch", keep_previous: bool = False, delete: bool = False):
        super().__init__()
        if save_freq != "epoch":
            positive_int(type(self).__name__, "save_freq", save_freq)
        self.filepath = _text(type(self).__name__, filepath)
        self.save_freq = save_freq
        self._keep_previous = keep_previous
        self._delete = delete
        self._batches = 0
        self._ended = False

    @property
    def _previous(self):
        return f"{self.filepath}.previous"

    def on_train_begin(self, logs=None):
        self._batches, self._ended = 0, False
        epoch = self._resume()
        if epoch is None:
            self._save()  # a place that can't be written shows now, and the first epoch is covered
        else:
            self._ended = epoch >= self.params["epochs"] or self.model.stop_training

    def on_train_batch_end(self, batch, logs=None):
        if self.save_freq == "epoch":
            return
        self._batches += 1
        if self._batches % self.save_freq == 0 and not self.model.stop_training:
            self._save()

    def on_epoch_end(self, epoch, logs=None):
        if self.save_freq == "epoch":
            self._save()
        self._ended = epoch + 1 >= self.params["epochs"] or self.model.stop_training

    def on_train_end(self, logs=None):
        if self._delete and self._ended:
            for path in (self.filepath, self._previous):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)

    def _save(self):
        if self._keep_previous:
            with contextlib.suppress(FileNotFoundError):
                os.replace(self.filepath, self._previous)
        self.model.save_run(self.filepath)

    def _resume(self):
        """Goes on from the file, or from the one before; returns the next epoch, or None without a file."""
        before = self._keep_previous and os.path.exists(self._previous)
        if os.path.exists(self.filepath):
            try:
                return self.model.resume_run(self.filepath)
            except LoadError as problem:
                if not before:
                    raise
                warnings.warn(f"{problem} The state before it is used.", stacklevel=2)
        return self.model.resume_run(self._previous) if before else None


def _text(who, path):
    try:
        return os.fsdecode(path)
    except TypeError:
        raise type_error(f"{who}: a path is wanted, got {type(path).__name__}.") from None


class BackupAndRestore(RunFile):
    """Saves the state of training, and goes on from there when the same program is started again.

    Unlike Keras's, it brings back everything: a run that was killed and started again ends with the same
    weights, optimizer, callbacks, history and random numbers as one that never was, see `fit`, `resume`.
    So the history is that of all epochs, not only of those after the crash.

    >>> import tempfile
    >>> from kerasette import Sequential, layers
    >>> model = Sequential([layers.Dense(1, input_size=2)]).compile("mse", "sgd")
    >>> backup = BackupAndRestore(tempfile.mkdtemp(), delete_checkpoint=False)
    >>> history = model.fit([[1, 2], [3, 4]], [1, 2], epochs=3, callbacks=[backup], verbose=0)
    >>> again = model.fit([[1, 2], [3, 4]], [1, 2], epochs=5, callbacks=[backup], verbose=0)
    >>> again.epoch, again.history["loss"][:3] == history.history["loss"]
    ([0, 1, 2, 3, 4], True)

    Args:
        backup_dir: directory for the file "run.h5"; it is made where it is missing.
        save_freq: "epoch", or after how many batches the state is saved.
        double_checkpoint: whether the state before the last one is kept too, and used where the last one
            can't be read.
        delete_checkpoint: whether the files are removed when training has come to its end. They stay after
            Ctrl-C and after an error.

    Raises:
        InvalidValue: for an empty `backup_dir`, or another `save_freq`.
        LoadError: when training begins, where the file is damaged, or of another model or other data.
    """

    def __init__(
        self, backup_dir, save_freq="epoch", double_checkpoint: bool = False, delete_checkpoint: bool = True
    ):
        if not backup_dir:
            raise value_error("BackupAndRestore: backup_dir is empty.", "Name a directory.")
        self.backup_dir = _text("BackupAndRestore", backup_dir)
        self.double_checkpoint = double_checkpoint
        self.delete_checkpoint = delete_checkpoint
        path = os.path.join(self.backup_dir, "run.h5")
        super().__init__(path, save_freq, double_checkpoint, delete_checkpoint)

    def on_train_begin(self, logs=None):
        os.makedirs(self.backup_dir, exist_ok=True)
        super().on_train_begin(logs)

    def on_train_end(self, logs=None):
        super().on_train_end(logs)
        if self._delete and self._ended:
            with contextlib.suppress(OSError):  # something else is in there
                os.rmdir(self.backup_dir)
