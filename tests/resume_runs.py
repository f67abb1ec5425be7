"""Runs that are killed with -9 again and again and started again, beside the same run in one go.

python -m tests.resume_runs 0 20   does it for the random set-ups 0 to 19 and prints a line for each.
A set-up follows from its number alone. What a process leaves behind is compared byte for byte.
"""

import json
import math
import os
import random
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path

import h5py
import numpy as np

import kerasette as k
from kerasette import callbacks, layers, optimizers, utils

ROWS, EPOCHS = 150, 14


class Draws(callbacks.Callback):
    """Reports random numbers of the global generators, and a sum that it keeps itself."""

    remembers = ("total", "drawn")

    def __init__(self):
        super().__init__()
        self.total, self.drawn = 0.0, []

    def on_train_batch_end(self, batch, logs=None):
        self.total += np.random.random()

    def on_epoch_end(self, epoch, logs=None):
        self.drawn.append(random.random())
        logs["total"], logs["drawn"] = self.total, self.drawn[-1] + float(np.random.normal())


class KilledAt(callbacks.Callback):
    """Kills this process after so many steps."""

    remembers = ()

    def __init__(self, steps):
        super().__init__()
        self.steps = steps

    def on_train_batch_end(self, batch, logs=None):
        self.steps -= 1
        if self.steps == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class Pieces:
    """A sequence of batches with noise from NumPy's global generator; it moves on from pass to pass."""

    def __init__(self, x, y, size):
        self.x, self.y, self.size, self.turn = x, y, size, 0

    def __len__(self):
        return math.ceil(len(self.x) / self.size)

    def __getitem__(self, index):
        rows = slice(index * self.size, (index + 1) * self.size)
        return self.x[rows] + 0.01 * self.turn + 0.1 * np.random.normal(), self.y[rows]

    def on_epoch_end(self):
        self.turn += 1

    def get_state(self):
        return {"turn": self.turn}

    def set_state(self, state):
        self.turn = state["turn"]


class Setup:
    """Everything about a run that is drawn at random."""

    def __init__(self, number):
        rng = np.random.default_rng(number)
        self.number = number
        self.kind = ["chain", "two outputs"][number % 5 == 4]
        self.batch_size = int(rng.integers(8, 40))
        self.shuffle = [True, True, True, "batch"][rng.integers(4)]
        self.steps = None if rng.random() < 0.7 else int(rng.integers(2, 4))
        self.sequence = self.kind == "chain" and rng.random() < 0.2
        self.optimizer = int(rng.integers(7))
        self.scheduled = number >= 100  # a rate that is scheduled can't be reduced
        self.save_freq = ["epoch", int(rng.integers(1, 9))][rng.integers(2)]
        self.by_argument = self.save_freq == "epoch" and rng.random() < 0.5
        self.double = rng.random() < 0.3
        self.patience = int(rng.integers(2, 5))
        self.min_delta = [0.0, 0.01, 0.03][rng.integers(3)]
        self.factor = float(rng.uniform(0.3, 0.9))
        self.best_back = rng.random() < 0.5
        self.rate = float(10 ** rng.uniform(-2.5, -1.0))
        self.dropout = float(rng.uniform(0.1, 0.5))

    def __str__(self):
        return ", ".join(f"{name} {value}" for name, value in vars(self).items())

    # ------------------------------------------------------------ model and data

    def _optimizer(self):
        rate = optimizers.schedules.CosineDecay(self.rate, 60) if self.scheduled else self.rate
        return [
            lambda: optimizers.SGD(rate, momentum=0.9, nesterov=True),
            lambda: optimizers.Adam(rate, amsgrad=True, clipnorm=1.0),
            lambda: optimizers.RMSprop(rate, centered=True),
            lambda: optimizers.Nadam(rate),
            lambda: optimizers.AdamW(rate, weight_decay=0.01, use_ema=True, ema_momentum=0.9),
            lambda: optimizers.Lion(rate, beta_1=0.8),
            lambda: optimizers.Adam(rate, gradient_accumulation_steps=3),
        ][self.optimizer]()

    def model(self):
        x = k.Input((6,), name="x")
        h = layers.Dense(12, activation="tanh", kernel_regularizer="l2")(x)
        h = layers.Dropout(self.dropout)(h)
        h = layers.BatchNormalization()(h)
        h = layers.GaussianNoise(0.1)(layers.Dense(8, activation="relu")(h))
        outputs = [layers.Dense(3, activation="softmax", name="kind")(h)]
        loss, metrics = "sparse_categorical_crossentropy", ["accuracy"]
        if self.kind == "two outputs":
            outputs.append(layers.Dense(1, activation="sigmoid", name="sign")(layers.Dropout(0.2)(h)))
            loss, metrics = [loss, "binary_crossentropy"], [["accuracy"], ["AUC", "Precision"]]
        return k.Model(x, outputs).compile(self._optimizer(), loss, metrics=metrics)

    def data(self):
        rng = np.random.default_rng(1000 + self.number)
        x = rng.normal(size=(ROWS, 6)).astype("float32")
        score = x[:, 0] + 0.5 * rng.normal(size=ROWS)
        y = np.digitize(score, [-0.5, 0.5])
        if self.kind == "two outputs":
            return {"x": x, "y": [y, (score > 0).astype("float32")[:, None]], "validation_split": 0.2}
        if self.sequence:
            return {"x": Pieces(x[:120], y[:120], self.batch_size), "validation_data": (x[120:], y[120:])}
        return {"x": x, "y": y, "validation_split": 0.2, "sample_weight": rng.uniform(0.5, 2.0, ROWS)}

    def listeners(self, folder):
        rate = [] if self.scheduled else [
            callbacks.ReduceLROnPlateau(factor=self.factor, patience=1, cooldown=1)
        ]  # fmt: skip
        found = [
            *rate,
            callbacks.EarlyStopping(
                patience=self.patience, min_delta=self.min_delta, restore_best_weights=self.best_back
            ),
            callbacks.ModelCheckpoint(
                folder / "best.weights.h5", save_best_only=True, save_weights_only=True
            ),
            callbacks.CSVLogger(folder / "log.csv"),
            Draws(),
        ]
        if not self.by_argument:  # anywhere in the list: it is called last
            backup = callbacks.BackupAndRestore(folder / "backup", self.save_freq, self.double)
            found.insert(self.number % len(found), backup)
        return found


# ---------------------------------------------------------------- one process


def train(setup: Setup, folder: Path, seed: int, kill_at: int | None = None):
    """Trains as long as it lives; leaves result.json and result.h5 in `folder`."""
    utils.set_random_seed(seed)
    model, listeners = setup.model(), setup.listeners(folder)
    keywords = {"resume": folder / "run.h5"} if setup.by_argument else {}
    steps = setup.steps
    history = model.fit(
        **setup.data(),
        **({} if setup.sequence else {"batch_size": setup.batch_size}),
        **keywords,
        shuffle=setup.shuffle if not setup.sequence else True,
        steps_per_epoch=steps,
        epochs=EPOCHS,
        verbose=0,
        callbacks=[*([KilledAt(kill_at)] if kill_at else []), *listeners],
    )
    kept = [
        {name: value for name, value in one.get_state().items() if name not in ("best_weights", "size")}
        for one in listeners
    ]
    text = json.dumps([history.history, history.epoch, kept, next_numbers()])
    with h5py.File(folder / "result.h5", "w") as file:
        for number, array in enumerate(model.get_weights()):
            file[f"weights/{number}"] = array
        for number, (_, array) in enumerate(model.optimizer.state(exact=True)):
            file[f"slots/{number}"] = array
    (folder / "result.json").write_text(text)  # last: it says that the run came to its end


def next_numbers():
    """Returns what the global generators would give next."""
    return [random.random(), np.random.random(), k.backend.next_seed()]


def left_by(folder: Path) -> dict:
    """Returns {name: bytes} of what a run has left behind."""
    found = {name: (folder / name).read_bytes() for name in ("result.json", "log.csv")}
    for name in ("result.h5", "best.weights.h5"):
        with h5py.File(folder / name) as file:

            def enter(path, item, name=name):
                if isinstance(item, h5py.Dataset):
                    found[f"{name}:{path}"] = item[()].tobytes()

            file.visititems(enter)
    return found


# ---------------------------------------------------------------- many processes


def forked(function, *arguments, seconds=None) -> int:
    """Runs a function in a forked process, killed after `seconds`; returns minus the signal that ended it."""
    child = os.fork()
    if child == 0:
        try:
            function(*arguments)
        except BaseException as problem:
            print(f"{type(problem).__name__}: {problem}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def compare(number: int) -> str:
    """Runs a set-up in one go, and killed up to four times; returns what differs, or ""."""
    setup, rng = Setup(number), np.random.default_rng(number)
    with tempfile.TemporaryDirectory() as scratch:
        whole, killed = Path(scratch, "whole"), Path(scratch, "killed")
        whole.mkdir()
        killed.mkdir()
        began = time.perf_counter()
        if forked(train, setup, whole, number) != 0:
            return "the run in one go failed"
        seconds = time.perf_counter() - began
        kills = 0
        for attempt in range(int(rng.integers(2, 5))):
            # Processes after the first save have other seeds: they must take over everything.
            seed = 5000 + attempt if any(killed.rglob("run.h5*")) else number
            if attempt == 0:
                code = forked(train, setup, killed, seed, int(rng.integers(1, 12)))
            elif rng.random() < 0.5:
                code = forked(train, setup, killed, seed, int(rng.integers(1, 40)))
            else:
                code = forked(train, setup, killed, seed, seconds=float(rng.uniform(0, seconds)))
            if code not in (0, -signal.SIGKILL):
                return f"attempt {attempt} ended with {code}"
            if (killed / "result.json").exists():
                break
            kills += code != 0
        seed = 9999 if any(killed.rglob("run.h5*")) else number
        if not (killed / "result.json").exists() and forked(train, setup, killed, seed) != 0:
            return "the last attempt failed"
        one, other = left_by(whole), left_by(killed)
        differing = [name for name in {*one, *other} if one.get(name) != other.get(name)]
        left = [str(path) for path in killed.rglob("*") if path.name == "backup" or path.suffix == ".tmp"]
        losses, epochs, *_ = json.loads(one["result.json"])
        rates = len(set(losses.get("learning_rate", [])))
        said = f"{kills} kills, {len(epochs)} epochs, {rates} learning rates"
        print(f"set-up {number:2}: {said}; differing: {differing or 'nothing'}  ({setup})", flush=True)
        return ", ".join([*differing, *left, *([] if kills else ["no kill"])])


def main(first, last):
    warnings.simplefilter("ignore")
    return sum(bool(compare(number)) for number in range(first, last))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
