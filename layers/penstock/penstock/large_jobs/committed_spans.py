"""The records that a failed load in spans has committed to its tables, for its error message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from penstock.large_jobs.span_plan import WHOLE
from penstock.large_jobs.table_steps import TableSteps
from penstock.model.load import Resume
from penstock.model.span import Span
from penstock.model.table import TablePlan
from penstock.model.wording import counted
from penstock.tables import Committed, is_staged

# A message lists at most this many ranges of records; the ledger has all.
SHOWN = 20


def committed_spans(steps: TableSteps, job_id: str, plan: TablePlan, spans: Iterable[Span]) -> Committed | None:
    """Return the committed records of the job, as ranges; None if only the items themselves show them.

    Raises the errors of the database.
    """
    if is_staged(plan):
        return Committed(plan, "", 0)
    reached = steps.reached(job_id, plan)
    if reached is None:
        return None
    ranges = _ranges(reached, {WHOLE: 1} | {span.number: span.first_row for span in spans})
    rows = sum(resume.rows for resume in reached.values())
    listed = ", ".join(f"{first:,} to {last:,}" for first, last in ranges[:SHOWN])
    more = f" and {len(ranges) - SHOWN:,} more ranges in the ledger" if len(ranges) > SHOWN else ""
    return Committed(plan, f"records {listed}{more} ({counted(rows, 'row')})" if ranges else "", rows)


def _ranges(reached: Mapping[int, Resume], first_rows: Mapping[int, int]) -> Sequence[tuple[int, int]]:
    """Return the first and last records of the committed ranges. Adjoining ranges are joined."""
    ranges: list[tuple[int, int]] = []
    for first, end in sorted((first_rows[span], resume.row) for span, resume in reached.items()):
        if ranges and ranges[-1][1] == first - 1:
            ranges[-1] = ranges[-1][0], end - 1
        elif first < end:
            ranges.append((first, end - 1))
    return ranges
