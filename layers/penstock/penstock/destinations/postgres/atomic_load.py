"""``atomic``: rows go to a staging table, and one transaction at the end moves all of them, with the job's end.

The staging table has the target's columns, checks and, for append, its unique indexes, so that nearly all that the
database would refuse is found chunk by chunk, where the record is at hand. What only the target can tell is found by
the move (see `postgres_halves`).

Rows may have other columns than the plan's, where records have fields that come behind the sample. Each such row says
which, so that the others keep their defaults, or what is there.

It is unlogged: a server that crashes empties it, while the ledger has its rows. The move counts them.
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

# Decoded bytes that a second moves into a table without an index; each index costs as much again, upsert twice as much
# (1,000,000 rows, 61 MB of CSV, on a busy machine with two cores: 2.8 s for append without an index, 6.1 s with one;
# upsert with one 15 to 21 s).
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
    the plan's, and say so."""

    def __init__(
        self, connection: Connection, target: sql.Identifier, names: Sequence[str], *, others: bool = False
    ) -> None:
        super().__init__(connection, target, [ROW_NUMBER, *([COLUMNS_NAME] if others else []), *names])
        self.said = (json.dumps(names),) if others else ()

    def script(self, rows: Rows) -> tuple[tuple[bytes, ...], bytes]:
        return (self.copy,), self.text(rows, 0, rows.count)

    def text(self, rows: Rows, first: int, end: int) -> bytes:
        said = [[names] * (end - first) for names in self.said]
        return self.behind(rows, [_numbers(rows, first, end), *said], first, end)


def _numbers(rows: Rows, first: int, end: int) -> list[str]:
    if rows.first_row:
        return list(map(str, range(rows.first_row + first, rows.first_row + end)))
    return [str(rows.position(row).row) for row in range(first, end)]


class AtomicStaging(ReplaceStaging):
    """The staging table of one atomic job for one table."""

    def __init__(self, connection: Connection, target: Relation, table: Table, job_id: str) -> None:
        super().__init__(connection, target, table, job_id)
        self.names = [column.name for column in table.columns]

    def create(self) -> None:
        """Unlogged, without what only slows it down."""
        indexes = "INCLUDING INDEXES" if self.table.mode is Mode.APPEND else "EXCLUDING INDEXES"
        self._run(
            f"CREATE UNLOGGED TABLE {{}} ({{}} bigint NOT NULL, {{}} text, LIKE {{}} INCLUDING ALL {indexes})",
            self.identifier,
            ROW,
            COLUMNS,
            self.target.identifier,
        )
        made = find(self.connection, self.name)
        for index in self.connection.execute(_PLAIN_INDEXES, [made.oid if made else 0]).fetchall():
            self._run("DROP INDEX {}", sql.Identifier(*index))

    def publish(self) -> Loaded:
        """Move all rows in the current transaction; answers those that are refused, and how many are dropped."""
        halves = Bisection(self.connection, self.name, self.names)
        sorts = self._sorts()

        def insert(first: int, end: int) -> tuple[int, int]:
            parts = [self._insert(halves.between(first, end), said, alone=len(sorts) == 1) for said in sorts]
            return sum(stored for stored, _ in parts), sum(dropped for _, dropped in parts)

        with translating(f"INSERT on table {self.target}"):
            loaded = halves.move(insert)
        self.drop()
        return loaded

    def _sorts(self) -> list[str | None]:
        """What rows say of their columns, each once; None is for those of the plan."""
        query = sql.SQL("SELECT DISTINCT {0} FROM {1} ORDER BY {0} NULLS FIRST").format(COLUMNS, self.identifier)
        return [said for (said,) in self.connection.execute(query).fetchall()] or [None]

    def _insert(self, condition: sql.Composable, said: str | None, *, alone: bool) -> tuple[int, int]:
        """Move the rows of one sort: those that say so of their columns. ``alone``: there are no others."""
        names = self.names if said is None else [str(name) for name in json.loads(said)]
        rows = self._rows(condition)
        if not alone:
            mine = sql.SQL("SELECT * FROM ({}) AS every WHERE {} IS NOT DISTINCT FROM {}")
            rows = mine.format(rows, COLUMNS, sql.Literal(said))
        keyed = self.table.mode is Mode.UPSERT
        return self.insert(rows, names, self._end(names), staying=keyed and set(names) <= set(self.table.key))

    def _rows(self, condition: sql.Composable) -> sql.Composable:
        """Some of the rows; for upsert, of those with one key the last."""
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
    """About how long it takes to move so many decoded bytes into a table with so many indexes."""
    return size / MOVED * (1 + indexes) * (2 if table.mode is Mode.UPSERT else 1)
