"""model_to_dot: a model as a graph in Graphviz's language."""

import html

from kerasette.errors import one_of, unknown_argument, value_error
from kerasette.plotting.drawing import ARROW, COLOURS
from kerasette.plotting.scene import Style, scene

RANKDIRS = ("TB", "BT", "LR", "RL")


def graphviz_package():
    """Returns the graphviz package.

    Raises:
        InvalidValue: where it isn't installed.
    """
    try:
        import graphviz
    except ImportError as problem:
        raise value_error(
            f"model_to_dot needs the graphviz package, and importing it failed: {problem}.",
            "Install it with: pip install matplotlib graphviz",
        ) from problem
    return graphviz


def model_to_dot(
    model,
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    subgraph: bool = False,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    **kwargs,
):
    """Returns a `graphviz.Digraph` of the model; it needs the package, but not the program `dot`.

    Args:
        subgraph: whether the graph is meant to be put into another one, as a cluster.

    The other arguments are those of `plot_model`.

    Raises:
        InvalidType, InvalidValue: for what is no model, wrong settings, or without the package.
    """
    if kwargs:
        raise unknown_argument("model_to_dot", next(iter(kwargs)), ("show_shapes", "show_dtype", "rankdir"))
    one_of("model_to_dot", "rankdir", rankdir, RANKDIRS)
    style = Style(show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable)
    what = scene(model, expand_nested)
    name = f"cluster_{model.name}" if subgraph else model.name
    graph = graphviz_package().Digraph(name)
    graph.attr(rankdir=rankdir, dpi=str(dpi), splines=str(splines), nodesep="0.3", ranksep="0.4")
    graph.attr("node", shape="plaintext", fontname="Helvetica", margin="0")
    graph.attr("edge", color=ARROW, arrowsize="0.7")
    _add(graph, what, style)
    return graph


def _add(graph, what, style):
    for box in what.boxes:
        if box.inside is None:
            graph.node(box.key, label=_label(box, style))
            continue
        with graph.subgraph(name=f"cluster_{box.key}") as inner:
            fill, line = COLOURS["model"]
            title = html.escape(style.title(box))
            inner.attr(label=f"<<b>{title}</b>>", style="dashed,rounded", color=line, fontname="Helvetica")
            inner.attr(bgcolor=fill, fontcolor=line, labeljust="l")
            _add(inner, box.inside, style)
    for _, _, tail, head in what.arrows:
        graph.edge(tail.key, head.key)


def _label(box, style):
    """Returns the HTML-like label of a box: the title, then a line for each thing shown."""
    fill, line = COLOURS[box.kind]
    rows = [f"<tr><td><b>{html.escape(style.title(box))}</b></td></tr>"]
    rows += [
        f'<tr><td><font point-size="11">{html.escape(text)}</font></td></tr>' for text in style.lines(box)
    ]
    table = f'border="1" cellborder="0" cellspacing="0" cellpadding="4" bgcolor="{fill}" color="{line}"'
    return f'<<table style="rounded" {table}>{"".join(rows)}</table>>'
