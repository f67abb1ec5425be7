"""Exchange: a network begins in Keras, trains on in kerasette and ends in Keras, beside one that stayed.

python examples/keras_exchange.py
"""

import argparse
import importlib.util
import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import kerasette
from kerasette import datasets

BACKENDS = {
    "tensorflow": "tensorflow",
    "jax": "jax",
    "torch": "torch",
}  # what Keras may stand on -> its module
SETTINGS = {"batch_size": 50, "shuffle": False, "verbose": 0}  # the same steps everywhere
NEAR = 1e-2  # losses of the two; rounding differs in the last bit, and training makes that grow


def keras_or_none():
    """Imports Keras on whatever it can stand on here; returns None where it isn't installed."""
    if "KERAS_BACKEND" not in os.environ:
        found = [name for name in BACKENDS if importlib.util.find_spec(name)]
        os.environ["KERAS_BACKEND"] = found[0] if found else "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import keras
    except ImportError:
        return None
    return keras if hasattr(keras, "ops") else None  # Keras 2 writes other files


def network(k):
    """Returns a convnet of a library: Keras and kerasette read the same lines."""
    chain = [
        k.layers.Conv2D(8, 3, strides=2, activation="relu"),
        k.layers.BatchNormalization(),
        k.layers.Conv2D(16, 3, strides=2, activation="relu"),
        k.layers.Flatten(),
        k.layers.Dense(10, activation="softmax"),
    ]
    model = k.Sequential([k.Input((28, 28, 1)), *chain])
    model.compile(k.optimizers.Adam(0.002), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def losses(model, x, y, epochs):
    return model.fit(x, y, epochs=epochs, **SETTINGS).history["loss"]


def travel(keras, x, y, epochs, folder):
    """Trains in Keras, in kerasette, in Keras; returns (model, its losses by stage) and those that stayed."""
    there, back, alone = (str(folder / f"{name}.keras") for name in ("there", "back", "alone"))
    model = network(keras)
    stages = [losses(model, x, y, epochs)]
    model.save(there)
    model.save(alone)

    ours = kerasette.models.load_model(there)  # weights, optimizer and what compile() was told
    stages.append(losses(ours, x, y, epochs))
    ours.save(back)

    model = keras.models.load_model(back)
    stages.append(losses(model, x, y, epochs))
    stayed = keras.models.load_model(alone)
    return model, stages, stayed, stages[0] + losses(stayed, x, y, 2 * epochs)


def draw(stages, whole, path):
    """Draws the losses of the network that travelled over those of the one that stayed."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    axes.plot(np.arange(1, len(whole) + 1), whole, lw=6, alpha=0.3, color="gray", label="Keras all the way")
    begin = 1
    for stage, place, color in zip(stages, ("Keras", "kerasette", "Keras"), ("C3", "C0", "C3"), strict=True):
        axes.plot(np.arange(begin, begin + len(stage)), stage, "o-", color=color, label=place)
        begin += len(stage)
    axes.set(title="One training, two libraries", xlabel="epoch", ylabel="cross-entropy", yscale="log")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


def main(argv=None):
    """Runs the example; returns whether the two networks stayed together, or None without Keras."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="500 images, 2 epochs a stage")
    parser.add_argument("--out", type=Path, default=Path("out"), help="directory of the figure")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)

    keras = keras_or_none()
    if keras is None:
        print('Skipped: this example needs Keras 3, which is not installed: pip install keras "jax[cpu]"')
        return None
    keras.utils.set_random_seed(0)
    (x, y), (x_test, y_test) = datasets.mnist.load_data()
    count, epochs = (500, 2) if args.quick else (5000, 4)
    x, x_test = (images[:count, ..., None].astype("float32") / 255 for images in (x, x_test))
    with tempfile.TemporaryDirectory() as scratch:
        model, stages, stayed, whole = travel(keras, x, y[:count], epochs, Path(scratch))
    answers, others = (np.asarray(one.predict(x_test, verbose=0)).argmax(1) for one in (model, stayed))
    draw(stages, whole, args.out / "keras_exchange.png")
    off = float(np.abs(np.concatenate(stages) - whole).max())
    print(f"Exchange: Keras {keras.__version__} on {keras.backend.backend()}, {epochs} epochs a stage;")
    print(f"losses differ by at most {off:.1e} from Keras all the way; of {count} test images")
    print(
        f"{np.mean(answers == others):.2%} are answered alike, {np.mean(answers == y_test[:count]):.1%} well"
    )
    print(f"figure in {args.out / 'keras_exchange.png'}")
    return off < NEAR


if __name__ == "__main__":
    main()
