"""Every array function that kerasette calls exists in the installed CuPy and takes the arguments it is given.

The package is read with `ast`, not run. A call counts as one on an array module where it starts with a name
for one: `xp.sum(...)`, `self.xp.linalg.svd(...)`, `ctx.xp.empty(...)`, or with a local name that was assigned
from such an attribute (`matmul = xp.matmul`). Methods of arrays can't be told from other methods by reading,
so those are held where a keyword and the name together say it: `x.sum(axis=0, keepdims=True)`. In the
rooms of HOST_ROOMS they aren't held at all.
"""

import ast
from pathlib import Path

import pytest

from tests import real_cupy

PACKAGE = Path(__file__).resolve().parent.parent / "kerasette"
MODULES = ("xp", "_xp")  # names and attributes that hold numpy or cupy
MAKERS = ("xp_of", "module", "get_array_module")  # functions that return it: xp_of(x).matmul(...)
# Methods that arrays have and hardly anything else, so that every call of one is an array's.
METHODS = frozenset(
    [
        "all",
        "any",
        "argmax",
        "argmin",
        "argpartition",
        "argsort",
        "astype",
        "clip",
        "cumprod",
        "cumsum",
        "diagonal",
        "max",
        "mean",
        "min",
        "prod",
        "ravel",
        "repeat",
        "reshape",
        "round",
        "squeeze",
        "std",
        "sum",
        "swapaxes",
        "transpose",
        "var",
    ]
)
NUMPY_ONLY = frozenset(
    ["ctypes", "itemset", "resize", "setfield", "setflags", "getfield", "newbyteorder", "__array_interface__"]
)
HOST_ROOMS = {  # parts of the package whose arrays are NumPy's by construction, and why
    "data": "batches are cut on the host; the engine moves them",
    "datasets": "files are read into NumPy arrays",
    "functions/compiled": "compiled loops are chosen for NumPy's arrays alone",
    "plotting": "pictures are drawn from numbers of the host",
    "saving": "files hold the bytes of NumPy arrays; dtype.newbyteorder is NumPy's",
    "testing.py": "central differences run on copies of the host, one element at a time",
}
HOST_MODULES = ("np", "numpy", "math", "ops", "functions", "shapes")


def dotted(node) -> str | None:
    """Returns "linalg.svd" for `xp.linalg.svd`, `self.xp.linalg.svd` and `xp_of(x).linalg.svd`; else None."""
    parts = []
    while isinstance(node, ast.Attribute):
        if node.attr in MODULES and parts:
            return ".".join(reversed(parts))
        parts.append(node.attr)
        node = node.value
    named = isinstance(node, ast.Name) and node.id in MODULES
    made = isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in MAKERS
    return ".".join(reversed(parts)) if parts and (named or made) else None


def counted(call: ast.Call) -> tuple[int, list[str]]:
    """Returns how many positional arguments a call surely has, and its keywords."""
    plain = [item for item in call.args if not isinstance(item, ast.Starred)]
    return len(plain), [item.arg for item in call.keywords if item.arg]


def local_names(tree) -> dict[str, str]:
    """Returns local name -> path for every `name = xp.path` of a file."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            path = dotted(node.value)
            if path:
                found[node.targets[0].id] = path
    return found


def problems(source: str, name: str, methods: bool = True) -> list[str]:
    """Returns a line for each use in `source` that the installed CuPy would refuse.

    Args:
        source: text of a file.
        name: what the lines call it.
        methods: whether methods of arrays are held too, not only functions of array modules.
    """
    tree = ast.parse(source)
    names = local_names(tree)
    called = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    found = []
    for node in ast.walk(tree):
        reason = None
        if isinstance(node, ast.Attribute):
            reason = attribute_problem(node, called.get(id(node)), methods)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            reason = call_problem(names[node.func.id], node)
        if reason:
            found.append(f"{name}:{node.lineno}: {reason}")
    return found


def attribute_problem(node: ast.Attribute, call: ast.Call | None, methods: bool) -> str | None:
    """Returns what is wrong with `xp.path`, `xp.path(...)` or `array.method(keyword=...)`."""
    path = dotted(node)
    if path is not None:
        if real_cupy.find(path) is None and path != "newaxis":
            return f"cupy has no '{path}'"
        return call_problem(path, call) if call else None
    if not methods:
        return None
    if node.attr in NUMPY_ONLY and not on_other_module(node):
        return f"cupy.ndarray has no '{node.attr}'"
    if call is None or node.attr not in METHODS or on_other_module(node):
        return None
    positional, keywords = counted(call)
    if not keywords:  # a plain `x.sum()` may be anybody's; its few positional arguments are the same in both
        return None
    reason = real_cupy.misfit(getattr(real_cupy.cupy().ndarray, node.attr), positional, keywords)
    return f"ndarray.{node.attr}: {reason}" if reason else None


def on_other_module(node: ast.Attribute) -> bool:
    """Tells whether `node` hangs on np, math or the like: host code."""
    return isinstance(node.value, ast.Name) and node.value.id in HOST_MODULES


def call_problem(path: str, call: ast.Call) -> str | None:
    """Returns why CuPy would refuse the arguments of `call`, or None."""
    item = real_cupy.find(path)
    if item is None or real_cupy.is_constant(item):
        return None
    reason = real_cupy.misfit(item, *counted(call))
    return f"{path}: {reason}" if reason else None


def test_every_array_call_fits_the_installed_cupy():
    real_cupy.cupy()
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE)
        on_device = not {place.as_posix(), *(parent.as_posix() for parent in place.parents)} & set(HOST_ROOMS)
        found += problems(path.read_text(encoding="utf-8"), str(path.relative_to(PACKAGE.parent)), on_device)
    assert not found, "\n" + "\n".join(found)


def test_every_host_room_is_there():
    """A room that was renamed or removed must not stay in the list."""
    assert [room for room in HOST_ROOMS if not (PACKAGE / room).exists()] == []


def test_host_rooms_are_held_to_array_functions_but_not_to_methods():
    real_cupy.cupy()
    assert problems("y = x.max(axis=0, initial=0.0); dtype.newbyteorder('<')", "snippet", methods=False) == []
    assert len(problems("xp.add(x, y, where=mask)", "snippet", methods=False)) == 1


def test_the_draws_of_random_fit_the_installed_cupy():
    """backend.Random holds its generator in an attribute, which the reading above can't follow."""
    tree = ast.parse((PACKAGE / "backend.py").read_text(encoding="utf-8"))
    seen = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            holder = node.func.value
            if isinstance(holder, ast.Attribute) and holder.attr == "_generator":
                seen += 1
                assert call_problem(f"random.Generator.{node.func.attr}", node) is None
                assert real_cupy.find(f"random.Generator.{node.func.attr}") is not None
    assert seen >= 4


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("xp.no_such_function(x)", "no 'no_such_function'"),
        ("xp.linalg.no_such(x)", "no 'linalg.no_such'"),
        ("y = self.xp.errstate", "no 'errstate'"),
        ("xp.add(x, y, where=mask)", "where"),
        ("xp.add(x, y, out, 3)", "too many positional"),
        ("xp.take(x, i, axis=0, mode='clip')", "mode"),
        ("xp.einsum('ij->i', x, out=y)", "out"),
        ("ctx.xp.max(x, axis=1, initial=0)", "initial"),
        ("xp_of(x).sum(x, where=m)", "where"),
        ("matmul = xp.matmul; matmul(a, b, where=m)", "where"),
        ("xp.tensordot(a, b, axes=1, out=y)", "out"),
        ("y = x.sum(axis=0, where=m)", "ndarray.sum"),
        ("y = x.max(axis=0, initial=0.0)", "initial"),
        ("y = x.astype('int32', casting='unsafe')", "casting"),
        ("x.setflags(write=False)", "setflags"),
        ("xp.random.Generator(g).random(3); xp.random.Philox(3)", "random.Philox"),
    ],
)
def test_the_reading_finds_a_planted_misuse(line, said):
    real_cupy.cupy()
    found = problems(line, "snippet")
    assert len(found) == 1, found
    assert said in found[0]


@pytest.mark.parametrize(
    "line",
    [
        "xp.add(x, y, out=z, dtype='float32')",
        "xp.add(x, y, z)",
        "xp.matmul(x, y, out=z)",
        "self.xp.linalg.svd(x, full_matrices=False)",
        "xp.concatenate(parts, axis=-1, out=y)",
        "y = x.sum(axis=(0, 1), keepdims=True, out=z)",
        "y = x.reshape(2, 3, order='C')",
        "y = x.astype('float32', copy=False)",
        "y = np.max(x, initial=0)",
        "xp.float32(3); xp.pi; x[xp.newaxis]",
        "xp.add(*values, out=y)",
    ],
)
def test_the_reading_lets_right_uses_pass(line):
    real_cupy.cupy()
    assert problems(line, "snippet") == []
