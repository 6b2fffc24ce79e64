"""What the error of a failed large load says about its committed rows."""

from __future__ import annotations

from typing import Any

import pytest

from machine import Plant
from penstock.errors import PermanentError
from penstock.model.job_status import JobState
from penstock.testing import ManualDeadline
from postgres_database import Database
from table_machine import route, table_plant

pytest_plugins = ["postgres_fixtures"]
pytestmark = pytest.mark.xdist_group("steps-tables")

SOURCE = b"id,name,born\n" + b"".join(b"%d,name %d,2001-02-03\n" % (n, n) for n in range(900))
BROKEN = PermanentError("broken")


def planned(database: Database, mode: str = "append") -> tuple[Plant, str, list[object]]:
    """A job and its spans."""
    plant = table_plant(database, route(mode=mode))
    job_id = plant.ingest(plant.upload("a.csv", SOURCE)).job_id
    while (following := plant.planner(job_id, job_id, ManualDeadline(900)))["next"] == "survey":
        for item in plant.items(following):
            plant.indexer(job_id, job_id, item, ManualDeadline(900))
    return plant, job_id, plant.items(following)


def reported(plant: Plant, job_id: str) -> str:
    plant.abort(job_id, BROKEN)
    job = plant.jobs.jobs[job_id]
    assert job.state is JobState.FAILED
    assert job.failure
    return job.failure.message


def rows(database: Database) -> list[int]:
    found: Any = database.execute("SELECT id FROM people ORDER BY id")
    return [number for (number,) in found]


@pytest.mark.parametrize("mode", ["append", "upsert"])
def test_the_committed_records_are_named_as_ranges(database: Database, mode: str) -> None:
    plant, job_id, items = planned(database, mode)
    assert len(items) > 4
    for item in (items[0], items[1], items[3]):
        plant.worker(job_id, job_id, item, ManualDeadline(900))
    committed = rows(database)
    gap = next(n for n in committed if n + 1 not in committed)
    after = next(n for n in committed if n > gap)
    assert reported(plant, job_id) == (
        f"broken; records 1 to {gap + 1}, {after + 1} to {committed[-1] + 1} ({len(committed)} rows) are in people"
    )
    assert rows(database) == committed


def test_the_error_says_if_no_row_is_committed(database: Database) -> None:
    plant, job_id, _ = planned(database)
    assert reported(plant, job_id) == "broken; nothing of it is in people"


def test_of_a_replace_nothing_is_visible(database: Database) -> None:
    plant, job_id, items = planned(database, "replace")
    plant.worker(job_id, job_id, items[0], ManualDeadline(900))
    assert reported(plant, job_id) == "broken; nothing of it is visible in people"


def test_a_job_ends_also_if_its_table_was_dropped(database: Database) -> None:
    plant, job_id, items = planned(database)
    plant.worker(job_id, job_id, items[0], ManualDeadline(900))
    database.execute("DROP TABLE people; CREATE TABLE people (other int)")
    assert reported(plant, job_id).startswith("broken; the rows of it in people are unknown: ")


def test_a_stopped_job_can_be_redriven(database: Database) -> None:
    plant, job_id, _ = planned(database)
    plant.aborter(job_id, job_id, {"Error": "ABORTED", "Cause": "the execution ended as ABORTED"})
    failure = plant.jobs.jobs[job_id].failure
    assert failure
    assert (failure.error, "penstock redrive" in failure.hint) == ("ABORTED", True)


@pytest.mark.parametrize("error", ["States.ExceedToleratedFailureThreshold", "Runtime.ExitError", "Sandbox.Timedout"])
def test_a_job_whose_step_was_killed_each_time_says_so_in_words(database: Database, error: str) -> None:
    plant, job_id, _ = planned(database)
    plant.aborter(job_id, job_id, {"Error": error, "Cause": "as the machine says it"})
    status = plant.jobs.jobs[job_id]
    assert status.failure
    assert (status.failure.error, status.source in status.failure.message) == (error, True)
    assert "was killed, or ran out of memory or time" in status.failure.message
    assert "as the machine says it" in status.failure.message
    assert all(word in status.failure.hint for word in ("logs", "MemorySize", "penstock redrive"))


@pytest.mark.parametrize("mode", ["append", "upsert", "replace", "atomic append"])
def test_a_job_that_fails_before_a_row_is_committed_drops_the_table_that_it_created(
    database: Database, mode: str
) -> None:
    plant, job_id, _ = planned(database, mode)
    assert "people" in database.tables()
    reported(plant, job_id)
    assert database.tables() == {"penstock_ledger"}
