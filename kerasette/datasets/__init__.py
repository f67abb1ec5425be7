"""Small data sets: `kerasette.datasets.mnist.load_data()` and the like."""

from kerasette.datasets import fashion_mnist, iris, mnist
from kerasette.errors import no_attribute

__all__ = ["fashion_mnist", "iris", "mnist"]


def __getattr__(name):
    raise no_attribute(__name__, name, __all__)
