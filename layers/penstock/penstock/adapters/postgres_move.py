"""``atomic``: rows go to a staging table, and one transaction at the end moves all of them, with the job's end.

The staging table has the target's columns, checks and, for append, its unique indexes, so that nearly all that the
database would refuse is found chunk by chunk, where the record is at hand. What only the target can tell (rows that are
there already, triggers) is found by the move, by halves under savepoints.

It is unlogged: a server that crashes empties it, while the ledger has its rows. The move counts them.
"""

from __future__ import annotations

import psycopg
from psycopg import sql

from penstock.adapters.postgres_catalog import Relation, find, identifiers
from penstock.adapters.postgres_connect import Connection
from penstock.adapters.postgres_errors import is_rows_fault, message_of, translating
from penstock.adapters.postgres_replace import Staging
from penstock.adapters.postgres_rows import ROW_NUMBER, Appender, on_conflict
from penstock.records import RAW_LIMIT, Loaded, Mode, Place, Reject, Rows, Table

# Decoded bytes that a second moves into a table without an index; each index costs as much again, upsert twice as much
# (1,000,000 rows, 61 MB of CSV, on a busy machine with two cores: 2.8 s for append without an index, 6.1 s with one;
# upsert with one 15 to 21 s).
MOVED = 10e6

ROW = sql.Identifier(ROW_NUMBER)

# Where a rejected record begins is not known any more when it is moved.
UNKNOWN = -1

_PLAIN_INDEXES = """
SELECT n.nspname, c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE i.indrelid = %s AND NOT i.indisunique AND NOT i.indisexclusion
"""


class NumberedAppender(Appender):
    """COPY into a staging table, each row with the number of its record."""

    def __init__(self, connection: Connection, target: sql.Identifier, names: list[str]) -> None:
        super().__init__(connection, target, [ROW_NUMBER, *names])

    def script(self, rows: Rows) -> tuple[tuple[bytes, ...], bytes]:
        return (self.copy,), self.text(rows, 0, rows.count)

    def text(self, rows: Rows, first: int, end: int) -> bytes:
        return self.numbered(rows, _numbers(rows, first, end), first, end)


def _numbers(rows: Rows, first: int, end: int) -> list[str]:
    if rows.first_row:
        return list(map(str, range(rows.first_row + first, rows.first_row + end)))
    return [str(rows.place(row).row) for row in range(first, end)]


class MovedStaging(Staging):
    """The staging table of one atomic job for one table."""

    def __init__(self, connection: Connection, target: Relation, table: Table, job_id: str) -> None:
        super().__init__(connection, target, table, job_id)
        self.names = [column.name for column in table.columns]

    def create(self) -> None:
        """Unlogged, without what only slows it down."""
        indexes = "INCLUDING INDEXES" if self.table.mode is Mode.APPEND else "EXCLUDING INDEXES"
        self._run(
            f"CREATE UNLOGGED TABLE {{}} ({{}} bigint NOT NULL, LIKE {{}} INCLUDING ALL {indexes})",
            self.identifier,
            ROW,
            self.target.identifier,
        )
        made = find(self.connection, self.name)
        for index in self.connection.execute(_PLAIN_INDEXES, [made.oid if made else 0]).fetchall():
            self._run("DROP INDEX {}", sql.Identifier(*index))

    def count(self) -> int:
        """The rows that are staged."""
        return self._number("SELECT count(*) FROM {}", self.identifier)

    def move(self, span: int) -> Loaded:
        """Move all rows in the current transaction; answers the rows stored, those refused, and those dropped."""
        stored, rejects = 0, list[Reject]()
        expected = self._expected()
        with translating(f"INSERT on table {self.target}"):
            halves = [self._bounds()]
            while halves:
                first, end = halves.pop()
                try:
                    with self.connection.transaction():
                        stored += self._insert(first, end)
                except psycopg.Error as error:
                    if not is_rows_fault(error):
                        raise
                    if not rejects and end - first > 1:
                        self._run("CREATE INDEX IF NOT EXISTS {} ON {} ({})", self._index, self.identifier, ROW)
                    middle = (first + end) // 2
                    if middle == first:
                        rejects.append(self._reject(first, error, span))
                    else:
                        halves += [(middle, end), (first, middle)]
        return Loaded(stored, tuple(rejects), max(0, expected - stored - len(rejects)))

    @property
    def _index(self) -> sql.Identifier:
        return sql.Identifier(self.name[-1].replace("staging", "row", 1))

    def _expected(self) -> int:
        """The rows that the move is to write: of those with one key only the last; 0 where that cannot be told."""
        if self.table.mode is Mode.APPEND:
            return self.count()
        if not self.target.may_drop or set(self.names) <= set(self.table.key):
            return 0
        return self._number(
            "SELECT count(*) FROM (SELECT DISTINCT {} FROM {}) AS new", identifiers(self.table.key), self.identifier
        )

    def _bounds(self) -> tuple[int, int]:
        found = self.connection.execute(
            sql.SQL("SELECT coalesce(min({0}), 0), coalesce(max({0}), 0) + 1 FROM {1}").format(ROW, self.identifier)
        ).fetchone()
        return found or (0, 1)

    def _insert(self, first: int, end: int) -> int:
        names = identifiers(self.names)
        insert = sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE ").format(self.target.identifier, names)
        rows = sql.SQL(" FROM {} WHERE {} >= {} AND {} < {}").format(
            self.identifier, ROW, sql.Literal(first), ROW, sql.Literal(end)
        )
        if self.table.mode is Mode.APPEND:
            return self.connection.execute(insert + sql.SQL("SELECT {}").format(names) + rows).rowcount
        key = identifiers(self.table.key)
        select = sql.SQL("SELECT DISTINCT ON ({}) {}").format(key, names)
        order = sql.SQL(" ORDER BY {}, {} DESC ").format(key, ROW)
        return self.connection.execute(
            insert + select + rows + order + on_conflict(self.table.key, self.names)
        ).rowcount

    def _reject(self, row: int, error: psycopg.Error, span: int) -> Reject:
        found = self.connection.execute(
            sql.SQL("SELECT to_jsonb(r)::text FROM (SELECT {} FROM {} WHERE {} = {}) AS r").format(
                identifiers(self.names), self.identifier, ROW, sql.Literal(row)
            )
        ).fetchone()
        raw = str(found[0])[:RAW_LIMIT] if found else ""
        return Reject(Place(row, UNKNOWN, raw), message_of(error), error.diag.column_name or "", span)

    def _number(self, statement: str, *parts: sql.Composable) -> int:
        found = self.connection.execute(sql.SQL(statement).format(*parts)).fetchone()
        return int(found[0]) if found else 0


def moving_seconds(size: int, table: Table, indexes: int) -> float:
    """About how long it takes to move so many decoded bytes into a table with so many indexes."""
    return size / MOVED * (1 + indexes) * (2 if table.mode is Mode.UPSERT else 1)
