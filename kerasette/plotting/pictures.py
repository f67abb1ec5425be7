"""plot_model: a picture of a model in a file, by Graphviz or by matplotlib."""

import os
import shutil

from kerasette.errors import MissingFile, one_of, type_error, unknown_argument, value_error
from kerasette.plotting.dot import RANKDIRS, model_to_dot
from kerasette.plotting.drawing import draw, fitting_dpi
from kerasette.plotting.scene import Style, scene

MOST_BOXES = 500  # dot takes minutes for more
ARGUMENTS = ("show_shapes", "show_dtype", "show_layer_names", "rankdir", "expand_nested", "to_file")


class Picture:
    """A picture in a file; notebooks show it.

    Attributes:
        path: of the file.
    """

    def __init__(self, path):
        self.path = path

    def _read(self, extension):
        if not self.path.lower().endswith(extension):
            return None
        with open(self.path, "rb") as file:
            return file.read()

    def _repr_png_(self):
        return self._read(".png")

    def _repr_svg_(self):
        content = self._read(".svg")
        return None if content is None else content.decode("utf-8")

    def __repr__(self):
        return f"<Picture {self.path}>"


def plot_model(
    model,
    to_file="model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    **kwargs,
) -> Picture:
    """Draws the graph of a model into a file.

    Graphviz's `dot` draws where the program and the graphviz package are installed, else matplotlib.
    Each call of a layer is a box, so a layer that is called twice stands there twice, marked as shared.

    Args:
        model: a Model; a Sequential that isn't built yet is drawn without shapes.
        to_file: path; its ending says the format: ".png" (also without any), ".svg", ".pdf" ...
        show_shapes: whether boxes show the shapes of inputs and outputs.
        show_dtype: whether they show the type of the output.
        show_layer_names: whether they show names besides types.
        rankdir: "TB" from top to bottom, "BT", "LR" from left to right, "RL".
        expand_nested: whether nested models are drawn open.
        dpi: pixels an inch; fewer where the picture would be too large.
        show_layer_activations: whether boxes show activations.
        show_trainable: whether boxes show which layers are trained.
        splines: how `dot` bends its arrows ("ortho", "spline", "polyline", "line", "curved"); the arrows
            of matplotlib are always curves.

    Returns:
        A Picture, which notebooks show.

    Raises:
        MissingFile: where the directory doesn't exist.
        InvalidType, InvalidValue: for what is no model, wrong settings and unknown formats.
    """
    if kwargs:
        raise unknown_argument("plot_model", next(iter(kwargs)), ARGUMENTS)
    one_of("plot_model", "rankdir", rankdir, RANKDIRS)
    if isinstance(dpi, bool) or not isinstance(dpi, (int, float)) or dpi <= 0:
        raise value_error(f"plot_model: dpi must be a positive number, got {dpi!r}.")
    path = checked_path("plot_model", to_file)
    what = scene(model, expand_nested)
    settings = (show_shapes, show_dtype, show_layer_names, rankdir, expand_nested, dpi, False)
    settings = (*settings, show_layer_activations, show_trainable, splines)
    if what.count() <= MOST_BOXES and _by_dot(model, path, settings):
        return Picture(path)
    style = Style(show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable)
    save_figure("plot_model", draw(what, style, rankdir), path, dpi)
    return Picture(path)


def _by_dot(model, path, settings):
    """Writes the picture with Graphviz; returns False where that isn't possible."""
    if shutil.which("dot") is None:
        return False
    try:
        import graphviz
    except ImportError:
        return False
    try:
        content = model_to_dot(model, *settings).pipe(format=os.path.splitext(path)[1][1:].lower())
    except (graphviz.ExecutableNotFound, graphviz.CalledProcessError, ValueError):
        return False
    with open(path, "wb") as file:
        file.write(content)
    return True


def checked_path(owner: str, to_file) -> str:
    """Returns the path as text, ".png" added where it has no ending.

    Raises:
        InvalidType: where it is no path.
        MissingFile: where its directory doesn't exist.
    """
    try:
        path = os.fspath(to_file)
    except TypeError as problem:
        raise type_error(f"{owner}: to_file is a path, got {type(to_file).__name__}.") from problem
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise MissingFile(f"{owner}: the directory '{folder}' doesn't exist. Make it first.")
    return path if os.path.splitext(path)[1] else f"{path}.png"


def save_figure(owner: str, figure, path: str, dpi: float) -> None:
    """Writes a matplotlib figure; the ending of `path` says the format.

    Raises:
        InvalidValue: for a format that matplotlib doesn't write.
    """
    formats = figure.canvas.get_supported_filetypes()
    kind = os.path.splitext(path)[1][1:].lower()
    if kind not in formats:
        raise value_error(
            f"{owner}: '.{kind}' is no format of a picture. Known: {', '.join(sorted(formats))}."
        )
    figure.savefig(path, dpi=fitting_dpi(figure, dpi))
