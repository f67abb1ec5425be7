"""summary: the table of a model's layers."""

import operator
import shutil
import sys

from kerasette.errors import positive_int, type_error, value_error
from kerasette.layers import Layer
from kerasette.models import Model, Sequential
from kerasette.plotting.scene import shape_text, type_name

UNBROKEN = (1, 2)  # the columns of shapes and numbers, which read badly in several lines
NAME = 18  # characters that are left of a name before shapes are cut
NARROWEST = 6  # characters of a column
WIDEST = 98  # characters of a table, where the terminal has room and nobody asks for more
PLAIN = str.maketrans("┏┳┓┡╇┩└┴┘━─┃│", "+++++++++=-||")


class Row:
    """One line of the table: a layer, an operation, or one of a nested model's."""

    __slots__ = ("level", "name", "params", "shapes", "sources", "trainable", "type")

    def __init__(self, operation, shapes, sources, level):
        self.name, self.type = operation.name, type_name(operation)
        self.shapes, self.sources, self.level = shapes, sources, level
        parameters = operation.parameters
        self.params = sum(p.size for p in parameters) if getattr(operation, "built", True) else None
        self.trainable = ("Y" if operation.trainable else "N") if parameters else "-"

    def cells(self, connected, trainable) -> list[str]:
        """Returns the texts of the columns."""
        indent = "  " * (self.level - 1) + "└ " if self.level else ""
        cells = [
            f"{indent}{self.name} ({self.type})",
            shape_text(self.shapes),
            "0 (unbuilt)" if self.params is None else f"{self.params:,}",
        ]
        if connected:
            cells.append(", ".join(self.sources) or "-")
        return [*cells, self.trainable] if trainable else cells


def rows_of(model, expand_nested: bool = False, level: int = 0) -> tuple[list[Row], bool]:
    """Returns the rows of `model`, and whether its layers form a mere chain."""
    if model.graph is None:
        return [Row(layer, None, (), level) for layer in model.layers], True
    calls, chain = {}, True
    for node in model.graph.nodes:
        calls.setdefault(node.operation, []).append(node)
        chain = chain and len(node.positional) <= 1
    used = [id(tensor) for node in model.graph.nodes for tensor in node.inputs]
    chain = chain and len(set(used)) == len(used) and len(model.graph.inputs) == len(model.graph.outputs) == 1
    chain = chain or isinstance(model, Sequential)  # whatever its masks are made of
    number = {}  # node -> which call of its layer it is, as the layer counts
    for operation in calls:
        number.update((node, k) for k, node in enumerate(getattr(operation, "_nodes", ())))
    rows = []
    for operation in model.graph.operations:
        own = calls[operation]
        if isinstance(model, Sequential) and not (own[0].inputs and isinstance(operation, Layer)):
            continue
        chain = chain and len(own) == 1
        shapes = dict.fromkeys(tensor.shape for node in own for tensor in node.outputs)
        sources = [_origin(tensor, number) for node in own for tensor in node.inputs]
        rows.append(Row(operation, list(shapes), sources, level))
        if expand_nested and operation.graph is not None:
            inner, straight = rows_of(operation, True, level + 1)
            rows += inner
            chain = chain and straight
    return rows, chain


def _origin(tensor, number):
    """Returns "dense[1][0]": the layer, which of its calls, which output of it."""
    return f"{tensor.operation.name}[{number.get(tensor.node, 0)}][{tensor.index}]"


# ---------------------------------------------------------------- totals


def size_text(count: float) -> str:
    """Returns a number of bytes for people.

    >>> size_text(584), size_text(945612)
    ('584.00 B', '923.45 KB')
    """
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1024 or unit == "GB":
            break
        count /= 1024
    return f"{count:.2f} {unit}"


def totals_of(model) -> list[tuple[str, int, int]]:
    """Returns (title, number of elements, bytes) for all, the trainable and the other parameters."""
    groups = (
        ("Total params", model.parameters),
        ("Trainable params", model.trainable_weights),
        ("Non-trainable params", model.non_trainable_weights),
    )
    return [(title, sum(p.size for p in some), sum(p.value.nbytes for p in some)) for title, some in groups]


# ---------------------------------------------------------------- the text


def summary(
    model,
    line_length: int | None = None,
    positions=None,
    print_fn=None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range=None,
) -> None:
    """Prints a table of the layers: names, types, output shapes, numbers of parameters.

    Args:
        model: a Model. A Sequential whose input shape isn't known is shown as far as it is.
        line_length: width of the table in characters; by default as wide as its texts, at most the
            terminal.
        positions: where the columns end: shares of the width (0.5, 0.8, 1.0) or numbers of characters.
        print_fn: function that gets the whole text; print unless given.
        expand_nested: whether the layers of nested models follow theirs.
        show_trainable: whether a column says which layers are trained (Y, N, - without parameters).
        layer_range: names of the first and last layer to show.

    Raises:
        InvalidType, InvalidValue: for what is no model, and for widths or names that don't fit.
    """
    if not isinstance(model, Model):
        raise type_error(f"summary needs a Model, got {type(model).__name__}.")
    rows, chain = rows_of(model, expand_nested)
    heads = ["Layer (type)", "Output Shape", "Param #", *([] if chain else ["Connected to"])]
    heads += ["Trainable"] if show_trainable else []
    lines = [row.cells(not chain, show_trainable) for row in _within(model, rows, layer_range)]
    widths = _widths(heads, lines, line_length, positions)
    text = [f'Model: "{model.name}"', *_table(heads, lines, widths)]
    text += [f" {title}: {count:,} ({size_text(size)})" for title, count, size in totals_of(model)]
    if model.graph is None:
        text.append(
            " Not built yet: the input shape is unknown."
            " Put Input(shape) first, call model.build((None, ...)), or fit it."
        )
    if print_fn is None:
        print_fn, text = print, _printable(text)
    print_fn("\n".join(text))


def _within(model, rows, layer_range):
    if layer_range is None:
        return rows
    names = [row.name for row in rows]
    if len(layer_range) != 2 or any(name not in names for name in layer_range):
        raise value_error(f"summary: layer_range names two layers of {model.name}, got {layer_range!r}.")
    first, last = sorted(names.index(name) for name in layer_range)
    return rows[first : last + 1]


def _printable(lines):
    """Returns `lines`, with plain characters where the screen has no others."""
    try:
        "".join(lines).encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return [line.translate(PLAIN) for line in lines]
    return lines


def _widths(heads, lines, line_length, positions):
    """Returns the width of the text in each column."""
    if line_length is not None:
        positive_int("summary", "line_length", line_length, minimum=(NARROWEST + 3) * len(heads) + 1)
    if positions is not None:
        return _from_positions(positions, len(heads), line_length or WIDEST)
    columns = list(zip(heads, *lines, strict=True))
    widths = [max(map(len, column)) for column in columns]
    wanted = line_length or min(WIDEST, max(80, shutil.get_terminal_size((80, 24)).columns))
    spare = wanted - (sum(widths) + 3 * len(widths) + 1)
    words = [max(map(_longest_word, column)) for column in columns]
    whole = {k: max(_longest_word(heads[k]), *(len(line[k]) for line in lines), 0) for k in UNBROKEN}
    floors = (  # names are cut at words, then anywhere, then shapes too
        [whole.get(k, least) for k, least in enumerate(words)],
        [whole.get(k, NAME) for k in range(len(widths))],
        [0] * len(widths),
    )
    for least in floors:
        while spare < 0 and any(map(operator.gt, widths, least)):
            loose = [k for k, width in enumerate(widths) if width > least[k]]
            widths[max(loose, key=widths.__getitem__)] -= 1
            spare += 1
    if line_length is not None:
        widths = [width + spare // len(widths) for width in widths]
        widths[0] += spare % len(widths)
    return widths


def _longest_word(cell):
    """Returns the width that a cell needs for its words to stay whole; later ones may be set in."""
    first, *others = cell.lstrip(" └").split(" ")
    return max(len(cell) - len(cell.lstrip(" └")) + len(first), *(len(word) + 2 for word in others), 0)


def _from_positions(positions, columns, line_length):
    ends = [round(end * line_length) if positions[-1] <= 1 else int(end) for end in positions]
    widths = [end - begin - 3 for begin, end in zip([0, *ends], ends, strict=False)]
    if len(ends) != columns or min(widths) < NARROWEST - 2:
        raise value_error(
            f"summary: positions says where each of the {columns} columns ends, in ascending order",
            f"and with room for text; got {list(positions)}.",
        )
    return widths


def _table(heads, lines, widths):
    """Yields the lines of the table: double rules around the head, none between the rows."""
    bars = ["━" * (width + 2) for width in widths]
    yield f"┏{'┳'.join(bars)}┓"
    yield from _row(heads, widths, "┃")
    yield f"┡{'╇'.join(bars)}┩"
    for cells in lines:
        yield from _row(cells, widths, "│")
    yield f"└{'┴'.join(bars).replace('━', '─')}┘"


def _row(cells, widths, bar):
    """Yields the text lines of one row; texts that are too long go on below."""
    parts = [_wrapped(cell, width) for cell, width in zip(cells, widths, strict=True)]
    for k in range(max(map(len, parts))):
        texts = [part[k] if k < len(part) else "" for part in parts]
        padded = [
            text.rjust(width) if column == 2 else text.ljust(width)
            for column, (text, width) in enumerate(zip(texts, widths, strict=True))
        ]
        yield f"{bar} {f' {bar} '.join(padded)} {bar}"


def _wrapped(text, width):
    """Returns the lines of a cell; those below the first are set in, behind the name in nested rows."""
    if len(text) <= width:
        return [text]
    inset = " " * min(len(text) - len(text.lstrip(" └")) + 2, width // 2)
    lines, line = [], ""
    for word in text.split(" "):
        if line.strip(" └") and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = inset + word
        else:
            line = f"{line} {word}" if line or lines or not word else word
        while len(line) > width:
            lines.append(line[:width])
            line = inset + line[width:]
    return [*lines, line]
