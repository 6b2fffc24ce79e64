"""Which of a source's jobs comes first: the newest, as the ``order#`` items of the jobs table tell.

An older job yields while the newest is unfinished, and is superseded once that has succeeded. Should it fail, the
older one goes on, so that a good version before a bad one is published. Where one has yielded to a job, that job
yields to no other: however often a source is overwritten, at least every second version is published.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from penstock.aws.jobs_table.items import JobsTable, Values, job_key, status_of
from penstock.aws.jobs_table.time_index import open_until
from penstock.errors import SupersededError, YieldedError
from penstock.limits import YIELDING_SECONDS
from penstock.model.identity import digest
from penstock.model.job import MAX_ATTEMPTS, Failure, Job
from penstock.model.job_status import JobState, JobStatus
from penstock.model.route import BUCKET


class JobOrder:
    """``clock`` gives Unix seconds."""

    def __init__(self, table: JobsTable, clock: Callable[[], float]) -> None:
        self._table = table
        self._clock = clock

    def note(self, job: Job) -> bool:
        """Whether no newer version of this source was claimed through this route."""
        order = job.source.order
        if not order:
            return True
        noted = self._table.update(
            _key(job),
            {"order": order, "job": job.id},
            condition="attribute_not_exists(pk) OR #order <= :order",
            values={":order": order},
        )
        return noted is not None

    def refusal(self, job: Job) -> SupersededError | YieldedError | None:
        """Why a job that is not the newest has to stop; None where it may go on.

        What tables hold of an older version nobody can tell from the newer one's: there the newest alone counts.
        """
        if job.route.store != BUCKET:
            return SupersededError(f"{job.source.uri}: a newer version was claimed before this event came")
        newer = self._newer(job)
        if newer is None:
            return None
        if newer.state is JobState.SUCCEEDED:
            return SupersededError(f"{job.source.uri}: job {newer.job_id} has delivered a newer version")
        if newer.state.final or self._table.item(job_key(job.id)).get("awaited"):
            return None
        return YieldedError(f"{job.source.uri}: waits for job {newer.job_id} on a newer version", newer=newer.job_id)

    def check(self, job: Job) -> None:
        """Raises SupersededError or YieldedError where a job has to stop."""
        if job.source.order and (refusal := self.refusal(job)):
            raise refusal

    def yielded(self, job_id: str, error: YieldedError) -> Values:
        """What the item of a job says that waits for a newer one, which learns of it. It uses up no attempt."""
        self._table.update(job_key(error.newer), {"awaited": 1}, condition="attribute_exists(pk)")
        now, item = self._clock(), self._table.item(job_key(job_id))
        limit = status_of(job_id, item).attempts_limit if item else MAX_ATTEMPTS
        return {
            "state": str(JobState.WAITING),
            "yields_to": error.newer,
            "lease_until": now,
            "updated_at": now,
            "attempts_limit": limit + 1,
            "failure": asdict(Failure.of(error)),
            **open_until(job_id, now + YIELDING_SECONDS),
        }

    def _newer(self, job: Job) -> JobStatus | None:
        """The newest job, if it is newer than this one and on record."""
        noted = self._table.item(_key(job))
        if noted.get("job", job.id) == job.id or noted["order"] <= job.source.order:
            return None
        item = self._table.item(job_key(noted["job"]))
        return status_of(noted["job"], item) if item else None


def _key(job: Job) -> str:
    return "order#" + digest(job.source.bucket, job.source.key, job.route.name)
