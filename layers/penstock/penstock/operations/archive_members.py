"""What became of the members of an archive. A member that shares its invocation with others has no record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from penstock.delivery.archive_delivery import RESULTS
from penstock.delivery.member_jobs import MemberResult
from penstock.large_jobs import member_batches
from penstock.large_jobs.job_files import JobFolder
from penstock.large_jobs.member_batches import read_results
from penstock.large_jobs.ports import WorkFiles
from penstock.large_jobs.span_plan import MemberBatches
from penstock.model.job_status import JobStatus
from penstock.model.serialization import from_json


@dataclass(frozen=True, slots=True)
class ArchiveMembers:
    """Reads the results of an archive's members, until their files expire. Memory: the results of one batch."""

    files: WorkFiles
    status: JobStatus

    @property
    def listed_at(self) -> str:
        """The URI of the file, or of the folder of files, that lists all members: a line of JSON for each."""
        name = member_batches.RESULTS if self._has_batches() else RESULTS
        return f"s3://{self.files.bucket}/{self._folder.key(name)}"

    def results(self) -> Iterator[MemberResult]:
        """Yield the results so far, in the order of the archive."""
        if not self._has_batches():
            lines = self.files.read(self._folder.key(RESULTS)) or b""
            yield from (from_json(MemberResult, line) for line in lines.splitlines())
            return
        for batch in range(1, self.status.spans + 1):
            yield from read_results(self._folder, batch)

    @property
    def _folder(self) -> JobFolder:
        return JobFolder(self.files, self.status.job_id)

    def _has_batches(self) -> bool:
        """Whether the archive is delivered in batches: not in `ingest`, nor in order."""
        return bool(self.status.execution) and isinstance(self._folder.find_plan(), MemberBatches)
