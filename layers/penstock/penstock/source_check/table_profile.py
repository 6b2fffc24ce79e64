"""What the rows for one table are like, and which of them the existing table would refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from penstock.model.column import Column
from penstock.model.load import Rows
from penstock.model.record import Reject
from penstock.model.table import Mode, Table
from penstock.model.table_limits import TableLimits
from penstock.source_check.array_check import ArrayCheck, is_array
from penstock.source_check.column_profile import ColumnProfile
from penstock.source_check.key_watch import KeyWatch
from penstock.tables.protection import without_quotes

TWICE = "the key ({columns}) comes a second time in the source, and the table has a unique index on it"


class TableProfile:
    """Gathers the profiles of a table's columns. ``limits`` are those of the table, if it exists.

    ``key`` watches the key of the route, of which the last row wins; ``unique`` the unique indexes of the table.
    """

    def __init__(self, table: Table, limits: TableLimits | None, *, repeats: bool) -> None:
        self.name = table.name
        self.exists = limits is not None
        self.rows = 0
        self.columns = {column.name: ColumnProfile(column.name, column.type) for column in table.columns}
        self.key = KeyWatch(table.key) if repeats and table.key else None
        self._limits = limits or TableLimits()
        indexes = self._limits.unique if table.mode is not Mode.UPSERT else ()
        self.unique = [KeyWatch(columns) for columns in indexes if set(columns) <= self.columns.keys()]

    def add(self, rows: Rows) -> Sequence[Reject]:
        """Add rows; return those that the table would refuse."""
        self.rows += rows.count
        types = {column.name: column.type for column in rows.table.columns}
        for name, values in zip(rows.names, rows.columns, strict=True):
            if name not in self.columns:  # a field that first appears after the sample
                self.columns[name] = ColumnProfile(name, types[name])
            self.columns[name].add(values)
        if self.key:
            self.key.add(_keys(rows, self.key.columns))
        return [*self._refused(rows), *self._repeated(rows)]

    def _refused(self, rows: Rows) -> Iterator[Reject]:
        columns = {column.name: column for column in rows.table.columns}
        for name, values in zip(rows.names, rows.columns, strict=True):
            refusal = self._refusal(columns[name])
            if refusal is None:
                continue
            for position, value in enumerate(values):
                if reason := refusal(value):
                    shown = without_quotes(reason) if rows.table.protects else reason
                    yield Reject(rows.position(position), shown, name)

    def _refusal(self, column: Column) -> Callable[[object], str] | None:
        """What says why the table refuses a value of a column; None if it takes any."""
        limits = self._limits.columns.get(column.name)
        if not is_array(column):
            return limits.refusal if limits and limits.is_limited else None
        check = ArrayCheck(column, limits)
        return lambda value: limits.refusal(None) if limits and value is None else check.refusal(value)

    def _repeated(self, rows: Rows) -> Iterator[Reject]:
        for watch in self.unique:
            if set(watch.columns) <= set(rows.names):
                reason = TWICE.format(columns=", ".join(watch.columns))
                for position in watch.add(_keys(rows, watch.columns)):
                    yield Reject(rows.position(position), reason, watch.columns[0])


def _keys(rows: Rows, columns: Sequence[str]) -> list[tuple[object, ...]]:
    at = {name: position for position, name in enumerate(rows.names)}
    return list(zip(*(rows.columns[at[name]] for name in columns), strict=True))
