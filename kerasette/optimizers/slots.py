"""What an optimizer remembers of each parameter: slot vectors that lie beside the runs."""

from operator import is_

import numpy as np

from kerasette.backend import module, to_module, to_numpy, xp_of
from kerasette.errors import value_error

CHUNK = 32768  # elements that are looked at together


def handle(parameter):
    """Returns the object that stands for a parameter in dictionaries, whatever run it lies in."""
    return getattr(parameter, "parameter", parameter)


class Slots:
    """The slots of an optimizer: for each name and run one vector, as long as the run.

    Args:
        runs: objects with `theta` (a contiguous vector) and `parameters` (name, path, offset, size, shape).
        starts: slot name -> the number that it begins with.

    Raises:
        InvalidValue: where a run is no vector of floats.
    """

    def __init__(self, runs, starts: dict[str, float]):
        for run in runs:
            if run.theta.ndim != 1 or run.theta.dtype.kind != "f":
                shape = run.theta.shape
                raise value_error(f"A run is a vector of floats, got {run.theta.dtype} of shape {shape}.")
        self.runs = runs
        self.xp = xp_of(runs[0].theta) if runs else module("numpy")
        self.vectors = {
            name: [self.xp.full(run.theta.shape, start, dtype=run.theta.dtype) for run in runs]
            for name, start in starts.items()
        }

    def drop_faint(self) -> None:
        """Sets to 0 what is about to fade into denormal numbers, which processors are slow with.

        The average of a weight whose gradient has ended (a unit of ReLU that is off for all samples)
        shrinks by the same factor every step; after a thousand steps whole layers would be denormal
        and a step take several times as long. What is dropped is below 1e8 times the least normal
        number: it moves no weight.
        """
        for vectors in self.vectors.values():
            for vector in vectors:
                least = float(np.finfo(vector.dtype).tiny) * 1e8
                for begin in range(0, vector.size, CHUNK):
                    part = vector[begin : begin + CHUNK]
                    part[np.abs(part) < least] = 0

    def places(self) -> list:
        """Returns [(index of the run, parameter)] in order."""
        return [(index, parameter) for index, run in enumerate(self.runs) for parameter in run.parameters]

    def view(self, name: str, index: int, parameter):
        """Returns the part of slot `name` that belongs to `parameter`, in the parameter's shape."""
        return _part(self.vectors[name][index], parameter)

    def theta(self, index: int, parameter):
        """Returns the parameter's own part of its run."""
        return _part(self.runs[index].theta, parameter)

    def beside(self, runs) -> bool:
        """Tells whether these are the runs that the slots lie beside."""
        return len(runs) == len(self.runs) and all(map(is_, self.runs, runs))

    def carry_over(self, old: "Slots") -> list:
        """Takes over the slots of the parameters that `old` knows too; returns the places of the others."""
        names = self.vectors.keys() & old.vectors.keys()
        if self.xp is old.xp and self._layout() == old._layout():
            # Nothing moved: keep the vectors, so that views of them that were handed out stay alive.
            self.vectors.update((name, old.vectors[name]) for name in names)
            return []
        known = {handle(parameter): (index, parameter) for index, parameter in old.places()}
        fresh = []
        for place in self.places():
            before = known.get(handle(place[1]))
            if before is None:
                fresh.append(place)
                continue
            for name in names:
                self.view(name, *place)[...] = to_module(self.xp, old.view(name, *before))
        return fresh

    def _layout(self) -> list:
        return [
            (run.theta.dtype, [(handle(parameter), parameter.offset) for parameter in run.parameters])
            for run in self.runs
        ]

    def snapshot(self) -> list:
        """Returns [(path, {slot: copy on the host})]: a form that holds nothing of the model."""
        return [
            (parameter.path, {name: host_copy(self.view(name, index, parameter)) for name in self.vectors})
            for index, parameter in self.places()
        ]

    def restore(self, snapshot: list) -> None:
        """Takes over a snapshot: in order where all shapes fit, else parameter by parameter, by path."""
        places = self.places()
        if not _fits_in_order(places, snapshot):
            by_path = dict(snapshot)
            snapshot = [(parameter.path, by_path.get(parameter.path, {})) for _, parameter in places]
        for place, (_, slots) in zip(places, snapshot, strict=True):
            for name in self.vectors.keys() & slots.keys():
                if slots[name].shape == tuple(place[1].shape):
                    self.view(name, *place)[...] = to_module(self.xp, slots[name])


def host_copy(array):
    """Returns a copy of `array` in NumPy's memory."""
    return to_numpy(array).copy()


def _part(vector, parameter):
    return vector[parameter.offset : parameter.offset + parameter.size].reshape(parameter.shape)


def _fits_in_order(places, snapshot) -> bool:
    return len(places) == len(snapshot) and all(
        slot.shape == tuple(parameter.shape)
        for (_, parameter), (_, slots) in zip(places, snapshot, strict=True)
        for slot in slots.values()
    )
