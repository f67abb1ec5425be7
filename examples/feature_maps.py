"""What a convolutional network looks at: its kernels, its maps of some digits, what excites its filters.

python examples/feature_maps.py
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import mnist_cnn
import numpy as np

from kerasette import Model
from kerasette.layers import Conv2D

FIELD, STEP = (
    8,
    2,
)  # a pixel of the second layer's maps sees 8 x 8 of the image; the next one's lie 2 on


def mosaic(maps, columns):
    """Returns maps (height, width, channels) as one picture, `columns` of them in a row."""
    maps = maps / max(maps.max(), 1e-6)
    height, width, channels = maps.shape
    tiles = np.full((-(-channels // columns), height + 1, columns, width + 1), 0.3)
    for channel in range(channels):
        row, column = divmod(channel, columns)
        tiles[row, :height, column, :width] = maps[:, :, channel]
    return tiles.reshape(len(tiles) * (height + 1), -1)[:-1, :-1]


def draw_kernels(layer, path):
    """Draws the 3 x 3 kernels of the first layer: ink where one is red excites its filter, where blue not."""
    kernel = layer.kernel.value[:, :, 0]
    largest = np.abs(kernel).max()
    figure, grid = plt.subplots(4, 8, figsize=(6, 3.4), layout="constrained")
    for number, axes in enumerate(grid.flat):
        axes.imshow(kernel[:, :, number], cmap="RdBu_r", vmin=-largest, vmax=largest)
        axes.axis("off")
    figure.suptitle(f"The {kernel.shape[-1]} kernels of the first layer")
    figure.savefig(path, dpi=150)


def draw_maps(images, maps, path):
    """Draws images, each with the maps that both layers make of it."""
    titles, columns = ("input", "first layer", "second layer"), (1, 8, 8)
    options = {"layout": "constrained", "width_ratios": [1, 2.1, 1.1]}
    figure, grid = plt.subplots(len(images), 3, figsize=(9, 9), **options)
    for line, *shown in zip(grid, images, *maps, strict=True):
        for axes, one, count in zip(line, shown, columns, strict=True):
            axes.imshow(mosaic(one, count), cmap="gray_r", vmin=0, vmax=1)
            axes.axis("off")
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title)
    figure.savefig(path, dpi=150)


def exciting(images, maps, channel, count=8):
    """Returns the patches of `count` images that excite a filter of the second layer most, one an image."""
    responses = maps[..., channel].reshape(len(maps), -1)
    best = np.argsort(-responses.max(axis=1))[:count]
    rows, columns = np.unravel_index(responses[best].argmax(axis=1), maps.shape[1:3])
    return [
        images[image, STEP * row : STEP * row + FIELD, STEP * column : STEP * column + FIELD, 0]
        for image, row, column in zip(best, rows, columns, strict=True)
    ]


def draw_patches(images, maps, path, filters=10):
    """Draws a row for each filter that responds at all: where it responds most."""
    alive = np.flatnonzero(maps.max(axis=(0, 1, 2)) > 0)[:filters]
    figure, grid = plt.subplots(len(alive), 8, figsize=(6, 7.6), layout="constrained")
    for line, channel in zip(grid, alive, strict=True):
        for axes, patch in zip(line, exciting(images, maps, channel), strict=True):
            axes.imshow(patch, cmap="gray_r", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
        line[0].set_ylabel(f"{channel}", rotation=0, ha="right", va="center")
    figure.suptitle("What excites filters of the second layer most, 8 x 8 pixels")
    figure.savefig(path, dpi=150)


def main(argv=None):
    """Runs the example; returns the share of the test images that the network reads right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="6,000 images instead of 60,000")
    parser.add_argument("--out", type=Path, default=Path("out"), help="directory of the figures")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)

    train_data, (x, digits) = mnist_cnn.load(6_000 if args.quick else 60_000)
    model, history = mnist_cnn.train(train_data, (x[:2_000], digits[:2_000]), epochs=1)
    convolutions = [layer for layer in model.layers if isinstance(layer, Conv2D)]
    features = Model(model.inputs, [layer.output for layer in convolutions])
    names = [args.out / f"feature_{name}.png" for name in ("kernels", "maps", "patches")]
    draw_kernels(convolutions[0], names[0])
    shown = x[[int(np.argmax(digits == digit)) for digit in (2, 4, 7, 8)]]
    draw_maps(shown, features.predict(shown), names[1])
    draw_patches(x[:2_000], features.predict(x[:2_000])[1], names[2])
    accuracy = history.history["val_accuracy"][-1]
    print(f"A network that reads {accuracy:.1%} of 2,000 test images; what it sees:")
    print(f"figures in {', '.join(map(str, names))}")
    return accuracy


if __name__ == "__main__":
    main()
