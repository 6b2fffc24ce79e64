"""``atomic``: rows go to a staging table. At the end, one transaction moves all of them and records the job's end.

The staging table has the target's columns, checks and, for append, its unique indexes. So each chunk's load finds
nearly all rows that the database would refuse, while the records are still available. The move finds the rows that
only the target refuses (see `bisection`).

Rows may have other columns than the plan's, if records have fields that first appear after the sample. Each such row
stores the names of its columns, so that the others keep their defaults or current values.

The staging table is unlogged: a crash of the server empties it, while the ledger keeps its row counts. The move
compares the two.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from psycopg import sql

from penstock.destinations.postgres.bisection import ROW, Bisection
from penstock.destinations.postgres.catalog import Relation, find, identifiers
from penstock.destinations.postgres.connect import Connection
from penstock.destinations.postgres.errors import translating
from penstock.destinations.postgres.replace import ReplaceStaging
from penstock.destinations.postgres.rows import ROW_NUMBER, Appender, on_conflict
from penstock.model.load import Loaded, Rows
from penstock.model.table import Mode, Table

# Decoded bytes per second that move into a table without an index. Each index costs the same time again; upsert doubles
# the time (1,000,000 rows, 61 MB of CSV, on a busy machine with two cores: append takes 2.8 s without an index and
# 6.1 s with one index; upsert with one index takes 15 to 21 s).
MOVED = 10e6

COLUMNS_NAME = "penstock_columns"
COLUMNS = sql.Identifier(COLUMNS_NAME)

_PLAIN_INDEXES = """
SELECT n.nspname, c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE i.indrelid = %s AND NOT i.indisunique AND NOT i.indisexclusion
"""


class NumberedAppender(Appender):
    """COPY into a staging table, each row with the number of its record. ``others``: the rows have other columns than
    the plan's, and store the names. The numbers begin after ``base``."""

    def __init__(
        self,
        connection: Connection,
        target: sql.Identifier,
        names: Sequence[str],
        *,
        others: bool = False,
        base: int = 0,
    ) -> None:
        super().__init__(connection, target, [ROW_NUMBER, *([COLUMNS_NAME] if others else []), *names])
        self.base = base
        self.other_columns = (json.dumps(names),) if others else ()

    def script(self, rows: Rows) -> tuple[tuple[bytes, ...], bytes]:
        return (self.copy,), self.text(rows, 0, rows.count)

    def text(self, rows: Rows, first: int, end: int) -> bytes:
        other_columns = [[names] * (end - first) for names in self.other_columns]
        return self.text_with(rows, [_numbers(rows, first, end, self.base), *other_columns], first, end)


def _numbers(rows: Rows, first: int, end: int, base: int) -> list[str]:
    if rows.first_row:
        return list(map(str, range(base + rows.first_row + first, base + rows.first_row + end)))
    return [str(base + rows.position(row).row) for row in range(first, end)]


class AtomicStaging(ReplaceStaging):
    """The staging table of one atomic job for one table."""

    def __init__(self, connection: Connection, target: Relation, table: Table, job_id: str) -> None:
        super().__init__(connection, target, table, job_id)
        self.names = [column.name for column in table.columns]

    def create(self) -> None:
        """Create an unlogged table, without the indexes that are not unique, which only slow the load down."""
        indexes = "INCLUDING INDEXES" if self.table.mode is Mode.APPEND else "EXCLUDING INDEXES"
        self._run(
            f"CREATE UNLOGGED TABLE {{}} ({{}} bigint NOT NULL, {{}} text, LIKE {{}} INCLUDING ALL {indexes})",
            self.identifier,
            ROW,
            COLUMNS,
            self.target.identifier,
        )
        created = find(self.connection, self.name)
        for index in self.connection.execute(_PLAIN_INDEXES, [created.oid if created else 0]).fetchall():
            self._run("DROP INDEX {}", sql.Identifier(*index))

    def publish(self) -> Loaded:
        """Move all rows in the current transaction; return the refused rows and the number of dropped rows."""
        bisection = Bisection(self.connection, self.name, self.names, self.table.protects)
        column_sets = self._column_sets()

        def insert(first: int, end: int) -> tuple[int, int]:
            condition = bisection.between(first, end)
            parts = [self._insert(condition, columns, is_only=len(column_sets) == 1) for columns in column_sets]
            return sum(stored for stored, _ in parts), sum(dropped for _, dropped in parts)

        with translating(f"INSERT on table {self.target}"):
            loaded = bisection.move(insert)
        self.drop()
        return loaded

    def _column_sets(self) -> list[str | None]:
        """Return the distinct sets of columns of the rows; None is the plan's."""
        query = sql.SQL("SELECT DISTINCT {0} FROM {1} ORDER BY {0} NULLS FIRST").format(COLUMNS, self.identifier)
        return [columns for (columns,) in self.connection.execute(query).fetchall()] or [None]

    def _insert(self, condition: sql.Composable, columns: str | None, *, is_only: bool) -> tuple[int, int]:
        """Move the rows with one set of columns. ``is_only``: no row has another set."""
        names = self.names if columns is None else [str(name) for name in json.loads(columns)]
        rows = self._rows(condition)
        if not is_only:
            selected = sql.SQL("SELECT * FROM ({}) AS every WHERE {} IS NOT DISTINCT FROM {}")
            rows = selected.format(rows, COLUMNS, sql.Literal(columns))
        keyed = self.table.mode is Mode.UPSERT
        return self.insert(rows, names, self._end(names), keeps_existing=keyed and set(names) <= set(self.table.key))

    def _rows(self, condition: sql.Composable) -> sql.Composable:
        """Select the rows that meet the condition; for upsert, only the last row of each key."""
        every = sql.SQL("FROM {} WHERE {}").format(self.identifier, condition)
        if self.table.mode is Mode.APPEND:
            return sql.SQL("SELECT * ") + every
        last = sql.SQL("SELECT DISTINCT ON ({key}) * {every} ORDER BY {key}, {row} DESC")
        return last.format(key=identifiers(self.table.key), every=every, row=ROW)

    def _end(self, names: Sequence[str]) -> sql.Composable:
        if self.table.mode is Mode.APPEND:
            return sql.SQL("")
        order = sql.SQL("ORDER BY {} ").format(identifiers(self.table.key))
        return order + on_conflict(self.table.key, names)


def moving_seconds(size: int, table: Table, indexes: int) -> float:
    """Estimate the seconds that it takes to move ``size`` decoded bytes into a table with ``indexes`` indexes."""
    return size / MOVED * (1 + indexes) * (2 if table.mode is Mode.UPSERT else 1)
