"""Read ranges of a source from its store."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from penstock.delivery.ports import ObjectStore
from penstock.model.object import Source


@dataclass(frozen=True, slots=True)
class SourceRanges:
    """Reads ranges of a source, all pinned to the same version. Implements ``RangeReader``."""

    objects: ObjectStore
    source: Source

    @property
    def size(self) -> int:
        return self.source.size

    def read(self, start: int, end: int) -> Generator[bytes, None, None]:
        """Read bytes ``start`` to ``end``, in one request."""
        return self.objects.open_source(self.source, start=start, end=end).chunks()
