"""Integers only: axes, broadcasting, window lengths; compared with NumPy and TensorFlow."""

import doctest
import itertools

import numpy as np
import pytest

from kerasette import shapes
from kerasette.errors import InvalidValue
from tests.keras_oracle import tf


def test_doctests():
    result = doctest.testmod(shapes)
    assert result.attempted >= 7
    assert result.failed == 0


def test_as_tuple_accepts_numpy_integers():
    assert shapes.as_tuple(np.int64(3), 3, "A", "b") == (3, 3, 3)
    assert shapes.as_tuple((0, 1), 2, "A", "b", minimum=0) == (0, 1)


@pytest.mark.parametrize("value", [0, -1, 1.5, "3", None, True, (1,), (1, 2, 3), (1, 0), [[1, 2], 3]])
def test_as_tuple_refuses(value):
    with pytest.raises(InvalidValue, match="Conv2D: strides"):
        shapes.as_tuple(value, 2, "Conv2D", "strides")


@pytest.mark.parametrize("axis", [4, -5, 1.5, None, "0", True])
def test_normalize_axis_refuses(axis):
    with pytest.raises(InvalidValue, match="thing: axis"):
        shapes.normalize_axis(axis, 4, "thing")


def test_normalize_axes_refuses_twice_the_same():
    with pytest.raises(InvalidValue, match="twice"):
        shapes.normalize_axes((1, -1), 2, "thing")


def test_broadcast_as_numpy():
    pool = [(), (1,), (3,), (2, 1), (2, 3), (4, 2, 3), (4, 1, 1), (0, 3)]
    for first, second in itertools.product(pool, pool):
        try:
            wanted = np.broadcast_shapes(first, second)
        except ValueError:
            with pytest.raises(InvalidValue, match="don't go together"):
                shapes.broadcast(first, second)
        else:
            assert shapes.broadcast(first, second) == wanted


def test_broadcast_open_lengths():
    assert shapes.broadcast((None, 3), (None, 1)) == (None, 3)
    assert shapes.broadcast((None, 3), (7, 3)) == (7, 3)
    assert shapes.broadcast((2,), (2,), (1, 2)) == (1, 2)
    assert shapes.broadcast() == ()


def test_conv_length_open_and_refused():
    assert shapes.conv_length(None, 3) is None
    with pytest.raises(InvalidValue, match="fit"):
        shapes.conv_length(2, 3)
    with pytest.raises(InvalidValue, match="padding"):
        shapes.conv_length(5, 3, padding="some")


WINDOWS = [
    (n, kernel, stride, dilation)
    for n, kernel, stride, dilation in itertools.product((4, 5, 7, 12), (1, 2, 3, 4), (1, 2, 3), (1, 2))
    if stride == 1 or dilation == 1  # TensorFlow has not both
]


@pytest.mark.parametrize(("n", "kernel", "stride", "dilation"), WINDOWS)
def test_windows_as_tensorflow(n, kernel, stride, dilation):
    x = np.arange(1, n + 1, dtype="float32").reshape(1, n, 1)
    taps = np.ones((kernel, 1, 1), "float32")
    for padding in ("valid", "same"):
        k_eff = shapes.effective_kernel(kernel, dilation)
        if padding == "valid" and n < k_eff:
            continue
        wanted = tf().nn.conv1d(x, taps, stride, padding.upper(), dilations=dilation).numpy()[0, :, 0]
        assert shapes.conv_length(n, kernel, stride, padding, dilation) == len(wanted)
        before, after = shapes.same_padding(n, k_eff, stride) if padding == "same" else (0, 0)
        padded = np.pad(x[0, :, 0], (before, after))
        starts = range(0, len(padded) - k_eff + 1, stride)
        found = [padded[start : start + k_eff : dilation].sum() for start in starts]
        assert np.allclose(found[: len(wanted)], wanted)
        assert len(found) >= len(wanted)
