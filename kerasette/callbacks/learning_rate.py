"""Callbacks that change the learning rate: LearningRateScheduler and ReduceLROnPlateau."""

import inspect

from kerasette.callbacks.base import Callback, say
from kerasette.callbacks.monitor import Monitor
from kerasette.errors import positive_int, type_error, value_error


class LearningRateScheduler(Callback):
    """Sets the learning rate at the beginning of each epoch.

    Args:
        schedule: function of (epoch from 0, current rate), or of the epoch alone, that returns a rate.
        verbose: 1 prints a line an epoch.
    """

    remembers = ()  # the optimizer knows the rate

    def __init__(self, schedule, verbose: int = 0):
        super().__init__()
        if not callable(schedule):
            raise type_error(f"LearningRateScheduler: schedule is a function, got {type(schedule).__name__}.")
        self.schedule = schedule
        self.verbose = verbose
        self._takes_rate = _takes_two(schedule)  # the older form takes the epoch alone

    def on_epoch_begin(self, epoch, logs=None):
        optimizer = self.model.optimizer
        arguments = (epoch, optimizer.learning_rate) if self._takes_rate else (epoch,)
        rate = self.schedule(*arguments)
        try:
            rate = float(rate)
        except (TypeError, ValueError) as problem:
            raise type_error(
                f"LearningRateScheduler: the schedule must return a number, got {rate!r}."
            ) from problem
        optimizer.learning_rate = rate
        if self.verbose:
            say(f"Epoch {epoch + 1}: learning rate {optimizer.learning_rate}.")

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            logs["learning_rate"] = self.model.optimizer.learning_rate


def _takes_two(function) -> bool:
    """Tells whether `function` can be called with two arguments; True where Python can't say."""
    try:
        inspect.signature(function).bind(0, 0.0)
    except TypeError:
        return False
    except ValueError:
        return True
    return True


class ReduceLROnPlateau(Monitor):
    """Multiplies the learning rate by `factor` when a number has stopped improving.

    Args:
        monitor, mode, min_delta: what is watched, see Monitor.
        factor: below 1.
        patience: epochs without improvement to wait.
        verbose: 1 prints a line for each reduction.
        cooldown: epochs to wait after a reduction.
        min_lr: the rate never goes below.
    """

    remembers = ("best", "wait", "cooldown_counter")

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ):
        super().__init__(monitor, mode, min_delta)
        if not 0 <= factor < 1:
            raise value_error(f"ReduceLROnPlateau: factor must be at least 0 and below 1, got {factor!r}.")
        self.factor = factor
        self.patience = positive_int("ReduceLROnPlateau", "patience", patience, minimum=0)
        self.verbose = verbose
        self.cooldown = positive_int("ReduceLROnPlateau", "cooldown", cooldown, minimum=0)
        self.min_lr = min_lr
        self.on_train_begin()

    def on_train_begin(self, logs=None):
        super().on_train_begin()
        self.best = None
        self.wait = 0
        self.cooldown_counter = 0

    def on_epoch_end(self, epoch, logs=None):
        optimizer = self.model.optimizer
        if logs is not None:
            logs["learning_rate"] = optimizer.learning_rate
        value = self.value_in(logs)
        if value is None:
            return
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.wait = 0
        if self.improves(value, self.best):
            self.best, self.wait = value, 0
        elif self.cooldown_counter <= 0:
            self.wait += 1
            if self.wait >= self.patience and optimizer.learning_rate > self.min_lr:
                self._reduce(epoch, optimizer)

    def _reduce(self, epoch, optimizer):
        optimizer.learning_rate = max(optimizer.learning_rate * self.factor, self.min_lr)
        self.cooldown_counter, self.wait = self.cooldown, 0
        if self.verbose:
            say(f"Epoch {epoch + 1}: learning rate reduced to {optimizer.learning_rate}.")
