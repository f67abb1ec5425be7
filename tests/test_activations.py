"""The registry of activations, their values at kinks, and what they do with odd identifiers."""

import numpy as np
import pytest

from kerasette import activations, functions, registry
from kerasette.errors import InvalidType, InvalidValue
from tests.keras_oracle import keras, tf

NAMES = sorted({*registry.names("activation")} - {"threshold"})


def cube(x, out=None):
    return x**3, x


def cube_backward(dy, cache, dx=None):
    return 3.0 * dy * cache**2


class Cube:
    forward = staticmethod(cube)
    backward = staticmethod(cube_backward)


def test_all_of_keras_is_there():
    missing = [name for name in dir(keras().activations) if name[0] != "_" and not hasattr(activations, name)]
    assert missing == []


@pytest.mark.parametrize("name", NAMES)
def test_get_and_serialize(name):
    found = activations.get(name)
    assert found is getattr(activations, name)
    assert activations.get(found) is found
    assert activations.serialize(found) == keras().activations.serialize(getattr(keras().activations, name))
    assert activations.deserialize(activations.serialize(found)) is found


def test_other_identifiers():
    assert activations.get(None) is activations.linear
    assert activations.get({"class_name": "function", "config": "relu"}) is activations.relu
    own = activations.Activation("cube", cube, cube_backward)
    assert activations.get(own) is own
    assert activations.deserialize("cube", {"cube": own}) is own


@pytest.mark.parametrize("given", [Cube, Cube()])
def test_objects_with_forward_and_backward(given):
    found = activations.get(given)
    assert (found.name, found.kind_name, found.in_place) == ("cube", "cube", False)
    np.testing.assert_array_equal(found([1.0, 2.0]), [1.0, 8.0])


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ("rellu", InvalidValue, "Did you mean 'relu'"),
        ("threshold", InvalidValue, "two numbers"),
        (max, InvalidType, "no backward"),
        (3, InvalidType, "a name"),
        (object(), InvalidType, "a name"),
    ],
)
def test_what_is_refused(given, error, words):
    with pytest.raises(error, match=words):
        activations.get(given)


def test_a_layer_is_no_activation():
    class Layer:
        kind = "layer"

    with pytest.raises(InvalidType, match="after the layer"):
        activations.get(Layer())


def test_calls_on_values():
    assert activations.relu(-2) == 0
    assert activations.relu([1, -1]).dtype == np.float32
    assert activations.relu(np.array([1.0, -1.0])).dtype == np.float64
    np.testing.assert_array_equal(activations.relu([1.0, 5.0], max_value=3.0), [1.0, 3.0])
    np.testing.assert_array_equal(activations.threshold([1.0, 5.0], 2.0, -1.0), [-1.0, 5.0])


def test_calls_on_symbolic_values():
    class Symbolic:
        def __kerasette_apply__(self, activation, **keywords):
            return activation.name, keywords

    assert activations.relu(Symbolic(), max_value=6.0) == ("relu", {"max_value": 6.0})


def test_output_shape():
    assert activations.relu.output_shape((None, 3)) == (None, 3)
    assert activations.glu.output_shape((None, 6)) == (None, 3)
    with pytest.raises(InvalidValue, match="even"):
        activations.glu.output_shape((None, 5))


@pytest.mark.parametrize("name", NAMES)
def test_in_place_is_told_truly(name):
    activation = activations.get(name)
    x = np.random.default_rng(1).normal(size=(3, 4))
    dy = np.ones_like(activation(x))
    y, cache = activation.forward(x)
    wanted = activation.backward(dy, cache)
    if activation.in_place:
        y, cache = activation.forward(x, out=x)
        assert y is x
        np.testing.assert_array_equal(activation.backward(dy, cache), wanted)


KINKS = {
    "relu": [0.0],
    "relu6": [0.0, 6.0],
    "leaky_relu": [0.0],
    "elu": [0.0],
    "selu": [0.0],
    "softsign": [0.0],
    "hard_sigmoid": [-3.0, 3.0],
    "hard_silu": [-3.0, 3.0],
    "hard_tanh": [-1.0, 1.0],
    "soft_shrink": [-0.5, 0.5],
    "hard_shrink": [-0.5, 0.5],
    "sparse_plus": [-1.0, 1.0],
    "sparse_sigmoid": [-1.0, 1.0],
}
GENERAL_RELU = [
    {"max_value": 4.0},
    {"max_value": 6.0},
    {"threshold": 1.0},
    {"negative_slope": 0.1, "max_value": 5.0},
    {"negative_slope": 0.1, "max_value": 5.0, "threshold": 1.0},
    {"negative_slope": 0.1, "max_value": 5.0, "threshold": -1.0},
    {"max_value": 6.0, "threshold": -1.0},
    {"negative_slope": 0.3},
]
POINTS = np.array([-3, -2, -1, -0.5, 0, 0.5, 1, 2, 4, 5, 6, 7], np.float32)


@pytest.mark.parametrize(
    ("name", "points", "keywords"),
    [(name, points, {}) for name, points in KINKS.items()]
    + [("elu", [0.0], {"alpha": 2.0})]
    + [("relu", POINTS, keywords) for keywords in GENERAL_RELU],
    ids=str,
)
def test_kinks_as_tensorflow(name, points, keywords):
    x = np.array(points, np.float32)
    tensor = tf().constant(x)
    with tf().GradientTape() as tape:
        tape.watch(tensor)
        wanted = getattr(keras().activations, name)(tensor, **keywords)
    y, cache = getattr(functions, name)(x, **keywords)
    dx = getattr(functions, f"{name}_backward")(np.ones_like(y), cache)
    np.testing.assert_allclose(y, wanted.numpy(), rtol=1e-6)
    np.testing.assert_allclose(dx, tape.gradient(wanted, tensor).numpy(), rtol=1e-6)


def test_sparsemax_is_the_nearest_point_of_the_simplex():
    x = np.random.default_rng(2).normal(size=(50, 3))
    y, _ = functions.sparsemax(x)
    np.testing.assert_allclose(y.sum(axis=-1), 1.0)
    grid = np.random.default_rng(3).dirichlet([0.5] * 3, size=4000)
    nearest = ((x[:, None] - grid) ** 2).sum(axis=-1).min(axis=-1)
    assert (((x - y) ** 2).sum(axis=-1) <= nearest + 1e-12).all()
