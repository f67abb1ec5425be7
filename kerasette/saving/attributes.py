"""Texts in the attributes of HDF5 groups: their lengths are looked up in the file before HDF5 reads them.

A list of texts is a list of references to places in the file, and thousands of them may name one text
of megabytes: HDF5 would make a copy for each, and it hangs where the place is damaged. So the group's
header is read here, in the form that Keras's files have ("version 1" of the HDF5 format), and the texts too.
"""

import struct

import numpy as np

from kerasette.saving.faults import faults, load_error
from kerasette.saving.heap import Heap
from kerasette.saving.stored import Source

LARGEST = 16 << 20  # bytes of one text, or of all texts of a list
MOST = 1 << 20  # texts in a list
SPLIT = 64_000  # bytes; Keras spreads longer lists over attributes called name0, name1 ...
_ATTRIBUTE, _CONTINUED, _SHARED = 0x0C, 0x10, 0x02
_REFERENCE = 16  # bytes: length, address, index


def text(h5py, path: str, group, source: Source, name: str) -> str | None:
    """Returns the text of one attribute, or None where the group has none of that name."""
    found = _texts(h5py, path, group, source, name)
    if found is not None and len(found) != 1:
        raise load_error(f"'{path}': the attribute '{name}' should be one text.")
    return None if found is None else found[0]


def texts(h5py, path: str, group, source: Source, name: str) -> list[str] | None:
    """Returns the list of texts called `name`, also where it is spread over name0, name1 ..., or None."""
    whole = _texts(h5py, path, group, source, name)
    if whole is not None:
        return whole
    found, number = None, 0
    while (part := _texts(h5py, path, group, source, f"{name}{number}")) is not None:
        found = [*(found or []), *part]
        number += 1
        if len(found) > MOST or sum(map(len, found)) > LARGEST:
            raise load_error(f"'{path}': the list '{name}' is too long.")
    return found


def _texts(h5py, path, group, source, name):
    with faults(path):
        if name not in group.attrs:
            return None
        attribute = group.attrs.get_id(name)
        kind, shape = attribute.get_type(), attribute.shape
        who = f"'{path}': the attribute '{name}' of '{group.name}'"
        if shape is None or len(shape) > 1 or (shape and shape[0] > MOST):
            raise load_error(f"{who} is neither a text nor a list of texts.")
        if shape == (0,):
            return []
        if kind.get_class() != h5py.h5t.STRING:
            raise load_error(f"{who} holds {attribute.dtype}; texts were expected.")
        count = shape[0] if shape else 1
        if kind.is_variable_str():
            address = h5py.h5o.get_info(group.id).addr
            references = _references(source, address, name.encode(), count, who)
            _check_size(who, sum(length for length, _, _ in references))
            heap = Heap(source, who)
            values = [heap.text(*reference) for reference in references]
        else:
            _check_size(who, kind.get_size() * count)
            values = np.asarray(group.attrs[name]).reshape(-1).tolist()
    return [_decoded(who, value) for value in values]


def _check_size(who, size):
    if size > LARGEST:
        raise load_error(f"{who} has {size:,} bytes; {LARGEST:,} are allowed.")


def _decoded(who, value):
    """Returns bytes as a text."""
    try:
        return value.rstrip(b"\0").decode() if isinstance(value, bytes) else str(value)
    except UnicodeDecodeError as problem:
        raise load_error(f"{who} isn't text: {problem}.") from problem


# ---------------------------------------------------------------- the group's header


def _references(source, address, name, count, who):
    """Returns (length, address of a heap, number in it) of each reference of an attribute."""
    for data in _attributes(source, address, who):
        found, values = _parted(data)
        if found == name:
            if len(values) < count * _REFERENCE:
                break
            return [struct.unpack_from("<LQL", values, k * _REFERENCE) for k in range(count)]
    raise load_error(f"{who} is written in a form that isn't read.", "Let Keras save the file again.")


def _attributes(source, address, who):
    """Yields the data of each attribute in the header at `address`."""
    version, _, _, size = struct.unpack("<BxHLL", _bytes(source, address, 12, who))
    blocks, seen = [(address + 16, size)], set()
    if version != 1:
        blocks = []
    while blocks:
        start, size = blocks.pop(0)
        if start in seen or size > LARGEST:
            raise load_error(f"{who} stands in a header that runs in circles.")
        seen.add(start)
        block, at = _bytes(source, start, size, who), 0
        while at + 8 <= size:
            kind, length, flags = struct.unpack_from("<HHB", block, at)
            data = block[at + 8 : at + 8 + length]
            at += 8 + length
            if kind == _CONTINUED and len(data) >= 16:
                blocks.append(struct.unpack_from("<QQ", data))
            elif kind == _ATTRIBUTE and not flags & _SHARED:
                yield data


def _parted(data):
    """Returns the name and the values of an attribute, given the data of its message."""
    if len(data) < 9 or data[0] not in (1, 2, 3):
        return b"", b""
    version, name, kind, space = struct.unpack_from("<BxHHH", data)
    start = 9 if version == 3 else 8
    padded = (lambda size: -(-size // 8) * 8) if version == 1 else (lambda size: size)
    return data[start : start + name].split(b"\0")[0], data[start + sum(map(padded, (name, kind, space))) :]


def _bytes(source, offset, size, who):
    data = bytearray(size)
    if source.read(offset, memoryview(data)) < 0:
        raise load_error(f"{who} stands in a header that the file doesn't have.")
    return bytes(data)
