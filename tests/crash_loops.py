"""Processes that save in a loop and are killed with -9: `python -m tests.crash_loops weights 200`.

Each save writes one number into all weights, so that a file that was mixed from two saves would show.
"""

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import h5py  # noqa: F401 - loaded once, before the forks
import numpy as np

import kerasette as k
from kerasette import callbacks, layers


def model_of():
    chain = [layers.Dense(40, activation="relu"), layers.Dense(30)]
    return k.Sequential([k.Input((20,)), *chain]).compile("adam", "mse")


def set_all(model, number):
    """Puts one number into all weights."""
    model.set_weights([np.full(array.shape, number, "float32") for array in model.get_weights()])


class Saves(callbacks.Callback):
    """Saves the run again and again, with other weights each time."""

    remembers = ()

    def __init__(self, path, told):
        super().__init__()
        self.path, self.told = path, told

    def on_train_begin(self, logs=None):
        for number in range(1, 10**6):
            set_all(self.model, number)
            self.model.save_run(self.path)
            self.told()


def save_weights(folder, told):
    model = model_of()
    for number in range(1, 10**6):
        set_all(model, number)
        model.save_weights(folder / "w.weights.h5")
        told()


def save_run(folder, told):
    model_of().fit(
        np.zeros((4, 20)), np.zeros((4, 30)), verbose=0, callbacks=[Saves(folder / "run.h5", told)]
    )


def save_model(folder, told):
    model = model_of()
    for number in range(1, 10**6):
        set_all(model, number)
        model.save(folder / "m.keras")
        told()


def load_weights(folder):
    model = model_of()
    model.load_weights(folder / "w.weights.h5")
    return model.get_weights()


def load_run(folder):
    model = model_of()
    model.fit(np.zeros((4, 20)), np.zeros((4, 30)), epochs=0, verbose=0, resume=folder / "run.h5")
    return model.get_weights()


def load_model(folder):
    return k.models.load_model(folder / "m.keras").get_weights()


KINDS = {
    "weights": (save_weights, load_weights),
    "run": (save_run, load_run),
    "model": (save_model, load_model),
}


def killed_once(save, folder, delay):
    """Lets a forked process save in a loop, and kills it some time after its first save."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        said = []
        try:
            save(folder, lambda: said or (said.append(1), os.write(writer, b"1")))
        finally:
            os._exit(1)
    os.close(writer)
    alive = os.read(reader, 1)
    os.close(reader)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert alive and ended == -signal.SIGKILL, f"the child ended by itself: {ended}"


def main(kind, count):
    save, load = KINDS[kind]
    rng, lost, interrupted = np.random.default_rng(0), 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for _ in range(count):
            killed_once(save, folder, float(rng.uniform(0.0, 0.03)))
            interrupted += any(name.suffix == ".tmp" for name in folder.iterdir())
            try:
                arrays = load(folder)
                values = {float(value) for array in arrays for value in np.unique(array)}
                lost += len(values) != 1
            except (OSError, ValueError) as problem:
                lost += 1
                print(problem)
        left = len(list(folder.iterdir()))
    print(f"{kind}: {count} kills, {interrupted} of them within a save, {lost} files lost, {left} files left")
    return lost or interrupted < count // 10


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
