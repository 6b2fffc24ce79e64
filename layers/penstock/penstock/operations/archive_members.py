"""What became of the members of an archive. A member that shares its invocation with others has no record."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from penstock.archives.archive import MAX_MEMBERS
from penstock.delivery.archive_delivery import RESULTS
from penstock.delivery.member_jobs import MemberResult
from penstock.errors import UnknownJobError
from penstock.large_jobs import member_batches
from penstock.large_jobs.job_files import JobFolder
from penstock.large_jobs.member_batches import read_results
from penstock.large_jobs.ports import WorkFiles
from penstock.large_jobs.span_plan import MemberBatches
from penstock.model.job_status import JobStatus
from penstock.model.serialization import from_json

# Files that are read at once: each takes about 20 ms.
READS = 8

_JOB_ID = re.compile(r"[0-9a-f]{8,32}")


@dataclass(frozen=True, slots=True)
class ArchiveMembers:
    """Reads the results of an archive's members, until their files expire.

    Memory: the results of READS batches of at most 1,000 members, or of a whole archive without batches.
    """

    files: WorkFiles
    status: JobStatus

    @property
    def listed_at(self) -> str:
        """The URI of the file, or of the folder of files, that lists all members: a line of JSON for each."""
        name = member_batches.RESULTS if self.has_batches else RESULTS
        return f"s3://{self.files.bucket}/{self.folder.key(name)}"

    def results(self) -> Iterator[MemberResult]:
        """Yield the results so far, in the order of the archive."""
        if self.has_batches:
            yield from self.of_batches(range(1, self.status.spans + 1))
            return
        lines = self.files.read(self.folder.key(RESULTS)) or b""
        yield from (from_json(MemberResult, line) for line in lines.splitlines())

    def find(self, wanted: str) -> MemberResult:
        """Return the result of a member: its number, its name or the start of its job's id. Raises UnknownJobError.

        The name may be that number: then it counts if no member has the number.
        """
        # The archive has at most a million entries: a longer number is the id of a job.
        number = int(wanted) if wanted.isdecimal() and len(wanted) <= len(str(MAX_MEMBERS)) else -1
        is_id = _JOB_ID.fullmatch(wanted) is not None
        named: MemberResult | None = None
        for result in self.results():
            if result.numbers == (number,) or (is_id and result.job_id.startswith(wanted)):
                return result
            if result.name == wanted:
                named = result
                if number < 0:
                    break
        if named:
            return named
        raise UnknownJobError(
            f"{self.status.source} has no result of a member {wanted!r}",
            hint=f"A member has one when it was delivered or left out. All are listed in {self.listed_at}",
        )

    def of_batches(self, numbers: Sequence[int]) -> Iterator[MemberResult]:
        """Yield the results of batches. Of a large member that is retried, the last one holds."""
        read = partial(read_results, self.folder)
        with ThreadPoolExecutor(READS, thread_name_prefix="results-get") as threads:
            for first in range(0, len(numbers), READS):
                for results in threads.map(read, numbers[first : first + READS]):
                    yield from {
                        result.numbers if result.number else (-at,): result for at, result in enumerate(results)
                    }.values()

    @property
    def folder(self) -> JobFolder:
        """The files of the archive's job."""
        return JobFolder(self.files, self.status.job_id)

    @property
    def has_batches(self) -> bool:
        """Whether the archive is delivered in batches: not in `ingest`, nor in order."""
        return bool(self.status.execution) and isinstance(self.folder.find_plan(), MemberBatches)
