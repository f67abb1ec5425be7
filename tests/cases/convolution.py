"""Convolutions: strides x padding x dilation x groups, odd lengths, oblong windows, one to three axes."""

from itertools import product

from tests.cases.layers import layer
from tests.keras_oracle import tf

LAYOUTS = (None, "NWC", "NHWC", "NDHWC")


def tupled(value, rank):
    return value if isinstance(value, tuple) else (value,) * rank


def spread_kernel(kernel, dilation):
    """Returns the kernel with zeros between its elements: TensorFlow doesn't take dilation and strides."""
    for axis, d in enumerate(dilation):
        length = kernel.shape[axis]
        apart = tf().expand_dims(kernel, axis + 1)
        apart = tf().pad(apart, [(0, d - 1 if k == axis + 1 else 0) for k in range(apart.ndim)])
        shape = [*kernel.shape[:axis], length * d, *kernel.shape[axis + 1 :]]
        kernel = tf().reshape(apart, shape)[(slice(None),) * axis + (slice(0, (length - 1) * d + 1),)]
    return kernel


def _convolution(x, kernel, strides, padding, dilation, groups):
    rank = x.ndim - 2
    kernel = spread_kernel(kernel, tupled(dilation, rank))
    if padding == "causal":
        x, padding = tf().pad(x, [(0, 0), (kernel.shape[0] - 1, 0), (0, 0)]), "valid"
    pairs = zip(tf().split(x, groups, -1), tf().split(kernel, groups, -1), strict=True)
    words = {"strides": tupled(strides, rank), "padding": padding.upper(), "data_format": LAYOUTS[rank]}
    parts = [tf().nn.convolution(a, k, **words) for a, k in pairs]
    return tf().concat(parts, -1)


def conv(shape, window, filters=4, groups=1, bias=True, strides=1, padding="valid", dilation=1):
    def run(keras, x, kernel, bias):
        y = _convolution(x, kernel, strides, padding, dilation, groups)
        return y if bias is None else y + bias

    shapes = [shape, (*window, shape[-1] // groups, filters), (filters,) if bias else None]
    return layer("conv", shapes, keras=run, strides=strides, padding=padding, dilation=dilation)


def conv_pooled(shape, filters=4, bias=True, padding="valid"):
    def run(keras, x, kernel, bias):
        y = _convolution(x, kernel, 1, padding, 1, 1)
        return tf().nn.max_pool2d(y if bias is None else y + bias, 2, 2, "VALID")

    shapes = [shape, (3, 3, shape[-1], filters), (filters,) if bias else None]
    return layer("conv_max_pool", shapes, keras=run, padding=padding)


def transposed(shape, window, filters=3, bias=True, output_padding=None, **options):
    def run(keras, x, kernel, bias):
        rank = len(window)
        words = {name.replace("dilation", "dilation_rate"): value for name, value in options.items()}
        extra = None if output_padding is None else tupled(output_padding, rank)
        y = keras.ops.conv_transpose(x, kernel, output_padding=extra, **words)
        return y if bias is None else y + bias

    shapes = [shape, (*window, filters, shape[-1]), (filters,) if bias else None]
    return layer("conv_transpose", shapes, keras=run, output_padding=output_padding, **options)


def depthwise(shape, window, multiplier=1, bias=True, strides=1, padding="valid", dilation=1):
    def run(keras, x, kernel, bias):
        apart = spread_kernel(kernel, tupled(dilation, len(window)))
        full = tf().reshape(apart, (*apart.shape[:-2], 1, -1))  # one group for each channel
        y = _convolution(x, full, strides, padding, 1, x.shape[-1])
        return y if bias is None else y + bias

    shapes = [shape, (*window, shape[-1], multiplier), (shape[-1] * multiplier,) if bias else None]
    return layer("depthwise_conv", shapes, keras=run, strides=strides, padding=padding, dilation=dilation)


def separable(shape, window, filters=3, multiplier=1, bias=True, **options):
    def run(keras, x, first, second, bias):
        words = {name.replace("dilation", "dilation_rate"): value for name, value in options.items()}
        y = keras.ops.separable_conv(x, first, second, **words)
        return y if bias is None else y + bias

    c, ones = shape[-1], (1,) * len(window)
    kernels = [(*window, c, multiplier), (*ones, c * multiplier, filters)]
    shapes = [shape, *kernels, (filters,) if bias else None]
    return layer("separable_conv", shapes, keras=run, differentiate=(0, 1, 2, 3), **options)


PADDINGS = ("valid", "same")
GRID = [
    conv((2, 7, 6, 4), (3, 2), groups=groups, strides=strides, padding=padding, dilation=dilation)
    for strides, padding, dilation, groups in product((1, 2, 3), PADDINGS, (1, 2), (1, 2))
]
TRANSPOSED_GRID = [
    transposed((2, 3, 4, 2), window, strides=strides, padding=padding)
    for strides, padding, window in product((1, 2, 3), PADDINGS, ((3, 2), (1, 4)))
]

TILED = [  # that `winograd` can compute
    conv((2, 7, 6, 3), (3, 3)),
    conv((2, 6, 5, 5), (3, 3), padding="same"),
    conv((1, 3, 4, 2), (3, 3), bias=False),
    conv((2, 3, 2, 3), (3, 3), filters=2, padding="same"),
    conv_pooled((2, 7, 8, 5)),
    conv_pooled((2, 5, 6, 6), padding="same", bias=False),
]

CONVOLUTION = [
    *GRID,
    conv((2, 7, 3), (3,), padding="causal"),
    conv((2, 7, 4), (3,), padding="causal", strides=2, groups=2),
    conv((2, 7, 3), (2,), padding="causal", dilation=3),
    conv((2, 8, 3), (4,), padding="same", strides=3),
    conv((2, 5, 1), (3,), bias=False),
    conv((2, 5, 1), (2,), dilation=2, padding="same"),
    conv((2, 4, 5, 1), (3, 3), padding="same"),
    conv((2, 4, 5, 1), (2, 5), padding="same"),
    conv((2, 6, 5, 2), (2, 3), strides=(1, 3), dilation=(2, 1), padding="same"),
    conv((2, 5, 4, 3), (5, 4), bias=False),
    conv((2, 2, 3, 2), (5, 4), padding="same"),
    conv((2, 6, 6, 2), (2, 2), strides=2),
    conv((2, 5, 6, 2), (2, 1), strides=(3, 4)),
    conv((2, 3, 4, 3), (1, 1)),
    conv((2, 3, 4, 4), (1, 1), groups=2, bias=False),
    conv((2, 5, 4, 3), (1, 1), strides=2, padding="same"),
    conv((1, 9, 8, 6), (2, 2), filters=6, groups=6, padding="same"),
    conv((2, 9, 8, 2), (3, 2), filters=2),  # positions enough for a product of each image
    conv((2, 9, 8, 4), (1, 1), filters=2, groups=2),
    conv((2, 4, 3, 4, 2), (2, 3, 2), padding="same"),
    conv((1, 5, 4, 4, 2), (2, 2, 3), filters=2, strides=(2, 1, 1), groups=2),
    conv((1, 5, 4, 4, 1), (2, 2, 2), filters=2, dilation=2, padding="same"),
    *TILED,
    conv_pooled((2, 7, 6, 1)),
    conv_pooled((2, 5, 6, 4), padding="same"),
    *TRANSPOSED_GRID,
    transposed((2, 4, 3), (3,), strides=2, output_padding=1, bias=False),
    transposed((2, 4, 3), (3,), strides=3, output_padding=(2,), padding="same"),
    transposed((2, 4, 3), (4,), strides=2, output_padding=1, padding="same"),
    transposed((2, 3, 4, 2), (3, 3), strides=2, output_padding=0, padding="same"),
    transposed((2, 3, 4, 2), (3, 2), strides=(2, 3), output_padding=(0, 2)),
    transposed((2, 4, 3), (3,), dilation=2),
    transposed((2, 4, 4, 2), (2, 3), dilation=(3, 2), padding="same"),
    transposed((2, 3, 3, 3), (1, 1)),
    transposed((1, 2, 3, 2, 2), (2, 3, 2), filters=2, strides=2),
    transposed((1, 2, 3, 2, 2), (3, 2, 2), filters=2, padding="same", bias=False),
    *[
        depthwise((2, 7, 6, 2), (3, 2), multiplier, strides=strides, padding=padding, dilation=dilation)
        for strides, padding, dilation, multiplier in product((1, 2), PADDINGS, (1, 2), (1, 2))
    ],
    depthwise((2, 7, 3), (3,), bias=False),
    depthwise((2, 7, 3), (3,), 2, strides=3, padding="same"),
    depthwise((2, 6, 5, 2), (1, 1)),
    depthwise((2, 6, 5, 2), (3, 2), strides=(1, 3), dilation=(2, 1), padding="same"),
    separable((2, 6, 5, 2), (3, 2)),
    separable((2, 6, 5, 2), (3, 3), multiplier=2, strides=2, padding="same"),
    separable((2, 6, 5, 2), (2, 3), bias=False, dilation=2, padding="same"),
    separable((2, 7, 3), (3,), multiplier=2, padding="same"),
]
