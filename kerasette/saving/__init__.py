"""Files and configurations: what a model is made of, written down and read again."""

from kerasette.errors import no_attribute
from kerasette.saving.cloning import clone_model
from kerasette.saving.config import model_config, model_from_config, model_from_json, model_to_json
from kerasette.saving.guard import parameter_limit
from kerasette.saving.models import load_model, save_model
from kerasette.saving.resume import load_run, save_run
from kerasette.saving.weights import load_weights, save_weights
from kerasette.utils.objects import (
    CustomObjectScope,
    custom_object_scope,
    deserialize_keras_object,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
    serialize_keras_object,
)

__all__ = [
    "CustomObjectScope",
    "clone_model",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_registered_name",
    "get_registered_object",
    "load_model",
    "load_run",
    "load_weights",
    "model_config",
    "model_from_config",
    "model_from_json",
    "model_to_json",
    "parameter_limit",
    "register_keras_serializable",
    "save_model",
    "save_run",
    "save_weights",
    "serialize_keras_object",
]


def __getattr__(name):
    raise no_attribute(__name__, name, __all__)
