"""Fashion-MNIST: 70,000 pictures of clothes (Xiao, Rasul and Vollgraf 2017; MIT licence)."""

import os

from kerasette.datasets._files import IdxFile, load_images

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

_MIRRORS = (
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)
_FILES = [
    IdxFile(
        "train-images-idx3-ubyte",
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        (60000, 28, 28),
    ),
    IdxFile(
        "train-labels-idx1-ubyte",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        (60000,),
    ),
    IdxFile(
        "t10k-images-idx3-ubyte",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        (10000, 28, 28),
    ),
    IdxFile(
        "t10k-labels-idx1-ubyte",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        (10000,),
    ),
]


def load_data(path: str | os.PathLike | None = None) -> tuple:
    """Returns the pictures: 60,000 for training, 10,000 for testing.

    Searched in KERASETTE_DATA/fashion_mnist, in the checkout's datasets/fashion_mnist and in the user
    cache, then downloaded to the cache (30 MB). Every file is held against its SHA-256.

    Args:
        path: a directory with the four IDX files, one of them, or an .npz archive with x_train,
            y_train, x_test and y_test; used instead of the search.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images uint8 (n, 28, 28); labels uint8 (n,), 0 to 9,
        indices of `CLASS_NAMES`.

    Raises:
        MissingFile: where files are neither on this machine nor to be had from a mirror.
        LoadError: where a file's content is damaged.
    """
    return load_images("fashion_mnist", _FILES, _MIRRORS, path)
