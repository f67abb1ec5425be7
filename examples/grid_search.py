"""Grid search: which learning rate and which L2 penalty suit a small network on few digits?

python examples/grid_search.py
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from kerasette import Sequential, datasets, utils
from kerasette.layers import Dense
from kerasette.optimizers import SGD
from kerasette.regularizers import L2

RATES = [0.01, 0.03, 0.1, 0.3, 1.0]
PENALTIES = [0.0, 1e-4, 1e-3, 1e-2, 3e-2]


def build(rate, penalty):
    """Returns a 784-64-10 network, compiled."""
    hidden = Dense(64, activation="relu", input_size=784, kernel_regularizer=L2(penalty))
    model = Sequential([hidden, Dense(10, activation="softmax", kernel_regularizer=L2(penalty))])
    return model.compile("sparse_categorical_crossentropy", SGD(rate), metrics=["accuracy"])


def accuracy(rate, penalty, train, validation, epochs):
    """Returns the validation accuracy of one setting; every setting begins with the same weights."""
    utils.set_random_seed(0)
    model = build(rate, penalty)
    model.fit(*train, batch_size=32, epochs=epochs, verbose=0)
    return model.evaluate(*validation, verbose=0)[1]


def draw(table, rates, penalties, path):
    """Draws the accuracies as a heat map, the best setting in a frame."""
    figure, axes = plt.subplots(figsize=(7, 5), layout="constrained")
    floor = np.quantile(table, 0.25)  # the colours are kept for the better settings
    colours = axes.imshow(table, cmap="viridis", vmin=floor, aspect="auto")
    best = np.unravel_index(table.argmax(), table.shape)
    for row, column in np.ndindex(table.shape):
        ink = "white" if table[row, column] < (floor + table.max()) / 2 else "black"
        axes.text(column, row, f"{table[row, column]:.1%}", ha="center", va="center", color=ink)
    axes.add_patch(
        plt.Rectangle((best[1] - 0.5, best[0] - 0.5), 1, 1, fill=False, ec="red", lw=3, clip_on=False)
    )
    axes.set_xticks(range(len(rates)), [f"{rate:g}" for rate in rates])
    axes.set_yticks(range(len(penalties)), [f"{penalty:g}" for penalty in penalties])
    axes.set(title="Validation accuracy", xlabel="learning rate", ylabel="L2 penalty")
    figure.colorbar(colours, ax=axes, extend="min")
    figure.savefig(path, dpi=150)


def main(argv=None):
    """Runs the example; returns the accuracies, a row a penalty and a column a rate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="9 settings instead of 25, 3 epochs each")
    parser.add_argument("--out", type=Path, default=Path("out"), help="directory of the figure")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)

    (x, y), _ = datasets.mnist.load_data()
    x = x[:6000].reshape(-1, 784).astype("float32") / 255
    train, validation = (x[:1000], y[:1000]), (x[1000:], y[1000:6000])
    step, epochs = (2, 3) if args.quick else (1, 20)
    rates, penalties = RATES[::step], PENALTIES[::step]
    table = np.array(
        [[accuracy(rate, penalty, train, validation, epochs) for rate in rates] for penalty in penalties]
    )
    draw(table, rates, penalties, args.out / "grid_search.png")
    row, column = np.unravel_index(table.argmax(), table.shape)
    best = f"rate {rates[column]:g}, penalty {penalties[row]:g}"
    print(f"Grid search: {table.max():.1%} with {best}; figure in {args.out / 'grid_search.png'}")
    return table


if __name__ == "__main__":
    main()
