"""MNIST: a network with one hidden layer reads 98 % of 10,000 handwritten digits after three epochs.

python examples/mnist_mlp.py
"""

import argparse
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from kerasette import Input, Model, datasets, utils
from kerasette.layers import Dense
from kerasette.optimizers import Adam
from kerasette.optimizers.schedules import CosineDecay

EPOCHS, BATCH = 3, 128


def load(count=60_000):
    """Returns `count` training images and all test images as rows of 784 numbers from 0 to 1, and labels."""
    (x, y), (x_test, y_test) = datasets.mnist.load_data()
    x, x_test = (images.reshape(-1, 784).astype("float32") / 255 for images in (x[:count], x_test))
    return (x, y[:count]), (x_test, y_test)


def build(steps):
    """Returns a 784-384-10 network, compiled; its learning rate rises and falls within `steps`."""
    inputs = Input((784,))
    x = Dense(384, activation="relu")(inputs)
    outputs = Dense(10, activation="softmax")(x)
    warmup = steps // 10
    rate = CosineDecay(4e-4, steps - warmup, warmup_target=8e-3, warmup_steps=warmup)
    return Model(inputs, outputs).compile("sparse_categorical_crossentropy", Adam(rate), metrics=["accuracy"])


def train(train_data, test_data, epochs=EPOCHS, seed=0):
    """Returns (model, history) after `epochs`.

    The names in the history that begin with "val_" are those of the test images: they are looked at after
    each epoch, but nothing is learned from them or chosen by them.
    """
    utils.set_random_seed(seed)
    x, y = train_data
    model = build(steps=epochs * -(-len(x) // BATCH))
    history = model.fit(x, y, batch_size=BATCH, epochs=epochs, validation_data=test_data, verbose=2)
    return model, history


def draw_mistakes(model, x, y, path):
    """Draws the digits that the network got wrong though it was most sure of itself."""
    shares = model.predict(x)
    wrong = np.flatnonzero(shares.argmax(axis=1) != y)
    surest = wrong[np.argsort(-shares[wrong].max(axis=1))][:24]
    figure, grid = plt.subplots(3, 8, figsize=(10, 4.6), layout="constrained")
    for axes, row in zip(grid.flat, surest, strict=True):
        axes.imshow(x[row].reshape(28, 28), cmap="gray_r")
        axes.set_title(f"{y[row]}, read as {shares[row].argmax()}", fontsize=9)
        axes.axis("off")
    figure.suptitle(f"24 of {len(wrong)} mistakes in {len(x):,} digits")
    figure.savefig(path, dpi=150)


def main(argv=None):
    """Runs the example; returns (model, history, test data)."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="6,000 images instead of 60,000")
    parser.add_argument("--out", type=Path, default=Path("out"), help="directory of the figures")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)

    train_data, test_data = load(6_000 if args.quick else 60_000)
    began = time.perf_counter()
    model, history = train(train_data, test_data)
    seconds = time.perf_counter() - began
    _, accuracy = model.evaluate(*test_data, verbose=0)
    utils.plot_history(history, args.out / "mnist_curves.png", validation="test")
    draw_mistakes(model, *test_data, args.out / "mnist_mistakes.png")
    print(f"MNIST: test accuracy {accuracy:.2%} after {EPOCHS} epochs, {seconds:.1f} s")
    print(f"figures in {args.out / 'mnist_curves.png'} and {args.out / 'mnist_mistakes.png'}")
    return model, history, test_data


if __name__ == "__main__":
    main()
