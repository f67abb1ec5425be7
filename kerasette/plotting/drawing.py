"""Pictures of graphs by matplotlib, for where Graphviz isn't installed."""

import functools
import math
from itertools import pairwise

from kerasette.errors import value_error
from kerasette.plotting.layout import place

COLOURS = {  # kind -> (fill, line), also for Graphviz
    "input": ("#eef1f5", "#8593a6"),
    "weights": ("#e2eefb", "#3f7fbf"),
    "merge": ("#e4f4e9", "#4a9c62"),
    "plain": ("#fff5de", "#cf9b2e"),
    "model": ("#f3edfb", "#8458b8"),
}
ARROW = "#56606e"
TEXT, SMALL = 10.0, 8.5  # points
LINE = 0.175  # inches from one line of text to the next
PAD = 0.12  # inches around the text of a box
MARGIN = 0.25  # inches around the picture
MOST_PIXELS = 25_000_000
LONGEST_SIDE = 30_000  # pixels; matplotlib stops at 65,536


def matplotlib_figure():
    """Returns matplotlib's Figure class.

    Raises:
        InvalidValue: where matplotlib isn't installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as problem:
        raise value_error(
            f"Pictures need matplotlib, and importing it failed: {problem}.",
            "Install it with: pip install matplotlib graphviz",
        ) from problem
    return Figure


def draw(scene, style, rankdir: str = "TB"):
    """Returns a matplotlib Figure of `scene`.

    Args:
        scene: what there is to draw.
        style: which lines the boxes show.
        rankdir: "TB", "BT", "LR" or "RL": where the arrows lead.
    """
    figure_class = matplotlib_figure()
    canvas = _Canvas(style, rankdir)
    width, height = canvas.add(scene, 0.0, 0.0)
    figure = figure_class(figsize=(width + 2 * MARGIN, height + 2 * MARGIN), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(-width / 2 - MARGIN, width / 2 + MARGIN)
    axes.set_ylim(-height / 2 - MARGIN, height / 2 + MARGIN)
    axes.axis("off")
    canvas.paint(axes)
    return figure


def fitting_dpi(figure, dpi: float) -> float:
    """Returns `dpi`, or less where the picture would be too large to be made."""
    width, height = figure.get_size_inches()
    return min(dpi, LONGEST_SIDE / max(width, height), math.sqrt(MOST_PIXELS / (width * height)))


@functools.cache
def _text_width(text, size, bold):
    """Returns the width of a text in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family="DejaVu Sans", size=size, weight="bold" if bold else "normal")
    width = text_to_path.get_text_width_height_descent(text, font, ismath=False)[0] / 72
    return width * 1.04  # few pixels make letters a little wider


class _Canvas:
    """Collects rectangles, texts and arrows in inches, the origin in the middle, y upwards."""

    def __init__(self, style, rankdir):
        self.style, self.rankdir = style, rankdir
        self.frames = []  # (kind, x, y, width, height) of open models
        self.boxes = []  # (kind, x, y, width, height)
        self.texts = []  # (x, y, text, size, bold, colour)
        self.arrows = []  # lists of points
        self.sizes = {}  # key of a box -> (width, height, layout of its inside or None)
        self.spots = {}  # key of an innermost box -> (x, y, width, height)

    # ------------------------------------------------------------ orientation

    @property
    def _sideways(self):
        return self.rankdir in ("LR", "RL")

    def _turn(self, point):
        """Returns (x, y) of a point (breadth, depth) measured from the middle."""
        breadth, depth = point
        sign = -1 if self.rankdir in ("TB", "RL") else 1
        return (sign * depth, -breadth) if self._sideways else (breadth, sign * depth)

    # ------------------------------------------------------------ sizes

    def _measure(self, box):
        """Returns the (width, height) of a box; for an open model its inside is laid out."""
        title, lines = self.style.title(box), self.style.lines(box)
        width = max([_text_width(title, TEXT, True), *(_text_width(line, SMALL, False) for line in lines)])
        width, height, layout = width + 2 * PAD, LINE * (1 + len(lines)) + 1.3 * PAD, None
        if box.inside is not None:
            layout, (inner_width, inner_height) = self._lay_out(box.inside)
            width, height = max(width, inner_width + 3 * PAD), height + inner_height + 2.5 * PAD
        self.sizes[box.key] = (width, height, layout)
        return width, height

    def _lay_out(self, scene):
        """Returns the Layout of a scene and its (width, height)."""
        sizes = [self._measure(box) for box in scene.boxes]
        if self._sideways:
            sizes = [size[::-1] for size in sizes]
        layout = place(sizes, [arrow[:2] for arrow in scene.arrows])
        return layout, layout.size[::-1] if self._sideways else layout.size

    # ------------------------------------------------------------ placing

    def add(self, scene, x, y, layout=None):
        """Adds a scene whose middle is (x, y); returns its (width, height)."""
        if layout is None:
            layout, _ = self._lay_out(scene)
        breadth, depth = layout.size

        def moved(point):
            dx, dy = self._turn((point[0] - breadth / 2, point[1] - depth / 2))
            return x + dx, y + dy

        for box, center in zip(scene.boxes, layout.centers, strict=True):
            self._add_box(box, *moved(center))
        for (_, _, tail, head), route in zip(scene.arrows, layout.routes, strict=True):
            begin, end = self._side(tail, leaving=True), self._side(head, leaving=False)
            self.arrows.append([begin, *map(moved, route), end])
        return layout.size[::-1] if self._sideways else layout.size

    def _add_box(self, box, x, y):
        width, height, layout = self.sizes[box.key]
        title, lines = self.style.title(box), self.style.lines(box)
        colour = COLOURS[box.kind][1]
        top = y + height / 2 - PAD * 0.65 - LINE / 2
        if box.inside is not None:
            self.frames.append((box.kind, x, y, width, height))
            self.texts.append((x - width / 2 + PAD, top, title, TEXT, True, colour))
            self.add(box.inside, x, y - LINE / 2, layout)
            return
        self.boxes.append((box.kind, x, y, width, height))
        self.spots[box.key] = (x, y, width, height)
        self.texts.append((x, top, title, TEXT, True, "#1c2733"))
        for k, line in enumerate(lines, 1):
            self.texts.append((x, top - k * LINE, line, SMALL, False, "#47525f"))

    def _side(self, box, leaving):
        """Returns the middle of the side where arrows leave or enter a box."""
        x, y, width, height = self.spots[box.key]
        dx, dy = self._turn((0.0, 0.5 if leaving else -0.5))
        return x + dx * width, y + dy * height

    # ------------------------------------------------------------ painting

    def paint(self, axes):
        """Draws everything; one matplotlib object for all boxes of a kind and for all arrows."""
        for kind, (fill, line) in COLOURS.items():
            self._paint_rectangles(axes, [f for f in self.frames if f[0] == kind], fill, line, 1, "--", 0.5)
            self._paint_rectangles(axes, [b for b in self.boxes if b[0] == kind], fill, line, 3, "-", 1.0)
        self._paint_arrows(axes)
        for x, y, text, size, bold, colour in self.texts:
            axes.text(
                x,
                y,
                text,
                fontsize=size,
                color=colour,
                fontweight="bold" if bold else "normal",
                fontfamily="DejaVu Sans",
                ha="left" if colour == COLOURS["model"][1] else "center",
                va="center_baseline",
                parse_math=False,
                zorder=4,
            )

    @staticmethod
    def _paint_rectangles(axes, rectangles, fill, line, order, dashes, opacity):
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path

        if not rectangles:
            return
        path = Path.make_compound_path(*[_rounded(*rectangle[1:]) for rectangle in rectangles])
        axes.add_artist(PathPatch(path, facecolor=(fill, opacity), edgecolor="none", zorder=order))
        axes.add_artist(
            PathPatch(path, facecolor="none", edgecolor=line, lw=1.1, linestyle=dashes, zorder=order)
        )

    def _paint_arrows(self, axes):
        from matplotlib.collections import PolyCollection
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path

        if not self.arrows:
            return
        ahead = self._turn((0.0, 1.0))
        lines = [_curve(points, ahead) for points in self.arrows]
        path = Path.make_compound_path(*lines)
        axes.add_artist(PathPatch(path, facecolor="none", edgecolor=ARROW, lw=1.1, zorder=2))
        heads = [_arrow_head(points[-1], ahead) for points in self.arrows]
        axes.add_collection(PolyCollection(heads, facecolors=ARROW, edgecolors="none", zorder=2))


def _rounded(x, y, width, height, radius=0.07):
    """Returns the path of a rectangle with round corners."""
    from matplotlib.path import Path

    left, right, low, high = x - width / 2, x + width / 2, y - height / 2, y + height / 2
    r = radius
    points = [(left + r, low), (right - r, low), (right, low), (right, low + r), (right, high - r)]
    points += [(right, high), (right - r, high), (left + r, high), (left, high), (left, high - r)]
    points += [(left, low + r), (left, low), (left + r, low), (left + r, low)]
    side, corner = [Path.LINETO], [Path.CURVE3, Path.CURVE3]
    codes = [Path.MOVETO, *(side + corner) * 3, *side, *corner, Path.CLOSEPOLY]
    return Path(points, codes)


def _curve(points, ahead):
    """Returns the path through `points`, each bend begun and ended in the direction of the arrows."""
    from matplotlib.path import Path

    way, codes = [points[0]], [Path.MOVETO]
    for (x0, y0), (x1, y1) in pairwise(points):
        forward = (x1 - x0) * ahead[0] + (y1 - y0) * ahead[1]
        aside = abs((x1 - x0) * ahead[1]) + abs((y1 - y0) * ahead[0])
        if forward <= 0 or aside < 1e-6:
            way.append((x1, y1))
            codes.append(Path.LINETO)
            continue
        half = (ahead[0] * forward / 2, ahead[1] * forward / 2)
        way += [(x0 + half[0], y0 + half[1]), (x1 - half[0], y1 - half[1]), (x1, y1)]
        codes += [Path.CURVE4] * 3
    return Path(way, codes)


def _arrow_head(tip, ahead, length=0.09, half=0.04):
    (x, y), (dx, dy) = tip, ahead
    x0, y0 = x - dx * length, y - dy * length
    return [(x, y), (x0 - dy * half, y0 + dx * half), (x0 + dy * half, y0 - dx * half)]
