"""Losses, from predictions and fused with the last activation."""

from kerasette import functions as f
from tests.harness import Case, integers, normal, one_hot, probabilities, uniform


def loss(name, y_true=normal, y_pred=normal, shape=(5, 4), labels=None, **keywords):
    """A case of a loss that Keras has under the same name; `labels` is the shape of y_true if it differs."""
    forward, backward = getattr(f, name), getattr(f, f"{name}_backward")
    words = {"inputs": [y_true, y_pred], "differentiate": (1,), "keras": f"losses.{name}", **keywords}
    return Case(forward, backward, [labels or shape, shape], **words)


def fused(name, of, y_true, shape=(5, 4), labels=None, **keywords):
    """A case of a loss that takes logits, against `of` in Keras with from_logits."""

    def from_logits(keras, labels, logits):
        return getattr(keras.losses, of)(labels, logits, from_logits=True, **keywords)

    return loss(name, y_true, normal, shape, labels, keras=from_logits, **keywords)


def focal_of_logits(keras, labels, logits):
    return keras.losses.binary_focal_crossentropy(labels, logits, from_logits=True)


INSIDE = uniform(0.1, 0.9)
POSITIVE = uniform(0.2, 3.0)
BINARY = integers(0, 2)
CLASSES = integers(0, 4)
SIGNS = uniform(-1.0, 1.0)


def _shifted_probabilities(rng, shape):
    """Rows that don't add up to 1, which the losses put right."""
    return probabilities(rng, shape) * 1.1


def _probabilities_on_axis_1(rng, shape):
    return probabilities(rng, shape, axis=1)


LOSSES = [
    loss("mean_squared_error"),
    loss("mean_squared_error", shape=(2, 3, 4)),
    loss("mean_absolute_error"),
    loss("mean_absolute_percentage_error"),
    loss("mean_squared_logarithmic_error", POSITIVE, POSITIVE),
    loss("huber"),
    loss("huber", delta=0.5),
    loss("log_cosh"),
    loss("poisson", POSITIVE, POSITIVE),
    loss("hinge", BINARY),
    loss("hinge", SIGNS),
    loss("squared_hinge", BINARY),
    loss("squared_hinge", SIGNS),
    loss("categorical_hinge", one_hot),
    loss("cosine_similarity"),
    loss("cosine_similarity", shape=(2, 3, 4), axis=1),
    loss("dice", INSIDE, INSIDE),
    loss("dice", INSIDE, INSIDE, shape=(2, 3, 4), axis=(1, 2)),
    loss("tversky", INSIDE, INSIDE),
    loss("tversky", INSIDE, INSIDE, shape=(2, 3, 4), alpha=0.3, beta=0.8, axis=(1, 2)),
    loss("kl_divergence", probabilities, probabilities),
    loss("categorical_crossentropy", one_hot, probabilities),
    loss("categorical_crossentropy", probabilities, _shifted_probabilities, label_smoothing=0.1),
    loss("categorical_crossentropy", one_hot, from_logits=True),
    loss("categorical_crossentropy", _probabilities_on_axis_1, probabilities, shape=(2, 3, 4), axis=1),
    loss("sparse_categorical_crossentropy", CLASSES, _shifted_probabilities, labels=(5,)),
    loss("sparse_categorical_crossentropy", CLASSES, probabilities, labels=(5, 1)),
    loss("sparse_categorical_crossentropy", CLASSES, probabilities, shape=(2, 3, 4), labels=(2, 3)),
    loss("sparse_categorical_crossentropy", CLASSES, from_logits=True, labels=(5,)),
    loss("sparse_categorical_crossentropy", CLASSES, probabilities, labels=(5,), ignore_class=1),
    loss(
        "sparse_categorical_crossentropy",
        integers(0, 3),
        probabilities,
        (2, 3, 4),
        (2, 4),
        axis=1,
        keras=None,
    ),
    loss("binary_crossentropy", BINARY, INSIDE),
    loss("binary_crossentropy", INSIDE, INSIDE, label_smoothing=0.1),
    loss("binary_crossentropy", BINARY, from_logits=True),
    loss("binary_crossentropy", BINARY, INSIDE, axis=(0, 1)),
    loss("categorical_focal_crossentropy", one_hot, _shifted_probabilities),
    loss("categorical_focal_crossentropy", one_hot, from_logits=True, label_smoothing=0.1, gamma=1.5),
    loss("categorical_focal_crossentropy", one_hot, probabilities, alpha=[0.1, 0.2, 0.3, 0.4], gamma=0.0),
    loss("binary_focal_crossentropy", BINARY, INSIDE),
    loss("binary_focal_crossentropy", BINARY, INSIDE, apply_class_balancing=True, alpha=0.3, gamma=0.5),
    loss("binary_focal_crossentropy", BINARY, from_logits=True, label_smoothing=0.1),
    loss("sigmoid_focal_crossentropy", BINARY, keras=focal_of_logits),
    loss("sigmoid_focal_crossentropy", BINARY, shape=(2, 3, 4), gamma=0.5, axis=(1, 2), keras=None),
    fused("softmax_crossentropy", "categorical_crossentropy", one_hot),
    fused("softmax_crossentropy", "categorical_crossentropy", probabilities, label_smoothing=0.2),
    fused("softmax_crossentropy", "categorical_crossentropy", _probabilities_on_axis_1, (2, 3, 4), axis=1),
    loss(
        "softmax_crossentropy", INSIDE, keras=None
    ),  # several labels a row: TensorFlow's gradient is off there
    fused("sparse_softmax_crossentropy", "sparse_categorical_crossentropy", CLASSES, labels=(5,)),
    fused("sparse_softmax_crossentropy", "sparse_categorical_crossentropy", CLASSES, (2, 3, 4), (2, 3)),
    fused(
        "sparse_softmax_crossentropy", "sparse_categorical_crossentropy", CLASSES, labels=(5,), ignore_class=1
    ),
    loss("sparse_softmax_crossentropy", integers(0, 3), shape=(2, 3, 4), labels=(2, 4), axis=1, keras=None),
    fused("sigmoid_crossentropy", "binary_crossentropy", BINARY),
    fused("sigmoid_crossentropy", "binary_crossentropy", INSIDE, label_smoothing=0.2),
    fused("sigmoid_crossentropy", "binary_crossentropy", BINARY, (2, 3, 4), axis=(1, 2)),
]
