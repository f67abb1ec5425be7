"""What can listen to training: history, progress, stopping, checkpoints, learning rates."""

from kerasette.callbacks.base import Callback, CallbackList
from kerasette.callbacks.early_stopping import EarlyStopping
from kerasette.callbacks.history import History
from kerasette.callbacks.learning_rate import LearningRateScheduler, ReduceLROnPlateau
from kerasette.callbacks.model_checkpoint import ModelCheckpoint
from kerasette.callbacks.monitor import Monitor
from kerasette.callbacks.progress import ProgressBar
from kerasette.callbacks.small import CSVLogger, LambdaCallback, TerminateOnNaN
from kerasette.errors import type_error

__all__ = [
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


def assemble(callbacks, model, *, verbose, epochs, steps, history=True):
    """Returns (CallbackList, History): the caller's callbacks, then History, then the display.

    Args:
        callbacks: a Callback, a list of them, or None.
        model: the model that runs.
        verbose: 0 shows nothing, 1 a bar, 2 a line an epoch.
        epochs, steps: for the display; steps is None where unknown.
        history: whether a History is wanted.

    Raises:
        InvalidType: for something that is no callback.
    """
    chosen = [callbacks] if isinstance(callbacks, Callback) else list(callbacks or ())
    for one in chosen:
        if not isinstance(one, Callback):
            raise type_error(f"callbacks: a list of Callback objects, got {type(one).__name__}.")
    record = next((one for one in chosen if isinstance(one, History)), None)
    if history and record is None:
        record = History()
        chosen.append(record)
    if verbose and not any(isinstance(one, ProgressBar) for one in chosen):
        chosen.append(ProgressBar(verbose))
    return CallbackList(chosen, model, {"epochs": epochs, "steps": steps, "verbose": verbose}), record
