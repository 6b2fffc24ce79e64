"""What decoders of records have in common."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple, Protocol

# What decoding raises for bytes that are no record.
UNDECODABLE = (EOFError, IndexError, KeyError, OverflowError, struct.error, TypeError, ValueError, MemoryError)


class UndecodableError(Exception):
    """The bytes are no record of the schema. Nothing after them can be read."""


class Unfit(NamedTuple):
    """A record with a value that cannot be represented: its first field of that kind, and the reason."""

    record: object
    column: str
    reason: str


class Decoder(Protocol):
    """Decodes records. A record is a mapping (or, where the schema allows it, another value), or `Unfit`."""

    def all(self, data: bytes, count: int) -> list[object]:
        """Return the records, which are all of the data. Raises UndecodableError."""

    def each(self, data: bytes, count: int) -> Iterator[tuple[object, int]]:
        """Yield each record with the position behind it. Raises UndecodableError."""


def reason_of(error: BaseException) -> str:
    """Why bytes are no record."""
    if isinstance(error, EOFError | IndexError | struct.error):
        return "a value goes on beyond its end, or is of no branch of its union"
    return str(error) or type(error).__name__
