"""Compiled loops over steps: they give what the plain ones give, and let a batch be shared by workers."""

import numpy as np
import pytest

import kerasette
from kerasette import Sequential, config, functions, layers
from kerasette.functions import kernels

pytest.importorskip("numba")

from kerasette.functions.compiled import jit
from kerasette.functions.compiled import rows as compiled_rows
from kerasette.functions.compiled import steps as compiled_steps

pytestmark = pytest.mark.skipif(
    not jit.sgemm_address(), reason="these loops know the BLAS of NumPy's wheels only"
)

GATES = {"simple_rnn": 1, "lstm": 4, "gru": 3}
STATES = {"simple_rnn": 1, "lstm": 2, "gru": 1}
each_of_three = pytest.mark.parametrize("name", GATES)


@pytest.fixture(autouse=True)
def choice(monkeypatch):
    """Compiled kernels for arrays of any size."""
    before = config.kernels()
    config.set_kernels("numba")
    monkeypatch.setattr(kernels, "LEAST", 0)
    yield
    config.set_kernels(before)


def arguments(name, dtype, rows=7, steps=9, features=3, units=5):
    """Returns x, the weights and the initial states of a call, so small that no rounding grows over time."""
    rng, width = np.random.default_rng(0), GATES[name] * units
    bias = (2, width) if name == "gru" else (width,)
    shapes = [(rows, steps, features), (features, width), (units, width), bias]
    shapes += [(rows, units)] * STATES[name]
    scales = [0.3, 0.4, 0.4, *[1.0] * (1 + STATES[name])]
    return [
        (scale * rng.standard_normal(shape)).astype(dtype)
        for scale, shape in zip(scales, shapes, strict=True)
    ]


def spied_on(monkeypatch):
    """Returns a list that gets (name, whether it did the work) of each compiled loop that is asked."""
    seen = []

    def spy(name):
        original = getattr(compiled_steps, name)

        def call(*given):
            result = original(*given)
            seen.append((name, result is not NotImplemented))
            return result

        return call

    table = {name: spy(name) for name in compiled_steps.__all__}
    monkeypatch.setattr(kernels._State, "table", table)
    return seen


@each_of_three
@pytest.mark.parametrize("rows", [1, 7, 130])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("started", [False, True])
def test_they_give_the_same(monkeypatch, name, rows, sequences, masked, started):
    given = arguments(name, "float32", rows)
    if not started:
        given[4:] = [None] * STATES[name]
    rng = np.random.default_rng(1)
    mask = rng.random((rows, 9)) < 0.7 if masked else None
    dy = rng.standard_normal((rows, 9, 5) if sequences else (rows, 5)).astype("float32")
    results = []
    for which in ("numpy", "numba"):
        config.set_kernels(which)
        seen = spied_on(monkeypatch) if which == "numba" else []
        y, cache = getattr(functions, name)(*given, mask, sequences=sequences)
        results.append([y, *getattr(functions, f"{name}_backward")(dy, cache)])
    assert {one for one, did in seen if did} == {f"{name}_steps", f"{name}_steps_backward"}
    for plain, compiled in zip(*results, strict=True):
        if plain is None:
            assert compiled is None
            continue
        assert compiled.dtype == np.float32
        np.testing.assert_allclose(compiled, plain, rtol=0, atol=1e-5 * np.abs(plain).max())


@each_of_three
def test_long_sequences_are_taken_in_pieces(monkeypatch, name):
    given, results = arguments(name, "float32", rows=3, steps=11), []
    dy = np.random.default_rng(1).standard_normal((3, 11, 5)).astype("float32")
    for at_once in (1 << 16, 40):
        monkeypatch.setattr("kerasette.functions.steps.AT_ONCE", at_once)
        _, cache = getattr(functions, name)(*given, sequences=True)
        results.append(getattr(functions, f"{name}_backward")(dy, cache))
    for whole, pieces in zip(*results, strict=True):
        np.testing.assert_allclose(pieces, whole, rtol=0, atol=3e-6 * np.abs(whole).max())


@each_of_three
def test_other_types_go_the_plain_way(monkeypatch, name):
    seen = spied_on(monkeypatch)
    getattr(functions, name)(*arguments(name, "float64"))
    assert seen == [(f"{name}_steps", False)]


def test_tanh_is_true_to_float32():
    x = np.concatenate([np.linspace(-12, 12, 1_000_001), np.geomspace(1e-30, 1, 1001), [0.0, 1e30, -np.inf]])
    x = x.astype("float32")
    y = np.empty_like(x)
    compiled_steps._tanh(x, y)
    wanted = np.tanh(x.astype("float64"))
    np.testing.assert_allclose(y, wanted, rtol=4e-7, atol=0)
    assert np.abs(y).max() <= 1
    compiled_steps._tanh(np.full(3, np.nan, "float32"), y[:3])
    assert np.isnan(y[:3]).all()


def test_without_a_known_blas_the_plain_loops_stay(monkeypatch):
    monkeypatch.setattr(jit, "sgemm_address", lambda: 0)
    config.set_kernels("numba")
    assert kernels.compiled("lstm_steps") is None
    assert kernels.compiled("correlate") is None
    assert kernels.compiled("add_bias") is compiled_rows.add_bias


# ---------------------------------------------------------------- the cut


def trained(layer, threads, monkeypatch, rows=128):
    """Returns the weights after two steps, and into how many parts a batch was cut."""
    monkeypatch.setattr("kerasette.backend._State.threads", threads)
    kerasette.utils.set_random_seed(1)
    model = Sequential([kerasette.Input((28, 28)), layer(), layers.Dense(3, activation="softmax")])
    model.compile("sparse_categorical_crossentropy", "adam")
    x = np.random.default_rng(0).standard_normal((rows, 28, 28)).astype("float32")
    for _ in range(2):
        model.train_on_batch(x, np.arange(rows) % 3)
    return model.get_weights(), len(model._engine.cuts(rows, True))


@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.LSTM(64),
        lambda: layers.GRU(64, dropout=0.2),
        lambda: layers.Bidirectional(layers.LSTM(64)),
    ],
    ids=["LSTM", "GRU", "Bidirectional"],
)
def test_workers_share_a_batch_and_change_no_bit(monkeypatch, layer):
    (one, parts), (two, _) = (trained(layer, threads, monkeypatch) for threads in (1, 2))
    assert parts == 2
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)
    config.set_kernels("numpy")
    plain, parts = trained(layer, 2, monkeypatch)
    assert parts == 1
    for a, b in zip(one, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-4)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.LSTM(64, activation="relu"),
        lambda: layers.GRU(64, reset_after=False),
        lambda: layers.LSTM(64, recurrent_dropout=0.1),
        lambda: layers.RNN(layers.LSTMCell(64, recurrent_activation="hard_sigmoid")),
    ],
)
def test_loops_that_are_not_compiled_keep_batches_whole(monkeypatch, layer):
    assert trained(layer, 2, monkeypatch)[1] == 1
