"""Adapts a plan's columns to existing tables: the table overrides a sample, and a column without type.

A column that was inferred, or declared as text, takes the type of the table's column. One that was declared otherwise
is read as declared, and stored as the table has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from penstock.errors import InvalidTableError
from penstock.model.column import ANY, NUMBERS, Column, ColumnType, Storage
from penstock.model.rescue_column import RESCUE_TYPES
from penstock.model.table import Evolve, Table, TablePlan
from penstock.tables.chunk_builder import with_tables
from penstock.tables.spellings import SPELLINGS

Storages = Mapping[str, Storage]
"""How a table holds its columns, by their names."""


def fit_to_storage(plan: TablePlan, existing: Mapping[str, Storages]) -> TablePlan:
    """The plan with the columns as the ``existing`` tables, by name, hold them. Other tables are unchanged."""

    def fitted(table: Table) -> Table:
        storages = existing.get(table.name, {})
        _check_rescue(table, storages)
        _check_arrays(table, storages)
        columns = tuple(fit_column(column, storages.get(column.name)) for column in _wanted(table, storages))
        return replace(table, columns=columns, spare=_spare(table, storages))

    return with_tables(plan, fitted)


def _wanted(table: Table, storages: Storages) -> tuple[Column, ...]:
    """The columns of the plan, without inferred ones that an existing table lacks and that the route ignores."""
    if table.evolve is not Evolve.IGNORE or not table.inferred or not storages:
        return table.columns
    kept = tuple(column for column in table.columns if column.name in storages or column.name == table.rescue)
    if not kept:
        raise InvalidTableError(
            f"table {table.name} has no column for any field of the first records",
            hint='Declare the columns with their fields, or let the route add them (evolve = "add").',
        )
    return kept


def _check_rescue(table: Table, storages: Storages) -> None:
    """Raise InvalidTableError if the table holds its rescue column as anything but JSON or text."""
    held = storages.get(table.rescue) if table.rescue else None
    if held and (held.type not in RESCUE_TYPES or held.length is not None or held.filled):
        raise InvalidTableError(
            f"table {table.name}: column {table.rescue!r} cannot keep JSON objects of any length",
            hint="Make it jsonb, json or text, or name another column in `rescue`.",
        )


def _check_arrays(table: Table, storages: Storages) -> None:
    """Raise InvalidTableError if the route declares an array where the table has none."""
    for column in table.columns:
        held = storages.get(column.name)
        if column.elements and held and not held.array:
            raise InvalidTableError(
                f"table {table.name}: column {column.name!r} is no array, but the route declares {column.elements}[]",
                hint="Correct the type of the column in the route, or in the table.",
            )


def _spare(table: Table, storages: Storages) -> tuple[Column, ...]:
    """The columns of the table that are not in the plan. Where the route ignores other fields or refuses them, the
    table itself takes no field of any name."""
    if not (table.inferred or table.grows):
        return ()
    own = {column.name for column in table.columns} | ({ANY} if table.evolve else set())
    return tuple(
        fit_column(Column(name, nulls=table.nulls), held)
        for name, held in storages.items()
        if name not in own and not held.filled
    )


def fit_column(column: Column, held: Storage | None) -> Column:
    """The column as an existing table holds it; unchanged if the table has none of its name."""
    if held is None:
        return column
    if held.required:
        column = replace(column, nullable=False)
    if not is_declared(column) and is_made_by_inference(held):
        return replace(column, type=held.type or ColumnType.TEXT, spellings=held.spellings, storage=held)
    return replace(column, type=_type_of(column, held), spellings=(), storage=held)


def is_made_by_inference(held: Storage) -> bool:
    """Whether Penstock created the column from a sample, and its type is unchanged since."""
    known = all(name in SPELLINGS and SPELLINGS[name].type is held.type for name in held.spellings)
    if held.digits is not None or held.parsed or held.required:  # of a file, which is new
        held = replace(held, digits=None, places=None, parsed=False, required=False)
    return bool(held.spellings) and known and held == Storage(held.type, spellings=held.spellings)


def is_declared(column: Column) -> bool:
    """Whether the route declares a type other than text."""
    return not column.spellings and column.type is not ColumnType.TEXT


def _type_of(column: Column, held: Storage) -> ColumnType:
    if held.type is None:
        return column.type if is_declared(column) else ColumnType.TEXT
    if not is_declared(column):
        return held.type
    both = {column.type, held.type}
    if both <= NUMBERS:
        return ColumnType.INTEGER if ColumnType.INTEGER in both else held.type
    # A date column would drop a time of day.
    return held.type if column.type is ColumnType.TIMESTAMP and held.type is ColumnType.DATE else column.type
