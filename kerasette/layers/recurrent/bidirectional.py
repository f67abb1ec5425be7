"""Bidirectional: a recurrent layer and its mirror image, run over the same sequence."""

from kerasette import functions
from kerasette.errors import one_of, type_error, value_error
from kerasette.layers.base import Layer
from kerasette.layers.nesting import InnerContext, as_layer, refuse_activity
from kerasette.layers.recurrent.base import OverTime, Recurrent
from kerasette.registry import CustomObjectScope, register

MERGES = {"concat": "concatenate", "sum": "add_all", "ave": "average_all", "mul": "multiply_all"}
ALIKE = ("return_sequences", "return_state", "stateful")


@register("layer")
class Bidirectional(OverTime):
    """Runs a recurrent layer forwards and a second one backwards, and merges what they give.

    Args:
        layer: the recurrent layer. It is copied, with fresh weights, under the name "forward_" and its own.
        merge_mode: "concat", "sum", "mul" or "ave" of the two outputs; None gives both.
        weights: to begin with, as `get_weights` gives them; or None.
        backward_layer: the layer that runs backwards; a copy of `layer` with `go_backwards` unless given.

    Called as `layer(x, initial_state=None, mask=None, training=None)`; the first half of the initial states
    is the forward layer's. The output of a masked step is 0. With `return_state` the states of both layers
    follow the output.

    Attributes:
        forward_layer, backward_layer: the two layers.

    Schuster & Paliwal 1997.

    >>> import numpy as np
    >>> from kerasette.layers import LSTM
    >>> Bidirectional(LSTM(4, return_sequences=True))(np.ones((1, 3, 2))).shape
    (1, 3, 8)
    """

    config_hidden = (*Layer.config_hidden, "weights", "activity_regularizer")

    def __init__(self, layer, merge_mode: str | None = "concat", weights=None, backward_layer=None, **base):
        super().__init__(**base)
        refuse_activity(self.name, self)
        one_of(self.name, "merge_mode", merge_mode, (*MERGES, None))
        self.merge_mode = merge_mode
        layer = _recurrent(self.name, "layer", layer)
        self.forward_layer = _copy(layer, "forward_")
        self.backward_layer = (
            _copy(layer, "backward_", go_backwards=not layer.go_backwards)
            if backward_layer is None
            else _recurrent(self.name, "backward_layer", backward_layer)
        )
        self._check_pair()
        for one in self.held:
            one.zero_output_for_mask = one.return_sequences
            if not self.trainable:
                one.trainable = False
        self.input_ranks = self.forward_layer.input_ranks
        self._first_weights = weights

    def _check_pair(self):
        first, second = self.held
        if first.go_backwards == second.go_backwards:
            raise value_error(
                f"{self.name}: layer and backward_layer must differ in go_backwards, both have "
                f"{first.go_backwards}."
            )
        for name in ALIKE:
            if getattr(first, name) != getattr(second, name):
                raise value_error(f"{self.name}: layer and backward_layer must have the same {name}.")
        if first.name == second.name:
            raise value_error(f"{self.name}: both layers are called '{first.name}'; they need two names.")

    layer = property(lambda self: self.forward_layer, doc="What the configuration calls `layer`.")
    return_sequences = property(lambda self: self.forward_layer.return_sequences)
    return_state = property(lambda self: self.forward_layer.return_state)
    stateful = property(lambda self: self.forward_layer.stateful)
    seed = property(lambda self: self.forward_layer.seed)

    @property
    def held(self):
        return [self.forward_layer, self.backward_layer]

    def saved_parts(self):
        return [("forward_layer", self.forward_layer), ("backward_layer", self.backward_layer)]

    # ------------------------------------------------------------ shapes

    def build(self, shape):
        for layer in self.held:
            self.build_held(layer, shape)
        if self._first_weights:
            self.set_weights(self._first_weights)

    def output_shape(self, shape, mask=None):
        found = [layer.output_shape(shape, mask) for layer in self.held]
        ys, states = found, ()
        if self.return_state:
            ys, states = [one[0] for one in found], (*found[0][1:], *found[1][1:])
        if self.merge_mode in ("sum", "ave", "mul") and ys[0] != ys[1]:
            raise value_error(
                f"{self.name}: merge_mode '{self.merge_mode}' needs outputs of one shape, got {ys[0]} and "
                f"{ys[1]}. Give both layers the same units."
            )
        if self.merge_mode == "concat":
            ys = [(*ys[0][:-1], ys[0][-1] + ys[1][-1])]
        elif self.merge_mode is not None:
            ys = ys[:1]
        return (*ys, *states) if states or len(ys) > 1 else ys[0]

    def compute_mask(self, inputs, mask=None):
        """Returns the mask for sequences of outputs, None for states and last outputs."""
        own = mask if self.return_sequences else None
        first = [own] if self.merge_mode else [own, own]
        return [*first, *[None] * (2 * self._states_each)] if self.return_state else first

    @property
    def _states_each(self):
        return len(self.forward_layer.state_sizes)

    # ------------------------------------------------------------ calls

    def _check_states(self, shape, states):
        if len(states) != 2 * self._states_each:
            raise value_error(
                f"{self.name} has {2 * self._states_each} states, those of the forward layer first; "
                f"initial_state has {len(states)}."
            )
        for layer, half in zip(self.held, self._halves(states), strict=True):
            layer._check_states(shape, half)

    def _halves(self, states):
        return states[: self._states_each], states[self._states_each :]

    def _named(self, named):
        states = named.pop("initial_state", ())
        for number, half in enumerate(self._halves(states)):
            named.update({f"{number}/state_{k}": state for k, state in enumerate(half)})
        return named

    # ------------------------------------------------------------ state

    @property
    def states(self):
        """Those of both layers, one behind the other; None before the first batch."""
        first, second = (layer.states for layer in self.held)
        return None if first is None else [*first, *second]

    def _commit(self, w, caches):
        for layer, cache in zip(self.held, caches[-1][0], strict=True):
            layer.commit(None, [cache])

    def reset_states(self) -> None:
        """Makes stateful layers begin with zeros again."""
        for layer in self.held:
            layer.reset_states()

    reset_state = reset_states

    # ------------------------------------------------------------ the contract

    def _draw(self, rng, batch, shape, *_):
        return self._draw_for(rng, shape, [(layer, batch, [shape]) for layer in self.held])

    def _inner(self, ctx, shape):
        noise = ctx.noise if ctx.training else None
        noises = self._noises(noise, shape[1:], [shape[0]] * 2)
        return [InnerContext(ctx, k, *pair) for k, pair in enumerate(zip(self.held, noises, strict=True))]

    def forward(self, ctx, w, x, mask=None, **given):
        caches, ys, states = [], [], []
        for number, (layer, inner) in enumerate(zip(self.held, self._inner(ctx, x.shape), strict=True)):
            own = {name.partition("/")[2]: s for name, s in given.items() if name.startswith(f"{number}/")}
            y, cache = layer.forward(inner, self.part(layer, w), x, mask=mask, **own)
            if self.return_state:
                y, *last = y
                states += last
            ys.append(y if number == 0 or not self.return_sequences else y[:, ::-1])
            caches.append(cache)
        y, merged = self._merge(ctx, ys)
        result = (*y, *states) if isinstance(y, tuple) or states else y
        return result, (caches, merged, mask is not None or bool(given), x.shape)

    def _merge(self, ctx, ys):
        if self.merge_mode is None:
            return tuple(ys), None
        n, *middle, units = ys[0].shape
        units += ys[1].shape[-1] if self.merge_mode == "concat" else 0
        out = ctx.xp.moveaxis(ctx.buffer("y", (*middle, units, n)), -1, 0)  # samples last in memory, as in ys
        y, cache = getattr(functions, MERGES[self.merge_mode])(ys, out=out)
        return ((y,) if self.return_state else y), cache

    def _divide(self, dy, merged):
        if self.merge_mode is None:
            return dy
        return getattr(functions, f"{MERGES[self.merge_mode]}_backward")(dy[0], merged)

    def backward(self, ctx, w, dw, dy, cache):
        caches, merged, named, shape = cache
        dy = dy if isinstance(dy, tuple) else (dy,)
        count = 1 if self.merge_mode else 2
        dys, dstates, dx, found = self._divide(dy[:count], merged), dy[count:], None, {}
        for number, (layer, inner) in enumerate(zip(self.held, self._inner(ctx, shape), strict=True)):
            d = dys[number] if number == 0 or not self.return_sequences else dys[number][:, ::-1]
            if self.return_state:
                each = self._states_each
                d = (d, *dstates[number * each : (number + 1) * each])
            part = layer.backward(inner, self.part(layer, w), self.part(layer, dw), d, caches[number])
            if named:
                part, more = part
                found.update({f"{number}/{name}": gradient for name, gradient in more.items()})
            dx = part if dx is None else ctx.xp.add(dx, part, dx)
        return (dx, found) if named else dx


def _recurrent(owner, argument, layer):
    """Returns `layer`, or raises InvalidType where it is no recurrent layer."""
    layer = as_layer(owner, argument, layer)
    if not isinstance(layer, Recurrent):
        raise type_error(
            f"{owner}: {argument} must be a recurrent layer (LSTM, GRU, SimpleRNN, RNN ...), got a "
            f"{type(layer).__name__}."
        )
    refuse_activity(owner, layer)
    return layer


def _copy(layer, prefix, **changes):
    """Returns a layer made as `layer` was, with changed arguments, under a name with `prefix`."""
    name = f"{prefix}{layer.name.removeprefix(prefix)}"
    with CustomObjectScope({type(cell).__name__: type(cell) for cell in layer.held}):
        return type(layer).from_config({**layer.get_config(), "name": name, **changes})
