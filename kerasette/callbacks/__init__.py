"""What can listen to training: history, progress, stopping, checkpoints, learning rates."""

from kerasette.callbacks.backup import BackupAndRestore, RunFile
from kerasette.callbacks.base import Callback, CallbackList
from kerasette.callbacks.csv_logger import CSVLogger
from kerasette.callbacks.early_stopping import EarlyStopping
from kerasette.callbacks.history import History
from kerasette.callbacks.learning_rate import LearningRateScheduler, ReduceLROnPlateau
from kerasette.callbacks.model_checkpoint import ModelCheckpoint
from kerasette.callbacks.monitor import Monitor
from kerasette.callbacks.progress import ProgressBar
from kerasette.callbacks.small import LambdaCallback, TerminateOnNaN
from kerasette.errors import no_attribute, type_error, value_error

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "Monitor",
    "ProgressBar",
    "ReduceLROnPlateau",
    "TerminateOnNaN",
    "assemble",
]


def assemble(callbacks, model, *, verbose, epochs, steps, history=True, resume=None):
    """Returns (CallbackList, History): the caller's callbacks, then History, then the display.

    Args:
        callbacks: a Callback, a list of them, or None.
        model: the model that runs.
        verbose: 0 shows nothing, 1 a bar, 2 a line an epoch.
        epochs, steps: for the display; steps is None where unknown.
        history: whether a History is wanted.
        resume: path of a file to save the run to and go on from, or None.

    Raises:
        InvalidType: for something that is no callback.
        InvalidValue: for `resume` beside a callback that does the same.
    """
    chosen = [callbacks] if isinstance(callbacks, Callback) else list(callbacks or ())
    for one in chosen:
        if not isinstance(one, Callback):
            raise type_error(f"callbacks: a list of Callback objects, got {type(one).__name__}.")
    record = next((one for one in chosen if isinstance(one, History)), None)
    if history and record is None:
        record = History()
        chosen.append(record)
    if resume is not None:
        if any(isinstance(one, RunFile) for one in chosen):
            raise value_error("fit: resume and BackupAndRestore do the same; give one of them.")
        chosen.append(RunFile(resume))
    if verbose and not any(isinstance(one, ProgressBar) for one in chosen):
        chosen.append(ProgressBar(verbose))
    return CallbackList(chosen, model, {"epochs": epochs, "steps": steps, "verbose": verbose}), record


_INSTEAD = {  # what Keras has here, and what to do
    "ProgbarLogger": "fit shows progress by itself: verbose=1; see ProgressBar.",
    "TensorBoard": "CSVLogger writes the same numbers, kerasette.utils.plot_history draws them.",
}


def __getattr__(name):
    raise no_attribute(__name__, name, __all__, _INSTEAD.get(name, ""))
