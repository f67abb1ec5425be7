"""The command line: what it shows, what it refuses, one line for each error, and the exit codes."""

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import kerasette
from kerasette import Input, layers
from kerasette.commands import checking, main, pages
from kerasette.saving import load_model
from tests.attacks import code, good
from tests.attacks.arena import Arena
from tests.attacks.good import Attack

ROOT = Path(__file__).resolve().parent.parent
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts memory as Linux does")
FORMS = ("keras", "h5", "load_weights", "json")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return good.Good(tmp_path_factory.mktemp("good"))


def run(capsys, *arguments):
    """Returns the exit code, the output and the errors of a command in this process."""
    try:
        status = main([str(one) for one in arguments])
    except SystemExit as end:
        status = end.code
    out, err = capsys.readouterr()
    return status, out, err


def failed(capsys, status, words, *arguments):
    """Checks that a command ends with `status` and one line that says `words`."""
    found, out, err = run(capsys, *arguments)
    assert (found, out) == (status, ""), err
    assert err.endswith("\n") and err.count("\n") == 1 and len(err) < 600
    assert words in err


# ---------------------------------------------------------------- inspect


def test_inspect_shows_a_whole_model(files, capsys):
    status, out, err = run(capsys, "inspect", files.path("keras"))
    assert (status, err) == (0, "")
    lines = out.splitlines()
    wide = next(line for line in lines if line.startswith("wide"))
    assert wide.split() == ["wide", "Dense", "units=64", "activation=tanh", "4x64", "64", "320", "yes"]
    assert "whole model (.keras)" in out and "Adam(learning_rate=0.001), with a state of" in out
    assert "sparse_categorical_crossentropy" in out and "accuracy" in out
    assert lines[-1] == "Every layer is supported."


def test_inspect_shows_the_same_layers_of_every_form(files, capsys):
    tables = {}
    for form in ("keras", "h5", "json"):
        _, out, _ = run(capsys, "inspect", files.path(form))
        rows = [line.split() for line in out.splitlines() if line.split()[1:2] in (["Dense"], ["InputLayer"])]
        tables[form] = [(row[0], row[1], row[2], row[-1]) for row in rows]
    assert len(tables["keras"]) == 4
    assert tables["keras"] == tables["h5"] == tables["json"]


def test_inspect_shows_weights_alone(files, capsys):
    status, out, _ = run(capsys, "inspect", files.path("load_weights"))
    assert status == 0
    assert [line.split() for line in out.splitlines() if line.startswith("layers/dense ")] == [
        ["layers/dense", "wide", "4x64", "64", "320"]
    ]


def test_inspect_names_what_isn_t_supported(files, tmp_path, capsys):
    path = files.attack(Attack("", "config", code.CLASSES["Lambda as Keras 3 writes it"]), "keras", tmp_path)
    status, out, _ = run(capsys, "inspect", path)
    assert status == 0
    assert "Not supported without custom_objects: Lambda." in out
    assert not (files.bait() / "mark").exists()


def test_inspect_shows_models_in_models_and_wrapped_layers(tmp_path, capsys):
    x = Input((4,))
    inner = kerasette.Sequential([Input((4,)), layers.Dense(3, name="deep")], name="inner")
    model = kerasette.Model(x, layers.Dense(2, name="last")(inner(x)), name="outer")
    model.save(tmp_path / "m.keras")
    _, out, _ = run(capsys, "inspect", tmp_path / "m.keras")
    rows = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert rows["deep"].startswith("  deep") and "4x3 3" in rows["deep"]
    assert "3x2 2" in rows["last"]


def test_inspect_never_writes_signs_that_act_on_a_terminal(files, tmp_path, capsys):
    def change(entry, bait):
        entry["config"]["layers"][1]["config"]["activation"] = "\x1b[2J\ud800\u202e"
        entry["config"]["name"] = "a\nb\x07"
        return entry

    path = files.attack(Attack("", "config", change), "json", tmp_path)
    status, out, _ = run(capsys, "inspect", path)
    assert status == 0
    assert out.replace("\n", "").isprintable()
    assert "activation=\\x1b[2J" in out


@LINUX
def test_inspect_runs_nothing_and_reads_no_weights(tmp_path):
    """Within 60 MB of a file of 400 MB, and under the audit hook."""
    model = kerasette.Sequential([Input((10_000,)), layers.Dense(10, name="d")])
    path = tmp_path / "large.weights.h5"
    model.save_weights(path)
    with h5py.File(path, "r+") as file:
        file.create_dataset("layers/dense_1/vars/0", (100_000_000,), "f4")[-1] = 1
    script = """
import resource, sys
from kerasette.commands import main
import h5py
main(["inspect", sys.argv[2]])
with open("/proc/self/statm") as file:
    now = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + (60 << 20), now + (60 << 20)))
seen = []
sys.addaudithook(lambda event, arguments: seen.append(event))
status = main(["inspect", sys.argv[1]])
bad = {"exec", "compile", "marshal.loads", "pickle.find_class", "subprocess.Popen", "import"} & set(seen)
sys.exit(status or bool(bad))
"""
    small = tmp_path / "small.weights.h5"
    kerasette.Sequential([Input((2,)), layers.Dense(1)]).save_weights(small)
    done = subprocess.run(
        [sys.executable, "-c", script, path, small], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "100000000" in done.stdout


# ---------------------------------------------------------------- convert


@pytest.mark.parametrize(
    ("source", "ending"), [("keras", ".h5"), ("h5", ".keras"), ("keras", ".keras"), ("h5", ".hdf5")]
)
def test_convert_whole_models(files, tmp_path, capsys, source, ending):
    target = tmp_path / f"out{ending}"
    status, out, err = run(capsys, "convert", files.path(source), target)
    assert (status, err) == (0, "")
    assert out.count("\n") == 1 and "7,379 parameters" in out
    made = load_model(target)
    x = np.ones((2, 4), "f4")
    assert np.array_equal(made.predict(x, verbose=0), files.model.predict(x, verbose=0))
    for one, other in zip(made.get_weights(), files.model.get_weights(), strict=True):
        assert np.array_equal(one, other)
    assert made.optimizer.iterations == files.model.optimizer.iterations


def test_convert_to_parts(files, tmp_path, capsys):
    assert run(capsys, "convert", files.path("keras"), tmp_path / "out.weights.h5")[0] == 0
    assert run(capsys, "convert", files.path("keras"), tmp_path / "out.json")[0] == 0
    model = kerasette.models.model_from_json((tmp_path / "out.json").read_text())
    model.load_weights(tmp_path / "out.weights.h5")
    assert np.array_equal(model.get_weights()[0], files.model.get_weights()[0])


def test_convert_keeps_what_is_there(files, tmp_path, capsys):
    target = tmp_path / "out.h5"
    target.write_bytes(b"precious")
    failed(capsys, 2, "Add --force", "convert", files.path("keras"), target)
    assert target.read_bytes() == b"precious"
    assert run(capsys, "convert", files.path("keras"), target, "--force")[0] == 0
    assert load_model(target).name == "good"


def test_convert_says_what_is_wrong(files, tmp_path, capsys):
    failed(capsys, 2, "There is no file", "convert", tmp_path / "no.keras", tmp_path / "out.h5")
    failed(capsys, 2, "ends in none of", "convert", files.path("keras"), tmp_path / "out.txt")
    failed(capsys, 2, "doesn't exist", "convert", files.path("keras"), tmp_path / "no" / "out.h5")
    broken = files.folder / "broken.keras.keras"
    failed(capsys, 2, "is truncated", "convert", broken, tmp_path / "out.h5")
    path = files.attack(Attack("", "config", code.CLASSES["eval"]), "keras", tmp_path)
    failed(capsys, 2, "eval", "convert", path, tmp_path / "out.h5")
    assert not (tmp_path / "out.h5").exists()


def test_convert_fails_where_the_disk_does(files, tmp_path, capsys, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    failed(capsys, 1, "No space left", "convert", files.path("keras"), tmp_path / "out.h5")
    assert not (tmp_path / "out.h5").exists()


# ---------------------------------------------------------------- check


@pytest.mark.parametrize("form", FORMS)
def test_check_of_sound_files(files, capsys, form):
    status, out, err = run(capsys, "check", files.path(form))
    assert (status, err) == (0, ""), err
    assert out.rstrip().endswith("is sound.")
    assert ("28 of 28" in out or "10 of 10" in out) == (form != "json")


def test_check_of_a_damaged_file(files, tmp_path, capsys):
    data = bytearray(files.path("load_weights").read_bytes())
    with h5py.File(files.path("load_weights")) as file:
        data[file["layers/dense/vars/0"].id.get_offset() + 5] ^= 1
    path = tmp_path / "bad.weights.h5"
    path.write_bytes(data)
    failed(capsys, 1, "checksum", "check", path)


@pytest.mark.parametrize("name", ["Lambda as Keras 3 writes it", "os.system"])
def test_check_of_a_hostile_file(files, tmp_path, capsys, name):
    path = files.attack(Attack("", "config", code.CLASSES[name]), "keras", tmp_path)
    failed(capsys, 1, "aren't provided", "check", path)
    assert not (files.bait() / "mark").exists()


def test_check_has_limits(files, capsys, monkeypatch):
    """What the process inside doesn't keep to: its memory, its time, or its life."""
    calls = {}

    def ended(command, **keywords):
        calls.update(keywords["env"])
        return subprocess.CompletedProcess(command, -11, b"", b"")

    with monkeypatch.context() as patch:
        patch.setattr(checking.subprocess, "run", ended)
        failed(capsys, 1, "by signal 11", "check", files.path("keras"))
    assert int(calls["KERASETTE_CHECK_MEMORY"]) > 300 << 20

    def late(command, **keywords):
        raise subprocess.TimeoutExpired(command, keywords["timeout"])

    with monkeypatch.context() as patch:
        patch.setattr(checking.subprocess, "run", late)
        failed(capsys, 1, "takes more than 7 seconds", "check", files.path("keras"), "--seconds", "7")


@LINUX
def test_check_refuses_what_needs_too_much_memory(tmp_path, capsys):
    path = tmp_path / "w.weights.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("layers/dense/vars/0", (50 << 20,), "f4")[-1] = 1
    failed(capsys, 1, "memory", "check", path, "--memory", "100")
    assert run(capsys, "check", path, "--memory", "600")[0] == 0


def test_check_looks_at_everything(files, tmp_path, capsys):
    path = tmp_path / "nan.weights.h5"
    path.write_bytes(files.path("load_weights").read_bytes())
    with h5py.File(path, "r+") as file:
        del file["layers/dense/vars/1"]
        file["layers/dense/vars/1"] = np.full(64, np.nan, "f4")
    status, out, _ = run(capsys, "check", path)
    assert status == 0
    assert "NaN or infinite in layers/dense/vars/1" in out and "9 of 10" in out


# ---------------------------------------------------------------- all of them


@pytest.mark.parametrize("command", ["inspect", "check"])
def test_files_that_can_t_be_read(files, tmp_path, capsys, command):
    refused = 1 if command == "check" else 2
    failed(capsys, 2, "There is no file", command, tmp_path / "no.keras")
    failed(capsys, refused, "directory", command, tmp_path)
    (tmp_path / "text.keras").write_text("hello")
    failed(capsys, refused, "begins with", command, tmp_path / "text.keras")
    (tmp_path / "empty.h5").write_text("")
    failed(capsys, refused, "empty", command, tmp_path / "empty.h5")
    (tmp_path / "deep.json").write_text("{" + '"a":[' * 500)
    failed(capsys, refused, "JSON", command, tmp_path / "deep.json")


def test_arguments(capsys):
    failed(capsys, 2, "required", *[])
    failed(capsys, 2, "invalid choice", "frob")
    failed(capsys, 2, "FILE", "inspect")
    failed(capsys, 2, "must be at least 1", "check", "x", "--seconds", "0")
    status, out, _ = run(capsys, "--help")
    assert status == 0 and "Exit codes" in out


def test_debug_shows_where(tmp_path, capsys):
    _, _, err = run(capsys, "inspect", tmp_path / "no.keras", "--debug")
    assert "Traceback" in err and err.rstrip().splitlines()[-1].startswith(
        "kerasette inspect: There is no file"
    )


def test_a_mistake_of_ours_is_one_line(files, capsys, monkeypatch):
    def broken(*_):
        raise KeyError("a\nb")

    monkeypatch.setattr("kerasette.commands.inspecting.page", broken)
    failed(capsys, 1, "shouldn't have happened", "inspect", files.path("json"))


def test_from_the_shell(files, tmp_path):
    """As a program of its own: from anywhere, into a pipe that closes early, with another encoding."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "kerasette", "inspect", str(files.path("keras"))]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "good" in done.stdout
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) in (0, 1)


@LINUX
def test_inspect_of_every_attack(files, tmp_path):
    """The page about a hostile file is written under the same rules as loading it."""
    from tests.test_attacks import FAMILIES, LONGEST

    arena, bad = Arena(files.folder), []
    attacks = [a for module in FAMILIES for a in module.ATTACKS if "keras" in a.entries]
    try:
        for number, attack in enumerate(attacks):
            if attack.level == "config" and number % 8:
                continue  # configurations differ little for who only looks at them
            folder = tmp_path / str(number)
            folder.mkdir()
            path = files.attack(attack, "keras", folder)
            found = arena.run("inspect", path)
            fine = not found.get("events") and "died" not in found and found["error"] in (None, "LoadError")
            if not fine or found["seconds"] > 2 or len(found["text"]) > LONGEST:
                bad.append(f"{attack.name}: {found}")
            path.is_dir() or path.unlink(missing_ok=True)
    finally:
        arena.close()
    assert not bad, "\n".join(bad)


def test_tables():
    assert pages.size(5 << 40) == "5.0 TiB" and pages.size(1 << 52) == "4,096.0 TiB"
    assert pages.table(["a"], []) == "a\n-"
    assert pages.shown("x" * 100, 10) == "xxxxxxx..."
    assert pages.one_line("a\n  b\n\n") == "a | b"
