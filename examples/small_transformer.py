"""A small transformer notices that a series repeats, and its attention shows where it looks.

python examples/small_transformer.py
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from kerasette import Input, Layer, Model, utils
from kerasette.layers import Dense, Embedding, LayerNormalization, MultiHeadAttention
from kerasette.optimizers import Adam
from kerasette.optimizers.schedules import CosineDecay
from kerasette.testing import check_gradients

SYMBOLS, LENGTH, PERIODS = 16, 32, range(5, 13)
WIDTH, HEADS, BLOCKS = 64, 2, 2
COUNT, BATCH, EPOCHS = 16_000, 64, 8


class PositionEmbedding(Layer):
    """Adds to each step a vector for its place, which is learned: attention alone sees no order."""

    def __init__(self, length, **base):
        super().__init__(**base)
        self.length = length

    def build(self, shape):
        self.add_param("positions", (self.length, shape[-1]), "uniform")

    def forward(self, ctx, w, x):
        return x + w["positions"][: x.shape[1]], x.shape[1]

    def backward(self, ctx, w, dw, dy, steps):
        dw["positions"][:steps] = dy.sum(axis=0)
        dw["positions"][steps:] = 0
        return dy


def series(count, rng):
    """Returns `count` series (count, LENGTH + 1), each of some symbols over and over, and their periods."""
    periods = rng.choice(PERIODS, count)
    patterns = rng.permuted(np.tile(np.arange(SYMBOLS), (count, 1)), axis=1)
    return np.take_along_axis(patterns, np.arange(LENGTH + 1) % periods[:, None], axis=1), periods


def build(steps):
    """Returns a model from each step to the next one, compiled, and one that shows where its heads look."""
    inputs = Input((LENGTH,), dtype="int32")
    x, looks = PositionEmbedding(LENGTH)(Embedding(SYMBOLS, WIDTH)(inputs)), []
    for _ in range(BLOCKS):
        normal = LayerNormalization()(x)
        attended, scores = MultiHeadAttention(HEADS, WIDTH // HEADS)(
            normal, normal, use_causal_mask=True, return_attention_scores=True
        )
        x = x + attended
        x = x + Dense(WIDTH)(Dense(2 * WIDTH, activation="gelu")(LayerNormalization()(x)))
        looks.append(scores)
    outputs = Dense(SYMBOLS, activation="softmax")(LayerNormalization()(x))
    warmup = steps // 10
    rate = CosineDecay(1e-4, steps - warmup, warmup_target=2e-3, warmup_steps=warmup)
    model = Model(inputs, outputs).compile("sparse_categorical_crossentropy", Adam(rate, clipnorm=1.0))
    return model, Model(inputs, looks)


def draw(right, symbols, shares, scores, path):
    """Draws how many are right at each step, what is expected of one series, and where all heads look."""
    names = [f"block {block}, head {head}" for block in range(1, BLOCKS + 1) for head in range(1, HEADS + 1)]
    figure = plt.figure(figsize=(12, 7.5), layout="constrained")
    axes = figure.subplot_mosaic([["left", "left", "right", "right"], names], height_ratios=[1.3, 1])
    axes["left"].plot(np.arange(1, LENGTH + 1), right.mean(axis=0))
    axes["left"].axvspan(PERIODS[0], PERIODS[-1], alpha=0.12, label="where repetitions begin")
    axes["left"].set(title="1,000 new series", xlabel="step", ylabel="share of symbols right", ylim=(0, 1.03))
    axes["left"].legend(loc="lower right")
    axes["right"].imshow(shares.T, cmap="viridis", vmin=0, vmax=1, aspect="auto")
    axes["right"].scatter(np.arange(LENGTH), symbols[1:], s=14, color="tab:red")
    axes["right"].set(title="One of them: shares of the next symbol (red)", xlabel="step", ylabel="symbol")
    for name, looks in zip(names, np.concatenate(scores), strict=True):
        shades = axes[name].imshow(looks, cmap="viridis", vmin=0, vmax=1)
        axes[name].set(title=name, xlabel="looks at step", ylabel="at step")
    figure.colorbar(shades, ax=[axes[name] for name in names], label="share of attention")
    figure.savefig(path, dpi=150)


def main(argv=None):
    """Runs the example; returns the share that is right of the symbols that a series has shown already."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="2,000 series instead of 16,000, two epochs")
    parser.add_argument("--out", type=Path, default=Path("out"), help="directory of the figure")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)

    check_gradients(PositionEmbedding(5), (3, 4, 2))  # raises where its backward is wrong
    utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    (learned, _), (new, periods) = series(2_000 if args.quick else COUNT, rng), series(1_000, rng)
    epochs = 2 if args.quick else EPOCHS
    model, looks = build(steps=epochs * len(learned) // BATCH)
    x, y = new[:, :-1], new[:, 1:]
    model.fit(learned[:, :-1], learned[:, 1:], BATCH, epochs, validation_data=(x, y), verbose=2)
    shares = model.predict(x)  # (n, LENGTH, SYMBOLS)
    right = shares.argmax(axis=-1) == y
    known = np.arange(1, LENGTH + 1) >= periods[:, None]  # symbols that the series has shown already
    shown = int(np.argmax(periods == 8))
    scores = [block[0] for block in looks.predict(x[shown : shown + 1])]  # (HEADS, LENGTH, LENGTH) each
    draw(right, new[shown], shares[shown], scores, args.out / "small_transformer.png")
    again, new = right[known].mean(), right[~known].mean()
    print(f"Transformer: right are {again:.1%} of the symbols that repeat, and {new:.1%} of the new ones")
    print(f"figure in {args.out / 'small_transformer.png'}")
    return again


if __name__ == "__main__":
    main()
