"""The lines of recurrent layers: layer_cases.py holds them with the others, test_recurrent*.py have more."""

from kerasette import layers as L  # noqa: N812
from tests.layer_harness import LayerCase

STEPS = [(4, 3)]
WEIGHT = {"initializer": "ones", "regularizer": "l2", "constraint": "non_neg"}


def recurrent(layer, training=False, units=2, **arguments):
    """A line of a recurrent layer; where inputs or states are dropped Keras draws other numbers."""
    return LayerCase(
        layer, {"units": units, **arguments}, shapes=STEPS, training=training, oracle=not training
    )


def images(layer, shape, training=False, **arguments):
    """A line of a layer over sequences of images."""
    arguments = {"filters": 2, "kernel_size": 2, **arguments}
    return LayerCase(layer, arguments, shapes=[shape], training=training, oracle=not training, batch=2)


RECURRENT_CASES = [
    line
    for layer in (L.SimpleRNN, L.LSTM, L.GRU)
    for line in (
        recurrent(layer),
        recurrent(layer, units=1, use_bias=False, return_sequences=True),
        recurrent(layer, return_sequences=True, go_backwards=True),
        recurrent(layer, activation="softplus", return_sequences=True),
        recurrent(layer, training=True, dropout=0.4, seed=1),
        recurrent(layer, training=True, dropout=0.3, recurrent_dropout=0.4, seed=1, return_sequences=True),
    )
] + [
    recurrent(L.LSTM, unit_forget_bias=False, recurrent_activation="hard_sigmoid"),
    recurrent(L.GRU, reset_after=False),
    recurrent(L.GRU, reset_after=False, use_bias=False, recurrent_activation="hard_sigmoid"),
    recurrent(L.GRU, training=True, reset_after=False, dropout=0.3, recurrent_dropout=0.4, seed=1),
    images(L.ConvLSTM1D, (3, 5, 2), return_sequences=True),
    images(L.ConvLSTM1D, (3, 2, 5), data_format="channels_first", padding="same", dilation_rate=2),
    images(L.ConvLSTM2D, (2, 4, 3, 1), strides=2, use_bias=False, go_backwards=True),
    images(L.ConvLSTM2D, (2, 4, 3, 1), training=True, dropout=0.3, recurrent_dropout=0.4, seed=1),
    images(L.ConvLSTM3D, (2, 3, 2, 3, 1), padding="same", activation="softsign"),
]

COMMON = {
    "units": 3,
    "activation": "sigmoid",
    "use_bias": False,
    **{f"kernel_{what}": value for what, value in WEIGHT.items()},
    **{f"recurrent_{what}": value for what, value in WEIGHT.items()},
    **{f"bias_{what}": value for what, value in WEIGHT.items()},
    "dropout": 0.1,
    "recurrent_dropout": 0.5,
    "return_sequences": True,
    "return_state": True,
    "go_backwards": True,
    "stateful": True,
    "unroll": True,
    "zero_output_for_mask": True,
    "seed": 2,
}
GATED = {**COMMON, "recurrent_activation": "linear", "use_cudnn": False, "implementation": 1}
NOT_CONVOLVED = ("units", "use_cudnn", "implementation")
START = {"units": 2, "dropout": 0.4, "seed": 1}

RECURRENT_VARIATIONS = {
    L.SimpleRNN: (START, STEPS, COMMON),
    L.LSTM: (START, STEPS, {**GATED, "unit_forget_bias": False}),
    L.GRU: (START, STEPS, {**GATED, "reset_after": False}),
    **{
        layer: (
            {"filters": 2, "kernel_size": 2, "dropout": 0.4, "seed": 1, "data_format": "channels_last"},
            [(3, *(4,) * rank, 4)],
            {
                **{name: value for name, value in GATED.items() if name not in NOT_CONVOLVED},
                "filters": 3,
                "kernel_size": 3,
                "strides": 2,
                "padding": "same",
                "data_format": "channels_first",
                "dilation_rate": 2,
                "unit_forget_bias": False,
            },
        )
        for rank, layer in enumerate((L.ConvLSTM1D, L.ConvLSTM2D), 1)
    },
}
RECURRENT_WITHOUT_EFFECT = {
    (layer, name)  # masks are the subject of test_recurrent.py
    for layer in (L.SimpleRNN, L.LSTM, L.GRU, L.ConvLSTM1D, L.ConvLSTM2D)
    for name in ("unroll", "use_cudnn", "zero_output_for_mask")
}
