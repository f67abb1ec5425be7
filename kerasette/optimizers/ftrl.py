"""Ftrl: follow the regularized leader."""

from kerasette.errors import finite, value_error
from kerasette.optimizers.base import Optimizer
from kerasette.optimizers.checks import nonnegative
from kerasette.registry import register

NOT_NEGATIVE = (
    "initial_accumulator_value",
    "l1_regularization_strength",
    "l2_regularization_strength",
    "l2_shrinkage_regularization_strength",
    "beta",
)


@register("optimizer")
class Ftrl(Optimizer):
    """Follow the regularized leader (McMahan et al., 2013), for wide and sparse models.

    With `p = -learning_rate_power`, `n' = n + g^2`, `L = l2_regularization_strength + beta / (2 lr)`:
    `z += g + 2 s w - (n'^p - n^p) / lr w; w = (clip(z, -l1, l1) - z) / (n'^p / lr + 2 L)`.

    Args:
        learning_rate: a number above 0, a schedule, or a function without arguments.
        learning_rate_power: at most 0; -0.5 lets steps shrink with the root of the summed squares.
        initial_accumulator_value: what the sum n begins with, at least 0.
        l1_regularization_strength, l2_regularization_strength: at least 0.
        l2_shrinkage_regularization_strength: s above, at least 0.
        beta: beta of the paper.
        options: those of `Optimizer`.
    """

    slots = (("accumulator", "linear"),)

    def __init__(
        self,
        learning_rate=0.001,
        learning_rate_power=-0.5,
        initial_accumulator_value=0.1,
        l1_regularization_strength=0.0,
        l2_regularization_strength=0.0,
        l2_shrinkage_regularization_strength=0.0,
        beta=0.0,
        **options,
    ):
        super().__init__(learning_rate, **options)
        if finite("Ftrl", "learning_rate_power", learning_rate_power) > 0:
            raise value_error(f"Ftrl: learning_rate_power must be at most 0, got {learning_rate_power!r}.")
        self.learning_rate_power = learning_rate_power
        self.initial_accumulator_value = initial_accumulator_value
        self.l1_regularization_strength = l1_regularization_strength
        self.l2_regularization_strength = l2_regularization_strength
        self.l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength
        self.beta = beta
        for argument in NOT_NEGATIVE:
            nonnegative("Ftrl", argument, getattr(self, argument))

    def slot_start(self, name):
        """Returns `initial_accumulator_value` for the sum, else 0."""
        return self.initial_accumulator_value if name == "accumulator" else 0.0

    def begin_step(self, learning_rate, t):
        """Returns the learning rate and the constants."""
        l1, l2 = self.l1_regularization_strength, self.l2_regularization_strength
        ridge = 2 * (l2 + self.beta / (2 * learning_rate))
        shrinkage = 2 * self.l2_shrinkage_regularization_strength
        return (learning_rate, -self.learning_rate_power, ridge, shrinkage, l1, -l1)

    def update(self, theta, grad, accumulator, linear, scratch, rate, power, ridge, shrinkage, l1, minus_l1):
        """Moves both slots, then sets the weights to what they say."""
        xp = self.xp
        linear += grad
        xp.multiply(theta, shrinkage, scratch)
        linear += scratch
        xp.power(accumulator, power, scratch)
        grad *= grad
        accumulator += grad
        xp.power(accumulator, power, grad)
        xp.subtract(grad, scratch, scratch)
        scratch /= rate
        scratch *= theta
        linear -= scratch
        grad /= rate
        grad += ridge
        xp.minimum(linear, l1, out=scratch)
        xp.maximum(scratch, minus_l1, out=scratch)
        scratch -= linear
        xp.divide(scratch, grad, theta)
