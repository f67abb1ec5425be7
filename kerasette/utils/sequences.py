"""Sequences as arrays: padded to one length, and long ones seen through windows that copy nothing."""

import numpy as np

from kerasette.backend import host_generator, next_seed, to_numpy
from kerasette.errors import one_of, positive_int, type_error, value_error

ENDS = ("pre", "post")


def pad_sequences(
    sequences,
    maxlen: int | None = None,
    dtype="int32",
    padding: str = "pre",
    truncating: str = "pre",
    value=0.0,
) -> np.ndarray:
    """Returns sequences of different lengths as one array, filled up with `value` or cut to one length.

    Args:
        sequences: list of sequences; their items are numbers, or arrays of one shape.
        maxlen: the length; that of the longest sequence unless given.
        dtype: of the result; `object` for texts.
        padding: whether filling goes before ("pre") or behind ("post") a sequence.
        truncating: whether a longer one loses its beginning ("pre") or its end ("post").
        value: what fills up.

    Returns:
        Array (len(sequences), maxlen, ...).

    Raises:
        InvalidValue: where the items differ in shape, or have fractions that `dtype` can't hold.
        InvalidType: where `sequences` is no list of sequences.

    >>> pad_sequences([[1], [2, 3], [4, 5, 6]], maxlen=2)
    array([[0, 1],
           [2, 3],
           [5, 6]], dtype=int32)
    """
    one_of("pad_sequences", "padding", padding, ENDS)
    one_of("pad_sequences", "truncating", truncating, ENDS)
    lengths = [_length(place, one) for place, one in enumerate(_listed(sequences))]
    if maxlen is None:
        if not lengths:
            raise value_error("pad_sequences got no sequences. Give maxlen, which they would tell otherwise.")
        maxlen = max(lengths)
    else:
        maxlen = positive_int("pad_sequences", "maxlen", maxlen)
    dtype = np.dtype(dtype)
    if isinstance(value, str) and dtype.kind not in "OUS":
        raise value_error(
            f"pad_sequences: the value {value!r} doesn't fit the dtype {dtype}. Use dtype=object."
        )
    shape = next((np.asarray(one).shape[1:] for one in sequences if len(one)), ())
    padded = np.full((len(lengths), maxlen, *shape), value, dtype)
    for place, one in enumerate(sequences):
        if lengths[place]:
            cut = _items(one[-maxlen:] if truncating == "pre" else one[:maxlen], dtype, shape, place)
            padded[place, slice(maxlen - len(cut), None) if padding == "pre" else slice(len(cut))] = cut
    return padded


def _listed(sequences):
    if not hasattr(sequences, "__len__") or isinstance(sequences, (str, bytes, dict)):
        raise type_error(f"pad_sequences takes a list of sequences, got {type(sequences).__name__}.")
    return sequences


def _length(place, sequence):
    try:
        return len(sequence)
    except TypeError:
        raise type_error(
            f"pad_sequences takes a list of sequences, but item {place} is {sequence!r}.",
            "Put a single sequence into a list.",
        ) from None


def _items(items, dtype, shape, place):
    """Returns the items of one sequence as an array of `dtype`, or raises where they don't fit."""
    given = np.asarray(items) if dtype.kind in "iu" else np.asarray(items, dtype)
    if given.shape[1:] != shape:
        raise value_error(
            f"pad_sequences: the items of sequence {place} have the shape {given.shape[1:]}, others {shape}."
        )
    with np.errstate(invalid="ignore"):
        fitted = given.astype(dtype)
    if given.dtype.kind in "iuf" and dtype.kind in "iu" and not np.array_equal(fitted, given):
        raise value_error(
            f"pad_sequences: sequence {place} has numbers that {dtype} can't hold.",
            "Give another dtype, e.g. dtype='float32' for fractions.",
        )
    return fitted


# ---------------------------------------------------------------- windows


def sliding_windows(data, length: int, stride: int = 1, sampling_rate: int = 1) -> np.ndarray:
    """Returns all windows on a long sequence, as a read-only view of it: nothing is copied.

    Args:
        data: array (steps, ...).
        length: how many steps a window has.
        stride: how many steps further each window begins.
        sampling_rate: every which step of the sequence a window has.

    Returns:
        Array (windows, length, ...).

    Raises:
        InvalidValue: where no window fits.

    >>> sliding_windows(np.arange(5), 3).tolist()
    [[0, 1, 2], [1, 2, 3], [2, 3, 4]]
    """
    return _windows("sliding_windows", _host(data), length, stride, sampling_rate)


def _windows(who, data, length, stride, sampling_rate):
    reach = (positive_int(who, "length", length) - 1) * positive_int(who, "sampling_rate", sampling_rate) + 1
    stride = positive_int(who, "stride", stride)
    if reach > len(data):
        raise value_error(f"{who}: a window of {reach} steps doesn't fit into {len(data)} steps.")
    view = np.lib.stride_tricks.sliding_window_view(data, reach, axis=0)  # (windows, ..., reach)
    return np.moveaxis(view[::stride, ..., ::sampling_rate], -1, 1)


def _host(data):
    array = np.asarray(to_numpy(data))
    if array.ndim == 0:
        raise type_error(f"Windows are seen on an array with steps, got {type(data).__name__}.")
    return array


class TimeSeries:
    """Batches of windows on a long sequence, with their targets: for fit, evaluate and predict.

    What isn't shuffled is a view of the data. In every pass (`on_epoch_end` ends one) shuffled windows
    come in another order.

    Attributes:
        windows: all windows, (windows, length, ...), a view of the data.
        targets: (windows, ...), or None.
        batch_size: how many windows a batch has; None for single windows.
    """

    def __init__(self, windows, targets, batch_size, seed=None):
        self.windows, self.targets, self.batch_size = windows, targets, batch_size
        self._seed = seed  # None: in order
        self._passes = 0
        self._order = None

    def __len__(self):
        return len(self.windows) if self.batch_size is None else -(-len(self.windows) // self.batch_size)

    def __getitem__(self, index: int):
        """Returns a batch: the windows, or (windows, targets)."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"There are {len(self)} batches; {index} is none of them.")
        index %= len(self)
        size = self.batch_size
        rows = index if size is None else slice(index * size, (index + 1) * size)
        if self._seed is not None:
            if self._order is None:
                self._order = host_generator(self._seed, self._passes).permutation(len(self.windows))
            rows = self._order[rows]
        x = self.windows[rows]
        return x if self.targets is None else (x, self.targets[rows])

    def __iter__(self):
        for index in range(len(self)):
            yield self[index]
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        """Ends a pass: shuffled windows come in another order from now on."""
        self._passes += 1
        self._order = None

    def get_state(self) -> dict:
        """Returns how many passes there were, which is all that the order depends on."""
        return {"passes": self._passes}

    def set_state(self, state: dict) -> None:
        """Goes on from what `get_state` returned."""
        self._passes = int(state["passes"])
        self._order = None


def timeseries_dataset_from_array(
    data,
    targets,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
    format: str = "tf",
) -> TimeSeries:
    """Returns batches of windows on a sequence: window i begins at step i `sequence_stride`.

    Args:
        data: array (steps, ...).
        targets: targets[i] is that of the window that begins at step i; None for none.
        sequence_length: how many steps a window has.
        sequence_stride: how many steps further each window begins.
        sampling_rate: every which step of the data a window has.
        batch_size: how many windows a batch has; None for single windows.
        shuffle: whether windows come in random order.
        seed: makes that order repeatable; None draws one from kerasette's global stream.
        start_index, end_index: steps before the first or from the second on are left out.
        format: of no effect here; only Keras's default passes.

    Raises:
        InvalidValue: where no window fits, or an argument is out of range.

    >>> x, y = timeseries_dataset_from_array(np.arange(5), np.arange(2, 5), 2)[0]
    >>> x.tolist(), y.tolist()
    ([[0, 1], [1, 2], [2, 3]], [2, 3, 4])
    """
    who = "timeseries_dataset_from_array"
    one_of(who, "format", format, ("tf",))
    data = _host(data)
    start = positive_int(who, "start_index", 0 if start_index is None else start_index, minimum=0)
    end = positive_int(who, "end_index", len(data) if end_index is None else end_index)
    if not start < end <= len(data):
        raise value_error(
            f"{who}: start_index {start} and end_index {end} must name steps of {len(data)}, the start first."
        )
    sequence_stride = positive_int(who, "sequence_stride", sequence_stride)
    positive_int(who, "sequence_length", sequence_length)
    windows = _windows(who, data[start:end], sequence_length, 1, sampling_rate)
    if targets is not None:
        targets = _host(targets)[start:end]
        count = min(len(windows), len(targets))
        windows, targets = windows[:count:sequence_stride], targets[:count:sequence_stride]
    else:
        windows = windows[::sequence_stride]
    if batch_size is not None:
        batch_size = positive_int(who, "batch_size", batch_size)
    seed = _seed(who, seed) if shuffle else None
    return TimeSeries(windows, targets, batch_size, seed)


def _seed(who, seed):
    return next_seed() if seed is None else positive_int(who, "seed", seed, minimum=0)


class TimeseriesGenerator:
    """Batches of windows as Keras 2 had them: each window's target is that of the step behind it.

    Args:
        data: array (steps, ...).
        targets: one for each step of the data.
        length: how many steps of the data a window spans.
        sampling_rate: every which of them it has.
        stride: how many steps further each window begins.
        start_index, end_index: the first and the last step of the data that are used; None for the end.
        shuffle: draws each batch at random.
        reverse: whether windows run backwards in time.
        batch_size: how many windows a batch has.

    Raises:
        InvalidValue: where no window fits, or data and targets differ in length.
    """

    def __init__(
        self,
        data,
        targets,
        length: int,
        sampling_rate: int = 1,
        stride: int = 1,
        start_index: int = 0,
        end_index: int | None = None,
        shuffle: bool = False,
        reverse: bool = False,
        batch_size: int = 128,
    ):
        who = "TimeseriesGenerator"
        self.data, self.targets = _host(data), _host(targets)
        if len(self.data) != len(self.targets):
            raise value_error(f"{who}: {len(self.data)} steps of data, but {len(self.targets)} targets.")
        self.length = positive_int(who, "length", length)
        self.sampling_rate = positive_int(who, "sampling_rate", sampling_rate)
        self.stride = positive_int(who, "stride", stride)
        self.batch_size = positive_int(who, "batch_size", batch_size)
        self.start_index = positive_int(who, "start_index", start_index, minimum=0) + self.length
        self.end_index = (
            len(self.data) - 1 if end_index is None else positive_int(who, "end_index", end_index)
        )
        if not self.start_index <= self.end_index < len(self.data):
            raise value_error(
                f"{who}: with length {self.length} the targets' steps go from {self.start_index} to",
                f"{self.end_index}, of {len(self.data)}: no window fits.",
            )
        self.shuffle, self.reverse = shuffle, reverse
        self._windows = _windows(who, self.data, self.length, 1, 1)[:, :: self.sampling_rate]
        self._generator = host_generator(next_seed()) if shuffle else None

    def __len__(self):
        return (self.end_index - self.start_index) // (self.batch_size * self.stride) + 1

    def __getitem__(self, index: int):
        """Returns the windows and the targets of one batch."""
        if self.shuffle:
            rows = self._generator.integers(self.start_index, self.end_index + 1, self.batch_size)
            samples = self._windows[rows - self.length]
        else:
            begin = self.start_index + self.batch_size * self.stride * index
            rows = slice(begin, min(begin + self.batch_size * self.stride, self.end_index + 1), self.stride)
            samples = self._windows[begin - self.length : rows.stop - self.length : self.stride]
        return samples[:, ::-1] if self.reverse else samples, self.targets[rows]
