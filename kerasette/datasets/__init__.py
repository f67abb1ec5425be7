"""Small data sets: `kerasette.datasets.mnist.load_data()` and the like."""

from kerasette.datasets import fashion_mnist, iris, mnist

__all__ = ["fashion_mnist", "iris", "mnist"]
