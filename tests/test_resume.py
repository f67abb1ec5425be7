"""A run that is killed and started again ends with the bits of the run that never was."""

import os
import random
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import kerasette as k
from kerasette import backend, callbacks, layers, optimizers, utils
from kerasette.errors import InvalidType, InvalidValue

ROOT = Path(__file__).resolve().parent.parent
LONG = bool(os.environ.get("KERASETTE_LONG"))  # make long: all set-ups


# ---------------------------------------------------------------- killed with -9


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and kill -9")
@pytest.mark.parametrize(
    "numbers", [(0, 20), (100, 104)] if LONG else [(4, 5), (10, 11), (15, 16), (101, 102)]
)
def test_killed_at_random_steps(numbers):
    """Random set-ups with dropout, shuffling, ReduceLROnPlateau, EarlyStopping; from 100 on, schedules."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.resume_runs", *map(str, numbers)],
        cwd=ROOT,
        env={**os.environ, "KERASETTE_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("differing: nothing") == numbers[1] - numbers[0]


# ---------------------------------------------------------------- stopped and taken up in one process


class Stopped(Exception):
    """What stands for a crash."""


class StopsAt(callbacks.Callback):
    """Raises in the given hook of step or epoch `at`."""

    remembers = ()

    def __init__(self, hook, at):
        super().__init__()
        self.at = at
        setattr(self, hook, self._count)

    def _count(self, *_, **__):
        self.at -= 1
        if self.at < 0:
            raise Stopped


X = np.random.default_rng(0).normal(size=(60, 5)).astype("float32")
Y = np.digitize(X[:, 0], [-0.5, 0.5])


def model_of(units=8, optimizer=None, metrics=("accuracy",)):
    chain = [layers.Dense(units, "relu"), layers.Dropout(0.3), layers.Dense(3, "softmax")]
    model = k.Sequential([k.Input((5,)), *chain])
    rate = optimizers.Adam(0.02) if optimizer is None else optimizer
    return model.compile(rate, "sparse_categorical_crossentropy", metrics=list(metrics))


def fit(model, epochs=6, x=X, y=Y, **keywords):
    keywords = {"batch_size": 8, "verbose": 0, **keywords}
    return model.fit(x, y, epochs=epochs, **keywords).history


def same(one, other):
    return all(
        a.tobytes() == b.tobytes() for a, b in zip(one.get_weights(), other.get_weights(), strict=True)
    )


def state(model):
    return [a.tobytes() for a in (*model.get_weights(), *(v for _, v in model.optimizer.state(exact=True)))]


def stopped(path, hook="on_train_batch_end", at=20, seed=1, **keywords):
    """Trains until a callback raises."""
    utils.set_random_seed(seed)
    with pytest.raises(Stopped):
        fit(model_of(), resume=path, callbacks=[StopsAt(hook, at)], **keywords)


@pytest.mark.parametrize(
    ("hook", "at"),
    [
        *(
            ("on_train_batch_begin", 0),
            ("on_train_batch_end", 20),
            ("on_epoch_begin", 3),
            ("on_epoch_end", 2),
        ),
        *(("on_epoch_end", 5), ("on_test_begin", 1), ("on_train_end", 0)),
    ],
)
def test_wherever_it_stops(tmp_path, hook, at):
    utils.set_random_seed(1)
    whole = model_of()
    history = fit(whole, validation_split=0.2)
    stopped(tmp_path / "run.h5", hook, at, validation_split=0.2)
    utils.set_random_seed(77)
    model = model_of()
    assert fit(model, validation_split=0.2, resume=tmp_path / "run.h5") == history
    assert same(model, whole)
    assert state(model) == state(whole)


def test_a_finished_run_goes_on_with_more_epochs(tmp_path):
    utils.set_random_seed(1)
    whole = model_of()
    history = fit(whole, epochs=9)
    utils.set_random_seed(1)
    assert fit(model_of(), epochs=4, resume=tmp_path / "run.h5")["loss"] == history["loss"][:4]
    steps, model = [], model_of()
    spy = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: steps.append(batch))
    assert fit(model, epochs=4, resume=tmp_path / "run.h5", callbacks=[spy])["loss"] == history["loss"][:4]
    assert not steps
    assert fit(model_of(), epochs=9, resume=tmp_path / "run.h5") == history
    model = model_of()
    fit(model, epochs=9, resume=tmp_path / "run.h5")
    assert same(model, whole)


def test_what_stopped_early_stays_stopped(tmp_path):
    stopping = {"monitor": "loss", "patience": 1, "min_delta": 10.0, "restore_best_weights": True}
    results = []
    for _ in range(2):
        model, callback = model_of(), callbacks.EarlyStopping(**stopping)
        history = fit(model, epochs=9, resume=tmp_path / "run.h5", callbacks=[callback])
        results.append(
            (history, state(model), callback.stopped_epoch, callback.best_epoch, len(history["loss"]))
        )
    assert results[0] == results[1]
    assert results[0][2:] == (1, 0, 2)


def test_rates_are_kept_to_the_last_bit(tmp_path):
    """0.1 * 0.7 * 0.7 is no float32; files of Keras's form would round it."""
    callback = [callbacks.ReduceLROnPlateau("loss", factor=0.7, patience=0, min_delta=10.0)]
    model = model_of(optimizer=optimizers.Nadam(0.1))
    fit(model, epochs=3, resume=tmp_path / "run.h5", callbacks=callback)
    other = model_of(optimizer=optimizers.Nadam(0.1))
    fit(other, epochs=3, resume=tmp_path / "run.h5", callbacks=callback)
    assert other.optimizer.learning_rate == model.optimizer.learning_rate == 0.1 * 0.7 * 0.7
    product = model.optimizer.u_product
    assert other.optimizer.u_product == product != float(np.float32(product))


@pytest.mark.parametrize("at", range(1, 6))
def test_cooldown_and_patience_go_on(tmp_path, at):
    def run(epochs, **keywords):
        reduces = callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=2, cooldown=2, min_delta=10.0)
        return fit(model_of(), epochs=epochs, callbacks=[reduces], **keywords)["learning_rate"]

    wanted = run(8)
    assert len(set(wanted)) == 3
    run(at, resume=tmp_path / "run.h5")
    assert run(8, resume=tmp_path / "run.h5") == wanted


def test_sums_of_metrics_within_an_epoch(tmp_path):
    metrics = ["accuracy", "mae", k.metrics.AUC(multi_label=True, num_labels=3), k.metrics.MeanIoU(3)]
    y = np.eye(3, dtype="float32")[Y]

    def run(**keywords):
        utils.set_random_seed(4)
        fresh = [
            type(m).from_config(m.get_config()) if isinstance(m, k.metrics.Metric) else m for m in metrics
        ]
        model = model_of(metrics=fresh)
        model.compile("adam", "categorical_crossentropy", metrics=fresh)
        return fit(model, epochs=2, y=y, **keywords)

    history = run()
    backup = callbacks.BackupAndRestore(tmp_path, save_freq=1)
    with pytest.raises(Stopped):
        run(callbacks=[backup, StopsAt("on_train_batch_begin", 5)])
    assert run(callbacks=[backup]) == history


def test_global_random_numbers_go_on(tmp_path):
    def numbers():
        return random.random(), np.random.normal(), np.random.random(), backend.next_seed()

    utils.set_random_seed(3)
    np.random.normal()  # a second one waits inside
    fit(model_of(), epochs=2, resume=tmp_path / "run.h5")
    wanted = numbers()
    utils.set_random_seed(8)
    fit(model_of(), epochs=2, resume=tmp_path / "run.h5")
    assert numbers() == wanted


def test_float64(tmp_path):
    k.config.set_floatx("float64")
    try:
        utils.set_random_seed(1)
        whole = model_of()
        history = fit(whole, epochs=3)
        stopped(tmp_path / "run.h5", epochs=3, at=9)
        model = model_of()
        assert fit(model, epochs=3, resume=tmp_path / "run.h5") == history
        assert same(model, whole) and model.get_weights()[0].dtype == "float64"
    finally:
        k.config.set_floatx("float32")


def test_stateful_layers(tmp_path):
    """What they remember of the last batch comes back, also where another layer holds them."""
    x = np.random.default_rng(1).normal(size=(60, 4, 5)).astype("float32")

    def run(**keywords):
        utils.set_random_seed(6)
        source = k.Input((4, 5), 6)
        h = layers.Bidirectional(layers.GRU(3, stateful=True, return_sequences=True))(source)
        model = k.Model(source, layers.Dense(3, "softmax")(layers.LSTM(4, stateful=True, dropout=0.2)(h)))
        model.compile("adam", "sparse_categorical_crossentropy")
        return fit(model, 3, x, batch_size=6, shuffle=False, **keywords), model

    history, whole = run()
    backup = callbacks.BackupAndRestore(tmp_path, save_freq=7)
    with pytest.raises(Stopped):
        run(callbacks=[backup, StopsAt("on_train_batch_end", 16)])
    again, model = run(callbacks=[backup])
    assert again == history
    assert state(model) == state(whole)
    assert all(
        np.array_equal(a, b) for a, b in zip(*(m.layers[2].states for m in (whole, model)), strict=True)
    )


def test_on_a_device(tmp_path, standin):
    """On the stand-in for CuPy: metrics' sums, slots and weights go back there."""
    y = np.eye(3, dtype="float32")[Y]

    def run(**keywords):
        utils.set_random_seed(1)
        model = model_of(metrics=["accuracy", k.metrics.AUC(name="area")])
        model.compile("nadam", "categorical_crossentropy", metrics=["accuracy", k.metrics.AUC(name="area")])
        return fit(model, 3, y=y, **keywords), model

    history, whole = run()
    backup = callbacks.BackupAndRestore(tmp_path, save_freq=1)
    with pytest.raises(Stopped):
        run(callbacks=[backup, StopsAt("on_train_batch_begin", 11)])
    again, model = run(callbacks=[backup])
    assert again == history
    assert same(model, whole)
    assert isinstance(model.weights[0].value, standin.ndarray)


def test_fewer_epochs_than_were_trained(tmp_path):
    """Nothing is trained, and the model is the saved one, also where that was within an epoch."""
    backup = callbacks.BackupAndRestore(tmp_path, save_freq=3, delete_checkpoint=False)
    with pytest.raises(Stopped):
        fit(model_of(), callbacks=[backup, StopsAt("on_train_batch_end", 30)])
    models = [model_of(), model_of()]
    for model in models:
        assert len(fit(model, epochs=2, callbacks=[backup])["loss"]) == 3
    assert state(models[0]) == state(models[1])
    assert models[0].optimizer.iterations == 30


# ---------------------------------------------------------------- BackupAndRestore


def test_the_backup_is_removed_at_the_end_and_only_there(tmp_path):
    folder = tmp_path / "backup"
    with pytest.raises(Stopped):
        fit(model_of(), callbacks=[callbacks.BackupAndRestore(folder), StopsAt("on_epoch_end", 3)])
    assert os.listdir(folder) == ["run.h5"]
    fit(model_of(), epochs=9, callbacks=[callbacks.BackupAndRestore(folder)])
    assert not folder.exists()
    fit(model_of(), callbacks=[callbacks.BackupAndRestore(folder, delete_checkpoint=False)])
    assert os.listdir(folder) == ["run.h5"]
    (folder / "mine").write_text("")
    fit(model_of(), callbacks=[callbacks.BackupAndRestore(folder)])
    assert os.listdir(folder) == ["mine"]


def test_the_state_before_is_used_where_the_last_is_damaged(tmp_path):
    utils.set_random_seed(1)
    history = fit(model_of())
    utils.set_random_seed(1)
    backup = callbacks.BackupAndRestore(tmp_path, double_checkpoint=True)
    with pytest.raises(Stopped):
        fit(model_of(), callbacks=[backup, StopsAt("on_epoch_begin", 4)])
    assert sorted(os.listdir(tmp_path)) == ["run.h5", "run.h5.previous"]
    (tmp_path / "run.h5").write_bytes((tmp_path / "run.h5").read_bytes()[:-100])
    with pytest.warns(UserWarning, match="state before it is used"):
        assert fit(model_of(), callbacks=[backup]) == history


@pytest.mark.parametrize("save_freq", [0, -1, False, 1.5, "batch", None])
def test_wrong_frequencies(save_freq):
    with pytest.raises(InvalidValue, match="save_freq"):
        callbacks.BackupAndRestore("folder", save_freq)


def test_wrong_arguments(tmp_path):
    with pytest.raises(InvalidValue, match="backup_dir is empty"):
        callbacks.BackupAndRestore("")
    with pytest.raises(InvalidValue, match="give one of them"):
        fit(model_of(), resume=tmp_path / "a.h5", callbacks=[callbacks.BackupAndRestore(tmp_path)])
    with pytest.raises(InvalidType, match="a path is wanted"):
        fit(model_of(), resume=5.5)
    with pytest.raises(InvalidValue, match="fit isn't running"):
        model_of().save_run(tmp_path / "a.h5")


# ---------------------------------------------------------------- callbacks of one's own


class Counts(callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(batch)


def test_callbacks_that_don_t_say_what_they_remember_are_named(tmp_path):
    with pytest.warns(UserWarning, match=r"Counts changes seen.*remembers = ") as caught:
        fit(model_of(), resume=tmp_path / "a.h5", callbacks=[Counts()])
    assert len(caught) == 1

    class Quiet(Counts):
        remembers = ()

    class Full(Counts):
        remembers = ("seen",)

    class Own(Counts):
        def get_state(self):
            return {"count": len(self.seen)}

        def set_state(self, state):
            self.seen = [None] * state["count"]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(model_of(), epochs=2, resume=tmp_path / "b.h5", callbacks=[Quiet(), Full(), Own()])
        quiet, full, own = Quiet(), Full(), Own()
        fit(model_of(), epochs=3, resume=tmp_path / "b.h5", callbacks=[quiet, full, own])
    assert (len(quiet.seen), len(full.seen), len(own.seen)) == (8, 24, 24)


def test_what_can_t_be_saved_is_named_before_training(tmp_path):
    class Holds(callbacks.Callback):
        remembers = ("things",)
        things = {"a": [1, {2, 3}]}

    with pytest.raises(InvalidType, match=r"callbacks/0/1/things/a/1: a set"):
        fit(model_of(), resume=tmp_path / "a.h5", callbacks=[Holds()])


def test_other_callbacks_are_named(tmp_path):
    fit(
        model_of(),
        epochs=1,
        resume=tmp_path / "a.h5",
        callbacks=[callbacks.EarlyStopping("loss", patience=9)],
    )
    with pytest.warns(UserWarning, match="EarlyStopping gone, ReduceLROnPlateau new"):
        fit(model_of(), epochs=2, resume=tmp_path / "a.h5", callbacks=[callbacks.ReduceLROnPlateau("loss")])
