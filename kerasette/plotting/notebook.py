"""model_html: what a notebook shows for a model."""

import html
import io

from kerasette.plotting.drawing import draw
from kerasette.plotting.scene import Style, scene
from kerasette.plotting.table import rows_of, size_text, totals_of

MOST_BOXES = 60  # larger graphs are for plot_model
MOST_ROWS = 200


def model_html(model) -> str:
    """Returns the summary of a model as an HTML table, with its graph where that can be drawn.

    Whatever goes wrong, the text form of the model is there: showing an object never raises.
    """
    try:
        table = _table(model)
    except Exception:
        return f"<pre>{html.escape(repr(model))}</pre>"
    picture = _picture(model)
    if picture is None:
        return table
    style = "display: flex; flex-wrap: wrap; gap: 2em; align-items: flex-start"
    return f'<div style="{style}"><div>{table}</div><div>{picture}</div></div>'


def _table(model):
    rows, chain = rows_of(model)
    heads = ["Layer (type)", "Output Shape", "Param #", *([] if chain else ["Connected to"])]
    lines = [_line("th", heads)]
    lines += [_line("td", row.cells(not chain, False)) for row in rows[:MOST_ROWS]]
    if len(rows) > MOST_ROWS:
        lines.append(_line("td", [f"... and {len(rows) - MOST_ROWS} more", *[""] * (len(heads) - 1)]))
    totals = [f"{title}: {count:,} ({size_text(size)})" for title, count, size in totals_of(model)]
    return (
        f"<b>{html.escape(model.name)}</b><table>{''.join(lines)}</table><small>{'<br>'.join(totals)}</small>"
    )


def _line(tag, cells):
    """Returns one row of the table; numbers of parameters stand on the right."""
    sides = ["right" if k == 2 else "left" for k in range(len(cells))]
    texts = [
        f'<{tag} style="text-align: {side}">{html.escape(cell)}</{tag}>'
        for cell, side in zip(cells, sides, strict=True)
    ]
    return f"<tr>{''.join(texts)}</tr>"


def _picture(model):
    """Returns the graph as SVG text, or None where it can't be drawn or is large."""
    try:
        what = scene(model)
        if what.count() > MOST_BOXES:
            return None
        from matplotlib import rc_context

        content = io.StringIO()
        with rc_context({"svg.fonttype": "none"}):
            draw(what, Style(shapes=True, names=True)).savefig(content, format="svg")
    except Exception:
        return None
    text = content.getvalue()
    return text[text.index("<svg") :]
