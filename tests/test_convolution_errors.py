"""Errors of convolution layers, while the model is described where they can be; and empty batches."""

import numpy as np
import pytest

import kerasette as k
from kerasette import functions, layers
from kerasette.errors import InvalidValue, KerasetteError
from tests.convolution_cases import EVERY, SAMPLE, make, normal, rank_of


def build(shape, name="Conv2D", **arguments):
    return make(name, **arguments)(k.Input(shape))


IMAGE = (6, 5, 4)
WRONG = {
    "filters": (lambda: layers.Conv2D(0, 3), "filters must be a whole number of at least 1, got 0"),
    "filters None": (lambda: layers.Conv2D(None, 3), "filters must be a whole number"),
    "window": (lambda: layers.Conv2D(4, (3, 3, 3)), "kernel_size must be one whole number or 2"),
    "window 0": (lambda: layers.Conv2D(4, 0), "kernel_size must be a whole number of at least 1"),
    "strides": (lambda: layers.Conv2D(4, 3, strides=0), "strides must be a whole number of at least 1"),
    "dilation": (lambda: layers.Conv2D(4, 3, dilation_rate=1.5), "dilation_rate must be a whole number"),
    "both": (lambda: layers.Conv2D(4, 3, 2, dilation_rate=2), "can't both be more than 1"),
    "both transposed": (lambda: layers.Conv2DTranspose(4, 3, 2, dilation_rate=2), "can't both be more"),
    "padding": (
        lambda: layers.Conv2D(4, 3, padding="full"),
        "padding must be one of 'valid', 'same', got 'full'",
    ),
    "padding typo": (lambda: layers.Conv1D(4, 3, padding="casual"), "Did you mean 'causal'"),
    "padding pairs": (lambda: layers.Conv2D(4, 3, padding=((1, 1), (1, 1))), "padding must be one of"),
    "causal image": (lambda: layers.Conv2D(4, 3, padding="causal"), "padding must be one of"),
    "causal depthwise": (lambda: layers.DepthwiseConv1D(3, padding="causal"), "padding must be one of"),
    "data_format": (lambda: layers.Conv2D(4, 3, data_format="NHWC"), "data_format must be one of"),
    "groups": (lambda: layers.Conv2D(4, 3, groups=0), "groups must be a whole number of at least 1"),
    "groups of filters": (lambda: layers.Conv2D(3, 3, groups=2), "filters must be a multiple of groups"),
    "groups of channels": (
        lambda: build((6, 6, 3), filters=4, groups=2),
        "3 input channels can't be cut into 2",
    ),
    "multiplier": (lambda: layers.DepthwiseConv2D(3, depth_multiplier=0), "depth_multiplier must be"),
    "activation": (lambda: layers.Conv2D(4, 3, activation="rellu"), "Did you mean 'relu'"),
    "unknown": (lambda: layers.Conv2D(4, 3, kernel_sise=2), "Did you mean 'kernel_size'"),
    "output_padding": (
        lambda: layers.Conv2DTranspose(4, 3, 2, output_padding=2),
        "must be less than the stride",
    ),
    "short": (lambda: layers.Conv1DTranspose(4, 2, padding="same", output_padding=0), "one position short"),
    "negative": (lambda: layers.Conv1DTranspose(4, 2, 2, output_padding=-1), "of at least 0"),
    "too large": (lambda: build((4, 4, 1), kernel_size=5), "a window of 5 doesn't fit into a length of 4"),
    "too wide": (
        lambda: build((None, 4, 1), dilation_rate=2),
        "a window of 5 doesn't fit into a length of 4",
    ),
    "too large depthwise": (lambda: build((2, 9, 1), "DepthwiseConv2D"), "doesn't fit"),
    "too large separable": (lambda: build((2, 1), "SeparableConv1D"), "doesn't fit"),
    "rank": (lambda: build((6, 4)), r"needs inputs with 4 axes \(batch included\), got shape \(None, 6, 4\)"),
    "rank 1": (lambda: build(IMAGE, "Conv1D"), "needs inputs with 3 axes"),
    "channels": (lambda: build((6, 5, None)), "needs to know the number of channels"),
    "channels first": (
        lambda: build((None, 6, 5), data_format="channels_first"),
        "needs to know the number of channels.*channels_first",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_errors(case):
    attempt, message = WRONG[case]
    with pytest.raises(KerasetteError, match=message) as problem:
        attempt()
    assert len(str(problem.value)) <= 400


@pytest.mark.parametrize("name", EVERY)
def test_other_channels_than_before(name):
    layer, rank = make(name), rank_of(name)
    layer(k.Input((*SAMPLE[rank], 4)))
    with pytest.raises(InvalidValue, match=r"was built for 4 channels, got inputs of shape .*which have 6"):
        layer(k.Input((*SAMPLE[rank], 6)))
    with pytest.raises(InvalidValue, match="was built for 4 channels"):
        layer(normal(1, *SAMPLE[rank], 6))


def test_an_image_too_small_for_an_open_model():
    inputs = k.Input((None, None, 1))
    model = k.Model(inputs, layers.Conv2D(2, 5)(inputs))
    with pytest.raises(InvalidValue, match="a window of 5 doesn't fit into a length of 3"):
        model.predict(np.zeros((1, 3, 9, 1)), verbose=0)


def test_a_kernel_for_other_channels():
    with pytest.raises(InvalidValue, match="doesn't go with 3 channels"):
        functions.conv(normal(1, 4, 3), normal(2, 2, 4))


@pytest.mark.parametrize("name", EVERY)
def test_an_empty_batch(name):
    layer, rank = make(name), rank_of(name)
    full = layer(normal(1, *SAMPLE[rank], 2))
    assert layer(normal(0, *SAMPLE[rank], 2)).shape == (0, *full.shape[1:])
