"""Samples that a file brings with it, computed when it is loaded: small files, long computations."""

import json
import zipfile

import h5py
import numpy as np

import kerasette
from kerasette import Input, layers
from tests.attacks.good import Attack, rewrite

INPUT, OUTPUT = "kerasette/sample/inputs/0", "kerasette/sample/outputs/0"


class Sampled(Attack):
    """A model that is saved with a sample; then its configuration, or the sample, gets another size.

    Args:
        name: of it.
        make: returns (model, sample).
        change: None, or what is done to the entry of the model.
        shape, fill: None, or the shape of other inputs, and what they are filled with.
    """

    def __init__(self, name, make, change=None, shape=None, fill=0):
        super().__init__(name, "sample", change, entries=("keras",), loads=True)
        self.make, self.shape, self.fill = make, shape, fill

    def build(self, path):
        """Writes the file."""
        made, sample = self.make()
        made.save(path, sample=sample)
        with zipfile.ZipFile(path) as archive:
            entry = json.loads(archive.read("config.json"))
            weights = archive.read("model.weights.h5")
        if self.change is not None:
            rewrite(path, {"config.json": json.dumps(self.change(entry))})
        if self.shape is not None:
            inner = path.with_suffix(".inner.h5")
            inner.write_bytes(weights)
            with h5py.File(inner, "r+") as file:
                kind = file[INPUT].dtype
                del file[INPUT]
                chunks = tuple(min(length, 1 << 16) for length in self.shape)
                values = np.full(self.shape, self.fill, kind)
                file.create_dataset(INPUT, data=values, compression="gzip", chunks=chunks)
            rewrite(path, {"model.weights.h5": inner.read_bytes()})
            inner.unlink()


def find(entry, cls):
    """Returns the configuration of the first layer of a class, in models in models too."""
    stack = [entry]
    while stack:
        one = stack.pop()
        if one.get("class_name") == cls:
            return one["config"]
        config = one.get("config", {})
        stack += [
            inner for inner in (config.get("layer"), *config.get("layers", ())) if isinstance(inner, dict)
        ]
    raise LookupError(cls)


def sets(cls, **values):
    """Returns a change of a layer's settings, wherever it stands."""

    def change(entry):
        find(entry, cls).update(values)
        return entry

    return change


def ones(*shape):
    return np.ones(shape, "f4")


def chain(shape, *inner):
    """Returns a function that makes a model of these layers, with a sample of ones."""

    def make():
        model = kerasette.Sequential([Input(shape), *[one() for one in inner]])
        return model, ones(1, *(length or 3 for length in shape))

    return make


def nested():
    inner = kerasette.Sequential([Input((4,)), layers.RepeatVector(2), layers.GlobalMaxPooling1D()])
    x = Input((4,))
    return kerasette.Model(x, inner(x)), ones(1, 4)


def wrapped():
    inner = kerasette.Sequential([Input((4,)), layers.RepeatVector(2), layers.GlobalMaxPooling1D()])
    x = Input((3, 4))
    return kerasette.Model(x, layers.TimeDistributed(inner)(x)), ones(1, 3, 4)


def attending():
    x = Input((None, 4))
    return kerasette.Model(x, layers.GlobalAveragePooling1D()(layers.Attention()([x, x]))), ones(1, 3, 4)


def added():
    x = Input((None, 4))
    y = layers.AdditiveAttention()([x, x])
    return kerasette.Model(x, layers.GlobalAveragePooling1D()(y)), ones(1, 3, 4)


def heads():
    x = Input((None, 4))
    y = layers.MultiHeadAttention(64, 2)(x, x)
    return kerasette.Model(x, layers.GlobalAveragePooling1D()(y)), ones(1, 3, 4)


def embedded():
    model = kerasette.Sequential([Input((3,), dtype="int32"), layers.Embedding(4, 2), layers.Flatten()])
    return model, np.zeros((1, 3), "i4")


ATTACKS = [
    Sampled(
        "a sample of a wide repetition",
        chain((4,), lambda: layers.RepeatVector(2), layers.GlobalMaxPooling1D),
        sets("RepeatVector", n=1 << 28),
    ),
    Sampled("a sample of an inner repetition", nested, sets("RepeatVector", n=1 << 28)),
    Sampled("a sample of a wrapped repetition", wrapped, sets("RepeatVector", n=1 << 28)),
    Sampled("a sample of long attention", attending, shape=(1, 300_000, 4)),
    Sampled("a sample of long additive attention", added, shape=(1, 20_000, 4)),
    Sampled("a sample of many heads", heads, shape=(16, 3000, 4)),
    Sampled("a sample of long recurrence", chain((None, 4), lambda: layers.LSTM(2)), shape=(1, 1_000_000, 4)),
    Sampled(
        "a sample of wide padding",
        chain((4, 4, 1), layers.ZeroPadding2D, layers.GlobalMaxPooling2D),
        sets("ZeroPadding2D", padding=[[9000] * 2] * 2),
    ),
    Sampled(
        "a sample of a wide window",
        chain((100, 100, 1), lambda: layers.Conv2D(1, 100), layers.GlobalMaxPooling2D),
        sets("InputLayer", batch_shape=[None, 400, 400, 1]),
        shape=(1, 400, 400, 1),
    ),
    Sampled(
        "a sample of many steps",
        chain((4,), lambda: layers.RepeatVector(2), lambda: layers.LSTM(1)),
        sets("RepeatVector", n=3_000_000),
    ),
    Sampled("a sample of many rows", chain((4,), lambda: layers.Dense(2)), shape=(2_000_000, 4)),
    Sampled("a sample of unknown words", embedded, None, (1, 3), fill=9),
]
