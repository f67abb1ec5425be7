"""HDF5's global heap, where texts of any length lie, read without HDF5: a damaged one lets the library hang.

A collection: "GCOL", version, its size; then objects: number, (unused), size, data padded to 8 bytes.
"""

import struct

from kerasette.saving.faults import load_error
from kerasette.saving.stored import Source

LARGEST = 32 << 20  # bytes of a collection
_SIGN, _HEAD = b"GCOL\x01", 16


class Heap:
    """The texts that references lead to.

    Args:
        source: of the file.
        who: for messages.
    """

    def __init__(self, source: Source, who: str):
        self._source, self._who = source, who
        self._known = {}  # address of a collection -> (its bytes, {number: (where, size)})

    def text(self, length: int, address: int, number: int) -> bytes:
        """Returns the bytes of one reference; LoadError where nothing of that length is there."""
        if length == 0:
            return b""
        if address not in self._known:
            self._known[address] = self._collection(address)
        data, objects = self._known[address]
        start, size = objects.get(number, (0, -1))
        if size < length:
            raise load_error(f"{self._who} leads to a text that isn't there.")
        return data[start : start + length]

    def _collection(self, address):
        head = self._bytes(address, _HEAD)
        (size,) = struct.unpack_from("<Q", head, 8)
        if not head.startswith(_SIGN) or not _HEAD <= size <= LARGEST:
            raise load_error(f"{self._who} leads to a place where no texts are.")
        data, objects, at = self._bytes(address, size), {}, _HEAD
        while at + _HEAD <= size:
            number, length = struct.unpack_from("<H6xQ", data, at)
            if number == 0 or at + _HEAD + length > size:
                break  # the rest is free
            objects.setdefault(number, (at + _HEAD, length))
            at += _HEAD + -(-length // 8) * 8
        return data, objects

    def _bytes(self, offset, size):
        data = bytearray(size)
        if self._source.read(offset, memoryview(data)) < 0:
            raise load_error(f"{self._who} leads out of the file.")
        return bytes(data)
