"""Ranges of an archive that are held in memory."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field

from penstock.model.source import RangeReader


@dataclass(frozen=True, slots=True)
class HeldRange:
    """Implements ``RangeReader``: ``data`` lies at ``start``, and the rest comes from ``reader``."""

    reader: RangeReader
    start: int
    data: bytes = field(repr=False)

    @property
    def size(self) -> int:
        return self.reader.size

    def read(self, start: int, end: int) -> Generator[bytes, None, None]:
        """Raises the errors of ``reader``."""
        if start < self.start or end > self.start + len(self.data):
            yield from self.reader.read(start, end)
        elif start < end:
            yield self.data[start - self.start : end - self.start]


def hold(reader: RangeReader, start: int, end: int) -> HeldRange:
    """Read bytes ``start`` to ``end`` into memory."""
    return HeldRange(reader, start, read_range(reader, start, end))


def read_range(reader: RangeReader, start: int, end: int) -> bytes:
    """Return bytes ``start`` to ``end``, which the archive has."""
    return b"".join(reader.read(start, end)) if start < end else b""
