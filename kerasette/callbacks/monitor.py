"""What callbacks share that watch one number: which direction is better, and where it is."""

import math
import warnings

from kerasette.callbacks.base import Callback
from kerasette.errors import finite, hint, one_of, type_error, value_error


class Monitor(Callback):
    """Base of callbacks that watch `monitor` ("val_loss", "accuracy" ...) at the end of each epoch.

    Args:
        monitor: name of the number in the logs.
        mode: "min", "max", or "auto": min for losses, for a metric what the metric says (max for accuracy,
            AUC, F1 ..., min for errors).
        min_delta: a change that is smaller doesn't count.

    Raises:
        InvalidValue: when training begins, or the number first comes, where "auto" can't tell.
    """

    def __init__(self, monitor: str = "val_loss", mode: str = "auto", min_delta: float = 0.0):
        super().__init__()
        one_of(self._who, "mode", mode, ("auto", "min", "max"))
        if not isinstance(monitor, str):
            raise type_error(f"{self._who}: monitor is a name such as 'val_loss', got {monitor!r}.")
        self.monitor = monitor
        self.mode = mode
        self.min_delta = abs(finite(self._who, "min_delta", min_delta))
        self._warned = False

    @property
    def _who(self) -> str:
        return type(self).__name__

    def on_train_begin(self, logs=None):
        """Raises where it is clear already that "auto" can't tell which way is better."""
        if self.model is not None and self._result in getattr(self.model, "metrics_names", ()):
            self._higher()

    @property
    def _result(self) -> str:
        """The name without "val_"."""
        return self.monitor.removeprefix("val_")

    def _higher(self) -> bool:
        """Tells whether higher is better."""
        if self.mode != "auto":
            return self.mode == "max"
        if self._result == "loss":
            return False
        direction = self.model.direction_of(self._result)
        if direction is None:
            raise value_error(
                f"{self._who}: nothing tells whether more or less of '{self.monitor}' is better.",
                "Pass mode='max' or mode='min'.",
            )
        return direction == "up"

    def improves(self, value: float, best: float | None) -> bool:
        """Tells whether `value` is better than `best` by more than `min_delta`; any number is than None."""
        higher = self._higher()
        if best is None:
            return not math.isnan(value)
        return value - self.min_delta > best if higher else value + self.min_delta < best

    def value_in(self, logs: dict | None) -> float | None:
        """Returns the monitored number, or None with one warning where the logs don't have it."""
        if self.monitor in (logs or {}):
            return float(logs[self.monitor])
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"{self._who} watches '{self.monitor}', which training doesn't report. "
                f"{hint(self.monitor, logs or {})}",
                stacklevel=2,
            )
        return None
