"""A small model, and processes that save and load its weights, for the tests of safe files."""

import subprocess
import sys
import textwrap
from pathlib import Path

import kerasette

ROOT = Path(__file__).resolve().parent.parent


def small_model(*units):
    layers = [kerasette.layers.Dense(n) for n in units or (3, 2)]
    return kerasette.Sequential([kerasette.Input((4,)), *layers])


def state(model):
    return [w.tobytes() for w in model.get_weights()]


def run(code, *arguments, **keywords):
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, **keywords)
