"""Lion: steps by the sign of a moving average."""

from kerasette.errors import fraction, value_error
from kerasette.optimizers.base import Optimizer
from kerasette.registry import register


@register("optimizer")
class Lion(Optimizer):
    """Evolved sign momentum (Chen et al., 2023).

    `w -= lr * sign(b1 * m + (1 - b1) * g)`, then `m = b2 * m + (1 - b2) * g`.

    Args:
        learning_rate: a number, a schedule, or a function without arguments.
        beta_1: share of the average in the direction, above 0 and up to 1.
        beta_2: decay of the average, from 0 to 1.
        options: those of `Optimizer`.
    """

    slots = ("momentum",)

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.99, **options):
        super().__init__(learning_rate, **options)
        if fraction("Lion", "beta_1", beta_1) == 0:
            raise value_error(f"Lion: beta_1 must be above 0, else nothing is averaged; got {beta_1!r}.")
        fraction("Lion", "beta_2", beta_2)
        self.beta_1 = beta_1
        self.beta_2 = beta_2

    def begin_step(self, learning_rate, t):
        """Returns the learning rate, beta_1 and 1 - beta_2."""
        return (learning_rate, self.beta_1, 1 - self.beta_2)

    def update(self, theta, grad, momentum, scratch, learning_rate, beta_1, rest_2):
        """Steps by the sign, then moves the average."""
        xp = self.xp
        xp.subtract(momentum, grad, scratch)
        scratch *= beta_1
        scratch += grad  # beta_1 * momentum + (1 - beta_1) * grad
        xp.sign(scratch, scratch)
        scratch *= learning_rate
        theta -= scratch
        grad -= momentum
        grad *= rest_2
        momentum += grad
