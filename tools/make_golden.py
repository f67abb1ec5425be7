"""Golden files: small models of many Keras versions, with inputs, outputs and what training them on gives.

    python tools/make_golden.py --python ENV/bin/python --path DIRECTORY_WITH_KERAS --out tests/golden

Each version becomes one archive, VERSION.tar.xz. Runs itself (`--worker`) with the Python of a side
environment that has some Keras, so nothing here imports kerasette. With `--path` a directory of its own
holds Keras (`pip install --target`), so that many versions share one environment. For
Keras 3 the backend is KERAS_BACKEND, by default jax.

What can't be had with Python 3.11: Keras before 2.12, whose TensorFlow needs an older Python. Keras 3.0 can't
train `activations`: its centered RMSprop fails on JAX. NumPy 1.26 with JAX 0.4.30 serves Keras 3.0 to 3.14.
"""

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
import warnings
from pathlib import Path

LARGEST = 100_000  # bytes of a file, and of an archive
ROWS = 16


# ---------------------------------------------------------------- the models


def mlp(k):
    layers = k.layers
    return k.Sequential(
        [
            k.Input((4,)),
            layers.Dense(6, activation="tanh", kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.Dropout(0.0),
            layers.Dense(3, activation="softmax"),
        ]
    )


def functional(k):
    layers = k.layers
    a, b = k.Input((4,), name="a"), k.Input((4,), name="b")
    shared = layers.Dense(4, activation="relu", name="shared")
    inner = k.Sequential(
        [k.Input((4,)), layers.Dense(4, name="deep"), layers.LayerNormalization()], name="inner"
    )
    x = layers.Add()([shared(a), shared(inner(b))])
    y = layers.Concatenate()([x, inner(a)])
    return k.Model([a, b], [layers.Dense(2, name="p")(y), layers.Dense(3, activation="softmax", name="q")(x)])


def operators(k):
    x = k.Input((4,))
    y = k.layers.Dense(4)(x)
    z = y * 2.0 + x
    return k.Model(x, k.layers.Dense(2)((1.0 - z) * y - x / 2.0))


def activations(k):
    layers = k.layers
    slope = {"negative_slope": 0.2} if hasattr(k, "ops") else {"alpha": 0.2}  # Keras 3 or 2
    stack = [layers.LeakyReLU(**slope), layers.Dense(4), layers.PReLU(), layers.Dense(4, activation="elu")]
    more = [layers.ReLU(max_value=4.0), layers.Dense(4, activation="swish"), layers.Softmax()]
    return k.Sequential([k.Input((4,)), layers.Dense(4), *stack, *more])


def convnet(k):
    layers = k.layers
    return k.Sequential(
        [
            k.Input((8, 8, 2)),
            layers.Conv2D(4, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.DepthwiseConv2D(3, padding="same"),
            layers.SeparableConv2D(4, 2),
            layers.ZeroPadding2D(1),
            layers.Conv2DTranspose(2, 2, strides=2),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )


def lstm(k):
    layers = k.layers
    parts = [layers.Embedding(7, 3, mask_zero=True), layers.LSTM(4, return_sequences=True), layers.GRU(3)]
    return k.Sequential([k.Input((5,), dtype="int32"), *parts, layers.Dense(2)])


def bidirectional(k):
    layers = k.layers
    x = k.Input((5, 3))
    y = layers.Bidirectional(layers.LSTM(2, return_sequences=True))(x)
    y = layers.TimeDistributed(layers.Dense(3))(y)
    y = layers.Bidirectional(layers.SimpleRNN(2), merge_mode="sum")(y)
    return k.Model(x, layers.Dense(2)(y))


def attention(k):
    layers = k.layers
    x = k.Input((5, 4))
    y = layers.MultiHeadAttention(2, 3)(x, x)
    y = layers.LayerNormalization()(layers.Add()([x, y]))
    return k.Model(x, layers.Dense(2)(layers.GlobalAveragePooling1D()(y)))


def optimizer_of(k, name):
    o = k.optimizers
    return {
        "mlp": lambda: o.Adam(0.01),
        "functional": lambda: o.SGD(0.05, momentum=0.9),
        "operators": lambda: o.Nadam(0.01),
        "activations": lambda: o.RMSprop(0.01, momentum=0.5, centered=True),
        "convnet": lambda: o.AdamW(0.01, weight_decay=0.01),
        "lstm": lambda: o.Adamax(o.schedules.ExponentialDecay(0.02, 5, 0.8)),
        "bidirectional": lambda: o.Adam(0.01, amsgrad=True, clipnorm=0.5),
        "attention": lambda: o.Adagrad(0.05),
    }[name]()


LOSSES = {"mlp": "categorical_crossentropy", "convnet": "categorical_crossentropy"}
MODELS = (mlp, functional, operators, activations, convnet, lstm, bidirectional, attention)
SHORT = ("mlp", "functional", "lstm")  # those that Keras 3 also writes as .h5


# ---------------------------------------------------------------- in the side environment


def worker(out):
    import numpy as np

    keras, version = _keras()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for make in MODELS:
            try:
                arrays = _model_files(keras, make, folder)
            except Exception as problem:  # what one version can't do is no golden file
                for path in folder.glob(f"{make.__name__}.*"):
                    path.unlink()
                text = " ".join(str(problem).split())
                print(f"{version}: {make.__name__}: {type(problem).__name__}: {text[:150]}")
                continue
            np.savez_compressed(folder / f"{make.__name__}.npz", **arrays)
        target = Path(out) / f"{version}.tar.xz"
        target.parent.mkdir(parents=True, exist_ok=True)
        _pack(folder, target)
    print(target, target.stat().st_size, "bytes")


def _pack(folder, target):
    with tarfile.open(target, "w:xz", preset=9) as archive:
        for path in sorted(folder.iterdir()):
            if path.stat().st_size <= LARGEST:
                archive.add(path, path.name, filter=_plain)


def _plain(info):
    info.mtime = info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info


def _model_files(keras, make, folder):
    """Saves one trained model in every format; returns data, and predictions before and after more steps."""
    import numpy as np

    name, rng = make.__name__, np.random.default_rng(3)
    model = make(keras)
    x, y = _data(model, rng)
    _compile(keras, model, name)
    model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    before = _listed(model.predict(x, verbose=0))
    _save(keras, model, folder, name)
    model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    after = _listed(model.predict(x, verbose=0))
    groups = {"x": x, "y": y, "before": before, "after": after}
    return {f"{key}{n}": array for key, group in groups.items() for n, array in enumerate(_listed(group))}


def _keras():
    """Returns Keras, and what its version is called; TF_USE_LEGACY_KERAS asks for tf_keras."""
    if os.environ.get("TF_USE_LEGACY_KERAS"):
        import tf_keras

        return tf_keras, f"tf_keras-{tf_keras.__version__}"
    try:
        import keras

        if keras.__version__ >= "3":
            return keras, f"keras-{keras.__version__}"
    except ImportError:
        pass
    import tensorflow

    return tensorflow.keras, f"tf_keras-{tensorflow.__version__}"


def _listed(value):
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _data(model, rng):
    import numpy as np

    inputs = []
    for tensor in model.inputs:
        shape = (ROWS, *tensor.shape[1:])
        whole = "int" in str(tensor.dtype)
        inputs.append(
            rng.integers(0, 7, shape).astype("int32") if whole else rng.normal(size=shape).astype("float32")
        )
    targets = []
    for tensor in model.outputs:
        size = int(tensor.shape[-1])
        hot = np.eye(size, dtype="float32")[rng.integers(0, size, ROWS)]
        targets.append(hot if size == 3 else rng.normal(size=(ROWS, size)).astype("float32"))
    return (inputs, targets) if len(inputs) > 1 else (inputs[0], targets[0])


def _compile(keras, model, name):
    optimizer = optimizer_of(keras, name)
    if name == "functional":
        losses = [keras.losses.Huber(), "categorical_crossentropy"]
        model.compile(optimizer, losses, loss_weights=[1.0, 0.5], metrics=[["mae"], ["accuracy"]])
        return
    model.compile(optimizer, LOSSES.get(name, "mean_squared_error"), metrics=["accuracy", "mae"])


def _save(keras, model, folder, name):
    new = hasattr(keras, "ops")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if new:
            model.save(folder / f"{name}.keras")
        else:
            model.save(str(folder / f"{name}.keras"), save_format="keras")
        if not new or name in SHORT:
            model.save(str(folder / f"{name}.h5"))
        if name in ("functional", "lstm"):
            model.save_weights(str(folder / f"{name}.weights.h5"))
            if not new:
                model.save_weights(str(folder / f"{name}.hdf5"))


# ---------------------------------------------------------------- here


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="of the environment that has Keras")
    parser.add_argument("--path", help="a directory with Keras, to be found first")
    parser.add_argument("--out", default="tests/golden")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.out)
        return
    own = {"KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    environment = {**own, **os.environ}
    if options.path:
        environment["PYTHONPATH"] = str(Path(options.path).resolve())
    command = [options.python, __file__, "--worker", "--out", options.out]
    sys.exit(subprocess.run(command, env=environment, check=False).returncode)


if __name__ == "__main__":
    main()
