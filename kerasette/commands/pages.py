"""Plain text for the terminal: tables, numbers, and names from files that do no harm there."""

WIDEST = 60  # characters of one entry


def shown(value: object, width: int = WIDEST) -> str:
    """Returns a text of a file as one short line of printable signs.

    >>> shown("dense\\x1b[2J")
    'dense\\\\x1b[2J'
    """
    text = str(value)[: 4 * width]
    text = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
    return text if len(text) <= width else text[: width - 3] + "..."


def one_line(text: str) -> str:
    """Returns a message of several lines as one."""
    return " | ".join(shown(line.strip(), 500) for line in text.splitlines() if line.strip())


def size(count: int) -> str:
    """Returns a number of bytes for people.

    >>> size(812), size(1536), size(5 << 20)
    ('812 bytes', '1.5 KiB', '5.0 MiB')
    """
    if count < 1024:
        return f"{count} bytes"
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        count /= 1024
        if count < 1024 or unit == "TiB":
            return f"{count:,.1f} {unit}"
    return ""


def table(head: list[str], rows: list[list[str]]) -> str:
    """Returns rows under a head, in columns as wide as what stands in them; numbers stand right.

    >>> print(table(["layer", "weights"], [["dense", "12"], ["d2", "1,000"]]))
    layer  weights
    -----  -------
    dense       12
    d2       1,000
    """
    widths = [max(len(row[k]) for row in [head, *rows]) for k in range(len(head))]
    right = [bool(rows) and all(_is_number(row[k]) for row in rows) for k in range(len(head))]

    def line(cells):
        parts = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(cells, widths, right, strict=True)
        ]
        return "  ".join(parts).rstrip()

    return "\n".join([line(head), "  ".join("-" * width for width in widths), *map(line, rows)])


def _is_number(cell):
    return cell.replace(",", "").replace("-", "").isdigit() or cell in ("", "-")


def facts(pairs: list[tuple[str, str]]) -> str:
    """Returns "name  value" lines; pairs without a value are left out.

    >>> print(facts([("file", "a.keras"), ("size", "3 bytes"), ("saved", "")]))
    file  a.keras
    size  3 bytes
    """
    pairs = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in pairs), default=0)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in pairs)
