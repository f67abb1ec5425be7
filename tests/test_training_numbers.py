"""Numbers of whole training steps, worked out here in a few lines of float64: quick, and without Keras."""

import numpy as np
import pytest

import kerasette as k
from kerasette import layers, losses, metrics, optimizers, regularizers, utils


@pytest.fixture(autouse=True)
def float64():
    k.config.set_floatx("float64")
    utils.set_random_seed(0)


def linear(inputs=3, units=1, **words):
    """Returns a model y = x W without a bias."""
    return k.Sequential([k.Input((inputs,)), layers.Dense(units, use_bias=False, **words)])


def data(rows=10, inputs=3, units=1, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, inputs)), rng.normal(size=(rows, units))


def slope(w, x, y):
    """Gradient of the mean squared error of x w."""
    return 2 * x.T @ (x @ w - y) / y.size


def follow(optimizer, rule, steps=5, rate=lambda step: 0.1):
    """Trains `linear()` and, beside it, w by `rule(w, gradient, memory, rate, t)`; both must agree."""
    model = linear().compile("mse", optimizer)
    (w,), memory = model.get_weights(), {"m": 0.0, "v": 0.0, "top": 0.0}
    for step in range(steps):
        x, y = data(seed=step)
        gradient = slope(w, x, y) * (0.01 if step == 3 else 1.0)
        weight = np.full(len(x), 0.01 if step == 3 else 1.0)
        w = rule(w, gradient, memory, rate(step), step + 1)
        model.train_on_batch(x, y, sample_weight=weight)
        np.testing.assert_allclose(model.get_weights()[0], w, rtol=1e-9, atol=1e-12)


# ---------------------------------------------------------------- optimizers


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_with_momentum_while_the_rate_changes(nesterov):
    """v = 0.9 v - rate g; w += v, or with nesterov w += 0.9 v - rate g."""
    schedule = optimizers.schedules.PiecewiseConstantDecay([1, 2], [0.2, 0.1, 0.01])

    def rule(w, g, memory, rate, t):
        memory["v"] = 0.9 * memory["v"] - rate * g
        return w + (0.9 * memory["v"] - rate * g if nesterov else memory["v"])

    rates = [0.2, 0.2, 0.1, 0.01, 0.01]
    follow(optimizers.SGD(schedule, momentum=0.9, nesterov=nesterov), rule, rate=rates.__getitem__)


@pytest.mark.parametrize("amsgrad", [False, True])
def test_adam(amsgrad):
    """Epsilon stands outside the root and outside the correction (Kingma and Ba; Reddi et al.)."""

    def rule(w, g, memory, rate, t):
        memory["m"] = 0.9 * memory["m"] + 0.1 * g
        memory["v"] = 0.5 * memory["v"] + 0.5 * g * g
        memory["top"] = np.maximum(memory["top"], memory["v"])
        alpha = rate * np.sqrt(1 - 0.5**t) / (1 - 0.9**t)
        return w - alpha * memory["m"] / (np.sqrt(memory["top" if amsgrad else "v"]) + 1e-3)

    follow(optimizers.Adam(0.1, beta_2=0.5, epsilon=1e-3, amsgrad=amsgrad), rule)


def test_rmsprop():
    """Epsilon stands inside the root."""

    def rule(w, g, memory, rate, t):
        memory["v"] = 0.9 * memory["v"] + 0.1 * g * g
        return w - rate * g / np.sqrt(memory["v"] + 1e-3)

    follow(optimizers.RMSprop(0.1, epsilon=1e-3), rule)


def test_weight_decay_comes_before_the_step():
    """w -= 0.5 rate w, then the step."""
    follow(optimizers.SGD(0.1, weight_decay=0.5), lambda w, g, memory, rate, t: w - 0.5 * rate * w - rate * g)


# ---------------------------------------------------------------- losses and weights


def test_sample_weight_counts_rows_not_weights():
    """The loss divides by the number of rows, weighted metrics by the sum of the weights, metrics by rows."""
    weighted = [metrics.MeanSquaredError("w")]
    model = linear().compile("mse", optimizers.SGD(0.1), metrics=["mse"], weighted_metrics=weighted)
    x, y = data()
    weights = np.linspace(0.0, 3.0, 10)
    (w,) = model.get_weights()
    squares = ((x @ w - y) ** 2)[:, 0]
    found = model.train_on_batch(x, y, sample_weight=weights, return_dict=True)
    assert found["loss"] == pytest.approx((weights * squares).sum() / 10, rel=1e-12)
    assert found["mse"] == pytest.approx(squares.mean(), rel=1e-12)
    assert found["w"] == pytest.approx((weights * squares).sum() / weights.sum(), rel=1e-12)
    step = 0.1 * 2 * x.T @ (weights[:, None] * (x @ w - y)) / 10
    np.testing.assert_allclose(model.get_weights()[0], w - step, rtol=1e-12)


def test_class_weight():
    """Each row's loss is multiplied by the factor of its class."""
    model = linear(units=3, activation="softmax")
    model.compile("sparse_categorical_crossentropy", optimizers.SGD(0.0))
    x, _ = data()
    y = np.arange(10) % 3
    single = -np.log(model.predict(x)[np.arange(10), y])
    factors = {0: 0.5, 1: 2.0, 2: 4.0}
    wanted = (single * [factors[label] for label in y]).mean()
    assert model.train_on_batch(x, y, class_weight=factors) == pytest.approx(wanted, rel=1e-9)
    history = model.fit(x, y, class_weight=factors, verbose=0, batch_size=4).history
    assert history["loss"] == [pytest.approx(wanted, rel=1e-9)]


@pytest.mark.parametrize("activation", ["softmax", "linear"])
def test_label_smoothing(activation):
    """Labels y become 0.7 y + 0.3 / 3, whether the softmax is left to the loss or not."""
    loss = losses.CategoricalCrossentropy(from_logits=activation == "linear", label_smoothing=0.3)
    model = linear(units=3, activation=activation).compile(loss, optimizers.SGD(1.0))
    x, _ = data()
    y = np.eye(3)[np.arange(10) % 3]
    (w,) = model.get_weights()
    p = np.exp(x @ w) / np.exp(x @ w).sum(axis=1, keepdims=True)
    smooth = 0.7 * y + 0.1
    assert model.train_on_batch(x, y) == pytest.approx(-(smooth * np.log(p)).sum() / 10, rel=1e-9)
    np.testing.assert_allclose(model.get_weights()[0], w - x.T @ (p - smooth) / 10, rtol=1e-9)


def test_loss_weights_scale_loss_and_gradient():
    x = k.Input((3,))
    heads = [layers.Dense(1, use_bias=False, name=name)(x) for name in ("a", "b")]
    model = k.Model(x, heads).compile("mse", optimizers.SGD(0.1), loss_weights=[0.5, 3.0])
    data_x, y = data()
    before = model.get_weights()
    found = model.train_on_batch(data_x, [y, -y], return_dict=True)
    parts = [((data_x @ w - target) ** 2).mean() for w, target in zip(before, (y, -y), strict=True)]
    assert found["a_loss"] == pytest.approx(parts[0]) and found["b_loss"] == pytest.approx(parts[1])
    assert found["loss"] == pytest.approx(0.5 * parts[0] + 3.0 * parts[1])
    for weight, factor, target, after in zip(before, (0.5, 3.0), (y, -y), model.get_weights(), strict=True):
        np.testing.assert_allclose(after, weight - 0.1 * factor * slope(weight, data_x, target), rtol=1e-9)


def test_penalties_on_weights_and_activity():
    """l2 sum(w^2) once, l2 sum(y^2) divided by the batch; in the loss of training and of evaluation."""
    model = linear(kernel_regularizer=regularizers.L2(0.3), activity_regularizer=regularizers.L2(0.2))
    model.compile("mse", optimizers.SGD(0.1))
    x, y = data()
    (w,) = model.get_weights()
    made = x @ w
    wanted = ((made - y) ** 2).mean() + 0.3 * (w**2).sum() + 0.2 * (made**2).sum() / 10
    assert model.evaluate(x, y, verbose=0) == pytest.approx(wanted, rel=1e-9)
    assert model.train_on_batch(x, y) == pytest.approx(wanted, rel=1e-9)
    gradient = slope(w, x, y) + 0.6 * w + 0.4 * x.T @ made / 10
    np.testing.assert_allclose(model.get_weights()[0], w - 0.1 * gradient, rtol=1e-9)


def test_the_last_batch_counts_by_its_rows():
    """10 rows in 4 + 4 + 2: the mean over rows, in evaluate and in the history."""
    model = linear().compile("mse", optimizers.SGD(0.0), metrics=["mae"])
    x, y = data()
    y[8:] += 100.0
    error = x @ model.get_weights()[0] - y
    wanted = {"loss": (error**2).mean(), "mae": abs(error).mean()}
    assert model.evaluate(x, y, batch_size=4, verbose=0, return_dict=True) == pytest.approx(wanted)
    history = model.fit(x, y, batch_size=4, verbose=0, shuffle=False, validation_data=(x, y)).history
    found = {name: values[0] for name, values in history.items()}
    assert found == pytest.approx({**wanted, **{f"val_{name}": value for name, value in wanted.items()}})


def test_validation_split_takes_the_last_rows():
    model = linear().compile("mse", optimizers.SGD(0.0))
    x, y = data()
    error = (x @ model.get_weights()[0] - y) ** 2
    history = model.fit(x, y, validation_split=0.3, verbose=0).history
    assert history["loss"] == [pytest.approx(error[:7].mean())]
    assert history["val_loss"] == [pytest.approx(error[7:].mean())]


def test_accuracy_of_equal_predictions_takes_the_first():
    """Nought weights predict the same for each class: class 0 is right, by numbers and by columns."""
    labels = np.array([0, 1, 2, 0])
    for loss, y in (("sparse_categorical_crossentropy", labels), ("mse", np.eye(3)[labels])):
        model = linear(units=3, kernel_initializer="zeros").compile(loss, "sgd", metrics=["accuracy"])
        assert model.evaluate(np.ones((4, 3)), y, verbose=0)[1] == 0.5


# ---------------------------------------------------------------- graphs


def test_a_shared_layer_gets_the_sum_of_its_gradients():
    """y = (x w) w + x w for a square w: three uses, and two readers of x w."""
    x = k.Input((3,))
    layer = layers.Dense(3, use_bias=False)
    once = layer(x)
    model = k.Model(x, layer(once) + once).compile("mse", optimizers.SGD(0.1))
    data_x, y = data(units=3)
    (w,) = model.get_weights()
    error = 2 * (data_x @ w @ w + data_x @ w - y) / y.size
    gradient = (data_x @ w).T @ error + data_x.T @ (error @ w.T + error)
    model.train_on_batch(data_x, y)
    np.testing.assert_allclose(model.get_weights()[0], w - 0.1 * gradient, rtol=1e-9)


def test_a_constraint_holds_after_each_step():
    model = linear(kernel_constraint="non_neg").compile("mse", optimizers.SGD(0.1))
    x, y = data()
    (w,) = model.get_weights()
    model.train_on_batch(x, y)
    np.testing.assert_allclose(model.get_weights()[0], np.maximum(w - 0.1 * slope(w, x, y), 0.0), rtol=1e-9)
