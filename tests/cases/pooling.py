"""Pooling over windows and whole images, against keras.ops and TensorFlow."""

from tests.cases.layers import layer
from tests.harness import apart, normal
from tests.keras_oracle import tf


def _pool(name, shape, window, strides, padding, inputs):
    def run(keras, x):
        function = getattr(keras.ops, name)
        return function(x, window, strides, padding, data_format="channels_last")

    words = {"window": window, "strides": strides, "padding": padding}
    return layer(name, [shape], *inputs, keras=run, **words)


def pools(shape, window, strides=None, paddings=("valid", "same")):
    """Cases of both kinds of pooling. Maxima are of numbers that are apart: ties are test_pooling.py's."""
    return [
        case
        for padding in paddings
        for case in (
            _pool("max_pool", shape, window, strides, padding, (apart,)),
            _pool("average_pool", shape, window, strides, padding, ()),
        )
    ]


def some_steps(rng, shape):
    """Draws a mask that leaves every sequence some steps."""
    mask = rng.random(shape) < 0.5
    mask[:, rng.integers(shape[1])] = True
    return mask


def _masked_mean(keras, x, mask):
    return keras.layers.GlobalAveragePooling1D()(x, mask=mask)


def _whole(reduce):
    return lambda keras, x: getattr(tf(), reduce)(x, list(range(1, x.ndim - 1)))


POOLING = [
    *pools((2, 7, 3), (2,)),
    *pools((2, 8, 2), (3,), 2),
    *pools((1, 5, 2), (3,), 1),
    *pools((2, 4, 2), (4,)),
    *pools((2, 4, 6, 3), (2, 2)),
    *pools((2, 5, 7, 2), (2, 2)),
    *pools((1, 6, 7, 2), (3, 3), 2),
    *pools((1, 5, 5, 2), (3, 2), (1, 2)),
    *pools((1, 7, 5, 2), (2, 1), (3, 2)),  # gaps between windows
    *pools((1, 4, 4, 2), (2, 3), (2, 1)),  # windows that meet along one axis only
    *pools((2, 3, 4, 1), (5, 5), 2, ("same",)),  # windows larger than the image
    *pools((1, 3, 3, 2), (1, 1), 2),
    *pools((2, 4, 5, 3, 1), (2, 2, 2)),
    *pools((1, 3, 5, 4, 2), (2, 3, 2), (1, 2, 2)),
    layer("global_max_pool", [(3, 5, 2)], apart, keras=_whole("reduce_max")),
    layer("global_max_pool", [(2, 3, 4, 3)], apart, keras=_whole("reduce_max")),
    layer("global_max_pool", [(2, 2, 3, 2, 2)], apart, keras=_whole("reduce_max")),
    layer("global_average_pool", [(3, 5, 2)], keras=_whole("reduce_mean")),
    layer("global_average_pool", [(2, 3, 4, 3)], keras=_whole("reduce_mean")),
    layer("global_average_pool", [(2, 2, 3, 2, 1)], keras=_whole("reduce_mean")),
    layer(
        "global_average_pool", [(3, 5, 2), (3, 5)], normal, some_steps, keras=_masked_mean, differentiate=(0,)
    ),
]
