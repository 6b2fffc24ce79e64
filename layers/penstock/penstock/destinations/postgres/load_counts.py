"""What a load has done so far, from its entries in the ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql

from penstock.destinations.postgres.ledger import Ledger
from penstock.destinations.postgres.refused_rows import DROPPED, Refused, read_refused

# The entry of the end (span -1) corrects the counts of the chunks, if a table has refused staged rows.
_TOTALS = """
SELECT coalesce(sum(rows), 0)::bigint, coalesce(sum(rejects), 0)::bigint, coalesce(sum({}), 0)::bigint
FROM {} WHERE job = %s AND span >= -1
"""
# The first chunk with a reject; and the entry of the end, whose ``next_row`` is 0.
_REJECTS = "SELECT refused FROM {} WHERE job = %s AND span >= -1 AND rejects > 0 ORDER BY next_row LIMIT 2"
_BY_TABLE = """
SELECT name, sum(stored::bigint)::bigint FROM {} AS l, jsonb_each_text(l.refused -> 'tables') AS t (name, stored)
WHERE job = %s AND span >= -1 AND jsonb_typeof(l.refused) = 'object' GROUP BY name
"""


@dataclass(frozen=True, slots=True)
class LoadCounts:
    """The rows of a load. ``first`` is its first reject, as in the file of rejects; None if there is none, or if an
    earlier release wrote the entries. ``tables`` are the loaded rows by table, if there are several."""

    loaded: int
    rejected: int
    dropped: int
    first: Mapping[str, Any] | None = None
    tables: Mapping[str, int] = field(default_factory=dict)


def counts_of(ledger: Ledger, *, by_table: bool) -> LoadCounts:
    """Return the counts of the ledger's job."""
    with ledger.translating():
        execute, job = ledger.connection.execute, [ledger.job_id]
        loaded, rejected, dropped = execute(sql.SQL(_TOTALS).format(DROPPED, ledger.table), job).fetchone() or (0, 0, 0)
        refused = execute(sql.SQL(_REJECTS).format(ledger.table), job).fetchall() if rejected else []
        tables = execute(sql.SQL(_BY_TABLE).format(ledger.table), job).fetchall() if by_table else []
    rejects = [reject for (value,) in refused for reject in _rejects(value)]
    first = min(rejects, key=lambda reject: int(reject["row"]), default=None)
    return LoadCounts(loaded, rejected, dropped, first, {str(name): int(rows) for name, rows in tables})


def _rejects(refused: Refused) -> list[Mapping[str, Any]]:
    """Return the rejects of an entry: those of the database, and the first of the others."""
    first = [json.loads(str(refused["first"]))] if isinstance(refused, Mapping) and "first" in refused else []
    return [*first, *(reject.flat for reject in read_refused(refused))]
