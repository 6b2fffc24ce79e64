"""Large archives whose members go to tables: in order where the last row of a key wins, and each row once."""

from __future__ import annotations

import pytest

from machine import Plant, redriven
from machine_sources import in_tar
from penstock.large_jobs import member_batches
from penstock.model.job_status import JobState
from postgres_database import Database
from table_machine import add_tables

pytest_plugins = ["postgres_fixtures"]
pytestmark = pytest.mark.xdist_group("steps-tables")

ROUTES = """
[[route]]
name = "archives"
match = "*.tar"
archive = "members"

[[route]]
name = "people"
match = "*.tar/*"
destination = "postgresql:people"
[route.table]
create = true
mode = "{mode}"
key = ["id"]
columns = [{{ name = "id", type = "integer", nullable = false }}, {{ name = "name" }}]
"""


def csv(first: int, rows: int, name: str) -> bytes:
    lines = "".join(f"{number},{name}\n" for number in range(first, first + rows))
    return f"id,name\n{lines}".encode()


def plant(database: Database, mode: str) -> Plant:
    made = Plant(ROUTES.format(mode=mode), span_bytes=4_000, member_bytes=8_000)
    add_tables(made, database)
    return made


def people(database: Database) -> list[tuple[object, ...]]:
    return database.execute("SELECT id, name FROM people ORDER BY id")


def test_members_for_a_table_by_key_are_loaded_in_order(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member_batches, "MOST_ENTRIES", 2)
    made = plant(database, "upsert")
    members = {f"{number}.csv": csv(number, 30, f"from {number}") for number in range(6)}
    members |= {"large.csv": csv(0, 1_000, "large"), "last.csv": csv(5, 1, "last")}
    status = made.run(made.upload("a.tar", in_tar(members)))
    assert status.state is JobState.SUCCEEDED, status
    assert "work" not in made.calls[: made.calls.index("sequence")]
    assert people(database) == [(number, "last" if number == 5 else "large") for number in range(1_000)]


def test_rows_of_appended_members_are_there_once_after_a_redrive(database: Database) -> None:
    made = plant(database, "append")
    members = {"a.csv": csv(0, 40, "a"), "bad.csv": b"id,other\nx,y\n", "large.csv": csv(100, 1_000, "large")}
    source = made.upload("a.tar", in_tar(members))
    status = made.run(source)
    expected = [*((n, "a") for n in range(40)), *((n, "large") for n in range(100, 1_100))]
    assert (status.state, people(database)) == (JobState.FAILED, expected)
    made.now += 100
    assert redriven(made, source, status.job_id).state is JobState.FAILED
    assert people(database) == expected
