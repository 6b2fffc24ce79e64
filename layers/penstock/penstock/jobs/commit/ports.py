"""What the function `commit` needs: the records of jobs and batches, the files of jobs, and the queue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from penstock.model.commit import CommitBatch
from penstock.model.job import Failure
from penstock.model.job_status import JobState, JobStatus


class CommitQueue(Protocol):
    """The queue of the function `commit`."""

    def send(self, table: str, job_id: str) -> None:
        """Announce a job whose files wait for the commit of a table."""


class CommitStore(Protocol):
    """The records of jobs that wait for a commit, and of batches."""

    def jobs(self, ids: Sequence[str]) -> Sequence[JobStatus]:
        """Return the existing records of jobs."""

    def take(self, job_id: str, commit_id: str, *, instead_of: str = "") -> bool:
        """Put a COMMITTING job into a batch. Returns False if it no longer waits, or is in another batch than that."""

    def batch(self, commit_id: str) -> CommitBatch | None:
        """Return a batch that has begun."""

    def begin(self, batch: CommitBatch) -> CommitBatch:
        """Write a batch, unless one of its id exists. Returns the one that is stored."""

    def lease(self, commit_id: str, until: float) -> bool:
        """Take a batch, unless another function works on it. Returns False in that case."""

    def release(self, commit_id: str, *, doubt: bool = False) -> None:
        """Let another function take the batch at once. ``doubt``: count one more attempt that ended in doubt."""

    def record_base(self, commit_id: str, base: int | None) -> None:
        """Record the snapshot before the first request. The one that is recorded already stays."""

    def record_snapshot(self, commit_id: str, snapshot: int | None) -> None:
        """Record that the commit is in: in this snapshot, or None if there was nothing to commit."""

    def close(self, job: JobStatus, batch: CommitBatch, state: JobState, failure: Failure | None = None) -> bool:
        """End a COMMITTING job of a batch. Returns False if it has ended. A job that failed may leave unused files."""

    def is_overtaken(self, job: JobStatus) -> bool:
        """Whether a newer job of the same series replaces, or has replaced, the rows of this one."""
