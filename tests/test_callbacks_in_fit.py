"""Callbacks in fit, evaluate and predict: hooks in Keras's order, their numbers, and what is shown."""

import numpy as np
import pytest

import kerasette as kt
from kerasette import callbacks, layers
from tests.callback_runs import Model, tiny
from tests.keras_oracle import keras

# ---------------------------------------------------------------- in fit


def recorder(room, heard):
    """Returns a callback that notes each hook: its name, number and the names in its logs."""

    class Recorder(room.callbacks.Callback):
        pass

    for name in dir(room.callbacks.Callback):
        if name.startswith("on_") and name not in ("on_batch_begin", "on_batch_end"):

            def hook(self, *arguments, logs=None, name=name):
                *number, logs = (*arguments, logs) if logs is not None else (*arguments,)
                heard.append((name, *number, *sorted(logs or ())))

            setattr(Recorder, name, hook)
    return Recorder()


def test_hooks_come_in_the_order_of_keras():
    heard = []
    for room in (kt, keras()):
        model, x, y = tiny(room)
        mine = []
        model.fit(
            x,
            y,
            batch_size=4,
            epochs=3,
            verbose=0,
            validation_data=(x[:5], y[:5]),
            validation_batch_size=3,
            validation_freq=2,
            callbacks=[recorder(room, mine)],
        )
        model.evaluate(x, y, batch_size=5, verbose=0, callbacks=[recorder(room, mine)])
        heard.append(mine)
    assert heard[0] == heard[1]


def test_predict_calls_its_hooks():
    names = []
    for room in (kt, keras()):
        model, x, _ = tiny(room)
        mine = []
        model.predict(x, batch_size=4, verbose=0, callbacks=[recorder(room, mine)])
        names.append([entry[:1] if "batch" not in entry[0] else entry[:2] for entry in mine])
    assert names[0] == names[1]


def test_params_are_those_of_keras():
    told = []
    for room in (kt, keras()):
        model, x, y = tiny(room)
        one = room.callbacks.Callback()
        model.fit(x, y, batch_size=4, epochs=3, verbose=0, callbacks=[one])
        assert one.model is model
        told.append(one.params)
    assert told[0] == told[1]


def test_the_numbers_in_the_logs():
    """Batch hooks see the running means, the epoch's hook what the history holds."""
    batch, epoch = [], []
    model, x, y = tiny()
    history = model.fit(
        x,
        y,
        batch_size=4,
        epochs=2,
        verbose=0,
        callbacks=[
            callbacks.LambdaCallback(
                on_train_batch_end=lambda number, logs: batch.append(logs["loss"]),
                on_epoch_end=lambda number, logs: epoch.append(logs["loss"]),
            )
        ],
    )
    assert len(batch) == 6
    assert [batch[2], batch[5]] == epoch == history.history["loss"]


def test_own_callbacks_may_stop_after_a_batch():
    seen = []

    class Stop(callbacks.Callback):
        def on_batch_end(self, batch, logs=None):
            seen.append(batch)
            self.model.stop_training = batch == 1

    model, x, y = tiny()
    history = model.fit(x, y, batch_size=2, epochs=5, verbose=0, callbacks=Stop())
    assert seen == [0, 1]
    assert len(history.history["loss"]) == 1


def test_learning_rates_reach_the_history():
    model, x, y = tiny()
    schedule = callbacks.LearningRateScheduler(lambda epoch, rate: 0.5**epoch)
    history = model.fit(x, y, epochs=3, verbose=0, callbacks=[schedule])
    assert history.history["learning_rate"] == [1.0, 0.5, 0.25]


def test_best_weights_come_back():
    model, x, y = tiny()
    model.compile("mse", kt.optimizers.SGD(1.5))  # much too fast: every epoch is worse
    kept = []
    note = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: kept.append(model.get_weights()))
    stopping = callbacks.EarlyStopping("loss", patience=3, restore_best_weights=True)
    model.fit(x, y, epochs=20, verbose=0, callbacks=[note, stopping])
    assert len(kept) < 20
    for ours, best in zip(model.get_weights(), kept[stopping.best_epoch], strict=True):
        np.testing.assert_array_equal(ours, best)


# ---------------------------------------------------------------- what is shown


def shown(capsys, verbose, **keywords):
    model, x, y = tiny()
    capsys.readouterr()
    model.fit(x, y, batch_size=4, epochs=2, verbose=verbose, validation_data=(x, y), **keywords)
    return capsys.readouterr()


def test_verbose_0_is_silent(capsys):
    assert shown(capsys, 0) == ("", "")


def test_verbose_1_is_a_bar_on_stderr_and_a_line_an_epoch(capsys):
    out, err = shown(capsys, 1)
    for text in ("Epoch 1/2", "Epoch 2/2", "/3"):
        assert text in err
    lines = out.splitlines()
    assert [line.split(" - ")[0] for line in lines] == ["Epoch 1/2", "Epoch 2/2"]
    for line in lines:
        for text in ("loss: ", "mae: ", "val_loss: ", "val_mae: "):
            assert text in line


def test_verbose_2_is_a_line_an_epoch(capsys):
    out, err = shown(capsys, 2)
    lines = out.splitlines()
    assert err == ""
    assert [line.split(" - ")[0] for line in lines] == ["Epoch 1/2", "Epoch 2/2"]
    for line in lines:
        assert [part.split(":")[0] for part in line.split(" - ")[2:]] == [
            "loss",
            "mae",
            "val_loss",
            "val_mae",
        ]


def test_evaluate_and_predict_show_themselves(capsys):
    model, x, y = tiny()
    capsys.readouterr()
    model.evaluate(x, y, verbose=1)
    assert "Evaluate" in capsys.readouterr().err
    model.evaluate(x, y, verbose=2)
    assert capsys.readouterr().out.startswith("loss: ")
    model.predict(x, verbose=1)
    assert "Predict" in capsys.readouterr().err
    model.predict(x)
    model.evaluate(x, y, verbose=0)
    assert capsys.readouterr() == ("", "")


def test_the_bar_looks_at_the_numbers_now_and_then_only():
    """A step is a few microseconds: making the dict of means for each of them would cost more."""
    made = []
    bar = callbacks.ProgressBar(2)
    hooks = callbacks.CallbackList([bar], Model(), {"epochs": 1, "steps": 1000, "verbose": 2})
    hooks.call("on_epoch_begin", 0)
    for batch in range(1000):
        hooks.call("on_train_batch_end", batch, logs=lambda: made.append(1) or {"loss": 1.0})
    assert made == []


def test_nobody_listens_nobody_pays():
    hooks = callbacks.CallbackList([callbacks.History()], Model(), {})
    assert hooks.listeners("on_train_batch_end") == []
    hooks.call("on_train_batch_end", 0, logs=lambda: pytest.fail("nobody asked"))


def test_numbers_of_numpy_are_shown():
    text = callbacks.progress.as_text({"loss": np.float32(0.5), "f1": np.array([1.0, 2.0]), "n": 3})
    assert text == "loss: 0.5 - n: 3"


def test_one_layer_models_have_no_special_case():
    model = kt.Sequential([layers.Dense(1, input_size=2)])
    model.compile("mse", "sgd")
    history = model.fit([[1.0, 2.0]], [[1.0]], verbose=0)
    assert list(history.history) == ["loss"]
