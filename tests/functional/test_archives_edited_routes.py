"""Routes that are edited while an archive is delivered: every row once, whatever died in between."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from archive_plant import ARCHIVES, FILES, NUMBERS, TABLES, WRITERS, KilledError, Plant, ids_in, people, succeeded
from machine import Plant as Machine
from machine import StepKilledError, redriven
from machine_sources import in_tar
from penstock.delivery.member_jobs import MemberResult
from penstock.large_jobs import member_batches, work_members
from penstock.large_jobs.job_files import JobFolder
from penstock.model.job_status import JobState
from penstock.testing import FaultyObjectStore
from postgres_database import Database
from table_machine import add_tables

pytest_plugins = ["postgres_fixtures"]

LENIENT = TABLES.replace("[route.table]", "max_rejects = 1\n[route.table]") + NUMBERS
CONTENTS = {"people-1.csv": people(0, 500), "people-2.csv": people(500, 700), "z.txt": b"z" * 3_000_000}


class DyingWrites:
    """Kills the function when an object is begun."""

    def __init__(self, inner: object) -> None:
        raise KilledError


def killed_at_the_last_member(plant: Plant, key: str) -> None:
    """The rows are loaded, and nothing is written of that: the results were not reached."""
    plant.objects = FaultyObjectStore(plant.store, sink=DyingWrites)  # type: ignore[arg-type]  # it is never used
    with pytest.raises(KilledError):
        plant.one(plant.store.put("drops", key, WRITERS[key](CONTENTS)))
    plant.objects, plant.clock.now = plant.store, plant.clock.now + 3600


@pytest.mark.parametrize("key", WRITERS)
def test_an_attempt_uses_the_routes_of_the_first_although_they_were_edited(key: str, database: Database) -> None:
    plant = Plant(ARCHIVES + LENIENT + FILES, database)
    killed_at_the_last_member(plant, key)
    plant.routes = plant.routes.replace("max_rejects = 1", "max_rejects = 2").replace("lake/", "lake/edited/")
    succeeded(plant.one(plant.source(key), receives=2))
    assert ids_in(database) == list(range(1200))
    assert list(plant.lake()) == ["z.txt"]


@pytest.mark.parametrize("key", WRITERS)
def test_a_redrive_uses_the_edited_routes_for_members_that_were_not_begun(key: str, database: Database) -> None:
    plant = Plant(ARCHIVES + LENIENT + FILES, database)
    killed_at_the_last_member(plant, key)
    (status,) = plant.jobs.jobs.values()
    assert plant.jobs.reopen(status)
    plant.routes = plant.routes.replace("max_rejects = 1", "max_rejects = 2").replace("lake/", "lake/edited/")
    succeeded(plant.one(plant.source(key)))
    assert ids_in(database) == list(range(1200))
    assert list(plant.lake()) == ["edited/z.txt"]


@pytest.mark.parametrize("key", WRITERS)
def test_rows_are_added_once_although_the_routes_of_archive_and_members_are_edited(
    key: str, database: Database
) -> None:
    plant = Plant(ARCHIVES + LENIENT + FILES, database)
    bad = b"id,name\n" + b"".join(b"none,%d\n" % n for n in range(2))
    plant.one(plant.store.put("drops", key, WRITERS[key]({**CONTENTS, "people-3.csv": bad})))
    (status,) = plant.jobs.jobs.values()
    assert status.state is JobState.FAILED
    plant.routes = plant.routes.replace("max_rejects = 1", "max_rejects = 2")
    plant.routes = plant.routes.replace('archive = "members"', 'archive = "members"\non_member_failure = "fail"')
    succeeded(plant.one(plant.source(key)))
    assert ids_in(database) == list(range(1200))
    assert len(plant.jobs.jobs) == 2


ROUTES = """
[[route]]
name = "archives"
match = "*.tar"
archive = "members"

[[route]]
name = "people"
match = "*.tar/*"
destination = "postgresql:people"
max_rejects = 1
[route.table]
create = true
columns = [{ name = "id", type = "integer" }, { name = "name" }]
"""


@pytest.mark.parametrize("redrives", [False, True])
@pytest.mark.parametrize("rows", [100, 1_000], ids=["small", "large"])
def test_members_are_ended_with_the_routes_of_the_run_that_has_begun_them(
    rows: int, redrives: bool, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`work` is killed after its members are loaded, before it writes that. Then the routes are edited."""
    made = Machine(ROUTES, span_bytes=4_000, member_bytes=8_000)
    add_tables(made, database)
    write = member_batches.write_results
    kills = 100 if redrives else 1

    def write_or_die(folder: JobFolder, number: int, results: Iterable[MemberResult]) -> None:
        nonlocal kills
        written = list(results)
        if kills and any(one.state is JobState.SUCCEEDED for one in written):
            kills -= 1
            made.routes_text = made.routes_text.replace("max_rejects = 1", "max_rejects = 2")
            raise StepKilledError
        write(folder, number, written)

    monkeypatch.setattr(work_members, "write_results", write_or_die)
    source = made.upload("a.tar", in_tar({"a.csv": people(0, rows), "b.csv": people(rows, 50)}))
    status = made.run(source)
    assert status.state is (JobState.FAILED if redrives else JobState.SUCCEEDED), status
    if redrives:
        kills = 0
        made.now += 100
        status = redriven(made, source, status.job_id)
    assert status.state is JobState.SUCCEEDED, status
    assert ids_in(database) == list(range(rows + 50))
