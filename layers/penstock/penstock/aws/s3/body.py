"""What is sent as one part: in pieces, as often as it has to go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import md5

from penstock.aws.s3.body_port import Body
from penstock.codecs.checksum import crc32
from penstock.limits import KIB

# Large enough that a request's pieces cost no CPU to speak of, small enough to be hashed and sent while they are still
# in the processor's cache; and each has its own time to go: a part of 8 MiB in one piece would be a minute without a
# sign of life on a home's uplink, all of which counts as one timeout.
PIECE = 256 * KIB


class HeldBody:
    """Implements ``Body`` on bytes in memory, for what cannot be read twice."""

    def __init__(self, data: bytearray) -> None:
        self._data = memoryview(data)

    def __len__(self) -> int:
        return len(self._data)

    def pieces(self, start: int = 0) -> Iterator[memoryview]:
        for at in range(start, len(self._data), PIECE):
            yield self._data[at : at + PIECE]


class FileBody:
    """Implements ``Body`` on ``size`` bytes of a file. Memory: ``buffer``, where one piece at a time is.

    ``read_into`` fills a piece with the bytes from an offset of the file on, or raises.
    """

    def __init__(self, read_into: Callable[[memoryview, int], None], offset: int, size: int, buffer: bytearray) -> None:
        self._read_into = read_into
        self._offset = offset
        self._size = size
        self._buffer = memoryview(buffer)

    def __len__(self) -> int:
        return self._size

    def pieces(self, start: int = 0) -> Iterator[memoryview]:
        for at in range(start, self._size, len(self._buffer)):
            piece = self._buffer[: self._size - at]
            self._read_into(piece, self._offset + at)
            yield piece


def crc32_of(body: Body) -> int:
    """Reads all of it."""
    value = 0
    for piece in body.pieces():
        value = crc32(piece, value)
    return value


def md5_of(body: Body) -> bytes:
    """Reads all of it."""
    digest = md5(usedforsecurity=False)
    for piece in body.pieces():
        digest.update(piece)
    return digest.digest()
