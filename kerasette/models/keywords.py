"""Keywords that a method doesn't have: an error that names the nearest one it has."""

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from kerasette.errors import unknown_argument

P, R = ParamSpec("P"), TypeVar("R")


def names_unknown(method: Callable[P, R]) -> Callable[P, R]:
    """Returns `method`, which now answers `fit(epoch=3)` with "Did you mean 'epochs'?"."""
    known = list(inspect.signature(method).parameters)[1:]
    accepted = frozenset(known)

    @functools.wraps(method)
    def call(self, *args, **keywords):
        if not accepted.issuperset(keywords):
            wrong = next(name for name in keywords if name not in accepted)
            raise unknown_argument(method.__name__, wrong, known)
        return method(self, *args, **keywords)

    return call
