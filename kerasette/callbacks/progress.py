"""What fit, evaluate and predict show while they run: a bar (tqdm), or a line an epoch."""

import numbers
import time

from kerasette.callbacks.base import Callback, say

REFRESH = 0.1  # seconds between two looks at the numbers


def as_text(logs: dict) -> str:
    """Returns "loss: 0.1234 - accuracy: 0.9500"; values that are no single number are left out."""
    return " - ".join(
        f"{name}: {value:.4g}" for name, value in logs.items() if isinstance(value, numbers.Real)
    )


class ProgressBar(Callback):
    """Shows a bar while an epoch runs, in a terminal or a notebook, and prints a line after it.

    Args:
        verbose: 1 for bars and lines, 2 for lines alone.
    """

    wants_lazy_logs = True
    remembers = ()

    def __init__(self, verbose: int = 1):
        super().__init__()
        self.verbose = verbose
        self._bar = None
        self._training = False
        self._began = self._shown = 0.0
        self._pending = 0

    # ------------------------------------------------------------ hooks

    def on_train_begin(self, logs=None):
        self._training = True

    def on_train_end(self, logs=None):
        self._training = False
        self._close()

    def on_epoch_begin(self, epoch, logs=None):
        self._began = time.perf_counter()
        self._open(f"Epoch {epoch + 1}/{self.params.get('epochs', '?')}")

    def on_train_batch_end(self, batch, logs=None):
        self._step(logs)

    def on_epoch_end(self, epoch, logs=None):
        self._close()
        seconds = time.perf_counter() - self._began
        say(f"Epoch {epoch + 1}/{self.params.get('epochs', '?')} - {seconds:.1f} s - {as_text(logs())}")

    def on_test_begin(self, logs=None):
        if not self._training:
            self._open("Evaluate")

    def on_test_batch_end(self, batch, logs=None):
        if not self._training:
            self._step(logs)

    def on_test_end(self, logs=None):
        if not self._training:
            self._close()
            say(as_text(logs()))

    def on_predict_begin(self, logs=None):
        self._open("Predict")

    def on_predict_batch_end(self, batch, logs=None):
        self._step(None)

    def on_predict_end(self, logs=None):
        self._close()

    # ------------------------------------------------------------ the bar

    def _open(self, title):
        if self.verbose != 1:
            return
        from tqdm.auto import tqdm

        self._bar = tqdm(
            total=self.params.get("steps"), desc=title, unit="step", dynamic_ncols=True, leave=False
        )
        self._shown, self._pending = time.perf_counter(), 0

    def _step(self, logs):
        if self._bar is None:
            return
        self._pending += 1
        now = time.perf_counter()
        if now - self._shown >= REFRESH:
            self._shown = now
            if logs is not None:
                self._bar.set_postfix_str(as_text(logs()), refresh=False)
            self._bar.update(self._pending)
            self._pending = 0

    def _close(self):
        if self._bar is not None:
            self._bar.close()
            self._bar = None
