"""Ctrl-C: fit ends after a whole step, and keeps what it has."""

import os
import signal

import numpy as np
import pytest

import kerasette as k
from kerasette import layers, utils
from kerasette.callbacks import Callback
from tests.engine_runs import same_bits


@pytest.fixture(autouse=True)
def pythons_own_handler():
    """Puts Python's own handler in place: a process that was started in the background ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Interrupting(Callback):
    """Sends Ctrl-C to this process at the end of some batches, and writes down what is called."""

    def __init__(self, batches):
        super().__init__()
        self.batches, self.calls, self.weights = batches, [], None

    def on_train_batch_end(self, batch, logs=None):
        self.calls.append(batch)
        if len(self.calls) in self.batches:
            os.kill(os.getpid(), signal.SIGINT)
        self.weights = self.model.get_weights()

    def on_train_end(self, logs=None):
        self.calls.append("end")


def interruptible():
    utils.set_random_seed(0)
    model = k.Sequential([k.Input((4,)), layers.Dense(1)]).compile("mse", "sgd")
    return model, np.ones((20, 4), "float32"), np.ones((20, 1), "float32")


def test_ctrl_c_ends_fit_after_a_whole_step():
    model, x, y = interruptible()
    callback = Interrupting([7])
    with pytest.warns(UserWarning, match="interrupted"):
        history = model.fit(x, y, batch_size=4, epochs=50, verbose=0, callbacks=[callback])
    assert callback.calls == [0, 1, 2, 3, 4, 0, 1, "end"]
    assert len(history.history["loss"]) == 2
    assert model.optimizer.iterations == 7
    assert same_bits(callback.weights, model.get_weights())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert len(model.fit(x, y, verbose=0).history["loss"]) == 1


def test_ctrl_c_in_the_middle_of_a_step_waits_for_its_end():
    model, x, y = interruptible()
    step = model.optimizer.step

    def slow(gradients, *parallel):
        if model.optimizer.iterations == 2:
            os.kill(os.getpid(), signal.SIGINT)
        step(gradients, *parallel)

    model.optimizer.step = slow
    with pytest.warns(UserWarning, match="interrupted"):
        model.fit(x, y, batch_size=4, epochs=5, verbose=0)
    assert model.optimizer.iterations == 3


def test_a_second_ctrl_c_raises():
    model, x, y = interruptible()

    class Twice(Callback):
        ended = False

        def on_train_batch_end(self, batch, logs=None):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

        def on_train_end(self, logs=None):
            self.ended = True

    callback = Twice()
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, verbose=0, callbacks=[callback])
    assert callback.ended
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_in_evaluate_raises_after_the_batch():
    model, x, y = interruptible()

    class Once(Callback):
        seen = 0

        def on_test_batch_end(self, batch, logs=None):
            self.seen += 1
            os.kill(os.getpid(), signal.SIGINT)

    callback = Once()
    with pytest.raises(KeyboardInterrupt):
        model.evaluate(x, y, batch_size=4, verbose=0, callbacks=[callback])
    assert callback.seen == 1
