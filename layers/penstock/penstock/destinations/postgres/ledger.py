"""The ledger of committed chunks. A chunk's entry commits with its rows, so a retry does not load the chunk again.

Entries stay after the end of the load, because a late retry must find them too. ``finish`` adds an entry for the end of
the job, and removes entries that are older than any retry (`RETENTION_DAYS`).
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql
from psycopg.types.json import Jsonb

from penstock.destinations.postgres.catalog import Relation, find
from penstock.destinations.postgres.connect import Connection
from penstock.destinations.postgres.errors import translating
from penstock.destinations.postgres.fence import FENCE, Fence
from penstock.destinations.postgres.refused_rows import (
    DROPPED,
    fields_value,
    read_dropped,
    read_fields,
    read_refused,
    refused_value,
)
from penstock.errors import LeaseLostError
from penstock.model.load import Chunk, Loaded, Resume

# The retention of a job in the jobs table.
RETENTION_DAYS = 90

# The span of the entry of a job's end.
WHOLE_JOB = -1
# The span of the entry of the tables that an unfinished job created. Its ``refused`` lists their oids.
CREATED = -2

# The chunk is null if the job has ended, or its holder: then the statement fails.
ENTRY = sql.SQL(
    """
    INSERT INTO {table} (job, span, chunk, end_offset, next_row, rows, rejects, refused)
    SELECT {job}, {span},
           CASE WHEN NOT EXISTS (SELECT FROM {table} WHERE job = {job} AND span = {end}) AND {fence} THEN chunk END,
           end_offset, next_row, rows, rejects, refused
    FROM (VALUES (
    """
)
ENTRY_END = b"::jsonb)) AS entry (chunk, end_offset, next_row, rows, rejects, refused)"

# Ordered like the index, so that PostgreSQL uses it for any table statistics; limited, so that one load does not remove
# the entries of a year; and without waiting for another load that removes the same entries.
PRUNE = sql.SQL(
    """
    DELETE FROM {table} WHERE ctid = ANY(ARRAY(
      SELECT ctid FROM {table} WHERE at < now() - make_interval(days => %s)
      ORDER BY at LIMIT %s FOR UPDATE SKIP LOCKED))
    """
)
PRUNED_AT_ONCE = 10_000

RIGHTS = "SELECT, INSERT, UPDATE, DELETE on table"


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
        self.right = f"{RIGHTS} {'.'.join(name)}"
        self.fence = Fence(connection, self.table, job_id, holder)
        job, end = sql.Literal(job_id), sql.Literal(WHOLE_JOB)
        parts = {"table": self.table, "job": job, "span": sql.Literal(span), "end": end}
        self._entry = ENTRY.format(**parts, fence=self.fence.condition).as_bytes(connection)

    def ensure(self) -> None:
        """Create the table if it is missing, and the index for pruning."""
        relation = find(self.connection, self.name)
        if relation:
            self._ensure_index(relation)
            return
        with translating(f"CREATE on schema {self.name[0]}, for the table {self.name[-1]}"):
            self.connection.execute(
                sql.SQL(
                    """
                    CREATE TABLE {} (
                      job text NOT NULL, span integer NOT NULL, chunk integer NOT NULL,
                      end_offset bigint NOT NULL, next_row bigint NOT NULL,
                      rows bigint NOT NULL, rejects bigint NOT NULL, refused jsonb,
                      at timestamp with time zone NOT NULL DEFAULT now(),
                      PRIMARY KEY (job, span, chunk));
                    CREATE INDEX ON {} (at)
                    """
                ).format(self.table, self.table)
            )

    def _ensure_index(self, relation: Relation) -> None:
        """Create the index if the role may do so. Without the index, pruning is slow but correct.

        CREATE INDEX IF NOT EXISTS would wait for the chunks in progress each time.
        """
        query = """
            SELECT FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'at'
            WHERE c.oid = %s AND pg_has_role(c.relowner, 'USAGE') AND has_schema_privilege(c.relnamespace, 'CREATE')
              AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indkey[0] = a.attnum)
        """
        with translating(f"CREATE INDEX on table {relation}"):
            if self.connection.execute(query, [relation.oid]).rowcount:
                self.connection.execute(sql.SQL("CREATE INDEX ON {} (at)").format(self.table))

    def is_finished(self) -> bool:
        """Return whether the end of the job is recorded."""
        query = sql.SQL("SELECT FROM {} WHERE job = %s AND span = %s").format(self.table)
        with translating(self.right):
            return self.connection.execute(query, [self.job_id, WHOLE_JOB]).fetchone() is not None

    def has_other_spans(self) -> bool:
        """Return whether a chunk of another span is committed."""
        query = sql.SQL("SELECT FROM {} WHERE job = %s AND span <> %s AND span >= 0 LIMIT 1").format(self.table)
        with translating(self.right):
            return self.connection.execute(query, self.key).fetchone() is not None

    def is_begun(self) -> bool:
        """Return whether a chunk or the end of the job is recorded."""
        query = sql.SQL("SELECT FROM {} WHERE job = %s AND span NOT IN (%s, %s) LIMIT 1").format(self.table)
        with translating(self.right):
            return self.connection.execute(query, [self.job_id, CREATED, FENCE]).fetchone() is not None

    def resume(self) -> Resume:
        """Return where the span resumes. Chunks are loaded in order, so all before the last one are committed."""
        query = sql.SQL(
            """
            SELECT chunk + 1, end_offset, next_row, sum(rows) OVER ()::bigint, sum(rejects) OVER ()::bigint,
                   sum({}) OVER ()::bigint, refused
            FROM {} WHERE job = %s AND span = %s ORDER BY chunk DESC LIMIT 1
            """
        ).format(DROPPED, self.table)
        with translating(self.right):
            found = self.connection.execute(query, self.key).fetchone()
        if not found:
            return Resume()
        chunk, offset, row, rows, rejects, dropped, refused = found
        return Resume(chunk, offset, row, rows, rejects, read_refused(refused), dropped, read_fields(refused))

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
        with translating(self.right):
            found = self.connection.execute(query, [self.job_id]).fetchall()
        return {
            span: Resume(chunk, offset, row, rows, rejects, dropped=dropped)
            for span, chunk, offset, row, rows, rejects, dropped in found
        }

    def entry(self, chunk: Chunk, rows: int) -> bytes:
        """Return the statement that enters a chunk with ``rows`` rows. The statement fails if the entry exists, or if
        the job or its holder has ended."""
        values = (chunk.number, chunk.end, chunk.next_row, rows, chunk.rejects)
        fields = sql.Literal(fields_value(chunk.fields)).as_bytes(self.connection)
        return self._entry + b"%d, %d, %d, %d, %d, " % values + fields + ENTRY_END

    def enter(self, chunk: Chunk, rows: int) -> Loaded | None:
        """Enter a chunk with ``rows`` rows. If the chunk is already entered, return its result: it must not be loaded.

        Waits for another transaction that is about to commit the same chunk. Raises LeaseLostError if the existing
        entry is for another chunk, or if the job or its holder has ended.
        """
        self.fence.share()
        insert = sql.SQL(
            """
            INSERT INTO {0} (job, span, chunk, end_offset, next_row, rows, rejects, refused)
            SELECT %s, %s, %s, %s, %s, %s, %s, %s::jsonb
            WHERE NOT EXISTS (SELECT FROM {0} WHERE job = %s AND span = %s) AND {1} ON CONFLICT DO NOTHING
            """
        ).format(self.table, self.fence.condition)
        position = (chunk.end, chunk.next_row)
        counts = [chunk.number, *position, rows, chunk.rejects, fields_value(chunk.fields)]
        values = [*self.key, *counts, self.job_id, WHOLE_JOB]
        if self.connection.execute(insert, values).rowcount:
            return None
        select = sql.SQL(
            "SELECT end_offset, next_row, rows, refused FROM {} WHERE job = %s AND span = %s AND chunk = %s"
        ).format(self.table)
        found = self.connection.execute(select, [*self.key, chunk.number]).fetchone()
        if not found or found[:2] != position:
            raise LeaseLostError(
                f"chunk {chunk.number} of span {self.key[1]}: the job has ended, or another attempt has loaded the span"
            )
        return Loaded(found[2], read_refused(found[3]), read_dropped(found[3]))

    def amend(self, chunk: Chunk, loaded: Loaded) -> None:
        """Correct an entry of this transaction: the database refused or dropped rows."""
        update = sql.SQL(
            "UPDATE {} SET rows = %s, rejects = %s, refused = %s WHERE job = %s AND span = %s AND chunk = %s"
        ).format(self.table)
        rejects = chunk.rejects + len(loaded.rejects)
        refused = refused_value(loaded, chunk.fields)
        self.connection.execute(update, [loaded.rows, rejects, refused, *self.key, chunk.number])

    def touch(self) -> None:
        """Update an entry, so that its commit flushes all earlier commits to the disk."""
        update = sql.SQL("UPDATE {} SET at = now() WHERE job = %s AND span = %s AND chunk = 0").format(self.table)
        with translating(self.right):
            self.connection.execute(update, self.key)

    def close(self) -> bool:
        """Record the job's end, and prune old entries; return False if the end was already recorded."""
        insert = sql.SQL(
            "INSERT INTO {} (job, span, chunk, end_offset, next_row, rows, rejects) "
            "VALUES (%s, %s, 0, 0, 0, 0, 0) ON CONFLICT DO NOTHING"
        ).format(self.table)
        with translating(self.right):
            first = self.connection.execute(insert, [self.job_id, WHOLE_JOB]).rowcount > 0
        self.forget_created()
        self.prune()
        return first

    def forget_end(self) -> None:
        """Remove the record of the job's end: it is to be done again."""
        delete = sql.SQL("DELETE FROM {} WHERE job = %s AND span = %s").format(self.table)
        with translating(self.right):
            self.connection.execute(delete, [self.job_id, WHOLE_JOB])

    def record_created(self, oids: Sequence[int]) -> None:
        """Record tables that the job created; a failing job drops them."""
        insert = sql.SQL(
            "INSERT INTO {} (job, span, chunk, end_offset, next_row, rows, rejects, refused) "
            "VALUES (%s, %s, 0, 0, 0, 0, 0, %s) ON CONFLICT (job, span, chunk) "
            "DO UPDATE SET refused = EXCLUDED.refused"
        ).format(self.table)
        with translating(self.right):
            known = [oid for oid in self.created() if oid not in oids]
            self.connection.execute(insert, [self.job_id, CREATED, Jsonb([*known, *oids])])

    def created(self) -> Sequence[int]:
        """Return the oids of the tables that the job created."""
        query = sql.SQL("SELECT refused FROM {} WHERE job = %s AND span = %s").format(self.table)
        with translating(self.right):
            found = self.connection.execute(query, [self.job_id, CREATED]).fetchone()
        return found[0] if found else ()

    def forget_created(self) -> None:
        """Remove the record of created tables, once they are permanent or dropped."""
        delete = sql.SQL("DELETE FROM {} WHERE job = %s AND span = %s").format(self.table)
        with translating(self.right):
            self.connection.execute(delete, [self.job_id, CREATED])

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
        with translating(self.right):
            found = self.connection.execute(query, [self.job_id, WHOLE_JOB]).fetchone()
        return Loaded(found[0], read_refused(found[1]), read_dropped(found[1])) if found else Loaded(0)

    def totals(self) -> tuple[int, int, int]:
        """Return the rows, rejects and dropped rows of all chunks of the job."""
        query = sql.SQL(
            "SELECT coalesce(sum(rows), 0)::bigint, coalesce(sum(rejects), 0)::bigint, "
            "coalesce(sum({}), 0)::bigint FROM {} WHERE job = %s AND span >= 0"
        ).format(DROPPED, self.table)
        with translating(self.right):
            found = self.connection.execute(query, [self.job_id]).fetchone()
        return found or (0, 0, 0)

    def prune(self) -> None:
        """Remove some of the entries that are older than the retention."""
        with translating(self.right):
            self.connection.execute(PRUNE.format(table=self.table), [RETENTION_DAYS, PRUNED_AT_ONCE])

    def forget(self) -> None:
        """Remove all entries of the job, except its created tables and its fence. Its loaded rows no longer exist."""
        if not find(self.connection, self.name):
            return
        with translating(self.right):
            delete = sql.SQL("DELETE FROM {} WHERE job = %s AND span NOT IN (%s, %s)").format(self.table)
            self.connection.execute(delete, [self.job_id, CREATED, FENCE])
