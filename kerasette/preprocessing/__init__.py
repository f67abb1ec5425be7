"""Helpers that prepare data, where older scripts look for them; they are those of kerasette.utils."""

from kerasette.preprocessing import sequence
from kerasette.utils import timeseries_dataset_from_array

__all__ = ["sequence", "timeseries_dataset_from_array"]
