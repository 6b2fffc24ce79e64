"""Iceberg tables as targets of a sink of files: where their files go, and what the table says of columns."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from penstock.destinations.iceberg.partitions import partitions_of
from penstock.destinations.iceberg.ports import IcebergField, IcebergTable, TableEditor, TableReader
from penstock.destinations.iceberg.schema_changes import wider_columns
from penstock.destinations.parquet.ports import LakeTable
from penstock.destinations.parquet.schema import LakeColumn, LakeSchema, LakeType, lake_type
from penstock.errors import DestinationMissingError, InvalidTableError
from penstock.model.column import ColumnType, Storage
from penstock.model.table import Evolve, Table, TablePlan

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
                held[table.name] = schema_of(state, _names(table, state)).storages(table.columns)
        return held

    def open(self, table: Table) -> LakeTable:
        state = self.find(table.name)
        if state is None and table.create and not table.guessed:
            state, _ = self.editor.prepare(table)
            self.states[table.name] = state
        if state is None:
            raise DestinationMissingError(f"table {table.name} does not exist", hint=_hint(table))
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

    def widen(self, table: Table) -> None:
        """Make the columns of an existing table as wide as the route declares them, where Iceberg can."""
        state = self.find(table.name) if table.evolve is Evolve.WIDEN else None
        wider = wider_columns(table.columns, {one.name: one.type for one in state.fields}) if state else []
        if wider:
            self.evolve(replace(table, columns=tuple(wider)))

    def find(self, name: str) -> IcebergTable | None:
        """Return the state of a table; None if it does not exist."""
        if name not in self.states:
            state = self.reader.read(name)
            if state is None:
                return None
            self.states[name] = state
        return self.states[name]


def _names(table: Table, state: IcebergTable) -> set[str]:
    """The columns that the table may write. One that it does not may have any type."""
    names = {column.name for column in table.columns} or {one.name for one in state.fields}
    if table.inferred or table.grows:  # a field may first appear after the sample
        names |= {one.name for one in state.fields if _is_written(one)}
    return names


def _is_written(one: IcebergField) -> bool:
    with suppress(InvalidTableError):
        return bool(_column(one))
    return False


def _hint(table: Table) -> str:
    if table.create:  # and the types of its columns are guesses
        return "The route may create it, but no record has shown the types of its columns: declare them in the route."
    return "Create it, or let the route create it: create = true."


def schema_of(state: IcebergTable, names: set[str]) -> LakeSchema:
    """Return the columns of these names, and all that are required, in the order of the table.

    Files may lack the others: readers take them for null. Raises InvalidTableError for a type that is not written.
    """
    return LakeSchema(tuple(_column(one) for one in state.fields if one.name in names or one.required))


def _column(one: IcebergField) -> LakeColumn:
    kind: LakeType = lake_type(
        one.type, column=one.name, element=one.element, element_required=one.element_required, required=one.required
    )
    return LakeColumn(one.name, one.id, kind, one.required, one.spellings)
