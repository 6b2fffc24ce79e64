"""How the job of an archive would run, by the sizes that its entries declare: batches, large members, time and cost.

The rules are those of the functions; the requests are those that `python -m benchmarks.member_requests` counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import add

from penstock.delivery.archive_delivery import MOST_ENTRIES
from penstock.delivery.block_ranges import BLOCK
from penstock.delivery.member_jobs import Entry
from penstock.explain.costs import COLD_SECONDS, INDEX_WRITES, MESSAGES, RECORD_WRITES, Usage
from penstock.explain.explanation import SourcePreview, StackEnvironment, forecast
from penstock.large_jobs.estimate import VCPU, estimated_seconds
from penstock.large_jobs.handover import is_large
from penstock.large_jobs.member_batches import CHILDREN, Estimated, cut_batches, encoded_bytes
from penstock.limits import S3
from penstock.model.job import Job
from penstock.tables import writes_by_key

# Seconds of a small member in addition to those for its bytes: of a whole vCPU, and what S3's answers allow with eight
# requests at once (`python -m benchmarks archive`).
MEMBER_CPU, MEMBER_LEAST = 0.002, 0.003
# That of a member that is loaded into a table: its transaction, and no other member beside it.
LOAD_SECONDS = 0.02
# Seconds that listing an entry takes, of a whole vCPU.
LISTED_CPU = 0.00005

# Requests of a batch beside those for its members: its entries, results and settings; its receipt and progress.
BATCH_PUTS, BATCH_GETS, BATCH_WRITES = 2, 18, 6
# Those of a job beside its batches.
JOB_PUTS, JOB_GETS, JOB_WRITES = 5, 16, 20
# Looks at large members: the wait grows with the time so far.
LOOKS = 10


@dataclass(frozen=True, slots=True)
class ArchiveForecast:
    """How the job of an archive would run. ``by_state_machine``: not in one invocation.

    ``batches`` of small members; ``large`` members have jobs of their own, with ``spans`` in all. ``ordered``: one
    batch after another. ``seconds``: from its event on.
    """

    by_state_machine: bool
    members: int
    batches: int
    large: int
    spans: int
    ordered: bool
    seconds: float
    usage: Usage


def forecast_archive(
    archive: Job, environment: StackEnvironment, entries: Iterable[tuple[Entry, Job | None]]
) -> ArchiveForecast:
    """Apply the rules of the functions to the entries of an archive, each with its job if it has a route.

    Memory: the entries of one batch.
    """
    tally = _Tally(environment)
    batches = sum(not batch.large for batch, _ in cut_batches(tally.estimated(entries)))
    large = is_large(archive, environment.timeout, memory=environment.memory, large_bytes=environment.large_bytes)
    if not large and tally.entries <= MOST_ENTRIES:
        return tally.of_invocation()
    return tally.of_machine(batches)


@dataclass(slots=True)
class _Tally:
    """What the members of an archive add up to. ``busy``: seconds of small members in one function."""

    environment: StackEnvironment
    entries: int = 0
    members: int = 0
    busy: float = 0.0
    puts: int = 0
    gets: float = 0.0
    large: int = 0
    spans: int = 0
    ordered: bool = False
    child_seconds: float = 0.0
    longest: float = 0.0
    children: Usage = field(init=False)

    def __post_init__(self) -> None:
        self.children = Usage(self.environment.memory, 0.0, 0)

    def estimated(self, entries: Iterable[tuple[Entry, Job | None]]) -> Iterator[Estimated]:
        """Count the entries, and estimate each as the plan does."""
        environment = self.environment
        for entry, job in entries:
            self.entries += 1
            if job is None:
                yield Estimated(entry)
                continue
            self.members += 1
            self.ordered |= job.route.plan is not None and writes_by_key(job.route.plan)
            large = is_large(job, environment.timeout, memory=environment.memory, large_bytes=environment.large_bytes)
            seconds = estimated_seconds(job, environment.memory)
            if large:
                self._add_large(job)
            else:
                self._add_small(entry, job, seconds)
            yield Estimated(entry, seconds, large)

    def _add_small(self, entry: Entry, job: Job, seconds: float) -> None:
        self.busy += seconds + self._each(job)
        self.gets += encoded_bytes(entry) / BLOCK
        if job.route.plan is None:
            parts = job.source.size // self.environment.sizes.part(job.source.size)
            self.puts += parts + 2 if parts else 1

    def _add_large(self, job: Job) -> None:
        expected = forecast(job, SourcePreview(), self.environment)
        self.large += 1
        self.spans += expected.spans
        self.child_seconds += expected.seconds
        self.longest = max(self.longest, expected.seconds)
        self.children += expected.usage

    def _each(self, job: Job) -> float:
        if job.route.plan:
            return LOAD_SECONDS
        return max(MEMBER_LEAST, MEMBER_CPU * VCPU / self.environment.memory)

    def of_invocation(self) -> ArchiveForecast:
        """The forecast for `ingest` alone."""
        seconds = self._listing() + self.busy
        usage = Usage(
            self.environment.memory,
            COLD_SECONDS + seconds,
            1,
            puts=self.puts + 1,
            gets=round(self.gets) + 5,
            writes=RECORD_WRITES + INDEX_WRITES + int(seconds // 2),
            messages=MESSAGES,
            events=1,
            announcements=1,
        )
        return ArchiveForecast(
            by_state_machine=False,
            members=self.members,
            batches=0,
            large=0,
            spans=0,
            ordered=self.ordered,
            seconds=seconds,
            usage=usage,
        )

    def of_machine(self, batches: int) -> ArchiveForecast:
        """The forecast for the state machine, with so many batches of small members."""
        looks = LOOKS if self.large else 0
        works = batches + min(self.large, CHILDREN)
        listing = 2 * self._listing()
        own = Usage(
            self.environment.memory,
            listing + self.busy + (works + looks + 3) * COLD_SECONDS,
            invocations=works + looks + 3,
            transitions=10 + 3 * (works + looks),
            puts=self.puts + JOB_PUTS + BATCH_PUTS * batches + self.large * BATCH_PUTS,
            gets=round(self.gets) + JOB_GETS + BATCH_GETS * (works + looks),
            writes=JOB_WRITES + BATCH_WRITES * (works + looks),
            messages=MESSAGES,
            events=1,
            announcements=1,
        )
        at_once = 1 if self.ordered else min(self.environment.workers, max(1, batches))
        # The members of an archive most often have one prefix.
        small = max((self.busy + batches * COLD_SECONDS) / at_once, self.puts / S3.puts_a_second)
        children = self.child_seconds if self.ordered else max(self.longest, self.child_seconds / CHILDREN)
        together = add if self.ordered else max
        return ArchiveForecast(
            by_state_machine=True,
            members=self.members,
            batches=batches,
            large=self.large,
            spans=self.spans,
            ordered=self.ordered,
            seconds=listing + together(small, children),
            usage=own + self.children,
        )

    def _listing(self) -> float:
        return self.entries * LISTED_CPU * max(1.0, VCPU / self.environment.memory)
