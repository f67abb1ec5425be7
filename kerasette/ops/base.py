"""What an operation is: a function pair that can stand in a node, with the constants of its call."""

import numpy as np

from kerasette.backend import floatx, is_array, module, to_module, xp_of
from kerasette.errors import one_of, type_error, value_error
from kerasette.functions.constants import Constant
from kerasette.graph import Context, Operation, SymbolicTensor
from kerasette.ops.recording import Recorded
from kerasette.registry import Configurable, auto_name, snake_case

ARRAY_TYPES = ("float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool")


class Op(Operation, Configurable):
    """An operation without parameters: `Op.of(x, 2.0)` makes a node, or computes at once.

    Args:
        constants: {position: value} of those arguments of the call that aren't symbolic tensors.
        name: unique within a model; by default the class's name in snake case, counted.

    Attributes:
        module: where Keras keeps the class of this name.
        keeps_integers: whether whole numbers in give whole numbers out; else they become floats.
    """

    module = "keras.src.ops.numpy"
    keeps_integers = False

    def __init__(self, *, constants: dict | None = None, name: str | None = None):
        self.name = auto_name(snake_case(type(self).__name__)) if name is None else name
        self.constants = dict(constants or {})
        self._held = {k: Constant(v) if is_array(v) else v for k, v in self.constants.items()}

    @classmethod
    def of(cls, *arguments, **settings):
        """Returns the result for `arguments`: symbolic tensors, arrays, numbers; a node if one is symbolic.

        Where one is recorded (see ops.recording) so is the result.

        Args:
            arguments: in the order of the function.
            settings: constructor arguments of this class.
        """
        arguments = [_known(argument) for argument in arguments]
        tensors = [a for a in arguments if isinstance(a, (SymbolicTensor, Recorded))]
        if not tensors:
            return cls(name=snake_case(cls.__name__), **settings).now(arguments)
        constants = {
            k: _plain(a) for k, a in enumerate(arguments) if not isinstance(a, (SymbolicTensor, Recorded))
        }
        if isinstance(tensors[0], Recorded):
            operation = cls(constants=constants, name=snake_case(cls.__name__), **settings)
            return tensors[0].recording.apply(operation, tensors)
        return cls(constants=constants, **settings).symbolic_call(tensors)

    def now(self, arguments):
        """Returns the result for `arguments`, none of which is symbolic."""
        xp = next((xp_of(a) for a in arguments if is_array(a)), module())
        arrays = [_array(xp, a) for a in arguments]
        dtype = next((str(a.dtype) for a in arrays if a.dtype.kind == "f"), floatx())
        return self.forward(Context(xp, dtype), {}, *arrays)[0]

    # ------------------------------------------------------------ the contract

    def output_dtype(self, *dtypes):
        whole = all(not str(dtype).startswith("float") for dtype in dtypes) and not self._has_fractions()
        return dtypes[0] if whole and self.keeps_integers else floatx()

    def _has_fractions(self):
        numbers = (v if is_array(v) else np.asarray(v) for v in self.constants.values() if is_number(v))
        return any(number.dtype.kind == "f" for number in numbers)

    def arguments(self, ctx, xs):
        """Returns the arrays `xs` and the constants in the order of the call, of one kind of number."""
        if not self._held and all(x.dtype.kind == "f" for x in xs):
            return xs
        whole = self.keeps_integers and all(x.dtype.kind != "f" for x in xs) and not self._has_fractions()
        dtype = ctx.buffer.dtype
        if not whole:
            xs = [x if x.dtype.kind == "f" else x.astype(dtype) for x in xs]
        found, rest = [], iter(xs)
        for position in range(len(xs) + len(self._held)):
            if position not in self._held:
                found.append(next(rest))
                continue
            value = self._held[position]
            if isinstance(value, Constant):
                value = value(ctx.xp, str(value.value.dtype) if whole else str(xs[0].dtype))
            found.append(value)
        return found

    def for_inputs(self, gradients):
        """Returns the gradients of the symbolic arguments alone: one array, or a tuple."""
        mine = tuple(g for position, g in enumerate(gradients) if position not in self._held)
        return mine[0] if len(mine) == 1 else mine

    def error(self, *sentences):
        """Returns the InvalidValue that says what this operation can't do with symbolic tensors."""
        return value_error(f"{self.name} ({type(self).__name__}):", *sentences)

    # ------------------------------------------------------------ configuration

    def get_config(self) -> dict:
        """Returns Keras's configuration, and under "constants" what Keras keeps in the call's arguments."""
        config = {name: getattr(self, name) for name in ("name", *self.settings())}
        config = {name: list(v) if isinstance(v, tuple) else v for name, v in config.items()}
        if self.constants:
            config["constants"] = [[position, encode(value)] for position, value in self.constants.items()]
        return config

    @classmethod
    def settings(cls) -> tuple[str, ...]:
        """Returns the names of the constructor's own arguments."""
        return ()

    @classmethod
    def from_config(cls, config: dict):
        """Returns the operation that `get_config()` described."""
        config = dict(config)
        constants = {int(position): decode(value) for position, value in config.pop("constants", ())}
        return cls(constants=constants, **config)


def output_buffer(ctx, shape, arrays):
    """Returns a reusable array for the result, or None where that has another type than the buffers."""
    dtypes = {str(a.dtype) for a in arrays if is_array(a)}
    return ctx.buffer("y", tuple(shape)) if dtypes == {str(ctx.buffer.dtype)} else None


def is_number(value) -> bool:
    """Tells whether `value` is a number or an array."""
    return is_array(value) or isinstance(value, (bool, int, float))


def _known(argument):
    """Returns the tensor that an uncalled layer stands for, a plain number for NumPy's, else `argument`."""
    if hasattr(argument, "as_tensor"):
        return argument.as_tensor()
    return argument.item() if isinstance(argument, np.generic) else argument


def _plain(value):
    """Returns a constant as a number, an array or a key for slicing."""
    if isinstance(value, list):
        value = np.asarray(value)
        value = value.astype(floatx()) if value.dtype.kind == "f" else value
    if is_array(value):
        if value.dtype.kind not in "fiub":
            raise type_error(f"Operations take numbers, got an array of type {value.dtype}.")
        return value.item() if value.ndim == 0 else value
    return value


def _array(xp, value):
    if is_array(value):
        return to_module(xp, value)
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise type_error(f"Operations take symbolic tensors, arrays and numbers, got {type(value).__name__}.")
    return to_module(xp, array, floatx() if array.dtype.kind == "f" else None)


# ---------------------------------------------------------------- constants in configurations


def encode(value):
    """Returns a constant as plain data, in the form that Keras has for it."""
    if isinstance(value, slice):
        config = {"start": value.start, "stop": value.stop, "step": value.step}
        return {"class_name": "__slice__", "config": config}
    if value is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if is_array(value):
        return {"class_name": "__numpy__", "config": {"value": value.tolist(), "dtype": str(value.dtype)}}
    if isinstance(value, tuple):
        return [encode(item) for item in value]
    return value


def decode(value):
    """Returns the constant that `encode` wrote."""
    if isinstance(value, list):
        return tuple(decode(item) for item in value)
    if not isinstance(value, dict):
        return value
    config, name = value.get("config", {}), value.get("class_name")
    one_of("constant", "class_name", name, ("__slice__", "__ellipsis__", "__numpy__"))
    if name == "__slice__":
        return slice(config["start"], config["stop"], config["step"])
    if name == "__ellipsis__":
        return Ellipsis
    one_of("constant", "dtype", config["dtype"], ARRAY_TYPES)
    return np.asarray(config["value"], dtype=config["dtype"])
