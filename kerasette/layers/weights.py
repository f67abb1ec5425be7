"""The parameters of a layer: how they are made, listed, read and set."""

import contextlib
import functools
import warnings

import numpy as np

from kerasette import constraints, initializers, regularizers
from kerasette.errors import value_error
from kerasette.params import new_parameter
from kerasette.registry import Aliased, parameters

GETTERS = {"initializer": initializers.get, "regularizer": regularizers.get, "constraint": constraints.get}


class Checked(Aliased):
    """Metaclass of layers: it looks at the names of initializers and the like once a layer is made."""

    def __call__(self, *args, **keywords):
        layer = super().__call__(*args, **keywords)
        for argument, get in _named(self):
            get(getattr(layer, argument, None))  # raises where nothing has that name
        return layer


@functools.cache
def _named(cls):
    """Returns [(argument, what finds the thing it names)] of the class of ours that `cls` is or extends."""
    ours = next(base for base in cls.__mro__ if base.__module__.startswith("kerasette."))
    pairs = [(argument, GETTERS.get(argument.rpartition("_")[2])) for argument in parameters(ours)]
    return [(argument, get) for argument, get in pairs if get is not None]


@contextlib.contextmanager
def undone_on_error(layers):
    """Context of a build: an error leaves `layers` as they were before."""
    before = [(layer, {**vars(layer), "_params": dict(layer._params)}) for layer in layers]
    try:
        yield
    except BaseException:
        for layer, state in before:
            vars(layer).clear()
            vars(layer).update(state)
        raise


def warn_of_kept(layer) -> None:
    """Warns where a layer of one's own keeps layers, whose weights nobody would train or save with it."""
    if type(layer).__module__.startswith("kerasette.") or hasattr(layer, "held"):
        return
    for name, value in vars(layer).items():
        kept = [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, Weighted)]
        if kept:
            warnings.warn(
                f"{layer.name} keeps {type(kept[0]).__name__} in '{name}', whose weights are neither "
                "trained nor saved with it: a layer's parameters are those of its own add_param(). "
                "Call layers on one another in a Model, or compute with parameters of your own.",
                stacklevel=6,
            )


class Weighted:
    """The part of a layer that holds its parameters."""

    def add_param(
        self, name, shape, initializer="glorot_uniform", *, trainable=True, regularizer=None, constraint=None
    ):
        """Makes a parameter of this layer and returns its handle; `w[name]` is its array in forward.

        Args:
            name: unique within the layer.
            shape: tuple of whole numbers.
            initializer, regularizer, constraint: names or objects, or None (initializer: "glorot_uniform").
            trainable: False for statistics that training keeps by other means than gradients.
        """
        if name in self._params:
            raise value_error(f"{self.name} already has a parameter '{name}'.")
        parameter = new_parameter(
            name,
            shape,
            initializers.get("glorot_uniform" if initializer is None else initializer),
            self.dtype,
            layer_name=self.name,
            trainable=trainable,
            regularizer=regularizers.get(regularizer),
            constraint=constraints.get(constraint),
        )
        self._params[name] = parameter
        return parameter

    def add_weight(self, shape=(), initializer="glorot_uniform", *, name=None, **keywords):
        """Keras's name and order of arguments for `add_param`."""
        return self.add_param(name or f"variable_{len(self._params)}", shape, initializer, **keywords)

    def __getattr__(self, name):
        params = self.__dict__.get("_params")
        if params and name in params:
            return params[name]
        raise AttributeError(f"{type(self).__name__} has no attribute '{name}'", name=name, obj=self)

    @property
    def parameters(self):
        """All parameters, in the order of Keras: those first that were made to be trained."""
        return sorted(self._params.values(), key=lambda parameter: not parameter.made_trainable)

    weights = variables = property(lambda self: list(self.parameters))

    @property
    def trainable_weights(self):
        """The parameters that training may change now."""
        return [p for p in self.parameters if p.trainable] if self.trainable else []

    @property
    def non_trainable_weights(self):
        """The parameters that training leaves alone now."""
        return [p for p in self.parameters if not (p.trainable and self.trainable)]

    trainable_variables = property(lambda self: self.trainable_weights)
    non_trainable_variables = property(lambda self: self.non_trainable_weights)

    @property
    def trainable(self) -> bool:
        """Whether training may change the parameters; compiled models notice at their next compile()."""
        return self._trainable

    @trainable.setter
    def trainable(self, value):
        self._trainable = bool(value)

    def count_params(self) -> int:
        """Returns the number of elements of all parameters."""
        return sum(parameter.size for parameter in self.parameters)

    def get_weights(self) -> list[np.ndarray]:
        """Returns copies of all parameters, in Keras's order."""
        return [parameter.numpy() for parameter in self.parameters]

    def set_weights(self, weights) -> None:
        """Writes `weights` (arrays as `get_weights` gives them) into the parameters; all or none.

        Raises:
            InvalidValue: where their number or a shape differs.
        """
        parameters = self.parameters
        if len(weights) != len(parameters):
            raise value_error(f"{self.name} has {len(parameters)} weights, got {len(weights)} to set.")
        checked = [parameter.checked(value) for parameter, value in zip(parameters, weights, strict=True)]
        for parameter, value in zip(parameters, checked, strict=True):
            parameter.assign(value)
