"""Files that callbacks write: checkpoints and tables, those of Keras."""

import csv
import warnings

import numpy as np
import pytest

from kerasette import callbacks, errors
from tests.callback_runs import ROUNDS, direction, run, sequence_of, tiny
from tests.keras_oracle import keras


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
            assert ours.best == theirs.best


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


def test_a_missing_directory_fails_before_training(tmp_path):
    with pytest.raises(FileNotFoundError, match="doesn't exist") as caught:
        run(callbacks.CSVLogger(tmp_path / "missing" / "log.csv"), [{"loss": 1.0}])
    assert isinstance(caught.value, errors.KerasetteError)
    assert list(tmp_path.iterdir()) == []


def test_checkpoints_make_their_directory_or_fail_before_training(tmp_path):
    (tmp_path / "file").write_text("")
    run(callbacks.ModelCheckpoint(tmp_path / "new" / "a.weights.h5", save_weights_only=True), [{"loss": 1.0}])
    assert (tmp_path / "new").is_dir()
    for name in ("a.weights.h5", "{epoch}/a.weights.h5"):
        with pytest.raises(errors.InvalidValue, match="can't be made"):
            run(callbacks.ModelCheckpoint(f"{tmp_path}/file/{name}", save_weights_only=True), [{"loss": 1.0}])


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
