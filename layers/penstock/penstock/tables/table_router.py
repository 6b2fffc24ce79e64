"""Records routed by a field: ``{"type": "song", "data": {...}}`` goes to the table of songs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import cast

from penstock.errors import InvalidTableError
from penstock.model.likely_name import did_you_mean
from penstock.model.record import Batch, RecordPosition, Reject
from penstock.model.sheet_names import meaning
from penstock.model.table import Choice, Table
from penstock.tables.cells import getter, plain_getter
from penstock.tables.column_kinds import shown
from penstock.tables.header_fields import places_of

Row = Mapping[str, object] | Sequence[str | None]


class TableRouter:
    """Splits batches by the value of ``choice.field``; see `Choice`.

    Records may be JSON objects, or rows of a CSV or a sheet if they have no payload.
    """

    def __init__(self, choice: Choice) -> None:
        self.choice = choice
        self.get_value = plain_getter(tuple(choice.field.split(".")))
        self.get_payload = getter(tuple(choice.payload.split("."))) if choice.payload else None

    def split(self, batch: Batch) -> tuple[Mapping[Table, Batch], tuple[Reject, ...]]:
        """A batch for every table, empty ones included, in the order of ``choice.tables``; a sheet has one table.

        The rejects are records of unknown type (unless they are ignored) or without payload; those of ``batch``
        itself are not repeated. Raises InvalidTableError when the header lacks the field.
        """
        if self.choice.by_sheet:
            return self._table_of_sheet(batch), ()
        parts: dict[Table, list[tuple[int, Row]]] = {table: [] for table in self.choice.tables.values()}
        # By the value, not by the table: to hash a table is to hash all its columns, for every record.
        found = {value: parts[table] for value, table in self.choice.tables.items()}
        rejects = []
        examine = self._row_examiner(batch.names) if batch.names else self._examine_record
        for position, record in enumerate(batch.rows):
            try:
                value, row = examine(record)
            except _Unfit as unfit:
                rejects.append(Reject(batch.position(position), unfit.reason, unfit.column))
            else:
                if value is not None:
                    found[value].append((position, row))
        # The schema of a source is that of its records, and not of a payload in them.
        described = replace(batch, schema=()) if self.get_payload else batch
        return {table: part_of(described, rows) for table, rows in parts.items()}, tuple(rejects)

    def _table_of_sheet(self, batch: Batch) -> Mapping[Table, Batch]:
        """The parser has rejected the records of a sheet without a table."""
        if not batch.sheet:
            raise InvalidTableError(f"records are chosen by {self.choice.field!r}, but the file has no sheets")
        value = meaning(batch.sheet, self.choice.tables)
        return {self.choice.tables[value]: batch} if value is not None else {}

    def _row_examiner(self, names: Sequence[str]) -> Callable[[object], tuple[str | None, Row]]:
        places = [] if self.choice.payload else places_of(self.choice.field, names)
        if len(places) != 1:
            field = self.choice.payload or self.choice.field
            has = f"has {len(places)} times" if places else "lacks"
            protects = any(column.is_protected for table in self.choice.tables.values() for column in table.columns)
            meant = "" if places or protects else did_you_mean(field, names)
            raise InvalidTableError(f"records are chosen by {field!r}, which the header {has}{meant}")
        position = places[0]

        def examine(row: object) -> tuple[str | None, Row]:
            cells = cast("Sequence[str | None]", row)
            return self._known(cells[position]), cells

        return examine

    def _examine_record(self, record: object) -> tuple[str | None, Row]:
        if not isinstance(record, dict):
            raise _Unfit("is not an object")
        value = self._known(self.get_value(record))
        payload = self.get_payload(record) if self.get_payload else record
        if value is not None and not isinstance(payload, dict):
            raise _Unfit("is not an object", self.choice.payload)
        return value, cast("Row", payload)

    def _known(self, value: object) -> str | None:
        """The value that names the table; None if the record is ignored."""
        if isinstance(value, str) and value in self.choice.tables:
            return value
        if self.choice.ignore_unknown:
            return None
        reason = "is missing" if value is None else f"{shown(str(value))} names no table"
        raise _Unfit(reason, self.choice.field)


class _Unfit(Exception):  # noqa: N818  # says why a record is rejected; never leaves this module
    def __init__(self, reason: str, column: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.column = column


def part_of(batch: Batch, found: Sequence[tuple[int, object]]) -> Batch:
    """A batch of some records of another, each with its position in that."""

    def position(row: int) -> RecordPosition:
        return batch.position(found[row][0])

    metadata = batch.metadata

    def picked(name: str) -> Sequence[str | None]:
        column = metadata(name) if metadata else ()
        return [column[row] for row, _ in found]

    return replace(
        batch,
        rows=[row for _, row in found],
        count=len(found),
        position=position,
        rejects=(),
        first_row=0,
        metadata=picked if metadata else None,
    )
