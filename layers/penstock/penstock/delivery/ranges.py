"""Any range of a source, by requests to its store."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from penstock.delivery.ports import ObjectStore
from penstock.model.object import Source


@dataclass(frozen=True, slots=True)
class SourceRanges:
    """A source that is read in ranges, each pinned to the same version. Implements ``RangeReader``."""

    objects: ObjectStore
    source: Source

    @property
    def size(self) -> int:
        return self.source.size

    def read(self, start: int, end: int) -> Generator[bytes, None, None]:
        """Bytes ``start`` to ``end``, in one request."""
        return self.objects.open_source(self.source, start=start, end=end).chunks()
