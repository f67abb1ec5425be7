"""Running means of losses, and the metrics of all outputs."""

import numpy as np

from kerasette import metrics
from kerasette.backend import to_numpy
from kerasette.metrics.base import plain


class LossTracker:
    """Means of the losses over an epoch, weighted by batch size as Keras weights them."""

    def __init__(self, output_names, losses, weights):
        self._weights = weights
        self._single = len(output_names) == 1 and weights[0] == 1.0
        graded = [k for k, loss in enumerate(losses) if loss is not None]
        self._shown = [(f"{output_names[k]}_loss", k) for k in graded] if len(graded) > 1 else []
        self.names = ["loss", *(name for name, _ in self._shown)]
        self.reset()

    def reset(self):
        """Forgets all batches."""
        self._rows = 0
        self._total = 0.0
        self._parts = [0.0] * len(self._weights)

    def add(self, values, penalty, rows):
        """Adds a batch of `rows`: the mean loss of each output, and the penalties."""
        self._rows += rows
        if self._single:
            self._total += _number(values[0] + penalty) * rows
            return
        total = penalty
        for k, value in enumerate(values):
            self._parts[k] += _number(value) * rows
            total = total + self._weights[k] * value
        self._total += _number(total) * rows

    def results(self):
        """Returns {name: mean}."""
        rows = max(1, self._rows)
        results = {"loss": _host(self._total) / rows}
        for name, k in self._shown:
            results[name] = _host(self._parts[k]) / rows
        return results


def _number(value):
    """Returns a Python float; a device's scalar stays there, in float64, until it is asked for."""
    return (
        float(value) if isinstance(value, (float, int, np.generic, np.ndarray)) else value.astype("float64")
    )


def _host(value):
    """Returns a number, or a device's scalar, as a float."""
    return value if isinstance(value, float) else float(to_numpy(value))


class MetricSet:
    """The metrics of all outputs: made when the shape of the targets is known, updated batch by batch.

    Args:
        unweighted, weighted: identifiers for each output (see metrics_of); weighted ones see sample weights.
        output_names, output_shapes: of the model.
        heads: the Loss (or None) of each output.
    """

    def __init__(self, unweighted, weighted, output_names, output_shapes, heads):
        self.wanted = any(unweighted) or any(weighted)
        self.entries = None  # list of (name, metric, output number, whether weighted)
        self._plan = (unweighted, weighted, output_names, output_shapes, heads)

    def make(self, y_shapes):
        """Makes the metric objects, once; `y_shapes` are the shapes of one batch's targets."""
        if self.entries is not None:
            return
        unweighted, weighted, names_, shapes, heads = self._plan
        self.entries = []
        for k, name in enumerate(names_):
            groups = [(one, False) for one in unweighted[k]] + [(one, True) for one in weighted[k]]
            taken = set()
            for identifier, use_weights in groups:
                metric = metrics.choose(identifier, y_shapes[k], (None, *shapes[k]), heads[k])
                short = _own_name(metric.name, use_weights, taken)
                full = f"{name}_{short}" if len(names_) > 1 else short
                self.entries.append((full, metric, k, use_weights))
        if len(names_) > 1:  # the order of Keras's evaluate()
            self.entries.sort(key=lambda entry: entry[0])

    def update(self, ys, predictions, ws):
        """Adds a batch."""
        self.make([None if y is None else y.shape for y in ys])
        for _, metric, k, use_weights in self.entries:
            metric.update_state(ys[k], predictions[k], ws[k] if use_weights else None)

    def reset(self):
        """Forgets all batches."""
        for _, metric, _, _ in self.entries or ():
            metric.reset_state()

    def results(self):
        """Returns {name: value}."""
        return {name: plain(metric.result()) for name, metric, _, _ in self.entries or ()}


def _own_name(name, weighted, taken):
    """Returns `name`, or what Keras makes of it where `taken` has it: "weighted_mae", "mae_1"."""
    if weighted and name in taken:
        name = f"weighted_{name}"
    base, count = name, 0
    while name in taken:
        count += 1
        name = f"{base}_{count}"
    taken.add(name)
    return name
