"""Optimizers that scale each weight's step by the size of its past gradients."""

from kerasette.errors import fraction
from kerasette.optimizers.base import Optimizer
from kerasette.optimizers.checks import nonnegative
from kerasette.registry import register


@register("optimizer")
class Adagrad(Optimizer):
    """Steps scaled by the sum of all squared gradients (Duchi et al., 2011); epsilon inside the root.

    `a += g^2; w -= lr g / sqrt(a + eps)`. With momentum m: `v = m v + lr g / sqrt(a + eps); w -= v`.

    Args:
        learning_rate: a number, a schedule, or a function without arguments.
        initial_accumulator_value: what the sum begins with, at least 0.
        epsilon: keeps the division finite.
        momentum: from 0 to 1; an addition to Keras's arguments, absent from configurations where it is 0.
        options: those of `Optimizer`.
    """

    def __init__(
        self, learning_rate=0.001, initial_accumulator_value=0.1, epsilon=1e-7, *, momentum=0.0, **options
    ):
        super().__init__(learning_rate, **options)
        nonnegative("Adagrad", "initial_accumulator_value", initial_accumulator_value)
        nonnegative("Adagrad", "epsilon", epsilon)
        fraction("Adagrad", "momentum", momentum)
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon
        self.momentum = momentum

    @property
    def slots(self):
        """The sum of squares and, with momentum, the velocity."""
        return ("accumulator", "momentum") if self.momentum else ("accumulator",)

    def slot_start(self, name):
        """Returns `initial_accumulator_value` for the sum, else 0."""
        return self.initial_accumulator_value if name == "accumulator" else 0.0

    def get_config(self):
        """Returns the configuration, without `momentum` where it is 0, so that Keras can read it."""
        config = super().get_config()
        return config if self.momentum else {name: config[name] for name in config if name != "momentum"}

    def rule(self):
        """Returns the variant that `momentum` asks for."""
        return self._with_momentum if self.momentum else self.update

    def begin_step(self, learning_rate, t):
        """Returns the learning rate and the constants."""
        return (learning_rate, self.epsilon, self.momentum)

    def update(self, theta, grad, accumulator, scratch, learning_rate, epsilon, momentum):
        """Adds up the squares, then moves the weights."""
        self._scale(grad, accumulator, scratch, learning_rate, epsilon)
        theta -= grad

    def _with_momentum(self, theta, grad, accumulator, velocity, scratch, learning_rate, epsilon, momentum):
        self._scale(grad, accumulator, scratch, learning_rate, epsilon)
        velocity *= momentum
        velocity += grad
        theta -= velocity

    def _scale(self, grad, accumulator, scratch, learning_rate, epsilon):
        xp = self.xp
        xp.multiply(grad, grad, scratch)
        accumulator += scratch
        xp.add(accumulator, epsilon, scratch)
        xp.sqrt(scratch, scratch)
        grad *= learning_rate
        grad /= scratch


@register("optimizer", "rmsprop")
class RMSprop(Optimizer):
    """Steps scaled by a moving average of squared gradients (Hinton, 2012); epsilon inside the root.

    `v = r v + (1 - r) g^2; d = lr g / sqrt(v + eps); w -= d`. Centered: `a = r a + (1 - r) g` and
    `sqrt(v - a^2 + eps)`. With momentum m: `p = m p + d; w -= p`.

    Args:
        learning_rate: a number, a schedule, or a function without arguments.
        rho: decay of the averages, from 0 to 1.
        momentum: from 0 to 1.
        epsilon: keeps the division finite.
        centered: whether to scale by the variance in place of the second moment.
        options: those of `Optimizer`.
    """

    def __init__(self, learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-7, centered=False, **options):
        super().__init__(learning_rate, **options)
        fraction("RMSprop", "rho", rho)
        fraction("RMSprop", "momentum", momentum)
        nonnegative("RMSprop", "epsilon", epsilon)
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = centered

    @property
    def slots(self):
        """The average of squares and, where asked for, the velocity and the average gradient."""
        return ("velocity", *["momentum"] * bool(self.momentum), *["average_gradient"] * bool(self.centered))

    @property
    def kernel(self):
        """The compiled update, without momentum and uncentered."""
        return None if self.momentum or self.centered else "rmsprop_step"

    def rule(self):
        """Returns the variant that `momentum` and `centered` ask for."""
        variants = {
            (False, False): self.update,
            (True, False): self._with_momentum,
            (False, True): self._centered,
            (True, True): self._centered_with_momentum,
        }
        return variants[bool(self.momentum), bool(self.centered)]

    def begin_step(self, learning_rate, t):
        """Returns the learning rate and the constants."""
        return (learning_rate, self.rho, 1 - self.rho, self.epsilon, self.momentum)

    def update(self, theta, grad, velocity, scratch, rate, rho, rest, epsilon, momentum):
        """Moves the average of squares, then the weights."""
        self._average_squares(grad, velocity, scratch, rho, rest)
        self._scale(grad, velocity, scratch, rate, epsilon)
        theta -= grad

    def _with_momentum(self, theta, grad, velocity, push, scratch, rate, rho, rest, epsilon, momentum):
        self._average_squares(grad, velocity, scratch, rho, rest)
        self._scale(grad, velocity, scratch, rate, epsilon)
        push *= momentum
        push += grad
        theta -= push

    def _centered(self, theta, grad, velocity, average, scratch, rate, rho, rest, epsilon, momentum):
        self._average_squares(grad, velocity, scratch, rho, rest)
        self._variance(grad, velocity, average, scratch, rho, rest)
        self._scale(grad, scratch, scratch, rate, epsilon)
        theta -= grad

    def _centered_with_momentum(
        self, theta, grad, velocity, push, average, scratch, rate, rho, rest, epsilon, momentum
    ):
        self._average_squares(grad, velocity, scratch, rho, rest)
        self._variance(grad, velocity, average, scratch, rho, rest)
        self._scale(grad, scratch, scratch, rate, epsilon)
        push *= momentum
        push += grad
        theta -= push

    def _average_squares(self, grad, velocity, scratch, rho, rest):
        self.xp.multiply(grad, grad, scratch)
        scratch *= rest
        velocity *= rho
        velocity += scratch

    def _variance(self, grad, velocity, average, scratch, rho, rest):
        """Moves the average gradient; scratch = velocity - average^2."""
        xp = self.xp
        xp.multiply(grad, rest, scratch)
        average *= rho
        average += scratch
        xp.multiply(average, average, scratch)
        xp.subtract(velocity, scratch, scratch)

    def _scale(self, grad, moment, scratch, rate, epsilon):
        """grad = rate * grad / sqrt(moment + epsilon)."""
        xp = self.xp
        xp.add(moment, epsilon, scratch)
        xp.sqrt(scratch, scratch)
        grad *= rate
        grad /= scratch


@register("optimizer")
class Adadelta(Optimizer):
    """Steps scaled by the ratio of past steps to past gradients (Zeiler, 2012); epsilon inside the roots.

    `a = r a + (1 - r) g^2; d = sqrt(b + eps) / sqrt(a + eps) g; b = r b + (1 - r) d^2; w -= lr d`.

    Args:
        learning_rate: a number, a schedule, or a function without arguments; the paper uses 1.0.
        rho: decay of the averages, from 0 to 1.
        epsilon: keeps the division finite and starts the motion.
        options: those of `Optimizer`.
    """

    slots = (("accumulated_grad", "accumulated_delta_var"),)

    def __init__(self, learning_rate=0.001, rho=0.95, epsilon=1e-7, **options):
        super().__init__(learning_rate, **options)
        fraction("Adadelta", "rho", rho)
        nonnegative("Adadelta", "epsilon", epsilon)
        self.rho = rho
        self.epsilon = epsilon

    def begin_step(self, learning_rate, t):
        """Returns the learning rate and the constants."""
        return (learning_rate, self.rho, 1 - self.rho, self.epsilon)

    def update(self, theta, grad, squares, steps, scratch, learning_rate, rho, rest, epsilon):
        """Moves the average of squares, finds the step, moves its average, then the weights."""
        self._average_squares(squares, grad, scratch, rho, rest)
        self._root(steps, scratch, epsilon)
        grad *= scratch
        self._root(squares, scratch, epsilon)
        grad /= scratch
        self._average_squares(steps, grad, scratch, rho, rest)
        grad *= learning_rate
        theta -= grad

    def _average_squares(self, average, values, scratch, rho, rest):
        self.xp.multiply(values, values, scratch)
        scratch *= rest
        average *= rho
        average += scratch

    def _root(self, average, scratch, epsilon):
        self.xp.add(average, epsilon, scratch)
        self.xp.sqrt(scratch, scratch)
