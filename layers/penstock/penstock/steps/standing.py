"""What a load that was cut and failed has left in its tables, for whoever has to decide about the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from penstock.errors import PenstockError
from penstock.records import Mode, Resume, TablePlan
from penstock.spans import Span
from penstock.steps.tables import TableSteps
from penstock.steps.ticket import WHOLE
from penstock.tables import tables_of

# Ranges of records that a message names; the ledger has them all.
SHOWN = 20


def standing(steps: TableSteps, job_id: str, plan: TablePlan, spans: Iterable[Span]) -> str:
    """Which records of the job are in, as ranges of rows; empty where nobody can tell. Does not raise what asking the
    database raises, but tells it: a job must end also where its table has gone."""
    tables = ", ".join(table.name for table in tables_of(plan))
    if any(table.mode is Mode.REPLACE for table in tables_of(plan)):
        return f"nothing of it is visible in {tables}"
    try:
        reached = steps.reached(job_id, plan)
    except PenstockError as error:
        return f"what of it is in {tables} is not known: {error.message}"
    if reached is None:
        return ""
    ranges = _ranges(reached, {WHOLE: 1} | {span.number: span.first_row for span in spans})
    if not ranges:
        return f"nothing of it is in {tables}"
    rows = sum(resume.rows for resume in reached.values())
    told = ", ".join(f"{first:,} to {last:,}" for first, last in ranges[:SHOWN])
    more = f" and {len(ranges) - SHOWN:,} more ranges that the ledger knows" if len(ranges) > SHOWN else ""
    return f"records {told}{more} ({rows:,} rows) are in {tables}"


def _ranges(reached: Mapping[int, Resume], first_rows: Mapping[int, int]) -> Sequence[tuple[int, int]]:
    """First and last records of what is in; what adjoins is one."""
    ranges: list[tuple[int, int]] = []
    for first, end in sorted((first_rows[span], resume.row) for span, resume in reached.items()):
        if ranges and ranges[-1][1] == first - 1:
            ranges[-1] = ranges[-1][0], end - 1
        elif first < end:
            ranges.append((first, end - 1))
    return ranges
