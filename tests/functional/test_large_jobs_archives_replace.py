"""Large archives whose members replace a table together: batches, and large members with executions of their own."""

from __future__ import annotations

import gzip
import json
import random
from functools import partial
from typing import Any

import pytest

from lengths import long
from machine import Plant, StepKilledError, redriven
from machine_faults import FaultPlan, FaultyPlant, FaultyPort, faulty_sinks
from machine_sources import in_tar
from penstock.destinations.ports import TableSwap
from penstock.errors import MembersFailedError
from penstock.large_jobs import member_batches
from penstock.model.job_status import JobState, JobStatus
from postgres_database import Database
from table_machine import add_tables

pytest_plugins = ["postgres_fixtures"]
pytestmark = pytest.mark.xdist_group("steps-tables")

ROUTES = """
[[route]]
name = "archives"
match = ["*.tar", "*.tgz"]
archive = "members"

[[route]]
name = "people"
match = "*/people*.csv"
destination = "postgresql:people"
[route.table]
create = true
mode = "replace"
columns = [{ name = "id", type = "integer", nullable = false }, { name = "name" }]

[[route]]
name = "files"
match = "*.t*/*"
destination = "s3://out/{member}"
"""


def csv(first: int, rows: int) -> bytes:
    return b"id,name\n" + b"".join(b"%d,name %d\n" % (n, n) for n in range(first, first + rows))


SMALL = {f"people-{n:02}.csv": csv(100 * n, 40) for n in range(6)}
LARGE = {"people-large.csv": csv(10_000, 700)}
MEMBERS = SMALL | {"other.txt": b"text"} | LARGE
IDS = sorted([*(100 * n + k for n in range(6) for k in range(40)), *range(10_000, 10_700)])
OLD = [-1]


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member_batches, "MOST_ENTRIES", 3)


def prepared(database: Database) -> None:
    database.execute(
        "DROP TABLE IF EXISTS people, penstock_ledger;"
        "CREATE TABLE people (id bigint NOT NULL, name text); INSERT INTO people VALUES (-1, 'old')"
    )


def plant_of(database: Database) -> Plant:
    prepared(database)
    made = Plant(ROUTES, span_bytes=4_000, member_bytes=8_000)
    add_tables(made, database)
    return made


def ids(database: Database) -> list[int]:
    return [int(str(n)) for (n,) in database.execute("SELECT id FROM people ORDER BY id")]


def stagings(database: Database) -> set[str]:
    return {name for name in database.tables() if name.startswith("penstock_staging")}


def results(made: Plant, job_id: str) -> dict[str, dict[str, Any]]:
    folder = f"jobs/{job_id}/members/"
    texts = [data for key, data in made.files.files.items() if key.startswith(folder)]
    lines = [json.loads(line) for text in texts for line in text.splitlines()]
    return {line["name"]: line for line in lines}


def states(made: Plant, job_id: str) -> dict[str, str]:
    return {name: line["state"] for name, line in results(made, job_id).items()}


def failed(status: JobStatus) -> str:
    assert status.failure, status
    assert (status.state, status.failure.error) == (JobState.FAILED, MembersFailedError.__name__), status
    return status.failure.message


def test_batches_and_large_members_replace_a_table_together(database: Database) -> None:
    made = plant_of(database)
    seen = []
    made.fail = lambda step: seen.append((step, ids(database) == OLD))
    status = made.run(made.upload("a.tar", in_tar(MEMBERS)))
    assert status.state is JobState.SUCCEEDED, status
    assert ids(database) == IDS
    assert all(is_old for _, is_old in seen)
    assert set(states(made, status.job_id).values()) == {"succeeded"}
    assert status.progress.rows == len(IDS)
    assert stagings(database) == set()
    (child,) = [job for job in made.jobs.jobs.values() if job.job_id != status.job_id]
    assert (child.state, child.spans > 1, child.progress.rows) == (JobState.SUCCEEDED, True, 700)
    assert database.execute("SELECT count(*) FROM penstock_ledger WHERE span = -4") == [(0,)]


def test_an_archive_that_is_read_in_order_replaces_a_table(database: Database) -> None:
    made = plant_of(database)
    source = made.upload("a.tgz", gzip.compress(in_tar(MEMBERS)))
    deaths = iter([StepKilledError("killed after all members")])

    def die(step: str) -> None:
        if step == "abort" and (error := next(deaths, None)):
            raise error

    made.fail = die
    assert made.run(source).state is JobState.SUCCEEDED
    assert ids(database) == IDS
    assert stagings(database) == set()


@pytest.mark.parametrize("bad", [long("people-03.csv"), "people-large.csv"])
@pytest.mark.long
def test_a_member_that_fails_keeps_the_old_rows_until_the_archive_is_redriven(bad: str, database: Database) -> None:
    made = plant_of(database)
    members = MEMBERS | {bad: MEMBERS[bad] + b"no number,x\n"}
    source = made.upload("a.tar", in_tar(members))
    status = made.run(source)
    message = failed(status)
    assert "7 members were not delivered: " in message
    assert "6 members staged, not visible: people: 7 members replace it, but 6 are staged" in message
    assert ids(database) == OLD
    assert stagings(database) == set()
    found = states(made, status.job_id)
    assert (found.pop(bad), found.pop("other.txt"), set(found.values())) == ("failed", "succeeded", {"waiting"})
    made.now += 100
    assert "staged, not visible" in failed(redriven(made, source, status.job_id))
    assert ids(database) == OLD
    made.routes_text = made.routes_text.replace("[route.table]", "max_rejects = 1\n[route.table]")
    made.now += 100
    again = redriven(made, source, status.job_id)
    assert again.state is JobState.SUCCEEDED, again.failure
    assert ids(database) == IDS
    assert stagings(database) == set()
    assert len(made.store._versions["out", "other.txt"]) == 1


@pytest.mark.long
def test_a_large_member_that_is_redriven_alone_after_the_archive_stages_nothing(database: Database) -> None:
    made = plant_of(database)
    bad = {"people-large.csv": LARGE["people-large.csv"] + b"no number,x\n"}
    status = made.run(made.upload("a.tar", in_tar(MEMBERS | bad)))
    failed(status)
    (child,) = [job for job in made.jobs.jobs.values() if job.job_id != status.job_id]
    made.routes_text = made.routes_text.replace("[route.table]", "max_rejects = 1\n[route.table]")
    assert made.jobs.reopen(child)
    assert child.upload
    outcome = made.ingest(child.upload, job_id=child.job_id)
    ended = made.jobs.jobs[outcome.job_id]
    if ended.execution and outcome.state is JobState.EXECUTING:
        made.execute(ended.execution)
    ended = made.jobs.jobs[outcome.job_id]
    assert ended.failure
    assert "the job of the archive has ended" in ended.failure.message, ended
    assert ids(database) == OLD
    assert stagings(database) == set()


def test_a_finish_that_died_after_the_swap_swaps_once(database: Database) -> None:
    made = plant_of(database)
    source = made.upload("a.tar", in_tar(MEMBERS))
    put = made.files.write

    def die(key: str, data: bytes) -> None:
        if made.calls[-1:] == ["finish"]:
            raise StepKilledError(key)
        put(key, data)

    made.files.write = die  # type: ignore[method-assign]
    status = made.run(source)
    assert (status.state, ids(database)) == (JobState.FAILED, IDS)
    assert states(made, status.job_id)["people-00.csv"] == "waiting"
    database.execute("INSERT INTO people VALUES (99999, 'later')")
    made.files.write = put  # type: ignore[method-assign]
    made.now += 100
    again = redriven(made, source, status.job_id)
    assert (again.state, again.progress.rows) == (JobState.SUCCEEDED, len(IDS)), again
    assert ids(database) == [*IDS, 99999]
    assert set(states(made, status.job_id).values()) == {"succeeded"}


def test_members_that_the_routes_add_after_a_swap_are_swapped_in_with_the_others(database: Database) -> None:
    """A redrive stages all members again if they are not those that were swapped, whatever became of them before."""
    made = plant_of(database)
    made.routes_text = made.routes_text.replace('match = "*/people*.csv"', 'match = "*/people-0[0-3].csv"')
    bad = '[[route]]\nname = "bad"\nmatch = "*.tar/other.txt"\ndestination = "s3://out/{member}"\nmax_bytes = 1\n'
    source = made.upload("a.tar", in_tar(MEMBERS))
    good = made.routes_text
    made.routes_text = bad + good
    status = made.run(source)
    failed(status)
    assert ids(database) == [n for n in IDS if n < 400]
    made.now += 100
    made.routes_text = good.replace('match = "*/people-0[0-3].csv"', 'match = "*/people*.csv"')
    assert redriven(made, source, status.job_id).state is JobState.SUCCEEDED
    assert ids(database) == IDS
    assert stagings(database) == set()


def test_a_table_that_cannot_be_prepared_fails_its_members_alone(database: Database) -> None:
    made = plant_of(database)
    made.routes_text = made.routes_text.replace("postgresql:people", "postgresql:nowhere.people")
    status = made.run(made.upload("a.tar", in_tar(MEMBERS)))
    assert "7 members were not delivered: " in failed(status)
    found = states(made, status.job_id)
    assert (found.pop("other.txt"), set(found.values())) == ("succeeded", {"failed"})


def test_members_that_replace_and_add_to_one_table_fail_the_plan(database: Database) -> None:
    made = plant_of(database)
    adding = ROUTES[ROUTES.index('[[route]]\nname = "people"') : ROUTES.index('[[route]]\nname = "files"')]
    for text, other in (('name = "people"', 'name = "more"'), ("people*", "people-large*"), ('"replace"', '"append"')):
        adding = adding.replace(text, other)
    made.routes_text = adding + ROUTES
    status = made.run(made.upload("a.tar", in_tar(MEMBERS)))
    assert status.failure
    assert status.failure.error == "InvalidRouteError"
    assert "'people-00.csv' and 'people-large.csv' would both be written to postgresql:people" in status.failure.message
    assert made.calls == ["plan", "abort"]
    assert ids(database) == OLD


@pytest.mark.parametrize("rate", [0.01, long(0.03)])
@pytest.mark.parametrize("key", [long("a.tar"), "a.tgz"])
def test_all_rows_are_swapped_in_once_or_the_old_ones_stay_despite_faults(
    key: str, rate: float, database: Database
) -> None:
    """Steps are killed, throttled, late or run twice; what fails is redriven without faults."""
    retried = 0
    members = dict(list(MEMBERS.items())[-5:])
    data = in_tar(members) if key == "a.tar" else gzip.compress(in_tar(members))
    expected = sorted(n for name in members if name != "other.txt" for n in numbers(members[name]))
    for seed in range(4):
        prepared(database)
        fault_plan = FaultPlan(random.Random(f"{rate} {seed}"), 0.0)
        made = FaultyPlant(ROUTES, fault_plan, span_bytes=8_000, member_bytes=8_000)
        add_tables(
            made,
            database,
            partial(faulty_sinks, fault_plan=fault_plan),
            partial(faulty_swap, fault_plan),
        )
        fault_plan.rate = rate
        source = made.upload(key, data)
        job_id = made.run_to_end(source)
        report = (made.jobs.jobs[job_id], fault_plan.happened, made.calls)
        assert ids(database) in (OLD, expected), report
        if made.jobs.jobs[job_id].state is JobState.FAILED:
            retried += 1
            oid = database.execute("SELECT 'people'::regclass::oid") if ids(database) == expected else None
            assert stagings(database) == set(), report
            fault_plan.rate = 0.0
            made.now += 1_000
            redriven(made, source, job_id)
            assert oid in (None, database.execute("SELECT 'people'::regclass::oid")), report
        made.run_copies()
        report = (made.jobs.jobs[job_id], fault_plan.happened, made.calls)
        assert made.jobs.jobs[job_id].state is JobState.SUCCEEDED, report
        assert ids(database) == expected, report
        assert stagings(database) == set(), report
        assert len(made.store._versions["out", "other.txt"]) == 1, report
    assert retried or rate < 0.02


def faulty_swap(fault_plan: FaultPlan, good: TableSwap) -> Any:
    return FaultyPort(good, fault_plan)


def numbers(data: bytes) -> list[int]:
    return [int(line.split(b",")[0]) for line in data.splitlines()[1:]]


@pytest.mark.parametrize(
    ("key", "older", "newer"),
    [
        ("a.tar", in_tar(LARGE), in_tar({"people-large.csv": csv(5000, 3)})),
        ("x/people.csv", csv(10_000, 700), csv(5000, 3)),
    ],
)
@pytest.mark.long
def test_rows_of_a_newer_version_are_not_replaced_by_a_large_load_that_began_before(
    key: str, older: bytes, newer: bytes, database: Database
) -> None:
    """One member of an archive, and an object: neither shares its table with others."""
    made = plant_of(database)

    def overtake(step: str) -> None:
        if step == "finish":
            made.fail = lambda _: None
            assert made.run(made.upload(key, newer)).state is JobState.SUCCEEDED

    made.fail = overtake
    status = made.run(made.upload(key, older))
    assert ids(database) == [5000, 5001, 5002]
    assert stagings(database) == set()
    if key == "a.tar":
        assert states(made, status.job_id) == {"people-large.csv": "superseded"}
    else:
        assert status.state is JobState.SUPERSEDED


@pytest.mark.parametrize("newer", [1, 2])
@pytest.mark.long
def test_an_older_archive_swaps_nothing_once_a_newer_one_has_begun(newer: int, database: Database) -> None:
    """A single member of the newer one replaces the table without a swap. What the older one has staged is dropped."""
    made = plant_of(database)
    older = made.upload("a.tar", in_tar(MEMBERS))
    data = in_tar({f"people-{n}.csv": csv(5000 + n, 1) for n in range(newer)})

    def overtake(step: str) -> None:
        if step == "finish":
            made.fail = lambda _: None
            assert made.run(made.upload("a.tar", data)).state is JobState.SUCCEEDED

    made.fail = overtake
    status = made.run(older)
    assert status.state is JobState.SUCCEEDED, status
    assert ids(database) == [5000, 5001][:newer]
    assert states(made, status.job_id) == dict.fromkeys(SMALL | LARGE, "superseded") | {"other.txt": "succeeded"}
    assert (status.progress.rows, status.progress.bytes_out) == (0, len(b"text"))
    assert "newer version" in status.warnings[0]
    assert stagings(database) == set()
