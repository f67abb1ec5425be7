"""MNIST: a small convolutional network reads 99 % of 10,000 handwritten digits.

python examples/mnist_cnn.py
"""

import argparse
import time
from pathlib import Path

import mnist_mlp
import numpy as np

from kerasette import Input, Sequential, utils
from kerasette.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from kerasette.optimizers import Adam
from kerasette.optimizers.schedules import CosineDecay

EPOCHS, BATCH = 4, 128


def load(count=60_000):
    """Returns training and test images (n, 28, 28, 1) from 0 to 1 with their labels."""
    return [(x.reshape(-1, 28, 28, 1), y) for x, y in mnist_mlp.load(count)]


def build(steps):
    """Returns the network, compiled; its learning rate rises and falls within `steps`."""
    model = Sequential(
        [
            Input((28, 28, 1)),
            Conv2D(32, 3, activation="relu"),
            MaxPooling2D(),
            Conv2D(64, 3, activation="relu"),
            MaxPooling2D(),
            Flatten(),
            Dropout(0.5),
            Dense(10, activation="softmax"),
        ]
    )
    warmup = steps // 10
    rate = CosineDecay(4e-4, steps - warmup, warmup_target=4e-3, warmup_steps=warmup)
    return model.compile("sparse_categorical_crossentropy", Adam(rate), metrics=["accuracy"])


def train(train_data, test_data, epochs=EPOCHS, seed=0):
    """Returns (model, history); nothing is learned from the test images, whose names begin with "val_"."""
    utils.set_random_seed(seed)
    x, y = train_data
    model = build(steps=epochs * -(-len(x) // BATCH))
    history = model.fit(x, y, batch_size=BATCH, epochs=epochs, validation_data=test_data, verbose=2)
    return model, history


def main(argv=None):
    """Runs the example; returns (model, history, test data)."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="6,000 images instead of 60,000, one epoch")
    parser.add_argument("--out", type=Path, default=Path("out"), help="directory of the figures")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)

    train_data, test_data = load(6_000 if args.quick else 60_000)
    epochs = 1 if args.quick else EPOCHS
    began = time.perf_counter()
    model, history = train(train_data, test_data, epochs)
    seconds = time.perf_counter() - began
    _, accuracy = model.evaluate(*test_data, verbose=0)
    utils.plot_history(history, args.out / "mnist_cnn_curves.png", validation="test")
    mnist_mlp.draw_mistakes(model, *test_data, args.out / "mnist_cnn_mistakes.png")
    wrong = int(np.round((1 - accuracy) * len(test_data[1])))
    print(f"MNIST: test accuracy {accuracy:.2%} ({wrong} mistakes) after {epochs} epochs, {seconds:.1f} s")
    print(f"figures in {args.out / 'mnist_cnn_curves.png'} and {args.out / 'mnist_cnn_mistakes.png'}")
    return model, history, test_data


if __name__ == "__main__":
    main()
