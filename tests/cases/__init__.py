"""One line for each function: a backward without a line here isn't done (see harness.py for what is held)."""

from tests.cases.activations import ACTIVATIONS
from tests.cases.layers import LAYERS
from tests.cases.losses import LOSSES
from tests.cases.operations import MERGING, OPERATIONS

CASES = ACTIVATIONS + LOSSES + OPERATIONS + MERGING + LAYERS
