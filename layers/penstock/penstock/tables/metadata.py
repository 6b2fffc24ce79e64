"""Columns that hold values of the source: its key, its time, the row of a record (``from = "$key"`` in a route)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from penstock.errors import SourceValueError
from penstock.model.record import Batch
from penstock.model.source_values import SIGN, SourceValues
from penstock.model.table import TablePlan
from penstock.tables.column_kinds import shown
from penstock.tables.kind_choice import kind_of


def with_metadata(batch: Batch, plan: TablePlan, values: SourceValues) -> Batch:
    """The batch with the values that columns of the plan take from its source."""
    if not plan.metadata:
        return batch
    return replace(batch, metadata=lambda name: _texts(batch, name, values))


def _texts(batch: Batch, name: str, values: SourceValues) -> Sequence[str | None]:
    """A value of the source for each of the batch's rows."""
    count = len(batch.rows)
    match name:
        case "row" if count == batch.count:
            return list(map(str, range(batch.first_row, batch.first_row + count)))
        case "row":
            return [str(batch.position(row).row) for row in range(count)]
        case "offset" if batch.sheet:  # a row of a sheet begins at no byte of the file
            return [None] * count
        case "offset":
            return [str(batch.position(row).offset) for row in range(count)]
        case "sheet":
            return [batch.sheet or None] * count
    return [values.get(name)] * count


def check_values(plan: TablePlan, values: SourceValues) -> None:
    """Raise SourceValueError if a value that all records share does not fit its column: each would be rejected."""
    for table in plan.tables:
        for column in table.columns:
            if column.metadata not in values:
                continue
            text = values[column.metadata]
            wrong = ""
            if text is None or text in column.nulls:
                wrong = "is null, but may not be" if column.name in table.key or not column.nullable else ""
            else:
                try:
                    kind_of(column).value(text)
                except ValueError as error:
                    wrong = str(error)
            if wrong:
                raise SourceValueError(
                    f"table {table.name}, column {column.name!r}: {SIGN}{column.metadata} of the key "
                    f"{shown(values.get('key') or '')}: {wrong}"
                )
