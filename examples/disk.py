"""Disk: is a point of the unit square inside the disk of area one half around its centre?

python examples/disk.py
"""

import argparse
import math
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from kerasette import Sequential, utils
from kerasette.layers import Dense, Input
from kerasette.optimizers import SGD
from kerasette.optimizers.schedules import CosineDecay

RADIUS = math.sqrt(0.5 / math.pi)  # of a disk of area one half


def points(count, rng):
    """Returns `count` points uniform in the unit square, and 1 for those inside the disk."""
    x = rng.random((count, 2))
    return x, (np.linalg.norm(x - 0.5, axis=1) < RADIUS).astype(float)


def build(steps):
    """Returns a network with three hidden layers of 25; SGD slows down to a halt over `steps`."""
    hidden = [Dense(25, activation="relu") for _ in range(3)]
    return Sequential([Input((2,)), *hidden, Dense(1)]).compile("mse", SGD(CosineDecay(0.2, steps)))


def draw(model, x, y, losses, path):
    """Draws the loss, and the line where the output is 1/2 beside the true circle."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4.2), layout="constrained")
    epochs = np.arange(1, len(losses["loss"]) + 1)
    left.plot(epochs, losses["loss"], label="training")
    left.plot(epochs, losses["val_loss"], label="test", lw=1)
    left.set(title="Loss", xlabel="epoch", ylabel="mean squared error", ylim=(0, None))
    left.legend(frameon=False)
    ticks = np.linspace(0, 1, 200)
    grid = np.stack(np.meshgrid(ticks, ticks), axis=-1)  # (200, 200, 2)
    answers = model.predict(grid.reshape(-1, 2)).reshape(200, 200)
    shades = right.pcolormesh(ticks, ticks, answers, cmap="RdBu_r", vmin=0, vmax=1, shading="auto", alpha=0.5)
    right.scatter(*x.T, c=y, cmap="RdBu_r", s=6)
    right.contour(ticks, ticks, answers, levels=[0.5], colors="black", linewidths=2)
    right.add_patch(plt.Circle((0.5, 0.5), RADIUS, fill=False, ls="--", ec="black"))
    right.set(title="The learned boundary, and the circle (dashed)", aspect="equal")
    figure.colorbar(shades, ax=right, label="output")
    figure.savefig(path, dpi=150)


def main(argv=None):
    """Runs the example; returns the share of test points that are on the right side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="40 epochs instead of 200")
    parser.add_argument("--out", type=Path, default=Path("out"), help="directory of the figure")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)

    utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x, y = points(1000, rng)
    x_test, y_test = points(1000, rng)
    epochs = 40 if args.quick else 200
    model = build(steps=epochs * len(x) // 20)
    history = model.fit(x, y, batch_size=20, epochs=epochs, validation_data=(x_test, y_test), verbose=0)
    accuracy = np.mean((model.predict(x_test).ravel() > 0.5) == y_test)
    draw(model, x, y, history.history, args.out / "disk.png")
    print(f"Disk: {accuracy:.1%} of 1,000 test points right; figure in {args.out / 'disk.png'}")
    return accuracy


if __name__ == "__main__":
    main()
