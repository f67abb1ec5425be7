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

from benchmarks.works import WORKS

QUIET = {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "",
    "JAX_PLATFORMS": "cpu",
}


# ---------------------------------------------------------------- adapters


def kerasette(work, x, y):
    """The library under test, by the same text as Keras."""
    from kerasette import layers, models, optimizers

    return _keras_text(work, x, y, layers, models, optimizers)


def keras(work, x, y):
    """Keras 3 on TensorFlow: fit and predict."""
    from keras import layers, models, optimizers

    return _keras_text(work, x, y, layers, models, optimizers)


def _keras_text(work, x, y, layers, models, optimizers):
    model = models.Sequential([layers.Input((work.sizes[0],))])
    for units, activation in zip(work.sizes[1:-1], work.activations, strict=True):
        model.add(layers.Dense(units, activation=activation))
        if work.dropout:
            model.add(layers.Dropout(work.dropout))
    model.add(layers.Dense(work.sizes[-1], activation="softmax"))
    optimizer = {"sgd": optimizers.SGD, "adam": optimizers.Adam}[work.optimizer](learning_rate=work.rate)
    model.compile(loss="sparse_categorical_crossentropy", optimizer=optimizer)

    def train():
        model.fit(x, y, batch_size=work.batch, epochs=work.epochs, verbose=0)

    return train, lambda rows: model.predict(rows, verbose=0)


def torch(work, x, y):
    """PyTorch: the usual loop over shuffled batches taken by indexing (a DataLoader is slower)."""
    import torch
    from torch import nn

    parts = []
    for inputs, units, activation in zip(work.sizes, work.sizes[1:-1], work.activations, strict=False):
        parts += [nn.Linear(inputs, units), {"tanh": nn.Tanh, "relu": nn.ReLU}[activation]()]
        parts += [nn.Dropout(work.dropout)] if work.dropout else []
    model = nn.Sequential(*parts, nn.Linear(*work.sizes[-2:]))
    loss_of = nn.CrossEntropyLoss()
    optimizer = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[work.optimizer](
        model.parameters(), lr=work.rate
    )
    rows, labels = torch.from_numpy(x), torch.from_numpy(y).long()

    def train():
        model.train()
        for _ in range(work.epochs):
            total = 0.0
            for picked in torch.randperm(len(rows)).split(work.batch):
                optimizer.zero_grad()
                loss = loss_of(model(rows[picked]), labels[picked])
                loss.backward()
                optimizer.step()
                total += loss.item()

    def predict(data):
        model.eval()
        with torch.inference_mode():
            return model(torch.from_numpy(data)).softmax(-1).numpy()

    return train, predict


def jax(work, x, y):
    """JAX: a jitted step over the whole update, which takes NumPy batches; Adam by hand."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    rng = np.random.default_rng(0)
    weights = [
        (jnp.asarray(rng.normal(0, (2 / (i + o)) ** 0.5, (i, o)), "float32"), jnp.zeros(o))
        for i, o in zip(work.sizes, work.sizes[1:], strict=False)
    ]
    logits_of, update = _jax_network(jax, work), _jax_optimizer(jax, work)
    zeros = jax.tree.map(jnp.zeros_like, weights)
    # Only what a work needs travels through the step: each argument of a jitted call costs time.
    state = (weights, (zeros, zeros, jnp.float32(0))) if work.optimizer == "adam" else (weights, ())
    key = jax.random.key(0) if work.dropout else None

    def loss_of(weights, data, labels, key):
        logs = jax.nn.log_softmax(logits_of(weights, data, key))
        return -jnp.take_along_axis(logs, labels[:, None], axis=1).mean()

    @jax.jit
    def step(state, data, labels, key):
        key, own = (None, None) if key is None else jax.random.split(key)
        loss, gradient = jax.value_and_grad(loss_of)(state[0], data, labels, own)
        return update(*state, gradient), key, loss

    infer = jax.jit(lambda weights, data: jax.nn.softmax(logits_of(weights, data, None)))

    def train():
        nonlocal state, key
        for _ in range(work.epochs):
            order = rng.permutation(len(x))
            for begin in range(0, len(x), work.batch):
                picked = order[begin : begin + work.batch]
                state, key, loss = step(state, x[picked], y[picked], key)
        jax.block_until_ready((state, loss))

    return train, lambda data: np.asarray(infer(state[0], data))


def _jax_network(jax, work):
    jnp = jax.numpy
    activations = [{"tanh": jnp.tanh, "relu": jax.nn.relu}[name] for name in work.activations]

    def logits_of(weights, data, key):
        for index, activation in enumerate(activations):
            data = activation(data @ weights[index][0] + weights[index][1])
            if key is not None:
                kept = jax.random.bernoulli(jax.random.fold_in(key, index), 1 - work.dropout, data.shape)
                data = jnp.where(kept, data / (1 - work.dropout), 0)
        return data @ weights[-1][0] + weights[-1][1]

    return logits_of


def _jax_optimizer(jax, work):
    """Returns (weights, memory, gradient) -> (weights, memory)."""

    def sgd(weights, memory, gradient):
        return jax.tree.map(lambda w, g: w - work.rate * g, weights, gradient), memory

    def adam(weights, memory, gradient):
        m, v, t = memory[0], memory[1], memory[2] + 1
        m = jax.tree.map(lambda a, g: 0.9 * a + 0.1 * g, m, gradient)
        v = jax.tree.map(lambda a, g: 0.999 * a + 0.001 * g * g, v, gradient)
        rate = work.rate * jax.numpy.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        stepped = jax.tree.map(lambda w, a, b: w - rate * a / (jax.numpy.sqrt(b) + 1e-7), weights, m, v)
        return stepped, (m, v, t)

    return {"sgd": sgd, "adam": adam}[work.optimizer]


def sklearn(work, x, y):
    """scikit-learn's MLPClassifier: each partial_fit is one epoch in shuffled batches.

    It has one activation for all hidden layers: a model of several gets the first.
    """
    import numpy as np
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        work.sizes[1:-1],
        activation=work.activations[0],
        solver=work.optimizer,
        alpha=0.0,
        batch_size=work.batch,
        learning_rate_init=work.rate,
        momentum=0.0,
        nesterovs_momentum=False,
    )
    classes = np.arange(work.sizes[-1])

    def train():
        for _ in range(work.epochs):
            model.partial_fit(x, y, classes=classes)

    return train, model.predict_proba


def data(work, x, y):
    """No library: what NumPy and the data alone need, the floor of the memory figures."""
    import numpy as np

    return (lambda: None), lambda rows: np.zeros((len(rows), work.sizes[-1]))


ADAPTERS = {item.__name__: item for item in (kerasette, keras, torch, jax, sklearn, data)}


# ---------------------------------------------------------------- this process


class Measurement:
    """The model of one work in one library, warmed up; `round()` measures once more."""

    def __init__(self, library, work):
        self.work = WORKS[work]
        self.x, self.y = self.work.data()
        self._train, self._predict = ADAPTERS[library](self.work, self.x, self.y)
        self._train()
        if self.work.predict:
            self._calls = 1
            while (spent := self._seconds_of_calls()) < 0.2:
                self._calls = max(2 * self._calls, int(self._calls * 0.2 / max(spent, 1e-6)))

    def round(self) -> float:
        """Returns seconds a step, or a call of predict."""
        if self.work.predict:
            return self._seconds_of_calls() / self._calls
        begin = time.perf_counter()
        self._train()
        return (time.perf_counter() - begin) / self.work.steps

    def _seconds_of_calls(self):
        row, predict = self.x[:1], self._predict
        begin = time.perf_counter()
        for _ in range(self._calls):
            predict(row)
        return time.perf_counter() - begin

    def accuracy(self) -> float:
        """Returns the share of right training labels: that the library did train."""
        return float((self._predict(self.x[:2000]).argmax(-1) == self.y[:2000]).mean())


def peak_bytes() -> int:
    """Returns the largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main(arguments=None) -> None:
    """Measures, and prints one line of JSON (with --serve, one a round)."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__.splitlines()[0])
    parser.add_argument("library", choices=sorted(ADAPTERS))
    parser.add_argument("work", choices=sorted(WORKS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", action="store_true", help="one round for each line of input")
    options = parser.parse_args(arguments)
    os.environ.update(QUIET)
    measurement = Measurement(options.library, options.work)
    if options.serve:
        print(json.dumps({"ready": True}), flush=True)
        for _ in sys.stdin:
            print(json.dumps({"seconds": measurement.round()}), flush=True)
        return
    peak = peak_bytes()  # before predictions that only the check below needs
    seconds = min((measurement.round() for _ in range(options.rounds)), default=None)
    result = {"library": options.library, "work": options.work, "seconds": seconds}
    print(json.dumps(result | {"peak_bytes": peak, "accuracy": measurement.accuracy()}))


if __name__ == "__main__":
    main()
