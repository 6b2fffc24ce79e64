"""What a sink of files needs to know of a table, and how rows become the bytes of a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from penstock.destinations.parquet.partitions import Partition
from penstock.model.column import ColumnType, Storage
from penstock.model.data_file import ColumnStatistics
from penstock.model.load import Rows
from penstock.model.record import Reject
from penstock.model.table import Table, TablePlan

if TYPE_CHECKING:
    from arro3.core import RecordBatch


class Output(Protocol):
    """Takes the bytes of a file in order."""

    def write(self, data: bytes | memoryview, /) -> int: ...


class FileWriter(Protocol):
    """Writes one Parquet file. Memory: ``held``, and as much again while a row group is compressed."""

    @property
    def held(self) -> int:
        """The bytes of the rows that wait for the end of their row group."""

    @property
    def size(self) -> int:
        """The bytes of the file so far, and an estimate of what the rows in memory will add."""

    def write(self, batch: RecordBatch) -> None:
        """Append rows; end the row group once it is large enough."""

    def finish(self) -> tuple[int, tuple[ColumnStatistics, ...], tuple[int, ...]]:
        """Write the rest and the footer. Return the size of the file, statistics, and the offsets of row groups."""


class RowFormat(Protocol):
    """How the rows of one table are written."""

    def convert(self, rows: Rows) -> tuple[RecordBatch, tuple[Reject, ...]]:
        """Return the rows that fit the types of the table, and rejects for the others."""

    def open(self, output: Output, *, row_group_bytes: int) -> FileWriter: ...


@dataclass(frozen=True, slots=True)
class LakeTable:
    """A table whose rows become files.

    ``place`` is the URI below which files go, with a slash at its end; without one it is the file itself.
    ``partitions`` are in the order of their folders, ``kinds`` the types of their columns. ``shown`` are the columns
    that files hold, if folders hold the others. ``has_empty``: a source without rows gets a file without rows.
    """

    name: str
    place: str
    rows: RowFormat
    partitions: tuple[Partition, ...] = ()
    kinds: tuple[ColumnType | None, ...] = ()
    shown: tuple[str, ...] = ()
    file_size: int = 0
    row_group_size: int = 0
    has_empty: bool = False

    @property
    def is_file(self) -> bool:
        return not self.place.endswith("/")


class LakeTables(Protocol):
    """Tables of a destination that writes files. Raises InvalidTableError, AccessDeniedError and
    ServiceUnavailableError."""

    def storages(self, plan: TablePlan) -> Mapping[str, Mapping[str, Storage]]:
        """See `TableSink.storages`."""

    def open(self, table: Table) -> LakeTable:
        """Return how the rows of a table are written. Its columns are known. Raises InvalidTableError."""
