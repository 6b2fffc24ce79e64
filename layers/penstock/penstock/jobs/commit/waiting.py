"""Lets jobs whose files are complete wait for the commit of their table."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.jobs.commit.ports import CommitQueue
from penstock.jobs.ports import JobStore
from penstock.model.commit import NO_COMMIT, TABLE, CommitNote
from penstock.model.identity import digest
from penstock.model.job import Claim, Job, Receipt
from penstock.model.job_status import JobStatus
from penstock.model.table import Mode


@dataclass(frozen=True, slots=True)
class CommitWaiting:
    """Puts jobs into COMMITTING, and announces them to the function `commit`."""

    jobs: JobStore
    queue: CommitQueue

    def __call__(self, claim: Claim, job: Job, receipt: Receipt) -> None:
        """Let a job wait. If it cannot be announced now, the reconciler does it later."""
        self.jobs.hold(claim, receipt, note_of(job))
        self.queue.send(table_of(job), job.id)

    def announce(self, status: JobStatus) -> None:
        """Announce a job that waits still."""
        self.queue.send(status.target.partition(":")[2], status.job_id)


def table_of(job: Job) -> str:
    """Return the name of the table that the job loads."""
    return job.need_plan().tables[0].name


def note_of(job: Job) -> CommitNote:
    """Return what a job's commit has to know of it."""
    table = job.need_plan().tables[0]
    if table.mode is not Mode.REPLACE:
        return NO_COMMIT
    return CommitNote(replaces=table.replaces or TABLE, series=digest(*job.series), order=job.order)
