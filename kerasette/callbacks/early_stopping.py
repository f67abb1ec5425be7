"""EarlyStopping: ends training when a number has stopped improving."""

from kerasette.callbacks.base import say
from kerasette.callbacks.monitor import Monitor
from kerasette.errors import positive_int


class EarlyStopping(Monitor):
    """Ends training after `patience` epochs without improvement.

    Args:
        monitor, mode, min_delta: what is watched, see Monitor.
        patience: epochs to wait.
        verbose: 1 prints a line when it stops.
        baseline: value that has to be reached first.
        restore_best_weights: whether the weights of the best epoch come back at the end.
        start_from_epoch: epochs to pass before watching begins.
    """

    remembers = ("wait", "stopped_epoch", "best", "best_epoch", "best_weights")

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ):
        super().__init__(monitor, mode, min_delta)
        self.patience = positive_int("EarlyStopping", "patience", patience, minimum=0)
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self.on_train_begin()

    def on_train_begin(self, logs=None):
        super().on_train_begin()
        self.wait = 0
        self.stopped_epoch = 0
        self.best = None
        self.best_epoch = 0
        self.best_weights = None

    def on_epoch_end(self, epoch, logs=None):
        value = self.value_in(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        self.wait += 1
        if self.improves(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self.improves(value, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        if self.stopped_epoch and self.verbose:
            say(f"Epoch {self.stopped_epoch + 1}: stopped; best {self.monitor} was {self.best} in epoch "
                f"{self.best_epoch + 1}.")  # fmt: skip
        if self.restore_best_weights and self.best_weights is not None:
            self.model.set_weights(self.best_weights)
