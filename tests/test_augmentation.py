"""Layers that change images: Keras's formulas for given numbers, the ranges of what is drawn, training."""

import numpy as np
import pytest

import kerasette as k
from kerasette import functions, layers, utils
from kerasette.backend import Random, set_random_seed
from kerasette.errors import KerasetteError
from kerasette.graph import Context
from tests.keras_oracle import keras

FILL_MODES = ("reflect", "wrap", "constant", "nearest")
RANDOM = [
    layers.RandomFlip(),
    layers.RandomRotation(0.2),
    layers.RandomZoom(0.3),
    layers.RandomTranslation(0.2, 0.3),
    layers.RandomContrast(0.5),
    layers.RandomBrightness(0.3),
]
each_random = pytest.mark.parametrize("layer", RANDOM, ids=lambda layer: type(layer).__name__)


def images(count=6, height=9, width=7, channels=3, seed=0):
    return np.random.default_rng(seed).uniform(0, 255, (count, height, width, channels)).astype("float32")


def drawn(layer, x, noise):
    """Returns what the layer makes of `x` in training for given numbers."""
    ctx = Context(np, "float32", training=True)
    ctx.batch, ctx.noise = len(x), noise
    return layer.forward(ctx, {}, x)[0].copy()


def noise_of(layer, batch, shape=(8, 8, 1), seed=0):
    return layer.draw(Random(np, seed), batch, shape)


# ---------------------------------------------------------------- Keras's formulas


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("mode", FILL_MODES)
def test_affine_maps_are_keras_s(mode, interpolation):
    """Also far outside the image, and where an axis has a single pixel."""
    rng = np.random.default_rng(1)
    for shape in [(3, 9, 7, 2), (2, 1, 6, 1), (2, 6, 1, 3), (1, 8, 8, 1)]:
        x = rng.normal(size=shape).astype("float32")
        maps = np.zeros((len(x), 8), "float32")
        maps[:, :6] = rng.normal(size=(len(x), 6)) * [1, 1, 9, 1, 1, 9]
        wanted = keras().ops.image.affine_transform(x, maps, interpolation, mode, 2.5)
        y, _ = functions.affine_transform(x, maps[:, :6], interpolation, mode, 2.5)
        np.testing.assert_allclose(y, wanted, atol=1e-5)


FIXED = [
    ("RandomRotation", {"factor": (0.15, 0.15)}),
    ("RandomRotation", {"factor": (0.25, 0.25), "fill_mode": "constant", "fill_value": 7.0}),
    ("RandomRotation", {"factor": (-0.4, -0.4), "interpolation": "nearest"}),
    ("RandomZoom", {"height_factor": (0.3, 0.3)}),
    ("RandomZoom", {"height_factor": (-0.4, -0.4), "width_factor": (0.7, 0.7), "fill_mode": "wrap"}),
    ("RandomTranslation", {"height_factor": (0.3, 0.3), "width_factor": (-0.45, -0.45)}),
    (
        "RandomTranslation",
        {"height_factor": (-0.8, -0.8), "width_factor": (0, 0), "fill_mode": "nearest"},
    ),
    ("RandomBrightness", {"factor": (0.25, 0.25)}),
    ("RandomBrightness", {"factor": (-0.5, -0.5), "value_range": (100, 200)}),
]


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize(("name", "arguments"), FIXED)
def test_where_nothing_is_left_to_chance_keras_gives_the_same(name, arguments, data_format):
    x = images() if data_format == "channels_last" else images().transpose(0, 3, 1, 2)
    arguments = {**arguments, "data_format": data_format}
    wanted = getattr(keras().layers, name)(**arguments)(x, training=True)
    found = getattr(layers, name)(**arguments)(x, training=True)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=2e-3)


@pytest.mark.parametrize("factor", [0.0, 0.3, 1.7])
def test_contrast_is_keras_s(factor):
    theirs = keras().layers.RandomContrast(0.5, (20, 200))
    x = images()
    wanted = theirs.transform_images(x, {"contrast_factor": factor}, training=True)
    noise = np.full((len(x), 2), factor / 2, "float32")
    found = drawn(layers.RandomContrast(1.0, (20, 200)), x, noise)  # factors from 0 to 2
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("mode", ["horizontal", "vertical", "horizontal_and_vertical"])
def test_flips_are_keras_s(mode):
    x, flips = images(), np.array([True, False, True, True, False, False])
    given = {"flips": flips.reshape(-1, 1, 1, 1), "input_shape": x.shape}
    wanted = keras().layers.RandomFlip(mode).transform_images(x, given, training=True)
    np.testing.assert_array_equal(drawn(layers.RandomFlip(mode), x, flips), wanted)


def test_crops_of_small_images_are_stretched_as_keras_s_resizing_does():
    for height, width in [(12, 12), (4, 20), (10, 7), (5, 14)]:
        theirs = keras().layers.Resizing(height, width, crop_to_aspect_ratio=True)(images())
        found = layers.RandomCrop(height, width)(images(), training=True)
        np.testing.assert_allclose(found, theirs, rtol=1e-4, atol=1e-3)


def test_crops_in_inference_are_the_centre():
    x = images(height=8, width=8)
    small = layers.RandomCrop(4, 4)(x, training=False)
    wanted = keras().layers.Resizing(4, 4, crop_to_aspect_ratio=True)(x)
    np.testing.assert_allclose(small, wanted, rtol=1e-4, atol=1e-3)
    np.testing.assert_array_equal(layers.RandomCrop(8, 8)(x, training=False), x)


def test_crops_in_training_are_windows_at_one_place():
    x = images(height=9, width=7)
    places = set()
    for seed in range(40):
        y = layers.RandomCrop(4, 6, seed=seed)(x, training=True)
        row, column = np.argwhere(x[0, :, :, 0] == y[0, 0, 0, 0]).ravel()
        np.testing.assert_array_equal(y, x[:, row : row + 4, column : column + 6])
        places.add((int(row), int(column)))
    assert {row for row, _ in places} == set(range(6)) and {column for _, column in places} == {0, 1}


def test_a_crop_as_wide_as_the_image_still_moves_up_and_down():
    x = images(height=9, width=7)
    rows = {float(layers.RandomCrop(8, 7, seed=s)(x, training=True)[0, 0, 0, 0]) for s in range(20)}
    assert rows == {float(x[0, 0, 0, 0]), float(x[0, 1, 0, 0])}


# ---------------------------------------------------------------- what is drawn


RANGES = [
    (layers.RandomRotation(0.1), "_turns", (-0.1, 0.1)),
    (layers.RandomRotation((0.3, -0.2)), "_turns", (-0.2, 0.3)),
    (layers.RandomZoom(-0.4), "_vertical", (-0.4, 0.4)),
    (layers.RandomZoom((0.1, 0.2), (-0.5, 1.0)), "_horizontal", (-0.5, 1.0)),
    (layers.RandomTranslation(1.0, 0.2), "_down", (-1.0, 1.0)),
    (layers.RandomTranslation(1.0, [0, 0.2]), "_right", (0, 0.2)),
    (layers.RandomContrast(0.2), "_factors", (0.8, 1.2)),
    (layers.RandomContrast((0.5, 0.1)), "_factors", (0.5, 1.1)),
    (layers.RandomBrightness(0.2), "_shares", (-0.2, 0.2)),
]


@pytest.mark.parametrize(("layer", "attribute", "wanted"), RANGES)
def test_ranges_are_those_of_keras_s_documentation(layer, attribute, wanted):
    assert getattr(layer, attribute) == pytest.approx(wanted)


def test_brightness_fills_its_range_evenly():
    layer = layers.RandomBrightness((-0.2, 0.6), (0, 10))
    x = np.full((4000, 1, 1, 1), 3.0, "float32")
    added = drawn(layer, x, noise_of(layer, len(x))).ravel() - 3.0
    assert -2.0 <= added.min() < -1.9 and 5.9 < added.max() < 6.0
    assert np.mean(added) == pytest.approx(2.0, abs=0.15)
    assert np.std(added) == pytest.approx(8.0 / np.sqrt(12), abs=0.1)


def test_half_of_the_images_are_flipped():
    flips = noise_of(layers.RandomFlip(), 4000)
    assert flips.dtype == bool and 0.46 < flips.mean() < 0.54


def test_a_zoom_without_width_factor_keeps_the_proportions():
    noise = noise_of(layers.RandomZoom(0.5), 5)
    maps = layers.RandomZoom(0.5)._maps(noise, 10, 10)
    np.testing.assert_array_equal(maps[:, 0], maps[:, 2])
    maps = layers.RandomZoom(0.5, 0.5)._maps(noise, 10, 10)
    assert (maps[:, 0] != maps[:, 2]).all()


@each_random
def test_images_change_each_in_its_own_way_and_by_the_seed(layer):
    x = np.broadcast_to(images(1), (8, 9, 7, 3))
    y = drawn(layer, x, noise_of(layer, 8))
    assert not np.array_equal(y, x)
    assert any(not np.array_equal(y[0], other) for other in y[1:])
    np.testing.assert_array_equal(y, drawn(layer, x, noise_of(layer, 8)))
    assert not np.array_equal(y, drawn(layer, x, noise_of(layer, 8, seed=5)))


# ---------------------------------------------------------------- in models


@each_random
def test_in_inference_images_pass_unchanged(layer):
    x = images()
    assert np.array_equal(layer(x, training=False), x)
    model = k.Sequential([k.Input(x.shape[1:]), type(layer).from_config(layer.get_config())])
    assert np.array_equal(model.predict(x, verbose=0), x)
    assert model.output.shape == (None, *x.shape[1:])


@each_random
def test_calls_on_arrays_show_what_it_does(layer):
    """As in Keras: alone, and in a model of such layers. With other random layers calls are inference."""
    set_random_seed(0)
    x = images()
    fresh = type(layer).from_config(layer.get_config())
    assert not np.array_equal(fresh(x), x)
    pipeline = k.Sequential([fresh, layers.Rescaling(1.0)])
    assert not np.array_equal(pipeline(x), x)
    assert np.array_equal(pipeline(x, training=False), x)
    nested = k.Sequential([k.Input(x.shape[1:]), pipeline])
    assert not np.array_equal(nested(x), x)
    mixed = k.Sequential([k.Input(x.shape[1:]), pipeline, layers.Dropout(0.5)])
    assert np.array_equal(mixed(x), x)


def training_run(threads):
    utils.set_random_seed(3)
    x = images(48, 12, 12, 1) / 255
    y = (x.mean((1, 2)) > 0.5).astype("float32")
    h = first = k.Input((12, 12, 1))
    for layer in (
        layers.RandomFlip(),
        layers.RandomRotation(0.1),
        layers.RandomZoom(0.2),
        layers.RandomTranslation(0.1, 0.1),
        layers.RandomContrast(0.2, (0, 1)),
        layers.RandomBrightness(0.1, (0, 1)),
        layers.RandomCrop(10, 10),
    ):
        h = layer(h)
    h = layers.Dense(16, activation="relu")(layers.Flatten()(h))
    model = k.Model(first, layers.Dense(1, activation="sigmoid")(h))
    model.compile("binary_crossentropy", "adam")
    before = k.config.threads()
    k.config.set_threads(threads)
    try:
        history = model.fit(x, y, epochs=3, batch_size=16, verbose=0).history
    finally:
        k.config.set_threads(before)
    return [*model.get_weights(), np.array(history["loss"])]


def test_training_is_the_same_with_any_number_of_workers():
    runs = [training_run(threads) for threads in (1, 2, 3)]
    for other in runs[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(runs[0], other, strict=True))
    assert all(np.isfinite(array).all() for array in runs[0])


def test_gradients_flow_through_to_layers_before():
    utils.set_random_seed(1)
    x = k.Input((6, 6, 1))
    first = layers.Dense(1, use_bias=False, name="first")
    h = layers.RandomRotation(0.2, seed=1)(first(x))
    model = k.Model(x, layers.Dense(1)(layers.Flatten()(h)))
    model.compile("mse", "sgd")
    before = first.get_weights()[0].copy()
    model.train_on_batch(images(4, 6, 6, 1) / 255, np.ones((4, 1)))
    assert not np.array_equal(before, first.get_weights()[0])


# ---------------------------------------------------------------- what is refused


WRONG = [
    ("RandomFlip", {"mode": "diagonal"}, "mode"),
    ("RandomFlip", {"data_format": "NHWC"}, "data_format"),
    ("RandomFlip", {"seed": -1}, "seed"),
    ("RandomFlip", {"bounding_box_format": "xyxy"}, "bounding"),
    ("RandomFlip", {"activity_regularizer": "l2"}, "activity"),
    ("RandomCrop", {"height": 0, "width": 3}, "height"),
    ("RandomCrop", {"height": 3, "width": 2.5}, "width"),
    ("RandomRotation", {"factor": 1.5}, "factor"),
    ("RandomRotation", {"factor": None}, "factor"),
    ("RandomRotation", {"factor": (0.1, 0.2, 0.3)}, "factor"),
    ("RandomRotation", {"factor": (0.1,)}, "factor"),
    ("RandomRotation", {"factor": "a"}, "factor"),
    ("RandomRotation", {"factor": float("nan")}, "factor"),
    ("RandomRotation", {"factor": 0.1, "fill_mode": "mirror"}, "fill_mode"),
    ("RandomRotation", {"factor": 0.1, "interpolation": "bicubic"}, "interpolation"),
    ("RandomRotation", {"factor": 0.1, "fill_value": "0"}, "fill_value"),
    ("RandomZoom", {"height_factor": -1.0}, "height_factor"),
    ("RandomZoom", {"height_factor": 0.1, "width_factor": 2}, "width_factor"),
    ("RandomTranslation", {"height_factor": 0.1, "width_factor": (-1.1, 0)}, "width_factor"),
    ("RandomContrast", {"factor": -0.2}, "factor"),
    ("RandomContrast", {"factor": 0.2, "value_range": 255}, "value_range"),
    ("RandomBrightness", {"factor": 0.2, "value_range": (1, 1)}, "value_range"),
    ("RandomBrightness", {"factor": True}, "factor"),
]


@pytest.mark.parametrize(("name", "arguments", "told"), WRONG)
def test_wrong_arguments_are_named(name, arguments, told):
    with pytest.raises(KerasetteError, match=told):
        getattr(layers, name)(**arguments)


def test_images_need_three_axes():
    with pytest.raises(KerasetteError, match="4 axes"):
        layers.RandomFlip()(np.zeros((2, 3), "float32"))
