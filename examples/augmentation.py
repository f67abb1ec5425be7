"""Images changed at random: what each layer does, and what that is worth where there are few to learn from.

python examples/augmentation.py
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import mnist_cnn
import numpy as np

from kerasette import Input, Sequential, utils
from kerasette.layers import (
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPooling2D,
    RandomBrightness,
    RandomContrast,
    RandomCrop,
    RandomFlip,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
)

OUTSIDE = {"fill_mode": "constant", "fill_value": 0.0}  # what comes in from outside is paper


def augment():
    """Returns the changes after which a digit is still the same digit; a flipped 2 isn't a 2."""
    return Sequential(
        [
            Input((28, 28, 1)),
            RandomRotation(0.04, **OUTSIDE),
            RandomZoom(0.12, 0.12, **OUTSIDE),
            RandomTranslation(0.1, 0.1, **OUTSIDE),
        ],
        name="augment",
    )


def build(changed):
    """Returns a convolutional network, compiled, that changes its images in training or doesn't."""
    layers = [
        Conv2D(32, 3, activation="relu"),
        MaxPooling2D(),
        Conv2D(64, 3, activation="relu"),
        MaxPooling2D(),
        Flatten(),
        Dropout(0.5),
        Dense(10, activation="softmax"),
    ]
    model = Sequential([Input((28, 28, 1)), *([augment()] if changed else []), *layers])
    return model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])


def draw_changes(image, path):
    """Draws one image as it is, then eight draws of each layer."""
    layers = {
        "RandomFlip": RandomFlip("horizontal"),
        "RandomRotation": RandomRotation(0.15, **OUTSIDE),
        "RandomZoom": RandomZoom(0.4, **OUTSIDE),
        "RandomTranslation": RandomTranslation(0.25, 0.25, **OUTSIDE),
        "RandomCrop": RandomCrop(20, 20),
        "RandomContrast": RandomContrast(0.8, value_range=(0, 1)),
        "RandomBrightness": RandomBrightness(0.5, value_range=(0, 1)),
        "those of training": augment(),
    }
    figure, grid = plt.subplots(len(layers), 9, figsize=(9, 8), layout="constrained")
    for line, (name, layer) in zip(grid, layers.items(), strict=True):
        drawn = [layer(image[None], training=True) for _ in range(8)]
        for axes, shown in zip(line, [image, *drawn], strict=True):
            axes.imshow(shown.squeeze(), cmap="gray_r", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    figure.savefig(path, dpi=150)


def draw_curves(histories, every, path):
    """Draws the accuracy on the test images of both networks."""
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for name, history in histories.items():
        accuracies = history.history["val_accuracy"]
        axes.plot(every * np.arange(1, len(accuracies) + 1), accuracies, marker="o", label=name)
    axes.set(xlabel="epoch", ylabel="share of test images read right")
    axes.legend()
    figure.savefig(path, dpi=150)


def main(argv=None):
    """Runs the example; returns the accuracies on the test images {"as they are": ..., "changed": ...}."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="200 images instead of 500, fewer epochs")
    parser.add_argument("--out", type=Path, default=Path("out"), help="directory of the figures")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)

    count, epochs, tested = (200, 12, 1_000) if args.quick else (500, 60, 10_000)
    (x, y), (x_test, y_test) = mnist_cnn.load(count)
    test_data, every, histories = (x_test[:tested], y_test[:tested]), epochs // 6, {}
    for name, changed in (("as they are", False), ("changed", True)):
        utils.set_random_seed(0)
        settings = {"epochs": epochs, "validation_data": test_data, "validation_freq": every, "verbose": 0}
        histories[name] = build(changed).fit(x, y, batch_size=32, **settings)
    draw_changes(x[0], args.out / "augmentation_layers.png")
    draw_curves(histories, every, args.out / "augmentation_curves.png")
    results = {name: history.history["val_accuracy"][-1] for name, history in histories.items()}
    told = ", ".join(f"{name} {accuracy:.1%}" for name, accuracy in results.items())
    print(f"{count:,} images to learn from, {tested:,} to test on: {told}")
    print(f"figures in {args.out / 'augmentation_layers.png'} and {args.out / 'augmentation_curves.png'}")
    return results


if __name__ == "__main__":
    main()
