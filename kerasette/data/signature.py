"""What a model takes and gives, and which of the user's arrays belongs to which input or output."""

from kerasette.data.convert import is_arraylike, rank_of
from kerasette.errors import hint, type_error, value_error


class Signature:
    """The inputs and outputs of a model, as far as data has to know them.

    Args:
        input_names: name of each input.
        input_shapes: shape of one sample of each input, without the batch axis; None is an open length.
        input_dtypes: dtype that each input's arrays are cast to.
        output_names: name of each output.
        output_shapes: shape of one sample of each output.
        losses: the loss of each output, or None. A loss has `prepare(y, output_shape, who)`, which checks
            targets and returns them as the loss wants them; `who` is what a message calls them: "fit: y".
        readers: name of the layer that each input feeds first, for messages; by default the input's own.
        limits: n for an input of whole numbers from 0 to n - 1, None for any numbers; by default all None.
    """

    __slots__ = (
        "input_dtypes",
        "input_names",
        "input_shapes",
        "limits",
        "losses",
        "output_names",
        "output_shapes",
        "readers",
    )

    def __init__(
        self,
        input_names,
        input_shapes,
        input_dtypes,
        output_names,
        output_shapes,
        losses,
        readers=None,
        limits=None,
    ):
        self.input_names = list(input_names)
        self.input_shapes = [tuple(shape) for shape in input_shapes]
        self.input_dtypes = list(input_dtypes)
        self.output_names = list(output_names)
        self.output_shapes = [tuple(shape) for shape in output_shapes]
        self.losses = list(losses)
        self.readers = self.input_names if readers is None else list(readers)
        self.limits = [None] * len(self.input_names) if limits is None else list(limits)


def label_of(argument: str, names: list, position: int) -> str:
    """Returns how a message calls one array: "x", or "x['name']" where there are several."""
    return argument if len(names) == 1 else f"{argument}['{names[position]}']"


def inputs_of(x, signature: Signature, who: str) -> list:
    """Returns one array-like for each input.

    Raises:
        InvalidValue: for a wrong number of arrays, or names that don't fit.
    """
    rank = len(signature.input_shapes[0]) + 1
    narrow = signature.input_shapes[0][-1:] == (1,)
    values = _assign(
        x,
        signature.input_names,
        "x",
        who,
        # An array of one axis less is one row of a list of rows, unless rows are single numbers anyway.
        whole=lambda item, _: rank_of(item) >= rank or (narrow and rank_of(item) == rank - 1),
        what="input",
    )
    for name, value in zip(signature.input_names, values, strict=True):
        if value is None:
            raise value_error(
                f"{who}: x has nothing for the input '{name}'.", "Give one array for each input."
            )
    return values


def outputs_of(y, argument: str, signature: Signature, rows: int, who: str) -> list:
    """Returns one array-like or None for each output; `argument` is "y" or "sample_weight".

    One `sample_weight` alone is used for all outputs, as Keras does.

    Raises:
        InvalidValue: for a wrong number of arrays, or names that don't fit.
    """
    names = signature.output_names
    if y is None:
        return [None] * len(names)
    if argument == "sample_weight" and not isinstance(y, dict) and not _several(y):
        return [y] * len(names)

    def whole(item, count):
        if count == 1:
            return rows != 1 or _length(item) == 1
        return _length(item) == rows != count

    return _assign(y, names, argument, who, whole=whole, what="output")


def _several(value):
    """Tells whether a list holds arrays or lists, rather than numbers."""
    return isinstance(value, (list, tuple)) and any(
        item is None or isinstance(item, (list, tuple)) or rank_of(item) > 0 for item in value
    )


def _assign(value, names, argument, who, whole, what):
    """Returns one entry of `value` for each of `names`.

    `whole(item, count)` tells whether an item of a list of `count` holds all rows, or is itself one row.
    """
    if isinstance(value, dict):
        return _by_name(value, names, argument, who, what)
    if isinstance(value, (list, tuple)):
        return _by_place(value, names, argument, who, whole, what)
    if len(names) == 1:
        return [value]
    raise _wrong_number(argument, "one array", names, who, what)


def _by_name(value, names, argument, who, what):
    for key in value:
        if key not in names:
            raise value_error(
                f"{who}: {argument} has an entry '{key}', but the model has no {what} of that name.",
                hint(key, names),
            )
    return [value.get(name) for name in names]


def _by_place(value, names, argument, who, whole, what):
    if len(names) > 1:
        if len(value) != len(names):
            raise _wrong_number(argument, f"a list of {len(value)}", names, who, what)
        return list(value)
    arrays = bool(value) and all(is_arraylike(item) and rank_of(item) for item in value)
    if not arrays or not all(whole(item, len(value)) for item in value):
        return [value]
    if len(value) > 1:
        raise _wrong_number(argument, f"a list of {len(value)} arrays", names, who, what)
    return [value[0]]


def _length(item):
    """Returns the length of the first axis of an array or a list."""
    shape = getattr(item, "shape", None)
    return int(shape[0]) if shape else len(item)


def _wrong_number(argument, got, names, who, what):
    listed = ", ".join(f"'{name}'" for name in names[:6])
    plural = "s" if len(names) > 1 else ""
    return value_error(
        f"{who}: {argument} is {got}, but the model has {len(names)} {what}{plural}: {listed}.",
        f"Give a list with one array for each {what}, or a dict by name." if plural else "Give one array.",
    )


def unpack(batch, who: str) -> tuple:
    """Returns x, y and sample_weight of a batch that is x, (x,), (x, y) or (x, y, sample_weight).

    Raises:
        InvalidType: for a tuple of another length.
    """
    if not isinstance(batch, (tuple, list)):
        return batch, None, None
    if not 1 <= len(batch) <= 3:
        raise type_error(
            f"{who} is a {type(batch).__name__} of {len(batch)} entries.",
            "Give (x,), (x, y) or (x, y, sample_weight); several inputs go into a list: ([a, b], y).",
        )
    return (*batch, None, None)[:3]
