"""Small files that ask for much: parameters, shapes, chunks, packed zeros, attributes, deep or long JSON."""

import functools
import json
import struct
import zlib

import h5py
import numpy as np

from tests.attacks.code import becomes, thing
from tests.attacks.good import SHAPE, Attack, instead, layer, setting

BIG = 400 << 20  # bytes; more than an attack may cost
LONG, SHORT = struct.pack("<I", 1_000_000), struct.pack("<I", 1)  # how references to texts begin


# ---------------------------------------------------------------- parameters


def units(value, of="wide"):
    """Returns a change of the width of one layer."""
    return setting("units", value, of)


def wide_input(*shape):
    """Returns a change of the input's shape."""

    def change(entry, bait):
        layer(entry, "x")["config"]["batch_shape"] = list(shape)
        return entry

    return change


def behind(*entries):
    """Returns a change that puts layers between the input and the first one."""

    def change(entry, bait):
        source = "x"
        layers = entry["config"]["layers"]
        for number, (name, config) in enumerate(entries):
            own = f"new_{number}"
            inbound = json.loads(json.dumps(layer(entry)["inbound_nodes"]))
            place = inbound[0]["args"][0]["config"]
            place["keras_history"] = [source, 0, 0]
            layers.insert(
                1 + number,
                {
                    "module": "keras.layers",
                    "class_name": name,
                    "config": {**config, "name": own},
                    "registered_name": None,
                    "name": own,
                    "inbound_nodes": inbound,
                },
            )
            source = own
        layer(entry)["inbound_nodes"][0]["args"][0]["config"]["keras_history"] = [source, 0, 0]
        return entry

    return change


def many_layers(count, width):
    """Returns a change to a chain of `count` layers of `width` units."""

    def change(entry, bait):
        model = {"name": "chain", "trainable": True, "layers": []}
        model["layers"] = [
            {"module": "keras.layers", "class_name": "InputLayer", "config": {"batch_shape": [None, 4]}},
            *({"class_name": "Dense", "config": {"units": width}} for _ in range(count)),
        ]
        return {"module": "keras", "class_name": "Sequential", "config": model, "registered_name": None}

    return change


def doubling(depth):
    """Returns a change to models in models, each calling the next one twice: 2 ** depth calls in the end."""

    def place(name, call=0):
        config = {"shape": [None, 4], "dtype": "float32", "keras_history": [name, call, 0]}
        return {"class_name": "__keras_tensor__", "config": config}

    def change(entry, bait):
        made = {"class_name": "Dense", "config": {"units": 4, "name": "d"}, "name": "d"}
        for level in range(depth):
            name = made["config"]["name"]
            calls = [
                {"args": [place("x")], "kwargs": {}},
                {"args": [place(name)], "kwargs": {}},
            ]
            source = {
                "class_name": "InputLayer",
                "config": {"batch_shape": [None, 4], "name": "x"},
                "name": "x",
                "inbound_nodes": [],
            }
            config = {
                "name": f"m{level}",
                "layers": [source, {**made, "name": name, "inbound_nodes": calls}],
                "input_layers": ["x", 0, 0],
                "output_layers": [name, 1, 0],
            }
            made = {"class_name": "Functional", "config": config}
        return made

    return change


HUGE = {
    "2 ** 28 units": units(1 << 28),
    "2 ** 40 units": units(1 << 40),
    "10 ** 300 units": units(10**300),
    "10 ** 4000 units": units(10**4000),
    "1e300 units": units(1e300),
    "2 ** 24 units twice": lambda entry, bait: units(1 << 24, "second")(units(1 << 24)(entry, bait), bait),
    "8,000 by 8,000": lambda entry, bait: units(8000, "second")(units(8000)(entry, bait), bait),
    "an input of 2 ** 40": wide_input(None, 1 << 40),
    "an input of 10 ** 100": wide_input(None, 10**100),
    "a flattened input": lambda entry, bait: behind(("Flatten", {}))(
        wide_input(None, 70_000, 70_000)(entry, bait), bait
    ),
    "a repeated input": behind(("RepeatVector", {"n": 1 << 40}), ("Flatten", {})),
    "a wide encoding": behind(("CategoryEncoding", {"num_tokens": 1 << 40, "output_mode": "count"})),
    "slopes for every pixel": lambda entry, bait: behind(("PReLU", {}))(
        wide_input(None, 1 << 30)(entry, bait), bait
    ),
    "norms for every pixel": lambda entry, bait: behind(("LayerNormalization", {"axis": -1}))(
        wide_input(None, 1 << 30)(entry, bait), bait
    ),
    "an orthogonal start of 20,000 by 20,000": lambda entry, bait: setting(
        "kernel_initializer", thing("Orthogonal", "keras.initializers", gain=1.0, seed=None), "second"
    )(units(20_000, "second")(units(20_000)(entry, bait), bait), bait),
    "an identity of 30,000": lambda entry, bait: setting(
        "kernel_initializer", thing("Identity", "keras.initializers", gain=1.0), "second"
    )(units(30_000, "second")(units(30_000)(entry, bait), bait), bait),
}

ODD = {
    "-1 units": units(-1),
    "0 units": units(0),
    "True units": units(True),
    "units as text": units("64"),
    "half a unit": units(0.5),
    "a list of units": units([64]),
    "units as an object": units({"class_name": "__lambda__"}),
    "no units": units(None),
    "an input of -1": wide_input(None, -1),
    "an input without shape": wide_input(),
    "an input of a thousand axes": wide_input(None, *[1] * 1000),
    "an input of text": wide_input(None, "4"),
    "an input that isn't there": lambda entry, bait: {
        **entry,
        "config": {**entry["config"], "input_layers": ["nowhere", 0, 0]},
    },
    "an output far away": lambda entry, bait: {
        **entry,
        "config": {**entry["config"], "output_layers": ["head", 10**30, 0]},
    },
    "a layer that feeds itself": lambda entry, bait: (
        layer(entry)["inbound_nodes"][0]["args"][0]["config"].update(keras_history=["wide", 0, 0]),
        entry,
    )[1],
    "a layer twice": lambda entry, bait: (
        entry["config"]["layers"].append(layer(entry)),
        entry,
    )[1],
    "no layers": lambda entry, bait: {**entry, "config": {**entry["config"], "layers": []}},
    "layers that are a number": lambda entry, bait: {**entry, "config": {**entry["config"], "layers": 7}},
    "layers that are null": lambda entry, bait: {**entry, "config": {**entry["config"], "layers": [None]}},
    "no configuration": lambda entry, bait: {**entry, "config": None},
    "a name that is a number": lambda entry, bait: {**entry, "config": {**entry["config"], "name": 7}},
    "a name of a megabyte": setting("name", "n" * (1 << 20)),
    "a lone surrogate": setting("activation", "\ud800"),
    "a text of control characters": setting("activation", "\x1b[2J\x00\r\n" * 50),
    "an unknown argument of a megabyte": setting("k" * (1 << 20), 1),
    "a value of a megabyte": setting("use_bias", "v" * (1 << 20)),
}


# ---------------------------------------------------------------- arrays


def zeros(size):
    """Returns `size` zero bytes (whole MiB), deflated: one piece, repeated, and the checksum of them all."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    piece = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = struct.pack(">HH", size % 65521, 1)
    return b"\x78\xda" + piece * (size >> 20) + b"\x03\x00" + checksum


def inflating(shape, raw):
    """Returns a change: the kernel is one deflated chunk of `shape` that unpacks to much more."""

    def change(group, name, values, bait):
        settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        settings.set_chunk(shape)
        settings.set_deflate(9)
        space = h5py.h5s.create_simple(values.shape, (h5py.h5s.UNLIMITED,) * 2)
        made = h5py.h5d.create(group.id, name.encode(), h5py.h5t.IEEE_F32LE, space, settings)
        made.write_direct_chunk((0, 0), raw())

    return instead(change)


def dataset(shape, **keywords):
    """Returns a change: the kernel has another shape, and nothing is written."""
    return instead(lambda group, name, values, bait: group.create_dataset(name, shape, "f4", **keywords))


def extra(shape, **keywords):
    """Returns a change that adds an array nobody asked for."""

    def change(file, where, bait):
        file.create_dataset(where.rpartition("/")[0] + "/9", shape, "f4", **keywords)

    return change


def groups(count, deep=False):
    """Returns a change that adds many groups, in one another or side by side."""

    def change(file, where, bait):
        root = file[where.rpartition("/")[0]]
        if deep:
            root.create_group("/".join(["g"] * count))
            return
        first = root.create_group("many")
        for number in range(count):
            h5py.h5g.create(first.id, b"%d" % number)

    return change


def long_paths(file, where, bait):
    """Adds a thousand groups whose paths have 480,000 characters each."""
    group = file[where.rpartition("/")[0]]
    for name in b"abcdefgh":
        group = h5py.Group(h5py.h5g.create(group.id, bytes([name]) * 60_000))
    for number in range(1000):
        h5py.h5g.create(group.id, b"%d" % number)


def attributes(make):
    """Returns a change that writes attributes on the kernel, its group and the root."""

    def change(file, where, bait):
        for item in (file[where], file[where].parent, file):
            make(item.attrs)

    return change


def long_texts(attrs):
    attrs.create("name", ["x" * 1_000_000, *["y"] * 3000], dtype=h5py.string_dtype())


def all_the_long_one(data):
    """Lets every text of a list be the first one, of a megabyte: 3 GB in a file of 1 MB."""
    data = bytearray(data)
    start = data.find(LONG)
    while start >= 0:
        end = start + 16
        while data[end : end + 4] == SHORT:
            end += 16
        if end > start + 1600:
            data[start:end] = data[start : start + 16] * ((end - start) // 16)
        start = data.find(LONG, end)
    return bytes(data)


def marker_of_texts(group, name, values, bait):
    """Two-byte values without a type, beside which stands a long list of texts."""
    kind = h5py.h5t.create(h5py.h5t.OPAQUE, 2)
    kind.set_tag(b"V2")
    space = h5py.h5s.create_simple(values.shape)
    h5py.h5d.create(group.id, name.encode(), kind, space)
    group[name].attrs.create("dtype", ["x" * 1_000_000, *["y"] * 3000], dtype=h5py.string_dtype())


def long_model(name):
    """Returns a change: one text attribute of the root becomes a list whose texts are all the same one."""

    def change(file, where, bait):
        texts = ["x" * 1_000_000, *["y"] * 3000]
        if name in file.attrs:
            del file.attrs[name]
        file.attrs.create(name, texts, dtype=h5py.string_dtype())

    return change


def long_list(name):
    """Returns a change: a list of names in a group of weights becomes one of a gigabyte."""

    def change(file, where, bait):
        for item in (file["model_weights"], *file["model_weights"].values()):
            if name in item.attrs:
                del item.attrs[name]
                item.attrs.create(name, ["x" * 1_000_000, *["y"] * 3000], dtype=h5py.string_dtype())

    return change


def nan(file, where, bait):
    values = file[where][()]
    values[0, 0] = np.nan
    del file[where]
    file.create_dataset(where, data=values)


class Both(Attack):
    """A configuration and weights that fit one another, and ask for much together."""

    def __init__(self, name, configure, arrays, says=""):
        super().__init__(name, "both", None, says, entries=("keras", "h5"))
        self.configure, self.arrays = configure, arrays


def packed_zeros(shape):
    """Returns a change: the kernel and its bias are `shape` of zeros, deflated to nearly nothing."""

    def change(file, where, bait):
        bias = next(
            name for name, item in file[where.rpartition("/")[0]].items() if item.shape == (SHAPE[1],)
        )
        group = file[where.rpartition("/")[0]]
        name = where.rpartition("/")[2]
        for one, size in ((name, shape), (bias, shape[1:])):
            del group[one]
            chunk = (*[1] * (len(size) - 1), min(size[-1], 1 << 18))
            settings = {"chunks": chunk, "compression": "gzip", "compression_opts": 9}
            made = group.create_dataset(one, size, "f4", **settings)
            raw = zeros(4 * chunk[-1]) if chunk[-1] == 1 << 18 else zlib.compress(bytes(4 * chunk[-1]))
            for place in np.ndindex(*[-(-a // b) for a, b in zip(size, chunk, strict=True)]):
                made.id.write_direct_chunk(tuple(np.multiply(place, chunk).tolist()), raw)

    return change


ARRAYS = {
    "a shape of 2 ** 80 bytes": (dataset((1 << 40, 1 << 38), chunks=(64, 64)), ""),
    "a shape of 2 ** 62 bytes": (dataset((1 << 30, 1 << 30), chunks=(1024, 1024)), ""),
    "a shape of 32 axes": (dataset((2,) * 32, chunks=(1,) * 32), ""),
    "a shape of nothing": (dataset((0, 1 << 60)), ""),
    "chunks that aren't there": (dataset(SHAPE, chunks=(1, 8)), "chunks"),
    "values that aren't there": (dataset(SHAPE), "should hold"),
    "values all of one kind": (dataset(SHAPE, fillvalue=7.0), "should hold"),
    "chunks of 64 MB": (
        dataset(SHAPE, maxshape=(None, None), chunks=(4096, 4096)),
        "in chunks of",
    ),
    "chunks of 4 GB": (dataset(SHAPE, maxshape=(None, None), chunks=(32768, 32767)), "in chunks of"),
    "another array of 2 ** 80 bytes": (extra((1 << 40, 1 << 38), chunks=(64, 64)), ""),
    "another array of 1 GB, unwritten": (extra((1 << 28,)), "should hold"),
    "a small chunk that unpacks to 400 MB": (inflating(SHAPE, lambda: zeros(BIG)), "packed"),
    "a chunk of 1 MB that unpacks to 400 MB": (inflating((512, 512), lambda: zeros(BIG)), "packed"),
    "a chunk that unpacks to too little": (inflating(SHAPE, lambda: zlib.compress(bytes(8))), ""),
    "a chunk that is no deflated data": (inflating(SHAPE, lambda: b"evil" * 50), ""),
    "a chunk that is cut": (inflating(SHAPE, lambda: zlib.compress(bytes(1024))[:-6]), ""),
    "groups 2,100 deep": (groups(2100, deep=True), "deep"),
    "groups 5,000 deep": (groups(5000, deep=True), "deep"),
    "a thousand groups behind long names": (long_paths, "characters"),
    "a list for a marker": (instead(marker_of_texts), ""),
}

LISTS = ("layer_names", "weight_names")
TEXT_ATTRIBUTES = ("model_config", "training_config", "keras_version", "backend")
ATTACKS = [
    *(Attack(name, "config", change) for name, change in HUGE.items()),
    *(Attack(name, "config", change) for name, change in ODD.items()),
    Attack("40,000 layers", "config", many_layers(40_000, 1)),
    Attack("500 layers of 1,000 units", "config", many_layers(500, 1000)),
    Attack("2 ** 20 calls", "config", doubling(20)),
    Attack(
        "a thousand classes in one another",
        "config",
        becomes(
            "Dense",
            lambda bait: {
                "units": 1,
                "activation": functools.reduce(
                    lambda inner, _: thing("Dense", "keras.layers", activation=inner), range(90), "relu"
                ),
            },
        ),
    ),
    *(Attack(name, "arrays", change, says) for name, (change, says) in ARRAYS.items()),
    Attack(
        "attributes of a megabyte each", "arrays", attributes(long_texts), after=all_the_long_one, loads=True
    ),
    Attack(
        "five hundred attributes",
        "arrays",
        attributes(lambda attrs: [attrs.__setitem__(f"a{k}", k) for k in range(500)]),
        loads=True,
    ),
    Attack("a marker of a gigabyte", "arrays", instead(marker_of_texts), after=all_the_long_one),
    *(
        Attack(
            f"{name} of a gigabyte",
            "arrays",
            long_model(name),
            entries=("h5",),
            after=all_the_long_one,
            loads=name != "model_config",
        )
        for name in TEXT_ATTRIBUTES
    ),
    *(
        Attack(f"{name} of a gigabyte", "arrays", long_list(name), entries=("h5",), after=all_the_long_one)
        for name in LISTS
    ),
    Attack("three thousand groups", "arrays", groups(3000), loads=True),
    Attack("weights that are NaN", "arrays", nan, loads=True),
    Both("a gigabyte of packed zeros", units(1 << 26), packed_zeros((4, 1 << 26))),
    Both("80 MB of packed zeros", units(1 << 22), packed_zeros((4, 1 << 22))),
]
