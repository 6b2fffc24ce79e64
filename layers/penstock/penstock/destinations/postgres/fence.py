"""The end of a job is a fence: whoever had the job commits nothing after it is on record.

`abort` enters the holder (an execution, or an attempt of ingest) under the job's fence in the ledger, before it records
the end. Each chunk holds the fence's lock, shared with the other chunks, until it has committed, and looks for its own
holder once it has the lock. So the entry waits for the chunks that are under way, and every later chunk finds it. A
redrive is another holder, which the fence lets through.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from psycopg import sql
from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    from penstock.destinations.postgres.connect import Connection

# The span under which a job's fence is entered: ``refused`` lists the holders that have ended.
FENCE = -3

# Of the advisory locks: another number than that of `postgres_catalog.lock_job`.
FENCE_LOCK = 7_146_305_518_224_011


class Fence:
    """The fence of one job, in the ledger ``table``; nothing is checked where ``holder`` is empty."""

    def __init__(self, connection: Connection, table: sql.Identifier, job_id: str, holder: str) -> None:
        self.connection = connection
        self.holder = holder
        self._parts = {
            "table": table,
            "job": sql.Literal(job_id),
            "fence": sql.Literal(FENCE),
            "holders": sql.Literal(Jsonb([holder])),
            "lock": sql.Literal(FENCE_LOCK),
        }

    @property
    def statements(self) -> Sequence[bytes]:
        """What takes the lock, before a chunk's entry is made in the same transaction."""
        if not self.holder:
            return []
        return [self._made("SELECT pg_advisory_xact_lock_shared(hashtextextended({job}, {lock}))")]

    @property
    def condition(self) -> sql.Composable:
        """True where the holder has not ended."""
        if not self.holder:
            return sql.SQL("true")
        query = "NOT EXISTS (SELECT FROM {table} WHERE job = {job} AND span = {fence} AND refused @> {holders})"
        return sql.SQL(query).format(**self._parts)

    def share(self) -> None:
        """Take the lock, in the transaction that is open."""
        for statement in self.statements:
            self.connection.execute(statement)

    def is_passed(self) -> bool:
        """Whether the holder has ended; with the lock, that stays so until the transaction ends."""
        self.share()
        return self.connection.execute(sql.SQL("SELECT {}").format(self.condition)).fetchone() != (True,)

    def enter(self) -> None:
        """End the holder: waits for what it has under way."""
        self.connection.execute(self._made("SELECT pg_advisory_xact_lock(hashtextextended({job}, {lock}))"))
        insert = (
            "INSERT INTO {table} AS ledger (job, span, chunk, end_offset, next_row, rows, rejects, refused) "
            "VALUES ({job}, {fence}, 0, 0, 0, 0, 0, {holders}) "
            "ON CONFLICT (job, span, chunk) DO UPDATE SET refused = ledger.refused || EXCLUDED.refused"
        )
        self.connection.execute(self._made(insert))

    def _made(self, query: str) -> bytes:
        return sql.SQL(query).format(**self._parts).as_bytes(self.connection)
