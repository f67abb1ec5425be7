"""Error classes and the sentences they carry: who, what came, what was wanted, what to do."""

import difflib
import math
import opcode
import sys
from collections.abc import Iterable

LONGEST = 400  # characters; a longer message is cut so that the remedy stays on the screen


class KerasetteError(Exception):
    """Base of every error that kerasette raises on purpose."""


class InvalidValue(KerasetteError, ValueError):
    """A value, shape or name that can't be used."""


class UnknownName(InvalidValue):
    """A name that no registry knows.

    Attributes:
        name: as it was asked for.
    """

    def __init__(self, text: str, name: object):
        super().__init__(text)
        self.name = name

    def __reduce__(self):
        return type(self), (*self.args, self.name)


class InvalidType(KerasetteError, TypeError):
    """An object of a kind that can't be used, or an unknown argument."""


class LoadError(InvalidValue):
    """A file or configuration that can't be read, or doesn't fit the model; the model is as it was.

    What comes from a file may stand in the message, so it is cut to `LONGEST` and made printable.
    """

    def __init__(self, *args):
        super().__init__(*(_shown(arg) if isinstance(arg, str) else arg for arg in args))


class SaveError(KerasetteError, OSError):
    """A file that can't be written; what stood there before is as it was."""


class MissingFile(KerasetteError, FileNotFoundError):
    """A path that doesn't exist."""


def shorten(text: str, limit: int = LONGEST) -> str:
    """Returns `text`, cut in its middle to `limit` characters."""
    if len(text) <= limit:
        return text
    tail = limit // 3
    return f"{text[: limit - tail - 5]} ... {text[-tail:]}"


def _shown(text):
    """Returns `text` cut to one screen, and without signs that would do something to a terminal."""
    text = shorten(text)
    if text.replace("\n", "").isprintable():
        return text
    signs = (sign if sign.isprintable() or sign == "\n" else ascii(sign)[1:-1] for sign in text)
    return shorten("".join(signs))


def value_error(*sentences: str) -> InvalidValue:
    """Returns an InvalidValue whose message joins `sentences`."""
    return InvalidValue(shorten(" ".join(sentences)))


def type_error(*sentences: str) -> InvalidType:
    """Returns an InvalidType whose message joins `sentences`."""
    return InvalidType(shorten(" ".join(sentences)))


def hint(name: object, choices: Iterable[str], show: int = 8) -> str:
    """Returns "Did you mean ...?" where a choice is near `name`, else a short list of choices."""
    name = str(name)[:LONGEST]  # to compare a text of megabytes with each name would take minutes
    names = sorted({str(choice) for choice in choices})
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if not near:
        folded = {choice.lower().replace("_", ""): choice for choice in names}
        close = difflib.get_close_matches(name.lower().replace("_", ""), folded, n=1, cutoff=0.6)
        near = [folded[match] for match in close]
    if near:
        return f"Did you mean '{near[0]}'?"
    more = f" and {len(names) - show} more" if len(names) > show else ""
    return f"Known: {', '.join(names[:show])}{more}." if names else ""


def unknown(kind: str, name: object, choices: Iterable[str]) -> UnknownName:
    """Returns the error for a name that no registry knows, with the nearest known name."""
    return UnknownName(shorten(f"Unknown {kind} '{name}'. {hint(name, choices)}"), name)


def no_attribute(module: str, name: str, choices: Iterable[str], instead: str = "") -> Exception:
    """Returns the error for a name that a module doesn't have; for the module's `__getattr__` to raise.

    Python drops the text of an AttributeError in `from module import name`, so there it is an ImportError.

    Args:
        module, name: as they were written.
        choices: the names that it has.
        instead: what to do where Keras has that name; the nearest name unless given.
    """
    known = "" if name.startswith("__") else instead or hint(name, choices)
    asking = sys._getframe(2)  # of whoever made Python call __getattr__
    if opcode.opname[asking.f_code.co_code[asking.f_lasti]] == "IMPORT_FROM":
        return ImportError(f"cannot import name '{name}' from '{module}'. {known}".rstrip(), name=name)
    return AttributeError(f"module '{module}' has no attribute '{name}'. {known}".rstrip(), name=name)


def unknown_argument(owner: str, name: str, choices: Iterable[str]) -> InvalidType:
    """Returns the error for a keyword that `owner` does not take."""
    return type_error(f"{owner} has no argument '{name}'.", hint(name, choices))


def one_of(owner: str, argument: str, value: object, choices: Iterable[object]) -> None:
    """Raises InvalidValue unless `value` is one of `choices`."""
    choices = list(choices)
    if value not in choices:
        raise value_error(
            f"{owner}: {argument} must be one of {', '.join(map(repr, choices))}, got {value!r}.",
            hint(value, map(str, choices)) if isinstance(value, str) else "",
        )


def positive_int(owner: str, argument: str, value: object, minimum: int = 1) -> int:
    """Returns `value` as an int, or raises where it is no whole number of at least `minimum`."""
    try:
        whole = int(value)
    except (TypeError, ValueError, OverflowError):
        whole = None
    if whole is None or whole != value or isinstance(value, bool) or whole < minimum:
        raise value_error(f"{owner}: {argument} must be a whole number of at least {minimum}, got {value!r}.")
    return whole


def fraction(owner: str, argument: str, value: object, *, below_one: bool = False) -> float:
    """Returns `value` as a float, or raises where it lies outside [0, 1] (or [0, 1))."""
    top = "1 (exclusive)" if below_one else "1"
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not 0 <= number <= 1 or (below_one and number == 1) or isinstance(value, bool):
        raise value_error(f"{owner}: {argument} must be a number from 0 to {top}, got {value!r}.")
    return number


def finite(owner: str, argument: str, value: object) -> float:
    """Returns `value` as a float, or raises where it is no finite number."""
    number = as_number(value)
    if number is None or not math.isfinite(number):
        raise value_error(f"{owner}: {argument} must be a number, got {value!r}.")
    return number


def as_number(value: object) -> float | None:
    """Returns `value` as a float, or None for texts, bools and what is no number."""
    if isinstance(value, (str, bool)):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
