"""What single layers promise beyond their gradients: NUMERICS.md's rows, errors, random numbers, adapt()."""

import numpy as np
import pytest

import kerasette
from kerasette import layers, ops
from kerasette.backend import Random, set_random_seed
from kerasette.errors import InvalidType, InvalidValue
from kerasette.graph import Context
from tests import keras_oracle


def trained(layer, x):
    """Returns the output of one training step, the moving averages folded in."""
    return layer(x, training=True)


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


# ---------------------------------------------------------------- normalization


def test_batch_normalization_in_two_passes():
    x = (1e5 + np.random.default_rng(0).standard_normal((256, 4))).astype("float32")
    y = trained(layers.BatchNormalization(), x)
    assert np.allclose(y.std(0), 1, atol=0.01)
    assert np.allclose(y.mean(0), 0, atol=0.01)


@pytest.mark.parametrize("shape", [(3, 96, 96, 8), (3, 8, 96, 96), (3, 8)])
def test_group_normalization_in_two_passes(shape):
    """At a mean of 1e5 and over many positions: as exact as float32 input allows, in both layouts."""
    axis = shape.index(8)
    x = (1e5 + np.random.default_rng(0).standard_normal(shape)).astype("float32")
    y = layers.GroupNormalization(groups=2, axis=axis)(x)
    parts = np.moveaxis(x.astype("float64"), axis, -1).reshape(3, -1, 2, 4)
    wanted = parts - parts.mean((1, 3), keepdims=True)
    wanted /= np.sqrt(wanted.var((1, 3), keepdims=True) + 1e-3)
    found = np.moveaxis(y, axis, -1).reshape(parts.shape)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_group_normalization_of_one_group_and_of_one_channel_each():
    x = np.random.default_rng(0).standard_normal((4, 5, 6)).astype("float32")
    wanted = layers.LayerNormalization(axis=[1, 2])(x)
    np.testing.assert_allclose(layers.GroupNormalization(groups=1)(x), wanted, atol=1e-5)
    single = layers.GroupNormalization(groups=-1)
    np.testing.assert_allclose(single(x).mean(1), 0.0, atol=1e-6)
    assert single.get_config()["groups"] == -1 and single.gamma.shape == (6,)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"groups": 4}, "divisor of 6"),
        ({"groups": 0}, "groups"),
        ({"axis": 0}, "batch"),
        ({"axis": [1]}, "axis"),
    ],
)
def test_group_normalization_refuses(arguments, told):
    with pytest.raises((InvalidValue, InvalidType), match=told):
        layers.GroupNormalization(**{"groups": 2, **arguments})(np.ones((2, 5, 6)))


def test_batch_normalization_folds_biased_statistics():
    x = np.array([[1.0], [3.0]], "float32")
    layer = layers.BatchNormalization(momentum=0.9)
    trained(layer, x)
    assert np.allclose(layer.moving_mean.numpy(), 0.1 * 2)
    assert np.allclose(layer.moving_variance.numpy(), 0.9 + 0.1 * 1)
    layer(x)
    assert np.allclose(layer.moving_mean.numpy(), 0.2)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", [(0, 4), (0, 3, 4), (3, 0, 4)])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", ["BatchNormalization", "GroupNormalization", "LayerNormalization"])
def test_nothing_is_normalized_to_nothing(name, shape, training):
    """Keras's output is as empty; but there BatchNormalization's moving averages become NaN in training."""
    settings = {"groups": 2} if name == "GroupNormalization" else {}
    ours, theirs = (getattr(lib.layers, name)(**settings) for lib in (kerasette, keras_oracle.keras()))
    ours(np.zeros((2, *[length or 5 for length in shape[1:]]), "float32"))
    before = ours.get_weights()
    x = np.zeros(shape, "float32")
    assert ours(x, training=training).shape == theirs(x, training=training).shape == shape
    for a, b in zip(ours.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_frozen_batch_normalization_infers():
    layer = layers.BatchNormalization()
    x = np.arange(6.0).reshape(3, 2)
    inference = layer(x)
    assert layer.gathers
    layer.trainable = False
    assert not layer.gathers
    assert np.array_equal(trained(layer, x), inference)
    assert not layer.moving_mean.numpy().any()
    assert layer.trainable_weights == [] and len(layer.non_trainable_weights) == 4


def test_batch_normalization_uses_the_mode_of_compilation():
    layer = layers.BatchNormalization()
    x = np.arange(6.0, dtype="float32").reshape(3, 2)
    layer(x)
    w = {p.name: p.value for p in layer.parameters}
    ctx = Context(np, "float32", training=True, trainable=False)
    y, cache = layer.forward(ctx, w, x)
    layer.commit(w, [cache])
    assert np.allclose(y, x / np.sqrt(1.001))
    assert not w["moving_mean"].any()


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.BatchNormalization(axis=0)(np.ones((2, 3))),
        lambda: layers.LayerNormalization(axis=[0, 1])(np.ones((2, 3))),
        lambda: layers.UnitNormalization(axis=0)(np.ones((2, 3))),
        lambda: layers.Softmax(axis=0)(layers.Input((3,))),
        lambda: layers.Concatenate(axis=0)([layers.Input((3,))] * 2),
        lambda: layers.Dot(axes=0)([layers.Input((3,))] * 2),
    ],
)
def test_nothing_reaches_across_the_batch(make):
    with pytest.raises(InvalidValue, match="batch"):
        make()


@pytest.mark.parametrize("cls", [layers.BatchNormalization, layers.LayerNormalization])
def test_normalization_needs_known_lengths(cls):
    with pytest.raises(InvalidValue, match="known"):
        cls()(layers.Input((None,)))
    with pytest.raises(InvalidValue, match="known"):
        cls(center=False, scale=False, axis=1)(
            layers.Input((None, 3))
        ) if cls is layers.BatchNormalization else cls(axis=1)(layers.Input((None, 3)))
    with pytest.raises(InvalidValue, match="epsilon"):
        cls(epsilon=-1)
    with pytest.raises(InvalidType, match="axis"):
        cls(axis="a")


def test_unit_normalization_of_nothing():
    keras = keras_oracle.keras()
    x = np.array([[0.0, 0.0], [1e-8, 0.0], [3.0, 4.0]], "float32")
    assert np.allclose(layers.UnitNormalization()(x), keras.layers.UnitNormalization()(x).numpy())


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


# ---------------------------------------------------------------- preprocessing


@pytest.mark.parametrize("axis", [-1, 1, None, (1, 2)])
def test_adapt_is_that_of_keras(axis):
    keras = keras_oracle.keras()
    data = np.random.default_rng(0).normal(3, 2, (50, 4, 3)).astype("float32")
    ours, theirs = layers.Normalization(axis=axis), keras.layers.Normalization(axis=axis)
    ours.adapt(data)
    theirs.adapt(data)
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        assert np.allclose(mine, other, rtol=1e-5)
    assert np.allclose(ours(data), theirs(data).numpy(), atol=1e-5)


def test_adapt_is_exact_and_takes_batches():
    data = 1e4 + np.random.default_rng(0).standard_normal((1000, 3))
    wanted = data.mean(0), data.var(0)
    whole = layers.Normalization()
    for source in (
        data,
        data.tolist(),
        [data[:1], data[1:300], data[300:]],
        (data[k : k + 7] for k in range(0, 1000, 7)),
    ):
        whole.adapt(source)
        mean, variance, _ = whole.get_weights()
        assert np.allclose(mean, wanted[0], rtol=1e-7)
        assert np.allclose(variance, wanted[1], rtol=1e-6)


def test_adapt_reads_large_arrays_in_parts(monkeypatch):
    from kerasette.layers import preprocessing

    class Disk:
        shape, dtype, parts = (100, 2), np.dtype("float32"), 0

        def __getitem__(self, key):
            Disk.parts += 1
            assert isinstance(key, slice)
            return np.arange(200.0).reshape(100, 2)[key]

    monkeypatch.setattr(preprocessing, "ROWS", 20)
    layer = layers.Normalization()
    layer.adapt(Disk())
    assert Disk.parts == 10
    assert np.allclose(layer.get_weights()[0], [99, 100])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: layers.Normalization(mean=1.0), "mean and variance"),
        (lambda: layers.Normalization(mean=[1.0, 2.0], variance=1.0), "one shape"),
        (lambda: layers.Normalization(mean=[1.0], variance=[-1.0]), "negative"),
        (lambda: layers.Normalization(mean=[1.0, 2.0], variance=[1.0, 1.0])(np.ones((2, 3))), "need"),
        (lambda: layers.Normalization(mean=1.0, variance=1.0).adapt(np.ones((2, 3))), "adapt"),
        (lambda: layers.Normalization().adapt(np.ones((0, 3))), "0 rows"),
        (lambda: layers.Normalization().adapt(np.ones(3)), "batch"),
        (lambda: layers.Rescaling([1.0, 2.0])(np.ones((2, 3))), "Rescaling|don't go"),
        (lambda: layers.CategoryEncoding(), "num_tokens"),
        (lambda: layers.CategoryEncoding(4, "x"), "output_mode"),
        (lambda: layers.CategoryEncoding(4)(np.array([[4]])), "0 to 3"),
        (lambda: layers.CategoryEncoding(4)(np.array([[-1]])), "0 to 3"),
        (lambda: layers.CategoryEncoding(4)(np.array([[1.5]])), "whole"),
        (lambda: layers.CategoryEncoding(4)(np.array([1, 2])), "Reshape"),
        (lambda: layers.CategoryEncoding(4)(np.array([[1]]), np.array([[1.0]])), "count_weights"),
    ],
)
def test_preprocessing_errors(make, words):
    with pytest.raises(InvalidValue, match=words):
        make()


def test_what_isnt_numbers_is_refused():
    for make in (
        lambda: layers.Rescaling("a"),
        lambda: layers.Normalization(axis="a"),
        lambda: layers.Normalization().adapt(np.array([["a"]])),
    ):
        with pytest.raises(InvalidType):
            make()


def test_rescaling_of_bytes():
    y = layers.Rescaling(1 / 255)(np.array([[0, 255]], "uint8"))
    assert y.dtype == "float32"
    assert np.array_equal(y, [[0, 1]])
    layer, ctx = layers.Rescaling(2.0, 1.0), Context(np)
    assert layer.forward(ctx, {}, np.array([[1, 2]], "uint8"))[0].dtype == "float32"


def test_count_weights():
    keras = keras_oracle.keras()
    numbers, weights = np.array([[1, 1, 2]]), np.array([[0.5, 1.0, 2.0]], "float32")
    layer = layers.CategoryEncoding(4, output_mode="count")
    theirs = keras.layers.CategoryEncoding(4, output_mode="count")(numbers, count_weights=weights)
    assert np.array_equal(layer(numbers, count_weights=weights), theirs.numpy())
    ctx = Context(np)
    _, cache = layer.forward(ctx, {}, numbers, weights)
    assert layer.backward(ctx, {}, {}, np.array([[0.0, 1.0, 2.0, 3.0]], "float32"), cache)[1].tolist() == [
        [1, 1, 2]
    ]
    tensors = layers.Input((3,), dtype="int64"), layers.Input((3,))
    assert layer(tensors[0], count_weights=tensors[1]).shape == (None, 4)


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
