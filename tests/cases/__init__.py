"""One line for each function: a backward without a line here isn't done (see harness.py for what is held)."""

from tests.cases.activations import ACTIVATIONS
from tests.cases.attention import ATTENTION
from tests.cases.augmentation import AUGMENTATION
from tests.cases.convolution import CONVOLUTION
from tests.cases.imaging import IMAGING
from tests.cases.layers import LAYERS
from tests.cases.losses import LOSSES
from tests.cases.operations import MERGING, OPERATIONS
from tests.cases.pooling import POOLING
from tests.cases.recurrent import RECURRENT

CASES = (
    ACTIVATIONS
    + ATTENTION
    + AUGMENTATION
    + LOSSES
    + OPERATIONS
    + MERGING
    + LAYERS
    + CONVOLUTION
    + POOLING
    + RECURRENT
    + IMAGING
)
