"""The origin of a job's rows, as the sink of its tables reports it."""

from __future__ import annotations

from penstock.model.job import Job
from penstock.model.load_origin import LoadOrigin
from penstock.tables import tables_of


def origin_of(job: Job, attempt: int = 1, redrives: int = 0) -> LoadOrigin:
    """Return where the rows of a table job come from. See `LoadOrigin` for the counts."""
    tables = {table.name: table.mode for table in tables_of(job.need_plan())}
    staged_with = job.replacement.load_id if job.replacement else ""
    return LoadOrigin(job.source, job.route.name, tuple(tables.items()), attempt, redrives, staged_with)
