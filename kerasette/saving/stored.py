"""Arrays as a file holds them: their bytes, their checksums, and how they are read."""

import math
import os
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from kerasette.saving.faults import faults, load_error

CHECKSUM = "crc32"  # attribute of each dataset that we write
BLOCK = 1 << 19  # bytes that are read and summed while they are in the processor's cache
PART = 1 << 24  # bytes that one thread sums
LARGE = 1 << 22  # bytes from which on several threads are worth their start
THREADS = min(4, os.cpu_count() or 1)


def raw(array: np.ndarray) -> np.ndarray:
    """Returns the array's bytes, in C order and little-endian; its own bytes where they are so."""
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return array.reshape(-1).view(np.uint8)


def checksum(array: np.ndarray) -> int:
    """Returns the CRC-32 of the array's bytes, in C order and little-endian."""
    return zlib.crc32(raw(array))


def each(function, items: list, size: int) -> list:
    """Returns what `function` makes of each item; where they are of many bytes, by several threads."""
    if size < LARGE or THREADS == 1:
        return [function(item) for item in items]
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(function, items))


def joined_sum(sums: list[int], sizes: list[int]) -> int:
    """Returns the CRC-32 of bytes of which the parts' sums are known.

    That of A + B is x ** (8 * size of B) * crc(A) + crc(B), modulo the polynomial of CRC-32.
    """
    total = 0
    for one, size in zip(sums, sizes, strict=True):
        total = _product(_power(size), total) ^ one
    return total


def _power(size):
    """Returns x ** (8 * size) modulo the polynomial; bit 31 is x ** 0."""
    result, factor = 1 << 31, 1 << 23
    while size:
        if size & 1:
            result = _product(factor, result)
        factor = _product(factor, factor)
        size >>= 1
    return result


def _product(a, b):
    """Returns the product of two polynomials with coefficients 0 and 1, modulo that of CRC-32."""
    result = 0
    for bit in range(31, -1, -1):
        if a >> bit & 1:
            result ^= b
        b = b >> 1 ^ (0xEDB88320 if b & 1 else 0)
    return result


class Source:
    """The bytes of an open file, for reading past HDF5.

    Args:
        descriptor: of the open file.
        start: where in it HDF5's part begins.
    """

    __slots__ = ("_lock", "descriptor", "start")

    def __init__(self, descriptor: int, start: int = 0):
        self.descriptor, self.start = descriptor, start
        self._lock = threading.Lock()

    def read(self, offset: int, view: memoryview) -> int:
        """Fills `view` with the bytes from `offset` on; returns their CRC-32, or -1 where the file ends."""
        done = total = 0
        while done < len(view):
            block = view[done : done + BLOCK]
            count = self._fill(block, self.start + offset + done)
            if not count:
                return -1
            total = zlib.crc32(block[:count], total)
            done += count
        return total

    def checksum(self, offset: int, size: int) -> int:
        """Returns the CRC-32 of `size` bytes from `offset` on, or -1 where the file ends before."""

        def part(begin):
            block, total = memoryview(bytearray(BLOCK)), 0
            for at in range(begin, min(begin + PART, size), BLOCK):
                view = block[: min(BLOCK, begin + PART - at, size - at)]
                done = 0
                while done < len(view):
                    count = self._fill(view[done:], self.start + offset + at + done)
                    if not count:
                        return -1
                    done += count
                total = zlib.crc32(view, total)
            return total

        begins = range(0, size, PART)
        sums = each(part, begins, size)
        return -1 if -1 in sums else joined_sum(sums, [min(PART, size - begin) for begin in begins])

    def _fill(self, block, offset):
        if hasattr(os, "preadv"):
            return os.preadv(self.descriptor, [block], offset)
        with self._lock:  # systems that have one place in a file for all threads
            os.lseek(self.descriptor, offset, os.SEEK_SET)
            data = os.read(self.descriptor, len(block))
        block[: len(data)] = data
        return len(data)


class Stored:
    """One dataset of an open file: its claims are checked, its values not read yet.

    Attributes:
        name: path in the file.
        shape: tuple of whole numbers.
        dtype: NumPy's type of the values, in the machine's byte order.
        plain: None, or (Source, where the values begin): they lie there as they are.
        chunks: None, or the Chunks in which they lie.
    """

    __slots__ = ("_bfloat16", "_dataset", "_path", "chunks", "dtype", "name", "plain", "shape")

    def __init__(self, path, name, dataset, bfloat16):
        self._path, self._dataset, self._bfloat16 = path, dataset, bfloat16
        self.name, self.plain, self.chunks = name, None, None
        self.shape = tuple(dataset.shape)
        self.dtype = np.dtype("float32") if bfloat16 else dataset.dtype.newbyteorder("=")

    @property
    def elements(self) -> int:
        """Number of values, as a Python number that can't overflow."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the values in memory."""
        return self.dtype.itemsize * self.elements

    @property
    def has_checksum(self) -> bool:
        """Tells whether a checksum of ours stands beside the values."""
        return CHECKSUM in self._dataset.attrs

    def read(self) -> np.ndarray:
        """Returns the values; LoadError where a checksum of the file doesn't fit them."""
        if self.plain is not None and not self._bfloat16:
            values = np.empty(self.shape, self._dataset.dtype)
            self.read_into(values)
            return values.astype(self.dtype, copy=False)
        with faults(self._path):
            if self.chunks is not None and self.chunks.deflated:
                self.chunks.check_sizes()
            values = np.asarray(self._dataset[()])
            wanted = self._checksum()
        self._compare(wanted, lambda: checksum(values))
        if self._bfloat16:
            return (values.view("<u2").astype(np.uint32) << 16).view(np.float32)
        return values.astype(self.dtype, copy=False)

    def read_into(self, array: np.ndarray) -> None:
        """Writes the values into `array`, of the same shape; LoadError as `read`."""
        same = self._dataset.dtype == array.dtype and array.flags.c_contiguous and array.size
        if not same or self.plain is None or self._bfloat16:
            array[...] = self.read()
            return
        source, offset = self.plain
        with faults(self._path):
            wanted = self._checksum()
            found = source.read(offset, memoryview(array.reshape(-1).view(np.uint8)))
        if found < 0:
            raise load_error(f"'{self._path}' ends within the values of '{self.name}'.")
        self._compare(wanted, lambda: found)

    def _compare(self, wanted, found):
        if wanted is not None and found() != wanted:
            raise load_error(
                f"'{self._path}' is damaged: the checksum of '{self.name}' doesn't fit. Fetch it again."
            )

    def _checksum(self):
        """Returns the CRC-32 that stands beside the values, or None; anything else there is refused."""
        attributes = self._dataset.attrs
        if CHECKSUM not in attributes:
            return None
        kind = attributes.get_id(CHECKSUM)
        if kind.shape != () or kind.dtype != np.dtype("<u4"):
            raise load_error(f"'{self._path}': the checksum of '{self.name}' is of another type than ours.")
        return int(attributes[CHECKSUM])
