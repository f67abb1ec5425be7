"""What is measured: the models, their data, and the targets. Imports nothing but NumPy."""

import csv
import gzip
from pathlib import Path

import numpy as np

DATASETS = Path(__file__).resolve().parent.parent / "datasets"
LIBRARIES = ("kerasette", "keras", "torch", "jax", "sklearn")


class Work:
    """A classifier, how it is trained, and what the measured time should be.

    Args:
        title: for the table.
        sizes: units of the input, the hidden layers and the output.
        activations: of the hidden layers; the output is a softmax with cross-entropy.
        batch: rows a step.
        optimizer: "sgd" (0.01) or "adam" (0.001).
        dropout: rate after each hidden layer.
        rows: training rows used.
        epochs: epochs of one round, so that a round is long against the start of `fit`.
        predict: measures the prediction of one row instead of training.
        targets: peer ("fastest" or a library) -> largest ratio of kerasette's time to the peer's.
        without: libraries that can't do this work.
    """

    def __init__(
        self,
        title,
        sizes,
        activations,
        *,
        batch=128,
        optimizer="adam",
        dropout=0.0,
        rows=25_600,
        epochs=1,
        predict=False,
        targets,
        without=(),
    ):
        self.title, self.sizes, self.activations = title, sizes, activations
        self.batch, self.optimizer, self.dropout = batch, optimizer, dropout
        self.rows, self.epochs, self.predict = rows, epochs, predict
        self.targets, self.without = targets, without

    @property
    def rate(self) -> float:
        """The learning rate."""
        return {"sgd": 0.01, "adam": 0.001}[self.optimizer]

    @property
    def steps(self) -> int:
        """Steps of one round."""
        return -(-self.rows // self.batch) * self.epochs

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns x float32 (rows, inputs) and y int32 (rows,)."""
        return iris(self.rows) if self.sizes[0] == 4 else mnist(self.rows)


WORKS = {
    "iris": Work(
        "Iris MLP 4-8-8-3, batch 1, SGD, a step of fit",
        (4, 8, 8, 3),
        ("tanh", "relu"),
        batch=1,
        optimizer="sgd",
        rows=105,
        epochs=5,
        targets={"jax": 2.0, "torch": 0.3, "keras": 0.08},
    ),
    "mlp": Work(
        "784-128-10, batch 128, Adam, a step of fit", (784, 128, 10), ("relu",), targets={"fastest": 0.9}
    ),
    "mlp_dropout": Work(
        "784-512-512-10, dropout 0.2, batch 128, Adam, a step of fit",
        (784, 512, 512, 10),
        ("relu", "relu"),
        dropout=0.2,
        rows=12_800,
        targets={"fastest": 0.8},
        without=("sklearn",),
    ),
    "predict_one": Work(
        "predict of one row, 784-128-10",
        (784, 128, 10),
        ("relu",),
        rows=2_560,
        predict=True,
        targets={"torch": 1.0, "keras": 0.01},
    ),
    "memory": Work(
        "peak memory, 784-128-10, one epoch of all 60,000 rows",
        (784, 128, 10),
        ("relu",),
        rows=60_000,
        targets={"leanest": 0.5},
    ),
}


def iris(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns `rows` flowers in a fixed random order."""
    with open(DATASETS / "iris.csv", newline="") as file:
        table = list(csv.reader(file))[1:]
    names = sorted({line[4] for line in table})
    x = np.array([line[:4] for line in table], dtype="float32")
    y = np.array([names.index(line[4]) for line in table], dtype="int32")
    order = np.random.default_rng(0).permutation(len(x))[:rows]
    return x[order], y[order]


def mnist(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the first `rows` training digits, 0 to 1.

    Read in blocks straight into the float array, so that memory measurements see the libraries and not
    copies made here.
    """
    x = np.empty((rows, 784), dtype="float32")
    with gzip.open(DATASETS / "mnist" / "train-images-idx3-ubyte.gz") as file:
        file.read(16)
        for begin in range(0, rows, 1000):
            block = x[begin : begin + 1000]
            np.divide(np.frombuffer(file.read(block.size), np.uint8).reshape(block.shape), 255, out=block)
    with gzip.open(DATASETS / "mnist" / "train-labels-idx1-ubyte.gz") as file:
        file.read(8)
        return x, np.frombuffer(file.read(rows), np.uint8).astype("int32")
