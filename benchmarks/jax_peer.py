"""A work in JAX: a jitted step over the whole update, which takes NumPy batches; Adam by hand."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.sgemm import shape_after
from benchmarks.works import PREDICT_BATCH

LAYOUT = ("NHWC", "HWIO", "NHWC")
ACTIVATIONS = {"tanh": jnp.tanh, "relu": jax.nn.relu, "softmax": lambda x: x}  # softmax is the loss's


def jax_step(work, x, y):
    """Returns `train()` and `predict(rows)`."""
    rng = np.random.default_rng(0)
    weights, moving = _start(work, rng)
    zeros = jax.tree.map(jnp.zeros_like, weights)
    # Only what a work needs travels through the step: each argument of a jitted call costs time.
    memory = (zeros, zeros, jnp.float32(0)) if work.optimizer == "adam" else ()
    state = (weights, moving, memory)
    key = jax.random.key(0) if any(entry[0] == "dropout" for entry in work.stack) else None
    step, infer = _jitted(work)

    def train():
        nonlocal state, key
        for _ in range(work.epochs):
            order = rng.permutation(len(x))
            for begin in range(0, len(x), work.batch):
                picked = order[begin : begin + work.batch]
                state, key, loss = step(state, x[picked], y[picked], key)
        jax.block_until_ready((state, loss))

    def predict(rows):
        parts = [
            infer(*state[:2], rows[at : at + PREDICT_BATCH]) for at in range(0, len(rows), PREDICT_BATCH)
        ]
        return np.asarray(parts[0]) if len(parts) == 1 else np.concatenate(parts)

    return train, predict


def _jitted(work):
    """Returns the jitted training step and the jitted prediction."""
    update = {"sgd": _sgd, "adam": _adam}[work.optimizer]

    def loss_of(weights, moving, rows, labels, key):
        logits, moving = _apply(work.stack, weights, moving, rows, key, training=True)
        logs = jax.nn.log_softmax(logits)
        return -jnp.take_along_axis(logs, labels[:, None], axis=1).mean(), moving

    @jax.jit
    def step(state, rows, labels, key):
        weights, moving, memory = state
        key, own = (None, None) if key is None else jax.random.split(key)
        slope = jax.value_and_grad(loss_of, has_aux=True)
        (loss, moving), gradient = slope(weights, moving, rows, labels, own)
        weights, memory = update(work.rate, weights, memory, gradient)
        return (weights, moving, memory), key, loss

    @jax.jit
    def infer(weights, moving, rows):
        return jax.nn.softmax(_apply(work.stack, weights, moving, rows, None, training=False)[0])

    return step, infer


# ---------------------------------------------------------------- the model


def _start(work, rng):
    """Returns the weights, a pair for each entry that has some, and the moving statistics."""
    shape, weights, moving = work.shape, [], []
    for kind, *arguments in work.stack:
        if kind in ("dense", "conv"):
            window = (3, 3) if kind == "conv" else ()
            kernel = (*window, shape[-1], arguments[0])
            spread = (2 / (math.prod(window) * (kernel[-2] + kernel[-1]))) ** 0.5
            weights.append((jnp.asarray(rng.normal(0, spread, kernel), "float32"), jnp.zeros(kernel[-1])))
        elif kind == "normalize":
            weights.append((jnp.ones(shape[-1]), jnp.zeros(shape[-1])))
            moving.append((jnp.zeros(shape[-1]), jnp.ones(shape[-1])))
        shape = shape_after(shape, kind, *arguments)
    return weights, moving


def _apply(stack, weights, moving, x, key, *, training):
    """Returns the logits and the new moving statistics."""
    weights, statistics, renewed = iter(weights), iter(moving), []
    for index, (kind, *arguments) in enumerate(stack):
        if kind == "dense":
            kernel, bias = next(weights)
            x = ACTIVATIONS[arguments[1]](x @ kernel + bias)
        elif kind == "conv":
            kernel, bias = next(weights)
            strides = (arguments[1],) * 2
            x = lax.conv_general_dilated(x, kernel, strides, arguments[2].upper(), dimension_numbers=LAYOUT)
            x = jax.nn.relu(x + bias)
        elif kind == "normalize":
            x, after = _normalize(x, *next(weights), *next(statistics), training)
            renewed.append(after)
        elif kind == "pool":
            x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        elif kind == "rescale":
            x = x.astype("float32") * arguments[0]
        elif kind == "flatten":
            x = x.reshape(len(x), -1)
        elif training:
            kept = jax.random.bernoulli(jax.random.fold_in(key, index), 1 - arguments[0], x.shape)
            x = jnp.where(kept, x / (1 - arguments[0]), 0)
    return x, renewed


def _normalize(x, gamma, beta, mean, variance, training):
    """Returns `x` normalized over all but its channels, and the moving mean and variance."""
    after = mean, variance
    if training:
        mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
        after = 0.9 * after[0] + 0.1 * mean, 0.9 * after[1] + 0.1 * variance
    return (x - mean) * (gamma * lax.rsqrt(variance + 1e-3)) + beta, after


# ---------------------------------------------------------------- optimizers


def _sgd(step, weights, memory, gradient):
    return jax.tree.map(lambda w, g: w - step * g, weights, gradient), memory


def _adam(step, weights, memory, gradient):
    m, v, t = memory[0], memory[1], memory[2] + 1
    m = jax.tree.map(lambda a, g: 0.9 * a + 0.1 * g, m, gradient)
    v = jax.tree.map(lambda a, g: 0.999 * a + 0.001 * g * g, v, gradient)
    rate = step * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    stepped = jax.tree.map(lambda w, a, b: w - rate * a / (jnp.sqrt(b) + 1e-7), weights, m, v)
    return stepped, (m, v, t)
