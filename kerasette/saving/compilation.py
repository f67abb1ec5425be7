"""What compile() was told, as Keras writes it into files, and back: optimizer, loss, metrics, weights.

Each entry is looked up among the things of its own kind; a name of a file can't reach anything else.
"""

from kerasette import losses, metrics, optimizers, registry
from kerasette.errors import type_error, value_error
from kerasette.losses.by_shape import is_by_shape
from kerasette.saving.legacy_config import modern_optimizer, modern_part

_LISTS = ("metrics", "weighted_metrics")
_BY_SHAPE = ("acc", "accuracy", "ce", "crossentropy")  # names of metrics
# What Keras writes too, and nothing here depends on.
_WITHOUT_EFFECT = {
    "run_eagerly",
    "steps_per_execution",
    "jit_compile",
    "auto_scale_loss",
    "sample_weight_mode",
}
_KNOWN = {"optimizer", "optimizer_config", "loss", "loss_weights", *_LISTS, *_WITHOUT_EFFECT}


def compile_config(model) -> dict | None:
    """Returns Keras's compile_config of a model, or None where it isn't compiled."""
    if not model.compiled:
        return None
    wanted = model._compiled
    return {
        "optimizer": registry.serialize(model.optimizer),
        "loss": _written(wanted["loss"]),
        "loss_weights": registry.serialize(wanted["loss_weights"]),
        "metrics": _written(wanted["metrics"]),
        "weighted_metrics": _written(wanted["weighted_metrics"]),
        "run_eagerly": False,
        "steps_per_execution": 1,
        "jit_compile": "auto",
    }


def training_config(model) -> dict | None:
    """Returns the same for an `.h5` file, where the optimizer has its own place."""
    config = compile_config(model)
    if config is None:
        return None
    optimizer = config.pop("optimizer")
    plain = {name: optimizer[name] for name in ("class_name", "config")}
    older = {name: _older(config[name]) for name in ("loss", *_LISTS)}
    # Keras doesn't find "mse" in its own files, but it finds the class.
    own = registry.names("loss")
    older["loss"] = _read(older["loss"], lambda one: _written(losses.get(one)) if one in own else one)
    return {**config, **older, "optimizer_config": plain}


def _older(value):
    """Returns losses or metrics with functions by their names alone."""

    def name_of(value):
        return value["config"] if isinstance(value, dict) and value["class_name"] == "function" else value

    return _read(value, name_of)


def _written(value):
    """Returns losses or metrics as plain data, in whatever lists and dicts they stand."""
    if isinstance(value, (list, tuple)):
        return [_written(item) for item in value]
    if isinstance(value, dict) and "class_name" not in value:
        return {str(name): _written(item) for name, item in value.items()}
    if callable(value) and not isinstance(value, registry.Configurable):
        name = registry.registered_name(value) or getattr(value, "__name__", None)
        if name is None or isinstance(value, type):
            raise type_error(f"compile was given {value!r}, which no file can hold.", "Give it a name: def.")
        return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}
    return registry.serialize(value)


# ---------------------------------------------------------------- reading


def compile_model(model, config: dict) -> None:
    """Compiles a model as a compile_config or training_config says; names are looked up by kind.

    Raises:
        InvalidValue, InvalidType: for what isn't known, or isn't of the kind that it stands for.
    """
    if not isinstance(config, dict):
        raise value_error(f"The compile configuration is a {type(config).__name__}, not an object.")
    unknown = next((name for name in config if name not in _KNOWN), None)
    if unknown is not None:
        raise value_error(f"The compile configuration has the unknown key '{unknown}'.")
    optimizer = config.get("optimizer_config", config.get("optimizer"))
    made = {
        "optimizer": "rmsprop" if optimizer is None else _optimizer(optimizer),
        "loss": _read(config.get("loss"), _loss),
        "loss_weights": config.get("loss_weights"),
        **{name: _read(config.get(name), _metric) for name in _LISTS},
    }
    model.compile(**made)


def _optimizer(config):
    if isinstance(config, str):
        return optimizers.get(config)
    if not isinstance(config, dict):
        raise value_error(f"An optimizer is a name or an object, got {config!r}.")
    return optimizers.deserialize(modern_optimizer(config))


def _read(value, make):
    """Returns what `make` gives for each entry, in the same lists and dicts."""
    if isinstance(value, (list, tuple)):
        return [_read(item, make) for item in value]
    if isinstance(value, dict) and "class_name" not in value:
        return {name: _read(item, make) for name, item in value.items()}
    return None if value is None else make(value)


def _loss(value):
    if isinstance(value, str):
        return value if value in registry.names("loss") or is_by_shape(value) else losses.get(value)
    return losses.get(_entry(value, "loss"))


def _metric(value):
    """Returns a metric; names that aren't the user's stay, since some go by the shape of the targets."""
    if isinstance(value, str):
        known = *registry.names("metric"), *registry.names("loss"), *_BY_SHAPE
        return value if value in known else metrics.get(value)
    return metrics.get(_entry(value, "metric"))


def _entry(value, kind):
    """Returns the entry of a loss or metric in today's words."""
    if not isinstance(value, dict):
        raise value_error(f"A {kind} is a name or an object, got {value!r}.")
    return modern_part(value)
