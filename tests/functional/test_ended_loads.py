"""A complete load is a success, whatever happens to its source, table and files before it is recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from functional.test_redrive import Wall, WalledSink
from lengths import long
from machine import Plant, StepKilledError
from machine_sources import in_blocks
from penstock.destinations.ports import TableSink
from penstock.errors import DestinationMissingError, LeaseLostError, PermanentError, ServiceUnavailableError
from penstock.jobs.runner import Outcome
from penstock.large_jobs.job_files import JOB_SPEC, JobFolder, JobSpec
from penstock.large_jobs.span_plan import TableSpans
from penstock.limits import MIB
from penstock.model.job import Claim, Failure, Job, Receipt
from penstock.model.job_status import JobState
from penstock.model.object import Source
from penstock.routes import destination_of
from penstock.tables import LOADED
from penstock.testing import ManualDeadline
from postgres_database import Database
from table_machine import add_tables, route, table_plant

pytest_plugins = ["postgres_fixtures"]

MODES = ["append", "upsert", "replace", "atomic append"]
ROWS = 600
TEXT = "id,name,born\n" + "".join(f"{n},name {n},2001-01-0{1 + n % 9}\n" for n in range(ROWS))
BAD = "x,not a number,2001-01-01\n"


class Killer(Wall):
    """Kills a load after this number of chunks."""

    def check(self) -> None:
        self.passed += 1
        if self.passed > self.chunks:
            raise StepKilledError


def ids(database: Database, table: str = "people") -> list[int]:
    return [int(str(n)) for (n,) in database.execute(f"SELECT id FROM {table} ORDER BY id")]


def job_of(plant: Plant, source: Source) -> Job:
    found = plant.routes.find(source.bucket, source.key)
    assert found
    return Job(source, found, destination_of(found, source))


def erased(plant: Plant, source: Source, database: Database) -> None:
    plant.store.erase(source)


def overtaken(plant: Plant, source: Source, database: Database) -> None:
    """A newer version is being loaded."""
    newer = plant.upload(source.key, TEXT.encode() + b"9999,newer,2001-01-01\n")
    assert isinstance(plant.jobs.claim(job_of(plant, newer), lease=900), Claim)


def renamed(plant: Plant, source: Source, database: Database) -> None:
    database.execute("ALTER TABLE people RENAME TO others")


def changed(plant: Plant, source: Source, database: Database) -> None:
    database.execute("ALTER TABLE people DROP COLUMN born")


Incident = Callable[[Plant, Source, Database], None]
INCIDENTS = [erased, overtaken, renamed, changed]


def small(database: Database, mode: str) -> Plant:
    plant = table_plant(database, route(mode=mode, more="max_rejects = 5"))
    plant.large_bytes = 10 * MIB
    return plant


def check(outcome: Outcome) -> None:
    assert outcome.state is JobState.SUCCEEDED, outcome
    assert outcome.receipt
    assert (outcome.receipt.rows, outcome.receipt.rejects) == (ROWS, 1)
    assert LOADED in outcome.receipt.warnings
    assert any("1 of 601 records was rejected" in warning for warning in outcome.receipt.warnings)


@pytest.mark.parametrize("incident", INCIDENTS)
@pytest.mark.parametrize("mode", MODES)
def test_the_next_attempt_finds_the_load_before_it_can_fail(database: Database, mode: str, incident: Incident) -> None:
    plant = small(database, mode)
    source = plant.upload("a.csv", (TEXT + BAD).encode())
    assert plant.ingest(source).state is JobState.SUCCEEDED
    plant.died(source)
    incident(plant, source, database)
    outcome = plant.ingest(source)
    check(outcome)
    status = plant.jobs.jobs[outcome.job_id]
    assert (status.state, status.progress.rows, status.progress.rejects) == (JobState.SUCCEEDED, ROWS, 1)
    assert ids(database, "others" if incident is renamed else "people") == list(range(ROWS))


def test_so_does_a_message_that_came_before_for_a_job_without_a_record(database: Database) -> None:
    """Small jobs of a burst are loaded without a claim."""
    plant = small(database, "append")
    source = plant.upload("a.csv", (TEXT + BAD).encode())
    plant.ingest(source)
    plant.jobs.jobs.clear()
    plant.store.erase(source)
    assert plant.ingest(source).state is JobState.SUPERSEDED
    plant.jobs.jobs.clear()
    check(plant.ingest(source, receives=2))


def test_an_incomplete_load_is_not_a_success(database: Database) -> None:
    plant = small(database, "append")
    source = plant.upload("a.csv", TEXT.encode())
    add_tables(
        plant, database, lambda good: lambda job, span: cast("TableSink", WalledSink(good(job, span), Killer(3)))
    )
    with pytest.raises(StepKilledError):
        plant.ingest(source)
    assert 0 < len(ids(database)) < ROWS
    add_tables(plant, database)
    plant.now += 100
    plant.store.erase(source)
    assert plant.ingest(source).state is JobState.SUPERSEDED


def staged_and_killed(database: Database, mode: str) -> tuple[Plant, Source]:
    """An attempt has staged some rows, and its function was killed."""
    plant = small(database, mode)
    source = plant.upload("a.csv", TEXT.encode())
    add_tables(
        plant, database, lambda good: lambda job, span: cast("TableSink", WalledSink(good(job, span), Killer(3)))
    )
    with pytest.raises(StepKilledError):
        plant.ingest(source)
    assert stagings(database)
    add_tables(plant, database)
    plant.now += 100
    return plant, source


def stagings(database: Database) -> list[str]:
    return [name for name in database.tables() if name.startswith("penstock_staging")]


@pytest.mark.parametrize("incident", [erased, overtaken])
@pytest.mark.parametrize("mode", ["replace", "atomic append"])
def test_what_a_killed_attempt_has_staged_is_dropped_if_the_next_one_may_not_begin(
    database: Database, mode: str, incident: Callable[[Plant, Source, Database], None]
) -> None:
    plant, source = staged_and_killed(database, mode)
    incident(plant, source, database)
    assert plant.ingest(source).state is JobState.SUPERSEDED
    assert stagings(database) == []


def test_a_job_does_not_end_before_what_it_has_staged_is_dropped(database: Database) -> None:
    plant, source = staged_and_killed(database, "replace")
    plant.store.erase(source)

    def away(job: str, span: int) -> TableSink:
        raise ServiceUnavailableError("the database is away")

    add_tables(plant, database, lambda good: away)
    plant.loads = {}
    outcome = plant.ingest(source)
    assert isinstance(outcome.retry, ServiceUnavailableError)
    assert plant.jobs.jobs[outcome.job_id].state is JobState.WAITING
    add_tables(plant, database)
    assert plant.ingest(source).state is JobState.SUPERSEDED
    assert stagings(database) == []


class Sleeper(Wall):
    """A load sends no heartbeat for a minute after some chunks; meanwhile another attempt fails permanently."""

    def __init__(self, chunks: int, meanwhile: Callable[[], None]) -> None:
        super().__init__(chunks)
        self.meanwhile = meanwhile

    def check(self) -> None:
        self.passed += 1
        if self.passed == self.chunks:
            self.meanwhile()


def test_an_attempt_that_wakes_up_after_the_end_adds_no_chunk(database: Database) -> None:
    plant = small(database, "append")
    plant.clock = lambda: plant.now
    source = plant.upload("a.csv", TEXT.encode())

    def meanwhile() -> None:
        plant.now += 61
        claim = plant.jobs.claim(job_of(plant, source), lease=60)
        assert isinstance(claim, Claim)
        plant.jobs.close(claim, JobState.FAILED, failure=Failure.of(PermanentError("as it happens")))

    sleeper = Sleeper(3, meanwhile)
    add_tables(plant, database, lambda good: lambda job, span: cast("TableSink", WalledSink(good(job, span), sleeper)))
    assert isinstance(plant.ingest(source).retry, LeaseLostError)
    # The chunk that it was about to send then is the last.
    assert sleeper.passed == 3


def test_an_older_version_that_is_not_in_is_superseded_by_its_second_attempt_too(database: Database) -> None:
    plant = small(database, "append")
    source = plant.upload("a.csv", TEXT.encode())
    assert isinstance(plant.jobs.claim(job_of(plant, source), lease=60), Claim)
    plant.now += 100
    overtaken(plant, source, database)
    assert plant.ingest(source).state is JobState.SUPERSEDED
    assert "people" not in database.tables()


def all_in(database: Database, mode: str) -> tuple[Plant, str, Source]:
    """A job of the state machine with all spans delivered."""
    plant = table_plant(database, route(mode=mode, more="max_rejects = 5"))
    source = plant.upload("a.csv.gz", in_blocks((TEXT + BAD).encode()))
    job_id = plant.ingest(source).job_id
    while (following := plant.planner(job_id, job_id, ManualDeadline(900)))["next"] == "index":
        plant.indexer(job_id, job_id, None, ManualDeadline(900))
    if following["next"] == "sequence":
        while not plant.worker(job_id, job_id, None, ManualDeadline(900))["done"]:
            pass
    else:
        for item in plant.items(following):
            plant.worker(job_id, job_id, item, ManualDeadline(900))
    return plant, job_id, source


def finish(plant: Plant, job_id: str) -> None:
    """Commit what `finish` commits before it is killed."""
    folder = JobFolder(plant.files, job_id)
    plan = folder.get_plan()
    assert isinstance(plan, TableSpans)
    receipt = Receipt(0, 0, 0, 0, "", rows=ROWS, rejects=1)
    plant.tables("postgresql").finish(folder.get(JobSpec, JOB_SPEC), plan.table_plan, receipt, holder=job_id)


@pytest.mark.parametrize(
    ("incident", "files"),
    [
        *[(erased, "kept"), (renamed, "gone"), (changed, "gone")],
        *[long(erased, "gone"), long(renamed, "kept"), long(changed, "kept")],
    ],
)
@pytest.mark.parametrize("mode", MODES)
def test_abort_finds_what_finish_has_committed(database: Database, mode: str, files: str, incident: Incident) -> None:
    plant, job_id, source = all_in(database, mode)
    finish(plant, job_id)
    incident(plant, source, database)
    if files == "gone":
        plant.files.files.clear()
    plant.abort(job_id, PermanentError("finish was killed each time"))
    status = plant.jobs.jobs[job_id]
    assert (status.state, status.failure) == (JobState.SUCCEEDED, None)
    assert (status.progress.rows, status.progress.rejects) == (ROWS, 1)
    assert LOADED in status.warnings
    assert ids(database, "others" if incident is renamed else "people") == list(range(ROWS))


@pytest.mark.parametrize("mode", ["append", "upsert"])
def test_spans_that_are_all_in_are_a_success_where_nothing_is_left_to_be_shown(database: Database, mode: str) -> None:
    plant, job_id, source = all_in(database, mode)
    plant.store.erase(source)
    database.execute("ALTER TABLE people DROP COLUMN born")
    plant.abort(job_id, DestinationMissingError("a column has gone"))
    status = plant.jobs.jobs[job_id]
    assert (status.state, status.progress.rows) == (JobState.SUCCEEDED, ROWS)


@pytest.mark.parametrize("mode", ["replace", "atomic append"])
def test_staged_spans_are_not_a_complete_load(database: Database, mode: str) -> None:
    plant, job_id, _ = all_in(database, mode)
    plant.abort(job_id, PermanentError("no space is left"))
    assert plant.jobs.jobs[job_id].state is JobState.FAILED
    assert not any("staging" in name for name in database.tables())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.long
def test_an_attempt_after_the_machine_finds_what_that_has_loaded(database: Database, mode: str) -> None:
    """The lease of the handover, a week, has ended, or the job was redriven."""
    plant, job_id, source = all_in(database, mode)
    finish(plant, job_id)
    plant.died(source)
    plant.store.erase(source)
    add_tables(plant, database)
    assert plant.ingest(source).state is JobState.SUCCEEDED
    status = plant.jobs.jobs[job_id]
    assert (status.progress.rows, status.progress.rejects) == (ROWS, 1)
