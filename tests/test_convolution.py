"""Convolutions beyond their case lines: windows one by one, blocks, layouts, open lengths, errors."""

import itertools
import tracemalloc

import numpy as np
import pytest

import kerasette as k
from kerasette import config, functions, layers, losses, registry, utils
from kerasette.backend import Scratch
from kerasette.errors import InvalidValue
from kerasette.functions import convolution, patches
from kerasette.shapes import transposed_length, windows
from tests import keras_oracle
from tests.convolution_cases import DEPTHWISE_NAMES, EVERY, SAMPLE, make, normal, rank_of

# ---------------------------------------------------------------- windows, one number at a time

GEOMETRIES = [
    (lengths, window, strides, padding, dilation)
    for lengths, sizes in (((7,), (1, 2, 3)), ((6, 5), (1, 3)), ((4, 3, 5), (2,)))
    for window in itertools.product(sizes, repeat=len(lengths))
    for strides in ((1, 1, 1), (2, 2, 2), (3, 1, 2))
    for padding in ("valid", "same", "causal")
    for dilation in ((1, 1, 1), (2, 1, 2))
]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_windows_and_their_transpose(geometry, channels):
    lengths, window, strides, padding, dilation = geometry
    rank = len(lengths)
    try:
        places = windows(lengths, window, strides[:rank], padding, dilation[:rank])
    except InvalidValue:
        return
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3, *lengths, channels))
    cols = np.full((3, *places.positions, *window, channels), np.nan)
    gradient, wanted = rng.normal(size=cols.shape), np.zeros_like(x)
    patches.im2col(x, cols, *places[1:])
    for position in np.ndindex(*places.positions):
        for offset in np.ndindex(*window):
            axes = zip(position, offset, places.strides, places.dilation, places.before, strict=True)
            pixel = [o * s + w * d - p for o, w, s, d, p in axes]
            here = cols[(slice(None), *position, *offset)]
            if all(0 <= at < n for at, n in zip(pixel, lengths, strict=True)):
                np.testing.assert_array_equal(here, x[(slice(None), *pixel)])
                wanted[(slice(None), *pixel)] += gradient[(slice(None), *position, *offset)]
            else:
                assert not here.any()
    dx = patches.col2im(gradient, np.full_like(x, np.nan), *places[1:])
    np.testing.assert_allclose(dx, wanted, rtol=1e-12, atol=1e-12)


def test_same_padding_is_tensorflows():
    x = np.array([1.0, 10, 100, 1000]).reshape(1, 4, 1)
    y, _ = functions.conv(x, np.ones((3, 1, 1)), None, 2, "same")
    assert y.ravel().tolist() == [111.0, 1100.0]


# ---------------------------------------------------------------- blocks, buffers, repeatability


def run(function, backward, arrays, scratch=None, **keywords):
    """Returns copies of y and all gradients."""
    y, cache = function(*arrays, **keywords, scratch=scratch)
    dy = normal(*y.shape, seed=9).astype(y.dtype)
    return [y.copy(), *[gradient.copy() for gradient in backward(dy, cache)]]


F = functions
PAIRS = {
    "conv": (F.conv, F.conv_backward, [(5, 9, 8, 4), (3, 2, 4, 6), (6,)], {"padding": "same"}),
    "groups": (F.conv, F.conv_backward, [(5, 9, 8, 4), (3, 2, 2, 6), (6,)], {"strides": 2}),
    "pixel": (F.conv, F.conv_backward, [(5, 9, 8, 4), (1, 1, 4, 6), (6,)], {}),
    "transposed": (
        F.conv_transpose,
        F.conv_transpose_backward,
        [(5, 4, 3, 4), (3, 2, 6, 4), (6,)],
        {"strides": 2, "padding": "same"},
    ),
    "depthwise": (
        F.depthwise_conv,
        F.depthwise_conv_backward,
        [(5, 9, 8, 4), (3, 2, 4, 2), (8,)],
        {"padding": "same"},
    ),
    "separable": (
        F.separable_conv,
        F.separable_conv_backward,
        [(5, 9, 8, 4), (3, 2, 4, 2), (1, 1, 8, 6), (6,)],
        {"dilation": 2},
    ),
}
each_pair = pytest.mark.parametrize("name", PAIRS)


def pair(name, dtype="float32"):
    function, backward, shapes, keywords = PAIRS[name]
    arrays = [normal(*shape, seed=number).astype(dtype) for number, shape in enumerate(shapes)]
    return function, backward, arrays, keywords


@each_pair
def test_blocks_of_images_change_nothing(name, monkeypatch):
    function, backward, arrays, keywords = pair(name, "float64")
    wanted = run(function, backward, arrays, **keywords)
    for block in (1, 2000):
        monkeypatch.setattr(convolution, "BLOCK", block)
        monkeypatch.setattr(patches, "GRID", block)
        for a, b in zip(run(function, backward, arrays, **keywords), wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@each_pair
def test_same_bits_each_time_and_with_buffers(name):
    function, backward, arrays, keywords = pair(name)
    wanted = run(function, backward, arrays, **keywords)
    scratch = Scratch(np, "float32")
    for _ in range(3):
        for a, b in zip(run(function, backward, arrays, scratch, **keywords), wanted, strict=True):
            np.testing.assert_array_equal(a, b)


@each_pair
def test_a_cache_serves_twice(name):
    function, backward, arrays, keywords = pair(name)
    scratch = Scratch(np, "float32")
    y, cache = function(*arrays, **keywords, scratch=scratch)
    dy = normal(*y.shape, seed=9)
    first = [gradient.copy() for gradient in backward(dy, cache)]
    for a, b in zip(backward(dy, cache), first, strict=True):
        np.testing.assert_array_equal(a, b)


@each_pair
def test_buffers_stay(name):
    function, backward, arrays, keywords = pair(name)
    scratch = Scratch(np, "float32")
    run(function, backward, arrays, scratch, **keywords)
    held = scratch.nbytes
    y, _ = function(*arrays, **keywords, scratch=scratch)
    again, _ = function(*arrays, **keywords, scratch=scratch)
    assert again is y
    run(function, backward, [arrays[0][:3], *arrays[1:]], scratch, **keywords)
    assert scratch.nbytes == held


def test_a_long_batch_needs_no_long_matrix():
    layer = layers.Conv2D(4, 5, padding="same")
    x = normal(200, 32, 32, 3)
    layer(x[:9])  # builds it, and compiles its loops where there are any
    tracemalloc.start()
    y = layer(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < y.nbytes + 8e6  # all windows at once would be 61 MB


def test_gradient_of_the_bias_over_many_positions():
    """A million float32 ones, added naively, stop far from a million."""
    x, kernel, bias = (np.ones(shape, "float32") for shape in ((4, 700, 400, 1), (1, 1, 1, 1), (1,)))
    _, cache = functions.conv(x, kernel, bias)
    dy = np.full((4, 700, 400, 1), 0.1, "float32")
    dbias = functions.conv_backward(dy, cache, need_dx=False)[2]
    assert abs(dbias[0] / (dy.size * 0.1) - 1) < 1e-6


# ---------------------------------------------------------------- layers


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("name", EVERY)
def test_channels_first_is_channels_last_moved(name, padding):
    """The same bits, forward and back."""
    rank = rank_of(name)
    results = []
    for last in (True, False):
        x = normal(3, *SAMPLE[rank], 2)
        layer = make(name, strides=2, padding=padding, data_format=f"channels_{'last' if last else 'first'}")
        inputs = k.Input(SAMPLE[rank] + (2,) if last else (2, *SAMPLE[rank]))
        model = k.Model(inputs, layer(inputs))
        model.compile("mse", k.optimizers.SGD(0.1))
        rng = np.random.default_rng(3)
        layer.set_weights([rng.normal(size=p.shape) for p in layer.parameters])
        x = x if last else np.ascontiguousarray(np.moveaxis(x, -1, 1))
        y = model.predict(x, verbose=0)
        model.train_on_batch(x, np.zeros_like(y))
        results.append([y if last else np.moveaxis(y, 1, -1), *layer.get_weights()])
    np.testing.assert_array_equal(results[0][0], results[1][0])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)  # the loss's mean adds in another order


@pytest.mark.parametrize("name", EVERY)
def test_open_lengths(name):
    """One model for images of any size; its symbolic shape knows what can be known."""
    keras = keras_oracle.keras()
    rank = rank_of(name)
    for padding in ("valid", "same"):
        layer = make(name, strides=2, padding=padding)
        inputs = k.Input((*(None,) * rank, 2))
        outputs = layer(inputs)
        theirs = getattr(keras.layers, name)(
            **({} if name in DEPTHWISE_NAMES else {"filters": 4}), kernel_size=3, strides=2, padding=padding
        )
        known = theirs(keras.Input((*(None,) * rank, 2)))
        assert outputs.shape == tuple(known.shape)
        theirs.set_weights(layer.get_weights())
        model = k.Model(inputs, outputs)
        for extra in (0, 1, 4):
            x = normal(2, *(n + extra for n in SAMPLE[rank]), 2)
            wanted = theirs(x).numpy()
            np.testing.assert_allclose(model.predict(x, verbose=0), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", EVERY)
def test_weights_have_keras_names_order_and_shapes(name):
    keras = keras_oracle.keras()
    rank = rank_of(name)
    layer = make(name)
    layer._ensure_built([(*SAMPLE[rank], 6)])
    theirs = getattr(keras.layers, name)(**({} if name in DEPTHWISE_NAMES else {"filters": 4}), kernel_size=3)
    theirs.build((None, *SAMPLE[rank], 6))
    assert [(p.name, p.shape) for p in layer.parameters] == [(v.name, tuple(v.shape)) for v in theirs.weights]


@pytest.mark.parametrize("name", EVERY)
def test_aliases(name):
    keras = keras_oracle.keras()
    theirs = {
        other for other in dir(keras.layers) if getattr(keras.layers, other) is getattr(keras.layers, name)
    }
    for other in theirs:
        assert getattr(layers, other) is getattr(layers, name)
        assert registry.find("layer", other) is getattr(layers, name)


def test_arguments_are_kept_as_keras_keeps_them():
    layer = layers.Conv2D(8, 3, [2, 1], "SAME")
    assert (layer.kernel_size, layer.strides, layer.padding, layer.groups) == ((3, 3), (2, 1), "same", 1)
    assert layer.get_config()["dilation_rate"] == [1, 1]
    assert layers.Conv2DTranspose(8, 3, 2, output_padding=1).output_padding == (1, 1)


def test_data_format_follows_the_configuration():
    try:
        config.set_image_data_format("channels_first")
        layer = layers.Conv2D(5, 3)
        assert layer(normal(2, 3, 6, 7)).shape == (2, 5, 4, 5)
    finally:
        config.set_image_data_format("channels_last")
    assert layer.get_config()["data_format"] == "channels_first"


@pytest.mark.parametrize("threads", [2, 3, 5])
def test_workers_change_no_bit(threads):
    def trained(count):
        utils.set_random_seed(1)
        config.set_threads(count)
        inputs = k.Input((20, 16, 3))
        h = layers.Conv2D(16, 3, activation="relu", padding="same")(inputs)
        h = layers.SeparableConv2D(16, 3, strides=2)(h)
        h = layers.Conv2DTranspose(8, 3, activation="tanh")(h)
        model = k.Model(inputs, layers.Dense(3)(layers.Flatten()(h)))
        model.compile("mse", k.optimizers.Adam(0.01))
        model.fit(normal(128, 20, 16, 3), normal(128, 3, seed=1), batch_size=64, epochs=2, verbose=0)
        return model.get_weights()

    before = config.threads()
    try:
        for a, b in zip(trained(1), trained(threads), strict=True):
            np.testing.assert_array_equal(a, b)
    finally:
        config.set_threads(before)


def test_training_is_keras_training():
    """Some steps of a convolutional network with all families give Keras's weights."""
    keras = keras_oracle.keras()

    def network(lib, own):
        inputs = lib.Input((9, 8, 2))
        h = own.Conv2D(6, 3, padding="same", activation="relu", strides=2)(inputs)
        h = own.SeparableConv2D(4, 2, activation="tanh")(h)
        h = own.DepthwiseConv2D(2, depth_multiplier=2, padding="same")(h)
        h = own.Conv2DTranspose(3, 3, strides=2, padding="same", activation="elu")(h)
        h = own.Conv2D(3, 1, groups=3)(h)
        return lib.Model(inputs, own.Dense(2)(own.Flatten()(h)))

    ours, theirs = network(k, layers), network(keras, keras.layers)
    theirs.set_weights(ours.get_weights())
    x, y = normal(8, 9, 8, 2), normal(8, 2, seed=1)
    ours.compile(losses.MeanSquaredError(), k.optimizers.SGD(0.1, momentum=0.9))
    theirs.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    for _ in range(4):
        ours.train_on_batch(x, y)
        theirs.train_on_batch(x, y)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


# ---------------------------------------------------------------- shapes of transposed convolutions


def test_transposed_lengths_are_those_of_keras():
    layer = keras_oracle.keras().layers.Conv1DTranspose
    options = itertools.product((1, 2, 3), (1, 2, 3, 4), ("valid", "same"), (None, 0, 1, 2), (1, 3))
    for stride, kernel, padding, extra, dilation in options:
        if stride > 1 and dilation > 1:
            continue
        words = {"strides": stride, "padding": padding, "output_padding": extra, "dilation_rate": dilation}
        try:
            found = transposed_length(5, kernel, stride, padding, dilation, extra)
        except InvalidValue:
            with pytest.raises(Exception):  # noqa: B017 - TensorFlow's own
                layer(1, kernel, **words)(np.ones((1, 5, 1), "float32"))
        else:
            assert found == layer(1, kernel, **words)(np.ones((1, 5, 1), "float32")).shape[1], words
