"""Steps of optimizers, each over one block of a run."""

import numpy as np

from kerasette.functions.compiled.jit import jit

__all__ = ["adam_step", "momentum_step", "rmsprop_step"]


@jit
def adam_step(theta, grad, momentum, velocity, scratch, alpha, rest_1, rest_2, epsilon):
    a, r1, r2, e = alpha[()], rest_1[()], rest_2[()], epsilon[()]
    for i in range(theta.size):
        g = grad[i]
        m = momentum[i] + (g - momentum[i]) * r1
        v = velocity[i] + (g * g - velocity[i]) * r2
        momentum[i] = m
        velocity[i] = v
        theta[i] -= m * a / (np.sqrt(v) + e)


@jit
def momentum_step(theta, grad, velocity, scratch, learning_rate, momentum):
    a, mu = learning_rate[()], momentum[()]
    for i in range(theta.size):
        v = velocity[i] * mu - grad[i] * a
        velocity[i] = v
        theta[i] += v


@jit
def rmsprop_step(theta, grad, velocity, scratch, learning_rate, rho, rest, epsilon, momentum):
    a, p, r, e = learning_rate[()], rho[()], rest[()], epsilon[()]
    for i in range(theta.size):
        g = grad[i]
        v = velocity[i] * p + g * g * r
        velocity[i] = v
        theta[i] -= g * a / np.sqrt(v + e)
