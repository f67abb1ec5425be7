"""Configurations as texts: deep, long, ambiguous, or no JSON at all."""

import json

from tests.attacks.good import Attack

TEXTS = ("keras", "h5", "json")  # the ways in where a configuration is a text


def text(make):
    """Returns a change to a text made from the good one."""
    return lambda entry, bait: make(json.dumps(entry))


def repeated(entry, bait):
    """Very many keys, of which the last two are equal."""
    keys = ",".join(f'"{k:x}":0' for k in range(200_000))
    return '{"class_name":"Functional",' + keys + ',"z":1,"z":2}'


TEXT = {
    "200 lists deep": (text(lambda t: '{"config":' + "[" * 200 + "]" * 200 + "}"), "deep"),
    "100,000 lists deep": (text(lambda t: "[" * 100_000), "deep"),
    "10,000 objects deep": (text(lambda t: '{"a":' * 10_000 + "1" + "}" * 10_000), "deep"),
    "depth behind quotes": (text(lambda t: '{"a":"\\"","b":' + "[" * 50_000), "deep"),
    "the same key twice": (text(lambda t: t.replace('"units": 64', '"units": 64, "units": 1')), "twice"),
    "the same class twice": (text(lambda t: '{"class_name": "Sequential", ' + t[1:]), "twice"),
    "200,000 keys and one twice": (repeated, ""),
    "NaN": (text(lambda t: t.replace("0.001", "NaN")), "NaN"),
    "infinity": (text(lambda t: t.replace("0.001", "Infinity")), "Infinity"),
    "minus infinity": (text(lambda t: t.replace("0.001", "-Infinity")), "Infinity"),
    "a number that is infinite": (text(lambda t: t.replace("0.001", "1e999")), ""),
    "a number of 5,000 digits": (text(lambda t: t.replace('"units": 64', '"units": ' + "9" * 5000)), ""),
    "a number of a million digits": (text(lambda t: t.replace("0.001", "9" * 1_000_000)), ""),
    "17 MiB": (text(lambda t: t + " " * (17 << 20)), "characters|bytes|allowed"),
    "16 MB of one text": (text(lambda t: t.replace('"tanh"', '"' + "t" * 16_000_000 + '"')), ""),
    "16 MB of an open text": (text(lambda t: '{"a":"' + '\\"' * 8_000_000), ""),
    "16 MB of backslashes": (text(lambda t: '{"a":"' + "\\" * 16_000_000), ""),
    "16 MB of open quotes": (text(lambda t: '{"' * 8_000_000), ""),
    "15 MB of lists": (text(lambda t: '{"layers":[' + "[]," * 5_000_000 + "[]]}"), ""),
    "15 MB of numbers": (text(lambda t: '{"layers":[' + "1," * 7_500_000 + "1]}"), ""),
    "half a text": (text(lambda t: t[: len(t) // 2]), "JSON"),
    "nothing": (text(lambda t: ""), ""),
    "another end": (text(lambda t: t + "x"), "JSON"),
    "a list": (text(lambda t: "[" + t + "]"), ""),
    "a number": (text(lambda t: "1"), ""),
    "null": (text(lambda t: "null"), ""),
    "bytes that are no text": (lambda entry, bait: b'{"a": "\xff\xfe"}', ""),
    "a lone surrogate as text": (text(lambda t: t.replace('"tanh"', '"\\ud800"')), ""),
}

ATTACKS = [
    *(Attack(name, "config", change, says, entries=TEXTS) for name, (change, says) in TEXT.items()),
    Attack(
        "another encoding",
        "config",
        lambda entry, bait: json.dumps(entry).encode("utf-16"),
        entries=("keras", "json"),
    ),
]
