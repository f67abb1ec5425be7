"""The checks that every function pair passes: `Case` describes a pair in one line, `CHECKS` are run on each.

A case draws its inputs from a seed of its own name, so a failure repeats. Gradients are of sum(y dy) for a
random dy. Errors are relative to the largest element of the right answer.
"""

import inspect
import zlib

import numpy as np

from tests import cupy_standin
from tests.keras_oracle import keras, tf

GRADIENT_TOLERANCE = 1e-6  # float64 central differences
KERAS_TOLERANCE = 1e-5  # float32 against TensorFlow
STEP = 1e-5


# ---------------------------------------------------------------- inputs


def normal(rng, shape):
    return rng.normal(size=shape)


def uniform(low, high):
    return lambda rng, shape: rng.uniform(low, high, shape)


def integers(low, high):
    return lambda rng, shape: rng.integers(low, high, shape)


def probabilities(rng, shape, axis=-1):
    """Rows that add up to 1, none of them near 0."""
    values = rng.uniform(0.1, 1.0, shape)
    return values / values.sum(axis=axis, keepdims=True)


def one_hot(rng, shape):
    return np.eye(shape[-1])[rng.integers(0, shape[-1], shape[:-1])]


def away_from(*kinks, gap=0.01):
    """Normal numbers, moved off the points where a function has no derivative."""

    def draw(rng, shape):
        x = rng.normal(size=shape) * 2.0
        for kink in kinks:
            x = np.where(abs(x - kink) < gap, kink + 3 * gap, x)
        return x

    return draw


class Case:
    """A function pair, its inputs, and what in Keras it must agree with.

    Args:
        forward, backward: the pair.
        shapes: shapes of the array arguments, in order; None passes None.
        inputs: how to draw each of them; normal numbers where missing.
        differentiate: which array arguments the backward returns gradients of, in its order; None for all.
        keras: dotted name in keras ("activations.relu"), or a function of (keras, *tensors); None for none.
        in_place: whether `out` may be the first input, and `dx` be `dy`.
        **keywords: further arguments of the forward (and of a Keras function given by name).
    """

    def __init__(
        self,
        forward,
        backward,
        shapes,
        *,
        inputs=(),
        differentiate=None,
        keras=None,
        in_place=False,
        **keywords,
    ):
        self.forward, self.backward, self.shapes, self.keywords = forward, backward, shapes, keywords
        self.inputs = [*inputs, *[normal] * (len(shapes) - len(inputs))]
        wanted = range(len(shapes)) if differentiate is None else differentiate
        self.differentiate = [index for index in wanted if shapes[index] is not None]
        self.keras, self.in_place = keras, in_place
        options = inspect.signature(backward).parameters.values()
        self.destinations = [p.name for p in options if p.kind is p.KEYWORD_ONLY and p.name != "need_dx"]
        self.has_out = "out" in inspect.signature(forward).parameters

    def __repr__(self):
        words = [self.forward.__name__, *(f"{key}={value}" for key, value in self.keywords.items())]
        return "-".join([*words, "x".join(map(str, self.shapes[-1] or ()))])

    @property
    def rng(self):
        return np.random.default_rng(zlib.crc32(repr(self).encode()))

    def arrays(self, dtype):
        """Returns the inputs; those with a gradient in `dtype`, floats otherwise too, integers as drawn."""
        rng, drawn = self.rng, []
        for shape, draw in zip(self.shapes, self.inputs, strict=True):
            array = None if shape is None else np.asarray(draw(rng, shape))
            keep = array is None or array.dtype.kind in "iub"
            drawn.append(array if keep else array.astype(dtype))
        return drawn

    def run(self, arrays, **keywords):
        """Returns y and the cache; a fused pair's further results are left out."""
        results = self.forward(*arrays, **self.keywords, **keywords)
        return results[0], results[-1]

    def gradients(self, dy, cache, **keywords):
        """Returns the gradients as a list in the order of `differentiate`."""
        found = self.backward(dy, cache, **keywords)
        found = found if isinstance(found, tuple) else (found,)
        return [gradient for gradient in found if gradient is not None]

    def dy(self, y):
        return np.asarray(self.rng.normal(size=y.shape), dtype=y.dtype)


def relative_error(found, wanted) -> float:
    """Returns the largest difference over the largest element of `wanted`; infinite for other shapes."""
    found, wanted = np.asarray(found, dtype=np.float64), np.asarray(wanted, dtype=np.float64)
    if found.shape != wanted.shape or not np.isfinite(found).all():
        return np.inf
    if not found.size:
        return 0.0
    return float(abs(found - wanted).max() / max(abs(wanted).max(), 1e-12))


def numeric_gradient(function, array) -> np.ndarray:
    """Returns the central differences of the scalar `function()` by each element of `array`, in place."""
    gradient = np.empty_like(array)
    for place in np.ndindex(*array.shape):
        value = array[place]
        step = STEP * max(1.0, abs(value))
        array[place] = value + step
        above = function()
        array[place] = value - step
        gradient[place] = (above - function()) / (2 * step)
        array[place] = value
    return gradient


def computed(case, dtype=np.float64):
    """Returns inputs, y, dy and gradients of a case."""
    arrays = case.arrays(dtype)
    y, cache = case.run(arrays)
    dy = case.dy(y)
    return arrays, y, dy, case.gradients(dy, cache)


# ---------------------------------------------------------------- checks


def check_gradient(case):
    """The backward is the derivative of the forward."""
    arrays, _, dy, gradients = computed(case)
    assert len(gradients) == len(case.differentiate)
    for index, gradient in zip(case.differentiate, gradients, strict=True):
        wanted = numeric_gradient(lambda: float((case.run(arrays)[0] * dy).sum()), arrays[index])
        assert relative_error(gradient, wanted) <= GRADIENT_TOLERANCE, f"gradient by input {index}"


def check_keras(case):
    """Value and gradients are TensorFlow's, in float32."""
    if case.keras is None:
        return
    arrays, y, dy, gradients = computed(case, np.float32)
    tensors = [array if array is None else tf().constant(array) for array in arrays]
    watched = [tensors[index] for index in case.differentiate]
    with tf().GradientTape() as tape:
        tape.watch(watched)
        value = _call_keras(case, tensors)
        total = tf().reduce_sum(value * dy)
    assert relative_error(y, value.numpy()) <= KERAS_TOLERANCE
    for index, gradient, wanted in zip(
        case.differentiate, gradients, tape.gradient(total, watched), strict=True
    ):
        assert relative_error(gradient, wanted.numpy()) <= KERAS_TOLERANCE, f"gradient by input {index}"


def _call_keras(case, tensors):
    if callable(case.keras):
        return case.keras(keras(), *tensors)
    function = keras()
    for part in case.keras.split("."):
        function = getattr(function, part)
    return function(*tensors, **case.keywords)


def check_dtype(case):
    """float32 stays float32, float64 stays float64."""
    for dtype in (np.float32, np.float64):
        _, y, _, gradients = computed(case, dtype)
        assert y.dtype == dtype
        assert [gradient.dtype for gradient in gradients] == [dtype] * len(gradients)


def check_untouched(case):
    """Nothing writes on the inputs or on dy, not even for a while: they are read-only here."""
    arrays = case.arrays(np.float64)
    for array in arrays:
        if array is not None:
            array.flags.writeable = False
    y, cache = case.run(arrays)
    dy = case.dy(y)
    dy.flags.writeable = False
    case.gradients(dy, cache)


def check_destinations(case):
    """Results written to destinations are those without, and the destinations come back."""
    arrays, y, dy, gradients = computed(case)
    keywords = {"out": np.full_like(_main_result(case, arrays), np.nan)} if case.has_out else {}
    results = case.forward(*arrays, **case.keywords, **keywords)
    if case.has_out:
        main = results[0 if len(results) == 2 else 1]
        assert main is keywords["out"]
        np.testing.assert_array_equal(main, _main_result(case, arrays))
    np.testing.assert_array_equal(results[0], y)
    names = [name for name, _ in zip(case.destinations, gradients, strict=True)]
    places = {name: np.full_like(gradient, np.nan) for name, gradient in zip(names, gradients, strict=True)}
    for place, found, wanted in zip(
        places.values(), case.gradients(dy, results[-1], **places), gradients, strict=True
    ):
        assert found is place
        np.testing.assert_array_equal(found, wanted)


def _main_result(case, arrays):
    """Returns what `out` is the destination of: y, or the probabilities of a fused loss."""
    results = case.forward(*arrays, **case.keywords)
    return results[0 if len(results) == 2 else 1]


def check_in_place(case):
    """Where a case says so, y may be written over x, and dx over dy."""
    if not case.in_place:
        return
    arrays, y, dy, gradients = computed(case)
    x = arrays[0].copy()
    found, cache = case.run([x, *arrays[1:]], out=x)
    assert found is x
    np.testing.assert_array_equal(found, y)
    (destination,) = case.destinations
    np.testing.assert_array_equal(case.gradients(dy, cache, **{destination: dy})[0], gradients[0])


def check_strides(case):
    """Inputs and dy that aren't contiguous, and destinations that aren't, give the same."""
    arrays, y, dy, gradients = computed(case)
    found, cache = case.run([_strided(array) for array in arrays])
    np.testing.assert_allclose(found, y, rtol=1e-12, atol=1e-14)
    for gradient, wanted in zip(case.gradients(_strided(dy), cache), gradients, strict=True):
        np.testing.assert_allclose(gradient, wanted, rtol=1e-12, atol=1e-14)


def _strided(array):
    """Returns a view equal to `array`: every second element along the last axis, axes laid out backwards."""
    if array is None or array.ndim == 0:
        return array
    wide = np.repeat(array, 2, axis=-1)
    return np.asfortranarray(wide)[..., ::2]


def check_device(case):
    """The same code runs on arrays of CuPy: nothing is mixed with the host or copied there and back."""
    arrays, y, dy, gradients = computed(case)
    with cupy_standin.install():
        moved = [None if array is None else cupy_standin.device(array) for array in arrays]
        found, cache = case.run(moved)
        on_device = case.gradients(cupy_standin.device(dy), cache)
        np.testing.assert_allclose(cupy_standin.peek(found), y, rtol=1e-12, atol=1e-14)
        for gradient, wanted in zip(on_device, gradients, strict=True):
            np.testing.assert_allclose(cupy_standin.peek(gradient), wanted, rtol=1e-12, atol=1e-14)
        transfers = cupy_standin.transfers
        assert not transfers.to_host


CHECKS = (
    check_gradient,
    check_keras,
    check_dtype,
    check_untouched,
    check_destinations,
    check_in_place,
    check_strides,
    check_device,
)
