"""Every layer against central differences, against Keras, and against the promises of the contract."""

import inspect
import json
import threading

import numpy as np
import pytest

from kerasette import layers, registry
from kerasette import layers as L  # noqa: N812
from kerasette.errors import KerasetteError
from tests import keras_oracle
from tests import layer_harness as harness
from tests.attention_cases import ATTENTION_WITHOUT_EFFECT
from tests.augmentation_cases import WITHOUT_EFFECT
from tests.layer_cases import LAYER_CASES, VARIATIONS
from tests.layer_harness import LayerCase, Run, distance, upstream
from tests.recurrent_cases import RECURRENT_WITHOUT_EFFECT

each_case = pytest.mark.parametrize("case", LAYER_CASES, ids=repr)
each_layer = pytest.mark.parametrize("cls", VARIATIONS, ids=lambda cls: cls.__name__)


def results(layer, xs, case, dtype="float32"):
    """Returns y, the gradients by inputs and by trained parameters, as new arrays."""
    run = Run(layer, xs, training=case.training, dtype=dtype)
    y = run.y.copy()
    dxs, dw = run.backward(upstream(y.shape, dtype))
    return [y, *[dx.copy() for dx in dxs if dx is not None], *[dw[name] for name in harness.trained(layer)]]


def equal(first, second):
    return len(first) == len(second) and all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@each_case
def test_backward_is_the_derivative_of_forward(case):
    for name, given, wanted in harness.differences(case):
        assert distance(given, wanted, harness.least(name)) <= 1e-6, name


@pytest.mark.parametrize("case", [case for case in LAYER_CASES if case.oracle], ids=repr)
def test_keras_gives_the_same_numbers(case):
    keras, tf = keras_oracle.keras(), keras_oracle.tf()
    y, dxs, gradients, after = harness.oracle(case, keras, tf)
    layer = case.make()
    xs = case.inputs()
    run = Run(layer, xs, training=case.training)
    assert distance(run.y, y) <= 1e-5
    ours, dw = run.backward(upstream(run.y.shape, "float32"))
    for k, x in enumerate(xs):
        if x.dtype.kind == "f":
            wanted = np.zeros_like(x) if dxs[k] is None else dxs[k].numpy()
            assert distance(ours[k], wanted) <= 1e-5, f"input {k}"
    assert sorted(harness.trained(layer)) == sorted(gradients)
    for name, gradient in gradients.items():
        assert distance(dw[name], gradient.numpy(), harness.least(name)) <= 1e-5, name
    if case.training and layer.commit is not None:
        layer.commit({p.name: p.value for p in layer.parameters}, [run.cache])
    for parameter, theirs in zip(layer.get_weights(), after, strict=True):
        assert distance(parameter, theirs) <= 1e-5


@each_case
def test_output_shape_and_type_are_those_promised(case):
    for dtype in ("float32", "float64"):
        layer = case.make(dtype)
        xs = case.inputs(dtype)
        assert (
            layer.output_shape(*case.shapes)
            == Run(layer, xs, training=case.training, dtype=dtype).y.shape[1:]
        )
        for array in results(layer, xs, case, dtype):
            assert array.dtype == dtype


FIXED = (L.Rescaling, L.Normalization, L.Activation, L.CategoryEncoding)  # need to know some length


@pytest.mark.parametrize("case", [case for case in LAYER_CASES if case.layer not in FIXED], ids=repr)
def test_lengths_may_be_open(case):
    layer = case.make()
    if layer.parameters:
        return
    open_shapes = [tuple(None for _ in shape) for shape in case.shapes]
    assert len(layer.output_shape(*open_shapes)) == len(layer.output_shape(*case.shapes))


@each_case
def test_input_may_be_spread_in_memory(case):
    layer = case.make()
    whole = results(layer, case.inputs(), case)
    apart = results(layer, [harness.spread(x) for x in case.inputs()], case)
    for a, b in zip(whole, apart, strict=True):
        assert distance(b, a) <= 1e-6


@each_case
def test_config_round_trip(case):
    layer = case.make()
    config = json.loads(json.dumps(layer.get_config()))
    copy = case.layer.from_config(config)
    assert json.loads(json.dumps(copy.get_config())) == config
    assert copy.name == layer.name
    copy._ensure_built(case.shapes)
    copy.set_weights(layer.get_weights())
    assert equal(results(layer, case.inputs(), case), results(copy, case.inputs(), case))


@each_case
def test_keras_takes_the_config(case):
    keras = keras_oracle.keras()
    config = case.make().get_config()
    theirs = getattr(keras.layers, case.layer.__name__).from_config(config)
    assert theirs.name == config["name"]


@each_case
def test_configs_of_keras_are_taken(case):
    theirs = getattr(keras_oracle.keras().layers, case.layer.__name__)(**harness.keras_arguments(case))
    dropped = ("dtype", "quantization_config")  # the reader of files deals with them
    config = {key: value for key, value in theirs.get_config().items() if key not in dropped}
    ours = case.layer.from_config(json.loads(json.dumps(config)))
    assert ours.name == theirs.name
    ours._ensure_built(case.shapes)
    assert [p.shape for p in ours.parameters] == [p.shape for p in case.make().parameters]


@each_case
def test_one_layer_in_two_nodes(case):
    layer = case.make()
    first, second = case.inputs(seed=1), case.inputs(seed=2)
    alone = results(layer, first, case), results(layer, second, case)
    runs = [Run(layer, xs, training=case.training) for xs in (first, second)]
    ys = [run.y for run in runs]
    for k in (1, 0):
        dxs, dw = runs[k].backward(upstream(ys[k].shape, "float32"))
        found = [ys[k], *[dx for dx in dxs if dx is not None], *[dw[name] for name in harness.trained(layer)]]
        assert equal(found, alone[k])


@each_case
def test_two_threads_share_a_layer(case):
    layer = case.make()
    inputs = [case.inputs(seed=seed) for seed in (1, 2)]
    wanted = [results(layer, xs, case) for xs in inputs]
    wrong = []

    def work(k):
        for _ in range(5):
            if not equal(results(layer, inputs[k], case), wanted[k]):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@each_case
def test_calls_on_tensors_and_arrays_agree(case):
    layer = case.make()
    dtype = "float32" if case.whole is None else "int64"
    tensors = [layers.Input(shape, dtype=dtype) for shape in case.shapes]
    symbolic = layer(tensors if len(tensors) > 1 else tensors[0])
    now = layer(*case.inputs(), training=case.training)
    assert symbolic.shape[1:] == now.shape[1:]
    if not case.training:
        assert np.array_equal(now, Run(layer, case.inputs()).y)


@each_case
def test_no_rows_give_no_rows(case):
    layer = case.make()
    for training in (False, True):
        y = layer(*[x[:0] for x in case.inputs()], training=training)
        assert y.shape == (0, *layer.output_shape(*case.shapes))


@each_layer
def test_every_argument_changes_something(cls):
    arguments, shapes, others = VARIATIONS[cls]
    whole = 5 if cls in (layers.CategoryEncoding, layers.Embedding) else None
    assert sorted(others) == sorted(harness.own_arguments(cls))
    before = harness.fingerprint(cls, arguments, shapes, whole)
    assert harness.same(before, harness.fingerprint(cls, arguments, shapes, whole))
    for name, value in others.items():
        try:
            after = harness.fingerprint(cls, {**arguments, name: value}, shapes, whole)
        except KerasetteError as problem:
            assert name in str(problem) or "sparse" in str(problem)
        else:
            idle = WITHOUT_EFFECT | ATTENTION_WITHOUT_EFFECT | RECURRENT_WITHOUT_EFFECT
            assert not harness.same(before, after) or (cls, name) in idle, name


@each_layer
def test_arguments_of_keras_are_taken_or_refused(cls):
    keras = keras_oracle.keras()
    theirs = inspect.signature(getattr(keras.layers, cls.__name__)).parameters.values()
    ours = {*registry.parameters(cls), *cls.aliases}
    for parameter in theirs:
        if parameter.kind is parameter.VAR_KEYWORD or parameter.name in ours:
            continue
        with pytest.raises(KerasetteError, match=parameter.name):
            cls(**VARIATIONS[cls][0], **{parameter.name: parameter.default})


@each_layer
def test_defaults_are_those_of_keras(cls):
    keras = keras_oracle.keras()
    theirs = inspect.signature(getattr(keras.layers, cls.__name__)).parameters
    to_keras = {own: alias for alias, own in cls.aliases.items()}
    for name, parameter in inspect.signature(cls.__init__).parameters.items():
        default = theirs.get(to_keras.get(name, name))
        if default is not None and default.kind is not default.VAR_KEYWORD:
            assert plain(parameter.default) == plain(default.default), name


def plain(default):
    """Returns a default as text; (1, 1) is what 1 for each axis says."""
    if isinstance(default, tuple) and set(default) == {1}:
        return "1"
    return str(default).lower()


def test_every_layer_here_has_a_line():
    named = {getattr(layers, name) for name in layers.__all__}
    classes = {item for item in named if isinstance(item, type)} - {layers.InputLayer, layers.Layer}
    done = {case.layer for case in LAYER_CASES}
    mine = {cls for cls in classes if cls.__module__.rpartition(".")[2] in COVERED}
    assert mine <= done
    assert mine <= set(VARIATIONS)


COVERED = (
    "attention",
    "augmentation",
    "convolution",
    "core",
    "depthwise",
    "global_pooling",
    "imaging",
    "einsum_dense",
    "embedding",
    "merging",
    "multi_head_attention",
    "normalization",
    "pooling",
    "preprocessing",
    "regularization",
    "activation",
)


def test_order_of_weights_is_that_of_keras():
    keras = keras_oracle.keras()
    for cls, shape in (
        (layers.BatchNormalization, (3,)),
        (layers.LayerNormalization, (3,)),
        (layers.Normalization, (3,)),
    ):
        ours = LayerCase(cls, shapes=[shape]).make()
        theirs = getattr(keras.layers, cls.__name__)()
        theirs.build((None, *shape))
        assert [p.name for p in ours.parameters] == [v.name for v in theirs.weights]
