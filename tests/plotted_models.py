"""Models to draw, the first bytes of pictures, and readers of tables, for the tests of plotting."""

import kerasette as kt
from kerasette import layers, plotting
from kerasette.graph import Operation

PNG, PDF = b"\x89PNG\r\n\x1a\n", b"%PDF"
CURVES = {"accuracy": [0.1, 0.5, 0.8], "loss": [3.0, 2.0, 1.0], "val_loss": [3.5, 3.0, 2.5]}


class Plus(Operation):
    """A sum as a bare operation, as a + b makes one."""

    def __init__(self, name):
        self.name = name


def plus(*tensors, name="add"):
    return Plus(name).symbolic_call(tensors)


def mlp(**keywords):
    return kt.Sequential(
        [
            kt.Input((4,), name="features"),
            layers.Dense(8, activation="tanh", name="first"),
            layers.Dense(3, activation="softmax", name="second"),
        ],
        **keywords,
    )


def shared():
    """Two inputs through one encoder, a residual sum, two outputs."""
    left, right = kt.Input((4,), name="left"), kt.Input((4,), name="right")
    encoder = layers.Dense(8, name="encoder")
    both = plus(encoder(left), encoder(right))
    hidden = layers.Dense(8, activation="relu", name="hidden")(both)
    end = plus(hidden, both, name="add_1")
    outputs = [layers.Dense(3, name="kind")(end), layers.Dense(1, name="score")(end)]
    return kt.Model([left, right], outputs, name="siamese")


def nested():
    x = kt.Input((4,), name="x")
    block = mlp(name="block")
    wrap_in = kt.Input((4,), name="wrap_in")
    wrap = kt.Model(wrap_in, plus(block(wrap_in), block(wrap_in), name="sum"), name="wrap")
    return kt.Model(x, layers.Dense(2, name="end")(wrap(x)), name="outer")


def text_of(model, **keywords):
    lines = []
    plotting.summary(model, print_fn=lines.append, **keywords)
    return "\n".join(lines)


def cells(text):
    """Returns the rows of a table as lists of stripped texts."""
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in text.split("\n") if "│" in line]
