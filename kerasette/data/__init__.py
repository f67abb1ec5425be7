"""From whatever holds data (arrays, lists, frames, generators, files) to batches of NumPy arrays.

`make_batches` is the entrance: it checks everything it can before the first batch comes out.
"""

from kerasette.data.batches import Batches
from kerasette.data.cut import rows_of, split
from kerasette.data.entrance import make_batches
from kerasette.data.signature import Signature

__all__ = ["Batches", "Signature", "make_batches", "rows_of", "split"]
