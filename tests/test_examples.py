"""What holds for every example: short, the same two options, and nothing beyond the extras imported."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HELPERS = {"__init__", "smoke"}
EXAMPLES = sorted(path for path in (ROOT / "examples").glob("*.py") if path.stem not in HELPERS)
WANTED = {
    "iris",
    "mnist_mlp",
    "xor",
    "disk",
    "functional_graph",
    "custom_layer",
    "grid_search",
    "mnist_cnn",
    "autoencoder",
    "resnet_mnist",
    "gan_mnist",
    "feature_maps",
    "augmentation",
    "resume",
    "keras_exchange",
    "sine_forecast",
    "noisy_series",
    "damped_oscillator",
    "mnist_rows_lstm",
    "addition_seq2seq",
    "char_text",
    "small_transformer",
    "gradient_flow",
    "demo",
}
# The package, its dependencies and the extras "examples" and "data".
ALLOWED = {"kerasette", "numpy", "h5py", "tqdm", "matplotlib", "graphviz", "scipy", "pandas", "sklearn"}
OPTIONAL = {"keras_exchange": {"keras"}}  # what an example does without, with a word about it
LONGEST = 120  # lines

every_example = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)


def imported(path):
    """Returns the top-level names of all modules that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: a relative import doesn't work in a script"
            names.add(node.module.split(".")[0])
    return names


def test_all_examples_are_there():
    assert {path.stem for path in EXAMPLES} >= WANTED


@every_example
def test_is_short_and_says_what_it_is(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST
    title, blank, command = ast.get_docstring(ast.parse(text)).splitlines()[:3]
    assert title.endswith((".", "?"))
    assert not blank
    assert command in (f"python examples/{path.name}", f"python -m examples.{path.stem}")


@every_example
def test_imports_nothing_beyond_the_extras(path):
    own = {other.stem for other in EXAMPLES}
    optional = OPTIONAL.get(path.stem, set())
    assert not imported(path) - ALLOWED - own - optional - set(sys.stdlib_module_names)


@every_example
def test_stands_in_the_list(path):
    assert f"`{path.name}`" in (ROOT / "examples" / "README.md").read_text(encoding="utf-8")


@every_example
def test_has_the_two_options(path):
    done = subprocess.run(
        [sys.executable, str(path), "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "--quick" in done.stdout
    assert "--out" in done.stdout


@pytest.mark.parametrize("command", [["examples/xor.py"], ["-m", "examples.xor"]], ids=["script", "module"])
def test_runs_both_ways_and_draws(command, tmp_path):
    done = subprocess.run(
        [sys.executable, *command, "--quick", "--out", str(tmp_path / "new")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "XOR: learned" in done.stdout
    assert (tmp_path / "new" / "xor.png").read_bytes().startswith(b"\x89PNG")


def test_the_exchange_does_without_keras(tmp_path):
    (tmp_path / "keras.py").write_text("raise ImportError('no Keras here')\n")
    done = subprocess.run(
        [sys.executable, "-m", "examples.keras_exchange", "--quick", "--out", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Skipped: this example needs Keras 3") and not done.stderr


def test_says_what_to_install_where_scipy_is_missing():
    code = "import sys; sys.modules['scipy'] = None; import examples.damped_oscillator"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert 'pip install ".[examples]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_smoke_fails_where_an_example_fails(tmp_path, monkeypatch, capsys):
    """An example that raises, and one that draws nothing, each count as failed."""
    smoke = pytest.importorskip("examples.smoke")
    (tmp_path / "raises.py").write_text("raise SystemExit('broken')\n")
    (tmp_path / "silent.py").write_text("print('no figure')\n")
    (tmp_path / "skips.py").write_text("print('Skipped: it needs a printer')\n")
    monkeypatch.setattr(smoke, "HERE", tmp_path)
    monkeypatch.setattr(smoke, "EXAMPLES", ["raises", "silent", "skips"])
    assert smoke.main([]) == 2
    printed = capsys.readouterr().out
    assert "FAILED  raises" in printed
    assert "broken" in printed
    assert "wrote no figure" in printed
    assert "ok  skips" in printed and "1 of 3 examples ran" in printed


def test_figures_are_not_tracked():
    assert "/out/" in (ROOT / ".gitignore").read_text(encoding="utf-8").split()
