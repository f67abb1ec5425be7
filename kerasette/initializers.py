"""Initializers: first values of parameters, made on the host with NumPy. Keras 3's names and arguments.

An initializer without a seed draws one from the global stream when it is first called, and keeps it:
like Keras's, it gives the same values each time, and its configuration still says seed None.
"""

import math

import numpy as np

from kerasette import registry
from kerasette.backend import floatx, host_generator, is_array, next_seed, to_numpy
from kerasette.errors import one_of, positive_int, type_error, value_error
from kerasette.registry import Aliased, Configurable, register
from kerasette.shapes import pretty

TRUNCATED_STDDEV = 0.87962566103423978  # of a standard normal that is cut off at -2 and 2
DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "uniform")


class Initializer(Configurable, metaclass=Aliased):
    """Base of all initializers: write `__call__(shape, dtype=None)`, return a NumPy array of that shape."""

    kind = "initializer"

    def __call__(self, shape, dtype=None):
        """Returns an array of `shape` and `dtype` (default: `floatx()`)."""
        raise NotImplementedError(f"{type(self).__name__} needs a method __call__(shape, dtype=None).")

    def clone(self):
        """Returns a new initializer of the same configuration."""
        return type(self).from_config(self.get_config())


# ---------------------------------------------------------------- constants


@register("initializer", "zero")
class Zeros(Initializer):
    """All 0."""

    def __call__(self, shape, dtype=None):
        """Returns zeros of `shape`."""
        return np.zeros(shape, dtype or floatx())


@register("initializer", "one")
class Ones(Initializer):
    """All 1."""

    def __call__(self, shape, dtype=None):
        """Returns ones of `shape`."""
        return np.ones(shape, dtype or floatx())


@register("initializer")
class Constant(Initializer):
    """All `value`.

    Args:
        value: a number, or an array that broadcasts to the shape asked for.
    """

    def __init__(self, value=0.0):
        if np.asarray(to_numpy(value)).dtype.kind not in "fiub":
            raise type_error(f"Constant: value must be a number or an array of numbers, got {value!r}.")
        self.value = value

    def __call__(self, shape, dtype=None):
        """Returns `value` in `shape`."""
        value = to_numpy(self.value)
        try:
            return np.full(shape, value, dtype or floatx())
        except ValueError as problem:
            raise value_error(
                f"Constant: a value of shape {pretty(value.shape)} doesn't fit the shape {pretty(shape)}."
            ) from problem


@register("initializer", "IdentityInitializer")
class Identity(Initializer):
    """The identity matrix times `gain`; for parameters of two axes.

    Args:
        gain: factor.
    """

    def __init__(self, gain=1.0):
        self.gain = gain

    def __call__(self, shape, dtype=None):
        """Returns `gain` on the diagonal, 0 elsewhere."""
        if len(shape) != 2:
            raise value_error(f"Identity makes matrices; a parameter of shape {pretty(shape)} is none.")
        return self.gain * np.eye(*shape, dtype=dtype or floatx())


# ---------------------------------------------------------------- random numbers


class RandomInitializer(Initializer):
    """Base of the random initializers.

    Args:
        seed: a whole number of at least 0; None takes one from the global stream (`set_random_seed`).
    """

    def __init__(self, seed=None):
        if seed is not None:
            positive_int(type(self).__name__, "seed", seed, minimum=0)
        self.seed = seed
        self._drawn = None

    def _generator(self):
        """Returns the generator of this initializer, at its beginning."""
        if self.seed is not None:
            return host_generator(self.seed)
        if self._drawn is None:
            self._drawn = next_seed()
        return host_generator(self._drawn)

    def _normal(self, shape, dtype, mean, stddev):
        values = self._generator().standard_normal(tuple(shape), _drawable(dtype))
        return _scale(values, stddev, mean, dtype)

    def _truncated(self, shape, dtype, mean, stddev):
        """Returns normal numbers of which those beyond two deviations were drawn again."""
        generator = self._generator()
        values = generator.standard_normal(tuple(shape), _drawable(dtype))
        outside = np.abs(values) > 2
        while outside.any():
            values[outside] = generator.standard_normal(int(outside.sum()), values.dtype)
            outside = np.abs(values) > 2
        return _scale(values, stddev, mean, dtype)

    def _uniform(self, shape, dtype, low, high):
        values = self._generator().random(tuple(shape), _drawable(dtype))
        return _scale(values, high - low, low, dtype)


def _drawable(dtype):
    """Returns the type that numbers are drawn in: float64 for float64, float32 for the rest."""
    return np.dtype("float64" if np.dtype(dtype or floatx()) == "float64" else "float32")


def _scale(values, factor, offset, dtype):
    """Returns values factor + offset, in `dtype`."""
    values *= factor
    values += offset
    return values.astype(dtype or floatx(), copy=False)


@register("initializer", "normal")
class RandomNormal(RandomInitializer):
    """Normal numbers.

    Args:
        mean, stddev: of the distribution.
        seed: see `RandomInitializer`.
    """

    def __init__(self, mean=0.0, stddev=0.05, seed=None):
        self.mean, self.stddev = mean, stddev
        super().__init__(seed)

    def __call__(self, shape, dtype=None):
        """Returns normal numbers of `shape`."""
        return self._normal(shape, dtype, self.mean, self.stddev)


@register("initializer", "uniform")
class RandomUniform(RandomInitializer):
    """Numbers uniform in [minval, maxval).

    Args:
        minval, maxval: the bounds.
        seed: see `RandomInitializer`.
    """

    def __init__(self, minval=-0.05, maxval=0.05, seed=None):
        self.minval, self.maxval = minval, maxval
        super().__init__(seed)

    def __call__(self, shape, dtype=None):
        """Returns uniform numbers of `shape`."""
        return self._uniform(shape, dtype, self.minval, self.maxval)


@register("initializer")
class TruncatedNormal(RandomInitializer):
    """Normal numbers; those beyond two deviations are drawn again.

    Args:
        mean, stddev: of the distribution before it is cut.
        seed: see `RandomInitializer`.
    """

    def __init__(self, mean=0.0, stddev=0.05, seed=None):
        self.mean, self.stddev = mean, stddev
        super().__init__(seed)

    def __call__(self, shape, dtype=None):
        """Returns truncated normal numbers of `shape`."""
        return self._truncated(shape, dtype, self.mean, self.stddev)


def compute_fans(shape, input_axes=None, output_axes=None) -> tuple[int, int]:
    """Returns how many inputs and outputs an element of a kernel of `shape` connects: (fan in, fan out).

    The last axis but one counts the inputs, the last one the outputs, and those before are the window
    of a convolution, a factor of both. With `input_axes` and `output_axes` each fan is the product of
    the lengths of those axes.

    >>> compute_fans((4, 5)), compute_fans((3, 3, 4, 5)), compute_fans((7,)), compute_fans(())
    ((4, 5), (36, 45), (7, 7), (1, 1))
    """
    if input_axes is not None:
        return tuple(math.prod(shape[axis] for axis in axes) for axes in (input_axes, output_axes))
    if len(shape) < 2:
        fan = math.prod(shape)
        return fan, fan
    window = math.prod(shape[:-2])
    return shape[-2] * window, shape[-1] * window


@register("initializer")
class VarianceScaling(RandomInitializer):
    """Random numbers whose variance is scale / n, where n follows from the shape.

    Args:
        scale: a positive factor.
        mode: "fan_in" (n is the number of inputs), "fan_out" (of outputs) or "fan_avg" (their mean).
        distribution: "truncated_normal" (also called "normal"), "untruncated_normal" or "uniform".
        seed: see `RandomInitializer`.
        input_axes, output_axes: lists of the axes of the shape that count inputs and outputs, where those
            are not the last two; give both or neither.
    """

    def __init__(
        self,
        scale=1.0,
        mode="fan_in",
        distribution="truncated_normal",
        seed=None,
        input_axes=None,
        output_axes=None,
    ):
        owner = type(self).__name__
        if not scale > 0:
            raise value_error(f"{owner}: scale must be positive, got {scale!r}.")
        one_of(owner, "mode", mode, ("fan_in", "fan_out", "fan_avg"))
        distribution = distribution.lower() if isinstance(distribution, str) else distribution
        distribution = "truncated_normal" if distribution == "normal" else distribution
        one_of(owner, "distribution", distribution, DISTRIBUTIONS)
        if (input_axes is None) != (output_axes is None):
            raise value_error(f"{owner}: give both input_axes and output_axes, or neither.")
        self.scale, self.mode, self.distribution = scale, mode, distribution
        self.input_axes, self.output_axes = input_axes, output_axes
        super().__init__(seed)

    def __call__(self, shape, dtype=None):
        """Returns random numbers of `shape`, scaled by its fans."""
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, fan)
        if self.distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return self._uniform(shape, dtype, -limit, limit)
        if self.distribution == "untruncated_normal":
            return self._normal(shape, dtype, 0.0, math.sqrt(variance))
        return self._truncated(shape, dtype, 0.0, math.sqrt(variance) / TRUNCATED_STDDEV)


class _Scaled(VarianceScaling):
    """Base of the named cases of VarianceScaling; each fixes `_setting` = (scale, mode, distribution)."""

    _setting = (1.0, "fan_in", "truncated_normal")

    def __init__(self, seed=None, input_axes=None, output_axes=None):
        super().__init__(*self._setting, seed, input_axes, output_axes)


@register("initializer")
class GlorotUniform(_Scaled):
    """Uniform within +-sqrt(6 / (fan in + fan out)). Glorot & Bengio 2010."""

    _setting = (1.0, "fan_avg", "uniform")


@register("initializer")
class GlorotNormal(_Scaled):
    """Truncated normal of variance 2 / (fan in + fan out). Glorot & Bengio 2010."""

    _setting = (1.0, "fan_avg", "truncated_normal")


@register("initializer")
class HeUniform(_Scaled):
    """Uniform within +-sqrt(6 / fan in). He et al. 2015."""

    _setting = (2.0, "fan_in", "uniform")


@register("initializer")
class HeNormal(_Scaled):
    """Truncated normal of variance 2 / fan in. He et al. 2015."""

    _setting = (2.0, "fan_in", "truncated_normal")


@register("initializer")
class LecunUniform(_Scaled):
    """Uniform within +-sqrt(3 / fan in). LeCun et al. 1998."""

    _setting = (1.0, "fan_in", "uniform")


@register("initializer")
class LecunNormal(_Scaled):
    """Truncated normal of variance 1 / fan in. LeCun et al. 1998."""

    _setting = (1.0, "fan_in", "truncated_normal")


@register("initializer", "OrthogonalInitializer")
class Orthogonal(RandomInitializer):
    """A random matrix with orthonormal columns (or rows, where those are fewer), times `gain`.

    All axes but the last one make the rows. Saxe et al. 2014.

    Args:
        gain: factor.
        seed: see `RandomInitializer`.
    """

    def __init__(self, gain=1.0, seed=None):
        self.gain = gain
        super().__init__(seed)

    def __call__(self, shape, dtype=None):
        """Returns an orthogonal matrix in `shape`."""
        if len(shape) < 2:
            raise value_error(f"Orthogonal needs a shape of two or more axes, got {pretty(shape)}.")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        normal = self._generator().standard_normal((max(rows, columns), min(rows, columns)))
        q, r = np.linalg.qr(normal)
        q *= np.sign(np.diag(r))  # makes the distribution uniform (Mezzadri 2007)
        matrix = q if rows >= columns else q.T
        return (self.gain * matrix).reshape(shape).astype(dtype or floatx())


zeros, ones, constant, identity, IdentityInitializer = Zeros, Ones, Constant, Identity, Identity
random_normal, random_uniform, truncated_normal = RandomNormal, RandomUniform, TruncatedNormal
variance_scaling, orthogonal, OrthogonalInitializer = VarianceScaling, Orthogonal, Orthogonal
glorot_uniform, glorot_normal = GlorotUniform, GlorotNormal
he_uniform, he_normal = HeUniform, HeNormal
lecun_uniform, lecun_normal = LecunUniform, LecunNormal


# ---------------------------------------------------------------- by name


def get(identifier):
    """Returns the initializer that `identifier` names or is; None for None.

    Args:
        identifier: a name, a config, a class, an object, a callable of (shape, dtype), or an array with
            the values themselves.

    Raises:
        InvalidValue: for an unknown name, with the nearest one.
        InvalidType: for anything else, or an object that can't be called.
    """
    if is_array(identifier):
        return _given(identifier)
    found = registry.resolve("initializer", identifier)
    if found is not None and not callable(found):
        raise type_error(f"An initializer is called with (shape, dtype); {type(found).__name__} can't be.")
    return found


def _given(array):
    def given_values(shape, dtype=None):
        if tuple(shape) != array.shape:
            raise value_error(
                f"The array given as initializer has the shape {array.shape}, the parameter {pretty(shape)}."
            )
        return np.array(to_numpy(array), dtype or floatx())

    return given_values


def serialize(initializer):
    """Returns the configuration of `initializer`, as Keras writes it."""
    return registry.serialize(initializer)


def deserialize(config, custom_objects: dict | None = None):
    """Returns the initializer that `config` (a dictionary or a name) describes."""
    return registry.resolve("initializer", config, custom_objects)
