"""What callbacks share that watch one number: which direction is better, and where it is."""

import math
import warnings

from kerasette.callbacks.base import Callback
from kerasette.errors import hint, one_of

_HIGHER_IS_BETTER = (
    *("acc", "auc", "precision", "recall", "sensitivity", "specificity", "f1", "fbeta", "r2"),
    *("iou", "io_u", "similarity", "correlation", "true_"),
)


class Monitor(Callback):
    """Base of callbacks that watch `monitor` ("val_loss", "accuracy" ...) at the end of each epoch.

    Args:
        monitor: name of the number in the logs.
        mode: "min", "max", or "auto": max for names of scores (accuracy, AUC, F1 ...), else min.
        min_delta: a change that is smaller doesn't count.
    """

    def __init__(self, monitor: str = "val_loss", mode: str = "auto", min_delta: float = 0.0):
        super().__init__()
        one_of(type(self).__name__, "mode", mode, ("auto", "min", "max"))
        self.monitor = monitor
        self.mode = mode
        self.min_delta = abs(min_delta)
        self._warned = False

    @property
    def _higher(self) -> bool:
        if self.mode != "auto":
            return self.mode == "max"
        name = self.monitor.lower().removeprefix("val_")
        return any(part in name for part in _HIGHER_IS_BETTER) and "loss" not in name

    def worst(self) -> float:
        """Returns the value that everything improves on."""
        return -math.inf if self._higher else math.inf

    def improves(self, value: float, best: float) -> bool:
        """Tells whether `value` is better than `best` by more than `min_delta`."""
        return value - self.min_delta > best if self._higher else value + self.min_delta < best

    def value_in(self, logs: dict | None) -> float | None:
        """Returns the monitored number, or None with one warning where the logs don't have it."""
        if self.monitor in (logs or {}):
            return float(logs[self.monitor])
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"{type(self).__name__} watches '{self.monitor}', which training doesn't report. "
                f"{hint(self.monitor, logs or {})}",
                stacklevel=2,
            )
        return None
