"""Masks and tensors given by name: what the graph, the engine, the losses and the files make of them."""

import numpy as np
import pytest

import kerasette
from kerasette import Input, Model, layers, ops
from kerasette.layers import Layer
from tests.keras_oracle import keras


@pytest.fixture(autouse=True)
def seeded():
    kerasette.utils.set_random_seed(3)


class Skip(Layer):
    """Steps whose features are all 0 don't count."""

    supports_masking = True

    def compute_mask(self, inputs, mask=None):
        return ops.any(ops.not_equal(inputs, 0.0), axis=-1)

    def forward(self, ctx, w, x):
        return x, None

    def backward(self, ctx, w, dw, dy, cache):
        return dy


class Scaled(Layer):
    """x times a scale (and a factor), 0 where the mask says so; returns a second output on demand."""

    supports_masking = True
    tensor_arguments = ("mask", "scale")
    call_options = ("factor",)

    def forward(self, ctx, w, x, mask=None, scale=None, factor=1.0):
        keep = 1.0 if mask is None else mask[..., None].astype(x.dtype)
        y = x * keep * factor
        return (y if scale is None else y * scale), (x, keep, scale, factor)

    def backward(self, ctx, w, dw, dy, cache):
        x, keep, scale, factor = cache
        if scale is None:
            return dy * keep * factor, {}
        return dy * keep * factor * scale, {"scale": dy * keep * factor * x}


def padded(rows=6, steps=5, features=3):
    x = np.random.default_rng(0).standard_normal((rows, steps, features)).astype("float32")
    for row in range(rows):
        x[row, row % steps + 1 :] = 0
    return x


def test_masks_travel_along_and_reach_the_layers_that_take_them():
    x = padded()
    inputs = Input((5, 3))
    masked = Skip()(inputs)
    assert masked.mask.shape == (None, 5)
    assert masked.mask.dtype == "bool"
    after = layers.Activation("exponential")(masked)
    assert after.mask is masked.mask
    out = Scaled()(after)
    assert out.node.names == ("mask",)
    wanted = np.exp(x) * np.any(x != 0, axis=-1, keepdims=True)
    np.testing.assert_array_equal(Model(inputs, out).predict(x, verbose=0), wanted)


def test_a_layer_that_does_not_support_masks_says_so():
    masked = Skip()(Input((5, 3)))
    with pytest.warns(UserWarning, match="doesn't pass on the mask"):
        assert layers.Reshape((3, 5))(masked).mask is None


def test_merged_masks():
    a, b = Skip()(Input((5, 3))), Skip()(Input((5, 3)))
    x, z = padded(), padded()[::-1]
    either = np.any(x != 0, -1) | np.any(z != 0, -1)
    inputs = [a.node.inputs[0], b.node.inputs[0]]
    for merged in (layers.Add()([a, b]), layers.Concatenate()([a, b])):
        found = Model(inputs, merged.mask).predict([x, z], verbose=0)
        np.testing.assert_array_equal(found, either)
    along = Model(inputs, layers.Concatenate(axis=1)([a, b]).mask).predict([x, z], verbose=0)
    np.testing.assert_array_equal(along, np.concatenate([np.any(x != 0, -1), np.any(z != 0, -1)], 1))
    assert layers.Dot(2)([a, b]).mask is None


def test_tensors_by_name_get_gradients_and_options_reach_forward():
    first, second = Input((4,)), Input((4,))
    dense = layers.Dense(4)
    out = Scaled()(first, scale=dense(second), factor=2.0)
    model = Model([first, second], out).compile("mse", "sgd")
    rng = np.random.default_rng(0)
    x, z, y = rng.standard_normal((3, 8, 4)).astype("float32")
    kernel = dense.get_weights()[0].copy()
    loss = model.train_on_batch([x, z], y)
    scale = z @ kernel
    error = 2 * x * scale - y
    assert loss == pytest.approx((error**2).mean(), rel=1e-5)
    gradient = z.T @ (2 * error / error.size * 2 * x)
    np.testing.assert_allclose(dense.get_weights()[0], kernel - 0.01 * gradient, rtol=1e-4, atol=1e-6)


def test_unknown_keywords_are_refused():
    with pytest.raises(TypeError, match="Did you mean 'mask'"):
        Scaled()(Input((4,)), masc=1)


@pytest.mark.parametrize("weights", [None, "steps"])
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight"])
def test_losses_and_metrics_count_valid_steps_as_keras_does(weights, reduction):
    K = keras()
    x = padded()
    x[2] = 0
    y = np.random.default_rng(1).standard_normal((6, 5, 1)).astype("float32")
    w = np.arange(30.0).reshape(6, 5) if weights else None
    theirs_in = K.Input((5, 3))
    theirs = K.Model(theirs_in, K.layers.Dense(1)(K.layers.Masking()(theirs_in)))
    ours_in = Input((5, 3))
    ours = Model(ours_in, layers.Dense(1)(Skip()(ours_in)))
    theirs.set_weights(ours.get_weights())
    theirs.compile("sgd", K.losses.MeanSquaredError(reduction), metrics=["mae"], weighted_metrics=["mse"])
    loss = kerasette.losses.MeanSquaredError(reduction=reduction)
    ours.compile("sgd", loss, metrics=["mae"], weighted_metrics=["mse"])
    wanted = theirs.evaluate(x, y, sample_weight=w, verbose=0, batch_size=6)
    found = ours.evaluate(x, y, sample_weight=w, verbose=0, batch_size=6)
    np.testing.assert_allclose(found, wanted, rtol=2e-5)
    theirs.train_on_batch(x, y, sample_weight=w)
    ours.train_on_batch(x, y, sample_weight=w)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-6)


def test_weights_of_rows_hold_for_all_their_steps():
    x = padded()
    inputs = Input((5, 3))
    model = Model(inputs, layers.Dense(1)(Skip()(inputs))).compile("sgd", "mse")
    y, rows = np.ones((6, 5, 1)), np.arange(1.0, 7)
    steps = np.repeat(rows[:, None], 5, axis=1)
    found, wanted = (model.evaluate(x, y, sample_weight=w, batch_size=6, verbose=0) for w in (rows, steps))
    assert found == wanted > 0
    with pytest.raises(ValueError, match=r"one for each step: \(rows, 5\)"):
        model.evaluate(x, y, sample_weight=np.ones((6, 4)), verbose=0)


def test_an_all_masked_batch_costs_nothing():
    inputs = Input((5, 3))
    model = Model(inputs, layers.Dense(1)(Skip()(inputs))).compile("mse", "sgd")
    before = model.get_weights()
    assert model.train_on_batch(np.zeros((4, 5, 3)), np.ones((4, 5, 1))) == 0.0
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_masks_and_named_tensors_survive_cloning_and_json():
    first, second = Input((5, 3)), Input((5, 3))
    out = layers.Dense(2)(Scaled()(Skip()(first), scale=second, factor=3.0))
    model = Model([first, second], out)
    known = {"Skip": Skip, "Scaled": Scaled}
    data = [padded(), padded()[::-1]]
    wanted = model.predict(data, verbose=0)
    for copy in (
        kerasette.models.clone_model(model),
        kerasette.models.model_from_json(model.to_json(), custom_objects=known),
    ):
        copy.set_weights(model.get_weights())
        np.testing.assert_array_equal(copy.predict(data, verbose=0), wanted)
        assert [node.names for node in copy.graph.nodes] == [node.names for node in model.graph.nodes]


class Counter(Layer):
    """Adds how many batches have gone before; it counts in inference too."""

    keeps_state = True

    def build(self, shape):
        self.add_param("count", (1,), "zeros", trainable=False)

    def forward(self, ctx, w, x):
        return x + w["count"], None

    def backward(self, ctx, w, dw, dy, cache):
        return dy

    def commit(self, w, caches):
        w["count"] += 1


def test_state_moves_on_in_predict_and_in_fit():
    inputs = Input((2,))
    model = Model(inputs, Counter()(inputs)).compile("mse", "sgd")
    x = np.zeros((6, 2), "float32")
    np.testing.assert_array_equal(model.predict(x, batch_size=2, verbose=0)[:, 0], [0, 0, 1, 1, 2, 2])
    model.fit(x, x, batch_size=3, verbose=0)
    model.evaluate(x, x, batch_size=6, verbose=0)
    assert model.get_weights()[0][0] == 6
