"""Deletes the data files of failed jobs that no commit has.

Each such job has an item (`OpenJobs.unused`) that is due when no process can write or commit its files any more. The
reconciler finds the items, and asks the function `abort`, which has the right to delete files. That is where it is
proven once more that the commit of the job is not in, and where the job is kept from being redriven meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from penstock.destinations.iceberg.ports import CommitFinder
from penstock.errors import CommitInDoubtError
from penstock.jobs.ports import OpenJobs
from penstock.model.job_status import JobState, JobStatus
from penstock.model.source import Deadline

EVERY_SECONDS = 600.0
# One run asks for at most so many jobs.
MOST = 100
# Longer than an invocation of `abort`.
LEASE_SECONDS = 960.0


@dataclass(frozen=True, slots=True)
class UnusedLook:
    """Finds failed jobs with files to be deleted. ``ask`` calls `abort` for a job. ``is_on``: the stack has Iceberg."""

    open_jobs: OpenJobs
    ask: Callable[[str], None]
    is_on: bool = True
    margin: float = 10.0

    def __call__(self, deadline: Deadline) -> int:
        """Return for how many jobs `abort` was called."""
        asked = 0
        for job_id in self.open_jobs.unused(MOST):
            if deadline.remaining() < self.margin:
                break
            self.ask(job_id)
            asked += 1
        return asked


@dataclass(frozen=True, slots=True)
class UnusedFiles:
    """Deletes the files of one failed job. ``remove`` does so, and keeps its earlier attempts from adding more."""

    open_jobs: OpenJobs
    finder: Callable[[], CommitFinder]
    remove: Callable[[str], None]
    clock: Callable[[], float] = time.time

    def __call__(self, job_id: str) -> dict[str, object]:
        """Delete the files, unless the job has a commit that is in or in doubt, or is at work again."""
        status = self.open_jobs.get(job_id)
        removed = False
        if status and status.state in (JobState.FAILED, JobState.SUPERSEDED):
            until = self.clock() + LEASE_SECONDS
            if not self.open_jobs.delete_unused(status, until):
                return {"job": job_id, "removed": removed}  # it has changed meanwhile: look again
            if removed := self._is_out(status):
                self.remove(job_id)
            self.open_jobs.delete_unused(replace(status, lease_until=until), self.clock())
        self.open_jobs.forget_unused(job_id)
        return {"job": job_id, "removed": removed}

    def _is_out(self, status: JobStatus) -> bool:
        note = status.commit
        if not note.requested:
            return True
        try:
            return self.finder().find(status.target.partition(":")[2], note.id, note.base) is None
        except CommitInDoubtError:
            return False
