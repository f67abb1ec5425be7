"""Whole models in one `.h5` file, the older layout.

| in the file | what it is |
|---|---|
| attribute model_config | JSON: class_name and config of the model |
| attribute training_config | JSON: what compile() was told; absent where it wasn't called |
| attributes keras_version, backend | who wrote it |
| model_weights/ | the weights, see legacy_layout |
| optimizer_weights/ | the optimizer's arrays, and their order in weight_names |
| kerasette/ | what only we write: Keras passes it over |
"""

import json

from kerasette.backend import to_numpy
from kerasette.errors import value_error
from kerasette.saving import archive, hdf5, legacy_layout, optimizer_state
from kerasette.saving.compilation import training_config
from kerasette.saving.config import entry_of, parse
from kerasette.saving.faults import load_error
from kerasette.saving.legacy_config import modern

BACKEND = "kerasette"  # what our files say in the attribute of that name; Keras only hands it on


def write(path: str, model, include_optimizer: bool, extra: dict) -> None:
    """Writes a model to an `.h5` file that Keras 3 reads; whole and read back, or not at all.

    Args:
        path: where to.
        model: a built model.
        include_optimizer: whether compile()'s arguments and the optimizer's state are written.
        extra: {path: array} of what only we write.
    """
    if len({layer.name for layer in model.layers}) < len(model.layers):
        raise value_error(
            f"save: two layers of {model.name} have one name, which an .h5 file can't tell apart."
        )
    arrays, texts = legacy_layout.arrays_of(model, lambda parameter: to_numpy(parameter.value))
    entry = entry_of(model)
    about = {"class_name": entry["class_name"], "config": entry["config"]}
    own = {
        "keras_version": archive.LAYOUT,
        "backend": BACKEND,
        "model_config": archive.text(about, model.name).decode(),
    }
    texts[legacy_layout.ROOT].update({name: own[name] for name in ("keras_version", "backend")})
    training = training_config(model) if include_optimizer else None
    if training is not None:
        own["training_config"] = archive.text(training, model.name).decode()
        more, names = optimizer_state.legacy_arrays_of(model)
        arrays, texts = {**arrays, **more}, {**texts, **names}
    hdf5.write(path, {**arrays, **extra}, {"": own, **texts})


class Parts:
    """What an open `.h5` file says, its texts parsed and its arrays not read yet.

    Attributes:
        entry: of the model, in Keras 3's words.
        compiled: the training_config, or None.
        version: of the Keras that wrote it, as it says.
        layers: what legacy_layout.listed gives.
    """

    def __init__(self, path: str, stored):
        text = stored.text("", "model_config")
        if text is None:
            raise load_error(
                f"'{path}' has weights and no model.", "Describe the model, and call model.load_weights()."
            )
        self.entry = modern(parse(text), unlist=stored.text("", "backend") != BACKEND)
        training = stored.text("", "training_config")
        self.compiled = None if training is None else _parsed(training)
        self.version = stored.text("", "keras_version") or "1"
        self.layers = legacy_layout.listed(path, stored)
        if self.layers is None:
            raise load_error(f"'{path}' has a model without weights.")


def _parsed(text):
    return None if json.loads(text) is None else parse(text)
