"""Iceberg tables as targets of a sink of files: where their files go, and what the table says of columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from penstock.destinations.iceberg.partitions import partitions_of
from penstock.destinations.iceberg.ports import IcebergField, IcebergTable, TableEditor, TableReader
from penstock.destinations.parquet.ports import LakeTable
from penstock.destinations.parquet.schema import LakeColumn, LakeSchema, LakeType, lake_type
from penstock.errors import DestinationMissingError
from penstock.model.column import ColumnType, Storage
from penstock.model.table import Table, TablePlan

# How folders show the values of columns.
_KINDS = {
    "date": ColumnType.DATE,
    "timestamp": ColumnType.TIMESTAMP,
    "timestamptz": ColumnType.TIMESTAMP,
}


@dataclass(slots=True)
class IcebergLake:
    """Implements ``LakeTables``. The state of a table is read once for each sink, and again when it is prepared."""

    reader: TableReader
    editor: TableEditor
    states: dict[str, IcebergTable] = field(default_factory=dict)

    def storages(self, plan: TablePlan) -> Mapping[str, Mapping[str, Storage]]:
        held = {}
        for table in plan.tables:
            if state := self.find(table.name):
                # Only columns of the plan: one that is not written may have any type.
                names = {column.name for column in table.columns} or {one.name for one in state.fields}
                held[table.name] = schema_of(state, names).storages(table.columns)
        return held

    def open(self, table: Table) -> LakeTable:
        state = self.find(table.name)
        if state is None and table.create and not table.guessed:
            state, _ = self.editor.prepare(table)
            self.states[table.name] = state
        if state is None:
            raise DestinationMissingError(
                f"table {table.name} does not exist",
                hint="Create it, or let the route create it: create = true.",
            )
        partitions = partitions_of(state)
        schema = schema_of(state, {column.name for column in table.columns} | {one.column for one in partitions})
        kinds = {one.name: _KINDS.get(one.type) for one in state.fields}
        return LakeTable(
            table.name,
            f"{state.data_location}/",
            schema,
            partitions,
            tuple(kinds[one.column] for one in partitions),
            file_size=table.files.file_size,
            row_group_size=table.files.row_group_size,
            compression=table.files.compression,
            is_per_attempt=True,
            spec_id=state.spec_id,
            table_id=state.id,
        )

    def evolve(self, table: Table) -> Mapping[str, str]:
        """Add and widen columns. Return the columns that were not added, each with the reason."""
        self.states[table.name], refused = self.editor.prepare(table)
        return dict(refused)

    def find(self, name: str) -> IcebergTable | None:
        """Return the state of a table; None if it does not exist."""
        if name not in self.states:
            state = self.reader.read(name)
            if state is None:
                return None
            self.states[name] = state
        return self.states[name]


def schema_of(state: IcebergTable, names: set[str]) -> LakeSchema:
    """Return the columns of these names, and all that are required, in the order of the table.

    Files may lack the others: readers take them for null. Raises InvalidTableError for a type that is not written.
    """
    return LakeSchema(tuple(_column(one) for one in state.fields if one.name in names or one.required))


def _column(one: IcebergField) -> LakeColumn:
    kind: LakeType = lake_type(one.type, column=one.name, element=one.element, element_required=one.element_required)
    return LakeColumn(one.name, one.id, kind, one.required)
