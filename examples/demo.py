"""The tour: Iris, MNIST, weights saved and loaded, and pictures of it all.

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
import mnist_mlp


def save_and_load(model, x, path):
    """Saves the weights, loads them into a fresh model, and makes sure that it answers the same."""
    model.save_weights(path)
    fresh = mnist_mlp.build(steps=10)
    before = np.array_equal(fresh.predict(x), model.predict(x))
    fresh.load_weights(path)
    if before or not np.array_equal(fresh.predict(x), model.predict(x)):
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
    model, _, (x_test, y_test) = mnist_mlp.main(options)
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print("\nWeights to HDF5 and back")
    save_and_load(model, x_test, args.out / "mnist.weights.h5")
    utils.plot_model(model, args.out / "mnist_graph.png", show_shapes=True, show_layer_activations=True)

    print(f"\nIris: {', '.join(f'{one:.1%}' for one in accuracies)}")
    print(f"MNIST: {accuracy:.2%}")
    print(f"{time.perf_counter() - began:.0f} s in all. The figures:")
    for name in ("iris", "mnist_curves", "mnist_mistakes", "mnist_graph"):
        print(f"  {args.out / name}.png")


if __name__ == "__main__":
    main()
