"""The hooks that fit, evaluate and predict call, and the list that calls them."""

import sys

from kerasette.registry import Aliased


def say(text: str) -> None:
    """Prints a line that the caller asked for with `verbose`; a progress bar makes room for it."""
    tqdm = sys.modules.get("tqdm")
    if tqdm is None:
        print(text)  # noqa: T201
    else:
        tqdm.tqdm.write(text)


class Callback(metaclass=Aliased):
    """Base of callbacks: override the hooks that are of interest.

    Attributes:
        model: the model that is being run.
        params: dict with "epochs", "steps" (None if unknown) and "verbose".
        remembers: names of the attributes that change while training runs. They are saved with a run and
            come back when it is resumed (see `fit`, `resume`): numbers, texts, None, arrays, and lists,
            tuples and dicts of those. `()` says that there are none.
        runs_last: whether it is called after all callbacks that don't say so.

    `logs` is a dict of floats: running means so far in batch hooks, of the whole epoch in epoch hooks.
    """

    aliases = {}
    remembers: tuple[str, ...] | None = None  # None: the class doesn't say
    runs_last = False

    def __init__(self):
        self.model = None
        self.params = {}

    def set_params(self, params: dict) -> None:
        """Tells the settings of the run."""
        self.params = params

    def set_model(self, model) -> None:
        """Tells the model of the run."""
        self.model = model

    def get_state(self) -> dict:
        """Returns what a resumed run has to know of this one: `remembers`, unless a subclass overrides it."""
        return {name: getattr(self, name) for name in self.remembers or ()}

    def set_state(self, state: dict) -> None:
        """Takes over what `get_state` returned; called after `on_train_begin`, before the next batch."""
        for name in self.remembers or ():
            setattr(self, name, state[name])

    def __getstate__(self):
        """What copies and pickles hold: all but the model, which is told anew in each run."""
        return {**self.__dict__, "model": None}

    def on_train_begin(self, logs=None):
        """Called when fit begins."""

    def on_train_end(self, logs=None):
        """Called when fit ends, also when it was interrupted; `logs` are those of the last epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        """Called when an epoch begins; `epoch` counts from 0."""

    def on_epoch_end(self, epoch, logs=None):
        """Called when an epoch ends, validation included ("val_" entries in `logs`)."""

    def on_train_batch_begin(self, batch, logs=None):
        """Called before a step of fit."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch, logs=None):
        """Called after a step of fit."""
        self.on_batch_end(batch, logs)

    def on_batch_begin(self, batch, logs=None):
        """Another name of `on_train_batch_begin`."""

    def on_batch_end(self, batch, logs=None):
        """Another name of `on_train_batch_end`."""

    def on_test_begin(self, logs=None):
        """Called when evaluate or a validation begins."""

    def on_test_end(self, logs=None):
        """Called when evaluate or a validation ends."""

    def on_test_batch_begin(self, batch, logs=None):
        """Called before a batch of evaluate."""

    def on_test_batch_end(self, batch, logs=None):
        """Called after a batch of evaluate."""

    def on_predict_begin(self, logs=None):
        """Called when predict begins."""

    def on_predict_end(self, logs=None):
        """Called when predict ends."""

    def on_predict_batch_begin(self, batch, logs=None):
        """Called before a batch of predict."""

    def on_predict_batch_end(self, batch, logs=None):
        """Called after a batch of predict."""


_TWINS = {"on_train_batch_begin": "on_batch_begin", "on_train_batch_end": "on_batch_end"}


class CallbackList:
    """Calls the hooks of several callbacks in order, and skips those that nobody overrides.

    `call(hook, number, logs)`: `logs` is a function that makes the dict. Only callbacks that want logs
    pay for them; one with `wants_lazy_logs = True` gets the function itself.
    """

    def __init__(self, callbacks, model, params):
        self.callbacks = sorted(callbacks, key=lambda one: getattr(one, "runs_last", False))
        self._listeners = {}
        for callback in self.callbacks:
            callback.set_model(model)
            callback.set_params(params)

    def listeners(self, hook: str) -> list:
        """Returns the callbacks that override `hook`."""
        found = self._listeners.get(hook)
        if found is None:
            found = self._listeners[hook] = [c for c in self.callbacks if _overrides(c, hook)]
        return found

    def call(self, hook: str, *number, logs=dict) -> None:
        """Calls `hook` on every callback that overrides it."""
        listeners = self.listeners(hook)
        if not listeners:
            return
        made = None
        for callback in listeners:
            if getattr(callback, "wants_lazy_logs", False):
                getattr(callback, hook)(*number, logs)
                continue
            made = logs() if made is None else made
            getattr(callback, hook)(*number, made)

    def close(self, hook: str, logs) -> None:
        """Calls `hook` on every callback, also where one of them raises; the first error comes out last."""
        failure = None
        for callback in self.listeners(hook):
            try:
                lazy = getattr(callback, "wants_lazy_logs", False)
                getattr(callback, hook)((lambda: logs) if lazy else logs)
            except Exception as problem:
                failure = failure or problem
        if failure is not None:
            raise failure


def _overrides(callback, hook):
    names = (hook, _TWINS[hook]) if hook in _TWINS else (hook,)
    return any(
        name in vars(callback) or getattr(type(callback), name, None) is not getattr(Callback, name)
        for name in names
    )
