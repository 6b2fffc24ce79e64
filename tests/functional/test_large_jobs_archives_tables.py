"""Large archives whose members go to tables: in order where the last row of a key wins, and each row once."""

from __future__ import annotations

import io
import zipfile

import pytest

from machine import Plant, redriven
from machine_sources import in_tar
from penstock.large_jobs import member_batches
from penstock.model.job_status import JobState
from postgres_database import Database
from table_machine import BUDGET, add_tables

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


@pytest.mark.parametrize("atomic", ["", "atomic = true\n"])
def test_members_for_a_table_by_key_are_loaded_in_order(
    atomic: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member_batches, "MOST_ENTRIES", 2)
    made = plant(database, "upsert")
    made.routes_text = made.routes_text.replace("create = true\n", "create = true\n" + atomic)
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


@pytest.mark.parametrize("name", ["large", "LARGE"])
def test_a_large_stored_member_is_only_loaded_if_its_crc32_is_right(name: str, database: Database) -> None:
    rows = 60_000  # more than a plan looks at
    made = Plant(ROUTES.format(mode="append").replace(".tar", ".zip"), span_bytes=400_000, member_bytes=8_000)
    made.budget = BUDGET
    add_tables(made, database)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("large.csv", csv(0, rows, "large"))
    data = file.getvalue().replace(b"50777,large", f"50777,{name}".encode())
    status = made.run(made.upload("a.zip", data))
    assert "survey" in made.calls
    if name == "large":
        assert (status.state, len(people(database))) == (JobState.SUCCEEDED, rows)
        return
    assert status.failure, status
    assert (status.state, status.failure.error) == (JobState.FAILED, "MembersFailedError")
    assert "a.zip/large.csv: CRC32 of the member's bytes is " in status.failure.message
    assert "work" not in made.calls
