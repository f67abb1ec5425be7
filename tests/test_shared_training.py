"""Models that share layers and train in turn, frozen layers, transfer learning: against Keras.

Keras 3 asks `trainable` at each step, kerasette at compile() (as Keras's own guide has it). So where a
layer is frozen in one model and trained in another, Keras's flag is set by hand before each step.
"""

import warnings

import numpy as np
import pytest

import kerasette
from kerasette import layers, optimizers
from kerasette.registry import reset_names
from tests.keras_oracle import keras

ROWS = 12
TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}


def libraries():
    keras().utils.clear_session()
    reset_names()
    return keras(), kerasette


def compiled(k, model, loss, optimizer, **words):
    if k is not kerasette:
        words["run_eagerly"] = True
    model.compile(optimizer=optimizer, loss=loss, **words)
    return model


def copy_start(wanted, found, seed=0):
    """Gives models of both libraries the same weights, away from nought."""
    rng = np.random.default_rng(seed)
    arrays = []
    for weight in wanted.weights:
        array = rng.normal(size=tuple(weight.shape)).astype("float32") * 0.5
        arrays.append(abs(array) + 0.5 if "variance" in weight.path else array)
    wanted.set_weights(arrays)
    found.set_weights(arrays)


def same(wanted, found, what=""):
    assert len(wanted.weights) == len(found.weights)
    for a, b, weight in zip(wanted.get_weights(), found.get_weights(), found.weights, strict=True):
        np.testing.assert_allclose(b, a, err_msg=f"{what} {weight.path}", **TOLERANCE)


# ---------------------------------------------------------------- generator and discriminator


class Adversaries:
    """A generator and a discriminator: the discriminator's own model trains it, the joint one does not."""

    def __init__(self, k):
        self.k = k
        z, x = k.Input((3,)), k.Input((4,))
        h = k.layers.Dense(6, activation="tanh")(z)
        h = k.layers.BatchNormalization(momentum=0.8)(h)
        self.generator = k.Model(z, k.layers.Dense(4)(h), name="maker")
        body = k.layers.Dense(5, activation="relu", kernel_regularizer="l2")
        h = k.layers.BatchNormalization(momentum=0.7)(body(x))
        out = k.layers.Dense(1, activation="sigmoid")(k.layers.LayerNormalization()(h))
        self.discriminator = k.Model(x, out, name="judge")
        adam = k.optimizers.Adam(0.02, beta_1=0.5)
        compiled(k, self.discriminator, "binary_crossentropy", adam, metrics=["accuracy"])
        self.freeze(True)
        z = k.Input((3,))
        self.joint = k.Model(z, self.discriminator(self.generator(z)), name="joint")
        compiled(k, self.joint, "binary_crossentropy", k.optimizers.SGD(0.1, momentum=0.9))

    def freeze(self, frozen):
        self.discriminator.trainable = not frozen

    def turn(self, z, real):
        """Trains the discriminator on half real, half made rows, then the generator through it."""
        made = np.asarray(self.generator(z))
        if self.k is not kerasette:
            self.freeze(False)
        x = np.concatenate([real, made])
        y = np.concatenate([np.ones((ROWS, 1)), np.zeros((ROWS, 1))]).astype("float32")
        results = list(self.discriminator.train_on_batch(x, y))
        if self.k is not kerasette:
            self.freeze(True)
        results.append(self.joint.train_on_batch(z, np.ones((ROWS, 1), "float32")))
        return [float(np.asarray(value)) for value in results]


def test_generator_and_discriminator_train_in_turn():
    wanted, found = (Adversaries(k) for k in libraries())
    copy_start(wanted.joint, found.joint)
    rng = np.random.default_rng(1)
    with warnings.catch_warnings():  # the discriminator was frozen for the joint model: nothing to warn of
        warnings.filterwarnings("error", message=".*trainable of")
        found.discriminator._warn_of_switches("fit")
    for number in range(6):
        z = rng.normal(size=(ROWS, 3)).astype("float32")
        real = rng.normal(size=(ROWS, 4)).astype("float32") + 1.0
        assert found.turn(z, real) == pytest.approx(wanted.turn(z, real), rel=1e-4), number
        same(wanted.joint, found.joint, f"turn {number}:")


def test_the_joint_model_leaves_the_discriminator_alone():
    _, k = libraries()
    pair = Adversaries(k)
    before = pair.discriminator.get_weights()
    made = pair.generator.get_weights()
    rng = np.random.default_rng(1)
    pair.joint.fit(rng.normal(size=(ROWS, 3)), np.ones((ROWS, 1)), epochs=3, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, pair.discriminator.get_weights(), strict=True))
    assert not np.array_equal(made[0], pair.generator.get_weights()[0])


# ---------------------------------------------------------------- two models, one trunk


class Twins:
    """Three models over one trunk, each with an optimizer and loss of its own; one calls a layer twice."""

    def __init__(self, k):
        a, b = k.Input((4,)), k.Input((4,))
        trunk = k.layers.Dense(4, activation="tanh", kernel_regularizer="l2")
        norm = k.layers.BatchNormalization(momentum=0.6)
        top = k.layers.Dense(3, activation="relu")
        one = k.layers.Dense(3, activation="softmax")(top(norm(trunk(a))))
        two = k.layers.Dense(1)(top(trunk(trunk(a))))
        three = k.layers.Dense(2)(k.layers.subtract([trunk(a), trunk(b)]))
        self.models = [
            compiled(k, k.Model(a, one), "sparse_categorical_crossentropy", k.optimizers.Adam(0.02)),
            compiled(k, k.Model(a, two), "mse", k.optimizers.SGD(0.05, momentum=0.9, nesterov=True)),
            compiled(k, k.Model([a, b], three), "mae", k.optimizers.RMSprop(0.01)),
        ]


def test_models_that_share_layers_keep_optimizers_of_their_own():
    wanted, found = (Twins(k) for k in libraries())
    for number, (a, b) in enumerate(zip(wanted.models, found.models, strict=True)):
        copy_start(a, b, number)
    rng = np.random.default_rng(3)
    for step in range(9):
        x = [rng.normal(size=(ROWS, 4)).astype("float32") for _ in range(2)]
        y = [
            rng.integers(0, 3, ROWS),
            rng.normal(size=(ROWS, 1)).astype("float32"),
            rng.normal(size=(ROWS, 2)).astype("float32"),
        ][step % 3]
        given = x if step % 3 == 2 else x[0]
        losses = [float(np.asarray(t.models[step % 3].train_on_batch(given, y))) for t in (wanted, found)]
        assert losses[1] == pytest.approx(losses[0], rel=1e-4)
        for a, b in zip(wanted.models, found.models, strict=True):
            same(a, b, f"step {step}:")


def test_a_model_over_layers_of_two_homes_trains_both():
    _, k = libraries()
    a, b = k.Input((3,)), k.Input((3,))
    first, second = k.Model(a, layers.Dense(4)(a)), k.Model(b, layers.Dense(4)(b))
    x = k.Input((3,))
    joint = k.Model(x, layers.Dense(1)(first(x) + second(x))).compile("mse", optimizers.SGD(0.1))
    assert len(joint._engine.runs) == 3
    homes = {id(weight.home) for weight in joint.weights}
    before = [joint.get_weights(), first.get_weights(), second.get_weights()]
    joint.fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0)
    assert {id(weight.home) for weight in joint.weights} == homes
    for old, model in zip(before, (joint, first, second), strict=True):
        assert not any(np.array_equal(u, v) for u, v in zip(old, model.get_weights(), strict=True))
    np.testing.assert_array_equal(joint.get_weights()[0], first.get_weights()[0])


# ---------------------------------------------------------------- freezing


def stack(k):
    return k.Sequential(
        [
            k.Input((4,)),
            k.layers.Dense(5, activation="tanh", kernel_regularizer="l2", name="one"),
            k.layers.BatchNormalization(momentum=0.7, name="norm"),
            k.layers.Dense(4, activation="relu", name="two"),
            k.layers.Dense(2, name="three"),
        ]
    )


def fit(model, seed, epochs=2):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(20, 4)).astype("float32"), rng.normal(size=(20, 2)).astype("float32")
    return model.fit(x, y, batch_size=8, epochs=epochs, shuffle=False, verbose=0).history["loss"]


def test_freezing_and_thawing():
    """Frozen layers keep every weight, moving averages included; history and weights are Keras's."""
    pairs = [(k, stack(k)) for k in libraries()]
    copy_start(pairs[0][1], pairs[1][1])
    for stage, frozen in enumerate([["two"], ["one", "norm"], [], ["three", "two"]]):
        losses, kept = [], []
        for k, model in pairs:
            for layer in model.layers:
                layer.trainable = layer.name not in frozen
            compiled(k, model, "mse", k.optimizers.Adam(0.02))
            before = {name: model.get_layer(name).get_weights() for name in frozen}
            losses.append(fit(model, stage))
            kept.append(
                all(
                    np.array_equal(a, b)
                    for name in frozen
                    for a, b in zip(before[name], model.get_layer(name).get_weights(), strict=True)
                )
            )
        assert kept == [True, True]
        assert losses[1] == pytest.approx(losses[0], rel=1e-4)
        same(pairs[0][1], pairs[1][1], f"stage {stage}:")


def test_trainable_is_settled_at_compile():
    _, k = libraries()
    model = compiled(k, stack(k), "mse", "sgd")
    model.get_layer("one").trainable = False
    before = model.get_layer("one").get_weights()
    with pytest.warns(UserWarning, match="trainable of 'one' was changed after compile"):
        fit(model, 0)
    assert not np.array_equal(before[0], model.get_layer("one").get_weights()[0])
    compiled(k, model, "mse", "sgd")
    before = model.get_layer("one").get_weights()
    fit(model, 0)
    assert np.array_equal(before[0], model.get_layer("one").get_weights()[0])
    assert [w.path for w in model.trainable_weights][:1] == ["norm/gamma"]


def test_one_optimizer_goes_on_after_a_layer_was_frozen():
    """Recompiled with the same optimizer object, the layers that stay trained keep their momentum."""
    _, k = libraries()
    model, optimizer = stack(k), optimizers.SGD(0.05, momentum=0.9)
    compiled(k, model, "mse", optimizer)
    fit(model, 0)
    momentum = {name: array.copy() for name, array in optimizer.state() if "momentum" in name}
    model.get_layer("one").trainable = False
    compiled(k, model, "mse", optimizer)
    kept = {name: array for name, array in optimizer.state() if "momentum" in name}
    assert len(kept) == len(momentum) - 2
    assert all(np.array_equal(array, momentum[name]) for name, array in kept.items())
    assert optimizer.iterations == 6


# ---------------------------------------------------------------- transfer learning


def test_transfer_learning_by_layer_output():
    """A trained model's inner output feeds a new head; first the head alone, then all at a small rate."""
    results = []
    for k in libraries():
        base = stack(k)
        results.append((k, base))
    copy_start(results[0][1], results[1][1])
    finals = []
    for k, base in results:
        compiled(k, base, "mse", k.optimizers.Adam(0.02))
        history = fit(base, 5)
        base.trainable = False
        feature = base.get_layer("two").output
        model = k.Model(base.inputs, k.layers.Dense(2, name="head", kernel_initializer="ones")(feature))
        before = base.get_weights()
        compiled(k, model, "mse", k.optimizers.Adam(0.05))
        history += fit(model, 6)
        assert all(np.array_equal(a, b) for a, b in zip(before, base.get_weights(), strict=True))
        assert len(model.trainable_weights) == 2
        base.trainable = True
        compiled(k, model, "mse", k.optimizers.SGD(0.01))
        history += fit(model, 7)
        assert not np.array_equal(before[0], base.get_weights()[0])
        finals.append((history, model))
    assert finals[1][0] == pytest.approx(finals[0][0], rel=1e-4)
    same(finals[0][1], finals[1][1])


def test_features_share_the_weights_of_their_model():
    _, k = libraries()
    model = stack(k)
    features = k.Model(model.input, [layer.output for layer in model.layers])
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    np.testing.assert_array_equal(features.predict(x)[-1], model.predict(x))
    fit(compiled(k, model, "mse", "sgd"), 0)
    np.testing.assert_array_equal(features.predict(x)[-1], model.predict(x))
    assert [array.shape for array in features.predict(x)] == [(3, 5), (3, 5), (3, 4), (3, 2)]
