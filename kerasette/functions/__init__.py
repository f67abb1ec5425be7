"""All the maths: pairs of functions on arrays, forward and backward, one family a file.

`y, cache = f(x, ..., out=None)` and `dx, ... = f_backward(dy, cache, *, dx=None, ...)`: they take the module
(NumPy or CuPy) and the dtype from their arrays, never write on their inputs or on `dy`, and accept arrays
that aren't contiguous. Every destination is optional. A backward is the derivative of its own forward.
"""
# ruff: noqa: F401 - this file only gathers names

from kerasette.functions.activations import (
    exponential,
    exponential_backward,
    gelu,
    gelu_backward,
    glu,
    glu_backward,
    linear,
    linear_backward,
    log_sigmoid,
    log_sigmoid_backward,
    log_softmax,
    log_softmax_backward,
    mish,
    mish_backward,
    sigmoid,
    sigmoid_backward,
    silu,
    silu_backward,
    softmax,
    softmax_backward,
    softplus,
    softplus_backward,
    softsign,
    softsign_backward,
    sparse_plus,
    sparse_plus_backward,
    sparsemax,
    sparsemax_backward,
    squareplus,
    squareplus_backward,
    tanh,
    tanh_backward,
    tanh_shrink,
    tanh_shrink_backward,
)
from kerasette.functions.attention import (
    attention_scores,
    attention_scores_backward,
    masked_softmax,
    masked_softmax_backward,
    merged_masks,
    weighted_values,
    weighted_values_backward,
)
from kerasette.functions.augmentation import (
    adjust_brightness,
    adjust_brightness_backward,
    adjust_contrast,
    adjust_contrast_backward,
    affine_transform,
    affine_transform_backward,
    crop_at,
    crop_at_backward,
    fit_window,
    fit_window_backward,
    flip_where,
    flip_where_backward,
    rotations,
    translations,
    zooms,
)
from kerasette.functions.batch_norm import (
    batch_normalization,
    batch_normalization_backward,
    batch_normalization_inference,
    batch_normalization_inference_backward,
    masked_batch_normalization,
    masked_batch_normalization_backward,
)
from kerasette.functions.choosing import clip, clip_backward, where, where_backward
from kerasette.functions.conv_lstm import conv_lstm, conv_lstm_backward
from kerasette.functions.convolution import (
    conv,
    conv_backward,
    conv_transpose,
    conv_transpose_backward,
)
from kerasette.functions.core import (
    bias_add,
    bias_add_backward,
    dense,
    dense_backward,
    dropout,
    dropout_backward,
    sum_rows,
)
from kerasette.functions.crossentropy import (
    binary_crossentropy,
    binary_crossentropy_backward,
    categorical_crossentropy,
    categorical_crossentropy_backward,
    class_numbers,
    kl_divergence,
    kl_divergence_backward,
    sigmoid_crossentropy,
    sigmoid_crossentropy_backward,
    softmax_crossentropy,
    softmax_crossentropy_backward,
    sparse_categorical_crossentropy,
    sparse_categorical_crossentropy_backward,
    sparse_softmax_crossentropy,
    sparse_softmax_crossentropy_backward,
)
from kerasette.functions.depthwise import (
    depthwise_conv,
    depthwise_conv_backward,
    separable_conv,
    separable_conv_backward,
)
from kerasette.functions.einsum import (
    einsum,
    einsum_backward,
)
from kerasette.functions.elementwise import (
    absolute,
    absolute_backward,
    add,
    add_backward,
    divide,
    divide_backward,
    exp,
    exp_backward,
    log,
    log1p,
    log1p_backward,
    log_backward,
    matmul,
    matmul_backward,
    maximum,
    maximum_backward,
    minimum,
    minimum_backward,
    multiply,
    multiply_backward,
    negative,
    negative_backward,
    power,
    power_backward,
    sqrt,
    sqrt_backward,
    square,
    square_backward,
    subtract,
    subtract_backward,
    sum_to,
)
from kerasette.functions.embedding import (
    embedding,
    embedding_backward,
    masking,
    masking_backward,
    row_numbers,
)
from kerasette.functions.encoding import (
    count_tokens,
    count_tokens_backward,
    one_hot,
    whole_numbers,
)
from kerasette.functions.focal import (
    binary_focal_crossentropy,
    binary_focal_crossentropy_backward,
    categorical_focal_crossentropy,
    categorical_focal_crossentropy_backward,
    sigmoid_focal_crossentropy,
    sigmoid_focal_crossentropy_backward,
)
from kerasette.functions.group_normalization import (
    group_normalization,
    group_normalization_backward,
)
from kerasette.functions.gru import gru, gru_backward
from kerasette.functions.imaging import (
    cropping,
    cropping_backward,
    resize,
    resize_backward,
    upsample,
    upsample_backward,
    zero_padding,
    zero_padding_backward,
)
from kerasette.functions.losses import (
    categorical_hinge,
    categorical_hinge_backward,
    hinge,
    hinge_backward,
    huber,
    huber_backward,
    log_cosh,
    log_cosh_backward,
    mean_absolute_error,
    mean_absolute_error_backward,
    mean_absolute_percentage_error,
    mean_absolute_percentage_error_backward,
    mean_squared_error,
    mean_squared_error_backward,
    mean_squared_logarithmic_error,
    mean_squared_logarithmic_error_backward,
    poisson,
    poisson_backward,
    squared_hinge,
    squared_hinge_backward,
)
from kerasette.functions.lstm import lstm, lstm_backward
from kerasette.functions.merging import (
    add_all,
    add_all_backward,
    average_all,
    average_all_backward,
    batch_dot,
    batch_dot_backward,
    maximum_all,
    maximum_all_backward,
    minimum_all,
    minimum_all_backward,
    multiply_all,
    multiply_all_backward,
)
from kerasette.functions.multi_head import (
    multi_head_attention,
    multi_head_attention_backward,
)
from kerasette.functions.noise import (
    alpha_dropout,
    alpha_dropout_backward,
    gaussian_dropout,
    gaussian_dropout_backward,
    gaussian_noise,
    prelu,
    prelu_backward,
)
from kerasette.functions.normalization import (
    layer_normalization,
    layer_normalization_backward,
    rms_normalization,
    rms_normalization_backward,
    unit_normalization,
    unit_normalization_backward,
)
from kerasette.functions.pooled_convolution import conv_max_pool, conv_max_pool_backward
from kerasette.functions.pooling import (
    average_pool,
    average_pool_backward,
    global_average_pool,
    global_average_pool_backward,
    global_max_pool,
    global_max_pool_backward,
    max_pool,
    max_pool_backward,
)
from kerasette.functions.rectifiers import (
    celu,
    celu_backward,
    elu,
    elu_backward,
    hard_shrink,
    hard_shrink_backward,
    hard_sigmoid,
    hard_sigmoid_backward,
    hard_silu,
    hard_silu_backward,
    hard_tanh,
    hard_tanh_backward,
    leaky_relu,
    leaky_relu_backward,
    relu,
    relu6,
    relu6_backward,
    relu_backward,
    selu,
    selu_backward,
    soft_shrink,
    soft_shrink_backward,
    sparse_sigmoid,
    sparse_sigmoid_backward,
    threshold,
    threshold_backward,
)
from kerasette.functions.recurrent import simple_rnn, simple_rnn_backward
from kerasette.functions.scaling import (
    rescale,
    rescale_backward,
    standardize,
    standardize_backward,
)
from kerasette.functions.shaping import (
    concatenate,
    concatenate_backward,
    getitem,
    getitem_backward,
    max_axes,
    max_axes_backward,
    mean_axes,
    mean_axes_backward,
    min_axes,
    min_axes_backward,
    stack,
    stack_backward,
    sum_axes,
    sum_axes_backward,
)
from kerasette.functions.similarity import (
    cosine_similarity,
    cosine_similarity_backward,
    dice,
    dice_backward,
    tversky,
    tversky_backward,
)
from kerasette.functions.single_head import (
    additive_scores,
    additive_scores_backward,
    attend,
    attend_backward,
    scaled_scores,
    scaled_scores_backward,
)
from kerasette.functions.special import erf
