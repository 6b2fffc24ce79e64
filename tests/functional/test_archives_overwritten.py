"""Archives that are overwritten while they are delivered: a newer version is never undone by an older one."""

from __future__ import annotations

from typing import Any

import pytest

from archive_plant import ARCHIVES, FILES, NUMBERS, TABLES, WRITERS, Plant, ids_in, people, succeeded
from machine import Plant as Machine
from machine_sources import in_tar
from penstock.delivery import archive_checks
from penstock.destinations.ports import BucketSink
from penstock.large_jobs import member_batches
from penstock.model.job_status import JobState
from penstock.testing import FaultyObjectStore
from postgres_database import Database
from table_machine import add_tables

pytest_plugins = ["postgres_fixtures"]


@pytest.fixture(autouse=True)
def _looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_checks, "LOOK_SECONDS", 0.0)


def names_in(database: Database) -> list[object]:
    return [name for (name,) in database.execute("SELECT name FROM people ORDER BY id")]


UPSERT = TABLES + 'mode = "upsert"\nkey = ["id"]\n' + NUMBERS


@pytest.mark.parametrize("key", ["in/a.zip", "in/a.tar"])
@pytest.mark.parametrize("tables", [TABLES + NUMBERS, UPSERT], ids=["append", "upsert"])
def test_an_older_version_begins_no_member_for_a_table(key: str, tables: str, database: Database) -> None:
    plant = Plant(ARCHIVES + tables + FILES, database)
    plant.routes = plant.routes.replace("in/*/people*.csv", "in/*.csv")
    first = {"a.csv": b"id,name\n1,old\n2,old\n", "m.txt": b"old", "z.csv": b"id,name\n3,old\n", "z.txt": b"old"}
    older = plant.put(WRITERS[key](first), key)
    newer = {"a.csv": b"id,name\n4,new\n", "m.txt": b"new", "z.csv": b"id,name\n3,new\n", "z.txt": b"new"}

    def overtaken(good: BucketSink) -> BucketSink:
        if plant.objects is not plant.store:
            plant.objects = plant.store
            succeeded(plant.one(plant.put(WRITERS[key](newer), key)))
        return good

    plant.objects = FaultyObjectStore(plant.store, sink=overtaken)
    outcome = succeeded(plant.one(older))
    assert plant.states(outcome) == {
        "a.csv": "succeeded",
        "m.txt": "superseded",
        "z.csv": "superseded",
        "z.txt": "superseded",
    }
    assert plant.lake() == {"m.txt": b"new", "z.txt": b"new"}
    assert names_in(database) == ["old", "old", "new", "new"]


ROUTES = """
[[route]]
name = "archives"
match = "*.tar"
archive = "members"

[[route]]
name = "people"
match = "*.tar/*.csv"
destination = "postgresql:people"
[route.table]
create = true
columns = [{ name = "id", type = "integer" }, { name = "name" }]

[[route]]
name = "members"
match = "*.tar/*"
destination = "s3://out/{member}"
"""


@pytest.mark.parametrize("rows", [100, 1_000], ids=["small", "large"])
def test_a_batch_of_an_older_version_begins_no_member_for_a_table(
    rows: int, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member_batches, "MOST_ENTRIES", 1)
    made = Machine(ROUTES, span_bytes=4_000, member_bytes=8_000)
    add_tables(made, database)
    older = made.upload("a.tar", in_tar({"a.csv": people(0, rows), "m.txt": b"old"}))
    job_id = made.ingest(older).job_id

    def overtake(step: str) -> None:
        if step in ("work", "sequence"):
            made.fail = lambda step: None
            newer = made.run(made.upload("a.tar", in_tar({"a.csv": people(5_000, 10), "m.txt": b"new"})))
            assert newer.state is JobState.SUCCEEDED

    made.fail = overtake
    made.execute(job_id)
    status = made.jobs.jobs[job_id]
    assert status.state is JobState.SUCCEEDED, status
    assert status.progress.members
    assert status.progress.members.superseded == 2
    assert ids_in(database) == list(range(5_000, 5_010))
    stored: Any = made.store.get("out", "m.txt")
    assert stored.data == b"new"
