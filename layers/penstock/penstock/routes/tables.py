"""Read the part of a route for tables: how records are parsed, typed and loaded."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

from penstock.destinations import Destination
from penstock.model.file_options import FileOptions
from penstock.model.parse_options import ParseOptions
from penstock.model.rescue_column import RESCUE_TYPES, with_rescue
from penstock.model.source_values import KEY_GROUP, SIGN
from penstock.model.table import Choice, Evolve, Mode, Table, TablePlan
from penstock.model.value_rules import USUAL
from penstock.routes.columns import read_column
from penstock.routes.fields import Fields
from penstock.routes.key_patterns import read_key_pattern
from penstock.routes.parse_options import read_parse_options
from penstock.routes.protection import check_fields, check_overlaps
from penstock.routes.sheets import with_tables_of_sheets
from penstock.routes.xml_paths import check_prefixes, with_xml_paths


def read_plan(route: Fields, destination: Destination, name: str) -> TablePlan:
    """Read ``parse``, ``table`` or ``choice``, and ``max_rejects`` of a route to ``name`` in ``destination``.

    Raises InvalidRouteError, which names the field.
    """
    parse = read_parse_options(route.table("parse", "a parse table"))
    plan = _plan(route, parse, destination, name)
    if any(column.formats or column.rules != USUAL for table in plan.tables for column in table.columns):
        plan = replace(plan, parse=replace(plan.parse, typed_cells=True))
    if not parse.record:
        return plan
    check_prefixes(route, plan)
    return with_xml_paths(plan)


def _plan(route: Fields, parse: ParseOptions, destination: Destination, name: str) -> TablePlan:
    max_rejects = route.allowance("max_rejects")
    key_pattern = read_key_pattern(route)
    groups = tuple(re.compile(key_pattern).groupindex)
    plan = TablePlan(parse, max_rejects=max_rejects, key_pattern=key_pattern)
    if route.has("choice"):
        if destination.commits_later:
            one = f"a commit is for one table. Write destination = {destination.example!r}, and a route for each table"
            raise route.complain("choice", f"is not for {destination.name}: {one}")
        if name or route.has("table"):
            use = f"write destination = {destination.name!r}, without a table"
            raise route.complain("choice", f"already names the tables: {use}")
        plan = replace(plan, choice=_choice(route.table("choice", "a choice"), destination, groups))
        return with_tables_of_sheets(route, _used(route, plan))
    if not name:
        raise route.complain("destination", f"names no table: write {destination.example}, or add a [route.choice]")
    plan = replace(plan, table=_table(route.table("table", "a table"), name, destination, groups))
    return with_tables_of_sheets(route, _used(route, plan))


def _used(route: Fields, plan: TablePlan) -> TablePlan:
    if plan.key_pattern and not any(name.startswith(KEY_GROUP) for name in plan.metadata):
        raise route.complain("key_pattern", f'no column takes a group of it: from = "{SIGN}{KEY_GROUP}NAME"')
    check_overlaps(route, plan)
    return plan


def _choice(fields: Fields, destination: Destination, groups: Collection[str]) -> Choice:
    tables = {}
    for value, inner in fields.named_tables("tables", "a table").items():
        tables[value] = _table(inner, inner.text("name"), destination, groups)
    if not tables:
        raise fields.complain("tables", "names no table")
    choice = Choice(
        field=fields.text("field"),
        tables=tables,
        payload=fields.text("payload", ""),
        ignore_unknown=fields.choice("unknown", ("reject", "ignore"), "reject") == "ignore",
    )
    fields.refuse_unknown()
    return choice


def _table(fields: Fields, name: str, destination: Destination, groups: Collection[str]) -> Table:
    nulls = fields.texts("nulls", ("",), empty=True)
    table = Table(
        name=name,
        columns=tuple(read_column(inner, nulls, groups) for inner in fields.tables("columns", "a column")),
        mode=Mode(fields.choice("mode", list(Mode), destination.modes[0])),
        key=fields.texts("key", ()),
        create=fields.flag("create", False),  # noqa: FBT003  (the default)
        nulls=nulls,
        atomic=fields.flag("atomic", False),  # noqa: FBT003  (the default)
        evolve=Evolve(fields.choice("evolve", list(Evolve), "")) if fields.has("evolve") else None,
        rescue=fields.text("rescue") if fields.has("rescue") else "",
        rescue_values=fields.flag("rescue_values", False),  # noqa: FBT003  (the default)
        files=_file_options(fields),
        replaces=fields.text("replaces", ""),
    )
    fields.refuse_unknown()
    _check(fields, table, destination)
    _check_rescue(fields, table)
    check_fields(fields, table)
    return with_rescue(table) if table.columns else table


def _file_options(fields: Fields) -> FileOptions:
    return FileOptions(
        partition_by=fields.texts("partition_by", ()),
        file_size=fields.size("file_size", 0) if fields.has("file_size") else 0,
        row_group_size=fields.size("row_group_size", 0) if fields.has("row_group_size") else 0,
        compression=fields.text("compression") if fields.has("compression") else "",
    )


def _check(fields: Fields, table: Table, destination: Destination) -> None:
    names = [column.name for column in table.columns]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise fields.complain("columns", f"contain {min(repeated)!r} twice")
    if names and (unknown := set(table.key) - set(names)):
        raise fields.complain("key", f"{min(unknown)!r} is not one of the columns")
    if table.atomic and table.mode is Mode.REPLACE:
        raise fields.complain("atomic", "is for append and upsert: replace is always atomic")
    _check_unset(fields, table)
    if problem := destination.problem_of(table):
        raise fields.complain(*problem)


def _check_rescue(fields: Fields, table: Table) -> None:
    """Refuse a rescue column that cannot keep a JSON object, and options that leave it nothing to keep."""
    if not table.rescue:
        if table.rescue_values:
            raise fields.complain("rescue_values", "needs the column that keeps the values: set `rescue`")
        return
    if table.evolve is Evolve.FAIL:
        raise fields.complain("rescue", 'keeps the fields that evolve = "fail" refuses: leave one of them out')
    if table.evolve is Evolve.WIDEN and table.rescue_values:
        raise fields.complain("rescue_values", 'keeps the values that evolve = "widen" makes room for: choose one')
    if table.rescue in table.key:
        raise fields.complain("rescue", f"{table.rescue!r} is a column of the key")
    column = next((column for column in table.columns if column.name == table.rescue), None)
    if column and (
        column.type not in RESCUE_TYPES
        or column.source
        or column.metadata
        or not column.nullable
        or column.is_protected
    ):
        raise fields.complain("rescue", f"column {table.rescue!r} must be json or text, may be null, and has no `from`")


def _check_unset(fields: Fields, table: Table) -> None:
    """Refuse columns that records may leave unset where all rows are moved at once, by key, or where none is left."""
    unset = [column.name for column in table.columns if column.rules.absent_is_unset]
    if not unset:
        return
    if set(unset) & set(table.key) or len(unset) == len(table.columns):
        raise fields.complain("columns", f"{unset[0]!r} cannot be unset: a row needs its key, and a column")
    if table.key and table.staged:
        raise fields.complain("columns", f'{unset[0]!r}: absent = "unset" is not for atomic or replace with a key')
