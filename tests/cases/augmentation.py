"""Changes of images by given numbers, against Keras's own operations on images."""

import numpy as np

from tests.cases.layers import layer
from tests.harness import booleans, normal, uniform
from tests.keras_oracle import tf

# Shrunk, turned, sheared, moved far out; the last one points between pixels only.
MAPS = np.array(
    [
        [1.3, 0.0, -0.9, 0.0, 0.7, 0.6],
        [0.8, -0.6, 2.3, 0.6, 0.8, -1.7],
        [-1.1, 0.4, 9.2, 0.3, -1.2, -8.1],
    ]
)
STRAIGHT = MAPS[:, [0, 2, 4, 5]]


def given(values):
    """Draws nothing, but gives `values`."""
    return lambda rng, shape: np.array(values)


def affine(shape, maps, **keywords):
    """A case of affine_transform.

    TensorFlow's own gradient of it is only about right, so Keras says where each single pixel goes, and
    the gradient is that of the matrix of these answers.
    """

    def run(keras, x, transform):
        count, height, width, channels = x.shape
        zeros = np.zeros((count, 8), "float32")
        zeros[:, [0, 1, 2, 3, 4, 5] if maps.shape[1] == 6 else [0, 2, 4, 5]] = transform
        pixels = np.eye(height * width, dtype="float32").reshape(-1, height, width, 1)
        move = keras.ops.image.affine_transform
        dark = move(np.zeros((count, height, width, 1), "float32"), zeros, **keywords)
        images = np.tile(pixels, (count, 1, 1, 1))
        moved = move(images, np.repeat(zeros, len(pixels), axis=0), **keywords)
        moved = tf().reshape(moved, (count, len(pixels), height, width)) - dark[:, None, :, :, 0]
        flat = tf().reshape(x, (count, len(pixels), channels))
        return tf().einsum("nphw,npc->nhwc", moved, flat) + dark

    shapes, inputs = [shape, maps.shape], (normal, given(maps))
    return layer("affine_transform", shapes, *inputs, keras=run, differentiate=(0,), **keywords)


def fit(shape, size):
    def run(keras, x):
        return keras.ops.image.resize(x, size, crop_to_aspect_ratio=True)

    return layer("fit_window", [shape], keras=run, size=size)


def flip(shape, axes):
    def run(keras, x, flips):
        return tf().where(tf().reshape(flips, (-1, 1, 1, 1)), tf().reverse(x, axes), x)

    inputs = (normal, booleans(0.5))
    return layer("flip_where", [shape, shape[:1]], *inputs, keras=run, differentiate=(0,), axes=axes)


def crop(shape, start, size):
    def run(keras, x, _):
        return x[:, start[0] : start[0] + size[0], start[1] : start[1] + size[1]]

    shapes, inputs = [shape, (1, 2)], (normal, given([start]))
    return layer("crop_at", shapes, *inputs, keras=run, differentiate=(0,), size=size)


def contrast(keras, x, factor):
    mean = tf().reduce_mean(x, (1, 2), keepdims=True)
    return tf().clip_by_value((x - mean) * factor + mean, -1.0, 0.8)


def brightness(keras, x, delta):
    return tf().clip_by_value(x + delta, -1.0, 0.8)


def color(name, run):
    shapes, inputs = [(3, 4, 5, 2), (3, 1, 1, 1)], (normal, uniform(0.3, 1.6))
    return layer(name, shapes, *inputs, keras=run, differentiate=(0,), low=-1.0, high=0.8)


AUGMENTATION = [
    *[
        affine((3, 4, 5, 2), maps, interpolation=interpolation, fill_mode=mode, fill_value=0.0)
        for maps in (MAPS, STRAIGHT)
        for interpolation in ("bilinear", "nearest")
        for mode in ("reflect", "wrap", "constant", "nearest")
    ],
    affine((3, 4, 5, 1), MAPS, interpolation="bilinear", fill_mode="constant", fill_value=1.5),
    affine((3, 5, 4, 2), STRAIGHT, interpolation="nearest", fill_mode="constant", fill_value=-2.0),
    affine((3, 1, 5, 1), MAPS, interpolation="bilinear", fill_mode="reflect", fill_value=0.0),
    affine((3, 4, 1, 1), MAPS, interpolation="bilinear", fill_mode="wrap", fill_value=0.0),
    fit((2, 6, 5, 2), (3, 3)),
    fit((2, 4, 7, 1), (6, 5)),
    fit((2, 3, 3, 2), (3, 3)),
    flip((4, 3, 4, 2), (2,)),
    flip((4, 3, 4, 1), (1, 2)),
    crop((3, 5, 6, 2), (1, 2), (3, 4)),
    crop((2, 3, 3, 1), (0, 0), (3, 3)),
    color("adjust_contrast", contrast),
    color("adjust_brightness", brightness),
]
