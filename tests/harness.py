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


def booleans(share):
    """Draws True for about this share of the elements."""
    return lambda rng, shape: rng.random(shape) < share


def apart(rng, shape):
    """Draws numbers no two of which are near each other."""
    return rng.permutation(np.prod(shape)).reshape(shape) * 0.37 - 3.0


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
        shapes: shapes of the array arguments, in order; None passes None, a float passes itself.
        inputs: how to draw each of them; normal numbers where missing.
        differentiate: which array arguments the backward returns gradients of, in its order; None for all.
        keras: dotted name in keras ("activations.relu"), or a function of (keras, *tensors); None for none.
        in_place: whether `out` may be the first input, and `dx` be `dy`.
        grouped: whether the forward takes its arrays as one list.
        strided: whether destinations needn't be contiguous.
        exact: whether a gradient has the same bits where others aren't wanted; a product of more rows may
            round otherwise.
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
        grouped=False,
        strided=True,
        exact=True,
        **keywords,
    ):
        self.forward, self.backward, self.shapes, self.keywords = forward, backward, shapes, keywords
        self.inputs = [*inputs, *[normal] * (len(shapes) - len(inputs))]
        wanted = range(len(shapes)) if differentiate is None else differentiate
        self.differentiate = [index for index in wanted if isinstance(shapes[index], tuple)]
        self.keras, self.in_place, self.grouped, self.strided = keras, in_place, grouped, strided
        self.rounding = 0.0 if exact else 1e-12
        options = inspect.signature(backward).parameters
        self.wishes = [name for name in ("need", "need_dx") if name in options]
        named = [p.name for p in options.values() if p.kind is p.KEYWORD_ONLY]
        self.destinations = [name for name in named if name not in self.wishes]
        self.has_out = "out" in inspect.signature(forward).parameters

    def __repr__(self):
        words = [self.forward.__name__, *(f"{key}={value}" for key, value in self.keywords.items())]
        last = self.shapes[-1] if isinstance(self.shapes[-1], tuple) else ()
        return "-".join([*words, "x".join(map(str, last))])

    @property
    def rng(self):
        return np.random.default_rng(zlib.crc32(repr(self).encode()))

    def arrays(self, dtype):
        """Returns the inputs; those with a gradient in `dtype`, floats otherwise too, integers as drawn."""
        rng, drawn = self.rng, []
        for shape, draw in zip(self.shapes, self.inputs, strict=True):
            array = np.asarray(draw(rng, shape)) if isinstance(shape, tuple) else shape
            keep = not isinstance(shape, tuple) or array.dtype.kind in "iub"
            drawn.append(array if keep else array.astype(dtype))
        return drawn

    def results(self, arrays, **keywords):
        """Returns all that the forward returns."""
        arguments = [list(arrays)] if self.grouped else arrays
        return self.forward(*arguments, **self.keywords, **keywords)

    def run(self, arrays, **keywords):
        """Returns y and the cache; a fused pair's further results are left out."""
        results = self.results(arrays, **keywords)
        return results[0], results[-1]

    def all_gradients(self, dy, cache, **keywords):
        """Returns what the backward returns as a tuple; only constant operands are left out beforehand."""
        if "need" in self.wishes:
            keywords = {"need": tuple(index in self.differentiate for index in (0, 1)), **keywords}
        found = self.backward(dy, cache, **keywords)
        return found if isinstance(found, tuple) else (found,)

    def gradients(self, dy, cache, **keywords):
        """Returns the gradients as a list in the order of `differentiate`."""
        return [gradient for gradient in self.all_gradients(dy, cache, **keywords) if gradient is not None]

    def dy(self, y):
        """Returns a gradient like y; of a stream of its own, or it would be the first input again."""
        rng = np.random.default_rng(zlib.crc32(f"dy of {self!r}".encode()))
        return np.asarray(rng.normal(size=y.shape), dtype=y.dtype)


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
    tensors = [tf().constant(array) if isinstance(array, np.ndarray) else array for array in arrays]
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
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
    y, cache = case.run(arrays)
    dy = case.dy(y)
    dy.flags.writeable = False
    case.gradients(dy, cache)


def check_destinations(case):
    """Results written to destinations, contiguous or not, are those without; the destinations come back."""
    for room in (_room, _wide_room) if case.strided else (_room,):
        arrays, y, dy, _ = computed(case)
        keywords = {"out": room(_main_result(case, arrays))} if case.has_out else {}
        results = case.results(arrays, **keywords)
        if case.has_out:
            main = results[0 if len(results) == 2 else 1]
            assert main is keywords["out"]
            np.testing.assert_array_equal(main, _main_result(case, arrays))
        np.testing.assert_array_equal(results[0], y)
        _check_gradient_destinations(case, dy, results[-1], room)


def _check_gradient_destinations(case, dy, cache, room):
    wanted = case.all_gradients(dy, cache)
    rooms = [None if gradient is None else room(gradient) for gradient in wanted]
    if case.destinations == ["dxs"]:
        keywords, places = {"dxs": rooms}, rooms
    elif len(case.destinations) == len(wanted):
        named = zip(case.destinations, rooms, strict=True)
        keywords, places = {name: place for name, place in named if place is not None}, rooms
    else:  # none at all, or one that all gradients share
        keywords, places = {name: room(dy) for name in case.destinations}, None
    found = case.all_gradients(dy, cache, **keywords)
    for gradient, right in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(gradient, right)
    assert places is None or all(a is b for a, b in zip(found, places, strict=True))


def _room(array):
    return np.full_like(array, np.nan)


def _wide_room(array):
    """Returns a destination like `array` that isn't contiguous."""
    return np.full((*array.shape, 2), np.nan, array.dtype)[..., 0]


def _main_result(case, arrays):
    """Returns what `out` is the destination of: y, or the probabilities of a fused loss."""
    results = case.results(arrays)
    return results[0 if len(results) == 2 else 1]


def check_wishes(case):
    """A gradient that isn't wanted comes back as None, and the others are the same."""
    arrays, _, dy, _ = computed(case)
    cache = case.run(arrays)[1]
    wanted = case.all_gradients(dy, cache)
    wishes = {"need": [(True, False), (False, True)], "need_dx": [False]}
    for name in case.wishes:
        for wish in wishes[name]:
            found = case.all_gradients(dy, cache, **{name: wish})
            missed = [not kept for kept in wish] if name == "need" else [True, *[False] * (len(wanted) - 1)]
            for gradient, right, none in zip(found, wanted, missed, strict=True):
                assert not none or gradient is None
                if not none and right is not None:
                    np.testing.assert_allclose(gradient, right, rtol=case.rounding, atol=case.rounding)


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
    if not isinstance(array, np.ndarray) or array.ndim == 0:
        return array
    wide = np.repeat(array, 2, axis=-1)
    return np.asfortranarray(wide)[..., ::2]


def check_device(case):
    """The same code runs on arrays of CuPy: nothing is mixed with the host or copied there and back."""
    arrays, y, dy, gradients = computed(case)
    with cupy_standin.install():
        moved = [cupy_standin.device(item) if isinstance(item, np.ndarray) else item for item in arrays]
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
    check_wishes,
    check_in_place,
    check_strides,
    check_device,
)
