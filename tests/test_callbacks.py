"""Callbacks: the same decisions as Keras's on the same numbers, the same arguments, and what is refused."""

import contextlib
import inspect
import math

import numpy as np
import pytest

import kerasette as kt
from kerasette import callbacks, errors
from tests.callback_runs import ROUNDS, Model, direction, run, sequence_of, tiny
from tests.keras_oracle import keras

# ---------------------------------------------------------------- decisions


def test_early_stopping_stops_where_keras_stops():
    theirs_class = keras().callbacks.EarlyStopping
    rng = np.random.default_rng(0)
    stops = 0
    for _ in range(ROUNDS):
        name, mode = direction(rng)
        options = {
            "monitor": name,
            "mode": mode,
            "min_delta": float(rng.choice([0, 0.25, 0.5, -0.25])),
            "patience": int(rng.integers(0, 6)),
            "baseline": None if rng.random() < 0.6 else float(rng.integers(-2, 3)),
            "restore_best_weights": bool(rng.integers(2)),
            "start_from_epoch": int(rng.choice([0, 0, 1, 4])),
        }
        sequence = sequence_of(rng, name)
        ours, theirs = callbacks.EarlyStopping(**options), theirs_class(**options)
        (model, _), (other, _) = run(ours, sequence), run(theirs, sequence)
        found = (
            ours.stopped_epoch,
            ours.best,
            ours.best_epoch,
            ours.wait,
            model.weights,
            model.stop_training,
        )
        wanted = (
            *(theirs.stopped_epoch, theirs.best, theirs.best_epoch, theirs.wait),
            *(other.weights, other.stop_training),
        )
        assert found == wanted, options
        stops += model.stop_training
    assert ROUNDS / 4 < stops < ROUNDS


def test_reduce_on_plateau_sets_the_rates_of_keras():
    theirs_class = keras().callbacks.ReduceLROnPlateau
    rng = np.random.default_rng(1)
    reduced = 0
    for _ in range(ROUNDS):
        name, mode = direction(rng)
        options = {
            "monitor": name,
            "mode": mode,
            "factor": float(rng.choice([0.5, 0.25, 0.0])),
            "patience": int(rng.integers(0, 5)),
            "min_delta": float(rng.choice([0, 0.25, 0.5])),
            "cooldown": int(rng.integers(0, 4)),
            "min_lr": float(rng.choice([0, 0, 2**-4])),
        }
        sequence = sequence_of(rng, name)
        ours, theirs = callbacks.ReduceLROnPlateau(**options), theirs_class(**options)
        (_, rates), (_, others) = run(ours, sequence), run(theirs, sequence)
        assert rates == others, options
        assert (ours.best, ours.wait, ours.cooldown_counter) == (
            theirs.best,
            theirs.wait,
            theirs.cooldown_counter,
        )
        reduced += rates[-1] < 0.5
    assert reduced > ROUNDS / 4


def test_schedules_see_and_set_what_they_do_in_keras():
    theirs_class = keras().callbacks.LearningRateScheduler
    for schedule in (
        lambda epoch, rate: rate * 0.5,
        lambda epoch: 0.5 ** (epoch + 1),
        lambda epoch, rate: float(rate if epoch < 2 else rate * 0.25),
        lambda epoch, rate=None: 0.125,
    ):
        sequence = [{"loss": 1.0}] * 5
        assert (
            run(callbacks.LearningRateScheduler(schedule), sequence)[1]
            == run(theirs_class(schedule), sequence)[1]
        )


def test_learning_rates_are_reported():
    for one in (
        callbacks.LearningRateScheduler(lambda epoch, rate: 0.25),
        callbacks.ReduceLROnPlateau("loss"),
    ):
        one.set_model(Model())
        one.on_train_begin()
        one.on_epoch_begin(0)
        logs = {"loss": 1.0}
        one.on_epoch_end(0, logs)
        assert logs["learning_rate"] in (0.25, 0.5)


def test_reused_callbacks_begin_anew():
    stopping = callbacks.EarlyStopping("loss", patience=1)
    for _ in range(2):
        model, _ = run(stopping, [{"loss": 1.0}, {"loss": 2.0}, {"loss": 3.0}])
        assert model.stop_training and stopping.stopped_epoch == 1


def test_nan_is_never_an_improvement():
    stopping = callbacks.EarlyStopping("loss", patience=5, restore_best_weights=True)
    model, _ = run(stopping, [{"loss": math.nan}, {"loss": 2.0}, {"loss": math.nan}, {"loss": 3.0}])
    assert (stopping.best, stopping.best_epoch, model.weights) == (2.0, 1, 2)


# ---------------------------------------------------------------- which way is better


def directions(room):
    """Returns {name: direction or None} of every metric of a library."""
    tries = (
        *({}, {"num_classes": 2}, {"num_classes": 2, "target_class_ids": [0]}, {"specificity": 0.5}),
        *({"recall": 0.5}, {"sensitivity": 0.5}, {"precision": 0.5}),
    )
    found = {}
    for name in dir(room):
        item = getattr(room, name)
        for options in tries if inspect.isclass(item) and name[0].isupper() else ():
            with contextlib.suppress(Exception):
                found.setdefault(name, getattr(item(**options), "_direction", None))
    return found


def test_metrics_get_better_in_the_direction_of_keras():
    ours, theirs = directions(kt.metrics), directions(keras().metrics)
    assert len(ours) > 40
    assert ours == {name: theirs[name] for name in ours}


def watched(make, metrics, monitor, loss="mse"):
    """Returns an EarlyStopping that has watched `monitor` for a step."""
    stopping = callbacks.EarlyStopping(monitor)
    model, x, y = tiny()
    model.compile("sgd", loss, metrics=metrics(kt.metrics))
    model.fit(x, y, verbose=0, callbacks=[make, stopping], validation_data=(x, y))
    return stopping


@pytest.mark.parametrize(
    ("metrics", "monitor", "higher"),
    [
        (lambda room: [room.BinaryAccuracy(name="hit")], "hit", True),
        (lambda room: [room.BinaryAccuracy(name="hit")], "val_hit", True),
        (lambda room: [room.MeanSquaredError(name="accuracy_of_sorts")], "accuracy_of_sorts", False),
        (lambda room: ["accuracy"], "val_accuracy", True),
        (lambda room: ["acc", "mse"], "mse", False),
        (lambda room: [room.binary_accuracy], "binary_accuracy", True),
        (lambda room: [kt.losses.cosine_similarity], "cosine_similarity", False),
        (lambda room: ["cosine_similarity"], "cosine_similarity", True),
        (lambda room: [kt.losses.Huber(name="h")], "h", False),
        (lambda room: [], "val_loss", False),
    ],
)
def test_auto_asks_the_metric(metrics, monitor, higher):
    stopping = watched(callbacks.Callback(), metrics, monitor)
    assert stopping.best is not None
    assert stopping.improves(stopping.best + 1, stopping.best) == higher
    assert stopping.improves(stopping.best - 1, stopping.best) != higher


def test_auto_knows_the_losses_and_metrics_of_several_outputs():
    first = kt.Input((3,))
    model = kt.Model(first, [kt.layers.Dense(1, name="a")(first), kt.layers.Dense(1, name="b")(first)])
    model.compile("sgd", "mse", metrics={"a": [kt.metrics.R2Score(name="fit")]})
    wanted = {"loss": "down", "a_loss": "down", "b_loss": "down", "a_fit": "up", "fit": None}
    assert {name: model.direction_of(name) for name in wanted} == wanted


class Noted(callbacks.Callback):
    """Reports a number of its own, and knows whether a batch was trained."""

    trained = False

    def on_train_batch_end(self, batch, logs=None):
        self.trained = True

    def on_epoch_end(self, epoch, logs=None):
        logs["mine"] = 1.0


@pytest.mark.parametrize(
    ("monitor", "early"), [("tally", True), ("val_tally", True), ("lambda", True), ("mine", False)]
)
def test_auto_asks_for_a_mode_where_nothing_tells(monitor, early):
    """As in Keras, but before training where that is possible."""
    noted = Noted()
    with pytest.raises(ValueError, match=f"'{monitor}' is better. Pass mode='max'"):
        watched(noted, lambda room: [room.FalsePositives(name="tally"), lambda y, p: p[:, 0]], monitor)
    assert noted.trained != early


def test_unknown_names_warn_once_with_a_hint():
    stopping = callbacks.EarlyStopping("val_los", patience=1)
    with pytest.warns(UserWarning, match="Did you mean 'val_loss'") as caught:
        model, _ = run(stopping, [{"loss": 1.0, "val_loss": 2.0}] * 6)
    assert len(caught) == 1
    assert not model.stop_training


# ---------------------------------------------------------------- small ones


def test_lambda_calls_what_it_is_given():
    heard = []
    hooks = [name for name in dir(callbacks.Callback) if name.startswith("on_")]
    one = callbacks.LambdaCallback(**{name: lambda *a, name=name, **k: heard.append(name) for name in hooks})
    for name in hooks:
        getattr(one, name)(*([{}] if name.count("_") == 2 and "epoch" not in name else [0, {}]))
    assert heard == hooks
    with pytest.raises(TypeError, match="Did you mean 'on_epoch_end'"):
        callbacks.LambdaCallback(on_epoch_ends=print)
    with pytest.raises(TypeError, match="function"):
        callbacks.LambdaCallback(on_epoch_end=3)
    assert callbacks.LambdaCallback(on_epoch_end=None).on_epoch_end(0) is None


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf, np.float32("nan"), 1.0, None])
def test_nan_ends_training_as_in_keras(loss, capsys):
    logs = {} if loss is None else {"loss": loss}
    stopped = [
        run(room.TerminateOnNaN(), [logs] * 3, batches=2)[0].stop_training
        for room in (callbacks, keras().callbacks)
    ]
    assert stopped[0] == stopped[1] == (loss is not None and not math.isfinite(loss))
    assert ("training ends" in capsys.readouterr().out) == stopped[0]


def test_nan_may_raise():
    with pytest.raises(RuntimeError, match="Batch 0") as caught:
        run(callbacks.TerminateOnNaN(raise_error=True), [{"loss": math.nan}], batches=1)
    assert isinstance(caught.value, errors.KerasetteError)


def test_history_notes_every_epoch():
    history = callbacks.History()
    run(history, [{"loss": 1.0}, {"loss": 0.5, "f1": np.array([0.5, 1.0])}])
    assert history.epoch == [0, 1]
    assert history.history["loss"] == [1.0, 0.5]
    html = history._repr_html_()
    assert "after 2 epochs" in html and "0.5" in html and "[0.5 1. ]" in html


@pytest.mark.parametrize("verbose", [0, 1])
def test_lines_only_where_they_are_wanted(capsys, verbose, tmp_path):
    sequence = [{"loss": 1.0, "val_loss": 1.0}] * 4
    path = tmp_path / "a.weights.h5"
    for one in (
        callbacks.EarlyStopping(patience=1, verbose=verbose),
        callbacks.ReduceLROnPlateau(patience=1, verbose=verbose),
        callbacks.LearningRateScheduler(lambda epoch, rate: rate, verbose=verbose),
        callbacks.ModelCheckpoint(path, save_weights_only=True, verbose=verbose),
    ):
        run(one, sequence)
        text = capsys.readouterr().out
        assert bool(text) == bool(verbose)
        assert not verbose or text.startswith("Epoch ")


# ---------------------------------------------------------------- bad arguments


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: callbacks.EarlyStopping(mode="best"), ValueError, "mode"),
        (lambda: callbacks.EarlyStopping(patience=-1), ValueError, "patience"),
        (lambda: callbacks.EarlyStopping(patiense=1), TypeError, "Did you mean 'patience'"),
        (lambda: callbacks.ReduceLROnPlateau(factor=1.0), ValueError, "factor"),
        (lambda: callbacks.ReduceLROnPlateau(factor=-0.5), ValueError, "factor"),
        (lambda: callbacks.ReduceLROnPlateau(cooldown=0.5), ValueError, "cooldown"),
        (lambda: callbacks.LearningRateScheduler(0.1), TypeError, "function"),
        (lambda: checkpoint(save_freq=0), ValueError, "save_freq"),
        (lambda: checkpoint(save_freq="batch"), ValueError, "save_freq"),
        (lambda: checkpoint(filepath="a.h5"), ValueError, "weights.h5"),
        (lambda: checkpoint(save_weights_only=False), ValueError, "save_weights_only=True"),
        (lambda: run(checkpoint(filepath="{f1}.weights.h5"), [{"loss": 1.0}]), ValueError, "f1"),
        (lambda: run(callbacks.LearningRateScheduler(lambda e, r: "x"), [{}]), TypeError, "number"),
        (lambda: run(callbacks.LearningRateScheduler(lambda e, r: r + "x"), [{}]), TypeError, "unsupported"),
    ],
)
def test_bad_arguments(make, error, text):
    with pytest.raises(error, match=text):
        make()


def checkpoint(filepath="a.weights.h5", save_weights_only=True, **keywords):
    return callbacks.ModelCheckpoint(filepath, save_weights_only=save_weights_only, **keywords)


def test_what_is_no_callback_is_refused():
    model, x, y = tiny()
    with pytest.raises(TypeError, match="Callback"):
        model.fit(x, y, callbacks=[print], verbose=0)


def test_a_scheduled_rate_is_not_overwritten():
    """The optimizer's own message reaches the user, not one about the schedule's result."""
    model, x, y = tiny()
    rate = kt.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    model.compile("mse", kt.optimizers.SGD(rate))
    with pytest.raises(TypeError, match="ExponentialDecay"):
        model.fit(x, y, verbose=0, callbacks=[callbacks.LearningRateScheduler(lambda epoch, rate: 0.1)])


@pytest.mark.parametrize(
    "name",
    [
        *("CSVLogger", "Callback", "EarlyStopping", "History", "LambdaCallback", "LearningRateScheduler"),
        *("BackupAndRestore", "ModelCheckpoint", "ReduceLROnPlateau", "TerminateOnNaN"),
    ],
)
def test_constructors_are_those_of_keras(name):
    ours = inspect.signature(getattr(callbacks, name)).parameters
    theirs = dict(inspect.signature(getattr(keras().callbacks, name)).parameters)
    if name == "ReduceLROnPlateau":
        del theirs["kwargs"]  # Keras takes and ignores any keyword there
    values = [
        [(one.name if one.kind is not one.VAR_KEYWORD else "**", one.default) for one in some.values()]
        for some in (ours, theirs)
    ]
    assert values[0] == values[1]


def test_hooks_are_those_of_keras():
    ours, theirs = (
        {
            name: list(inspect.signature(getattr(room.Callback, name)).parameters)
            for name in dir(room.Callback)
            if name.startswith("on_")
        }
        for room in (callbacks, keras().callbacks)
    )
    assert ours == theirs
