"""The rejects of a job. Those of an archive are its members': each of them is a job of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from penstock.large_jobs.ports import WorkFiles
from penstock.model.job_status import JobState, JobStatus
from penstock.model.record import Reject
from penstock.operations.archive_members import ArchiveMembers
from penstock.operations.ports import RejectReader


@dataclass(frozen=True, slots=True)
class JobRejects:
    """Reads the rejects of jobs, until their files expire."""

    files: WorkFiles
    rejects: RejectReader

    def __call__(self, status: JobStatus, member: str = "") -> Iterator[Reject]:
        """Yield the rejects of a job; of an archive, those of each member, in the order of its results.

        ``member``: those of this member alone (see `ArchiveMembers.find`).

        Memory: the results of one batch of members, and one file of rejects.
        """
        if not status.is_archive:
            yield from self.rejects.read(status.job_id)
            return
        members = ArchiveMembers(self.files, status)
        for result in [members.find(member)] if member else members.results():
            # A member that failed may have rejected too many, and has no receipt that says so.
            if result.job_id and (result.state is JobState.FAILED or (result.receipt and result.receipt.rejects)):
                yield from (replace(reject, member=result.name) for reject in self.rejects.read(result.job_id))
