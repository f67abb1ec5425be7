"""Lines of test_configs.py for convolutions and sequences: layer -> (shape of one sample, texts)."""

FURTHER = {
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
# (test_attention.py, test_embedding.py, test_vision_and_sequence_files.py).
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
