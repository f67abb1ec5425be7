"""The lines of embeddings, EinsumDense and attention layers: layer_cases.py holds them with the others."""

from kerasette import layers as L  # noqa: N812
from tests.layer_harness import LayerCase

HEADS = {"num_heads": 2, "key_dim": 3}
SHARED = {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2}
PAIR = [(3, 4), (5, 4)]  # query and value
TRIPLE = [(3, 4), (5, 2), (5, 4)]  # query, value and key


def einsum(equation, output_shape, shape, **arguments):
    return LayerCase(
        L.EinsumDense,
        {"equation": equation, "partial_output_shape": output_shape, **arguments},
        shapes=[shape],
    )


def attention(layer, shapes=PAIR, training=False, **arguments):
    """A line of an attention layer; where weights are dropped Keras draws other numbers."""
    return LayerCase(layer, arguments, shapes=shapes, training=training, oracle=not training)


def heads(shapes=PAIR, training=False, **arguments):
    return attention(L.MultiHeadAttention, shapes, training, **{**HEADS, **arguments})


def shared(training=False, **arguments):
    return attention(L.GroupQueryAttention, PAIR, training, **{**SHARED, **arguments})


ATTENTION_CASES = [
    LayerCase(L.Embedding, {"input_dim": 5, "output_dim": 4}, shapes=[(7,)], whole=5),
    LayerCase(L.Embedding, {"input_dim": 3, "output_dim": 3, "mask_zero": True}, shapes=[(2, 4)], whole=3),
    LayerCase(L.Embedding, {"input_dim": 70, "output_dim": 1}, shapes=[()], whole=70, batch=9),
    LayerCase(L.Masking, shapes=[(3, 4)]),
    einsum("ab,bc->ac", 3, (4,), bias_axes="c", activation="tanh"),
    einsum("abc,cd->abd", (None, 3), (2, 4), bias_axes="d"),
    einsum("abc,cde->abde", (None, 2, 3), (2, 4), bias_axes="e"),
    einsum("abc,cde->abde", (2, 2, 3), (2, 4), bias_axes="bd"),
    einsum("abcd,cde->abe", (None, 3), (2, 3, 4)),
    einsum("abc,bd->adc", (5, None), (3, 4), bias_axes="d"),
    einsum("abc,bcd->abd", (3, 2), (3, 4), bias_axes="bd"),
    einsum("...x,xy->...y", 3, (2, 3, 4), bias_axes="y", activation="relu"),
    einsum("ab...,bc->ac...", 3, (2, 3, 4), bias_axes="c"),
    attention(L.Attention),
    attention(L.Attention, TRIPLE, use_scale=True),
    attention(L.Attention, score_mode="concat"),
    attention(L.Attention, TRIPLE, use_scale=True, score_mode="concat"),
    attention(L.Attention, training=True, dropout=0.4, seed=1),
    attention(L.AdditiveAttention),
    attention(L.AdditiveAttention, TRIPLE, use_scale=False),
    attention(L.AdditiveAttention, training=True, dropout=0.4, seed=1),
    heads(),
    heads(TRIPLE, value_dim=2, use_bias=False),
    heads(TRIPLE, partial_output_shape=(2, 3), use_gate=True, sliding_window=2),
    heads([(3, 4, 5), (2, 3, 5)]),
    heads([(3, 4, 5), (3, 2, 5)], attention_axes=(2,), partial_output_shape=2),
    heads([(3, 4, 5), (2, 4, 5)], attention_axes=1),
    heads(dropout=0.3),
    heads(training=True, dropout=0.3, seed=1),
    heads([(3, 2, 5), (2, 2, 5)], True, dropout=0.3, attention_axes=1, use_gate=True),
    heads([(70, 2), (66, 2)], num_heads=1, key_dim=1, use_bias=False),
    shared(),
    shared(use_bias=False, use_gate=True, sliding_window=3),
    shared(True, dropout=0.3, seed=1),
]


def weight(*names):
    """Other initializers, regularizers and constraints of these parameters."""
    others = {"initializer": "ones", "regularizer": "l2", "constraint": "non_neg"}
    return {f"{name}_{what}": value for name in names for what, value in others.items()}


PROJECTED = {
    "dropout": 0.5,
    "use_bias": False,
    "sliding_window": 1,
    "flash_attention": True,
    "use_gate": True,
    "seed": 3,
    **weight("kernel", "bias"),
}
KERNEL_AND_BIAS = weight("kernel", "bias")

# Layer -> (arguments, shapes of its inputs, {argument: another value}): each must change something.
ATTENTION_VARIATIONS = {
    L.Embedding: (
        {"input_dim": 5, "output_dim": 2},
        [(3,)],
        {
            "input_dim": 6,
            "output_dim": 3,
            "mask_zero": True,
            "weights": [[[1.0, 2.0]] * 5],
            "input_length": 3,
            **weight("embeddings"),
        },
    ),
    L.Masking: ({}, [(2, 3)], {"mask_value": 1.0}),
    L.EinsumDense: (
        {"equation": "abc,cd->abd", "partial_output_shape": (None, 2), "bias_axes": "d"},
        [(2, 3)],
        {
            "equation": "abc,bd->acd",
            "partial_output_shape": (None, 3),
            "activation": "tanh",
            "bias_axes": None,
            **KERNEL_AND_BIAS,
        },
    ),
    L.Attention: (
        {"dropout": 0.5, "seed": 1},
        PAIR,
        {"use_scale": True, "score_mode": "concat", "dropout": 0.2, "seed": 2},
    ),
    L.AdditiveAttention: (
        {"dropout": 0.5, "seed": 1},
        PAIR,
        {"use_scale": False, "dropout": 0.2, "seed": 2},
    ),
    L.MultiHeadAttention: (
        {**HEADS, "dropout": 0.2, "seed": 1},
        PAIR,
        {
            "num_heads": 3,
            "key_dim": 2,
            "value_dim": 2,
            "partial_output_shape": 2,
            "attention_axes": 2,
            **PROJECTED,
        },
    ),
    L.GroupQueryAttention: (
        {**SHARED, "dropout": 0.2, "seed": 1},
        PAIR,
        {"head_dim": 2, "num_query_heads": 2, "num_key_value_heads": 4, **PROJECTED},
    ),
}
# No effect here: masks are for the layers behind, Keras 3 dropped the length, no input is the masked value.
ATTENTION_WITHOUT_EFFECT = {
    (L.Embedding, "mask_zero"),
    (L.Embedding, "input_length"),
    (L.Masking, "mask_value"),
}
