"""The lines of the convolution layers: layer_cases.py holds them with the others."""

import numpy as np

from kerasette import layers as L  # noqa: N812
from tests.layer_harness import LayerCase

# Keras on TensorFlow adds the bias along the wrong axis where the last length equals the number of filters.
FIRST = {"data_format": "channels_first"}
TWICE = {"strides": 2, "padding": "same"}


def conv(layer, shape, kernel_size, filters=3, **arguments):
    return LayerCase(layer, {"filters": filters, "kernel_size": kernel_size, **arguments}, shapes=[shape])


def depthwise(layer, shape, kernel_size, **arguments):
    return LayerCase(layer, {"kernel_size": kernel_size, **arguments}, shapes=[shape])


CONVOLUTION_CASES = [
    conv(L.Conv1D, (6, 2), 3),
    conv(L.Conv1D, (6, 2), 2, padding="causal", dilation_rate=2, activation="tanh"),
    conv(L.Conv1D, (7, 4), 3, filters=4, padding="CAUSAL", strides=2, groups=2),
    conv(L.Conv1D, (2, 6), 3, **FIRST),
    conv(L.Conv2D, (5, 4, 2), 3, activation="relu"),
    conv(L.Conv2D, (5, 4, 2), (3, 2), padding="SAME", use_bias=False),
    conv(L.Conv2D, (5, 5, 1), (2, 3), strides=(2, 1), padding="same", activation="softmax"),
    conv(L.Conv2D, (5, 6, 4), 2, filters=4, groups=2, dilation_rate=(2, 1)),
    conv(L.Conv2D, (4, 3, 3), 1),
    conv(L.Conv2D, (2, 5, 4), 3, padding="same", **FIRST),
    conv(L.Conv2D, (3, 4, 5), 1, activation="elu", **FIRST),
    conv(L.Conv3D, (3, 4, 3, 2), (2, 3, 2)),
    conv(L.Conv3D, (3, 4, 3, 2), 2, filters=2, **TWICE),
    conv(L.Conv3D, (2, 3, 3, 4), 2, filters=2, **FIRST),
    conv(L.Conv1DTranspose, (4, 2), 3, strides=2),
    conv(L.Conv1DTranspose, (4, 2), 3, padding="same", dilation_rate=2),
    conv(L.Conv2DTranspose, (3, 4, 2), 3, activation="relu", **TWICE),
    conv(L.Conv2DTranspose, (3, 4, 2), (3, 2), strides=2, output_padding=(1, 0), use_bias=False),
    conv(L.Conv2DTranspose, (2, 3, 4), 2, strides=2, padding="SAME", output_padding=1, **FIRST),
    conv(L.Conv2DTranspose, (3, 4, 2), 1),
    conv(L.Conv3DTranspose, (2, 3, 2, 2), 2, filters=2, strides=2),
    conv(L.Conv3DTranspose, (2, 3, 2, 2), 3, filters=2, padding="same", output_padding=1, strides=2),
    depthwise(L.DepthwiseConv1D, (6, 2), 3, depth_multiplier=2),
    depthwise(L.DepthwiseConv1D, (2, 6), 3, **TWICE, **FIRST),
    depthwise(L.DepthwiseConv2D, (5, 4, 3), (3, 2), padding="same", activation="relu"),
    depthwise(L.DepthwiseConv2D, (6, 6, 2), 2, strides=2, dilation_rate=2, use_bias=False),
    depthwise(L.DepthwiseConv2D, (2, 5, 3), 3, depth_multiplier=2, padding="SAME", **FIRST),
    conv(L.SeparableConv1D, (6, 2), 3, padding="same"),
    conv(L.SeparableConv1D, (6, 2), 3, dilation_rate=2, depth_multiplier=2),
    conv(L.SeparableConv2D, (5, 4, 3), (3, 2), activation="tanh"),
    conv(L.SeparableConv2D, (5, 4, 2), 3, depth_multiplier=2, use_bias=False, **TWICE),
    conv(L.SeparableConv2D, (2, 5, 4), 3, padding="same", **FIRST),
]


def weight(*names):
    """Other initializers, regularizers and constraints of these parameters."""
    others = {"initializer": "ones", "regularizer": "l2", "constraint": "non_neg"}
    return {f"{name}_{what}": value for name in names for what, value in others.items()}


def variations(**further):
    """What every convolution takes, each with another value."""
    return {
        "kernel_size": 3,
        "strides": 2,
        "padding": "same",
        "data_format": "channels_first",
        "dilation_rate": 2,
        "activation": "tanh",
        "use_bias": False,
        **weight("bias"),
        **further,
    }


IMAGE = {1: (6, 4), 2: (6, 6, 4), 3: (4, 4, 4, 4)}
FULL = {"filters": 2, "kernel_size": 2}
DEPTHWISE = {"depth_multiplier": 2, **weight("depthwise")}
CONVOLUTION_VARIATIONS = {
    **{
        layer: (FULL, [IMAGE[rank]], variations(filters=4, groups=2, **weight("kernel")))
        for rank, layer in enumerate((L.Conv1D, L.Conv2D, L.Conv3D), 1)
    },
    **{
        layer: (
            {"filters": 2, "kernel_size": 3, "strides": 2},
            [IMAGE[rank]],
            {**variations(filters=4, output_padding=1, **weight("kernel")), "kernel_size": 4, "strides": 3},
        )
        for rank, layer in enumerate((L.Conv1DTranspose, L.Conv2DTranspose, L.Conv3DTranspose), 1)
    },
    **{
        layer: ({"kernel_size": 2}, [IMAGE[rank]], variations(**DEPTHWISE))
        for rank, layer in enumerate((L.DepthwiseConv1D, L.DepthwiseConv2D), 1)
    },
    **{
        layer: (FULL, [IMAGE[rank]], variations(filters=4, **DEPTHWISE, **weight("pointwise")))
        for rank, layer in enumerate((L.SeparableConv1D, L.SeparableConv2D), 1)
    },
}


# ---------------------------------------------------------------- for the tests of their own

CONVOLUTIONS = ("Conv1D", "Conv2D", "Conv3D")
TRANSPOSED = ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
DEPTHWISE_NAMES = ("DepthwiseConv1D", "DepthwiseConv2D")
SEPARABLE = ("SeparableConv1D", "SeparableConv2D")
EVERY = (*CONVOLUTIONS, *TRANSPOSED, *DEPTHWISE_NAMES, *SEPARABLE)
SAMPLE = {1: (7,), 2: (7, 6), 3: (4, 5, 4)}


def rank_of(name):
    return int(name[name.index("D") - 1]) if "Depth" not in name else int(name[-2])


def make(name, kernel_size=3, filters=4, **arguments):
    first = {} if name in DEPTHWISE_NAMES else {"filters": filters}
    return getattr(L, name)(**first, kernel_size=kernel_size, **arguments)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")
