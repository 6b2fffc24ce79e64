"""The fence of a job: once its end is recorded, the former holder of the job commits nothing more.

`abort` enters the holder (an execution, or an attempt of ingest) into the job's fence in the ledger, before it records
the end. Each chunk holds a shared lock of the fence until it commits, and looks for its own holder after it gets the
lock. So the entry waits for the chunks in progress, and every later chunk finds it. A redrive is another holder, which
the fence does not stop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from psycopg import sql
from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    from penstock.destinations.postgres.connect import Connection

# The span of a job's fence in the ledger: a chunk for each holder that has ended. Its ``refused`` is a list with it.
# Earlier releases wrote all holders to chunk 0.
FENCE = -3

# The advisory lock of fences: another number than that of `catalog.lock_job`.
FENCE_LOCK = 7_146_305_518_224_011


class Fence:
    """The fence of one job in the ledger ``table``. An empty ``holder`` is not checked."""

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
        """The statements that take the lock, before the chunk's entry in the same transaction."""
        if not self.holder:
            return []
        return [self._formatted("SELECT pg_advisory_xact_lock_shared(hashtextextended({job}, {lock}))")]

    @property
    def condition(self) -> sql.Composable:
        """The SQL condition that the holder has not ended."""
        if not self.holder:
            return sql.SQL("true")
        query = "NOT EXISTS (SELECT FROM {table} WHERE job = {job} AND span = {fence} AND refused @> {holders})"
        return sql.SQL(query).format(**self._parts)

    def share(self) -> None:
        """Take the shared lock in the current transaction."""
        for statement in self.statements:
            self.connection.execute(statement)

    def is_passed(self) -> bool:
        """Return whether the holder has ended. The lock keeps the result valid until the transaction ends."""
        self.share()
        return self.connection.execute(sql.SQL("SELECT {}").format(self.condition)).fetchone() != (True,)

    def enter(self) -> None:
        """End the holder. Waits for its transactions in progress."""
        self.connection.execute(self._formatted("SELECT pg_advisory_xact_lock(hashtextextended({job}, {lock}))"))
        insert = (
            "INSERT INTO {table} (job, span, chunk, end_offset, next_row, rows, rejects, refused) "
            "SELECT {job}, {fence}, coalesce(max(chunk) + 1, 0), 0, 0, 0, 0, {holders} "
            "FROM {table} WHERE job = {job} AND span = {fence} "
            "HAVING NOT coalesce(bool_or(refused @> {holders}), false)"
        )
        self.connection.execute(self._formatted(insert))

    def _formatted(self, query: str) -> bytes:
        return sql.SQL(query).format(**self._parts).as_bytes(self.connection)
