"""What of a model changes under way: freezing after compile(), calls from several threads."""

import threading

import numpy as np
import pytest

import kerasette as k
from kerasette import layers, utils

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 4)).astype("float32")
Y = RNG.normal(size=(400, 2)).astype("float32")


def small(loss="mse", **keywords):
    x = k.Input((4,))
    model = k.Model(x, layers.Dense(2, name="out")(layers.Dense(5, activation="tanh", name="first")(x)))
    return model.compile("adam", loss, **keywords)


# ---------------------------------------------------------------- trainable


def test_freezing_after_compile_is_told_once_and_counts_from_the_next_compile():
    model = small()
    first = model.get_layer("first")
    first.trainable = False
    before = first.get_weights()[0]
    with pytest.warns(UserWarning, match="trainable of 'first' was changed after compile") as told:
        model.fit(X, Y, verbose=0)
    assert told[0].filename == __file__
    assert not np.array_equal(first.get_weights()[0], before)
    model.fit(X, Y, verbose=0)  # warnings are errors in these tests, so this one is silent
    model.compile("adam", "mse")
    before = first.get_weights()[0]
    model.fit(X, Y, verbose=0)
    assert np.array_equal(first.get_weights()[0], before)
    first.trainable = True
    with pytest.warns(UserWarning, match="'first' was changed"):
        model.train_on_batch(X, Y)
    first.trainable = False
    model.train_on_batch(X, Y)
    assert np.array_equal(first.get_weights()[0], before)


def test_a_predictor_follows_what_was_frozen_since_it_was_made():
    x = k.Input((4,))
    norm = layers.BatchNormalization()
    model = k.Model(x, norm(x))
    in_training = model(X, training=True)
    norm.trainable = False
    frozen = model(X, training=True)
    assert np.array_equal(frozen, model(X, training=False)) and not np.array_equal(frozen, in_training)
    norm.trainable = True
    np.testing.assert_allclose(model(X, training=True), in_training, rtol=1e-6)


# ---------------------------------------------------------------- threads


def together(*works):
    """Runs functions in threads of their own; raises what one of them raises."""
    faults = []

    def guarded(work):
        try:
            work()
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]


def test_evaluate_and_predict_from_several_threads():
    model = small(metrics=["mae"])
    score, outputs = model.evaluate(X, Y, verbose=0), model.predict(X)

    def evaluate():
        for _ in range(10):
            assert model.evaluate(X, Y, verbose=0) == score
            assert model.test_on_batch(X, Y) == pytest.approx(score, rel=1e-5)

    def predict():
        for _ in range(10):
            assert np.array_equal(model.predict(X), outputs)

    together(evaluate, evaluate, predict, evaluate)


def test_fits_from_several_threads_follow_one_another():
    k.utils.set_random_seed(1)
    one, other = small(metrics=["mae"]), small(metrics=["mae"])
    other.set_weights(one.get_weights())
    for _ in range(3):
        one.fit(X, Y, epochs=2, shuffle=False, verbose=0)
    fit = lambda: other.fit(X, Y, epochs=2, shuffle=False, verbose=0)  # noqa: E731
    together(fit, fit, fit)
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        assert np.array_equal(a, b)


def in_another_thread(work):
    """Returns what `work` returns in a thread of its own, which is waited for, but not for ever."""
    results = []
    thread = threading.Thread(target=lambda: results.append(work()), daemon=True)
    thread.start()
    thread.join(20)
    if not results:
        raise TimeoutError("The other thread is still at work, or has failed.")
    return results[0]


@pytest.mark.parametrize("hook", ["on_epoch_end", "on_train_batch_end", "on_test_batch_end"])
def test_a_callback_may_wait_for_another_thread(hook):
    """What that thread finds is what the model is at that moment, and what fit reports stays as it was."""
    model, alone = (
        small(metrics=["mae", k.metrics.RootMeanSquaredError()], weighted_metrics=["mse"]) for _ in range(2)
    )
    alone.set_weights(model.get_weights())
    works = (
        lambda: model.evaluate(X, Y, verbose=0),
        lambda: model.test_on_batch(X[:50], Y[:50]),
        lambda: model.predict(X),
        lambda: model(X),
        lambda: model.evaluate(X, Y, verbose=0, callbacks=[k.callbacks.LambdaCallback(on_test_end=nested)]),
    )
    seen, inner = [], []

    def nested(logs=None):
        inner.append(in_another_thread(lambda: model.evaluate(X, Y, verbose=0)))

    def compare(number, logs=None):
        if number < 2:
            for work in works:
                before = in_another_thread(work)
                seen.append((before, work() if hook == "on_epoch_end" else before))

    settings = {"epochs": 2, "shuffle": False, "verbose": 0, "validation_split": 0.25}
    listener = k.callbacks.LambdaCallback(on_epoch_end=compare)
    listener = k.callbacks.Callback() if hook == "on_test_batch_end" else listener
    setattr(listener, hook, compare)
    history = model.fit(X, Y, callbacks=[listener], **settings).history
    assert history == alone.fit(X, Y, **settings).history
    assert len(seen) >= 2 * len(works) and inner
    for one, same in seen:
        np.testing.assert_array_equal(one, same)
    for a, b in zip(model.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_callback_of_predict_may_predict():
    """In its own thread and in another."""
    model, found = small(), []
    plain = model.predict(X)

    class Listener(k.callbacks.Callback):
        def on_predict_batch_end(self, batch, logs=None):
            found.append(model.predict(X))
            found.append(in_another_thread(lambda: model.predict(X)))

    assert np.array_equal(model.predict(X, batch_size=200, callbacks=[Listener()]), plain)
    assert len(found) == 4 and all(np.array_equal(one, plain) for one in found)


def test_another_thread_evaluates_while_fit_goes_on():
    """It doesn't wait for the end of fit, and neither changes the other's sums."""
    model, alone = small(metrics=["mae"]), small(metrics=["mae"])
    alone.set_weights(model.get_weights())
    ready, done, scores = threading.Event(), threading.Event(), []

    def fit():
        listener = k.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: ready.set())
        history = model.fit(X, Y, epochs=30, shuffle=False, verbose=0, callbacks=[listener]).history
        done.set()
        assert history == alone.fit(X, Y, epochs=30, shuffle=False, verbose=0).history

    def evaluate():
        ready.wait(20)
        while not done.is_set():
            scores.append(model.evaluate(X, Y, verbose=0))

    together(fit, evaluate)
    assert np.isfinite(scores).all()


def test_evaluate_within_a_callback():
    scores = []
    model = small()
    listener = k.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: scores.append(model.evaluate(X, Y, verbose=0))
    )
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[listener])
    assert len(scores) == 2 and scores[1] == model.evaluate(X, Y, verbose=0)


# ---------------------------------------------------------------- models that wait for their first batch


def generator(*parts):
    for start in range(0, 400, 40):
        batch = tuple(part[start : start + 40] for part in parts)
        yield batch if len(batch) > 1 else batch[0]


class Batches:
    """A sequence of batches (x, y)."""

    def __len__(self):
        return 10

    def __getitem__(self, index):
        return X[40 * index : 40 * index + 40], Y[40 * index : 40 * index + 40]


@pytest.mark.parametrize("make", [lambda: generator(X, Y), Batches, lambda: list_like(X, Y)])
def test_a_sequential_without_an_input_takes_its_shape_from_the_first_batch(make):
    k.utils.set_random_seed(2)
    waiting = k.Sequential([layers.Dense(2)]).compile("sgd", "mse")
    waiting.fit(make(), verbose=0, shuffle=False)
    k.utils.set_random_seed(2)
    plain = k.Sequential([layers.Dense(2)]).compile("sgd", "mse")
    plain.fit(X, Y, batch_size=40, verbose=0, shuffle=False)
    for a, b in zip(waiting.get_weights(), plain.get_weights(), strict=True):
        assert np.array_equal(a, b)  # no batch was lost


def list_like(x, y):
    class Loader:
        def __iter__(self):
            return generator(x, y)

    return Loader()


def test_such_a_sequential_evaluates_and_predicts_batches():
    model = k.Sequential([layers.Dense(2)]).compile("sgd", "mse")
    assert model.predict(generator(X)).shape == (400, 2)
    other = k.Sequential([layers.Dense(2)]).compile("sgd", "mse")
    assert other.evaluate(generator(X, Y), verbose=0) > 0
    with pytest.raises(ValueError, match="isn't built"):
        k.Sequential([layers.Dense(2)]).compile("sgd", "mse").fit(iter(()), verbose=0)


# ---------------------------------------------------------------- batches by class


@pytest.mark.parametrize("base", [utils.PyDataset, utils.Sequence])
def test_a_py_dataset_trains_like_its_arrays(base):
    class Pieces(base):
        def __init__(self, **keywords):
            super().__init__(**keywords)
            self.ends = 0

        def __len__(self):
            return 10

        def __getitem__(self, index):
            return X[40 * index : 40 * index + 40], Y[40 * index : 40 * index + 40]

        def on_epoch_end(self):
            self.ends += 1

    pieces = Pieces(workers=2, use_multiprocessing=True)
    one, other = small(), small()
    other.set_weights(one.get_weights())
    one.fit(X, Y, batch_size=40, epochs=2, shuffle=False, verbose=0)
    other.fit(pieces, epochs=2, shuffle=False, verbose=0)
    assert pieces.ends == 2 and pieces.num_batches == 10
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        assert np.array_equal(a, b)
    for lacking in (lambda: len(base()), lambda: base()[0]):
        with pytest.raises(NotImplementedError, match="Dataset must define"):
            lacking()
    with pytest.raises(ValueError, match="workers"):
        base(workers=-1)


def test_predictions_that_carry_states_on_take_turns():
    model = k.Sequential([k.Input(batch_shape=(1, 1, 1)), layers.LSTM(3, stateful=True), layers.Dense(1)])
    x = np.random.default_rng(0).normal(size=(400, 1, 1))

    def reset_and_predict():
        model.layers[0].reset_states()
        return model.predict(x, batch_size=1, verbose=0)

    alone, begin, found = reset_and_predict(), threading.Barrier(2), []

    def run():
        begin.wait()
        found.append(model.predict(x, batch_size=1, verbose=0))

    model.layers[0].reset_states()
    both = [threading.Thread(target=run) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert any(np.array_equal(one, alone) for one in found)


def test_evaluate_waits_where_a_metric_cannot_be_copied():
    class Guarded(k.metrics.MeanSquaredError):
        def __init__(self):
            super().__init__()
            self.guard = threading.Lock()

    model = k.Sequential([k.Input((3,)), layers.Dense(1)]).compile("mse", "sgd", metrics=[Guarded()])
    x = np.random.default_rng(0).normal(size=(64, 3))
    wanted, found = model.evaluate(x, x[:, :1], verbose=0), []

    def run():
        for _ in range(20):
            found.append(model.evaluate(x, x[:, :1], batch_size=4, verbose=0))

    both = [threading.Thread(target=run) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert len(found) == 40
    np.testing.assert_allclose(found, [wanted] * 40, rtol=1e-5)
