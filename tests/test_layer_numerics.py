"""What single layers promise beyond their gradients: NUMERICS.md's rows, errors, random numbers, adapt()."""

import numpy as np
import pytest

from kerasette import layers, ops
from kerasette.backend import Random, set_random_seed
from kerasette.errors import InvalidValue
from kerasette.graph import Context
from tests import keras_oracle

# ---------------------------------------------------------------- dropout and noise


def test_dropout_is_inverted():
    y = layers.Dropout(0.25, seed=3)(np.ones((50, 80)), training=True)
    assert set(np.unique(y).tolist()) == {0.0, float(np.float32(1 / 0.75))}
    assert abs((y == 0).mean() - 0.25) < 0.03


def test_dropout_at_the_ends_and_in_inference():
    x = np.arange(6.0).reshape(2, 3)
    assert not layers.Dropout(1.0)(x, training=True).any()
    assert np.array_equal(layers.Dropout(0.0)(x, training=True), x)
    assert np.array_equal(layers.Dropout(0.9)(x), x)


def test_noise_shape_shares_the_mask():
    y = layers.Dropout(0.5, noise_shape=(1, None), seed=1)(np.ones((30, 40)), training=True)
    assert (y == y[0]).all()
    assert 0 < (y[0] == 0).sum() < 40
    assert layers.Dropout(0.5, noise_shape=(1, 4)).draw(Random(np, 1), 3, (4,)).shape == (1, 4)
    with pytest.raises(InvalidValue, match="noise_shape"):
        layers.Dropout(0.5, noise_shape=(3, 3))(np.ones((2, 3)), training=True)


def test_spatial_dropout_drops_whole_channels():
    y = layers.SpatialDropout1D(0.5, seed=1)(np.ones((8, 5, 20)), training=True)
    assert (y == y[:, :1]).all()
    assert 0 < (y[:, 0] == 0).mean() < 1
    y = layers.SpatialDropout2D(0.5, "channels_first", seed=1)(np.ones((8, 20, 3, 5)), training=True)
    assert (y == y[:, :, :1, :1]).all()


def test_alpha_dropout_keeps_mean_and_variance():
    x = np.random.default_rng(0).standard_normal((400, 500))
    y = layers.AlphaDropout(0.3, seed=1)(x, training=True)
    assert abs(y.mean()) < 0.02
    assert abs(y.var() - 1) < 0.02


def test_alpha_dropout_values_are_those_of_keras():
    keras = keras_oracle.keras()
    x = np.ones((20, 30), "float32")
    ours = np.unique(layers.AlphaDropout(0.5, seed=1)(x, training=True))
    theirs = np.unique(keras.layers.AlphaDropout(0.5, seed=1)(x, training=True).numpy())
    assert np.allclose(ours, theirs, rtol=1e-5)


def test_gaussian_layers_have_the_deviation_promised():
    x = np.full((400, 500), 2.0)
    noisy = layers.GaussianNoise(0.5, seed=1)(x, training=True)
    assert abs(noisy.std() - 0.5) < 0.01 and abs(noisy.mean() - 2) < 0.01
    scaled = layers.GaussianDropout(0.2, seed=1)(x, training=True)
    assert abs(scaled.std() - 2 * 0.5) < 0.01 and abs(scaled.mean() - 2) < 0.01


def test_seeds():
    x = np.ones((4, 50))
    first = [layers.Dropout(0.5, seed=5)(x, training=True) for _ in range(2)]
    assert np.array_equal(*first)
    set_random_seed(1)
    one = layers.Dropout(0.5)(x, training=True)
    set_random_seed(1)
    assert np.array_equal(one, layers.Dropout(0.5)(x, training=True))


@pytest.mark.parametrize("rate", [-0.1, 1.5, "a", None, True])
def test_rates_outside_0_to_1_are_refused(rate):
    for cls in (layers.Dropout, layers.GaussianDropout, layers.AlphaDropout, layers.SpatialDropout1D):
        with pytest.raises(InvalidValue, match="rate"):
            cls(rate)
    with pytest.raises(InvalidValue, match="stddev"):
        layers.GaussianNoise(rate)


@pytest.mark.parametrize("seed", [1.5, -1, "a"])
def test_seeds_that_are_none(seed):
    with pytest.raises(InvalidValue, match="seed"):
        layers.Dropout(0.5, seed=seed)


# ---------------------------------------------------------------- merging


def test_ties_go_to_the_first_as_in_tensorflow():
    keras, tf = keras_oracle.keras(), keras_oracle.tf()
    for name in ("Maximum", "Minimum"):
        xs = [tf.Variable([[1.0, 2.0]]) for _ in range(3)]
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(getattr(keras.layers, name)()(xs))
        theirs = [g.numpy() for g in tape.gradient(total, xs)]
        layer, ctx = getattr(layers, name)(), Context(np)
        _, cache = layer.forward(ctx, {}, *[x.numpy() for x in xs])
        ours = layer.backward(ctx, {}, {}, np.ones((1, 2), "float32"), cache)
        assert np.array_equal(ours, theirs)


def test_multiply_with_zeros():
    layer, ctx = layers.Multiply(), Context(np)
    xs = [
        np.array([[0.0, 2.0]], "float32"),
        np.array([[3.0, 0.0]], "float32"),
        np.array([[5.0, 7.0]], "float32"),
    ]
    _, cache = layer.forward(ctx, {}, *xs)
    dxs = layer.backward(ctx, {}, {}, np.ones((1, 2), "float32"), cache)
    assert np.array_equal(np.concatenate(dxs), [[15, 0], [0, 14], [0, 0]])


def test_functional_forms():
    x, y = np.array([[1.0, 5.0]]), np.array([[3.0, 4.0]])
    found = [
        getattr(layers, name)([x, y]).tolist()[0]
        for name in ("add", "subtract", "multiply", "average", "maximum", "minimum", "concatenate", "dot")
    ]
    assert found == [[4, 9], [-2, 1], [3, 20], [2, 4.5], [3, 5], [1, 4], [1, 5, 3, 4], [23]]
    assert layers.concatenate([x, y], axis=1, name="mine").shape == (1, 4)


@pytest.mark.parametrize("cls", [layers.Add, layers.Maximum, layers.Concatenate])
def test_merging_needs_company(cls):
    with pytest.raises(InvalidValue, match="two or more"):
        cls()([layers.Input((3,))])
    for alone in (layers.Subtract(), layers.Dot(1)):
        with pytest.raises(InvalidValue, match="takes 2"):
            alone([layers.Input((3,))] * 3)


def test_shapes_that_dont_merge():
    with pytest.raises(InvalidValue, match=r"add.*\(4,\) and \(3,\)"):
        layers.Add()([layers.Input((4,)), layers.Input((3,))])
    with pytest.raises(InvalidValue, match="differ on axis 1"):
        layers.Concatenate(axis=1)([layers.Input((2, 3)), layers.Input((2, 4))])
    assert layers.Concatenate(axis=1)([layers.Input((None, 3)), layers.Input((2, 3))]).shape == (
        None,
        None,
        3,
    )


def test_cosine_of_small_vectors_as_in_keras():
    keras = keras_oracle.keras()
    for length in (0.0, 1e-20, 1e-7, 1.0):
        xs = [np.array([[length, 0.0]], "float32"), np.array([[1.0, 1.0]], "float32")]
        theirs = keras.layers.Dot(1, normalize=True)(xs).numpy()
        assert np.allclose(layers.Dot(1, normalize=True)(xs), theirs, rtol=1e-5)


# ---------------------------------------------------------------- shapes


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: layers.Reshape((-1, -1)), "one -1"),
        (lambda: layers.Reshape((4,))(layers.Input((6,))), "6 elements"),
        (lambda: layers.Permute((0, 1)), "axes 1 to 2"),
        (lambda: layers.Permute((1, 2))(layers.Input((3,))), "3 axes"),
        (lambda: layers.RepeatVector(0), "n must be"),
        (lambda: layers.RepeatVector(2)(layers.Input((3, 4))), "2 axes"),
        (lambda: layers.SpatialDropout1D(0.5)(layers.Input((3,))), "3 axes"),
        (lambda: layers.Flatten("channels_lost"), "Did you mean 'channels_last'"),
        (lambda: layers.ReLU(max_value=-1), "max_value"),
        (lambda: layers.ReLU(negative_slope=None), "negative_slope"),
        (lambda: layers.LeakyReLU(-0.1), "negative_slope"),
        (lambda: layers.LeakyReLU(0.1, alpha=0.2), "give one"),
        (lambda: layers.PReLU()(layers.Input((None, 3))), "shared_axes"),
    ],
)
def test_errors(make, words):
    with pytest.raises(InvalidValue, match=words):
        make()


def test_moving_layers_keep_whole_numbers():
    x = np.arange(6).reshape(2, 3)
    for layer in (layers.Flatten(), layers.Reshape((3, 1)), layers.RepeatVector(2), layers.Identity()):
        assert layer(x).dtype == x.dtype
        assert layer(layers.Input((3,), dtype="int32")).dtype == "int32"


def test_softmax_says_when_a_loss_may_take_it_over():
    assert layers.Softmax().fuses_with == "softmax"
    assert layers.Softmax(axis=1).fuses_with is None


def test_older_name_of_the_slope():
    assert layers.LeakyReLU(alpha=0.2).get_config()["negative_slope"] == 0.2


# ---------------------------------------------------------------- without a GPU


def test_layers_on_the_stand_in_for_cupy(standin):
    from tests import cupy_standin

    x = cupy_standin.device(np.random.default_rng(0).standard_normal((4, 3)).astype("float32"))
    chain = [
        layers.Dense(3),
        layers.BatchNormalization(),
        layers.LayerNormalization(),
        layers.UnitNormalization(),
        layers.Normalization(),
        layers.Rescaling([1.0, 2.0, 3.0]),
        layers.PReLU(),
        layers.ReLU(max_value=6.0, negative_slope=0.1),
        layers.ELU(),
        layers.Softmax(),
        layers.Dropout(0.5, seed=1),
        layers.GaussianNoise(0.1, seed=1),
        layers.GaussianDropout(0.1, seed=1),
        layers.AlphaDropout(0.1, seed=1),
        layers.RepeatVector(2),
        layers.Permute((2, 1)),
        layers.Reshape((3, 2)),
        layers.SpatialDropout1D(0.5, seed=1),
        layers.Flatten("channels_first"),
    ]
    for layer in chain:
        before = x
        w, y, cache, ctx = on_device(layer, [before], standin)
        dw = {name: standin.empty_like(value) for name, value in w.items()}
        dx = layer.backward(ctx, w, dw, standin.ones_like(y), cache)
        assert dx.shape == before.shape
        x = y
    for layer in (
        layers.Add(),
        layers.Multiply(),
        layers.Average(),
        layers.Maximum(),
        layers.Concatenate(),
        layers.Dot(1),
    ):
        xs = [x, x] if isinstance(layer, layers.Dot) else [x, x, x]
        w, y, cache, ctx = on_device(layer, xs, standin)
        assert len(layer.backward(ctx, w, {}, standin.ones_like(y), cache)) == len(xs)
    assert cupy_standin.transfers.to_host == 0


def on_device(layer, xs, xp):
    """Returns (w, y, cache, ctx) of a training call on the device."""
    layer._ensure_built([x.shape[1:] for x in xs])
    w = {p.name: p.value for p in layer.parameters}
    ctx = Context(xp, "float32", training=True)
    if layer.draw is not None:
        ctx.noise = layer.draw(Random(xp, 1), len(xs[0]), xs[0].shape[1:])
    y, cache = layer.forward(ctx, w, *xs)
    if layer.commit is not None:
        layer.commit(w, [cache])
    return w, y, cache, ctx


def test_ops_on_the_stand_in_for_cupy(standin):
    from tests import cupy_standin

    x = cupy_standin.device(np.random.default_rng(0).uniform(0.5, 1, (4, 3)).astype("float32"))
    for y in (
        ops.add(x, 1.0),
        ops.subtract(2.0, x),
        ops.divide(x, x),
        ops.power(x, 2),
        ops.maximum(x, 0.5),
        ops.matmul(x, ops.transpose(x)),
        ops.sum(x, axis=1),
        ops.mean(ops.exp(ops.log(ops.sqrt(x)))),
        ops.softmax(ops.concatenate([x, x], axis=1)),
        ops.getitem(x, (slice(None), 0)),
    ):
        assert isinstance(y, cupy_standin.ndarray)
    assert cupy_standin.transfers.to_host == 0
