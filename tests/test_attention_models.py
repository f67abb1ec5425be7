"""Models with attention: trained with masks as in Keras, written to files, and what they learn."""

import numpy as np
import pytest

import kerasette as k
from kerasette import Input, Model, layers, ops
from kerasette.layers import Layer
from tests.keras_oracle import keras
from tests.layer_harness import distance

pytestmark = pytest.mark.usefixtures("seeded")


def translator(k):
    """A small model that uses every layer here, with masks; for kerasette and for Keras alike."""
    L = k.layers
    source, target = k.Input((None,), dtype="int32"), k.Input((6,), dtype="int32")
    embedding = L.Embedding(9, 8, mask_zero=True)
    memory, h = embedding(source), embedding(target)
    h = L.Add()([h, L.MultiHeadAttention(2, 4)(h, h, use_causal_mask=True)])
    h = L.LayerNormalization()(h)
    h = L.MultiHeadAttention(2, 4, value_dim=3, output_shape=8)(h, memory)
    h = L.GroupQueryAttention(4, 2, 1)(h, memory)
    h = L.Attention(use_scale=True)([h, memory])
    h = L.AdditiveAttention()([h, memory])
    h = L.EinsumDense("abc,cd->abd", (6, 5), bias_axes="d", activation="tanh")(h)
    return k.Model([source, target], L.Dense(3)(h))


@pytest.mark.filterwarnings("ignore:.*mask")  # EinsumDense passes none on, and says so
def test_training_with_masks_is_keras_s():
    data = np.random.default_rng(3)
    source, target = data.integers(1, 9, (12, 5)), data.integers(1, 9, (12, 6))
    source[2:6, 2:] = 0
    target[4:, 4:] = 0
    y = data.normal(size=(12, 6, 3)).astype("float32")
    theirs, ours = translator(keras()), translator(k)
    ours.set_weights(theirs.get_weights())
    xs = [source, target]
    assert distance(ours.predict(xs), theirs.predict(xs, verbose=0)) <= 1e-5
    histories = []
    for model, optimizer in ((ours, k.optimizers.SGD(0.1)), (theirs, keras().optimizers.SGD(0.1))):
        model.compile(optimizer, "mse")
        run = model.fit(xs, y, epochs=2, batch_size=6, shuffle=False, verbose=0)
        histories.append(run.history["loss"])
    assert distance(*histories) <= 1e-5
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        assert distance(a, b, 1.0) <= 1e-5


@pytest.mark.filterwarnings("ignore:.*mask")
@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_whole_files_cross_both_ways(ending, tmp_path):
    data = np.random.default_rng(4)
    xs = [data.integers(0, 9, (4, 5)), data.integers(0, 9, (4, 6))]
    theirs, ours = translator(keras()), translator(k)
    theirs.save(tmp_path / f"theirs.{ending}")
    ours.save(tmp_path / f"ours.{ending}")
    there = keras().models.load_model(tmp_path / f"ours.{ending}", compile=False)
    here = k.models.load_model(tmp_path / f"theirs.{ending}", compile=False)
    assert distance(there.predict(xs, verbose=0), ours.predict(xs)) <= 1e-5
    assert distance(here.predict(xs), theirs.predict(xs, verbose=0)) <= 1e-5


def test_mask_of_a_residual_connection():
    """Keras's call takes the masks off its inputs; what is joined with them has none."""
    x = Input((4,), dtype="int32")
    h = layers.Embedding(5, 6, mask_zero=True)(x)
    mask = h.mask
    attended = layers.MultiHeadAttention(2, 3)(h, h)
    assert attended.mask is mask
    assert layers.Add()([h, attended]).mask is None
    shared = layers.Embedding(5, 6, mask_zero=True)(x)
    assert layers.GroupQueryAttention(2, 2, 1)(shared, shared).mask is shared.mask
    assert layers.Attention()([shared, h]).mask is shared.mask


class PositionEmbedding(Layer):
    """Adds a vector that is learned to each step: what a user writes who needs a layer of his own."""

    supports_masking = True

    def __init__(self, length, **base):
        super().__init__(**base)
        self.length = length

    def build(self, shape):
        self.add_param("positions", (self.length, shape[-1]), "uniform")

    def forward(self, ctx, w, x):
        return x + w["positions"][: x.shape[1]], x.shape[1]

    def backward(self, ctx, w, dw, dy, steps):
        dw["positions"][...] = 0
        dw["positions"][:steps] = dy.sum(0)
        return dy


def test_a_transformer_learns_to_reverse():
    data = np.random.default_rng(1)
    x = data.integers(1, 6, (256, 5))
    tokens = Input((5,), dtype="int32")
    h = PositionEmbedding(8)(layers.Embedding(6, 16)(tokens))
    for _ in range(2):
        h = layers.LayerNormalization()(h + layers.MultiHeadAttention(2, 8)(h, h))
        h = layers.LayerNormalization()(h + layers.Dense(16)(layers.Dense(32, activation="relu")(h)))
    model = Model(tokens, layers.Dense(6, activation="softmax")(h))
    model.compile(k.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, x[:, ::-1], epochs=20, batch_size=32, verbose=0)
    assert model.evaluate(x, x[:, ::-1], verbose=0)[1] > 0.98


def test_unused_ops_stay_out():
    """A mask made by hand is a tensor like any other."""
    x = Input((4,), dtype="int32")
    h = layers.Embedding(5, 6)(x)
    y = layers.MultiHeadAttention(2, 3)(h, h, value_mask=ops.not_equal(x, 0))
    tokens = np.array([[1, 2, 0, 0], [3, 0, 0, 0]])
    first = Model(x, y).predict(tokens)
    layer, table = y.operation, h.operation(tokens)
    assert distance(first, layer(table, table, value_mask=tokens != 0)) <= 1e-6
