"""Settings of this process, named as in keras.config, and those that kerasette adds."""

from kerasette.backend import (
    backend,
    epsilon,
    floatx,
    image_data_format,
    set_backend,
    set_epsilon,
    set_floatx,
    set_image_data_format,
    set_threads,
    threads,
)

__all__ = [
    "backend",
    "epsilon",
    "floatx",
    "image_data_format",
    "set_backend",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "set_threads",
    "threads",
]
