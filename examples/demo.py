"""The tour: Iris, MNIST by a plain and a convolutional network, a forecast, weights saved, and pictures.

python -m examples.demo
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from kerasette import utils

sys.path.insert(0, str(Path(__file__).resolve().parent))  # the other examples, from wherever this one is run

import iris
import mnist_cnn
import mnist_mlp
import sine_forecast


def save_and_load(model, fresh, x, path):
    """Saves the weights, loads them into the `fresh` model, and makes sure that it answers the same."""
    model.save_weights(path)
    wanted, before = model.predict(x), fresh.predict(x)
    fresh.load_weights(path)
    if np.array_equal(before, wanted) or not np.array_equal(fresh.predict(x), wanted):
        raise SystemExit("The loaded model doesn't answer as the saved one.")
    print(f"{path}: {path.stat().st_size:,} bytes; a fresh model with these weights answers the same")


def main(argv=None):
    """Runs the tour."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer splits, epochs and images")
    parser.add_argument("--out", type=Path, default=Path("out"), help="directory of the figures")
    args = parser.parse_args(argv)
    options = ["--out", str(args.out), *(["--quick"] if args.quick else [])]
    began = time.perf_counter()

    print("Iris: 4-8-8-3, one flower a step, five random splits")
    accuracies = iris.main(options)
    print("\nMNIST: 784-384-10 on images of handwritten digits")
    dense, history, (x, _) = mnist_mlp.main(options)
    print("\nMNIST: a convolutional network of two layers")
    convnet, longer, (images, _) = mnist_cnn.main(options)
    print("\nA recurrent layer that goes on with a wave")
    sine_forecast.main(options)
    print("\nWeights to HDF5 and back")
    save_and_load(dense, mnist_mlp.build(steps=10), x, args.out / "mnist.weights.h5")
    save_and_load(convnet, mnist_cnn.build(steps=10), images, args.out / "mnist_cnn.weights.h5")
    for name, model in (("mnist", dense), ("mnist_cnn", convnet)):
        path = args.out / f"{name}_graph.png"
        utils.plot_model(model, path, show_shapes=True, show_layer_activations=True)

    shares = [one.history["val_accuracy"][-1] for one in (history, longer)]
    print(f"\nIris: {', '.join(f'{one:.1%}' for one in accuracies)}")
    print(f"MNIST: {shares[0]:.2%}, with convolutions {shares[1]:.2%}")
    print(f"{time.perf_counter() - began:.0f} s in all. The figures:")
    drawn = [f"{name}_{what}" for name in ("mnist", "mnist_cnn") for what in ("curves", "mistakes", "graph")]
    for name in ("iris", *drawn, "sine_forecast"):
        print(f"  {args.out / name}.png")


if __name__ == "__main__":
    main()
