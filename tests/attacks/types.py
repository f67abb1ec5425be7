"""Arrays of types that weights never have, filters nobody knows, and what isn't there at all."""

import h5py
import numpy as np

from tests.attacks.good import Attack, instead


def of(change):
    """Returns a change that writes the kernel's values in another type."""
    return instead(lambda group, name, values, bait: group.create_dataset(name, data=change(values)))


def typed(make, size=4):
    """Returns a change that makes the dataset by HDF5's low level, of the type `make()`."""

    def change(group, name, values, bait):
        space = h5py.h5s.create_simple(values.shape)
        h5py.h5d.create(group.id, name.encode(), make(), space)

    return instead(change)


def filtered(*filters):
    """Returns a change that declares a pipeline of filters; the chunk is written as it is, past them."""

    def change(group, name, values, bait):
        settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        settings.set_chunk(values.shape)
        for code, options in filters:
            settings.set_filter(code, h5py.h5z.FLAG_OPTIONAL, options)
        space = h5py.h5s.create_simple(values.shape)
        made = h5py.h5d.create(group.id, name.encode(), h5py.h5t.IEEE_F32LE, space, settings)
        made.write_direct_chunk((0,) * values.ndim, values.tobytes())

    return instead(change)


def own_float():
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_fields(31, 20, 11, 0, 20)
    return kind


def odd_integer():
    kind = h5py.h5t.STD_I32LE.copy()
    kind.set_size(3)
    return kind


def wide_integer():
    kind = h5py.h5t.STD_I64LE.copy()
    kind.set_size(16)
    return kind


def opaque(tag):
    kind = h5py.h5t.create(h5py.h5t.OPAQUE, 2)
    kind.set_tag(tag)
    return kind


def marked(value, filled=False):
    """Returns a change to an opaque array whose marker `dtype` says `value`; Keras says "bfloat16"."""

    def change(group, name, values, bait):
        if filled:
            group.create_dataset(name, data=np.zeros(values.shape, "V2"))
        else:
            h5py.h5d.create(group.id, name.encode(), opaque(b"V2"), h5py.h5s.create_simple(values.shape))
        group[name].attrs["dtype"] = value

    return instead(change)


def named(group, name, values, bait):
    group.file["kind"] = np.dtype("f4")
    group.create_dataset(name, data=values, dtype=group.file["kind"])


def references(group, name, values, bait):
    made = group.create_dataset(name, values.shape, dtype=h5py.ref_dtype)
    made[0, 0] = group.ref


def regions(group, name, values, bait):
    source = group.create_dataset("source", data=values)
    made = group.create_dataset(name, values.shape, dtype=h5py.regionref_dtype)
    made[0, 0] = source.regionref[0:2, 0:2]


def lengths(group, name, values, bait):
    made = group.create_dataset(name, values.shape, dtype=h5py.vlen_dtype(np.dtype("f4")))
    made[0, 0] = np.zeros(1000, "f4")


def masked(group, name, values, bait):
    made = group.create_dataset(name, values.shape, "f4", chunks=values.shape, compression="gzip")
    made.id.write_direct_chunk((0, 0), values.tobytes(), filter_mask=1)


def counted(file, where, bait):
    """An attribute beside the kernel says a checksum of many numbers."""
    file[where].attrs["crc32"] = np.zeros(5000, "u4")


REAL = "real numbers"
NAMES = {
    "complex": (of(lambda v: v.astype("c8")), REAL),
    "booleans": (of(lambda v: v > 0), REAL),
    "half precision complex": (of(lambda v: v.astype("c16")), REAL),
    "text of fixed length": (of(lambda v: v.astype("S8")), REAL),
    "text": (of(lambda v: "text"), REAL),
    "long double": (of(lambda v: v.astype(np.longdouble)), REAL),
    "records": (of(lambda v: np.zeros(v.shape, "f4,f4")), REAL),
    "records of names": (of(lambda v: np.zeros(v.shape, [("__class__", "f4")])), REAL),
    "arrays in arrays": (of(lambda v: np.zeros(v.shape, "(64,)f4,f4")), REAL),
    "opaque bytes": (of(lambda v: np.zeros(v.shape, "V4")), REAL),
    "opaque bytes without a marker": (typed(lambda: opaque(b"V2")), REAL),
    "integers for floats": (of(lambda v: v.astype("i4")), "int32"),
    "unsigned integers": (of(lambda v: v.astype("u8")), "uint64"),
    "integers of three bytes": (typed(odd_integer), ""),
    "integers of sixteen bytes": (typed(wide_integer), ""),
    "a float of its own": (typed(own_float), ""),
    "bit fields": (typed(lambda: h5py.h5t.STD_B32LE), ""),
    "times": (typed(lambda: h5py.h5t.UNIX_D32LE), ""),
    "references": (instead(references), REAL),
    "regions": (instead(regions), ""),
    "lists of any length": (instead(lengths), REAL),
    "a null space": (instead(lambda g, n, v, b: g.create_dataset(n, dtype="f4")), "no shape"),
    "a null text": (instead(lambda g, n, v, b: g.create_dataset(n, data=h5py.Empty("S4"))), ""),
    "a scalar": (of(lambda v: np.float32(0)), ""),
    "a group for an array": (instead(lambda g, n, v, b: g.create_group(n)), ""),
    "nothing": (instead(lambda g, n, v, b: None), ""),
    "numbers too large": (of(lambda v: v.astype("f8") * 1e300), "can't hold"),
    "marker of another type": (marked(3), "texts"),
    "marker that is a long list": (marked(np.zeros(8000)), "texts"),
    "marker of other text": (marked("float8"), REAL),
    "checksum that is a list": (counted, "checksum"),
    "unknown filter": (filtered((32001, (1,))), "filters"),
    "unknown private filter": (filtered((40000, ())), "filters"),
    "scale-offset": (
        instead(lambda g, n, v, b: g.create_dataset(n, data=v, scaleoffset=3, chunks=v.shape)),
        "filters",
    ),
    "lzf": (instead(lambda g, n, v, b: g.create_dataset(n, data=v, compression="lzf")), "filters"),
    "n-bit": (filtered((5, ())), "filters"),
    "deflate twice": (filtered((1, (9,)), (1, (9,))), "filters"),
    "every filter in the wrong order": (filtered((3, ()), (1, (9,)), (2, (4,))), ""),
    "a chunk past its filters": (instead(masked), "packed"),
}

ATTACKS = [
    *(Attack(name, "arrays", change, says) for name, (change, says) in NAMES.items()),
    Attack("brain floats as Keras writes them", "arrays", marked("bfloat16", filled=True), loads=True),
    Attack("a named type", "arrays", instead(named), "neither|named"),
    Attack(
        "a type in the place of a layer",
        "arrays",
        lambda file, where, bait: file.__setitem__(where.rpartition("/")[0] + "/type", np.dtype("f4")),
        "neither",
    ),
]
