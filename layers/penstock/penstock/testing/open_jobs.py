"""The unfinished jobs of an in-memory jobs table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from penstock.aws.jobs_table.after_items import FIRST_CHECK_SECONDS
from penstock.model.job import Failure, Job
from penstock.model.job_status import JobState, JobStatus
from penstock.testing.jobs import MemoryJobStore


@dataclass
class MemoryOpenJobs:
    """Implements ``OpenJobs`` on top of a `MemoryJobStore`."""

    jobs: MemoryJobStore
    locked: dict[str, tuple[float, float]] = field(default_factory=dict)
    _names: count[int] = field(default_factory=count)

    def due(self, limit: int) -> Sequence[JobStatus]:
        dues = sorted((at, job_id) for job_id, at in self.jobs.dues.items() if at <= self.jobs.clock())
        found = (self.jobs.jobs.get(job_id) for _, job_id in dues[:limit])
        return [status for status in found if status and not status.state.final]

    def get(self, job_id: str) -> JobStatus | None:
        return self.jobs.jobs.get(job_id)

    def look_again(self, status: JobStatus, at: float) -> bool:
        if not self.jobs.is_unchanged(status):
            return False
        self.jobs.dues[status.job_id] = at
        return True

    def restart(self, status: JobStatus, at: float) -> bool:
        if not self.look_again(status, at):
            return False
        now = self.jobs.clock()
        self.jobs.change(
            status.job_id,
            state=JobState.WAITING,
            holder=f"restart-{next(self._names)}",
            lease_until=now,
            updated_at=now,
            yields_to="",
            sends=status.sends + 1,
        )
        return True

    def begin_abort(self, status: JobStatus, at: float, failure: Failure) -> bool:
        if not self.look_again(status, at):
            return False
        self.jobs.change(status.job_id, lease_until=at, aborts=status.aborts + 1, failure=failure)
        return True

    def send_again(self, status: JobStatus, at: float) -> bool:
        if not self.look_again(status, at):
            return False
        self.jobs.change(status.job_id, sends=status.sends + 1)
        return True

    def end(self, status: JobStatus, state: JobState, failure: Failure) -> bool:
        if not self.jobs.is_unchanged(status):
            return False
        if status.state is JobState.COMMITTING and state is JobState.FAILED:
            self.jobs.note_unused(status.job_id)
        self.jobs.end(status.job_id, state, receipt=None, failure=failure)
        if status.after:
            self.jobs.afters[status.job_id] = self.jobs.clock() + FIRST_CHECK_SECONDS
        return True

    def unused(self, limit: int) -> Sequence[str]:
        now = self.jobs.clock()
        return [job_id for job_id, due in self.jobs.unused.items() if due <= now][:limit]

    def delete_unused(self, status: JobStatus, until: float) -> bool:
        if not self.jobs.is_unchanged(status):
            return False
        self.jobs.change(status.job_id, lease_until=until)
        return True

    def forget_unused(self, job_id: str) -> None:
        del self.jobs.unused[job_id]

    def fail_unrecorded(self, job: Job, failure: Failure) -> bool:
        if job.id in self.jobs.jobs:
            return False
        now = self.jobs.clock()
        self.jobs.jobs[job.id] = JobStatus(
            job.id,
            JobState.FAILED,
            job.source.uri,
            job.route.name,
            job.target.uri,
            job.source.size,
            started_at=now,
            updated_at=now,
            finished_at=now,
            failure=failure,
            upload=job.source,
            holder=f"restart-{next(self._names)}",
            lease_until=now,
            after=self.jobs.plan_after(job),
        )
        return True

    def owner(self, upload_id: str) -> JobStatus | None:
        return self.jobs.jobs.get(self.jobs.owners.get(upload_id, ""))

    def lock(self, task: str, seconds: float) -> float | None:
        now = self.jobs.clock()
        due, since = self.locked.get(task, (now, now))
        if due > now:
            return None
        self.locked[task] = now + seconds, since
        return since
