"""Counts fields without a column, and declared columns without a field."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import cast

from penstock.errors import InvalidTableError
from penstock.model.column import ANY, Column, FieldCounts
from penstock.model.likely_name import did_you_mean
from penstock.model.record import Batch
from penstock.model.table import Table, TablePlan
from penstock.model.wording import counted
from penstock.tables.field_names import name_problem
from penstock.tables.header_fields import fields_without

_JSON_PATHS = "Correct the column's `from` in the route: the names of keys, outermost first, joined by dots."
_XML_PATHS = "Correct the column's `from` in the route: the names of elements, outermost first, joined by slashes."


def declared_columns(tables: Sequence[Table]) -> tuple[tuple[str, str], ...]:
    """The columns that a route declares, each with its table: a record may lack any of them."""
    return tuple(
        dict.fromkeys(
            (table.name, column.name)
            for table in tables
            if not table.inferred
            for column in table.columns
            if column.name != table.rescue and not column.metadata
        )
    )


class FieldWatch:
    """Compares the fields of records with the columns of their table.

    ``also_used``: fields that are not columns, but that the route uses. Only the top-level names of a JSON record
    count. A column may take a part of an object and leave the rest.
    """

    def __init__(self, table: Table, also_used: Collection[str] = ()) -> None:
        self.table = table
        spare = {column.name for column in table.spare}
        self.takes_any = ANY in spare
        columns = [column for column in table.columns if not column.metadata]
        self.taken = {path_of(column)[0] for column in columns} | spare | {*also_used}
        self.headers = {column.source or column.name for column in columns} | {*also_used}
        if table.rescue:
            # No field of a record is read into the rescue column.
            self.taken = self.taken - {table.rescue}
            self.headers = self.headers - {table.rescue}

    def look(self, batch: Batch, missing: Collection[tuple[str, str]]) -> FieldCounts:
        """The field counts of these records. ``missing``: the columns for which no field has been found so far."""
        if batch.names:
            # `RowConverter` refuses a header that lacks a column.
            # In a file without a header, a record may stand in its place: where columns are protected, it is not told.
            is_told = not any(column.is_protected for column in self.table.columns)
            left_out = fields_without(self.headers, batch.names)
            others = [name if is_told else f"#{place + 1}" for name, place in left_out]
            left = tuple(each for each in missing if each[0] != self.table.name)
            return FieldCounts.of(batch.count if others else 0, others, left, (self.table.name,))
        rows = batch.rows if set(map(type, batch.rows)) == {dict} else [r for r in batch.rows if isinstance(r, Mapping)]
        records = cast("Sequence[Mapping[str, object]]", rows)
        if not records:
            return FieldCounts(missing=tuple(missing))
        names: set[str] = set[str]().union(*records)
        unknown = set[str]() if self.takes_any else names - self.taken
        others = sorted(name for name in unknown if not name_problem(name))
        other = frozenset(others)
        count = sum(not other.isdisjoint(record) for record in records) if other else 0
        return FieldCounts.of(count, others, self._missing(records, names, missing), (self.table.name,))

    def _missing(
        self,
        records: Sequence[Mapping[str, object]],
        names: Collection[str],
        missing: Collection[tuple[str, str]],
    ) -> tuple[tuple[str, str], ...]:
        if not missing:
            return ()
        paths = {(self.table.name, column.name): path_of(column) for column in self.table.columns}
        return tuple(
            each
            for each in missing
            if each not in paths
            or paths[each][0] not in names
            or not any(has_field(record, paths[each]) for record in records)
        )


def path_of(column: Column) -> tuple[str, ...]:
    """The path of a column's field in a JSON record. Without ``source`` it is the name, dots included."""
    if column.keys:
        return column.keys
    return tuple(column.source.split(".")) if column.source else (column.name,)


def has_field(record: object, path: tuple[str, ...]) -> bool:
    """Whether a JSON record has a field, be it null."""
    for name in path:
        if not isinstance(record, Mapping) or name not in record:
            return False
        record = record[name]
    return True


def check_paths(plan: TablePlan, counts: FieldCounts) -> None:
    """Raise InvalidTableError if a column's declared ``source`` is in no record."""
    for table, column in _not_found(plan, counts):
        if column.source:
            raise InvalidTableError(
                f"table {table.name}, column {column.name!r}: no record has {column.source!r}"
                f"{did_you_mean(column.source, counts.names)}",
                hint=_XML_PATHS if plan.parse.record else _JSON_PATHS,
            )


def fields_left_out(counts: FieldCounts, rescue: str = "") -> tuple[str, ...]:
    """The warnings that hold whatever the plan is: fields that were left out, and values of the wrong type that were
    not loaded as such. ``rescue`` is the column that keeps them."""
    kept = f"; column {rescue!r} keeps them" if rescue else ""
    warnings = []
    if counts.records:
        names = ", ".join(map(repr, counts.names))
        others = " and others" if counts.is_full else ""
        warnings.append(f"{_hold(counts.records)} fields that no column takes: {names}{others}{kept}")
    if counts.rescued:
        warnings.append(f"{_hold(counts.rescued)} values of the wrong type{kept or '; the rescue column keeps them'}")
    return tuple(warnings)


def _hold(records: int) -> str:
    return f"{counted(records, 'record')} {'holds' if records == 1 else 'hold'}"


def field_warnings(plan: TablePlan, counts: FieldCounts) -> tuple[str, ...]:
    """For a receipt: fields that were left out, and columns that no record has a field for."""
    tables = _tables(plan)
    rescues = {table.rescue for table in tables}
    warnings = [*fields_left_out(counts, rescues.pop() if len(rescues) == 1 else "")]
    absent: dict[str, list[str]] = {}
    for table, column in _not_found(plan, counts):
        absent.setdefault(table.name, []).append(column.source or column.name)
    for name, columns in absent.items():
        listed = FieldCounts.of(0, columns)
        names = ", ".join(map(repr, listed.names))
        meant = did_you_mean(columns[0], counts.names)
        warnings.append(f"no record has a field for these columns of table {name}: {names}{meant}")
    return tuple(warnings)


def _not_found(plan: TablePlan, counts: FieldCounts) -> list[tuple[Table, Column]]:
    missing = {each for each in counts.missing if each[0] in counts.tables}
    if not missing:
        return []
    found = {
        (table.name, column.name): (table, column)
        for table in _tables(plan)
        for column in table.columns
        if (table.name, column.name) in missing
    }
    return list(found.values())


def _tables(plan: TablePlan) -> tuple[Table, ...]:
    return (plan.table,) if plan.table else tuple(plan.choice.tables.values()) if plan.choice else ()
