"""Random functional models: one code text that builds the same model in Keras and in kerasette.

    model = random_graphs.build(keras, seed)
    twin = random_graphs.build(kerasette, seed)

Each function takes the library as `k` and draws from `random.Random`, never from an array library.
"""

import random

import numpy as np

ROWS = 14  # with batches of 8: 8 + 6
WIDTHS = (2, 3, 4)
ACTIVATIONS = ("linear", "tanh", "sigmoid", "relu", "elu", "softplus", "silu", "softmax", "gelu", "selu")
HEADS = {  # kind of output -> (units, activation, losses)
    "real": (2, "linear", ("mse", "mae", "huber", "log_cosh", "cosine_similarity")),
    "one": (1, "linear", ("mean_squared_error", "mae", "hinge")),
    "count": (2, "softplus", ("poisson", "msle", "mape")),
    "class": (3, "softmax", ("categorical_crossentropy", "kl_divergence", "categorical_hinge", "focal")),
    "label": (3, "softmax", ("sparse_categorical_crossentropy",)),
    "yes": (1, "sigmoid", ("binary_crossentropy", "binary_focal_crossentropy")),
}
METRICS = {
    "real": ("mae", "cosine_similarity", "root_mean_squared_error"),
    "one": ("mse", "mean_absolute_error"),
    "count": ("mse", "mean_absolute_percentage_error"),
    "class": ("accuracy", "categorical_crossentropy", "top2"),
    "label": ("accuracy", "sparse_categorical_crossentropy"),
    "yes": ("accuracy", "binary_crossentropy", "auc"),
}


class Grower:
    """Grows a graph step by step.

    Args:
        k: keras or kerasette.
        draw: a random.Random.
        noisy: whether Dropout and its kin do anything (two libraries then train differently).
    """

    def __init__(self, k, draw, noisy=False):
        self.k, self.layers, self.draw, self.noisy = k, k.layers, draw, noisy
        self.denses = []  # (layer, width of its input), to be shared
        self.nested = []  # (model, width), to be shared
        self.pool = []  # tensors of shape (batch, width)

    # ------------------------------------------------------------ helpers

    def pick(self):
        return self.draw.choice(self.pool[-6:])

    def two_alike(self):
        """Returns two tensors of the same width."""
        a = self.pick()
        others = [t for t in self.pool if t.shape[-1] == a.shape[-1] and t is not a]
        return a, self.draw.choice(others) if others else self.dense_layer(a.shape[-1])(a)

    def regularizer(self):
        r = self.k.regularizers
        return self.draw.choice([None, None, "l2", "l1", r.L2(0.02), r.L1L2(0.01, 0.03)])

    def constraint(self):
        c = self.k.constraints
        some = ["non_neg", c.MaxNorm(0.8), c.UnitNorm(), c.MinMaxNorm(0.3, 0.9)]
        return self.draw.choice([None, None, None, *some])

    def activity(self):
        return self.draw.choice([None, None, None, self.k.regularizers.L2(0.05), "l1"])

    def dense_layer(self, units, activation=None):
        return self.layers.Dense(
            units,
            activation=activation or self.draw.choice(ACTIVATIONS),
            use_bias=self.draw.random() < 0.8,
            kernel_regularizer=self.regularizer(),
            bias_regularizer=self.draw.choice([None, None, "l2"]),
            kernel_constraint=self.constraint(),
            activity_regularizer=self.activity(),
        )

    # ------------------------------------------------------------ steps

    def dense(self):
        x = self.pick()
        layer = self.dense_layer(self.draw.choice(WIDTHS))
        self.denses.append((layer, x.shape[-1]))
        return layer(x)

    def shared(self):
        x = self.pick()
        fitting = [layer for layer, width in self.denses if width == x.shape[-1]]
        return self.draw.choice(fitting)(x) if fitting else self.dense()

    def merge(self):
        a, b = self.two_alike()
        c = self.pick()
        layers = self.layers
        choices = [
            lambda: layers.Add()([a, b]),
            lambda: layers.add([a, b, a]),
            lambda: layers.Subtract()([a, b]),
            lambda: layers.Multiply()([a, b]),
            lambda: layers.average([a, b]),
            lambda: layers.Maximum()([a, b]),
            lambda: layers.Minimum()([a, b]),
            lambda: layers.Concatenate()([a, c]),
            lambda: layers.concatenate([a, b, c], axis=1),
            lambda: layers.Dot(axes=1, normalize=self.draw.random() < 0.5)([a, b]),
        ]
        return self.draw.choice(choices)()

    def operator(self):
        a, b = self.two_alike()
        choices = [
            lambda: a + b,
            lambda: a - b,
            lambda: a * b,
            lambda: a / (b * b + 1.0),
            lambda: -a + 0.5,
            lambda: 2.0 * a - b,
            lambda: 1.0 - a * b,
            lambda: a[:, :1] + b,
            lambda: a[:, ::-1] * 0.5,
            lambda: a[:, 1:],
        ]
        return self.draw.choice(choices)()

    def normalize(self):
        x = self.pick()
        layers = self.layers
        choices = [
            lambda: layers.BatchNormalization(momentum=0.7),
            lambda: layers.BatchNormalization(scale=False, epsilon=0.01, gamma_regularizer=None),
            lambda: layers.BatchNormalization(center=False, momentum=0.9, gamma_regularizer="l2"),
            lambda: layers.LayerNormalization(),
            lambda: layers.LayerNormalization(center=False, epsilon=0.01),
            lambda: layers.UnitNormalization(),
        ]
        return self.draw.choice(choices)()(x)

    def activate(self):
        layers = self.layers
        choices = [
            lambda: layers.Activation(self.draw.choice(ACTIVATIONS)),
            lambda: layers.ReLU(negative_slope=0.1),
            lambda: layers.LeakyReLU(),
            lambda: layers.PReLU(alpha_initializer="ones"),
            lambda: layers.ELU(),
            lambda: layers.Softmax(),
            lambda: layers.ActivityRegularization(l1=0.01, l2=0.02),
            lambda: layers.Rescaling(0.5, offset=0.1),
        ]
        return self.draw.choice(choices)()(self.pick())

    def random_noise(self):
        layers, rate = self.layers, 0.4 if self.noisy else 0.0
        layer = self.draw.choice([layers.Dropout, layers.GaussianNoise, layers.AlphaDropout])
        return layer(rate)(self.pick())

    def reshape(self):
        x = self.pick()
        layers = self.layers
        y = layers.Reshape((2, 3))(layers.Dense(6)(x))
        y = self.draw.choice([
            lambda: layers.Permute((2, 1))(y),
            lambda: layers.LayerNormalization(axis=self.draw.choice([1, 2, [1, 2]]))(y),
            lambda: layers.BatchNormalization(axis=self.draw.choice([1, 2]))(y),
            lambda: layers.Dense(3, activation="tanh")(y),
            lambda: layers.Concatenate(axis=1)([y, layers.RepeatVector(2)(layers.Dense(3)(x))]),
            lambda: layers.Dot(axes=(2, 2))([y, y]),
            lambda: y @ layers.Permute((2, 1))(y),
            lambda: layers.Softmax(axis=1)(y),
            lambda: y[:, 0, :] * y[:, 1, :],
        ])()  # fmt: skip
        y = layers.Flatten()(y)
        return layers.Dense(3, use_bias=False)(y) if y.shape[-1] > 4 else y

    def model_within(self):
        x = self.pick()
        fitting = [model for model, width in self.nested if width == x.shape[-1]]
        if fitting and self.draw.random() < 0.7:
            return self.draw.choice(fitting)(x)
        width = x.shape[-1]
        inner = self.k.Input((width,))
        hidden = self.layers.Dense(3, activation="tanh", kernel_regularizer=self.regularizer())(inner)
        out = self.layers.Dense(width)(self.layers.BatchNormalization()(hidden)) + inner
        model = self.draw.choice([
            lambda: self.k.Model(inner, out, name=f"inner_{len(self.nested)}"),
            lambda: self.k.Sequential([self.k.Input((width,)), self.dense_layer(3), self.layers.Dense(2)]),
        ])()  # fmt: skip
        self.nested.append((model, width))
        return model(x)

    # ------------------------------------------------------------ the whole

    def grow(self, steps):
        methods = [
            self.dense, self.dense, self.shared, self.merge, self.merge, self.operator, self.normalize,
            self.activate, self.random_noise, self.reshape, self.model_within,
        ]  # fmt: skip
        for _ in range(steps):
            made = self.draw.choice(methods)()
            if made.shape[-1] > max(WIDTHS):
                made = self.layers.Dense(3, kernel_initializer="he_normal")(made)
            self.pool.append(made)

    def model(self, inputs, kinds):
        """Ends the graph: every loose end flows into each output."""
        trunk = self.layers.Concatenate()(self.pool[-4:])
        feet = [self.layers.Dense(3, activation="tanh")(tensor) for tensor in inputs]
        trunk = self.layers.concatenate([trunk, *feet])
        trunk = self.layers.Activation("tanh")(trunk)  # keeps the outputs off saturation
        outputs = []
        for number, kind in enumerate(kinds):
            units, activation, _ = HEADS[kind]
            name = f"{kind}_{number}"
            if self.draw.random() < 0.7:
                outputs.append(self.layers.Dense(units, activation=activation, name=name)(trunk))
            else:
                logits = self.layers.Dense(units, activity_regularizer=self.activity())(trunk)
                outputs.append(self.layers.Activation(activation, name=name)(logits))
        outputs = outputs[0] if len(outputs) == 1 else outputs
        return self.k.Model(inputs[0] if len(inputs) == 1 else inputs, outputs)


def plan(seed):
    """Returns (random.Random, widths of the inputs, kinds of the outputs) of model number `seed`."""
    draw = random.Random(seed)
    inputs = [draw.choice((3, 4, 5)) for _ in range(draw.choice((1, 1, 2, 3)))]
    kinds = [draw.choice(sorted(HEADS)) for _ in range(draw.choice((1, 1, 2, 3)))]
    return draw, inputs, kinds


def build(k, seed, noisy=False, steps=None):
    """Returns model number `seed` of the library `k`."""
    draw, widths, kinds = plan(seed)
    grower = Grower(k, draw, noisy)
    inputs = [k.Input((width,), name=f"input_{number}") for number, width in enumerate(widths)]
    grower.pool = [k.layers.Dense(3, activation="tanh")(tensor) for tensor in inputs]
    grower.grow(draw.randint(3, 12) if steps is None else steps)
    return grower.model(inputs, kinds)


# ---------------------------------------------------------------- data and settings for compile


def data(seed, rows=ROWS, dtype="float32"):
    """Returns (xs, ys, weights): lists of arrays, one for each input, output, output."""
    _, widths, kinds = plan(seed)
    rng = np.random.default_rng(seed)
    xs = [rng.normal(size=(rows, width)).astype(dtype) for width in widths]
    ys = [_targets(rng, kind, rows, dtype) for kind in kinds]
    return xs, ys, [rng.uniform(0.2, 2.0, rows).astype(dtype) for _ in kinds]


def _targets(rng, kind, rows, dtype):
    labels = rng.integers(0, 3, rows)
    made = {
        "real": rng.normal(size=(rows, 2)),
        "one": rng.choice([-1.0, 1.0], size=(rows, 1)),
        "count": rng.poisson(2.0, (rows, 2)) + 0.5,
        "class": np.eye(3)[labels],
        "label": labels,
        "yes": rng.integers(0, 2, (rows, 1)),
    }[kind]
    return made if kind == "label" else made.astype(dtype)


def settings(k, seed, weighted=True, named=True):
    """Returns the keywords of compile, but for the optimizer, for model number `seed`.

    Args:
        weighted: whether there are weighted_metrics.
        named: whether dicts by output name may come.
    """
    _, _, kinds = plan(seed)
    draw = random.Random(seed + 1000)
    losses = [_loss(k, draw.choice(HEADS[kind][2])) for kind in kinds]
    metrics = [[_metric(k, draw.choice(METRICS[kind]), seed)] for kind in kinds]
    others = [[_metric(k, draw.choice(METRICS[kind]), seed)] for kind in kinds]
    names = [f"{kind}_{number}" for number, kind in enumerate(kinds)]
    chosen = {"loss": losses, "metrics": metrics}
    if weighted:
        chosen["weighted_metrics"] = others
    if len(kinds) == 1:
        return {key: value[0] for key, value in chosen.items()}
    if draw.random() < 0.5:
        chosen["loss_weights"] = [round(draw.uniform(0.2, 2.0), 2) for _ in kinds]
    if named and draw.random() < 0.5:
        chosen = {key: dict(zip(names, value, strict=True)) for key, value in chosen.items()}
    return chosen


def _loss(k, name):
    return k.losses.CategoricalFocalCrossentropy(label_smoothing=0.1) if name == "focal" else name


def _metric(k, name, seed):
    if name == "top2" and seed % 2 == 0:
        name = "accuracy"  # Keras's top-k knows no float64
    made = {
        "top2": lambda: k.metrics.TopKCategoricalAccuracy(k=2, name="top2"),
        "auc": lambda: k.metrics.AUC(num_thresholds=21, name="auc"),
        "root_mean_squared_error": lambda: k.metrics.RootMeanSquaredError(),
        "cosine_similarity": lambda: k.metrics.CosineSimilarity(),
    }
    return made[name]() if name in made else name
