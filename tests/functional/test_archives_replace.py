"""Small archives whose members replace a table together: all rows of all members, or the old ones."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from archive_plant import (
    ARCHIVES,
    FILES,
    NUMBERS,
    TABLES,
    WRITERS,
    KilledError,
    Plant,
    failed,
    people,
    succeeded,
    zip_of,
)
from lengths import long
from penstock.destinations.ports import Swapped
from penstock.destinations.postgres.shared_staging import SharedStaging
from penstock.destinations.postgres.sink import PostgresSink
from penstock.destinations.postgres.table_swap import PostgresTableSwap
from penstock.errors import ServiceUnavailableError
from penstock.model.job_status import JobState
from postgres_database import Database

pytest_plugins = ["postgres_fixtures"]

REPLACE = TABLES + 'mode = "replace"\n' + NUMBERS
ROUTES = ARCHIVES + REPLACE + FILES
MEMBERS = {"people-1.csv": people(0, 500), "read me.txt": b"text", "people-2.csv": people(500, 700)}
OLD = [-1]


def plant_of(database: Database, routes: str = ROUTES) -> Plant:
    database.execute("CREATE TABLE people (id bigint, name text); INSERT INTO people VALUES (-1, 'old')")
    return Plant(routes, database)


def ids(database: Database) -> list[object]:
    return [number for (number,) in database.execute("SELECT id FROM people ORDER BY id")]


def stagings(database: Database) -> set[str]:
    return {name for name in database.tables() if name.startswith("penstock_staging")}


def redriven(plant: Plant, source: Any, job_id: str) -> Any:
    status = plant.jobs.get(job_id)
    assert status
    assert plant.jobs.reopen(status)
    return plant.one(source)


@pytest.mark.parametrize("key", WRITERS)
def test_members_replace_a_table_together(key: str, database: Database) -> None:
    plant = plant_of(database)
    outcome = succeeded(plant.one(plant.put(WRITERS[key](MEMBERS), key)))
    assert ids(database) == list(range(1200))
    assert plant.lake() == {"read me.txt": b"text"}
    assert set(plant.states(outcome).values()) == {"succeeded"}
    assert outcome.receipt
    assert outcome.receipt.rows == 1200
    assert stagings(database) == set()


def test_the_first_member_decides_the_columns_of_a_table_that_is_created(database: Database) -> None:
    plant = Plant(ARCHIVES + TABLES + 'mode = "replace"\n', database)
    succeeded(plant.one(plant.put(zip_of({"people-1.csv": people(0, 5), "people-2.csv": people(5, 5)}))))
    assert ids(database) == list(range(10))
    outcome = failed(
        plant.one(plant.put(zip_of({"people-1.csv": people(10, 5), "people-2.csv": b"id,name\nx,y\n"}))),
        "MembersFailedError",
        "people-2.csv: ",
    )
    assert plant.states(outcome) == {"people-1.csv": "waiting", "people-2.csv": "failed"}
    assert ids(database) == list(range(10))


@pytest.mark.parametrize("key", WRITERS)
def test_a_member_that_fails_keeps_the_old_rows_until_it_is_redriven(key: str, database: Database) -> None:
    plant = plant_of(database)
    contents = MEMBERS | {"people-3.csv": people(1200, 5) + b"x,not a number\n"}
    source = plant.put(WRITERS[key](contents), key)
    outcome = failed(plant.one(source), "MembersFailedError", "3 members not delivered: people-3.csv: ")
    assert outcome.failure
    assert "; 2 members staged, not visible: people: 3 members replace it, but 2 are staged" in outcome.failure.message
    assert plant.states(outcome) == {
        "people-1.csv": "waiting",
        "read me.txt": "succeeded",
        "people-2.csv": "waiting",
        "people-3.csv": "failed",
    }
    assert ids(database) == OLD
    assert stagings(database) == set()
    assert plant.lake() == {"read me.txt": b"text"}
    plant.routes = plant.routes.replace("[route.table]", "max_rejects = 1\n[route.table]")
    again = succeeded(redriven(plant, source, outcome.job_id))
    assert ids(database) == list(range(1205))
    assert set(plant.states(again).values()) == {"succeeded"}
    assert plant.versions() == 1
    assert again.receipt
    assert (again.receipt.rows, again.receipt.rejects) == (1205, 1)


def test_other_tables_are_swapped_although_a_member_of_one_fails(database: Database) -> None:
    others = REPLACE.replace("people", "others")
    plant = plant_of(database, ARCHIVES + others + REPLACE + FILES)
    contents = {f"others-{n}.csv": people(10 * n, 5) for n in range(2)} | {
        "people-1.csv": people(0, 5),
        "people-2.csv": b"id\n1\n",
    }
    source = plant.put(zip_of(contents))
    outcome = failed(plant.one(source), "MembersFailedError", "people-2.csv: ")
    assert ids(database) == OLD
    assert database.execute("SELECT count(*) FROM others") == [(10,)]
    assert [plant.states(outcome)[f"others-{n}.csv"] for n in range(2)] == ["succeeded"] * 2
    database.execute("INSERT INTO others VALUES (99, 'later')")
    failed(redriven(plant, source, outcome.job_id), "MembersFailedError", "people-2.csv: ")
    assert database.execute("SELECT count(*) FROM others") == [(11,)]
    assert stagings(database) == set()


def test_a_table_that_cannot_be_prepared_fails_its_members_alone(database: Database) -> None:
    missing = REPLACE.replace("people", "others").replace("postgresql:others", "postgresql:nowhere.others")
    plant = plant_of(database, ARCHIVES + missing + REPLACE + FILES)
    contents = {f"others-{n}.csv": people(n, 1) for n in range(2)} | MEMBERS
    source = plant.put(zip_of(contents))
    outcome = failed(plant.one(source), "MembersFailedError", "2 members not delivered: others-0.csv: ")
    assert ids(database) == list(range(1200))
    assert plant.lake() == {"read me.txt": b"text"}
    failed(redriven(plant, source, outcome.job_id), "MembersFailedError", "others-1.csv: ")
    assert stagings(database) == set()


def test_a_failure_that_ends_the_archive_swaps_nothing(database: Database) -> None:
    plant = plant_of(database, ARCHIVES + 'on_member_failure = "fail"\n' + REPLACE)
    contents = {"people-1.csv": people(0, 5), "people-2.csv": b"id\n1\n", "people-3.csv": people(5, 5)}
    failed(plant.one(plant.put(zip_of(contents))), "MembersFailedError", "1 member not begun; 1 member staged")
    assert ids(database) == OLD
    assert stagings(database) == set()


def test_one_member_replaces_a_table_as_an_object_does(database: Database) -> None:
    plant = plant_of(database)
    outcome = succeeded(plant.one(plant.put(zip_of({"people-1.csv": people(0, 5)}))))
    assert ids(database) == list(range(5))
    assert "replaces" not in plant.results(outcome)[0]
    assert f"jobs/{outcome.job_id}/replaced.json" not in plant.files.files


def test_an_archive_that_is_superseded_while_it_is_staged_swaps_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = plant_of(database)
    older = plant.put(zip_of(MEMBERS))
    finish = PostgresTableSwap.finish

    def overtaken(swap: PostgresTableSwap, members: int, *_: Any) -> Swapped:
        monkeypatch.setattr(PostgresTableSwap, "finish", finish)
        newer = Plant(plant.routes, database, store=plant.store)
        succeeded(newer.one(plant.put(zip_of({f"people-{n}.csv": people(2000 + n, 1) for n in range(3)}))))
        return swap.finish(members)

    monkeypatch.setattr(PostgresTableSwap, "finish", overtaken)
    outcome = succeeded(plant.one(older))
    assert ids(database) == [2000, 2001, 2002]
    assert plant.states(outcome)["people-1.csv"] == "superseded"
    assert outcome.receipt
    assert "people: a newer version of the archive has replaced it" in outcome.receipt.warnings
    assert stagings(database) == set()


@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.long
def test_an_older_archive_swaps_nothing_once_a_newer_one_has_begun(
    members: int, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A single member of the newer one replaces the table without a swap."""
    plant = plant_of(database)
    older = plant.put(zip_of(MEMBERS))
    finish = PostgresTableSwap.finish

    def overtaken(swap: PostgresTableSwap, *arguments: Any) -> Swapped:
        monkeypatch.setattr(PostgresTableSwap, "finish", finish)
        succeeded(plant.one(plant.put(zip_of({f"people-{n}.csv": people(2000 + n, 1) for n in range(members)}))))
        return swap.finish(*arguments)

    monkeypatch.setattr(PostgresTableSwap, "finish", overtaken)
    outcome = succeeded(plant.one(older))
    assert ids(database) == [2000, 2001][:members]
    assert [plant.states(outcome)[f"people-{n}.csv"] for n in (1, 2)] == ["superseded"] * 2
    assert outcome.receipt
    assert outcome.receipt.rows == 0
    assert stagings(database) == set()


POINTS = [
    (PostgresTableSwap, "begin"),
    (PostgresTableSwap, "finish"),
    (PostgresTableSwap, "abort"),
    (SharedStaging, "ensure"),
    (SharedStaging, "enter"),
    (PostgresSink, "submit"),
    (PostgresSink, "finish"),
]


@pytest.mark.parametrize("seed", [*range(4), *(long(seed) for seed in range(4, 40))])
@pytest.mark.long
def test_killed_at_any_moment_all_rows_are_there_once_or_the_old_ones(
    seed: int, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call dies before or after it has done its work, again and again, until the archive is delivered."""
    random = Random(seed)
    plant = plant_of(database)
    source = plant.put(zip_of(MEMBERS))
    make_deadly(monkeypatch, PostgresTableSwap, "_record", random)
    swaps = count_swaps(monkeypatch)
    for kind, name in POINTS:
        make_deadly(monkeypatch, kind, name, random)
    receives = 0
    while True:
        receives += 1
        assert receives < 50
        try:
            outcome = plant.one(source, receives)
        except KilledError:
            plant.clock.now += 3600
            assert ids(database) in (OLD, list(range(1200)))
            continue
        if outcome.state is JobState.SUCCEEDED:
            break
        assert outcome.retry, outcome
        plant.clock.now += 3600
        if receives % 4 == 0:
            (status,) = plant.jobs.jobs.values()
            plant.jobs.change(status.job_id, attempts=1)
    assert ids(database) == list(range(1200))
    assert swaps == [True]
    assert stagings(database) == set()


def make_deadly(monkeypatch: pytest.MonkeyPatch, kind: type, name: str, random: Random) -> None:
    good = getattr(kind, name)

    def deadly(*arguments: Any, **named: Any) -> Any:
        dies = random.random() < 0.12
        error = random.choice([KilledError("killed"), ServiceUnavailableError("the connection is lost")])
        if dies and random.random() < 0.5:
            raise error
        answer = good(*arguments, **named)
        if dies:
            raise error
        return answer

    monkeypatch.setattr(kind, name, deadly)


def count_swaps(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Note each swap that is committed."""
    swaps: list[bool] = []
    finish, record = PostgresTableSwap.finish, PostgresTableSwap._record

    def noted(swap: PostgresTableSwap, *arguments: Any) -> Swapped:
        recorded: list[bool] = []

        def noting(swapped: Swapped) -> None:
            record(swap, swapped)
            recorded.append(True)

        swap._record = noting  # type: ignore[method-assign]
        answer = finish(swap, *arguments)
        swaps.extend(recorded)
        return answer

    monkeypatch.setattr(PostgresTableSwap, "finish", noted)
    return swaps


def test_members_of_an_inner_archive_are_swapped_in_with_the_others(database: Database) -> None:
    routes = '[[route]]\nname = "inner"\nmatch = "in/*.zip/*.zip"\narchive = "members"\n' + ROUTES
    plant = plant_of(database, ARCHIVES + routes.replace(ARCHIVES, ""))
    refusing = (
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.id % 10 = 7 THEN RAISE check_violation USING MESSAGE = 'no'; END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    database.execute(refusing)
    inner = zip_of({"people-1.csv": people(100, 8), "people-2.csv": people(200, 5)})
    source = plant.put(zip_of({"people-1.csv": people(0, 5), "inner.zip": inner}))
    outcome = failed(plant.one(source), "MembersFailedError", "inner.zip/people-1.csv: ")
    assert plant.states(outcome)["inner.zip/people-1.csv"] == "failed"
    assert ids(database) == OLD
    plant.routes = plant.routes.replace("[route.table]", "max_rejects = 1\n[route.table]")
    again = succeeded(redriven(plant, source, outcome.job_id))
    assert ids(database) == [*range(5), *range(100, 107), *range(200, 205)]
    (refused,) = [line for line in plant.results(again) if line["receipt"]["rejects"]]
    assert refused["name"] == "inner.zip/people-1.csv"
    assert [reject.position.row for reject in plant.rejects.read(refused["job_id"])] == [8]
