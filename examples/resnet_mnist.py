"""A small residual network: shortcuts around pairs of convolutions, each followed by BatchNormalization.

python examples/resnet_mnist.py
"""

import argparse
import time
from pathlib import Path

import mnist_cnn
import mnist_mlp

from kerasette import Input, Model, utils
from kerasette.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    GlobalAveragePooling2D,
)
from kerasette.optimizers import AdamW
from kerasette.optimizers.schedules import CosineDecay

EPOCHS, BATCH = 3, 128


def convolution(x, filters, size=3, strides=1):
    """A convolution without bias, and BatchNormalization, which brings a bias of its own."""
    x = Conv2D(filters, size, strides, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
    return BatchNormalization(momentum=0.9)(x)


def residual_block(x, filters, strides=1):
    """Two convolutions learn what to add to their input (He and others, arXiv:1512.03385).

    Where they change the shape, a 1 x 1 convolution brings the input to the new one.
    """
    y = Activation("relu")(convolution(x, filters, strides=strides))
    y = convolution(y, filters)
    if tuple(x.shape) != tuple(y.shape):
        x = convolution(x, filters, size=1, strides=strides)
    return Activation("relu")(x + y)


def build(steps):
    """Returns the network, compiled: maps of 14 x 14, 7 x 7 and 4 x 4 pixels in 16, 32 and 64 channels."""
    inputs = Input((28, 28, 1))
    x = Activation("relu")(convolution(inputs, 16, strides=2))
    x = residual_block(x, 16)
    x = residual_block(x, 32, strides=2)
    x = residual_block(x, 64, strides=2)
    outputs = Dense(10, activation="softmax")(GlobalAveragePooling2D()(x))
    warmup = steps // 10
    rate = CosineDecay(5e-4, steps - warmup, warmup_target=5e-3, warmup_steps=warmup)
    optimizer = AdamW(rate, weight_decay=1e-4)
    return Model(inputs, outputs).compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])


def train(train_data, test_data, epochs=EPOCHS, seed=0):
    """Returns (model, history); nothing is learned from the test images, whose names begin with "val_"."""
    utils.set_random_seed(seed)
    x, y = train_data
    model = build(steps=epochs * -(-len(x) // BATCH))
    history = model.fit(x, y, batch_size=BATCH, epochs=epochs, validation_data=test_data, verbose=2)
    return model, history


def main(argv=None):
    """Runs the example; returns the share of the test images that was read right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="2,500 images instead of 60,000, two epochs")
    parser.add_argument("--out", type=Path, default=Path("out"), help="directory of the figures")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)

    train_data, test_data = mnist_cnn.load(2_500 if args.quick else 60_000)
    if args.quick:
        test_data = [array[:1_000] for array in test_data]
    epochs = 2 if args.quick else EPOCHS
    began = time.perf_counter()
    model, history = train(train_data, test_data, epochs)
    seconds = time.perf_counter() - began
    accuracy = model.evaluate(*test_data, return_dict=True, verbose=0)["accuracy"]
    names = [args.out / f"resnet_{name}.png" for name in ("graph", "curves", "mistakes")]
    utils.plot_model(model, names[0], show_shapes=True, dpi=80)
    utils.plot_history(history, names[1], validation="test")
    mnist_mlp.draw_mistakes(model, *test_data, names[2])
    print(f"ResNet: {model.count_params():,} parameters, {len(model.layers)} layers")
    print(f"MNIST: test accuracy {accuracy:.2%} after {epochs} epochs, {seconds:.1f} s")
    print(f"figures in {', '.join(map(str, names))}")
    return accuracy


if __name__ == "__main__":
    main()
