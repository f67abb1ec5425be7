"""The engine: the cut into micro-batches, gradients nobody needs, deep graphs, seeds."""

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

import kerasette as k
from kerasette import layers, optimizers, regularizers, utils
from kerasette.config import set_threads
from kerasette.engine import Plan, plan
from kerasette.engine.workers import MOST_TOGETHER
from tests.conftest import ROOT
from tests.engine_runs import numbers, same_bits, trained, two_headed

# ---------------------------------------------------------------- the cut


@pytest.mark.parametrize("metrics", [True, False])
@pytest.mark.parametrize("workers", [2, 3, 5])
def test_the_number_of_workers_changes_no_bit(small_cache, workers, metrics):
    weights, results, parts = trained(workers=1, metrics=metrics)
    assert parts > 5
    others, other_results, _ = trained(workers=workers, metrics=metrics)
    assert same_bits(weights, others)
    assert results == other_results


def test_a_batch_in_parts_gives_what_the_whole_gives(monkeypatch):
    whole, whole_results, parts = trained()
    assert parts == 1
    monkeypatch.setattr(plan, "CACHE_BYTES", 1 << 11)
    monkeypatch.setattr(plan, "SHORT_CALL", 1)
    cut, cut_results, parts = trained(workers=2)
    assert parts > 5
    for a, b in zip(whole, cut, strict=True):
        np.testing.assert_allclose(b, a, rtol=2e-5, atol=2e-6)
    for a, b in zip(whole_results, cut_results, strict=True):
        assert b == pytest.approx(a, rel=1e-5)


def test_parts_of_a_batch_meet_in_batch_normalization(monkeypatch):
    """A batch that is cut gives the numbers of a whole one, whatever the number of workers."""
    whole, whole_results, parts = trained(norm=True)
    assert parts == 1
    monkeypatch.setattr(plan, "CACHE_BYTES", 1 << 11)
    monkeypatch.setattr(plan, "SHORT_CALL", 1)
    cut, cut_results, parts = trained(norm=True, workers=2)
    assert parts == MOST_TOGETHER
    for a, b in zip(whole, cut, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5)
    for a, b in zip(whole_results, cut_results, strict=True):
        assert b == pytest.approx(a, rel=1e-5)
    for workers in (1, 3, 5):
        assert same_bits(cut, trained(norm=True, workers=workers)[0])


class Pair(layers.Layer):
    """Couples samples in a way of its own."""

    couples_batch = True

    def forward(self, ctx, w, x):
        return x + x[::-1], None

    def backward(self, ctx, w, dw, dy, cache):
        return dy + dy[::-1]


def test_layers_that_couple_samples_otherwise_keep_the_batch_whole(small_cache):
    inputs = k.Input((8,))
    model = k.Model(inputs, layers.Dense(2)(Pair()(inputs))).compile("mse", "sgd")
    x = np.random.default_rng(0).standard_normal((64, 8))
    model.fit(x, x[:, :2], batch_size=64, epochs=1, verbose=0)
    assert len(model._engine.cuts(64, True)) == 1


def test_a_failure_in_one_part_sends_the_others_home(small_cache):
    """What meets in BatchNormalization must not wait for a part that won't come."""

    class Fails(layers.Layer):
        armed = True

        def forward(self, ctx, w, x):
            if self.armed and ctx.training and x[0, 0] > 90:
                raise RuntimeError("this part fails")
            return x, None

        def backward(self, ctx, w, dw, dy, cache):
            return dy

    inputs = k.Input((8,))
    norm = layers.BatchNormalization()
    failing = Fails()
    model = k.Model(inputs, layers.Dense(2)(norm(failing(inputs)))).compile("mse", "sgd")
    x = np.random.default_rng(0).standard_normal((256, 8))
    x[:, 0] = np.arange(256)
    with pytest.raises(RuntimeError, match="this part fails"):
        model.train_on_batch(x, x[:, :2])
    failing.armed = False
    assert np.isfinite(model.train_on_batch(x, x[:, :2]))


def test_the_cut_depends_on_shapes_alone(small_cache):
    cuts = []
    for workers in (1, 4):
        set_threads(workers)
        model = two_headed().compile(["sparse_categorical_crossentropy", "mse"], "sgd")
        cuts.append([model._engine.cuts(rows, True) for rows in (1, 7, 8, 9, 100, 101)])
    assert cuts[0] == cuts[1]
    for rows, parts in zip((1, 7, 8, 9, 100, 101), cuts[0], strict=True):
        assert parts[0][0] == 0 and parts[-1][1] == rows
        assert all(end == start for (_, end), (start, _) in pairwise(parts))
        sizes = {stop - start for start, stop in parts}
        assert max(sizes) - min(sizes) <= 1


def test_short_last_batches_and_fit(small_cache):
    """Batches of 64, 64, 22 in fit: each is cut in its own way; bits don't depend on the workers."""
    weights = []
    for workers in (1, 3):
        set_threads(workers)
        model = two_headed().compile(["sparse_categorical_crossentropy", "mse"], "adam")
        xs, ys, _ = numbers(150)
        model.fit(xs, ys, epochs=2, batch_size=64, verbose=0)
        weights.append(model.get_weights())
    assert same_bits(*weights)


# ---------------------------------------------------------------- gradients nobody needs


class Spy(layers.Dense):
    """A Dense that notes, for each call of backward, whether dx was wanted."""

    def __init__(self, units, **base):
        super().__init__(units, **base)
        self._wanted = []

    def backward(self, ctx, w, dw, dy, cache):
        self._wanted.append(ctx.need_dx)
        return super().backward(ctx, w, dw, dy, cache)


def test_the_gradient_of_the_data_is_never_computed():
    first, second = Spy(4), Spy(2)
    model = k.Sequential([k.Input((3,)), first, second]).compile("mse", "sgd")
    model.train_on_batch(np.ones((4, 3)), np.ones((4, 2)))
    assert first._wanted == [False]
    assert second._wanted == [True]


def test_backward_stops_at_frozen_layers_and_at_outputs_without_loss():
    first, second, beside = Spy(4), Spy(2), Spy(2)
    first.trainable = False
    x = k.Input((3,))
    h = first(x)
    model = k.Model(x, [second(h), beside(h)]).compile(["mse", None], "sgd")
    model.train_on_batch(np.ones((4, 3)), [np.ones((4, 2)), None])
    assert first._wanted == []
    assert second._wanted == [False]
    assert beside._wanted == []


def test_parameters_that_no_loss_reaches_get_their_penalty_once_a_step():
    x = k.Input((3,))
    beside = layers.Dense(2, kernel_regularizer=regularizers.L2(0.5))
    model = k.Model(x, [layers.Dense(2)(x), beside(x)]).compile(["mse", None], optimizers.SGD(0.1))
    wanted = beside.kernel.numpy()
    for _ in range(4):
        model.train_on_batch(np.ones((4, 3)), [np.ones((4, 2)), None])
        wanted = wanted - 0.1 * (2 * 0.5) * wanted
    np.testing.assert_allclose(beside.kernel.numpy(), wanted, rtol=1e-6)


# ---------------------------------------------------------------- deep graphs


def chain(depth):
    x = h = k.Input((2,))
    for _ in range(depth):
        h = layers.Dense(2, kernel_initializer="identity")(h)
    return k.Model(x, h).compile("mse", "sgd")


def test_ten_thousand_layers_train():
    model = chain(10_000)
    x = np.ones((2, 2), "float32")
    assert model.train_on_batch(x, x) == 0.0
    assert len(model._engine.plan.steps) == 10_000


class Counted(list):
    """A list that counts how often it is walked or indexed."""

    visits = 0

    def __iter__(self):
        Counted.visits += len(self)
        return super().__iter__()

    def __reversed__(self):
        Counted.visits += len(self)
        return super().__reversed__()


def visits(depth):
    """Returns how many nodes and edges are visited while a plan is made for a graph of `depth` layers."""
    model = chain(depth)
    Counted.visits = 0
    graph = model.graph
    graph.nodes = Counted(graph.nodes)

    class Counting(Plan):
        def _slot(self, shape):
            if type(self.steps) is list:
                self.steps = Counted(self.steps)
            return super()._slot(shape)

    Counting(graph, trained=frozenset(model.trainable_weights), fused=["softmax"])
    return Counted.visits


def test_making_a_plan_takes_time_in_proportion_to_the_layers():
    few, many = visits(50), visits(500)
    assert many <= 11 * few


def test_a_deep_graph_of_short_calls_is_not_cut():
    x = h = k.Input((4,))
    for _ in range(2000):
        h = layers.Dense(4)(h)
    model = k.Model(x, h).compile("mse", "sgd")
    assert model._engine.cuts(32, True) == [(0, 32)]


# ---------------------------------------------------------------- seeds


SCRIPT = """
import hashlib, sys
import numpy as np
import kerasette as k
from kerasette import layers, utils
utils.set_random_seed(int(sys.argv[1]))
body = [layers.Dense(16, "relu"), layers.Dropout(0.5), layers.Dense(3, "softmax")]
model = k.Sequential([k.Input((4,)), *body])
model.compile("sparse_categorical_crossentropy", "adam")
rng = np.random.default_rng(0)
model.fit(rng.normal(size=(50, 4)), rng.integers(0, 3, 50), epochs=3, verbose=0)
print(hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest())
"""


def test_one_seed_gives_the_same_bits_in_two_processes():
    def run(seed):
        command = [sys.executable, "-c", SCRIPT, str(seed)]
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout

    first = run(1)
    assert len(first.strip()) == 64
    assert run(1) == first
    assert run(2) != first


def test_layers_draw_from_streams_of_their_own():
    """Two Dropouts of one model, two steps, and two epochs of the shuffle all draw different numbers."""
    utils.set_random_seed(0)
    x = k.Input((50,))
    drops = [layers.Dropout(0.5)(x), layers.Dropout(0.5)(x)]
    model = k.Model(x, drops)
    ones = np.ones((4, 50), "float32")
    first, second = model(ones, training=True), model(ones, training=True)
    assert len({array.tobytes() for array in (*first, *second)}) == 4
    utils.set_random_seed(0)
    model = k.Model(x, [layers.Dropout(0.5, seed=3)(x), layers.Dropout(0.5, seed=3)(x)])
    again = model(ones, training=True)
    assert set(np.unique(again[0])) == {0.0, 2.0}


# ---------------------------------------------------------------- models


def test_an_optimizer_belongs_to_one_model():
    first, second = (k.Sequential([k.Input((3,)), layers.Dense(2)]) for _ in range(2))
    optimizer = k.optimizers.SGD(0.1)
    first.compile("mse", optimizer)
    second.compile("mse", optimizer)
    with pytest.raises(ValueError, match="belongs to another model"):
        first.train_on_batch(np.ones((2, 3)), np.ones((2, 2)))


def test_the_mode_that_a_call_fixed_holds_from_the_first_row_on():
    x = k.Input((200,))
    model = k.Model(x, layers.Dropout(0.5)(x, training=True))
    for _ in range(2):
        assert 50 < (model.predict(np.ones((1, 200))) == 0).sum() < 150


def test_pop_of_a_layer_that_is_used_elsewhere():
    shared = layers.Dense(2)
    model = k.Sequential([k.Input((3,)), layers.Dense(4), shared])
    shared(k.Input((4,)))
    assert model.pop() is shared
    assert model.output.shape == (None, 4)
    assert model.predict(np.ones((2, 3))).shape == (2, 4)


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool"])
def test_whole_numbers_become_floats_where_a_layer_computes_with_them(dtype):
    inputs = k.Input((6, 6, 1), dtype=dtype)
    outputs = layers.Dense(2)(layers.Flatten()(layers.Conv2D(2, 3)(inputs)))
    model = k.Model(inputs, outputs).compile("mse", "sgd")
    x = np.random.default_rng(0).integers(0, 2, (8, 6, 6, 1)).astype(dtype)
    same = k.models.clone_model(model, input_tensors=k.Input((6, 6, 1)))
    same.set_weights(model.get_weights())
    found, wanted = model.predict(x, verbose=0), same.predict(x.astype("float32"), verbose=0)
    np.testing.assert_array_equal(found, wanted)
    assert np.isfinite(model.train_on_batch(x, np.ones((8, 2))))


@pytest.mark.parametrize("dtype", ["float64", "float16"])
@pytest.mark.parametrize("first", ["Dense", "Flatten", "Dropout", "LSTM", "Conv2D", "cast", "state"])
def test_floats_of_another_size_are_computed_in_the_default_type(first, dtype):
    x = np.random.default_rng(0).normal(size=(8, 16)).astype("float16")
    inputs = k.Input((16,), dtype=dtype)
    hidden = {
        "Dense": layers.Dense(4),
        "Flatten": layers.Flatten(),
        "Dropout": layers.Dropout(0.0),
        "LSTM": lambda x: layers.LSTM(4)(layers.Reshape((4, 4))(x)),
        "Conv2D": lambda x: layers.Flatten()(layers.Conv2D(2, 3)(layers.Reshape((4, 4, 1))(x))),
        "cast": lambda x: k.ops.cast(k.ops.cast(x, "float32") + 1.0, "float64") * x,
        "state": lambda x: layers.GRU(16)(layers.Reshape((4, 4))(x), initial_state=x),
    }[first](inputs)
    model = k.Model(inputs, [hidden, layers.Dense(2)(hidden)])
    same = k.models.clone_model(model, input_tensors=k.Input((16,)))
    same.set_weights(model.get_weights())
    for one in (model, same):
        one.compile("sgd", ["mse", "mse"])
        one.fit(x, [np.ones((8, hidden.shape[1])), np.ones((8, 2))], 4, shuffle=False, verbose=0)
    for found, wanted in zip(model.predict(x), same.predict(x), strict=True):
        assert found.dtype == "float32"
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    assert [tensor.dtype for tensor in model.outputs] == ["float32", "float32"]
