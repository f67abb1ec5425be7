"""Pictures of models: what stands in them, that they are files of their kind, and how they fail."""

import inspect
import subprocess
import sys
import types

import numpy as np
import pytest

import kerasette as kt
from kerasette import errors, layers, plotting
from kerasette.plotting import drawing, layout, pictures
from kerasette.plotting.scene import Style, scene
from tests.keras_oracle import keras
from tests.plotted_models import CURVES, PDF, PNG, mlp, nested, plus, shared, text_of

# ---------------------------------------------------------------- the scene


def test_each_call_is_a_box():
    what = scene(shared())
    assert [(box.name, box.call, box.calls) for box in what.boxes if box.calls > 1] == [
        ("encoder", 1, 2),
        ("encoder", 2, 2),
    ]
    assert {box.name: box.kind for box in what.boxes} == {
        "left": "input",
        "right": "input",
        "encoder": "weights",
        "add": "merge",
        "hidden": "weights",
        "add_1": "merge",
        "kind": "weights",
        "score": "weights",
    }
    named = [(tail.name, head.name) for _, _, tail, head in what.arrows]
    assert sorted(named) == sorted(
        [
            ("left", "encoder"),
            ("right", "encoder"),
            ("encoder", "add"),
            ("encoder", "add"),
            ("add", "hidden"),
            ("hidden", "add_1"),
            ("add", "add_1"),
            ("add_1", "kind"),
            ("add_1", "score"),
        ]
    )


def test_open_models_lead_arrows_inside():
    closed, opened = scene(nested()), scene(nested(), expand_nested=True)
    assert [box.name for box in closed.boxes] == ["x", "wrap", "end"]
    assert opened.count() == 3 + 4 + 2 * 3
    assert [(tail.name, head.name) for _, _, tail, head in opened.arrows] == [
        ("x", "wrap_in"),
        ("sum", "end"),
    ]
    keys = []

    def collect(what):
        for box in what.boxes:
            keys.append(box.key)
            if box.inside:
                collect(box.inside)

    collect(opened)
    assert len(set(keys)) == len(keys) == opened.count()


def test_a_model_that_begins_in_the_middle_of_another():
    whole = mlp()
    part = kt.Model(whole.get_layer("first").output, whole.output)
    assert [(box.name, box.inputs) for box in scene(part).boxes] == [("first", []), ("second", [(None, 8)])]
    assert "second (Dense)" in text_of(part)


def test_lines_of_a_box():
    style = Style(shapes=True, dtype=True, names=True, activations=True, trainable=True)
    box = scene(mlp()).boxes[1]
    assert style.title(box) == "first (Dense)"
    assert style.lines(box) == ["activation tanh", "in (None, 4)", "out (None, 8)", "float32", "trainable"]
    assert Style().title(box) == "Dense"
    assert Style().lines(box) == []
    unbuilt = scene(kt.Sequential([layers.Dense(2, activation=kt.activations.relu)])).boxes[0]
    assert style.lines(unbuilt) == ["activation relu", "?"]


# ---------------------------------------------------------------- the layout


def overlaps(centers, sizes):
    for k, (a, s) in enumerate(zip(centers, sizes, strict=True)):
        for b, t in list(zip(centers, sizes, strict=True))[k + 1 :]:
            if abs(a[0] - b[0]) < (s[0] + t[0]) / 2 - 1e-9 and abs(a[1] - b[1]) < (s[1] + t[1]) / 2 - 1e-9:
                return True
    return False


@pytest.mark.parametrize("seed", range(20))
def test_boxes_never_overlap_and_arrows_lead_down(seed, monkeypatch):
    folded = seed % 2
    monkeypatch.setattr(layout, "TALLEST", 10.0 if folded else 1e9)
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 60))
    arrows = {
        (int(rng.integers(max(0, target - 12), target)), target)
        for target in range(1, count)
        for _ in range(rng.integers(0, 4))
    }
    sizes = [(float(a), float(b)) for a, b in rng.uniform(0.5, 2.5, (count, 2))]
    placed = layout.place(sizes, sorted(arrows))
    assert len(placed.centers) == count
    assert not overlaps(placed.centers, sizes)
    for (breadth, depth), (x, y) in zip(sizes, placed.centers, strict=True):
        assert breadth / 2 - 1e-6 <= x <= placed.size[0] - breadth / 2 + 1e-6
        assert depth / 2 - 1e-6 <= y <= placed.size[1] - depth / 2 + 1e-6
    if not folded:
        for source, target in arrows:
            assert placed.centers[source][1] < placed.centers[target][1]


def test_a_chain_is_straight_and_a_long_one_is_folded():
    placed = layout.place([(1.0, 0.5)] * 10, [(k, k + 1) for k in range(9)])
    assert len({x for x, _ in placed.centers}) == 1
    placed = layout.place([(1.0, 0.5)] * 2000, [(k, k + 1) for k in range(1999)])
    width, height = placed.size
    assert 0.5 < width / height < 2
    assert layout.place([], []).centers == []


def test_crossings_are_undone():
    """Two lines that cross as written need not cross in the picture."""
    placed = layout.place([(1.0, 0.5)] * 4, [(0, 3), (1, 2)])
    x = [center[0] for center in placed.centers]
    assert (x[0] < x[1]) == (x[3] < x[2])


def test_arrows_pass_beside_boxes():
    chain = [(k, k + 1) for k in range(5)]
    placed = layout.place([(1.0, 0.5)] * 6, [*chain, (0, 5)])
    assert not any(placed.routes[k] for k in range(5))
    for x, y in placed.routes[5]:
        for cx, cy in placed.centers:
            assert abs(x - cx) > 0.5 or abs(y - cy) > 0.25 + 1e-9


# ---------------------------------------------------------------- plot_model


@pytest.fixture
def without_dot(monkeypatch):
    monkeypatch.setattr(pictures.shutil, "which", lambda name: None)


@pytest.mark.parametrize("rankdir", ["TB", "BT", "LR", "RL"])
@pytest.mark.parametrize("make", [mlp, shared, nested])
def test_pictures_are_files_of_their_kind(tmp_path, without_dot, make, rankdir):
    model = make()
    for name, begin in (("m.png", PNG), ("m.pdf", PDF), ("m.svg", b"<?xml")):
        picture = plotting.plot_model(
            model,
            tmp_path / name,
            show_shapes=True,
            show_dtype=True,
            show_layer_names=True,
            rankdir=rankdir,
            expand_nested=True,
            dpi=50,
            show_layer_activations=True,
            show_trainable=True,
        )
        assert (tmp_path / name).read_bytes().startswith(begin)
        assert picture.path == str(tmp_path / name)


def test_texts_lie_inside_the_picture():
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = drawing.draw(scene(nested(), True), Style(True, True, True, True, True))
    renderer = FigureCanvasAgg(figure).get_renderer()
    axes = figure.axes[0]
    whole = axes.get_window_extent(renderer)
    assert len(axes.texts) > 20
    for text in axes.texts:
        box = text.get_window_extent(renderer)
        assert whole.x0 < box.x0 and box.x1 < whole.x1 and whole.y0 < box.y0 and box.y1 < whole.y1


def test_svg_holds_the_names(tmp_path, without_dot):
    html = plotting.model_html(shared())
    for name in ("encoder (Dense)", "shared: call 2 of 2", "score (Dense)", "<svg", "Connected to"):
        assert name in html


def test_dpi_and_ending(tmp_path, without_dot):
    from matplotlib.image import imread

    small = imread(plotting.plot_model(mlp(), tmp_path / "a", dpi=50).path)
    large = imread(plotting.plot_model(mlp(), tmp_path / "b.png", dpi=100).path)
    assert abs(large.shape[0] / small.shape[0] - 2) < 0.1
    assert (tmp_path / "a.png").exists()


def test_a_picture_shows_itself(tmp_path, without_dot):
    picture = plotting.plot_model(mlp(), tmp_path / "a.png", dpi=30)
    assert picture._repr_png_().startswith(PNG)
    assert picture._repr_svg_() is None
    assert "a.png" in repr(picture)
    assert "<svg" in plotting.plot_model(mlp(), tmp_path / "a.svg")._repr_svg_()


def test_too_many_pixels_become_fewer():
    figure = types.SimpleNamespace(get_size_inches=lambda: (400.0, 300.0))
    assert drawing.fitting_dpi(figure, 200) < 200
    assert drawing.fitting_dpi(types.SimpleNamespace(get_size_inches=lambda: (4.0, 3.0)), 200) == 200


def test_wide_and_deep_graphs(tmp_path, without_dot):
    x = kt.Input((2,), name="x")
    wide = kt.Model(x, plus(*[layers.Dense(2)(x) for _ in range(40)]))
    plotting.plot_model(wide, tmp_path / "wide.png", dpi=20)
    h = x
    for _ in range(300):
        h = layers.Activation("relu")(h)
    plotting.plot_model(kt.Model(x, h), tmp_path / "deep.png", dpi=20)
    plotting.plot_model(kt.Sequential([layers.Dense(3)]), tmp_path / "unbuilt.png", show_shapes=True)
    plotting.plot_model(kt.Sequential(), tmp_path / "empty.png")
    assert all((tmp_path / name).stat().st_size > 500 for name in ("wide.png", "deep.png", "unbuilt.png"))


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"to_file": "nowhere/at/all.png"}, FileNotFoundError, "doesn't exist"),
        ({"to_file": "model.docx"}, ValueError, "docx"),
        ({"to_file": 3}, TypeError, "path"),
        ({"rankdir": "XY"}, ValueError, "rankdir"),
        ({"dpi": 0}, ValueError, "dpi"),
        ({"show_shape": True}, TypeError, "Did you mean 'show_shapes'"),
    ],
)
def test_bad_arguments(tmp_path, monkeypatch, without_dot, arguments, error, text):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=text) as caught:
        plotting.plot_model(mlp(), **arguments)
    assert isinstance(caught.value, errors.KerasetteError)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_model():
    with pytest.raises(TypeError, match="Model"):
        plotting.plot_model(layers.Dense(3))
    with pytest.raises(TypeError, match="Model"):
        plotting.model_to_dot("model")


@pytest.mark.parametrize("name", ["plot_model", "model_to_dot"])
def test_plots_are_called_as_in_keras(name):
    theirs = inspect.signature(getattr(keras().utils, name)).parameters
    ours = inspect.signature(getattr(kt.utils, name)).parameters
    assert {key: value.default for key, value in ours.items()} == {
        key: value.default for key, value in theirs.items()
    }
    assert list(ours) == list(theirs)


# ---------------------------------------------------------------- Graphviz


def test_dot_text_holds_boxes_arrows_and_clusters():
    graphviz = pytest.importorskip("graphviz")
    graph = plotting.model_to_dot(nested(), expand_nested=True, show_shapes=True, rankdir="LR")
    assert isinstance(graph, graphviz.Digraph)
    source = graph.source
    assert "rankdir=LR" in source and source.count("subgraph cluster_") == 3
    assert source.count("->") == 1 + 4 + 4 + 1
    for name in ("wrap_in (InputLayer)", "first (Dense)", "sum (Plus)", "shared: call 2 of 2", "(None, 8)"):
        assert name in source
    assert plotting.model_to_dot(mlp(name="m"), subgraph=True).name == "cluster_m"


def test_names_cannot_break_the_dot_text():
    pytest.importorskip("graphviz")
    x = kt.Input((2,), name='a"<b>&')
    source = plotting.model_to_dot(kt.Model(x, layers.Dense(1)(x))).source
    assert "a&quot;&lt;b&gt;&amp; (InputLayer)" in source


def test_dot_draws_where_it_is_installed(tmp_path, monkeypatch):
    graphviz = pytest.importorskip("graphviz")
    asked = []
    monkeypatch.setattr(pictures.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(graphviz.Digraph, "pipe", lambda self, format: asked.append(format) or b"from dot")
    plotting.plot_model(mlp(), tmp_path / "m.SVG")
    assert (tmp_path / "m.SVG").read_bytes() == b"from dot"
    assert asked == ["svg"]


def test_a_failing_dot_is_no_failure(tmp_path, monkeypatch):
    graphviz = pytest.importorskip("graphviz")
    monkeypatch.setattr(pictures.shutil, "which", lambda name: f"/usr/bin/{name}")
    problems = (
        graphviz.ExecutableNotFound(["dot"]),
        graphviz.CalledProcessError(1, ["dot"], b"", b""),
        ValueError("unknown format"),
    )
    for problem in problems:

        def fail(self, format, problem=problem):
            raise problem

        monkeypatch.setattr(graphviz.Digraph, "pipe", fail)
        plotting.plot_model(mlp(), tmp_path / "m.png", dpi=30)
        assert (tmp_path / "m.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize(
    ("package", "call"),
    [
        ("matplotlib.figure", lambda: plotting.plot_model(mlp(), "x.png")),
        ("matplotlib.figure", lambda: plotting.plot_history(CURVES)),
        ("graphviz", lambda: plotting.model_to_dot(mlp())),
    ],
)
def test_missing_packages_are_named(monkeypatch, tmp_path, without_dot, package, call):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match="pip install matplotlib graphviz"):
        call()


def test_plotting_itself_loads_no_matplotlib():
    code = (
        "import sys, kerasette.plotting as p, kerasette as k;"
        "k.Sequential([k.layers.Dense(2, input_size=3)]).summary();"
        "print([n for n in ('matplotlib', 'graphviz') if n in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, encoding="utf-8"
    )
    assert run.stdout.splitlines()[-1:] == ["[]"], run.stderr
