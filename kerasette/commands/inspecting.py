"""inspect: one page about a file."""

from math import prod

from kerasette.commands import contents
from kerasette.commands.pages import facts, shown, size, table

ROWS = 2000  # layers that are listed
# What says most about a layer in a few signs; the rest is in its configuration.
TELLING = (
    "units",
    "filters",
    "kernel_size",
    "strides",
    "padding",
    "pool_size",
    "activation",
    "rate",
    "input_dim",
    "output_dim",
    "num_heads",
    "key_dim",
    "target_shape",
    "axis",
    "batch_shape",
    "batch_input_shape",
)


def page(path: str) -> str:
    """Returns what `inspect` shows. Nothing in the file is made or run, no weights are read.

    Raises:
        MissingFile: where there is no such file.
        LoadError: where it is no file of a model, or breaks a rule of safe files.
    """
    with contents.opened(path) as found:
        top = facts(
            [
                ("file", shown(path, 200)),
                ("kind", found.kind),
                ("size", size(found.size)),
                *((name, shown(value)) for name, value in found.versions),
                ("holds", _arrays(found.arrays.values())),
                ("optimizer", _state(found)),
            ]
        )
        body = _model(found) if found.entry is not None else _groups(found)
    return f"{top}\n\n{body}\n"


def _arrays(items):
    items = list(items)
    if not items:
        return "no arrays"
    kinds = ", ".join(sorted({str(item.dtype) for item in items}))
    return f"{len(items):,} arrays, {sum(map(_count, items)):,} numbers ({kinds})"


def _count(item):
    return prod(item.shape)


def _state(found):
    items, compiled = contents.state_of(found), _settings(found.compiled)
    named = _named(compiled.get("optimizer") or compiled.get("optimizer_config"))
    return f"{named or 'unknown'}, with a state of {_arrays(items)}" if items else named


def _settings(value):
    return value if isinstance(value, dict) else {}


def _named(value):
    """Returns the name of what a configuration says in a dictionary, a text or a list of them."""
    if isinstance(value, dict):
        if "class_name" not in value:
            return ", ".join(f"{shown(key)}: {_named(one)}" for key, one in list(value.items())[:8])
        settings = _settings(value.get("config"))
        rate = settings.get("learning_rate", settings.get("lr"))
        if isinstance(value.get("config"), str):
            return shown(value["config"])
        name = shown(value["class_name"]).rpartition(">")[2]
        if "fn" in settings:  # a wrapper, as Keras 2 wrote metrics
            return _named(settings.get("name") or settings["fn"])
        return f"{name}(learning_rate={_named(rate)})" if rate is not None else name
    if isinstance(value, list):
        return ", ".join(_named(one) for one in value[:8])
    return "" if value is None else shown(f"{value:.6g}" if isinstance(value, float) else value)


# ---------------------------------------------------------------- layers


def _model(found):
    layers = contents.layers(found.entry)
    whole = contents.Layer(found.entry, 0, "")
    weights = contents.weights_of(found, layers)
    rows = [_row(layer, items) for layer, items in zip(layers[:ROWS], weights, strict=False)]
    lines = [f"{shown(whole.cls)} '{shown(whole.name)}' with {len(layers):,} layers", ""]
    lines.append(table(["layer", "class", "settings", "weights", "numbers", "supported"], rows))
    if len(layers) > ROWS:
        lines.append(f"and {len(layers) - ROWS:,} more")
    lines += ["", *_compiled(found), _missing([whole, *layers])]
    return "\n".join(lines)


def _row(layer, items):
    shapes = " ".join(_shape(item) for item in items)
    return [
        "  " * (layer.depth - 1) + shown(layer.name, 40),
        shown(layer.cls, 30),
        _told(layer),
        shown(shapes, 50),
        f"{sum(map(_count, items)):,}" if items else "",
        "yes" if layer.supported else "no",
    ]


def _shape(item):
    return "x".join(map(str, item.shape)) or "1"


def _told(layer):
    """Returns the settings that say most."""
    parts = []
    for key in TELLING:
        value = layer.settings.get(key)
        if value is None or value == "linear" or (isinstance(value, dict) and "class_name" not in value):
            continue
        parts.append(f"{key}={_named(value) if isinstance(value, (dict, str)) else shown(value, 30)}")
    return shown(" ".join(parts))


def _compiled(found):
    settings = _settings(found.compiled)
    if not settings:
        return []
    training = _settings(settings.get("training_config")) or settings
    told = [("loss", _named(training.get("loss"))), ("metrics", _named(training.get("metrics")))]
    return [facts(told), ""] if any(value for _, value in told) else []


def _missing(layers):
    unknown = sorted({shown(layer.cls, 40) for layer in layers if not layer.supported})
    if not unknown:
        return "Every layer is supported."
    return f"Not supported without custom_objects: {', '.join(unknown)}."


def _groups(found):
    groups = contents.groups_of(found)
    rows = [
        [
            shown(group.removesuffix("/vars") or "/"),
            shown(found.arrays.text(group, "name") or "", 40),
            shown(" ".join(map(_shape, items)), 50),
            f"{sum(map(_count, items)):,}",
        ]
        for group, items in list(groups.items())[:ROWS]
    ]
    more = f"\nand {len(groups) - ROWS:,} more" if len(groups) > ROWS else ""
    return table(["group", "layer", "weights", "numbers"], rows) + more
