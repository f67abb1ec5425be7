"""Damped oscillator: recurrent layers learn x'' + eta x' + x = F(t) from its solutions.

python examples/damped_oscillator.py
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from kerasette import Input, Model, utils
from kerasette.layers import GRU, Dense, SimpleRNN
from kerasette.optimizers import Adam
from kerasette.optimizers.schedules import CosineDecay

try:
    from scipy.integrate import solve_ivp
except ModuleNotFoundError:
    raise SystemExit('This example solves equations with scipy: pip install ".[examples]"') from None

ETA, DT = 0.2, 0.2
COUNT, STEPS, BATCH, EPOCHS = 1_024, 50, 32, 60  # trajectories to learn from, and their length
LONG = 1_000  # steps of the roll-out


def solve(force, start, steps):
    """Returns inputs and answers: [forces (n, steps, 2), start (n, 2)], and x and x' (n, steps, 2).

    `force` maps a time to one value a trajectory, (n,). A step's two are those of its begin and its end.
    """

    def slope(t, state):
        x, v = state.reshape(2, -1)
        return np.concatenate([v, force(t) - ETA * v - x])

    times = DT * np.arange(steps + 1)
    solved = solve_ivp(slope, times[[0, -1]], start.T.ravel(), t_eval=times, rtol=1e-8, atol=1e-8)
    states = solved.y.reshape(2, len(start), steps + 1).transpose(1, 2, 0)
    forces = np.stack([force(t) for t in times], axis=1)  # (n, steps + 1)
    return [np.stack([forces[:, :-1], forces[:, 1:]], axis=2), start], states[:, 1:]


def trajectories(count, rng):
    """Returns `count` of them from random starts, each with a force of three waves."""
    speed, phase = rng.uniform(0.2, 2, (3, count)), rng.uniform(0, 2 * np.pi, (3, count))
    height, start = rng.normal(0, 0.5, (3, count)), rng.normal(0, 1, (count, 2))
    return solve(lambda t: (height * np.sin(speed * t + phase)).sum(axis=0), start, STEPS)


def build(free, steps):
    """Returns a network from forces and start to the solution, compiled.

    A linear SimpleRNN of two units, x and x', has the form of the equation itself; with `free` it is
    a GRU, which knows nothing of it.
    """
    force, start = Input((None, 2)), Input((2,))
    if free:
        outputs = Dense(2)(GRU(32, return_sequences=True)(force, initial_state=Dense(32)(start)))
    else:  # it begins where a step changes nothing: from far away it doesn't find the frequency
        options = {"use_bias": False, "recurrent_initializer": "identity", "return_sequences": True}
        outputs = SimpleRNN(2, activation=None, name="equation", **options)(force, initial_state=start)
    return Model([force, start], outputs).compile("mse", Adam(CosineDecay(0.01, steps), clipnorm=1.0))


def damping(model):
    """Returns eta and the undamped frequency, read off the matrix that takes (x, x') one step further."""
    _, matrix = model.get_layer("equation").get_weights()
    rate = np.log(np.linalg.eigvals(matrix).astype(complex)[0]) / DT
    return -2 * rate.real, abs(rate)


def draw(force, solution, rolled, path):
    """Draws the force, the long roll-outs of both networks beside the solution, and their errors."""
    sizes = {"figsize": (10, 8), "height_ratios": [0.4, 1.4, 1]}
    figure, (above, middle, below) = plt.subplots(3, 1, layout="constrained", sharex=True, **sizes)
    t = DT * np.arange(1, LONG + 1)
    above.plot(t, force[0, :, 1], color="0.3")
    above.set(title="A force that goes slowly through the resonance", ylabel="force")
    middle.plot(t, solution[0, :, 0], color="0.8", lw=5, label="solution")
    for (name, values), colour in zip(rolled.items(), ("tab:red", "tab:green"), strict=True):
        middle.plot(t, values[0, :, 0], color=colour, lw=1.2, label=name)
        below.plot(t, np.abs(values - solution)[0, :, 0], color=colour, lw=1)
    for axes in (above, middle, below):
        axes.axvspan(0, DT * STEPS, color="tab:blue", alpha=0.12, label="longest time in training")
    middle.set(ylabel="x")
    middle.legend(loc="upper left", frameon=False)
    below.set(ylabel="error of x", xlabel="time", yscale="log", ylim=(1e-6, None))
    figure.savefig(path, dpi=150)


def main(argv=None):
    """Runs the example; returns the root mean square error of both roll-outs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="10 epochs instead of 60")
    parser.add_argument("--out", type=Path, default=Path("out"), help="directory of the figure")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)

    utils.set_random_seed(0)
    xs, y = trajectories(COUNT, np.random.default_rng(0))
    sweep, solution = solve(lambda t: 1.2 * np.sin((0.3 + 0.003 * t) * t)[None], np.zeros((1, 2)), LONG)
    epochs, rolled = 10 if args.quick else EPOCHS, {}
    for name, free in (("linear SimpleRNN of 2 units", False), ("GRU of 32 units", True)):
        model = build(free, steps=epochs * COUNT // BATCH)
        model.fit(xs, y, BATCH, epochs=epochs, verbose=0)
        rolled[name] = model.predict(sweep)
        if not free:
            eta, frequency = damping(model)
            print(f"eta {eta:.4f} and frequency {frequency:.4f} in the weights; {ETA} and 1 in the equation")
    draw(sweep[0], solution, rolled, args.out / "damped_oscillator.png")
    errors = {name: float(np.sqrt(np.mean((one - solution) ** 2))) for name, one in rolled.items()}
    told = ", ".join(f"{name} {error:.4f}" for name, error in errors.items())
    print(f"Damped oscillator, root mean square error of {LONG:,} steps: {told}")
    print(f"figure in {args.out / 'damped_oscillator.png'}")
    return errors


if __name__ == "__main__":
    main()
