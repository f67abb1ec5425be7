"""Classic Keras scripts for images run on kerasette with nothing changed but their imports, and learn."""

import difflib
import re

import pytest

from kerasette import datasets
from tests.keras_oracle import keras

CONVNET = """
import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(1)
num_classes, input_shape = 10, (28, 28, 1)

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train, y_train, x_test, y_test = x_train[:1500], y_train[:1500], x_test[:300], y_test[:300]
x_train = np.expand_dims(x_train.astype("float32") / 255, -1)
x_test = np.expand_dims(x_test.astype("float32") / 255, -1)
y_train = keras.utils.to_categorical(y_train, num_classes)
y_test = keras.utils.to_categorical(y_test, num_classes)

model = keras.Sequential(
    [
        keras.Input(shape=input_shape),
        layers.Conv2D(16, kernel_size=(3, 3), activation="relu"),
        layers.MaxPooling2D(pool_size=(2, 2)),
        layers.Conv2D(32, kernel_size=(3, 3), activation="relu", kernel_initializer="he_normal"),
        layers.MaxPooling2D(pool_size=(2, 2)),
        layers.Flatten(),
        layers.Dropout(0.25),
        layers.Dense(num_classes, activation="softmax"),
    ]
)
model.summary()
model.compile(loss="categorical_crossentropy", optimizer=keras.optimizers.Adam(3e-3), metrics=["accuracy"])
history = model.fit(x_train, y_train, batch_size=32, epochs=3, validation_split=0.1, verbose=2)
score = model.evaluate(x_test, y_test, verbose=0)
print("Test loss:", score[0])
print("Test accuracy:", score[1])
"""

RESIDUAL = """
import keras
from keras import layers
from keras.datasets import mnist

keras.utils.set_random_seed(2)
(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, y_train = x_train[:1200, :, :, None].astype("float32"), y_train[:1200]
x_test, y_test = x_test[:300, :, :, None].astype("float32"), y_test[:300]

augmentation = keras.Sequential([layers.RandomTranslation(0.05, 0.05), layers.RandomRotation(0.02)])


def make_model(input_shape, num_classes):
    inputs = keras.Input(shape=input_shape)
    x = augmentation(inputs)
    x = layers.Rescaling(1.0 / 255)(x)
    x = layers.Conv2D(16, 3, strides=2, padding="same")(x)
    x = layers.BatchNormalization(momentum=0.8)(x)
    x = layers.Activation("relu")(x)
    previous = x
    for size in [24, 32]:
        x = layers.SeparableConv2D(size, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.8)(x)
        x = layers.Activation("relu")(x)
        x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
        residual = layers.Conv2D(size, 1, strides=2, padding="same")(previous)
        x = layers.add([x, residual])
        previous = x
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.1)(x)
    outputs = layers.Dense(num_classes, activation=None)(x)
    return keras.Model(inputs, outputs)


model = make_model(input_shape=(28, 28, 1), num_classes=10)
model.compile(
    optimizer=keras.optimizers.Adam(1e-2),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=[keras.metrics.SparseCategoricalAccuracy(name="acc")],
)
callbacks = [
    keras.callbacks.ModelCheckpoint("best.keras", monitor="val_acc", save_best_only=True),
    keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=2),
    keras.callbacks.EarlyStopping(monitor="val_loss", patience=4, restore_best_weights=True),
]
history = model.fit(
    x_train, y_train, 32, epochs=5, callbacks=callbacks, validation_data=(x_test, y_test), verbose=0
)
best = keras.models.load_model("best.keras")
score = best.evaluate(x_test, y_test, verbose=0)
assert abs(score[1] - max(history.history["val_acc"])) < 1e-6
probabilities = keras.ops.softmax(best.predict(x_test[:4], verbose=0))
assert probabilities.shape == (4, 10)
"""

TRANSFER = """
import keras
import numpy as np
from keras.layers import Activation, AveragePooling2D, Conv2D, Dense, Dropout, Flatten, Input
from keras.models import Sequential

keras.utils.set_random_seed(3)
num_classes = 5
(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train, y_train, x_test, y_test = x_train[:2400], y_train[:2400], x_test[:600], y_test[:600]


def train_model(model, train, test, epochs):
    x, y = train[0].reshape((-1, 28, 28, 1)).astype("float32") / 255, train[1]
    x_new, y_new = test[0].reshape((-1, 28, 28, 1)).astype("float32") / 255, test[1]
    model.compile(loss="sparse_categorical_crossentropy", optimizer="rmsprop", metrics=["accuracy"])
    model.fit(x, y, batch_size=32, epochs=epochs, verbose=0, validation_data=(x_new, y_new))
    return model.evaluate(x_new, y_new, verbose=0)


feature_layers = [
    Input((28, 28, 1)),
    Conv2D(16, 3, strides=(2, 2), padding="same"),
    Activation("relu"),
    Conv2D(24, 3),
    Activation("relu"),
    AveragePooling2D(2),
    Dropout(0.2),
    Flatten(),
]
classification_layers = [Dense(32, activation="relu"), Dense(num_classes), Activation("softmax")]
model = Sequential(feature_layers + classification_layers)

below, below_test = y_train < 5, y_test < 5
first = train_model(model, (x_train[below], y_train[below]), (x_test[below_test], y_test[below_test]), 3)

for layer in feature_layers[1:]:
    layer.trainable = False
kernel = model.layers[0].get_weights()[0]
score = train_model(
    model,
    (x_train[~below], y_train[~below] - 5),
    (x_test[~below_test], y_test[~below_test] - 5),
    5,
)
assert np.array_equal(kernel, model.layers[0].get_weights()[0])
assert first[1] > 0.8
"""

SCRIPTS = {"convnet": (CONVNET, 0.8), "residual": (RESIDUAL, 0.6), "transfer": (TRANSFER, 0.7)}


def for_kerasette(text):
    """Returns the script with its imports changed."""
    text = re.sub(r"^import keras$", "import kerasette as keras", text, flags=re.MULTILINE)
    return re.sub(r"^from keras\b", "from kerasette", text, flags=re.MULTILINE)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Returns a function that runs a script in an empty directory and gives its names."""
    monkeypatch.chdir(tmp_path)

    def run(text):
        names = {"__name__": "__main__"}
        exec(compile(text, "script.py", "exec"), names)
        return names

    return run


@pytest.mark.parametrize("name", SCRIPTS)
def test_runs_with_only_its_imports_changed(name, run):
    text, wanted = SCRIPTS[name]
    changed = for_kerasette(text)
    lines = [line for line in difflib.ndiff(text.splitlines(), changed.splitlines()) if line[0] in "+-"]
    assert lines
    assert all(line[2:].startswith(("import ", "from ")) for line in lines)
    assert run(changed)["score"][1] > wanted


@pytest.mark.parametrize("name", SCRIPTS)
def test_is_a_keras_script(name, run, monkeypatch):
    """The same text runs on Keras itself (its download of MNIST replaced by the checkout's copy)."""
    monkeypatch.setattr(keras().datasets.mnist, "load_data", datasets.mnist.load_data)
    text, wanted = SCRIPTS[name]
    assert run(text)["score"][1] > wanted
