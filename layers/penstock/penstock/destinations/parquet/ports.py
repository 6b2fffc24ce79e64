"""What a sink of files needs to know of a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from penstock.destinations.parquet.partitions import Partition
from penstock.destinations.parquet.schema import LakeSchema
from penstock.model.column import ColumnType, Storage
from penstock.model.table import Table, TablePlan


@dataclass(frozen=True, slots=True)
class LakeTable:
    """A table whose rows become files.

    ``schema`` are all columns of its rows. ``place`` is the URI below which files go, with a slash at its end; without
    one it is the file itself. ``partitions`` are in the order of their folders, ``kinds`` the types of their columns.
    ``shown`` are the columns that files hold, if folders hold the others. ``has_empty``: a source without rows gets a
    file without rows. ``is_per_attempt``: the names of files tell which attempt has written them. ``spec_id`` and
    ``table_id`` are those of an Iceberg table.
    """

    name: str
    place: str
    schema: LakeSchema
    partitions: tuple[Partition, ...] = ()
    kinds: tuple[ColumnType | None, ...] = ()
    shown: tuple[str, ...] = ()
    file_size: int = 0
    row_group_size: int = 0
    compression: str = ""
    has_empty: bool = False
    is_per_attempt: bool = False
    spec_id: int = 0
    table_id: str = ""

    @property
    def in_files(self) -> LakeSchema:
        """The columns of its files."""
        return self.schema.restricted(self.shown) if self.shown else self.schema

    @property
    def names(self) -> frozenset[str]:
        """The names of all columns."""
        return frozenset(column.name for column in self.schema.columns)

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
