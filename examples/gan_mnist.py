"""A generator learns to draw digits from a discriminator, which learns to tell them from real ones.

python examples/gan_mnist.py
"""

import argparse
import time
from pathlib import Path

import matplotlib.pyplot as plt
import mnist_cnn
import numpy as np

from kerasette import Input, Model, Sequential, layers, utils
from kerasette.losses import BinaryCrossentropy
from kerasette.optimizers import Adam

STEPS, BATCH, NUMBERS = 2_000, 32, 32


def build_generator():
    """Returns the network that makes an image of 28 x 28 pixels from 32 random numbers."""
    model = Sequential([Input((NUMBERS,))], name="generator")
    model.add(layers.Dense(7 * 7 * 32, use_bias=False))
    model.add(layers.BatchNormalization(momentum=0.9))
    model.add(layers.ReLU())
    model.add(layers.Reshape((7, 7, 32)))
    model.add(layers.Conv2DTranspose(16, 4, strides=2, padding="same", use_bias=False))
    model.add(layers.BatchNormalization(momentum=0.9))
    model.add(layers.ReLU())
    model.add(layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="sigmoid"))
    return model


def build_discriminator():
    """Returns the network that says how real an image looks: above 0 for real, below for drawn."""
    model = Sequential([Input((28, 28, 1))], name="discriminator")
    for filters in (32, 64):
        model.add(layers.Conv2D(filters, 4, strides=2, padding="same"))
        model.add(layers.LeakyReLU(0.2))
    model.add(layers.Flatten())
    model.add(layers.Dropout(0.3))
    model.add(layers.Dense(1))
    return model


def build():
    """Returns (generator, discriminator, both in a row); the last two are compiled.

    compile() settles which weights a model trains: the discriminator's own, and in the joint model, where
    it is frozen, only the generator's.
    """
    generator, discriminator = build_generator(), build_discriminator()
    loss = BinaryCrossentropy(from_logits=True)
    discriminator.compile(Adam(6e-4, beta_1=0.5), loss)
    discriminator.trainable = False
    numbers = Input((NUMBERS,))
    joint = Model(numbers, discriminator(generator(numbers)), name="joint")
    joint.compile(Adam(1e-3, beta_1=0.5), loss)
    return generator, discriminator, joint


def train(models, images, steps, shown, rng):
    """Trains both in turn; returns {step: what the generator makes of `shown`} of seven moments."""
    generator, discriminator, joint = models
    moments = {round(steps * share) for share in (0, 0.05, 0.1, 0.2, 0.4, 0.7, 1)}
    verdicts = np.repeat([[0.9], [0.0]], BATCH, axis=0)  # 0.9: one too sure teaches less
    pictures = {}
    for step in range(steps + 1):
        if step in moments:
            pictures[step] = generator.predict_on_batch(shown)
        real = images[rng.integers(0, len(images), BATCH)]
        drawn = generator(rng.standard_normal((BATCH, NUMBERS), dtype="float32"), training=True)
        judged = discriminator.train_on_batch(np.concatenate([real, drawn]), verdicts)
        numbers = rng.standard_normal((BATCH, NUMBERS), dtype="float32")
        fooled = joint.train_on_batch(numbers, np.ones((BATCH, 1)))
        if step % max(1, steps // 8) == 0:
            print(f"step {step:5}: loss of the discriminator {judged:.3f}, of the generator {fooled:.3f}")
    return pictures


def draw(pictures, path):
    """Draws a row of digits for each moment of training; a column comes from the same random numbers."""
    figure, grid = plt.subplots(len(pictures), 12, figsize=(9, 5.4), layout="constrained")
    for line, (step, images) in zip(grid, pictures.items(), strict=True):
        for axes, image in zip(line, images, strict=True):
            axes.imshow(image.squeeze(), cmap="gray_r", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
        line[0].set_ylabel(f"{step:,}", rotation=0, ha="right", va="center")
    figure.suptitle("What the generator draws after so many steps")
    figure.savefig(path, dpi=150)


def main(argv=None):
    """Runs the example; returns the generator."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="60 steps instead of 2,000")
    parser.add_argument("--out", type=Path, default=Path("out"), help="directory of the figures")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)

    utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    (images, _), _ = mnist_cnn.load(60_000)
    models = build()
    shown = rng.standard_normal((12, NUMBERS), dtype="float32")
    began = time.perf_counter()
    pictures = train(models, images, 60 if args.quick else STEPS, shown, rng)
    draw(pictures, args.out / "gan.png")
    seconds = time.perf_counter() - began
    print(f"GAN: {max(pictures):,} steps, {seconds:.1f} s; figure in {args.out / 'gan.png'}")
    return models[0]


if __name__ == "__main__":
    main()
