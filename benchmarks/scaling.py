"""A chain of Dense(4) layers in kerasette: `python -m benchmarks.scaling DEPTH` prints seconds as JSON."""

import itertools
import json
import sys
import time

import numpy as np

from benchmarks.peers import peak_bytes

ROWS = 32


def main(depth: int) -> None:
    """Builds, compiles and trains a chain of `depth` layers; prints the time of each."""
    from kerasette.layers import Dense, Input
    from kerasette.models import Model
    from kerasette.optimizers import SGD

    x = np.random.default_rng(0).normal(size=(ROWS, 4)).astype("float32")
    y = x + 1
    marks = [time.perf_counter()]
    first = last = Input((4,))
    for _ in range(depth):
        # The identity, barely trained, keeps values from fading into denormal numbers: their slowness
        # isn't the graph's.
        last = Dense(4, kernel_initializer="identity")(last)
    model = Model(first, last)
    marks.append(time.perf_counter())
    model.compile(loss="mse", optimizer=SGD(1e-9))
    model.train_on_batch(x, y)  # the plan and its buffers are made by now, whenever compile leaves that to
    marks.append(time.perf_counter())
    steps = [timed(lambda: model.train_on_batch(x, y)) for _ in range(max(6, 2000 // depth))]
    build, compiled = (after - before for before, after in itertools.pairwise(marks))
    step = min(steps)
    figures = {"build": build, "compile": compiled - step, "step": step, "peak_bytes": peak_bytes()}
    print(json.dumps(figures))


def timed(call) -> float:
    """Returns the seconds of one call."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main(int(sys.argv[1]))
