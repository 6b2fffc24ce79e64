"""Paths in XML records: names of elements with slashes between them, because a name may have dots."""

from __future__ import annotations

from dataclasses import replace

from penstock.model.column import Column
from penstock.model.table import Table, TablePlan


def with_xml_paths(plan: TablePlan) -> TablePlan:
    """Divide ``from`` of all columns, and the paths of the choice, at slashes. A choice takes no name with a dot."""
    if plan.table:
        return replace(plan, table=_with_keys(plan.table))
    if plan.choice:
        choice = plan.choice
        tables = {value: _with_keys(table) for value, table in choice.tables.items()}
        field, payload = (path.replace("/", ".") for path in (choice.field, choice.payload))
        return replace(plan, choice=replace(choice, field=field, payload=payload, tables=tables))
    return plan


def _with_keys(table: Table) -> Table:
    return replace(table, columns=tuple(map(_with_path, table.columns)))


def _with_path(column: Column) -> Column:
    return replace(column, keys=tuple(column.source.split("/"))) if column.source else column
