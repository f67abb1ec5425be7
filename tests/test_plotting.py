"""Tables, graphs and curves: what they say, that they are files of their kind, and how they fail."""

import inspect
import io
import re
import subprocess
import sys
import time
import types

import numpy as np
import pytest

import kerasette as kt
from kerasette import callbacks, errors, layers, plotting, registry
from kerasette.graph import Operation
from kerasette.plotting import drawing, layout, pictures
from kerasette.plotting.scene import Style, scene
from kerasette.plotting.table import size_text
from tests.keras_oracle import keras

PNG, PDF = b"\x89PNG\r\n\x1a\n", b"%PDF"
CURVES = {"accuracy": [0.1, 0.5, 0.8], "loss": [3.0, 2.0, 1.0], "val_loss": [3.5, 3.0, 2.5]}


class Plus(Operation):
    """A sum as a bare operation, as a + b makes one."""

    def __init__(self, name):
        self.name = name


def plus(*tensors, name="add"):
    return Plus(name).symbolic_call(tensors)


def mlp(**keywords):
    return kt.Sequential(
        [
            kt.Input((4,), name="features"),
            layers.Dense(8, activation="tanh", name="first"),
            layers.Dense(3, activation="softmax", name="second"),
        ],
        **keywords,
    )


def shared():
    """Two inputs through one encoder, a residual sum, two outputs."""
    left, right = kt.Input((4,), name="left"), kt.Input((4,), name="right")
    encoder = layers.Dense(8, name="encoder")
    both = plus(encoder(left), encoder(right))
    hidden = layers.Dense(8, activation="relu", name="hidden")(both)
    end = plus(hidden, both, name="add_1")
    outputs = [layers.Dense(3, name="kind")(end), layers.Dense(1, name="score")(end)]
    return kt.Model([left, right], outputs, name="siamese")


def nested():
    x = kt.Input((4,), name="x")
    block = mlp(name="block")
    wrap_in = kt.Input((4,), name="wrap_in")
    wrap = kt.Model(wrap_in, plus(block(wrap_in), block(wrap_in), name="sum"), name="wrap")
    return kt.Model(x, layers.Dense(2, name="end")(wrap(x)), name="outer")


def text_of(model, **keywords):
    lines = []
    plotting.summary(model, print_fn=lines.append, **keywords)
    return "\n".join(lines)


def cells(text):
    """Returns the rows of a table as lists of stripped texts."""
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in text.split("\n") if "│" in line]


# ---------------------------------------------------------------- summary


def test_a_chain_has_three_columns():
    text = text_of(mlp(name="small"))
    assert text.startswith('Model: "small"')
    assert cells(text) == [
        ["first (Dense)", "(None, 8)", "40"],
        ["second (Dense)", "(None, 3)", "27"],
    ]
    assert "Total params: 67 (268.00 B)" in text
    assert "Non-trainable params: 0 (0.00 B)" in text


def test_a_graph_says_what_is_connected():
    rows = cells(text_of(shared()))
    assert ["encoder (Dense)", "(None, 8)", "40", "left[0][0], right[0][0]"] in rows
    assert ["add (Plus)", "(None, 8)", "0", "encoder[0][0], encoder[1][0]"] in rows
    assert ["left (InputLayer)", "(None, 4)", "0", "-"] in rows


def test_the_numbers_are_those_of_keras(monkeypatch):
    monkeypatch.setenv("COLUMNS", "130")
    k = keras()
    inputs = [k.Input((4,), name="left"), k.Input((4,), name="right")]
    encoder = k.layers.Dense(8, name="encoder")
    both = k.layers.Add(name="add")([encoder(one) for one in inputs])
    hidden = k.layers.Dense(8, name="hidden")(both)
    end = k.layers.Add(name="add_1")([hidden, both])
    outputs = [k.layers.Dense(3, name="kind")(end), k.layers.Dense(1, name="score")(end)]
    theirs = []
    k.Model(inputs, outputs, name="siamese").summary(print_fn=theirs.append, line_length=120)
    theirs = "\n".join(theirs)
    ours = text_of(shared(), line_length=120)
    strip = [[cell.replace("(Plus)", "(Add)") for cell in row] for row in cells(ours)]
    assert strip == cells(theirs)
    totals = [line.strip() for line in ours.split("\n") if "params:" in line]
    assert totals == [line.strip() for line in theirs.split("\n") if "params:" in line]


def test_summary_is_called_as_in_keras():
    theirs = list(inspect.signature(keras().Model.summary).parameters)[1:]
    assert list(inspect.signature(plotting.summary).parameters)[1:] == theirs


def test_nested_rows_and_trainable():
    model = nested()
    model.get_layer("end").trainable = False
    rows = [row[0] for row in cells(text_of(model, expand_nested=True, line_length=110))]
    assert rows == [
        "x (InputLayer)",
        "wrap (Functional)",
        "└ wrap_in (InputLayer)",
        "└ block (Sequential)",
        "└ first (Dense)",
        "└ second (Dense)",
        "└ sum (Plus)",
        "end (Dense)",
    ]
    flags = {row[0]: row[-1] for row in cells(text_of(model, show_trainable=True, line_length=110))}
    assert flags == {"x (InputLayer)": "-", "wrap (Functional)": "Y", "end (Dense)": "N"}
    assert "Trainable params: 67 (" in text_of(model)


def test_an_unbuilt_sequential_says_so():
    text = text_of(kt.Sequential([layers.Dense(3, name="a")]))
    assert cells(text) == [["a (Dense)", "?", "0 (unbuilt)"]]
    assert "Not built yet: the input shape is unknown." in text
    assert "Total params: 0" in text_of(kt.Sequential())


@pytest.mark.parametrize("length", [40, 60, 97, 150])
def test_line_length_is_the_width(length):
    for model in (mlp(), shared()):
        if length < 60 and model.name == "siamese":
            continue
        table = [line for line in text_of(model, line_length=length).split("\n") if line[:1] in "┏┃┡│└"]
        assert {len(line) for line in table} == {length}


def test_long_texts_go_on_below():
    text = text_of(shared(), line_length=60)
    joined = "".join(row[3] for row in cells(text)).replace(" ", "")
    assert "encoder[0][0],encoder[1][0]" in joined


def test_names_stay_whole_where_they_can():
    x = kt.Input((4,), name="x")
    long = layers.Dense(4, name="a_name_of_some_length")(x)
    text = text_of(kt.Model(x, plus(x, long, name="another_name_of_length")), line_length=80)
    assert "a_name_of_some_length[0][0]" in text and "a_name_of_some_length" in text


def test_shapes_stay_whole_in_a_terminal_of_80_columns():
    x = kt.Input((28, 28, 1), name="x")
    y = layers.Conv2D(16, 3)(x)
    y = layers.add([layers.Conv2D(16, 3, padding="same")(y), y])
    model = kt.Model(x, layers.GlobalAveragePooling2D()(y))
    for row in cells(text_of(model, line_length=80)):
        assert row[1].count("(") == row[1].count(")") and row[2].strip() != "#"


def test_a_sequential_is_a_chain_with_masks_too():
    chain = [layers.Embedding(20, 8, mask_zero=True), layers.LSTM(4), layers.Dense(1)]
    model = kt.Sequential([kt.Input((5,), dtype="int32"), *chain])
    assert "Connected to" not in text_of(model) and "not_equal" not in text_of(model)


def test_positions():
    line = text_of(mlp(), line_length=80, positions=[0.5, 0.75, 1.0]).split("\n")[1]
    assert [k for k, sign in enumerate(line) if sign in "┳┓"] == [40, 60, 80]
    line = text_of(mlp(), positions=[30, 50, 70]).split("\n")[1]
    assert [k for k, sign in enumerate(line) if sign in "┳┓"] == [30, 50, 70]
    for bad in ([0.5, 1.0], [0.5, 0.4, 1.0], [1, 2, 3]):
        with pytest.raises(ValueError, match="positions"):
            text_of(mlp(), positions=bad)


def test_layer_range():
    assert [row[0] for row in cells(text_of(mlp(), layer_range=["second", "second"]))] == ["second (Dense)"]
    with pytest.raises(ValueError, match="layer_range"):
        text_of(mlp(), layer_range=["first", "third"])


def test_summary_prints_also_where_the_screen_is_plain(capsys, monkeypatch):
    mlp().summary()
    assert "┏" in capsys.readouterr().out
    plain = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", plain)
    mlp().summary()
    plain.seek(0)
    assert "+--" in plain.read() or "---" in plain.buffer.getvalue().decode()


def test_summary_wants_a_model():
    with pytest.raises(TypeError, match="Model"):
        plotting.summary(layers.Dense(3))
    with pytest.raises(ValueError, match="line_length"):
        text_of(mlp(), line_length=5)


def test_ten_thousand_layers_are_no_matter():
    x = h = kt.Input((2,))
    for _ in range(10_000):
        h = layers.Activation("relu")(h)
    model = kt.Model(x, h)
    start = time.perf_counter()
    text = text_of(model)
    assert len(cells(text)) == 10_001
    assert time.perf_counter() - start < 8


def test_one_layer_called_often_is_no_matter():
    x = h = kt.Input((2,), name="x")
    layer = layers.Dense(2, name="again")
    for _ in range(3000):
        h = layer(h)
    text = text_of(kt.Model(x, h), line_length=100)
    assert "again[2998][0]" in text
    assert len({box.call for box in scene(kt.Model(x, h)).boxes}) == 3000


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0.00 B"), (1023, "1023.00 B"), (1024, "1.00 KB"), (3 << 20, "3.00 MB"), (5 << 40, "5120.00 GB")],
)
def test_sizes(size, text):
    assert size_text(size) == text


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


# ---------------------------------------------------------------- curves and notebooks


def test_one_panel_for_each_number():
    figure = plotting.plot_history({**CURVES, "learning_rate": [0.1, 0.1, 0.01]})
    assert [axes.get_title() for axes in figure.axes] == ["loss", "accuracy", "learning rate"]
    loss = figure.axes[0].get_lines()
    assert [line.get_label() for line in loss] == ["training", "validation"]
    assert loss[0].get_xdata().tolist() == [1, 2, 3]
    assert loss[1].get_ydata().tolist() == CURVES["val_loss"]
    assert len(figure.axes[1].get_lines()) == 1


def test_a_history_object_knows_its_epochs():
    history = callbacks.History()
    for epoch in range(5, 9):
        history.on_epoch_end(epoch, {"loss": 1.0, **({"val_loss": 2.0} if epoch % 2 == 0 else {})})
    training, validation = plotting.plot_history(history).axes[0].get_lines()
    assert training.get_xdata().tolist() == [6, 7, 8, 9]
    assert validation.get_xdata().tolist() == [7, 9]


def test_curves_to_a_file_and_on_own_axes(tmp_path):
    from matplotlib.figure import Figure

    figure = plotting.plot_history(CURVES, tmp_path / "curves.png")
    assert isinstance(figure, Figure)
    assert (tmp_path / "curves.png").read_bytes().startswith(PNG)
    axes = Figure().subplots(1, 2)
    assert plotting.plot_history(CURVES, ax=axes) is axes[0].figure
    assert plotting.plot_history(CURVES, metrics="val_loss", ax=axes[1]) is axes[1].figure
    assert [one.get_title() for one in plotting.plot_history(CURVES, metrics=["accuracy"]).axes] == [
        "accuracy"
    ]


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (([1, 2],), TypeError, "History"),
        (({},), ValueError, "no epochs"),
        (({"loss": []},), ValueError, "no epochs"),
        ((CURVES, None, "acuracy"), ValueError, "Did you mean 'accuracy'"),
        ((CURVES, "nowhere/x.png"), FileNotFoundError, "nowhere"),
        ((CURVES, None, None, [None]), ValueError, "axes"),
    ],
)
def test_bad_histories(arguments, error, text):
    with pytest.raises(error, match=text):
        plotting.plot_history(*arguments)


def test_notebooks_get_a_table_and_a_graph():
    html = plotting.model_html(mlp(name="a<b"))
    assert "a&lt;b" in html and "<table>" in html and "<svg" in html
    assert re.search(r"first \(Dense\)</td>.*?\(None, 8\).*?40</td>", html)
    assert mlp()._repr_html_().count("<tr>") == 3


def test_notebooks_never_see_an_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "<svg" not in plotting.model_html(mlp())
    assert "<table>" in plotting.model_html(mlp())
    assert "unbuilt" in plotting.model_html(kt.Sequential([layers.Dense(3)]))
    assert plotting.model_html("<no model>") == "<pre>&#x27;&lt;no model&gt;&#x27;</pre>"


def test_large_models_stay_small_in_notebooks():
    x = h = kt.Input((2,))
    for _ in range(1000):
        h = layers.Activation("relu")(h)
    html = plotting.model_html(kt.Model(x, h))
    assert "<svg" not in html and "and 801 more" in html


# ---------------------------------------------------------------- signatures


def test_signatures_show_the_arguments():
    names = list(inspect.signature(layers.Dense).parameters)
    assert names[:2] == ["output_size", "activation"]
    assert {"name", "trainable", "dtype", "input_shape"} <= set(names)
    assert "base" not in names and "self" not in names
    assert inspect.signature(layers.Dense).parameters["name"].kind is inspect.Parameter.KEYWORD_ONLY
    assert list(inspect.signature(kt.Model).parameters)[:3] == ["inputs", "outputs", "name"]


def test_signatures_of_own_classes():
    class Mine(layers.Layer):
        def __init__(self, size, *more, scale=2.0, **rest):
            super().__init__(**rest)

    class Child(Mine):
        def __init__(self, other, **rest):
            super().__init__(3, **rest)

    class Quiet(Mine):
        pass

    class Closed(Mine):
        __signature__ = inspect.Signature()

    assert list(inspect.signature(Mine).parameters)[:4] == ["size", "more", "scale", "name"]
    assert list(inspect.signature(Child).parameters)[:4] == ["other", "size", "scale", "name"]
    assert inspect.signature(Quiet) == inspect.signature(Mine)
    assert str(inspect.signature(Closed)) == "()"
    assert str(inspect.signature(callbacks.Callback)) == "()"
    assert set(registry.parameters(layers.Dense)) == set(inspect.signature(layers.Dense).parameters)
