"""What every test shares: a quiet environment, settings put back, and the stand-in for CuPy."""

import os
import sys
from pathlib import Path

# Before anything imports TensorFlow, Keras or matplotlib.
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["MPLBACKEND"] = "Agg"
for name in ("KERASETTE_BACKEND", "KERASETTE_THREADS"):
    os.environ.pop(name, None)

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import pytest  # noqa: E402

from kerasette.backend import _State as state  # noqa: E402
from kerasette.backend import set_random_seed  # noqa: E402
from kerasette.engine import plan  # noqa: E402
from tests import cupy_standin  # noqa: E402
from tests.saved_weights import small_model  # noqa: E402

SETTINGS = ("floatx", "epsilon", "image_data_format", "backend", "cupy", "threads", "seeds")


@pytest.fixture(autouse=True)
def restore_state():
    """Puts kerasette's process-wide settings back after each test."""
    before = [(name, getattr(state, name)) for name in SETTINGS]
    yield
    for name, value in before:
        setattr(state, name, value)


@pytest.fixture
def seeded():
    """One seed for all that is drawn without a seed of its own."""
    set_random_seed(5)


@pytest.fixture
def small_cache(monkeypatch):
    """Makes the engine cut batches that are small enough for a test."""
    monkeypatch.setattr(plan, "CACHE_BYTES", 1 << 11)
    monkeypatch.setattr(plan, "SHORT_CALL", 1)


@pytest.fixture
def saved(tmp_path):
    """A model whose second layer is large enough for chunks, its file, and another model of its shape."""
    model, other = small_model(64, 100), small_model(64, 100)
    path = tmp_path / "w.weights.h5"
    model.save_weights(path)
    return model, path, other


@pytest.fixture
def standin():
    """Installs the stand-in for CuPy and makes it the backend; the value is its module."""
    with cupy_standin.install() as module:
        yield module
