"""Whole sequences through simple_rnn, lstm and gru: masks, directions, states, dropout, activations."""

from kerasette import activations
from kerasette import functions as f
from kerasette.backend import xp_of
from tests.cases.operations import POSITIVE
from tests.harness import Case, booleans, normal
from tests.keras_oracle import tf

STATES = {"simple_rnn": 1, "gru": 1, "lstm": 2}
GATES = {"simple_rnn": 1, "gru": 3, "lstm": 4}
LAYERS = {"simple_rnn": "SimpleRNN", "gru": "GRU", "lstm": "LSTM"}


def flat(parts):
    """Returns arrays of NumPy or CuPy as one long vector."""
    return xp_of(parts[0]).concatenate([part.reshape(-1) for part in parts])


def with_states(name):
    """Returns the pair with y and the last states as one output."""

    def forward(*arrays, **keywords):
        results, cache = getattr(f, name)(*arrays, states=True, **keywords)
        return flat(results), (cache, [part.shape for part in results])

    def backward(dy, cache, *, need_dx=True):
        cache, shapes = cache
        parts, start = [], 0
        for shape in shapes:
            size = 1
            for length in shape:
                size *= length
            parts.append(dy[start : start + size].reshape(shape))
            start += size
        return getattr(f, f"{name}_backward")(tuple(parts), cache, need_dx=need_dx)

    forward.__name__ = name
    return forward, backward


def in_keras(name, units, states, keywords):
    """Returns a function that calls Keras's layer with the tensors of a case."""
    arguments = {
        "return_sequences": keywords.get("sequences", False),
        "go_backwards": keywords.get("reverse", False),
        "zero_output_for_mask": keywords.get("zero_output", False),
        "return_state": states,
    }
    for key in ("activation", "recurrent_activation"):
        if keywords.get(key) is not None:
            arguments[key] = keywords[key].name
    if name == "gru":
        arguments["reset_after"] = keywords.get("reset_after", True)

    def run(keras, x, kernel, recurrent, bias, *rest):
        start, (mask, drop, recurrent_drop) = rest[: STATES[name]], rest[STATES[name] :]
        dropped = {"dropout": 0.5 if drop is not None else 0.0}
        dropped["recurrent_dropout"] = 0.5 if recurrent_drop is not None else 0.0
        layer = getattr(keras.layers, LAYERS[name])(units, use_bias=bias is not None, **arguments, **dropped)
        layer.build(x.shape)
        layer.cell._dropout_mask = per_gate(drop)
        layer.cell._recurrent_dropout_mask = per_gate(recurrent_drop)
        weights = [one for one in (kernel, recurrent, bias) if one is not None]
        others = [variable.value for variable in layer.non_trainable_variables]
        given = {} if start[0] is None else {"initial_state": list(start)}
        training = drop is not None or recurrent_drop is not None
        results, _ = layer.stateless_call(weights, others, x, mask=mask, training=training, **given)
        if not states:
            return results
        return tf().concat([tf().reshape(part, [-1]) for part in results], 0)

    return run


def per_gate(drop):
    """Returns a mask as Keras's cells keep it: a tensor, or a list with one for each gate."""
    return drop if drop is None or len(drop.shape) == 2 else tf().unstack(drop, axis=1)


def line(name, n=3, steps=4, features=2, units=3, **options):
    """A case of one of the three.

    Args:
        n, steps, features, units: lengths.
        options: bias, start, masked (booleans); drop, recurrent_drop (None, "shared" or "gates");
            states; and keywords of the function.
    """
    gates = GATES[name]
    bias, start, masked = (
        options.pop(key, on) for key, on in (("bias", True), ("start", True), ("masked", False))
    )
    drops = [options.pop(key, None) for key in ("drop", "recurrent_drop")]
    states = options.pop("states", False)
    double = name == "gru" and options.get("reset_after", True)
    bias_shape = (2, 3 * units) if double else (gates * units,)
    shapes = [
        (n, steps, features),
        (features, gates * units),
        (units, gates * units),
        bias_shape if bias else None,
    ]
    shapes += [(n, units) if start else None] * STATES[name]
    shapes.append((n, steps) if masked else None)
    for drop, width in zip(drops, (features, units), strict=True):
        shapes.append({None: None, "shared": (n, width), "gates": (n, gates, width)}[drop])
    inputs = [normal] * (4 + STATES[name]) + [booleans(0.6), POSITIVE, POSITIVE]
    pair = with_states(name) if states else (getattr(f, name), getattr(f, f"{name}_backward"))
    return Case(
        *pair,
        shapes,
        inputs=inputs,
        differentiate=range(4 + STATES[name]),
        keras=in_keras(name, units, states, options),
        exact=False,
        **options,
    )


EVERY_WAY = [
    line(name, sequences=sequences, states=states, masked=masked, reverse=reverse)
    for name in STATES
    for sequences in (False, True)
    for states in (False, True)
    for masked in (False, True)
    for reverse in (False, True)
]
FAST = [
    case
    for name in STATES
    for case in (
        line(name, bias=False, start=False),
        line(name, n=1, steps=5, sequences=True),
        line(name, n=5, steps=1, features=6, units=1, sequences=True, states=True),
        line(name, n=130, steps=3, features=1, units=2, sequences=True),
        line(name, masked=True, start=False, sequences=True),
        line(name, masked=True, zero_output=True, sequences=True, states=True),
        line(name, masked=True, zero_output=True, start=False),
        line(name, drop="shared", sequences=True),
        line(name, drop="shared", masked=True, reverse=True, states=True),
    )
]
GENERAL = [
    case
    for name in STATES
    for case in (
        line(name, activation=activations.softsign, sequences=True, states=True),
        line(name, activation=activations.softsign, masked=True, sequences=True, states=True),
        line(
            name, activation=activations.softsign, masked=True, zero_output=True, sequences=True, reverse=True
        ),
        line(name, activation=activations.softmax, bias=False, start=False, masked=True),
        line(name, recurrent_drop="shared" if name == "simple_rnn" else "gates", sequences=True),
        line(
            name,
            drop="shared" if name == "simple_rnn" else "gates",
            recurrent_drop="shared" if name == "simple_rnn" else "gates",
            masked=True,
            states=True,
        ),
    )
]
BENT_GATES = [
    line("lstm", recurrent_activation=activations.softmax, activation=activations.elu, sequences=True),
    line("gru", recurrent_activation=activations.softmax, activation=activations.elu, sequences=True),
    line("gru", recurrent_activation=activations.softmax, reset_after=False, sequences=True),
]
RESET_BEFORE = [
    line("gru", reset_after=False, **options)
    for options in (
        {},
        {"bias": False, "start": False, "sequences": True},
        {"masked": True, "sequences": True, "states": True, "reverse": True},
        {"drop": "gates", "recurrent_drop": "gates", "sequences": True},
        {"drop": "shared", "masked": True},
    )
]


def images(rank=2, masked=False, start=True, dropped=False, bias=True, lengths=(4, 3), **options):
    """A case of conv_lstm: 2 filters, windows of 2 by 2."""
    lengths, geometry = lengths[:rank], {"padding": "same", **options}
    stride = geometry.get("strides", 1)
    valid = geometry["padding"] == "valid"
    after = tuple((n - valid) // stride if valid else -(-n // stride) for n in lengths)
    state = (2, *after, 2) if start else None
    drop = ((2, 4, *lengths, 1), (2, 4, *after, 2)) if dropped else (None, None)
    kernels = [((2,) * rank + (1, 8)), ((2,) * rank + (2, 8)), (8,) if bias else None]
    shapes = [(2, 3, *lengths, 1), *kernels, state, state, (2, 3) if masked else None, *drop]

    def run(keras, x, kernel, recurrent, bias, h, c, mask, drop, recurrent_drop):
        geometry = {name: options[name] for name in ("strides", "padding") if name in options}
        arguments = {
            "padding": "same",
            **geometry,
            "dilation_rate": options.get("dilation", 1),
            "return_sequences": options.get("sequences", False),
            "go_backwards": options.get("reverse", False),
            "dropout": 0.5 if drop is not None else 0.0,
            "recurrent_dropout": 0.5 if drop is not None else 0.0,
        }
        layer = getattr(keras.layers, f"ConvLSTM{rank}D")(2, 2, use_bias=bias is not None, **arguments)
        layer.build(x.shape)
        layer.cell._dropout_mask = None if drop is None else tf().unstack(drop, axis=1)
        layer.cell._recurrent_dropout_mask = None if drop is None else tf().unstack(recurrent_drop, axis=1)
        weights = [one for one in (kernel, recurrent, bias) if one is not None]
        others = [variable.value for variable in layer.non_trainable_variables]
        given = {} if h is None else {"initial_state": [h, c]}
        return layer.stateless_call(weights, others, x, mask=mask, training=drop is not None, **given)[0]

    inputs = [normal] * 6 + [booleans(0.6), POSITIVE, POSITIVE]
    pair = f.conv_lstm, f.conv_lstm_backward
    return Case(*pair, shapes, inputs=inputs, differentiate=range(6), keras=run, exact=False, **geometry)


IMAGES = [
    images(),
    images(sequences=True, masked=True, reverse=True),
    images(bias=False, start=False, padding="valid", sequences=True),
    images(strides=2, dropped=True, masked=True),
    images(rank=1, dilation=2, sequences=True, zero_output=True),
]

RECURRENT = IMAGES + EVERY_WAY + FAST + GENERAL + BENT_GATES + RESET_BEFORE
