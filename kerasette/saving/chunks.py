"""Arrays that HDF5 keeps in chunks: what each chunk may be, and that it unpacks to just its own size.

HDF5 itself unpacks a chunk to whatever is in it: more fills the memory, less leaves what lay there before.
"""

import zlib

from kerasette.saving.faults import load_error

FILTERS = {2: "shuffle", 1: "deflate", 3: "fletcher32"}  # in the order in which they may stand
DEFLATE, FLETCHER32 = 1, 3
LEAST_CHUNK = 1 << 20  # bytes that a chunk may always have
SUM_BYTES = 4  # that fletcher32 puts behind a chunk


class Chunks:
    """The chunks of one dataset, their claims checked.

    Attributes:
        places: h5py's StoreInfo of each: where its bytes lie in the file.
        deflated: whether they are packed; then `check_sizes` has to come before HDF5 reads them.
    """

    __slots__ = ("_dataset", "_size", "_tail", "_who", "deflated", "places")

    def __init__(self, who, dataset, settings, nominal):
        self._who, self._dataset = who, dataset
        filters = [settings.get_filter(index)[0] for index in range(settings.get_nfilters())]
        if filters != [code for code in FILTERS if code in filters]:
            raise load_error(
                f"{who} is packed by the filters {filters[:8]};",
                f"known are {', '.join(FILTERS.values())}, once each and in this order.",
            )
        self.deflated = DEFLATE in filters
        self._tail = SUM_BYTES * (FLETCHER32 in filters)
        self._size, wanted = dataset.dtype.itemsize, 1
        for length, part in zip(dataset.shape, settings.get_chunk(), strict=True):
            self._size *= part
            wanted *= -(-length // part)
        if self._size > max(2 * nominal, LEAST_CHUNK):
            raise load_error(f"{who} has {nominal} bytes in chunks of {self._size}.")
        self.places = []
        dataset.id.chunk_iter(self.places.append)
        if len(self.places) != wanted:
            raise load_error(f"{who} should have {wanted} chunks and has {len(self.places)}.")
        for place in self.places:
            if place.filter_mask or not self._may_take(place.size):
                raise load_error(f"{who}: a chunk isn't packed as the array says.")

    def _may_take(self, stored):
        """Tells whether a chunk may take so many bytes; deflate adds a little to what it can't pack."""
        whole = self._size + self._tail
        return stored <= whole + whole // 100 + 64 if self.deflated else stored == whole

    def check_sizes(self) -> None:
        """Raises LoadError unless every chunk unpacks to its own size; takes hardly more memory than that."""
        for place in self.places:
            _, packed = self._dataset.id.read_direct_chunk(place.chunk_offset)
            stream = zlib.decompressobj()
            data = stream.decompress(packed[: len(packed) - self._tail], self._size + 1)
            if len(data) != self._size or not stream.eof:
                raise load_error(f"{self._who}: a chunk isn't packed as the array says.")
