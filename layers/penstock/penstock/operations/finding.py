"""Which job is meant, and which are the newest.

The index of the jobs table tells when a job is due or has ended, and nothing else of it: all but a whole id costs
a look at every item.
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

# Ids that an error lists.
EXAMPLES = 3


def newest(jobs: JobStore, *, limit: int, states: Collection[JobState] = ()) -> list[JobStatus]:
    """The jobs that began last, the newest first. Memory: ``limit`` of them."""
    return heapq.nlargest(limit, jobs.search(states=states), key=lambda status: (status.started_at, status.job_id))


def find(jobs: JobStore, name: str) -> JobStatus:
    """The job of an id, of a prefix of it that no other id has, or the newest of a source's ``s3://`` URI.

    Raises UnknownJobError where there is none, or several.
    """
    if ID.fullmatch(name):
        status = jobs.get(name)
        if status is None:
            raise UnknownJobError(f"there is no job {name}")
        return status
    if name.startswith("s3://"):
        found = list(jobs.search(source=name))
        if not found:
            raise UnknownJobError(f"there is no job of {name}")
        return max(found, key=lambda status: (status.started_at, status.job_id))
    if not PREFIX.fullmatch(name):
        raise UnknownJobError(
            f"{name!r} is no job",
            hint="Give a job's id, the beginning of it, or its source as s3://BUCKET/KEY.",
        )
    found = list(jobs.search(prefix=name))
    if not found:
        raise UnknownJobError(f"there is no job whose id begins with {name}")
    if len(found) > 1:
        ids = sorted(status.job_id for status in found)
        raise UnknownJobError(
            f"{len(ids)} jobs begin with {name}: {', '.join(ids[:EXAMPLES])}{', ...' if len(ids) > EXAMPLES else ''}",
            hint="Give more of the id.",
        )
    return found[0]
