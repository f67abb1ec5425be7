"""Random models of images: one code text that builds the same model in Keras and in kerasette.

    model = random_images.build(keras, seed)
    twin = random_images.build(kerasette, seed)

The form is that of random_graphs: each function takes the library as `k` and draws from `random.Random`.
A bias that a normalization takes away again would have a gradient of rounding errors only, which Adam and
Lion blow up: so each bias is followed by a bent activation, and normalizations follow layers without bias.
"""

import random

import numpy as np

from tests import random_graphs

ROWS = 14  # with batches of 8: 8 + 6
GROUPED_ROWS = 8  # TensorFlow compiles grouped convolutions anew for each batch size
BENT = ("tanh", "sigmoid", "elu", "softplus", "silu", "gelu", "relu", "softmax")
OUTPUT_SIZE = (5, 6)
HEADS = {  # kind of output -> (units, activation, losses, metrics)
    "real": (2, "linear", ("mse", "mae", "huber"), ("mae", "cosine_similarity")),
    "class": (3, "softmax", ("categorical_crossentropy", "kl_divergence"), ("accuracy",)),
    "label": (3, "softmax", ("sparse_categorical_crossentropy",), ("accuracy",)),
    "yes": (1, "sigmoid", ("binary_crossentropy", "binary_focal_crossentropy"), ("accuracy",)),
    "image": (1, "sigmoid", ("binary_crossentropy", "mse"), ("mae", "binary_accuracy")),
}


class Grower(random_graphs.Grower):
    """Grows a graph of images, 3 to 12 pixels high and wide, step by step.

    Args:
        k: keras or kerasette.
        draw: a random.Random.
        grouped: whether one of the convolutions works in groups of channels.
    """

    def __init__(self, k, draw, grouped=False):
        super().__init__(k, draw)
        self.grouped = grouped
        self.convolutions = []  # (layer, channels of its input), to be shared

    # ------------------------------------------------------------ helpers

    def bent(self, channels=2):
        return self.draw.choice(BENT if channels > 1 else BENT[:-1])

    def small(self, x):
        return min(x.shape[1:3]) < 6

    def window(self, x):
        """Returns keywords for a window that fits: kernel_size, strides, padding, dilation_rate."""
        if self.small(x):
            return {"kernel_size": self.draw.choice([1, 2, 3, (3, 2)]), "padding": "same"}
        return {
            "kernel_size": self.draw.choice([1, 2, 3, (3, 2), (1, 3)]),
            "padding": self.draw.choice(["same", "valid", "SAME"]),
            **self.draw.choice([{}, {"strides": 2}, {"strides": (2, 1)}, {"dilation_rate": 2}]),
        }

    def square_window(self, x):
        """The same with equal strides, which is what TensorFlow's depthwise convolution takes."""
        settings = self.window(x)
        return settings | {"strides": 2} if "strides" in settings else settings

    def penalties(self, *names):
        return {f"{name}_regularizer": self.regularizer() for name in names}

    def same_size(self, x):
        """Returns another tensor of the height and width of `x`; where there is none, one is resized."""
        others = [t for t in self.pool if t.shape[1:3] == x.shape[1:3] and t is not x]
        if others:
            return self.draw.choice(others)
        how = self.draw.choice(["nearest", "bilinear"])
        return self.layers.Resizing(*x.shape[1:3], interpolation=how)(self.draw.choice(self.pool))

    # ------------------------------------------------------------ convolutions

    def convolution(self):
        x = self.pick()
        layer = self.layers.Conv2D(
            self.draw.choice((2, 3, 4)),
            activation=self.bent(),
            kernel_constraint=self.constraint(),
            activity_regularizer=self.activity(),
            **self.window(x),
            **self.penalties("kernel", "bias"),
        )
        self.convolutions.append((layer, x.shape[-1]))
        return layer(x)

    def shared(self):
        x = self.pick()
        fitting = [layer for layer, channels in self.convolutions if channels == x.shape[-1]]
        return self.draw.choice(fitting)(x) if fitting and not self.small(x) else self.convolution()

    def in_groups(self):
        x = self.layers.Conv2D(4, 1, activation="tanh")(self.pool[0])
        groups, settings = self.draw.choice([2, 4]), self.draw.choice([{}, {"strides": 2, "padding": "same"}])
        return self.layers.Conv2D(4, 3, groups=groups, activation=self.bent(), **settings)(x)

    def depthwise(self):
        x = self.pick()
        multiplier = self.draw.choice([1, 2]) if x.shape[-1] < 4 else 1
        return self.layers.DepthwiseConv2D(
            depth_multiplier=multiplier,
            activation=self.bent(x.shape[-1] * multiplier),
            **self.square_window(x),
            **self.penalties("depthwise"),
        )(x)

    def separable(self):
        x = self.pick()
        return self.layers.SeparableConv2D(
            self.draw.choice((2, 3, 4)),
            depth_multiplier=self.draw.choice([1, 2]),
            activation=self.bent(),
            **self.square_window(x),
            **self.penalties("depthwise", "pointwise"),
        )(x)

    def transposed(self):
        x = self.pick()
        strides = self.draw.choice([1, 2, (1, 2)]) if self.small(x) else 1
        ends = [{}, {"padding": "same"}]
        if strides == 2:
            ends += [{"padding": "same", "output_padding": 1}, {"output_padding": (1, 0)}]
        return self.layers.Conv2DTranspose(
            self.draw.choice((2, 3)),
            self.draw.choice([2, 3, (3, 2)]),
            strides=strides,
            activation=self.bent(),
            **self.draw.choice(ends),
            **self.penalties("kernel"),
        )(x)

    # ------------------------------------------------------------ everything else

    def pooling(self):
        x = self.pick()
        layer = self.draw.choice([self.layers.MaxPooling2D, self.layers.AveragePooling2D])
        if self.small(x):
            return layer(self.draw.choice([2, 3, (3, 2)]), strides=1, padding="same")(x)
        return layer(
            self.draw.choice([2, 3, (2, 3)]),
            strides=self.draw.choice([None, 2, (1, 2)]),
            padding=self.draw.choice(["valid", "same"]),
        )(x)

    def resample(self):
        x, layers = self.pick(), self.layers
        smaller = [
            lambda: layers.Cropping2D(1),
            lambda: layers.Cropping2D(((1, 0), (0, 2))),
            lambda: layers.CenterCrop(4, 5),
            lambda: layers.Resizing(5, 4),
        ]
        larger = [
            lambda: layers.ZeroPadding2D(1),
            lambda: layers.ZeroPadding2D(((0, 1), (2, 0))),
            lambda: layers.UpSampling2D(2),
            lambda: layers.UpSampling2D((1, 2)),
            lambda: layers.UpSampling2D(2, interpolation="bilinear"),
        ]
        return self.draw.choice(larger if self.small(x) else smaller)()(x)

    def normalized(self):
        """A convolution without bias, a normalization and an activation."""
        x, layers = self.pick(), self.layers
        x = layers.Conv2D(4, use_bias=False, **self.window(x))(x)
        choices = [
            lambda: layers.BatchNormalization(momentum=0.7),
            lambda: layers.BatchNormalization(epsilon=0.01, gamma_regularizer="l2"),
            lambda: layers.BatchNormalization(momentum=0.9, scale=False),
            lambda: layers.GroupNormalization(groups=2),
            lambda: layers.GroupNormalization(groups=-1, epsilon=0.01),
            lambda: layers.GroupNormalization(groups=1, center=False),
            lambda: layers.LayerNormalization(axis=[1, 2, 3]),
        ]
        return layers.Activation(self.bent())(self.draw.choice(choices)()(x))

    def residual(self):
        x = self.pick()
        settings = {"padding": "same", "use_bias": False}
        y = self.layers.Conv2D(x.shape[-1], 3, **settings)(x)
        y = self.layers.Activation("relu")(self.layers.BatchNormalization(momentum=0.8)(y))
        y = self.layers.Conv2D(x.shape[-1], (2, 3), **settings)(y)
        return self.draw.choice([lambda: x + y, lambda: self.layers.add([x, y]), lambda: x - 0.5 * y])()

    def joined(self):
        a = self.pick()
        b, layers = self.same_size(a), self.layers
        if a.shape[-1] + b.shape[-1] > 6:
            b = layers.Conv2D(2, 1, activation="tanh")(b)
        choices = [lambda: layers.Concatenate()([a, b]), lambda: layers.concatenate([b, a], axis=3)]
        if a.shape == b.shape:
            choices += [lambda: layers.Maximum()([a, b]), lambda: layers.Average()([a, b])]
        return self.draw.choice(choices)()

    def activate(self):
        x, layers = self.pick(), self.layers
        choices = [
            lambda: layers.Activation(self.bent(x.shape[-1])),
            lambda: layers.LeakyReLU(0.1),
            lambda: layers.PReLU(shared_axes=[1, 2], alpha_initializer="ones"),
            lambda: layers.PReLU(alpha_regularizer="l2"),
            lambda: layers.ReLU(max_value=1.5),
            lambda: layers.Rescaling(0.5, offset=0.1),
            lambda: layers.SpatialDropout2D(0.0),
        ]
        return self.draw.choice(choices)()(x)

    # ------------------------------------------------------------ the whole

    def grow(self, steps):
        methods = [
            self.convolution, self.shared, self.depthwise, self.separable, self.transposed, self.pooling,
            self.pooling, self.resample, self.resample, self.normalized, self.normalized, self.residual,
            self.joined, self.joined, self.activate,
        ]  # fmt: skip
        for method in self.draw.sample(methods, steps):
            made = method()
            if max(made.shape[1:3]) > 12:
                made = self.layers.CenterCrop(9, 8)(made)
            self.pool.append(made)
        if self.grouped:  # at the end, where it surely leads to the output
            self.pool.append(self.in_groups())

    def vector(self, x):
        """Returns `x` as (batch, width)."""
        layers = self.layers
        return self.draw.choice([
            lambda: layers.GlobalAveragePooling2D()(x),
            lambda: layers.GlobalMaxPooling2D()(x),
            lambda: layers.Flatten()(layers.GlobalMaxPooling2D(keepdims=True)(x)),
            lambda: layers.Dense(3, activation="tanh")(layers.Flatten()(x)),
        ])()  # fmt: skip

    def model(self, inputs, kind):
        """Ends the graph: its last tensors and each input flow into the output."""
        units, activation, *_ = HEADS[kind]
        ends = [*self.pool[-3:], *inputs]
        if kind == "image":
            sized = [self.layers.Resizing(*OUTPUT_SIZE)(x) for x in ends]
            trunk = self.layers.Conv2D(3, 1, activation="tanh")(self.layers.Concatenate()(sized))
            output = self.layers.Conv2D(units, 3, padding="same", activation=activation, name=kind)(trunk)
        else:
            trunk = self.layers.Concatenate()([self.vector(x) for x in ends])
            trunk = self.layers.Dense(4, activation="tanh")(trunk)
            output = self.layers.Dense(units, activation=activation, name=kind)(trunk)
        return self.k.Model(inputs[0] if len(inputs) == 1 else inputs, output)


def plan(seed):
    """Returns (random.Random, shapes of the inputs, kind of the output, grouped) of model number `seed`."""
    draw = random.Random(seed)
    shapes = [(draw.randint(6, 9), draw.randint(6, 9), draw.randint(1, 3)) for _ in range(1 + seed % 2)]
    return draw, shapes, draw.choice(sorted(HEADS)), seed % 12 == 5


def build(k, seed, noisy=False, steps=None):
    """Returns model number `seed` of the library `k`; `noisy` is random_graphs's and does nothing here."""
    draw, shapes, kind, grouped = plan(seed)
    grower = Grower(k, draw, grouped)
    inputs = [k.Input(shape, name=f"input_{number}") for number, shape in enumerate(shapes)]
    grower.pool = list(inputs)
    grower.grow(draw.randint(3, 9) if steps is None else steps)
    return grower.model(inputs, kind)


def data(seed, rows=None, dtype="float32"):
    """Returns (xs, ys, weights): lists of arrays, one for each input, output, output."""
    _, shapes, kind, grouped = plan(seed)
    rows = rows or (GROUPED_ROWS if grouped else ROWS)
    rng = np.random.default_rng(seed)
    xs = [rng.normal(size=(rows, *shape)).astype(dtype) for shape in shapes]
    labels = rng.integers(0, 3, rows)
    y = {
        "real": rng.normal(size=(rows, 2)),
        "class": np.eye(3)[labels],
        "label": labels,
        "yes": rng.integers(0, 2, (rows, 1)),
        "image": rng.uniform(size=(rows, *OUTPUT_SIZE, 1)),
    }[kind]
    y = y if kind == "label" else y.astype(dtype)
    weights = rng.uniform(0.2, 2.0, (rows, *(OUTPUT_SIZE if kind == "image" else ())))
    return xs, [y], [weights.astype(dtype)]  # of images one for each pixel


def settings(k, seed, weighted=True):
    """Returns the keywords of compile, but for the optimizer, for model number `seed`."""
    _, _, kind, _ = plan(seed)
    draw = random.Random(seed + 1000)
    _, _, losses, metrics = HEADS[kind]
    chosen = {"loss": draw.choice(losses), "metrics": [draw.choice(metrics)]}
    return chosen | ({"weighted_metrics": [draw.choice(metrics)]} if weighted else {})
