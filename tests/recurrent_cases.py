"""The lines of recurrent layers: layer_cases.py holds them with the others, test_recurrent.py has more."""

from kerasette import layers as L  # noqa: N812
from tests.layer_harness import LayerCase

STEPS = [(4, 3)]
WEIGHT = {"initializer": "ones", "regularizer": "l2", "constraint": "non_neg"}


def recurrent(layer, training=False, units=2, **arguments):
    """A line of a recurrent layer; where inputs or states are dropped Keras draws other numbers."""
    return LayerCase(
        layer, {"units": units, **arguments}, shapes=STEPS, training=training, oracle=not training
    )


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
GATED = {**COMMON, "recurrent_activation": "linear", "use_cudnn": False}
START = {"units": 2, "dropout": 0.4, "seed": 1}

RECURRENT_VARIATIONS = {
    L.SimpleRNN: (START, STEPS, COMMON),
    L.LSTM: (START, STEPS, {**GATED, "unit_forget_bias": False}),
    L.GRU: (START, STEPS, {**GATED, "reset_after": False}),
}
RECURRENT_WITHOUT_EFFECT = {
    (layer, name)  # masks are the subject of test_recurrent.py
    for layer in (L.SimpleRNN, L.LSTM, L.GRU)
    for name in ("unroll", "use_cudnn", "zero_output_for_mask")
}
