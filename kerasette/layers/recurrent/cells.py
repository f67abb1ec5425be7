"""What all cells share: one step of a recurrent layer, as a layer of its own or run over time by RNN."""

from itertools import count

from kerasette import activations, functions
from kerasette.backend import module
from kerasette.errors import fraction, one_of, positive_int, type_error, value_error
from kerasette.functions.kernels import compiled
from kerasette.functions.scan import scan, scan_backward
from kerasette.functions.steps import Options
from kerasette.layers.base import Layer
from kerasette.layers.core import checked_seed
from kerasette.layers.nesting import InnerContext, Nesting, as_layer, refuse_activity
from kerasette.registry import register, snake_case


def flat(sizes) -> list[int]:
    """Returns a cell's `state_size`, a number or nested lists of them, as one list."""
    if isinstance(sizes, (list, tuple)):
        return [size for one in sizes for size in flat(one)]
    return [positive_int("A cell", "state_size", sizes)]


def step_shapes(cell, shape):
    """Returns the shape of a cell's output and a list of those of its states, for inputs of `shape`."""
    own = getattr(cell, "step_shapes", None)
    if own is not None:
        return own(shape)
    return (output_size(cell),), [(size,) for size in flat(cell.state_size)]


class Cell(Layer):
    """Base of cells. A step is `cell(inputs, states) -> output, new states`.

    Your own cell derives from this and sets `state_size` (the units, or a list with those of each state)
    and `output_size`. It makes its parameters in `build(shape)`, and computes one step in
    `forward(ctx, w, x, *states) -> (y, *new_states), cache` and
    `backward(ctx, w, dw, (dy, *dstates), cache) -> (dx, *dstates)`. `RNN(cell)` runs it over time.
    """

    @property
    def inputs_wanted(self):
        """The inputs, and each state."""
        return 1 + len(flat(self.state_size))

    def __call__(self, inputs, states=None, training: bool | None = None):
        """Computes one step.

        Args:
            inputs: (batch, features).
            states: list of (batch, units), or one of them. Without it `inputs` is a list of everything.
            training: True or False fixes the mode of this call; None follows fit and predict.

        Returns:
            The output and the new states, as `states` came; a flat tuple for one list of everything.
        """
        if states is None:
            return super().__call__(inputs, training=training)
        several = isinstance(states, (list, tuple))
        output, *new = super().__call__(inputs, *(states if several else [states]), training=training)
        return output, new if several else new[0]

    def get_initial_state(self, batch_size: int = 1) -> list:
        """Returns zeros for each state, (batch_size, units)."""
        return [module().zeros((batch_size, size), self.dtype) for size in flat(self.state_size)]

    def output_shape(self, shape, *states):
        y, wanted = step_shapes(self, shape)
        for given, one in zip(states, wanted, strict=True):
            if given != one:
                raise value_error(f"{self.name}: a state needs shape {(None, *one)}, got {(None, *given)}.")
        return (y, *wanted)

    def _ensure_built(self, shapes):
        self._check_inputs(shapes if len(shapes) > 1 else [*shapes, *step_shapes(self, shapes[0])[1]])
        self._build_once(shapes[:1])


# ---------------------------------------------------------------- over time


def run(cell, ctx, w, x, states, mask, options):
    """Runs a cell over time.

    Args:
        cell: the cell, or any layer that says its `state_size` and has its forward and backward.
        ctx, w: its context and weights.
        x: (N, T, ...).
        states: the initial ones (N, units), None for zeros.
        mask: bool (N, T), or None.
        options: keywords for functions.steps.Options.

    Returns:
        y, or (y, *last states), and the cache for `run_back`.
    """
    if isinstance(cell, Cell) and hasattr(cell, "run"):
        return cell.run(ctx, w, x, states, mask, options)
    number = count()

    def step(x, *states):
        inner = InnerContext(ctx, next(number), cell, ctx.noise)
        (y, *new), cache = cell.forward(inner, w, x, *states)
        return y, new, (inner, cache, y)

    sizes = flat(cell.state_size)
    pairs = zip(states, sizes, strict=True)
    states = [ctx.xp.zeros((len(x), size), x.dtype) if state is None else state for state, size in pairs]
    return scan(step, x, states, mask, Options(**options))


def run_back(cell, ctx, w, dw, dy, cache, dx=None):
    """Returns dx and a list of the gradients of the initial states, of `run`; assigns `dw`."""
    if isinstance(cell, Cell) and hasattr(cell, "run_back"):
        return cell.run_back(ctx, w, dw, dy, cache, dx)

    def step_backward(dy, dstates, cache):
        inner, cache, y = cache
        dy = ctx.xp.zeros_like(y) if dy is None else dy
        part = {name: ctx.xp.empty_like(value) for name, value in w.items()}
        dx, *dstates = cell.backward(inner, w, part, (dy, *dstates), cache)
        return dx, dstates, list(part.values())

    dx, dweights, dstates = scan_backward(dy, cache, step_backward, dx)
    for destination, gradient in zip(dw.values(), dweights, strict=True):
        destination[...] = gradient
    return dx, dstates


USUAL = {"activation": None, "recurrent_activation": None, "reset_after": True}  # what the fast way has


class BuiltinCell(Cell):
    """Base of the cells that have a function pair for whole sequences.

    Attributes:
        pair: name of the function.
        gates: how many blocks of units the kernels have.
        unit_forget_bias: whether the bias of the second gate begins at 1.
    """

    input_ranks = (1,)
    pair = None
    gates = 1
    unit_forget_bias = False

    def _store(self, units, use_bias, dropout, recurrent_dropout, seed, implementation=2, **others):
        self.units = positive_int(self.name, "units", units)
        one_of(self.name, "use_bias", use_bias, (True, False))
        self.use_bias = use_bias
        self.dropout = fraction(self.name, "dropout", dropout, below_one=True)
        self.recurrent_dropout = fraction(self.name, "recurrent_dropout", recurrent_dropout, below_one=True)
        self.seed = checked_seed(self.name, seed)
        one_of(self.name, "implementation", implementation, (0, 1, 2))
        self.implementation = implementation
        for name, value in others.items():
            setattr(self, name, value)
        self._settings = self._bends()
        if self.activity is not None:
            raise value_error(f"{self.name}: activity_regularizer isn't provided; give it to the layer.")

    def _bends(self):
        """Returns the activations by name, None for those that the fast way has."""
        found = {}
        for name, usual in (("activation", "tanh"), ("recurrent_activation", "sigmoid")):
            if not hasattr(self, name):
                continue
            bend = activations.get(getattr(self, name))
            if bend.output_shape((self.units,)) != (self.units,):
                raise value_error(f"{self.name}: {name} must keep the number of units, not {bend.name!r}.")
            found[name] = None if bend is activations.get(usual) else bend
        return found

    @property
    def state_size(self):
        """Units of the state, or a list of those of each."""
        return self.units

    @property
    def output_size(self) -> int:
        """Units of the output."""
        return self.units

    # ------------------------------------------------------------ parameters

    def build(self, shape, *states):
        if shape[-1] is None:
            raise value_error(
                f"{self.name} ({type(self).__name__}) needs a known last axis, got inputs of shape "
                f"{(None, *shape)}."
            )
        width = self.gates * self.units
        self._add("kernel", "kernel", (shape[-1], width))
        self._add("recurrent_kernel", "recurrent", (self.units, width))
        if self.use_bias:
            self._add("bias", "bias", self._bias_shape(width))

    def _bias_shape(self, width):
        return (width,)

    def _add(self, name, prefix, shape):
        parameter = self.add_param(
            name,
            shape,
            getattr(self, f"{prefix}_initializer"),
            regularizer=getattr(self, f"{prefix}_regularizer"),
            constraint=getattr(self, f"{prefix}_constraint"),
        )
        if name == "bias" and self.unit_forget_bias:
            parameter.value[self.units : 2 * self.units] = 1.0

    # ------------------------------------------------------------ dropout

    @property
    def draw(self):
        """What draws the masks, the same for all steps; None without dropout."""
        return self._draw if self.dropout or self.recurrent_dropout else None

    @property
    def _masks(self):
        """How many masks inputs and state have: as in Keras, one a gate where the state is dropped too.

        Or where implementation 1, which computes gate by gate, is asked for.
        """
        return self.gates if self.recurrent_dropout or self.implementation == 1 else 1

    def _draw(self, rng, batch, shape, *_):
        widths = ((shape[-1], self.dropout), (self.units, self.recurrent_dropout))
        drawn = [rng.keep((batch, self._masks * width), rate) for width, rate in widths if rate]
        return drawn[0] if len(drawn) == 1 else rng.xp.concatenate(drawn, axis=1)

    def _drops(self, ctx, x):
        """Returns the factors of inputs and state, None where nothing is dropped."""
        if not ctx.training or ctx.noise is None:
            return None, None
        xp, start, found = ctx.xp, 0, []
        for width, rate in ((x.shape[-1], self.dropout), (self.units, self.recurrent_dropout)):
            if not rate:
                found.append(None)
                continue
            keep = ctx.noise[:, start : start + self._masks * width]
            start += self._masks * width
            factors = xp.multiply(keep, 1 / (1 - rate), dtype=x.dtype)
            found.append(factors if self._masks == 1 else factors.reshape(len(x), self._masks, width))
        return found

    # ------------------------------------------------------------ the contract

    @property
    def runs_compiled(self):
        """Whether all steps of a sequence are one compiled call."""
        usual = all(self._settings.get(name, usual) is usual for name, usual in USUAL.items())
        shared = not self.recurrent_dropout and (self._masks == 1 or not self.dropout)
        fast = usual and shared and self.dtype == "float32"
        return fast and compiled(f"{self.pair}_steps") is not None

    def run(self, ctx, w, x, states, mask, options):
        """See `run`."""
        weights = (w["kernel"], w["recurrent_kernel"], w.get("bias"))
        function = getattr(functions, self.pair)
        return function(
            x, *weights, *states, mask, *self._drops(ctx, x), buffer=ctx.buffer, **self._settings, **options
        )

    def run_back(self, ctx, w, dw, dy, cache, dx=None):
        """See `run_back`."""
        function = getattr(functions, f"{self.pair}_backward")
        weights = {"dkernel": dw["kernel"], "drecurrent_kernel": dw["recurrent_kernel"]}
        dx, _, _, _, *dstates = function(
            dy, cache, need_dx=ctx.need_dx, dx=dx, dbias=dw.get("bias"), **weights
        )
        return dx, dstates

    def forward(self, ctx, w, x, *states):
        return self.run(ctx, w, x[:, None], states, None, {"states": True})

    def backward(self, ctx, w, dw, dy, cache):
        dx, dstates = self.run_back(ctx, w, dw, dy, cache)
        return (None if dx is None else dx[:, 0], *dstates)


# ---------------------------------------------------------------- several in one


@register("layer")
class StackedRNNCells(Nesting, Cell):
    """Several cells as one: each one's output is the next one's input.

    Args:
        cells: list of cells.
    """

    def __init__(self, cells, **base):
        super().__init__(**base)
        if not isinstance(cells, (list, tuple)) or not cells:
            raise type_error(f"{self.name}: cells must be a list of cells, got {cells!r}.")
        self.cells = [checked_cell(self.name, cell) for cell in cells]
        refuse_activity(self.name, self)
        names = [cell.name for cell in self.cells]
        if len(set(names)) < len(names):
            raise value_error(f"{self.name}: the cells need different names, got {', '.join(names)}.")

    @property
    def held(self):
        return self.cells

    def saved_parts(self):
        counts, found = {}, []
        for cell in self.cells:
            base = snake_case(type(cell).__name__)
            number = counts[base] = counts.get(base, -1) + 1
            found.append((f"cells/{base}_{number}" if number else f"cells/{base}", cell))
        return found

    @property
    def state_size(self):
        """The state sizes of the cells, a list."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> int:
        """That of the last cell."""
        return output_size(self.cells[-1])

    def build(self, shape, *states):
        for cell in self.cells:
            self.build_held(cell, shape)
            shape = (output_size(cell),)

    # ------------------------------------------------------------ the contract

    def _draw(self, rng, batch, shape, *_):
        calls, key = [], (shape[-1],)
        for cell in self.cells:
            calls.append((cell, batch, [shape]))
            shape = (output_size(cell),)
        return self._draw_for(rng, key, calls)

    def _inner(self, ctx, features, rows):
        """Yields each cell with its context."""
        noises = self._noises(ctx.noise if ctx.training else None, (features,), [rows] * len(self.cells))
        for place, (cell, noise) in enumerate(zip(self.cells, noises, strict=True)):
            # Only the first one's inputs may be such that nobody wants their gradient.
            yield cell, InnerContext(ctx, place, cell, noise, need_dx=None if place == 0 else True)

    def run(self, ctx, w, x, states, mask, options):
        """See `run`."""
        options = Options(**options)
        x, mask = options.ordered(x), options.ordered(mask)
        states, caches, ends, last = list(states), [], [], self.cells[-1]
        for cell, inner in self._inner(ctx, x.shape[-1], len(x)):
            own = [states.pop(0) for _ in flat(cell.state_size)]
            wanted = {"states": options.states, "sequences": cell is not last or options.sequences}
            if cell is last:
                wanted["zero_output"] = options.zero_output
            x, cache = run(cell, inner, self.part(cell, w), x, own, mask, wanted)
            if options.states:
                x, *new = x
                ends += new
            caches.append((cell, inner, cache, len(own)))
        return options.results(x, ends), (caches, options)

    def run_back(self, ctx, w, dw, dy, cache, dx=None):
        """See `run_back`."""
        caches, options = cache
        dy, dends = options.gradients(dy, sum(held for *_, held in caches))
        dstates = []
        for cell, inner, inner_cache, held in reversed(caches):
            own, dends = dends[len(dends) - held :], dends[: len(dends) - held]
            to = options.ordered(dx) if cell is self.cells[0] else None
            weights = self.part(cell, w), self.part(cell, dw)
            given = (dy, *own) if options.states else dy
            dy, dinitial = run_back(cell, inner, *weights, given, inner_cache, to)
            dstates = [*dinitial, *dstates]
        return options.ordered(dy), dstates

    def forward(self, ctx, w, x, *states):
        return self.run(ctx, w, x[:, None], states, None, {"states": True})

    backward = BuiltinCell.backward


def output_size(cell) -> int:
    """Returns the units of a cell's output: those that it says, or those of its first state."""
    size = getattr(cell, "output_size", None)
    return flat(cell.state_size)[0] if size is None else size


def checked_cell(owner: str, cell):
    """Returns `cell`, made of its configuration where it is one; raises InvalidType for what is no cell."""
    cell = as_layer(owner, "a cell", cell)
    if getattr(cell, "state_size", None) is None:
        raise type_error(
            f"{owner}: a cell says its state_size (units, or a list of them); {type(cell).__name__} doesn't."
        )
    refuse_activity(owner, cell)
    return cell
