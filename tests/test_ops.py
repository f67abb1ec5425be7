"""Every operation against central differences and TensorFlow: on symbolic tensors, through the engine."""

import json

import numpy as np
import pytest

from kerasette import activations, backend, layers, ops, registry
from kerasette.engine import Executor, Plan
from kerasette.errors import KerasetteError
from kerasette.graph import Graph, SymbolicTensor
from kerasette.ops.base import Op
from tests import keras_oracle
from tests.layer_harness import central, distance, frozen, upstream

ARRAY = np.array([0.5, -1.5, 2.0], "float32")
MATRIX = np.arange(6, dtype="float32").reshape(3, 2) / 4 - 0.7
LEFT = np.arange(10, dtype="float32").reshape(5, 2) / 8 - 0.7


class OpCase:
    """A function of operations `f(o, *xs)`, where `o` is kerasette.ops or keras.ops.

    Args:
        name: for people.
        call: the function.
        shapes: of one sample of each input.
        low, high: range of the inputs.
    """

    def __init__(self, name, call, *shapes, low=-2.0, high=2.0):
        self.name, self.call, self.shapes, self.low, self.high = name, call, shapes, low, high

    def __repr__(self):
        return self.name + "".join(map(str, self.shapes))

    def inputs(self, dtype):
        """Returns the inputs; their numbers lie apart from each other, so that no kink is near."""
        rng = np.random.default_rng(4)
        sizes = [3 * int(np.prod(shape)) for shape in self.shapes]
        grid = self.low + (self.high - self.low) * (np.arange(sum(sizes)) + 0.37) / sum(sizes)
        parts = np.split(rng.permutation(grid), np.cumsum(sizes)[:-1])
        return [part.reshape(3, *shape).astype(dtype) for part, shape in zip(parts, self.shapes, strict=True)]


V, M = (3,), (2, 3)
POSITIVE = {"low": 0.3, "high": 2.0}

OP_CASES = [
    OpCase("add", lambda o, x, y: x + y, V, V),
    OpCase("add", lambda o, x, y: x + y, (2, 1), (1, 3)),
    OpCase("add number", lambda o, x: 1.5 + x + 2, V),
    OpCase("add array", lambda o, x: x + ARRAY, M),
    OpCase("add array of a batch of one", lambda o, x: x + ARRAY[None], V),
    OpCase("add itself", lambda o, x: x + x, V),
    OpCase("add function", lambda o, x, y: o.add(x, y), V, V),
    OpCase("subtract", lambda o, x, y: x - y, V, V),
    OpCase("subtract", lambda o, x, y: x - y, (2, 1), (1, 3)),
    OpCase("subtract from number", lambda o, x: 1 - x, V),
    OpCase("subtract number", lambda o, x: o.subtract(x, 0.5), V),
    OpCase("multiply", lambda o, x, y: x * y, V, V),
    OpCase("multiply", lambda o, x, y: o.multiply(x, y), (2, 1), (1, 3)),
    OpCase("multiply number and array", lambda o, x: 2 * x * ARRAY, V),
    OpCase("divide", lambda o, x, y: x / y, V, V, **POSITIVE),
    OpCase("divide", lambda o, x, y: o.divide(x, y), (2, 1), (1, 3), **POSITIVE),
    OpCase("divide number", lambda o, x: 1 / x + x / 4, V, **POSITIVE),
    OpCase("negative", lambda o, x: -x, V),
    OpCase("power 2", lambda o, x: x**2, V),
    OpCase("power 0", lambda o, x: x**0 + x, V, **POSITIVE),
    OpCase("power 1.5", lambda o, x: o.power(x, 1.5), V, **POSITIVE),
    OpCase("power -1", lambda o, x: x**-1.0, V, **POSITIVE),
    OpCase("power of number", lambda o, x: 2.0**x, V),
    OpCase("power", lambda o, x, y: x**y, V, V, **POSITIVE),
    OpCase("power", lambda o, x, y: x**y, (2, 1), (1, 3), **POSITIVE),
    OpCase("abs", lambda o, x: abs(x) + o.absolute(x), V),
    OpCase("exp", lambda o, x: o.exp(x), V),
    OpCase("log", lambda o, x: o.log(x), V, **POSITIVE),
    OpCase("sqrt", lambda o, x: o.sqrt(x), V, **POSITIVE),
    OpCase("square", lambda o, x: o.square(x), V),
    OpCase("maximum", lambda o, x, y: o.maximum(x, y), V, V),
    OpCase("maximum", lambda o, x, y: o.maximum(x, y), (2, 1), (1, 3)),
    OpCase("maximum of number", lambda o, x: o.maximum(0.1, x), V),
    OpCase("minimum", lambda o, x, y: o.minimum(x, y), V, V),
    OpCase("minimum of number", lambda o, x: o.minimum(x, 0.1), V),
    OpCase("relu", lambda o, x: o.relu(x), V),
    OpCase("sigmoid", lambda o, x: o.sigmoid(x), V),
    OpCase("tanh", lambda o, x: o.tanh(x), V),
    OpCase("softmax", lambda o, x: o.softmax(x), M),
    OpCase("softmax axis", lambda o, x: o.softmax(x, axis=1), M),
    OpCase("matmul", lambda o, x, y: x @ y, (2, 3), (3, 4)),
    OpCase("matmul", lambda o, x, y: o.matmul(x, y), (2, 2, 3), (1, 3, 2)),
    OpCase("matmul array", lambda o, x: x @ MATRIX, V),
    OpCase("matmul array", lambda o, x: x @ MATRIX, M),
    OpCase("matmul array for all samples", lambda o, x: x @ MATRIX[None], M),
    OpCase("matmul array from the left", lambda o, x: o.matmul(LEFT, x), M),
    OpCase("matmul vector", lambda o, x: o.matmul(x, ARRAY), M),
    OpCase("sum", lambda o, x: o.sum(x, axis=-1), M),
    OpCase("sum", lambda o, x: o.sum(x, axis=(1, 2), keepdims=True), M),
    OpCase("mean", lambda o, x: o.mean(x, axis=1), M),
    OpCase("mean", lambda o, x: o.mean(x, axis=(1, 2)), M),
    OpCase("max", lambda o, x: o.max(x, axis=1), M),
    OpCase("max", lambda o, x: o.max(x, axis=-1, keepdims=True), M),
    OpCase("min", lambda o, x: o.min(x, axis=(1, 2)), M),
    OpCase("getitem", lambda o, x: x[:, 1:], V),
    OpCase("getitem", lambda o, x: x[:, 0], M),
    OpCase("getitem", lambda o, x: x[..., ::-2], M),
    OpCase("getitem", lambda o, x: x[:, None, -1, :2], M),
    OpCase("getitem one number", lambda o, x: x[:, 1], V),
    OpCase("reshape", lambda o, x: o.reshape(x, (-1, 3, 2)), M),
    OpCase("expand_dims", lambda o, x: o.expand_dims(x, -1), M),
    OpCase("expand_dims", lambda o, x: o.expand_dims(x, 1), V),
    OpCase("squeeze", lambda o, x: o.squeeze(x, axis=2), (2, 1)),
    OpCase("transpose", lambda o, x: o.transpose(x, (0, 3, 1, 2)), (2, 3, 2)),
    OpCase("swapaxes", lambda o, x: o.swapaxes(x, 1, -1), M),
    OpCase("concatenate", lambda o, x, y: o.concatenate([x, y], axis=-1), (2, 3), (2, 1)),
    OpCase("concatenate", lambda o, x, y: o.concatenate([x, y, x], axis=1), (2, 3), (1, 3)),
    OpCase("clip", lambda o, x: o.clip(x, -0.9, 1.1), M),
    OpCase("where", lambda o, x, y: o.where(x > 0.1, x * y, y), V, V),
    OpCase("where", lambda o, x, y: o.where(x <= 0.1, x, y), (2, 1), (1, 3)),
    OpCase("where of number", lambda o, x: o.where(x < 0.1, 2.0, x), V),
    OpCase("where of array", lambda o, x: o.where(o.abs(x) >= 0.5, x, ARRAY), V),
    OpCase("where by array", lambda o, x, y: o.where(ARRAY, x, y), V, V),
    OpCase("sign", lambda o, x: x * o.sign(x), V),
    OpCase("zeros_like", lambda o, x: x + o.zeros_like(x), V),
    OpCase("ones_like", lambda o, x: x * o.ones_like(x), V),
    OpCase("cast", lambda o, x: x * o.cast(x > 0.1, "float32"), V),
    OpCase("argmax and one_hot", lambda o, x: x * o.one_hot(o.argmax(x, axis=-1), 3), V),
    OpCase("log1p", lambda o, x: o.log1p(x), V, **POSITIVE),
    OpCase("softplus", lambda o, x: o.softplus(x), V),
    OpCase("log_softmax", lambda o, x: o.log_softmax(x), M),
    OpCase("log_softmax axis", lambda o, x: o.log_softmax(x, axis=1), M),
    OpCase("stack", lambda o, x, y: o.stack([x, y, x], axis=1), V, V),
    OpCase("stack", lambda o, x, y: o.stack([x, y], axis=-1), M, M),
    OpCase(
        "expression", lambda o, x, y: (x - o.mean(x, axis=-1, keepdims=True)) / (1 + y * y) @ MATRIX, V, V
    ),
]

each_case = pytest.mark.parametrize("case", OP_CASES, ids=repr)


class Built:
    """A case as a graph that runs."""

    def __init__(self, case, dtype):
        backend.set_floatx(dtype)
        self.tensors = [layers.Input(shape) for shape in case.shapes]
        self.out = case.call(ops, *self.tensors)
        plan = Plan(Graph(self.tensors, [self.out]), input_gradients=True)
        self.executor = Executor(plan, np, dtype)

    def forward(self, xs):
        return self.executor.forward(xs, training=True)[0]

    def gradients(self, dy):
        return [dx.copy() for dx in self.executor.backward([dy])]


@each_case
def test_backward_is_the_derivative_of_forward(case):
    built, xs = Built(case, "float64"), case.inputs("float64")
    y = built.forward(xs)
    assert y.dtype == "float64"
    dy = upstream(y.shape, "float64")
    dxs = built.gradients(dy)
    for x, dx in zip(xs, dxs, strict=True):
        assert dx.dtype == "float64"
        assert distance(dx, central(lambda: float((built.forward(xs) * dy).sum()), x)) <= 1e-6


@each_case
def test_tensorflow_gives_the_same_numbers(case):
    keras, tf = keras_oracle.keras(), keras_oracle.tf()
    built, xs = Built(case, "float32"), [frozen(x) for x in case.inputs("float32")]
    y = built.forward(xs)
    assert built.out.shape[1:] == y.shape[1:]
    dy = upstream(y.shape, "float32")
    variables = [tf.Variable(x) for x in xs]
    with tf.GradientTape() as tape:
        theirs = case.call(keras.ops, *[tf.convert_to_tensor(v) for v in variables])
        total = tf.reduce_sum(theirs * dy)
    assert y.dtype == "float32"
    assert distance(y, theirs.numpy()) <= 1e-5
    for dx, wanted in zip(built.gradients(dy), tape.gradient(total, variables), strict=True):
        assert dx.dtype == "float32"
        assert distance(dx, wanted.numpy()) <= 1e-5


@each_case
def test_symbolic_shape_is_that_of_keras(case):
    keras = keras_oracle.keras()
    theirs = case.call(keras.ops, *[keras.Input(shape) for shape in case.shapes])
    built = Built(case, "float32")
    assert built.out.shape == tuple(theirs.shape)
    operation = theirs._keras_history.operation
    assert (type(built.out.operation).__name__, built.out.operation.module) == (
        type(operation).__name__,
        type(operation).__module__,
    )


@each_case
def test_config_round_trip(case):
    built = Built(case, "float32")
    for node in Graph(built.tensors, [built.out]).nodes:
        if not node.inputs:
            continue
        operation = node.operation
        config = json.loads(json.dumps(operation.get_config()))
        copy = registry.find("operation", type(operation).__name__).from_config(config)
        assert json.loads(json.dumps(copy.get_config())) == config
        shapes = [tensor.shape[1:] for tensor in node.inputs]
        assert copy.output_shape(*shapes) == operation.output_shape(*shapes)


ELEMENTWISE_BY_NAME = ("add", "subtract", "multiply", "divide", "power", "maximum", "minimum", "matmul")


def test_arrays_are_computed_at_once():
    keras = keras_oracle.keras()
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0.5, 2, (2, 3, 3)).astype("float32")
    for name in ELEMENTWISE_BY_NAME:
        assert np.allclose(getattr(ops, name)(x, y), getattr(keras.ops, name)(x, y).numpy(), rtol=1e-5)
    for name in (
        "exp",
        "log",
        "sqrt",
        "square",
        "negative",
        "abs",
        "relu",
        "sigmoid",
        "tanh",
        "softmax",
        "sum",
        "mean",
        "max",
        "min",
        "transpose",
    ):
        assert np.allclose(getattr(ops, name)(x), getattr(keras.ops, name)(x).numpy(), rtol=1e-5)
    assert ops.concatenate([x, y]).shape == (6, 3)
    assert ops.reshape(x, (9,)).shape == (9,)
    assert ops.squeeze(x[None, :, :1]).shape == (3,)
    assert ops.add([1, 2], 3).tolist() == [4, 5]
    assert ops.add(x.astype("float64"), 1).dtype == "float64"
    assert ops.matmul(x[0], x[1]) == pytest.approx(x[0] @ x[1])
    assert ops.shape(x) == (3, 3)


def test_types_of_whole_numbers_are_those_of_keras():
    keras = keras_oracle.keras()
    for call in (
        lambda o, x: x + 1,
        lambda o, x: x + 1.5,
        lambda o, x: x / 2,
        lambda o, x: o.exp(x),
        lambda o, x: o.sum(x, axis=1),
        lambda o, x: o.mean(x, axis=1),
        lambda o, x: x[:, 1:],
        lambda o, x: -x,
        lambda o, x: o.concatenate([x, x], axis=1),
    ):
        ours = call(ops, layers.Input((3,), dtype="int32"))
        assert ours.dtype == call(keras.ops, keras.Input((3,), dtype="int32")).dtype
        plan = Plan(Graph([ours.node.inputs[0]], [ours]))
        y = Executor(plan, np, "float32").forward([np.array([[1, 2, 3]], "int32")])[0]
        assert y.dtype == ours.dtype


def test_names_are_counted_with_those_of_layers():
    registry.reset_names()
    x = layers.Input((3,))
    names = [
        t.operation.name
        for t in (x + 1, x + 2, layers.Add()([x, x]), x[:, 0], abs(x), x / 2, x**2, ops.divide(x, 2))
    ]
    assert names == ["add", "add_1", "add_2", "get_item", "absolute", "true_divide", "power", "divide"]
    assert ops.add(np.ones(2), 1).shape == (2,)
    assert (x + 1).operation.name == "add_3"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x, m: x[0], "write x"),
        (lambda x, m: x[:, 5], "out of range"),
        (lambda x, m: x[:, [0, 2]], "slices"),
        (lambda x, m: x[:, 0, 0], "more parts"),
        (lambda x, m: x + m, "expand_dims"),
        (lambda x, m: x + np.ones((4, 3)), "one sample"),
        (lambda x, m: x + np.ones(4), "don't go together"),
        (lambda x, m: x @ x, "mix the samples"),
        (lambda x, m: np.ones((2, 3)) @ x, "mix the samples"),
        (lambda x, m: m @ np.ones((2, 3)), "differ"),
        (lambda x, m: m @ np.ones((5, 3, 2)), "mix the samples"),
        (lambda x, m: x @ 2.0, "multiply"),
        (lambda x, m: ops.sum(x), "batch"),
        (lambda x, m: ops.mean(x, axis=0), "batch"),
        (lambda x, m: ops.softmax(x, axis=0), "batch"),
        (lambda x, m: ops.transpose(m), "batch"),
        (lambda x, m: ops.concatenate([x, x]), "batch"),
        (lambda x, m: ops.concatenate([m, ops.expand_dims(x, 1)], axis=2), "differ"),
        (lambda x, m: ops.concatenate([x, np.ones((1, 3))], axis=1), "symbolic"),
        (lambda x, m: ops.expand_dims(x, 0), "batch"),
        (lambda x, m: ops.squeeze(x, 0), "batch"),
        (lambda x, m: ops.squeeze(x, 1), "length 1"),
        (lambda x, m: ops.reshape(m, (2, 3)), "begin with -1"),
        (lambda x, m: ops.reshape(m, (-1, 4)), "6 elements"),
        (lambda x, m: ops.stack([x, x]), "batch"),
        (lambda x, m: ops.stack([x, m], axis=1), "differ"),
        (lambda x, m: ops.stack([x, np.ones(3)], axis=1), "symbolic"),
        (lambda x, m: ops.argmax(x), "batch"),
        (lambda x, m: ops.cast(x, "complex64"), "dtype"),
        (lambda x, m: ops.one_hot(x, 3, axis=1), "axis"),
        (lambda x, m: ops.where(x > 0, x, np.ones((4, 3))), "one sample"),
        (lambda x, m: x + "a", "numbers"),
        (lambda x, m: x + np.array(["a", "b", "c"]), "numbers"),
    ],
)
def test_errors(call, words):
    with pytest.raises(KerasetteError, match=words):
        call(layers.Input((3,)), layers.Input((2, 3)))


def test_activations_take_symbolic_tensors():
    x = layers.Input((4,))
    for name in ("gelu", "relu", "softmax", "glu"):
        assert activations.get(name)(x).operation.name.startswith(name)
    y = activations.elu(x, 0.5)
    config = json.loads(json.dumps(y.operation.get_config()))
    copy = registry.find("operation", "Activate").from_config(config)
    assert copy.get_config() == config
    executor = Executor(Plan(Graph([x], [y]), input_gradients=True), np, "float32")
    data = np.array([[-1.0, 0.5, 2.0, -3.0]], "float32")
    assert np.array_equal(executor.forward([data])[0], activations.elu(data, 0.5))
    assert np.allclose(executor.backward([np.ones_like(data)])[0], np.where(data > 0, 1, 0.5 * np.exp(data)))


def test_what_makes_arrays():
    keras = keras_oracle.keras()
    for call in (
        lambda o: o.arange(4),
        lambda o: o.arange(1.0, 3.0, 0.5),
        lambda o: o.zeros((2, 3)),
        lambda o: o.ones((2,), "int32"),
        lambda o: o.convert_to_tensor([1.5, 2.0]),
        lambda o: o.convert_to_tensor([1, 0], "float32"),
        lambda o: o.zeros_like(ARRAY),
        lambda o: o.ones_like(ARRAY, dtype="int32"),
        lambda o: o.one_hot(np.array([2, 0, 5, -1]), 3),
        lambda o: o.argmax(MATRIX, axis=1, keepdims=True),
        lambda o: o.argmax(MATRIX),
        lambda o: o.cast(ARRAY, "int32"),
        lambda o: o.clip(ARRAY, -1.0, 1.0),
        lambda o: o.where(ARRAY > 0, 1.0, ARRAY),
    ):
        ours, theirs = ops.convert_to_numpy(call(ops)), keras.ops.convert_to_numpy(call(keras.ops))
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype or ours.dtype.itemsize * 2 == theirs.dtype.itemsize
    x = layers.Input((3,))
    assert ops.convert_to_tensor(x) is x and ops.convert_to_tensor(x, "int32").dtype == "int32"


def test_an_uncalled_layer_stands_for_its_output():
    total = ops.add(layers.Dense(3, input_shape=(2,)), 1.0)
    assert isinstance(total, SymbolicTensor) and total.shape == (None, 3)


def test_gradients_at_special_points_as_in_tensorflow():
    keras, tf = keras_oracle.keras(), keras_oracle.tf()
    for call, x in (
        (lambda o, x: o.max(x, axis=1), [[1.0, 1.0, 0.0]]),
        (lambda o, x: abs(x), [[0.0, -1.0, 2.0]]),
        (lambda o, x: o.maximum(x, 1.0), [[1.0, 2.0, 0.0]]),
        (lambda o, x: o.maximum(1.0, x), [[1.0, 2.0, 0.0]]),
        (lambda o, x: x**2.5, [[0.0, 1.0, 2.0]]),
    ):
        variable = tf.Variable(x)
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(call(keras.ops, tf.convert_to_tensor(variable)))
        tensor = layers.Input((3,))
        out = call(ops, tensor)
        executor = Executor(Plan(Graph([tensor], [out]), input_gradients=True), np, "float32")
        y = executor.forward([np.array(x, "float32")])[0]
        assert np.allclose(executor.backward([np.ones_like(y)])[0], tape.gradient(total, variable).numpy())


def test_constants_from_files_are_checked():
    add = registry.find("operation", "Add")
    assert issubclass(add, Op)
    for constant in (
        {"class_name": "Lambda", "config": {}},
        {"class_name": "__numpy__", "config": {"value": [], "dtype": "O"}},
    ):
        with pytest.raises(KerasetteError):
            add.from_config({"name": "add", "constants": [[1, constant]]})
