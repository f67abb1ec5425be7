"""Compiled kernels: each gives what the plain function of its name gives, and numba may be missing."""

import ast
import os
import subprocess
import sys

import numpy as np
import pytest

from kerasette import config, functions, optimizers
from kerasette.functions import batch_norm, core, depthwise, kernels, patches, rectifiers, windows
from kerasette.functions.convolution import new_arrays
from kerasette.optimizers import program
from tests.conftest import ROOT

pytest.importorskip("numba")

GRID = [  # images, window, strides, dilation, before, positions
    ((2, 9, 8, 20), (3, 3), (1, 1), (1, 1), (0, 0), (7, 6)),
    ((3, 7, 9, 16), (3, 2), (2, 1), (1, 1), (1, 0), (4, 8)),
    ((2, 8, 8, 32), (3, 3), (1, 1), (2, 2), (2, 2), (8, 8)),
    ((2, 9, 7, 17), (2, 5), (1, 3), (1, 1), (1, 2), (9, 3)),
    ((4, 40, 24), (3,), (1,), (1,), (1,), (40,)),
    ((3, 9, 8, 1), (3, 2), (1, 2), (2, 1), (1, 1), (7, 5)),
    ((4, 33, 24), (4,), (2,), (3,), (3,), (16,)),
]
POOLS = [
    ((2, 12, 12, 20), (2, 2), (2, 2), (0, 0), (6, 6)),
    ((2, 9, 11, 24), (3, 2), (2, 2), (1, 0), (5, 5)),
    ((3, 10, 10, 16), (3, 3), (1, 1), (1, 1), (10, 10)),
    ((4, 50, 24), (2,), (2,), (0,), (25,)),
]
DTYPES = ("float32", "float64")


@pytest.fixture(autouse=True)
def compiled(monkeypatch):
    """Compiled kernels for arrays of any size, whatever the environment says."""
    before = config.kernels()
    config.set_kernels("numba")
    monkeypatch.setattr(kernels, "LEAST", 0)
    yield
    config.set_kernels(before)


def near(found, wanted):
    scale = np.abs(wanted).max()
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(
        found, wanted, rtol=0, atol=scale * (2e-6 if found.dtype == "float32" else 1e-14)
    )


def was_compiled(name, *arguments):
    assert kernels.compiled(name)(*arguments) is not NotImplemented


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("images", "window", "strides", "dilation", "before", "positions"), GRID)
def test_windows_of_images(dtype, images, window, strides, dilation, before, positions):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(images).astype(dtype)
    cols = np.full((images[0], *positions, *window, images[-1]), np.nan, dtype)
    geometry = (window, strides, dilation, before)
    was_compiled("im2col", x, cols.copy(), *geometry)
    found, wanted = (
        patches.im2col(x, cols, *geometry),
        patches.im2col.plain(x, np.empty_like(cols), *geometry),
    )
    assert found.tobytes() == wanted.tobytes()
    dcols = rng.standard_normal(cols.shape).astype(dtype)
    if images[-1] > 1:  # adding up single numbers is left to NumPy
        was_compiled("col2im", dcols, np.empty_like(x), *geometry)
    near(
        patches.col2im(dcols, np.full_like(x, np.nan), *geometry),
        patches.col2im.plain(dcols, np.empty_like(x), *geometry),
    )


CONVOLUTIONS = [  # images, window, filters, strides, padding, dilation
    ((5, 9, 8, 20), (3, 3), 7, 1, "valid", 1),
    ((5, 9, 8, 20), (3, 2), 7, (2, 1), "same", 1),
    ((4, 12, 11, 1), (5, 3), 6, 1, "same", 1),
    ((3, 12, 11, 3), (3, 3), 6, 1, "valid", (2, 1)),
    ((6, 40, 24), (3,), 5, 2, "same", 1),
    ((70, 30, 30, 16), (3, 3), 16, 1, "same", 1),  # some images at a time
]


@pytest.mark.parametrize(("images", "window", "filters", "strides", "padding", "dilation"), CONVOLUTIONS)
def test_whole_convolutions(images, window, filters, strides, padding, dilation):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(images).astype("float32")
    kernel = rng.standard_normal((*window, images[-1], filters)).astype("float32")

    def both_ways():
        y, cache = functions.conv(x, kernel, None, strides, padding, dilation)
        dy = np.random.default_rng(1).standard_normal(y.shape).astype("float32")
        back, turned = functions.conv_transpose(dy, kernel, None, strides, padding, dilation=dilation)
        ways = functions.conv_backward(dy, cache)[:2], functions.conv_transpose_backward(back, turned)[:2]
        return [y, back, *ways[0], *ways[1]]

    assert kernels.compiled("correlate") is not None
    found = both_ways()
    config.set_kernels("numpy")
    for one, wanted in zip(found, both_ways(), strict=True):
        np.testing.assert_allclose(one, wanted, rtol=0, atol=np.abs(wanted).max() * 1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("images", "window", "strides", "before", "positions"), POOLS)
def test_pooling(dtype, images, window, strides, before, positions):
    """Rounded numbers, so that there are ties: the first maximum wins in both."""
    rng = np.random.default_rng(0)
    x = (np.round(rng.standard_normal(images), 1) + 0.0).astype(dtype)  # no -0
    geometry = (window, strides, before)
    y, plain_y, dx, plain_dx = (
        np.empty(s, dtype) for s in 2 * [(images[0], *positions, images[-1])] + 2 * [images]
    )
    scratch, plain_scratch = new_arrays(np), new_arrays(np)
    winners = windows.max_pool_windows(x, y, *geometry, scratch)
    assert winners.dtype == np.uint8
    plain_winners = windows.max_pool_windows.plain(x, plain_y, *geometry, plain_scratch)
    assert y.tobytes() == plain_y.tobytes()
    dy = rng.standard_normal(y.shape).astype(dtype)
    windows.max_pool_scatter(dy, winners, dx, *geometry, scratch)
    windows.max_pool_scatter.plain(dy, plain_winners, plain_dx, *geometry, plain_scratch)
    near(dx, plain_dx)
    for name, arguments in (("sum_windows", (x, y)), ("sum_scatter", (dy, dx))):
        was_compiled(name, *arguments, *geometry, scratch)
        getattr(windows, name)(*arguments, *geometry, scratch)
        plain = (arguments[0], np.empty_like(arguments[1]))
        getattr(windows, name).plain(*plain, *geometry, new_arrays(np))
        near(arguments[1], plain[1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("images", "window", "strides", "dilation", "before", "positions"), GRID)
def test_depthwise(dtype, images, window, strides, dilation, before, positions):
    rng = np.random.default_rng(0)
    x, dy, weights = (
        rng.standard_normal(shape).astype(dtype)
        for shape in (images, (images[0], *positions, images[-1]), (*window, images[-1]))
    )
    for name, sources, like in (
        ("depthwise_windows", (x, weights), dy),
        ("depthwise_gradient", (x, dy), weights),
        ("depthwise_scatter", (dy, weights), x),
    ):
        found, wanted = np.full_like(like, np.nan), np.empty_like(like)
        was_compiled(name, *sources, found.copy(), strides, dilation, before, None)
        getattr(depthwise, name)(*sources, found, strides, dilation, before, new_arrays(np))
        getattr(depthwise, name).plain(*sources, wanted, strides, dilation, before, new_arrays(np))
        near(found, wanted)


@pytest.mark.parametrize("dtype", DTYPES)
def test_not_a_number_reaches_the_maximum(dtype):
    x = np.zeros((1, 4, 4, 16), dtype)
    x[0, 1, 1, 3] = np.nan
    y = np.empty((1, 2, 2, 16), dtype)
    windows.max_pool_windows(x, y, (2, 2), (2, 2), (0, 0), new_arrays(np))
    assert np.argwhere(np.isnan(y)).tolist() == [[0, 0, 0, 3]]


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_bias_and_relu(dtype):
    rng = np.random.default_rng(1)
    x, bias = rng.standard_normal((500, 30)).astype(dtype), rng.standard_normal(30).astype(dtype)
    assert core.add_bias(x.copy(), bias).tobytes() == (x + bias).tobytes()
    near(core.sum_rows(x), core.sum_rows.plain(x))
    rectified = rectifiers.bias_relu(x.copy(), bias)
    assert rectified.tobytes() == rectifiers.bias_relu.plain(x.copy(), bias).tobytes()
    for found, wanted in zip(
        rectifiers.bias_relu_backward(x, rectified),
        rectifiers.bias_relu_backward.plain(x, rectified),
        strict=True,
    ):
        near(found, wanted)
    dy = rng.standard_normal(x.shape).astype(dtype)
    assert rectifiers.relu_gradient(dy, x).tobytes() == rectifiers.relu_gradient.plain(dy, x).tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [500, 512, 1])
def test_rows_of_channels(dtype, rows):
    rng = np.random.default_rng(1)
    x, dy = rng.standard_normal((2, rows, 30)).astype(dtype)
    shift, scale, slope, offset = rng.standard_normal((4, 30)).astype(dtype)
    for name, arguments in (
        ("deviation_sums", (x, shift)),
        ("deviation_products", (x, shift, dy)),
        ("scale_deviations", (x, shift, scale, offset)),
        ("mix_deviations", (x, shift, slope, offset, dy, scale)),
    ):
        function, written = getattr(batch_norm, name), np.empty((2, *x.shape), dtype)
        found, wanted = function(*arguments, written[0]), function.plain(*arguments, written[1])
        near(*(written if found is None else (found, wanted)))
        was_compiled(name, *arguments, written[0])


def test_long_sums_keep_their_digits():
    x = np.full((2_000_000, 2), 0.1, "float32")
    np.testing.assert_allclose(core.sum_rows(x), 2_000_000 * np.float64(np.float32(0.1)), rtol=1e-7)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "make",
    [
        lambda: optimizers.Adam(0.01),
        lambda: optimizers.AdamW(0.01, clipvalue=0.5),
        lambda: optimizers.SGD(0.01, momentum=0.9),
        lambda: optimizers.RMSprop(0.01),
    ],
)
def test_updates_give_the_same_bits(monkeypatch, dtype, make):
    monkeypatch.setattr(program, "WORTH", 0)

    def stepped(which):
        config.set_kernels(which)
        rng = np.random.default_rng(0)
        run = _Run(rng.standard_normal(1000).astype(dtype))
        optimizer = make()
        optimizer.build([run])
        for _ in range(5):
            optimizer.step([rng.standard_normal(1000).astype(dtype)])
        return run.theta

    np.testing.assert_allclose(stepped("numba"), stepped("numpy"), rtol=1e-6 if dtype == "float32" else 1e-14)


class _Run:
    def __init__(self, theta):
        self.theta, self.parameters = theta, ()


def test_what_does_not_suit_goes_the_plain_way():
    x = np.random.default_rng(0).standard_normal((2, 6, 6, 40)).astype("float32")
    cols = np.empty((2, 4, 4, 3, 3, 20), "float32")
    found = patches.im2col(x[..., ::2], cols, (3, 3), (1, 1), (1, 1), (0, 0))
    assert kernels.compiled("im2col")(x[..., ::2], cols, (3, 3), (1, 1), (1, 1), (0, 0)) is NotImplemented
    np.testing.assert_array_equal(found[0, 1, 2, 0, 0], x[0, 1, 2, ::2])
    assert core.sum_rows(np.ones((5, 2), "float16")).dtype == "float16"


def test_every_compiled_function_stands_behind_a_plain_one():
    from kerasette.functions.compiled import MODULES, WITH_PRODUCTS

    names = {name for module in MODULES + WITH_PRODUCTS for name in module.__all__}
    sources = [*(ROOT / "kerasette").rglob("*.py")]
    marked, named = set(), set()
    for path in sources:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                decorators = {getattr(one, "id", None) for one in node.decorator_list}
                marked |= {node.name} if "swappable" in decorators else set()
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and node.value.endswith("_step")
            ):
                named.add(node.value)
    updates = {name for name in names if name.endswith("_step")}
    assert names - updates == marked
    assert updates <= named


# ---------------------------------------------------------------- the choice

FIT = """
import sys
import numpy as np
import kerasette as k
from kerasette import layers
model = k.Sequential([k.Input((64,)), layers.Dense(64, "relu"), layers.Dense(1)]).compile("mse", "adam")
model.fit(np.ones((256, 64)), np.ones((256, 1)), batch_size=128, verbose=0)
print("numba" in sys.modules, model.predict(np.ones((1, 64)), verbose=0).shape)
"""


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(("which", "loads"), [("numpy", "False"), ("numba", "True"), ("auto", "True")])
def test_the_environment_forces_either(which, loads):
    done = run(FIT, KERASETTE_KERNELS=which)
    assert done.stdout.split()[0] == loads, done.stderr


BROKEN = "import sys; sys.modules['numba'] = None\n"


def test_without_numba_nothing_is_missed():
    done = run(BROKEN + FIT, KERASETTE_KERNELS="auto")
    assert done.returncode == 0, done.stderr
    assert "(1, 1)" in done.stdout


def test_forced_numba_that_is_missing_says_what_to_install():
    done = run(BROKEN + FIT, KERASETTE_KERNELS="numba")
    assert "Install kerasette[fast]" in done.stderr
    done = run(FIT, KERASETTE_KERNELS="fast")
    assert "must be one of 'auto', 'numpy', 'numba'" in done.stderr


def test_a_choice_that_fails_changes_nothing(monkeypatch):
    config.set_kernels("numpy")
    monkeypatch.setitem(sys.modules, "kerasette.functions.compiled", None)
    monkeypatch.delattr(functions, "compiled")
    with pytest.raises(ValueError, match="Install kerasette"):
        config.set_kernels("numba")
    assert config.kernels() == "numpy"
    with pytest.raises(ValueError, match="must be one of"):
        config.set_kernels("fortran")


def test_small_work_does_not_import_numba():
    code = FIT.replace("64", "4").replace("256", "8").replace("128", "4")
    assert run(code, KERASETTE_KERNELS="auto").stdout.split()[0] == "False"


def test_small_calls_import_no_numba():
    """Its import takes longer than they do."""
    code = """
import sys
import numpy as np
import kerasette as k
from kerasette import functions, layers
functions.conv(np.ones((1, 5, 5, 1), "f4"), np.ones((3, 3, 1, 2), "f4"))
image = [layers.Conv2D(2, 3), layers.MaxPooling2D(), layers.Flatten()]
for body, shape in (([layers.Dense(3)], (4,)), (image, (6, 6, 1))):
    model = k.Sequential([k.Input(shape), *body]).compile("mse", "sgd")
    x = np.ones((3, *shape))
    model.train_on_batch(x, model.predict(x, verbose=0))
print("numba" in sys.modules)
"""
    kept = {name: value for name, value in os.environ.items() if name != "KERASETTE_KERNELS"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=kept, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
