"""What a load that was cut and failed has left in its tables, for whoever has to decide about the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from penstock.large_jobs.span_plan import WHOLE
from penstock.large_jobs.table_steps import TableSteps
from penstock.model.load import Resume
from penstock.model.span import Span
from penstock.model.table import TablePlan
from penstock.model.wording import counted
from penstock.tables import Committed, is_staged

# Ranges of records that a message names; the ledger has them all.
SHOWN = 20


def committed_spans(steps: TableSteps, job_id: str, plan: TablePlan, spans: Iterable[Span]) -> Committed | None:
    """Which records of the job are in, as ranges of rows; None where only the items themselves can tell.

    Raises what asking the database raises.
    """
    if is_staged(plan):
        return Committed(plan, "", 0)
    reached = steps.reached(job_id, plan)
    if reached is None:
        return None
    ranges = _ranges(reached, {WHOLE: 1} | {span.number: span.first_row for span in spans})
    rows = sum(resume.rows for resume in reached.values())
    told = ", ".join(f"{first:,} to {last:,}" for first, last in ranges[:SHOWN])
    more = f" and {len(ranges) - SHOWN:,} more ranges that the ledger knows" if len(ranges) > SHOWN else ""
    return Committed(plan, f"records {told}{more} ({counted(rows, 'row')})" if ranges else "", rows)


def _ranges(reached: Mapping[int, Resume], first_rows: Mapping[int, int]) -> Sequence[tuple[int, int]]:
    """First and last records of what is in; what adjoins is one."""
    ranges: list[tuple[int, int]] = []
    for first, end in sorted((first_rows[span], resume.row) for span, resume in reached.items()):
        if ranges and ranges[-1][1] == first - 1:
            ranges[-1] = ranges[-1][0], end - 1
        elif first < end:
            ranges.append((first, end - 1))
    return ranges
