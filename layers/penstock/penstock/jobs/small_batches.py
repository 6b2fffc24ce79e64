"""Loads small sources together: their rows share few large statements, but each job succeeds or fails separately.

A group loads only sources without errors. A source with an error (a file that does not parse, a rejected record, an
overwritten source, a row that the database refuses or drops) is left to a separate run of its job, which reports the
error. So the other sources never wait for it, and only the separate run stores rejects and records failures.

Memory: the read-ahead (``read_chunk`` x 2 of `limits.Budget`), rows of at most half a ``batch``, and the rows of the
next source. Sources larger than that half are not read, but left to a separate run.
"""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any

from penstock.delivery.load_origin import origin_of
from penstock.delivery.ports import ObjectReader
from penstock.delivery.source_values import source_values
from penstock.destinations import destination_named
from penstock.destinations.ports import GroupSink
from penstock.errors import InvalidTableError, NotEnoughTimeError, PermanentError, RetryableError, SourceValueError
from penstock.jobs.ports import JobStore
from penstock.jobs.runner import Outcome
from penstock.jobs.small_sources import Parsed, parse_whole, read_ahead
from penstock.limits import Budget
from penstock.model.job import Failure, Job, Receipt
from penstock.model.job_status import JobState
from penstock.model.load import Chunk, Resume, Share
from penstock.model.record import Batch, RecordPosition
from penstock.model.route import ONCE_VERSION, Route
from penstock.model.source import Deadline
from penstock.model.source_values import LAST_MODIFIED
from penstock.model.table import TablePlan
from penstock.tables import (
    ChunkBuilder,
    check_paths,
    check_values,
    field_warnings,
    fit_to_storage,
    gc_deferred,
    tables_of,
    with_metadata,
)

Portion = Sequence[tuple[str, Parsed]]
"""Ids of jobs whose records have the same columns, with their records."""


@dataclass(frozen=True, slots=True)
class SmallBatchLoader:
    """Loads the records of many small sources into the tables of their route's plan.

    ``open_sink`` opens the sink of a group, by the name of its destination. ``margin`` is the time in seconds to keep
    in reserve.
    """

    reader: ObjectReader
    open_sink: Callable[[str], GroupSink]
    jobs: JobStore
    budget: Budget
    margin: float
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time

    def __call__(self, jobs: Sequence[Job], deadline: Deadline) -> dict[str, Outcome]:
        """Return the outcomes, by job id, of the jobs that could be loaded together. The other jobs must still be run.

        A job that is returned as succeeded is in the tables, in the ledger and in the jobs table.
        """
        routes: dict[str, dict[str, Job]] = defaultdict(dict)
        free = self.jobs.unclaimed([job for job in jobs if shared_plan(job.route)])
        for job in jobs:
            if job.id in free:
                routes[job.route.digest][job.id] = job
        outcomes: dict[str, Outcome] = {}
        for members in routes.values():
            route = next(iter(members.values())).route
            plan = shared_plan(route)
            if plan and len(members) > 1:
                outcomes |= _Group(self, route.store, plan, members, deadline).deliver()
        return outcomes


def shared_plan(route: Route) -> TablePlan | None:
    """Return the plan of a route whose sources may share a transaction.

    Returns None if columns are inferred from each file, or may be added for it, if rows are staged, if values are
    rescued (which each job counts for itself), if a source may be a repeat, if sheets have tables of their own, or if
    rows tell what only HEAD knows.
    """
    if route.once != ONCE_VERSION or route.plan is None or not destination_named(route.store).shares_commits:
        return None
    alone = any(
        not table.columns or table.staged or table.grows or table.rescue_values for table in tables_of(route.plan)
    )
    by_sheet = route.plan.choice is not None and route.plan.choice.by_sheet
    return None if alone or by_sheet or LAST_MODIFIED in route.plan.metadata else route.plan


@dataclass(slots=True)
class _Group:
    """The jobs of one route, by id, while they are loaded into its tables."""

    delivery: SmallBatchLoader
    store: str
    plan: TablePlan
    members: dict[str, Job]
    deadline: Deadline
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    makers: dict[tuple[str, ...], ChunkBuilder] = field(default_factory=dict)
    last: float = field(init=False)

    def __post_init__(self) -> None:
        self.last = self.delivery.clock()
        begun = self.delivery.now()
        self.members = {job_id: replace(job, begun=begun) for job_id, job in self.members.items()}

    def deliver(self) -> dict[str, Outcome]:
        """Load the jobs. Return the outcomes of the jobs that succeeded or must be retried."""
        try:
            with (
                gc_deferred(),
                ThreadPoolExecutor(1, thread_name_prefix="record") as recorder,
                self.delivery.open_sink(self.store) as sink,
            ):
                self.plan = fit_to_storage(self.plan, sink.storages(self.plan))
                self._recall(sink.begin_all(self.plan, list(self.members)))
                with closing(self._parsed()) as parsed:
                    # A committed portion is recorded while the next one is loaded.
                    record: Future[None] | None = None
                    for portion in _portions(parsed, self._room):
                        done = self._commit(portion, sink)
                        if record:
                            record.result()
                        record = recorder.submit(self._record, done, self._lap())
                if record:
                    record.result()
                sink.finish_all()
        except RetryableError as error:
            for job_id in self.members.keys() - self.outcomes.keys():
                self._retry(job_id, error)
        except PermanentError:
            pass  # each remaining job meets the error again in its separate run, and records it
        return self.outcomes

    @property
    def _room(self) -> int:
        """Decoded bytes that are committed together."""
        return self.delivery.budget.batch // 2

    def _recall(self, ended: Mapping[str, Resume]) -> None:
        """Record jobs that are committed already: their invocation may have died before it recorded them."""
        unrecorded = []
        for job_id, known in ended.items():
            status = self.delivery.jobs.get(job_id)
            if status is None or not status.state.final:
                size = self.members[job_id].source.size
                counts = Receipt(0, 0, 0, 0, "", rows=known.rows, rejects=known.rejects, dropped=known.dropped)
                receipt = replace(counts, bytes_in=size, bytes_out=known.offset, parts=known.chunk)
                unrecorded.append((self.members[job_id], receipt))
        self.delivery.jobs.record_many(unrecorded, seconds=0)
        for job_id in ended:
            self.outcomes[job_id] = self._outcome(job_id, JobState.SUCCEEDED, repeat=True)

    def _parsed(self) -> Generator[tuple[str, Parsed], None, None]:
        """Yield the records of each source without errors so far."""
        delivery = self.delivery
        # A source rarely shrinks when it is decoded: one that exceeds the room is not read.
        left = {
            job.source: job_id
            for job_id, job in self.members.items()
            if job_id not in self.outcomes and job.source.size <= self._room
        }
        with closing(read_ahead(delivery.reader, left, 2 * delivery.budget.read_chunk)) as bodies:
            for source, body in bodies:
                if self.deadline.remaining() < 2 * delivery.margin:
                    raise NotEnoughTimeError(f"{source.uri}: not started: the time of this invocation is nearly over")
                job_id = left[source]
                try:
                    parsed = parse_whole(
                        self.members[job_id], body.result(), self.plan.parse, delivery.budget, self._room
                    )
                except RetryableError as error:
                    self._retry(job_id, error)
                except PermanentError:
                    continue
                else:
                    if parsed and not parsed.batch.rejects and (compared := self._compared(job_id, parsed)):
                        yield job_id, compared

    def _compared(self, job_id: str, parsed: Parsed) -> Parsed | None:
        """Add the warnings of the fields. None if the columns do not fit: the separate run reports the error."""
        try:
            fields = self._maker(parsed.batch.names).compare(parsed.batch)
            check_paths(self.plan, fields)
            values = source_values(self.members[job_id], self.plan)
            check_values(self.plan, values)
        except (InvalidTableError, SourceValueError):
            return None
        warnings = parsed.receipt.warnings + field_warnings(self.plan, fields)
        batch = with_metadata(parsed.batch, self.plan, values)
        return replace(parsed, batch=batch, receipt=replace(parsed.receipt, warnings=warnings))

    def _maker(self, names: tuple[str, ...]) -> ChunkBuilder:
        if names not in self.makers:
            self.makers[names] = ChunkBuilder(self.plan, destination_named(self.store).row_form)
        return self.makers[names]

    def _commit(self, portion: Portion, sink: GroupSink) -> Sequence[tuple[str, Receipt]]:
        """Load a portion in one transaction, without sources whose rows the database refuses. Return the rest."""
        try:
            portion, chunk = self._shaped(portion)
        except InvalidTableError:
            return ()  # their common header lacks a column
        if not portion:
            return ()
        rows, by_table = _rows_by_source(portion, chunk, len({table.name for table in tables_of(self.plan)}))
        shares = [
            Share(job_id, parsed.batch.end, parsed.batch.count + 1, count, tables, origin_of(self.members[job_id]))
            for (job_id, parsed), count, tables in zip(portion, rows, by_table, strict=True)
        ]
        unfit = sink.load_all(chunk.rows, shares)
        if unfit and unfit.dropped:
            return ()  # the separate runs find out which sources have dropped rows
        if unfit:
            owner = _owner_of(portion)
            left = unfit.known | {portion[owner(reject.position.row)][0] for reject in unfit.refused}
            return self._commit([(job_id, parsed) for job_id, parsed in portion if job_id not in left], sink)
        return [(job_id, replace(p.receipt, rows=n)) for (job_id, p), n in zip(portion, rows, strict=True)]

    def _shaped(self, portion: Portion) -> tuple[Portion, Chunk]:
        """Return the sources without rejected records, and their rows."""
        names = portion[0][1].batch.names if portion else ()
        chunk, rejects = self._maker(names).chunk(0, _joined(portion))
        if not rejects:
            return portion, chunk
        owner = _owner_of(portion)
        rejected = {owner(reject.position.row) for reject in rejects}
        return self._shaped([member for number, member in enumerate(portion) if number not in rejected])

    def _lap(self) -> float:
        """Return the seconds since the last call."""
        before, self.last = self.last, self.delivery.clock()
        return self.last - before

    def _record(self, done: Sequence[tuple[str, Receipt]], seconds: float) -> None:
        """Record committed jobs. Only then report them as succeeded."""
        self.delivery.jobs.record_many([(self.members[job_id], receipt) for job_id, receipt in done], seconds=seconds)
        for job_id, receipt in done:
            self.outcomes[job_id] = self._outcome(
                job_id, JobState.SUCCEEDED, receipt=receipt, seconds=seconds / len(done)
            )

    def _retry(self, job_id: str, error: RetryableError) -> None:
        self.outcomes[job_id] = self._outcome(job_id, None, retry=error, failure=Failure.of(error))

    def _outcome(self, job_id: str, state: JobState | None, **known: Any) -> Outcome:
        job = self.members[job_id]
        return Outcome(job.source, state, job_id, job.route.name, job.target.uri, **known)


def _portions(parsed: Iterable[tuple[str, Parsed]], room: int) -> Iterator[Portion]:
    """Group consecutive sources with the same columns, up to ``room`` decoded bytes in total."""
    portion: list[tuple[str, Parsed]] = []
    size = 0
    for member in parsed:
        batch, more = member[1].batch, member[1].receipt.bytes_out
        if portion and (size + more > room or batch.names != portion[0][1].batch.names):
            yield portion
            portion, size = [], 0
        portion.append(member)
        size += more
    if portion:
        yield portion


def _joined(portion: Portion) -> Batch:
    """Join all records into one batch, in order. The row of a record is its position in the batch."""
    rows = [row for _, parsed in portion for row in parsed.batch.rows]
    names = portion[0][1].batch.names if portion else ()
    joined = Batch(1, 0, 0, len(rows), names, rows, position=lambda position: RecordPosition(position, 0, ""))
    if not any(parsed.batch.metadata for _, parsed in portion):
        return joined

    def metadata(name: str) -> Sequence[str | None]:
        return [text for _, parsed in portion if (own := parsed.batch.metadata) for text in own(name)]

    return replace(joined, metadata=metadata)


def _owner_of(portion: Portion) -> Callable[[int], int]:
    """Return a function from a position in the joined batch to the number of its source in the portion."""
    ends = list(accumulate(len(parsed.batch.rows) for _, parsed in portion))
    return lambda position: bisect_right(ends, position)


def _rows_by_source(portion: Portion, chunk: Chunk, tables: int) -> tuple[list[int], Sequence[Mapping[str, int]]]:
    """Count the rows of the chunk by source; and by source and table, if the plan has several ``tables``. Records of an
    ignored type have none."""
    counts = [len(parsed.batch.rows) for _, parsed in portion]
    if tables == 1 and sum(rows.count for rows in chunk.rows) == sum(counts):
        return counts, [{}] * len(counts)
    ends = list(accumulate(counts))
    by_table = [Counter[str]() for _ in portion]
    for rows in chunk.rows:
        # The rows of a table are in the order of their records.
        numbers = [rows.position(row).row for row in range(rows.count)]
        first = 0
        for source, end in enumerate(ends):
            after = bisect_left(numbers, end, first)
            if after > first:
                by_table[source][rows.table.name] += after - first
                first = after
    return [found.total() for found in by_table], by_table
