"""Curves of training, and what notebooks show: tables, graphs, signatures."""

import inspect
import re
import sys

import pytest

import kerasette as kt
from kerasette import callbacks, layers, plotting, registry
from tests.plotted_models import CURVES, PNG, mlp

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
