"""Adam and its relatives: moving averages of the gradient and of its size."""

from math import sqrt

from kerasette.errors import fraction, value_error
from kerasette.optimizers.base import Optimizer
from kerasette.optimizers.checks import nonnegative
from kerasette.registry import register


class _Averaging(Optimizer):
    """What the family shares: beta_1, beta_2, epsilon, and a moving average of the gradient."""

    slots = (("momentum", "velocity"),)

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, **options):
        super().__init__(learning_rate, **options)
        owner = type(self).__name__
        fraction(owner, "beta_1", beta_1, below_one=True)
        fraction(owner, "beta_2", beta_2, below_one=True)
        nonnegative(owner, "epsilon", epsilon)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def _average_gradient(self, grad, momentum, scratch, rest_1):
        """momentum = beta_1 * momentum + (1 - beta_1) * grad, with rest_1 = 1 - beta_1."""
        self.xp.subtract(grad, momentum, scratch)
        scratch *= rest_1
        momentum += scratch


@register("optimizer")
class Adam(_Averaging):
    """Adaptive moments (Kingma and Ba, 2015), as Keras writes it: epsilon outside the bias correction.

    `m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; w -= a m / (sqrt(v) + eps)` with
    `a = lr * sqrt(1 - b2^t) / (1 - b1^t)`. AMSGrad (Reddi et al., 2018) uses the largest v so far.

    Args:
        learning_rate: a number, a schedule, or a function without arguments.
        beta_1, beta_2: decay of the two averages, from 0 to below 1.
        epsilon: keeps the division finite.
        amsgrad: whether v may only grow.
        options: those of `Optimizer`.
    """

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, amsgrad=False, **options):
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **options)
        self.amsgrad = amsgrad

    @property
    def slots(self):
        """The two averages and, for AMSGrad, the largest v."""
        return (("momentum", "velocity"), "velocity_hat") if self.amsgrad else (("momentum", "velocity"),)

    @property
    def kernel(self):
        """The compiled update, but for AMSGrad."""
        return None if self.amsgrad else "adam_step"

    def rule(self):
        """Returns the variant that `amsgrad` asks for."""
        return self._with_largest if self.amsgrad else self.update

    def begin_step(self, learning_rate, t):
        """Returns the corrected learning rate and the constants."""
        beta_1, beta_2 = self.beta_1, self.beta_2
        alpha = learning_rate * sqrt(1 - beta_2**t) / (1 - beta_1**t)
        return (alpha, 1 - beta_1, 1 - beta_2, self.epsilon)

    def update(self, theta, grad, momentum, velocity, scratch, alpha, rest_1, rest_2, epsilon):
        """Moves both averages, then the weights."""
        self._average_both(grad, momentum, velocity, scratch, rest_1, rest_2)
        self._move(theta, grad, momentum, velocity, scratch, alpha, epsilon)

    def _with_largest(self, theta, grad, momentum, velocity, top, scratch, alpha, rest_1, rest_2, epsilon):
        self._average_both(grad, momentum, velocity, scratch, rest_1, rest_2)
        self.xp.maximum(top, velocity, out=top)
        self._move(theta, grad, momentum, top, scratch, alpha, epsilon)

    def _average_both(self, grad, momentum, velocity, scratch, rest_1, rest_2):
        self._average_gradient(grad, momentum, scratch, rest_1)
        grad *= grad
        grad -= velocity
        grad *= rest_2
        velocity += grad

    def _move(self, theta, free, momentum, velocity, scratch, alpha, epsilon):
        """theta -= alpha * momentum / (sqrt(velocity) + epsilon); `free` is overwritten."""
        xp = self.xp
        xp.sqrt(velocity, scratch)
        scratch += epsilon
        xp.multiply(momentum, alpha, free)
        free /= scratch
        theta -= free


@register("optimizer", "adamw")
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019): first `w -= w * weight_decay * lr`.

    Args:
        learning_rate: a number, a schedule, or a function without arguments.
        weight_decay: a number of at least 0.
        beta_1, beta_2, epsilon, amsgrad: as for `Adam`.
        options: those of `Optimizer`.
    """

    def __init__(
        self,
        learning_rate=0.001,
        weight_decay=0.004,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-7,
        amsgrad=False,
        **options,
    ):
        if weight_decay is None:
            raise value_error("AdamW: weight_decay must be a number, got None. Use Adam for none.")
        options["weight_decay"] = weight_decay
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, **options)


@register("optimizer")
class Adamax(_Averaging):
    """Adam with the infinity norm (Kingma and Ba, 2015, section 7).

    `m = b1 m + (1 - b1) g; u = max(b2 u, |g|); w -= lr m / ((1 - b1^t) (u + eps))`.

    Args:
        learning_rate: a number, a schedule, or a function without arguments.
        beta_1, beta_2: decay of the average and of the norm, from 0 to below 1.
        epsilon: keeps the division finite.
        options: those of `Optimizer`.
    """

    slots = (("momentum", "norm"),)

    def begin_step(self, learning_rate, t):
        """Returns the corrected learning rate and the constants."""
        return (learning_rate / (1 - self.beta_1**t), 1 - self.beta_1, self.beta_2, self.epsilon)

    def update(self, theta, grad, momentum, norm, scratch, alpha, rest_1, beta_2, epsilon):
        """Moves average and norm, then the weights."""
        xp = self.xp
        self._average_gradient(grad, momentum, scratch, rest_1)
        norm *= beta_2
        xp.absolute(grad, grad)
        xp.maximum(norm, grad, out=norm)
        xp.add(norm, epsilon, scratch)
        xp.multiply(momentum, alpha, grad)
        grad /= scratch
        theta -= grad


@register("optimizer")
class Nadam(_Averaging):
    """Adam with Nesterov's momentum (Dozat, 2016), the momentum warmed up by `u_t = b1 (1 - 0.96^t / 2)`.

    With P the product of u_1 ... u_t: `m^ = u_(t+1) m / (1 - P u_(t+1)) + (1 - u_t) g / (1 - P)`,
    `v^ = v / (1 - b2^t)`, `w -= lr m^ / (sqrt(v^) + eps)`.

    Args:
        learning_rate: a number, a schedule, or a function without arguments.
        beta_1, beta_2: decay of the two averages, from 0 to below 1.
        epsilon: keeps the division finite.
        options: those of `Optimizer`.
    """

    extras = ("u_product",)

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, **options):
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **options)
        self.u_product = 1.0

    def begin_step(self, learning_rate, t):
        """Multiplies the product on, and returns the shares of average and gradient and the constants."""
        now, following = (self.beta_1 * (1 - 0.5 * 0.96**step) for step in (t, t + 1))
        self.u_product *= now
        share_m = learning_rate * following / (1 - self.u_product * following)
        share_g = learning_rate * (1 - now) / (1 - self.u_product)
        unbias = 1 / (1 - self.beta_2**t)
        return (share_m, share_g, unbias, 1 - self.beta_1, 1 - self.beta_2, self.epsilon)

    def update(self, theta, grad, momentum, velocity, scratch, share_m, share_g, unbias, rest_1, rest_2, eps):
        """Moves both averages, then the weights."""
        xp = self.xp
        self._average_gradient(grad, momentum, scratch, rest_1)
        xp.multiply(grad, grad, scratch)
        scratch -= velocity
        scratch *= rest_2
        velocity += scratch
        grad *= share_g
        xp.multiply(momentum, share_m, scratch)
        grad += scratch
        xp.multiply(velocity, unbias, scratch)
        xp.sqrt(scratch, scratch)
        scratch += eps
        grad /= scratch
        theta -= grad
