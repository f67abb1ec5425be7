"""Tables of models: what they say, Keras's numbers, and how they fit a terminal."""

import inspect
import io
import sys
import time

import pytest

import kerasette as kt
from kerasette import layers, plotting
from kerasette.plotting.scene import scene
from kerasette.plotting.table import size_text
from tests.keras_oracle import keras
from tests.plotted_models import cells, mlp, nested, plus, shared, text_of


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
