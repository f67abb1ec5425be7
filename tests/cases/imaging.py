"""Borders, repetition and other sizes of images, against TensorFlow and keras.ops.image."""

from kerasette.functions.interpolation import INTERPOLATIONS, aspect_box
from tests.cases.layers import layer
from tests.keras_oracle import tf


def padded(shape, padding):
    def run(keras, x):
        return tf().pad(x, padding)

    return layer("zero_padding", [shape], keras=run, padding=padding)


def cropped(shape, cut):
    def run(keras, x):
        return x[tuple(slice(before, n - after) for n, (before, after) in zip(shape, cut, strict=True))]

    return layer("cropping", [shape], keras=run, cut=cut)


def repeated(shape, size):
    def run(keras, x):
        for axis, times in enumerate(size, 1):
            x = tf().repeat(x, times, axis)
        return x

    return layer("upsample", [shape], keras=run, size=size)


def resized(shape, size, interpolation, antialias=False, **words):
    """A case of resize; with `inside` the image is cropped (True) or padded (False) to the aspect ratio."""
    keywords, further = {"interpolation": interpolation, "antialias": antialias}, {}
    if "inside" in words:
        further["crop_to_aspect_ratio" if words["inside"] else "pad_to_aspect_ratio"] = True
        further["fill_value"] = 0.0 if words["inside"] else 0.7
        keywords["box"] = aspect_box(*shape[1:3], size, inside=words["inside"])
        keywords["fill_value"] = further["fill_value"]

    def run(keras, x):
        return keras.ops.image.resize(
            x, size, interpolation, antialias, data_format="channels_last", **further
        )

    return layer("resize", [shape], keras=run, size=size, **keywords)


IMAGING = [
    padded((2, 3, 2), ((0, 0), (1, 2), (0, 0))),
    padded((2, 3, 4, 2), ((0, 0), (1, 0), (0, 3), (0, 0))),
    padded((2, 2, 3, 1, 2), ((0, 0), (0, 0), (1, 1), (2, 0), (0, 1))),
    cropped((2, 5, 2), ((0, 0), (1, 2), (0, 0))),
    cropped((2, 4, 5, 2), ((0, 0), (1, 0), (0, 3), (0, 0))),
    cropped((2, 4, 3, 3, 2), ((0, 0), (1, 1), (0, 0), (2, 0), (0, 0))),
    repeated((2, 4, 3), (2,)),
    repeated((2, 3, 2, 2), (2, 3)),
    repeated((1, 2, 3, 2, 2), (1, 2, 3)),
    *[resized((2, 3, 4, 2), (6, 8), method) for method in INTERPOLATIONS],
    *[resized((1, 7, 5, 2), (3, 4), method) for method in INTERPOLATIONS],
    *[resized((1, 4, 9, 1), (5, 4), method, antialias=True) for method in INTERPOLATIONS],
    *[resized((1, 5, 8, 2), (3, 3), method, inside=True) for method in ("nearest", "bilinear", "bicubic")],
    *[resized((1, 5, 8, 2), (6, 4), method, inside=False) for method in ("nearest", "bilinear", "lanczos3")],
]
