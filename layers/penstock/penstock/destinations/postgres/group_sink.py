"""Load several jobs in one transaction: their rows, and an entry for each in the ledger of `PostgresSink`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import LiteralString, TypeAlias

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from penstock.destinations.postgres.connect import Connect
from penstock.destinations.postgres.ledger import WHOLE_JOB
from penstock.destinations.postgres.load_counts import LoadCounts
from penstock.destinations.postgres.refused_rows import DROPPED
from penstock.destinations.postgres.rows import put
from penstock.destinations.postgres.sink import LEDGER, PostgresSink
from penstock.model.load import Resume, Rows, Share, Unfit
from penstock.model.table import TablePlan

Cursor: TypeAlias = psycopg.Cursor[TupleRow]

ENDED = """
    SELECT job, count(*) - 1, max(end_offset), max(next_row), sum(rows)::bigint, sum(rejects)::bigint,
           sum({dropped})::bigint
    FROM {ledger} WHERE job = ANY(%s) AND span >= %s GROUP BY job HAVING bool_or(span = %s)
"""

# Sorted, so that two groups with the same jobs enter them in the same order and do not deadlock.
ENTER = """
    INSERT INTO {ledger} (job, span, chunk, end_offset, next_row, rows, rejects)
    SELECT job, 0, 0, end_offset, next_row, rows, 0
    FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::bigint[]) AS share (job, end_offset, next_row, rows)
    WHERE NOT EXISTS (SELECT FROM {ledger} AS known WHERE known.job = share.job)
    ORDER BY job ON CONFLICT DO NOTHING RETURNING job
"""

CLOSE = """
    INSERT INTO {ledger} (job, span, chunk, end_offset, next_row, rows, rejects)
    SELECT job, %s, 0, 0, 0, 0, 0 FROM unnest(%s::text[]) AS ended (job) ORDER BY job ON CONFLICT DO NOTHING
"""


class PostgresGroupSink(PostgresSink):
    """Implements ``GroupSink``. Memory: twice the text of the rows.

    A job's entries are those of a completed load of one chunk, so a `PostgresSink` of the same job has nothing to do.
    """

    def __init__(self, connect: Connect, *, ledger: str = LEDGER) -> None:
        super().__init__(connect, job_id="", ledger=ledger)

    def begin_all(self, plan: TablePlan, job_ids: Sequence[str]) -> Mapping[str, Resume]:
        self.begin(plan)
        self._transact(self._ensure_report, "reporting loads", creating=True)
        ended = self._transact(
            lambda: self._run(ENDED, list(job_ids), WHOLE_JOB, WHOLE_JOB).fetchall(), self._ledger.right
        )
        return {
            job: Resume(chunk, offset, row, rows, rejects, dropped=dropped)
            for job, chunk, offset, row, rows, rejects, dropped in ended
        }

    def load_all(self, rows: Sequence[Rows], shares: Sequence[Share]) -> Unfit | None:
        names = ", ".join(table.name for table in self._writers)
        try:
            self._transact(lambda: self._commit(rows, shares), f"INSERT on table {names}")
        except _RolledBack as error:
            return error.unfit
        return None

    def finish_all(self) -> None:
        self._transact(self._ledger.prune, self._ledger.right)

    def _commit(self, rows: Sequence[Rows], shares: Sequence[Share]) -> None:
        # This transaction records the ends of jobs, which must survive a crash of the server.
        self._connection.execute("SET LOCAL synchronous_commit = on")
        jobs = [share.job_id for share in shares]
        numbers = ([share.end for share in shares], [share.next_row for share in shares], [s.rows for s in shares])
        entered = {job for (job,) in self._run(ENTER, jobs, *numbers)}
        if known := frozenset(jobs) - entered:
            raise _RolledBack(Unfit(known=known))
        self._run(CLOSE, WHOLE_JOB, jobs)
        if self._deferred:
            self._connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        parts = [put(self._connection, self._writers[part.table], part, self._span) for part in rows]
        refused = tuple(reject for part in parts for reject in part.rejects)
        dropped = sum(part.dropped for part in parts)
        if refused or dropped:
            raise _RolledBack(Unfit(refused=refused, dropped=dropped))
        loads = [
            (share.job_id, share.origin, LoadCounts(share.rows, 0, 0, tables=share.tables))
            for share in shares
            if share.origin
        ]
        self._report.end_all(loads, seconds=self._seconds)

    def _run(self, query: LiteralString, *values: object) -> Cursor:
        return self._connection.execute(sql.SQL(query).format(ledger=self._ledger.table, dropped=DROPPED), values)


class _RolledBack(Exception):  # noqa: N818  # ends the transaction; never leaves this module
    def __init__(self, unfit: Unfit) -> None:
        super().__init__()
        self.unfit = unfit
