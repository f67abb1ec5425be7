"""History: what every epoch reported."""

import html
import numbers

from kerasette.callbacks.base import Callback


class History(Callback):
    """Records the logs of each epoch; `fit` returns one.

    Attributes:
        history: {name: list with one value an epoch}.
        epoch: numbers of the epochs.
    """

    remembers = ("history", "epoch")

    def __init__(self):
        super().__init__()
        self.history = {}
        self.epoch = []

    def on_epoch_end(self, epoch, logs=None):
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)

    def _repr_html_(self):
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{_short(values[-1])}</td></tr>"
            for name, values in self.history.items()
        )
        return f"<table><tr><th>after {len(self.epoch)} epochs</th><th></th></tr>{rows}</table>"


def _short(value) -> str:
    return f"{value:.6g}" if isinstance(value, numbers.Real) else html.escape(str(value))
