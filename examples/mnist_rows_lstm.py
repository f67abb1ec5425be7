"""MNIST read row by row: an LSTM sees an image as 28 steps, and makes up its mind on the way.

python examples/mnist_rows_lstm.py
"""

import argparse
import time
from pathlib import Path

import matplotlib.pyplot as plt
import mnist_mlp
import numpy as np

from kerasette import Input, Sequential, utils
from kerasette.layers import LSTM, Dense
from kerasette.optimizers import Adam
from kerasette.optimizers.schedules import CosineDecay

EPOCHS, BATCH = 5, 128


def load(count=60_000):
    """Returns training and test images as sequences of 28 rows of numbers from 0 to 1, with their labels."""
    return [(x.reshape(-1, 28, 28), y) for x, y in mnist_mlp.load(count)]


def build(steps):
    """Returns the network, compiled, for any number of rows; its rate rises and falls within `steps`."""
    model = Sequential([Input((None, 28)), LSTM(96), Dense(10, activation="softmax")])
    warmup = steps // 10
    rate = CosineDecay(4e-4, steps - warmup, warmup_target=4e-3, warmup_steps=warmup)
    return model.compile("sparse_categorical_crossentropy", Adam(rate), metrics=["accuracy"])


def draw_opinions(model, images, path):
    """Draws images, and beside each row what the network would answer if the image ended there."""
    # (rows, images, 10)
    opinions = np.stack([model.predict(images[:, : row + 1], verbose=0) for row in range(28)])
    figure, grid = plt.subplots(2, len(images) // 2 * 2, figsize=(11, 6), layout="constrained", sharey=True)
    for (left, right), image, shares in zip(
        grid.reshape(-1, 2), images, opinions.swapaxes(0, 1), strict=True
    ):
        left.imshow(image, cmap="gray_r", aspect="auto")
        left.set(xticks=[], ylabel="row")
        shown = right.imshow(shares, cmap="viridis", vmin=0, vmax=1, aspect="auto")
        right.set(xticks=range(10), xlabel="digit")
    figure.colorbar(shown, ax=grid, label="share of each digit, of what has been read so far", shrink=0.7)
    figure.suptitle("Read from above: the opinion after each row")
    figure.savefig(path, dpi=150)


def main(argv=None):
    """Runs the example; returns the share of the test images that are read right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="6,000 images instead of 60,000, two epochs")
    parser.add_argument("--out", type=Path, default=Path("out"), help="directory of the figures")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)

    utils.set_random_seed(0)
    (x, y), (x_test, y_test) = load(6_000 if args.quick else 60_000)
    epochs = 2 if args.quick else EPOCHS
    model = build(steps=epochs * -(-len(x) // BATCH))
    began = time.perf_counter()
    model.fit(x, y, BATCH, epochs, validation_data=(x_test, y_test), verbose=2)
    seconds = time.perf_counter() - began
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    shown = [int(np.argmax(y_test == digit)) for digit in (2, 3, 4, 5, 8, 9)]
    draw_opinions(model, x_test[shown], args.out / "mnist_rows_lstm.png")
    mnist_mlp.draw_mistakes(model, x_test, y_test, args.out / "mnist_rows_lstm_mistakes.png")
    print(f"MNIST by rows: test accuracy {accuracy:.2%} after {epochs} epochs, {seconds:.1f} s")
    print(f"figures in {args.out / 'mnist_rows_lstm.png'} and {args.out / 'mnist_rows_lstm_mistakes.png'}")
    return accuracy


if __name__ == "__main__":
    main()
