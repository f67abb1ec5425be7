"""Optimizers: vector arithmetic on the contiguous runs that a model's parameters form."""

from kerasette import registry
from kerasette.errors import no_attribute, type_error
from kerasette.optimizers import schedules
from kerasette.optimizers.adam import Adam, Adamax, AdamW, Nadam
from kerasette.optimizers.adaptive import Adadelta, Adagrad, RMSprop
from kerasette.optimizers.base import Optimizer
from kerasette.optimizers.ftrl import Ftrl
from kerasette.optimizers.lion import Lion
from kerasette.optimizers.sgd import SGD


def get(identifier, custom_objects: dict | None = None) -> Optimizer | None:
    """Returns the optimizer that a name (in any case), a configuration, a class or an object stands for.

    >>> get("adam").learning_rate
    0.001

    Raises:
        InvalidValue: for an unknown name or a configuration that doesn't fit.
        InvalidType: for anything else.
    """
    if isinstance(identifier, str) and identifier not in (custom_objects or {}):
        identifier = _known_name(identifier)
    elif isinstance(identifier, dict):
        return deserialize(identifier, custom_objects)
    found = registry.resolve("optimizer", identifier, custom_objects)
    if found is not None and not isinstance(found, Optimizer):
        raise type_error(f"An optimizer is a name, a configuration or an object; got {found!r}.")
    return found


def _known_name(name: str) -> str:
    known = registry.names("optimizer")
    return name.lower() if name not in known and name.lower() in known else name


def serialize(optimizer: Optimizer) -> dict:
    """Returns the configuration of an optimizer (not its state) as plain data."""
    return registry.serialize(optimizer)


def deserialize(config: dict, custom_objects: dict | None = None) -> Optimizer:
    """Returns the optimizer that `serialize` described.

    Raises:
        InvalidValue: for an unknown class or arguments that don't fit.
    """
    if isinstance(config.get("class_name"), str):
        config = {**config, "class_name": _known_name(config["class_name"])}
    return registry.deserialize(config, "optimizer", custom_objects)


__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lion",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]

_INSTEAD = {  # what Keras has here, and what to do
    **dict.fromkeys(("Adafactor", "Lamb", "Muon"), "Adam and AdamW are what comes nearest."),
    "LossScaleOptimizer": "Numbers are float32 or float64, which need no scaled loss: leave it out.",
}


def __getattr__(name):
    raise no_attribute(__name__, name, __all__, _INSTEAD.get(name, ""))
