"""The rescue column: it keeps what no other column takes, as one JSON object for each row."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from penstock.model.column import Column
from penstock.model.table import Table
from penstock.tables.cells import getter
from penstock.tables.documents import write_document
from penstock.tables.field_watch import path_of
from penstock.tables.header_fields import fields_without

Kept = Mapping[int, Mapping[str, object]]
"""Values of the wrong type, by the position of their record and the name of their field."""


def is_rescued(table: Table, column: Column) -> bool:
    """Whether a value of the wrong type is kept in the rescue column, and the column is null. A column that may not be
    null rejects the record."""
    may_be_null = column.nullable and column.name not in table.key
    return table.rescue_values and may_be_null and not column.metadata and not column.is_protected


class Rescue:
    """Finds what the columns of one table leave, in records with a header of these ``names``, or in JSON objects.

    Only whole fields of a JSON record are kept: a column may take a part of an object and leave the rest. ``also_used``
    are fields that the route uses otherwise. Null texts of a header's fields are not kept.
    """

    def __init__(self, table: Table, names: Sequence[str], also_used: Collection[str] = ()) -> None:
        columns = [column for column in table.columns if column.name != table.rescue and not column.metadata]
        self.position = next(n for n, column in enumerate(table.columns) if column.name == table.rescue)
        self.taken = {path_of(column)[0] for column in columns} | {*also_used}
        taken = {column.source or column.name for column in columns} | {*also_used}
        self.others = fields_without(taken, names)
        self.has_header = bool(names)
        self.nulls = frozenset(table.nulls)

    def texts(self, rows: Sequence[object], kept: Kept) -> tuple[Sequence[str | None], dict[int, str]]:
        """The objects as JSON texts, None where nothing is left, and why some (by position) cannot be written."""
        texts: list[str | None] = []
        faults: dict[int, str] = {}
        nothing: Mapping[str, object] = {}
        for position, row in enumerate(rows):
            left = {**self._left(row), **kept.get(position, nothing)}
            text = None
            if left:
                try:
                    text = write_document(left)
                except ValueError as error:
                    faults[position] = str(error)
            texts.append(text)
        return texts, faults

    def _left(self, row: object) -> Mapping[str, object]:
        if self.has_header:
            cells: Sequence[str | None] = row  # type: ignore[assignment]  # as Batch says
            found = ((name, cells[position]) for name, position in self.others)
            return {name: cell for name, cell in found if cell is not None and cell not in self.nulls}
        if not isinstance(row, Mapping):
            return {}
        return {name: value for name, value in row.items() if name not in self.taken}


def raw_value(column: Column, position: int | None) -> Callable[[object], object]:
    """A function that finds the value of a column in a record, at a ``position`` of its row or as a JSON field."""
    if position is not None:
        at: int = position
        return lambda row: row[at]  # type: ignore[index]  # as Batch says
    get = getter(path_of(column))
    return lambda row: get(row) if isinstance(row, Mapping) else None
