"""Functions with parameters, with random arrays that the caller drew, and with given statistics."""

from tests.cases.operations import POSITIVE, op
from tests.harness import away_from, booleans, integers, normal
from tests.keras_oracle import tf


def layer(name, shapes, *inputs, keras, differentiate=(0, 1, 2), **keywords):
    """A case of a function with parameters, or with arrays that its layer draws or holds."""
    present = [index for index in differentiate if index < len(shapes)]
    return op(name, shapes, *inputs, keras=keras, differentiate=present, **keywords)


def dense(*shapes):
    def run(keras, x, kernel, bias):
        y = tf().tensordot(x, kernel, 1)
        return y if bias is None else y + bias

    return layer("dense", list(shapes), keras=run, strided=False)  # BLAS writes on rows


def batch(shape, axis, gamma=True, beta=True):
    """Both cases of a batch normalization: by its own statistics, and by given ones."""
    c = (shape[axis],)
    shapes = [shape, c if gamma else None, c if beta else None]

    def run(keras, x, gamma, beta, mean=None, variance=None):
        if mean is None:
            mean, variance = tf().nn.moments(x, [a for a in range(x.ndim) if a != axis % x.ndim])
        return keras.ops.batch_normalization(x, mean, variance, axis, beta, gamma, 1e-3)

    name, options = "batch_normalization", {"keras": run, "axis": axis, "epsilon": 1e-3}
    given = layer(f"{name}_inference", [*shapes, c, c], *[normal] * 4, POSITIVE, **options)
    return [layer(name, shapes, **options), given]


def masked_batch(shape, axis, gamma=True, beta=True, valid=0.6):
    """A case of a batch normalization of which a mask leaves elements out."""
    c = (shape[axis],)

    def run(keras, x, mask, gamma, beta):
        norm = keras.layers.BatchNormalization(axis, scale=gamma is not None, center=beta is not None)
        norm.build(x.shape)
        given, moving = [w for w in (gamma, beta) if w is not None], norm.non_trainable_variables
        return norm.stateless_call(given, moving, x, mask=mask, training=True)[0]

    shapes = [shape, shape[:-1], c if gamma else None, c if beta else None]
    options = {"keras": run, "differentiate": (0, 2, 3), "axis": axis, "epsilon": 1e-3}
    return layer("masked_batch_normalization", shapes, normal, booleans(valid), **options)


def layer_normalization(shape, axes, gamma=True, beta=True):
    inner = tuple(shape[axis] for axis in axes)

    def run(keras, x, gamma, beta):
        return keras.ops.layer_normalization(x, gamma, beta, list(axes), 1e-3)

    shapes = [shape, inner if gamma else None, inner if beta else None]
    return layer("layer_normalization", shapes, keras=run, axes=axes, epsilon=1e-3)


def group(shape, axis, groups, gamma=True, beta=True):
    """A case of group_normalization; Keras's layer does it in the same words."""

    def run(keras, x, gamma, beta):
        order = [*(k for k in range(x.ndim) if k != axis % x.ndim), axis % x.ndim]
        last = tf().transpose(x, order)
        parts = tf().reshape(last, (x.shape[0], -1, groups, x.shape[axis] // groups))
        mean, variance = tf().nn.moments(parts, (1, 3), keepdims=True)
        y = tf().reshape((parts - mean) / tf().sqrt(variance + 1e-3), last.shape)
        y = y if gamma is None else y * gamma
        y = y if beta is None else y + beta
        return tf().transpose(y, [order.index(k) for k in range(x.ndim)])

    c = (shape[axis],)
    shapes, options = [shape, c if gamma else None, c if beta else None], {"groups": groups, "epsilon": 1e-3}
    return layer("group_normalization", shapes, keras=run, axis=axis % len(shape), **options)


def rms(shape, axes):
    def run(keras, x, scale):
        spread = tf().reshape(scale, [n if k in axes else 1 for k, n in enumerate(x.shape)])
        return keras.ops.rms_normalization(x, spread, list(axes), 1e-3)

    inner = tuple(shape[axis] for axis in axes)
    return layer("rms_normalization", [shape, inner], keras=run, axes=axes, epsilon=1e-3)


def unit(shape, axes):
    def run(keras, x):
        return keras.ops.normalize(x, axis=axes, order=2, epsilon=1e-12)

    return layer("unit_normalization", [shape], keras=run, axes=axes)


def random(name, shape, drawn, draw, factor, **keywords):
    """A case of a random layer for what it drew; `factor(drawn)` is that of x in the linear y."""

    def run(keras, x, drawn):
        drawn = tf().cast(drawn, x.dtype)
        return x * factor(drawn) if name != "alpha_dropout" else _alpha_dropout(x, drawn, **keywords)

    return layer(name, [shape, drawn], normal, draw, keras=run, differentiate=(0,), **keywords)


def _alpha_dropout(x, keep, rate):
    """Returns keras.layers.AlphaDropout's formula for a given mask."""
    low = -1.7580993408473766
    a = ((1 - rate) * (1 + rate * low**2)) ** -0.5
    return a * (x * keep + low * (1 - keep)) - a * low * rate


def _rescaled(keras, x, scale, offset):
    return x * scale + offset


def standardize(invert):
    def run(keras, x, mean, variance):
        deviation = tf().sqrt(variance)
        return mean + x * deviation if invert else (x - mean) / deviation

    shapes, inputs = [(4, 6), (6,), (6,)], (normal, normal, POSITIVE)
    return layer("standardize", shapes, *inputs, keras=run, differentiate=(0,), invert=invert)


def count_tokens(shape, tokens):
    def run(keras, numbers, weights):
        return tf().reduce_sum(tf().one_hot(numbers, tokens) * weights[..., None], axis=-2)

    inputs = (integers(0, tokens),)
    return layer("count_tokens", [shape, shape], *inputs, keras=run, differentiate=(1,), tokens=tokens)


def prelu(shape, alpha):
    def run(keras, x, alpha):
        return keras.ops.where(x > 0, x, alpha * x)

    return layer("prelu", [shape, alpha], away_from(0.0), keras=run)


LAYERS = [
    dense((5, 3), (3, 4), (4,)),
    dense((1, 3), (3, 4), (4,)),
    dense((5, 3), (3, 4), None),
    dense((3,), (3, 4), (4,)),
    dense((2, 5, 3), (3, 4), (4,)),
    dense((2, 2, 3, 3), (3, 4), None),
    layer("bias_add", [(2, 3, 4), (4,)], keras=lambda keras, x, bias: x + bias),
    random("dropout", (4, 5), (4, 5), booleans(0.6), lambda keep: keep / 0.6, rate=0.4),
    random("dropout", (4, 3, 5), (4, 1, 5), booleans(0.6), lambda keep: keep / 0.6, rate=0.4),
    random("dropout", (4, 5), (4, 5), booleans(1.0), lambda keep: keep, rate=0.0),
    random("dropout", (4, 5), (4, 5), booleans(0.5), lambda keep: 0.0 * keep, rate=1.0),
    random("gaussian_dropout", (4, 5), (4, 5), normal, lambda noise: 1.0 + 0.5 * noise, rate=0.2),
    random("alpha_dropout", (4, 5), (4, 5), booleans(0.7), None, rate=0.3),
    random("alpha_dropout", (4, 3, 5), (4, 1, 5), booleans(0.7), None, rate=0.3),
    *batch((6, 3), -1),
    *batch((6, 3), -1, gamma=False),
    *batch((6, 3), 1, beta=False),
    *batch((6, 3), 1, gamma=False, beta=False),
    *batch((3, 5), 0),
    *batch((2, 4, 5, 3), -1),
    *batch((2, 3, 4, 5), 1),
    *batch((2, 4, 3, 5), 2, gamma=False),
    masked_batch((2, 5, 3), -1),
    masked_batch((6, 3), -1, gamma=False),
    masked_batch((4, 5, 3), 1, beta=False),
    masked_batch((2, 3, 4, 5), 2, gamma=False, beta=False),
    masked_batch((2, 3, 4, 5), -1),
    masked_batch((2, 5, 3), -1, valid=0.0),
    masked_batch((2, 5, 3), -1, valid=1.0),
    layer_normalization((4, 5), (1,)),
    layer_normalization((4, 5), (1,), gamma=False),
    layer_normalization((4, 5), (1,), beta=False),
    layer_normalization((2, 3, 4), (2,), gamma=False, beta=False),
    layer_normalization((2, 3, 4), (1, 2)),
    layer_normalization((2, 515), (1,)),
    layer_normalization((3, 5, 2), (1,)),
    layer_normalization((3, 2, 4), (0, 2)),
    layer_normalization((3, 4), (0,)),
    group((3, 6), -1, 3),
    group((2, 3, 4, 6), -1, 2),
    group((2, 3, 4, 6), -1, 6, gamma=False),
    group((2, 6, 3, 4), 1, 3, beta=False),
    group((2, 3, 4, 5), 2, 1),
    group((2, 150, 4), -1, 2, gamma=False, beta=False),
    rms((4, 5), (1,)),
    rms((2, 3, 4), (1, 2)),
    rms((2, 4, 3), (1,)),
    unit((4, 5), -1),
    unit((4, 5, 2), (1, 2)),
    unit((4, 5, 2), 1),
    prelu((2, 3, 4), (3, 4)),
    prelu((2, 3, 4), (1, 4)),
    layer("rescale", [(4, 6), 0.25, -1.0], keras=_rescaled),
    layer("rescale", [(2, 3, 4), (4,), (3, 1)], keras=_rescaled, differentiate=(0,)),
    standardize(invert=False),
    standardize(invert=True),
    count_tokens((3, 6), tokens=5),
]
