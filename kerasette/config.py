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
from kerasette.errors import no_attribute
from kerasette.functions.kernels import kernels, set_kernels

__all__ = [
    "backend",
    "epsilon",
    "floatx",
    "image_data_format",
    "kernels",
    "set_backend",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "set_kernels",
    "set_threads",
    "threads",
]


def __getattr__(name):
    raise no_attribute(__name__, name, __all__)
