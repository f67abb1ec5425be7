"""Files and configurations: what a model is made of, written down and read again."""

from kerasette.registry import CustomObjectScope, register_keras_serializable
from kerasette.saving.cloning import clone_model
from kerasette.saving.config import model_config, model_from_config, model_from_json, model_to_json
from kerasette.saving.weights import load_weights, save_weights

__all__ = [
    "CustomObjectScope",
    "clone_model",
    "load_weights",
    "model_config",
    "model_from_config",
    "model_from_json",
    "model_to_json",
    "register_keras_serializable",
    "save_weights",
]
