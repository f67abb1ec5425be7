"""A convolutional autoencoder takes the noise out of handwritten digits that it hasn't seen.

python examples/autoencoder.py
"""

import argparse
import time
from pathlib import Path

import matplotlib.pyplot as plt
import mnist_cnn
import numpy as np

from kerasette import Input, Model, utils
from kerasette.layers import Conv2D, Conv2DTranspose
from kerasette.optimizers import Adam

EPOCHS, BATCH, NOISE = 3, 64, 0.5


def build():
    """Returns (autoencoder, compiled; its encoder): 28 x 28 pixels pass through 7 x 7 x 8 numbers."""
    settings = {"padding": "same", "activation": "relu", "kernel_initializer": "he_normal"}
    inputs = Input((28, 28, 1))
    x = Conv2D(16, 3, strides=2, **settings)(inputs)
    x = Conv2D(32, 3, strides=2, **settings)(x)
    code = Conv2D(8, 3, padding="same")(x)
    x = Conv2DTranspose(32, 3, strides=2, **settings)(code)
    outputs = Conv2DTranspose(1, 5, strides=2, padding="same", activation="sigmoid")(x)
    model = Model(inputs, outputs).compile("binary_crossentropy", Adam(0.003), metrics=["mse"])
    return model, Model(inputs, code)


def spoil(images, rng):
    """Returns the images with normal noise on every pixel, kept from 0 to 1."""
    noise = rng.standard_normal(images.shape, dtype="float32")
    return np.clip(images + NOISE * noise, 0, 1)


def draw(model, encoder, clean, noisy, path):
    """Draws ten digits in four rows: with noise, what the network makes of it, the original, the code."""
    found, codes = model.predict(noisy), encoder.predict(noisy)
    codes = codes.transpose(0, 3, 1, 2).reshape(-1, 2, 4, 7, 7)  # the 8 channels as tiles, 2 by 4
    codes = codes.transpose(0, 1, 3, 2, 4).reshape(-1, 14, 28)
    codes = (codes - codes.min()) / np.ptp(codes)
    rows = [("input", noisy), ("output", found), ("original", clean), ("code", codes)]
    figure, grid = plt.subplots(4, 10, figsize=(10, 3.9), layout="constrained", height_ratios=[2, 2, 2, 1])
    for line, (title, images) in zip(grid, rows, strict=True):
        for axes, image in zip(line, images, strict=True):
            axes.imshow(image.squeeze(), cmap="gray_r", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
        line[0].set_ylabel(title)
    figure.savefig(path, dpi=150)


def main(argv=None):
    """Runs the example; returns (squared error of the noisy test images, of the cleaned ones)."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="6,000 images instead of 60,000, two epochs")
    parser.add_argument("--out", type=Path, default=Path("out"), help="directory of the figures")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)

    utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    (clean, _), (test, digits) = mnist_cnn.load(6_000 if args.quick else 60_000)
    noisy, noisy_test = spoil(clean, rng), spoil(test, rng)
    model, encoder = build()
    epochs = 2 if args.quick else EPOCHS
    began = time.perf_counter()
    model.fit(noisy, clean, batch_size=BATCH, epochs=epochs, verbose=2)
    seconds = time.perf_counter() - began

    before = float(np.mean((noisy_test - test) ** 2))
    after = model.evaluate(noisy_test, test, return_dict=True, verbose=0)["mse"]
    shown = [int(np.argmax(digits == digit)) for digit in range(10)]
    draw(model, encoder, test[shown], noisy_test[shown], args.out / "autoencoder.png")
    print(f"Denoising: squared error a pixel {before:.4f} -> {after:.4f} on 10,000 test images")
    print(f"{epochs} epochs, {seconds:.1f} s; figure in {args.out / 'autoencoder.png'}")
    return before, after


if __name__ == "__main__":
    main()
