"""A layer of one's own: forward, backward, and the proof that one is the derivative of the other.

python examples/custom_layer.py
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from kerasette import Layer, Sequential, utils
from kerasette.initializers import RandomUniform
from kerasette.layers import Dense, Input
from kerasette.optimizers import Adam
from kerasette.testing import GradientError, check_gradients


class Bumps(Layer):
    """Radial basis functions: y_k = exp(-sharpness_k |x - centre_k|^2), one bump a unit.

    Args:
        count: number of bumps.
    """

    def __init__(self, count, **base):
        super().__init__(**base)
        self.count = count

    def build(self, shape):
        self.add_param("centre", (self.count, shape[-1]), RandomUniform(-1.0, 1.0))
        self.add_param("sharpness", (self.count,), RandomUniform(4.0, 8.0))

    def output_shape(self, shape):
        return (self.count,)

    def forward(self, ctx, w, x):
        away = x[:, None, :] - w["centre"]  # (n, count, features)
        square = (away**2).sum(axis=-1)  # (n, count)
        y = ctx.xp.exp(-w["sharpness"] * square)
        return y, (away, square, y, w["sharpness"])

    def backward(self, ctx, w, dw, dy, cache):
        away, square, y, sharpness = cache
        dpower = dy * y  # the gradient for the exponent, -sharpness * square
        daway = -2 * (dpower * sharpness)[:, :, None] * away
        dw["sharpness"][...] = -(dpower * square).sum(axis=0)
        dw["centre"][...] = -daway.sum(axis=0)
        return daway.sum(axis=1)


class Forgetful(Bumps):
    """The same with a slip in backward: half of the gradient for the input is lost."""

    def backward(self, ctx, w, dw, dy, cache):
        return super().backward(ctx, w, dw, dy, cache) / 2


def spirals(count, rng):
    """Returns points on two spirals inside one another, and which of the two each is on."""
    arm = rng.integers(0, 2, count)
    turn = np.sqrt(rng.random(count)) * 1.5 * 2 * np.pi
    angle, radius = turn + np.pi * arm, turn / 10
    x = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return x + rng.normal(0, 0.02, x.shape), arm


def draw(model, layer, x, y, path):
    """Draws the decision, the points, and where the bumps have moved."""
    figure, axes = plt.subplots(figsize=(6, 5.2), layout="constrained")
    span = (-1.15, 1.15)
    ticks = np.linspace(*span, 250)
    grid = np.stack(np.meshgrid(ticks, ticks), axis=-1)  # (250, 250, 2)
    answers = model.predict(grid.reshape(-1, 2)).reshape(250, 250)
    shades = axes.pcolormesh(ticks, ticks, answers, cmap="RdBu_r", vmin=0, vmax=1, shading="auto", alpha=0.6)
    axes.scatter(*x.T, c=y, cmap="RdBu_r", s=10)
    axes.scatter(*layer.centre.numpy().T, c="black", marker="+", s=60)
    axes.set(title="Two spirals, and the centres of the bumps (+)", aspect="equal", xlim=span, ylim=span)
    figure.colorbar(shades, ax=axes, label="output")
    figure.savefig(path, dpi=150)


def main(argv=None):
    """Runs the example; returns the accuracy on new points."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="60 epochs instead of 400")
    parser.add_argument("--out", type=Path, default=Path("out"), help="directory of the figure")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)

    errors = check_gradients(Bumps(5), (7, 2))
    print("gradients right, relative errors:", {name: f"{error:.0e}" for name, error in errors.items()})
    try:
        check_gradients(Forgetful(5), (7, 2))
    except GradientError as error:
        print("a slip is found:", error)

    utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    (x, y), (x_test, y_test) = spirals(1000, rng), spirals(1000, rng)
    layer = Bumps(40)
    model = Sequential([Input((2,)), layer, Dense(1, activation="sigmoid")])
    model.compile("binary_crossentropy", Adam(0.02)).fit(x, y, epochs=60 if args.quick else 400, verbose=0)
    accuracy = np.mean((model.predict(x_test).ravel() > 0.5) == y_test)
    draw(model, layer, x, y, args.out / "custom_layer.png")
    print(f"Own layer: {accuracy:.1%} of 1,000 new points right; figure in {args.out / 'custom_layer.png'}")
    return accuracy


if __name__ == "__main__":
    main()
