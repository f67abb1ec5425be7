"""Attention: masks as Keras has them, second outputs, several axes, and what is refused."""

import itertools

import numpy as np
import pytest

import kerasette as k
from kerasette import Input, Model, layers
from kerasette.backend import set_floatx
from kerasette.errors import KerasetteError
from kerasette.graph import Context
from tests import cupy_standin
from tests.keras_oracle import keras, tf
from tests.layer_harness import central, distance

pytestmark = pytest.mark.usefixtures("seeded")


TWICE = list(itertools.product([False, True], repeat=2))
MASKS = ("value_mask", "key_mask", "attention_mask")
rng = np.random.default_rng(0)
QUERY, VALUE, KEY = (rng.normal(size=shape).astype("float32") for shape in ((2, 4, 6), (2, 5, 3), (2, 5, 6)))
SOME = {
    "query_mask": rng.random((2, 4)) < 0.6,
    "value_mask": rng.random((2, 5)) < 0.7,
    "key_mask": rng.random((2, 5)) < 0.7,
    "attention_mask": rng.random((2, 4, 5)) < 0.7,
}
SOME["attention_mask"][0, 1] = False  # a query that sees nothing


def pair(kind, *inputs, **arguments):
    """Returns our layer and Keras's with the same random weights, built for these inputs."""
    ours, theirs = getattr(layers, kind)(**arguments), getattr(keras().layers, kind)(**arguments)
    apart = ours.inputs_apart
    ours(*inputs)
    theirs(*inputs) if apart else theirs(list(inputs))
    weights = [rng.uniform(-0.6, 0.6, w.shape) for w in ours.weights]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    return ours, theirs


def gradients(layer, xs, dys, training=False, **call):
    """Returns the outputs and the gradients by inputs and weights, by the layer's own backward."""
    ctx = Context(np, "float32", training=training)
    ctx.batch = len(xs[0])
    w = {key: p.value for key, p in layer.keyed_parameters().items()}
    y, cache = layer.forward(ctx, w, *xs, **call)
    ys = [one.copy() for one in (y if isinstance(y, tuple) else (y,))]
    dw = {key: np.full_like(value, np.nan) for key, value in w.items()}
    dxs = layer.backward(ctx, w, dw, dys if len(ys) > 1 else dys[0], cache)
    return ys, [dx for dx in dxs if isinstance(dx, np.ndarray)], dw


def keras_gradients(layer, xs, dys, apart, **call):
    """The same by TensorFlow."""
    tensors = [tf().constant(x) for x in xs]
    with tf().GradientTape() as tape:
        tape.watch(tensors)
        y = layer(*tensors, **call) if apart else layer(tensors, **call)
        ys = y if isinstance(y, tuple) else (y,)
        total = sum(tf().reduce_sum(one * dy) for one, dy in zip(ys, dys, strict=True))
    found = tape.gradient(total, [tensors, layer.trainable_variables])
    return ys, *found


def compare(ours, theirs, xs, call, keras_call=None):
    scored = call.get("return_attention_scores", False)
    keras_call = call if keras_call is None else keras_call
    apart = ours.inputs_apart
    first = ours(*xs, **call)
    dys = [rng.normal(size=one.shape).astype("float32") for one in (first if scored else (first,))]
    dys = tuple(dys)
    ys, dxs, dw = gradients(ours, xs, dys, **ours_call(ours, call))
    wanted_ys, wanted_dxs, wanted_dw = keras_gradients(theirs, xs, dys, apart, **keras_call)
    for a, b in zip(ys, wanted_ys, strict=True):
        assert distance(a, b.numpy()) <= 1e-5
    for a, b in zip(dxs, wanted_dxs, strict=True):
        assert distance(a, b.numpy(), 1e-2) <= 1e-5
    for (name, a), b in zip(dw.items(), wanted_dw, strict=True):
        assert distance(a, b.numpy(), 1.0 if name == "key/bias" else 1e-2) <= 1e-5, name


def ours_call(layer, call):
    """Returns a call's keywords as the layer's forward takes them."""
    given = {name: value for name, value in call.items() if value is not None}
    masks = layer._named({"mask": given.pop("mask")}) if "mask" in given else {}
    return {**given, **masks}


# ---------------------------------------------------------------- several heads


@pytest.mark.parametrize("scored", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masks", [c for n in range(4) for c in itertools.combinations(MASKS, n)])
def test_masks_of_multi_head_attention(masks, causal, scored):
    """Values and gradients under every combination, rows in which nothing is seen among them.

    Without scores Keras gives such rows equal weights, with them zeros.
    """
    ours, theirs = pair("MultiHeadAttention", QUERY, VALUE, KEY, num_heads=2, key_dim=3)
    call = {name: SOME[name] for name in masks}
    if causal:
        call["use_causal_mask"] = True
    if scored:
        call["return_attention_scores"] = True
    compare(ours, theirs, (QUERY, VALUE, KEY), call)


@pytest.mark.parametrize("scored", [False, True])
@pytest.mark.parametrize("arguments", [{}, {"sliding_window": 2}, {"dropout": 0.4}, {"use_gate": True}])
def test_masks_of_group_query_attention(arguments, scored):
    shared = {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2}
    ours, theirs = pair("GroupQueryAttention", QUERY, KEY, **shared, **arguments)
    call = {**{name: SOME[name] for name in SOME if name != "key_mask"}, "return_attention_scores": scored}
    compare(ours, theirs, (QUERY, KEY), call)


def test_masks_with_heads_or_of_whole_numbers():
    ours, theirs = pair("MultiHeadAttention", QUERY, KEY, num_heads=2, key_dim=3, dropout=0.3)
    for mask in (
        rng.random((2, 2, 4, 5)) < 0.6,
        rng.random((4, 5)) < 0.6,
        SOME["attention_mask"].astype("int32"),
    ):
        compare(ours, theirs, (QUERY, KEY), {"attention_mask": mask})


def test_a_mask_of_queries_is_heeded():
    """Keras drops it where it is given by hand, and heeds the one that comes along: ours heeds both."""
    layer = layers.MultiHeadAttention(2, 3)
    mask, causal = SOME["query_mask"], np.tri(4, dtype=bool)[None]
    y = layer(QUERY, QUERY, query_mask=mask, use_causal_mask=True)
    assert distance(y, layer(QUERY, QUERY, attention_mask=mask[..., None] & causal)) <= 1e-6


SPACE = rng.normal(size=(2, 3, 4, 6)).astype("float32")


@pytest.mark.parametrize(
    ("axes", "mask"),
    [
        (None, (2, 3, 4, 3, 4)),
        ((1, 2), (2, 2, 3, 4, 3, 4)),
        (1, (2, 3, 3)),
        (-2, (2, 3, 4, 4)),
        (2, (2, 4, 4)),
    ],
)
def test_several_axes(axes, mask):
    arguments = {"num_heads": 2, "key_dim": 3, "attention_axes": axes}
    ours, theirs = pair("MultiHeadAttention", SPACE, SPACE, **arguments)
    call = {"attention_mask": rng.random(mask) < 0.7, "return_attention_scores": True}
    compare(ours, theirs, (SPACE, SPACE.copy()), call)


def test_one_of_several_axes_takes_masks_of_steps():
    layer = layers.MultiHeadAttention(2, 3, attention_axes=2)
    mask = rng.random((2, 3, 4)) < 0.7
    y = layer(SPACE, SPACE, value_mask=mask, use_causal_mask=True)
    causal = np.tri(4, dtype=bool)
    assert distance(y, layer(SPACE, SPACE, attention_mask=mask[:, :, None] & causal)) <= 1e-6
    whole = layer(SPACE, SPACE, value_mask=mask[:, 0])
    every = np.repeat(mask[:, :1], 3, axis=1)
    assert distance(whole, layer(SPACE, SPACE, value_mask=every)) <= 1e-6


def test_weights_lie_and_are_called_as_in_keras():
    for name, arguments in (
        ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3, "value_dim": 2, "use_gate": True}),
        ("GroupQueryAttention", {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2}),
    ):
        ours, theirs = pair(name, QUERY, VALUE if arguments.get("value_dim") else KEY, name="a", **arguments)
        assert [(p.path, p.shape) for p in ours.weights] == [(v.path, v.shape) for v in theirs.weights]
        for part in ("query", "key", "value", "output"):
            own, other = getattr(ours, f"_{part}_dense"), getattr(theirs, f"_{part}_dense")
            assert type(own).__name__ == type(other).__name__
            assert own.name == other.name
            for a, b in zip(own.weights, other.weights, strict=True):
                np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert ours._query_dense.kernel is ours.weights[0]


def test_masks_given_as_inputs():
    x, mask = Input((4, 6)), Input((4, 4), dtype="bool")
    model = Model([x, mask], layers.MultiHeadAttention(2, 3)(x, x, attention_mask=mask))
    model.compile("sgd", "mse")
    allowed = rng.random((2, 4, 4)) < 0.7
    layer = model.layers[-1]
    assert distance(model.predict([QUERY, allowed]), layer(QUERY, QUERY, attention_mask=allowed)) <= 1e-6
    model.fit([QUERY, allowed], QUERY, verbose=0)


# ---------------------------------------------------------------- one head


@pytest.mark.parametrize("name", ["Attention", "AdditiveAttention"])
@pytest.mark.parametrize(("causal", "scored"), TWICE)
@pytest.mark.parametrize("masks", TWICE)
def test_masks_of_one_head(name, masks, causal, scored):
    ours, theirs = pair(name, QUERY, KEY, use_scale=True)
    value_mask = SOME["value_mask"] | (np.arange(5) == 0)
    mask = [m if on else None for m, on in zip((SOME["query_mask"], value_mask), masks, strict=True)]
    call = {
        "use_causal_mask": causal,
        "return_attention_scores": scored,
        "mask": mask if any(masks) else None,
    }
    compare(ours, theirs, (QUERY, KEY), call)


def test_a_sample_without_values():
    """Float32 leaves nothing of scores that lie 1e9 down: equal weights, as in Keras."""
    ours, theirs = pair("Attention", QUERY, KEY)
    mask = [None, np.zeros((2, 5), bool)]
    y = ours([QUERY, KEY], mask=mask)
    assert distance(y, theirs([QUERY, KEY], mask=mask).numpy()) <= 1e-6
    assert distance(y, np.repeat(KEY.mean(1, keepdims=True), 4, axis=1)) <= 1e-6


# ---------------------------------------------------------------- second outputs, dropout


@pytest.mark.parametrize("layer", ["MultiHeadAttention", "GroupQueryAttention", "Attention"])
def test_gradients_come_through_the_weights_too(layer):
    """Also under dropout: Attention returns the weights after it, the others before."""
    set_floatx("float64")
    arguments = {
        "MultiHeadAttention": {"num_heads": 2, "key_dim": 3},
        "GroupQueryAttention": {"head_dim": 2, "num_query_heads": 4, "num_key_value_heads": 2},
        "Attention": {},
    }[layer]
    layer = getattr(layers, layer)(dropout=0.3, **arguments)
    x, v = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 5, 4))
    layer(x, v)
    w = {key: p.value.copy() for key, p in layer.keyed_parameters().items()}
    ctx = Context(np, "float64", training=True)
    ctx.batch = 2
    ctx.noise = layer.draw(k.backend.Random(np, 3), 2, (3, 4), (5, 4))

    def run():
        return layer.forward(ctx, w, x, v, return_attention_scores=True)

    (y, scores), cache = run()
    dys = rng.normal(size=y.shape), rng.normal(size=scores.shape)
    dw = {key: np.empty_like(value) for key, value in w.items()}
    dxs = [dx.copy() for dx in layer.backward(ctx, w, dw, dys, cache)]

    def scalar():
        return sum(float((a * b).sum()) for a, b in zip(run()[0], dys, strict=True))

    for array, found in ((x, dxs[0]), (v, dxs[1]), *((w[key], dw[key]) for key in w if key != "key/bias")):
        assert distance(found, central(scalar, array)) <= 1e-6


def test_dropout_leaves_out_weights():
    layer = layers.MultiHeadAttention(2, 3, dropout=0.5, seed=1)
    y, scores = layer(QUERY, KEY, return_attention_scores=True)
    np.testing.assert_allclose(scores.sum(-1), 1.0, rtol=1e-5)
    drawn, other = (layer(QUERY, KEY, training=True) for _ in range(2))
    assert not np.allclose(drawn, y)
    assert not np.allclose(drawn, other)  # a seed names a sequence
    weights = layers.Attention(dropout=0.5, seed=1)(QUERY, KEY, training=True, return_attention_scores=True)[
        1
    ]
    assert 0.2 < (weights == 0).mean() < 0.8


def test_scores_are_an_output_of_a_model():
    x, y = Input((4, 6)), Input((None, 6))
    out, scores = layers.MultiHeadAttention(2, 3)(x, y, return_attention_scores=True)
    assert scores.shape == (None, 2, 4, None)
    model = Model([x, y], [out, scores])
    model.compile("sgd", ["mse", "mse"])
    before = model.predict([QUERY, KEY])
    wanted = [np.zeros_like(array) for array in before]
    model.fit([QUERY, KEY], wanted, epochs=3, verbose=0)
    assert before[1].shape == (2, 2, 4, 5)
    assert np.square(model.predict([QUERY, KEY])[0]).sum() < np.square(before[0]).sum()


# ---------------------------------------------------------------- the device, and what is refused


@pytest.mark.parametrize("scored", [False, True])
@pytest.mark.parametrize("name", ["MultiHeadAttention", "Attention"])
def test_masks_on_the_device(name, scored):
    call = {**SOME, "use_causal_mask": True, "return_attention_scores": scored}
    layer, xs = layers.MultiHeadAttention(2, 3), (QUERY, VALUE, KEY)
    if name == "Attention":
        layer, xs = layers.Attention(), (QUERY, KEY)
        call = {key: value for key, value in call.items() if key not in ("key_mask", "attention_mask")}
    layer(*xs)
    wanted = _run(layer, np, xs, call, lambda array: array)
    with cupy_standin.install() as xp:
        found = [cupy_standin.peek(array) for array in _run(layer, xp, xs, call, cupy_standin.device)]
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def _run(layer, xp, xs, call, move):
    ctx = Context(xp, "float32")
    ctx.batch = len(xs[0])
    w = {key: move(p.numpy()) for key, p in layer.keyed_parameters().items()}
    named = {name: move(v) if isinstance(v, np.ndarray) else v for name, v in call.items()}
    y, cache = layer.forward(ctx, w, *map(move, xs), **named)
    ys = y if isinstance(y, tuple) else (y,)
    dys = tuple(xp.ones(one.shape, "float32") for one in ys)
    dw = {key: xp.zeros(value.shape, "float32") for key, value in w.items()}
    dxs = layer.backward(ctx, w, dw, dys if len(ys) > 1 else dys[0], cache)
    return [*ys, *[dx for dx in dxs if dx is not None and not isinstance(dx, dict)], *dw.values()]


def heads(**arguments):
    return layers.MultiHeadAttention(**{"num_heads": 2, "key_dim": 3, **arguments})


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: heads(num_heads=0), "num_heads"),
        (lambda: heads(flash_attention=True), "flash_attention"),
        (lambda: heads(activity_regularizer="l2"), "activity_regularizer"),
        (lambda: heads(dropout=2.0), "dropout"),
        (lambda: heads(heads=3), "no argument 'heads'"),
        (lambda: heads(attention_axes=0)(QUERY, QUERY), "attention_axes"),
        (lambda: heads()(QUERY), "query, value"),
        (lambda: heads()(QUERY, VALUE, KEY[:, :3]), "same steps"),
        (lambda: heads()(QUERY[0], QUERY[0]), "steps"),
        (lambda: heads()(SPACE, SPACE, use_causal_mask=True), "one axis"),
        (lambda: heads()(SPACE, SPACE, value_mask=np.ones((2, 3), bool)), "one axis"),
        (lambda: layers.GroupQueryAttention(3, 4, 3), "divide"),
        (lambda: layers.GroupQueryAttention(3, 4, 2)(SPACE, SPACE), "axes"),
        (lambda: layers.Attention(score_mode="sum"), "score_mode"),
        (lambda: layers.Attention()(QUERY), "query, value"),
        (lambda: layers.Attention()([QUERY, VALUE]), "features"),
        (lambda: layers.Attention()([QUERY, KEY], mask=SOME["query_mask"]), "list"),
        (lambda: layers.Attention()([QUERY, KEY], causal=True), "use_causal_mask"),
        (lambda: layers.AdditiveAttention(score_mode="dot"), "score_mode"),
    ],
)
def test_mistakes_are_named(make, match):
    with pytest.raises(KerasetteError, match=match):
        make()
