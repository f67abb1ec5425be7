"""Model and Sequential: what learns."""

from kerasette.errors import no_attribute
from kerasette.models.model import Model
from kerasette.models.sequential import Sequential

__all__ = ["Model", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]

_FROM_SAVING = ("clone_model", "load_model", "model_from_json", "save_model")


def __getattr__(name):
    if name in _FROM_SAVING:
        from kerasette import saving  # lazy

        return getattr(saving, name)
    raise no_attribute(__name__, name, __all__)
