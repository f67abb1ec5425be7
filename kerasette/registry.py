"""Names to classes and functions, and the configurations that files and clones are made of.

One dictionary a kind ("layer", "activation", "loss" ...). Nothing here imports a module or reads an
attribute by a name that comes from outside: what isn't registered or handed over doesn't exist.
"""

import functools
import inspect
import re

from kerasette.errors import hint, type_error, unknown, unknown_argument, value_error

_KINDS: dict[str, dict[str, object]] = {}
_CUSTOM: dict[str, object] = {}  # "package>name" -> class or function of the user's
_counts: dict[str, int] = {}  # how many automatic names began with each base
KERAS = ("keras", "tf_keras", "tensorflow", "kerasette", "builtins")  # their names are ours too
_MODULES = {
    "layer": "keras.layers",
    "model": "keras",
    "initializer": "keras.initializers",
    "regularizer": "keras.regularizers",
    "constraint": "keras.constraints",
    "loss": "keras.losses",
    "metric": "keras.metrics",
    "optimizer": "keras.optimizers",
    "schedule": "keras.optimizers.schedules",
}


def snake_case(name: str) -> str:
    """Returns "batch_normalization" for "BatchNormalization", as Keras names layers.

    >>> snake_case("SpatialDropout1D"), snake_case("ReLU"), snake_case("LSTMCell")
    ('spatial_dropout1d', 're_lu', 'lstm_cell')
    """
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def auto_name(base: str) -> str:
    """Returns the next free name that begins with `base`: "dense", "dense_1" ..., as Keras counts."""
    count = _counts[base] = _counts.get(base, -1) + 1
    return f"{base}_{count}" if count else base


def reset_names() -> None:
    """Lets automatic names start again at "dense"."""
    _counts.clear()


def register(kind: str, *names: str):
    """Returns a decorator that enters a class or function under its own name and `names`.

    A class is also entered under its name in snake case: "GlorotUniform" and "glorot_uniform".
    """

    def enter(item):
        table = _KINDS.setdefault(kind, {})
        own = [item.__name__]
        if isinstance(item, type):
            own.append(snake_case(item.__name__))
            item.kind = kind
        for name in (*own, *names):
            table[name] = item
        return item

    return enter


def names(kind: str) -> list[str]:
    """Returns every name of `kind`, sorted."""
    return sorted(_KINDS.get(kind, {}))


def is_known(kind: str, name: str) -> bool:
    """Tells whether something of `kind`, or of the user's, is called `name`."""
    return name in _CUSTOM or name in _KINDS.get(kind, {})


def find(kind: str, name: str, custom_objects: dict | None = None):
    """Returns the class or function of `kind` called `name`.

    Args:
        kind: "layer", "activation", "initializer" ...
        name: as registered; a name handed over in `custom_objects` wins.
        custom_objects: name -> class or function, for this look-up only.

    Raises:
        InvalidValue: where nothing has that name, with the nearest one that exists.
    """
    for table in (custom_objects or {}, _CUSTOM, _KINDS.get(kind, {})):
        if name in table:
            return table[name]
    raise unknown(kind, name, names(kind))


def resolve(kind: str, identifier, custom_objects: dict | None = None):
    """Returns what `identifier` stands for: None, a name, a config dict, a class, an object or a callable.

    A name of a class and a class itself are called without arguments.

    Raises:
        InvalidValue: for an unknown name.
        InvalidType: where `identifier` is none of these.
    """
    if identifier is None:
        return None
    if isinstance(identifier, str):
        item = find(kind, identifier, custom_objects)
        return item() if isinstance(item, type) else item
    if isinstance(identifier, dict):
        return deserialize(identifier, kind, custom_objects)
    if isinstance(identifier, type):
        return identifier()
    if callable(identifier) or isinstance(identifier, Configurable):
        return identifier
    raise type_error(
        f"A {kind} is a name, a config, an object or a callable; got {type(identifier).__name__}."
    )


# ---------------------------------------------------------------- configurations


@functools.cache
def parameters(cls: type) -> tuple[str, ...]:
    """Returns the named constructor arguments of `cls`, those it passes on to its bases included."""
    found = {}
    for base in cls.__mro__[:-1]:
        init = base.__dict__.get("__init__")
        if init is None:
            continue
        signature = inspect.signature(init).parameters.values()
        for parameter in list(signature)[1:]:
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                found.setdefault(parameter.name)
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature):
            break
    return tuple(found)


@functools.cache
def signature(cls: type) -> inspect.Signature:
    """Returns the constructor's signature, with the keywords that it passes on to its bases spelled out.

    >>> class Base:
    ...     def __init__(self, *, name=None): pass
    >>> class Own(Base):
    ...     def __init__(self, size, **base): pass
    >>> signature(Own)
    <Signature (size, *, name=None)>
    """
    found, rest = [], None  # rest: the **keywords of the class that was looked at last
    for base in cls.__mro__[:-1]:
        init = base.__dict__.get("__init__")
        if init is None:
            continue
        own = list(inspect.signature(init).parameters.values())[1:]
        if rest is not None:
            if not own:
                break  # a base without arguments takes no keywords: they stay
            found.remove(rest)
            own = _as_keywords(own, {one.name for one in found})
        found += own
        rest = next((one for one in own if one.kind is one.VAR_KEYWORD), None)
        if rest is None:
            break
    return inspect.Signature(sorted(found, key=lambda one: one.kind))


def _as_keywords(arguments, without):
    """Returns a base's `arguments` as keywords only, those called as in `without` left out."""
    return [
        one if one.kind is one.VAR_KEYWORD else one.replace(kind=one.KEYWORD_ONLY)
        for one in arguments
        if one.name not in without and one.kind is not one.VAR_POSITIONAL
    ]


class Configurable:
    """Something whose configuration is its constructor's arguments, each stored under its own name.

    `aliases` maps other names of an argument to its own: {"units": "output_size"} makes
    `Dense(units=3)` and `dense.units` work. `config_names` are those that files use.
    """

    kind = None
    aliases: dict[str, str] = {}
    # A class that Keras has under another name or in another module says so in `written_as`: (module, name).
    config_hidden: tuple[str, ...] = ()  # arguments that files don't hold

    def __init_subclass__(cls, **keywords):
        super().__init_subclass__(**keywords)
        for alias, own in cls.__dict__.get("aliases", {}).items():
            if alias not in cls.__dict__:
                setattr(cls, alias, property(lambda self, own=own: getattr(self, own)))

    def get_config(self) -> dict:
        """Returns the arguments that make an equal object: plain values, ready for JSON."""
        file_names = {own: alias for alias, own in self.aliases.items()}
        return {
            file_names.get(name, name): serialize(getattr(self, name))
            for name in parameters(type(self))
            if name not in self.config_hidden
        }

    @classmethod
    def from_config(cls, config: dict):
        """Returns an object of this class made from `get_config()`'s dictionary."""
        return cls(**config)

    def __repr__(self):
        values = ", ".join(f"{name}={getattr(self, name, None)!r}" for name in parameters(type(self)))
        return f"{type(self).__name__}({values})"


@functools.cache
def _takes_any(cls):
    """Tells whether the constructor of `cls` takes keywords of any name, and looks at them itself."""
    return any(one.kind is one.VAR_KEYWORD for one in signature(cls).parameters.values())


class _Signature:
    """Attribute of a metaclass: the signature of a class. A class that has its own keeps it."""

    def __get__(self, cls, _=None):
        return signature(cls)


class Aliased(type):
    """Metaclass that lets a constructor take the aliases of its arguments, and names unknown ones.

    A class of the user's may swallow keywords in its own way, so there Python itself complains.
    """

    __signature__ = _Signature()  # what help() and editors show

    def __call__(cls, *args, **keywords):
        own = parameters(cls)
        aliases = cls.aliases
        ours = cls.__module__.partition(".")[0] == __name__.partition(".")[0] and not _takes_any(cls)
        for name in list(keywords):
            if name in own or (name not in aliases and not ours):
                continue
            if name not in aliases:
                raise unknown_argument(cls.__name__, name, (*own, *aliases))
            if aliases[name] in keywords:
                raise type_error(
                    f"{cls.__name__}: '{name}' and '{aliases[name]}' are one argument; give one."
                )
            keywords[aliases[name]] = keywords.pop(name)
        return super().__call__(*args, **keywords)


def serialize(value):
    """Returns `value` as plain data: Keras's dictionary for an object, the name of a registered function.

    Raises:
        InvalidType: for a value that no file can hold.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [serialize(item) for item in value]
    if isinstance(value, dict):
        return {str(key): serialize(item) for key, item in value.items()}
    if isinstance(value, Configurable):
        return serialize_object(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, type) or callable(value):
        return registered_name(value) or value.__name__
    raise type_error(f"{type(value).__name__} can't be written into a configuration.")


def serialize_object(value: "Configurable") -> dict:
    """Returns the dictionary that Keras writes for an object: module, class name, config."""
    name = registered_name(type(value))
    module, written = type(value).__dict__.get("written_as", (_MODULES.get(value.kind), type(value).__name__))
    return {
        "module": None if name else module,
        "class_name": written,
        "config": value.get_config(),
        "registered_name": name,
    }


def deserialize(config: dict, kind: str, custom_objects: dict | None = None):
    """Returns the object of `kind` that `config` (module, class_name, config) describes.

    Raises:
        InvalidValue: where the class is unknown or isn't of that kind, or keys are missing.
    """
    if not isinstance(config.get("class_name"), str):
        raise value_error(f"The configuration of a {kind} needs 'class_name', got the keys {sorted(config)}.")
    inner = config.get("config", {})
    name = config["class_name"]
    if name == "function" and isinstance(inner, str):
        return find(kind, inner, custom_objects)
    cls = _class_of(config, kind, {**_CUSTOM, **(custom_objects or {})})
    if not isinstance(cls, type):
        return cls
    if issubclass(cls, Configurable) and cls.kind not in (None, kind):
        raise value_error(f"A {kind} was wanted, but {name} is a {cls.kind}.")
    _check_flags(cls, inner)
    try:
        return cls.from_config(dict(inner))
    except TypeError as problem:
        raise value_error(f"The configuration of {name} doesn't fit: {problem}") from problem


def _class_of(config, kind, known):
    """Returns the class that a configuration means; one of somebody else's only where it was handed over."""
    name, module, registered = config["class_name"], config.get("module"), config.get("registered_name")
    if not all(isinstance(text, (str, type(None))) for text in (module, registered)):
        raise value_error(f"The module and the registered name of '{name}' must be texts.")
    if registered in known:
        return known[registered]
    foreign = ">" in (registered or "") or (module or "keras").partition(".")[0] not in KERAS
    if foreign and name not in known:
        raise value_error(
            f"Unknown {kind} '{name}' (of '{registered if '>' in (registered or '') else module}').",
            "A class that isn't Keras's own has to be handed over in custom_objects, by its name.",
        )
    return known[name] if name in known else find(kind, name)


@functools.cache
def _flags(cls):
    """Returns the names, in files, of the constructor arguments that are True or False by default."""
    flags = {name for name, one in signature(cls).parameters.items() if isinstance(one.default, bool)}
    return frozenset(flags | {alias for alias, own in cls.aliases.items() if own in flags})


def _check_flags(cls, config):
    """Raises where something else stands for True or False; a user's class looks at that itself."""
    if not isinstance(config, dict) or not cls.__module__.startswith(f"{__name__.partition('.')[0]}."):
        return
    for name in _flags(cls) & config.keys():
        if config[name] not in (True, False):
            raise value_error(f"{cls.__name__}: {name} must be True or False, got {config[name]!r}.")


# ---------------------------------------------------------------- the user's own classes


def register_keras_serializable(package: str = "Custom", name: str | None = None):
    """Returns a decorator that makes a class or function known to files as "package>name"."""

    def enter(item):
        _CUSTOM[f"{package}>{name or item.__name__}"] = item
        return item

    return enter


def registered_name(item) -> str | None:
    """Returns "package>name" of a class or function of the user's, or None."""
    return next((name for name, value in _CUSTOM.items() if value is item), None)


class CustomObjectScope:
    """Context in which the names of `custom_objects` are known: `with CustomObjectScope({"Mine": Mine}):`."""

    def __init__(self, custom_objects: dict):
        self.custom_objects = dict(custom_objects)
        self._before = {}

    def __enter__(self):
        self._before = dict(_CUSTOM)
        _CUSTOM.update(self.custom_objects)
        return self

    def __exit__(self, *_):
        _CUSTOM.clear()
        _CUSTOM.update(self._before)


__all__ = [
    "Aliased",
    "Configurable",
    "CustomObjectScope",
    "auto_name",
    "deserialize",
    "find",
    "hint",
    "is_known",
    "names",
    "parameters",
    "register",
    "register_keras_serializable",
    "registered_name",
    "reset_names",
    "resolve",
    "serialize",
    "serialize_object",
    "signature",
    "snake_case",
]
