"""Read the result of a complete load from the ledger, without the plan or its tables."""

from __future__ import annotations

from functools import reduce

from psycopg import sql

from penstock.destinations.postgres.ledger import WHOLE_JOB, Ledger
from penstock.destinations.postgres.refused_rows import DROPPED, read_fields
from penstock.model.column import FieldCounts
from penstock.model.load import LoadEnd, Resume

_END = """
SELECT count(*) FILTER (WHERE span >= 0), max(end_offset), max(next_row), sum(rows)::bigint, sum(rejects)::bigint,
       sum({})::bigint
FROM {} WHERE job = %s AND span >= %s HAVING bool_or(span = %s)
"""
_LAST_CHUNKS = "SELECT DISTINCT ON (span) refused FROM {} WHERE job = %s AND span >= 0 ORDER BY span, chunk DESC"


def end_of(ledger: Ledger) -> LoadEnd | None:
    """Return the result of the ledger's job; None if its end is not recorded."""
    query = sql.SQL(_END).format(DROPPED, ledger.table)
    with ledger.translating():
        found = ledger.connection.execute(query, [ledger.job_id, WHOLE_JOB, WHOLE_JOB]).fetchone()
    if not found:
        return None
    chunks, offset, row, rows, rejects, dropped = found
    total = Resume(chunks, offset, row, rows, rejects, dropped=dropped, fields=_fields(ledger))
    return LoadEnd(total, ledger.moved(), ledger.changes())


def _fields(ledger: Ledger) -> FieldCounts:
    """Return the counts of the fields of all records. The entry of a span's last chunk has those of the span."""
    query = sql.SQL(_LAST_CHUNKS).format(ledger.table)
    with ledger.translating():
        found = ledger.connection.execute(query, [ledger.job_id]).fetchall()
    return reduce(FieldCounts.plus, [read_fields(refused) for (refused,) in found], FieldCounts())
