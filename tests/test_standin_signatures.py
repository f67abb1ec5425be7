"""The stand-in for CuPy has nothing that the installed CuPy lacks, and its signatures."""

import inspect

import pytest

from tests import cupy_standin, real_cupy
from tests.cupy_standin import tables

SIGNATURES = {**tables.FUNCTIONS, **tables.CREATORS, **tables.LIKE, **tables.SPECIAL}


def plain(signature):
    """Returns (name, kind, has a default) of each parameter: what a caller can tell apart."""
    return [
        (parameter.name, parameter.kind, parameter.default is not parameter.empty)
        for parameter in signature.parameters.values()
    ]


@pytest.mark.parametrize("name", sorted(SIGNATURES))
def test_each_function_has_the_real_signature(name):
    text = SIGNATURES[name]
    item = real_cupy.find(name)
    assert item is not None, f"real CuPy has no {name}"
    assert plain(tables.compiled(text)) == plain(inspect.signature(item))
    offered = cupy_standin.CUPY
    for part in name.split("."):
        offered = getattr(offered, part)
    assert plain(inspect.signature(offered)) == plain(tables.compiled(text))


@pytest.mark.parametrize("name", sorted({**tables.METHODS, **tables.SPECIAL_METHODS}))
def test_each_method_has_the_real_signature(name):
    text = {**tables.METHODS, **tables.SPECIAL_METHODS}[name]
    item = getattr(real_cupy.cupy().ndarray, name)
    found = inspect.signature(item) if name == "view" else real_cupy.from_docstring(item)
    names = [parameter for parameter in plain(found) if parameter[0] != "self"]
    assert [n for n, *_ in names] == [n for n, *_ in plain(tables.compiled(text))]


def test_every_public_attribute_of_an_array_is_real():
    real = real_cupy.cupy().ndarray
    assert [n for n in dir(cupy_standin.ndarray) if not n.startswith("_") and not hasattr(real, n)] == []


def test_every_name_of_the_module_is_real():
    cupy = real_cupy.cupy()
    names = [n for n in vars(cupy_standin.CUPY) if not n.startswith("_")]
    assert len(names) > 150
    assert [n for n in names if not hasattr(cupy, n)] == []
    for n in tables.SHARED:
        assert getattr(cupy, n) is getattr(cupy_standin.CUPY, n), n


def test_ufuncs_are_ufuncs_and_scatter_as_the_real_ones():
    cupy = real_cupy.cupy()
    for name in tables.UFUNCS:
        real = getattr(cupy, name)
        assert isinstance(real, cupy.ufunc), name
        mine = getattr(cupy_standin.CUPY, name)
        assert (real.nin, real.nout) == (mine.nin, mine.nout), name
        assert tables.SCATTERS.get(name) in (None, real._scatter_op), name


@pytest.mark.parametrize("method", ["random", "standard_normal", "uniform", "integers"])
def test_the_generator_has_the_real_signatures(method):
    real = inspect.signature(real_cupy.find(f"random.Generator.{method}"))
    assert plain(inspect.signature(getattr(cupy_standin.CUPY.random.Generator, method))) == plain(real)
