"""Plans archives: lists their entries, and puts them into batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from penstock.delivery.archive_reader import ArchiveReader
from penstock.delivery.attempt import Attempt
from penstock.delivery.member_jobs import Entry, MemberRouter
from penstock.delivery.member_targets import refuse_double_targets
from penstock.delivery.route_history import routes_of_run
from penstock.errors import TimeLimitError
from penstock.large_jobs.estimate import bytes_per_second, estimated_seconds, expected_bytes
from penstock.large_jobs.handover import is_large
from penstock.large_jobs.job_files import JobFolder, JobSpec
from penstock.large_jobs.member_batches import Estimated, MemberBatch, cut_batches, write_entries
from penstock.large_jobs.plan import Decision, Sizes, SpanPlanDraft, in_one_piece
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
        """Write the entries of each batch, and return the plan.

        Raises CodecMismatchError for a source that is no archive, TimeLimitError for an archive that does not fit one
        invocation but is read in order, or whose listing does not, InvalidRouteError if two members would become one
        object, and the errors of the archive's format.
        """
        source = spec.job.source
        run = routes_of_run(folder.files, spec.job.id, spec.redrives, self.routes)
        attempt = Attempt(spec.job, spec.head, 1, run.routes, ignore_progress, deadline, self.margin)
        opened = self.reader.open(attempt)
        if not opened.is_entered:
            self._check_time(source, codec, deadline.remaining() - self.margin)
            return in_one_piece(WholeSource(codec), source)
        router = MemberRouter(spec.job, attempt.routes)
        refuse_double_targets(source.uri, lambda: router.jobs(self.reader.entries(attempt, opened)))
        listing = _Listing(router, self.sizes.memory, self.large_bytes, deadline.remaining())
        batches: list[MemberBatch] = []
        for batch, entries in cut_batches(listing.estimated(self.reader.entries(attempt, opened))):
            write_entries(folder, batch.number, entries)
            batches.append(batch)
        return SpanPlanDraft(listing.plan(opened.archive.name, batches), batches)

    def _check_time(self, source: Source, codec: str, seconds: float) -> None:
        rate = bytes_per_second(codec, self.sizes.memory, parsed=False)
        needed = PASSES * expected_bytes(codec, source.size) / rate
        if needed > seconds:
            raise TimeLimitError(
                f"{source.uri}: this archive is read in order, from its first byte to its last, to check and then to "
                f"deliver it, which would take about {needed:,.0f} s; an invocation has {seconds:,.0f} s",
                hint="Send a zip or a plain tar, which are read in many places at once, or smaller archives.",
            )


@dataclass(slots=True)
class _Listing:
    """What the entries of an archive add up to. ``time`` is the seconds of an invocation."""

    router: MemberRouter
    memory: int
    large_bytes: int
    time: float
    members: int = field(default=0, init=False)
    skipped: int = field(default=0, init=False)
    total: int = field(default=0, init=False)
    ordered: bool = field(default=False, init=False)

    def estimated(self, entries: Iterator[Entry]) -> Iterator[Estimated]:
        """Count the entries, and estimate each."""
        for entry in entries:
            job = self.router.job_of(entry)
            if not isinstance(job, Job):
                self.members += job.counts.failed
                self.skipped += job.counts.skipped
                yield Estimated(entry)
                continue
            self.members += 1
            self.total += job.source.size
            self.ordered |= job.route.plan is not None and writes_by_key(job.route.plan)
            large = is_large(job, self.time, memory=self.memory, large_bytes=self.large_bytes)
            yield Estimated(entry, estimated_seconds(job, self.memory), large)

    def plan(self, codec: str, batches: list[MemberBatch]) -> MemberBatches:
        """Return the plan."""
        large = sum(batch.large > 0 for batch in batches)
        return MemberBatches(codec, len(batches), self.total, self.members, self.skipped, large, self.ordered)
