"""Regularizers: a penalty on an array, and the gradient of that penalty. Keras 3's names and arguments.

A regularizer is called with the array, `reg(w)`, for its loss, and has `reg.gradient(w, out=None)`: the
derivative of that loss by w. Both stay on the module and in the dtype of w.
"""

import math

from kerasette import registry
from kerasette.backend import xp_of
from kerasette.errors import no_attribute, one_of, type_error, value_error
from kerasette.functions.common import inner
from kerasette.registry import Aliased, Configurable, register
from kerasette.shapes import pretty


class Regularizer(Configurable, metaclass=Aliased):
    """Base of all regularizers: write `__call__(w)`, the loss, and `gradient(w, out=None)`."""

    kind = "regularizer"

    def __call__(self, w):
        """Returns the penalty on `w`, a scalar."""
        raise NotImplementedError(f"{type(self).__name__} needs a method __call__(w) that returns the loss.")

    def gradient(self, w, out=None):
        """Returns the derivative of the penalty by `w`, like w; in `out` where that is given."""
        raise NotImplementedError(f"{type(self).__name__} needs a method gradient(w, out=None).")


def _factor(owner: str, argument: str, value, default: float) -> float:
    """Returns a factor as float: `default` for None, as in Keras.

    Raises:
        InvalidValue: where it is no finite number of at least 0.
    """
    if value is None:
        return default
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, (bool, str)) or not 0 <= number < math.inf:
        raise value_error(f"{owner}: {argument} must be a number of at least 0, got {value!r}.")
    return number


def _absolute_sum(w):
    return xp_of(w).absolute(w).sum()


def _square_sum(w):
    flat = w.reshape(-1)
    return inner(flat, flat)


@register("regularizer")
class L1(Regularizer):
    """The loss l1 sum(|w|).

    Args:
        l1: factor.
    """

    def __init__(self, l1=0.01):
        self.l1 = _factor("L1", "l1", l1, 0.01)

    def __call__(self, w):
        """Returns l1 sum(|w|)."""
        return self.l1 * _absolute_sum(w)

    def gradient(self, w, out=None):
        """Returns l1 sign(w); 0 at 0, as TensorFlow."""
        out = xp_of(w).sign(w, out)
        out *= self.l1
        return out


@register("regularizer")
class L2(Regularizer):
    """The loss l2 sum(w^2), without a factor of 1/2.

    Args:
        l2: factor.
    """

    def __init__(self, l2=0.01):
        self.l2 = _factor("L2", "l2", l2, 0.01)

    def __call__(self, w):
        """Returns l2 sum(w^2)."""
        return self.l2 * _square_sum(w)

    def gradient(self, w, out=None):
        """Returns 2 l2 w."""
        return xp_of(w).multiply(w, 2 * self.l2, out)


@register("regularizer", "l1l2", "l1_l2")
class L1L2(Regularizer):
    """The loss l1 sum(|w|) + l2 sum(w^2).

    Args:
        l1, l2: factors. Both are 0 by default; the name "l1_l2" stands for 0.01 and 0.01.
    """

    def __init__(self, l1=0.0, l2=0.0):
        self.l1 = _factor("L1L2", "l1", l1, 0.0)
        self.l2 = _factor("L1L2", "l2", l2, 0.0)

    def __call__(self, w):
        """Returns l1 sum(|w|) + l2 sum(w^2)."""
        return self.l1 * _absolute_sum(w) + self.l2 * _square_sum(w)

    def gradient(self, w, out=None):
        """Returns l1 sign(w) + 2 l2 w."""
        xp = xp_of(w)
        out = xp.sign(w, out)
        out *= self.l1
        out += xp.multiply(w, 2 * self.l2)
        return out


@register("regularizer")
class OrthogonalRegularizer(Regularizer):
    """Pushes the rows (or columns) of a matrix to be orthogonal to each other.

    The loss is factor times the mean of |cos(angle)| over all pairs of rows; the lengths of the rows
    don't matter. A single row has no pair, and costs 0.

    Args:
        factor: of the loss.
        mode: "rows" or "columns".
    """

    def __init__(self, factor=0.01, mode="rows"):
        one_of("OrthogonalRegularizer", "mode", mode, ("rows", "columns"))
        self.factor = _factor("OrthogonalRegularizer", "factor", factor, 0.01)
        self.mode = mode

    def __call__(self, w):
        """Returns factor mean(|cos|) of the matrix `w`."""
        cosines, _, _ = self._cosines(w)
        return self._per_pair(cosines) * 0.5 * _absolute_sum(cosines)

    def gradient(self, w, out=None):
        """Returns the derivative by `w`, a matrix."""
        xp = xp_of(w)
        cosines, rows, lengths = self._cosines(w)
        drows = xp.sign(cosines).dot(rows)  # (R, D)
        drows *= self._per_pair(cosines)
        drows -= rows * (rows * drows).sum(axis=1, keepdims=True)
        drows /= lengths
        found = drows if self.mode == "rows" else drows.T
        if out is None:
            return found
        out[...] = found
        return out

    def _cosines(self, w):
        """Returns the cosines between rows (R, R) with 0 on the diagonal, the unit rows, and the lengths."""
        xp = xp_of(w)
        if w.ndim != 2:
            raise value_error(f"OrthogonalRegularizer needs a matrix, got the shape {pretty(w.shape)}.")
        rows = w if self.mode == "rows" else w.T
        lengths = xp.sqrt(xp.square(rows).sum(axis=1, keepdims=True))
        lengths += lengths == 0  # a row of zeros stays a row of zeros
        rows = rows / lengths
        cosines = rows.dot(rows.T)
        cosines *= 1 - xp.eye(len(rows), dtype=w.dtype)
        return cosines, rows, lengths

    def _per_pair(self, cosines):
        size = len(cosines)
        return self.factor / max(size * (size - 1) / 2, 1)


l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer


# ---------------------------------------------------------------- by name


def get(identifier):
    """Returns the regularizer that `identifier` names or is; None for None.

    Args:
        identifier: a name ("l1", "l2", "l1_l2", "orthogonal_regularizer"), a config, a class or an object.

    Raises:
        InvalidValue: for an unknown name, with the nearest one.
        InvalidType: for an object that can't be called, or has no gradient.
    """
    return _resolve(identifier)


def _resolve(identifier, custom_objects=None):
    if identifier == "l1_l2":
        return L1L2(0.01, 0.01)  # the class alone would do nothing, by Keras's defaults
    found = registry.resolve("regularizer", identifier, custom_objects)
    if found is None:
        return None
    inherited = getattr(type(found), "gradient", None) is Regularizer.gradient
    if inherited or not callable(found) or not callable(getattr(found, "gradient", None)):
        name = getattr(found, "__name__", type(found).__name__)
        raise type_error(
            f"The regularizer {name} has no gradient(w, out=None), the derivative of its loss.",
            "Derive a class from kerasette.regularizers.Regularizer and write __call__ and gradient.",
        )
    return found


def serialize(regularizer):
    """Returns the configuration of `regularizer`, as Keras writes it."""
    return registry.serialize(regularizer)


def deserialize(config, custom_objects: dict | None = None):
    """Returns the regularizer that `config` (a dictionary or a name) describes."""
    return _resolve(config, custom_objects)


def __getattr__(name):
    raise no_attribute(__name__, name, [own for own in globals() if not own.startswith("_")])
