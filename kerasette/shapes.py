"""Shapes as plain integers: axes, broadcasting, and the lengths that convolution and pooling leave.

A length of None is open: known only when the model runs.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from kerasette.errors import one_of, positive_int, type_error, value_error


def pretty(shape: Iterable) -> str:
    """Returns `shape` as text for a message.

    >>> pretty([None, 3])
    '(None, 3)'
    """
    return str(tuple(None if length is None else int(length) for length in shape))


def as_tuple(value, n: int, owner: str, argument: str, minimum: int = 1) -> tuple[int, ...]:
    """Returns `value` as `n` whole numbers; a single one is repeated.

    Args:
        value: a whole number, or `n` of them.
        n: how many are wanted.
        owner, argument: who asks for what, for the message.
        minimum: the least number allowed.

    Raises:
        InvalidValue: for another count, or something that is no whole number of at least `minimum`.

    >>> as_tuple(3, 2, "Conv2D", "kernel_size"), as_tuple([3, 5], 2, "Conv2D", "kernel_size")
    ((3, 3), (3, 5))
    """
    values = list(value) if isinstance(value, Iterable) and not isinstance(value, str) else [value] * n
    if len(values) != n:
        raise value_error(f"{owner}: {argument} must be one whole number or {n} of them, got {value!r}.")
    return tuple(positive_int(owner, argument, item, minimum) for item in values)


# ---------------------------------------------------------------- axes


def normalize_axis(axis: int, rank: int, owner: str) -> int:
    """Returns `axis` counted from the front.

    Raises:
        InvalidValue: where an array of `rank` axes has no such axis.

    >>> normalize_axis(-1, 4, "concatenate")
    3
    """
    try:
        whole = int(axis)
    except (TypeError, ValueError):
        whole = None
    if whole is None or whole != axis or isinstance(axis, bool):
        raise value_error(f"{owner}: axis must be a whole number, got {axis!r}.")
    if not -rank <= whole < rank:
        raise value_error(f"{owner}: axis {whole} doesn't exist; {rank} axes go from {-rank} to {rank - 1}.")
    return whole % rank


def normalize_axes(axes, rank: int, owner: str) -> tuple[int, ...]:
    """Returns one or several axes counted from the front, in ascending order.

    Raises:
        InvalidValue: for an axis that doesn't exist, or is named twice.

    >>> normalize_axes((-1, 1), 3, "normalize"), normalize_axes(0, 3, "normalize")
    ((1, 2), (0,))
    """
    given = list(axes) if isinstance(axes, Iterable) and not isinstance(axes, str) else [axes]
    found = sorted(normalize_axis(axis, rank, owner) for axis in given)
    if len(set(found)) < len(found):
        raise value_error(f"{owner}: axes {tuple(given)} name one axis twice, for an input of {rank} axes.")
    return tuple(found)


# ---------------------------------------------------------------- broadcasting


def broadcast(*shapes: Iterable, owner: str = "broadcast") -> tuple:
    """Returns the shape that arrays of `shapes` have together by NumPy's rule.

    An open length meets 1 as open, and any other number as that number.

    Raises:
        InvalidValue: where two lengths differ and neither is 1.

    >>> broadcast((5, 1, 3), (4, 1)), broadcast((None, 3), (1, 3))
    ((5, 4, 3), (None, 3))
    """
    shapes = [tuple(shape) for shape in shapes]
    rank = max(map(len, shapes), default=0)
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    return tuple(_common(lengths, shapes, owner) for lengths in zip(*padded, strict=True))


def _common(lengths, shapes, owner):
    known = {length for length in lengths if length not in (1, None)}
    if len(known) > 1:
        raise value_error(
            f"{owner}: the shapes {' and '.join(map(pretty, shapes))} don't go together.",
            "Counted from the last axis, lengths must be equal or 1.",
        )
    if known:
        return known.pop()
    return None if None in lengths else 1


# ---------------------------------------------------------------- windows


def effective_kernel(kernel: int, dilation: int = 1) -> int:
    """Returns how many positions a kernel spans with `dilation` - 1 gaps between its elements.

    >>> effective_kernel(3, dilation=2)
    5
    """
    return (kernel - 1) * dilation + 1


def conv_length(
    n: int | None,
    kernel: int,
    stride: int = 1,
    padding: str = "valid",
    dilation: int = 1,
    owner: str = "window",
) -> int | None:
    """Returns how many positions a window has along an axis: the output length of convolution and pooling.

    Valid: floor((n - k_eff) / stride) + 1. Same and causal: ceil(n / stride).

    Args:
        n: length of the input, or None (open; the result is open too).
        kernel, stride, dilation: of the window along this axis.
        padding: "valid", "same" or "causal".
        owner: who asks, for the message.

    Raises:
        InvalidValue: for another padding, or where a valid window is longer than the input.

    >>> conv_length(28, 3), conv_length(28, 3, stride=2, padding="same"), conv_length(28, 3, dilation=2)
    (26, 14, 24)
    """
    one_of(owner, "padding", padding, ("valid", "same", "causal"))
    if n is None:
        return None
    if padding != "valid":
        return -(-n // stride)
    reach = effective_kernel(kernel, dilation)
    if n < reach:
        raise value_error(
            f"{owner}: a window of {reach} doesn't fit into a length of {n}.",
            "Use padding='same', a smaller window, or a larger input.",
        )
    return (n - reach) // stride + 1


def same_padding(n: int, k_eff: int, stride: int = 1) -> tuple[int, int]:
    """Returns how many zeros 'same' puts before and after an axis of length `n`.

    total = max((ceil(n / stride) - 1) stride + k_eff - n, 0), the odd one behind: TensorFlow's rule.

    >>> same_padding(4, 3, stride=2), same_padding(5, 3), same_padding(4, 1, stride=2)
    ((0, 1), (1, 1), (0, 0))
    """
    total = max((-(-n // stride) - 1) * stride + k_eff - n, 0)
    return total // 2, total - total // 2


class Windows(NamedTuple):
    """Where a window stands on an image; one number an axis in each tuple.

    Attributes:
        positions: how many there are.
        window, strides, dilation: of the window.
        before: how many zeros stand before the image.
    """

    positions: tuple[int, ...]
    window: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]

    @property
    def is_pixel(self) -> bool:
        """Whether each window is one pixel, and each pixel has its window."""
        return all(n == 1 for n in (*self.window, *self.strides))

    def keep(self, lengths: tuple[int, ...]) -> bool:
        """Tells whether there is a window for each pixel of an image of these lengths."""
        return tuple(lengths) == self.positions and all(s == 1 for s in self.strides)

    def turned(self) -> "Windows":
        """Returns the windows, one step apart, of the positions that a pixel belongs to, last one first."""
        axes = zip(self.window, self.dilation, self.before, strict=True)
        return self._replace(before=tuple((k - 1) * d - p for k, d, p in axes))


@lru_cache(maxsize=1024)
def windows(
    lengths: tuple[int, ...],
    window: tuple[int, ...],
    strides: int | tuple[int, ...] = 1,
    padding: str = "valid",
    dilation: int | tuple[int, ...] = 1,
    owner: str = "window",
) -> Windows:
    """Returns where a window stands on an image; the answer is remembered.

    Args:
        lengths: of the image's axes.
        window, strides, dilation: of the window; one number for all axes, or one each.
        padding: "valid", "same" or "causal".
        owner: who asks, for the message.

    Raises:
        InvalidValue: as `conv_length` does, or for another number of axes.

    >>> windows((28, 5), (3, 4), strides=2, padding="same")
    Windows(positions=(14, 3), window=(3, 4), strides=(2, 2), dilation=(1, 1), before=(0, 1))
    """
    rank = len(lengths)
    window = as_tuple(window, rank, owner, "window")
    strides = as_tuple(strides, rank, owner, "strides")
    dilation = as_tuple(dilation, rank, owner, "dilation")
    axes = list(zip(lengths, window, strides, dilation, strict=True))
    positions = tuple(conv_length(n, k, s, padding, d, owner) for n, k, s, d in axes)
    zeros = {
        "valid": lambda n, k, s: 0,
        "same": lambda n, k, s: same_padding(n, k, s)[0],
        "causal": lambda n, k, s: k - 1,
    }[padding]
    before = tuple(zeros(n, effective_kernel(k, d), s) for n, k, s, d in axes)
    return Windows(positions, window, strides, dilation, before)


def transposed_length(
    n: int | None,
    kernel: int,
    stride: int = 1,
    padding: str = "valid",
    dilation: int = 1,
    extra: int | None = None,
    owner: str = "window",
) -> int | None:
    """Returns the output length of a transposed convolution: of an input whose convolution has length `n`.

    Several inputs have that. Keras takes n stride for "same", n stride + max(k_eff - stride, 0) for "valid";
    or, where `extra` (its output_padding) is given, (n - 1) stride + k_eff + extra - 2 p, with p = 0 for
    "valid" and floor(k_eff / 2) for "same".

    Args:
        n: length of the input, or None (open; the result is open too).
        kernel, stride, dilation: of the window along this axis.
        padding: "valid" or "same".
        extra: 0 to stride - 1, or None.
        owner: who asks, for the message.

    Raises:
        InvalidValue: for another padding, or an `extra` with which no convolution leads back to `n`.

    >>> transposed_length(5, 3, 2), transposed_length(5, 3, 2, "same"), transposed_length(5, 3, 2, extra=1)
    (11, 10, 12)
    """
    one_of(owner, "padding", padding, ("valid", "same"))
    reach = effective_kernel(kernel, dilation)
    if extra is not None and extra >= stride:
        raise value_error(
            f"{owner}: output_padding must be less than the stride, got {extra} for a stride of {stride}."
        )
    if extra == 0 and padding == "same" and reach % 2 == 0:
        raise value_error(
            f"{owner}: padding='same' and output_padding=0 don't go with a window of {reach}:",
            "the result would be one position short. Use output_padding=None, an odd window, or 'valid'.",
        )
    if n is None:
        return None
    if extra is None:
        return n * stride + (max(reach - stride, 0) if padding == "valid" else 0)
    return (n - 1) * stride + reach + extra - (2 * (reach // 2) if padding == "same" else 0)


def transposed_lengths(lengths, window, strides, padding, extra, dilation, owner) -> tuple:
    """Returns `transposed_length` for each axis; `strides`, `extra` and `dilation` may be one for all."""

    def each(value):
        return value if isinstance(value, (tuple, list)) else (value,) * len(lengths)

    axes = zip(lengths, window, each(strides), each(dilation), each(extra), strict=True)
    return tuple(transposed_length(n, k, s, padding, d, e, owner) for n, k, s, d, e in axes)


# ---------------------------------------------------------------- what a forward returned


def result_of(operation, result, rows: int, declared: tuple) -> tuple:
    """Returns (y, cache): what an operation's forward returned, once it is sure that it is that.

    Args:
        operation: whose forward it was, for the message.
        result: what came.
        rows: number of samples.
        declared: what its output_shape says: the shape of one sample of y, or a tuple of shapes.

    Raises:
        InvalidType: where `result` is no pair (y, cache).
        InvalidValue: where the shape of y is another one.
    """
    who = f"{operation.name} ({type(operation).__name__})"
    if not isinstance(result, tuple) or len(result) != 2:
        came = f"{len(result)} values" if isinstance(result, tuple) else f"one {type(result).__name__}"
        raise type_error(
            f"{who}: forward must return two things, y and a cache for backward; got {came}.",
            "Where backward needs nothing, return y, None.",
        )
    several = bool(declared) and isinstance(declared[0], tuple)
    ys = result[0] if several and isinstance(result[0], (tuple, list)) else result[:1]
    found = tuple(getattr(y, "shape", None) for y in ys)
    wanted = tuple((rows, *shape) for shape in (declared if several else [declared]))
    if len(found) != len(wanted) or not all(map(_fits, found, wanted)):
        found, wanted = (" and ".join(map(str, shapes)) for shapes in (found, wanted))
        raise value_error(
            f"{who}: forward returned the shape {found}, but output_shape declares {wanted}.",
            "Mend one of the two; output_shape leaves the batch out.",
        )
    return result


def _fits(shape, declared):
    return shape is not None and len(shape) == len(declared) and all(map(_same, shape, declared))


def _same(length, declared):
    return declared is None or length == declared
