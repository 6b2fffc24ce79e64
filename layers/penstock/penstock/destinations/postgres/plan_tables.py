"""Check that PostgreSQL can load the tables of a plan."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.errors import InvalidTableError
from penstock.model.table import Mode, Table, TablePlan


def checked_tables(plan: TablePlan) -> tuple[Table, ...]:
    """Return the tables of a plan. Raises InvalidTableError if their modes conflict, or if columns are unknown."""
    tables = (plan.table,) if plan.table else tuple(dict.fromkeys(plan.choice.tables.values())) if plan.choice else ()
    for table in tables:
        if not table.columns:
            raise InvalidTableError(
                f"table {table.name}: its columns are neither declared nor inferred from a record",
                hint="Declare the table's columns: the file is empty, so they cannot be inferred.",
            )
    modes = {table.mode for table in tables}
    if Mode.REPLACE in modes and len(modes) > 1:
        raise InvalidTableError(f"{names_of(tables)}: set mode replace for all tables of a route, or for none")
    if len({table.staged for table in tables}) > 1:
        raise InvalidTableError(f"{names_of(tables)}: set atomic for all tables of a route, or for none")
    return tables


def names_of(tables: Iterable[Table]) -> str:
    """Return the tables' names for messages."""
    return ", ".join(dict.fromkeys(table.name for table in tables))
