"""What recurrent layers share: a cell run over time, with states, masks and the options of Keras."""

import numpy as np

from kerasette import registry
from kerasette.backend import is_array, to_module, xp_of
from kerasette.errors import one_of, type_error, value_error
from kerasette.functions.common import floats
from kerasette.graph import SymbolicTensor
from kerasette.layers.base import Layer, as_tensor
from kerasette.layers.nesting import InnerContext, Nesting
from kerasette.layers.recurrent.cells import flat, run, run_back, step_shapes


class OverTime(Nesting):
    """Base of the layers that are called on a sequence, initial states and a mask."""

    supports_masking = True
    tensor_arguments = ("initial_state", "mask")
    by_steps = True

    def __call__(self, inputs, initial_state=None, mask=None, training: bool | None = None):
        """Applies the layer to a tensor or an array.

        Args:
            inputs: (batch, steps, features).
            initial_state: a tensor (batch, units), or a list with one for each state.
            mask: bool (batch, steps), False where a step is left out. In a graph that of the input comes
                along by itself, but, as in Keras, only where no initial_state is given.
            training: True or False fixes the mode of this call; None follows fit and predict.

        Returns:
            The output; with `return_state` a tuple of it and the last states.
        """
        given = {"initial_state": initial_state, "mask": mask}
        given = {name: value for name, value in given.items() if value is not None}
        if initial_state is not None:
            given["initial_state"] = states = [as_tensor(state) for state in spread(initial_state)]
            self._check_states(np.shape(as_tensor(inputs)), states)
        return super().__call__(inputs, training=training, **given)

    def _check_inputs(self, shapes):
        if len(shapes) == 1 and len(shapes[0]) == 1:
            raise value_error(
                f"{self.name} ({type(self).__name__}) needs inputs with 3 axes, (batch, steps, features),",
                f"got shape {(None, *shapes[0])}. Set return_sequences=True in a recurrent layer before it,",
                "or give a series of one feature as x[..., None].",
            )
        super()._check_inputs(shapes)

    def _automatic_masks(self, inputs, named):
        return {} if set(named) - {"mask"} else super()._automatic_masks(inputs, named)

    @property
    def keeps_state(self):
        return self.stateful

    @property
    def commit(self):
        return self._commit if self.stateful else None

    @property
    def runs_compiled(self):
        """Whether all steps are one compiled call."""
        return all(part.runs_compiled for part in self.held)


class Recurrent(OverTime):
    """Base of layers that run a cell over the steps of a sequence.

    Args:
        return_sequences: whether the outputs of all steps are given, not only the last one.
        return_state: whether the last states are given behind the output.
        go_backwards: whether time runs from the last step to the first; outputs stand in the order of
            computing, as in Keras.
        stateful: whether each batch begins with the states that the one before ended with, in training,
            evaluation and prediction alike, until `reset_states()`. All batches need one size then.
        unroll: of no effect: there is no other way of computing here.
        zero_output_for_mask: whether the output of a masked step is 0. It is that of the step before
            otherwise, and 0 before the first step that counts.

    Called as `layer(x, initial_state=None, mask=None, training=None)`. A masked step leaves the states
    as they are.

    Attributes:
        cell: computes one step.
        states: of a stateful layer, arrays (batch, units); None before the first batch.
    """

    input_ranks = (2,)

    def __init__(
        self,
        *,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **base,
    ):
        super().__init__(**base)
        self.cell = self.states = None
        switches = {
            "return_sequences": return_sequences,
            "return_state": return_state,
            "go_backwards": go_backwards,
            "stateful": stateful,
            "unroll": unroll,
            "zero_output_for_mask": zero_output_for_mask,
        }
        for name, value in switches.items():
            one_of(self.name, name, value, (True, False))
            setattr(self, name, value)

    def _adopt(self, cls, **arguments):
        """Makes the cell of a layer that has the cell's arguments for its own."""
        name = registry.snake_case(cls.__name__)
        self.cell = cls(name=name, trainable=self.trainable, dtype=self.dtype, **arguments)
        for argument in arguments:
            setattr(self, argument, getattr(self.cell, argument))

    @property
    def held(self):
        return [self.cell]

    def saved_parts(self):
        return [("cell", self.cell)]

    @property
    def state_sizes(self) -> list[int]:
        """The units of each state."""
        return flat(self.cell.state_size)

    # ------------------------------------------------------------ shapes

    def build(self, shape):
        self.build_held(self.cell, shape[1:])

    def output_shape(self, shape, mask=None):
        if shape[0] == 0:
            raise value_error(f"{self.name} needs at least one step, got inputs of shape {(None, *shape)}.")
        if mask is not None and None not in (mask[0], shape[0]) and mask[0] != shape[0]:
            raise value_error(
                f"{self.name}: the mask has {mask[0]} steps, the input {shape[0]}. It needs one bool a step."
            )
        if self.cell.built and not self._fits(shape):
            raise value_error(
                f"{self.name} was built for another number of features, got inputs of shape {(None, *shape)}."
            )
        y, states = step_shapes(self.cell, shape[1:])
        y = (shape[0], *y) if self.return_sequences else y
        return (y, *states) if self.return_state else y

    def _fits(self, shape):
        kernel = self.keyed_parameters().get(f"{self.cell.name}/kernel")
        return kernel is None or shape[-1] in (None, kernel.shape[-2])

    def compute_mask(self, inputs, mask=None):
        """Returns the mask for a sequence of outputs, None for states and last outputs."""
        own = mask if self.return_sequences else None
        return [own, *[None] * len(self.state_sizes)] if self.return_state else own

    # ------------------------------------------------------------ calls

    def _check_states(self, shape, states):
        """Raises where `states` aren't initial states for inputs of `shape`."""
        _, wanted = step_shapes(self.cell, shape[2:])
        if len(states) != len(wanted):
            raise value_error(
                f"{self.name} ({type(self).__name__}) has {len(wanted)} states, initial_state {len(states)}."
            )
        for state, one in zip(states, wanted, strict=True):
            if np.shape(state)[1:] != one:
                raise value_error(
                    f"{self.name}: an initial state needs shape {(None, *one)}, got {np.shape(state)}."
                )

    def _named(self, named):
        states = named.pop("initial_state", ())
        return {**named, **{f"state_{number}": state for number, state in enumerate(states)}}

    # ------------------------------------------------------------ state

    def _commit(self, w, caches):
        self.states = [state.copy() for state in caches[-1][2]]

    def reset_states(self) -> None:
        """Makes a stateful layer begin with zeros again; batches may have another size then."""
        self.states = None

    reset_state = reset_states

    def _initial(self, x, given):
        """Returns the initial states, None for zeros."""
        count = len(self.state_sizes)
        if given:
            return [given[f"state_{number}"].astype(x.dtype, copy=False) for number in range(count)]
        if not self.stateful or self.states is None:
            return [None] * count
        if len(self.states[0]) != len(x):
            raise value_error(
                f"{self.name} is stateful and remembers {len(self.states[0])} samples, but got {len(x)}.",
                "Keep batches equal, or call reset_states() between.",
            )
        return [to_module(xp_of(x), state, x.dtype) for state in self.states]

    # ------------------------------------------------------------ the contract

    @property
    def seed(self):
        """The seed of the cell's dropout."""
        return getattr(self.cell, "seed", None)

    @seed.setter
    def seed(self, value):
        """The cell has it."""

    def _draw(self, rng, batch, shape, *_):
        return self.cell.draw(rng, batch, shape[1:], *((size,) for size in self.state_sizes))

    def _inner(self, ctx):
        return InnerContext(ctx, "cell", self.cell, ctx.noise)

    def forward(self, ctx, w, x, mask=None, **given):
        wants = self.return_state or self.stateful
        options = {
            "sequences": self.return_sequences,
            "states": wants,
            "reverse": self.go_backwards,
            "zero_output": self.zero_output_for_mask,
        }
        x, mask = floats(x, ctx.buffer.dtype), None if mask is None else mask.astype(bool, copy=False)
        inner, states = self._inner(ctx), self._initial(x, given)
        y, cache = run(self.cell, inner, self.part(self.cell, w), x, states, mask, options)
        last = y[1:] if wants else ()
        if wants and not self.return_state:
            y = y[0]
        return y, (cache, mask is not None or bool(given), last, x.shape)

    def backward(self, ctx, w, dw, dy, cache):
        cache, named, last, shape = cache
        if last and not self.return_state:
            dy = (dy, *[None] * len(last))
        dx = None
        if ctx.need_dx:
            n, steps, *rest = shape
            room = ctx.buffer("dx", (steps, *rest, n))  # as the way back makes it: samples last in memory
            dx = ctx.xp.moveaxis(room, -1, 0)
        weights = self.part(self.cell, w), self.part(self.cell, dw)
        dx, dstates = run_back(self.cell, self._inner(ctx), *weights, dy, cache, dx)
        if not named:
            return dx
        return dx, {f"state_{number}": d for number, d in enumerate(dstates) if d is not None}


def spread(states) -> list:
    """Returns states, a tensor or lists of them in one another, as one list."""
    if isinstance(states, (SymbolicTensor, Layer)) or is_array(states):
        return [states]
    if not isinstance(states, (list, tuple)):
        raise type_error(f"initial_state must be a tensor or a list of them, got {type(states).__name__}.")
    return [state for one in states for state in spread(one)]


def checked_cudnn(owner: str, value):
    """Returns Keras's argument `use_cudnn`, which says how a GPU computes and has no effect here."""
    one_of(owner, "use_cudnn", value, ("auto", True, False))
    return value
