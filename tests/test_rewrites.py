"""What the plan rewrites changes no number: activations left to the loss, activations in place."""

import numpy as np
import pytest

import kerasette as k
from kerasette import activations, layers, losses, optimizers, testing, utils
from kerasette.errors import InvalidType, InvalidValue
from kerasette.ops import arithmetic, axes, operators
from tests.engine_runs import same_bits

FUSED = [
    ("softmax", 3, "sparse_categorical_crossentropy"),
    ("softmax", 3, "categorical_crossentropy"),
    ("sigmoid", 1, "binary_crossentropy"),
    ("sigmoid", 3, "binary_crossentropy"),
]


def classifier(activation, units, loss, scale=1.0):
    utils.set_random_seed(1)
    model = k.Sequential([k.Input((4,)), layers.Dense(5, "tanh"), layers.Dense(units, activation)])
    model.compile(loss, optimizers.SGD(0.5))
    for weight in model.trainable_weights:
        weight.assign(weight.numpy() * scale)
    rng = np.random.default_rng(2)
    x, labels = rng.normal(size=(20, 4)).astype("float32"), rng.integers(0, units, 20)
    y = {
        "sparse_categorical_crossentropy": labels,
        "categorical_crossentropy": np.eye(units)[labels],
        "binary_crossentropy": rng.integers(0, 2, (20, units)),
    }[loss]
    return model, x, y


@pytest.mark.parametrize(("activation", "units", "loss"), FUSED)
def test_the_fused_loss_gives_the_numbers_of_the_plain_one(monkeypatch, activation, units, loss):
    model, x, y = classifier(activation, units, loss)
    assert model._engine.plan.fused == [True]
    fused = [model.train_on_batch(x, y) for _ in range(3)]
    monkeypatch.setattr(losses.get(loss).__class__, "fuses_with", None)
    plain, _, _ = classifier(activation, units, loss)
    assert plain._engine.plan.fused == [False]
    assert [plain.train_on_batch(x, y) for _ in range(3)] == pytest.approx(fused, rel=1e-5)
    for a, b in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(plain.predict(x), model.predict(x), rtol=1e-4)


@pytest.mark.parametrize(
    ("activation", "labels"), [("softmax", [1]), ("softmax", [[0.0, 1.0]]), ("sigmoid", [[0.0, 0.0]])]
)
def test_saturated_outputs_cost_what_tensorflow_says(activation, labels):
    """A wrong label at logits (100, 0) costs 100 (softmax) or 100 and log 2 (sigmoid); its gradient lives."""
    model = k.Sequential([k.Input((1,)), layers.Dense(2, use_bias=False), layers.Activation(activation)])
    loss = "binary_crossentropy" if activation == "sigmoid" else "categorical_crossentropy"
    loss = "sparse_categorical_crossentropy" if labels == [1] else loss
    model.compile(loss, optimizers.SGD(1.0))
    model.set_weights([np.array([[100.0, 0.0]])])
    value = model.train_on_batch(np.ones((1, 1)), np.array(labels))
    assert value == pytest.approx(100.0 if activation == "softmax" else (100.0 + np.log(2.0)) / 2, rel=1e-6)
    step = np.array([100.0, 0.0]) - model.get_weights()[0][0]
    np.testing.assert_allclose(step, [1.0, -1.0] if activation == "softmax" else [0.5, 0.25], atol=1e-6)


def gradients_of(model, loss, x, y):
    """Returns the weights' gradients, as one step of plain descent shows them."""
    model.compile(loss, optimizers.SGD(1.0))
    before = model.get_weights()
    model.train_on_batch(x, y)
    found = [a - b for a, b in zip(before, model.get_weights(), strict=True)]
    model.set_weights(before)
    return found


def numeric_gradients(model, x, y):
    """Central differences of the loss by every weight."""
    found = []
    for weight in model.trainable_weights:
        value, gradient = weight.numpy(), np.empty(weight.shape)
        for place in np.ndindex(*weight.shape):
            ends = []
            for sign in (1, -1):
                moved = value.copy()
                moved[place] += sign * 1e-5
                weight.assign(moved)
                ends.append(model.test_on_batch(x, y))
            gradient[place] = (ends[0] - ends[1]) / 2e-5
            weight.assign(value)
        found.append(gradient)
    return found


@pytest.mark.parametrize("where", ["inside", "output twice", "read again", "other loss"])
def test_a_softmax_that_is_read_elsewhere_keeps_its_jacobian(where):
    k.config.set_floatx("float64")
    utils.set_random_seed(3)
    x = k.Input((3,))
    soft = layers.Dense(3, activation="softmax")(x)
    outputs = {
        "inside": layers.Dense(3, activation="softmax")(soft),
        "output twice": [soft, soft],
        "read again": [soft, layers.Dense(2)(soft)],
        "other loss": soft,
    }[where]
    model = k.Model(x, outputs)
    loss = {"read again": ["categorical_crossentropy", "mse"], "other loss": "mse"}.get(
        where, "categorical_crossentropy"
    )
    rng = np.random.default_rng(0)
    data, labels = rng.normal(size=(5, 3)), np.eye(3)[[0, 1, 2, 1, 0]]
    y = {"output twice": [labels, labels], "read again": [labels, rng.normal(size=(5, 2))]}.get(where, labels)
    found = gradients_of(model, loss, data, y)
    model.compile(loss, "sgd")
    if where in ("output twice", "read again"):
        assert not any(model._engine.plan.fused)
    model.test_on_batch = lambda a, b: k.Model.test_on_batch(model, a, b, return_dict=True)["loss"]
    for a, b in zip(found, numeric_gradients(model, data, y), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_activations_in_place_change_no_bit(monkeypatch):
    names = ["relu", "tanh", "sigmoid", "softplus", "elu", "softmax", "selu", "leaky_relu"]

    def run():
        utils.set_random_seed(7)
        x = h = k.Input((4,))
        for name in names:
            h = layers.Dense(4, activation=name)(h)
        model = k.Model(x, h).compile("mse", optimizers.Adam(0.01))
        rng = np.random.default_rng(1)
        x, y = rng.normal(size=(16, 4)), rng.normal(size=(16, 4))
        for _ in range(3):
            model.train_on_batch(x, y)
        assert any(step.in_place for step in model._engine.plan.steps) is activations.get("relu").in_place
        return model.get_weights()

    in_place = run()
    for name in names:
        monkeypatch.setattr(activations.get(name), "in_place", False)
    assert same_bits(in_place, run())


def test_who_replaces_forward_promises_nothing_of_it():
    """The numbers of a convolution and a pooling of one's own are those of their own calls."""

    class Doubled(layers.Conv2D):
        def forward(self, ctx, w, x):
            y, cache = super().forward(ctx, w, x)
            return 2 * y, cache

        def backward(self, ctx, w, dw, dy, cache):
            dx = super().backward(ctx, w, dw, 2 * dy, cache)
            dw["bias"][...] *= 1
            return dx

    class Minimum(layers.MaxPooling2D):
        def forward(self, ctx, w, x):
            return super().forward(ctx, w, -x)

        def backward(self, ctx, w, dw, dy, cache):
            return -super().backward(ctx, w, dw, dy, cache)

    x = np.random.default_rng(1).normal(size=(4, 9, 9, 2)).astype("float32")
    for first, second in ((Doubled, layers.MaxPooling2D), (layers.Conv2D, Minimum)):
        first = first(3, 3, activation="relu", bias_initializer="ones")
        model = k.Sequential([k.Input((9, 9, 2)), first, second(2)])
        np.testing.assert_allclose(model.predict(x), second(2)(first(x)), rtol=1e-6)
        testing.check_gradients(model, (3, 9, 9, 2))


def test_a_mixin_that_replaces_forward_promises_nothing_either():
    class Halving:
        def forward(self, ctx, w, x):
            y, cache = super().forward(ctx, w, x)
            return y * 0.5 - 1, cache

        def backward(self, ctx, w, dw, dy, cache):
            return super().backward(ctx, w, dw, dy * 0.5, cache)

    class Conv(Halving, layers.Conv2D):
        pass

    class Pool(Halving, layers.MaxPooling2D):
        pass

    class Softmax(Halving, layers.Softmax):
        pass

    x = np.random.default_rng(1).normal(size=(4, 9, 9, 2)).astype("float32")
    for first, second in ((Conv, layers.MaxPooling2D), (layers.Conv2D, Pool)):
        first = first(3, 3, activation="relu", bias_initializer="ones")
        model = k.Sequential([k.Input((9, 9, 2)), first, second(2)])
        np.testing.assert_allclose(model.predict(x), second(2)(first(x)), rtol=1e-5)
    model = k.Sequential([k.Input((4,)), layers.Dense(3), Softmax()])
    model.compile("categorical_crossentropy", "sgd")
    assert model._engine.plan.fused == [False]

    class Doubled:
        def forward(self, y_true, y_pred):
            found, cache = super().forward(y_true, y_pred)
            return 2 * found, cache

        def backward(self, dlosses, cache):
            return super().backward(2 * dlosses, cache)

    class Twice(Doubled, losses.CategoricalCrossentropy):
        pass

    model = k.Sequential([k.Input((4,)), layers.Dense(3, "softmax")]).compile(Twice(), "sgd")
    x, y = x[:, 0, :4, 0], np.eye(3)[[0, 1, 2, 0]]
    assert model.evaluate(x, y, verbose=0) == pytest.approx(float(Twice()(y, model.predict(x))), rel=1e-5)


class Wide(layers.Conv2D):
    """A convolution that declares one channel more than it has."""

    def output_shape(self, shape):
        *positions, channels = super().output_shape(shape)
        return *positions, channels + 1


class Silent(layers.Conv2D):
    """A convolution whose backward returns nothing, and that still lets its bias be added elsewhere."""

    output_bias = "bias"

    def backward(self, ctx, w, dw, dy, cache):
        super().backward(ctx, w, dw, dy, cache)


@pytest.mark.parametrize("activation", [None, "relu"])
@pytest.mark.parametrize("pools", [False, True])
def test_errors_name_the_layer_that_a_rewritten_step_comes_from(activation, pools):
    def model(cls):
        body = [layers.Conv2D(2, 1), cls(3, 3, activation=activation, name="mine")]
        body += [layers.MaxPooling2D(2)] if pools else []
        return k.Sequential([k.Input((9, 9, 2)), *body, layers.Flatten(), layers.Dense(2)])

    x = np.ones((4, 9, 9, 2), "float32")
    with pytest.raises(InvalidValue, match=r"^mine \(Wide\): forward returned the shape .*, 3\)"):
        model(Wide).predict(x)
    with pytest.raises(InvalidType, match=r"^mine: Silent\.backward returned None"):
        model(Silent).compile("mse", "sgd").train_on_batch(x, x[:, 0, 0])


def test_an_activation_without_a_gradient_is_told_from_its_layer():
    half = activations.Activation("half", lambda x, out=None: (x / 2, None), lambda dy, cache, dx=None: None)
    body = [layers.Dense(3, activation=half, name="mine"), layers.Dense(2)]
    model = k.Sequential([k.Input((2,)), *body]).compile("mse", "sgd")
    with pytest.raises(InvalidType, match=r"^mine: the backward of its activation returned None"):
        model.train_on_batch(np.ones((4, 2)), np.ones((4, 2)))


def halved(cls):
    """Returns a subclass of an activation whose result is half of what it was."""

    class Halved(cls):
        def forward(self, ctx, w, x):
            y, cache = super().forward(ctx, w, x)
            return y / 2, cache

        def backward(self, ctx, w, dw, dy, cache):
            return super().backward(ctx, w, dw, dy / 2, cache)

    return Halved


OWN = {
    "Activation softmax": (layers.Activation, ("softmax",), "categorical_crossentropy"),
    "Activation sigmoid": (layers.Activation, ("sigmoid",), "binary_crossentropy"),
    "Activation relu": (layers.Activation, ("relu",), "mse"),
    "Softmax": (layers.Softmax, (), "categorical_crossentropy"),
    "operation softmax": (axes.Softmax, (), "categorical_crossentropy"),
    "operation sigmoid": (arithmetic.Sigmoid, (), "binary_crossentropy"),
    "any operation softmax": (operators.Activate, ("softmax",), "categorical_crossentropy"),
    "any operation relu": (operators.Activate, ("relu",), "mse"),
}


@pytest.mark.parametrize("name", OWN)
def test_who_replaces_an_activation_keeps_its_own_maths(name):
    """Neither a loss nor a rewrite takes over what isn't softmax, sigmoid or ReLU any more."""
    cls, arguments, loss = OWN[name]
    inputs = k.Input((5, 5, 2))
    convolved, end = layers.Conv2D(3, 3, bias_initializer="ones")(inputs), layers.Flatten()
    x, y = np.random.default_rng(1).normal(size=(4, 5, 5, 2)).astype("float32"), np.eye(3)[[0, 1, 2, 0]]
    outputs, values = [], []
    for one in (cls(*arguments), halved(cls)(*arguments)):
        call = one if isinstance(one, layers.Layer) else lambda tensor, one=one: one.symbolic_call((tensor,))
        if "relu" in name:
            result = end(layers.MaxPooling2D(3)(call(convolved)))
        else:
            result = call(end(layers.MaxPooling2D(3)(convolved)))
        model = k.Model(inputs, result).compile(loss, optimizers.SGD(0.1))
        outputs.append(model.predict(x))
        values.append(model.evaluate(x, y, verbose=0))
    np.testing.assert_allclose(outputs[1], outputs[0] / 2, rtol=1e-6)
    assert values[1] == pytest.approx(losses.get(loss)(y, outputs[1]), rel=1e-5)
    assert one.fuses_with is None and model._engine.plan.fused == [False]
