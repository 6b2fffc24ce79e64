"""``penstock_loads``: a row for each job and table says which file was loaded, what was rejected, and how it ended."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from archive_plant import ARCHIVES, NUMBERS, TABLES, failed, people, succeeded, zip_of
from archive_plant import Plant as ArchivePlant
from functional.test_small_batches import Plant as BurstPlant
from functional.test_small_batches import document, typed
from functional.test_small_batches import people as route_of_people
from machine import Plant, StepKilledError, redriven
from penstock.destinations.postgres.load_report import COLUMNS, warn
from penstock.errors import AccessDeniedError
from penstock.model.job_status import JobState
from penstock.model.object import Source
from postgres_database import Database
from table_machine import route, table_plant

pytest_plugins = ["postgres_fixtures"]

HEADER = "id,name,born\n"
GOOD = "".join(f"{n},name {n},2001-01-01\n" for n in range(1000))
BAD = "x,bad,2001-01-01\n"
COUNTS = ("status", "attempt", "rows_parsed", "rows_loaded", "rows_rejected")
FIRST = ("first_error_row", "first_error_offset", "first_error_column", "first_error")


def loads(database: Database, *names: str) -> list[tuple[object, ...]]:
    return database.execute(f"SELECT {', '.join(names)} FROM penstock_loads ORDER BY key, table_name")


def count(database: Database, table: str = "people") -> int:
    ((exists,),) = database.execute("SELECT to_regclass(%s) IS NOT NULL", [table])
    return int(str(database.execute(f"SELECT count(*) FROM {table}")[0][0])) if exists else 0


class TestALargeJob:
    def test_has_one_row_with_the_sum_of_its_spans(self, database: Database) -> None:
        plant = table_plant(database, route(more="max_rejects = 9"))
        status = plant.run(plant.upload("in/a.csv", (HEADER + GOOD + BAD + BAD).encode()))
        assert status.state is JobState.SUCCEEDED
        assert loads(database, *COUNTS) == [("succeeded", 1, 1002, 1000, 2)]
        ((row, offset, column, reason),) = loads(database, *FIRST)
        assert (row, offset, column) == (1001, len(HEADER + GOOD), "id")
        assert "'x'" in str(reason)
        assert loads(database, "job", "source", "bucket", "key", "route", "mode", "table_name", "failure") == [
            (status.job_id, "s3://drops/in/a.csv", "drops", "in/a.csv", "people", "append", "people", None)
        ]
        assert loads(database, "finished_at > started_at", "version_id IS NOT NULL", "etag IS NOT NULL") == [
            (True, True, True)
        ]

    @pytest.mark.parametrize("mode", ["append", "replace", "atomic append"])
    def test_that_fails_says_why_and_what_stays(self, database: Database, mode: str) -> None:
        plant = table_plant(database, route(mode=mode))
        status = plant.run(plant.upload("a.csv", (HEADER + GOOD + BAD).encode()))
        assert status.state is JobState.FAILED
        ((state, loaded, failure, ended),) = loads(
            database, "status", "rows_loaded", "failure", "finished_at IS NOT NULL"
        )
        assert (state, loaded, ended) == ("failed", count(database), True)
        assert "rejected" in str(failure)

    def test_that_is_redriven_has_another_attempt(self, database: Database) -> None:
        plant = table_plant(database, route())
        source = plant.upload("a.csv", (HEADER + GOOD).encode())

        def refuse(step: str) -> None:
            if plant.calls.count("work") > 2:
                raise AccessDeniedError("INSERT on table people")

        plant.fail = lambda step: refuse(step) if step == "work" else None
        status = plant.run(source)
        ((loaded,),) = loads(database, "rows_loaded")
        assert loads(database, "status", "redrives") == [("failed", 0)]
        assert loaded == count(database) < 1000
        plant.fail = lambda step: None
        assert redriven(plant, source, status.job_id).state is JobState.SUCCEEDED
        assert loads(database, "status", "redrives", "rows_loaded", "failure") == [("succeeded", 1, 1000, None)]

    @pytest.mark.parametrize("mode", ["append", "upsert", "replace", "atomic append"])
    @pytest.mark.parametrize("seed", range(3))
    def test_that_is_killed_anywhere_is_reported_as_it_ended(self, database: Database, mode: str, seed: int) -> None:
        plant = table_plant(database, route(mode=mode, more="max_rejects = 9"), seed=seed)
        random = Random(seed)

        def die(step: str) -> None:
            if random.random() < 0.3:
                raise StepKilledError(step)

        plant.fail = die
        status = plant.run(plant.upload("a.csv", (HEADER + GOOD + BAD).encode()))
        ((state, loaded),) = loads(database, "status", "rows_loaded") or [(str(status.state), 0)]
        assert (state, loaded) == (str(status.state), count(database))


def put(plant: BurstPlant, *contents: bytes) -> list[Source]:
    return [plant.drop(f"in/{n:02}.csv", content) for n, content in enumerate(contents)]


class TestABurst:
    @pytest.fixture
    def plant(self, database: Database) -> BurstPlant:
        return BurstPlant(database, route_of_people())

    def test_writes_its_rows_in_the_transaction_of_the_records(self, database: Database, plant: BurstPlant) -> None:
        plant.handle(*put(plant, *(b"id,name\n%d,a\n%d,b\n" % (n, 100 + n) for n in range(30))))
        assert loads(database, *COUNTS, "failure") == [("succeeded", 1, 2, 2, 0, None)] * 30
        assert database.execute(
            "SELECT count(DISTINCT started_at), count(DISTINCT xmin::text) FROM penstock_loads"
        ) == [(1, 1)]

    def test_has_no_row_if_it_is_killed_before_the_commit(self, database: Database, plant: BurstPlant) -> None:
        def die(sink: Any) -> None:
            assert sink._connection.execute("SELECT count(*) FROM penstock_loads").fetchone() == (2,)
            sink.die()

        plant.inside = die
        plant.handle(*put(plant, b"id,name\n1,a\n", b"id,name\n2,b\n"))
        assert (count(database), count(database, "penstock_loads")) == (0, 0)

    def test_a_file_that_is_loaded_alone_has_its_row_too(self, database: Database, plant: BurstPlant) -> None:
        plant.handle(*put(plant, b"id,name\n1,a\n", b"id,name\n2,b\nx,c\n", b"id,name\n3,d\n"))
        assert loads(database, "key", "status", "rows_loaded", "first_error_row") == [
            ("in/00.csv", "succeeded", 1, None),
            ("in/01.csv", "failed", 0, None),
            ("in/02.csv", "succeeded", 1, None),
        ]

    def test_a_burst_that_comes_again_changes_nothing(self, database: Database, plant: BurstPlant) -> None:
        sources = put(plant, b"id,name\n1,a\n", b"id,name\n2,b\n")
        plant.handle(*sources)
        before = loads(database, *COLUMNS)
        plant.forget_jobs()
        plant.handle(*sources)
        plant.forget_jobs()
        plant.handle(*sources, together=False)
        assert loads(database, *COLUMNS) == before

    def test_each_table_has_a_row_with_its_own_count(self, database: Database) -> None:
        plant = BurstPlant(database, typed(more="max_rejects = 1"))
        both = json.loads(document(1, 2)) + json.loads(document(3, kind="b"))
        only = document(4)
        plant.handle(plant.drop("a", json.dumps(both).encode()), plant.drop("b", only))
        bad = json.loads(document(5, 6)) + json.loads(document(7, kind="b")) + json.loads(document(8, kind="c"))
        plant.handle(plant.drop("c", json.dumps(bad).encode()))
        assert loads(database, "key", "table_name", "rows_loaded", "rows_parsed", "rows_rejected") == [
            ("a", "alphas", 2, 3, 0),
            ("a", "betas", 1, 3, 0),
            ("b", "alphas", 1, 1, 0),
            ("b", "betas", 0, 1, 0),
            ("c", "alphas", 2, 4, 1),
            ("c", "betas", 1, 4, 1),
        ]


class TestAnArchive:
    ROUTES = ARCHIVES + TABLES + NUMBERS
    REPLACE = ARCHIVES + TABLES + 'mode = "replace"\n' + NUMBERS

    def test_each_member_has_a_row_with_its_key(self, database: Database) -> None:
        database.execute("CREATE TABLE people (id bigint, name text)")
        plant = ArchivePlant(self.ROUTES, database)
        succeeded(plant.one(plant.put(zip_of({"people-1.csv": people(0, 5), "people-2.csv": people(5, 7)}))))
        assert loads(database, "key", "archive", "member", "status", "rows_loaded") == [
            ("in/a.zip/people-1.csv", "in/a.zip", [1], "succeeded", 5),
            ("in/a.zip/people-2.csv", "in/a.zip", [2], "succeeded", 7),
        ]

    def test_members_that_replace_a_table_succeed_together(self, database: Database) -> None:
        database.execute("CREATE TABLE people (id bigint, name text)")
        plant = ArchivePlant(self.REPLACE, database)
        succeeded(plant.one(plant.put(zip_of({"people-1.csv": people(0, 5), "people-2.csv": people(5, 7)}))))
        assert loads(database, "status", "rows_loaded", "mode") == [("succeeded", n, "replace") for n in (5, 7)]
        bad = zip_of({"people-1.csv": people(0, 5), "people-2.csv": b"id,name\nx,y\n"})
        failed(plant.one(plant.put(bad, "in/b.zip")), "MembersFailedError", "people-2.csv")
        assert loads(database, "key", "status", "rows_loaded")[2:] == [
            ("in/b.zip/people-1.csv", "failed", 5),
            ("in/b.zip/people-2.csv", "failed", 0),
        ]
        assert count(database) == 12


class TestWithoutTheReport:
    """The report never decides about a load."""

    @pytest.fixture(autouse=True)
    def warned(self, caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
        warn.cache_clear()
        with caplog.at_level(logging.WARNING):
            yield caplog

    DDL = "CREATE TABLE people (id int, name text)"
    FILES = (b"id,name\n1,a\n", b"id,name\n2,b\n")

    def loaded(self, database: Database) -> None:
        for together in (True, False):
            plant = BurstPlant(database, route_of_people())
            outcomes = plant.outcomes(*put(plant, *self.FILES), together=together)
            assert {outcome.state for outcome in outcomes.values()} == {JobState.SUCCEEDED}

    def test_a_role_that_may_not_create_it_loads_and_warns_once(
        self, database: Database, warned: pytest.LogCaptureFixture
    ) -> None:
        database.execute(self.DDL)
        with database.sink() as sink:
            sink._ledger_in(database.schema).ensure()
        with database.role("INSERT ON people", "SELECT, INSERT ON penstock_ledger") as role:
            self.loaded(role)
        assert count(database) == 2
        assert database.execute("SELECT to_regclass('penstock_loads')") == [(None,)]
        (record,) = warned.records
        assert "penstock ledger sql" in record.getMessage()

    @pytest.mark.parametrize(
        "ddl", ["CREATE TABLE penstock_loads (job text)", "CREATE VIEW penstock_loads AS SELECT 1 AS job"]
    )
    def test_another_table_of_that_name_is_left_alone(
        self, database: Database, ddl: str, warned: pytest.LogCaptureFixture
    ) -> None:
        database.execute(f"{self.DDL}; {ddl}")
        self.loaded(database)
        assert count(database) == 2
        assert warned.records

    def test_a_report_that_refuses_a_row_does_not_stop_the_load(self, database: Database) -> None:
        self.loaded(database)
        database.execute("ALTER TABLE penstock_loads ADD CHECK (key <> 'in/00.csv') NOT VALID; TRUNCATE people")
        database.execute("TRUNCATE penstock_ledger")
        self.loaded(database)
        assert count(database) == 2

    def test_a_right_that_it_needs_is_named(self, database: Database, warned: pytest.LogCaptureFixture) -> None:
        self.loaded(database)
        grants = ("INSERT ON people", "SELECT, INSERT ON penstock_ledger", "SELECT, INSERT ON penstock_loads")
        database.execute("TRUNCATE people, penstock_ledger, penstock_loads")
        with database.role(*grants) as role:
            self.loaded(role)
            assert count(database, "penstock_loads") == 0
            warning = warned.records[0].getMessage()
            assert f"GRANT SELECT, INSERT, UPDATE ON TABLE {database.schema}.penstock_loads TO {role.user};" in warning
            database.execute(warning.rpartition(": ")[2])
            database.execute("TRUNCATE people, penstock_ledger")
            self.loaded(role)
        assert database.execute("SELECT status, count(*) FROM penstock_loads GROUP BY 1") == [("succeeded", 2)]


def test_any_key_is_written_as_it_is(database: Database) -> None:
    plant: Any = BurstPlant(database, route_of_people())
    plant.handle(
        *(plant.drop(key, b"id,name\n%d,a\n" % n) for n, key in enumerate(("in/\N{SNOWMAN}%s{}'.csv", "in/plain.csv")))
    )
    assert loads(database, "key", "status") == [
        ("in/plain.csv", "succeeded"),
        ("in/\N{SNOWMAN}%s{}'.csv", "succeeded"),
    ]


def test_a_load_of_the_previous_release_is_reported_at_its_end(database: Database) -> None:
    """Its ledger has no first reject, and its report no row."""
    plant: Plant = table_plant(database, route(more="max_rejects = 9"))
    source = plant.upload("a.csv", (HEADER + GOOD + BAD).encode())

    def forget(step: str) -> None:
        if step == "finish":
            database.execute("TRUNCATE penstock_loads; UPDATE penstock_ledger SET refused = NULL")

    plant.fail = forget
    assert plant.run(source).state is JobState.SUCCEEDED
    assert loads(database, *COUNTS, "first_error") == [("succeeded", 1, 1001, 1000, 1, None)]
