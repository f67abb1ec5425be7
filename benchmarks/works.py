"""What is measured: the models, their data, and the targets. Imports nothing but NumPy.

A model is a stack of entries, from which each library's file builds its own:

- `("dense", units, activation)`; the last one gives the classes ("softmax") or the forecast (None);
- `("conv", filters, strides, padding)`: 3 x 3 and ReLU; `("pool",)`: the maximum of 2 x 2;
- `("normalize",)`: batch normalization; `("flatten",)`; `("dropout", rate)`;
- `("rescale", factor)`: each number, whatever its type, as a float32 times the factor;
- `("lstm", units)`, `("gru", units)`, `("simple_rnn", units)`: the output of the last step;
- `("block", heads, width, inner)`: self-attention and a feed-forward part, each with its residual and
  layer normalization after it; `("average",)`: the mean over steps.
"""

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np

DATASETS = Path(__file__).resolve().parent.parent / "datasets"
OWN = ("kerasette", "fast")  # kernels in NumPy alone, and with those of the extra [fast]
LIBRARIES = (*OWN, "keras", "torch", "jax", "sklearn")
PREDICT_BATCH = 256  # rows at a time where many are predicted, in every library


@dataclass
class Work:
    """A model, how it is trained, and what the measured time should be.

    Attributes:
        title: for the table.
        stack: entries of the model, as above.
        shape: of one row of the input.
        source: the data, a name in SOURCES.
        targets: peer ("fastest", "leanest" or a library) -> largest ratio of kerasette's figure to it.
        fast: the same with the compiled kernels; None where the targets are the same.
        measure: "step" (seconds a step of training), "predict" (seconds a call) or "memory".
        batch: rows a step.
        optimizer: "sgd" (0.01) or "adam" (0.001).
        rows: training rows used.
        epochs: epochs of one round, so that a round is long against the start of `fit`.
        predicted: rows of one call of predict.
        without: libraries that aren't asked.
    """

    title: str
    stack: tuple
    shape: tuple
    source: str
    targets: dict
    fast: dict | None = None
    measure: str = "step"
    batch: int = 128
    optimizer: str = "adam"
    rows: int = 25_600
    epochs: int = 1
    predicted: int = 1
    without: tuple = ("sklearn",)

    @property
    def rate(self) -> float:
        """The learning rate."""
        return {"sgd": 0.01, "adam": 0.001}[self.optimizer]

    @property
    def steps(self) -> int:
        """Steps of one round."""
        return -(-self.rows // self.batch) * self.epochs

    @property
    def classifies(self) -> bool:
        """Whether the output is classes with cross-entropy, and not numbers with the squared error."""
        return self.stack[-1][2] == "softmax"

    def targets_of(self, library: str) -> dict:
        """Returns the targets of "kerasette" or "fast"."""
        return self.fast if library == "fast" and self.fast is not None else self.targets

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns x (rows, *shape), float32 but for `images`, and y: int32 (rows,), or float32 (rows, 1)."""
        x, y = SOURCES[self.source](self.rows, self.shape)
        return x.reshape(self.rows, *self.shape), y


# ---------------------------------------------------------------- data


def iris(rows: int, shape: tuple = (4,)) -> tuple[np.ndarray, np.ndarray]:
    """Returns `rows` flowers in a fixed random order."""
    with open(DATASETS / "iris.csv", newline="") as file:
        table = list(csv.reader(file))[1:]
    names = sorted({line[4] for line in table})
    x = np.array([line[:4] for line in table], dtype="float32")
    y = np.array([names.index(line[4]) for line in table], dtype="int32")
    order = np.random.default_rng(0).permutation(len(x))[:rows]
    return x[order], y[order]


def mnist(rows: int, shape: tuple = (784,)) -> tuple[np.ndarray, np.ndarray]:
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
    return x, digit_labels(rows)


def images(rows: int, shape: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Returns the first `rows` training digits as `load_data()` gives them, uint8."""
    x = np.empty((rows, *shape), np.uint8)
    with gzip.open(DATASETS / "mnist" / "train-images-idx3-ubyte.gz") as file:
        file.read(16)
        for begin in range(0, rows, 1000):
            block = x[begin : begin + 1000]
            block[...] = np.frombuffer(file.read(block.size), np.uint8).reshape(block.shape)
    return x, digit_labels(rows)


def digit_labels(rows: int) -> np.ndarray:
    """Returns the first `rows` training labels."""
    with gzip.open(DATASETS / "mnist" / "train-labels-idx1-ubyte.gz") as file:
        file.read(8)
        return np.frombuffer(file.read(rows), np.uint8).astype("int32")


def digit_rows(rows: int, shape: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Returns digits as `shape[0]` steps of 28 points: repeated, or with empty steps around."""
    x, y = mnist(rows)
    x = x.reshape(rows, 28, 28)
    around = (shape[0] % 28) // 2
    return np.pad(np.tile(x, (1, shape[0] // 28, 1)), ((0, 0), (around, around), (0, 0))), y


def patterns(rows: int, shape: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Returns noise around one random picture for each of 10 classes."""
    rng = np.random.default_rng(0)
    pictures = rng.normal(size=(10, *shape)).astype("float32")
    y = rng.integers(0, 10, rows).astype("int32")
    x = rng.standard_normal((rows, *shape), dtype="float32")
    x += pictures[y]
    return x, y


def windows(rows: int, shape: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Returns windows of a noisy sine, and the value after each."""
    length = rows + shape[0]
    noise = np.random.default_rng(0).normal(0, 0.1, length)
    series = (np.sin(0.3 * np.arange(length)) + noise).astype("float32")
    x = np.lib.stride_tricks.sliding_window_view(series, shape[0])[:rows]
    return np.ascontiguousarray(x), series[shape[0] :, None].copy()


SOURCES = {item.__name__: item for item in (iris, mnist, images, digit_rows, patterns, windows)}


# ---------------------------------------------------------------- works

MLP = (("dense", 128, "relu"), ("dense", 10, "softmax"))
DIGITS = {"shape": (784,), "source": "mnist", "without": ()}

CONVNET = (
    ("conv", 32, 1, "valid"),
    ("pool",),
    ("conv", 64, 1, "valid"),
    ("pool",),
    ("flatten",),
    ("dropout", 0.5),
    ("dense", 10, "softmax"),
)
CONVNET_NORMALIZED = (
    ("conv", 32, 1, "valid"),
    ("normalize",),
    ("pool",),
    ("conv", 64, 1, "valid"),
    ("normalize",),
    ("conv", 64, 2, "valid"),
    ("normalize",),
    ("flatten",),
    ("dropout", 0.5),
    ("dense", 10, "softmax"),
)
CIFAR = (
    *[("conv", 32, 1, "same")] * 2,
    ("pool",),
    *[("conv", 64, 1, "same")] * 2,
    ("pool",),
    ("flatten",),
    ("dense", 128, "relu"),
    ("dense", 10, "softmax"),
)
IMAGES = {"shape": (28, 28, 1), "source": "mnist"}

LSTM = (("lstm", 64), ("dense", 10, "softmax"))
TRANSFORMER = (("dense", 64, None), ("block", 2, 64, 128), ("average",), ("dense", 10, "softmax"))
SEQUENCES = {"source": "digit_rows", "without": ("jax", "sklearn")}


WORKS = {
    "iris": Work(
        "Iris MLP 4-8-8-3, batch 1, SGD, a step of fit",
        (("dense", 8, "tanh"), ("dense", 8, "relu"), ("dense", 3, "softmax")),
        shape=(4,),
        source="iris",
        batch=1,
        optimizer="sgd",
        rows=105,
        epochs=5,
        targets={"jax": 2.0, "torch": 0.3, "keras": 0.08},
        without=(),
    ),
    "mlp": Work("784-128-10, batch 128, Adam, a step of fit", MLP, **DIGITS, targets={"fastest": 0.9}),
    "mlp_dropout": Work(
        "784-512-512-10, dropout 0.2, batch 128, Adam, a step of fit",
        (*[("dense", 512, "relu"), ("dropout", 0.2)] * 2, ("dense", 10, "softmax")),
        shape=(784,),
        source="mnist",
        rows=12_800,
        targets={"fastest": 0.8},
    ),
    "predict_one": Work(
        "predict of one row, 784-128-10",
        MLP,
        **DIGITS,
        rows=2_560,
        measure="predict",
        targets={"torch": 1.0, "keras": 0.01},
    ),
    "convnet": Work(
        "MNIST convnet, batch 128, Adam, a step of fit",
        CONVNET,
        **IMAGES,
        rows=6_400,
        targets={"fastest": 0.8},
        fast={"fastest": 0.55},
    ),
    "convnet_normalized": Work(
        "convnet with BatchNormalization and a strided convolution",
        CONVNET_NORMALIZED,
        **IMAGES,
        rows=6_400,
        targets={"fastest": 0.9},
        fast={"fastest": 0.7},
    ),
    "convnet_predict": Work(
        "predict of 2,048 images, convnet",
        CONVNET,
        **IMAGES,
        rows=2_560,
        measure="predict",
        predicted=2_048,
        targets={"fastest": 0.9},
        fast={"fastest": 0.7},
    ),
    "convnet_predict_one": Work(
        "predict of one image, convnet",
        CONVNET,
        **IMAGES,
        rows=2_560,
        measure="predict",
        targets={"torch": 1.2},
        fast={"torch": 1.0},
    ),
    "cifar": Work(
        "CIFAR-sized convnet 32-32-pool-64-64-pool-128-10, batch 64",
        CIFAR,
        shape=(32, 32, 3),
        source="patterns",
        batch=64,
        rows=1_280,
        targets={"fastest": 1.1},
        fast={"fastest": 0.9},
    ),
    "lstm": Work(
        "LSTM 64, 28 steps of 28, batch 128, Adam, a step of fit",
        LSTM,
        shape=(28, 28),
        **SEQUENCES,
        rows=12_800,
        targets={"fastest": 1.0},
    ),
    "gru": Work(
        "GRU 64, the same",
        (("gru", 64), ("dense", 10, "softmax")),
        shape=(28, 28),
        **SEQUENCES,
        rows=12_800,
        targets={"fastest": 0.9},
    ),
    "simple_rnn": Work(
        "SimpleRNN 32, windows of 16 steps, batch 16, Adam, a step of fit",
        (("simple_rnn", 32), ("dense", 1, None)),
        shape=(16, 1),
        source="windows",
        batch=16,
        rows=1_600,
        epochs=3,
        targets={"fastest": 0.5},
        without=("jax", "sklearn"),
    ),
    "lstm_predict_one": Work(
        "predict of one row, LSTM 64",
        LSTM,
        shape=(28, 28),
        **SEQUENCES,
        rows=2_560,
        measure="predict",
        targets={"torch": 1.0},
    ),
    "transformer": Work(
        "small transformer, 2 heads, 64 wide, 32 steps, batch 64, Adam, a step of fit",
        TRANSFORMER,
        shape=(32, 28),
        **SEQUENCES,
        batch=64,
        rows=6_400,
        targets={"fastest": 1.0},
    ),
    "memory": Work(
        "peak memory, 784-128-10, one epoch of all 60,000 rows",
        MLP,
        **DIGITS,
        rows=60_000,
        measure="memory",
        targets={"leanest": 0.5},
    ),
    "memory_uint8": Work(
        "the same from the images as load_data() gives them, uint8",
        (("rescale", 1 / 255), ("flatten",), *MLP),
        shape=(28, 28),
        source="images",
        without=(),
        rows=60_000,
        measure="memory",
        targets={"leanest": 0.5},
    ),
    **{
        name: Work(
            f"peak memory, convnet, batch {batch:,}, 10,240 images",
            CONVNET,
            **IMAGES,
            batch=batch,
            rows=10_240,
            measure="memory",
            targets={"leanest": 0.5},
        )
        for name, batch in {"memory_convnet": 128, "memory_convnet_1024": 1_024}.items()
    },
    **{
        name: Work(
            f"peak memory, LSTM 64 over {steps:,} steps, batch 32",
            LSTM,
            shape=(steps, 28),
            **SEQUENCES,
            batch=32,
            rows=64,
            measure="memory",
            targets={"torch": 0.7},
        )
        for name, steps in {"memory_lstm": 28, "memory_lstm_280": 280, "memory_lstm_2800": 2_800}.items()
    },
}
