"""Parameters, the contiguous vectors they live in (homes), and the runs that optimizers work on.

When a model is made, the parameters of its layers that have no home yet are laid out in one vector:
first those that can be trained, then the others (moving averages), each in layer order. A home never
moves and is never replaced; every parameter is a named view of its home, and everybody writes into views.
"""

import contextlib
from contextvars import ContextVar
from math import prod

from kerasette.backend import floatx, module, to_module, to_numpy, xp_of
from kerasette.errors import shorten, value_error


class Parameter:
    """A named array of a layer: what Keras calls a variable.

    Attributes:
        name: within its layer, e.g. "kernel".
        path: with the layer's name, e.g. "dense_1/kernel".
        shape, dtype: of the array.
        value: the array itself, on the host or a device; written to, never replaced by its users.
        trainable: whether gradients may change it (moving averages: no).
        made_trainable: what `trainable` was at first; it decides the place among the layer's weights.
        regularizer, constraint: objects of that kind, or None.
        home: the Home it lives in, or None as long as no model holds it.
        offset: where it begins in its home.
    """

    __slots__ = (
        "constraint",
        "home",
        "layer_name",
        "made_trainable",
        "name",
        "offset",
        "regularizer",
        "trainable",
        "value",
    )

    def __init__(self, name, value, *, layer_name="", trainable=True, regularizer=None, constraint=None):
        self.name = name
        self.layer_name = layer_name
        self.value = value
        self.trainable = self.made_trainable = trainable
        self.regularizer = regularizer
        self.constraint = constraint
        self.home = None
        self.offset = 0

    @property
    def path(self) -> str:
        """The layer's name and the parameter's, e.g. "dense_1/kernel"."""
        return f"{self.layer_name}/{self.name}"

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self.value.shape

    @property
    def dtype(self) -> str:
        """Name of the type, e.g. "float32"."""
        return str(self.value.dtype)

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.value.size

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.value.ndim

    def numpy(self):
        """Returns a copy as a NumPy array."""
        value = to_numpy(self.value)
        return value.copy() if value is self.value else value

    def assign(self, value) -> None:
        """Writes `value` (an array of the same shape) into the parameter.

        Raises:
            InvalidValue: where the shape differs; nothing is changed.
        """
        self.value[...] = to_module(xp_of(self.value), self.checked(value))

    def checked(self, value):
        """Returns `value` as a NumPy array of this parameter's shape and type, or raises InvalidValue."""
        value = to_numpy(value.value if isinstance(value, Parameter) else value)
        if value.shape != self.shape:
            raise value_error(
                f"{self.path} has shape {self.shape}; the value to assign has shape {value.shape}."
            )
        return value.astype(self.dtype, copy=False)

    def __array__(self, dtype=None, copy=None):
        value = self.numpy()
        return value if dtype is None else value.astype(dtype)

    def __getstate__(self):
        """What copies and pickles hold: the value too where it is the parameter's own, else its home."""
        hidden = ("home",) if self.home is None else ("value", "offset")
        return {name: getattr(self, name) for name in self.__slots__ if name not in hidden}

    def __setstate__(self, state):
        if "home" not in state:
            self.home = None
        for name, value in state.items():
            # A home that comes with its parameters has put them into its vector by now.
            if name != "home":
                setattr(self, name, value)

    def __repr__(self):
        return f"<Parameter {self.path}, shape={self.shape}, dtype={self.dtype}>"


class _Allowance:
    """How many elements the parameters that are made now may still have, and whether values follow later."""

    __slots__ = ("blank", "left", "reason", "whole")

    def __init__(self, elements, reason, blank):
        self.whole = self.left = elements
        self.reason, self.blank = reason, blank

    def spend(self, path, shape):
        """Takes off the elements of one parameter; raises before any memory is taken for it."""
        size = prod(int(length) for length in shape)
        if size < 0 or size > self.left:
            raise value_error(
                f"{path} would have the shape {shorten(str(shape), 80)}, but all parameters together",
                f"may have {self.whole:,} elements here. {self.reason}",
            )
        self.left -= size


_allowance = ContextVar("allowance", default=None)


@contextlib.contextmanager
def limited(elements: int, reason: str = "", *, blank: bool = False):
    """Context in which new parameters may have `elements` elements together: for what comes from files.

    Args:
        elements: of all parameters that are made inside; the first that goes beyond raises InvalidValue.
        reason: a sentence for that error.
        blank: gives them zeros and draws no random numbers, because their values are read afterwards.
    """
    token = _allowance.set(_Allowance(elements, reason, blank))
    try:
        yield
    finally:
        _allowance.reset(token)


def is_limited() -> bool:
    """Tells whether this happens within `limited`."""
    return _allowance.get() is not None


def new_parameter(name, shape, initializer, dtype=None, *, layer_name="", **keywords) -> Parameter:
    """Returns a Parameter of its own array, filled by `initializer(shape, dtype)`."""
    shape, dtype, allowance = tuple(shape), dtype or floatx(), _allowance.get()
    if allowance is not None:
        allowance.spend(f"{layer_name}/{name}", shape)
    if allowance is not None and allowance.blank:
        value = module().zeros(shape, dtype)
    else:
        value = to_module(module(), initializer(shape, dtype), dtype)
    return Parameter(name, value, layer_name=layer_name, **keywords)


class Home:
    """One contiguous vector with the parameters that live in it, in order."""

    __slots__ = ("parameters", "vector")

    def __init__(self, parameters):
        first = parameters[0]
        self.parameters = list(parameters)
        total = sum(parameter.size for parameter in parameters)
        self.vector = xp_of(first.value).empty(total, first.value.dtype)
        offset = 0
        for parameter in self.parameters:
            view = self.vector[offset : offset + parameter.size].reshape(parameter.shape)
            view[...] = parameter.value
            parameter.value, parameter.home, parameter.offset = view, self, offset
            offset += parameter.size

    def move(self, xp) -> None:
        """Puts the vector on the module `xp`; the values stay."""
        self.vector = to_module(xp, self.vector)
        for parameter in self.parameters:
            end = parameter.offset + parameter.size
            parameter.value = self.vector[parameter.offset : end].reshape(parameter.shape)

    def __getstate__(self):
        """What copies and pickles hold: one vector, and where each parameter lies in it."""
        places = [(parameter, parameter.offset, parameter.shape) for parameter in self.parameters]
        return self.vector, places

    def __setstate__(self, state):
        self.vector, places = state
        self.parameters = []
        for parameter, offset, shape in places:
            self.parameters.append(parameter)
            size = prod(shape)
            parameter.home, parameter.offset = self, offset
            parameter.value = self.vector[offset : offset + size].reshape(shape)


def lay_out(parameters) -> None:
    """Gives those of `parameters` that have no home one home together.

    Raises:
        InvalidValue: where they differ in type.
    """
    homeless = [parameter for parameter in dict.fromkeys(parameters) if parameter.home is None]
    kinds = {parameter.dtype for parameter in homeless}
    if len(kinds) > 1:
        raise value_error(
            f"The layers of one model need one float type, got {' and '.join(sorted(kinds))}.",
            "Call kerasette.config.set_floatx() before the first layer is made.",
        )
    if homeless:
        Home(sorted(homeless, key=lambda parameter: not parameter.trainable))


class Placed:
    """A parameter and where it begins in a run; equal to any other place of the same parameter."""

    __slots__ = ("offset", "parameter")

    def __init__(self, parameter, offset):
        self.parameter = parameter
        self.offset = offset

    name = property(lambda self: self.parameter.name)
    path = property(lambda self: self.parameter.path)
    shape = property(lambda self: self.parameter.shape)
    size = property(lambda self: self.parameter.size)

    def __eq__(self, other):
        return isinstance(other, Placed) and self.parameter is other.parameter

    def __hash__(self):
        return id(self.parameter)


class Run:
    """A contiguous stretch of one home: `theta` is a vector, `parameters` says what lies in it."""

    __slots__ = ("parameters", "theta")

    def __init__(self, parameters):
        first, last = parameters[0], parameters[-1]
        self.theta = first.home.vector[first.offset : last.offset + last.size]
        self.parameters = [Placed(parameter, parameter.offset - first.offset) for parameter in parameters]


def runs_of(parameters) -> list[Run]:
    """Returns the fewest contiguous runs that hold exactly `parameters` (all of which have homes)."""
    parameters = list(dict.fromkeys(parameters))
    order = {}
    for parameter in parameters:
        order.setdefault(parameter.home, len(order))
    parameters.sort(key=lambda parameter: (order[parameter.home], parameter.offset))
    groups = []
    for parameter in parameters:
        last = groups[-1][-1] if groups else None
        if last and last.home is parameter.home and last.offset + last.size == parameter.offset:
            groups[-1].append(parameter)
        else:
            groups.append([parameter])
    return [Run(group) for group in groups]
