"""MNIST: 70,000 handwritten digits (LeCun, Cortes and Burges; CC BY-SA 3.0)."""

import os

from kerasette.datasets._files import IdxFile, load_images

CLASS_NAMES = tuple("0123456789")

_MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)
_FILES = [
    IdxFile(
        "train-images-idx3-ubyte",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        (60000, 28, 28),
    ),
    IdxFile(
        "train-labels-idx1-ubyte",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        (60000,),
    ),
    IdxFile(
        "t10k-images-idx3-ubyte",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        (10000, 28, 28),
    ),
    IdxFile(
        "t10k-labels-idx1-ubyte",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        (10000,),
    ),
]


def load_data(path: str | os.PathLike | None = None) -> tuple:
    """Returns the digits: 60,000 for training, 10,000 for testing.

    Searched in KERASETTE_DATA/mnist, in the checkout's datasets/mnist and in the user cache, then
    downloaded to the cache. Every file is held against its SHA-256.

    Args:
        path: a directory with the four IDX files, one of them, or an .npz archive as Keras's; used
            instead of the search. Keras's default "mnist.npz" means the search where no such file is.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images uint8 (n, 28, 28), 0 (paper) to 255 (ink);
        labels uint8 (n,), 0 to 9.

    Raises:
        MissingFile: where files are neither on this machine nor to be had from a mirror.
        LoadError: where a file's content is damaged.

    >>> (x_train, y_train), (x_test, y_test) = load_data()
    >>> x_train.shape, x_test.shape, y_train[:3].tolist()
    ((60000, 28, 28), (10000, 28, 28), [5, 0, 4])
    """
    if path == "mnist.npz" and not os.path.exists(path):
        path = None
    return load_images("mnist", _FILES, _MIRRORS, path)
