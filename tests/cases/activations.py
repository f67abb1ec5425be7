"""Activations."""

from kerasette import functions as f
from tests.harness import Case, away_from

X = [(4, 6)]
CUBE = [(2, 3, 4)]


def activation(name, *kinks, shapes=X, in_place=True, **keywords):
    """A case of an activation that Keras has under the same name."""
    forward, backward = getattr(f, name), getattr(f, f"{name}_backward")
    inputs = [away_from(*kinks)]
    words = {"inputs": inputs, "keras": f"activations.{name}", "in_place": in_place, **keywords}
    return Case(forward, backward, shapes, **words)


ACTIVATIONS = [
    activation("linear"),
    activation("relu", 0.0),
    activation("relu", 0.0, negative_slope=0.3),
    activation("relu", 0.0, 1.0, max_value=1.0),
    activation("relu", 0.0, 6.0, max_value=6.0),
    activation("relu", 0.5, threshold=0.5),
    activation("relu", 0.5, 1.5, negative_slope=0.3, max_value=1.5, threshold=0.5),
    activation("relu", -0.5, 0.0, 1.5, negative_slope=0.3, max_value=1.5, threshold=-0.5),
    activation("relu6", 0.0, 6.0, inputs=[away_from(0.0, 6.0)], shapes=[(5, 9)]),
    activation("leaky_relu", 0.0),
    activation("leaky_relu", 0.0, negative_slope=1.5),
    activation("leaky_relu", 0.0, negative_slope=-0.5),
    activation("elu", 0.0),
    activation("elu", 0.0, alpha=0.5),
    activation("selu", 0.0),
    activation("celu", 0.0),
    activation("celu", 0.0, alpha=0.5),
    activation("softmax"),
    activation("softmax", shapes=CUBE, axis=1),
    activation("softmax", shapes=CUBE, axis=(1, 2)),
    activation("softmax", shapes=CUBE, axis=None),
    activation("log_softmax"),
    activation("log_softmax", shapes=CUBE, axis=1),
    activation("sparsemax", keras=None),  # Keras 3.15's rows don't add up to 1; see test_activations.py
    activation("sparsemax", shapes=CUBE, axis=1, keras=None),
    activation("softplus"),
    activation("softsign", in_place=False),
    activation("squareplus"),
    activation("squareplus", b=1),
    activation("soft_shrink", -0.5, 0.5),
    activation("soft_shrink", -1.0, 1.0, threshold=1.0),
    activation("hard_shrink", -0.5, 0.5),
    activation("hard_shrink", -1.0, 1.0, threshold=1.0),
    activation("threshold", 0.2, threshold=0.2, default_value=-1.0),
    activation("tanh"),
    activation("tanh_shrink"),
    activation("silu", in_place=False),
    activation("sigmoid"),
    activation("exponential"),
    activation("hard_sigmoid", -3.0, 3.0, shapes=[(5, 9)]),
    activation("hard_silu", -3.0, 3.0, shapes=[(5, 9)], in_place=False),
    activation("gelu", in_place=False),
    activation("gelu", approximate=True, in_place=False),
    activation("mish", in_place=False),
    activation("log_sigmoid"),
    activation("sparse_plus", -1.0, 1.0),
    activation("sparse_sigmoid", -1.0, 1.0),
    activation("hard_tanh", -1.0, 1.0),
    activation("glu", in_place=False),
    activation("glu", shapes=CUBE, axis=-1, in_place=False),
    activation("glu", shapes=[(2, 4, 3)], axis=1, in_place=False),
]
