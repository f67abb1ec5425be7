"""Optimizers on runs: blocks, threads, types, runs that are cut anew, devices, memory."""

import gc
import threading
import tracemalloc

import numpy as np
import pytest

from kerasette import Input, Model, layers, optimizers
from kerasette.backend import set_threads
from kerasette.errors import InvalidType, InvalidValue, LoadError
from kerasette.optimizers import state
from kerasette.params import Parameter, lay_out, runs_of
from tests.cupy_standin import device, peek, transfers
from tests.flat_runs import EVERY, Run, random_arrays, run_of, train, vector_run, vectors


@pytest.mark.parametrize(("name", "options"), EVERY, ids=str)
def test_blocks_and_threads_are_bit_identical(name, options):
    size, found = 1000, []
    for block, workers, parallel in (
        (size, 1, None),
        (64, 1, None),
        (64, 3, in_threads),
        (37, 5, in_reverse),
    ):
        set_threads(workers)
        optimizer = getattr(optimizers, name)(**options)
        optimizer.block_size = block
        found.append(train(optimizer, vector_run(size), vectors(size, 4), parallel))
    for other in found[1:]:
        assert other.tobytes() == found[0].tobytes()


def in_threads(tasks):
    workers = [threading.Thread(target=task) for task in tasks]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def in_reverse(tasks):
    assert len(tasks) == 5
    for task in reversed(tasks):
        task()


@pytest.mark.parametrize("block", [5, 16384])
def test_weight_decay_spares_excluded_parameters_across_blocks(block):
    run = run_of(random_arrays(7))
    before = run.theta.copy()
    optimizer = optimizers.SGD(1.0, weight_decay=0.5)
    optimizer.block_size = block
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.build([run])
    optimizer.step([np.zeros_like(run.theta)])
    kept = np.r_[np.zeros(12), np.ones(4), np.zeros(8), np.ones(2)].astype(bool)
    np.testing.assert_array_equal(run.theta[kept], before[kept])
    np.testing.assert_allclose(run.theta[~kept], before[~kept] / 2, rtol=1e-6)


@pytest.mark.parametrize(("name", "options"), EVERY, ids=str)
def test_float64_stays_float64_and_exact(name, options):
    """The same steps in both types agree to float32's precision, so no float32 number hides in float64."""
    grads = vectors(50, 5)
    narrow = train(getattr(optimizers, name)(**options), vector_run(50), grads)
    wide = train(getattr(optimizers, name)(**options), vector_run(50, dtype="float64"), grads)
    assert wide.dtype == "float64"
    np.testing.assert_allclose(narrow, wide, rtol=1e-4, atol=1e-6)


def test_mixed_types_in_one_optimizer():
    one, two = vector_run(20), vector_run(20, dtype="float64")
    optimizer = optimizers.Adam(0.1)
    optimizer.build([one, two])
    grad = vectors(20, 1)[0]
    optimizer.step([grad.copy(), grad.astype("float64")])
    alone = vector_run(20, dtype="float64")
    train(optimizers.Adam(0.1), alone, [grad])
    assert two.theta.tobytes() == alone.theta.tobytes() and one.theta.dtype == "float32"


def test_no_runs_at_all():
    optimizer = optimizers.Adam(global_clipnorm=1.0, use_ema=True)
    optimizer.build([])
    optimizer.step([])
    assert optimizer.iterations == 1 and len(optimizer.state()) == 2


def test_new_gradient_vectors_are_noticed():
    run = run_of({"d/kernel": np.zeros(3)})
    optimizer = optimizers.SGD(1.0)
    optimizer.build([run])
    grads = [np.ones(3, "float32")]
    optimizer.step(grads)
    grads[0] = np.full(3, 2, "float32")
    optimizer.step(grads)
    optimizer.step([np.full(3, 4, "float32")])
    assert (run.theta == -7).all()


def test_steps_are_checked():
    optimizer = optimizers.SGD()
    with pytest.raises(InvalidValue, match="build"):
        optimizer.step([np.zeros(3, "float32")])
    optimizer.build([run_of({"d/kernel": np.zeros(3)})])
    for wrong in ([], [np.zeros(4, "float32")], [np.zeros(3, "float64")]):
        with pytest.raises(InvalidValue, match="gradient"):
            optimizer.step(wrong)
    with pytest.raises(InvalidType, match="must be a list"):
        optimizer.exclude_from_weight_decay(var_names="bias")
    optimizer.exclude_from_weight_decay(var_names=["bias"])  # nothing was trained yet
    optimizer.step([np.zeros(3, "float32")])
    with pytest.raises(InvalidValue, match="before the first step"):
        optimizer.exclude_from_weight_decay(var_names=["bias"])


def test_layers_are_kept_out_of_weight_decay_by_their_names():
    run = run_of({"head/kernel": np.ones(3), "tail/kernel": np.ones(3)})
    optimizer = optimizers.SGD(0.1, weight_decay=0.5)
    optimizer.build([run])
    optimizer.exclude_from_weight_decay(var_names=["head"])
    optimizer.step([np.zeros(6, "float32")])
    np.testing.assert_allclose(run.theta, [1, 1, 1, 0.95, 0.95, 0.95], rtol=1e-6)


def test_slots_follow_parameters_when_runs_are_cut_anew():
    weights = random_arrays(7)
    known = {path: object() for path in weights}
    whole = run_of(weights, known)
    optimizer = optimizers.Adam(0.1)
    train(optimizer, whole, vectors(26, 3))
    before = dict(optimizer.state())
    first = run_of({path: weights[path] for path in ("d1/kernel",)}, known)
    second = run_of({path: weights[path] for path in ("d2/bias", "d2/kernel")}, known)  # d1/bias is frozen
    optimizer.build([first, second])
    after = dict(optimizer.state())
    assert list(after)[2:] == [f"adam/{n}_{s}" for n in ("d1_kernel", "d2_bias", "d2_kernel") for s in SLOTS]
    for name in after:
        np.testing.assert_array_equal(after[name], before[name], err_msg=name)
    optimizer.build([run_of(weights, known)])  # d1/bias is back, and begins anew
    again = dict(optimizer.state())
    for name in again:
        wanted = 0 if "d1_bias" in name else before[name]
        np.testing.assert_array_equal(again[name], wanted + np.zeros_like(again[name]), err_msg=name)
    assert optimizer.iterations == 3


SLOTS = ("momentum", "velocity")


def test_average_of_a_parameter_that_joins_late_begins_at_its_value():
    weights = random_arrays(7)
    known = {path: object() for path in weights}
    optimizer = optimizers.SGD(use_ema=True)
    train(optimizer, run_of({"d1/bias": weights["d1/bias"]}, known), vectors(4, 2))
    optimizer.build([run_of(weights, known)])
    averages = dict(optimizer.state())
    np.testing.assert_array_equal(averages["sgd/d1_kernel_average"], weights["d1/kernel"])


def test_building_again_changes_nothing():
    run = run_of(random_arrays(7))
    optimizer = optimizers.Adam()
    train(optimizer, run, vectors(26, 2))
    before = optimizer.state()
    program = optimizer._program
    optimizer.build([run])
    assert optimizer._program is program
    optimizer.build([Run(run.theta, run.parameters)])
    after = optimizer.state()
    assert all(np.shares_memory(a, b) for (_, a), (_, b) in zip(before[2:], after[2:], strict=True))


def test_real_runs_of_parameters():
    parameters = [
        Parameter(path.split("/")[1], array, layer_name=path[:2]) for path, array in random_arrays(7).items()
    ]
    lay_out(parameters)
    optimizer = optimizers.Adam(0.1, weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_list=[parameters[1]])
    runs = runs_of(parameters)
    train(optimizer, runs[0], vectors(26, 3))
    before = dict(optimizer.state())
    optimizer.build(runs_of([parameters[0], *parameters[2:]]))
    after = dict(optimizer.state())
    assert len(optimizer._slots.runs) == 2 and len(after) == 8
    for name in after:
        np.testing.assert_array_equal(after[name], before[name], err_msg=name)
    assert not optimizer.decayed(parameters[1]) and optimizer.decayed(parameters[0])


DEVICE = [
    *EVERY,
    ("SGD", {"clipnorm": 0.5, "use_ema": True, "ema_overwrite_frequency": 2}),
    ("Adam", {"global_clipnorm": 0.5, "weight_decay": 0.1}),
    ("SGD", {"gradient_accumulation_steps": 2}),
    ("Nadam", {"clipvalue": 0.5}),
]


@pytest.mark.parametrize(("name", "options"), DEVICE, ids=str)
def test_on_a_device(standin, name, options):
    """The same numbers as on the host, nothing copied to it, and a state that moves with the weights."""
    host, grads = vector_run(50), vectors(50, 4)
    wanted = train(getattr(optimizers, name)(**options), host, grads)
    optimizer, run = getattr(optimizers, name)(**options), vector_run(50)
    optimizer.block_size = 7
    optimizer.build([Run(run.theta.copy(), run.parameters)])
    run.theta = device(run.theta)
    bound = [device(grads[0])]
    optimizer.build([run])
    sources = [device(grad) for grad in grads]
    transfers.reset()
    for source in sources:
        bound[0][...] = source
        optimizer.step(bound)
    assert transfers.to_host == 0
    np.testing.assert_allclose(peek(run.theta), wanted, rtol=1e-6, atol=1e-7)
    back = Run(peek(run.theta), run.parameters)
    optimizer.build([back])
    optimizer.step([grads[0].copy()])


@pytest.mark.parametrize(("name", "options"), EVERY, ids=str)
def test_no_allocation_from_step_to_step(name, options):
    run, source = vector_run(5000), vectors(5000, 1)[0]
    optimizer = getattr(optimizers, name)(**options)
    grads = [np.empty_like(source)]
    optimizer.build([run])

    def steps(count):
        for _ in range(count):
            grads[0][...] = source
            optimizer.step(grads)
        return tracemalloc.get_traced_memory()

    tracemalloc.start()
    steps(20)
    gc.collect()
    before = steps(1)[0]
    tracemalloc.reset_peak()
    after, peak = steps(50)
    tracemalloc.stop()
    assert after - before < 1500 and peak - before < 5000  # a vector is 20,000 bytes


def test_the_momentum_of_a_single_number_may_be_negative():
    """Attention's scale is a parameter without axes, and so is its slot: no count that has to be above 0."""
    x = Input((3, 2))
    model = Model(x, layers.Attention(use_scale=True)([x, x])).compile(
        "mse", optimizers.SGD(0.1, momentum=0.9)
    )
    data = np.random.default_rng(0).normal(size=(4, 3, 2))
    model.train_on_batch(data, data)
    (count, rate, (name, moment)) = state.listing(model.optimizer)
    assert name.endswith("scale_momentum") and moment.shape == ()
    state.load(model.optimizer, [count, rate, (name, np.float32(-0.5))])
    assert state.listing(model.optimizer)[2][1] == -0.5
    with pytest.raises(LoadError, match=r"learning_rate: -0\.1"):
        state.load(model.optimizer, [count, (rate[0], np.float32(-0.1)), (name, moment)])
