"""Iris: a network of 67 numbers tells three species apart, on five random splits of 150 flowers.

python examples/iris.py
"""

import argparse
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from kerasette import Model, datasets, utils
from kerasette.layers import Dense
from kerasette.optimizers import SGD

SPLITS, EPOCHS = 5, 500


def build():
    """Returns a fresh 4-8-8-3 network, compiled. The first layer, uncalled, stands for its own input."""
    first = Dense(input_size=4, output_size=8, activation="tanh")
    x = Dense(output_size=8, activation="relu")(first)
    outputs = Dense(output_size=3, activation="softmax")(x)
    return Model(first, outputs).compile(loss_fn="categorical_crossentropy", optimizer=SGD(0.01))


def train(seed, epochs):
    """Trains on 70 % of the flowers, one at a time; returns (losses, test rows, right or wrong)."""
    utils.set_random_seed(seed)
    x, species = datasets.iris.load_all()
    train_rows, test_rows = utils.train_test_split(np.arange(len(x)), test_size=0.3, seed=seed)
    model = build()
    targets = utils.to_categorical(species)
    history = model.fit(x[train_rows], targets[train_rows], batch_size=1, epochs=epochs, verbose=0)
    guesses = model.predict(x[test_rows]).argmax(axis=1)
    return history.history["loss"], test_rows, guesses == species[test_rows]


def draw(runs, path):
    """Draws the loss of every split, and the flowers with a ring around those that were missed."""
    x, species = datasets.iris.load_all()
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for number, (losses, _, right_ones) in enumerate(runs, 1):
        means = np.reshape(losses, (-1, 10)).mean(axis=1)  # of ten epochs each: single samples make it noisy
        label = f"split {number}: {right_ones.mean():.1%}"
        left.plot(np.arange(10, len(losses) + 1, 10), means, lw=1.3, label=label)
    left.set(title="Training loss", xlabel="epoch", ylabel="cross-entropy", yscale="log")
    left.legend(title="test accuracy", frameon=False)
    for label, name in enumerate(datasets.iris.CLASS_NAMES):
        right.scatter(*x[species == label][:, 2:].T, s=18, label=name)
    missed = np.concatenate([rows[~right_ones] for _, rows, right_ones in runs])
    right.scatter(*x[missed][:, 2:].T, s=90, facecolors="none", edgecolors="black", label="missed in a test")
    right.set(title="The flowers", xlabel="petal length, cm", ylabel="petal width, cm")
    right.legend(frameon=False)
    figure.savefig(path, dpi=150)


def main(argv=None):
    """Runs the example; returns the accuracies."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="2 splits, 60 epochs")
    parser.add_argument("--out", type=Path, default=Path("out"), help="directory of the figure")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)

    splits, epochs = (2, 60) if args.quick else (SPLITS, EPOCHS)
    runs = []
    for seed in range(splits):
        began = time.perf_counter()
        runs.append(train(seed, epochs))
        accuracy, seconds = runs[-1][2].mean(), time.perf_counter() - began
        print(f"split {seed + 1}: test accuracy {accuracy:.1%} after {epochs} epochs, {seconds:.1f} s")
    accuracies = [right_ones.mean() for _, _, right_ones in runs]
    draw(runs, args.out / "iris.png")
    print(f"Iris: mean test accuracy {np.mean(accuracies):.1%}; figure in {args.out / 'iris.png'}")
    return accuracies


if __name__ == "__main__":
    main()
