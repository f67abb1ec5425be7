"""A graph with two inputs, shared layers and two outputs: are two digits the same, and what is their sum?

python examples/functional_graph.py
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from kerasette import Input, Model, datasets, utils
from kerasette.layers import Concatenate, Dense, Flatten, Rescaling
from kerasette.optimizers import Adam


def build():
    """Returns the model, compiled: one encoder reads both images, two heads answer."""
    first, second = Input((28, 28), name="first"), Input((28, 28), name="second")
    flatten, rescale = Flatten(), Rescaling(1 / 255)
    encode, refine = Dense(128, activation="relu"), Dense(32, activation="relu")
    a, b = (refine(encode(rescale(flatten(image)))) for image in (first, second))
    difference = a - b
    apart = Dense(32, activation="relu")(difference * difference)
    same = Dense(1, activation="sigmoid", name="same")(apart)
    both = Dense(64, activation="relu")(Concatenate()([a, b]))
    total = Dense(19, activation="softmax", name="total")(both)
    model = Model({"first": first, "second": second}, {"same": same, "total": total})
    return model.compile(
        optimizer=Adam(0.002),
        loss={"same": "binary_crossentropy", "total": "sparse_categorical_crossentropy"},
        loss_weights={"same": 1.0, "total": 0.5},
        metrics={"same": ["accuracy"], "total": ["accuracy"]},
    )


def pairs(images, labels, count, rng):
    """Returns inputs and targets of `count` pairs of images; about half of them show the same digit."""
    first = rng.integers(0, len(images), count)
    second = rng.integers(0, len(images), count)
    by_digit = [np.flatnonzero(labels == digit) for digit in range(10)]
    for k in np.flatnonzero(rng.random(count) < 0.45):
        second[k] = rng.choice(by_digit[labels[first[k]]])
    a, b = labels[first].astype(int), labels[second].astype(int)
    inputs = {"first": images[first], "second": images[second]}
    return inputs, {"same": (a == b).astype("float32"), "total": a + b}


def draw(model, inputs, targets, path):
    """Draws five pairs of one digit and five of two, with what the model says about them."""
    rows = np.concatenate([np.flatnonzero(targets["same"] == same)[:5] for same in (1, 0)])
    shown = {name: images[rows] for name, images in inputs.items()}
    answers = model.predict(shown)
    figure, grid = plt.subplots(2, 5, figsize=(10, 3), layout="constrained")
    for k, axes in enumerate(grid.flat):
        axes.imshow(np.hstack([shown["first"][k], shown["second"][k]]), cmap="gray_r")
        share = answers["same"][k, 0]
        axes.set_title(f"sum {answers['total'][k].argmax()}, {share:.0%} the same", fontsize=9)
        axes.axis("off")
    figure.savefig(path, dpi=150)


def main(argv=None):
    """Runs the example; returns the results on pairs of test images."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="6,000 pairs instead of 60,000")
    parser.add_argument("--out", type=Path, default=Path("out"), help="directory of the figures")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)

    utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    (x, y), (x_test, y_test) = datasets.mnist.load_data()
    inputs, targets = pairs(x, y, 6_000 if args.quick else 60_000, rng)
    test_inputs, test_targets = pairs(x_test, y_test, 5_000, rng)
    model = build()
    model.fit(inputs, targets, batch_size=128, epochs=2 if args.quick else 4, verbose=2)
    results = model.evaluate(test_inputs, test_targets, return_dict=True, verbose=0)
    utils.plot_model(model, args.out / "functional_graph.png", show_shapes=True, show_layer_names=True)
    draw(model, test_inputs, test_targets, args.out / "functional_pairs.png")
    same, total = results["same_accuracy"], results["total_accuracy"]
    print(f"Pairs of unseen digits: same or not {same:.1%} right, sum {total:.1%} right")
    print(f"figures in {args.out / 'functional_graph.png'} and {args.out / 'functional_pairs.png'}")
    return results


if __name__ == "__main__":
    main()
