"""Small data sets: `kerasette.datasets.mnist.load_data()` and the like."""

from kerasette.datasets import fashion_mnist, iris, mnist
from kerasette.errors import no_attribute

__all__ = ["fashion_mnist", "iris", "mnist"]

_FETCH = (
    "There are fashion_mnist, iris and mnist. Fetch others with kerasette.utils.get_file(origin=URL), "
    "read them with NumPy or pandas, and give fit arrays."
)
_INSTEAD = dict.fromkeys(  # what Keras has here, and what to do
    ("boston_housing", "california_housing", "cifar10", "cifar100", "imdb", "reuters"), _FETCH
)


def __getattr__(name):
    raise no_attribute(__name__, name, __all__, _INSTEAD.get(name, ""))
