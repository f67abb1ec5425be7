"""The stand-in for CuPy refuses what CuPy refuses, and counts what crosses."""

import copy
import pickle
import sys

import numpy as np
import pytest

from kerasette import backend
from tests import cupy_standin
from tests.cupy_standin import Undefined, device, peek, transfers

HOST = np.arange(6.0, dtype="float32").reshape(2, 3)


@pytest.fixture
def x(standin):
    return device(HOST)


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    "action",
    [
        lambda xp, x: np.asarray(x),
        lambda xp, x: np.array([x, x]),
        lambda xp, x: np.add(x, 1.0),
        lambda xp, x: np.sqrt(x),
        lambda xp, x: np.sum(x),
        lambda xp, x: np.concatenate([x, x]),
        lambda xp, x: np.zeros_like(x),
        lambda xp, x: x + HOST,
        lambda xp, x: HOST + x,
        lambda xp, x: x @ HOST.T,
        lambda xp, x: HOST.T @ x,
        lambda xp, x: x * np.float32(2),
        lambda xp, x: np.float64(2) * x,
        lambda xp, x: x + np.array(1.0),
        lambda xp, x: x == HOST,
        lambda xp, x: x < "a",
        lambda xp, x: x + [1.0, 2.0, 3.0],
        lambda xp, x: xp.add(x, HOST),
        lambda xp, x: xp.add(1.0, 2.0),
        lambda xp, x: xp.add(x, 1.0, out=HOST.copy()),
        lambda xp, x: xp.add(x, 1.0, where=x > 0),
        lambda xp, x: xp.add(x),
        lambda xp, x: xp.matmul(x, HOST.T),
        lambda xp, x: xp.matmul(x, 2.0),
        lambda xp, x: xp.dot(x, HOST.T),
        lambda xp, x: xp.sum(HOST),
        lambda xp, x: xp.sum([1.0, 2.0]),
        lambda xp, x: xp.sum(x, where=x > 0),
        lambda xp, x: xp.max(x, initial=0.0),
        lambda xp, x: xp.sum(x, out=np.zeros((), "float32")),
        lambda xp, x: x.sum(axis=0, initial=1.0),
        lambda xp, x: x.sum(axis=device(np.array(0))),
        lambda xp, x: x.astype("float64", casting="safe"),
        lambda xp, x: xp.concatenate([x, HOST]),
        lambda xp, x: xp.where(HOST > 0, x, 0.0),
        lambda xp, x: xp.where(x > 0, HOST, 0.0),
        lambda xp, x: xp.where(x > 0, np.float32(1), 0.0),
        lambda xp, x: xp.clip(x, HOST, 2.0),
        lambda xp, x: xp.take(x, [0, 1], axis=0),
        lambda xp, x: xp.take(x, np.array([0, 1]), axis=0),
        lambda xp, x: xp.take(x, xp.arange(2), axis=0, mode="clip"),
        lambda xp, x: xp.einsum("ij->i", x, out=xp.empty(2, "float32")),
        lambda xp, x: xp.zeros_like(HOST),
        lambda xp, x: xp.copyto(x, HOST),
        lambda xp, x: x[np.array([0, 1])],
        lambda xp, x: x[[0, 1]],
        lambda xp, x: x.fill(HOST),
        lambda xp, x: x.__setitem__(slice(None), HOST),
        lambda xp, x: x.__setitem__(slice(None), [1.0, 2.0, 3.0]),
        lambda xp, x: x.__setitem__(0, np.float32(1)),
        lambda xp, x: x.__setitem__(np.array([0]), 1.0),
        lambda xp, x: range(xp.argmax(x)),
        lambda xp, x: [1, 2, 3][xp.argmax(x)],
        lambda xp, x: xp.zeros(xp.argmax(x)),
        lambda xp, x: xp.asarray([x, x]),
        lambda xp, x: xp.random.Generator(np.random.Philox(1)),
        lambda xp, x: hash(x),
        lambda xp, x: iter(x.sum()).__next__(),
    ],
)
def test_type_error(standin, x, action):
    with pytest.raises(TypeError):
        action(standin, x)
    assert transfers.to_host == transfers.to_device == 0
    np.testing.assert_array_equal(peek(x), HOST)


def test_in_place_with_host_operands_is_refused(standin, x):
    for name in ("iadd", "isub", "imul", "itruediv"):
        with pytest.raises(TypeError, match="host array"):
            getattr(x, f"__{name}__")(HOST)
        with pytest.raises(TypeError, match="NumPy scalar"):
            getattr(x, f"__{name}__")(np.float32(2))
    with pytest.raises(TypeError):
        y = HOST.copy()
        y += x


@pytest.mark.parametrize("value", [np.array([None]), np.array(["a"]), ["a", "b"], np.array([1], "M8[s]")])
def test_dtypes_that_cupy_lacks(standin, value):
    with pytest.raises(ValueError, match="Unsupported dtype"):
        standin.asarray(value)


def test_object_dtype_is_refused_everywhere(standin, x):
    makers = standin.empty, standin.zeros, standin.ones
    for action in (lambda: x.astype(object), *(lambda make=make: make(2, dtype=object) for make in makers)):
        with pytest.raises(ValueError, match="Unsupported dtype"):
            action()


@pytest.mark.parametrize("name", ["errstate", "insert", "float128", "object_", "linalg.multi_dot", "void"])
def test_names_that_cupy_lacks(standin, name):
    with pytest.raises(AttributeError):
        item = standin
        for part in name.split("."):
            item = getattr(item, part)


@pytest.mark.parametrize("name", ["ctypes", "setflags", "resize", "__array_interface__", "__index__"])
def test_attributes_that_cupy_arrays_lack(x, name):
    assert not hasattr(x, name)
    with pytest.raises(AttributeError):
        x.grad = 1


def test_ufunc_methods(standin, x):
    np.testing.assert_array_equal(peek(standin.add.reduce(x, axis=0)), HOST.sum(0))
    np.testing.assert_array_equal(peek(standin.multiply.accumulate(x, axis=1)), HOST.cumprod(1))
    for call in (standin.maximum.reduce, standin.logaddexp.reduce, standin.subtract.accumulate):
        with pytest.raises(NotImplementedError):
            call(x)
    with pytest.raises(NotImplementedError):
        standin.multiply.at(x, standin.arange(2), 1.0)
    with pytest.raises(TypeError, match="scatter_add supports"):
        standin.add.at(standin.arange(3), standin.arange(2), 1)  # int64
    index = device(np.array([0, 0, 1]))
    standin.add.at(x, index, 1.0)
    np.testing.assert_array_equal(peek(x), HOST + [[2.0], [1.0]])


def test_out_of_dot_and_matmul(standin, x):
    with pytest.raises(ValueError, match="dtype"):
        standin.dot(x, x.T, out=standin.empty((2, 2), "float64"))
    with pytest.raises(ValueError, match="C-contiguous"):
        standin.dot(x, x.T, out=standin.empty((2, 2), "float32").T)
    y = standin.empty((2, 2), "float32")
    assert standin.matmul(x, x.T, out=y) is y
    np.testing.assert_array_equal(peek(y), HOST @ HOST.T)
    with pytest.raises(Undefined):
        standin.matmul(y, y, out=y)
    with pytest.raises(ValueError):
        standin.add(x, 1.0, out=standin.empty((3, 2), "float32"))
    with pytest.raises(TypeError):
        standin.add(x, 0.5, out=standin.zeros((2, 3), "int32"))


def test_what_a_device_leaves_undefined(standin, x):
    beyond, twice = device(np.array([0, 5])), device(np.array([1, 1]))
    for action in (lambda: x[beyond], lambda: x.take(beyond, 0), lambda: standin.take(x, beyond, axis=0)):
        with pytest.raises(Undefined, match="wrap"):
            action()
    with pytest.raises(Undefined, match="repeats"):
        x[twice] = x
    with pytest.raises(Undefined, match="repeats"):
        x[twice] += 1.0
    with pytest.raises(Undefined, match="repeats"):
        standin.put_along_axis(x, device(np.array([[0, 0], [1, 2]])), x[:, :2], 1)
    x[twice] = 7.0  # one number: no question which stays
    assert peek(x)[1].tolist() == [7.0] * 3
    with pytest.raises(IndexError):
        x[5]


def test_fresh_memory_is_not_nought(standin):
    assert np.isnan(peek(standin.empty(3, "float32"))).all()
    assert (peek(standin.empty_like(standin.zeros(3, "int32"))) == 2**31 - 1).all()


# ---------------------------------------------------------------- results


class Foreign:
    """Takes no ufuncs, and answers to operators from the right."""

    __array_ufunc__ = None

    def __rsub__(self, other):
        return "from the right"

    __lt__ = __rmatmul__ = __rsub__


def test_operators_are_left_to_those_that_take_no_ufuncs(x):
    """As CuPy's _should_use_rop does."""
    assert x - Foreign() == "from the right"
    assert x @ Foreign() == "from the right"
    assert (x > Foreign()) == "from the right"
    with pytest.raises(TypeError):
        x + Foreign()


def test_scalars_stay_on_the_device(standin, x):
    numbers = x.sum(), x[0, 0], standin.mean(x), standin.count_nonzero(x), x[0] @ x[0], standin.argmax(x)
    for value in numbers:
        assert isinstance(value, standin.ndarray)
        assert value.shape == ()
    assert (x.sum() / x.size).dtype == "float32"
    assert transfers.to_host == 0


def test_views_share_memory_and_numbers_agree(standin, x):
    view = x[0]
    view += 1.0
    x[1, 2] = -1.0
    first = x[0, 0]
    first += 10.0  # a single element is a view too
    wanted = HOST.copy()
    wanted[0] += 1
    wanted[1, 2] = -1
    wanted[0, 0] += 10
    np.testing.assert_array_equal(peek(x), wanted)
    assert x.T.flags.f_contiguous
    assert not x.T.flags.c_contiguous
    y = standin.zeros((2, 3), "float32")
    assert standin.multiply(x, 2.0, out=y) is y
    assert standin.exp(x, y) is y
    assert x.sum(axis=0, out=y[0]) is not None
    assert standin.where(x > 0, x, 0.0).dtype == "float32"
    assert standin.maximum(x, 0.0, dtype="float64").dtype == "float64"
    assert (1.0 - x).dtype == "float32"
    np.testing.assert_array_equal(peek(2.0**x), 2.0**wanted)
    assert [part.shape for part in standin.split(x, 3, axis=1)] == [(2, 1)] * 3
    left, values, right = standin.linalg.svd(x, full_matrices=False)
    np.testing.assert_allclose(peek(left * values @ right), wanted, rtol=1e-5, atol=1e-5)
    windows = standin.lib.stride_tricks.sliding_window_view(x, 2, axis=1)
    assert windows.shape == (2, 2, 2)
    np.testing.assert_array_equal(peek(standin.einsum("ij,kj->ik", x, x, optimize=True)), wanted @ wanted.T)
    np.testing.assert_array_equal(peek(standin.arange(1, 7, 2)), [1, 3, 5])


# ---------------------------------------------------------------- transfers


def test_transfers_count_with_their_bytes(standin):
    y = standin.asarray(HOST)
    assert (transfers.to_device, transfers.bytes_to_device) == (1, 24)
    y = standin.asarray(y) * 2.0 + standin.zeros((2, 3), "float32")
    assert transfers.to_device == 1
    y.get()
    assert (transfers.to_host, transfers.bytes_to_host) == (1, 24)
    total = y.sum()
    methods = (lambda v: v.item()), (lambda v: f"{v}"), (lambda v: v.tolist())
    for read in (float, int, bool, str, repr, standin.asnumpy, *methods):
        before = transfers.to_host
        read(total)
        assert transfers.to_host == before + 1
    y.set(HOST)
    assert transfers.to_device == 2
    transfers.reset()
    assert vars(transfers).keys() >= {"to_device", "to_host", "bytes_to_device", "bytes_to_host", "syncs"}
    assert transfers.to_device == transfers.to_host == transfers.bytes_to_host == transfers.syncs == 0


def test_hidden_waits_count(standin, x):
    x[x > 1.0]
    standin.nonzero(x)
    standin.unique(x)
    x[x > 1.0] = 0.0
    assert transfers.syncs == 4
    standin.where(x > 1.0, x, 0.0)
    assert transfers.syncs == 4


def test_truth_of_many_is_refused(x):
    with pytest.raises(ValueError, match="elements"):
        bool(x)
    with pytest.raises(ValueError, match="elements"):
        float(x)


def test_copies(standin, x):
    for other in (copy.copy(x), copy.deepcopy(x), x.copy()):
        other += 1.0
    np.testing.assert_array_equal(peek(x), HOST)
    assert transfers.to_host == 0
    pickle.loads(pickle.dumps(x))
    assert (transfers.to_host, transfers.to_device) == (1, 1)


# ---------------------------------------------------------------- kerasette's own door to it


def test_install_puts_all_back():
    before = backend._State.cupy, backend._State.backend, sys.modules.get("cupy")
    with cupy_standin.install() as module:
        import cupy

        assert cupy is module
        assert backend.module() is module
        assert backend.backend() == "cupy"
        assert backend.xp_of(device(HOST)) is module
        with pytest.raises(ImportError):
            import cupyx  # noqa: F401
    assert (backend._State.cupy, backend._State.backend, sys.modules.get("cupy")) == before


def test_backend_helpers(standin):
    array = backend.to_module(standin, [1, 2], "float32")
    assert array.dtype == "float32"
    assert transfers.to_device == 1
    assert backend.to_module(standin, array) is array
    assert backend.to_numpy(array).tolist() == [1.0, 2.0]
    assert backend.is_array(array)
    scratch = backend.Scratch(standin)
    assert scratch("y", (2, 3), "float32") is scratch("y", (2, 3), "float32")


def test_random_draws_live_on_the_device(standin):
    draw = backend.Random(standin, 1, 2)
    shape = (4, 5)
    for value in (draw.uniform(shape), draw.normal(shape), draw.integers(0, 9, shape), draw.keep(shape, 0.5)):
        assert isinstance(value, standin.ndarray)
        assert value.shape == shape
    kept = peek(backend.Random(standin, 3).keep((100, 100), 0.25))
    assert kept.dtype == bool
    assert abs(kept.mean() - 0.75) < 0.02
    again = peek(backend.Random(standin, 3).keep((100, 100), 0.25))
    np.testing.assert_array_equal(kept, again)
    assert not peek(draw.keep((3, 3), 1.0)).any()
    assert transfers.to_host == transfers.to_device == 0


def test_settings_are_restored_after_each_test_part_one():
    backend.set_floatx("float64")
    backend.set_epsilon(0.5)
    backend.set_threads(7)


def test_settings_are_restored_after_each_test_part_two():
    assert backend.floatx() == "float32"
    assert backend.epsilon() == 1e-7
    assert backend._State.threads != 7
