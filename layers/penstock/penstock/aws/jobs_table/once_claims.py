"""Which job delivers the objects that a route takes for one (`Route.once`).

once#<digest of route and key, or of route, size and checksum>   the job that delivers them

The claim expires with the retention of jobs.
"""

from __future__ import annotations

from collections.abc import Callable

from penstock.aws.jobs_table.items import JobsTable, job_key, status_of
from penstock.errors import JobInProgressError
from penstock.model.job import Job
from penstock.model.job_status import JobStatus, frees_claim

# The first wait for another job, and how many times as long each further wait is as the claim is old. So the four waits
# of a message take three hours.
FIRST_WAIT, WAIT_FACTOR = 30.0, 6.0

# Changes of the claim by other jobs, after which this one waits.
TRIES = 3


class OnceClaims:
    """Claims objects by what makes them one. ``clock`` returns Unix seconds."""

    def __init__(self, table: JobsTable, clock: Callable[[], float]) -> None:
        self._table = table
        self._clock = clock

    def other(self, job: Job, what: str, *, at_once: bool = False) -> JobStatus | None:
        """Return another job that has delivered ``what``; None if this one is to deliver it. ``at_once``: one commit
        delivers all rows of a job.

        Raises JobInProgressError while another job delivers it.
        """
        key = f"once#{what}"
        fields = {"job": job.id, "claimed_at": self._clock()}
        for _ in range(TRIES):
            free = "attribute_not_exists(pk) OR job = :job"
            if self._table.update(key, fields, condition=free, values={":job": job.id}):
                return None
            held = self._table.item(key)
            holder = str(held.get("job", ""))
            item = self._table.item(job_key(holder))
            status = status_of(holder, item) if item else None
            if status and not frees_claim(status, adds_rows=job.route.adds_rows, at_once=at_once):
                if status.state.final:
                    return status
                age = self._clock() - float(held.get("claimed_at", 0))
                raise JobInProgressError(
                    f"{job.source.uri}: job {holder} is delivering {status.source}, of which this object is a repeat",
                    retry_after=max(FIRST_WAIT, WAIT_FACTOR * age),
                )
            if self._table.update(key, fields, condition="job = :holder", values={":holder": holder}):
                return None
        raise JobInProgressError(f"{job.source.uri}: other jobs claim the same object", retry_after=FIRST_WAIT)
