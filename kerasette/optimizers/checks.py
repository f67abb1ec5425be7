"""What the constructors of optimizers and schedules check."""

import math

from kerasette.errors import as_number, type_error, unknown_argument, value_error
from kerasette.registry import parameters

REMOVED = {
    "lr": "use learning_rate",
    "decay": "use learning_rate with a schedule, e.g. schedules.InverseTimeDecay(0.01, 1, decay_rate=1e-4)",
}


def nonnegative(owner: str, argument: str, value) -> float:
    """Returns `value` as a float, or raises where it is no finite number of at least 0."""
    number = as_number(value)
    if number is None or not 0 <= number < math.inf:
        raise value_error(f"{owner}: {argument} must be a number of at least 0, got {value!r}.")
    return number


def positive(owner: str, argument: str, value) -> float:
    """Returns `value` as a float, or raises where it is no finite number above 0."""
    number = as_number(value)
    if number is None or not 0 < number < math.inf:
        raise value_error(f"{owner}: {argument} must be a number greater than 0, got {value!r}.")
    return number


def learning_rate(owner: str, value):
    """Returns a learning rate as a float, or the schedule or function as it is.

    Raises:
        InvalidValue: for anything else, or a negative or infinite number.
    """
    if callable(value) and not isinstance(value, type):
        return value
    number = as_number(value)
    if number is None:
        raise value_error(
            f"{owner}: learning_rate must be a number, a LearningRateSchedule or a function",
            f"without arguments, got {value!r}.",
        )
    return nonnegative(owner, "learning_rate", number)


def refuse(cls: type, unknown: dict) -> None:
    """Raises InvalidType for the first of the arguments that `cls` doesn't have."""
    for name in unknown:
        if name in REMOVED:
            raise type_error(f"{cls.__name__} has no argument '{name}': {REMOVED[name]}.")
        raise unknown_argument(cls.__name__, name, parameters(cls))
