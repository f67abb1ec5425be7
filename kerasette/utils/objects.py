"""Keras's names for the registry: classes and functions of the user's, and objects as plain dictionaries."""

from kerasette import registry
from kerasette.errors import InvalidValue, value_error
from kerasette.registry import CustomObjectScope, register_keras_serializable

custom_object_scope = CustomObjectScope


def get_registered_name(obj) -> str:
    """Returns "package>name" of a registered class or function, or the plain name of any other."""
    return registry.registered_name(obj) or obj.__name__


def get_registered_object(name: str, custom_objects: dict | None = None, module_objects: dict | None = None):
    """Returns the class or function registered under `name` ("package>name"), or None.

    Args:
        name: as `get_registered_name` gives it.
        custom_objects: name -> class or function; looked up after the registered ones.
        module_objects: the same, looked up last.
    """
    try:
        return registry.find("registered object", name)
    except InvalidValue:
        return (custom_objects or {}).get(name, (module_objects or {}).get(name))


def serialize_keras_object(obj):
    """Returns `obj` as plain data: Keras's dictionary for a layer, loss, optimizer ..., ready for JSON."""
    return registry.serialize(obj)


def deserialize_keras_object(config: dict, custom_objects: dict | None = None, safe_mode: bool = True):
    """Returns the object that `serialize_keras_object` described.

    Nothing is imported and no code in `config` is run, whatever `safe_mode` says; it is taken because
    Keras has it.

    Args:
        config: dictionary with "module", "class_name", "config" and "registered_name".
        custom_objects: name -> class or function of the user's.
        safe_mode: True; False changes nothing.

    Raises:
        InvalidValue: where `config` has another form or names an unknown class.
    """
    if config is None or isinstance(config, (bool, int, float, str)):
        return config
    if isinstance(config, (list, tuple)):
        return [deserialize_keras_object(item, custom_objects, safe_mode) for item in config]
    if not isinstance(config, dict):
        raise value_error(f"A configuration is plain data, got {type(config).__name__}.")
    if "class_name" not in config:
        return {
            key: deserialize_keras_object(item, custom_objects, safe_mode) for key, item in config.items()
        }
    return registry.deserialize(config, _kind(config, custom_objects), custom_objects)


def _kind(config, custom_objects):
    """Returns the kind of object (layer, loss ...) that `config` describes."""
    for name in (config.get("registered_name"), config["class_name"]):
        own = get_registered_object(name, custom_objects) if isinstance(name, str) else None
        if getattr(own, "kind", None):
            return own.kind
    kinds = {module: kind for kind, module in registry._MODULES.items()}
    module = config.get("module")
    if module not in kinds:
        raise value_error(
            f"The module {module!r} of class {config['class_name']!r} is unknown.",
            "Pass your own classes in custom_objects.",
        )
    return kinds[module]


__all__ = [
    "CustomObjectScope",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_registered_name",
    "get_registered_object",
    "register_keras_serializable",
    "serialize_keras_object",
]
