"""No item is written after the recorded end of its job, however long a chunk takes; an ended load is recognised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from contract.dynamodb_tables import chunk_of, plan_of, rows_of
from functional.faulty_dynamodb import FaultyDynamo, Item, LeavesUnprocessed
from machine import Plant
from penstock.aws.backoff import Backoff
from penstock.aws.dynamodb_client import REQUEST_SECONDS, records_config
from penstock.delivery.table import TableDelivery
from penstock.destinations.dynamodb.sink import DynamoRecordSink
from penstock.destinations.ports import TableSwap
from penstock.errors import LeaseLostError, PermanentError
from penstock.large_jobs.table_steps import TableSteps
from penstock.limits import KIB, LOOK_SECONDS, MIB, SETTLED_SECONDS, Budget
from penstock.model.job import Claim, Job
from penstock.model.job_status import JobState
from penstock.model.load import Resume
from penstock.model.object import Source
from penstock.model.replacement import Replacement
from penstock.model.table import Mode, Table
from penstock.routes import destination_of
from penstock.tables import Form
from penstock.testing import ManualDeadline

TABLE = Table("records", mode=Mode.UPSERT)
ROUTE = """
[[route]]
name = "items"
match = "*"
destination = "dynamodb:records"
[route.table]
columns = [{ name = "id" }, { name = "n", type = "integer" }]
"""
ROWS = 2_000
TEXT = b"id,n\n" + b"".join(b"%05d,%d\n" % (n, n) for n in range(ROWS))
BUDGET = replace(Budget.of(128 * MIB), step=1 * KIB, batch=2 * KIB)


class Bookmarks:
    """The bookmarks of all jobs in memory, as in `DynamoBookmark`."""

    def __init__(self) -> None:
        self.places: dict[tuple[str, int], Resume] = {}

    def of(self, job_id: str, span: int) -> Any:
        return Bookmark(self.places, job_id, span)


@dataclass(frozen=True)
class Bookmark:
    places: dict[tuple[str, int], Resume]
    job_id: str
    span: int

    def read(self) -> Resume:
        return self.places.get((self.job_id, self.span), Resume())

    def record(self, place: Resume) -> None:
        self.places[self.job_id, self.span] = place

    def end(self) -> Resume | None:
        return self.places.get((self.job_id, -1))

    def record_end(self, whole: Resume) -> None:
        self.places[self.job_id, -1] = whole


def no_swap(replacement: Replacement, tables: Sequence[Table]) -> TableSwap:
    raise AssertionError("DynamoDB replaces no tables")


@dataclass
class Site:
    """A plant whose table jobs load into a DynamoDB in memory. ``slow`` is called before each response."""

    slow: Callable[[Sequence[Item]], LeavesUnprocessed | None] = lambda items: None
    plant: Plant = field(default_factory=lambda: Plant(ROUTE, span_bytes=4 * KIB))
    ticks: float = 0.0
    bookmarks: Bookmarks = field(default_factory=Bookmarks)

    def __post_init__(self) -> None:
        self.dynamo = FaultyDynamo(self.answer)
        delivery = TableDelivery(
            self.plant.opened, self.plant.rejects, lambda job: self.sink(job.id, 0), Form.VALUE, BUDGET
        )
        steps = TableSteps(delivery, self.sink, self.plant.rejects, Form.VALUE, BUDGET, no_swap)
        self.plant.tables = lambda store: steps
        self.plant.table_deliveries = {"dynamodb": delivery}
        self.plant.loads = {"dynamodb": delivery.ended}
        self.plant.clock = lambda: self.plant.now

    def answer(self, items: Sequence[Item]) -> LeavesUnprocessed | None:
        return self.slow(items)

    def sink(self, job_id: str, span: int) -> DynamoRecordSink:
        return DynamoRecordSink(
            self.dynamo,  # type: ignore[arg-type]  # stands in for a client
            budget_bytes=1 * MIB,
            workers=1,
            bookmark=self.bookmarks.of(job_id, span),
            backoff=Backoff(attempts=20, base=0.0, cap=0.0),
            sleep=self.pass_time,
            clock=lambda: self.plant.now,
        )

    def pass_time(self, seconds: float) -> None:
        self.plant.now += seconds

    def small(self) -> Source:
        self.plant.large_bytes = 10 * MIB
        return self.plant.upload("a.csv", TEXT)

    def planned(self) -> tuple[str, list[object]]:
        """A job of the state machine whose spans are planned."""
        job_id = self.plant.ingest(self.plant.upload("a.csv", TEXT)).job_id
        while (following := self.plant.planner(job_id, job_id, ManualDeadline(900)))["next"] == "survey":
            for item in self.plant.items(following):
                self.plant.indexer(job_id, job_id, item, ManualDeadline(900))
        return job_id, self.plant.items(following)

    def job(self, source: Source) -> Job:
        route = self.plant.routes.find(source.bucket, source.key)
        assert route
        return Job(source, route, destination_of(route, source))


def test_a_look_a_request_and_some_more_are_over_before_an_end_is_recorded() -> None:
    config: Any = records_config(1)  # its attributes have no types
    assert config.retries == {"mode": "standard", "total_max_attempts": 1}
    assert config.connect_timeout + config.read_timeout == REQUEST_SECONDS
    assert LOOK_SECONDS + REQUEST_SECONDS < SETTLED_SECONDS


def test_every_request_comes_within_seconds_of_a_look() -> None:
    """Each request takes two seconds and leaves an item. The fourth would be sent six seconds after the check."""
    now, looks, sent = [0.0], [], []

    def ended() -> bool:
        looks.append(now[0])
        return len(looks) > 1

    def slow(items: Sequence[Item]) -> LeavesUnprocessed:
        sent.append(now[0])
        now[0] += 2
        return LeavesUnprocessed([0])

    sink = DynamoRecordSink(
        FaultyDynamo(slow),  # type: ignore[arg-type]  # stands in for a client
        budget_bytes=1 * MIB,
        workers=1,
        sleep=lambda seconds: None,
        clock=lambda: now[0],
    )
    with sink:
        sink.hold("run", ended)
        sink.begin(plan_of(TABLE))
        with pytest.raises(LeaseLostError):
            sink.load(chunk_of(rows_of([{"id": f"{n}"} for n in range(20)], TABLE)))
    assert (looks, sent) == ([0.0, 6.0], [0.0, 2.0, 4.0])


def test_a_look_that_takes_too_long_counts_for_nothing() -> None:
    now, answers = [0.0], [False, True]

    def ended() -> bool:
        now[0] += LOOK_SECONDS
        return answers.pop(0)

    dynamo = FaultyDynamo()
    sink = DynamoRecordSink(dynamo, budget_bytes=1 * MIB, workers=1, clock=lambda: now[0])  # type: ignore[arg-type]
    with sink:
        sink.hold("run", ended)
        sink.begin(plan_of(TABLE))
        with pytest.raises(LeaseLostError):
            sink.load(chunk_of(rows_of([{"id": "a"}], TABLE)))
    assert dynamo.requests == []


def test_no_item_is_written_after_the_end_that_abort_records() -> None:
    """The job is aborted while a worker sends a chunk, in a request of the maximum duration."""
    site = Site()
    job_id, items = site.planned()
    landed: list[float] = []

    def slow(puts: Sequence[Item]) -> LeavesUnprocessed:
        if not landed:
            begun = site.plant.now + LOOK_SECONDS
            site.plant.abort(job_id, PermanentError("broken"))
            landed.append(begun + REQUEST_SECONDS)
        else:
            landed.append(site.plant.now)
        return LeavesUnprocessed([0])

    site.slow = slow
    with pytest.raises(LeaseLostError):
        site.plant.worker(job_id, job_id, items[0], ManualDeadline(900))
    status = site.plant.jobs.jobs[job_id]
    assert status.state is JobState.FAILED
    assert len(landed) == 1
    assert landed[0] < status.finished_at


def test_an_attempt_of_ingest_writes_nothing_once_its_lease_is_little() -> None:
    """Another attempt or an abort can only take the job after the end of its lease."""
    site = Site()
    source = site.small()
    written: list[float] = []

    def slow(items: Sequence[Item]) -> LeavesUnprocessed | None:
        written.append(site.plant.now)
        if len(written) == 1:
            # This attempt sends no heartbeat for a minute. Another attempt takes its job.
            site.plant.now += 61
            assert isinstance(site.plant.jobs.claim(site.job(source), lease=60), Claim)
            return LeavesUnprocessed([0])
        return None

    site.slow = slow
    outcome = site.plant.ingest(source)
    assert isinstance(outcome.retry, LeaseLostError)
    assert len(written) == 1


def test_a_chunk_that_takes_longer_than_a_lease_keeps_it() -> None:
    site = Site()
    source = site.small()
    others: list[bool] = []

    def slow(items: Sequence[Item]) -> LeavesUnprocessed | None:
        site.plant.now += 10
        others.append(site.plant.jobs.jobs[site.job(source).id].lease_until > site.plant.now)
        return LeavesUnprocessed([0]) if len(others) < 10 else None

    site.slow = slow
    assert site.plant.ingest(source).state is JobState.SUCCEEDED
    assert all(others)
    assert len(site.dynamo.items) == ROWS


def test_an_unrecorded_complete_load_is_a_success_although_its_source_is_gone() -> None:
    site = Site()
    source = site.small()
    assert site.plant.ingest(source).state is JobState.SUCCEEDED
    site.plant.died(source)
    site.plant.store.erase(source)
    outcome = site.plant.ingest(source)
    assert outcome.state is JobState.SUCCEEDED
    assert outcome.receipt
    assert (outcome.receipt.rows, outcome.receipt.bytes_out) == (ROWS, len(TEXT))


def test_of_a_load_in_spans_the_end_says_how_many_rows_there_are() -> None:
    site = Site()
    source = site.plant.upload("a.csv", TEXT)
    status = site.plant.run(source)
    assert (status.state, status.progress.rows) == (JobState.SUCCEEDED, ROWS)
    end = site.bookmarks.of(status.job_id, 0).end()
    assert (end.rows, end.offset, end.row) == (ROWS, len(TEXT), ROWS + 1)


def test_spans_that_are_all_in_are_a_success_whatever_becomes_of_finish() -> None:
    site = Site()
    job_id, items = site.planned()
    for item in items:
        site.plant.worker(job_id, job_id, item, ManualDeadline(900))
    site.dynamo.descriptions = [{"TableStatus": "ACTIVE", "KeySchema": [], "AttributeDefinitions": []}] * 100
    site.plant.abort(job_id, PermanentError("the table has another key now"))
    status = site.plant.jobs.jobs[job_id]
    assert (status.state, status.progress.rows, status.failure) == (JobState.SUCCEEDED, ROWS, None)
