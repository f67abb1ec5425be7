"""Stochastic gradient descent."""

from kerasette.errors import fraction
from kerasette.optimizers.base import Optimizer
from kerasette.registry import register


@register("optimizer")
class SGD(Optimizer):
    """Gradient descent, with momentum where asked for.

    Without momentum `w -= lr * g`. With momentum m (Polyak, 1964) `v = m * v - lr * g; w += v`, the learning
    rate inside the velocity as in Keras. With Nesterov's form `w += m * v - lr * g` for the new v.

    Args:
        learning_rate: a number, a schedule, or a function without arguments.
        momentum: from 0 to 1.
        nesterov: whether to use Nesterov's form (of no effect where momentum is 0).
        options: those of `Optimizer`.
    """

    def __init__(self, learning_rate=0.01, momentum=0.0, nesterov=False, **options):
        super().__init__(learning_rate, **options)
        fraction("SGD", "momentum", momentum)
        self.momentum = momentum
        self.nesterov = nesterov

    @property
    def slots(self):
        """The velocity, where there is momentum."""
        return ("momentum",) if self.momentum else ()

    @property
    def kernel(self):
        """The compiled update, for plain momentum."""
        return "momentum_step" if self.momentum and not self.nesterov else None

    def rule(self):
        """Returns the variant that the options ask for."""
        if not self.momentum:
            return self.update
        return self._with_nesterov if self.nesterov else self._with_momentum

    def begin_step(self, learning_rate, t):
        """Returns the learning rate and, where used, the momentum."""
        return (learning_rate, self.momentum) if self.momentum else (learning_rate,)

    def update(self, theta, grad, scratch, learning_rate):
        """Goes downhill by `learning_rate * grad`."""
        grad *= learning_rate
        theta -= grad

    def _with_momentum(self, theta, grad, velocity, scratch, learning_rate, momentum):
        grad *= learning_rate
        velocity *= momentum
        velocity -= grad
        theta += velocity

    def _with_nesterov(self, theta, grad, velocity, scratch, learning_rate, momentum):
        grad *= learning_rate
        velocity *= momentum
        velocity -= grad
        self.xp.multiply(velocity, momentum, scratch)
        scratch -= grad
        theta += scratch
