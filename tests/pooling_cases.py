"""One line for each layer that pools, or changes the geometry of images (see layer_cases.py)."""

from kerasette import layers as L  # noqa: N812
from tests.layer_harness import LayerCase

LINE, IMAGE, VOLUME = (7, 2), (5, 6, 2), (3, 4, 2, 2)
FIRST = {"data_format": "channels_first"}


def pooling(one, two, three):
    """Returns the lines of one kind of pooling."""
    return [
        LayerCase(one, {"pool_size": 2}, shapes=[LINE]),
        LayerCase(one, {"pool_size": 3, "strides": 2, "padding": "same"}, shapes=[LINE]),
        LayerCase(one, {"pool_size": [2], "strides": [1], "padding": "VALID", **FIRST}, shapes=[(2, 7)]),
        LayerCase(two, {"pool_size": 2}, shapes=[IMAGE]),
        LayerCase(two, {"pool_size": (3, 2), "strides": (2, 1), "padding": "SAME"}, shapes=[IMAGE]),
        LayerCase(two, {"pool_size": (2, 3), "strides": 3, **FIRST}, shapes=[(2, 5, 6)]),
        LayerCase(three, {"pool_size": 2}, shapes=[VOLUME]),
        LayerCase(three, {"pool_size": (2, 3, 1), "strides": 1, "padding": "same"}, shapes=[VOLUME]),
    ]


def whole(*layers):
    """Returns the lines of pooling over everything, for one, two and three axes."""
    return [
        LayerCase(layer, arguments, shapes=[shape])
        for layer, shape in zip(layers, (LINE, IMAGE, VOLUME), strict=True)
        for arguments in ({}, {"keepdims": True}, FIRST, {"keepdims": True, **FIRST})
    ]


def around(*layers, argument):
    """Returns the lines of what adds or takes away borders."""
    line, image, volume = layers
    return [
        LayerCase(line, {argument: 1}, shapes=[LINE]),
        LayerCase(line, {argument: (0, 2)}, shapes=[LINE]),
        LayerCase(image, {argument: 1}, shapes=[IMAGE]),
        LayerCase(image, {argument: (1, 2)}, shapes=[IMAGE]),
        LayerCase(image, {argument: ((1, 0), (2, 1)), **FIRST}, shapes=[(2, 5, 6)]),
        LayerCase(volume, {argument: 1}, shapes=[(3, 4, 5, 2)]),
        LayerCase(volume, {argument: (1, 0, 1)}, shapes=[(3, 4, 5, 2)]),
        LayerCase(volume, {argument: ((0, 1), (2, 1), (0, 0)), **FIRST}, shapes=[(2, 3, 4, 5)]),
    ]


def resizing(arguments, shape=IMAGE):
    return LayerCase(L.Resizing, {"height": 3, "width": 4, **arguments}, shapes=[shape])


POOLING_CASES = [
    *pooling(L.MaxPooling1D, L.MaxPooling2D, L.MaxPooling3D),
    *pooling(L.AveragePooling1D, L.AveragePooling2D, L.AveragePooling3D),
    *whole(L.GlobalMaxPooling1D, L.GlobalMaxPooling2D, L.GlobalMaxPooling3D),
    *whole(L.GlobalAveragePooling1D, L.GlobalAveragePooling2D, L.GlobalAveragePooling3D),
    *around(L.ZeroPadding1D, L.ZeroPadding2D, L.ZeroPadding3D, argument="padding"),
    *around(L.Cropping1D, L.Cropping2D, L.Cropping3D, argument="cropping"),
    LayerCase(L.ZeroPadding1D, {"padding": 2, **FIRST}, shapes=[(2, 3)]),
    LayerCase(L.UpSampling1D, shapes=[(3, 2)]),
    LayerCase(L.UpSampling1D, {"size": 3}, shapes=[(3, 2)]),
    LayerCase(L.UpSampling2D, shapes=[(2, 3, 2)]),
    LayerCase(L.UpSampling2D, {"size": (1, 3), **FIRST}, shapes=[(2, 2, 3)]),
    LayerCase(L.UpSampling2D, {"interpolation": "bilinear"}, shapes=[(2, 3, 2)]),
    LayerCase(L.UpSampling2D, {"size": (3, 2), "interpolation": "bicubic", **FIRST}, shapes=[(2, 2, 3)]),
    LayerCase(L.UpSampling2D, {"size": 2, "interpolation": "LANCZOS3"}, shapes=[(2, 3, 2)]),
    LayerCase(L.UpSampling3D, shapes=[(2, 1, 3, 2)]),
    LayerCase(L.UpSampling3D, {"size": (1, 2, 3), **FIRST}, shapes=[(2, 2, 1, 2)]),
    resizing({}),
    resizing({"interpolation": "nearest"}),
    resizing({"interpolation": "bicubic", "antialias": True}),
    resizing({"interpolation": "lanczos5", **FIRST}, (2, 5, 6)),
    resizing({"crop_to_aspect_ratio": True}, (4, 9, 2)),
    resizing({"pad_to_aspect_ratio": True, "fill_value": 0.5}, (4, 9, 2)),
    resizing({"pad_to_aspect_ratio": True, "fill_value": 2, **FIRST}, (2, 9, 4)),
    LayerCase(L.CenterCrop, {"height": 2, "width": 3}, shapes=[IMAGE]),
    LayerCase(L.CenterCrop, {"height": 5, "width": 2, **FIRST}, shapes=[(2, 6, 5)]),
    LayerCase(L.CenterCrop, {"height": 3, "width": 8}, shapes=[IMAGE]),
    LayerCase(L.CenterCrop, {"height": 7, "width": 7, **FIRST}, shapes=[(2, 6, 5)]),
]

POOL = {"pool_size": 3, "strides": 1, "padding": "same"}
ANOTHER = {"keepdims": True, **FIRST}


def _variations(layers, arguments, others):
    """Returns {layer: (arguments, shapes, others)} for layers of one, two and three axes."""
    shapes = [(5, 5), (5, 5, 5), (5, 5, 5, 5)]
    return {layer: (arguments, [shape], others) for layer, shape in zip(layers, shapes, strict=True) if layer}


POOLING_VARIATIONS = {
    **_variations((L.MaxPooling1D, L.MaxPooling2D, L.MaxPooling3D), {}, {**POOL, **FIRST}),
    **_variations(
        (L.AveragePooling1D, L.AveragePooling2D, L.AveragePooling3D),
        {"pool_size": 3},
        {**POOL, "pool_size": 2, **FIRST},
    ),
    **_variations((L.GlobalMaxPooling1D, L.GlobalMaxPooling2D, L.GlobalMaxPooling3D), {}, ANOTHER),
    **_variations(
        (L.GlobalAveragePooling1D, L.GlobalAveragePooling2D, L.GlobalAveragePooling3D), {}, ANOTHER
    ),
    **_variations((L.ZeroPadding1D, L.ZeroPadding2D, L.ZeroPadding3D), {}, {"padding": 2, **FIRST}),
    **_variations((None, L.Cropping2D, L.Cropping3D), {"cropping": 1}, {"cropping": 0, **FIRST}),
    L.Cropping1D: ({}, [(4, 4)], {"cropping": 0}),
    L.UpSampling1D: ({}, [(3, 3)], {"size": 3}),
    L.UpSampling2D: ({}, [(3, 3, 3)], {"size": 3, "interpolation": "bilinear", **FIRST}),
    L.UpSampling3D: ({}, [(2, 2, 2, 2)], {"size": 3, **FIRST}),
    L.Resizing: (
        {"height": 2, "width": 3, "pad_to_aspect_ratio": True},
        [(4, 4, 4)],
        {
            "height": 3,
            "width": 2,
            "interpolation": "nearest",
            "crop_to_aspect_ratio": True,
            "pad_to_aspect_ratio": False,
            "fill_mode": "reflect",
            "fill_value": 1.0,
            "antialias": True,
            **FIRST,
        },
    ),
    L.CenterCrop: ({"height": 2, "width": 3}, [(4, 4, 4)], {"height": 3, "width": 2, **FIRST}),
}
