"""Running means of losses, and the metrics of all outputs."""

from copy import copy, deepcopy

import numpy as np

from kerasette import metrics
from kerasette.backend import floatx, to_module, to_numpy
from kerasette.errors import value_error
from kerasette.metrics.base import plain

_OF_ONE_KIND = {"acc": "accuracy", "ce": "binary_crossentropy", "crossentropy": "binary_crossentropy"}


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

    def state(self) -> list:
        """Returns the rows and the sums so far, as plain numbers."""
        return [self._rows, _host(self._total), [_host(part) for part in self._parts]]

    def restore(self, state: list) -> None:
        """Takes over what `state()` returned."""
        self._rows, self._total, self._parts = state[0], float(state[1]), [float(part) for part in state[2]]

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
        self._y_shapes = None  # what they were made for
        self._planned = _planned(unweighted, weighted, output_names)
        self._shapes, self._heads = output_shapes, heads

    def fresh(self):
        """Returns such a set with metric objects of its own, which have seen no batch; None where it can't.

        A metric may hold what can't be copied, such as a lock or a model.
        """
        other = copy(self)
        other.entries = None
        try:
            other._planned = [(name, deepcopy(metric), *rest) for name, metric, *rest in self._planned]
        except Exception:  # whatever a metric of the user's raises when it is copied
            return None
        for _, metric, *_ in other._planned:
            if not isinstance(metric, str):
                metric.reset_state()
        return other

    @property
    def names(self) -> list[str]:
        """What the results are called."""
        return [name for name, _, _, _ in self._planned]

    def direction(self, name):
        """Returns "up" or "down": which way the result `name` gets better; None where that isn't known."""
        for own, metric, *_ in self.entries or self._planned:
            if own == name:
                if isinstance(metric, str):  # the shapes will tell which accuracy or cross-entropy it is
                    metric = metrics.get(_OF_ONE_KIND.get(metric.lower(), metric))
                return metric._direction
        return None

    def make(self, y_shapes):
        """Makes the metric objects, once; `y_shapes` are the shapes of one batch's targets."""
        if self.entries is not None:
            return
        self._y_shapes = y_shapes
        self.entries = [
            (name, metrics.choose(identifier, y_shapes[k], (None, *self._shapes[k]), self._heads[k]), k, on)
            for name, identifier, k, on in self._planned
        ]

    def update(self, ys, predictions, ws, masks=None):
        """Adds a batch; means over steps leave out those that `masks` (one for each output) leave out."""
        self.make([None if y is None else y.shape for y in ys])
        for _, metric, k, use_weights in self.entries:
            weights = ws[k] if use_weights else None
            if masks is not None and masks[k] is not None and isinstance(metric, metrics.Mean):
                weights = _masked(masks[k], weights)
            metric.update_state(ys[k], predictions[k], weights)

    def reset(self):
        """Forgets all batches."""
        for _, metric, _, _ in self.entries or ():
            metric.reset_state()

    def state(self) -> dict | None:
        """Returns what the metrics were made for and their variables, or None before the first batch."""
        if self.entries is None:
            return None
        sums = [
            [(list(one.shape), to_numpy(one.value).copy()) for one in metric.variables]
            for _, metric, _, _ in self.entries
        ]
        return {"y_shapes": [None if y is None else list(y) for y in self._y_shapes], "sums": sums}

    def restore(self, state: dict | None, xp) -> None:
        """Takes over what `state()` returned, with arrays of the module `xp`."""
        if state is None:
            return
        self.make([None if y is None else tuple(y) for y in state["y_shapes"]])
        for (_, metric, _, _), sums in zip(self.entries, state["sums"], strict=True):
            for variable, (shape, value) in zip(metric.variables, sums, strict=True):
                variable.shape = tuple(shape)
                variable.value = to_module(xp, value)[()]

    def results(self):
        """Returns {name: value}."""
        return {name: plain(metric.result()) for name, metric, _, _ in self.entries or ()}


def _masked(mask, weights):
    if weights is None:
        return mask.astype(floatx())
    return mask * weights.reshape(weights.shape + (1,) * (mask.ndim - weights.ndim))


def _planned(unweighted, weighted, output_names):
    """Returns [(name, identifier, output number, whether weighted)] in the order of Keras's results."""
    planned, taken = [], set()
    for k, output in enumerate(output_names):
        own = set()  # the names of this output's metrics
        for identifier, use_weights in [(m, False) for m in unweighted[k]] + [(m, True) for m in weighted[k]]:
            name = identifier if isinstance(identifier, str) else identifier.name
            if use_weights and name in own:
                name = f"weighted_{name}"
            name = _free(name, own)
            full = name if len(output_names) == 1 else _free(f"{output}_{name}", taken)
            planned.append((full, identifier, k, use_weights))
    return planned if len(output_names) == 1 else sorted(planned, key=lambda entry: entry[0])


def _free(name, taken):
    """Returns `name`, or with a number what Keras makes of it where `taken` has it ("mae_1"); adds it."""
    base, count = name, 0
    while name in taken:
        count += 1
        name = f"{base}_{count}"
    taken.add(name)
    return name


def check_names(loss_names, metric_names, validated=False):
    """Raises InvalidValue where two columns of the history would have one name.

    Args:
        loss_names, metric_names: what training reports.
        validated: whether validation adds its own, with "val_" before the name.
    """
    for name in metric_names:
        if name in loss_names:
            raise value_error(
                f"compile: a metric is called '{name}', as a loss is.",
                "Give it a name of its own: name='...'.",
            )
    names = {*loss_names, *metric_names}
    both = sorted(name for name in names if f"val_{name}" in names) if validated else []
    if both:
        raise value_error(
            f"fit: 'val_{both[0]}' would name a result of training, and '{both[0]}' of validation.",
            "Rename the output or metric whose name begins with 'val'.",
        )
