"""The column of a table that keeps what no other column takes (`tables.rescue`)."""

from __future__ import annotations

from dataclasses import replace

from penstock.model.column import Column, ColumnType
from penstock.model.table import Table

# The types of a rescue column.
RESCUE_TYPES = frozenset({ColumnType.JSON, ColumnType.TEXT})


def with_rescue(table: Table) -> Table:
    """The table with its rescue column, unless it is among the columns. No field of a record is read into it: an
    inferred column of that name is replaced."""
    if not table.rescue or any(column.name == table.rescue and not column.spellings for column in table.columns):
        return table
    others = tuple(column for column in table.columns if column.name != table.rescue)
    return replace(table, columns=(*others, Column(table.rescue, ColumnType.JSON, nulls=())))
