"""Gives symbolic tensors and recorded arrays their operators: a + b, a[:, 1:], -a and so on."""

import inspect
from functools import cached_property

from kerasette import activations
from kerasette.graph import SymbolicTensor
from kerasette.ops import arithmetic, axes, logic, shaping
from kerasette.ops.base import Op, decode, encode
from kerasette.ops.recording import Recorded
from kerasette.registry import auto_name, register


@register("operation")
class Activate(Op):
    """Any activation as an operation: what `activations.gelu(symbolic)` makes.

    Args:
        activation: name or object.
        settings: {name: value} of the further arguments of the activation's function.
        base: constants and name.
    """

    module = None

    def __init__(self, activation, settings=None, *, name=None, **base):
        self.activation = activations.get(activation)
        super().__init__(name=auto_name(self.activation.name) if name is None else name, **base)
        self.keywords = {key: decode(value) for key, value in (settings or {}).items()}

    @cached_property
    def fuses_with(self):
        return None if self.keywords else self.activation.kind_name

    def get_config(self):
        """Returns name, activation and settings."""
        settings = {key: encode(value) for key, value in self.keywords.items()}
        return {"name": self.name, "activation": self.activation.name, "settings": settings}

    def output_shape(self, shape):
        return self.activation.output_shape(shape)

    def forward(self, ctx, w, x):
        (x,) = self.arguments(ctx, (x,))
        return self.activation.forward(x, **self.keywords)

    def backward(self, ctx, w, dw, dy, cache):
        return self.activation.backward(dy, cache)


def _swapped(function):
    return lambda self, other: function(other, self)


def install(cls) -> None:
    """Gives the class `cls` the operators of Python, made of operations."""
    two = {
        "add": arithmetic.add,
        "sub": arithmetic.subtract,
        "mul": arithmetic.multiply,
        "truediv": arithmetic.true_divide,
        "pow": arithmetic.power,
        "matmul": axes.matmul,
        "and": logic.logical_and,
        "or": logic.logical_or,
    }
    for name, function in two.items():
        setattr(cls, f"__r{name}__", _swapped(function))
    compared = {
        "ne": logic.not_equal,  # == stays Python's own: tensors are told apart by it
        "gt": logic.greater,
        "ge": logic.greater_equal,
        "lt": logic.less,
        "le": logic.less_equal,
    }
    for name, function in (two | compared).items():
        setattr(cls, f"__{name}__", lambda self, other, function=function: function(self, other))
    cls.__invert__ = logic.logical_not
    cls.__neg__ = arithmetic.negative
    cls.__abs__ = arithmetic.absolute
    cls.__getitem__ = shaping.getitem


_NAMED = {
    "relu": arithmetic.Relu,
    "sigmoid": arithmetic.Sigmoid,
    "tanh": arithmetic.Tanh,
    "softmax": axes.Softmax,
}


def _apply(tensor, activation, *arguments, **settings):
    """Makes the node of an activation: the operation that Keras has for it, else an Activate."""
    names = list(inspect.signature(activation.forward).parameters)[1:]
    settings = {**dict(zip(names, arguments, strict=False)), **settings}
    if activation.name in _NAMED and not settings:
        return _NAMED[activation.name].of(tensor)
    return Activate.of(tensor, activation=activation, settings=settings)


for _kind in (SymbolicTensor, Recorded):
    install(_kind)
    _kind.__kerasette_apply__ = _apply
