"""The parameters of a layer: how they are made, listed, read and set."""

import numpy as np

from kerasette import constraints, initializers, regularizers
from kerasette.errors import value_error
from kerasette.params import new_parameter


class Weighted:
    """The part of a layer that holds its parameters."""

    def add_param(
        self, name, shape, initializer="glorot_uniform", *, trainable=True, regularizer=None, constraint=None
    ):
        """Makes a parameter of this layer and returns its handle; `w[name]` is its array in forward.

        Args:
            name: unique within the layer.
            shape: tuple of whole numbers.
            initializer, regularizer, constraint: names or objects.
            trainable: False for statistics that training keeps by other means than gradients.
        """
        if name in self._params:
            raise value_error(f"{self.name} already has a parameter '{name}'.")
        parameter = new_parameter(
            name,
            shape,
            initializers.get(initializer),
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
