"""Loads rows into files of the fake lake, chunk by chunk, and reads them back with pyarrow."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import pyarrow.parquet as pq

from penstock.destinations.parquet.sink import LakeSink
from penstock.destinations.parquet.tables import ParquetLake
from penstock.limits import MIB
from penstock.model.column import Column, ColumnType
from penstock.model.file_options import FileOptions
from penstock.model.load import Chunk, Loaded, Resume, Rows
from penstock.model.parse_options import ParseOptions
from penstock.model.record import RecordPosition
from penstock.model.table import Table, TablePlan
from penstock.testing.lake import MemoryLake

JOB = "0123456789abcdef0123456789abcdef"
PLACE = "s3://lake/orders/"
COLUMNS = (Column("id", ColumnType.INTEGER), Column("country"))
COUNTRIES = ("DE", "FR", None)


def plan(*partition_by: str, place: str = PLACE, columns: tuple[Column, ...] = COLUMNS) -> TablePlan:
    return TablePlan(ParseOptions(), Table(place, columns, files=FileOptions(partition_by=partition_by)))


def chunks_of(table: TablePlan, count: int, size: int = 10, first: int = 0) -> list[Chunk]:
    """Chunks of so many rows: numbers, and countries in turn."""
    assert table.table
    made = []
    for number, start in enumerate(range(first, first + count, size)):
        ids = range(start, min(start + size, first + count))
        columns = (list(ids), [COUNTRIES[each % len(COUNTRIES)] for each in ids])
        rows = Rows(table.table, ("id", "country"), columns, len(ids), lambda row: RecordPosition(row + 1, row, ""))
        made.append(Chunk(number, ids[-1] + 1, ids[-1] + 2, len(ids), (rows,)))
    return made


def open_sink(lake: MemoryLake, span: int = 0, ask: Callable[[str], None] = lambda _: None) -> LakeSink:
    client = lake.client(ask)
    return LakeSink(ParquetLake(), client, client, JOB, span, limit=16 * MIB)


def load(sink: LakeSink, table: TablePlan, chunks: Sequence[Chunk]) -> Resume:
    """Load all chunks as `RowLoader` does: those that are not loaded yet, and `complete`."""
    with sink:
        resume = sink.begin(table)
        loaded: list[Loaded] = [sink.load(chunk) for chunk in chunks[resume.chunk :]]
        sink.complete()
        sink.finish()
    return Resume(rows=resume.rows + sum(one.rows for one in loaded))


def ids(lake: MemoryLake) -> list[int]:
    """All numbers that a reader of the place sees, in order."""
    found: list[int] = []
    for data in lake.objects.values():
        found += pq.read_table(io.BytesIO(data)).column("id").to_pylist()
    return sorted(found)
