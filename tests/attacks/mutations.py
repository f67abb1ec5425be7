"""Random damage to good files: flipped bits, cuts, pieces moved about, and other values in the JSON."""

import json

import numpy as np

from tests.attacks import families
from tests.attacks.good import ENDINGS, Attack

TEXTS = ("keras", "h5", "json", "config")  # files with a configuration
FILES = ("load_weights", "keras", "h5")  # files of bytes
KINDS = ("flips", "cut", "splice", "move", "zeros", "json", "json", "layers", "layers")


def mutate(good, seed, folder):
    """Returns (what was done, the way in, the path of the file) for one number."""
    rng = np.random.default_rng(seed)
    kind = KINDS[rng.integers(len(KINDS))]
    if kind == "layers":
        path = folder / "m.json"
        path.write_text(families.edited(good.families[rng.integers(len(good.families))], rng))
        return kind, "json", path
    entry = str(rng.choice(TEXTS if kind == "json" else FILES))
    if kind == "json":
        attack = Attack("json", "config", lambda config, bait: edited(config, rng))
        return kind, entry, good.attack(attack, entry, folder)
    whole = bytearray(good.path(entry).read_bytes())
    other = bytearray(good.path(str(rng.choice(FILES))).read_bytes())
    path = folder / f"m{ENDINGS[entry]}"
    path.write_bytes(globals()[kind](whole, other, rng))
    return kind, entry, path


def flips(whole, other, rng):
    """Flips one to eight bits, anywhere; half of the time near the beginning, where the headers are."""
    end = len(whole) if rng.random() < 0.5 else min(len(whole), 4096)
    for _ in range(int(rng.integers(1, 9)) if rng.random() < 0.5 else 1):
        whole[rng.integers(end)] ^= 1 << int(rng.integers(8))
    return whole


def cut(whole, other, rng):
    """Leaves out the end, the beginning or a piece in the middle."""
    first, last = sorted(rng.integers(0, len(whole) + 1, 2))
    return [whole[:first], whole[last:], whole[:first] + whole[last:]][rng.integers(3)]


def splice(whole, other, rng):
    """Puts a piece of another good file in place of a piece of this one."""
    size = int(2 ** rng.uniform(0, 12))
    start, source = rng.integers(len(whole)), rng.integers(len(other))
    piece = other[source : source + size]
    return whole[:start] + piece + whole[start + (len(piece) if rng.random() < 0.7 else 0) :]


def move(whole, other, rng):
    """Copies a piece of the file over another part of it."""
    size = int(2 ** rng.uniform(0, 10))
    start, source = rng.integers(len(whole)), rng.integers(len(whole))
    piece = whole[source : source + size]
    whole[start : start + len(piece)] = piece
    return whole


def zeros(whole, other, rng):
    """Fills a piece with one byte."""
    start, size = rng.integers(len(whole)), int(2 ** rng.uniform(0, 12))
    whole[start : start + size] = bytes([int(rng.choice([0, 255, 65]))]) * len(whole[start : start + size])
    return whole


# ---------------------------------------------------------------- JSON

ODD = (
    None,
    True,
    False,
    0,
    1,
    -1,
    2,
    3,
    64,
    2**31,
    2**63,
    10**30,
    0.5,
    -1.5,
    1e30,
    "",
    "Dense",
    "Lambda",
    "os.system",
    "x",
    "wide",
    "../x",
    "\u0000",
    "float16",
    [],
    [[]],
    [None, 4],
    {},
    {"class_name": "Dense", "config": {}},
    {"class_name": "__lambda__", "config": {}},
    "keras.layers",
    "builtins",
    "tanh",
)


def places(value):
    """Returns (container, key) of everything in nested lists and objects."""
    found, stack = [], [value]
    while stack:
        value = stack.pop()
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            found.append((value, key))
            if isinstance(inner, (dict, list)):
                stack.append(inner)
    return found


def edited(config, rng):
    """Returns the configuration with one to three edits: values, keys, moves, doublings, losses."""
    for _ in range(int(rng.integers(1, 4))):
        found = places(config)
        where, key = found[rng.integers(len(found))]
        there, other = found[rng.integers(len(found))]
        choice = rng.random()
        if choice < 0.45:
            where[key] = ODD[rng.integers(len(ODD))]
        elif choice < 0.6:
            del where[key]
        elif choice < 0.8:
            where[key] = json.loads(json.dumps(there[other]))
        elif isinstance(where, dict):
            where[f"new_{rng.integers(3)}" if rng.random() < 0.5 else str(other)] = where[key]
        else:
            where.insert(int(rng.integers(len(where) + 1)), json.loads(json.dumps(there[other])))
    return config
