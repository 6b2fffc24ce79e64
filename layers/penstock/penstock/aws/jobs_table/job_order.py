"""The order of a source's jobs: the newest comes first, by the ``order#`` items of the jobs table.

An older job yields while the newest job is unfinished, and is superseded once that has succeeded. If the newest job
fails, the older one continues, so that a good version before a bad one is published. A job that another job has yielded
to does not yield itself: however often a source is overwritten, at least every second version is published.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from penstock.aws.jobs_table.items import JobsTable, Values, job_key, status_of
from penstock.aws.jobs_table.time_index import open_until
from penstock.errors import JobInProgressError, SupersededError, YieldedError
from penstock.limits import YIELDING_SECONDS
from penstock.model.identity import digest
from penstock.model.job import MAX_ATTEMPTS, Failure, Job
from penstock.model.job_status import JobState, JobStatus
from penstock.model.route import BUCKET, ORDER_KEY, ORDER_TABLE


class JobOrder:
    """Orders the jobs of a source. ``clock`` returns Unix seconds."""

    def __init__(self, table: JobsTable, clock: Callable[[], float]) -> None:
        self._table = table
        self._clock = clock

    def known(self, job: Job) -> Values:
        """Return the highest order and its job; empty if no version was claimed through this route."""
        return self._table.item(order_key(job))

    def note(self, job: Job) -> bool:
        """Record the version of the job. Returns False if a newer version was claimed through this route.

        Raises JobInProgressError for a listed source if another version was claimed since its order was found.
        """
        order = job.order
        if not order:
            return True
        placed = job.source.listed and not job.source.member and job.route.order == ORDER_KEY
        noted = self._table.update(
            order_key(job),
            {"order": order, "job": job.id},
            condition=f"attribute_not_exists(pk) OR #order {'<' if placed else '<='} :order",
            values={":order": order},
        )
        if noted is None and placed:
            raise JobInProgressError(f"{job.source.uri}: another version was claimed at the same time", retry_after=0)
        return noted is not None

    def refusal(self, job: Job) -> SupersededError | YieldedError | None:
        """Return why a job that is not the newest must stop, or None if it may continue.

        Rows of an older version in a table cannot be told from those of a newer one. So for tables, only the newest
        version may continue. An event and a listing of one version have one job: it does not overtake itself.
        """
        if self.known(job).get("job") == job.id:
            return None
        if job.route.store != BUCKET:
            what = "object for the same table" if job.route.order == ORDER_TABLE else "version"
            return SupersededError(f"{job.source.uri}: a newer {what} was claimed before this one was delivered")
        newer = self._newer(job)
        if newer is None:
            return None
        if newer.state is JobState.SUCCEEDED:
            return SupersededError(f"{job.source.uri}: job {newer.job_id} delivered a newer version")
        if newer.state.final or self._table.item(job_key(job.id)).get("awaited"):
            return None
        return YieldedError(f"{job.source.uri}: waits for job {newer.job_id} of a newer version", newer=newer.job_id)

    def check(self, job: Job) -> None:
        """Raises SupersededError or YieldedError if a job must stop."""
        if self._is_overtaken(job) and (refusal := self.refusal(job)):
            raise refusal

    def _is_overtaken(self, job: Job) -> bool:
        order = job.order
        return bool(order) and str(self._table.item(order_key(job)).get("order", "")) > order

    def yielded(self, job_id: str, error: YieldedError) -> Values:
        """Return the attributes of a job that waits for a newer one, and mark the newer one. Uses up no attempt."""
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
        """Return the newest job, if it is newer than this one and has a record."""
        noted = self._table.item(order_key(job))
        if noted.get("job", job.id) == job.id or noted["order"] <= job.order:
            return None
        item = self._table.item(job_key(noted["job"]))
        return status_of(noted["job"], item) if item else None


def order_key(job: Job) -> str:
    """Return the key of the order of a job's source."""
    return "order#" + digest(*job.series)
