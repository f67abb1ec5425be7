"""What the code that reads files never does: looked up in its syntax trees, line by line."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "kerasette"
FILES = [
    PACKAGE / "registry.py",
    *sorted(p for room in ("saving", "commands") for p in (PACKAGE / room).glob("*.py")),
]
NAMES = {"eval", "exec", "__import__", "globals", "locals", "breakpoint", "input", "execfile"}
BY_NAME = {"getattr", "setattr", "delattr", "hasattr", "vars"}  # fine only with names that stand in the code
MODULES = {
    *(
        "importlib",
        "imp",
        "runpy",
        "pkgutil",
        "code",
        "codeop",
        "ctypes",
        "cffi",
        "multiprocessing",
        "socket",
    ),
    *(
        "marshal",
        "pickle",
        "cPickle",
        "_pickle",
        "copyreg",
        "dill",
        "cloudpickle",
        "joblib",
        "shelve",
        "yaml",
    ),
    *("subprocess", "pty", "tempfile", "tarfile", "urllib", "http", "ftplib", "webbrowser"),
}
ATTRIBUTES = {
    *(
        "system",
        "popen",
        "spawn",
        "execv",
        "execve",
        "posix_spawn",
        "fork",
        "startfile",
        "extract",
        "extractall",
    ),
    *(
        "__globals__",
        "__code__",
        "__builtins__",
        "__subclasses__",
        "__getattribute__",
        "attrgetter",
        "methodcaller",
    ),
    *("import_module", "fromfile", "memmap", "frompyfunc", "loadtxt", "genfromtxt"),
}
# (file, function) -> why its name can't come from a file, or why it may have this module
REVIEWED = {
    ("registry.py", "__init_subclass__"): "names of aliases, which classes declare",
    ("registry.py", "<lambda>"): "the same names, read later",
    ("registry.py", "get_config"): "names of a constructor's own arguments, for writing",
    ("registry.py", "__repr__"): "names of a constructor's own arguments, for showing",
    (
        "commands/checking.py",
        "subprocess",
    ): "check starts itself within limits; the file's name is an argument",
}


def suspicious(source: str, name: str) -> list[tuple[str, str, int]]:
    """Returns (function, what, line) of everything that could run what a file names, or reach elsewhere."""
    found = []

    def visit(node, function):
        for child in ast.iter_child_nodes(node):
            for what in _of(child):
                found.append((function, what, child.lineno))
            inner = function
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                inner = child.name
            elif isinstance(child, ast.Lambda):
                inner = "<lambda>"
            visit(child, inner)

    visit(ast.parse(source), "")
    return found


def _of(node):
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        return [name.split(".")[0] for name in names if name.split(".")[0] in MODULES]
    if isinstance(node, ast.Name) and node.id in NAMES:
        return [node.id]
    if isinstance(node, ast.Attribute) and node.attr in ATTRIBUTES:
        return [node.attr]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in BY_NAME:
        literal = len(node.args) > 1 and isinstance(node.args[1], ast.Constant)
        return [] if literal else [node.func.id]
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "np":
        return [f"np.{node.attr}"] if node.attr in ("load", "loads") else []
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "compile":
        return ["compile"]  # the name alone is an argument of load_model
    return []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_the_load_path_runs_nothing(path):
    name = path.relative_to(PACKAGE).as_posix()
    bad = [
        f"{name}:{line}: {what} in {function or 'the module'}"
        for function, what, line in suspicious(path.read_text(encoding="utf-8"), name)
        if (name, function) not in REVIEWED and (name, what) not in REVIEWED
    ]
    assert bad == []


def test_every_reviewed_place_is_still_there():
    found = set()
    for path in FILES:
        name = path.relative_to(PACKAGE).as_posix()
        for function, what, _ in suspicious(path.read_text(encoding="utf-8"), name):
            found |= {(name, function), (name, what)}
    assert set(REVIEWED) <= found


@pytest.mark.parametrize(
    "line",
    [
        "eval(text)",
        "run = exec",
        "import pickle",
        "from importlib import import_module",
        "def f():\n    import marshal",
        "getattr(layers, name)",
        "vars(module)[name]",
        "setattr(self, key, value)",
        "os.system(text)",
        "archive.extractall()",
        "np.load(path)",
        "compile(text, 'f', 'exec')",
        "f.__globals__",
        "operator.attrgetter(name)",
    ],
)
def test_the_search_can_fail(line):
    assert suspicious(line, "x.py")


def test_the_search_lets_good_code_pass():
    assert suspicious("getattr(os, 'O_BINARY', 0); re.compile('a'); json.loads(text)", "x.py") == []


def test_no_plugin_of_hdf5_is_ever_loaded():
    """The library is told so before it is loaded; a filter from a folder of plugins can't come in."""
    script = """
import os, sys
import kerasette
from kerasette.saving import hdf5
if "h5py" in sys.modules:
    sys.exit("h5py is loaded too early")
hdf5.library()
print(os.environ["HDF5_PLUGIN_PRELOAD"])
"""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HDF5")}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("::\n", "")
