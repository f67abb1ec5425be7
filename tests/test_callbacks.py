"""Callbacks: the same decisions as Keras's on the same numbers, the same hooks in the same order."""

import csv
import inspect
import math
import warnings

import numpy as np
import pytest

import kerasette as kt
from kerasette import callbacks, errors, layers
from kerasette.callbacks.monitor import Monitor
from tests.keras_oracle import keras

ROUNDS = 300  # random sequences for each callback


class Optimizer:
    """What callbacks want of an optimizer."""

    def __init__(self, learning_rate=0.5):
        self.learning_rate = learning_rate


class Model:
    """What callbacks want of a model: it notes what is done to it."""

    metrics = ()

    def __init__(self, learning_rate=0.5):
        self.optimizer = Optimizer(learning_rate)
        self.stop_training = False
        self.written = []
        self.weights = 0

    def get_weights(self):
        return [self.weights]

    def set_weights(self, weights):
        (self.weights,) = weights

    def save_weights(self, filepath, overwrite=True):
        self.written.append((str(filepath), self.weights))


def run(callback, sequence, batches=0):
    """Lets `callback` hear a training run over `sequence` ; returns the model and the rates."""
    model, rates = Model(), []
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, logs in enumerate(sequence):
        callback.on_epoch_begin(epoch, {})
        for batch in range(batches):
            model.weights = epoch + (batch + 1) / 100
            callback.on_train_batch_begin(batch, {})
            callback.on_train_batch_end(batch, dict(logs))
        model.weights = epoch + 1
        callback.on_epoch_end(epoch, dict(logs))
        rates.append(model.optimizer.learning_rate)
        if model.stop_training:
            break
    callback.on_train_end({})
    return model, rates


def sequence_of(rng, name, length=25):
    """Returns logs that go up and down, in steps that float32 holds exactly."""
    values = np.cumsum(rng.integers(-3, 3, length)) / 4 + rng.integers(-1, 2)
    return [{name: float(value), "other": 1.0} for value in values]


def direction(rng):
    """Returns a monitored name and a mode that go together."""
    return [
        ("val_loss", "auto"),
        ("loss", "min"),
        ("val_score", "max"),
        ("val_score", "min"),
    ][rng.integers(4)]


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


@pytest.mark.parametrize("save_freq", ["epoch", 1, 3, 7])
def test_checkpoints_are_the_files_of_keras(save_freq):
    theirs_class = keras().callbacks.ModelCheckpoint
    rng = np.random.default_rng(2)
    for _ in range(ROUNDS // 5):
        name, mode = direction(rng)
        options = {
            "filepath": "w-{epoch:02d}-{" + name + ":.2f}.weights.h5",
            "monitor": name,
            "mode": mode,
            "save_best_only": save_freq == "epoch" and bool(rng.integers(2)),
            "save_weights_only": True,
            "save_freq": save_freq,
            "initial_value_threshold": None if rng.random() < 0.5 else float(rng.integers(-2, 3)),
        }
        if save_freq != "epoch":
            options["filepath"] = "w-{epoch}-{batch}.weights.h5"
        sequence = sequence_of(rng, name, 8)
        ours, theirs = callbacks.ModelCheckpoint(**options), theirs_class(**options)
        batches = 5
        (model, _), (other, _) = run(ours, sequence, batches), run(theirs, sequence, batches)
        assert model.written == other.written, options
        if options["save_best_only"]:
            assert ours.best == (theirs.best if theirs.best is not None else ours.worst())


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


def test_auto_goes_the_way_of_keras():
    """Every metric of Keras that has a direction, by its own name."""
    room, seen = keras().metrics, 0
    tries = (
        *({}, {"num_classes": 2}, {"num_classes": 2, "target_class_ids": [0]}, {"specificity": 0.5}),
        *({"recall": 0.5}, {"sensitivity": 0.5}, {"precision": 0.5}),
    )
    for name in dir(room):
        item = getattr(room, name)
        if not (inspect.isclass(item) and name[0].isupper()):
            continue
        for options in tries:
            try:
                metric = item(**options)
                break
            except Exception:
                metric = None
        known = getattr(metric, "_direction", None)
        if known is not None:
            seen += 1
            for prefix in ("", "val_"):
                assert Monitor(prefix + metric.name)._higher == (known == "up"), metric.name
    assert seen > 35
    for name in ("loss", "val_loss", "accuracy_loss", "val_out_accuracy_loss"):
        assert not Monitor(name)._higher


def test_unknown_names_warn_once_with_a_hint():
    stopping = callbacks.EarlyStopping("val_los", patience=1)
    with pytest.warns(UserWarning, match="Did you mean 'val_loss'") as caught:
        model, _ = run(stopping, [{"loss": 1.0, "val_loss": 2.0}] * 6)
    assert len(caught) == 1
    assert not model.stop_training


def test_checkpoint_without_its_number_writes_all_the_same(tmp_path):
    path = str(tmp_path / "w.weights.h5")
    ours = callbacks.ModelCheckpoint(path, monitor="val_loss", save_best_only=True, save_weights_only=True)
    with pytest.warns(UserWarning, match="val_loss"):
        model, _ = run(ours, [{"loss": 1.0}] * 3)
    theirs = keras().callbacks.ModelCheckpoint(path, save_best_only=True, save_weights_only=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other, _ = run(theirs, [{"loss": 1.0}] * 3)
    assert model.written == other.written
    assert len(model.written) == 3


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize(
    "sequence",
    [
        [{"loss": 1.0, "accuracy": 0.5}, {"loss": 0.5, "accuracy": 0.75}],
        [{"loss": 1.0}, {"loss": 0.5, "val_loss": 2.0}, {"loss": 0.25}],
        [{"loss": 1.0, "val_loss": 2.0}, {"loss": 0.5}],
        [{"loss": 1.0, "f1": [0.5, 0.25]}],
        [{"loss": np.float64(2.0), "f1": np.array([0.5, 0.25])}, {"loss": np.array(1.5), "f1": [1]}],
        [],
    ],
)
def test_csv_files_are_those_of_keras(tmp_path, sequence, separator):
    for append in (False, True, True):
        rows = []
        for room, name in ((callbacks, "ours.csv"), (keras().callbacks, "theirs.csv")):
            path = tmp_path / name
            run(room.CSVLogger(str(path), separator=separator, append=append), sequence)
            with open(path, newline="") as file:
                rows.append(list(csv.reader(file, delimiter=separator)))
        assert rows[0] == rows[1]


def test_appended_lines_keep_the_columns_of_the_file(tmp_path):
    path = tmp_path / "log.csv"
    run(callbacks.CSVLogger(path), [{"loss": 1.0, "accuracy": 0.5, "val_loss": 2.0, "val_accuracy": 0.25}])
    run(callbacks.CSVLogger(path, append=True), [{"val_loss": 3.0, "loss": 4.0}])
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["loss"] for row in rows] == ["1.0", "4.0"]
    assert rows[1]["accuracy"] == "NA"


def test_lines_are_there_while_training_runs(tmp_path):
    logger = callbacks.CSVLogger(tmp_path / "log.csv")
    logger.on_train_begin()
    logger.on_epoch_end(0, {"loss": 1.0})
    assert (tmp_path / "log.csv").read_text().split() == ["epoch,loss,val_loss", "0,1.0,NA"]
    logger.on_train_end()


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: callbacks.CSVLogger(folder / "log.csv"),
        lambda folder: callbacks.ModelCheckpoint(folder / "a.weights.h5", save_weights_only=True),
        lambda folder: callbacks.ModelCheckpoint(folder / "{epoch}" / "a.weights.h5", save_weights_only=True),
    ],
)
def test_a_missing_directory_fails_before_training(tmp_path, make):
    with pytest.raises(FileNotFoundError, match="doesn't exist") as caught:
        run(make(tmp_path / "missing"), [{"loss": 1.0}])
    assert isinstance(caught.value, errors.KerasetteError)
    assert list(tmp_path.iterdir()) == []


def test_folders_named_after_epochs_are_made(tmp_path):
    checkpoint = callbacks.ModelCheckpoint(tmp_path / "{epoch}" / "a.weights.h5", save_weights_only=True)
    model, _ = run(checkpoint, [{"loss": 1.0}] * 2)
    assert [path for path, _ in model.written] == [str(tmp_path / n / "a.weights.h5") for n in "12"]
    assert (tmp_path / "2").is_dir()


def test_checkpoints_are_real_files(tmp_path):
    model, x, y = tiny()
    path = tmp_path / "w-{epoch:02d}-{val_loss:.3f}.weights.h5"
    checkpoint = callbacks.ModelCheckpoint(path, save_weights_only=True)
    history = model.fit(x, y, epochs=2, verbose=0, validation_data=(x, y), callbacks=[checkpoint])
    names = sorted(item.name for item in tmp_path.iterdir())
    values = history.history["val_loss"]
    assert names == [f"w-{k + 1:02d}-{value:.3f}.weights.h5" for k, value in enumerate(values)]
    again, _, _ = tiny()
    again.load_weights(tmp_path / names[-1])
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


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


# ---------------------------------------------------------------- in fit


def tiny(room=kt):
    """Returns a compiled model of either library, and data."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(10, 3)).astype("float32"), rng.normal(size=(10, 1)).astype("float32")
    model = room.Sequential(
        [room.layers.Input((3,)) if room is not kt else kt.Input((3,)), room.layers.Dense(1)]
    )
    model.compile(loss="mse", optimizer="sgd", metrics=["mae"])
    return model, x, y


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
