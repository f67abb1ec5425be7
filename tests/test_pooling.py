"""Pooling where hand-written frameworks go wrong: ties, padding, divisors, masks, bad descriptions."""

import itertools

import numpy as np
import pytest

import kerasette as k
from kerasette import functions, layers, registry
from kerasette.backend import Scratch
from kerasette.errors import InvalidValue
from kerasette.functions.windows import _places, max_pool_scatter
from kerasette.graph import Context
from kerasette.shapes import windows
from tests import keras_oracle

# ---------------------------------------------------------------- one window after the other


def positions(shape, places):
    """Yields (place of a result, index of its pixels) for each window."""
    for at in np.ndindex(*places.positions):
        starts = [o * s - p for o, s, p in zip(at, places.strides, places.before, strict=True)]
        inside = [
            slice(max(start, 0), min(start + size, n))
            for start, size, n in zip(starts, places.window, shape, strict=True)
        ]
        yield (slice(None), *at), (slice(None), *inside)


def plainly(x, dy, places, kind):
    """Returns (y, dx) of pooling, by its definition."""
    y, dx = np.zeros_like(dy), np.zeros_like(x)
    for result, pixels in positions(x.shape[1:-1], places):
        block = x[pixels]
        rows = block.reshape(len(x), -1, x.shape[-1])
        grown = np.zeros_like(rows)
        if kind == "average_pool":
            y[result] = rows.mean(axis=1)
            grown[...] = dy[result][:, None] / rows.shape[1]
        else:
            y[result] = rows.max(axis=1)
            first = rows.argmax(axis=1)  # NumPy's argmax is the first of equal ones
            np.put_along_axis(grown, first[:, None], dy[result][:, None], axis=1)
        dx[pixels] += grown.reshape(block.shape)
    return y, dx


GRIDS = {
    1: [(n,) for n in (1, 4, 5, 9)],
    2: [(3, 3), (4, 5), (7, 6)],
    3: [(3, 4, 2), (5, 3, 4)],
}


@pytest.mark.parametrize("kind", ["max_pool", "average_pool"])
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_every_window_and_stride(kind, rank, padding):
    """Few different numbers, so that most windows have ties."""
    rng = np.random.default_rng(rank)
    done = 0
    for lengths, size, stride in itertools.product(GRIDS[rank], (1, 2, 3, 5), (1, 2, 3, 4)):
        window = tuple(max(1, size - axis) for axis in range(rank))
        if padding == "valid" and any(w > n for w, n in zip(window, lengths, strict=True)):
            continue
        x = rng.integers(0, 3, (2, *lengths, 2)).astype("float64")
        places = windows(lengths, window, stride, padding)
        y, cache = getattr(functions, kind)(x, window, stride, padding)
        dy = rng.integers(1, 9, y.shape).astype("float64")
        dx = getattr(functions, f"{kind}_backward")(dy, cache)
        wanted = plainly(x, dy, places, kind)
        np.testing.assert_allclose(y, wanted[0], rtol=1e-14, err_msg=f"{lengths} {window} {stride}")
        np.testing.assert_allclose(dx, wanted[1], rtol=1e-13, err_msg=f"{lengths} {window} {stride}")
        done += 1
    assert done >= 12


@pytest.mark.parametrize("values", ["constant", "few"])
def test_ties_as_in_tensorflow(values):
    """One and two axes; over three, TensorFlow on a CPU gives each of the equal maxima all of dy."""
    keras, tf = keras_oracle.keras(), keras_oracle.tf()
    rng = np.random.default_rng(0)
    for shape, size, stride, padding in itertools.product(
        [(2, 7, 3), (2, 5, 6, 3)], (2, 3), (1, 2), ("valid", "same")
    ):
        x = rng.integers(0, 1 if values == "constant" else 3, shape).astype("float32")
        y, cache = functions.max_pool(x, size, stride, padding)
        dy = rng.normal(size=y.shape).astype("float32")
        with tf.GradientTape() as tape:
            tensor = tf.constant(x)
            tape.watch(tensor)
            theirs = keras.ops.max_pool(tensor, size, stride, padding, data_format="channels_last")
            total = tf.reduce_sum(theirs * dy)
        np.testing.assert_array_equal(y, theirs.numpy())
        found = functions.max_pool_backward(dy, cache)
        np.testing.assert_allclose(found, tape.gradient(total, tensor).numpy(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_first_of_equal_maxima_gets_the_gradient(rank):
    x = np.zeros((1, *(2,) * rank, 1))
    _, cache = functions.max_pool(x, 2)
    dx = functions.max_pool_backward(np.ones((1, *(1,) * rank, 1)), cache).ravel()
    assert dx.tolist() == [1.0] + [0.0] * (2**rank - 1)


def test_equal_maxima_of_a_whole_image_share_as_in_keras():
    x = np.zeros((1, 2, 2, 1))
    _, cache = functions.global_max_pool(x)
    assert functions.global_max_pool_backward(np.ones((1, 1)), cache).ravel().tolist() == [0.25] * 4


# ---------------------------------------------------------------- padding, and numbers that aren't


def test_same_pads_with_minus_infinity():
    x = np.array([-5.0, -7.0, -3.0]).reshape(1, 3, 1)
    assert layers.MaxPooling1D(2, padding="same")(x).ravel().tolist() == [-5.0, -3.0]


def test_same_averages_what_is_there():
    x = np.array([2.0, 4.0, 6.0]).reshape(1, 3, 1)
    assert layers.AveragePooling1D(2, padding="same")(x).ravel().tolist() == [3.0, 6.0]
    for shape, size in (((1, 7, 1), 3), ((1, 5, 4, 2), (3, 5)), ((1, 3, 3, 3, 1), 2)):
        means = functions.average_pool(np.full(shape, 0.7), size, 1, "same")[0]
        np.testing.assert_allclose(means, 0.7, rtol=1e-14)


def test_not_a_number_comes_through():
    """So that a network that breaks says so; TensorFlow on a CPU drops it."""
    for place in range(4):
        x = np.arange(4.0)
        x[place] = np.nan
        y, cache = functions.max_pool(x.reshape(1, 2, 2, 1), 2)
        assert np.isnan(y).all()
        assert functions.max_pool_backward(np.ones_like(y), cache).sum() == 1.0
    assert functions.max_pool(np.full((1, 3, 3, 1), -np.inf), 2, padding="same")[0].max() == -np.inf


def test_pooling_and_relu_change_places():
    """Exactly, in values and gradients: the plan relies on it."""
    rng = np.random.default_rng(1)
    x = np.round(rng.normal(size=(3, 6, 7, 4)), 1).astype("float32")
    for size, stride, padding in ((2, 2, "valid"), (3, 2, "same"), (3, 1, "valid")):
        pooled, pool = functions.max_pool(x, size, stride, padding)
        late, relu = functions.relu(pooled)
        dy = rng.normal(size=late.shape).astype("float32")
        dx = functions.max_pool_backward(functions.relu_backward(dy, relu), pool)
        rectified, relu = functions.relu(x)
        early, pool = functions.max_pool(rectified, size, stride, padding)
        assert np.array_equal(late, early)
        assert np.array_equal(dx, functions.relu_backward(functions.max_pool_backward(dy, pool), relu))


def test_a_mean_over_very_many_pixels_keeps_its_digits():
    x = np.full((1, 501, 600, 2), 0.1, "float32")
    np.testing.assert_allclose(functions.global_average_pool(x)[0], 0.1, rtol=2e-6)


# ---------------------------------------------------------------- arrays that are reused


@pytest.mark.parametrize("kind", ["max_pool", "average_pool"])
def test_a_second_step_makes_no_array(kind):
    class Counting(Scratch):
        made = 0

        def _make(self, name, shape, dtype):
            type(self).made += 1
            return super()._make(name, shape, dtype)

    scratch = Counting(np, "float32")
    x = np.random.default_rng(0).normal(size=(4, 9, 8, 3)).astype("float32")
    results = []
    for _ in range(2):
        y, cache = getattr(functions, kind)(x, 3, 2, "same", scratch=scratch)
        dx = getattr(functions, f"{kind}_backward")(y, cache)
        results.append((y, dx, Counting.made))
    assert results[0][0] is results[1][0]
    assert results[0][1] is results[1][1]
    assert results[0][2] == results[1][2]


def test_inference_keeps_no_winners():
    x = np.ones((1, 4, 4, 1))
    assert functions.max_pool(x, 2, keep=False)[1][0] is None
    ctx = Context(np, "float32", need_dx=False)
    assert layers.MaxPooling2D().forward(ctx, {}, x)[1][0] is None


def test_winners_may_be_numbers():
    """A compiled forward says it so, and its backward may decline what it is given."""
    x = np.random.default_rng(0).integers(0, 3, (2, 5, 6, 3)).astype("float64")
    for size, strides, padding in (
        ((2, 2), (2, 2), "valid"),
        ((3, 4), (2, 1), "same"),
        ((7, 2), (1, 3), "same"),
    ):
        y, (winners, shape, places, scratch) = functions.max_pool(x, size, strides, padding)
        reached = [number for number, _, _ in _places(shape[1:3], y.shape[1:3], *places[1:3], places.before)]
        numbers = np.array(reached, "uint8")[winners.argmax(axis=0)]
        dy = np.random.default_rng(1).normal(size=y.shape)
        results = []
        for given in (winners, numbers):
            dx = np.empty(shape)
            max_pool_scatter.plain(dy, given, dx, places.window, places.strides, places.before, scratch)
            results.append(dx)
        assert np.array_equal(*results)
        assert (winners.sum(axis=0) == 1).all()


# ---------------------------------------------------------------- masks


def test_masked_steps_do_not_count():
    x = np.arange(12.0, dtype="float32").reshape(2, 3, 2)
    mask = np.array([[1, 1, 0], [0, 0, 0]])
    layer = layers.GlobalAveragePooling1D()
    for given in (mask, mask.astype(bool), mask * 3):
        assert layer(x, mask=given).tolist() == [[1.0, 2.0], [0.0, 0.0]]
    broken = x.copy()
    broken[0, 2] = np.nan
    assert np.array_equal(layer(broken, mask=mask), layer(x, mask=mask))
    first = layers.GlobalAveragePooling1D("channels_first", keepdims=True)
    assert first(x.transpose(0, 2, 1), mask=mask).tolist() == [[[1.0], [2.0]], [[0.0], [0.0]]]


@pytest.mark.parametrize("keepdims", [False, True])
def test_masked_mean_trains_as_in_keras(keepdims):
    keras = keras_oracle.keras()
    rng = np.random.default_rng(3)
    x, mask = rng.normal(size=(6, 4, 3)).astype("float32"), rng.random((6, 4)) < 0.6
    mask[:, 0] = True
    y = rng.normal(size=(6, 1)).astype("float32")
    found = []
    for make in (k, keras):
        steps, counts = make.Input((4, 3)), make.Input((4,), dtype="bool")
        inner = make.layers.Dense(5, activation="tanh")(steps)
        pooled = make.layers.GlobalAveragePooling1D(keepdims=keepdims)(inner, mask=counts)
        model = make.Model([steps, counts], make.layers.Dense(1)(make.layers.Flatten()(pooled)))
        model.set_weights([np.full(w.shape, 0.1 + 0.1 * at) for at, w in enumerate(model.get_weights())])
        model.compile(optimizer=make.optimizers.SGD(0.1), loss="mse")
        model.fit([x, mask], y, batch_size=3, epochs=2, shuffle=False, verbose=0)
        found.append(model.get_weights())
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


# ---------------------------------------------------------------- descriptions


@pytest.mark.parametrize(
    ("make", "shape", "said"),
    [
        (lambda: layers.MaxPooling2D(5), (3, 8, 1), "window of 5 doesn't fit into a length of 3"),
        (lambda: layers.AveragePooling1D(5), (3, 1), "padding='same'"),
        (lambda: layers.MaxPooling2D(2), (3, 3), "4 axes"),
        (lambda: layers.MaxPooling1D(2), (3, 3, 1), "3 axes"),
        (lambda: layers.GlobalMaxPooling3D(), (3, 3, 1), "5 axes"),
        (lambda: layers.MaxPooling2D(2, data_format="channels_first"), (1, 8, 8), None),
        (lambda: layers.MaxPooling2D(2, data_format="channels_first"), (8, 8, 1), "doesn't fit"),
    ],
)
def test_what_does_not_fit_is_said_at_once(make, shape, said):
    layer = make()
    if said is None:
        layer(k.Input(shape))
        return
    with pytest.raises(InvalidValue, match=said) as problem:
        layer(k.Input(shape))
    assert layer.name in str(problem.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"pool_size": 0}, "pool_size"),
        ({"pool_size": (2, 2, 2)}, "pool_size"),
        ({"pool_size": 2.5}, "pool_size"),
        ({"strides": 0}, "strides"),
        ({"strides": (1,)}, "strides"),
        ({"padding": "sam"}, "Did you mean 'same'"),
        ({"padding": "causal"}, "padding"),
        ({"padding": None}, "padding"),
        ({"data_format": "channels"}, "data_format"),
    ],
)
def test_bad_arguments_are_refused(arguments, said):
    for layer in (layers.MaxPooling2D, layers.AveragePooling2D):
        with pytest.raises(InvalidValue, match=said):
            layer(**{"pool_size": 2, **arguments})


def test_keepdims_is_true_or_false():
    with pytest.raises(InvalidValue, match="keepdims"):
        layers.GlobalMaxPooling2D(keepdims="yes")


def test_lengths_that_are_open_until_the_model_runs():
    x = k.Input((None, None, 2))
    y = layers.MaxPooling2D(2)(layers.AveragePooling2D(3, strides=1, padding="same")(x))
    assert y.shape == (None, None, None, 2)
    model = k.Model(x, layers.Dense(1)(layers.GlobalAveragePooling2D()(y)))
    model.compile(loss="mse", optimizer="sgd")
    for size in (4, 7):
        model.train_on_batch(np.ones((2, size, size + 1, 2)), np.ones((2, 1)))
        assert model.predict(np.ones((2, size, size + 1, 2)), verbose=0).shape == (2, 1)
    with pytest.raises(InvalidValue, match="doesn't fit"):
        model.predict(np.ones((2, 1, 1, 2)), verbose=0)


def test_whole_numbers_are_pooled_as_floats():
    x = np.arange(16, dtype="uint8").reshape(1, 4, 4, 1)
    wanted = layers.MaxPooling2D(3, padding="same")(x.astype("float32"))
    images = k.Input((4, 4, 1), dtype="uint8")
    model = k.Model(images, layers.MaxPooling2D(3, padding="same")(images))
    assert model.predict(x, verbose=0).dtype == "float32"
    assert np.array_equal(model.predict(x, verbose=0), wanted)


def test_names_of_keras():
    for rank, (short, long) in itertools.product(
        (1, 2, 3),
        [
            ("MaxPool", "MaxPooling"),
            ("AvgPool", "AveragePooling"),
            ("GlobalMaxPool", "GlobalMaxPooling"),
            ("GlobalAvgPool", "GlobalAveragePooling"),
        ],
    ):
        one, other = f"{short}{rank}D", f"{long}{rank}D"
        assert getattr(layers, one) is getattr(layers, other) is registry.find("layer", one)
        assert getattr(keras_oracle.keras().layers, one).__name__ == getattr(layers, one).__name__
    assert layers.MaxPooling2D(2, 2, "same", "channels_last", "fifth").name == "fifth"
    with pytest.raises(InvalidValue, match="MaxPooling2D"):
        registry.find("layer", "MaxPooling2d")


def test_a_network_of_pools_trains_as_in_keras():
    """Values, gradients and updates through every kind of pooling in one graph, for three steps."""
    keras = keras_oracle.keras()
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(6, 9, 8, 2)).astype("float32"), rng.normal(size=(6, 2)).astype("float32")
    found = []
    for make in (k, keras):
        there = make.layers
        image = make.Input((9, 8, 2))
        inner = there.Dense(4, activation="relu")(image)
        left = there.MaxPooling2D(2)(inner)
        right = there.AveragePooling2D(3, strides=2, padding="same")(inner)
        left = there.MaxPooling2D(3, strides=1, padding="same")(left)
        parts = [
            there.GlobalMaxPooling2D()(left),
            there.GlobalAveragePooling2D()(right),
            there.Flatten()(left),
        ]
        model = make.Model(image, there.Dense(2)(there.Concatenate()(parts)))
        weights = np.random.default_rng(5)
        model.set_weights([weights.normal(size=w.shape) * 0.3 for w in model.get_weights()])
        model.compile(optimizer=make.optimizers.SGD(0.05, momentum=0.9), loss="mse")
        model.fit(x, y, batch_size=2, epochs=1, shuffle=False, verbose=0)
        found.append([*model.get_weights(), np.asarray(model.predict(x, verbose=0))])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
