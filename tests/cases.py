"""One line for each function: a backward without a line here isn't done (see harness.py for what is held)."""

from kerasette import functions as f
from tests.harness import Case, apart, away_from, booleans, integers, normal, one_hot, probabilities, uniform
from tests.keras_oracle import tf

X = [(4, 6)]
CUBE = [(2, 3, 4)]


def activation(name, *kinks, shapes=X, in_place=True, **keywords):
    """A case of an activation that Keras has under the same name."""
    forward, backward = getattr(f, name), getattr(f, f"{name}_backward")
    inputs = [away_from(*kinks)]
    words = {"inputs": inputs, "keras": f"activations.{name}", "in_place": in_place, **keywords}
    return Case(forward, backward, shapes, **words)


ACTIVATIONS = [
    activation("linear"),
    activation("relu", 0.0),
    activation("relu", 0.0, negative_slope=0.3),
    activation("relu", 0.0, 1.0, max_value=1.0),
    activation("relu", 0.0, 6.0, max_value=6.0),
    activation("relu", 0.5, threshold=0.5),
    activation("relu", 0.5, 1.5, negative_slope=0.3, max_value=1.5, threshold=0.5),
    activation("relu", -0.5, 0.0, 1.5, negative_slope=0.3, max_value=1.5, threshold=-0.5),
    activation("relu6", 0.0, 6.0, inputs=[away_from(0.0, 6.0)], shapes=[(5, 9)]),
    activation("leaky_relu", 0.0),
    activation("leaky_relu", 0.0, negative_slope=1.5),
    activation("leaky_relu", 0.0, negative_slope=-0.5),
    activation("elu", 0.0),
    activation("elu", 0.0, alpha=0.5),
    activation("selu", 0.0),
    activation("celu", 0.0),
    activation("celu", 0.0, alpha=0.5),
    activation("softmax"),
    activation("softmax", shapes=CUBE, axis=1),
    activation("softmax", shapes=CUBE, axis=(1, 2)),
    activation("softmax", shapes=CUBE, axis=None),
    activation("log_softmax"),
    activation("log_softmax", shapes=CUBE, axis=1),
    activation("sparsemax", keras=None),  # Keras 3.15's rows don't add up to 1; see test_activations.py
    activation("sparsemax", shapes=CUBE, axis=1, keras=None),
    activation("softplus"),
    activation("softsign", in_place=False),
    activation("squareplus"),
    activation("squareplus", b=1),
    activation("soft_shrink", -0.5, 0.5),
    activation("soft_shrink", -1.0, 1.0, threshold=1.0),
    activation("hard_shrink", -0.5, 0.5),
    activation("hard_shrink", -1.0, 1.0, threshold=1.0),
    activation("threshold", 0.2, threshold=0.2, default_value=-1.0),
    activation("tanh"),
    activation("tanh_shrink"),
    activation("silu", in_place=False),
    activation("sigmoid"),
    activation("exponential"),
    activation("hard_sigmoid", -3.0, 3.0, shapes=[(5, 9)]),
    activation("hard_silu", -3.0, 3.0, shapes=[(5, 9)], in_place=False),
    activation("gelu", in_place=False),
    activation("gelu", approximate=True, in_place=False),
    activation("mish", in_place=False),
    activation("log_sigmoid"),
    activation("sparse_plus", -1.0, 1.0),
    activation("sparse_sigmoid", -1.0, 1.0),
    activation("hard_tanh", -1.0, 1.0),
    activation("glu", in_place=False),
    activation("glu", shapes=CUBE, axis=-1, in_place=False),
    activation("glu", shapes=[(2, 4, 3)], axis=1, in_place=False),
]


def loss(name, y_true=normal, y_pred=normal, shape=(5, 4), labels=None, **keywords):
    """A case of a loss that Keras has under the same name; `labels` is the shape of y_true if it differs."""
    forward, backward = getattr(f, name), getattr(f, f"{name}_backward")
    words = {"inputs": [y_true, y_pred], "differentiate": (1,), "keras": f"losses.{name}", **keywords}
    return Case(forward, backward, [labels or shape, shape], **words)


def fused(name, of, y_true, shape=(5, 4), labels=None, **keywords):
    """A case of a loss that takes logits, against `of` in Keras with from_logits."""

    def from_logits(keras, labels, logits):
        return getattr(keras.losses, of)(labels, logits, from_logits=True, **keywords)

    return loss(name, y_true, normal, shape, labels, keras=from_logits, **keywords)


INSIDE = uniform(0.1, 0.9)
POSITIVE = uniform(0.2, 3.0)
BINARY = integers(0, 2)
CLASSES = integers(0, 4)
SIGNS = uniform(-1.0, 1.0)


def _shifted_probabilities(rng, shape):
    """Rows that don't add up to 1, which the losses put right."""
    return probabilities(rng, shape) * 1.1


def _probabilities_on_axis_1(rng, shape):
    return probabilities(rng, shape, axis=1)


LOSSES = [
    loss("mean_squared_error"),
    loss("mean_squared_error", shape=(2, 3, 4)),
    loss("mean_absolute_error"),
    loss("mean_absolute_percentage_error"),
    loss("mean_squared_logarithmic_error", POSITIVE, POSITIVE),
    loss("huber"),
    loss("huber", delta=0.5),
    loss("log_cosh"),
    loss("poisson", POSITIVE, POSITIVE),
    loss("hinge", BINARY),
    loss("hinge", SIGNS),
    loss("squared_hinge", BINARY),
    loss("squared_hinge", SIGNS),
    loss("categorical_hinge", one_hot),
    loss("cosine_similarity"),
    loss("cosine_similarity", shape=(2, 3, 4), axis=1),
    loss("dice", INSIDE, INSIDE),
    loss("dice", INSIDE, INSIDE, shape=(2, 3, 4), axis=(1, 2)),
    loss("tversky", INSIDE, INSIDE),
    loss("tversky", INSIDE, INSIDE, shape=(2, 3, 4), alpha=0.3, beta=0.8, axis=(1, 2)),
    loss("kl_divergence", probabilities, probabilities),
    loss("categorical_crossentropy", one_hot, probabilities),
    loss("categorical_crossentropy", probabilities, _shifted_probabilities, label_smoothing=0.1),
    loss("categorical_crossentropy", one_hot, from_logits=True),
    loss("categorical_crossentropy", _probabilities_on_axis_1, probabilities, shape=(2, 3, 4), axis=1),
    loss("sparse_categorical_crossentropy", CLASSES, _shifted_probabilities, labels=(5,)),
    loss("sparse_categorical_crossentropy", CLASSES, probabilities, labels=(5, 1)),
    loss("sparse_categorical_crossentropy", CLASSES, probabilities, shape=(2, 3, 4), labels=(2, 3)),
    loss("sparse_categorical_crossentropy", CLASSES, from_logits=True, labels=(5,)),
    loss("sparse_categorical_crossentropy", CLASSES, probabilities, labels=(5,), ignore_class=1),
    loss(
        "sparse_categorical_crossentropy",
        integers(0, 3),
        probabilities,
        (2, 3, 4),
        (2, 4),
        axis=1,
        keras=None,
    ),
    loss("binary_crossentropy", BINARY, INSIDE),
    loss("binary_crossentropy", INSIDE, INSIDE, label_smoothing=0.1),
    loss("binary_crossentropy", BINARY, from_logits=True),
    loss("binary_crossentropy", BINARY, INSIDE, axis=(0, 1)),
    loss("categorical_focal_crossentropy", one_hot, _shifted_probabilities),
    loss("categorical_focal_crossentropy", one_hot, from_logits=True, label_smoothing=0.1, gamma=1.5),
    loss("categorical_focal_crossentropy", one_hot, probabilities, alpha=[0.1, 0.2, 0.3, 0.4], gamma=0.0),
    loss("binary_focal_crossentropy", BINARY, INSIDE),
    loss("binary_focal_crossentropy", BINARY, INSIDE, apply_class_balancing=True, alpha=0.3, gamma=0.5),
    loss("binary_focal_crossentropy", BINARY, from_logits=True, label_smoothing=0.1),
    fused("softmax_crossentropy", "categorical_crossentropy", one_hot),
    fused("softmax_crossentropy", "categorical_crossentropy", probabilities, label_smoothing=0.2),
    fused("softmax_crossentropy", "categorical_crossentropy", _probabilities_on_axis_1, (2, 3, 4), axis=1),
    loss(
        "softmax_crossentropy", INSIDE, keras=None
    ),  # several labels a row: TensorFlow's gradient is off there
    fused("sparse_softmax_crossentropy", "sparse_categorical_crossentropy", CLASSES, labels=(5,)),
    fused("sparse_softmax_crossentropy", "sparse_categorical_crossentropy", CLASSES, (2, 3, 4), (2, 3)),
    fused(
        "sparse_softmax_crossentropy", "sparse_categorical_crossentropy", CLASSES, labels=(5,), ignore_class=1
    ),
    loss("sparse_softmax_crossentropy", integers(0, 3), shape=(2, 3, 4), labels=(2, 4), axis=1, keras=None),
    fused("sigmoid_crossentropy", "binary_crossentropy", BINARY),
    fused("sigmoid_crossentropy", "binary_crossentropy", INSIDE, label_smoothing=0.2),
    fused("sigmoid_crossentropy", "binary_crossentropy", BINARY, (2, 3, 4), axis=(1, 2)),
]


# ---------------------------------------------------------------- arithmetic, shapes


def op(name, shapes, *inputs, keras=None, **keywords):
    """A case of an operation that keras.ops has under the same name, or under `keras`."""
    forward, backward = getattr(f, name), getattr(f, f"{name}_backward")
    words = {"inputs": inputs, "keras": f"ops.{name}" if keras is None else keras, **keywords}
    return Case(forward, backward, shapes, **words)


NONZERO = away_from(0.0, gap=0.3)
KEY = (slice(None), slice(3, 0, -2), None, 1)
FIXED = away_from(0.0)  # for an operand whose kink no other operand may reach

OPERATIONS = [
    op("add", [(4, 6), (4, 6)]),
    op("add", [(2, 3, 4), (3, 1)]),
    op("add", [(4, 6), 1.5]),
    op("subtract", [(4, 6), (4, 6)]),
    op("subtract", [(3, 1), (2, 3, 4)]),
    op("subtract", [1.5, (4, 6)]),
    op("multiply", [(4, 6), (4, 6)]),
    op("multiply", [(2, 3, 4), (1, 4)]),
    op("multiply", [(4, 6), -2.0]),
    op("divide", [(4, 6), (4, 6)], normal, NONZERO),
    op("divide", [(3, 1), (2, 3, 4)], normal, NONZERO),
    op("divide", [1.5, (4, 6)], None, NONZERO),
    op("power", [(4, 6), (4, 6)], POSITIVE),
    op("power", [(2, 3, 4), (3, 1)], POSITIVE),
    op("power", [(4, 6), 3.0]),
    op("power", [(4, 6), 0.0]),
    op("power", [2.0, (4, 6)]),
    op("maximum", [(4, 6), (4, 6)]),
    op("maximum", [(2, 3, 4), (3, 1)]),
    op("maximum", [(4, 6), 0.5], away_from(0.5)),
    op("minimum", [(4, 6), (4, 6)]),
    op("minimum", [0.5, (4, 6)], None, away_from(0.5)),
    op("matmul", [(3, 4), (4, 5)]),
    op("matmul", [(2, 3, 4), (4, 5)]),
    op("matmul", [(2, 1, 3, 4), (3, 4, 2)]),
    op("matmul", [(4,), (4, 5)]),
    op("matmul", [(2, 3, 4), (4,)]),
    op("matmul", [(4,), (4,)]),
    op("negative", X, in_place=True),
    op("absolute", X, away_from(0.0)),
    op("exp", X, in_place=True),
    op("log", X, POSITIVE),
    op("sqrt", X, POSITIVE, in_place=True),
    op("square", X),
    op("getitem", CUBE, keras=lambda keras, x: x[KEY], key=KEY),
    op("getitem", CUBE, keras=lambda keras, x: x[..., 1:], key=(..., slice(1, None))),
    op("sum_axes", CUBE, keras="ops.sum"),
    op("sum_axes", CUBE, keras="ops.sum", axis=1),
    op("sum_axes", [(150, 3)], keras="ops.sum", axis=0),
    op("sum_axes", CUBE, keras="ops.sum", axis=(1, -1), keepdims=True),
    op("mean_axes", CUBE, keras="ops.mean"),
    op("mean_axes", CUBE, keras="ops.mean", axis=-1, keepdims=True),
    op("mean_axes", CUBE, keras="ops.mean", axis=(0, 2)),
    op("max_axes", CUBE, apart, keras="ops.max"),
    op("max_axes", CUBE, apart, keras="ops.max", axis=1),
    op("min_axes", CUBE, apart, keras="ops.min", axis=(0, 2)),
    op("min_axes", CUBE, apart, keras="ops.min", axis=-1, keepdims=True),
]


# ---------------------------------------------------------------- several inputs


def merge(name, layer, *shapes, **keywords):
    """A case of a function of a list of arrays, against the layer of that name in Keras."""

    def run(keras, *xs):
        return getattr(keras.layers, layer)(**keywords)(list(xs))

    return op(name, list(shapes), keras=run, grouped=True, **keywords)


def dot(axes, *shapes):
    return op("batch_dot", list(shapes), keras=lambda keras, *xs: keras.layers.Dot(axes)(xs), axes=axes)


MERGING = [
    merge("add_all", "Add", (2, 3, 4), (2, 3, 4)),
    merge("add_all", "Add", (2, 1, 4), (2, 1, 1), (2, 3, 1)),
    merge("average_all", "Average", (2, 3), (2, 3), (2, 3)),
    merge("average_all", "Average", (2, 1, 4), (2, 3, 1)),
    merge("multiply_all", "Multiply", (2, 3), (2, 3)),
    merge("multiply_all", "Multiply", (2, 1, 4), (2, 1, 1), (2, 3, 1), (2, 3, 4)),
    merge("maximum_all", "Maximum", (2, 3), (2, 3), (2, 3)),
    merge("maximum_all", "Maximum", (2, 1, 4), (2, 3, 1)),
    merge("minimum_all", "Minimum", (2, 3), (2, 3), (2, 3)),
    merge("minimum_all", "Minimum", (2, 1, 4), (2, 3, 1)),
    merge("concatenate", "Concatenate", (2, 3), (2, 1), (2, 4)),
    merge("concatenate", "Concatenate", (2, 3, 4), (2, 1, 4), axis=1),
    dot((1, 1), (3, 4), (3, 4)),
    dot((2, 1), (2, 3, 4), (2, 4, 5)),
    dot((1, 2), (2, 4, 3), (2, 5, 4)),
]


# ---------------------------------------------------------------- parameters, noise, statistics


def layer(name, shapes, *inputs, keras, differentiate=(0, 1, 2), **keywords):
    """A case of a function with parameters, or with arrays that its layer draws or holds."""
    present = [index for index in differentiate if index < len(shapes)]
    return op(name, shapes, *inputs, keras=keras, differentiate=present, **keywords)


def dense(*shapes):
    def run(keras, x, kernel, bias):
        y = tf().tensordot(x, kernel, 1)
        return y if bias is None else y + bias

    return layer("dense", list(shapes), keras=run, strided=len(shapes[0]) > 2)


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


def layer_normalization(shape, axes, gamma=True, beta=True):
    inner = tuple(shape[axis] for axis in axes)

    def run(keras, x, gamma, beta):
        return keras.ops.layer_normalization(x, gamma, beta, list(axes), 1e-3)

    shapes = [shape, inner if gamma else None, inner if beta else None]
    return layer("layer_normalization", shapes, keras=run, axes=axes, epsilon=1e-3)


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


def _standardized(keras, x, mean, variance, invert=False):
    deviation = tf().sqrt(variance)
    return mean + x * deviation if invert else (x - mean) / deviation


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
    layer_normalization((4, 5), (1,)),
    layer_normalization((4, 5), (1,), gamma=False),
    layer_normalization((4, 5), (1,), beta=False),
    layer_normalization((2, 3, 4), (2,), gamma=False, beta=False),
    layer_normalization((2, 3, 4), (1, 2)),
    layer_normalization((3, 5, 2), (1,)),
    layer_normalization((3, 2, 4), (0, 2)),
    layer_normalization((3, 4), (0,)),
    unit((4, 5), -1),
    unit((4, 5, 2), (1, 2)),
    unit((4, 5, 2), 1),
    layer("prelu", [(2, 3, 4), (3, 4)], away_from(0.0), keras=lambda k, x, a: k.ops.where(x > 0, x, a * x)),
    layer("prelu", [(2, 3, 4), (1, 4)], away_from(0.0), keras=lambda k, x, a: k.ops.where(x > 0, x, a * x)),
    layer("rescale", [(4, 6), 0.25, -1.0], keras=_rescaled),
    layer("rescale", [(2, 3, 4), (4,), (3, 1)], keras=_rescaled, differentiate=(0,)),
    layer("standardize", [(4, 6), (6,), (6,)], normal, normal, POSITIVE, keras=_standardized, differentiate=(0,)),
    layer(
        "standardize",
        [(4, 6), (6,), (6,)],
        normal,
        normal,
        POSITIVE,
        keras=lambda *arrays: _standardized(*arrays, invert=True),
        differentiate=(0,),
        invert=True,
    ),
    layer(
        "count_tokens",
        [(3, 6), (3, 6)],
        integers(0, 5),
        keras=lambda k, x, weights: k.ops.sum(tf().one_hot(x, 5) * weights[..., None], axis=-2),
        differentiate=(1,),
        tokens=5,
    ),
]

CASES = ACTIVATIONS + LOSSES + OPERATIONS + MERGING + LAYERS
