"""Keras's names stand where Keras has them; what is asked for and isn't there is told."""

import importlib.util

import pytest

import kerasette as k
from kerasette import layers, losses, metrics, models, optimizers


def test_keras_s_nouns_stand_at_the_top():
    assert k.Loss is losses.Loss and k.Metric is metrics.Metric and k.Optimizer is optimizers.Optimizer
    assert k.Layer is layers.Layer and k.Model is models.Model
    assert isinstance(k.Input((2,)), k.KerasTensor) and isinstance(layers.Dense(1), k.Operation)
    assert isinstance(k.initializers.Zeros(), k.Initializer)
    assert isinstance(k.regularizers.L2(), k.Regularizer)
    assert issubclass(k.callbacks.EarlyStopping, k.Callback)
    for name in k.__all__:
        assert getattr(k, name) is not None and name in dir(k)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Sequental", "'Sequential'"),
        ("layer", "'layers'"),
        ("applications", "pretrained"),
        ("Variable", "add_weight"),
    ],
)
def test_what_the_package_lacks_is_told(name, told):
    with pytest.raises(AttributeError, match=told):
        getattr(k, name)
    assert not hasattr(k, name)


@pytest.mark.parametrize(
    ("room", "name", "told"),
    [
        ("layers", "Conv2d", "Did you mean 'Conv2D'"),
        ("layers", "Lambda", "kerasette.ops"),
        ("layers", "TextVectorization", "arrays of numbers"),
        ("losses", "MeanSquareError", "Did you mean 'MeanSquaredError'"),
        ("metrics", "Acuracy", "Did you mean 'Accuracy'"),
        ("optimizers", "Muon", "AdamW"),
        ("optimizers", "LossScaleOptimizer", "leave it out"),
        ("callbacks", "TensorBoard", "CSVLogger"),
        ("callbacks", "EarlyStop", "Did you mean 'EarlyStopping'"),
        ("activations", "rellu", "Did you mean 'relu'"),
        ("regularizers", "L22", "Did you mean 'L2'"),
        ("constraints", "max_nrm", "Did you mean 'max_norm'"),
        ("models", "load_modle", "Did you mean 'load_model'"),
        ("saving", "load_modle", "Did you mean 'load_model'"),
        ("datasets", "cifar10", "get_file"),
        ("datasets", "mnits", "Did you mean 'mnist'"),
        ("config", "set_float", "Did you mean 'set_floatx'"),
        ("utils", "to_categoricl", "Did you mean 'to_categorical'"),
        ("utils", "image_dataset_from_directory", "PyDataset"),
        ("ops", "concat", "Did you mean 'concatenate'"),
    ],
)
def test_what_a_room_lacks_is_told(room, name, told):
    module = getattr(k, room)
    with pytest.raises(AttributeError, match=rf"'kerasette.{room}' has no attribute '{name}'. .*{told}"):
        getattr(module, name)
    assert not hasattr(module, name)
    with pytest.raises(ImportError, match=rf"cannot import name '{name}' from 'kerasette.{room}'. .*{told}"):
        exec(f"from kerasette.{room} import {name}")


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("from kerasette.applications import VGG16", "pretrained"),
        ("from kerasette.applications.vgg16 import VGG16", "pretrained"),
        ("from kerasette import applications", "pretrained"),
        ("from kerasette import Sequental", "Did you mean 'Sequential'"),
        ("import kerasette.mixed_precision", "set_floatx"),
    ],
)
def test_imports_of_what_the_package_lacks_say_what_to_do(statement, told):
    with pytest.raises(ImportError, match=told):
        exec(statement)


def test_other_missing_modules_are_left_to_python():
    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'kerasette.nothing'$"):
        exec("import kerasette.nothing")
    assert importlib.util.find_spec("kerasette.nothing") is None


def test_clear_session_stands_where_scripts_look_for_it():
    for room in (k.utils, k.backend):
        layers.Dense(1)
        room.clear_session()
        assert layers.Dense(1).name == "dense"


def test_layers_say_what_they_lack_so_that_python_can_suggest():
    with pytest.raises(AttributeError, match="no attribute 'activaton'") as caught:
        layers.Dense(1).activaton
    assert caught.value.name == "activaton"


def test_saving_has_the_registry_s_names():
    class Mine(layers.Layer):
        def forward(self, ctx, w, x):
            return x, None

    with k.saving.custom_object_scope({"Mine": Mine}):
        config = k.saving.serialize_keras_object(Mine(name="own"))
        assert k.utils.deserialize_keras_object(config).name == "own"
    assert k.saving.get_registered_object("nobody>nothing") is None
    assert k.saving.get_registered_name(Mine) == "Mine"
