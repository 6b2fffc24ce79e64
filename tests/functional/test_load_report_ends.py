"""``penstock_loads`` after the rare ends: killed and overtaken, without files, refused at the swap, by a command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import psycopg
import pytest
from click.testing import CliRunner
from psycopg.conninfo import make_conninfo

from archive_plant import people, succeeded, zip_of
from functional.test_archives_replace import ROUTES, plant_of
from functional.test_ended_loads import TEXT, Killer, small
from functional.test_load_report import count, loads
from functional.test_redrive import WalledSink
from machine import StepKilledError
from penstock.destinations.ports import TableSink
from penstock.errors import LeaseLostError
from penstock.model.job_status import JobState
from penstock_cli.main import main
from postgres_database import Database
from table_machine import add_tables, route, table_plant

pytest_plugins = ["postgres_fixtures"]


def test_a_killed_load_is_running_until_the_next_attempt_ends_it(database: Database) -> None:
    """Its source is deleted: the next attempt fails before it opens a table, and the rows of the first one stay."""
    plant = small(database, "append")
    source = plant.upload("a.csv", TEXT.encode())
    add_tables(
        plant, database, lambda good: lambda job, span: cast("TableSink", WalledSink(good(job, span), Killer(3)))
    )
    with pytest.raises(StepKilledError):
        plant.ingest(source)
    assert loads(database, "status", "attempt", "finished_at") == [("running", 1, None)]
    add_tables(plant, database)
    plant.now += 100
    plant.store.erase(source)
    assert plant.ingest(source).state is JobState.SUPERSEDED
    ((status, rows, failure),) = loads(database, "status", "rows_loaded", "failure")
    assert (status, rows) == ("superseded", count(database))
    assert 0 < count(database) < 600
    assert "deleted" in str(failure)


def test_a_second_attempt_counts_and_starts_once(database: Database) -> None:
    plant = small(database, "append")
    source = plant.upload("a.csv", TEXT.encode())
    add_tables(
        plant, database, lambda good: lambda job, span: cast("TableSink", WalledSink(good(job, span), Killer(3)))
    )
    with pytest.raises(StepKilledError):
        plant.ingest(source)
    before = loads(database, "started_at")
    add_tables(plant, database)
    plant.now += 100
    assert plant.ingest(source).state is JobState.SUCCEEDED
    assert loads(database, "status", "attempt", "rows_loaded") == [("succeeded", 2, 600)]
    assert loads(database, "started_at") == before


def test_an_abort_without_the_files_of_the_job_ends_its_row(database: Database) -> None:
    plant = table_plant(database, route())
    source = plant.upload("a.csv", TEXT.encode())

    def lose(step: str) -> None:
        if step == "finish":
            plant.files.files.clear()
            raise LeaseLostError("the files have expired")

    plant.fail = lose
    plant.run(source)
    ((status, rows, failure),) = loads(database, "status", "rows_loaded", "failure")
    assert (status, rows) == ("failed", count(database))
    assert failure


def test_rows_that_a_table_refuses_at_the_swap_are_those_of_their_member(database: Database) -> None:
    plant = plant_of(database, ROUTES.replace("[route.table]", "max_rejects = 1\n[route.table]"))
    database.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.id % 10 = 7 THEN RAISE check_violation USING MESSAGE = 'no'; END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    succeeded(plant.one(plant.put(zip_of({"people-1.csv": people(0, 5), "people-2.csv": people(100, 8)}))))
    columns = ("status", "rows_parsed", "rows_loaded", "rows_rejected", "first_error_row", "first_error")
    assert loads(database, *columns) == [("succeeded", 5, 5, 0, None, None), ("succeeded", 8, 7, 1, 8, "no")]


@pytest.fixture
def latin1(database: Database) -> Iterator[Database]:
    name = f"latin1_{database.schema}"
    database.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'")
    try:
        yield Database(make_conninfo(database.dsn, dbname=name, options=""), "public")
    finally:
        database.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_command_reports_its_files_in_any_encoding_of_the_database(latin1: Database, tmp_path: Path) -> None:
    """The name of the file, and the value in its first error, have characters that the database lacks."""
    path = tmp_path / "in\N{SNOWMAN}.csv"
    path.write_text("id,n\n1,a\n\N{EURO SIGN},b\n")

    def run(*more: str) -> int:
        to = ("--to", "postgresql:t", "--dsn", latin1.dsn, *more)
        return CliRunner().invoke(main, ["run", str(path), *to]).exit_code

    latin1.execute("CREATE TABLE t (id int, n text)")
    latin1.close()
    assert run() == 1
    assert run("--max-rejects", "1") == 0
    names = "source, key, status, attempt, rows_loaded, rows_rejected, first_error_row, first_error"
    with psycopg.connect(latin1.dsn) as connection:
        found = connection.execute(f"SELECT {names} FROM penstock_loads ORDER BY started_at").fetchall()
    (source, key, *counts, reason) = found[-1]
    assert str(source).endswith("in\\u2603.csv")
    assert (key, counts) == (None, ["succeeded", 2, 1, 1, 2])
    assert "\\u20ac" in str(reason)
