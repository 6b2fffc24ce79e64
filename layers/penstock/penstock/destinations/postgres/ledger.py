"""The ledger of committed chunks. A chunk's entry commits with its rows, so a retry does not load the chunk again.

Entries stay after the end of the load, because a late retry must find them too. ``finish`` adds an entry for the end of
the job, and removes entries that are older than any retry (`RETENTION_DAYS`).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

from psycopg import sql
from psycopg.types.json import Jsonb

from penstock.destinations.postgres.catalog import find
from penstock.destinations.postgres.connect import Connection
from penstock.destinations.postgres.errors import translating
from penstock.destinations.postgres.fence import FENCE, Fence
from penstock.destinations.postgres.ledger_table import (
    CLOSE,
    ENTRY,
    ENTRY_END,
    PRUNE,
    PRUNED_AT_ONCE,
    STATE,
    LedgerState,
    ledger_ddl,
)
from penstock.destinations.postgres.refused_rows import (
    DROPPED,
    read_begun,
    read_dropped,
    read_fields,
    read_refused,
    refused_text,
    refused_value,
)
from penstock.destinations.postgres.rights import Right, check_rights, ledger_right, role_of
from penstock.errors import InvalidTableError, LeaseLostError
from penstock.model.column_change import ColumnChange
from penstock.model.load import Chunk, Loaded, Resume
from penstock.model.serialization import from_plain, to_plain

# The retention of a job in the jobs table.
RETENTION_DAYS = 90

# The span of the entry of a job's end.
WHOLE_JOB = -1
# The span of the entry of the tables that an unfinished job created. Its ``refused`` lists their oids.
CREATED = -2
# The span of the entries of columns that the job has added or widened: a chunk for each transaction.
CHANGED = -6


class Ledger:
    """The entries of one span of one job, in the table ``name`` (schema and name)."""

    def __init__(
        self, connection: Connection, name: Sequence[str], job_id: str, span: int, *, holder: str = ""
    ) -> None:
        self.connection = connection
        self.name = name
        self.table = sql.Identifier(*name)
        self.key = (job_id, span)
        self.job_id = job_id
        self.right = ledger_right(name)
        self._may_change: bool | None = None
        self.fence = Fence(connection, self.table, job_id, holder)
        job, end = sql.Literal(job_id), sql.Literal(WHOLE_JOB)
        parts = {"table": self.table, "job": job, "span": sql.Literal(span), "end": end}
        self._entry = ENTRY.format(**parts, fence=self.fence.condition).as_bytes(connection)

    def translating(self) -> AbstractContextManager[None]:
        """Raise Penstock's errors for those of statements on the ledger."""
        return translating(self.right, role_of(self.connection))

    def ensure(self, *, changes: bool = False) -> None:
        """Create the table if it is missing, and the index for pruning. Raises AccessDeniedError if the role may
        neither create nor use it. ``changes``: the load also changes entries, because it stages rows or creates a
        table."""
        state = self._state()
        if state is None:
            right = Right("CREATE", "schema", tuple(self.name[:1]), purpose=f", for the table {self.name[-1]}")
            with translating(right, role_of(self.connection)):
                for statement in ledger_ddl(self.table):
                    self.connection.execute(statement)
            state = LedgerState(may_enter=True, may_change=True, lacks_index=False)
        if not (state.may_change if changes else state.may_enter):
            check_rights(self.connection, [ledger_right(self.name, changes=changes)])
        self._may_change = state.may_change
        if state.lacks_index:
            # CREATE INDEX IF NOT EXISTS would wait for the chunks in progress each time.
            with translating(f"CREATE INDEX on table {'.'.join(self.name)}"):
                self.connection.execute(sql.SQL("CREATE INDEX ON {} (at)").format(self.table))

    def _state(self) -> LedgerState | None:
        with translating(f"reading the catalog for {'.'.join(self.name)}", role_of(self.connection)):
            found = self.connection.execute(STATE, [self.table.as_string(self.connection)]).fetchone()
        if not found:
            return None
        is_table, *values = found
        if not is_table:
            raise InvalidTableError(f"{'.'.join(self.name)} is not a table")
        return LedgerState(*values)

    def is_finished(self) -> bool:
        """Return whether the end of the job is recorded."""
        query = sql.SQL("SELECT FROM {} WHERE job = %s AND span = %s").format(self.table)
        with self.translating():
            return self.connection.execute(query, [self.job_id, WHOLE_JOB]).fetchone() is not None

    def has_other_spans(self) -> bool:
        """Return whether a chunk of another span is committed."""
        query = sql.SQL("SELECT FROM {} WHERE job = %s AND span <> %s AND span >= 0 LIMIT 1").format(self.table)
        with self.translating():
            return self.connection.execute(query, self.key).fetchone() is not None

    def is_begun(self) -> bool:
        """Return whether a chunk or the end of the job is recorded."""
        query = sql.SQL("SELECT FROM {} WHERE job = %s AND span NOT IN (%s, %s, %s) LIMIT 1").format(self.table)
        with self.translating():
            return self.connection.execute(query, [self.job_id, CREATED, FENCE, CHANGED]).fetchone() is not None

    def resume(self) -> Resume:
        """Return where the span resumes. Chunks are loaded in order, so all before the last one are committed."""
        query = sql.SQL(
            """
            SELECT chunk + 1, end_offset, next_row, sum(rows) OVER ()::bigint, sum(rejects) OVER ()::bigint,
                   sum({}) OVER ()::bigint, refused
            FROM {} WHERE job = %s AND span = %s ORDER BY chunk DESC LIMIT 1
            """
        ).format(DROPPED, self.table)
        with self.translating():
            found = self.connection.execute(query, self.key).fetchone()
        if not found:
            return Resume()
        chunk, offset, row, rows, rejects, dropped, refused = found
        return Resume(
            chunk, offset, row, rows, rejects, read_refused(refused), dropped, read_fields(refused), read_begun(refused)
        )

    def reached(self) -> dict[int, Resume]:
        """Return where each span of the job resumes, without the database's rejects of its last chunk."""
        query = sql.SQL(
            """
            SELECT DISTINCT ON (span) span, chunk + 1, end_offset, next_row,
                   sum(rows) OVER spans::bigint, sum(rejects) OVER spans::bigint, sum({}) OVER spans::bigint
            FROM {} WHERE job = %s AND span >= 0
            WINDOW spans AS (PARTITION BY span) ORDER BY span, chunk DESC
            """
        ).format(DROPPED, self.table)
        with self.translating():
            found = self.connection.execute(query, [self.job_id]).fetchall()
        return {
            span: Resume(chunk, offset, row, rows, rejects, dropped=dropped)
            for span, chunk, offset, row, rows, rejects, dropped in found
        }

    def entry(self, chunk: Chunk, loaded: Loaded) -> bytes:
        """Return the statement that enters a chunk. The statement fails if the entry exists, or if the job or its
        holder has ended."""
        values = (chunk.number, chunk.end, chunk.next_row, loaded.rows, chunk.rejects + len(loaded.rejects))
        refused = sql.Literal(refused_text(chunk, loaded)).as_bytes(self.connection)
        return self._entry + b"%d, %d, %d, %d, %d, " % values + refused + ENTRY_END

    def entered(self, chunk: Chunk) -> Loaded | None:
        """Return the result of a chunk that is entered already: it must not be loaded.

        Raises LeaseLostError if the existing entry is for another chunk, or if the job or its holder has ended.
        """
        select = sql.SQL(
            "SELECT end_offset, next_row, rows, refused FROM {} WHERE job = %s AND span = %s AND chunk = %s"
        ).format(self.table)
        with self.translating():
            found = self.connection.execute(select, [*self.key, chunk.number]).fetchone()
            ended = not found and (self.is_finished() or self.fence.is_passed())
        if ended or (found and found[:2] != (chunk.end, chunk.next_row)):
            raise LeaseLostError(
                f"chunk {chunk.number} of span {self.key[1]}: the job has ended, or another attempt has loaded the span"
            )
        return Loaded(found[2], read_refused(found[3]), read_dropped(found[3])) if found else None

    def enter(self, chunk: Chunk, loaded: Loaded) -> bool:
        """Enter a chunk whose rows are written. Return False if it is entered already, or if the job or its holder has
        ended: then the rows must be rolled back.

        Waits for another transaction that is about to commit the same chunk.
        """
        insert = sql.SQL(
            """
            INSERT INTO {0} (job, span, chunk, end_offset, next_row, rows, rejects, refused)
            SELECT %s, %s, %s, %s, %s, %s, %s, %s::jsonb
            WHERE NOT EXISTS (SELECT FROM {0} WHERE job = %s AND span = %s) AND {1} ON CONFLICT DO NOTHING
            """
        ).format(self.table, self.fence.condition)
        counts = [loaded.rows, chunk.rejects + len(loaded.rejects), refused_text(chunk, loaded)]
        values = [*self.key, chunk.number, chunk.end, chunk.next_row, *counts, self.job_id, WHOLE_JOB]
        with self.translating():
            return self.connection.execute(insert, values).rowcount > 0

    def close(self) -> bool:
        """Record the job's end, and prune old entries; return False if the end was already recorded."""
        with self.translating():
            found = self.connection.execute(
                CLOSE.format(table=self.table), [self.job_id, WHOLE_JOB, self.job_id, CREATED]
            )
            first, has_created = found.fetchone() or (False, False)
        if has_created:
            self.forget_created()
        self.prune()
        return bool(first)

    def forget_end(self) -> None:
        """Remove the record of the job's end: it is to be done again."""
        delete = sql.SQL("DELETE FROM {} WHERE job = %s AND span = %s").format(self.table)
        with self.translating():
            self.connection.execute(delete, [self.job_id, WHOLE_JOB])

    def record_created(self, oids: Sequence[int]) -> None:
        """Record tables that the job created; a failing job drops them."""
        insert = sql.SQL(
            "INSERT INTO {} (job, span, chunk, end_offset, next_row, rows, rejects, refused) "
            "VALUES (%s, %s, 0, 0, 0, 0, 0, %s) ON CONFLICT (job, span, chunk) "
            "DO UPDATE SET refused = EXCLUDED.refused"
        ).format(self.table)
        with self.translating():
            known = [oid for oid in self.created() if oid not in oids]
            self.connection.execute(insert, [self.job_id, CREATED, Jsonb([*known, *oids])])

    def created(self) -> Sequence[int]:
        """Return the oids of the tables that the job created."""
        query = sql.SQL("SELECT refused FROM {} WHERE job = %s AND span = %s").format(self.table)
        with self.translating():
            found = self.connection.execute(query, [self.job_id, CREATED]).fetchone()
        return found[0] if found else ()

    def forget_created(self) -> None:
        """Remove the record of created tables, once they are permanent or dropped."""
        delete = sql.SQL("DELETE FROM {} WHERE job = %s AND span = %s").format(self.table)
        with self.translating():
            self.connection.execute(delete, [self.job_id, CREATED])

    def record_changes(self, changes: Sequence[ColumnChange]) -> None:
        """Record columns that the job has added or widened, in the transaction that changes them."""
        insert = sql.SQL(
            "INSERT INTO {0} (job, span, chunk, end_offset, next_row, rows, rejects, refused) "
            "SELECT %s, %s, coalesce(max(chunk) + 1, 0), 0, 0, 0, 0, %s FROM {0} WHERE job = %s AND span = %s"
        ).format(self.table)
        with self.translating():
            value = Jsonb([to_plain(change) for change in changes])
            self.connection.execute(insert, [self.job_id, CHANGED, value, self.job_id, CHANGED])

    def changes(self) -> tuple[ColumnChange, ...]:
        """Return what `record_changes` has recorded."""
        query = sql.SQL("SELECT refused FROM {} WHERE job = %s AND span = %s ORDER BY chunk").format(self.table)
        with self.translating():
            found = self.connection.execute(query, [self.job_id, CHANGED]).fetchall()
        return tuple(from_plain(ColumnChange, change) for (changes,) in found for change in changes)

    def record_move(self, moved: Loaded) -> None:
        """Record in the entry of the job's end how the move of staged rows changed the counts of their chunks."""
        update = sql.SQL("UPDATE {} SET rows = %s, rejects = %s, refused = %s WHERE job = %s AND span = %s").format(
            self.table
        )
        values = [moved.rows, len(moved.rejects), refused_value(moved), self.job_id, WHOLE_JOB]
        self.connection.execute(update, values)

    def moved(self) -> Loaded:
        """Return what `record_move` has recorded."""
        query = sql.SQL("SELECT rows, refused FROM {} WHERE job = %s AND span = %s").format(self.table)
        with self.translating():
            found = self.connection.execute(query, [self.job_id, WHOLE_JOB]).fetchone()
        return Loaded(found[0], read_refused(found[1]), read_dropped(found[1])) if found else Loaded(0)

    def totals(self) -> tuple[int, int, int]:
        """Return the rows, rejects and dropped rows of all chunks of the job."""
        query = sql.SQL(
            "SELECT coalesce(sum(rows), 0)::bigint, coalesce(sum(rejects), 0)::bigint, "
            "coalesce(sum({}), 0)::bigint FROM {} WHERE job = %s AND span >= 0"
        ).format(DROPPED, self.table)
        with self.translating():
            found = self.connection.execute(query, [self.job_id]).fetchone()
        return found or (0, 0, 0)

    def prune(self) -> None:
        """Remove some of the entries that are older than the retention, if the role may do so."""
        if self._may_change is None:
            state = self._state()
            self._may_change = state is not None and state.may_change
        if self._may_change:
            with self.translating():
                self.connection.execute(PRUNE.format(table=self.table), [RETENTION_DAYS, PRUNED_AT_ONCE])

    def forget(self) -> None:
        """Remove all entries of the job, except its created tables, its changed columns and its fence. Its loaded rows
        no longer exist."""
        if not find(self.connection, self.name):
            return
        with self.translating():
            delete = sql.SQL("DELETE FROM {} WHERE job = %s AND span NOT IN (%s, %s, %s)").format(self.table)
            self.connection.execute(delete, [self.job_id, CREATED, FENCE, CHANGED])
