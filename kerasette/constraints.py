"""Constraints: what a parameter is mapped to after each step. Keras 3's names and arguments.

A constraint is called with the array, and returns a new one of the same module, shape and dtype.
"""

from kerasette import registry
from kerasette.backend import epsilon, xp_of
from kerasette.errors import fraction, no_attribute, type_error, value_error
from kerasette.registry import Aliased, Configurable, register


class Constraint(Configurable, metaclass=Aliased):
    """Base of all constraints: write `__call__(w)`, return the new values."""

    kind = "constraint"

    def __call__(self, w):
        """Returns the values nearest to `w`, in some sense, that the constraint allows."""
        raise NotImplementedError(f"{type(self).__name__} needs a method __call__(w).")


def _norms(w, axis):
    """Returns the Euclidean norms over `axis`, which stays with length 1."""
    xp = xp_of(w)
    axis = tuple(axis) if isinstance(axis, (list, tuple)) else axis
    return xp.sqrt(xp.square(w).sum(axis=axis, keepdims=True))


def _bound(owner: str, argument: str, value) -> None:
    """Raises InvalidValue unless `value` is a number of at least 0."""
    if isinstance(value, (bool, str)) or value is None or not value >= 0:
        raise value_error(f"{owner}: {argument} must be a number of at least 0, got {value!r}.")


@register("constraint")
class MaxNorm(Constraint):
    """Scales vectors that are longer than `max_value` down to it.

    Args:
        max_value: the greatest norm.
        axis: axis or axes along a vector: 0 for the inputs of a Dense kernel, [0, 1, 2] for those of a
            Conv2D kernel.
    """

    def __init__(self, max_value=2, axis=0):
        _bound("MaxNorm", "max_value", max_value)
        self.max_value, self.axis = max_value, axis

    def __call__(self, w):
        """Returns `w` with its norms at most max_value."""
        norms = _norms(w, self.axis)
        return w * (xp_of(w).minimum(norms, self.max_value) / (norms + epsilon()))


@register("constraint")
class NonNeg(Constraint):
    """Sets negative values to 0."""

    def __call__(self, w):
        """Returns max(w, 0)."""
        return xp_of(w).maximum(w, 0)


@register("constraint")
class UnitNorm(Constraint):
    """Scales vectors to norm 1.

    Args:
        axis: axis or axes along a vector, see `MaxNorm`.
    """

    def __init__(self, axis=0):
        self.axis = axis

    def __call__(self, w):
        """Returns `w` with norms of 1; zeros stay zeros."""
        return w / (_norms(w, self.axis) + epsilon())


@register("constraint")
class MinMaxNorm(Constraint):
    """Scales vectors so that their norms lie between two bounds.

    Args:
        min_value, max_value: the bounds.
        rate: 1 goes all the way, less goes a part: (1 - rate) norm + rate clip(norm).
        axis: axis or axes along a vector, see `MaxNorm`.
    """

    def __init__(self, min_value=0.0, max_value=1.0, rate=1.0, axis=0):
        _bound("MinMaxNorm", "min_value", min_value)
        _bound("MinMaxNorm", "max_value", max_value)
        if min_value > max_value:
            raise value_error(f"MinMaxNorm: min_value {min_value!r} is above max_value {max_value!r}.")
        fraction("MinMaxNorm", "rate", rate)
        self.min_value, self.max_value, self.rate, self.axis = min_value, max_value, rate, axis

    def __call__(self, w):
        """Returns `w` with its norms moved into the bounds."""
        norms = _norms(w, self.axis)
        wanted = self.rate * xp_of(w).clip(norms, self.min_value, self.max_value) + (1 - self.rate) * norms
        return w * (wanted / (norms + epsilon()))


max_norm, non_neg, unit_norm, min_max_norm = MaxNorm, NonNeg, UnitNorm, MinMaxNorm


# ---------------------------------------------------------------- by name


def get(identifier):
    """Returns the constraint that `identifier` names or is; None for None.

    Args:
        identifier: a name ("max_norm", "non_neg", "unit_norm", "min_max_norm"), a config, a class, an
            object or a callable.

    Raises:
        InvalidValue: for an unknown name, with the nearest one.
        InvalidType: for anything else, or an object that can't be called.
    """
    found = registry.resolve("constraint", identifier)
    if found is not None and not callable(found):
        raise type_error(f"A constraint must be callable with an array; {type(found).__name__} is not.")
    return found


def serialize(constraint):
    """Returns the configuration of `constraint`, as Keras writes it."""
    return registry.serialize(constraint)


def deserialize(config, custom_objects: dict | None = None):
    """Returns the constraint that `config` (a dictionary or a name) describes."""
    return registry.resolve("constraint", config, custom_objects)


def __getattr__(name):
    raise no_attribute(__name__, name, [own for own in globals() if not own.startswith("_")])
