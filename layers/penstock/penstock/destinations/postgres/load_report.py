"""The table ``penstock_loads``: one row for each job and table, which says what was loaded from which source.

It is a report beside the ledger, in its schema, and is written in the transactions of the ledger. No load depends on
it: what prevents a write to it is a warning in the log, and rolled back to a savepoint.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TypeAlias

import psycopg
from psycopg import sql

from penstock.destinations.postgres.bisection import UNKNOWN
from penstock.destinations.postgres.catalog import lock_ddl
from penstock.destinations.postgres.connect import Connection
from penstock.destinations.postgres.errors import message_of
from penstock.destinations.postgres.load_counts import LoadCounts
from penstock.destinations.postgres.rights import Right, quoted, role_of
from penstock.model.load_origin import LoadOrigin

LOADS = "penstock_loads"
RIGHTS = "SELECT, INSERT, UPDATE"
RUNNING, SUCCEEDED, FAILED, SUPERSEDED = "running", "succeeded", "failed", "superseded"

# The columns and their types. docs/tables.md explains them.
COLUMNS: Mapping[str, str] = {
    "job": "text NOT NULL",
    "table_name": "text NOT NULL",
    "source": "text NOT NULL",
    "bucket": "text",
    "key": "text",
    "version_id": "text",
    "etag": "text",
    "archive": "text",
    "member": "integer[]",
    "route": "text NOT NULL",
    "mode": "text NOT NULL",
    "attempt": "integer NOT NULL",
    "redrives": "integer NOT NULL",
    "status": "text NOT NULL",
    "rows_parsed": "bigint",
    "rows_loaded": "bigint",
    "rows_rejected": "bigint",
    "rows_dropped": "bigint",
    "first_error": "text",
    "first_error_row": "bigint",
    "first_error_offset": "bigint",
    "first_error_column": "text",
    "failure": "text",
    "staged_with": "text",
    "started_at": "timestamp with time zone NOT NULL DEFAULT now()",
    "finished_at": "timestamp with time zone",
}
# What the end of a load adds to the row of its begin.
_RESULT = [name for name in COLUMNS if name.startswith(("rows_", "first_error")) or name in {"status", "failure"}]

# Facts of a job, each given once, for all of its tables.
_OF_JOB = (
    *("job", "source", "bucket", "key", "version_id", "etag", "archive", "member", "attempt", "redrives"),
    *("rows_parsed", "rows_rejected", "rows_dropped"),
    *("first_error", "first_error_row", "first_error_offset", "first_error_column", "failure", "staged_with"),
)
_INSERT = sql.SQL(
    """
    INSERT INTO {table} AS l ({names}, table_name, mode, rows_loaded, route, status, started_at, finished_at)
    SELECT {names}, table_name, mode, rows_loaded[number], {route}, {status},
           statement_timestamp() - make_interval(secs => {seconds}),
           CASE WHEN {status} <> 'running' THEN statement_timestamp() END
    FROM json_to_recordset({jobs}) AS j ({columns}, rows_loaded bigint[])
      CROSS JOIN unnest({tables}::text[], {modes}::text[]) WITH ORDINALITY AS t (table_name, mode, number)
    ORDER BY job, table_name ON CONFLICT (job, table_name) DO UPDATE SET """
)
_RUNNING = "redrives = EXCLUDED.redrives, status = 'running', failure = NULL, finished_at = NULL"
# A late attempt at an ended job changes nothing; a redrive has a higher number.
_NEXT_ATTEMPT = f"""
    attempt = EXCLUDED.attempt, {_RUNNING}
    WHERE l.status <> 'succeeded' AND (l.redrives, l.attempt) < (EXCLUDED.redrives, EXCLUDED.attempt)
"""
_COUNTED_ATTEMPT = f"attempt = l.attempt + 1, {_RUNNING} WHERE l.status <> 'succeeded'"
_END = f"""
    {", ".join(f"{name} = EXCLUDED.{name}" for name in (*_RESULT, "finished_at"))},
    (redrives, attempt) = (SELECT greatest(l.redrives, EXCLUDED.redrives),
      CASE WHEN l.redrives < EXCLUDED.redrives THEN EXCLUDED.attempt ELSE greatest(l.attempt, EXCLUDED.attempt) END)
    WHERE l.status <> 'succeeded' OR EXCLUDED.status = 'succeeded'
"""
_STATE = """
    SELECT c.oid IS NULL, CASE WHEN c.oid IS NULL THEN has_schema_privilege(%s, 'CREATE')
      ELSE has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
        AND has_table_privilege(c.oid, 'UPDATE') END
    FROM (SELECT to_regclass(%s) AS oid) AS c
"""

log = logging.getLogger(__name__)
Facts: TypeAlias = dict[str, object]


class LoadReport:
    """The report of loads in one schema."""

    def __init__(self, connection: Connection, schema: str) -> None:
        self.connection = connection
        self.schema = schema
        self.name = (schema, LOADS)
        self.table = sql.Identifier(*self.name)
        self._is_usable: bool | None = None

    def ensure(self) -> None:
        """Create the table if it is missing and the role may. Otherwise warn once, and write nothing."""
        if self._is_usable is not None:
            return
        is_missing, self._is_usable = self._state()
        if is_missing and self._is_usable:
            lock_ddl(self.connection)
            is_missing, self._is_usable = self._state()
        if not self._is_usable:
            warn(f"{self._shown} is not written: {self._remedy(is_missing=is_missing)}")
        elif is_missing:
            self._guarded(b";".join(part.as_bytes(self.connection) for part in loads_ddl(self.table)))

    @property
    def is_usable(self) -> bool:
        """Whether the table exists, and the role may write to it."""
        if self._is_usable is None:
            is_missing, may = self._state()
            self._is_usable = may and not is_missing
        return self._is_usable

    def begin(self, job: str, origin: LoadOrigin) -> None:
        """Write that a load is running."""
        again = _NEXT_ATTEMPT if origin.attempt else _COUNTED_ATTEMPT
        self._write([self._facts(job, origin)], origin, RUNNING, 0.0, again)

    def end(
        self,
        job: str,
        origin: LoadOrigin,
        counts: LoadCounts,
        status: str,
        failure: str = "",
        *,
        seconds: float = 0.0,
    ) -> None:
        """Write how a load has ended that took ``seconds``, or with ``RUNNING`` what it has staged."""
        facts = self._facts(job, origin, counts) | ({"failure": self._text(failure)} if failure else {})
        self._write([facts], origin, status, seconds, _END)

    def end_all(self, loads: Sequence[tuple[str, LoadOrigin, LoadCounts]], *, seconds: float) -> None:
        """Write that several loads into the same tables have succeeded, in one statement."""
        if loads:
            self._write([self._facts(*load) for load in loads], loads[0][1], SUCCEEDED, seconds, _END)

    def has(self, job: str) -> bool:
        """Return whether the begin of a load was written."""
        query = sql.SQL("SELECT FROM {} WHERE job = %s LIMIT 1").format(self.table)
        return self.is_usable and self.connection.execute(query, [job]).rowcount > 0

    def close(self, job: str, counts: LoadCounts, status: str, failure: str = "") -> None:
        """Write how a load has ended whose begin was written, but whose origin is not known."""
        result: Facts = {"status": str(status), "failure": self._text(failure) or None, "rows_loaded": counts.loaded}
        result |= self._totals(counts)
        changes = sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(value)) for name, value in result.items()
        )
        update = sql.SQL(
            "UPDATE {} SET {}, finished_at = clock_timestamp() WHERE job = {} AND status <> 'succeeded'"
        ).format(self.table, changes, sql.Literal(job))
        self._guarded(update.as_bytes(self.connection))

    def settle(self, staged_with: str, status: str, failure: str = "") -> None:
        """Write how the loads have ended that were staged together, except those that failed."""
        if not self.is_usable:
            return
        update = sql.SQL(
            "UPDATE {} SET status = {}, failure = {}, finished_at = clock_timestamp() "
            "WHERE staged_with = {} AND status = 'running'"
        ).format(self.table, *map(sql.Literal, (status, self._text(failure) or None, staged_with)))
        self._guarded(update.as_bytes(self.connection))

    def refuse(self, staged_with: str, member: Sequence[int], refused: LoadCounts) -> None:
        """Add the rows that a table has refused of a member whose rows were staged."""
        if not self.is_usable:
            return
        first = refused.first or {}
        update = sql.SQL(
            "UPDATE {} SET rows_loaded = rows_loaded - {count}, rows_rejected = rows_rejected + {count}, "
            "first_error = coalesce(first_error, {reason}), first_error_row = coalesce(first_error_row, {row}), "
            "first_error_column = coalesce(first_error_column, {column}) "
            "WHERE staged_with = {with_} AND member = {member}::integer[]"
        ).format(
            self.table,
            count=sql.Literal(refused.rejected),
            reason=sql.Literal(self._text(str(first.get("reason", "")))),
            row=sql.Literal(first.get("row")),
            column=sql.Literal(self._text(str(first.get("column", ""))) or None),
            with_=sql.Literal(staged_with),
            member=sql.Literal(list(member)),
        )
        self._guarded(update.as_bytes(self.connection))

    def _facts(self, job: str, origin: LoadOrigin, counts: LoadCounts | None = None) -> Facts:
        source = origin.source
        facts: Facts = {
            "job": job,
            "source": self._text(source.uri),
            "version_id": source.version_id or None,
            "etag": source.etag or None,
            "attempt": max(1, origin.attempt),
            "redrives": origin.redrives,
            "staged_with": origin.staged_with or None,
        }
        if source.uri == f"s3://{source.bucket}/{source.key}":
            facts |= {"bucket": source.bucket, "key": self._text(source.key)}
            if source.member:
                facts |= {"archive": self._text(source.object_key), "member": source.member.numbers}
        if counts:
            facts |= self._totals(counts)
            several = len(origin.tables) > 1
            facts["rows_loaded"] = (
                [_of_table(name, counts) for name, _ in origin.tables] if several else [counts.loaded]
            )
        return facts

    def _totals(self, counts: LoadCounts) -> Facts:
        totals: Facts = {
            "rows_parsed": counts.loaded + counts.rejected + counts.dropped,
            "rows_rejected": counts.rejected,
            "rows_dropped": counts.dropped,
        }
        if first := counts.first:
            totals |= {
                "first_error": self._text(str(first["reason"])),
                "first_error_row": first["row"],
                # The offset of a row that the move of staged rows refused is not known.
                "first_error_offset": None if first["offset"] == UNKNOWN else first["offset"],
                "first_error_column": self._text(str(first["column"])) or None,
            }
        return totals

    def _write(self, jobs: Sequence[Facts], origin: LoadOrigin, status: str, seconds: float, on_conflict: str) -> None:
        if not self.is_usable:
            return
        columns = (sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(_type(name))) for name in _OF_JOB)
        insert = _INSERT.format(
            table=self.table,
            names=sql.SQL(", ").join(map(sql.Identifier, _OF_JOB)),
            jobs=sql.Literal(json.dumps(jobs, ensure_ascii=False)),
            columns=sql.SQL(", ").join(columns),
            tables=sql.Literal([self._text(name.removeprefix(f"{self.schema}.")) for name, _ in origin.tables]),
            modes=sql.Literal([str(mode) for _, mode in origin.tables]),
            route=sql.Literal(self._text(origin.route)),
            status=sql.Literal(str(status)),
            seconds=sql.Literal(seconds),
        )
        self._guarded(insert.as_bytes(self.connection) + on_conflict.encode())

    def _guarded(self, statement: bytes) -> bool:
        """Run a statement in the current transaction; return False, with a warning, if the database refuses it."""
        try:
            self.connection.execute(b"SAVEPOINT penstock_report;" + statement + b";RELEASE SAVEPOINT penstock_report")
        except psycopg.Error as error:
            if self.connection.closed:
                raise
            self.connection.execute("ROLLBACK TO SAVEPOINT penstock_report; RELEASE SAVEPOINT penstock_report")
            self._is_usable = False
            warn(f"{self._shown} was not written: {message_of(error)}")
            return False
        return True

    def _state(self) -> tuple[bool, bool]:
        """Return whether the table is missing; and whether the role may create it, or write to it."""
        found = self.connection.execute(_STATE, [self.schema, self.table.as_string(self.connection)]).fetchone()
        return found or (True, False)

    @property
    def _shown(self) -> str:
        return ".".join(self.name)

    def _remedy(self, *, is_missing: bool) -> str:
        if is_missing:
            return "it does not exist, and the role may not create it; `penstock ledger sql` prints how"
        return Right(RIGHTS, "table", self.name).grant(role_of(self.connection))

    def _text(self, text: str) -> str:
        """Return a text that the database can hold: no NUL, and in an encoding other than UTF-8 only ASCII."""
        text = text.replace("\0", "?")
        if text.isascii():
            return text
        if self.connection.info.parameter_status("server_encoding") == "UTF8":
            return text.encode("utf-8", "backslashreplace").decode()
        return text.encode("ascii", "backslashreplace").decode()


def loads_ddl(table: sql.Composable, *, indexes: Sequence[sql.Identifier] = ()) -> tuple[sql.Composed, ...]:
    """Return the statements that create the table. With names for its two ``indexes``, they may be run again."""
    again = sql.SQL(" IF NOT EXISTS") if indexes else sql.SQL("")
    started, staged = indexes or (sql.SQL(""), sql.SQL(""))
    columns = sql.SQL(",\n  ").join(sql.SQL(f"{quoted(name)} {kind}") for name, kind in COLUMNS.items())
    return (
        sql.SQL("CREATE TABLE{} {} (\n  {},\n  PRIMARY KEY (job, table_name))").format(again, table, columns),
        # Rows come in the order of their time: an index of blocks costs next to nothing.
        sql.SQL("CREATE INDEX{} {} ON {} USING brin (started_at)").format(again, started, table),
        sql.SQL("CREATE INDEX{} {} ON {} (staged_with) WHERE staged_with IS NOT NULL").format(again, staged, table),
    )


@cache
def warn(message: str) -> None:
    """Log a warning, once in the life of the process."""
    log.warning(message)


def _of_table(name: str, counts: LoadCounts) -> int | None:
    """Return the rows of one of several tables. Entries of earlier releases do not tell them apart."""
    return counts.tables.get(name, 0) if counts.tables or not counts.loaded else None


def _type(name: str) -> str:
    return COLUMNS[name].split(" ", 1)[0]
