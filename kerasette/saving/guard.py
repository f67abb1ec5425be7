"""What surrounds every way from a configuration to a model: limits, and one class of errors."""

import contextlib
from contextvars import ContextVar

from kerasette import params, registry
from kerasette.errors import KerasetteError, LoadError
from kerasette.models import Model, Sequential
from kerasette.saving.faults import load_error, told

LARGEST = 1 << 25  # elements of all parameters, where no file of weights says how many there are
DEEPEST = 100  # lists and objects in one another
MOST = 1_000_000  # lists and objects
LAYERS = 10_000  # those of inner models included
CALLS = 30_000  # of layers; those in an inner model count each time that it is called
_REASON = "Within kerasette.saving.parameter_limit(n) a configuration may ask for n."


def check_depth(config) -> None:
    """Raises LoadError where lists and dictionaries are nested too deep or in themselves, or are too many."""
    level, depth, count, layers = _containers([config]), 0, 0, 0
    while level:
        depth, count = depth + 1, count + len(level)
        layers += sum(_layers_in(value) for value in level)
        if depth > DEEPEST:
            raise load_error(f"The configuration is nested more than {DEEPEST} deep.")
        if count > MOST:
            raise load_error(f"The configuration has more than {MOST:,} lists and objects.")
        if layers > LAYERS:
            raise load_error(f"The configuration has more than {LAYERS:,} layers.")
        level = [
            inner
            for value in level
            for inner in _containers(value.values() if isinstance(value, dict) else value)
        ]


def _layers_in(value):
    inner = value.get("layers") if isinstance(value, dict) else None
    return len(inner) if isinstance(inner, (list, tuple)) else 0


def _containers(values):
    return [value for value in values if isinstance(value, (dict, list, tuple))]


def parameter_limit(elements: int):
    """Returns a context in which a configuration may ask for `elements` elements of parameters, all together.

    Without it `from_config` and `model_from_json` make at most 2 ** 25, because a text of one line can
    ask for any number. `load_model` needs no limit: a file can't ask for more than it stores.

    Args:
        elements: e.g. 200_000_000 for a model of 138 million parameters.
    """
    return params.limited(elements, _REASON)


class _Work:
    """What one configuration has asked for up to now."""

    __slots__ = ("_sizes", "calls")

    def __init__(self):
        self.calls = 0
        self._sizes = {}  # model -> calls in it

    def size(self, layer) -> int:
        """Returns how many calls one call of `layer` is, when the models in it are unfolded."""
        if not isinstance(layer, Model):
            return 1
        if layer not in self._sizes:
            chain = isinstance(layer, Sequential)
            called = layer.layers if chain else [node.operation for node in layer.graph.nodes]
            self._sizes[layer] = sum(map(self.size, called))
        return self._sizes[layer]


_work = ContextVar("work")


def count_call(layer) -> None:
    """Notes that a layer is going to be called; LoadError where there are too many calls.

    Models in models that each call the next one twice ask for 2 ** depth calls in a few lines.
    """
    work = _work.get()
    work.calls += work.size(layer)
    if work.calls > CALLS:
        raise load_error(f"The configuration has more than {CALLS:,} calls of layers, inner models unfolded.")


@contextlib.contextmanager
def guarded(custom_objects: dict | None = None):
    """Context in which configurations are read: the names in `custom_objects` known, parameters limited.

    Raises:
        LoadError: for whatever goes wrong inside.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(registry.CustomObjectScope(custom_objects or {}))
        if not params.is_limited():
            stack.enter_context(parameter_limit(LARGEST))
        if _work.get(None) is None:  # else this is an inner model's part of a whole
            stack.callback(_work.reset, _work.set(_Work()))
        try:
            yield
        except LoadError:
            raise
        except KerasetteError as problem:
            raise load_error(told(problem)) from problem
        except Exception as problem:  # what a constructor does with a value of the wrong kind
            raise load_error(f"The configuration doesn't fit: {problem!r}.") from problem
