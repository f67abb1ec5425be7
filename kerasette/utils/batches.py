"""PyDataset: the base class of objects that make the batches of fit."""

from kerasette.errors import one_of, positive_int


class PyDataset:
    """Batches made one by one: define `__len__` and `__getitem__`. An object without this base does as well.

    Args:
        workers, use_multiprocessing, max_queue_size: accepted for Keras's sake; batches are made where they
            are needed, in the thread that trains.

    >>> import numpy as np
    >>> class Squares(PyDataset):
    ...     def __len__(self):
    ...         return 3
    ...     def __getitem__(self, index):
    ...         x = np.arange(4.0)[:, None] + 4 * index
    ...         return x, x**2
    >>> Squares().num_batches
    3
    """

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10):
        self.workers = positive_int("PyDataset", "workers", workers, minimum=0)
        self.max_queue_size = positive_int("PyDataset", "max_queue_size", max_queue_size)
        one_of("PyDataset", "use_multiprocessing", use_multiprocessing, (True, False))
        self.use_multiprocessing = use_multiprocessing

    @property
    def num_batches(self) -> int:
        """How many batches there are: len()."""
        return len(self)

    def __len__(self):
        raise NotImplementedError(f"{type(self).__name__} must define __len__(): the number of its batches.")

    def __getitem__(self, index):
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__(index): a batch (x, y).")

    def on_epoch_begin(self):
        """Called before each pass over the batches."""

    def on_epoch_end(self):
        """Called after each pass over the batches."""


Sequence = PyDataset
