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
PART = 1 << 23  # bytes that one thread reads or sums at a time
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
    if size < LARGE or THREADS == 1 or len(items) == 1:
        return [function(item) for item in items]
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(function, items))


def checksums(buffers: list) -> list[int]:
    """Returns the CRC-32 of each buffer of bytes; several threads share large ones evenly."""
    views = [memoryview(buffer) for buffer in buffers]
    parts = [view[begin : begin + length] for view in views for begin, length in _cut(len(view))]
    sums = iter(each(zlib.crc32, parts, sum(map(len, views))))
    sizes = [[length for _, length in _cut(len(view))] for view in views]
    return [joined_sum([next(sums) for _ in own], own) for own in sizes]


def _cut(size):
    """Returns [(begin, length)] of the parts of so many bytes."""
    return [(begin, min(PART, size - begin)) for begin in range(0, size, PART)]


def joined_sum(sums: list[int], sizes: list[int]) -> int:
    """Returns the CRC-32 of bytes of which the parts' sums are known.

    That of A + B is x ** (8 * size of B) * crc(A) + crc(B), modulo the polynomial of CRC-32.
    """
    total = 0
    for one, size in zip(sums, sizes, strict=True):
        total = (_product(_power(size), total) if total else 0) ^ one
    return total


def _joined(sums, sizes):
    """Returns the CRC-32 of all parts; -1 where that of one is."""
    return -1 if -1 in sums else joined_sum(sums, sizes)


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

    def read(self, offset: int, view: memoryview, look=None) -> int:
        """Fills `view` with the bytes from `offset` on; returns their CRC-32, or -1 where the file ends.

        `look` is called with each block of bytes, while it still is in the processor's cache.
        """
        total = 0
        for begin in range(0, len(view), BLOCK):
            block = view[begin : begin + BLOCK]
            if not self._fill(block, offset + begin):
                return -1
            total = zlib.crc32(block, total)
            if look is not None:
                look(block)
        return total

    def checksum(self, offset: int, size: int) -> int:
        """Returns the CRC-32 of `size` bytes from `offset` on, or -1 where the file ends before."""

        def part(place):
            begin, length = place
            block, total = memoryview(bytearray(BLOCK)), 0
            for at in range(begin, begin + length, BLOCK):
                view = block[: min(BLOCK, begin + length - at)]
                if not self._fill(view, offset + at):
                    return -1
                total = zlib.crc32(view, total)
            return total

        parts = _cut(size)
        return _joined(each(part, parts, size), [length for _, length in parts])

    def _fill(self, view, offset):
        """Fills `view` with the bytes from `offset` on; tells whether the file has as many."""
        done = 0
        while done < len(view):
            count = self._read(view[done:], self.start + offset + done)
            if not count:
                return False
            done += count
        return True

    def _read(self, block, offset):
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
            wanted = self.checksum()
        self.compare(wanted, checksum(values))
        if self._bfloat16:
            return (values.view("<u2").astype(np.uint32) << 16).view(np.float32)
        return values.astype(self.dtype, copy=False)

    def read_into(self, array: np.ndarray) -> None:
        """Writes the values into `array`, of the same shape; LoadError as `read`."""
        read_all(self._path, [(self, array)])

    def lies_as(self, array: np.ndarray) -> bool:
        """Tells whether the file holds just the bytes that `array` would have."""
        same = self._dataset.dtype == array.dtype and array.flags.c_contiguous
        return bool(same and self.plain is not None and not self._bfloat16)

    def compare(self, wanted: int | None, found: int) -> None:
        """Raises LoadError unless the CRC-32 `found` is that of the file; -1 stands for a file that ends."""
        if found < 0:
            raise load_error(f"'{self._path}' ends within the values of '{self.name}'.")
        if wanted is not None and found != wanted:
            raise load_error(
                f"'{self._path}' is damaged: the checksum of '{self.name}' doesn't fit. Fetch it again."
            )

    def checksum(self) -> int | None:
        """Returns the CRC-32 that stands beside the values, or None; anything else there is refused."""
        attributes = self._dataset.attrs
        if CHECKSUM not in attributes:
            return None
        kind = attributes.get_id(CHECKSUM)
        if kind.shape != () or kind.dtype != np.dtype("<u4"):
            raise load_error(f"'{self._path}': the checksum of '{self.name}' is of another type than ours.")
        return int(attributes[CHECKSUM])


def read_all(path: str, jobs: list) -> list[bool]:
    """Fills arrays with the values of a file; several threads share the bytes evenly.

    Args:
        path: of the file, for messages.
        jobs: [(Stored, array)], of equal shapes.

    Returns:
        For each array whether the sums of its parts are finite; only where not can it hold NaN or infinity.

    Raises:
        LoadError: where the file ends before, or a checksum of it doesn't fit.
    """
    plain = [(number, *job) for number, job in enumerate(jobs) if job[0].lies_as(job[1])]
    doubtful, parts = set(), []
    for number, item, array in plain:
        view = memoryview(array.reshape(-1).view(np.uint8))
        parts += [(number, *item.plain, begin, view[begin : begin + size]) for begin, size in _cut(len(view))]

    def read(part):
        number, source, offset, begin, view = part
        dtype = jobs[number][1].dtype

        def look(block):
            if not _has_finite_sum(np.frombuffer(block, dtype)):
                doubtful.add(number)

        return source.read(offset + begin, view, look)

    with faults(path):
        wanted = [item.checksum() for _, item, _ in plain]
        sums = iter(each(read, parts, sum(len(view) for *_, view in parts)))
    for (_, item, array), total in zip(plain, wanted, strict=True):
        sizes = [size for _, size in _cut(array.nbytes)]
        item.compare(total, _joined([next(sums) for _ in sizes], sizes))
    for number, (item, array) in enumerate(jobs):
        if not item.lies_as(array):
            array[...] = item.read()
            if not _has_finite_sum(array):
                doubtful.add(number)
    return [number not in doubtful for number in range(len(jobs))]


def _has_finite_sum(array):
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(array.sum()))
