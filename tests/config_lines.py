"""Lines of test_configs.py, of all layers: those of one input, and the names of the others."""

# A line for each class of layer: the shape of one sample that it takes, and ways to make it (from L).
FAMILIES = {
    "Activation": ((4,), ["L.Activation('gelu')", "L.Activation('softmax')"]),
    "ActivityRegularization": ((4,), ["L.ActivityRegularization(l1=0.1, l2=0.2)"]),
    "AlphaDropout": ((4,), ["L.AlphaDropout(0.2, seed=3)"]),
    "AveragePooling1D": (
        (6, 2),
        ["L.AveragePooling1D(2)", "L.AveragePooling1D(3, strides=2, padding='same')"],
    ),
    "AveragePooling2D": (
        (6, 5, 2),
        ["L.AveragePooling2D(2)", "L.AveragePooling2D(3, strides=2, padding='same')"],
    ),
    "AveragePooling3D": (
        (4, 4, 5, 2),
        ["L.AveragePooling3D(2)", "L.AveragePooling3D(3, strides=2, padding='same')"],
    ),
    "BatchNormalization": (
        (3, 4),
        ["L.BatchNormalization()", "L.BatchNormalization(axis=1, scale=False)"],
    ),
    "CategoryEncoding": ((4,), ["L.CategoryEncoding(7, output_mode='count')"]),
    "CenterCrop": ((6, 5, 2), ["L.CenterCrop(3, 4)"]),
    "Cropping1D": ((6, 2), ["L.Cropping1D()", "L.Cropping1D((1, 2))"]),
    "Cropping2D": ((6, 5, 2), ["L.Cropping2D()", "L.Cropping2D(((1, 0), (0, 2)))"]),
    "Cropping3D": ((4, 4, 5, 2), ["L.Cropping3D()", "L.Cropping3D((1, 0, 2))"]),
    "Dense": (
        (4,),
        [
            "L.Dense(5, activation='tanh', kernel_initializer='he_normal', kernel_regularizer='l2')",
            "L.Dense(3, use_bias=False, kernel_constraint='non_neg', activity_regularizer='l1')",
            "L.Dense(3, trainable=False)",
            "L.Dense(3, kernel_initializer=K.initializers.HeNormal(seed=1), bias_initializer='ones',"
            " kernel_regularizer=K.regularizers.L1L2(0.1, 0.2), bias_constraint=K.constraints.MaxNorm(2.0))",
        ],
    ),
    "Dropout": ((3, 4), ["L.Dropout(0.5)", "L.Dropout(0.25, noise_shape=(None, 1, 4), seed=1)"]),
    "ELU": ((4,), ["L.ELU(alpha=0.5)"]),
    "Flatten": ((3, 4), ["L.Flatten()"]),
    "GaussianDropout": ((4,), ["L.GaussianDropout(0.2)"]),
    "GaussianNoise": ((4,), ["L.GaussianNoise(0.1, seed=2)"]),
    "GlobalAveragePooling1D": (
        (6, 2),
        ["L.GlobalAveragePooling1D()", "L.GlobalAveragePooling1D('channels_first', keepdims=True)"],
    ),
    "GlobalAveragePooling2D": (
        (6, 5, 2),
        ["L.GlobalAveragePooling2D()", "L.GlobalAveragePooling2D('channels_first', keepdims=True)"],
    ),
    "GlobalAveragePooling3D": (
        (4, 4, 5, 2),
        ["L.GlobalAveragePooling3D()", "L.GlobalAveragePooling3D('channels_first', keepdims=True)"],
    ),
    "GlobalMaxPooling1D": (
        (6, 2),
        ["L.GlobalMaxPooling1D()", "L.GlobalMaxPooling1D('channels_first', keepdims=True)"],
    ),
    "GlobalMaxPooling2D": (
        (6, 5, 2),
        ["L.GlobalMaxPooling2D()", "L.GlobalMaxPooling2D('channels_first', keepdims=True)"],
    ),
    "GlobalMaxPooling3D": (
        (4, 4, 5, 2),
        ["L.GlobalMaxPooling3D()", "L.GlobalMaxPooling3D('channels_first', keepdims=True)"],
    ),
    "GroupNormalization": (
        (3, 4),
        ["L.GroupNormalization(2)", "L.GroupNormalization(-1, axis=1, epsilon=0.1, center=False)"],
    ),
    "Identity": ((4,), ["L.Identity()"]),
    "LayerNormalization": (
        (3, 4),
        ["L.LayerNormalization()", "L.LayerNormalization(axis=[1, 2], epsilon=1e-5)"],
    ),
    "LeakyReLU": ((4,), ["L.LeakyReLU(negative_slope=0.1)"]),
    "MaxPooling1D": ((6, 2), ["L.MaxPooling1D(2)", "L.MaxPooling1D(3, strides=2, padding='same')"]),
    "MaxPooling2D": ((6, 5, 2), ["L.MaxPooling2D(2)", "L.MaxPooling2D(3, strides=2, padding='same')"]),
    "MaxPooling3D": ((4, 4, 5, 2), ["L.MaxPooling3D(2)", "L.MaxPooling3D(3, strides=2, padding='same')"]),
    "Normalization": (
        (4,),
        ["L.Normalization()", "L.Normalization(mean=[1.0, 2, 3, 4], variance=[1.0, 1, 4, 4])"],
    ),
    "PReLU": ((3, 4), ["L.PReLU()", "L.PReLU(shared_axes=[1], alpha_initializer='ones')"]),
    "Permute": ((3, 4), ["L.Permute((2, 1))"]),
    "RMSNormalization": ((3, 4), ["L.RMSNormalization()", "L.RMSNormalization([1, 2], epsilon=1e-3)"]),
    "RandomBrightness": ((4, 5, 3), ["L.RandomBrightness(0.2)", "L.RandomBrightness((0, 0.3), [0, 1], 1)"]),
    "RandomContrast": (
        (4, 5, 3),
        ["L.RandomContrast(0.2)", "L.RandomContrast((0.1, 0.3), (0, 1), data_format='channels_first')"],
    ),
    "RandomCrop": ((4, 5, 3), ["L.RandomCrop(4, 5)", "L.RandomCrop(3, 2, seed=1)"]),
    "RandomFlip": ((4, 5, 3), ["L.RandomFlip()", "L.RandomFlip('horizontal', seed=1)"]),
    "RandomRotation": (
        (4, 5, 3),
        ["L.RandomRotation(0.1)", "L.RandomRotation((-0.1, 0.2), 'constant', 'nearest', fill_value=1.0)"],
    ),
    "RandomTranslation": ((4, 5, 3), ["L.RandomTranslation(0.1, (0, 0.2), fill_mode='wrap')"]),
    "RandomZoom": ((4, 5, 3), ["L.RandomZoom(0.1)", "L.RandomZoom((-0.2, 0.1), 0.3, 'nearest')"]),
    "ReLU": ((4,), ["L.ReLU()", "L.ReLU(max_value=6.0, negative_slope=0.1, threshold=0.5)"]),
    "RepeatVector": ((4,), ["L.RepeatVector(3)"]),
    "Rescaling": ((4,), ["L.Rescaling(0.5, offset=1.0)", "L.Rescaling([1.0, 2.0, 3.0, 4.0])"]),
    "Reshape": ((3, 4), ["L.Reshape((-1, 2))"]),
    "Resizing": (
        (6, 5, 2),
        ["L.Resizing(3, 4)", "L.Resizing(3, 4, 'nearest', pad_to_aspect_ratio=True, fill_value=1.0)"],
    ),
    "Softmax": ((3, 4), ["L.Softmax()", "L.Softmax(axis=1)"]),
    "SpatialDropout1D": ((3, 4), ["L.SpatialDropout1D(0.3)"]),
    "SpatialDropout2D": ((3, 4, 2), ["L.SpatialDropout2D(0.3)"]),
    "SpatialDropout3D": ((3, 4, 2, 2), ["L.SpatialDropout3D(0.3)"]),
    "UnitNormalization": ((4,), ["L.UnitNormalization()"]),
    "UpSampling1D": ((6, 2), ["L.UpSampling1D()", "L.UpSampling1D(3)"]),
    "UpSampling2D": ((6, 5, 2), ["L.UpSampling2D()", "L.UpSampling2D((1, 3), interpolation='bilinear')"]),
    "UpSampling3D": ((4, 4, 5, 2), ["L.UpSampling3D()", "L.UpSampling3D((1, 2, 3))"]),
    "ZeroPadding1D": ((6, 2), ["L.ZeroPadding1D()", "L.ZeroPadding1D((1, 2))"]),
    "ZeroPadding2D": ((6, 5, 2), ["L.ZeroPadding2D()", "L.ZeroPadding2D(((1, 0), (0, 2)))"]),
    "ZeroPadding3D": ((4, 4, 5, 2), ["L.ZeroPadding3D()", "L.ZeroPadding3D((1, 0, 2))"]),
    "Conv1D": (
        (8, 2),
        ["L.Conv1D(3, 3)", "L.Conv1D(4, 2, strides=2, padding='causal', groups=2, activation='relu')"],
    ),
    "Conv1DTranspose": (
        (6, 2),
        ["L.Conv1DTranspose(3, 3)", "L.Conv1DTranspose(3, 2, strides=2, padding='same')"],
    ),
    "Conv2D": ((6, 5, 2), ["L.Conv2D(3, 3)", "L.Conv2D(4, (3, 2), padding='same', kernel_regularizer='l2')"]),
    "Conv2DTranspose": (
        (4, 5, 2),
        ["L.Conv2DTranspose(3, 3)", "L.Conv2DTranspose(3, 2, strides=2, padding='same', use_bias=False)"],
    ),
    "Conv3D": ((4, 4, 5, 2), ["L.Conv3D(3, 2)", "L.Conv3D(3, (1, 2, 3), dilation_rate=(1, 1, 2))"]),
    "Conv3DTranspose": ((3, 3, 4, 2), ["L.Conv3DTranspose(2, 2)"]),
    "ConvLSTM1D": (
        (4, 6, 2),
        ["L.ConvLSTM1D(3, 3)", "L.ConvLSTM1D(3, 2, return_sequences=True, padding='same')"],
    ),
    "ConvLSTM2D": ((3, 5, 5, 2), ["L.ConvLSTM2D(2, 3)"]),
    "ConvLSTM3D": ((2, 3, 3, 3, 2), ["L.ConvLSTM3D(2, 2)"]),
    "DepthwiseConv1D": ((8, 2), ["L.DepthwiseConv1D(3, depth_multiplier=2)"]),
    "DepthwiseConv2D": ((6, 5, 2), ["L.DepthwiseConv2D(3)", "L.DepthwiseConv2D(2, padding='same')"]),
    "SeparableConv1D": ((8, 2), ["L.SeparableConv1D(3, 3)"]),
    "SeparableConv2D": (
        (6, 5, 2),
        ["L.SeparableConv2D(3, 3)", "L.SeparableConv2D(3, 2, depth_multiplier=2)"],
    ),
    "Bidirectional": (
        (4, 3),
        ["L.Bidirectional(L.LSTM(2))", "L.Bidirectional(L.GRU(2, return_sequences=True), merge_mode='sum')"],
    ),
    "EinsumDense": ((4, 3), ["L.EinsumDense('abc,cd->abd', output_shape=(4, 5), bias_axes='d')"]),
    "GRU": ((4, 3), ["L.GRU(2)", "L.GRU(2, reset_after=False, return_sequences=True, go_backwards=True)"]),
    "LSTM": ((4, 3), ["L.LSTM(2)", "L.LSTM(2, return_sequences=True, dropout=0.1, unit_forget_bias=False)"]),
    "Masking": ((4, 3), ["L.Masking()", "L.Masking(mask_value=-1.0)"]),
    "RNN": ((4, 3), ["L.RNN(L.LSTMCell(2))", "L.RNN([L.GRUCell(2), L.SimpleRNNCell(3)])"]),
    "SimpleRNN": ((4, 3), ["L.SimpleRNN(2)", "L.SimpleRNN(2, activation='relu', return_sequences=True)"]),
    "TimeDistributed": ((4, 3), ["L.TimeDistributed(L.Dense(2))"]),
}
# Cells stand in RNN above; the others want several inputs or whole numbers, and have tests of their own
# (test_attention_models.py, test_embedding.py, test_vision_and_sequence_files.py).
SEVERAL = {
    "AdditiveAttention",
    "Attention",
    "Embedding",
    "GRUCell",
    "GroupQueryAttention",
    "LSTMCell",
    "MultiHeadAttention",
    "SimpleRNNCell",
    "StackedRNNCells",
    "ConvLSTMCell",
}
MERGES = ["L.Add()", "L.Average()", "L.Maximum()", "L.Minimum()", "L.Multiply()", "L.Concatenate(axis=-1)"]
PAIRS = ["L.Subtract()", "L.Dot(axes=1)", "L.Dot(axes=-1, normalize=True)"]
ELSEWHERE = {
    "Add",
    "Average",
    "Concatenate",
    "Dot",
    "Maximum",
    "Minimum",
    "Multiply",
    "Subtract",
}  # in the two lists
MODELS = {"InputLayer", "Model", "Sequential"}
