"""Resume: a run that is killed with -9 again and again ends with the bits of one that never was.

python examples/resume.py
"""

import argparse
import multiprocessing
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from kerasette import Sequential, callbacks, datasets, utils
from kerasette.layers import BatchNormalization, Dense, Dropout, Input
from kerasette.optimizers import Adam

KILLS, EPOCHS = 5, 60
STEPS = 12  # of an epoch


def build():
    """Returns a network with everything random or remembered that a resumed run has to bring back."""
    hidden = [Dense(16, activation="relu"), BatchNormalization(), Dropout(0.3)]
    model = Sequential([Input((4,)), *hidden, Dense(3, activation="softmax")])
    return model.compile("sparse_categorical_crossentropy", Adam(0.02), metrics=["accuracy"])


def train(folder, epochs, report=None):
    """Trains to the end, from wherever an earlier process was; leaves weights and history in `folder`."""
    utils.set_random_seed(0)
    x, y = datasets.iris.load_all()
    rows = np.random.default_rng(0).permutation(len(x))
    listeners = [
        callbacks.ReduceLROnPlateau(factor=0.7, patience=3),
        callbacks.EarlyStopping(patience=25, restore_best_weights=True),
        callbacks.BackupAndRestore(folder / "backup", save_freq=5),  # fit(resume=path) does it each epoch
    ]
    if report is not None:  # tells the parent of each step
        listeners.append(callbacks.LambdaCallback(on_train_batch_end=lambda step, logs: report.send(step)))
    model = build()
    history = model.fit(
        x[rows], y[rows], 10, epochs, verbose=0, validation_split=0.2, callbacks=listeners
    ).history
    np.savez(folder / "history.npz", **history)
    np.savez(folder / "weights.npz", *model.get_weights())


def killed(context, folder, epochs, kills):
    """Starts the training again and again, and kills it; returns how many steps each process did."""
    rng, steps = np.random.default_rng(), []
    for number in range(kills + 1):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=train, args=(folder, epochs, sender))
        process.start()
        sender.close()
        wanted = int(rng.integers(1, STEPS * epochs // (kills + 1))) if number < kills else None
        steps.append(0)
        try:
            while steps[-1] != wanted:
                receiver.recv()
                steps[-1] += 1
        except EOFError:  # the process has ended
            process.join()
            break
        process.kill()
        process.join()
    return steps


def load(path):
    """Returns the arrays of an .npz file by name."""
    with np.load(path) as archive:
        return dict(archive)


def draw(one, other, steps, path):
    """Draws the loss of both runs, and how far each process came."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    epochs = np.arange(1, len(one["loss"]) + 1)
    for name, label in (("loss", "training"), ("val_loss", "validation")):
        left.plot(epochs, one[name], lw=5, alpha=0.35, label=f"{label}, in one go")
        left.plot(epochs, other[name], lw=1, color="black", label=f"{label}, killed {len(steps) - 1} times")
    left.set(title="Loss", xlabel="epoch", ylabel="cross-entropy")
    left.legend(frameon=False)
    right.bar(np.arange(1, len(steps) + 1), np.array(steps) / STEPS)
    right.set(title="How long each process lived", xlabel="process", ylabel="epochs")
    figure.savefig(path, dpi=150)


def main(argv=None):
    """Runs the example; returns whether the two runs are equal to the last bit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="2 kills, 12 epochs")
    parser.add_argument("--out", type=Path, default=Path("out"), help="directory of the figure")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)

    kills, epochs = (2, 12) if args.quick else (KILLS, EPOCHS)
    with tempfile.TemporaryDirectory() as scratch:
        folders = [Path(scratch, name) for name in ("whole", "killed")]
        for folder in folders:
            folder.mkdir()
        train(folders[0], epochs)
        steps = killed(multiprocessing.get_context("spawn"), folders[1], epochs, kills)
        (one, history), (other, again) = (
            [load(folder / f"{name}.npz") for name in ("weights", "history")] for folder in folders
        )
    draw(history, again, steps, args.out / "resume.png")
    equal = all(np.array_equal(a[k], b[k]) for a, b in ((one, other), (history, again)) for k in a)
    print(f"Resume: {len(history['loss'])} epochs, killed after {', '.join(map(str, steps[:-1]))} steps;")
    print(f"weights and history {'are equal to the last bit' if equal else 'DIFFER'}")
    print(f"figure in {args.out / 'resume.png'}")
    return equal


if __name__ == "__main__":
    main()
