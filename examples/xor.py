"""XOR: the smallest task that no straight line solves. Seventeen numbers learn it.

python examples/xor.py
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from kerasette import Sequential, utils
from kerasette.layers import Dense
from kerasette.optimizers import Adam

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
Y = np.array([0, 1, 1, 0])


def build():
    """Returns a 2-4-1 network, compiled."""
    model = Sequential([Dense(4, activation="tanh", input_size=2), Dense(1, activation="sigmoid")])
    return model.compile("binary_crossentropy", Adam(0.05))


def draw(model, losses, path):
    """Draws the loss, and what the network answers all over the square."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    left.plot(np.arange(1, len(losses) + 1), losses)
    left.set(title="Training loss", xlabel="epoch", ylabel="cross-entropy", yscale="log")
    ticks = np.linspace(-0.25, 1.25, 150)
    points = np.stack(np.meshgrid(ticks, ticks), axis=-1)  # (150, 150, 2)
    answers = model.predict(points.reshape(-1, 2)).reshape(150, 150)
    shades = right.pcolormesh(ticks, ticks, answers, cmap="RdBu_r", vmin=0, vmax=1, shading="auto")
    right.contour(ticks, ticks, answers, levels=[0.5], colors="white")
    right.scatter(*X.T, c=Y, cmap="RdBu_r", s=140, edgecolors="white", linewidths=2)
    right.set(title="a xor b", xlabel="a", ylabel="b", aspect="equal", xticks=[0, 1], yticks=[0, 1])
    figure.colorbar(shades, ax=right, label="output")
    figure.savefig(path, dpi=150)


def main(argv=None):
    """Runs the example; returns the four outputs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="300 epochs instead of 1,000")
    parser.add_argument("--out", type=Path, default=Path("out"), help="directory of the figure")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)

    utils.set_random_seed(0)
    model = build()
    history = model.fit(X, Y, batch_size=4, epochs=300 if args.quick else 1000, verbose=0)
    outputs = model.predict(X).ravel()
    draw(model, history.history["loss"], args.out / "xor.png")
    for (a, b), output in zip(X, outputs, strict=True):
        print(f"{a} xor {b} = {output:.3f}")
    right = np.array_equal(outputs.round(), Y)
    print(f"XOR: {'learned' if right else 'not learned'}; figure in {args.out / 'xor.png'}")
    return outputs


if __name__ == "__main__":
    main()
