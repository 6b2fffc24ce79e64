"""Move staged rows into their table, without the rows that the table refuses: by halves, each under a savepoint.

The move finds the rows that only the table itself refuses (because of existing rows, or triggers). A staged row has the
number of its record. It does not have the record's offset, which takes longer to find than the row to load.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from penstock.destinations.postgres.catalog import identifiers
from penstock.destinations.postgres.connect import Connection
from penstock.destinations.postgres.errors import bare_message_of, is_rows_fault, message_of
from penstock.destinations.postgres.rows import ROW_NUMBER
from penstock.model.load import Loaded
from penstock.model.record import RAW_LIMIT, RecordPosition, Reject

ROW = sql.Identifier(ROW_NUMBER)

# The offset of a rejected record is no longer known when the record is moved.
UNKNOWN = -1

# A move takes place at the end of the job: its rejects belong to no span.
SPAN = 0

InsertRows = Callable[[int, int], tuple[int, int]]
"""Moves the rows of the records from the first to before the end; returns how many it stored, and how many it dropped.
"""


@dataclass(frozen=True, slots=True)
class Bisection:
    """Moves the rows of the staging table ``name`` (schema and name). ``shown`` are the columns that a reject shows. A
    ``bare`` reject shows no value."""

    connection: Connection
    name: Sequence[str]
    shown: Sequence[str]
    bare: bool = False

    def move(self, insert: InsertRows) -> Loaded:
        """Move all rows in the current transaction; return the stored, the refused and the dropped rows."""
        stored, dropped, rejects = 0, 0, list[Reject]()
        halves = [self._bounds()]
        while halves:
            first, end = halves.pop()
            try:
                with self.connection.transaction():
                    stored_now, dropped_now = insert(first, end)
                stored += stored_now
                dropped += dropped_now
            except psycopg.Error as error:
                if not is_rows_fault(error):
                    raise
                if not rejects and end - first > 1:
                    self._create_index()
                middle = (first + end) // 2
                if middle == first:
                    rejects.append(self._reject(first, error))
                else:
                    halves += [(middle, end), (first, middle)]
        return Loaded(stored, tuple(rejects), dropped)

    def between(self, first: int, end: int) -> sql.Composable:
        """Return the condition for the rows of the records from ``first`` to before ``end``."""
        return sql.SQL("{0} >= {1} AND {0} < {2}").format(ROW, sql.Literal(first), sql.Literal(end))

    @property
    def _table(self) -> sql.Identifier:
        return sql.Identifier(*self.name)

    def _create_index(self) -> None:
        index = sql.Identifier(self.name[-1].replace("staging", "row", 1))
        create = sql.SQL("CREATE INDEX IF NOT EXISTS {} ON {} ({})").format(index, self._table, ROW)
        self.connection.execute(create)

    def _bounds(self) -> tuple[int, int]:
        found = self.connection.execute(
            sql.SQL("SELECT coalesce(min({0}), 0), coalesce(max({0}), 0) + 1 FROM {1}").format(ROW, self._table)
        ).fetchone()
        return found or (0, 1)

    def _reject(self, row: int, error: psycopg.Error) -> Reject:
        column = error.diag.column_name or ""
        if self.bare:
            return Reject(RecordPosition(row, UNKNOWN, ""), bare_message_of(error), column, SPAN)
        found = self.connection.execute(
            sql.SQL("SELECT to_jsonb(r)::text FROM (SELECT {} FROM {} WHERE {}) AS r").format(
                identifiers(self.shown), self._table, self.between(row, row + 1)
            )
        ).fetchone()
        raw = str(found[0])[:RAW_LIMIT] if found else ""
        return Reject(RecordPosition(row, UNKNOWN, raw), message_of(error), column, SPAN)
