"""Borders and sizes of images: Keras's numbers for any size, whole numbers, open lengths, errors."""

import itertools

import numpy as np
import pytest

import kerasette as k
from kerasette import functions, layers
from kerasette.errors import InvalidType, InvalidValue
from kerasette.functions.interpolation import INTERPOLATIONS, aspect_box, interpolation
from kerasette.layers.spatial import borders
from tests import keras_oracle

SIZES = [((5, 7), (7, 5)), ((8, 8), (16, 16)), ((13, 6), (4, 11)), ((31, 17), (9, 40)), ((1, 3), (4, 2))]

# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("method", INTERPOLATIONS)
def test_any_size_as_in_keras(method, antialias):
    resize = keras_oracle.keras().ops.image.resize
    rng = np.random.default_rng(0)
    for (lengths, size), ratio in itertools.product(SIZES, (None, "crop", "pad")):
        x = rng.normal(size=(2, *lengths, 3)).astype("float32")
        words = {} if ratio is None else {f"{ratio}_to_aspect_ratio": True, "fill_value": 2.0}
        wanted = resize(x, size, method, antialias, data_format="channels_last", **words).numpy()
        box = None if ratio is None else aspect_box(*lengths, size, inside=ratio == "crop")
        found = functions.resize(x, size, method, antialias, box, 2.0)[0]
        np.testing.assert_allclose(found, wanted, rtol=0, atol=5e-6 * abs(wanted).max(), err_msg=str(size))


@pytest.mark.parametrize("method", INTERPOLATIONS)
def test_weights(method):
    for length, size, antialias in itertools.product((1, 2, 7, 30), (1, 3, 7, 64), (False, True)):
        weights = interpolation(length, size, method, antialias)
        assert weights.shape == (size, length)
        np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-12)
        if length == size:
            np.testing.assert_allclose(weights, np.eye(size), atol=1e-12)


def test_backward_is_the_transpose():
    """<A x, dy> = <x, A^T dy>, for every way to choose a part of the image."""
    rng = np.random.default_rng(1)
    for method, lengths, size, inside in itertools.product(
        INTERPOLATIONS, [(4, 9), (7, 3)], [(6, 6), (2, 5)], (True, False, None)
    ):
        box = None if inside is None else aspect_box(*lengths, size, inside=inside)
        x, dy = rng.normal(size=(2, *lengths, 2)), rng.normal(size=(2, *size, 2))
        y, cache = functions.resize(x, size, method, box=box)
        np.testing.assert_allclose(
            (y * dy).sum(), (x * functions.resize_backward(dy, cache)).sum(), rtol=1e-10
        )


def test_constant_images_stay_constant():
    x = np.full((1, 5, 6, 2), 0.3)
    for method in INTERPOLATIONS:
        np.testing.assert_allclose(layers.UpSampling2D(3, interpolation=method)(x), 0.3, rtol=1e-6)
        np.testing.assert_allclose(layers.Resizing(2, 9, method, antialias=True)(x), 0.3, rtol=1e-6)


def test_padding_leaves_the_image_as_it_is():
    """A large fill_value must not cost the pixels their digits."""
    x = np.full((1, 2, 4, 1), 0.1, "float32")
    y = layers.Resizing(4, 4, "nearest", pad_to_aspect_ratio=True, fill_value=1e6)(x)
    assert (y[0, 1:3] == np.float32(0.1)).all()
    assert (y[0, [0, 3]] == 1e6).all()


def test_cropping_undoes_padding():
    rng = np.random.default_rng(2)
    for rank, (pad, crop) in enumerate(
        [
            (layers.ZeroPadding1D, layers.Cropping1D),
            (layers.ZeroPadding2D, layers.Cropping2D),
            (layers.ZeroPadding3D, layers.Cropping3D),
        ],
        1,
    ):
        x = rng.normal(size=(2, *range(3, 3 + rank), 2)).astype("float32")
        sides = ((2, 1), (0, 3), (1, 0))[:rank]
        sides = sides[0] if rank == 1 else sides
        y = pad(sides)(x)
        assert np.array_equal(crop(sides)(y), x)
        assert np.isclose(abs(y).sum(), abs(x).sum())


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_a_network_of_geometry_trains_as_in_keras(interpolation):
    keras = keras_oracle.keras()
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(4, 6, 5, 2)).astype("float32"), rng.normal(size=(4, 2)).astype("float32")
    found = []
    for make in (k, keras):
        there = make.layers
        image = make.Input((6, 5, 2))
        inner = there.ZeroPadding2D(((1, 0), (0, 2)))(there.Dense(3, activation="tanh")(image))
        large = there.UpSampling2D((2, 1), interpolation=interpolation)(there.Dense(2)(inner))
        small = there.Resizing(4, 4, interpolation)(there.Cropping2D((1, (2, 0)))(large))
        parts = [there.Flatten()(small), there.Flatten()(there.CenterCrop(3, 2)(inner))]
        model = make.Model(image, there.Dense(2)(there.Concatenate()(parts)))
        weights = np.random.default_rng(5)
        model.set_weights([weights.normal(size=w.shape) * 0.3 for w in model.get_weights()])
        model.compile(optimizer=make.optimizers.SGD(0.05), loss="mse")
        model.fit(x, y, batch_size=2, epochs=2, shuffle=False, verbose=0)
        found.append([*model.get_weights(), np.asarray(model.predict(x, verbose=0))])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


# ---------------------------------------------------------------- whole numbers


def test_moving_pixels_keeps_their_type():
    x = np.arange(48, dtype="uint8").reshape(1, 4, 4, 3)
    for layer in (layers.ZeroPadding2D(), layers.Cropping2D(1), layers.UpSampling2D()):
        y = layer(x)
        theirs = type(layer).__name__
        theirs = getattr(keras_oracle.keras().layers, theirs).from_config(layer.get_config())(x).numpy()
        assert y.dtype == theirs.dtype == "uint8"
        assert np.array_equal(y, theirs)
        images = k.Input((4, 4, 3), dtype="uint8")
        assert np.array_equal(k.Model(images, layer(images)).predict(x, verbose=0), theirs)


@pytest.mark.parametrize("method", INTERPOLATIONS)
def test_resized_whole_numbers_are_those_of_keras(method):
    """Rounded and kept within 0 and 255, but as floats: layers behind compute with them."""
    x = np.random.default_rng(0).integers(0, 2, (2, 6, 5, 3)).astype("uint8") * 255
    y = layers.Resizing(9, 4, method)(x)
    theirs = keras_oracle.keras().layers.Resizing(9, 4, method)(x).numpy()
    assert y.dtype == "float32"
    assert abs(y - theirs).max() <= 1 and (y != theirs).mean() < 0.01


# ---------------------------------------------------------------- open lengths


def test_lengths_that_are_open_until_the_model_runs():
    x = k.Input((None, None, 3))
    y = layers.Cropping2D(1)(layers.UpSampling2D((2, 3))(layers.ZeroPadding2D(1)(x)))
    assert y.shape == (None, None, None, 3)
    one, other = layers.Resizing(4, 5, crop_to_aspect_ratio=True)(y), layers.CenterCrop(4, 5)(x)
    assert one.shape == other.shape == (None, 4, 5, 3)
    model = k.Model(x, [one, other])
    for lengths in ((2, 3), (9, 8)):
        for result in model.predict(np.ones((2, *lengths, 3)), verbose=0):
            assert result.shape == (2, 4, 5, 3)
    with pytest.raises(InvalidValue, match="none is left"):
        k.Model(x, layers.Cropping2D(2)(x)).predict(np.ones((1, 4, 9, 3)), verbose=0)


# ---------------------------------------------------------------- bad descriptions


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: layers.ZeroPadding2D(-1), "padding must be a whole number of at least 0"),
        (lambda: layers.ZeroPadding2D((1, 2, 3)), "or 2 of them, or 2 pairs"),
        (lambda: layers.ZeroPadding2D(((1, 2, 3), (1, 1))), "padding"),
        (lambda: layers.ZeroPadding1D("same"), "padding"),
        (lambda: layers.ZeroPadding1D((1, 2, 3)), "padding"),
        (lambda: layers.ZeroPadding3D((1, 2)), "3 pairs"),
        (lambda: layers.Cropping2D(1.5), "cropping"),
        (lambda: layers.UpSampling1D(0), "size"),
        (lambda: layers.UpSampling2D((2, 2, 2)), "size"),
        (lambda: layers.UpSampling2D(interpolation="area"), "interpolation must be one of 'nearest'"),
        (lambda: layers.UpSampling2D(interpolation=None), "interpolation"),
        (lambda: layers.UpSampling3D(data_format="last"), "data_format"),
        (lambda: layers.Resizing(0, 3), "height"),
        (lambda: layers.Resizing(3, 3, "bilinaer"), "Did you mean 'bilinear'"),
        (lambda: layers.Resizing(3, 3, crop_to_aspect_ratio=True, pad_to_aspect_ratio=True), "exclude"),
        (lambda: layers.Resizing(3, 3, fill_mode="reflect"), "fill_mode must be one of 'constant'"),
        (lambda: layers.Resizing(3, 3, antialias="yes"), "antialias"),
        (lambda: layers.CenterCrop(3, -1), "width"),
        (lambda: layers.Cropping1D(2)(k.Input((4, 3))), "none is left"),
        (lambda: layers.Cropping2D(2, "channels_first")(k.Input((3, 4, 9))), "none is left"),
        (lambda: layers.ZeroPadding2D()(k.Input((4, 3))), "4 axes"),
        (lambda: layers.UpSampling3D()(k.Input((4, 3, 1))), "5 axes"),
        (lambda: layers.Resizing(3, 3)(k.Input((4, 3))), "4 axes"),
    ],
)
def test_bad_arguments_are_refused(make, said):
    with pytest.raises(InvalidValue, match=said):
        make()


def test_fill_value_is_a_number():
    for value in ("black", None, True, (0, 0, 0)):
        with pytest.raises(InvalidType, match="fill_value"):
            layers.Resizing(3, 3, fill_value=value)


def test_borders():
    assert borders("L", "padding", 2, 1) == ((2, 2),)
    assert borders("L", "padding", [1, 2], 1) == ((1, 2),)
    assert borders("L", "padding", [1, 2], 2) == ((1, 1), (2, 2))
    assert borders("L", "padding", ((1, 2), 3), 2) == ((1, 2), (3, 3))
    assert layers.ZeroPadding1D(2).padding == keras_oracle.keras().layers.ZeroPadding1D(2).padding
    assert layers.Cropping3D((1, 2, 3)).cropping == keras_oracle.keras().layers.Cropping3D((1, 2, 3)).cropping
