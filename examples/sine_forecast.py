"""Sine forecast: a recurrent layer learns to continue a wave, and then lives on its own forecasts.

python examples/sine_forecast.py
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from kerasette import Sequential, utils
from kerasette.layers import LSTM, Dense, Input
from kerasette.optimizers import Adam
from kerasette.optimizers.schedules import CosineDecay

WINDOW, EPOCHS, BATCH = 20, 40, 32
TRAINING, VALIDATION = 1_000, 300  # steps of the series


def series():
    """Returns a slow wave with a faster one on it, (steps, 1)."""
    t = np.arange(TRAINING + VALIDATION)
    return (np.sin(0.1 * t) + 0.5 * np.sin(0.23 * t + 1))[:, None].astype("float32")


def build(steps):
    """Returns a network from a window to the next value, compiled; its rate falls to 0 within `steps`."""
    model = Sequential([Input((WINDOW, 1)), LSTM(32), Dense(1)])
    return model.compile("mse", Adam(CosineDecay(0.01, steps)))


def forecast(model, window, count):
    """Returns `count` values (count, 1) that follow `window`: each joins the window of the next."""
    known = list(window)
    for _ in range(count):
        known.extend(model.predict_on_batch(np.array(known[-WINDOW:])[None]))
    return np.array(known[WINDOW:])


def draw(wave, single, own, losses, path):
    """Draws the validation part with both forecasts, their errors, and the losses of training."""
    figure = plt.figure(figsize=(10, 6.4), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=[1.2, 1])
    above, left, right = (figure.add_subplot(place) for place in (grid[0, :], grid[1, 0], grid[1, 1]))
    truth, t = wave[TRAINING:], np.arange(TRAINING, len(wave))
    shown = slice(TRAINING - 100, TRAINING + 1)
    above.plot(np.arange(TRAINING - 100, TRAINING + 1), wave[shown], color="0.3", label="end of training")
    above.plot(t, truth, color="0.75", lw=6, label="truth")
    above.plot(t, own, color="tab:red", label="forecast from its own forecasts")
    above.axvspan(TRAINING - WINDOW, TRAINING, color="tab:blue", alpha=0.15, label="the last window seen")
    above.set(title=f"{len(truth)} steps on from one window of {WINDOW} values", xlabel="step")
    above.legend(ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.18), frameon=False)
    left.plot(t, np.abs(own - truth), color="tab:red", label="from its own forecasts")
    left.plot(t, np.abs(single - truth), color="tab:green", label="one step on from true values")
    left.set(title="Error of the forecast", xlabel="step", yscale="log", ylim=(1e-7, None))
    left.legend(frameon=False, loc="lower left")
    epochs = np.arange(1, len(losses["loss"]) + 1)
    for name, label in (("loss", "training"), ("val_loss", "validation")):
        right.plot(epochs, losses[name], label=label)
    right.set(title="Loss of one step", xlabel="epoch", ylabel="mean squared error", yscale="log")
    right.legend(frameon=False)
    figure.savefig(path, dpi=150)


def main(argv=None):
    """Runs the example; returns the root mean square error of the long forecast."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="8 epochs instead of 40")
    parser.add_argument("--out", type=Path, default=Path("out"), help="directory of the figure")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)

    utils.set_random_seed(0)
    wave, epochs = series(), 8 if args.quick else EPOCHS
    x, y = utils.sliding_windows(wave[:-1], WINDOW), wave[WINDOW:]  # views: no window is copied
    split = TRAINING - WINDOW
    model = build(steps=epochs * -(-split // BATCH))
    settings = {"epochs": epochs, "validation_data": (x[split:], y[split:]), "verbose": 0}
    history = model.fit(x[:split], y[:split], BATCH, **settings)
    single = model.predict(x[split:])
    own = forecast(model, wave[split:TRAINING], VALIDATION)
    draw(wave, single, own, history.history, args.out / "sine_forecast.png")
    errors = [float(np.sqrt(np.mean((one - y[split:]) ** 2))) for one in (single, own)]
    print(f"Sine forecast: root mean square error {errors[0]:.4f} one step on from true values,")
    print(f"{errors[1]:.4f} over {VALIDATION} steps of its own forecasts (the wave itself: {np.std(y):.2f})")
    print(f"figure in {args.out / 'sine_forecast.png'}")
    return errors[1]


if __name__ == "__main__":
    main()
