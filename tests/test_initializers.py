"""Initializers against Keras: values, moments, bounds, fans, arguments, configurations, seeds."""

import doctest
import inspect

import numpy as np
import pytest

from kerasette import initializers, registry
from kerasette.backend import set_floatx, set_random_seed
from kerasette.errors import InvalidType, InvalidValue
from tests.keras_oracle import keras

FIXED = [
    ("Zeros", {}, (3, 4)),
    ("Zeros", {}, ()),
    ("Ones", {}, (2,)),
    ("Constant", {}, (2, 2)),
    ("Constant", {"value": 1.5}, (2, 3)),
    ("Constant", {"value": [1.0, 2.0, 3.0]}, (2, 3)),
    ("Identity", {}, (3, 3)),
    ("Identity", {"gain": 2.5}, (3, 5)),
]
RANDOM = [
    ("RandomNormal", {}),
    ("RandomNormal", {"mean": 1.0, "stddev": 2.0}),
    ("RandomUniform", {}),
    ("RandomUniform", {"minval": 1.0, "maxval": 3.0}),
    ("TruncatedNormal", {}),
    ("TruncatedNormal", {"mean": -1.0, "stddev": 0.5}),
    ("VarianceScaling", {}),
    ("VarianceScaling", {"scale": 2.5, "mode": "fan_out", "distribution": "uniform"}),
    ("VarianceScaling", {"mode": "fan_avg", "distribution": "untruncated_normal"}),
    ("VarianceScaling", {"input_axes": [1], "output_axes": [0, 2]}),
    ("GlorotUniform", {}),
    ("GlorotNormal", {}),
    ("GlorotNormal", {"input_axes": [0, 1], "output_axes": [2]}),
    ("HeUniform", {}),
    ("HeNormal", {}),
    ("LecunUniform", {}),
    ("LecunNormal", {}),
    ("Orthogonal", {}),
    ("Orthogonal", {"gain": 3.0}),
]
CLASSES = sorted({name for name, *_ in FIXED + RANDOM})
SHAPE = (40, 30, 50)


def ours(name, arguments):
    return getattr(initializers, name)(**arguments)


def theirs(name, arguments):
    return getattr(keras().initializers, name)(**arguments)


def test_doctests():
    assert doctest.testmod(initializers).failed == 0


@pytest.mark.parametrize(("name", "arguments", "shape"), FIXED)
@pytest.mark.parametrize("dtype", ["float32", "float64", None])
def test_fixed_values_as_keras(name, arguments, shape, dtype):
    found, wanted = ours(name, arguments)(shape, dtype), theirs(name, arguments)(shape, dtype).numpy()
    assert type(found) is np.ndarray
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(("name", "arguments"), RANDOM)
def test_moments_and_bounds_as_keras(name, arguments):
    found = ours(name, {**arguments, "seed": 5})(SHAPE, "float32")
    wanted = theirs(name, {**arguments, "seed": 5})(SHAPE, "float32").numpy()
    assert found.shape == SHAPE
    assert found.dtype == "float32"
    spread = float(wanted.std())
    assert abs(found.mean() - wanted.mean()) < 0.02 * spread
    assert found.std() == pytest.approx(spread, rel=0.02)
    if "Uniform" in name or "Truncated" in name:
        assert found.min() == pytest.approx(wanted.min(), abs=0.05 * spread)
        assert found.max() == pytest.approx(wanted.max(), abs=0.05 * spread)
    kurtosis = [(((x - x.mean()) / x.std()) ** 4).mean() for x in (found, wanted)]
    assert kurtosis[0] == pytest.approx(kurtosis[1], rel=0.1)


@pytest.mark.parametrize(("name", "arguments"), RANDOM)
def test_dtypes(name, arguments):
    make = ours(name, {**arguments, "seed": 5})
    for dtype in ("float64", "float32", "float16"):
        assert make(SHAPE, dtype).dtype == dtype
    assert make(SHAPE).dtype == "float32"
    set_floatx("float64")
    assert make(SHAPE).dtype == "float64"


@pytest.mark.parametrize("shape", [(), (7,), (4, 5), (3, 4, 5), (3, 2, 4, 5), (2, 3, 2, 4, 5)])
@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
def test_fans_as_keras(shape, mode):
    from keras.src.initializers.random_initializers import compute_fans

    keras()
    assert initializers.compute_fans(shape) == compute_fans(shape)
    fan_in, fan_out = compute_fans(shape)
    fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
    values = initializers.VarianceScaling(2.0, mode, "uniform", seed=1)(shape)
    assert np.abs(values).max() <= np.sqrt(6 / fan) * (1 + 1e-6)
    assert values.shape == shape


def test_exact_bounds():
    limit = np.sqrt(6 / (300 + 200))
    values = initializers.GlorotUniform(seed=0)((300, 200))
    assert np.abs(values).max() <= limit * (1 + 1e-6)
    assert np.abs(values).max() >= limit * 0.999
    assert np.abs(initializers.TruncatedNormal(0, 1, seed=0)((300, 200))).max() <= 2
    values = initializers.HeNormal(seed=0)((300, 200))
    assert np.abs(values).max() <= 2 * np.sqrt(2 / 300) / initializers.TRUNCATED_STDDEV * (1 + 1e-6)
    assert values.std() == pytest.approx(np.sqrt(2 / 300), rel=0.01)


@pytest.mark.parametrize("shape", [(4, 4), (7, 3), (3, 7), (2, 3, 4), (1, 2, 9)])
def test_orthogonality(shape):
    for dtype, tolerance in (("float32", 1e-6), ("float64", 1e-14)):
        matrix = initializers.Orthogonal(gain=2.0, seed=3)(shape, dtype).reshape(-1, shape[-1]) / 2
        rows, columns = matrix.shape
        product = matrix.T @ matrix if rows >= columns else matrix @ matrix.T
        np.testing.assert_allclose(product, np.eye(min(rows, columns)), atol=tolerance)


def test_orthogonal_is_not_biased_by_the_factorization():
    corner = [initializers.Orthogonal(seed=seed)((3, 3))[0, 0] for seed in range(400)]
    assert abs(np.mean(corner)) < 0.1


# ---------------------------------------------------------------- seeds


@pytest.mark.parametrize(("name", "arguments"), RANDOM)
def test_seeds(name, arguments):
    with_seed = ours(name, {**arguments, "seed": 11})
    first = with_seed(SHAPE)
    np.testing.assert_array_equal(with_seed(SHAPE), first)
    np.testing.assert_array_equal(ours(name, {**arguments, "seed": 11})(SHAPE), first)
    assert not np.array_equal(ours(name, {**arguments, "seed": 12})(SHAPE), first)

    free, other = ours(name, arguments), ours(name, arguments)
    values = free(SHAPE)
    np.testing.assert_array_equal(free(SHAPE), values)
    assert not np.array_equal(other(SHAPE), values)
    assert free.get_config()["seed"] is None
    assert not np.array_equal(free.clone()(SHAPE), values)


def test_global_seed_decides_free_initializers():
    draws = []
    for _ in range(2):
        set_random_seed(3)
        draws.append([initializers.get("glorot_uniform")((4, 4)) for _ in range(2)])
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.array_equal(*draws[0])


def test_making_one_draws_nothing():
    set_random_seed(3)
    wanted = initializers.GlorotUniform()((4,))
    set_random_seed(3)
    initializers.HeNormal()
    np.testing.assert_array_equal(initializers.GlorotUniform()((4,)), wanted)


# ---------------------------------------------------------------- arguments, names, configurations


@pytest.mark.parametrize("name", CLASSES)
def test_signature_as_keras(name):
    named = [
        [
            (p.name, p.default)
            for p in inspect.signature(getattr(module, name).__init__).parameters.values()
            if p.kind is p.POSITIONAL_OR_KEYWORD
        ]
        for module in (initializers, keras().initializers)
    ]
    assert named[0] == named[1]


@pytest.mark.parametrize(("name", "arguments"), [(name, arguments) for name, arguments, *_ in FIXED + RANDOM])
def test_config_round_trip_with_keras(name, arguments):
    made = ours(name, {**arguments, "seed": 2} if (name, arguments) in RANDOM else arguments)
    again = initializers.deserialize(initializers.serialize(made))
    assert type(again) is type(made)
    assert again.get_config() == made.get_config()
    shape = (4, 4, 4) if len(arguments) == 2 and "input_axes" in arguments else (3, 3)
    if not ("input_axes" in arguments and len(shape) < 3):
        np.testing.assert_array_equal(again(shape), made(shape))
    loaded = keras().initializers.deserialize(initializers.serialize(made))
    assert type(loaded).__name__ == type(made).__name__
    config = loaded.get_config()
    assert {key: made.get_config()[key] for key in config} == config
    assert type(initializers.get(keras().initializers.serialize(loaded))) is type(made)


def test_every_keras_name_but_stft():
    from keras.src.initializers import ALL_OBJECTS_DICT

    left_out = {"STFT", "STFTInitializer", "stft", "Initializer", "initializer"}
    wanted = set(ALL_OBJECTS_DICT) - left_out
    assert wanted <= set(registry.names("initializer"))
    for name in wanted:
        assert type(initializers.get(name)).__name__ == ALL_OBJECTS_DICT[name].__name__
    for name in dir(keras().initializers):
        if not name.startswith("_") and name not in left_out:
            assert hasattr(initializers, name), name


def test_get():
    assert initializers.get(None) is None
    kept = initializers.Ones()
    assert initializers.get(kept) is kept
    assert isinstance(initializers.get(initializers.Zeros), initializers.Zeros)
    own = initializers.get(lambda shape, dtype=None: np.full(shape, 3, dtype))
    assert own((2,), "float32").tolist() == [3, 3]
    values = np.arange(4.0).reshape(2, 2)
    given = initializers.get(values)
    found = given((2, 2))
    assert found.dtype == "float32"
    np.testing.assert_array_equal(found, values)
    assert not np.shares_memory(given((2, 2), "float64"), values)
    with pytest.raises(InvalidValue, match="shape"):
        given((4,))


def test_unknown_names_and_arguments_have_hints():
    with pytest.raises(InvalidValue, match="Did you mean 'glorot_uniform'"):
        initializers.get("glorot_unifrom")
    with pytest.raises(InvalidType, match="Did you mean 'stddev'"):
        initializers.RandomNormal(stdev=1.0)
    with pytest.raises(InvalidType):
        initializers.get(3)


@pytest.mark.parametrize(
    "make",
    [
        lambda: initializers.VarianceScaling(0),
        lambda: initializers.VarianceScaling(-1.0),
        lambda: initializers.VarianceScaling(mode="fan"),
        lambda: initializers.VarianceScaling(distribution="gamma"),
        lambda: initializers.VarianceScaling(distribution=3),
        lambda: initializers.VarianceScaling(input_axes=[0]),
        lambda: initializers.HeNormal(output_axes=[0]),
        lambda: initializers.HeNormal(seed=-1),
        lambda: initializers.HeNormal(seed="1"),
        lambda: initializers.Orthogonal(seed=1.5),
        lambda: initializers.Orthogonal()((3,)),
        lambda: initializers.Identity()((3,)),
        lambda: initializers.Identity()((3, 3, 3)),
        lambda: initializers.Constant([1, 2])((3,)),
    ],
)
def test_bad_arguments_are_refused(make):
    with pytest.raises(InvalidValue):
        make()


def test_normal_is_the_truncated_one_as_in_keras():
    assert initializers.VarianceScaling(distribution="Normal").distribution == "truncated_normal"
    assert theirs("VarianceScaling", {"distribution": "Normal"}).distribution == "truncated_normal"


def test_own_initializer():
    class Silent(initializers.Initializer):
        pass

    class Diagonal(initializers.Initializer):
        def __init__(self, value=1.0):
            self.value = value

        def __call__(self, shape, dtype=None):
            return np.diag(np.full(shape[0], self.value, dtype))

    again = initializers.deserialize(initializers.serialize(Diagonal(2.0)), {"Diagonal": Diagonal})
    assert again((2, 2), "float32").tolist() == [[2, 0], [0, 2]]
    with pytest.raises(NotImplementedError, match="Silent"):
        Silent()((2,))
