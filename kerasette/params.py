"""Parameters, the contiguous vectors they live in (homes), and the runs that optimizers work on.

When a model is made, the parameters of its layers that have no home yet are laid out in one vector:
first those that can be trained, then the others (moving averages), each in layer order. A home never
moves and is never replaced; every parameter is a named view of its home, and everybody writes into views.
"""

from kerasette.backend import floatx, module, to_module, to_numpy, xp_of
from kerasette.errors import value_error


class Parameter:
    """A named array of a layer: what Keras calls a variable.

    Attributes:
        name: within its layer, e.g. "kernel".
        path: with the layer's name, e.g. "dense_1/kernel".
        shape, dtype: of the array.
        value: the array itself, on the host or a device; written to, never replaced by its users.
        trainable: whether gradients may change it (moving averages: no).
        regularizer, constraint: objects of that kind, or None.
        home: the Home it lives in, or None as long as no model holds it.
        offset: where it begins in its home.
    """

    __slots__ = (
        "constraint",
        "home",
        "layer_name",
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
        self.trainable = trainable
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

    def __repr__(self):
        return f"<Parameter {self.path}, shape={self.shape}, dtype={self.dtype}>"


def new_parameter(name, shape, initializer, dtype=None, **keywords) -> Parameter:
    """Returns a Parameter of its own array, filled by `initializer(shape, dtype)`."""
    value = initializer(tuple(shape), dtype or floatx())
    return Parameter(name, to_module(module(), value, dtype or floatx()), **keywords)


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
