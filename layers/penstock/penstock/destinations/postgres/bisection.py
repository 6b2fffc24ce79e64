"""Moving staged rows into their table, without those that the table refuses: by halves, each under a savepoint.

What only the table itself can tell (rows that are there already, triggers) is found here. A staged row has the number
of its record; where the record begins is not staged, for to find that out takes longer than to load the row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from penstock.destinations.postgres.catalog import identifiers
from penstock.destinations.postgres.connect import Connection
from penstock.destinations.postgres.errors import is_rows_fault, message_of
from penstock.destinations.postgres.rows import ROW_NUMBER
from penstock.model.load import Loaded
from penstock.model.record import RAW_LIMIT, RecordPosition, Reject

ROW = sql.Identifier(ROW_NUMBER)

# Where a rejected record begins is not known any more when it is moved.
UNKNOWN = -1

# A move ends at the end of the job: its rejects are those of no span.
SPAN = 0

InsertRows = Callable[[int, int], tuple[int, int]]
"""Moves the rows of so many records, from the first to before the end; answers how many are stored, and dropped."""


@dataclass(frozen=True, slots=True)
class Bisection:
    """The rows of a staging table, ``name`` (schema and name), of which ``shown`` are the columns that a reject has."""

    connection: Connection
    name: Sequence[str]
    shown: Sequence[str]

    def move(self, insert: InsertRows) -> Loaded:
        """Move all rows in the current transaction; answers the rows stored, those refused, and those dropped."""
        stored, dropped, rejects = 0, 0, list[Reject]()
        halves = [self._bounds()]
        while halves:
            first, end = halves.pop()
            try:
                with self.connection.transaction():
                    here, left_out = insert(first, end)
                stored += here
                dropped += left_out
            except psycopg.Error as error:
                if not is_rows_fault(error):
                    raise
                if not rejects and end - first > 1:
                    self._make_index()
                middle = (first + end) // 2
                if middle == first:
                    rejects.append(self._reject(first, error))
                else:
                    halves += [(middle, end), (first, middle)]
        return Loaded(stored, tuple(rejects), dropped)

    def between(self, first: int, end: int) -> sql.Composable:
        """The condition for some of the rows."""
        return sql.SQL("{0} >= {1} AND {0} < {2}").format(ROW, sql.Literal(first), sql.Literal(end))

    @property
    def _table(self) -> sql.Identifier:
        return sql.Identifier(*self.name)

    def _make_index(self) -> None:
        index = sql.Identifier(self.name[-1].replace("staging", "row", 1))
        create = sql.SQL("CREATE INDEX IF NOT EXISTS {} ON {} ({})").format(index, self._table, ROW)
        self.connection.execute(create)

    def _bounds(self) -> tuple[int, int]:
        found = self.connection.execute(
            sql.SQL("SELECT coalesce(min({0}), 0), coalesce(max({0}), 0) + 1 FROM {1}").format(ROW, self._table)
        ).fetchone()
        return found or (0, 1)

    def _reject(self, row: int, error: psycopg.Error) -> Reject:
        found = self.connection.execute(
            sql.SQL("SELECT to_jsonb(r)::text FROM (SELECT {} FROM {} WHERE {}) AS r").format(
                identifiers(self.shown), self._table, self.between(row, row + 1)
            )
        ).fetchone()
        raw = str(found[0])[:RAW_LIMIT] if found else ""
        return Reject(RecordPosition(row, UNKNOWN, raw), message_of(error), error.diag.column_name or "", SPAN)
