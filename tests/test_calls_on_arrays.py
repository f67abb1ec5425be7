"""Calls of layers on arrays: the numbers they draw, and whose memory the result is."""

import numpy as np
import pytest

from kerasette import layers as L  # noqa: N812

ONES = np.ones((4, 6, 6), "float32")
RECURRENT = {"dropout": 0.5, "seed": 1, "kernel_initializer": "ones", "recurrent_initializer": "ones"}
SEEDED = {
    "Dropout": lambda: L.Dropout(0.5, seed=1),
    "GaussianNoise": lambda: L.GaussianNoise(0.5, seed=1),
    "GaussianDropout": lambda: L.GaussianDropout(0.5, seed=1),
    "AlphaDropout": lambda: L.AlphaDropout(0.5, seed=1),
    "SpatialDropout1D": lambda: L.SpatialDropout1D(0.5, seed=1),
    "LSTM": lambda: L.LSTM(3, **RECURRENT),
    "Bidirectional": lambda: L.Bidirectional(L.LSTM(3, **RECURRENT)),
    "RandomContrast": lambda: L.RandomContrast(0.5, seed=1),
}


@pytest.mark.parametrize("name", SEEDED)
def test_a_seed_gives_a_sequence_that_a_fresh_layer_repeats(name):
    x = np.arange(4 * 6 * 6 * 3.0).reshape(4, 6, 6, 3) if name == "RandomContrast" else ONES
    first, second = SEEDED[name](), SEEDED[name]()
    sequence = [first(x, training=True) for _ in range(3)]
    assert not np.array_equal(sequence[0], sequence[1]) and not np.array_equal(sequence[1], sequence[2])
    second(x, training=False)  # draws nothing
    for y in sequence:
        assert np.array_equal(second(x, training=True), y)


class Same(L.Layer):
    def forward(self, ctx, w, x):
        return x, None


class Twice(L.Layer):
    def output_shape(self, shape):
        return shape, shape

    def forward(self, ctx, w, x):
        return (x, x[:]), None


@pytest.mark.parametrize(
    "layer",
    [
        L.Dropout(0.5),
        L.GaussianNoise(0.5),
        L.Identity(),
        L.Activation("linear"),
        L.ActivityRegularization(),
        L.Flatten(),
        L.Reshape((2, 3)),
        L.Permute((2, 1)),
        L.Cropping1D(1),
        L.RandomBrightness(0.5),
        Same(),
        Twice(),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_the_result_is_no_memory_of_the_input(layer):
    x = np.ones((2, 3, 2), "float32")
    if isinstance(layer, L.RandomBrightness):
        x = np.ones((2, 3, 3, 3), "float32")
    results = layer(x, training=False)
    for y in results if isinstance(results, tuple) else [results]:
        assert not np.shares_memory(y, x)
        y[...] = 0.0
    assert (x == 1.0).all()
