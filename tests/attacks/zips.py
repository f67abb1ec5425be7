"""Archives that lie: names that lead out, members twice, encrypted, linked, packed, of wrong sizes."""

import io
import stat
import struct
import warnings
import zipfile
import zlib

import h5py

from tests.attacks.good import Attack

WEIGHTS, CONFIG, METADATA = "model.weights.h5", "config.json", "metadata.json"
CENTRAL, LOCAL, END = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"


def archive(members, **packing):
    """Returns a zip archive of [(name or ZipInfo, bytes)]."""
    made = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(made, "w", **packing) as file:
        warnings.simplefilter("ignore")  # zipfile warns of members that are there twice
        for name, data in members:
            file.writestr(name, data)
    return made.getvalue()


def info(name, **attributes):
    """Returns a ZipInfo with other attributes than usual."""
    made = zipfile.ZipInfo(name)
    for key, value in attributes.items():
        setattr(made, key, value)
    return made


def added(*names, data=b"evil"):
    """Returns a change that adds members of these names."""
    return lambda members, path, bait: archive([*members.items(), *((name, data) for name in names)])


def without(name):
    """Returns a change that leaves a member out."""
    return lambda members, path, bait: archive([pair for pair in members.items() if pair[0] != name])


def packed(method, *names):
    """Returns a change that compresses some members, or all."""

    def change(members, path, bait):
        pairs = [
            (info(name, compress_type=method if not names or name in names else 0), data)
            for name, data in members.items()
        ]
        return archive(pairs)

    return change


def bytes_of(members):
    """Returns the good archive, stored as it is."""
    return bytearray(archive(members.items()))


def patched(sign, offset, form, value, of=WEIGHTS):
    """Returns a change that overwrites a field of one member's header (`sign`: LOCAL or CENTRAL)."""

    def change(members, path, bait):
        data = bytes_of(members)
        start = header(data, sign, of)
        struct.pack_into(form, data, start + offset, value)
        return bytes(data)

    return change


def header(data, sign, name):
    """Returns where a header of a member begins."""
    size = 30 if sign == LOCAL else 46
    start = 0
    while True:
        start = data.index(sign, start)
        if data[start + size : start + size + len(name)] == name.encode():
            return start
        start += 4


def everywhere(offset_local, offset_central, form, value, of=WEIGHTS):
    """Returns a change that overwrites a field in both headers of one member."""

    def change(members, path, bait):
        data = bytes_of(members)
        struct.pack_into(form, data, header(data, LOCAL, of) + offset_local, value)
        struct.pack_into(form, data, header(data, CENTRAL, of) + offset_central, value)
        return bytes(data)

    return change


def ending(offset, form, value):
    """Returns a change that overwrites a field of the record that ends the archive."""

    def change(members, path, bait):
        data = bytes_of(members)
        struct.pack_into(form, data, data.rindex(END) + offset, value)
        return bytes(data)

    return change


def blanks(size):
    """Returns `size` blanks (whole MiB), deflated: one piece, repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    piece = packer.compress(b" " * (1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return piece * (size >> 20) + b"\x03\x00"


def bomb(name, size):
    """Returns a change that lets a member unpack to `size` spaces."""

    def change(members, path, bait):
        raw = blanks(size)
        crc = zlib.crc32(b" " * size) if size < 1 << 25 else 0
        return by_hand(
            [(n, d, 0, len(d), zlib.crc32(d)) for n, d in members.items() if n != name]
            + [(name, raw, 8, size, crc)]
        )

    return change


def lying_bomb(members, path, bait):
    """The configuration claims a few bytes and unpacks to 400 MB."""
    data = blanks(400 << 20)
    rest = [(n, d, 0, len(d), zlib.crc32(d)) for n, d in members.items() if n != CONFIG]
    return by_hand([*rest, (CONFIG, data, 8, 1000, 0)])


def by_hand(members):
    """Returns an archive of [(name, raw bytes, method, size, checksum)], headers as told."""
    body, central = b"", b""
    for name, raw, method, size, crc in members:
        fields = struct.pack("<HHHLLLHH", method, 0, 33, crc, len(raw), size, len(name), 0)
        central += (
            CENTRAL + struct.pack("<HHH", 20, 20, 0) + fields + struct.pack("<HHHLL", 0, 0, 0, 0, len(body))
        )
        central += name.encode()
        body += LOCAL + struct.pack("<HH", 20, 0) + fields + name.encode() + raw
    end = END + struct.pack("<HHHHLLH", 0, 0, len(members), len(members), len(central), len(body), 0)
    return body + central + end


def same_place(members, path, bait):
    """Two members whose bytes are the same ones."""
    data = bytes_of(members)
    place = struct.unpack_from("<L", data, header(data, CENTRAL, CONFIG) + 42)[0]
    struct.pack_into("<L", data, header(data, CENTRAL, WEIGHTS) + 42, place)
    return bytes(data)


def many(members, path, bait):
    """Tens of thousands of empty members."""
    return archive([*members.items(), *((f"{k}", b"") for k in range(20_000))])


def zip64(size):
    """Returns a change whose larger end record tells of a list of `size` bytes."""

    def change(members, path, bait):
        data = bytes_of(members)
        end = data.rindex(END)
        start = struct.unpack_from("<L", data, end + 16)[0]
        record = b"PK\x06\x06" + struct.pack("<QHHLLQQQQ", 44, 45, 45, 0, 0, 3, 3, size, start)
        locator = b"PK\x06\x07" + struct.pack("<LQL", 0, end, 1)
        struct.pack_into("<LL", data, end + 12, 0xFFFFFFFF, 0xFFFFFFFF)
        return bytes(data[:end]) + record + locator + bytes(data[end:])

    return change


def zip64_hole(members, path, bait):
    """A list of members that is said to be three gigabytes long, and a file that is as long as that."""
    data = zip64(3 << 30)(members, path, bait)
    end = data.index(b"PK\x06\x06")
    with open(path, "wb") as file:
        file.write(data[:end])
        file.seek(3 << 30, io.SEEK_CUR)
        at = file.tell()
        tail = bytearray(data[end:])
        struct.pack_into("<Q", tail, tail.index(b"PK\x06\x07") + 8, at)
        file.write(tail)


def truncated(part):
    """Returns a change that keeps the first `part` of the file."""

    def change(members, path, bait):
        data = bytes_of(members)
        return bytes(data[: int(len(data) * part)])

    return change


def nested(members, path, bait):
    """Weights that are an archive themselves."""
    return archive({**members, WEIGHTS: archive(members.items())}.items())


def linking(members, path, bait):
    """Weights that are a symbolic link."""
    link = info(WEIGHTS, external_attr=(stat.S_IFLNK | 0o777) << 16, create_system=3)
    pairs = [pair for pair in members.items() if pair[0] != WEIGHTS]
    return archive([*pairs, (link, str(bait / "other.h5"))])


def of_type(kind):
    """Returns a change that gives the weights another file type."""

    def change(members, path, bait):
        link = info(WEIGHTS, external_attr=(kind | 0o644) << 16, create_system=3)
        return archive([(link if name == WEIGHTS else name, data) for name, data in members.items()])

    return change


def twice(name, data=None):
    """Returns a change that adds a member that is there already."""

    def change(members, path, bait):
        return archive([*members.items(), (name, members[name] if data is None else data)])

    return change


def other_weights(make):
    """Returns a change that stores `make(weights, bait)` as the weights."""
    return lambda members, path, bait: archive({**members, WEIGHTS: make(members[WEIGHTS], bait)}.items())


def blocked(weights, bait):
    """The weights behind a user's block."""
    made = io.BytesIO()
    with h5py.File(made, "w", userblock_size=512) as file, h5py.File(io.BytesIO(weights), "r") as source:
        for name in source:
            source.copy(name, file)
    return made.getvalue()


def metadata(text):
    """Returns a change of metadata.json."""
    return lambda members, path, bait: archive({**members, METADATA: text}.items())


def flags(value):
    """Returns a change of the weights' flags in both headers."""
    return everywhere(6, 8, "<H", value)


ATTACKS = [
    *(
        Attack(f"a member called {name!r}", "zip", added(name))
        for name in (
            "../evil.py",
            "/etc/evil",
            "..\\evil.py",
            "C:\\evil.py",
            "evil.py",
            "assets/",
            "assets/words.txt",
            "model.weights.h5/evil",
            "MODEL.WEIGHTS.H5",
            "./config.json",
            "config.json\0.txt",
            "ü" * 200,
            "x" * 60_000,
        )
    ),
    *(Attack(f"{name} twice", "zip", twice(name), "twice|members") for name in (WEIGHTS, CONFIG, METADATA)),
    Attack("a second configuration", "zip", twice(CONFIG, b"{}"), "twice|members"),
    *(Attack(f"without {name}", "zip", without(name)) for name in (WEIGHTS, CONFIG)),
    Attack("without metadata.json", "zip", without(METADATA), loads=True),
    Attack("weights deflated", "zip", packed(zipfile.ZIP_DEFLATED, WEIGHTS), "stored"),
    Attack("configuration deflated", "zip", packed(zipfile.ZIP_DEFLATED, CONFIG), loads=True),
    Attack("everything in bzip2", "zip", packed(zipfile.ZIP_BZIP2)),
    Attack("everything in lzma", "zip", packed(zipfile.ZIP_LZMA)),
    Attack("an unknown method", "zip", everywhere(8, 10, "<H", 97)),
    Attack("a method of one header", "zip", patched(LOCAL, 8, "<H", 8)),
    Attack("encrypted", "zip", flags(1), "encrypted"),
    Attack("strongly encrypted", "zip", flags(0x41), "encrypted"),
    Attack("patched data", "zip", flags(0x20)),
    Attack("masked headers", "zip", flags(0x2000), "encrypted"),
    Attack("sizes behind the data", "zip", flags(8), loads=True),
    Attack("encrypted in one header", "zip", patched(LOCAL, 6, "<H", 1)),
    Attack("a symbolic link", "zip", linking, "link"),
    Attack("a pipe as member", "zip", of_type(stat.S_IFIFO), "link"),
    Attack("a device as member", "zip", of_type(stat.S_IFCHR), "link"),
    Attack("a directory as member", "zip", of_type(stat.S_IFDIR), "link"),
    Attack("a configuration of 1 GB", "zip", bomb(CONFIG, 1 << 30), "allowed"),
    Attack("metadata of 400 MB", "zip", bomb(METADATA, 400 << 20), "allowed"),
    Attack("a configuration of 15 MB of blanks", "zip", bomb(CONFIG, 15 << 20)),
    Attack("weights of 1 GB", "zip", bomb(WEIGHTS, 1 << 30), "stored"),
    Attack("a bomb that claims little", "zip", lying_bomb),
    Attack("size too large", "zip", everywhere(22, 24, "<L", 1 << 30)),
    Attack("both sizes too large", "zip", lambda members, path, bait: struct_both(members, 1 << 30)),
    Attack("both sizes too small", "zip", lambda members, path, bait: struct_both(members, 1000)),
    Attack("both sizes zero", "zip", lambda members, path, bait: struct_both(members, 0)),
    Attack("size in one header", "zip", patched(LOCAL, 22, "<L", 10)),
    Attack("another name in one header", "zip", patched(LOCAL, 30, "<4s", b"evil")),
    Attack("a wrong checksum", "zip", everywhere(14, 16, "<L", 1), "checksum"),
    Attack("a wrong checksum in one header", "zip", patched(LOCAL, 14, "<L", 1)),
    Attack("a member outside", "zip", patched(CENTRAL, 42, "<L", 0x7FFFFFFF)),
    Attack("a member at the list of members", "zip", patched(CENTRAL, 42, "<L", 0)),
    Attack("two members in one place", "zip", same_place),
    Attack("a long extra field", "zip", patched(LOCAL, 28, "<H", 0xFFFF)),
    Attack("a long name", "zip", patched(CENTRAL, 28, "<H", 0xFFFF)),
    Attack("a comment of one member", "zip", patched(CENTRAL, 32, "<H", 0xFFFF)),
    Attack("other disks", "zip", ending(4, "<H", 7)),
    Attack("more members than there are", "zip", ending(10, "<H", 60_000)),
    Attack("fewer members than there are", "zip", ending(10, "<H", 1)),
    Attack("a list at the wrong place", "zip", ending(16, "<L", 0)),
    Attack("a list of no length", "zip", ending(12, "<L", 0)),
    Attack("a comment", "zip", ending(20, "<H", 100)),
    Attack("twenty thousand members", "zip", many, "members|wrong place|larger"),
    Attack("a larger end record", "zip", zip64(1 << 62)),
    Attack("a list of three gigabytes", "zip", zip64_hole),
    Attack("an archive in an archive", "zip", nested),
    Attack("behind something else", "zip", lambda members, path, bait: b"#!/bin/sh\n" + bytes_of(members)),
    Attack("two archives", "zip", lambda members, path, bait: bytes(bytes_of(members) * 2)),
    Attack("before something else", "zip", lambda members, path, bait: bytes(bytes_of(members)) + b"x"),
    *(Attack(f"{part:.0%} of an archive", "zip", truncated(part), "truncated") for part in (0.1, 0.5, 0.99)),
    Attack("weights that are no HDF5", "zip", other_weights(lambda data, bait: b"evil" * 1000)),
    Attack("weights that are empty", "zip", other_weights(lambda data, bait: b"")),
    Attack("weights that are half", "zip", other_weights(lambda data, bait: data[: len(data) // 2])),
    Attack("weights behind a user's block", "zip", other_weights(blocked)),
    Attack("weights that are a pickle", "zip", other_weights(lambda data, bait: b"\x80\x04cos\nsystem\n.")),
    Attack("metadata that is no JSON", "zip", metadata(b"\xff\xfe")),
    Attack("metadata that is a list", "zip", metadata(b"[]")),
    Attack("metadata that is deep", "zip", metadata(b"[" * 100_000)),
    Attack("metadata twice the same key", "zip", metadata(b'{"keras_version": "3", "keras_version": "4"}')),
    Attack(
        "a version that is no text",
        "zip",
        metadata(b'{"keras_version": {"a": 1}, "date_saved": []}'),
        loads=True,
    ),
    Attack("a version from the future", "zip", metadata(b'{"keras_version": "99.0"}'), loads=True),
    Attack(
        "a version of many letters",
        "zip",
        metadata(b'{"keras_version": "' + b"9" * 500_000 + b'"}'),
        loads=True,
    ),
]


def struct_both(members, size):
    """Returns an archive whose weights are said to have `size` bytes, everywhere."""
    data = bytes_of(members)
    local, central = header(data, LOCAL, WEIGHTS), header(data, CENTRAL, WEIGHTS)
    for start in (local + 18, local + 22, central + 20, central + 24):
        struct.pack_into("<L", data, start, size)
    return bytes(data)
