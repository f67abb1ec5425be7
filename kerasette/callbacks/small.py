"""Short callbacks: LambdaCallback, TerminateOnNaN."""

import math

from kerasette.callbacks.base import Callback, say
from kerasette.errors import KerasetteError, type_error, unknown_argument


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

    remembers = ()

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

    remembers = ()

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
