"""Sequential: a chain of layers, built when its input shape is known."""

from itertools import chain

import numpy as np

from kerasette.errors import type_error, value_error
from kerasette.graph import Graph, SymbolicTensor
from kerasette.layers.base import Input, InputLayer, Layer, auto_name
from kerasette.models.model import Model
from kerasette.params import lay_out
from kerasette.registry import register


@register("layer")
class Sequential(Model):
    """A chain of layers.

    Args:
        layers: list of layers; the first may be `Input(shape)`, or know its input_shape.
        name: of the model.
        trainable: whether training may change the parameters.

    Without an input shape the model is built when it first sees data.

    >>> from kerasette.layers import Dense
    >>> model = Sequential([Dense(8, activation="relu", input_size=4), Dense(3)])
    >>> model.output.shape
    (None, 3)
    """

    symbolic = ("_graph", "_source", "_tail", "_tails")

    written_as = "keras", "Sequential"

    def __init__(self, layers=None, name: str | None = None, trainable: bool = True):
        Layer.__init__(self, name=auto_name("sequential") if name is None else name)
        self._trainer_state()
        self._input_structure = self._output_structure = ("one", None)
        self._chain = []
        self._names = set()
        self._source = None  # the input tensor, once the shape is known
        self._tail = None  # the output tensor of the last layer, once the chain is built
        self._tails = []  # the outputs of the layers before it
        self._graph = None
        for layer in layers or ():
            self.add(layer)
        if not trainable:
            self.trainable = False

    # ------------------------------------------------------------ the chain

    def add(self, layer) -> None:
        """Appends a layer.

        Raises:
            InvalidType, InvalidValue: for what is no layer, and for a name that the chain has already.
        """
        if isinstance(layer, SymbolicTensor) and isinstance(layer.operation, InputLayer):
            layer = layer.operation
        if isinstance(layer, InputLayer):
            if self._chain or self._source is not None:
                raise value_error(f"{self.name}: an Input stands first, and only once.")
            self._source = self._tail = layer.tensor()
            return
        if not isinstance(layer, Layer):
            raise type_error(f"{self.name}: a Sequential is made of layers, got {type(layer).__name__}.")
        if layer.name in self._names:
            raise value_error(
                f"{self.name} already has a layer called '{layer.name}'.", "Give it another name."
            )
        if self._tail is None and not self._chain:
            self._source = self._tail = _input_of(layer)
        if self._tail is not None:
            self._extend(layer)
        self._chain.append(layer)
        self._names.add(layer.name)
        self._changed()

    def pop(self):
        """Removes the last layer and returns it."""
        if not self._chain:
            raise value_error(f"{self.name} has no layer to remove.")
        layer = self._chain.pop()
        self._names.discard(layer.name)
        if self._tail is not None:
            layer._nodes.remove(self._tail.node)
            self._tail = self._tails.pop()
        self._changed()
        return layer

    def _extend(self, layer):
        tail = layer(self._tail)
        if isinstance(tail, tuple):
            layer._nodes.remove(tail[0].node)
            raise value_error(
                f"{self.name}: {layer.name} ({type(layer).__name__}) has {len(tail)} outputs, a chain passes",
                "one on. Leave return_state out, or call the layers on one another and make a Model.",
            )
        self._tails.append(self._tail)
        self._tail = tail

    @property
    def layers(self):
        """The layers in order, without the input."""
        return list(self._chain)

    def _changed(self):
        self.built = self._tail is not None and bool(self._chain)
        self._graph = self._engine = self._predictor = self._known = None

    # ------------------------------------------------------------ building

    @property
    def graph(self):
        """The graph of the chain, or None as long as the input shape is unknown."""
        if self._graph is None and self.built:
            self._graph = Graph([self._source], [self._tail])
            lay_out(self.parameters)
        return self._graph

    def _described(self):
        if not self.built:
            raise value_error(
                f"{self.name} isn't built: its input shape is unknown.",
                "Put Input(shape) first, call model.build((None, ...)), or fit it.",
            )
        return self.graph

    input_names = property(lambda self: [self._described().inputs[0].operation.name])
    output_names = property(lambda self: [self._chain[-1].name])

    def build(self, input_shape) -> None:
        """Makes the parameters for inputs of `input_shape` (batch dimension first)."""
        if self._source is None:
            self._source = self._tail = Input(tuple(input_shape)[1:])
            for layer in self._chain:
                self._extend(layer)
            self._changed()

    def _build_for(self, x):
        if self.built:
            return x
        if not self._chain:
            raise value_error(f"{self.name} has no layers.", "Add some first.")
        shape = np.shape(x) if isinstance(x, (list, tuple)) else getattr(x, "shape", None)
        if shape is None:
            batch, x = _first_batch(x)
            shape = getattr(batch, "shape", None)
        if shape is None:
            self._described()
        self.build((None, *shape[1:]) if len(shape) > 1 else (None, 1))
        return x

    def _ensure_built(self, shapes):
        if not self.built:
            self.build((None, *shapes[0]))
        super()._ensure_built(shapes)

    def _call_now(self, inputs, training, named=None, options=None):
        self._build_for(inputs[0])
        return super()._call_now(inputs, training, named, options)


def _first_batch(x):
    """Returns the inputs of the first batch of an object that makes batches, and what gives them all."""
    if hasattr(x, "__next__"):
        first = next(x, None)
        x = x if first is None else chain([first], x)
    elif hasattr(x, "__getitem__") and hasattr(x, "__len__") and not isinstance(x, dict):
        first = x[0] if len(x) else None
    else:
        first = next(iter(x), None) if hasattr(x, "__iter__") else None
    return first[0] if isinstance(first, (tuple, list)) and first else first, x


def _input_of(layer):
    """Returns an input tensor for a first layer that knows its shape, else None."""
    if isinstance(layer, Model):
        return Input(layer.graph.inputs[0].shape[1:]) if layer.graph is not None else None
    return None if layer.input_shape is None else Input(layer.input_shape)
