"""Proof for people who write layers: is backward the derivative of forward?"""

import numpy as np

from kerasette.engine import Executor, Plan
from kerasette.errors import KerasetteError, value_error
from kerasette.graph import Graph
from kerasette.layers.base import Input, Layer
from kerasette.params import Placed


class GradientError(KerasetteError, AssertionError):
    """A backward that isn't the derivative of its forward."""


class _Own:
    """A run of one parameter, as the executor wants it."""

    def __init__(self, parameter):
        self.theta = parameter.value.reshape(-1)
        self.parameters = [Placed(parameter, 0)]


def check_gradients(
    layer: Layer,
    *inputs,
    training: bool = False,
    tolerance: float = 1e-6,
    step: float = 1e-6,
    most: int = 200,
    seed: int = 0,
) -> dict[str, float]:
    """Compares every gradient of a layer or model with central differences in float64.

    The outputs are multiplied by fixed random numbers and added up; the derivative of that sum with
    respect to each element is (f(x + step) - f(x - step)) / (2 step).

    Args:
        layer: a Layer or Model, built or not.
        inputs: for each input an array (first axis: samples), or the shape of one (random normal then).
        training: mode of dropout, normalization and the like; their random numbers are held fixed.
        tolerance: the largest error that passes, relative to the largest gradient of the same array.
        step: distance of the differences.
        most: how many elements of each array are tried (all of smaller arrays).
        seed: of the random numbers.

    Returns:
        {"inputs/0": relative error, "dense/kernel": ...}.

    Raises:
        GradientError: where an error exceeds `tolerance`, with a list of all that do.

    >>> from kerasette.layers import Dense
    >>> errors = check_gradients(Dense(3, activation="tanh", name="dense"), (5, 4))
    >>> sorted(errors)[-2:], max(errors.values()) < 1e-6
    (['dense/kernel', 'inputs/0'], True)
    """
    rng = np.random.default_rng(seed)
    if not inputs:
        raise value_error("check_gradients needs the inputs: arrays, or shapes such as (5, 4).")
    xs = [rng.standard_normal(x) if isinstance(x, tuple) else np.array(x) for x in inputs]
    xs = [x.astype(np.float64) if x.dtype.kind == "f" else x for x in xs]
    probe = _Probe(layer, xs, training, rng)
    try:
        errors = probe.errors(step, most)
    finally:
        probe.restore()
    wrong = {name: error for name, error in errors.items() if not error <= tolerance}
    if wrong:
        raise GradientError(
            f"{layer.name} ({type(layer).__name__}): backward isn't the derivative of forward for "
            + ", ".join(f"{name} (relative error {error:.1e})" for name, error in wrong.items())
            + f"; the tolerance is {tolerance:.0e}."
        )
    return errors


class _Probe:
    """A layer as a plan of its own in float64, with a scalar to differentiate."""

    def __init__(self, layer, xs, training, rng):
        tensors = [Input(x.shape[1:], dtype=str(x.dtype)) for x in xs]
        layer._ensure_built([x.shape[1:] for x in xs])
        outputs = layer.symbolic_call(tensors)
        self.xs, self.training, self.rng = xs, training, rng
        self.parameters = list(layer.parameters)
        self._before = [parameter.value for parameter in self.parameters]
        for parameter in self.parameters:
            parameter.value = np.array(parameter.numpy(), dtype=np.float64)
        graph = Graph(tensors, list(outputs) if isinstance(outputs, tuple) else [outputs])
        trained = [parameter for parameter in self.parameters if parameter.trainable]
        plan = Plan(graph, trained=frozenset(trained), input_gradients=True)
        self.trained = trained
        self.executor = Executor(plan, np, "float64", [_Own(parameter) for parameter in trained])
        self.weights = [rng.standard_normal(out.shape) for out in self._forward()]

    def restore(self):
        """Gives the parameters back the arrays they had."""
        for parameter, value in zip(self.parameters, self._before, strict=True):
            parameter.value = value

    def _forward(self):
        return self.executor.forward(self.xs, training=self.training)

    def scalar(self):
        """Returns the sum that is differentiated."""
        value = sum((out * weight).sum() for out, weight in zip(self._forward(), self.weights, strict=True))
        return value + self.executor.penalty

    def errors(self, step, most):
        """Returns the relative error of each gradient by name."""
        self._forward()
        dxs = self.executor.backward([weight.copy() for weight in self.weights])
        pairs = [(f"inputs/{k}", x, dx) for k, (x, dx) in enumerate(zip(self.xs, dxs, strict=True))]
        pairs = [(name, x, dx.copy()) for name, x, dx in pairs if x.dtype.kind == "f" and dx is not None]
        gradients = [gradient.copy() for gradient in self.executor.gradients]
        for parameter, gradient in zip(self.trained, gradients, strict=True):
            pairs.append((parameter.path, parameter.value, gradient.reshape(parameter.shape)))
        return {name: self._error(x, dx, step, most) for name, x, dx in pairs}

    def _error(self, x, dx, step, most):
        flat = x.reshape(-1)
        picked = np.arange(x.size) if x.size <= most else self.rng.choice(x.size, most, replace=False)
        found = np.empty(len(picked))
        for k, position in enumerate(picked):
            before = flat[position]
            flat[position] = before + step
            above = self.scalar()
            flat[position] = before - step
            below = self.scalar()
            flat[position] = before
            found[k] = (above - below) / (2 * step)
        given = np.asarray(dx, dtype=np.float64).reshape(-1)[picked]
        scale = max(np.abs(given).max(initial=0.0), np.abs(found).max(initial=0.0), 1e-8)
        return float(np.abs(given - found).max(initial=0.0) / scale)
