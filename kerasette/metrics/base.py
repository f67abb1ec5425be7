"""The contract of a metric, its accumulators, and means over samples."""

import numpy as np

from kerasette import initializers, registry
from kerasette.backend import FLOATS, floatx, is_array, to_numpy, xp_of
from kerasette.errors import one_of, type_error, value_error
from kerasette.functions import values
from kerasette.registry import Aliased, Configurable, auto_name, register, snake_case


def as_array(value):
    """Returns an array for an array, a list or a number."""
    return value if is_array(value) or isinstance(value, np.generic) else np.asarray(value, dtype=floatx())


def plain(value):
    """Returns what a person reads: a float for one number, else a NumPy array."""
    value = to_numpy(value.value if isinstance(value, Variable) else value)
    return float(value) if value.ndim == 0 else value


class Variable:
    """An accumulator: a number or array in float64, on the device that its batches come from.

    Attributes:
        name: e.g. "total".
        shape: of the array; () for a number.
        value: the number or array itself. It starts as a plain number, whatever the shape.
    """

    __slots__ = ("name", "shape", "start", "value")

    def __init__(self, name, shape=(), start=0.0):
        self.name = name
        self.shape = tuple(shape)
        self.start = self.value = start

    def assign(self, value):
        """Replaces the value."""
        self.value = _value(value)

    def assign_add(self, value):
        """Adds to the value."""
        self.value = self.value + _value(value)

    def assign_sub(self, value):
        """Subtracts from the value."""
        self.value = self.value - _value(value)

    def reset(self):
        """Goes back to the start."""
        self.value = self.start

    def numpy(self) -> np.ndarray:
        """Returns the value as a NumPy array of its shape."""
        return np.broadcast_to(np.asarray(to_numpy(self.value), dtype="float64"), self.shape)

    def __array__(self, dtype=None, copy=None):
        return np.array(self.numpy(), dtype=dtype)

    def __float__(self):
        return float(to_numpy(self.value))

    def __repr__(self):
        return f"Variable({self.name}, {self.numpy()})"

    def __add__(self, other):
        return self.value + _value(other)

    def __sub__(self, other):
        return self.value - _value(other)

    def __mul__(self, other):
        return self.value * _value(other)

    def __truediv__(self, other):
        return self.value / _value(other)

    def __radd__(self, other):
        return other + self.value

    def __rsub__(self, other):
        return other - self.value

    def __rmul__(self, other):
        return other * self.value

    def __rtruediv__(self, other):
        return other / self.value


def _value(item):
    return item.value if isinstance(item, Variable) else item


class Metric(Configurable, metaclass=Aliased):
    """Base of all metrics: `update_state` for each batch, then `result`, then `reset_state`.

    Args:
        dtype: "float32" or "float64": the type that predictions are compared in and arrays are returned in.
            Sums are float64 in any case.
        name: by default the class's name in snake case, counted: "precision", "precision_1".

    A metric of one's own, the largest error so far:

    >>> class Worst(Metric):
    ...     def __init__(self, name="worst", **arguments):
    ...         super().__init__(name=name, **arguments)
    ...         self.error = self.add_weight(name="error")
    ...     def update_state(self, y_true, y_pred, sample_weight=None):
    ...         self.error.assign(max(float(self.error), abs(y_true - y_pred).max()))
    ...     def result(self):
    ...         return float(self.error)
    >>> import numpy as np
    >>> Worst()(np.array([1.0, 2.0]), np.array([1.5, 2.0]))
    0.5
    """

    kind = "metric"
    dtypes = FLOATS
    _direction: str | None = None  # "up" or "down" is better (Keras's name): for callbacks with mode="auto"

    def __init__(self, dtype=None, name=None):
        who = type(self).__name__
        one_of(who, "dtype", dtype, (None, *self.dtypes))
        self.name = auto_name(snake_case(who)) if name is None else name
        self.dtype = floatx() if dtype is None else dtype
        self._variables = []

    def add_variable(self, shape=(), initializer=None, dtype=None, aggregation=None, name=None) -> Variable:
        """Returns a new accumulator.

        Args:
            shape: () for a number.
            initializer: what it starts as; zeros by default.
            dtype: None or a float type; sums are float64 in any case.
            aggregation: must be None or "sum".
            name: e.g. "total".
        """
        one_of(type(self).__name__, "dtype", dtype, (None, *FLOATS))
        one_of(type(self).__name__, "aggregation", aggregation, (None, "sum"))
        start = 0.0
        if initializer not in (None, "zeros"):
            start = np.asarray(initializers.get(initializer)(tuple(shape)), dtype="float64")
            start = float(start) if start.ndim == 0 else start
        variable = Variable(name or f"variable_{len(self._variables)}", shape, start)
        self._variables.append(variable)
        return variable

    def add_weight(self, shape=(), initializer=None, dtype=None, name=None) -> Variable:
        """Returns a new accumulator; Keras's other name for `add_variable`."""
        return self.add_variable(shape, initializer, dtype, name=name)

    @property
    def variables(self) -> list[Variable]:
        """The accumulators."""
        return list(self._variables)

    def update_state(self, *args, **keywords):
        """Adds a batch: y_true, y_pred, sample_weight."""
        raise type_error(
            f"{type(self).__name__} has no update_state.",
            "Define update_state(self, y_true, y_pred, sample_weight=None) and result(self).",
        )

    def result(self):
        """Returns the metric of all batches since `reset_state`: a float, or a NumPy array."""
        raise type_error(f"{type(self).__name__} has no result.", "Define result(self).")

    def reset_state(self):
        """Forgets all batches."""
        for variable in self._variables:
            variable.reset()

    def __call__(self, *args, **keywords):
        """Adds a batch and returns the result so far."""
        self.update_state(*args, **keywords)
        return self.result()

    def __repr__(self):
        return f"<{type(self).__name__} name={self.name}>"


# ---------------------------------------------------------------- sums and means


def spread(weights, shape, who: str):
    """Returns `weights` with the axes of `shape`, ready to broadcast to it.

    Raises:
        InvalidValue: where they don't fit.
    """
    if weights.ndim == len(shape) + 1 and weights.shape[-1] == 1:
        weights = weights[..., 0]
    if weights.ndim < len(shape):
        weights = weights.reshape(weights.shape + (1,) * (len(shape) - weights.ndim))
    if weights.ndim > len(shape) or any(a not in (1, b) for a, b in zip(weights.shape, shape, strict=True)):
        raise value_error(
            f"{who}: sample_weight has the shape {weights.shape}, the values {shape}.",
            "Give one weight a sample, or one a value.",
        )
    return weights


def weights_like(values, weights):
    """Returns `weights` as an array of the module of `values`."""
    return weights if is_array(weights) else xp_of(values).asarray(np.asarray(weights, dtype=floatx()))


@register("metric")
class Sum(Metric):
    """The sum of all values, times their weights.

    >>> Sum()([1.0, 3.0, 5.0], [1.0, 1.0, 0.0])
    4.0
    """

    def __init__(self, name="sum", dtype=None):
        super().__init__(dtype, name)
        self.total = self.add_variable(name="total")

    def update_state(self, values, sample_weight=None):
        """Adds values; `sample_weight` is a number, one a sample, or one a value."""
        values = as_array(values)
        if sample_weight is not None:
            values = values * spread(weights_like(values, sample_weight), values.shape, self.name)
        self.total.value = self.total.value + values.sum(dtype="float64")

    def result(self):
        """Returns the sum."""
        return plain(self.total)


@register("metric")
class Mean(Metric):
    """The mean over all samples, or the weighted sum over the sum of weights; 0 where there are none.

    >>> mean = Mean()
    >>> mean.update_state([1.0, 3.0]), mean.update_state([8.0])
    (None, None)
    >>> mean.result(), Mean()([1.0, 3.0], [3.0, 1.0])
    (4.0, 1.5)
    """

    def __init__(self, name="mean", dtype=None):
        super().__init__(dtype, name)
        self.total = self.add_variable(name="total")
        self.count = self.add_variable(name="count")

    def update_state(self, values, sample_weight=None):
        """Adds values (n, ...), the mean of each sample; `sample_weight` is a number or (n, ...)."""
        self._add(as_array(values), sample_weight)

    def _add(self, values, weights):
        if weights is not None:
            weights = weights_like(values, weights)
            if weights.ndim == 0:  # one weight for the batch makes it one sample, as in Keras
                values = values.mean()
            weights = spread(weights, values.shape, self.name)
        rows = values.shape[0] if values.ndim else 1
        if weights is None:
            total, count = values.sum(dtype="float64"), rows
        else:
            total = (values * weights).sum(dtype="float64")
            count = weights.sum(dtype="float64") * (rows / max(weights.size, 1))
        if values.ndim > 1:
            total = total * (rows / max(values.size, 1))
        self.total.value = self.total.value + total
        self.count.value = self.count.value + count

    def result(self):
        """Returns the mean."""
        count = plain(self.count)
        return plain(self.total) / count if count else 0.0


class Averaged(Mean):
    """The mean of a function of targets and predictions.

    Attributes:
        function: returns one value a sample (or more) for y_true, y_pred.
        options: names of the constructor arguments that the function takes.
    """

    function = None
    options: tuple[str, ...] = ()

    def samples(self, y_true, y_pred):
        """Returns the values that are averaged."""
        return self.function(y_true, y_pred, **{name: getattr(self, name) for name in self.options})

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch of targets and predictions; `sample_weight` is one a sample, or one a value."""
        self._add(self.samples(y_true, y_pred), sample_weight)


def _direction_of(fn):
    """Returns which way the mean of `fn` gets better, where it is a loss or the function of a metric."""
    name = getattr(fn, "__name__", "")
    if hasattr(fn, "forward") or vars(values).get(name) is fn:
        return "down"
    metric = registry.find("metric", name) if registry.is_known("metric", name) else None
    return metric._direction if getattr(metric, "function", None) is fn else None


class _Open(Aliased):
    """Lets a constructor pass any further argument on to a function."""

    def __call__(self, *args, **keywords):
        return type.__call__(self, *args, **keywords)


@register("metric")
class MeanMetricWrapper(Averaged, metaclass=_Open):
    """The mean of any function of targets and predictions, or of a loss.

    Args:
        fn: function of y_true and y_pred that returns one value a sample; or a Loss, whose single losses
            are averaged.
        name: by default the function's.
        dtype: see `Metric`.
        **kwargs: further arguments of the function.
    """

    def __init__(self, fn, name=None, dtype=None, **kwargs):
        super().__init__(name or snake_case(getattr(fn, "__name__", None) or fn.name), dtype)
        self.fn = fn
        self.arguments = kwargs
        self._direction = _direction_of(fn)

    def samples(self, y_true, y_pred):
        """Returns the values that are averaged."""
        if hasattr(self.fn, "forward"):
            return self.fn.forward(as_array(y_true), as_array(y_pred))[0]
        return as_array(self.fn(y_true, y_pred, **self.arguments))

    def get_config(self):
        """Returns the name and configuration of the function, and its arguments."""
        fn = registry.serialize(self.fn)
        if isinstance(fn, str):
            known = registry.registered_name(self.fn) or "function"
            fn = {"module": "builtins", "class_name": "function", "config": fn, "registered_name": known}
        return {"name": self.name, "dtype": self.dtype, "fn": fn, **registry.serialize(self.arguments)}

    @classmethod
    def from_config(cls, config):
        """Returns the metric that `get_config()`'s dictionary describes."""
        fn = config["fn"]
        if isinstance(fn, dict):
            plain_function = fn.get("class_name") == "function"
            fn = registry.deserialize(fn, "function" if plain_function else "loss")
        return cls(**{**config, "fn": fn})
