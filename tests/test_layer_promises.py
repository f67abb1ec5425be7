"""Layers that break their promises are named: no result, another shape, a gradient that was replaced."""

import numpy as np
import pytest

import kerasette as k
from kerasette import layers


class Forgetful(layers.Layer):
    """A layer whose author forgot the last line of backward."""

    def forward(self, ctx, w, x):
        return x * 2.0, None

    def backward(self, ctx, w, dw, dy, cache):
        pass


def test_a_backward_without_result_is_named():
    model = k.Sequential([k.Input((3,)), layers.Dense(3), Forgetful(name="forgetful")]).compile("mse", "sgd")
    with pytest.raises(TypeError, match=r"forgetful: Forgetful\.backward returned None"):
        model.train_on_batch(np.ones((2, 3)), np.ones((2, 3)))
    with pytest.raises(TypeError, match="returned None"):
        k.testing.check_gradients(Forgetful(), (2, 3))


def model_of(layer):
    inputs = k.Input((3,))
    return k.Model(inputs, layer(inputs)).compile("mse", "sgd")


def scale_layer(forward=None, backward=None):
    class Scale(layers.Layer):
        def build(self, shape):
            self.add_param("w", shape, "ones")

    Scale.forward = forward or (lambda self, ctx, w, x: (x * w["w"], x))
    Scale.backward = backward or (lambda self, ctx, w, dw, dy, x: dw["w"].__setitem__(..., (dy * x).sum(0)))
    return Scale()


def test_replacing_a_gradient_is_noticed():
    def backward(self, ctx, w, dw, dy, x):
        dw["w"] = (dy * x).sum(axis=0)

    model = model_of(scale_layer(backward=backward))
    with pytest.raises(TypeError, match=r"Write into it: dw\['w'\]\[\.\.\.\] = gradient"):
        model.train_on_batch(np.ones((4, 3)), np.ones((4, 3)))


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (lambda self, ctx, w, x: x * w["w"], "forward must return two things"),
        (lambda self, ctx, w, x: (x[:, :2], None), "but output_shape declares"),
    ],
)
def test_a_forward_that_returns_something_else_is_named(forward, message):
    with pytest.raises((TypeError, ValueError), match=f"scale.*{message}"):
        model_of(scale_layer(forward)).predict(np.ones((4, 3)), verbose=0)
