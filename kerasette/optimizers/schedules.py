"""Learning rates that change with the step: functions of the step's number, in plain Python numbers."""

import math
from bisect import bisect_left

from kerasette import registry
from kerasette.errors import finite, value_error
from kerasette.optimizers.checks import nonnegative, positive
from kerasette.registry import Configurable, register


class LearningRateSchedule(Configurable):
    """Base class of schedules: a subclass defines `__call__(step)` and stores its arguments by their names.

    >>> class Halves(LearningRateSchedule):
    ...     def __init__(self, initial_learning_rate):
    ...         self.initial_learning_rate = initial_learning_rate
    ...     def __call__(self, step):
    ...         return self.initial_learning_rate / 2**step
    >>> Halves(0.5)(2)
    0.125
    """

    kind = "schedule"

    def __call__(self, step: int) -> float:
        """Returns the learning rate of step `step` (0, 1 ...)."""
        raise NotImplementedError(f"The schedule {type(self).__name__} must define __call__(step).")


class _Decay(LearningRateSchedule):
    """Base of the schedules that change by a factor every `decay_steps` steps."""

    def __init__(self, initial_learning_rate, decay_steps, decay_rate, staircase, name):
        owner = type(self).__name__
        nonnegative(owner, "initial_learning_rate", initial_learning_rate)
        positive(owner, "decay_steps", decay_steps)
        nonnegative(owner, "decay_rate", decay_rate)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def _periods(self, step):
        """Returns how many times `decay_steps` have passed; with `staircase` whole times."""
        return step // self.decay_steps if self.staircase else step / self.decay_steps


@register("schedule")
class ExponentialDecay(_Decay):
    """`initial_learning_rate * decay_rate ** (step / decay_steps)`.

    >>> ExponentialDecay(0.1, decay_steps=10, decay_rate=0.5)(20)
    0.025

    Args:
        initial_learning_rate: the rate of step 0.
        decay_steps: after how many steps the rate has changed by the factor `decay_rate`.
        decay_rate: that factor, at least 0.
        staircase: whether to change only at multiples of `decay_steps`.
        name: a label.
    """

    def __init__(
        self, initial_learning_rate, decay_steps, decay_rate, staircase=False, name="ExponentialDecay"
    ):
        super().__init__(initial_learning_rate, decay_steps, decay_rate, staircase, name)

    def __call__(self, step):
        return self.initial_learning_rate * self.decay_rate ** self._periods(step)


@register("schedule")
class InverseTimeDecay(_Decay):
    """`initial_learning_rate / (1 + decay_rate * step / decay_steps)`.

    Args:
        initial_learning_rate: the rate of step 0.
        decay_steps: the steps that `decay_rate` counts for.
        decay_rate: at least 0.
        staircase: whether to change only at multiples of `decay_steps`.
        name: a label.
    """

    def __init__(
        self, initial_learning_rate, decay_steps, decay_rate, staircase=False, name="InverseTimeDecay"
    ):
        super().__init__(initial_learning_rate, decay_steps, decay_rate, staircase, name)

    def __call__(self, step):
        return self.initial_learning_rate / (1 + self.decay_rate * self._periods(step))


@register("schedule")
class PiecewiseConstantDecay(LearningRateSchedule):
    """`values[i]` up to and including step `boundaries[i]`, the last value after the last boundary.

    >>> rate = PiecewiseConstantDecay([100, 200], [1.0, 0.5, 0.1])
    >>> rate(100), rate(101), rate(1000)
    (1.0, 0.5, 0.1)

    Args:
        boundaries: steps, rising.
        values: learning rates, one more than boundaries.
        name: a label.
    """

    def __init__(self, boundaries, values, name="PiecewiseConstant"):
        if len(boundaries) != len(values) - 1:
            raise value_error(
                "PiecewiseConstantDecay needs one value more than boundaries,",
                f"got {len(boundaries)} boundaries and {len(values)} values.",
            )
        for value in values:
            nonnegative("PiecewiseConstantDecay", "values", value)
        steps = [finite("PiecewiseConstantDecay", "boundaries", step) for step in boundaries]
        if steps != sorted(steps):
            raise value_error(f"PiecewiseConstantDecay: boundaries must rise, got {list(boundaries)}.")
        self.boundaries = boundaries
        self.values = values
        self.name = name

    def __call__(self, step):
        return self.values[bisect_left(self.boundaries, step)]


@register("schedule")
class PolynomialDecay(LearningRateSchedule):
    """`(initial - end) * (1 - step / decay_steps) ** power + end`, and `end` from `decay_steps` on.

    Args:
        initial_learning_rate: the rate of step 0.
        decay_steps: when `end_learning_rate` is reached.
        end_learning_rate: the rate from then on.
        power: of the polynomial, at least 0; 1 is a straight line.
        cycle: whether to stretch `decay_steps` to its next multiple whenever it is passed.
        name: a label.
    """

    def __init__(
        self,
        initial_learning_rate,
        decay_steps,
        end_learning_rate=0.0001,
        power=1.0,
        cycle=False,
        name="PolynomialDecay",
    ):
        nonnegative("PolynomialDecay", "initial_learning_rate", initial_learning_rate)
        positive("PolynomialDecay", "decay_steps", decay_steps)
        nonnegative("PolynomialDecay", "end_learning_rate", end_learning_rate)
        nonnegative("PolynomialDecay", "power", power)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.end_learning_rate = end_learning_rate
        self.power = power
        self.cycle = cycle
        self.name = name

    def __call__(self, step):
        length = self.decay_steps
        if self.cycle:
            length *= max(1, math.ceil(step / length))
        left = 1 - min(step, length) / length
        start, end = self.initial_learning_rate, self.end_learning_rate
        return (start - end) * left**self.power + end


@register("schedule")
class CosineDecay(LearningRateSchedule):
    """Half a cosine wave down to `alpha` of the rate, after a linear warm-up where asked for.

    (Loshchilov and Hutter, 2016.) With a warm-up the rate rises from `initial_learning_rate` to
    `warmup_target` in `warmup_steps` steps, and the wave of `decay_steps` steps falls from there.

    Args:
        initial_learning_rate: the rate of step 0.
        decay_steps: length of the wave.
        alpha: the last rate as a share of the wave's first.
        name: a label.
        warmup_target: None for no warm-up, or the rate at its end.
        warmup_steps: length of the warm-up.
    """

    def __init__(
        self,
        initial_learning_rate,
        decay_steps,
        alpha=0.0,
        name="CosineDecay",
        warmup_target=None,
        warmup_steps=0,
    ):
        nonnegative("CosineDecay", "initial_learning_rate", initial_learning_rate)
        positive("CosineDecay", "decay_steps", decay_steps)
        nonnegative("CosineDecay", "alpha", alpha)
        nonnegative("CosineDecay", "warmup_steps", warmup_steps)
        if warmup_target is not None:
            nonnegative("CosineDecay", "warmup_target", warmup_target)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.alpha = alpha
        self.name = name
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps

    def __call__(self, step):
        start, top = self.initial_learning_rate, self.warmup_target
        if top is None:
            top = start
        elif step < self.warmup_steps:
            return start + (top - start) * step / self.warmup_steps
        else:
            step -= self.warmup_steps
        return top * _half_wave(min(step / self.decay_steps, 1.0), 1.0, self.alpha)


@register("schedule")
class CosineDecayRestarts(LearningRateSchedule):
    """Half cosine waves one after the other (Loshchilov and Hutter, 2016), each starting anew at the top.

    Args:
        initial_learning_rate: the rate of step 0.
        first_decay_steps: length of the first wave.
        t_mul: factor from one wave's length to the next one's, at least 1.
        m_mul: factor from one wave's height to the next one's.
        alpha: the lowest rate as a share of the first.
        name: a label.
    """

    def __init__(
        self, initial_learning_rate, first_decay_steps, t_mul=2.0, m_mul=1.0, alpha=0.0, name="SGDRDecay"
    ):
        nonnegative("CosineDecayRestarts", "initial_learning_rate", initial_learning_rate)
        positive("CosineDecayRestarts", "first_decay_steps", first_decay_steps)
        if finite("CosineDecayRestarts", "t_mul", t_mul) < 1:
            raise value_error(
                f"CosineDecayRestarts: t_mul must be at least 1, got {t_mul!r}:",
                "waves that get shorter and shorter would end after finitely many steps.",
            )
        nonnegative("CosineDecayRestarts", "m_mul", m_mul)
        nonnegative("CosineDecayRestarts", "alpha", alpha)
        self.initial_learning_rate = initial_learning_rate
        self.first_decay_steps = first_decay_steps
        self.t_mul = t_mul
        self.m_mul = m_mul
        self.alpha = alpha
        self.name = name

    def __call__(self, step):
        length, restarts = self.first_decay_steps, 0
        if self.t_mul == 1:
            restarts, step = divmod(step, length)
        else:  # counted, as a quotient of logarithms is off by one wave now and then
            while step >= length:
                step -= length
                length *= self.t_mul
                restarts += 1
        return self.initial_learning_rate * _half_wave(step / length, self.m_mul**restarts, self.alpha)


def _half_wave(done: float, height: float, alpha: float) -> float:
    """Returns the height of a half cosine wave over a floor of `alpha`, at the share `done` of its length."""
    return (1 - alpha) * 0.5 * height * (1 + math.cos(math.pi * done)) + alpha


def serialize(learning_rate_schedule: LearningRateSchedule) -> dict:
    """Returns the configuration of a schedule as plain data."""
    return registry.serialize(learning_rate_schedule)


def deserialize(config: dict, custom_objects: dict | None = None) -> LearningRateSchedule:
    """Returns the schedule that `serialize` described."""
    return registry.deserialize(config, "schedule", custom_objects)
