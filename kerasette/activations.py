"""Activations by name: callable on arrays and symbolic tensors, each with its own derivative."""

import numpy as np

from kerasette import functions, registry
from kerasette.backend import floatx, is_array
from kerasette.errors import no_attribute, type_error, value_error


class Activation:
    """An elementwise (or row by row) function with its derivative.

    `forward` and `backward` are plain functions on arrays; calling the object computes y alone, from an
    array, numbers or a symbolic tensor.

    >>> relu([-1.0, 2.0])
    array([0., 2.], dtype=float32)
    >>> cube = Activation("cube", lambda x, out=None: (x**3, x), lambda dy, x, dx=None: 3 * dy * x**2)
    >>> cube([2.0])
    array([8.], dtype=float32)

    Args:
        name: as configurations write it.
        forward: `forward(x, out=None) -> y, cache`.
        backward: `backward(dy, cache, dx=None) -> dx`.
        in_place: whether `out` may be `x`: the cache holds nothing of x then.
        couples: whether elements of one row depend on one another (softmax). Samples never do.
        output_shape: `output_shape(shape) -> shape` where the shape changes (glu).
        aliases: other names that `get` takes.
    """

    kind = "activation"

    def __init__(
        self, name, forward, backward, *, in_place=False, couples=False, output_shape=None, aliases=()
    ):
        self.name = self.__name__ = name
        self.kind_name = name  # what a loss asks for when it fuses: "softmax", "sigmoid"
        self.forward = self.__wrapped__ = forward
        self.backward = backward
        self.in_place = in_place
        self.couples = couples
        self.aliases = tuple(aliases)
        self._output_shape = output_shape
        self.__doc__ = forward.__doc__

    def __call__(self, x, *args, **keywords):
        """Returns y for an array, a list, a number, or (as a node of the graph) a symbolic tensor."""
        apply = getattr(x, "__kerasette_apply__", None)
        if apply is not None:
            return apply(self, *args, **keywords)
        if not is_array(x):
            x = np.asarray(x, dtype=floatx())
        elif x.dtype.kind != "f":
            x = x.astype(floatx())
        return self.forward(x, *args, **keywords)[0]

    def output_shape(self, shape):
        """Returns the shape of y for the shape of x."""
        return tuple(shape) if self._output_shape is None else self._output_shape(shape)

    def __repr__(self):
        return f"<activation {self.name}>"


def _enter(name, **properties):
    """Returns the activation made of `functions.<name>` and its backward, known to the registry."""
    forward, backward = vars(functions)[name], vars(functions)[f"{name}_backward"]
    activation = Activation(name, forward, backward, **properties)
    return registry.register("activation", *activation.aliases)(activation)


def _halve_last(shape):
    if shape[-1] is not None and shape[-1] % 2:
        raise value_error(
            f"The activation 'glu' halves the last axis; its length must be even, got {tuple(shape)}."
        )
    return (*shape[:-1], None if shape[-1] is None else shape[-1] // 2)


linear = _enter("linear", in_place=True)
relu = _enter("relu", in_place=True)
relu6 = _enter("relu6", in_place=True)
leaky_relu = _enter("leaky_relu", in_place=True)
elu = _enter("elu", in_place=True)
selu = _enter("selu", in_place=True)
celu = _enter("celu", in_place=True)
threshold = _enter("threshold", in_place=True)
sigmoid = _enter("sigmoid", in_place=True)
hard_sigmoid = _enter("hard_sigmoid", in_place=True)
sparse_sigmoid = _enter("sparse_sigmoid", in_place=True)
log_sigmoid = _enter("log_sigmoid", in_place=True)
tanh = _enter("tanh", in_place=True)
hard_tanh = _enter("hard_tanh", in_place=True)
tanh_shrink = _enter("tanh_shrink", in_place=True)
soft_shrink = _enter("soft_shrink", in_place=True)
hard_shrink = _enter("hard_shrink", in_place=True)
softplus = _enter("softplus", in_place=True)
squareplus = _enter("squareplus", in_place=True)
sparse_plus = _enter("sparse_plus", in_place=True)
exponential = _enter("exponential", in_place=True)
softsign = _enter("softsign")
silu = swish = _enter("silu", aliases=("swish",))
hard_silu = hard_swish = _enter("hard_silu", aliases=("hard_swish",))
gelu = _enter("gelu")
mish = _enter("mish")
glu = _enter("glu", couples=True, output_shape=_halve_last)
softmax = _enter("softmax", in_place=True, couples=True)
log_softmax = _enter("log_softmax", in_place=True, couples=True)
sparsemax = _enter("sparsemax", in_place=True, couples=True)


# ---------------------------------------------------------------- from and to configurations


def get(identifier) -> Activation:
    """Returns the activation that `identifier` stands for.

    >>> get("swish"), get(None)
    (<activation silu>, <activation linear>)

    Args:
        identifier: None (linear), a name, a config, an activation, or an object with `forward`, `backward`.

    Raises:
        InvalidValue: for an unknown name.
        InvalidType: for a plain function, which has no derivative, or anything else.
    """
    return deserialize(identifier)


def deserialize(config, custom_objects: dict | None = None) -> Activation:
    """Returns the activation of a name or config; `custom_objects` maps further names to activations.

    Raises:
        InvalidValue: for an unknown name.
        InvalidType: where what was found has no `forward` and `backward`.
    """
    if type(config) is Activation and config is not threshold:
        return config
    if config is None:
        return linear
    named = isinstance(config, (str, dict, type))
    return _as_activation(registry.resolve("activation", config, custom_objects) if named else config)


def serialize(activation) -> str | dict:
    """Returns what a configuration writes for an activation: its name."""
    return registry.serialize(get(activation))


def _as_activation(item):
    if item is threshold:
        raise value_error(
            "The activation 'threshold' needs its two numbers, which a name can't hold.",
            "Call activations.threshold(x, threshold, default_value) instead.",
        )
    if isinstance(item, Activation):
        return item
    kind = getattr(item, "kind", "activation")
    if kind != "activation":
        raise type_error(f"A {kind} was given as activation ({item!r}).", "Put it after the layer instead.")
    if not (callable(getattr(item, "forward", None)) and callable(getattr(item, "backward", None))):
        if not callable(item):
            raise type_error(f"An activation is a name, e.g. 'relu', a config or an object; got {item!r}.")
        raise type_error(
            f"The activation {getattr(item, '__name__', item)!r} has no backward, so it can't be trained.",
            "Give activations.Activation(name, forward, backward), with forward(x, out=None) -> (y, cache)",
            "and backward(dy, cache, dx=None) -> dx.",
        )
    return _wrap(item)


def _wrap(item):
    """Returns an Activation around a user's object, under the name that files know it by."""
    name = registry.registered_name(item) or registry.registered_name(type(item))
    name = name or getattr(item, "name", None) or registry.snake_case(type(item).__name__)
    in_place, couples = getattr(item, "in_place", False), getattr(item, "couples", True)
    shape = getattr(item, "output_shape", None)
    wrapped = Activation(
        name, item.forward, item.backward, in_place=in_place, couples=couples, output_shape=shape
    )
    wrapped.kind_name = getattr(item, "kind_name", name)
    return wrapped


def __getattr__(name):
    raise no_attribute(__name__, name, [own for own in globals() if not own.startswith("_")])
