"""Whether a load has ended, and what all of it has loaded: by the ledger alone, without the plan or its tables."""

from __future__ import annotations

from psycopg import sql

from penstock.adapters.postgres_errors import translating
from penstock.adapters.postgres_ledger import WHOLE_JOB, Ledger
from penstock.adapters.postgres_refused import DROPPED
from penstock.records import LoadEnd, Resume

_END = """
SELECT count(*) FILTER (WHERE span >= 0), max(end_offset), max(next_row), sum(rows)::bigint, sum(rejects)::bigint,
       sum({})::bigint
FROM {} WHERE job = %s AND span >= %s HAVING bool_or(span = %s)
"""


def end_of(ledger: Ledger) -> LoadEnd | None:
    """What all of the ledger's job has loaded; None where its end is not entered."""
    query = sql.SQL(_END).format(DROPPED, ledger.table)
    with translating(ledger.right):
        found = ledger.connection.execute(query, [ledger.job_id, WHOLE_JOB, WHOLE_JOB]).fetchone()
    if not found:
        return None
    chunks, offset, row, rows, rejects, dropped = found
    return LoadEnd(Resume(chunks, offset, row, rows, rejects, dropped=dropped), ledger.moved())
