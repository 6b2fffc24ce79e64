"""Large members of an archive: each has a job and an execution of its own, which the archive's job awaits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from penstock.errors import JobInProgressError, LeaseLostError, PermanentError, SupersededError, YieldedError, noting
from penstock.large_jobs.handover import CONFIRMATION_SECONDS, Handover
from penstock.model.job import Claim, Failure, Job, Receipt
from penstock.model.job_status import JobState, JobStatus
from penstock.model.object import ObjectHead


class MemberJobs(Protocol):
    """The jobs of members in the jobs table (see `penstock.jobs.ports.JobStore`)."""

    def get(self, job_id: str) -> JobStatus | None: ...

    def claim(
        self, job: Job, *, lease: float, seconds: float = 0.0, memory: int = 0, archive_job: str = ""
    ) -> Claim | JobStatus: ...

    def reopen(self, status: JobStatus) -> bool: ...

    def close(
        self, claim: Claim, state: JobState, *, receipt: Receipt | None = None, failure: Failure | None = None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Children:
    """The jobs of the large members of archives."""

    jobs: MemberJobs
    handover: Handover

    def __call__(
        self, job: Job, head: ObjectHead, *, archive_job: str, since: float, begin: Callable[[], None] = lambda: None
    ) -> JobStatus | None:
        """Start the job of a member unless it runs, and return its status; None if it was just started.

        A job that failed before ``since`` (Unix seconds), in an earlier execution of the archive's job, is retried. So
        is one whose start was interrupted. ``begin`` is called after the claim and before the start, which its errors
        prevent: LeaseLostError if the archive's job has ended. Raises the errors of the jobs table and of the machine.
        """
        status = self.jobs.get(job.id)
        if status and status.state is JobState.FAILED and status.finished_at < since:
            self.jobs.reopen(status)
        elif status and status.state.final:
            return status
        try:
            claim = self.jobs.claim(job, lease=CONFIRMATION_SECONDS, archive_job=archive_job)
        except (JobInProgressError, YieldedError, SupersededError):
            return self.jobs.get(job.id)
        if isinstance(claim, JobStatus):
            return self.jobs.get(job.id)
        self._start(job, head, claim, begin)
        return None

    def _start(self, job: Job, head: ObjectHead, claim: Claim, begin: Callable[[], None]) -> None:
        try:
            if claim.refusal:
                raise claim.refusal
            begin()
            self.handover(replace(job, begun=claim.begun or job.begun), head, claim)
        except (PermanentError, LeaseLostError) as error:
            with noting(error, "the job of the member could not be ended"):
                state = JobState.SUPERSEDED if isinstance(error, SupersededError) else JobState.FAILED
                self.jobs.close(claim, state, failure=Failure.of(error))
            if not isinstance(error, SupersededError):
                raise
