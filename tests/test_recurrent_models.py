"""Recurrent models train as in Keras, and answer as Keras's when they are taken apart."""

import re

import numpy as np
import pytest

import kerasette
from kerasette import Input, Model, layers
from kerasette import layers as L  # noqa: N812
from tests import keras_oracle
from tests.recurrent_runs import normal

pytestmark = pytest.mark.usefixtures("seeded")


def twins(build, rows, shapes, whole=(), steps=3):
    """Builds a model in both, with equal weights, and compares outputs, then weights after training.

    Args:
        build: called with (Input, layers module, Model class).
        rows: how many samples.
        shapes: of one sample of each input.
        whole: numbers of the inputs that are whole numbers below 4.
        steps: of training.
    """
    keras = keras_oracle.keras()
    ours = build(Input, layers, Model)
    theirs = build(keras.Input, keras.layers, keras.Model)
    paths = [[re.sub(r"_\d+(?=/)", "", one.path) for one in model.weights] for model in (ours, theirs)]
    assert paths[0] == paths[1]
    theirs.set_weights(ours.get_weights())
    rng = np.random.default_rng(1)
    xs = [
        rng.integers(0, 4, (rows, *shape))
        if k in whole
        else rng.standard_normal((rows, *shape)).astype("float32")
        for k, shape in enumerate(shapes)
    ]
    found, wanted = (
        as_list(model.predict(xs if len(xs) > 1 else xs[0], verbose=0)) for model in (ours, theirs)
    )
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=2e-6)
    ys = [rng.standard_normal(y.shape).astype("float32") for y in found]
    ours.compile("mse", kerasette.optimizers.SGD(0.1))
    theirs.compile(keras.optimizers.SGD(0.1), "mse")
    for _ in range(steps):
        for model in (ours, theirs):
            model.train_on_batch(xs if len(xs) > 1 else xs[0], ys if len(ys) > 1 else ys[0])
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-6)
    return ours, theirs


def as_list(value):
    return value if isinstance(value, list) else [value]


def seq2seq(In, L, M):
    source, target = In((5, 3)), In((4, 2))
    _, *states = L.LSTM(4, return_state=True)(source)
    sequence, _, _ = L.LSTM(4, return_sequences=True, return_state=True)(target, initial_state=states)
    return M([source, target], L.Dense(2)(sequence))


def gru_seq2seq(In, L, M):
    source, target = In((None, 3)), In((4, 2))
    _, state = L.GRU(4, return_state=True, reset_after=False)(source)
    sequence = L.GRU(4, return_sequences=True)(target, initial_state=state)
    return M([source, target], L.TimeDistributed(L.Dense(2, activation="tanh"))(sequence))


def masked_tower(In, L, M):
    tokens = In((None,), dtype="int32")
    x = L.Embedding(4, 3, mask_zero=True)(tokens)
    x = L.Bidirectional(L.LSTM(4, return_sequences=True))(x)
    x = L.GRU(3, return_sequences=True)(x)
    x = L.TimeDistributed(L.Dense(3))(x)
    return M(tokens, L.SimpleRNN(2)(x))


def masked_loss(In, L, M):
    tokens = In((None,), dtype="int32")
    x = L.LSTM(4, return_sequences=True, go_backwards=True)(L.Embedding(4, 3, mask_zero=True)(tokens))
    return M(tokens, L.Dense(2)(x))


def masked_seq2seq(In, L, M):
    """Keras's call with initial_state leaves the mask of its input out, though its output has it."""
    source, target = In((None,), dtype="int32"), In((None,), dtype="int32")
    embedding = L.Embedding(4, 3, mask_zero=True)
    _, *states = L.LSTM(4, return_state=True, go_backwards=True)(embedding(source))
    sequence, *last = L.LSTM(4, return_sequences=True, return_state=True)(
        embedding(target), initial_state=states
    )
    both = L.Bidirectional(L.GRU(4, return_sequences=True))(sequence, initial_state=[last[0], states[1]])
    heeded = L.GRU(4)(embedding(target), initial_state=last[1], mask=L.Masking().compute_mask(both))
    return M([source, target], [L.Dense(2)(both), *last, heeded])


def stacked(In, L, M):
    x = In((None, 3))
    cells = [L.LSTMCell(4), L.GRUCell(3, activation="relu"), L.SimpleRNNCell(2)]
    return M(x, L.RNN(cells, return_sequences=True, go_backwards=True)(L.Masking()(x)))


def bidirectional_states(In, L, M):
    x = In((5, 3))
    y, *states = L.Bidirectional(L.LSTM(4, return_state=True))(x)
    again = L.Bidirectional(L.LSTM(4, return_sequences=True), merge_mode="mul")(x, initial_state=states)
    both = L.Bidirectional(L.GRU(2), merge_mode=None)(again)
    mixed = L.Bidirectional(L.LSTM(3, name="one"), backward_layer=L.GRU(2, go_backwards=True, name="two"))(x)
    return M(x, [y, L.Bidirectional(L.SimpleRNN(2), "sum")(again), *both, mixed])


def steps_of_images(In, L, M):
    image = In((6, 6, 1))
    x = L.Flatten()(L.MaxPooling2D()(L.Conv2D(3, 3, activation="relu")(image)))
    inner = M(image, L.Add()([L.Dense(4, activation="tanh")(x), L.Dense(4)(x)]))
    video = In((3, 6, 6, 1))
    return M(video, L.LSTM(3)(L.TimeDistributed(inner)(video)))


def steps_of_steps(In, L, M):
    x = In((3, 4, 2))
    x2 = L.TimeDistributed(L.BatchNormalization(momentum=0.7))(L.TimeDistributed(L.LSTM(3))(x))
    return M(x, x2)


def images(In, L, M):
    x = In((4, 6, 5, 2))
    y, *states = L.ConvLSTM2D(3, 3, padding="same", return_sequences=True, return_state=True)(x)
    z = L.ConvLSTM2D(3, 2, padding="same", use_bias=False)(x, initial_state=states)
    back = L.ConvLSTM2D(2, (3, 2), strides=2, go_backwards=True, recurrent_activation="hard_sigmoid")(x)
    return M(x, [y, z, back])


def rows(In, L, M):
    x = In((4, 6, 2))
    y = L.Bidirectional(L.ConvLSTM1D(3, 3, dilation_rate=2, return_sequences=True))(x)
    return M(x, L.ConvLSTM1D(2, 2, activation="relu", return_sequences=True)(y))


def penalties(In, L, M):
    x = In((4, 3))
    layer = L.LSTM(3, activity_regularizer="l2", kernel_regularizer="l1", recurrent_constraint="max_norm")
    y, h, _ = L.LSTM(2, activity_regularizer="l1", return_state=True)(x)
    return M(x, [layer(x), y, h])


@pytest.mark.parametrize(
    ("build", "shapes", "whole"),
    [
        (seq2seq, [(5, 3), (4, 2)], ()),
        (gru_seq2seq, [(6, 3), (4, 2)], ()),
        (masked_seq2seq, [(6,), (5,)], (0, 1)),
        (masked_tower, [(6,)], (0,)),
        (masked_loss, [(6,)], (0,)),
        (stacked, [(6, 3)], ()),
        (bidirectional_states, [(5, 3)], ()),
        (steps_of_images, [(3, 6, 6, 1)], ()),
        (steps_of_steps, [(3, 4, 2)], ()),
        (images, [(4, 6, 5, 2)], ()),
        (rows, [(4, 6, 2)], ()),
        (penalties, [(4, 3)], ()),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_models_train_as_in_keras(build, shapes, whole, tmp_path):
    ours, theirs = twins(build, 6, shapes, whole)
    for writer, reader in ((ours, theirs), (theirs, ours)):
        path = str(tmp_path / f"{id(writer)}.weights.h5")
        writer.save_weights(path)
        before = reader.get_weights()
        reader.set_weights([weight * 0.0 for weight in before])
        reader.load_weights(path)
        for found, wanted in zip(reader.get_weights(), writer.get_weights(), strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_models_of_a_trained_one_s_layers():
    """Inference models for encoder and decoder, step by step, give what the whole model gives."""
    source, target = Input((5, 3)), Input((None, 2))
    encoder = L.LSTM(4, return_state=True)
    decoder, dense = L.LSTM(4, return_sequences=True, return_state=True), L.Dense(2)
    _, *states = encoder(source)
    whole = Model([source, target], dense(decoder(target, initial_state=states)[0]))
    h, c = Input((4,)), Input((4,))
    encode = Model(source, states)
    y, *new = decoder(target, initial_state=[h, c])
    decode = Model([target, h, c], [dense(y), *new])
    x, z = normal(2, 5, 3), normal(2, 3, 2, seed=1)
    now, found = encode.predict(x, verbose=0), []
    for step in range(3):
        y, *now = decode.predict([z[:, step : step + 1], *now], verbose=0)
        found.append(y)
    wanted = whole.predict([x, z], verbose=0)
    np.testing.assert_allclose(np.concatenate(found, axis=1), wanted, rtol=1e-5, atol=1e-6)


def talkers(In, L, M):
    """Returns a masked model from question and answer to the next tokens, and its encoder and decoder."""
    question, answer = In((None,), dtype="int32"), In((None,), dtype="int32")
    embedding = L.Embedding(7, 5, mask_zero=True)
    reader = L.LSTM(6, return_state=True, go_backwards=True)
    writer = L.LSTM(6, return_sequences=True, return_state=True)
    speaker = L.Dense(7, activation="softmax")
    _, *states = reader(embedding(question))
    whole = M([question, answer], speaker(writer(embedding(answer), initial_state=states)[0]))
    before = [In((6,)), In((6,))]
    written, *after = writer(embedding(answer), initial_state=before)
    return whole, M(question, states), M([answer, *before], [speaker(written), *after])


def spoken(encoder, decoder, questions, steps):
    """Returns the shares of all tokens at each step, the likeliest being written every time."""
    states, tokens, shares = encoder.predict(questions, verbose=0), np.ones((len(questions), 1), "int32"), []
    for _ in range(steps):
        share, *states = decoder.predict([tokens, *states], verbose=0)
        shares.append(share[:, 0])
        tokens = share.argmax(axis=-1).astype("int32")
    return np.stack(shares, axis=1)


def test_trained_models_taken_apart_answer_as_keras_s():
    """Encoder and decoder, made of a trained model's layers, write what Keras's write, token by token."""
    keras = keras_oracle.keras()
    rng = np.random.default_rng(0)
    questions, answers = rng.integers(1, 7, (32, 5)), rng.integers(1, 7, (32, 4))
    questions[:9, 3:] = answers[:9, 2:] = 0
    wanted = np.concatenate([answers[:, 1:], np.zeros((32, 1), int)], axis=1)
    ours, theirs = talkers(Input, layers, Model), talkers(keras.Input, keras.layers, keras.Model)
    theirs[0].set_weights(ours[0].get_weights())
    for (model, *_), library in ((ours, kerasette), (theirs, keras)):
        model.compile(loss="sparse_categorical_crossentropy", optimizer=library.optimizers.SGD(0.5))
    histories = [
        model.fit([questions, answers], wanted, 8, 20, shuffle=False, verbose=0).history["loss"]
        for model, *_ in (ours, theirs)
    ]
    np.testing.assert_allclose(*histories, rtol=1e-4)
    assert histories[0][-1] < 0.9 * histories[0][0]
    found, known = (spoken(encoder, decoder, questions, 4) for _, encoder, decoder in (ours, theirs))
    np.testing.assert_allclose(found, known, rtol=0, atol=2e-4)
    np.testing.assert_array_equal(found.argmax(axis=-1), known.argmax(axis=-1))
