"""An archive's job as a tree: its large members, which are jobs too, and the members that failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from penstock.delivery.member_jobs import MemberResult
from penstock.jobs.ports import JobStore
from penstock.large_jobs.member_batches import CHILDREN, batches_of
from penstock.large_jobs.ports import ExecutionStore, WorkFiles
from penstock.model.job_status import JobState, JobStatus
from penstock.operations.archive_members import ArchiveMembers

# Large members, and failed members, that are listed: each costs a read or two.
SHOWN = 20


class LargeMember(NamedTuple):
    """A large member that was begun, and the record of its job; None once it has expired."""

    result: MemberResult
    job: JobStatus | None


class ArchiveTree(NamedTuple):
    """The first SHOWN large members of ``large_total``, and the first SHOWN failed members.

    Large members that are not done come first, then those that failed.
    """

    large: tuple[LargeMember, ...] = ()
    large_total: int = 0
    failed: tuple[MemberResult, ...] = ()


NO_TREE = ArchiveTree()


@dataclass(frozen=True, slots=True)
class ArchiveTreeReader:
    """Reads the trees of archives."""

    files: WorkFiles
    jobs: JobStore
    executions: ExecutionStore

    def __call__(self, status: JobStatus) -> ArchiveTree:
        """Return the tree of a job; it is empty unless the job takes an archive apart."""
        if not status.is_archive:
            return NO_TREE
        members = ArchiveMembers(self.files, status)
        if not members.has_batches:
            return ArchiveTree(failed=_first_failed(members.results()))
        receipts = self.executions.receipts(status.job_id, status.execution, range(1, status.spans + 1))
        large = [batch.number for batch in batches_of(members.folder) if batch.large]
        # They are begun in their order, so many at once.
        running = [number for number in large if number not in receipts][:CHILDREN]
        done = [number for number in large if number in receipts]
        done.sort(key=lambda number: not receipts[number].failed)
        begun = members.of_batches([*running, *done][:SHOWN])
        with_failed = [number for number in sorted(receipts) if receipts[number].failed]
        return ArchiveTree(
            tuple(LargeMember(result, self.jobs.get(result.job_id)) for result in begun),
            len(large),
            _first_failed(members.of_batches(with_failed)),
        )


def _first_failed(results: Iterable[MemberResult]) -> tuple[MemberResult, ...]:
    failed: Iterator[MemberResult] = (result for result in results if result.state is JobState.FAILED)
    return tuple(islice(failed, SHOWN))
