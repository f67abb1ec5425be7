"""What prepares sequences: `pad_sequences`, and the windows of Keras 2."""

from kerasette.utils import TimeseriesGenerator, pad_sequences

__all__ = ["TimeseriesGenerator", "pad_sequences"]
