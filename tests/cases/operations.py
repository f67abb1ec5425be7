"""Arithmetic, reductions, slices, and what combines several inputs."""

from kerasette import functions as f
from tests.harness import Case, apart, away_from, booleans, normal, uniform

X = [(4, 6)]
CUBE = [(2, 3, 4)]


def op(name, shapes, *inputs, keras=None, **keywords):
    """A case of an operation that keras.ops has under the same name, or under `keras`."""
    forward, backward = getattr(f, name), getattr(f, f"{name}_backward")
    words = {"inputs": inputs, "keras": f"ops.{name}" if keras is None else keras, **keywords}
    return Case(forward, backward, shapes, **words)


POSITIVE = uniform(0.2, 3.0)
NONZERO = away_from(0.0, gap=0.3)


def limited(low, high):
    """Keras's clip, which takes infinities for limits that aren't there."""
    return lambda keras, x: keras.ops.clip(x, low, high)


KEY = (slice(None), slice(3, 0, -2), None, 1)

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
    op("log1p", X, POSITIVE),
    op("sqrt", X, POSITIVE, in_place=True),
    op("square", X),
    op("clip", X, away_from(-0.5, 1.0), keras=limited(-0.5, 1.0), low=-0.5, high=1.0),
    op("clip", X, away_from(0.5), keras=limited(0.5, float("inf")), low=0.5, high=None),
    op("where", [(4, 6), (4, 6), (4, 6)], booleans(0.5), differentiate=(1, 2)),
    op("where", [(2, 3, 4), (3, 1), 1.5], booleans(0.5), differentiate=(1,)),
    op("where", [(4, 1), 1.5, (4, 6)], booleans(0.5), differentiate=(2,)),
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


def stacked(axis):
    return lambda keras, *xs: keras.ops.stack(list(xs), axis=axis)


def merge(name, layer, *shapes, **keywords):
    """A case of a function of a list of arrays, against the layer of that name in Keras."""

    def run(keras, *xs):
        return getattr(keras.layers, layer)(**keywords)(list(xs))

    return op(name, list(shapes), keras=run, grouped=True, **keywords)


def dot(axes, *shapes):
    return op("batch_dot", list(shapes), keras=lambda keras, *xs: keras.layers.Dot(axes)(xs), axes=axes)


MERGING = [
    op("stack", [(2, 3), (2, 3)], keras=stacked(0), grouped=True),
    op("stack", [(2, 3), (2, 3), (2, 3)], keras=stacked(-1), grouped=True, axis=-1),
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
