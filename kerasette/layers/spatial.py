"""What layers on sequences, images and volumes share: number of axes, and place of the channels."""

from collections.abc import Iterable

from kerasette.backend import image_data_format
from kerasette.errors import one_of, value_error
from kerasette.layers.base import Layer
from kerasette.shapes import as_tuple

FORMATS = ("channels_last", "channels_first")


class Spatial(Layer):
    """Base of layers on inputs of `rank` axes and channels; inside, the channels are last.

    Attributes:
        rank: number of axes besides the batch and the channels.
        data_format: "channels_last" or "channels_first".
    """

    rank = 2
    data_format = "channels_last"

    def __init__(self, **base):
        super().__init__(**base)
        self.input_ranks = (self.rank + 1,)

    @property
    def _who(self):
        return f"{self.name} ({type(self).__name__})"

    def _set_format(self, data_format):
        self.data_format = image_data_format() if data_format is None else data_format
        one_of(self._who, "data_format", self.data_format, FORMATS)

    @property
    def _first(self):
        return self.data_format == "channels_first"

    def _apart(self, shape):
        """Returns the lengths and the number of channels of one sample."""
        return (shape[1:], shape[0]) if self._first else (shape[:-1], shape[-1])

    def _together(self, lengths, channels):
        """Returns the shape of one sample."""
        return (channels, *lengths) if self._first else (*lengths, channels)

    def _inward(self, ctx, x):
        """Returns `x` as floats, with its channels last."""
        x = x if x.dtype.kind == "f" else x.astype(ctx.buffer.dtype)
        return ctx.xp.moveaxis(x, 1, -1) if self._first else x

    def _outward(self, ctx, y):
        """Returns `y` with its channels where the user wants them."""
        return ctx.xp.moveaxis(y, -1, 1) if self._first else y


def borders(owner: str, argument: str, value, rank: int) -> tuple[tuple[int, int], ...]:
    """Returns a pair (before, after) for each of `rank` axes.

    Args:
        owner, argument: who asks for what, for the message.
        value: a whole number for all sides; or for each axis one number, or a pair. For one axis: a number or
            a pair.
        rank: number of axes.

    Raises:
        InvalidValue: for anything else, or a negative number.

    >>> borders("ZeroPadding2D", "padding", (1, (2, 0)), 2), borders("ZeroPadding1D", "padding", (1, 2), 1)
    (((1, 1), (2, 0)), ((1, 2),))
    """
    if not isinstance(value, Iterable) or isinstance(value, str):
        return (as_tuple(value, 2, owner, argument, minimum=0),) * rank
    sides = [value] if rank == 1 else list(value)
    if len(sides) != rank:
        raise value_error(
            f"{owner}: {argument} must be a whole number, or {rank} of them, or {rank} pairs, got {value!r}."
        )
    return tuple(as_tuple(side, 2, owner, argument, minimum=0) for side in sides)
