"""Paths in XML records: names of elements with slashes between them, because a name may have dots."""

from __future__ import annotations

from dataclasses import replace

from penstock.model.column import Column
from penstock.model.table import Table, TablePlan
from penstock.routes.fields import Fields


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


def check_prefixes(route: Fields, plan: TablePlan) -> None:
    """Raises InvalidRouteError for a path with a prefix that names no namespace: no record would have it."""
    known = {each.partition("=")[0] for each in plan.parse.namespaces}
    paths = [("parse.record", plan.parse.record), *(("parse.repeated", name) for name in plan.parse.repeated)]
    if plan.choice:
        paths += [("choice.field", plan.choice.field), ("choice.payload", plan.choice.payload)]
    paths += [("columns", column.source) for table in plan.tables for column in table.columns]
    for field, path in paths:
        for name in path.split("/"):
            prefix, sign, _ = name.removeprefix("@").partition(":")
            if sign and prefix not in known:
                raise route.complain(field, f"{path!r} has the prefix {prefix!r}, which parse.namespaces does not name")


def _with_keys(table: Table) -> Table:
    return replace(table, columns=tuple(map(_with_path, table.columns)))


def _with_path(column: Column) -> Column:
    return replace(column, keys=tuple(column.source.split("/"))) if column.source else column
