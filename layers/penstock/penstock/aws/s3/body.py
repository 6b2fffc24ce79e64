"""The body of a part: it is sent in pieces, and can be sent again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import md5

from penstock.aws.s3.body_port import Body
from penstock.codecs.checksum import crc32
from penstock.limits import KIB

# Large enough that the pieces of a request cost little CPU, small enough to be hashed and sent while they are in the
# processor's cache. Each piece has its own timeout: on a home uplink, a part of 8 MiB in one piece would take a minute
# without progress, against a single timeout.
PIECE = 256 * KIB


class HeldBody:
    """Implements ``Body`` on bytes in memory, for data that cannot be read twice."""

    def __init__(self, data: bytearray) -> None:
        self._data = memoryview(data)

    def __len__(self) -> int:
        return len(self._data)

    def pieces(self, start: int = 0) -> Iterator[memoryview]:
        for at in range(start, len(self._data), PIECE):
            yield self._data[at : at + PIECE]


class FileBody:
    """Implements ``Body`` on ``size`` bytes of a file. Memory: ``buffer``, which holds one piece at a time.

    ``read_into`` fills a piece with the bytes of the file from an offset, or raises.
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
    """Read the body, and return its CRC32."""
    value = 0
    for piece in body.pieces():
        value = crc32(piece, value)
    return value


def md5_of(body: Body) -> bytes:
    """Read the body, and return its MD5 digest."""
    digest = md5(usedforsecurity=False)
    for piece in body.pieces():
        digest.update(piece)
    return digest.digest()
