"""Operations on tensors as Keras 2 wrote them (`x + y` was a "TFOpLambda"), as entries of Keras 3."""

from kerasette.errors import value_error

# TensorFlow's name of a function -> class of the operation, and the names of its further tensors.
_FUNCTIONS = {
    "__operators__.add": "Add",
    "math.add": "Add",
    "math.subtract": "Subtract",
    "math.multiply": "Multiply",
    "math.truediv": "TrueDivide",
    "math.divide": "TrueDivide",
    "math.negative": "Negative",
    "linalg.matmul": "Matmul",
    "math.pow": "Power",
    "math.square": "Square",
    "math.sqrt": "Sqrt",
    "math.exp": "Exp",
    "math.log": "Log",
    "math.abs": "Absolute",
    "math.tanh": "Tanh",
    "math.sigmoid": "Sigmoid",
    "nn.relu": "Relu",
    "math.maximum": "Maximum",
    "math.minimum": "Minimum",
}
_OPERANDS = ("x", "y", "a", "b")


def from_lambda(entry: dict) -> dict:
    """Returns the entry of a Keras 3 operation for a TFOpLambda.

    Raises:
        InvalidValue: for a function that isn't in the table.
    """
    config = entry.get("config")
    config = config if isinstance(config, dict) else {}
    function = config.get("function")
    name = _FUNCTIONS.get(function) if isinstance(function, str) else None
    if name is None:
        what = function if isinstance(function, str) else entry.get("class_name")
        raise value_error(
            f"The file uses TensorFlow's operation '{str(what)[:60]}', which kerasette doesn't have."
        )
    calls = [_call(call) for call in entry.get("inbound_nodes") or ()]
    return {
        "module": "keras.ops",
        "class_name": name,
        "config": {"name": config.get("name", entry.get("name"))},
        "registered_name": name,
        "name": entry.get("name"),
        "inbound_nodes": calls,
    }


def _call(call):
    """Returns the call with its operands, tensors and numbers, by position."""
    rest = {key: value for key, value in call["kwargs"].items() if key != "name" and value is not None}
    first = list(call["args"])
    operands = [rest.pop(key) for key in _OPERANDS if key in rest]
    flags = {key: value for key, value in rest.items() if value is not False}
    if flags:
        raise value_error(f"An operation of the file is called with {', '.join(flags)}, which isn't known.")
    return {"args": [*first, *operands], "kwargs": {}}
