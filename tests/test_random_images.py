"""Models of images against Keras: random graphs from one code text, weights copied, every number compared.

Models with an even number compute in float64 (held to 1e-5), the others in float32 (held to 1e-4).
"""

import collections
import functools

import numpy as np
import pytest

import kerasette
from tests import random_images, test_whole_models

GRAPHS = range(25)  # one for each of the optimizers and schedules
LAYERS = {  # that at least one of the graphs must have
    "Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Conv2DTranspose", "MaxPooling2D", "AveragePooling2D",
    "GlobalMaxPooling2D", "GlobalAveragePooling2D", "ZeroPadding2D", "Cropping2D", "UpSampling2D", "Resizing",
    "CenterCrop", "BatchNormalization", "GroupNormalization", "Add", "Concatenate",
}  # fmt: skip


class Pair(test_whole_models.Pair):
    """One random model of images in both libraries; kernels are scaled so that activations stay small."""

    graphs = random_images

    def __init__(self, number):
        super().__init__(number)
        for array in self.start:
            if array.ndim > 1:
                array *= 1.5 / np.sqrt(array[..., 0].size)


@functools.cache
def pair(number):
    return Pair(number)


def test_the_graphs_have_all_kinds_of_layers():
    models = [random_images.build(kerasette, number) for number in GRAPHS]
    counts = collections.Counter(type(layer).__name__ for model in models for layer in model.layers)
    assert not LAYERS - set(counts)
    convolutions = [layer for model in models for layer in model.layers if type(layer).__name__ == "Conv2D"]
    assert any(layer.groups > 1 for layer in convolutions)
    assert any(layer.strides != (1, 1) and layer.padding == "same" for layer in convolutions)
    assert any(layer.strides != (1, 1) and layer.padding == "valid" for layer in convolutions)
    assert any(layer.dilation_rate != (1, 1) for layer in convolutions)


@pytest.mark.parametrize("number", GRAPHS)
def test_shapes_and_predictions(number):
    twins = pair(number)
    wanted, found = twins.both(
        lambda model: {
            "layers": [(layer.name, tuple(layer.output.shape)) for layer in model.layers],
            "weights": [(*weight.path.split("/")[-2:], tuple(weight.shape)) for weight in model.weights],
            "trainable": [weight.path.split("/")[-2:] for weight in model.trainable_weights],
        }
    )
    assert found == wanted
    twins.reset()
    twins.same(*twins.both(lambda model: model.predict_on_batch(twins.xs)), "predict")


@pytest.mark.parametrize("number", GRAPHS)
def test_gradients(number):
    """One step of SGD at rate 1 moves each weight by its gradient; the moving averages move too."""
    twins = pair(number)
    twins.reset(lambda k: k.optimizers.SGD(1.0), weighted=False)
    wanted, found = twins.both(lambda model: model.train_on_batch(twins.xs, twins.ys, return_dict=True))
    twins.same(wanted, found, "train_on_batch")
    twins.same_weights("after one step")


@pytest.mark.parametrize("number", GRAPHS)
def test_weights_and_history_after_training(number):
    """Two epochs of fit in order, 8 + 6 rows; then all rows with weights."""
    twins = pair(number)
    twins.reset(test_whole_models.optimizer(number))
    settings = {"epochs": 2, "batch_size": 8, "shuffle": False, "verbose": 0}
    wanted, found = twins.both(lambda model: model.fit(twins.xs, twins.ys, **settings).history)
    twins.same(wanted, found, "history")
    twins.same_weights("after fit")
    wanted, found = twins.both(
        lambda model: model.train_on_batch(twins.xs, twins.ys, sample_weight=twins.weights, return_dict=True)
    )
    twins.same(wanted, found, "train_on_batch")
    twins.same_weights("after train_on_batch")
