"""Write to standard output. Written bytes cannot be removed."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Self

from penstock.codecs.checksum import crc32 as crc32_of
from penstock.errors import ChecksumMismatchError, FileError
from penstock.model.object import Published


class StdoutSink:
    """Writes to a descriptor. Implements ``BucketSink``. Memory: none of its own.

    Raises BrokenPipeError if the reader has closed the pipe, as `head` does, and FileError.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size = self._crc32 = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """The caller owns the descriptor."""

    def write(self, chunk: bytes | memoryview) -> None:
        rest = memoryview(chunk)
        while rest:
            rest = rest[self._written(rest) :]
        self._size += len(chunk)
        self._crc32 = crc32_of(chunk, self._crc32)

    def _written(self, rest: memoryview) -> int:
        try:
            return os.write(self._descriptor, rest)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise FileError(
                f"standard output cannot be written: {error.strerror}", hint="The output is incomplete."
            ) from error

    def publish(self, *, crc32: int | None) -> Published:
        if crc32 not in (None, self._crc32):
            raise ChecksumMismatchError(
                f"the source declares CRC32 {crc32:08x}, but the bytes written have {self._crc32:08x}", offset=0
            )
        return Published(self._size, self._crc32, 0, "")
