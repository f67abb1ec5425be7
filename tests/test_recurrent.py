"""Recurrent layers, cells and wrappers: masks to the bit, states, gradients, Keras's numbers and files."""

import inspect
import itertools
import json
import re

import numpy as np
import pytest

import kerasette
from kerasette import Input, Model, Sequential, layers, registry
from kerasette import layers as L  # noqa: N812
from kerasette.errors import InvalidType, InvalidValue, KerasetteError
from kerasette.testing import check_gradients
from tests import cupy_standin, keras_oracle

THREE = (L.SimpleRNN, L.LSTM, L.GRU)
BUILTIN_CELLS = (L.SimpleRNNCell, L.LSTMCell, L.GRUCell)
each_of_three = pytest.mark.parametrize("cls", THREE, ids=lambda cls: cls.__name__)
GENERAL = {"activation": "softsign"}  # takes the general way


@pytest.fixture(autouse=True)
def seeded():
    kerasette.utils.set_random_seed(5)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def padded_on_the_right(rows, steps):
    """Returns a mask with 0, 1, 2 ... valid steps in the rows."""
    return np.arange(steps) < (np.arange(rows) % (steps + 1))[:, None]


# ---------------------------------------------------------------- masks


@each_of_three
@pytest.mark.parametrize("how", [{}, GENERAL, {"return_sequences": True}], ids=str)
def test_right_padded_equals_truncated_to_the_bit(cls, how):
    layer = cls(6, return_state=True, **how)
    x = normal(7, 9, 5)
    mask = np.zeros((7, 9), bool)
    mask[:, :4] = True
    padded, whole = layer(x, mask=mask), layer(x[:, :4])
    if how.get("return_sequences"):
        np.testing.assert_array_equal(padded[0][:, :4], whole[0])
        np.testing.assert_array_equal(padded[0][:, 4:], np.repeat(whole[0][:, -1:], 5, axis=1))
    else:
        np.testing.assert_array_equal(padded[0], whole[0])
    for found, wanted in zip(padded[1:], whole[1:], strict=True):
        np.testing.assert_array_equal(found, wanted)


@each_of_three
@pytest.mark.parametrize("how", [{}, GENERAL], ids=str)
def test_each_row_ends_where_its_mask_does(cls, how):
    layer = cls(6, **how)
    x, mask = normal(5, 4, 3), padded_on_the_right(5, 4)
    found = layer(x, mask=mask)
    assert not found[0].any()  # no valid step: zeros
    for row in range(1, 5):
        alone = layer(np.repeat(x[row : row + 1, :row], 5, axis=0))
        np.testing.assert_allclose(found[row], alone[0], rtol=1e-5, atol=1e-6)


@each_of_three
@pytest.mark.parametrize("how", [{}, GENERAL], ids=str)
def test_fully_masked_gives_zeros_and_keeps_the_states(cls, how):
    layer = cls(4, return_state=True, return_sequences=True, **how)
    states = [normal(3, 4, seed=k) for k in range(2 if cls is L.LSTM else 1)]
    y, *last = layer(normal(3, 5, 2), initial_state=states, mask=np.zeros((3, 5), bool))
    assert not y.any()
    for found, wanted in zip(last, states, strict=True):
        np.testing.assert_array_equal(found, wanted)


@each_of_three
def test_what_stands_under_a_mask_does_not_matter(cls):
    layer = cls(4, return_sequences=True)
    x, mask = normal(3, 5, 2), padded_on_the_right(3, 5)
    other = np.where(mask[:, :, None], x, 1e30).astype("float32")
    with np.errstate(over="ignore", invalid="ignore"):
        np.testing.assert_array_equal(layer(x, mask=mask), layer(other, mask=mask))


def test_masks_of_numbers_and_wrong_masks():
    layer = L.LSTM(3)
    x, mask = normal(2, 4, 2), padded_on_the_right(2, 4)
    np.testing.assert_array_equal(layer(x, mask=mask), layer(x, mask=mask.astype("float32")))
    with pytest.raises(InvalidValue, match="mask has 3 steps"):
        layer(x, mask=np.ones((2, 3), bool))


def test_masks_pass_on():
    masked = L.Masking()(Input((5, 3)))
    assert L.LSTM(2)(masked).mask is None
    assert L.LSTM(2, return_sequences=True)(masked).mask is masked.mask
    outs = L.LSTM(2, return_sequences=True, return_state=True)(masked)
    assert [out.mask for out in outs] == [masked.mask, None, None]
    outs = L.Bidirectional(L.GRU(2, return_sequences=True), merge_mode=None)(masked)
    assert [out.mask for out in outs] == [masked.mask, masked.mask]
    assert L.TimeDistributed(L.Dense(2))(masked).mask is masked.mask


# ---------------------------------------------------------------- gradients of whole calls


def gradients(make, *shapes, training=False):
    """Checks a model that `make` builds of inputs; a pair (shape, "mask") is an input of bools."""
    tensors, arrays = [], []
    for number, shape in enumerate(shapes):
        is_mask = isinstance(shape[-1], str)
        shape = shape[0] if is_mask else shape
        tensors.append(Input(shape, dtype="bool" if is_mask else None))
        drawn = np.random.default_rng(number).standard_normal((4, *shape))
        arrays.append(drawn > -0.3 if is_mask else drawn)
    check_gradients(Model(tensors, make(*tensors)), *arrays, training=training)


MASK = ((5,), "mask")


@each_of_three
@pytest.mark.parametrize(
    ("sequences", "states", "backwards"), list(itertools.product((False, True), repeat=3))
)
def test_gradients_by_everything(cls, sequences, states, backwards):
    def make(x, mask, *start):
        layer = cls(3, return_sequences=sequences, return_state=states, go_backwards=backwards)
        return layer(x, initial_state=list(start), mask=mask)

    gradients(make, (5, 2), MASK, *[(3,)] * (2 if cls is L.LSTM else 1))


@each_of_three
def test_gradients_of_dropped_sequences(cls):
    def make(x, mask):
        layer = cls(3, dropout=0.4, recurrent_dropout=0.3, return_sequences=True)
        return layer(L.Dense(2)(x), mask=mask)

    gradients(make, (5, 2), MASK, training=True)
    gradients(lambda x: cls(3, dropout=0.4)(x), (5, 2), training=True)


@pytest.mark.parametrize("mode", ["concat", "sum", "mul", "ave", None])
@pytest.mark.parametrize("sequences", [False, True])
def test_gradients_of_bidirectional(mode, sequences):
    def make(x, mask, *start):
        layer = L.Bidirectional(L.LSTM(2, return_sequences=sequences, return_state=True), merge_mode=mode)
        return layer(x, initial_state=list(start), mask=mask)

    gradients(make, (5, 2), MASK, *[(2,)] * 4)
    plain = L.Bidirectional(L.GRU(2, return_sequences=sequences, dropout=0.3), merge_mode=mode)
    gradients(plain, (5, 2), training=True)


def test_gradients_of_cells_and_stacks():
    cells = [L.LSTMCell(3, dropout=0.3), L.GRUCell(2, recurrent_dropout=0.2), L.SimpleRNNCell(4)]
    options = {"return_sequences": True, "return_state": True, "go_backwards": True}

    def make(x, mask, *start):
        return L.RNN(cells, **options)(x, initial_state=[list(start[:2]), start[2], start[3]], mask=mask)

    gradients(make, (5, 2), MASK, (3,), (3,), (2,), (4,), training=True)
    for cls in BUILTIN_CELLS:
        count = 2 if cls is L.LSTMCell else 1

        def single(x, *states, cls=cls):
            y, new = cls(3, dropout=0.4)(x, list(states))
            return [y, *new]

        gradients(single, (2,), *[(3,)] * count, training=True)

    def stack(x, *states):
        y, new = L.StackedRNNCells([L.LSTMCell(3), L.SimpleRNNCell(2)])(x, list(states))
        return [y, *new]

    gradients(stack, (2,), (3,), (3,), (2,))


def test_gradients_of_sequences_of_images():
    images = L.ConvLSTM2D(2, (2, 3), strides=2, return_sequences=True, return_state=True, go_backwards=True)
    gradients(
        lambda x, mask, *start: images(x, initial_state=list(start), mask=mask),
        (3, 4, 3, 1), ((3,), "mask"), (2, 1, 2), (2, 1, 2),
    )  # fmt: skip
    rows = L.ConvLSTM1D(2, 3, padding="same", dropout=0.3, recurrent_dropout=0.3, unit_forget_bias=False)
    mask = ((2,), "mask")
    gradients(
        lambda x, mask: rows(L.TimeDistributed(L.Dense(2))(x), mask=mask), (2, 3, 2), mask, training=True
    )
    first = L.ConvLSTM1D(
        2, 2, data_format="channels_first", dilation_rate=2, padding="same", activation="elu"
    )
    gradients(lambda x, *start: first(x, initial_state=list(start)), (2, 2, 4), (2, 4), (2, 4))
    gradients(L.Bidirectional(L.ConvLSTM1D(2, 2, use_bias=False)), (2, 3, 1))


def test_channels_first_is_the_same_turned():
    options = {"padding": "same", "return_sequences": True, "return_state": True}
    last, first = L.ConvLSTM2D(2, 3, **options), L.ConvLSTM2D(2, 3, data_format="channels_first", **options)
    x = normal(2, 3, 4, 5, 3)
    wanted = last(x)
    first(x.transpose(0, 1, 4, 2, 3))
    first.set_weights(last.get_weights())
    for a, b in zip(wanted, first(x.transpose(0, 1, 4, 2, 3)), strict=True):
        np.testing.assert_allclose(np.moveaxis(b, a.ndim - 3, -1), a, rtol=1e-6)


def inner_model():
    inputs = Input((3,))
    hidden = L.Dense(4, activation="tanh")(L.BatchNormalization()(inputs))
    shared = L.Dense(4)
    both = [shared(hidden), shared(L.Dropout(0.3)(hidden))]
    return Model(inputs, L.Add()([*both, hidden[:, ::-1]]))


@pytest.mark.parametrize(
    "inner",
    [
        lambda: L.Dense(3, activation="softmax"),
        L.BatchNormalization,
        lambda: L.Dropout(0.4),
        lambda: L.Dropout(0.4, noise_shape=(1, None)),
        inner_model,
        lambda: Sequential([Input((3,)), inner_model(), L.Dense(2, activation="tanh")]),
    ],
    ids=["Dense", "BatchNormalization", "Dropout", "one mask", "Model", "nested models"],
)
def test_gradients_of_time_distributed(inner):
    gradients(L.TimeDistributed(inner()), (4, 3), training=True)
    gradients(lambda x: L.TimeDistributed(inner())(L.Dense(3)(x)), (4, 3))


# ---------------------------------------------------------------- numbers of Keras


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


# ---------------------------------------------------------------- stateful layers


def test_states_move_on_as_in_keras():
    keras = keras_oracle.keras()

    def build(In, L, M):
        x = In(batch_shape=(4, 3, 2))
        y = L.LSTM(3, stateful=True, return_sequences=True)(x)
        return M(x, L.Bidirectional(L.GRU(2, stateful=True))(y))

    ours = build(Input, layers, Model)
    theirs = build(keras.Input, keras.layers, keras.Model)
    theirs.set_weights(ours.get_weights())
    assert len(ours.weights) == len(theirs.weights)  # the states are none
    ours.compile("mse", "sgd")
    theirs.compile("sgd", "mse")
    x, y = normal(8, 3, 2), normal(8, 4, seed=1)

    def compare():
        for mine, other in zip(ours.layers[1:], theirs.layers[1:], strict=True):
            for a, b in zip(mine.states, other.states, strict=True):
                np.testing.assert_allclose(a, b.numpy(), rtol=1e-4, atol=1e-6)

    for _ in range(2):
        found, wanted = (model.predict(x, batch_size=4, verbose=0) for model in (ours, theirs))
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)
        compare()
        found, wanted = (model.evaluate(x, y, batch_size=4, verbose=0) for model in (ours, theirs))
        assert found == pytest.approx(wanted, rel=1e-4)
        compare()
        for model in (ours, theirs):
            model.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
        compare()
    for model in (ours, theirs):
        for layer in model.layers[1:]:
            layer.reset_states()
    found, wanted = (model.predict(x, batch_size=4, verbose=0) for model in (ours, theirs))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


@each_of_three
def test_stateful_calls_follow_one_another(cls):
    layer, x = cls(3, stateful=True), normal(2, 6, 4)
    whole = layer(x)
    layer.reset_state()
    layer(x[:, :2])
    np.testing.assert_allclose(layer(x[:, 2:]), whole, rtol=1e-5, atol=1e-6)
    with pytest.raises(InvalidValue, match=r"remembers 2 samples, but got 3"):
        layer(normal(3, 6, 4))
    layer.reset_states()
    layer(normal(3, 6, 4))


def test_an_initial_state_goes_before_the_state_that_is_kept():
    layer, x, start = L.GRU(3, stateful=True), normal(2, 4, 2), normal(2, 3, seed=1)
    first = layer(x, initial_state=start)
    layer(x)
    np.testing.assert_array_equal(layer(x, initial_state=start), first)


# ---------------------------------------------------------------- cells


@pytest.mark.parametrize("cls", BUILTIN_CELLS, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("options", [{}, {"use_bias": False}, GENERAL], ids=str)
def test_one_step_is_keras_s(cls, options):
    keras = keras_oracle.keras()
    ours, theirs = cls(3, **options), getattr(keras.layers, cls.__name__)(3, **options)
    x, states = normal(4, 2), [normal(4, 3, seed=k) for k in range(2 if cls is L.LSTMCell else 1)]
    theirs.build((4, 2))
    ours(x, states)
    ours.set_weights([weight.numpy() for weight in theirs.weights])
    y, new = ours(x, states)
    wanted, wanted_new = theirs(x, states)
    for a, b in zip([y, *new], [wanted, *wanted_new], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert ours.state_size == theirs.state_size and ours.output_size == theirs.output_size
    assert [s.shape for s in ours.get_initial_state(4)] == [
        tuple(s.shape) for s in theirs.get_initial_state(4)
    ]
    if len(states) == 1:
        y, state = ours(x, states[0])
        np.testing.assert_array_equal(state, new[0])


@pytest.mark.parametrize("cls", BUILTIN_CELLS, ids=lambda cls: cls.__name__)
def test_rnn_over_a_cell_is_the_layer(cls):
    layer = getattr(L, cls.__name__.removesuffix("Cell"))(3, return_sequences=True)
    over = L.RNN(cls(3), return_sequences=True)
    x, mask = normal(4, 5, 2), padded_on_the_right(4, 5)
    layer(x), over(x)
    over.set_weights(layer.get_weights())
    np.testing.assert_array_equal(layer(x, mask=mask), over(x, mask=mask))


class Leaky(L.Cell):
    """A cell of one's own: h = (1 - rate) h' + rate tanh(x kernel); its output is 2 h."""

    def __init__(self, units, rate=0.3, **base):
        super().__init__(**base)
        self.units, self.rate = units, rate
        self.state_size = self.output_size = units

    def build(self, shape):
        self.add_param("kernel", (shape[-1], self.units))

    def forward(self, ctx, w, x, h):
        bent = np.tanh(x @ w["kernel"])
        new = (1 - self.rate) * h + self.rate * bent
        return (2 * new, new), (x, bent)

    def backward(self, ctx, w, dw, dy, cache):
        x, bent = cache
        dh = 2 * dy[0] + dy[1]
        dz = self.rate * dh * (1 - bent * bent)
        dw["kernel"][...] = x.T @ dz
        return dz @ w["kernel"].T, (1 - self.rate) * dh


def test_a_cell_of_one_s_own():
    def make(x, mask, start):
        return L.RNN(Leaky(3), return_sequences=True, return_state=True)(x, initial_state=start, mask=mask)

    gradients(make, (5, 2), MASK, (3,))
    gradients(lambda x: L.RNN([Leaky(3), L.LSTMCell(2), Leaky(2)])(x), (5, 2))
    gradients(L.Bidirectional(L.RNN(Leaky(3), zero_output_for_mask=True)), (5, 2))
    x = normal(4, 3, 2)
    y, h = L.RNN(Leaky(3), return_state=True)(x)
    np.testing.assert_array_equal(y, 2 * h)
    model = Sequential([Input((3, 2)), L.RNN(Leaky(3)), L.Dense(1)]).compile("mse", "adam")
    losses = model.fit(normal(40, 3, 2), normal(40, 1, seed=1), epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_states_of_stacked_cells_come_in_a_row():
    layer = L.RNN([L.LSTMCell(2), L.GRUCell(3)], return_state=True)
    assert [a.shape for a in layer(normal(4, 5, 2))] == [(4, 3), (4, 2), (4, 2), (4, 3)]
    assert layer.cell.state_size == [[2, 2], 3] and layer.cell.output_size == 3
    assert [t.shape for t in layer(Input((5, 2)))] == [(None, 3), (None, 2), (None, 2), (None, 3)]


# ---------------------------------------------------------------- dropout


@each_of_three
def test_dropout_is_the_same_in_all_steps_and_scaled(cls):
    """With the identity for a kernel, the first step shows which inputs are left, and the second the same."""
    layer = cls(4, dropout=0.5, return_sequences=True, seed=3)
    x = np.ones((50, 2, 4), "float32")
    layer(x)
    inputs = []
    original = layer.cell._drops

    def spy(ctx, x):
        inputs.append(original(ctx, x))
        return inputs[-1]

    layer.cell._drops = spy
    layer(x, training=True)
    layer(x)
    (drop, recurrent), nothing = inputs
    assert recurrent is None and nothing == (None, None)
    assert drop.shape == (50, 4) and set(np.unique(drop)) == {0.0, 2.0}
    assert 0.3 < (drop == 0).mean() < 0.7


@pytest.mark.parametrize(("cls", "gates"), [(L.SimpleRNN, 1), (L.LSTM, 4), (L.GRU, 3)])
def test_masks_of_dropout_are_as_many_as_in_keras(cls, gates):
    """One for inputs alone; one for each gate where the state is dropped too."""
    shared = cls(3, dropout=0.5)
    apart = cls(3, dropout=0.5, recurrent_dropout=0.5)
    rng = kerasette.backend.Random(np, 1)
    assert shared.draw(rng, 7, (5, 2)).shape == (7, 2)
    assert apart.draw(rng, 7, (5, 2)).shape == (7, gates * (2 + 3))
    assert cls(3).draw is None


@pytest.mark.parametrize(("cls", "gates"), [(L.LSTM, 4), (L.GRU, 3), (L.LSTMCell, 4), (L.GRUCell, 3)])
def test_implementation_is_taken_as_keras_takes_it(cls, gates):
    """It decides how many masks inputs have, and nothing else; no file holds it."""
    theirs = getattr(keras_oracle.keras().layers, cls.__name__)
    shape = (5, 2) if cls in (L.LSTM, L.GRU) else (2,)
    for number in (0, 1, 2):
        layer, other = (
            cls(3, dropout=0.5, implementation=number),
            theirs(3, dropout=0.5, implementation=number),
        )
        masks = getattr(other, "cell", other).dropout_mask_count if number == 1 else 1
        assert masks == (gates if number == 1 else 1)
        assert layer.draw(kerasette.backend.Random(np, 1), 7, shape).shape == (7, 2 * masks)
        assert "implementation" not in layer.get_config() and "implementation" not in other.get_config()
        assert cls.from_config(layer.get_config()).implementation == 2
        assert cls(3, implementation=number).draw is None
    for wrong in (3, "2", None):
        with pytest.raises(InvalidValue, match="implementation"):
            cls(3, implementation=wrong)


@pytest.mark.parametrize("name", ["LSTM", "GRU"])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_implementation_changes_no_prediction(name, number):
    def build(library):
        inputs = library.Input((6, 3))
        return library.Model(
            inputs, getattr(library.layers, name)(4, dropout=0.3, implementation=number)(inputs)
        )

    ours, theirs, x = build(kerasette), build(keras_oracle.keras()), normal(5, 6, 3)
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x, verbose=0), rtol=1e-5, atol=1e-6)


def test_simple_rnn_has_but_one_implementation():
    for library, error in ((kerasette, InvalidType), (keras_oracle.keras(), ValueError)):
        with pytest.raises(error, match="implementation"):
            library.layers.SimpleRNN(2, implementation=2)


@pytest.mark.parametrize("cls", [L.LSTM, L.GRU])
def test_gradients_where_each_gate_drops_inputs_of_its_own(cls):
    gradients(lambda x: cls(3, dropout=0.4, implementation=1)(x), (5, 2), training=True)


@each_of_three
def test_one_seed_gives_one_training(cls):
    x, y, finals = normal(40, 5, 3), normal(40, 4, seed=1), []
    for _ in range(2):
        kerasette.utils.set_random_seed(1)
        inputs = Input((5, 3))
        model = Model(inputs, L.Bidirectional(cls(2, dropout=0.3, recurrent_dropout=0.2))(inputs))
        model.compile("mse", "adam").fit(x, y, epochs=2, verbose=0, batch_size=16)
        finals.append(model.get_weights())
    for a, b in zip(*finals, strict=True):
        np.testing.assert_array_equal(a, b)


def test_rates_of_one_are_refused():
    with pytest.raises(InvalidValue, match=r"dropout must be a number from 0 to 1 \(exclusive\)"):
        L.LSTM(2, dropout=1.0)
    with pytest.raises(InvalidValue, match="recurrent_dropout"):
        L.GRU(2, recurrent_dropout=-0.1)


# ---------------------------------------------------------------- configurations


WRAPPED = {
    "Bidirectional": lambda L: L.Bidirectional(L.LSTM(3, return_sequences=True, dropout=0.1), "sum"),
    "two layers": lambda L: L.Bidirectional(L.LSTM(3), backward_layer=L.GRU(2, go_backwards=True)),
    "TimeDistributed": lambda L: L.TimeDistributed(L.Dense(2, activation="relu")),
    "RNN": lambda L: L.RNN(L.GRUCell(2, reset_after=False), return_state=True),
    "stack": lambda L: L.RNN([L.LSTMCell(2, unit_forget_bias=False), L.SimpleRNNCell(3)]),
    "in one another": lambda L: L.Bidirectional(L.RNN([L.LSTMCell(2), L.GRUCell(3)])),
}


def plain(config):
    """Returns a configuration of Keras as the reader of files hands it over: without types of numbers."""
    if isinstance(config, dict):
        return {
            key: plain(value)
            for key, value in config.items()
            if key not in ("dtype", "build_config", "quantization_config")
        }
    return [plain(item) for item in config] if isinstance(config, list) else config


@pytest.mark.parametrize("make", WRAPPED.values(), ids=WRAPPED)
def test_configurations_go_both_ways(make):
    keras = keras_oracle.keras()
    x = normal(2, 4, 3)
    ours = make(layers)
    first = ours(x)
    config = json.loads(json.dumps(ours.get_config()))
    copy = type(ours).from_config(config)
    assert json.loads(json.dumps(copy.get_config())) == config
    copy(x)
    copy.set_weights(ours.get_weights())
    theirs = getattr(keras.layers, type(ours).__name__).from_config(config)
    theirs.build(x.shape)
    theirs.set_weights(ours.get_weights())
    back = type(ours).from_config(plain(json.loads(json.dumps(theirs.get_config()))))
    back(x)
    back.set_weights(ours.get_weights())
    for other in (copy, theirs, back):
        for a, b in zip(parts_of(first), parts_of(other(x)), strict=True):
            np.testing.assert_allclose(np.array(b), a, rtol=1e-5, atol=1e-6)


def parts_of(result):
    return result if isinstance(result, (tuple, list)) else [result]


def test_models_are_cloned_with_their_states_and_wrappers():
    inputs, start = Input((None, 3)), Input((4,))
    y, *states = L.Bidirectional(L.GRU(4, return_sequences=True, return_state=True))(
        inputs, initial_state=[start, start]
    )
    y = L.RNN([L.LSTMCell(4), L.GRUCell(3)])(L.TimeDistributed(L.Dense(5))(y))
    model = Model([inputs, start], [y, L.Add()(states)])
    xs = [normal(2, 6, 3), normal(2, 4, seed=1)]
    for copy in (
        kerasette.models.clone_model(model),
        kerasette.models.model_from_json(model.to_json()),
    ):
        copy.set_weights(model.get_weights())
        for a, b in zip(model.predict(xs, verbose=0), copy.predict(xs, verbose=0), strict=True):
            np.testing.assert_array_equal(a, b)


def test_graphs_of_cells_are_cloned():
    x, h = Input((3,)), Input((4,))
    y, new = L.GRUCell(4)(x, h)
    y, both = L.StackedRNNCells([L.SimpleRNNCell(4), L.GRUCell(2)])(y, [new, L.Dense(2)(h)])
    model = Model([x, h], [y, *both])
    copy = kerasette.models.clone_model(model)
    copy.set_weights(model.get_weights())
    xs = [normal(5, 3), normal(5, 4, seed=1)]
    for a, b in zip(model.predict(xs, verbose=0), copy.predict(xs, verbose=0), strict=True):
        np.testing.assert_array_equal(a, b)


def test_results_are_the_user_s():
    """What a model returned doesn't change when it is called again."""
    inputs = Input((4, 3))
    model = Model(inputs, L.LSTM(5, return_sequences=True)(inputs))
    first = model(normal(2, 4, 3))
    kept = np.array(first)
    model(normal(2, 4, 3, seed=1))
    np.testing.assert_array_equal(first, kept)
    whole = model.predict(normal(6, 4, 3), batch_size=2, verbose=0)
    np.testing.assert_allclose(whole[:2], model(normal(6, 4, 3)[:2]), rtol=1e-6)


def test_integers_lead_straight_in():
    inputs = Input((4, 2), dtype="int32")
    model = Model(inputs, L.Bidirectional(L.SimpleRNN(3))(inputs)).compile("mse", "sgd")
    x = np.arange(16).reshape(2, 4, 2) % 3
    np.testing.assert_allclose(model.predict(x, verbose=0), model(x.astype("float32")), rtol=1e-6)
    assert np.isfinite(model.train_on_batch(x, normal(2, 6)))


def test_on_a_device():
    """Masks, states, both directions, stacks and steps in a model, trained on the stand-in for CuPy."""

    def run():
        kerasette.utils.set_random_seed(3)
        inputs, start = Input((5, 3)), Input((4,))
        x = L.Bidirectional(L.LSTM(4, return_sequences=True))(L.Masking()(inputs))
        y, state = L.GRU(4, return_state=True, go_backwards=True)(x, initial_state=start)
        cells = [L.LSTMCell(3, activation="softplus"), L.GRUCell(2, reset_after=False), L.SimpleRNNCell(4)]
        z = L.RNN(cells, return_sequences=True)(L.TimeDistributed(L.Dense(3, activation="tanh"))(x))
        z = L.TimeDistributed(inner_model_without_noise())(z)
        model = Model([inputs, start], L.Add()([y, state, L.SimpleRNN(4, stateful=True)(z)]))
        model.compile("mse", "sgd")
        data = normal(6, 5, 3) * padded_on_the_right(6, 5)[:, :, None]
        losses = [model.train_on_batch([data, normal(6, 4)], normal(6, 4, seed=2)) for _ in range(2)]
        return [np.array(losses), model.predict([data, normal(6, 4)], verbose=0), *model.get_weights()]

    results = [run()]
    with cupy_standin.install():
        results.append(run())
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6)


def inner_model_without_noise():
    inputs = Input((4,))
    return Model(inputs, L.Dense(3)(L.BatchNormalization()(inputs)))


def test_signatures_are_keras_s():
    keras = keras_oracle.keras()
    names = [*THREE, *BUILTIN_CELLS, L.RNN, L.StackedRNNCells, L.Bidirectional, L.TimeDistributed]
    names += [L.ConvLSTM1D, L.ConvLSTM2D, L.ConvLSTM3D]
    for cls in names:
        theirs = inspect.signature(getattr(keras.layers, cls.__name__)).parameters.values()
        ours = registry.signature(cls).parameters
        for parameter in theirs:
            if parameter.kind is parameter.VAR_KEYWORD:
                continue
            assert parameter.name in ours, (cls, parameter.name)
            assert str(ours[parameter.name].default).lower() == str(parameter.default).lower(), parameter.name
        positional = [p.name for p in ours.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        wanted = [p.name for p in theirs if p.kind is p.POSITIONAL_OR_KEYWORD]
        assert positional == wanted, cls


# ---------------------------------------------------------------- wrappers


def test_inner_layers_are_reachable_and_switch_together():
    layer = L.Bidirectional(L.LSTM(2))
    layer(normal(2, 3, 4))
    assert layer.forward_layer.cell.kernel is layer.weights[0]
    assert layer.backward_layer.cell.bias is layer.weights[5]
    assert layer.weights[0].path.endswith(f"/{layer.forward_layer.name}/lstm_cell/kernel")
    layer.forward_layer.trainable = False
    assert len(layer.trainable_weights) == 3 and len(layer.non_trainable_weights) == 3
    layer.trainable = False
    assert not layer.trainable_weights and not layer.backward_layer.cell.trainable
    assert L.LSTM(2, trainable=False).cell.trainable is False


def test_frozen_inner_layers_stay():
    inputs = Input((3, 4))
    layer = L.Bidirectional(L.SimpleRNN(2))
    model = Model(inputs, layer(inputs))
    layer.forward_layer.trainable = False
    before = model.get_weights()
    model.compile("mse", "sgd").fit(normal(8, 3, 4), normal(8, 4), verbose=0)
    changed = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert changed == [False] * 3 + [True] * 3


def test_a_copied_layer_has_weights_of_its_own():
    inner = L.LSTM(2)
    inner(normal(1, 2, 3))
    layer = L.Bidirectional(inner)
    layer(normal(1, 2, 3))
    assert not np.array_equal(inner.get_weights()[0], layer.forward_layer.get_weights()[0])
    first = [np.full(w.shape, k, "float32") for k, w in enumerate(layer.get_weights())]
    again = L.Bidirectional(L.LSTM(2), weights=first)
    again(normal(1, 2, 3))
    for a, b in zip(again.get_weights(), first, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_layer_may_be_distributed_and_used_alone():
    dense, x = L.Dense(3), normal(2, 4, 5)
    wrapped = L.TimeDistributed(dense)
    np.testing.assert_allclose(wrapped(x), dense(x), rtol=1e-6)
    inputs, alone = Input((4, 5)), Input((5,))
    model = Model([inputs, alone], [wrapped(inputs), dense(alone)]).compile("mse", "sgd")
    model.fit([x, x[:, 0]], [normal(2, 4, 3), normal(2, 3)], verbose=0)
    np.testing.assert_allclose(wrapped(x), dense(x), rtol=1e-6)


def test_a_sequential_without_input_is_distributed():
    inner = Sequential([L.Dense(4, activation="tanh"), L.Dense(2)])
    layer, x = L.TimeDistributed(inner), normal(3, 5, 6)
    found = layer(x)
    np.testing.assert_allclose(found[:, 2], inner(x[:, 2]), rtol=1e-5)
    assert [p.path.split("/")[0] for p in layer.parameters] == [layer.name] * 4
    inner.add(L.Dense(3))
    assert L.TimeDistributed(inner)(x).shape == (3, 5, 3)


def test_open_lengths():
    inputs = Input((None, 3))
    y = L.TimeDistributed(L.Dense(2))(L.Bidirectional(L.LSTM(4, return_sequences=True, dropout=0.2))(inputs))
    assert y.shape == (None, None, 2)
    model = Model(inputs, y).compile("mse", "sgd")
    for steps in (3, 7, 5):
        assert model.predict(normal(2, steps, 3), verbose=0).shape == (2, steps, 2)
        assert np.isfinite(model.train_on_batch(normal(2, steps, 3), normal(2, steps, 2)))


# ---------------------------------------------------------------- errors

WRONG = [
    (lambda: L.LSTM(0), "units"),
    (lambda: L.LSTM(2, use_cudnn="yes"), "use_cudnn"),
    (lambda: L.LSTM(2, implementation=3), "implementation"),
    (lambda: L.LSTM(2, activation="glu"), "activation"),
    (lambda: L.LSTM(2, return_sequences="yes"), "return_sequences"),
    (lambda: L.LSTMCell(2, activity_regularizer="l2"), "activity_regularizer"),
    (lambda: L.LSTM(2)(normal(2, 3)), r"needs inputs with 3 axes.* x\[..., None\]"),
    (lambda: Sequential([Input((3, 1)), L.LSTM(2), L.GRU(2)]), "Set return_sequences=True"),
    (lambda: Sequential([Input((3, 1)), L.LSTM(2, return_state=True), L.Dense(1)]), "has 3 outputs, a chain"),
    (lambda: L.LSTM(2)(normal(2, 3, 4, 5)), "needs inputs with 3 axes.* Flatten"),
    (lambda: L.LSTM(2)(Input((3, None))), "known last axis"),
    (lambda: L.LSTM(2)(normal(2, 0, 3)), "at least one step"),
    (lambda: L.LSTM(2)(normal(2, 3, 4), initial_state=normal(2, 2)), "has 2 states"),
    (lambda: L.GRU(2)(normal(2, 3, 4), initial_state=normal(2, 3)), "initial state needs shape"),
    (lambda: L.GRU(2)(normal(2, 3, 4), initial_state="zeros"), "initial_state must be"),
    (lambda: L.RNN(3), "a cell must be a layer"),
    (lambda: L.RNN(L.Dense(3)), "state_size"),
    (lambda: L.StackedRNNCells([]), "list of cells"),
    (lambda: L.RNN([L.LSTMCell(2, name="a"), L.LSTMCell(2, name="a")]), "different names"),
    (lambda: L.GRUCell(2)(normal(2, 3), [normal(2, 3)]), "a state needs shape"),
    (lambda: L.Bidirectional(L.Dense(2)), "recurrent layer"),
    (lambda: L.Bidirectional(3), "must be a layer"),
    (lambda: L.Bidirectional(L.LSTM(2), merge_mode="add"), "merge_mode"),
    (lambda: L.Bidirectional(L.LSTM(2), backward_layer=L.LSTM(2)), "go_backwards"),
    (lambda: L.Bidirectional(L.LSTM(2, activity_regularizer="l2")), "activity_regularizer"),
    (lambda: L.Bidirectional(L.LSTM(2))(normal(2, 3, 4), initial_state=[normal(2, 2)] * 2), "4 states"),
    (
        lambda: L.Bidirectional(
            L.LSTM(2, return_sequences=True), backward_layer=L.LSTM(2, go_backwards=True)
        ),
        "same return_sequences",
    ),
    (
        lambda: L.Bidirectional(L.LSTM(2), "sum", backward_layer=L.LSTM(3, go_backwards=True))(
            normal(1, 2, 3)
        ),
        "outputs of one shape",
    ),
    (lambda: L.ConvLSTM2D(2, 3)(Input((4, None, 5, 2))), "known lengths"),
    (lambda: L.ConvLSTM2D(2, 3)(normal(2, 4, 5, 2)), "needs inputs with 5 axes"),
    (lambda: L.ConvLSTM1D(2, 2)(normal(2, 3, 4, 5), initial_state=[normal(2, 2)] * 2), "initial state needs"),
    (lambda: L.ConvLSTM1D(2, 2, padding="causal"), "padding"),
    (lambda: L.TimeDistributed(3), "must be a layer"),
    (lambda: L.TimeDistributed(L.Dense(2))(normal(2, 3)), r"\(batch, steps, ...\)"),
    (lambda: L.TimeDistributed(L.Dense(2, activity_regularizer="l2")), "activity_regularizer"),
    (lambda: L.TimeDistributed(L.LSTM(2, stateful=True)), "stateful"),
    (
        lambda: L.TimeDistributed(Sequential([Input((3, 2)), L.LSTM(2, stateful=True)])).couples_batch,
        "stateful",
    ),
    (
        lambda: L.TimeDistributed(Sequential([Input((2,)), L.Dense(2, activity_regularizer="l2")])).draw,
        "activity",
    ),
    (lambda: L.TimeDistributed(L.LSTM(2, return_state=True))(normal(2, 3, 4, 5)), "several outputs"),
    (lambda: L.TimeDistributed(L.Dense(2))(normal(2, 3, 4), mask=np.ones((2, 4), bool)), "mask has 4 steps"),
]


@pytest.mark.parametrize(("make", "message"), WRONG, ids=[message for _, message in WRONG])
def test_errors_say_what_is_wrong(make, message):
    with pytest.raises((InvalidValue, InvalidType), match=message) as found:
        make()
    assert isinstance(found.value, KerasetteError) and len(str(found.value)) <= 400


def test_another_number_of_features_is_refused():
    layer = L.LSTM(2)
    layer(normal(2, 3, 4))
    with pytest.raises(InvalidValue, match="another number of features"):
        layer(normal(2, 3, 5))
