"""Builds the wheel and tries it alone: a fresh environment, an empty directory, no network.

python tools/try_wheel.py
"""

import os
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEEDED = ("kerasette/py.typed", "kerasette/datasets/iris.csv", "/licenses/LICENSE")

# What a user would do first; runs in the fresh environment, which has nothing but the wheel and its needs.
TRIAL = """
import importlib, os, pkgutil, socket, sys

def refuse(*_, **__):
    raise OSError("this trial has no network")

socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse

import numpy as np
import kerasette
from kerasette import Model, datasets, utils
from kerasette.layers import Dense
from kerasette.optimizers import SGD

if not kerasette.__file__.startswith(sys.prefix):
    sys.exit(f"kerasette came from {kerasette.__file__}, not from the wheel")
modules = [one.name for one in pkgutil.walk_packages(kerasette.__path__, "kerasette.")]
for name in modules:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as missing:
        if not (name == "kerasette.functions.compiled" and missing.name == "numba"):
            raise  # only numba is left to an extra, [fast]
print(f"{len(modules)} modules import")

def build():
    first = Dense(input_size=4, output_size=8, activation="tanh")
    outputs = Dense(output_size=3, activation="softmax")(Dense(output_size=8, activation="relu")(first))
    return Model(first, outputs).compile("categorical_crossentropy", SGD(0.05), metrics=["accuracy"])

utils.set_random_seed(0)
(x, y), (x_test, y_test) = datasets.iris.load_data()
model = build()
model.fit(x, utils.to_categorical(y), batch_size=4, epochs=200, verbose=0)
_, accuracy = model.evaluate(x_test, utils.to_categorical(y_test), verbose=0)
if not accuracy > 0.85:
    sys.exit(f"Iris: a test accuracy of only {accuracy:.1%}")
print(f"Iris: test accuracy {accuracy:.1%}")

model.save_weights("iris.weights.h5")
fresh = build()
fresh.load_weights("iris.weights.h5")
if not np.array_equal(fresh.predict(x_test), model.predict(x_test)):
    sys.exit("the loaded weights give other predictions")
print(f"weights: {os.path.getsize('iris.weights.h5'):,} bytes saved and loaded, same predictions")
"""


def run(*command, **options):
    """Runs a command; ends the program with what it said where it fails."""
    command = [str(part) for part in command]
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def build(folder: Path) -> Path:
    """Builds the wheel into `folder` and returns its path."""
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT)
    (wheel,) = folder.glob("*.whl")
    return wheel


def check_content(wheel: Path) -> int:
    """Makes sure that the wheel has what it needs and nothing else; returns the number of files."""
    names = zipfile.ZipFile(wheel).namelist()
    missing = [wanted for wanted in NEEDED if not any(name.endswith(wanted) for name in names)]
    strange = [name for name in names if not name.startswith(("kerasette/", "kerasette-"))]
    strange += [name for name in names if name.endswith((".gz", ".pyc", ".h5", ".png"))]
    if missing or strange:
        sys.exit(f"{wheel.name}: missing {missing}, not wanted {strange}")
    return len(names)


def make_environment(folder: Path, wheel: Path) -> Path:
    """Makes an environment with the wheel and its dependencies; returns its Python."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel)
    return python


def try_out(python: Path, folder: Path) -> str:
    """Runs the trial in the empty `folder`, with that as home too; returns what it printed."""
    folder.mkdir()
    ours = ("PYTHON", "KERASETTE", "XDG")
    settings = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return run(python, "-I", "-", input=TRIAL, cwd=folder, env={**settings, "HOME": str(folder)})


def main():
    """Builds, looks inside, installs, tries; ends with an error where something is wrong."""
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        wheel = build(scratch / "dist")
        count, size = check_content(wheel), wheel.stat().st_size
        print(f"{wheel.name}: {count} files, {size:,} bytes; no tests, examples or benchmarks in it")
        python = make_environment(scratch / "environment", wheel)
        print(try_out(python, scratch / "empty"), end="")
    print("the wheel works alone")


if __name__ == "__main__":
    main()
