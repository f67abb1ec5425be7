"""From what the user gives to checked columns (all rows) or checked arrays (one batch of a generator)."""

import numpy as np

from kerasette.backend import floatx
from kerasette.data.checks import (
    ClassWeights,
    check_lengths,
    check_limit,
    check_values,
    fit_shape,
    sample_weights,
)
from kerasette.data.columns import Held, Lazy, cast, column
from kerasette.data.convert import NUMERIC, as_array, is_lazy
from kerasette.data.signature import Signature, inputs_of, label_of, outputs_of, unpack
from kerasette.errors import value_error

SCAN = 8192  # rows of a lazily read target looked at together for class weights


class Intake:
    """Checks and converts data for one model.

    Args:
        signature: what the model takes and gives.
        class_weight: dict of class to factor, or None.
        needs_y: whether targets are wanted; without, y and weights are left out.
        allow_nonfinite: lets NaN and infinity in x and y pass.
        who: who asks, for messages.
    """

    def __init__(self, signature: Signature, class_weight, needs_y, allow_nonfinite, who):
        self.signature = signature
        self.needs_y = needs_y
        self.allow_nonfinite = allow_nonfinite
        self.who = who
        self.float_dtype = "float64" if "float64" in map(str, signature.input_dtypes) else floatx()
        self.class_weights = None
        if class_weight is not None:
            self.class_weights = ClassWeights(
                class_weight, signature.output_names, signature.output_shapes, who, self.float_dtype
            )

    # ------------------------------------------------------------ all rows

    def columns(self, x, y, sample_weight) -> tuple:
        """Returns the columns of inputs, targets (None where there are none), weights, and the rows."""
        xs, rows, lengths = self._inputs(x, self.who, keep_lazy=True)
        ys = self._targets(y, rows, self.who, lengths, keep_lazy=True)
        weights = self._weights(sample_weight, rows, self.who, lengths)
        rows = check_lengths(lengths, self.who, empty_allowed=not self.needs_y)
        inputs = [self._input_column(i, *entry) for i, entry in enumerate(xs)]
        targets = [self._target_column(i, value) for i, value in enumerate(ys)]
        if self.class_weights is not None and self.needs_y:
            weights = [_times(weights[0], self._factors(targets[0], rows))]
        return inputs, targets, [None if w is None else Held(w) for w in weights], rows

    def _input_column(self, i, value, row_shape, names):
        dtype = self.signature.input_dtypes[i]
        label, limit = label_of("x", self.signature.input_names, i), self.signature.limits[i]

        def finish(raw, rows=None):
            raw = raw.reshape(len(raw), *row_shape)
            check_values(
                raw, dtype, label, self.who, allow_nonfinite=self.allow_nonfinite, rows=rows, columns=names
            )
            check_limit(raw, limit, label, self.who, reader=self.signature.readers[i], rows=rows)
            return raw

        if is_lazy(value):
            return Lazy(value, row_shape, dtype, lambda raw, rows: cast(finish(raw, rows), dtype))
        return column(finish(value), dtype)

    def _target_column(self, i, value):
        if value is None:
            return None
        if not is_lazy(value):
            return Held(self._prepared(i, value, self.who))
        first = self._prepared(i, np.asarray(value[:1]), self.who)

        def finish(raw, rows):
            place = f"rows from {rows.start}" if isinstance(rows, slice) else "shuffled rows"
            return self._prepared(i, raw, f"{self.who} ({place})", rows)

        return Lazy(value, first.shape[1:], first.dtype, finish)

    def _factors(self, target, rows):
        """Returns the factors of class_weight, one a row or step; a target in a file is read through once."""
        if target is None:
            raise value_error(f"{self.who}: class_weight needs y.")
        if target.direct:
            return self.class_weights(target.array)
        factors = []
        for start in range(0, rows, SCAN):
            part = slice(start, min(start + SCAN, rows))
            labels = np.empty((part.stop - start, *target.row_shape), target.dtype)
            target.fill(labels, part)
            factors.append(self.class_weights(labels))
        return np.concatenate(factors)

    # ------------------------------------------------------------ one batch

    def batch(self, given, number: int) -> tuple:
        """Returns the arrays xs, ys, ws of batch `number` of a generator or sequence, checked and cast."""
        who = f"{self.who}, batch {number}"
        x, y, sample_weight = unpack(given, who)
        entries, rows, lengths = self._inputs(x, who)
        ys = self._targets(y, rows, who, lengths)
        weights = self._weights(sample_weight, rows, who, lengths, warn_zero=False)
        check_lengths(lengths, who, empty_allowed=False)
        xs = []
        for i, (value, row_shape, names) in enumerate(entries):
            dtype = self.signature.input_dtypes[i]
            label = label_of("x", self.signature.input_names, i)
            check_values(value, dtype, label, who, allow_nonfinite=self.allow_nonfinite, columns=names)
            check_limit(value, self.signature.limits[i], label, who, reader=self.signature.readers[i])
            xs.append(np.ascontiguousarray(cast(value, dtype)).reshape(rows, *row_shape))
        ys = [None if value is None else self._prepared(i, value, who) for i, value in enumerate(ys)]
        if self.class_weights is not None and self.needs_y:
            weights = [_times(weights[0], self.class_weights(ys[0]))]
        return xs, ys, weights

    # ------------------------------------------------------------ both

    def _inputs(self, x, who, keep_lazy=False):
        """Returns [(array or lazy source, shape of a row, names of columns)], rows, {label: rows}."""
        signature = self.signature
        entries, lengths = [], {}
        for i, value in enumerate(inputs_of(x, signature, who)):
            label = label_of("x", signature.input_names, i)
            names = list(value.columns) if hasattr(value, "columns") else None
            array = _source(value, label, who, keep_lazy)
            shape = fit_shape(array.shape, signature.input_shapes[i], label, signature.readers[i], who)
            entries.append((array, shape, names))
            lengths[label] = array.shape[0]
        return entries, entries[0][0].shape[0], lengths

    def _targets(self, y, rows, who, lengths, keep_lazy=False):
        """Returns an array, lazy source or None for each output; adds to `lengths`."""
        signature = self.signature
        if not self.needs_y:
            return [None] * len(signature.output_names)
        values = outputs_of(y, "y", signature, rows, who)
        for i, value in enumerate(values):
            label = label_of("y", signature.output_names, i)
            if value is None:
                if signature.losses[i] is not None:
                    raise value_error(
                        f"{who}: {label} is missing; the loss needs y.", f"Give targets: {who}(x, y)."
                    )
                continue
            values[i] = array = _source(value, label, who, keep_lazy)
            if not array.shape:
                raise value_error(f"{who}: {label} is a single number; one target for each row is needed.")
            lengths[label] = array.shape[0]
        return values

    def _prepared(self, i, array, who, rows=None):
        """Returns the targets of output `i` as its loss wants them."""
        signature = self.signature
        label = label_of("y", signature.output_names, i)
        check_values(array, self.float_dtype, label, who, allow_nonfinite=self.allow_nonfinite, rows=rows)
        loss = signature.losses[i]
        if loss is None:
            return array
        return loss.prepare(array, signature.output_shapes[i], f"{who}: {label}")

    def _weights(self, sample_weight, rows, who, lengths, warn_zero=True):
        """Returns a weight vector or None for each output; adds to `lengths`."""
        names = self.signature.output_names
        if sample_weight is None or not self.needs_y:
            return [None] * len(names)
        vectors = outputs_of(sample_weight, "sample_weight", self.signature, rows, who)
        for i, value in enumerate(vectors):
            if value is None:
                continue
            label = label_of("sample_weight", names, i)
            shape = self.signature.output_shapes[i]
            vectors[i] = sample_weights(value, label, who, shape, dtype=self.float_dtype, warn_zero=warn_zero)
            lengths[label] = len(vectors[i])
        return vectors


def _source(value, label, who, keep_lazy):
    """Returns `value` as it is where it may stay in its file, else as an array of numbers."""
    if not (keep_lazy and is_lazy(value)):
        return as_array(value, label, who)
    if value.dtype.kind not in NUMERIC:
        as_array(np.asarray(value[:1]), label, who)
    return value


def _times(weights, factors):
    """Returns the product of two arrays of weights, each one a row or one a step."""
    if weights is None:
        return factors
    axes = max(weights.ndim, factors.ndim)
    return _with_axes(weights, axes) * _with_axes(factors, axes)


def _with_axes(weights, axes):
    return weights.reshape(*weights.shape, *(1,) * (axes - weights.ndim))
