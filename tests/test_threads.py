"""Threads: exceptions in workers and helpers, predictions from several, and who holds BLAS."""

import signal
import threading
import time

import numpy as np
import pytest

import kerasette as k
from kerasette import layers, utils
from kerasette.config import set_threads
from tests.engine_runs import numbers, same_bits, two_headed


class Fragile(layers.Layer):
    """Passes its input on, and breaks when it meets a number above 1000."""

    def forward(self, ctx, w, x):
        if x.max() > 1000:
            raise ArithmeticError("too large")
        return x, None

    def backward(self, ctx, w, dw, dy, cache):
        return dy


@pytest.mark.parametrize("workers", [1, 3])
def test_an_exception_in_a_worker_reaches_the_caller_whole(small_cache, workers):
    set_threads(workers)
    utils.set_random_seed(0)
    model = k.Sequential([k.Input((4,)), layers.Dense(16), Fragile(), layers.Dense(16), layers.Dense(1)])
    model.compile("mse", "sgd")
    x, y = np.ones((120, 4), "float32"), np.ones((120, 1), "float32")
    assert len(model._engine.cuts(120, True)) > 3
    before = model.get_weights()
    bad = x.copy()
    bad[70] = 1e6
    with pytest.raises(ArithmeticError, match="too large") as caught:
        model.train_on_batch(bad, y)
    assert any(entry.name == "forward" for entry in caught.traceback)
    assert same_bits(before, model.get_weights())
    first = model.train_on_batch(x, y)
    assert model.train_on_batch(x, y) < first


def test_predict_from_several_threads(small_cache):
    model = two_headed()
    xs, _, _ = numbers(300)
    wanted = model.predict(xs, verbose=0)
    found, failures = [None] * 8, []

    def work(number):
        try:
            found[number] = model.predict(xs, verbose=0)
        except BaseException as problem:
            failures.append(problem)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert all(same_bits(wanted, one) for one in found)


def test_the_number_of_threads_stays_flat(small_cache):
    set_threads(3)
    xs, ys, _ = numbers(60)
    counts = []
    for _ in range(100):
        model = two_headed().compile(["sparse_categorical_crossentropy", "mse"], "sgd")
        model.fit(xs, ys, batch_size=60, verbose=0)
        counts.append(threading.active_count())
    assert max(counts) == counts[1]


def test_overlapping_sessions_restore_blas():
    from threadpoolctl import threadpool_info

    from kerasette.crew import single_threaded_blas

    def found():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    before = found()
    one, two = single_threaded_blas(), single_threaded_blas()
    one.__enter__()
    two.__enter__()
    assert set(found()) == {1}
    one.__exit__()
    two.__exit__()
    assert found() == before


def test_any_thread_may_hold_blas():
    """threadpoolctl from 3.8 on listens to the first thread that asked: a second one changed nothing."""
    from threadpoolctl import threadpool_info

    from kerasette.crew import finish, later, single_threaded_blas

    def found():
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    before, inside = found(), []
    with single_threaded_blas():
        pass

    def hold():
        with single_threaded_blas():
            inside.append(found())

    finish(later(hold))
    assert inside == [{1}]
    one = single_threaded_blas()
    one.__enter__()
    finish(later(one.__exit__))
    assert found() == before


def test_a_failure_in_a_helper_reaches_the_caller():
    from kerasette.crew import finish, later, together

    def fails():
        raise RuntimeError("in a helper")

    with pytest.raises(RuntimeError, match="in a helper"):
        together([lambda: None, fails])
    done = []
    with pytest.raises(RuntimeError, match="in a helper"):
        together([fails, lambda: done.append(1)])
    assert done == [1]
    finish(later(lambda: done.append(2)))
    assert done == [1, 2]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers")
def test_ctrl_c_waits_for_helpers():
    """What they work on may be given to others as soon as the caller is back."""
    from kerasette.crew import together

    done = []
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        for _ in range(3):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(KeyboardInterrupt):
                together([lambda: None, *2 * [lambda: time.sleep(0.2) or done.append(1)]])
    finally:
        signal.signal(signal.SIGALRM, before)
    assert done == [1] * 6
    together([lambda: None, lambda: done.append(2)])
    assert done[-1] == 2
