"""What each line of layer_cases.py has to stand: the contract run directly, without models or engine."""

import numpy as np

from kerasette import registry
from kerasette.backend import Random, set_floatx, set_random_seed
from kerasette.graph import Context

BATCH = 3
POSITIVE = ("variance", "moving_variance")  # parameters that are no variance below zero
BASE = ("name", "trainable", "dtype", "activity_regularizer", "input_shape", "input_size")


class LayerCase:
    """One layer, with one set of arguments.

    Args:
        layer: its class.
        arguments: of the constructor.
        shapes: of one sample of each input.
        training: whether the line is about training mode.
        oracle: whether Keras gives the same numbers (not where random numbers are drawn).
        whole: the inputs are whole numbers below this, or None for floats.
        keras: further or other arguments for Keras's layer.
        batch: how many samples.
    """

    def __init__(
        self,
        layer,
        arguments=None,
        *,
        shapes,
        training=False,
        oracle=True,
        whole=None,
        keras=None,
        batch=BATCH,
    ):
        self.layer, self.arguments, self.shapes = layer, dict(arguments or {}), shapes
        self.training, self.oracle, self.whole, self.batch = training, oracle, whole, batch
        self.keras = keras or {}

    def __repr__(self):
        told = ",".join(f"{k}={v}" for k, v in self.arguments.items())
        return f"{self.layer.__name__}({told}){'*' if self.training else ''}{self.shapes}"

    def make(self, dtype="float32"):
        """Returns a fresh layer, built, with random weights."""
        set_floatx(dtype)
        set_random_seed(7)
        layer = self.layer(**self.arguments)
        layer._ensure_built(self.shapes)
        rng = np.random.default_rng(5)
        for parameter in layer.parameters:
            if parameter.name == "count":
                continue  # of Normalization: always 0, as in Keras
            value = rng.uniform(0.3, 1.2, parameter.shape)
            parameter.assign(value if parameter.name in POSITIVE else value - 0.6)
        return layer

    def inputs(self, dtype="float32", seed=0):
        """Returns read-only inputs, their elements at distances that keep kinks away."""
        rng = np.random.default_rng(seed)
        return [frozen(self._input(rng, (self.batch, *shape), dtype)) for shape in self.shapes]

    def _input(self, rng, shape, dtype):
        if self.whole is not None:
            return rng.integers(0, self.whole, shape)
        size = int(np.prod(shape))
        values = (np.arange(size) - size / 2 + 0.25) * (4.0 / size) + rng.uniform(0, 0.1) / size
        return rng.permutation(values).reshape(shape).astype(dtype)


class Run:
    """One call of a layer: its context, arrays and caches."""

    def __init__(self, layer, xs, *, training=False, dtype="float32", w=None):
        self.layer = layer
        keyed = layer.keyed_parameters().items()
        self.w = w or {key: frozen(p.numpy().astype(dtype)) for key, p in keyed}
        self.ctx = Context(np, dtype, training=training)
        self.ctx.batch = len(xs[0])
        if training and layer.draw is not None:
            self.ctx.noise = layer.draw(Random(np, 11), len(xs[0]), *[x.shape[1:] for x in xs])
            assert len(self.ctx.noise) in (1, len(xs[0]))
        self.y = self.forward(xs)

    def forward(self, xs):
        """Returns the (activated) output."""
        y, self.cache = self.layer.forward(self.ctx, self.w, *xs)
        self.activated = None
        if self.layer.output_activation is not None:
            y, self.activated = self.layer.output_activation.forward(y)
        return y

    def backward(self, dy):
        """Returns the gradients by the inputs (a tuple), and by the parameters (a dict)."""
        if self.layer.output_activation is not None:
            dy = self.layer.output_activation.backward(dy, self.activated)
        dw = {name: np.full(value.shape, np.nan, value.dtype) for name, value in self.w.items()}
        dx = self.layer.backward(self.ctx, self.w, dw, dy, self.cache)
        return dx if isinstance(dx, tuple) else (dx,), dw


def frozen(array):
    """Returns `array`, to which nobody can write any more."""
    array.flags.writeable = False
    return array


def spread(array):
    """Returns the numbers of `array` in memory that isn't contiguous."""
    big = np.zeros((*array.shape[:-1], array.shape[-1] * 2) if array.ndim else (2,), array.dtype)
    big[..., ::2] = array
    return frozen(big[..., ::2])


def upstream(shape, dtype, seed=2):
    """Returns a read-only gradient of the output."""
    return frozen(np.random.default_rng(seed).standard_normal(shape).astype(dtype))


def trained(layer):
    """Returns the keys of the parameters that gradients change."""
    return [key for key, parameter in layer.keyed_parameters().items() if parameter.trainable]


def least(name):
    """Returns what a gradient's size counts as at least.

    What is added to all keys of an attention the softmax takes off again: only rounding remains.
    """
    return 1.0 if name == "key/bias" else 1e-8


def distance(found, wanted, least=1e-8):
    """Returns the largest difference, relative to the largest number, which counts as `least` at least."""
    found, wanted = np.asarray(found, "float64"), np.asarray(wanted, "float64")
    assert found.shape == wanted.shape, f"shapes {found.shape} and {wanted.shape}"
    scale = max(np.abs(wanted).max(initial=0.0), np.abs(found).max(initial=0.0), least)
    return np.abs(found - wanted).max(initial=0.0) / scale


def central(scalar, array, step=1e-6):
    """Returns the derivative of `scalar()` by each element of `array`, which is put back."""
    found = np.zeros(array.shape)
    flat, out = array.reshape(-1), found.reshape(-1)
    for k in range(array.size):
        before = flat[k]
        flat[k] = before + step
        above = scalar()
        flat[k] = before - step
        below = scalar()
        flat[k] = before
        out[k] = (above - below) / (2 * step)
    return found


def differences(case):
    """Yields (name, gradient of backward, central difference) in float64."""
    layer = case.make("float64")
    xs = [x.copy() for x in case.inputs("float64")]
    run = Run(layer, xs, training=case.training, dtype="float64")
    dy = upstream(run.y.shape, "float64")
    dxs, dw = run.backward(dy)
    dxs = [None if dx is None else dx.copy() for dx in dxs]
    w = {name: value.copy() for name, value in run.w.items()}

    def scalar():
        other = Run(layer, xs, training=case.training, dtype="float64", w=w)
        return float((other.y * dy).sum())

    for k, x in enumerate(xs):
        if x.dtype.kind == "f":
            yield f"input {k}", dxs[k], central(scalar, x)
    for name in trained(layer):
        yield name, dw[name], central(scalar, w[name])


def keras_arguments(case):
    """Returns the arguments of Keras's layer for those of ours."""
    to_keras = {own: alias for alias, own in case.layer.aliases.items()}
    return {to_keras.get(name, name): value for name, value in case.arguments.items()} | case.keras


def oracle(case, keras, tf):
    """Returns Keras's (y, gradients by inputs, {name: gradient}, weights after the call)."""
    layer = case.make()
    theirs = getattr(keras.layers, case.layer.__name__)(**keras_arguments(case))
    xs = [tf.Variable(x) for x in case.inputs()]
    shapes = [(None, *shape) for shape in case.shapes]
    theirs.build(*shapes if case.layer.inputs_apart or len(xs) == 1 else [shapes])
    if theirs.weights:
        theirs.set_weights(layer.get_weights())
    if hasattr(theirs, "finalize_state"):
        theirs.finalize_state()  # Normalization computes with copies of its weights
    with tf.GradientTape() as tape:
        arguments = {"training": case.training} if takes_training(theirs) else {}
        values = [tf.convert_to_tensor(x) for x in xs]
        y = theirs(*values if case.layer.inputs_apart or len(xs) == 1 else [values], **arguments)
        total = tf.reduce_sum(y * upstream(tuple(y.shape), "float32"))
    gradients = tape.gradient(total, [xs, theirs.trainable_variables])
    keys = [variable.path.partition("/")[2] for variable in theirs.trainable_variables]  # without the layer
    names = dict(zip(keys, map(tf.convert_to_tensor, gradients[1]), strict=True))
    return y.numpy(), gradients[0], names, theirs.get_weights()


def takes_training(layer):
    """Tells whether Keras's layer has a training mode."""
    return getattr(layer, "_call_has_training_arg", False)


def fingerprint(cls, arguments, shapes, whole=None):
    """Returns everything that arguments may change, as one list of arrays: what `same` compares."""
    set_random_seed(3)
    layer = cls(**arguments)
    case = LayerCase(cls, arguments, shapes=shapes, whole=whole)
    xs = case.inputs()
    marks = [joined(layer(*xs)), *layer.get_weights()]
    for parameter in layer.parameters:
        if parameter.trainable:
            parameter.assign(np.linspace(-2, 2, parameter.size).reshape(parameter.shape))
        if parameter.regularizer is not None:
            marks.append(parameter.regularizer(parameter.value))
        if parameter.constraint is not None:
            marks.append(parameter.constraint(parameter.value))
    marks.append(joined(layer(*xs, training=True)))
    marks.append(joined(layer(*xs, training=True)) * 1.0)
    marks.extend(layer.get_weights())
    if layer.activity is not None:
        marks.append(layer.activity(marks[0]))
    return [np.array(mark) for mark in marks]


def joined(result):
    """Returns a layer's output; several as one long vector."""
    return np.concatenate([part.ravel() for part in result]) if isinstance(result, tuple) else result


def same(first, second):
    """Tells whether two fingerprints are equal."""
    if len(first) != len(second):
        return False
    return all(a.shape == b.shape and np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def own_arguments(cls):
    """Returns the constructor arguments that `cls` adds to those of every layer."""
    return [name for name in registry.parameters(cls) if name not in BASE]
