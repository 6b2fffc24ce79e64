"""Finds a job by its id, a prefix of its id or its source, and finds the newest jobs.

The index of the jobs table only has the time when a job is due or ended. So every search except by the complete id
scans the table.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Collection

from penstock.errors import UnknownJobError
from penstock.jobs.ports import JobStore
from penstock.model.job_status import JobState, JobStatus

ID = re.compile(r"[0-9a-f]{32}")
PREFIX = re.compile(r"[0-9a-f]{1,31}")

_NO_RECORD = (
    "List the jobs with `penstock jobs`. A small member of an archive has no record of its own: "
    "`penstock status ARCHIVE-JOB --member ID` shows it."
)

# An error lists at most this many ids.
EXAMPLES = 3


def newest(jobs: JobStore, *, limit: int, states: Collection[JobState] = ()) -> list[JobStatus]:
    """Return the jobs that started last, the newest first. Memory: ``limit`` jobs."""
    return heapq.nlargest(limit, jobs.search(states=states), key=lambda status: (status.started_at, status.job_id))


def find(jobs: JobStore, name: str) -> JobStatus:
    """Return the job with an id or a unique prefix of its id, or the newest job of a source's ``s3://`` URI.

    Raises UnknownJobError if no job, or more than one, matches.
    """
    if ID.fullmatch(name):
        status = jobs.get(name)
        if status is None:
            raise UnknownJobError(f"job {name} does not exist", hint=_NO_RECORD)
        return status
    if name.startswith("s3://"):
        found = list(jobs.search(source=name))
        if not found:
            raise UnknownJobError(f"{name} has no job")
        return max(found, key=lambda status: (status.started_at, status.job_id))
    if not PREFIX.fullmatch(name):
        raise UnknownJobError(
            f"{name!r} is not a job",
            hint="Give the id of a job, a prefix of its id, or its source as s3://BUCKET/KEY.",
        )
    found = list(jobs.search(prefix=name))
    if not found:
        raise UnknownJobError(f"no job id begins with {name}", hint=_NO_RECORD)
    if len(found) > 1:
        ids = sorted(status.job_id for status in found)
        raise UnknownJobError(
            f"{len(ids)} jobs begin with {name}: {', '.join(ids[:EXAMPLES])}{', ...' if len(ids) > EXAMPLES else ''}",
            hint="Give a longer prefix of the id.",
        )
    return found[0]
