"""Noisy series: a simple recurrent network hears the sine through the noise.

python examples/noisy_series.py
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from kerasette import Sequential, utils
from kerasette.layers import Dense, Input, SimpleRNN
from kerasette.optimizers import RMSprop

WINDOW, BATCH, EPOCHS = 16, 16, 40
STEPS, TEST, NOISE = 2_000, 500, 0.3


def series(rng):
    """Returns a sine and what is measured of it, which is the same with noise; both (steps, 1)."""
    sine = np.sin(0.1 * np.arange(STEPS))[:, None]
    return sine, sine + rng.normal(0, NOISE, sine.shape)


def build():
    """Returns SimpleRNN and Dense, from a window of measurements to the next one, compiled."""
    model = Sequential([Input((WINDOW, 1)), SimpleRNN(32), Dense(1)])
    return model.compile("mse", RMSprop(0.0003))


def batches(measured, first, last, shuffle):
    """Returns batches of windows on the steps from `first` to `last`, each with the measurement behind it."""
    options = {"batch_size": BATCH, "start_index": first, "end_index": last, "shuffle": shuffle}
    return utils.timeseries_dataset_from_array(measured[:-1], measured[WINDOW:], WINDOW, **options)


def draw(sine, measured, forecasts, losses, path):
    """Draws some of the test part with its forecasts, and the loss beside the variance of the noise."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained", width_ratios=[1.7, 1])
    t = np.arange(STEPS - TEST, STEPS - TEST + 160)
    left.scatter(t, measured[t], s=9, color="0.55", label="measured")
    left.plot(t, sine[t], color="black", ls="--", label="the sine in it")
    left.plot(t, forecasts[: len(t)], color="tab:red", label="forecast")
    left.set(title="New measurements, each forecast from the 16 before it", xlabel="step", ylim=(-2, 2.6))
    left.legend(loc="upper center", ncols=3, frameon=False)
    epochs = np.arange(1, len(losses["loss"]) + 1)
    right.plot(epochs, losses["loss"], label="training")
    right.plot(epochs, losses["val_loss"], label="test")
    right.axhline(
        NOISE**2, color="black", ls="--", lw=1, label="variance of the noise:\nno forecast can do better"
    )
    right.set(title="Loss", xlabel="epoch", ylabel="mean squared error", ylim=(0, 3 * NOISE**2))
    right.legend(frameon=False)
    figure.savefig(path, dpi=150)


def main(argv=None):
    """Runs the example; returns the error of the forecasts of the test part, measured on the sine itself."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="10 epochs instead of 40")
    parser.add_argument("--out", type=Path, default=Path("out"), help="directory of the figure")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)

    utils.set_random_seed(0)
    sine, measured = series(np.random.default_rng(0))
    split, model = STEPS - TEST, build()
    training = batches(measured, 0, split - 1, shuffle=True)
    test = batches(measured, split - WINDOW, None, shuffle=False)
    epochs = 10 if args.quick else EPOCHS
    history = model.fit(training, epochs=epochs, validation_data=test, verbose=0)
    forecasts = model.predict(test)  # (TEST, 1)
    draw(sine, measured, forecasts, history.history, args.out / "noisy_series.png")

    candidates = {
        "the last measurement": measured[split - 1 : -1],
        "the mean of 16": utils.sliding_windows(measured[split - WINDOW : -1], WINDOW).mean(axis=1),
        "the network": forecasts,
    }
    print(f"Noisy series: how far off the sine is what is forecast of it (noise: {NOISE})")
    for name, values in candidates.items():
        off = float(np.sqrt(np.mean((values - sine[split:]) ** 2)))
        print(f"  {off:.3f} by {name}")
    print(f"figure in {args.out / 'noisy_series.png'}")
    return off


if __name__ == "__main__":
    main()
