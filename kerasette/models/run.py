"""Run: where a run of fit stands, and everything that it needs to go on in another process."""

import warnings
from contextlib import contextmanager

from kerasette.backend import random_state, set_random_state, to_numpy
from kerasette.callbacks import Callback
from kerasette.errors import KerasetteError, LoadError, shorten

SETTINGS = ("rows", "batch_size", "steps")  # of the data, which a resumed run has to share


class Run:
    """One run of fit.

    Attributes:
        epoch: the epoch that is running, or comes next.
        batch: how many batches of it are done; 0 between epochs.
        logs: those of the last whole epoch.
        model, batches, validation, listeners: what runs; validation may be None.
    """

    def __init__(self, model, batches, validation, listeners, epochs: range):
        self.model, self.batches, self.validation, self.listeners = model, batches, validation, listeners
        self.epoch, self._end = epochs.start, epochs.stop
        self.batch = 0
        self.logs = {}
        self._stopped = False  # a callback had ended the run before it was resumed
        self._waiting = None  # a state to be put back once its epoch has begun
        self._attributes = {}  # of callbacks that don't say what they remember, at the first save
        self._warned = set()
        self._checked = False

    def __iter__(self):
        """Yields the number of each epoch that is left."""
        while self.epoch < self._end and not self._stopped:
            yield self.epoch

    def end_epoch(self, logs) -> None:
        """Moves on to the next epoch."""
        self.epoch, self.batch, self.logs = self.epoch + 1, 0, logs

    # ------------------------------------------------------------ saving

    def state(self) -> dict:
        """Returns the state of the run: nested plain values and arrays.

        Raises:
            InvalidType: where the data can't be taken up again by another process.
        """
        model = self.model
        self._check_data()
        self._warn_of_forgetful()
        optimizer = model.optimizer.state(exact=True)
        return {
            "epoch": self.epoch,
            "batch": self.batch,
            "stopped": model.stop_training,
            "logs": dict(self.logs),
            "weights": [parameter.numpy() for parameter in model.parameters],
            "optimizer": type(model.optimizer).__name__,
            "slots": [to_numpy(array) for _, array in optimizer],
            "progress": model.progress(),
            "data": [one.state() for one in self._sources()],
            "callbacks": self._callback_states(),
            "random": random_state(),
        }

    def _check_data(self):
        """Raises, or warns, once, where the data can't be taken up again by another process."""
        for one in () if self._checked else self._sources():
            one.check_resumable()
        self._checked = True

    def _sources(self):
        return [self.batches] if self.validation is None else [self.batches, self.validation]

    def _callback_states(self):
        states = [(_name(one), one.get_state()) for one in self.listeners.callbacks]
        return [[name, state] for name, state in states if state]

    def _warn_of_forgetful(self):
        """Warns once of each callback that has changed since the first save and would forget it."""
        for one in self.listeners.callbacks:
            if one.remembers is not None or type(one).get_state is not Callback.get_state:
                continue
            now = _attributes(one)
            before = self._attributes.setdefault(one, now)
            changed = [name for name, pair in now.items() if not _same(pair, before.get(name))]
            if changed and one not in self._warned:
                self._warned.add(one)
                warnings.warn(
                    f"{_name(one)} changes {', '.join(changed[:5])} while it runs; a resumed run won't know. "
                    'Name in its class what to keep: remembers = ("name", ...), or remembers = ().',
                    stacklevel=2,
                )

    # ------------------------------------------------------------ going on

    def restore(self, state: dict, path: str) -> None:
        """Goes on where the run was whose `state()` is given; all checks come before any change.

        Where that was within an epoch, the rest happens in `enter_epoch`.

        Raises:
            LoadError: where the state is of another model, optimizer or data.
        """
        self._check_data()
        with _faults(path):
            self._check(state, path)
            self.epoch, self.batch, self.logs = state["epoch"], state["batch"], state["logs"]
            if self.batch and self.epoch < self._end:
                self._waiting = state, path
            else:
                self._apply(state)

    def enter_epoch(self) -> None:
        """Puts back what was saved within the epoch that has begun, over what its beginning changed."""
        if self._waiting is not None:
            (state, path), self._waiting = self._waiting, None
            with _faults(path):
                self._apply(state)

    def _check(self, state, path):
        model = self.model
        kind = type(model.optimizer).__name__
        if state["optimizer"] != kind:
            raise LoadError(f"'{path}' is a run with {state['optimizer']}; this model has {kind}.")
        wanted = [(parameter.path, parameter.value) for parameter in model.parameters]
        problems = _misfits(wanted, state["weights"])
        problems += _misfits(model.optimizer.state(exact=True), state["slots"])
        now = [one.state() for one in self._sources()]
        for name in SETTINGS:
            values = [[one[name] for one in some] for some in (state["data"], now)]
            if values[0] != values[1]:
                problems.append(f"{name} of the data: {values[0]} / {values[1]}")
        if problems:
            lines = "\n  ".join(problems[:4])
            raise LoadError(
                shorten(f"'{path}' is another run than this one; in the file / here:\n  {lines}\n"
                "Delete the file to begin anew.")
            )  # fmt: skip

    def _apply(self, state):
        """Takes over a state that was checked; what of it can still fail comes first."""
        model = self.model
        self._restore_callbacks(state["callbacks"])
        model.optimizer.load_state(state["slots"])
        for parameter, array in zip(model.parameters, state["weights"], strict=True):
            parameter.assign(array)
        model.set_progress(state["progress"])
        for one, saved in zip(self._sources(), state["data"], strict=True):
            one.restore(saved, self.batch if one is self.batches else 0)
        model.stop_training = self._stopped = state["stopped"]
        set_random_state(state["random"])

    def _restore_callbacks(self, saved):
        """Gives each callback the state of the one of its class that stood in the same place among them."""
        names, states, fresh = [name for name, _ in saved], [state for _, state in saved], []
        for one in self.listeners.callbacks:
            if _name(one) in names:
                place = names.index(_name(one))
                names.pop(place)
                one.set_state(states.pop(place))
            elif one.get_state():
                fresh.append(_name(one))
        if fresh or names:
            lost = ", ".join(names) or "none"
            warnings.warn(
                f"The run was saved with other callbacks: {lost} gone, {', '.join(fresh) or 'none'} new.",
                stacklevel=2,
            )


@contextmanager
def _faults(path):
    """Turns what a state of another form leads to into a LoadError."""
    try:
        yield
    except (KerasetteError, OSError):
        raise
    except Exception as problem:
        text = f"'{path}' doesn't hold the state of this run ({type(problem).__name__}: {problem})."
        raise LoadError(shorten(text)) from problem


def _misfits(wanted, found):
    """Returns a line for each of the arrays that differs in shape or type, or for their number."""
    if len(wanted) != len(found):
        return [f"{len(found)} / {len(wanted)} arrays, from {wanted[0][0]} on"]
    return [
        f"{name}: {other.dtype} {other.shape} / {own.dtype} {own.shape}"
        for (name, own), other in zip(wanted, found, strict=True)
        if (other.shape, str(other.dtype)) != (tuple(own.shape), str(own.dtype))
    ]


def _name(callback):
    return type(callback).__name__


def _attributes(callback):
    """Returns {name: (value, its length if it may grow)}."""
    return {
        name: (value, len(value) if isinstance(value, (list, dict, set)) else None)
        for name, value in vars(callback).items()
        if name not in ("model", "params")
    }


def _same(pair, before):
    """Tells whether an attribute is what it was: the same object (or number), of the same length."""
    if before is None or pair[1] != before[1]:
        return False
    return pair[0] is before[0] or (isinstance(pair[0], (int, float, str)) and pair[0] == before[0])
