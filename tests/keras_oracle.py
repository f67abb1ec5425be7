"""Real Keras and TensorFlow, imported when a test first asks: `from tests.keras_oracle import keras, tf`.

Each name is a function that returns the module, and skips the test where the package isn't installed.
"""

import contextlib
import functools
import os

import pytest

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


@functools.cache
def tf():
    """Returns TensorFlow, held to one thread so that test runs stay small and repeatable."""
    module = pytest.importorskip("tensorflow")
    module.config.threading.set_intra_op_parallelism_threads(1)
    module.config.threading.set_inter_op_parallelism_threads(1)
    return module


@functools.cache
def keras():
    """Returns Keras 3 on the TensorFlow backend."""
    tf()
    module = pytest.importorskip("keras", minversion="3")
    if module.backend.backend() != "tensorflow":
        pytest.skip("Keras runs on another backend than TensorFlow.")
    return module


@contextlib.contextmanager
def keras_floats(dtype):
    """Lets Keras compute in `dtype`; its global policy, once made, would outlive floatx."""
    config = keras().config
    config.set_floatx(dtype if dtype != "bfloat16" else "float32")
    config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        config.set_floatx("float32")
        config.set_dtype_policy("float32")
