"""Rows of tables, Einstein sums, and attention in all its parts, against TensorFlow."""

import numpy as np

from kerasette import functions as f
from tests.cases.layers import layer
from tests.cases.operations import op
from tests.harness import Case, booleans, integers, normal
from tests.keras_oracle import tf

FAR = -1e9


def some(rng, shape):
    """Draws a mask that lets something through in every row."""
    mask = rng.random(shape) < 0.6
    mask[..., 0] = True
    return mask


def with_empty_rows(rng, shape):
    """Draws a mask whose first row of all lets nothing through."""
    mask = some(rng, shape)
    mask[(0,) * (len(shape) - 1)] = False
    return mask


def faint(rng, shape):
    """Draws weights with which no softmax is saturated."""
    return rng.normal(size=shape) * 0.2


# ---------------------------------------------------------------- tables and sums


def embedding(shape, rows, width):
    shapes, inputs = [shape, (rows, width)], (integers(0, rows),)

    def run(keras, numbers, table):
        return tf().tensordot(tf().one_hot(numbers, rows), table, 1)

    return layer("embedding", shapes, *inputs, keras=run, differentiate=(1,))


def masking(shape):
    """A case in which every step counts: at the others no difference says what the gradient is."""
    return layer("masking", [shape], keras=lambda keras, x: x + 0.0, value=0.5)


def einsum(equation, x, kernel, bias=None):
    def run(keras, x, kernel, bias):
        y = tf().einsum(equation, x, kernel)
        return y if bias is None else y + bias

    return layer("einsum", [x, kernel, bias], keras=run, equation=equation)


# ---------------------------------------------------------------- attention


def repeated(x, count, axis=2):
    return x if x.shape[axis] == count else tf().repeat(x, count // x.shape[axis], axis=axis)


def scores(query, key, scale=1.0):
    def run(keras, query, key):
        return tf().einsum("nthd,nshd->nhts", query, repeated(key, query.shape[2])) * scale

    return op("attention_scores", [query, key], keras=run, scale=scale)


def weighted(weights, value):
    def run(keras, weights, value):
        return tf().einsum("nhts,nshd->nthd", weights, repeated(value, weights.shape[1]))

    return op("weighted_values", [weights, value], keras=run)


def softmax(x, mask, empty, draw=some):
    def run(keras, x, mask):
        if mask is None:
            return tf().nn.softmax(x)
        y = tf().nn.softmax(tf().where(mask, x, FAR))
        return tf().where(mask, y, 0.0) if empty == "zero" else y

    shapes, options = [x, mask], {"in_place": True, "empty": empty}
    return layer("masked_softmax", shapes, normal, draw, keras=run, differentiate=(0,), **options)


def additive(query, key, inner=None, outer=None):
    def run(keras, query, key, inner, outer):
        bent = (query[:, :, None] + key[:, None]) * (1.0 if inner is None else inner)
        return tf().reduce_sum(tf().tanh(bent) * (1.0 if outer is None else outer), axis=-1)

    shapes = [query, key, inner, outer]
    return layer("additive_scores", shapes, keras=run, differentiate=(0, 1, 2, 3))


def scaled(query, key, scale=None):
    def run(keras, query, key, scale):
        return tf().matmul(query, key, transpose_b=True) * (1.0 if scale is None else scale)

    return layer("scaled_scores", [query, key, scale], keras=run)


def attend(t, s, query=False, value=False, keep=False, causal=False):
    """A case of the second half of Keras's Attention, with or without masks and dropout."""

    def run(keras, scores, values, query_mask, value_mask, kept):
        mask = tf().linalg.band_part(tf().ones((1, t, s), "bool"), -1, 0 if causal else -1)
        mask = mask if value_mask is None else mask & value_mask[:, None]
        weights = tf().nn.softmax(tf().where(mask, scores, FAR))
        weights = weights if kept is None else weights * tf().cast(kept[:, 0], "float32") / 0.75
        y = weights @ values
        return y if query_mask is None else y * tf().cast(query_mask[..., None], "float32")

    shapes = [(2, t, s), (2, s, 3)]
    shapes += [(2, t) if query else None, (2, s) if value else None, (2, 1, t, s) if keep else None]
    inputs, options = (normal, normal, some, some, booleans(0.75)), {"causal": causal, "rate": 0.25}
    return layer("attend", shapes, *inputs, keras=run, differentiate=(0, 1), **options)


# ---------------------------------------------------------------- several heads


def multi_head_attention(*arrays, names, one=False, **keywords):
    """The function on arrays alone: one or three inputs, mask, keep, then the weights of these `names`."""
    inputs, (mask, keep, *weights) = (arrays[:1] * 3, arrays[1:]) if one else (arrays[:3], arrays[3:])
    w = dict(zip(names, weights, strict=True))
    y, _, cache = f.multi_head_attention(*inputs, w, mask, keep=keep, **keywords)
    return y, (cache, names, 1 if one else 3)


def multi_head_attention_backward(dy, cache):
    cache, names, count = cache
    *dxs, dw = f.multi_head_attention_backward(dy, cache)
    return (*dxs[:count], *[dw[name] for name in names])


def multi_head(
    inputs,
    heads=(2, 2),
    widths=(3, 3),
    output=(4,),
    mask=None,
    empty="mean",
    keep=False,
    gate=False,
    bias=True,
):
    """A case of several heads.

    Args:
        inputs: shapes of query, value and key; a single one is all three.
        heads: of queries, of keys and values.
        widths: of a head's keys, of its values.
        output: lengths of the output's last axes.
        mask: shape, or None.
        empty: see masked_softmax; its masks have empty rows.
        keep, gate, bias: whether there is dropout, a gate, biases.
    """
    query, value, key = inputs if len(inputs) == 3 else inputs * 3
    kernels = {
        "query": (query[2], heads[0], widths[0]),
        "key": (key[2], heads[1], widths[0]),
        **({"gate": (query[2], heads[0], widths[1])} if gate else {}),
        "value": (value[2], heads[1], widths[1]),
        "attention_output": (heads[0], widths[1], *output),
    }
    weights = {}
    for name, shape in kernels.items():
        weights[f"{name}/kernel"] = shape
        if bias and name != "key":  # whose gradient is 0 but for rounding
            weights[f"{name}/bias"] = shape[2:] if name == "attention_output" else shape[1:]
    kept = (query[0], heads[0], query[1], value[1]) if keep else None
    one = len(inputs) == 1
    run = _several_heads(list(weights), one, empty)
    draws = [normal] * len(inputs) + [with_empty_rows, booleans(0.75)] + [faint] * len(weights)
    start = len(inputs) + 2
    return Case(
        multi_head_attention,
        multi_head_attention_backward,
        [*inputs, mask, kept, *weights.values()],
        inputs=draws,
        differentiate=[*range(len(inputs)), *range(start, start + len(weights))],
        keras=run,
        names=list(weights),
        one=one,
        empty=empty,
        rate=0.25,
    )


def _several_heads(names, one, empty):
    def run(keras, *tensors):
        inputs, rest = (tensors[:1] * 3, tensors[1:]) if one else (tensors[:3], tensors[3:])
        mask, kept, *weights = rest
        w = dict(zip(names, weights, strict=True))

        def project(x, name):
            return tf().einsum("nte,ehd->nthd", x, w[f"{name}/kernel"]) + w.get(f"{name}/bias", 0.0)

        q, v, k = (project(x, name) for x, name in zip(inputs, ("query", "value", "key"), strict=True))
        k, v = repeated(k, q.shape[2]), repeated(v, q.shape[2])
        scores = tf().einsum("nthd,nshd->nhts", q, k) / np.sqrt(q.shape[3])
        p = tf().nn.softmax(scores if mask is None else tf().where(mask, scores, FAR))
        p = tf().where(mask, p, 0.0) if empty == "zero" else p
        p = p if kept is None else p * tf().cast(kept, "float32") / 0.75
        y = tf().einsum("nhts,nshd->nthd", p, v)
        y = y * tf().sigmoid(project(inputs[0], "gate")) if "gate/kernel" in w else y
        flat = tf().reshape(y, (*y.shape[:2], -1))
        kernel = w["attention_output/kernel"]
        y = flat @ tf().reshape(kernel, (flat.shape[2], -1))
        return tf().reshape(y, (*y.shape[:2], *kernel.shape[2:])) + w.get("attention_output/bias", 0.0)

    return run


Q, V, K = (2, 3, 4), (2, 5, 2), (2, 5, 3)

ATTENTION = [
    embedding((3, 4), 5, 4),
    embedding((6,), 3, 3),
    embedding((2, 2, 2), 9, 1),
    embedding((50, 4), 3, 6),
    masking((4, 3)),
    einsum("ab,bc->ac", (4, 3), (3, 5), (5,)),
    einsum("abc,cd->abd", (2, 3, 4), (4, 5)),
    einsum("abc,cde->abde", (2, 3, 4), (4, 2, 3), (2, 3)),
    einsum("abcd,cde->abe", (2, 3, 2, 4), (2, 4, 3), (3,)),
    einsum("abc,bd->adc", (2, 3, 4), (3, 5), (5, 1)),
    einsum("abc,bcd->abd", (2, 3, 4), (3, 4, 5), (3, 5)),
    einsum("...x,xy->...y", (2, 3, 4), (4, 5), (5,)),
    einsum("ab...,bc->ac...", (2, 3, 4), (3, 5), (5, 1)),
    einsum("abc,cd->ad", (2, 3, 4), (4, 5)),
    einsum("abc,cd->dab", (2, 3, 4), (4, 5)),
    einsum("ab,c->abc", (2, 3), (4,)),
    scores((2, 3, 2, 4), (2, 5, 2, 4)),
    scores((2, 3, 4, 3), (2, 5, 2, 3), scale=0.5),
    scores((1, 66, 1, 2), (1, 3, 1, 2)),
    weighted((2, 2, 3, 5), (2, 5, 2, 4)),
    weighted((2, 4, 3, 5), (2, 5, 1, 3)),
    softmax((2, 2, 3, 4), None, "mean"),
    softmax((2, 2, 3, 4), (2, 1, 3, 4), None),
    softmax((2, 2, 3, 4), (2, 1, 1, 4), "own"),
    softmax((2, 2, 3, 4), (2, 1, 3, 4), "mean", with_empty_rows),
    softmax((2, 2, 3, 4), (2, 1, 3, 4), "zero", with_empty_rows),
    softmax((3, 4), (3, 4), "zero", with_empty_rows),
    additive((2, 3, 4), (2, 5, 4)),
    additive((2, 3, 4), (2, 5, 4), outer=(4,)),
    additive((2, 3, 4), (2, 5, 4), inner=(), outer=()),
    scaled((2, 3, 4), (2, 5, 4)),
    scaled((2, 3, 4), (2, 5, 4), scale=()),
    attend(3, 4),
    attend(3, 4, query=True, value=True),
    attend(4, 4, value=True, causal=True),
    attend(3, 4, query=True, keep=True),
    multi_head([Q]),
    multi_head([Q], gate=True, bias=False, mask=(2, 1, 3, 3)),
    multi_head([Q, V, K], widths=(3, 2), output=(2, 2)),
    multi_head([Q, V, K], heads=(4, 2), gate=True, mask=(2, 1, 3, 5), empty="zero"),
    multi_head([Q, V, K], heads=(2, 1), keep=True, mask=(2, 2, 3, 5)),
    multi_head([(1, 3, 130)], widths=(1, 1), output=(1,)),
]
