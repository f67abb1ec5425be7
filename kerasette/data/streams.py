"""Batches that the user's object makes: a generator, something that can be iterated, a sequence."""

from itertools import islice

from kerasette.backend import host_generator, next_seed
from kerasette.data.batches import Batches
from kerasette.data.checks import warn
from kerasette.data.intake import Intake
from kerasette.errors import type_error


class StreamBatches(Batches):
    """Batches that the user's object makes: a sequence, something that can be iterated, or an iterator.

    Args:
        source: has `__getitem__` and `__len__`, or `__iter__`.
        intake: checks and converts each batch.
        shuffle: whether the batches of a sequence change places; nothing else is shuffled.
        steps: batches an epoch, or None for all.
    """

    def __init__(self, source, intake: Intake, shuffle, steps):
        super().__init__(steps, _length(source), intake.who)
        self._source = source
        self._intake = intake
        self._shuffle = shuffle
        self._waiting = None  # a state for the source, once its pass has begun
        self.repeats = not hasattr(source, "__next__")
        if self.repeats and not hasattr(source, "__iter__") and self.steps is None:
            raise type_error(
                f"{intake.who}: len() of {type(source).__name__} failed.", "Define __len__, or give steps."
            )

    def _pass(self, seed, done=0):
        if self._is_sequence:
            given = self._items(seed, done)
        else:
            given = islice(iter(self._source), 0 if self._remembers else done, None)
        number = done
        for number, batch in enumerate(given, start=done + 1):
            yield self._intake.batch(batch, number - 1)
        if not number:
            raise self._used_up()

    def _items(self, seed, done):
        """Yields the batches of a sequence, and tells it when a pass begins and ends."""
        source = self._source
        _call(source, "on_epoch_begin")
        if self._waiting is not None:
            source.set_state(self._waiting)
            self._waiting = None
        order = range(len(source))
        if self._shuffle:
            order = host_generator(next_seed() if seed is None else seed).permutation(len(source)).tolist()
        for index in order[done:]:
            yield source[index]
        _call(source, "on_epoch_end")

    # ------------------------------------------------------------ going on in another process

    @property
    def _is_sequence(self):
        return hasattr(self._source, "__getitem__") and _length(self._source) is not None

    @property
    def _remembers(self):
        return hasattr(self._source, "get_state") and hasattr(self._source, "set_state")

    def check_resumable(self) -> None:
        """Raises InvalidType for an iterator that can't be put back; warns where that may not be exact."""
        kind = type(self._source).__name__
        remedy = "Give it get_state() and set_state(state)."
        if self._remembers:
            return
        if not self.repeats:
            raise type_error(
                f"{self._who}: a run on a {kind} can't be resumed: what it gives next is known to it alone.",
                f"Use arrays or a sequence (__len__ and __getitem__). {remedy}",
            )
        hooks = ("on_epoch_begin", "on_epoch_end")
        if not self._is_sequence or any(_own(self._source, hook) for hook in hooks):
            warn(
                f"{self._who}: a resumed run is exact only if the {kind} gives the same batches "
                f"in every pass. {remedy}"
            )

    def state(self):
        """Returns where the pass is, and the state of the source where it has one."""
        return {**super().state(), "source": self._source.get_state() if self._remembers else None}

    def restore(self, state, done=0):
        """Takes over what `state()` returned, also for the source."""
        super().restore(state, done)
        if self._remembers:
            self._source.set_state(state["source"])
            inside = done if state["place"] is None else state["place"][1]
            if self._is_sequence and inside:  # its on_epoch_begin comes first
                self._waiting = state["source"]


def _call(source, name):
    method = getattr(source, name, None)
    if method is not None:
        method()


def _own(source, name):
    """Tells whether a sequence defines the method itself: Keras's base class has it too, and empty."""
    owner = next((cls for cls in type(source).__mro__ if name in vars(cls)), None)
    return owner is not None and owner.__module__.split(".")[0] != "keras"


def _length(source):
    """Returns len(source), or None where it has none."""
    try:
        return len(source)
    except (TypeError, NotImplementedError):
        return None
