"""Who may import whom, and what the package never does: DESIGN.md's table, held by reading every file."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "kerasette"
FILES = sorted(PACKAGE.rglob("*.py"))

ZERO = {"backend", "crew", "errors", "shapes", "registry"}
ONE = {"functions", "initializers", "regularizers", "constraints", "activations", "params", "graph"}
BESIDE = {"losses", "metrics", "optimizers", "callbacks", "data"}  # they know neither layers nor models
UP_TO_MODELS = ZERO | ONE | BESIDE | {"ops", "layers", "engine", "models"}
HELPERS = {"utils", "datasets", "config", "preprocessing"}  # for users; nothing below level 5 needs them
LEVEL_FIVE = {"saving", "plotting", "testing", "commands"}

# Room (the first name under kerasette) -> the rooms it may import; its own is always allowed.
MAY_IMPORT = {
    **dict.fromkeys(ZERO, ZERO),
    **dict.fromkeys(ONE, ZERO | ONE),
    **dict.fromkeys(("ops", "layers"), ZERO | ONE | {"ops", "layers"}),
    **dict.fromkeys(BESIDE, ZERO | ONE),
    "engine": ZERO | {"graph", "params", "functions"},
    "models": UP_TO_MODELS,
    **dict.fromkeys(LEVEL_FIVE, UP_TO_MODELS | HELPERS | LEVEL_FIVE),
    "utils": ZERO | ONE,
    "datasets": ZERO | {"utils"},
    "preprocessing": {"utils"},
    "config": ZERO | ONE,
    "": UP_TO_MODELS | HELPERS | LEVEL_FIVE,  # kerasette/__init__.py
}
# Upward imports inside a function and marked "# lazy": (room, what it reaches) -> how many at most.
# Models reach up in one function; the front of `models` also offers load_model and the like, as Keras's does.
LAZY = {("models", "saving"): 2, ("models", "plotting"): 1, ("utils", "plotting"): 1}

HEAVY = {"h5py", "pandas", "sklearn", "matplotlib", "graphviz", "cupy", "tqdm", "threadpoolctl"}
HEAVY |= {"numba", "llvmlite"}  # the second is the first one's own
FORBIDDEN = {"tensorflow", "keras", "torch", "jax", "tf_keras"}  # tests and benchmarks only
ONCE = {"cupy": ("backend.py",), "h5py": ("saving/hdf5.py",)}  # where the one import may stand
LONGEST = 400
# The package of this file is imported when first needed.
AT_TOP = dict.fromkeys(("numba", "llvmlite"), "functions/compiled/jit.py")
# file -> the reason why it may print
PRINTING = {"callbacks/base.py": "say() prints what the caller of fit asked for with verbose"}
RUNS_CODE = {"eval", "exec", "compile", "__import__"}
RUNS_CODE_MODULES = {
    "marshal",
    "pickle",
    "cPickle",
    "_pickle",
    "dill",
    "cloudpickle",
    "shelve",
    "importlib",
    "runpy",
}
READ_FROM_FILES = ("saving/", "registry.py")  # what opens files or turns their names into classes


def name_of(path: Path) -> str:
    """Returns "layers/core.py" for a file of the package."""
    return path.relative_to(PACKAGE).as_posix()


def room_of(name: str) -> str:
    """Returns "layers" for "layers/core.py", "backend" for "backend.py" and "" for "__init__.py"."""
    first = name.split("/", maxsplit=1)[0].removesuffix(".py")
    return "" if first in ("__init__", "__main__") else first


class Import:
    """One import statement's module: where, whole name, inside a function or not, marked lazy or not."""

    def __init__(self, module, node, inside, lazy):
        self.module, self.line, self.inside, self.lazy = module, node.lineno, inside, lazy
        self.root = module.split(".")[0]

    @property
    def room(self):
        """The room of kerasette that it reaches, or None."""
        return None if self.root != "kerasette" else (self.module.split(".") + [""])[1]


def imports(source: str, name: str) -> list[Import]:
    """Returns every import of a file; relative ones spelled out."""
    lines = source.split("\n")
    found = []

    def visit(node, function):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.Import, ast.ImportFrom)):
                start = child.lineno - 1 if function is None else function.lineno - 1
                lazy = any("lazy" in line.lower() for line in lines[start : child.end_lineno])
                found.extend(
                    Import(module, child, function is not None, lazy) for module in modules(child, name)
                )
            inner = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            visit(child, child if inner else function)

    visit(ast.parse(source), None)
    return found


def modules(node, name: str) -> list[str]:
    """Returns the whole names that an import statement asks for."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        parents = ["kerasette", *name.split("/")[:-1]]
        parents = parents[: len(parents) - node.level + 1]
        base = ".".join([*parents, base] if base else parents)
    if base == "kerasette":
        return [f"kerasette.{alias.name}" for alias in node.names]
    return [base]


def upward(source: str, name: str) -> list[str]:
    """Returns a line for each import of kerasette's own that the table forbids."""
    room = room_of(name)
    if room not in MAY_IMPORT:
        return [f"{name}: '{room}' has no line in the table MAY_IMPORT; which level is it?"]
    bad = []
    for item in imports(source, name):
        if item.room is None or item.room == room or item.room in MAY_IMPORT[room]:
            continue
        if item.inside and item.lazy and (room, item.room) in LAZY:
            continue
        bad.append(f"{name}:{item.line}: {room} may not import kerasette.{item.room}")
    return bad


def text(path: Path) -> str:
    """Returns the file's content."""
    return path.read_text(encoding="utf-8")


# ---------------------------------------------------------------- the table


def test_imports_follow_the_table():
    assert FILES
    bad = [line for path in FILES for line in upward(text(path), name_of(path))]
    assert not bad, "\n" + "\n".join(bad)


def test_lazy_upward_imports_are_few():
    seen = {}
    for path in FILES:
        room = room_of(name_of(path))
        for item in imports(text(path), name_of(path)):
            if (room, item.room) in LAZY and item.room not in MAY_IMPORT[room]:
                seen[room, item.room] = seen.get((room, item.room), 0) + 1
    assert {pair: count for pair, count in seen.items() if count > LAZY[pair]} == {}


def test_no_cycles_between_files():
    """What a file imports at its top, and what that imports, never leads back to it."""
    known = {".".join(("kerasette", *name_of(path).removesuffix(".py").split("/"))): path for path in FILES}
    known = {module.removesuffix(".__init__"): path for module, path in known.items()}
    edges = {}
    for module, path in known.items():
        own = name_of(path)
        targets = set()
        for node in ast.parse(text(path)).body:
            if isinstance(node, ast.ImportFrom):
                base = modules(node, own)
                inner = [f"{base[0]}.{alias.name}" for alias in node.names]
                targets.update(item for item in (*base, *inner) if item in known)
            elif isinstance(node, ast.Import):
                targets.update(item for item in modules(node, own) if item in known)
        edges[module] = targets - {module}
    # A package's front may import its parts, and these one another; only a loop among plain files is a fault.
    edges = {
        module: {item for item in targets if known[item].name != "__init__.py"}
        for module, targets in edges.items()
        if known[module].name != "__init__.py"
    }
    while leaves := [module for module, targets in edges.items() if not targets & edges.keys()]:
        for module in leaves:
            del edges[module]
    assert edges == {}, "files that import one another in a ring, or hang on such a ring"


@pytest.mark.parametrize(
    ("name", "line", "fine"),
    [
        ("functions/core.py", "from kerasette.backend import xp_of", True),
        ("functions/core.py", "from kerasette.layers import Dense", False),
        ("errors.py", "from kerasette import params", False),
        ("layers/core.py", "from kerasette import activations, functions", True),
        ("layers/core.py", "from kerasette import losses", False),
        ("losses.py", "from .layers import base", False),
        ("losses/probabilistic.py", "from ..models import Model", False),
        ("losses/probabilistic.py", "from .base import Loss", True),
        ("engine/plan.py", "import kerasette.layers.base", False),
        ("engine/plan.py", "def f():\n    from kerasette.layers import base", False),
        ("engine/plan.py", "def f():\n    from kerasette.layers import base  # lazy", False),
        (
            "models/model.py",
            "def save():\n    from kerasette import saving  # lazy: saving wraps models",
            True,
        ),
        ("models/model.py", "def save():\n    from kerasette import saving", False),
        ("models/model.py", "from kerasette import saving  # lazy", False),
        ("saving/keras_v3.py", "from kerasette.models import Model", True),
        ("novelty.py", "import os", False),
    ],
)
def test_the_table_can_fail(name, line, fine):
    assert (upward(line, name) == []) is fine


# ---------------------------------------------------------------- packages of others


def others(package: str) -> list[str]:
    """Returns "file:line" of each import of another's package."""
    return [
        f"{name_of(path)}:{item.line}"
        for path in FILES
        for item in imports(text(path), name_of(path))
        if item.root == package
    ]


@pytest.mark.parametrize("package", sorted(FORBIDDEN))
def test_other_frameworks_are_for_tests_only(package):
    assert others(package) == []


@pytest.mark.parametrize("package", sorted(ONCE))
def test_imported_in_one_place(package):
    places = others(package)
    assert len(places) <= 1, places
    assert {place.split(":")[0] for place in places} <= set(ONCE[package])


def test_numba_in_one_module_at_most():
    assert len({place.split(":")[0] for place in others("numba")}) <= 1


def test_heavy_packages_load_when_needed():
    allowed = HEAVY | {"numpy", "kerasette"} | set(sys.stdlib_module_names)
    for path in FILES:
        for item in imports(text(path), name_of(path)):
            where = f"{name_of(path)}:{item.line}"
            assert item.root in allowed, f"{where}: {item.root} isn't among the packages that kerasette uses"
            is_late = item.inside or AT_TOP.get(item.root) == name_of(path)
            assert is_late or item.root not in HEAVY, (
                f"{where}: {item.root} must be imported inside a function"
            )


def test_importing_kerasette_loads_numpy_and_nothing_heavier():
    heavy = sorted(HEAVY | FORBIDDEN | {"scipy"})
    code = (
        f"import sys, kerasette; print(kerasette.__file__); print([n for n in {heavy} if n in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    where, loaded = run.stdout.splitlines()
    assert Path(where).resolve() == PACKAGE / "__init__.py", (
        "kerasette/__init__.py is missing, or another is installed"
    )
    assert loaded == "[]"


# ---------------------------------------------------------------- what the code never does


def calls(tree, names) -> list[int]:
    """Returns the lines that call one of `names`."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names
    ]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_keeps_the_house_rules(path):
    name, source = name_of(path), text(path)
    tree = ast.parse(source)
    asserts = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    assert asserts == [], f"{name}: raise through kerasette.errors; python -O drops asserts"
    if name not in PRINTING:
        assert calls(tree, {"print"}) == [], f"{name}: no print in the package"
    lines = source.count("\n")
    assert lines <= LONGEST, f"{name} has {lines} lines: split it"


def code_running(source: str, name: str) -> list[str]:
    """Returns what a file does that could run code which a file names."""
    tree = ast.parse(source)
    bad = [f"{name}:{line}: runs code" for line in calls(tree, RUNS_CODE)]
    bad += [
        f"{name}:{item.line}: {item.module}"
        for item in imports(source, name)
        if item.root in RUNS_CODE_MODULES
    ]
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.keyword)
            and node.arg == "allow_pickle"
            and getattr(node.value, "value", 1) is not False
        ):
            bad.append(f"{name}:{node.lineno}: allow_pickle")
        if isinstance(node, ast.Attribute) and node.attr in ("import_module", "__globals__", "__code__"):
            bad.append(f"{name}:{node.lineno}: {node.attr}")
    return bad


def test_loading_never_runs_code():
    """No eval, exec, marshal, pickle, importlib where files are read or names from files are looked up."""
    watched = [path for path in FILES if name_of(path).startswith(READ_FROM_FILES)]
    assert watched
    assert [line for path in watched for line in code_running(text(path), name_of(path))] == []


@pytest.mark.parametrize(
    "line",
    [
        "eval('1')",
        "exec(text)",
        "import pickle",
        "def f():\n    import marshal",
        "from importlib import import_module",
        "__import__(name)",
        "np.load(f, allow_pickle=True)",
        "np.load(f, allow_pickle=flag)",
        "compile(text, 'f', 'exec')",
    ],
)
def test_the_search_for_running_code_can_fail(line):
    assert code_running(line, "saving/hdf5.py") != []
    assert code_running("re.compile('a'); np.load(f, allow_pickle=False)", "saving/hdf5.py") == []


def test_reasons_are_not_stale():
    for name, reason in PRINTING.items():
        assert reason
        assert (PACKAGE / name).exists(), name
