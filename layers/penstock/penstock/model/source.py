"""The bytes of a source, and how long there is to read them."""

from __future__ import annotations

from collections.abc import Generator
from typing import Protocol


class Deadline(Protocol):
    """How long this process may still work. On Lambda: the context's remaining time."""

    def remaining(self) -> float:
        """Seconds left; never grows."""


class ByteSource(Protocol):
    """The bytes of one pinned source, in order, from the first.

    ``chunks`` raises SourceChangedError when the object is no longer the one that was pinned, SourceGoneError
    when it was deleted, ServiceUnavailableError when retries are used up. Memory: at most two chunks at a time.
    """

    @property
    def size(self) -> int:
        """Encoded size in bytes."""

    def chunks(self) -> Generator[bytes, None, None]:
        """Non-empty pieces of the source. Closing the generator releases its connection and threads."""


class RangeReader(Protocol):
    """Any range of the bytes of one pinned source, for what is not read from its start: archives, workbooks, indexes.

    Raises what `ByteSource` raises.
    """

    @property
    def size(self) -> int:
        """Encoded size in bytes."""

    def read(self, start: int, end: int) -> Generator[bytes, None, None]:
        """Bytes ``start`` to ``end`` in non-empty chunks. Closing the generator releases its connection."""
