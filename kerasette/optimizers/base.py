"""The base of all optimizers: options, learning rate, state, and the order of a step."""

import re
from operator import is_

from kerasette.backend import module
from kerasette.errors import fraction, positive_int, type_error, value_error
from kerasette.optimizers import checks, state
from kerasette.optimizers.clipping import clip_each, clip_together
from kerasette.optimizers.program import Program
from kerasette.optimizers.schedules import LearningRateSchedule
from kerasette.optimizers.slots import Slots, handle
from kerasette.optimizers.state import variables
from kerasette.registry import Configurable, deserialize, serialize, signature, snake_case

BLOCK = 65536  # elements; with shorter array calls threads wait for one another in Python
FAINT_STEPS = 128  # in which an average with decay 0.9 shrinks to a millionth, so none gets denormal between
AVERAGE, ACCUMULATOR = state.AVERAGE, state.ACCUMULATOR


class Optimizer(Configurable):
    """Base class of optimizers.

    A subclass names its slots (vectors that it remembers, one element for each weight) and writes one
    vectorised update. It may overwrite `grad` and `scratch`; it makes no arrays.

    >>> from kerasette.optimizers import Optimizer
    >>> class Heavy(Optimizer):
    ...     slots = ("velocity",)
    ...     def begin_step(self, learning_rate, t):
    ...         return (learning_rate, 0.9)
    ...     def update(self, theta, grad, velocity, scratch, learning_rate, momentum):
    ...         velocity *= momentum
    ...         grad *= learning_rate
    ...         velocity -= grad
    ...         theta += velocity
    >>> Heavy(learning_rate=0.5).learning_rate
    0.5

    Args:
        learning_rate: a number, a schedule, or a function without arguments.
        weight_decay: None, or d: before each update `w -= w * d * learning_rate` (decoupled decay,
            Loshchilov and Hutter, 2019).
        clipnorm: None, or the largest L2 norm that the gradient of each parameter may have.
        clipvalue: None, or the largest absolute value that an element of a gradient may have.
        global_clipnorm: None, or the largest L2 norm that all gradients together may have.
        use_ema: whether to keep a moving average of the weights, taken over at the end of `fit`.
        ema_momentum: of that average: `average = m * average + (1 - m) * w`.
        ema_overwrite_frequency: None, or after how many steps the weights become their average.
        loss_scale_factor: None. There is no float16 here, so nothing underflows; other values are refused.
        gradient_accumulation_steps: None, or over how many steps gradients are averaged before an update.
        name: of the optimizer, e.g. in files; by default the class's name in snake case.

    Raises:
        InvalidValue: for a value out of range.
        InvalidType: for an argument that doesn't exist.
    """

    kind = "optimizer"
    slots: tuple = ()  # slot names in the order of `update`; an inner tuple stands interleaved in files
    extras: tuple = ()  # names of further numbers that belong to the state
    block_size = BLOCK
    kernel = None  # name of the compiled function that does what `rule()` does, where there is one

    def __init_subclass__(cls, **keywords):
        super().__init_subclass__(**keywords)
        whole = signature(cls)
        named = [one for one in whole.parameters.values() if one.kind is not one.VAR_KEYWORD]
        cls.__signature__ = whole.replace(parameters=named)

    def __init__(
        self,
        learning_rate=0.001,
        weight_decay=None,
        clipnorm=None,
        clipvalue=None,
        global_clipnorm=None,
        use_ema=False,
        ema_momentum=0.99,
        ema_overwrite_frequency=None,
        loss_scale_factor=None,
        gradient_accumulation_steps=None,
        name=None,
        **unknown,
    ):
        owner = type(self).__name__
        checks.refuse(type(self), unknown)
        self.name = snake_case(owner) if name is None else name
        self._learning_rate = checks.learning_rate(owner, learning_rate)
        self.weight_decay = weight_decay
        self.clipnorm, self.clipvalue, self.global_clipnorm = clipnorm, clipvalue, global_clipnorm
        self.use_ema, self.ema_momentum = use_ema, ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self._check_options(owner)
        self.built = False
        self._calls = 0  # of step(): more than `iterations` where gradients are accumulated
        self._kept = None  # a snapshot of slots that waits for build()
        self._excluded, self._excluded_paths, self._excluded_names = set(), set(), None
        self._unbind()

    def _check_options(self, owner: str) -> None:
        clips = ("clipnorm", "clipvalue", "global_clipnorm")
        for argument in ("weight_decay", *clips):
            if getattr(self, argument) is not None:
                checks.nonnegative(owner, argument, getattr(self, argument))
        if sum(getattr(self, argument) is not None for argument in clips) > 1:
            given = ", ".join(f"{argument}={getattr(self, argument)}" for argument in clips)
            raise value_error(f"{owner}: only one of {', '.join(clips)} can be set, got {given}.")
        if self.loss_scale_factor is not None:
            raise value_error(
                f"{owner}: loss_scale_factor={self.loss_scale_factor!r} is not supported:",
                "kerasette trains in float32 or float64, where gradients need no scaling. Leave it out.",
            )
        fraction(owner, "ema_momentum", self.ema_momentum)
        if self.ema_overwrite_frequency is not None:
            positive_int(owner, "ema_overwrite_frequency", self.ema_overwrite_frequency)
        if self.gradient_accumulation_steps is not None:
            positive_int(owner, "gradient_accumulation_steps", self.gradient_accumulation_steps, minimum=2)

    # ------------------------------------------------------------ what a subclass defines

    def update(self, theta, grad, *slots_scratch_scalars):
        """Changes `theta` (and the slots) in place, given `grad`.

        Args:
            theta: (n,) weights.
            grad: (n,) their gradients; may be overwritten.
            slots_scratch_scalars: one (n,) vector for each slot, one more for intermediate results, then
                the numbers that `begin_step` returned, as arrays without axes.
        """
        raise type_error(f"{type(self).__name__} must define update(theta, grad, *slots, scratch, *scalars).")

    def begin_step(self, learning_rate: float, t: int) -> tuple:
        """Returns the numbers that `update` gets in update number `t` (1, 2 ...), as a tuple of floats."""
        return (learning_rate,)

    def rule(self):
        """Returns the function that updates a block: `update`, or the variant that the options ask for."""
        return self.update

    def slot_start(self, name: str) -> float:
        """Returns the number that slot `name` begins with."""
        return 0.0

    # ------------------------------------------------------------ learning rate, count of steps

    @property
    def learning_rate(self):
        """The learning rate of the next step; a schedule or function is asked for it."""
        rate = self._learning_rate
        if isinstance(rate, float):
            return rate
        return float(rate(self._calls) if isinstance(rate, LearningRateSchedule) else rate())

    @learning_rate.setter
    def learning_rate(self, value):
        value = checks.learning_rate(type(self).__name__, value)
        if isinstance(self._learning_rate, LearningRateSchedule) and isinstance(value, float):
            raise type_error(
                f"{type(self).__name__} was made with the schedule {type(self._learning_rate).__name__},",
                "so its learning_rate can't be set to a number. Make it with a number to set that later.",
            )
        self._learning_rate = value

    @property
    def iterations(self) -> int:
        """How many updates were made."""
        return self._calls // (self.gradient_accumulation_steps or 1)

    # ------------------------------------------------------------ building

    def build(self, runs) -> None:
        """Makes the slots for `runs`; those of parameters that stay are carried over, others start fresh.

        Args:
            runs: the contiguous vectors of weights with their parameters, as `params.runs_of` returns them.
        """
        runs = list(runs)
        if self.built and self._slots.beside(runs):
            return
        starts = {name: self.slot_start(name) for name in self.slot_names()}
        if self.use_ema:
            starts[AVERAGE] = 0.0
        if self.gradient_accumulation_steps:
            starts[ACCUMULATOR] = 0.0
        slots = Slots(runs, starts)
        if self.built:
            fresh = slots.carry_over(self._slots)
            for place in fresh if self.use_ema else ():  # an average that starts at 0 would pull weights to 0
                slots.view(AVERAGE, *place)[...] = slots.theta(*place)
        elif self._kept is not None:
            slots.restore(self._kept)
        self._unbind()
        self._slots, self.xp, self._kept, self.built = slots, slots.xp, None, True

    def serves(self, runs) -> bool:
        """Tells whether this optimizer was last built for `runs`."""
        return self.built and self._slots.beside(runs)

    def slot_names(self) -> list[str]:
        """Returns the names of the slots in the order of `update`."""
        return [name for group in self.slots for name in ((group,) if isinstance(group, str) else group)]

    def _unbind(self) -> None:
        """Forgets everything that refers to weights or gradients."""
        self.xp, self._slots, self._program = module("numpy"), None, None
        self._grads, self._scalars = None, None

    def unbuild(self) -> None:
        """Forgets weights and slots, as before the first build(); the next one may be on another device."""
        self._unbind()
        self._kept, self.built = None, False

    def exclude_from_weight_decay(self, var_list=None, var_names=None) -> None:
        """Keeps parameters out of weight decay; to be called before the first step.

        Args:
            var_list: parameters, e.g. `[layer.bias]`.
            var_names: regular expressions; a parameter in whose path ("dense/bias") or name one is found is
                excluded: ["bias", "normalization"].

        Raises:
            InvalidValue: once a step was made, or for an expression that can't be read.
        """
        if self._calls:
            raise value_error("exclude_from_weight_decay() must be called before the first step of training.")
        if isinstance(var_names, str):
            raise type_error(f"exclude_from_weight_decay: var_names must be a list, got {var_names!r}.")
        try:
            self._excluded_names = re.compile("|".join(var_names)) if var_names else None
        except re.error as problem:
            raise value_error(f"exclude_from_weight_decay: bad pattern in var_names: {problem}.") from problem
        self._excluded = {handle(parameter) for parameter in var_list or ()}

    def decayed(self, parameter) -> bool:
        """Tells whether weight decay acts on `parameter`."""
        if handle(parameter) in self._excluded or parameter.path in self._excluded_paths:
            return False
        found = self._excluded_names and self._excluded_names.search
        return not found or not (found(parameter.path) or found(parameter.name))

    # ------------------------------------------------------------ a step

    def step(self, grads, run_parallel=None) -> None:
        """Makes one step: clipping, weight decay, update, moving average, in this order.

        Args:
            grads: one vector for each run; they may be overwritten. Handing over the same vectors each
                time is fastest.
            run_parallel: None, or a function that takes a list of functions without arguments and runs
                them all, in any order and in any threads. The result doesn't depend on it.
        """
        if not self._is_bound(grads):
            self._bind(grads)
        if not self.gradient_accumulation_steps or self._accumulate(grads):
            self._update(grads, run_parallel)
        if self.use_ema:
            self._average()
        self._calls += 1
        if self._calls % FAINT_STEPS == 0 and self.xp is module("numpy"):
            self._slots.drop_faint()

    def _is_bound(self, grads) -> bool:
        bound = self._grads
        if bound is None or len(bound) != len(grads):
            return False
        return all(map(is_, bound, grads))

    def _bind(self, grads) -> None:
        if not self.built:
            raise value_error(f"{type(self).__name__} isn't built: call build(runs) before step(grads).")
        wanted = [(run.theta.shape, run.theta.dtype) for run in self._slots.runs]
        came = [(grad.shape, grad.dtype) for grad in grads]
        if wanted != came:
            raise value_error(f"{type(self).__name__} needs one gradient vector a run, {wanted}; got {came}.")
        self._grads, self._program, self._scalars = tuple(grads), None, None

    def _update(self, grads, run_parallel) -> None:
        rate = self._learning_rate
        if rate.__class__ is not float:
            rate = self.learning_rate
        scalars = self.begin_step(rate, self.iterations + 1)
        if self.weight_decay:
            scalars = (*scalars, rate * self.weight_decay)
        if scalars != self._scalars:
            self._set_scalars(scalars)
        if self.global_clipnorm:
            clip_together(grads, self.global_clipnorm)
        elif self.clipnorm:
            clip_each(grads, self._slots.runs, self.clipnorm)
        self._program(run_parallel)

    def _set_scalars(self, scalars: tuple) -> None:
        if self._program is not None:
            self._program.set_scalars(scalars)
        elif not isinstance(scalars, tuple):
            raise type_error(f"{type(self).__name__}.begin_step must return a tuple, got {scalars!r}.")
        else:
            self._program = Program(self, self._slots, self._grads, scalars)
        self._scalars = scalars

    def _accumulate(self, grads) -> bool:
        """Adds up the gradients; True where an update is due, `grads` then holding their mean."""
        steps, sums = self.gradient_accumulation_steps, self._slots.vectors[ACCUMULATOR]
        due = (self._calls + 1) % steps == 0
        for grad, total in zip(grads, sums, strict=True):
            if due:
                grad += total
                grad /= steps
                total.fill(0)
            else:
                total += grad
        return due

    def _average(self) -> None:
        momentum = 0.0 if self.iterations == 0 else self.ema_momentum
        for run, average in zip(self._slots.runs, self._slots.vectors[AVERAGE], strict=True):
            average -= run.theta
            average *= momentum
            average += run.theta
        if self.ema_overwrite_frequency and (self.iterations + 1) % self.ema_overwrite_frequency == 0:
            self.finalize_variable_values()

    def finalize_variable_values(self, var_list=None) -> None:
        """Replaces weights by their moving averages, where `use_ema` is set; else does nothing.

        Args:
            var_list: the parameters to replace; None stands for all.
        """
        if not self.use_ema or not self.built:
            return
        wanted = None if var_list is None else {handle(parameter) for parameter in var_list}
        if wanted is None:
            for run, average in zip(self._slots.runs, self._slots.vectors[AVERAGE], strict=True):
                run.theta[...] = average
            return
        for place in self._slots.places():
            if handle(place[1]) in wanted:
                self._slots.theta(*place)[...] = self._slots.view(AVERAGE, *place)

    # ------------------------------------------------------------ state and configuration

    def state(self, exact: bool = False) -> list:
        """Returns [(name, array)] in the order and with the names of Keras's `optimizer.variables`.

        The arrays of slots are views, in the parameters' shapes; the others are copies: single numbers,
        in Keras's type or with `exact` in float64.
        """
        return state.listing(self, exact)

    variables = property(variables)

    def load_state(self, arrays) -> None:
        """Takes over what `state()` returned: all of it, or nothing where anything doesn't fit.

        Args:
            arrays: the arrays in that order, or the pairs (name, array).

        Raises:
            LoadError: with the number of mismatches and the first of them.
        """
        state.load(self, arrays)

    def get_config(self) -> dict:
        """Returns the arguments that make an equal optimizer (without its state), as Keras names them."""
        return {**super().get_config(), "learning_rate": serialize(self._learning_rate)}

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None):
        """Returns an optimizer made from `get_config()`'s dictionary."""
        rate = config.get("learning_rate")
        if isinstance(rate, dict):
            config = {**config, "learning_rate": deserialize(rate, "schedule", custom_objects)}
        return cls(**config)

    def __getstate__(self) -> dict:
        """What copies hold: all but weights and gradients, which build() and step() bind again."""
        kept = self._slots.snapshot() if self.built else self._kept
        paths = self._excluded_paths | {parameter.path for parameter in self._excluded}
        hidden = dict.fromkeys(("xp", "_slots", "_program", "_grads", "_scalars"))
        own = {name: value for name, value in self.__dict__.items() if name not in hidden}
        return {**own, "built": False, "_kept": kept, "_excluded": set(), "_excluded_paths": paths}

    def __setstate__(self, values: dict) -> None:
        self.__dict__.update(values)
        self._unbind()
