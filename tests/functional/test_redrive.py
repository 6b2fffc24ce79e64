"""A failed job is redriven: the same job, another execution, and nothing loaded twice."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import pytest

from functional.test_row_loader import Plant as InlinePlant
from functional.test_row_loader import csv as inline_csv
from functional.test_row_loader import route as inline_route
from lengths import long
from machine import Plant
from penstock.destinations.ports import TableSink
from penstock.errors import AccessDeniedError, JobStandsError, LeaseLostError, ServiceUnavailableError
from penstock.jobs.events import read_event
from penstock.jobs.ports import JobStore
from penstock.model.after import After, AfterState, AfterStatus
from penstock.model.job_status import JobState, JobStatus
from penstock.model.load import Chunk, Loaded
from penstock.model.object import Source
from penstock.operations.redriving import Redriver
from penstock.testing import ManualDeadline, MemoryEventQueue, MemoryJobStore, MemoryStateMachine
from postgres_database import Database
from table_machine import add_tables, route

pytest_plugins = ["postgres_fixtures"]

ROWS = 900
DENIED = "INSERT on table people"


@dataclass
class Wall:
    """Fails a load after this number of chunks, until it is fixed."""

    chunks: int
    passed: int = 0
    existing: bool = True
    deadline: ManualDeadline | None = None

    def check(self) -> None:
        self.passed += 1
        if self.deadline:
            self.deadline.pass_time(300)
        if self.existing and self.passed > self.chunks:
            raise AccessDeniedError(DENIED)


@dataclass
class WalledSink:
    """A sink whose chunks may fail at a wall."""

    sink: TableSink
    wall: Wall

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sink, name)

    def __enter__(self) -> Self:
        self.sink.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.sink.__exit__(kind, error, trace)

    def submit(self, chunk: Chunk) -> Callable[[], Loaded]:
        self.wall.check()
        return self.sink.submit(chunk)


def redriven(jobs: JobStore, status: JobStatus) -> Source:
    """Redrive a job, and return the source that ingest reads from the event."""
    queue = MemoryEventQueue()
    Redriver(jobs, queue, MemoryStateMachine(), lambda job_id, execution, error: None)(status)
    (message,) = read_event({"Records": [{"eventSource": "aws:sqs", "messageId": "m", "body": queue.events[0]}]})
    return message.sources[0]


def csv() -> bytes:
    return ("id,name,born\n" + "".join(f"{n},name {n},2001-01-01\n" for n in range(ROWS))).encode()


def ids(database: Database) -> list[int]:
    return [int(str(n)) for (n,) in database.execute("SELECT id FROM people ORDER BY id")]


@pytest.mark.parametrize("chunks", [0, 1, 4])
@pytest.mark.parametrize("mode", ["append", "upsert", "replace"])
def test_a_load_in_one_invocation_resumes_after_the_chunks_in_the_ledger(
    database: Database, mode: str, chunks: int
) -> None:
    plant, wall = InlinePlant(database), Wall(chunks)
    plant.wrap = lambda sink: WalledSink(sink, wall)
    first = plant.take(plant.drop("people.csv", inline_csv(range(2000))), inline_route(mode=mode))
    assert first.state is JobState.FAILED
    # A load that fails before it commits a row drops the table that it created.
    loaded = len(plant.ids()) if "people" in database.tables() else 0
    assert (loaded > 0) == (chunks > 0 and mode != "replace")
    wall.existing, wall.passed = False, 0
    second = plant.take(redriven(plant.jobs, plant.jobs.jobs[first.job_id]), inline_route(mode=mode))
    assert (second.state, second.job_id) == (JobState.SUCCEEDED, first.job_id)
    assert second.receipt
    assert second.receipt.rows == 2000
    assert plant.ids() == list(range(2000))


def table_plant(database: Database, mode: str, wall: Wall) -> Plant:
    plant = Plant(route(mode=mode), span_bytes=4 * 1024)
    add_tables(plant, database, lambda good: lambda job_id, span: WalledSink(good(job_id, span), wall))
    return plant


@pytest.mark.parametrize("mode", ["append", "upsert", "replace"])
@pytest.mark.parametrize(
    ("key", "chunks"),
    [
        *[("people.csv", 7), ("people.csv.gz", 0)],
        *[long("people.csv", 0), long("people.csv", 3), long("people.csv.gz", 3), long("people.csv.gz", 7)],
    ],
)
@pytest.mark.parametrize("started_by_ingest", [False, True], ids=["handed over at once", "started by ingest"])
@pytest.mark.long
def test_many_workers_load_every_row_exactly_once_despite_a_redrive(
    database: Database, key: str, mode: str, chunks: int, *, started_by_ingest: bool
) -> None:
    wall = Wall(chunks if not started_by_ingest else 1000)
    plant = table_plant(database, mode, wall)
    source = plant.upload(key, gzip.compress(csv()) if key.endswith(".gz") else csv())
    deadline = None
    if started_by_ingest:
        plant.large_bytes = 1_000_000
        deadline = wall.deadline = ManualDeadline(900)
    first = plant.ingest(source, deadline)
    assert first.state is JobState.EXECUTING
    assert (wall.passed > 0) == started_by_ingest
    wall.chunks, wall.passed, wall.deadline = chunks, 0, None
    assert not plant.execute(first.job_id)
    failed = plant.jobs.jobs[first.job_id]
    assert failed.failure
    assert (failed.state, failed.failure.error) == (JobState.FAILED, "AccessDeniedError")

    wall.existing = False
    plant.large_bytes = 1
    again = plant.ingest(redriven(plant.jobs, failed))
    assert (again.state, again.job_id) == (JobState.EXECUTING, first.job_id)
    assert plant.execute(f"{first.job_id}-2")
    done = plant.jobs.jobs[first.job_id]
    assert (done.state, done.redrives, done.progress.rows) == (JobState.SUCCEEDED, 1, ROWS)
    assert done.spans_done == done.spans
    assert ids(database) == list(range(ROWS))


@pytest.mark.parametrize("mode", ["append", "upsert", "replace"])
def test_what_was_cut_once_stays_the_machines_even_if_it_would_not_be_large_any_more(
    database: Database, mode: str
) -> None:
    wall = Wall(3)
    plant = table_plant(database, mode, wall)
    first = plant.ingest(plant.upload("people.csv", csv()))
    assert not plant.execute(first.job_id)
    wall.existing = False
    plant.large_bytes = 1_000_000_000
    assert plant.ingest(redriven(plant.jobs, plant.jobs.jobs[first.job_id])).state is JobState.EXECUTING
    assert plant.execute(f"{first.job_id}-2")
    assert ids(database) == list(range(ROWS))


def test_an_append_without_its_span_plan_is_not_planned_again(database: Database) -> None:
    wall = Wall(3)
    plant = table_plant(database, "append", wall)
    first = plant.ingest(plant.upload("people.csv", csv()))
    assert not plant.execute(first.job_id)
    loaded = ids(database)
    wall.existing = False
    plant.files.files.clear()
    plant.span_bytes = 1024
    plant.ingest(redriven(plant.jobs, plant.jobs.jobs[first.job_id]))
    assert not plant.execute(f"{first.job_id}-2")
    failure = plant.jobs.jobs[first.job_id].failure
    assert failure
    assert failure.error == "IncompleteJobError"
    assert ids(database) == loaded


def test_a_failed_execution_can_do_nothing_after_its_job_is_redriven(database: Database) -> None:
    wall = Wall(3)
    plant = table_plant(database, "append", wall)
    outcome = plant.ingest(plant.upload("people.csv", csv()))
    plant.execute(outcome.job_id)
    redriven(plant.jobs, plant.jobs.jobs[outcome.job_id])
    reported = {"Error": "States.Timeout", "Cause": ""}
    with pytest.raises(LeaseLostError):
        plant.finisher(outcome.job_id, outcome.job_id)
    with pytest.raises(LeaseLostError):
        plant.aborter(outcome.job_id, outcome.job_id, reported)
    with pytest.raises(LeaseLostError):
        plant.planner(outcome.job_id, outcome.job_id, ManualDeadline(900.0))
    assert plant.jobs.jobs[outcome.job_id].state is JobState.WAITING


BUCKET = """
[[route]]
name = "decompress"
match = ["*"]
destination = "s3://out/{stem}"
"""
TEXT = b"".join(b"%d,some text\n" % n for n in range(20_000))


def failing(plant: Plant, step: str) -> None:
    def fail(called: str) -> None:
        if called == step:
            raise AccessDeniedError("s3:PutObject on s3://out")

    plant.fail = fail


@pytest.mark.parametrize("step", ["plan", "index", "work", "finish"])
def test_an_object_is_published_by_the_redrive_and_nothing_is_left(step: str) -> None:
    plant = Plant(BUCKET)
    failing(plant, step)
    failed = plant.run(plant.upload("data.csv.gz", gzip.compress(TEXT)))
    assert failed.state is JobState.FAILED
    plant.fail = lambda step: None
    plant.ingest(redriven(plant.jobs, failed))
    assert plant.execute(f"{failed.job_id}-2")
    stored = plant.store.get("out", "data.csv")
    assert stored
    assert stored.data == TEXT
    assert plant.store.uploads == {}


def test_the_receipt_of_a_span_says_when_it_began() -> None:
    plant = Plant(BUCKET)
    before = time.time()
    done = plant.run(plant.upload("data.csv.gz", gzip.compress(TEXT)))
    began = [receipt.began for (execution, _), receipt in plant.executions.kept.items()]
    assert len(began) == done.spans
    assert all(before <= moment <= time.time() for moment in began)


def test_each_redrive_is_an_execution_of_its_own() -> None:
    plant = Plant(BUCKET)
    failing(plant, "work")
    failed = plant.run(plant.upload("data.csv.gz", gzip.compress(TEXT)))
    for number in (2, 3, 4):
        plant.ingest(redriven(plant.jobs, failed))
        assert not plant.execute(f"{failed.job_id}-{number}")
        failed = plant.jobs.jobs[failed.job_id]
        assert (failed.execution, failed.redrives) == (f"{failed.job_id}-{number}", number - 1)
    named = [json.loads(payload)["attempt"] for payload in plant.machine.started.values()]
    assert named == list(plant.machine.started)


@dataclass
class DeafMachine(MemoryStateMachine):
    """Fails the first call, and accepts the second."""

    deaf: bool = True

    def start(self, execution: str, payload: str) -> bool:
        if self.deaf:
            self.deaf = False
            raise ServiceUnavailableError("states:StartExecution: throttled")
        return super().start(execution, payload)


def test_an_interrupted_hand_over_of_a_redrive_keeps_its_name() -> None:
    plant = Plant(BUCKET)
    failing(plant, "work")
    failed = plant.run(plant.upload("data.csv.gz", gzip.compress(TEXT)))
    plant.machine = DeafMachine()
    source = redriven(plant.jobs, failed)
    assert plant.ingest(source).retry
    plant.now += 61
    assert plant.ingest(source).state is JobState.EXECUTING
    assert list(plant.machine.started) == [f"{failed.job_id}-2"]


def test_a_changed_route_makes_another_job_of_the_same_event() -> None:
    plant = Plant(BUCKET)
    failing(plant, "work")
    failed = plant.run(plant.upload("data.csv.gz", gzip.compress(TEXT)))
    plant.routes_text = BUCKET.replace("{stem}", "new/{stem}")
    outcome = plant.ingest(redriven(plant.jobs, failed))
    assert outcome.job_id != failed.job_id


@pytest.mark.parametrize(
    ("state", "tries", "refused"),
    [
        (AfterState.PENDING, 0, False),
        (AfterState.PENDING, 1, True),
        (AfterState.ACTING, 1, True),
        (AfterState.DONE, 1, False),
    ],
)
def test_a_job_whose_object_is_being_moved_waits_with_its_redrive(state: AfterState, tries: int, refused: bool) -> None:
    source = Source("drops", "in/a", 1, "e1")
    after = AfterStatus(After(failure="move:quarantine/"), state, tries=tries)
    status = JobStatus("id", JobState.FAILED, source.uri, upload=source, after=after)
    redriver = Redriver(MemoryJobStore(time.time), MemoryEventQueue(), MemoryStateMachine(), lambda *_: None)
    if refused:
        with pytest.raises(JobStandsError, match="its object is being moved or tagged"):
            redriver.check(status)
    else:
        assert redriver.check(status) == source
