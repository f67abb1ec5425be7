"""Gradients on their way back through time: how they vanish, how they explode, and what clipping does.

python examples/gradient_flow.py
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from kerasette import Input, Model, functions, utils
from kerasette.layers import SimpleRNN
from kerasette.optimizers import SGD
from kerasette.optimizers.schedules import CosineDecay

STEPS, UNITS, ROWS = 100, 64, 32  # of the networks whose gradients are followed
DEPTH, BEGIN, TARGET, RATE, CLIP = 50, 0.5, 0.7, 0.1, 0.1  # of the single unit that is trained
START = (4.6, -1.9)  # its recurrent weight and its bias


def orthogonal(rng, columns):
    """Returns `columns` // UNITS orthogonal matrices side by side, (UNITS, columns)."""
    blocks = [np.linalg.qr(rng.standard_normal((UNITS, UNITS)))[0] for _ in range(columns // UNITS)]
    return np.concatenate(blocks, axis=1)


def followed(rng):
    """Returns {name: length (STEPS,) of the gradient of a loss at the end for the input of each step}."""
    x, dy = rng.normal(0, 0.1, (ROWS, STEPS, UNITS)), rng.standard_normal((ROWS, UNITS))
    lengths = {}
    for scale in (0.8, 1.0, 1.6):
        _, cache = functions.simple_rnn(x, np.eye(UNITS), scale * orthogonal(rng, UNITS))
        lengths[f"SimpleRNN, {scale} x orthogonal"] = functions.simple_rnn_backward(dy, cache)[0]
    kernel, bias = orthogonal(rng, 4 * UNITS), np.repeat([0.0, 1.0, 0.0, 0.0], UNITS)  # forget little
    _, cache = functions.lstm(x, kernel, orthogonal(rng, 4 * UNITS), bias)
    lengths["LSTM"] = functions.lstm_backward(dy, cache)[0]
    _, cache = functions.gru(x, orthogonal(rng, 3 * UNITS), orthogonal(rng, 3 * UNITS))
    lengths["GRU"] = functions.gru_backward(dy, cache)[0]
    return {name: np.linalg.norm(dx, axis=(0, 2)) for name, dx in lengths.items()}


def build(clipnorm, steps):
    """Returns a unit without input, y = sigmoid(w y' + b) 50 times, compiled; its rate falls to 0."""
    nothing, begin = Input((DEPTH, 1)), Input((1,))
    model = Model([nothing, begin], SimpleRNN(1, activation="sigmoid")(nothing, initial_state=begin))
    return model.compile("mse", SGD(CosineDecay(RATE, steps), clipnorm=clipnorm))


def walk(clipnorm, steps):
    """Trains the unit; returns (w, b) before and after each step, (steps + 1, 2)."""
    model, places = build(clipnorm, steps), [START]
    x, y = [np.zeros((1, DEPTH, 1)), np.full((1, 1), BEGIN)], np.full((1, 1), TARGET)
    model.set_weights([np.ones((1, 1)), np.full((1, 1), START[0]), np.full(1, START[1])])
    for _ in range(steps):
        model.train_on_batch(x, y)
        _, w, b = model.get_weights()
        places.append((w.item(), b.item()))
    return np.array(places)


def landscape(w, b):
    """Returns the loss of the unit with recurrent weight `w` and bias `b`, arrays of one shape."""
    y = np.full(w.shape, BEGIN)
    for _ in range(DEPTH):
        y = 1 / (1 + np.exp(-(w * y + b)))
    return (y - TARGET) ** 2


def draw(lengths, walks, path):
    """Draws the lengths of gradients, the cliff with the steps of both trainings, and their losses."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(14, 4.6), layout="constrained")
    for name, values in lengths.items():
        left.plot(np.arange(STEPS) - STEPS, values / values[-1], label=name)
    left.set(title="Before training: gradients for inputs long ago", xlabel="step, counted from the loss")
    left.set(ylabel="length, that of the last step being 1", yscale="log")
    left.legend(frameon=False, fontsize=8)

    w, b = np.meshgrid(np.linspace(4.2, 4.8, 300), np.linspace(-2.4, -1.8, 300))
    shades = middle.pcolormesh(w, b, landscape(w, b), cmap="Blues", shading="auto")
    figure.colorbar(shades, ax=middle, label="loss")
    for (name, places), colour in zip(walks.items(), ("tab:red", "tab:green"), strict=True):
        end = "({:.1f}, {:.1f})".format(*places[-1])
        middle.plot(*places.T, color=colour, lw=1, marker="o", ms=2.5, label=f"{name}: ends at {end}")
        right.plot(landscape(*places.T), color=colour, marker=".", ms=3, ls="", label=name)
    middle.set(title="One unit, 50 steps: a cliff", xlabel="recurrent weight", ylabel="bias")
    middle.axis([4.2, 4.8, -2.4, -1.8])
    middle.legend(loc="upper left", fontsize=8)
    right.set(title="Loss of the unit in training", xlabel="step", yscale="log", ylim=(1e-8, 1))
    right.legend(frameon=False, loc="lower left", markerscale=3)
    figure.savefig(path, dpi=150)


def main(argv=None):
    """Runs the example; returns the losses of the single unit after training."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="100 steps of training instead of 300")
    parser.add_argument("--out", type=Path, default=Path("out"), help="directory of the figure")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)

    utils.set_random_seed(0)
    lengths = followed(np.random.default_rng(0))
    for name, values in lengths.items():
        print(f"{STEPS} steps back the gradient is {values[0] / values[-1]:.0e} of the last one's: {name}")
    steps = 100 if args.quick else 300
    walks = {"not clipped": walk(None, steps), f"clipnorm={CLIP}": walk(CLIP, steps)}
    draw(lengths, walks, args.out / "gradient_flow.png")
    losses = {name: float(landscape(*places[-1:].T)[0]) for name, places in walks.items()}
    told = ", ".join(f"{loss:.1g} {name}" for name, loss in losses.items())
    print(f"Loss of one unit after training: {told}")
    print(f"figure in {args.out / 'gradient_flow.png'}")
    return losses


if __name__ == "__main__":
    main()
