"""Code in files: functions, classes and modules that a configuration asks for."""

import base64
import json
import marshal

from tests.attacks.good import Attack, layer, setting


def evil(bait):
    """Returns compiled code that leaves a mark, as Keras writes a lambda."""
    code = compile(f"lambda x: open({str(bait / 'mark')!r}, 'w').close() or x", "<attack>", "eval")
    return base64.b64encode(marshal.dumps(code.co_consts[0])).decode()


def lambda_new(bait):
    """Returns a lambda as Keras 3 writes it."""
    config = {"code": evil(bait), "defaults": None, "closure": None}
    return {"class_name": "__lambda__", "config": config}


def lambda_old(bait):
    """Returns a lambda as Keras 2 wrote it."""
    return [evil(bait), None, None]


def becomes(name, config, module="keras.layers", **more):
    """Returns a change that makes the first layer an object of another class."""

    def change(entry, bait):
        one = layer(entry)
        made = config(bait) if callable(config) else config
        one.update(module=module, class_name=name, config={**made, "name": "wide"}, **more)
        return entry

    return change


def function(name, module="builtins"):
    """Returns what Keras writes where a function stands."""
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def thing(name, module, /, **config):
    """Returns what Keras writes where an object stands."""
    return {"module": module, "class_name": name, "config": config, "registered_name": None}


def operation(name, module, **config):
    """Returns a change that makes the first layer an operation."""
    return becomes(name, config, module, registered_name=name)


def keyword(name, value):
    """Returns a change that adds a keyword to the first layer's call."""

    def change(entry, bait):
        layer(entry)["inbound_nodes"][0]["kwargs"][name] = value(bait) if callable(value) else value
        return entry

    return change


def argument(value):
    """Returns a change that adds an argument to the first layer's call."""

    def change(entry, bait):
        layer(entry)["inbound_nodes"][0]["args"].append(value(bait) if callable(value) else value)
        return entry

    return change


def compiled(**config):
    """Returns a change of what the model was compiled with."""

    def change(entry, bait):
        entry["compile_config"] = {
            "optimizer": "adam",
            "loss": "mse",
            "loss_weights": None,
            "metrics": None,
            "weighted_metrics": None,
            "run_eagerly": False,
            "steps_per_execution": 1,
            "jit_compile": False,
            **{name: value(bait) if callable(value) else value for name, value in config.items()},
        }
        return entry

    return change


def outer(**keys):
    """Returns a change of the model's own entry."""

    def change(entry, bait):
        return {**entry, **keys}

    return change


def touch(bait):
    return {"args": ["touch", str(bait / "mark")]}


def download(bait):
    return {"fname": str(bait / "mark"), "origin": f"file://{bait / 'secret.bin'}"}


UNKNOWN = r"Unknown|isn't provided|missing|unknown|Lambda"
CLASSES = {
    "Lambda as Keras 3 writes it": becomes("Lambda", lambda bait: {"function": lambda_new(bait)}),
    "Lambda as Keras 2 wrote it": becomes(
        "Lambda", lambda bait: {"function": lambda_old(bait), "function_type": "lambda", "module": "os"}
    ),
    "Lambda that names a function": becomes(
        "Lambda", {"function": "system", "function_type": "function", "module": "os"}
    ),
    "Lambda of rubbish": becomes("Lambda", {"function": ["!!!not base64!!!", None, None]}),
    "a lambda in place of a layer": becomes(
        "__lambda__", lambda bait: lambda_new(bait)["config"], "builtins"
    ),
    "subprocess.Popen": becomes("Popen", touch, "subprocess", registered_name="Popen"),
    "os.system": becomes("system", touch, "os"),
    "eval": becomes("eval", {"source": "1"}, "builtins"),
    "a dotted class": becomes("os.system", touch),
    "a class by its path": becomes("kerasette.layers.core.Dense", {"units": 64}),
    "a class's attribute": becomes("Dense.__init__", {"units": 64}),
    "a private class": becomes("_Reshaping", {}, "kerasette.layers.core"),
    "the base class": becomes("Layer", {}),
    "a torch module": becomes("TorchModuleWrapper", lambda bait: {"module": evil(bait)}),
    "a SavedModel": becomes("TFSMLayer", lambda bait: {"filepath": str(bait)}),
    "get_file": becomes("get_file", download, "keras.utils"),
    "get_file as a function": becomes("function", {"config": "get_file"}, "keras.utils"),
    "importlib": becomes("import_module", {"name": "antigravity"}, "importlib"),
    "pickle": becomes("loads", {"data": "cos\nsystem\n"}, "pickle"),
    "a registered name alone": becomes("Dense", {"units": 64}, registered_name="os>system"),
    "a registered class called as one of Keras's": becomes(
        "Custom>Dense", {"units": 64}, registered_name="Custom>Dense"
    ),
    "a registered class of Keras 2 called as one of Keras's": becomes("Custom>Dense", {"units": 64}),
    "an optimizer as a layer": becomes("Adam", {}, "keras.optimizers"),
    "a loss as a layer": becomes("MeanSquaredError", {}, "keras.losses"),
    "an activation as a layer": becomes("tanh", {}, "keras.activations"),
    "an operation of Python": operation("system", "keras.src.ops.os"),
    "a layer as an operation": operation("Dense", "keras.ops", units=64),
    "a known class of an unknown module": becomes("Dense", {"units": 64}, "evil.layers"),
    "a known class of a related module": becomes("Dense", {"units": 64}, "keras_evil.layers"),
}

OUTERMOST = ("keras", "h5", "json")  # from_config gets what is inside
WHOLE = {
    "a class name that is a list": outer(class_name=["os", "system"]),
    "a class name that is missing": outer(class_name=None),
    "an unknown model class": outer(class_name="Evil", module="evil", registered_name="evil>Evil"),
    "a layer in place of the model": outer(class_name="Dense"),
}

SLOTS = {
    "activation eval": ("activation", "eval"),
    "activation os.system": ("activation", "os.system"),
    "activation by module": ("activation", function("system", "os")),
    "activation builtins.exec": ("activation", function("exec")),
    "activation __import__": ("activation", "__import__"),
    "activation from numpy": ("activation", function("load", "numpy")),
    "activation lambda": ("activation", lambda_new),
    "activation as Keras 2 wrote a lambda": ("activation", lambda_old),
    "activation get_file": ("activation", function("get_file", "keras.utils")),
    "activation that is a layer": ("activation", thing("Dense", "keras.layers", units=64)),
    "activation that is an initializer": ("activation", "glorot_uniform"),
    "activation that is a loss": ("activation", function("mean_squared_error", "keras.losses")),
    "activation that is a dunder": ("activation", "__class__"),
    "initializer that is a layer": ("kernel_initializer", thing("Dense", "keras.layers", units=1)),
    "initializer that is a process": ("kernel_initializer", thing("Popen", "subprocess", args=["true"])),
    "initializer lambda": ("kernel_initializer", lambda_new),
    "initializer with a lambda": (
        "kernel_initializer",
        lambda bait: thing("Constant", "keras.initializers", value=lambda_new(bait)),
    ),
    "initializer that is an activation": ("kernel_initializer", "relu"),
    "regularizer that is an optimizer": ("kernel_regularizer", thing("Adam", "keras.optimizers")),
    "regularizer of a lambda": ("kernel_regularizer", lambda_new),
    "constraint that is a function": ("kernel_constraint", function("getattr")),
    "dtype policy of a module": ("dtype", thing("system", "os", name="float32")),
    "dtype object": ("dtype", "object"),
    "dtype with code": ("dtype", "f4,O"),
    "name that is a path": ("name", "../../wide"),
    "argument __class__": ("__class__", "os"),
    "argument __init__": ("__init__", {"a": 1}),
    "argument from_config": ("from_config", lambda_new),
    "argument self": ("self", 1),
    "unknown argument": ("callback", "os.system"),
    "trainable that is code": ("trainable", lambda_new),
}

COMPILED = {
    "loss os.system": {"loss": "os.system"},
    "loss by module": {"loss": function("system", "os")},
    "loss lambda": {"loss": lambda_new},
    "loss that is a layer": {"loss": thing("Dense", "keras.layers", units=1)},
    "metric eval": {"metrics": ["eval"]},
    "metric lambda": {"metrics": lambda bait: [lambda_new(bait)]},
    "metric that wraps a lambda": {
        "metrics": lambda bait: [thing("MeanMetricWrapper", "keras.metrics", fn=lambda_new(bait))]
    },
    "optimizer process": {"optimizer": thing("Popen", "subprocess", args=["true"])},
    "optimizer lambda": {"optimizer": lambda_new},
    "learning rate lambda": {
        "optimizer": lambda bait: thing("Adam", "keras.optimizers", learning_rate=lambda_new(bait))
    },
    "learning rate of a module": {
        "optimizer": thing(
            "Adam", "keras.optimizers", learning_rate=thing("Popen", "subprocess", args=["true"])
        )
    },
    "learning rate that is a name": {
        "optimizer": thing("Adam", "keras.optimizers", learning_rate=function("system", "os"))
    },
}

CALLS = {
    "keyword with a function": keyword("activation", function("system", "os")),
    "keyword lambda": keyword("mask", lambda_new),
    "keyword training that is code": keyword("training", lambda_new),
    "keyword __class__": keyword("__class__", "os"),
    "argument lambda": argument(lambda_new),
    "argument text": argument("__import__('os')"),
    "argument bytes": argument({"class_name": "__bytes__", "config": {"value": "evil"}}),
    "argument array of objects": argument(
        {"class_name": "__numpy__", "config": {"value": ["evil"], "dtype": "O"}}
    ),
    "argument function": argument(function("system", "os")),
}


def vocabulary(bait):
    return {"max_tokens": None, "vocabulary": str(bait / "words.txt"), "num_oov_indices": 1}


ATTACKS = [
    *(Attack(name, "config", change) for name, change in CLASSES.items()),
    *(Attack(name, "config", change, entries=OUTERMOST) for name, change in WHOLE.items()),
    *(Attack(name, "config", setting(*pair)) for name, pair in SLOTS.items()),
    *(Attack(name, "config", compiled(**what), entries=("keras",)) for name, what in COMPILED.items()),
    *(Attack(name, "config", change) for name, change in CALLS.items()),
    Attack("a vocabulary that is a file", "config", becomes("StringLookup", vocabulary)),
    Attack("a text layer's vocabulary", "config", becomes("TextVectorization", vocabulary)),
    Attack(
        "config that is a pickle",
        "config",
        lambda entry, bait: b"\x80\x04cos\nsystem\n.",
        entries=("keras", "json"),
    ),
    Attack(
        "config that is Python",
        "config",
        lambda entry, bait: "__import__('os').system('true')",
        entries=("keras", "h5", "json"),
    ),
    Attack(
        "config with a class as JSON text",
        "config",
        lambda entry, bait: json.dumps({**entry, "config": json.dumps(entry["config"])}),
    ),
]
