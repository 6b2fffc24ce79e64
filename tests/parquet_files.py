"""Parquet files of pyarrow, and what Penstock reads of them."""

from __future__ import annotations

import io
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from penstock.formats import ReadLimits, parse
from penstock.model.load import Resume
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.record import Batch, Reject
from penstock.model.span import Within

OPTIONS = ParseOptions(format=Format.PARQUET)


def parquet(table: Any, **options: Any) -> bytes:
    """A file with a table of pyarrow, or with columns by name."""
    held = table if isinstance(table, pa.Table) else pa.table(table)
    out = io.BytesIO()
    pq.write_table(held, out, **options)
    return out.getvalue()


@dataclass
class CountedRanges:
    """Ranges of a file in memory, and which of them were read."""

    data: bytes
    read_ranges: list[tuple[int, int]] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def bytes_read(self) -> int:
        return sum(end - start for start, end in self.read_ranges)

    def read(self, start: int, end: int) -> Generator[bytes, None, None]:
        self.read_ranges.append((start, end))
        for at in range(start, end, 10_000):
            yield self.data[at : min(at + 10_000, end)]


def batches_of(data: bytes | CountedRanges, *, batch_bytes: int = 100_000, **options: Any) -> list[Batch]:
    """The batches of a file that is read by ranges."""
    ranges = data if isinstance(data, CountedRanges) else CountedRanges(data)
    return list(parse([], OPTIONS, batch_bytes=batch_bytes, ranges=ranges, **options))


def rows_of(data: bytes | CountedRanges, **options: Any) -> list[Any]:
    """The records of a file without rejects."""
    batches = batches_of(data, **options)
    assert [reject for batch in batches for reject in batch.rejects] == []
    return [row for batch in batches for row in batch.rows]


def rejects_of(data: bytes, **options: Any) -> list[Reject]:
    """The rejects of a file."""
    return [reject for batch in batches_of(data, **options) for reject in batch.rejects]


__all__ = [
    "OPTIONS",
    "CountedRanges",
    "ReadLimits",
    "Resume",
    "Within",
    "batches_of",
    "parquet",
    "rejects_of",
    "rows_of",
]
