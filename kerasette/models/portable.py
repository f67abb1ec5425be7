"""Portable: what of a model lasts, for copies, pickles, other processes and resumed runs."""

from kerasette.models.flattening import Flat


class Portable:
    """The part of a Model that copy and pickle talk to.

    A copy has layers, weights and optimizer of its own, all in one vector as before, and trains on as the
    model itself would. Engines, locks and the like are made anew.
    """

    symbolic = ("graph",)  # attributes that hold tensors or graphs

    def progress(self) -> dict:
        """Returns how far training is: seed, steps, epochs, running sums, memories of stateful layers."""
        return {
            "seed": self._engine.seed,
            "steps": self._steps_done,
            "epochs": self._epochs_done,
            "losses": self._tracker.state(),
            "metrics": self._metrics.state(),
            "states": [layer.states for layer in self._stateful()],
        }

    def set_progress(self, progress: dict) -> None:
        """Takes over what `progress()` returned for a model that is compiled in the same way."""
        self._engine.reseed(progress["seed"])
        self._steps_done, self._epochs_done = progress["steps"], progress["epochs"]
        self._tracker.restore(progress["losses"])
        self._metrics.restore(progress["metrics"], self._engine.xp)
        for layer, states in zip(self._stateful(), progress["states"], strict=True):
            layer.states = states

    def _stateful(self):
        return [layer for layer, _ in self._trainable_now() if layer.keeps_state and "states" in vars(layer)]

    def __copy__(self):
        """Returns a model that shares everything with this one; `copy.deepcopy` makes one of its own."""
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other

    def __getstate__(self):
        state = super().__getstate__()
        for name in ("_lock", "_turn", "_predictor", "_known", "_run", *_COMPILED):
            state.pop(name, None)
        symbolic = {name: state.pop(name) for name in self.symbolic if name in state}
        progress = None if self._engine is None else self.progress()
        return {"attributes": state, "symbolic": Flat(symbolic), "progress": progress}

    def __setstate__(self, state):
        self.__dict__.update(state["attributes"])
        self.__dict__.update(state["symbolic"].rebuild())
        self._make_locks()
        self._engine = self._predictor = self._known = self._run = None
        if state["progress"] is not None:
            self._remake_engine(state["progress"]["seed"])
            self.set_progress(state["progress"])

    # ------------------------------------------------------------ what was trainable at compile()

    def _trainable_now(self):
        """Returns [(layer, whether it is trainable)] of this model and everything in it."""
        found, waiting = {}, [self]
        while waiting:
            layer = waiting.pop()
            if layer not in found:
                found[layer] = layer._trainable
                waiting.extend(_layers_in(layer))
        return list(found.items())

    def _remake_engine(self, seed):
        """Makes the engine as compile() made it, whatever was frozen or thawed since."""
        wanted, now = self._switches, self._trainable_now()
        try:
            _set_trainable(wanted)
            self._make_engine(self._compiled, self.optimizer, seed)
        finally:
            _set_trainable(now)


def _layers_in(layer):
    """Returns the layers that a layer is made of: those of a model, those that another one holds."""
    parts = getattr(layer, "layers", None) or getattr(layer, "held", ())
    return [part for part in parts if hasattr(part, "_trainable")]


def _set_trainable(switches):
    for layer, flag in switches:
        layer._trainable = flag


# What compile() makes, and makes again for a copy.
_COMPILED = (
    "_constrained",
    "_engine",
    "_epochs_done",
    "_is_large",
    "_losses",
    "_metrics",
    "_steps_done",
    "_tracker",
    "_weights",
)
