"""Convolutional, recurrent and attention models to Keras and back, and training that goes on."""

import numpy as np
import pytest

import kerasette
from kerasette import layers
from tests.keras_oracle import keras
from tests.test_keras_files import assert_close, exchange, predictions, quiet_load, scramble

# name -> text that builds `model` from `L` (layers), Model, Input; the shape and kind of each input
MODELS = {
    "convolutions": (
        "x = Input((8, 8, 2)); y = L.Conv2D(4, 3, padding='same', activation='relu')(x);"
        "y = L.BatchNormalization()(y); y = L.MaxPooling2D()(L.DepthwiseConv2D(3, padding='same')(y));"
        "y = L.SeparableConv2D(3, 2)(L.ZeroPadding2D(1)(y)); y = L.Conv2DTranspose(2, 2, strides=2)(y);"
        "model = Model(x, L.Dense(3)(L.GlobalAveragePooling2D()(y)))",
        [(8, 8, 2)],
    ),
    "one axis": (
        "x = Input((9, 3)); y = L.Conv1D(4, 3, dilation_rate=2, padding='causal')(x);"
        "y = L.UpSampling1D(2)(L.AveragePooling1D(2)(y)); y = L.Cropping1D(1)(L.SeparableConv1D(3, 2)(y));"
        "model = Model(x, L.GlobalMaxPooling1D()(L.Conv1DTranspose(2, 3)(y)))",
        [(9, 3)],
    ),
    "recurrent": (
        "x = Input((5, 3)); y = L.LSTM(4, return_sequences=True)(x); y = L.GRU(3, return_sequences=True)(y);"
        "y = L.GRU(3, reset_after=False, return_sequences=True)(y); model = Model(x, L.SimpleRNN(2)(y))",
        [(5, 3)],
    ),
    "both directions": (
        "x = Input((5, 3)); y = L.Bidirectional(L.LSTM(2, return_sequences=True), merge_mode='sum')(x);"
        "y = L.Bidirectional(L.GRU(2, return_sequences=True), backward_layer=L.GRU(2, return_sequences=True,"
        " go_backwards=True))(y); y = L.TimeDistributed(L.Dense(3))(y);"
        "model = Model(x, L.RNN(L.StackedRNNCells([L.LSTMCell(2), L.GRUCell(3), L.LSTMCell(2)]))(y))",
        [(5, 3)],
    ),
    "masked": (
        "x = Input((6,), dtype='int32'); y = L.Embedding(5, 3, mask_zero=True)(x);"
        "y = L.LSTM(4, return_sequences=True)(y); model = Model(x, L.Dense(2)(L.GRU(3)(L.Dropout(0.1)(y))))",
        [((6,), "int32")],
    ),
    "encoder and decoder": (
        "a, b = Input((5, 3)), Input((4, 3)); _, h, c = L.LSTM(4, return_state=True)(a);"
        "y = L.LSTM(4, return_sequences=True)(b, initial_state=[h, c]); model = Model([a, b], L.Dense(2)(y))",
        [(5, 3), (4, 3)],
    ),
    "masked encoder and decoder": (
        "a, b = Input((5,), dtype='int32'), Input((None,), dtype='int32');"
        "e = L.Embedding(5, 3, mask_zero=True); _, h, c = L.LSTM(4, return_state=True)(e(a));"
        "y = L.LSTM(4, return_sequences=True)(e(b), initial_state=[h, c]);"
        "model = Model([a, b], L.Dense(2)(y))",
        [((5,), "int32"), ((4,), "int32")],
    ),
    "attention": (
        "x = Input((5, 4)); y = L.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True);"
        "y = L.LayerNormalization()(L.Add()([x, y])); y = L.GroupQueryAttention(4, 2, 1)(y, x);"
        "y = L.Attention(use_scale=True)([y, x]); model = Model(x, L.AdditiveAttention()([y, x]))",
        [(5, 4)],
    ),
    "within one another": (
        "i = Input((6, 6, 1)); c = L.Conv2D(2, 3)(i); inner = Model(i, L.Flatten()(c), name='inner');"
        "x = Input((3, 6, 6, 1)); y = L.TimeDistributed(inner)(x); model = Model(x, L.LSTM(2)(y))",
        [(3, 6, 6, 1)],
    ),
}
WORDS = (
    "Conv",
    "Pooling",
    "LSTM",
    "GRU",
    "RNN",
    "Embedding",
    "Attention",
    "Bidirectional",
    "TimeDistributed",
)


def build(library, text):
    names = {name: getattr(library, name) for name in ("Model", "Input")}
    scope = {"L": library.layers, **names}
    exec(text, scope)
    return scope["model"]


def data(shapes, rows=6):
    rng = np.random.default_rng(0)
    kinds = [shape if isinstance(shape[-1], str) else (shape, "float32") for shape in shapes]
    return [
        rng.integers(0, 5, (rows, *shape))
        if kind == "int32"
        else rng.normal(size=(rows, *shape)).astype(kind)
        for shape, kind in kinds
    ]


def skip_what_is_missing(text):
    for part in text.split("L.")[1:]:
        name = part.split("(")[0]
        if any(word in name for word in WORDS) and getattr(layers, name, None) is None:
            pytest.skip(f"kerasette has no {name} yet")


@pytest.mark.parametrize("name", MODELS)
def test_models_cross_both_ways(name, tmp_path):
    text, shapes = MODELS[name]
    skip_what_is_missing(text)
    exchange(lambda library: build(library, text), data(shapes), tmp_path, name)


@pytest.mark.parametrize("name", MODELS)
def test_training_goes_on(name, tmp_path):
    text, shapes = MODELS[name]
    skip_what_is_missing(text)
    if name == "masked":
        text = text.replace("Dropout(0.1)", "Dropout(0.0)")
    x = data(shapes)
    for first, second in ((keras(), kerasette), (kerasette, keras())):
        model = build(first, text)
        y = np.random.default_rng(1).normal(size=predictions(model, x)[0].shape).astype("float32")
        model.compile(first.optimizers.SGD(0.01, momentum=0.8), "mse")
        arguments = x if len(x) > 1 else x[0], y
        for _ in range(3):
            model.train_on_batch(*arguments)
        model.save(tmp_path / "m.keras")
        other = quiet_load(second, tmp_path / "m.keras")
        for one in (model, other):
            for _ in range(3):
                one.train_on_batch(*arguments)
        assert_close(predictions(model, x), predictions(other, x), 2e-4)


@pytest.mark.parametrize("name", MODELS)
def test_weights_alone(name, tmp_path):
    text, shapes = MODELS[name]
    skip_what_is_missing(text)
    path, x = tmp_path / "w.weights.h5", data(shapes)
    for first, second in ((keras(), kerasette), (kerasette, keras())):
        model, other = scramble(build(first, text)), build(second, text)
        model.save_weights(path)
        other.load_weights(path)
        assert_close(predictions(model, x), predictions(other, x))
