"""Fixed numbers of an operation, kept on the module and in the type that the data has."""

import numpy as np

from kerasette.backend import is_array, to_module


class Constant:
    """A number or array that never changes: `constant(xp, dtype)` gives it where the data lives.

    Args:
        value: a number, an array, or nested lists of numbers.
    """

    __slots__ = ("_placed", "value")

    def __init__(self, value):
        self.value = value if is_array(value) else np.asarray(value)
        self._placed = {}  # (module's name, dtype) -> array; filled once each, so threads may share it

    @property
    def shape(self):
        """Lengths of the axes."""
        return self.value.shape

    def __call__(self, xp, dtype):
        """Returns a plain number for a single one, else the array on the module `xp`."""
        if self.value.ndim == 0:
            return self.value.item()
        key = xp.__name__, str(dtype)
        found = self._placed.get(key)
        if found is None:
            found = self._placed[key] = to_module(xp, self.value, dtype)
        return found
