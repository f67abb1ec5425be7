"""Helpers around models: labels, splits, files, seeds, the registry of own classes, pictures."""

from kerasette.backend import set_random_seed
from kerasette.errors import no_attribute
from kerasette.registry import reset_names as clear_session
from kerasette.utils.batches import PyDataset, Sequence
from kerasette.utils.files import get_file
from kerasette.utils.numerical import normalize, to_categorical
from kerasette.utils.objects import (
    CustomObjectScope,
    custom_object_scope,
    deserialize_keras_object,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
    serialize_keras_object,
)
from kerasette.utils.sequences import (
    TimeSeries,
    TimeseriesGenerator,
    pad_sequences,
    sliding_windows,
    timeseries_dataset_from_array,
)
from kerasette.utils.split import split_dataset, train_test_split

# kerasette.plotting stands on models, and models on this package: it is imported when asked for.
_PLOTTING = ("model_to_dot", "plot_history", "plot_model")

__all__ = [
    "CustomObjectScope",
    "PyDataset",
    "Sequence",
    "TimeSeries",
    "TimeseriesGenerator",
    "clear_session",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_file",
    "get_registered_name",
    "get_registered_object",
    "model_to_dot",
    "normalize",
    "pad_sequences",
    "plot_history",
    "plot_model",
    "register_keras_serializable",
    "serialize_keras_object",
    "set_random_seed",
    "sliding_windows",
    "split_dataset",
    "timeseries_dataset_from_array",
    "to_categorical",
    "train_test_split",
]

_READ = "Read the files yourself and give fit arrays, or an object that makes batches (PyDataset)."
_INSTEAD = dict.fromkeys(  # what Keras has here, and what to do
    (
        "FeatureSpace",
        "audio_dataset_from_directory",
        "image_dataset_from_directory",
        "load_img",
        "text_dataset_from_directory",
    ),
    _READ,
)


def __getattr__(name):
    if name in _PLOTTING:
        from kerasette import plotting  # lazy

        return getattr(plotting, name)
    raise no_attribute(__name__, name, __all__, _INSTEAD.get(name, ""))


def __dir__():
    return sorted({*globals(), *_PLOTTING})
