"""Bytes in memory that are read in ranges."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field


@dataclass(slots=True)
class MemoryRanges:
    """Implements ``RangeReader``. ``ranges``: what was read; ``chunk``: bytes of a chunk, 0 for all at once."""

    data: bytes
    chunk: int = 0
    ranges: list[tuple[int, int]] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, start: int, end: int) -> Generator[bytes, None, None]:
        """Raises ValueError for a range that the data does not have."""
        if not 0 <= start <= end <= len(self.data):
            raise ValueError(f"bytes {start:,} to {end:,} of {len(self.data):,}")
        self.ranges.append((start, end))
        step = self.chunk or max(1, end - start)
        for at in range(start, end, step):
            yield self.data[at : min(at + step, end)]
