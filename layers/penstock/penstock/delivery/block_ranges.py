"""Reads small ranges of a source from blocks that are kept, so that members that lie together share a request."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator
from concurrent.futures import Future
from threading import Lock

from penstock.limits import MIB
from penstock.model.source import RangeReader

# A request takes as long as receiving 1 to 2 MiB.
BLOCK = 1 * MIB
# Threads that read members in order are in two adjacent blocks; the others are for what lies at the end of an archive.
BLOCKS = 4


class BlockRanges:
    """Implements ``RangeReader``, for several threads at once. Raises the errors of ``reader``.

    A range of at most ``block`` bytes comes from the blocks that hold it; a longer one has a request of its own, which
    streams. Memory: ``blocks`` times ``block`` bytes, and one more block for each thread that waits for one.
    """

    def __init__(self, reader: RangeReader, *, block: int = BLOCK, blocks: int = BLOCKS) -> None:
        self._reader = reader
        self._block = block
        self._most = blocks
        self._kept: OrderedDict[int, Future[bytes]] = OrderedDict()
        self._lock = Lock()

    @property
    def size(self) -> int:
        return self._reader.size

    def read(self, start: int, end: int) -> Generator[bytes, None, None]:
        if end - start > self._block:
            yield from self._reader.read(start, end)
            return
        while start < end:
            number, offset = divmod(start, self._block)
            piece = self._get(number)[offset : offset + end - start]
            if not piece:  # the source is shorter than its size says
                return
            yield piece
            start += len(piece)

    def _get(self, number: int) -> bytes:
        """Return a block. The first thread that needs it reads it, and the others wait."""
        with self._lock:
            known = self._kept.get(number)
            if known:
                self._kept.move_to_end(number)
            else:
                reading: Future[bytes] = Future()
                self._kept[number] = reading
                if len(self._kept) > self._most:
                    self._kept.popitem(last=False)
        if known:
            return known.result()
        start = number * self._block
        try:
            data = b"".join(self._reader.read(start, min(start + self._block, self.size)))
        except BaseException as error:
            with self._lock:  # the next one tries again
                if self._kept.get(number) is reading:
                    del self._kept[number]
            reading.set_exception(error)
            raise
        reading.set_result(data)
        return data
