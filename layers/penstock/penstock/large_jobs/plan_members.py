"""Plans archives: lists their entries, and puts them into batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

from penstock.codecs.indexers import indexers_within
from penstock.delivery.archive_reader import ArchiveReader, OpenedArchive
from penstock.delivery.attempt import Attempt
from penstock.delivery.member_jobs import Entry, MemberRouter
from penstock.delivery.member_targets import MemberTargets
from penstock.delivery.route_history import routes_of_run
from penstock.errors import PermanentError, TimeLimitError
from penstock.large_jobs.decoded_ranges import archive_index
from penstock.large_jobs.estimate import bytes_per_second, decoded_per_second, estimated_seconds, expected_bytes
from penstock.large_jobs.handover import is_large
from penstock.large_jobs.index_pass import Index, IndexState
from penstock.large_jobs.job_files import JobFolder, JobSpec
from penstock.large_jobs.member_batches import Estimated, MemberBatch, cut_batches, write_entries
from penstock.large_jobs.plan import SAFETY_FACTOR, Decision, Sizes, SpanPlanDraft, in_one_piece
from penstock.large_jobs.plan_tables import ignore_progress
from penstock.large_jobs.span_plan import MemberBatches, WholeSource
from penstock.model.job import Job
from penstock.model.object import Source
from penstock.model.source import Deadline
from penstock.routes import Routes
from penstock.tables import writes_by_key

# An archive that is read in order is checked to its end before its first member is delivered.
PASSES = 2


@dataclass(frozen=True, slots=True)
class MemberPlanner:
    """Plans jobs whose route takes archives apart. If ``large_bytes`` is 0, the estimate decides which member is large.

    Memory: the entries of one batch, the batches of the manifest, the digests of the members' targets, and what the
    archive's format needs to list its entries.
    """

    reader: ArchiveReader
    routes: Callable[[], Routes]
    sizes: Sizes
    margin: float
    large_bytes: int = 0

    def __call__(self, spec: JobSpec, folder: JobFolder, codec: str, deadline: Deadline) -> Decision:
        """Write the entries of each batch, and return the plan, or the step that must come before it.

        Raises CodecMismatchError for a source that is no archive, TimeLimitError for an archive that does not fit one
        invocation but is read in order, or whose listing does not, InvalidRouteError if two members would become one
        object, and the errors of the archive's format.
        """
        source = spec.job.source
        run = routes_of_run(folder.files, spec.job, spec.redrives, self.routes)
        attempt = Attempt(spec.job, spec.head, 1, run.routes, ignore_progress, deadline, self.margin)
        opened = self.reader.open(attempt)
        if opened.is_entered:
            return self._in_batches(spec, folder, attempt, opened, IndexState())
        seconds = deadline.remaining() - self.margin
        if opened.archive.entries and codec in indexers_within(self.sizes.budget.window):
            index = archive_index(folder.files, source, codec, self.sizes.index_spacing)
            state = index.state()
            if not state.done:
                return "index"
            if self._is_worth(index, state, seconds):
                return self._in_batches(spec, folder, attempt, replace(opened, is_indexed=True), state)
        self._check_time(source, codec, seconds)
        return in_one_piece(WholeSource(codec), source)

    def _in_batches(
        self, spec: JobSpec, folder: JobFolder, attempt: Attempt, opened: OpenedArchive, state: IndexState
    ) -> SpanPlanDraft:
        router = MemberRouter(spec.job, attempt.routes)
        refused: dict[int, PermanentError] = {}

        def entries() -> Iterator[Entry]:
            return self.reader.entries(attempt, opened, refused, ahead=True)

        targets = MemberTargets(spec.job.source.uri, lambda: router.jobs(entries()))
        plan = MemberBatches(opened.archive.name, 0, 0, 0)
        if opened.is_indexed:
            plan = replace(plan, codec=opened.full_name, decoded=state.total, warnings=state.warnings)
        listing = _Listing(router, targets, self.sizes.memory, self.large_bytes, attempt.deadline.remaining())
        batches: list[MemberBatch] = []
        for batch, members in cut_batches(listing.estimated(entries())):
            write_entries(folder, batch.number, members)
            batches.append(replace(batch, bytes=plan.encoded(batch.bytes, spec.job.source.size)))
        return SpanPlanDraft(listing.plan(plan, batches), batches)

    def _is_worth(self, index: Index, state: IndexState, seconds: float) -> bool:
        """Whether no batch must decode for long before its first member: some writers leave no place to enter."""
        offsets = [*(boundary.entry.decoded for boundary in index.boundaries()), state.total]
        widest = max((end - start for start, end in pairwise(offsets)), default=0)
        return (
            not state.whole and widest / decoded_per_second(index.codec, self.sizes.memory) <= seconds / SAFETY_FACTOR
        )

    def _check_time(self, source: Source, codec: str, seconds: float) -> None:
        rate = bytes_per_second(codec, self.sizes.memory, parsed=0)
        needed = PASSES * expected_bytes(codec, source.size) / rate
        if needed > seconds:
            raise TimeLimitError(
                f"{source.uri}: this archive is read in order, from its first byte to its last, to check and then to "
                f"deliver it, which would take about {needed:,.0f} s; an invocation has {seconds:,.0f} s",
                hint="Send a zip, a plain tar or a tar.gz of gzip or pigz, which are read in many places at once, or "
                "smaller archives.",
            )


@dataclass(slots=True)
class _Listing:
    """What the entries of an archive add up to. ``time`` is the seconds of an invocation."""

    router: MemberRouter
    targets: MemberTargets
    memory: int
    large_bytes: int
    time: float
    members: int = field(default=0, init=False)
    skipped: int = field(default=0, init=False)
    total: int = field(default=0, init=False)
    ordered: bool = field(default=False, init=False)

    def estimated(self, entries: Iterator[Entry]) -> Iterator[Estimated]:
        """Count the entries, and estimate each. Raises InvalidRouteError for two members with one destination."""
        for entry in entries:
            job = self.router.job_of(entry)
            if not isinstance(job, Job):
                self.members += job.counts.failed
                self.skipped += job.counts.skipped
                yield Estimated(entry)
                continue
            self.targets.add(job)
            self.members += 1
            self.total += job.source.size
            self.ordered |= job.route.plan is not None and writes_by_key(job.route.plan)
            is_entered = job.source.member is not None and job.source.member.content is not None
            large = is_entered and is_large(job, self.time, memory=self.memory, large_bytes=self.large_bytes)
            yield Estimated(entry, estimated_seconds(job, self.memory), large)

    def plan(self, empty: MemberBatches, batches: list[MemberBatch]) -> MemberBatches:
        """Return the plan of an archive, with its sums."""
        large = sum(batch.large > 0 for batch in batches)
        return replace(
            empty,
            count=len(batches),
            total=self.total,
            members=self.members,
            skipped=self.skipped,
            large=large,
            ordered=self.ordered,
        )
