"""The parameters of a layer: their order, how they are made, and what is left of a build that fails."""

import numpy as np

from kerasette import Input, Sequential
from kerasette import layers as L  # noqa: N812
from tests import keras_oracle

X = np.arange(8.0, dtype="float32").reshape(2, 4)


def normalized():
    model = Sequential([Input((4,)), L.BatchNormalization()])
    model.layers[0].gamma.assign(np.full(4, 2.0))
    return model


def test_a_parameter_that_is_frozen_keeps_its_place(tmp_path):
    model = normalized()
    order = [parameter.name for parameter in model.weights]
    model.layers[0].gamma.trainable = False
    layer = model.layers[0]
    assert [parameter.name for parameter in layer.weights] == order
    assert [parameter.name for parameter in layer.trainable_weights] == ["beta"]
    assert [parameter.name for parameter in layer.non_trainable_weights] == [
        "gamma",
        "moving_mean",
        "moving_variance",
    ]
    theirs = keras_oracle.keras().layers.BatchNormalization()
    theirs.build((None, 4))
    theirs.gamma.trainable = False
    for name in ("weights", "trainable_weights", "non_trainable_weights"):
        assert [one.name for one in getattr(layer, name)] == [one.name for one in getattr(theirs, name)], name

    model.save_weights(tmp_path / "a.weights.h5")
    for take in ("file", "arrays"):
        other = Sequential([Input((4,)), L.BatchNormalization()])
        if take == "file":
            other.load_weights(tmp_path / "a.weights.h5")
        else:
            other.set_weights(model.get_weights())
        np.testing.assert_array_equal(other.predict(X, verbose=0), model.predict(X, verbose=0))


def test_keras_reads_the_weights_of_a_layer_with_a_frozen_parameter(tmp_path):
    keras = keras_oracle.keras()
    model = normalized()
    model.layers[0].gamma.trainable = False
    model.save_weights(tmp_path / "a.weights.h5")
    theirs = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization()])
    theirs.load_weights(tmp_path / "a.weights.h5")
    np.testing.assert_allclose(theirs.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-5)
