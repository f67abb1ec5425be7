"""One library on one work, in this process: `python -m benchmarks.peers LIBRARY WORK` prints JSON.

Each adapter makes the model of a work and returns two callables: `train()`, one round of training as a
user of that library writes it, and `predict(x)`, probabilities as a NumPy array. With `--serve` the
process trains one round to warm up, says so, and then does one round for each line on its input, so that
`benchmarks.run` can take the rounds of all libraries in turn.
"""

import argparse
import json
import os
import resource
import sys
import time

from benchmarks.sgemm import peak_flops, step_flops
from benchmarks.works import WORKS

QUIET = {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "",
    "JAX_PLATFORMS": "cpu",
}
KERNELS = {"kerasette": "numpy", "fast": "numba"}


# ---------------------------------------------------------------- adapters


def kerasette(work, x, y):
    """The library under test, by the same text as Keras; its kernels in NumPy alone."""
    from benchmarks.texts import keras_text
    from kerasette import layers, models, optimizers

    return keras_text(work, x, y, layers, models, optimizers)


def fast(work, x, y):
    """The library under test with the kernels of its extra [fast]: KERASETTE_KERNELS says so."""
    return kerasette(work, x, y)


def keras(work, x, y):
    """Keras 3 on TensorFlow: fit and predict."""
    from keras import layers, models, optimizers

    from benchmarks.texts import keras_text

    return keras_text(work, x, y, layers, models, optimizers)


def torch(work, x, y):
    """PyTorch: modules and a loop over batches."""
    from benchmarks.torch_peer import torch_loop

    return torch_loop(work, x, y)


def jax(work, x, y):
    """JAX: a jitted step."""
    from benchmarks.jax_peer import jax_step

    return jax_step(work, x, y)


def sklearn(work, x, y):
    """scikit-learn's MLPClassifier: each partial_fit is one epoch in shuffled batches.

    It has one activation for all hidden layers: a model of several gets the first. Of the entries before
    the first dense one it has none: it gets flat rows, of the type and the size of numbers that they have.
    """
    import numpy as np
    from sklearn.neural_network import MLPClassifier

    x = x.reshape(len(x), -1)
    hidden = [arguments for kind, *arguments in work.stack[:-1] if kind == "dense"]
    model = MLPClassifier(
        [units for units, _ in hidden],
        activation=hidden[0][1],
        solver=work.optimizer,
        alpha=0.0,
        batch_size=work.batch,
        learning_rate_init=work.rate,
        momentum=0.0,
        nesterovs_momentum=False,
    )
    classes = np.arange(work.stack[-1][1])

    def train():
        for _ in range(work.epochs):
            model.partial_fit(x, y, classes=classes)

    return train, lambda rows: model.predict_proba(rows.reshape(len(rows), -1))


def data(work, x, y):
    """No library: what NumPy and the data alone need, the floor of the memory figures."""
    import numpy as np

    return (lambda: None), lambda rows: np.zeros((len(rows), work.stack[-1][1]))


ADAPTERS = {item.__name__: item for item in (kerasette, fast, keras, torch, jax, sklearn, data)}


# ---------------------------------------------------------------- this process


class Measurement:
    """The model of one work in one library, warmed up; `round()` measures once more."""

    def __init__(self, library, work):
        self.work = work
        self.x, self.y = work.data()
        self._train, self._predict = ADAPTERS[library](work, self.x, self.y)
        self._train()
        if work.measure == "predict":
            self._calls = 1
            while (spent := self._seconds_of_calls()) < 0.2:
                self._calls = max(2 * self._calls, int(self._calls * 0.2 / max(spent, 1e-6)))

    def round(self) -> float:
        """Returns seconds a step, or a call of predict."""
        if self.work.measure == "predict":
            return self._seconds_of_calls() / self._calls
        begin = time.perf_counter()
        self._train()
        return (time.perf_counter() - begin) / self.work.steps

    def _seconds_of_calls(self):
        rows, predict = self.x[: self.work.predicted], self._predict
        begin = time.perf_counter()
        for _ in range(self._calls):
            predict(rows)
        return time.perf_counter() - begin

    def accuracy(self) -> float:
        """Returns the share of right training labels, or of variance explained: that it did train."""
        found, wanted = self._predict(self.x[:2000]), self.y[:2000]
        if self.work.classifies:
            return float((found.argmax(-1) == wanted).mean())
        return float(1 - ((found - wanted) ** 2).mean() / wanted.var())


def peak_bytes() -> int:
    """Returns the largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main(arguments=None) -> None:
    """Measures, and prints one line of JSON (with --serve, one a round)."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__.splitlines()[0])
    parser.add_argument("library", choices=sorted(ADAPTERS))
    parser.add_argument("work", choices=sorted(WORKS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, help="fewer rows than the work says, to try it")
    parser.add_argument("--serve", action="store_true", help="one round for each line of input")
    parser.add_argument("--share", action="store_true", help="also the machine's speed at matrix products")
    options = parser.parse_args(arguments)
    os.environ.update(QUIET)
    if options.library in KERNELS:
        os.environ["KERASETTE_KERNELS"] = KERNELS[options.library]
    work = WORKS[options.work]
    work.rows = options.rows or work.rows
    speed = {"peak_flops": peak_flops(), "step_flops": step_flops(work)} if options.share else {}
    measurement = Measurement(options.library, work)
    if options.serve:
        print(json.dumps({"ready": True}), flush=True)
        for _ in sys.stdin:
            print(json.dumps({"seconds": measurement.round()}), flush=True)
        return
    peak = peak_bytes()  # before predictions that only the check below needs
    seconds = min((measurement.round() for _ in range(options.rounds)), default=None)
    result = {"library": options.library, "work": options.work, "seconds": seconds} | speed
    print(json.dumps(result | {"peak_bytes": peak, "accuracy": measurement.accuracy()}))


if __name__ == "__main__":
    main()
