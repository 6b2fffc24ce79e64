"""The bytes of a source, and the time left to read them."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


class Deadline(Protocol):
    """The time left to this process. On Lambda it is the context's remaining time."""

    def remaining(self) -> float:
        """Return the seconds left, which never increase."""


class ByteSource(Protocol):
    """The bytes of one pinned source, in order, from the first.

    ``chunks`` raises SourceChangedError if the object has been replaced, SourceGoneError if it was deleted,
    ServiceUnavailableError if all retries fail. Memory: at most two chunks.
    """

    @property
    def size(self) -> int:
        """Encoded size in bytes."""

    def chunks(self) -> Generator[bytes, None, None]:
        """Yield non-empty pieces of the source. Closing the generator releases its connection and threads."""


@runtime_checkable
class RangeReader(Protocol):
    """Any range of the bytes of one pinned source, for archives, workbooks and indexes.

    Raises the errors of `ByteSource`.
    """

    @property
    def size(self) -> int:
        """Encoded size in bytes."""

    def read(self, start: int, end: int) -> Generator[bytes, None, None]:
        """Yield bytes ``start`` to ``end`` in non-empty chunks. Closing the generator releases its connection."""


@dataclass(frozen=True, slots=True)
class HeldSource:
    """A small source in memory. Implements ``ByteSource`` and ``RangeReader``."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    def chunks(self) -> Generator[bytes, None, None]:
        """Yield all bytes as one chunk."""
        if self.data:
            yield self.data

    def read(self, start: int, end: int) -> Generator[bytes, None, None]:
        if part := self.data[start:end]:
            yield part
