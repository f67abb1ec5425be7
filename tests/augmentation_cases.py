"""One line for each layer that changes images, in training and in inference (see layer_cases.py)."""

from kerasette import layers as L  # noqa: N812
from tests.layer_harness import LayerCase

IMAGE, FIRST = (4, 5, 2), (2, 4, 5)
CHANNELS_FIRST = {"data_format": "channels_first"}
RANGE = {"value_range": (-1.5, 1.2)}


def both(layer, arguments, shape=IMAGE, inference=False):
    """Returns the line for training, and where asked for that for inference, which Keras must agree with."""
    arguments = {**arguments, "seed": 1}
    lines = [LayerCase(layer, arguments, shapes=[shape], training=True, oracle=False)]
    return [*lines, LayerCase(layer, arguments, shapes=[shape])] if inference else lines


AUGMENTATION_CASES = [
    *both(L.RandomFlip, {}, inference=True),
    *both(L.RandomFlip, {"mode": "horizontal"}),
    *both(L.RandomFlip, {"mode": "vertical", **CHANNELS_FIRST}, FIRST),
    *both(L.RandomCrop, {"height": 3, "width": 2}),
    *both(L.RandomCrop, {"height": 2, "width": 5, **CHANNELS_FIRST}, FIRST),
    *both(L.RandomCrop, {"height": 6, "width": 3}),
    LayerCase(L.RandomCrop, {"height": 3, "width": 2, "seed": 1}, shapes=[IMAGE], oracle=False),
    *both(L.RandomRotation, {"factor": 0.3}, inference=True),
    *both(L.RandomRotation, {"factor": (0.1, 0.2), "fill_mode": "constant", "fill_value": 0.5}),
    *both(L.RandomRotation, {"factor": 0.5, "fill_mode": "wrap", **CHANNELS_FIRST}, FIRST),
    *both(L.RandomZoom, {"height_factor": 0.5}, inference=True),
    *both(L.RandomZoom, {"height_factor": (-0.5, 0.5), "width_factor": 0.3, "interpolation": "nearest"}),
    *both(L.RandomTranslation, {"height_factor": 0.4, "width_factor": 0.5}, inference=True),
    *both(L.RandomTranslation, {"height_factor": 0.4, "width_factor": (0, 0.5), **CHANNELS_FIRST}, FIRST),
    *both(L.RandomContrast, {"factor": 0.4, **RANGE}, inference=True),
    *both(L.RandomContrast, {"factor": [0.9, 0.8], **RANGE, **CHANNELS_FIRST}, FIRST),
    *both(L.RandomBrightness, {"factor": 0.3, **RANGE}, inference=True),
]

AFFINE = {
    "fill_mode": "wrap",
    "interpolation": "nearest",
    "seed": 2,
    "bounding_box_format": "xyxy",
    **CHANNELS_FIRST,
}
COLOR = {"seed": 2, "value_range": (-0.5, 0.2), "bounding_box_format": "xyxy", **CHANNELS_FIRST}
CONSTANT = {"fill_mode": "constant", "seed": 1}
CUBE = [(5, 5, 5)]  # so that the order of its axes may change

AUGMENTATION_VARIATIONS = {
    L.RandomFlip: (
        {"seed": 1},
        CUBE,
        {"mode": "vertical", "seed": 2, "bounding_box_format": "xyxy", **CHANNELS_FIRST},
    ),
    L.RandomCrop: (
        {"height": 3, "width": 2, "seed": 1},
        CUBE,
        {"height": 2, "width": 3, "seed": 4, "bounding_box_format": "xyxy", **CHANNELS_FIRST},
    ),
    L.RandomRotation: ({"factor": 0.2, **CONSTANT}, CUBE, {"factor": 0.3, "fill_value": 1.0, **AFFINE}),
    L.RandomZoom: (
        {"height_factor": (0.2, 0.4), **CONSTANT},
        CUBE,
        {"height_factor": 0.3, "width_factor": 0.1, "fill_value": 1.0, **AFFINE},
    ),
    L.RandomTranslation: (
        {"height_factor": 0.4, "width_factor": 0.3, **CONSTANT},
        CUBE,
        {"height_factor": 0.2, "width_factor": 0.1, "fill_value": 1.0, **AFFINE},
    ),
    L.RandomContrast: ({"factor": 0.2, **RANGE, "seed": 1}, CUBE, {"factor": 0.3, **COLOR}),
    L.RandomBrightness: ({"factor": 0.2, **RANGE, "seed": 1}, CUBE, {"factor": 0.3, **COLOR}),
}
WITHOUT_EFFECT = {(L.RandomBrightness, "data_format")}  # accepted as in Keras
