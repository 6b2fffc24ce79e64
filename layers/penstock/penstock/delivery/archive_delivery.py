"""Deliver a whole archive in one invocation, and say what became of each member."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace

from penstock.delivery.archive import ArchiveLoader
from penstock.delivery.archive_reader import OpenedArchive
from penstock.delivery.attempt import Attempt
from penstock.delivery.decoding import ceiling, too_large
from penstock.delivery.member_jobs import MemberResult, MemberRouter
from penstock.delivery.member_targets import refuse_double_targets
from penstock.delivery.ports import ResultFiles
from penstock.delivery.replaced_tables import ReplacedTables
from penstock.delivery.replacing import (
    REPLACEMENTS,
    Replacements,
    ReplacementSurvey,
    Swapper,
    SwapResults,
    SwapStore,
    no_stores,
    swap_warnings,
    unswapped,
)
from penstock.delivery.route_history import RunRoutes, routes_of_run
from penstock.errors import MembersFailedError, PenstockError, PermanentError, TimeLimitError, noting
from penstock.limits import MIB
from penstock.model.column_change import MOST_CHANGES, ColumnChange
from penstock.model.job import Job, Progress, Receipt
from penstock.model.job_status import JobState
from penstock.model.member import MemberCounts
from penstock.model.serialization import from_json, to_json
from penstock.model.wording import counted

# An archive with more entries, or with more bytes in their names, is for the state machine.
# As a line of the results, an entry takes 500 bytes in memory, and up to ten times the bytes of its name.
MOST_ENTRIES, MOST_NAMES = 10_000, 2 * MIB
# The file of a job in the work bucket with its results: one line of JSON for each entry of the archive.
RESULTS = "members.jsonl"
# A message names at most this many members.
SHOWN = 20


@dataclass(frozen=True, slots=True)
class ArchiveDelivery:
    """Delivers the members of an archive. The results are in ``members.jsonl`` in the job's folder of ``files``.

    Everything that can be known from the archive's own structure is checked before the first member is delivered: that
    the archive is whole, that it does not exceed the limits of its route, and that no two members have one destination.
    """

    loader: ArchiveLoader
    files: ResultFiles
    stores: Callable[[str], SwapStore] = no_stores

    def __call__(self, attempt: Attempt) -> Receipt:
        """Return the sum of the members' receipts. Raises MembersFailedError, and the errors of `ArchiveLoader`.

        Tables that several members replace are swapped at the end, if all of these members are staged.
        """
        run = routes_of_run(self.files, attempt.job, attempt.redrives, lambda: attempt.routes)
        attempt = replace(attempt, routes=run.routes)
        opened = self.loader.reader.open(attempt)
        refused: dict[int, PermanentError] = {}
        survey = ReplacementSurvey(attempt.job)
        total = Progress(members=MemberCounts(total=self._check(attempt, opened, refused, survey)))
        run = replace(run, replaced=self._begin(attempt, survey))
        earlier = self._earlier(attempt)
        results = _Results(attempt.job, dict(earlier), total)

        def heartbeat(progress: Progress) -> None:
            results.read = progress.bytes_in
            attempt.heartbeat(total.plus(progress))

        counting = replace(attempt, heartbeat=heartbeat)
        try:
            with closing(self.loader(counting, earlier=earlier, run=run, refused=refused)) as found:
                for result in found:
                    results.add(result)
            self._swap(attempt, run, results)
        except PenstockError as error:
            with noting(error, "the results could not be written"):
                self._write(results)
            if isinstance(error, PermanentError):
                with noting(error, "the staged rows could not be dropped"):
                    Swapper.of(self.stores).abort(run.replaced)
            raise
        self._write(results)
        attempt.heartbeat(replace(results.total, bytes_in=results.read))
        return results.receipt(opened, f"s3://{self.files.bucket}/{results_key(attempt.job)}")

    def _begin(self, attempt: Attempt, survey: ReplacementSurvey) -> tuple[ReplacedTables, ...]:
        """Prepare what members replace together. It is written first, so that `abort` finds what is staged."""
        replaced = survey.found(attempt.holder)
        if replaced:
            document = Replacements(attempt.holder, replaced)
            self.files.write(f"jobs/{attempt.job.id}/{REPLACEMENTS}", to_json(document).encode())
        return Swapper.of(self.stores).begin_each(replaced)

    def _swap(self, attempt: Attempt, run: RunRoutes, results: _Results) -> None:
        """Swap the tables whose members are all staged, and drop what was staged for the others."""
        if not any(tables.is_open for tables in run.replaced):
            return
        attempt.check_end()
        swapper = Swapper.of(self.stores)
        outcomes = swapper.finish(run.replaced, attempt.check_order)
        results.settle(SwapResults(self.stores, outcomes).of(results.waiting()), swap_warnings(outcomes))
        swapper.abort(unswapped(run.replaced, outcomes))

    def _earlier(self, attempt: Attempt) -> dict[tuple[int, ...], MemberResult]:
        """Return the results of earlier attempts, by numbers."""
        lines = (self.files.read(results_key(attempt.job)) or b"") if attempt.number > 1 else b""
        results = (from_json(MemberResult, line) for line in lines.splitlines())
        return {result.numbers: result for result in results if result.state is not JobState.SKIPPED}

    def _write(self, results: _Results) -> None:
        self.files.write(results_key(results.job), b"".join([*results.lines, *map(_line, results.before.values())]))

    def _check(
        self,
        attempt: Attempt,
        opened: OpenedArchive,
        refused: dict[int, PermanentError],
        survey: ReplacementSurvey,
    ) -> int:
        """Return the number of members to deliver. ``survey`` notes all of them."""
        router = MemberRouter(attempt.job, attempt.routes)
        counts = Counter[str]()
        most = ceiling(attempt.job.source, attempt.job.route)

        def jobs() -> Iterator[Job]:
            counts.clear()
            survey.clear()
            for number, entry in enumerate(self.loader.reader.entries(attempt, opened, refused), start=1):
                counts["names"] += len(entry.path.encode(errors="replace"))
                if number > MOST_ENTRIES or counts["names"] > MOST_NAMES:
                    raise TimeLimitError(
                        f"{attempt.job.source.uri}: the archive has more than {MOST_ENTRIES:,} entries, or "
                        f"{MOST_NAMES:,} bytes in their names, the most that one invocation delivers. A zip, a "
                        "plain tar or a tar.gz may have more: its members go in batches",
                    )
                job = router.job_of(entry)
                if isinstance(job, Job):
                    counts.update(members=1, bytes=job.source.size)
                    if counts["bytes"] > most:
                        raise too_large(attempt.job.source, attempt.job.route, 0)
                    survey.add(job)
                    yield job
                elif job.state is JobState.FAILED:
                    counts["members"] += 1

        refuse_double_targets(attempt.job.source.uri, jobs)
        return counts["members"]


def results_key(job: Job) -> str:
    """Return the key of a job's results in the work bucket: one line of JSON for each entry of the archive."""
    return f"jobs/{job.id}/{RESULTS}"


def _line(result: MemberResult) -> bytes:
    return to_json(result).encode() + b"\n"


@dataclass(slots=True)
class _Results:
    """The results of a job's members. ``before``: those of earlier attempts, by numbers, that are not yet added.

    ``read``: bytes of the archive.
    """

    job: Job
    before: dict[tuple[int, ...], MemberResult]
    total: Progress
    lines: list[bytes] = field(default_factory=list)
    read: int = 0
    parts: int = 0
    failures: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    unswapped: set[str] = field(default_factory=set)
    changes: tuple[ColumnChange, ...] = ()
    staged: dict[tuple[int, ...], int] = field(default_factory=dict)

    def add(self, result: MemberResult) -> None:
        """Add the result of an entry. The line of one that waits for a swap is replaced by `settle`."""
        self.before.pop(result.numbers, None)
        if result.state is JobState.WAITING:
            self.staged[result.numbers] = len(self.lines)
            self.lines.append(_line(result))
            return
        self.lines.append(_line(result))
        self._count(result)

    def waiting(self) -> Iterator[MemberResult]:
        """Yield the results of the members that wait for a swap."""
        yield from (from_json(MemberResult, self.lines[at]) for at in self.staged.values())

    def settle(self, results: Iterable[MemberResult], warnings: Iterable[str]) -> None:
        """Add what became of the members that waited for a swap."""
        self.warnings += warnings
        for result in results:
            self.lines[self.staged[result.numbers]] = _line(result)
            if result.state is not JobState.WAITING:
                del self.staged[result.numbers]
                self._count(result)
            elif result.failure:
                self.unswapped.add(result.failure.message)

    def _count(self, result: MemberResult) -> None:
        self.total = self.total.plus(Progress(members=result.counts))
        if receipt := result.receipt:
            self.total = self.total.plus(replace(receipt.progress, bytes_in=0))
            self.parts += receipt.parts
            self.changes = (*self.changes, *receipt.changes)[:MOST_CHANGES]
        if not result.name:
            self.warnings.append(result.reason)
        if result.failure and result.state is JobState.FAILED and len(self.failures) < SHOWN:
            self.failures.append(f"{result.name}: {result.failure.message}")

    def receipt(self, opened: OpenedArchive, listed: str) -> Receipt:
        """Return the receipt of the archive. Raises MembersFailedError if a member was not delivered."""
        members = self.total.members
        if members.failed or self.staged:
            raise self._failed(members.failed, members.total - members.done - len(self.staged), listed)
        return Receipt(
            bytes_in=self.job.source.size,
            bytes_out=self.total.bytes_out,
            crc32=0,
            parts=self.parts,
            codec=opened.full_name,
            warnings=tuple(self.warnings),
            rows=self.total.rows,
            rejects=self.total.rejects,
            dropped=self.total.dropped,
            members=members,
            changes=self.changes,
        )

    def _failed(self, failed: int, left: int, listed: str) -> MembersFailedError:
        more = [f"and {failed - len(self.failures):,} more"] if failed > len(self.failures) else []
        not_begun = [f"{counted(left, 'member')} not begun"] if left > 0 else []
        waiting = len(self.staged)
        unswapped = [f"{counted(waiting, 'member')} staged, not visible: {', '.join(sorted(self.unswapped))}"]
        parts = [*self.failures, *more, *not_begun, *(unswapped if waiting else [])]
        return MembersFailedError(
            f"{self.job.source.uri}: {counted(failed + waiting, 'member')} not delivered: {'; '.join(parts)}; all are "
            f"listed in {listed}"
        )
