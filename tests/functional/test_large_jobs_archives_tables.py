"""Large archives whose members go to tables: in order where the last row of a key wins, and each row once."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from fixtures.units import pieces_of, xz, zstd
from fixtures.zips import Entry, zip_of
from machine import Plant, redriven
from machine_faults import FaultPlan, FaultyPlant
from machine_sources import in_blocks, in_tar
from penstock.large_jobs import member_batches
from penstock.model.job_status import JobState
from postgres_database import Database
from table_machine import BUDGET, add_tables

pytest_plugins = ["postgres_fixtures"]
pytestmark = pytest.mark.xdist_group("steps-tables")

ROUTES = """
[[route]]
name = "archives"
match = ["*.tar", "*.tar.gz"]
archive = "members"

[[route]]
name = "people"
match = ["*.tar/*", "*.tar.gz/*"]
destination = "postgresql:people"
[route.table]
create = true
mode = "{mode}"
key = ["id"]
columns = [{{ name = "id", type = "integer", nullable = false }}, {{ name = "name" }}]
"""

PACKED: dict[str, Callable[[bytes], bytes]] = {"a.tar": bytes, "a.tar.gz": in_blocks}


def csv(first: int, rows: int, name: str) -> bytes:
    lines = "".join(f"{number},{name}\n" for number in range(first, first + rows))
    return f"id,name\n{lines}".encode()


def plant(database: Database, mode: str) -> Plant:
    made = Plant(ROUTES.format(mode=mode), span_bytes=4_000, member_bytes=8_000)
    add_tables(made, database)
    return made


def people(database: Database) -> list[tuple[object, ...]]:
    return database.execute("SELECT id, name FROM people ORDER BY id")


@pytest.mark.parametrize(("key", "atomic"), [("a.tar", ""), ("a.tar", "atomic = true\n"), ("a.tar.gz", "")])
def test_members_for_a_table_by_key_are_loaded_in_order(
    key: str, atomic: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member_batches, "MOST_ENTRIES", 2)
    made = plant(database, "upsert")
    made.routes_text = made.routes_text.replace("create = true\n", "create = true\n" + atomic)
    members = {f"{number}.csv": csv(number, 30, f"from {number}") for number in range(6)}
    members |= {"large.csv": csv(0, 1_000, "large"), "last.csv": csv(5, 1, "last")}
    status = made.run(made.upload(key, PACKED[key](in_tar(members))))
    assert status.state is JobState.SUCCEEDED, status
    assert "work" not in made.calls[: made.calls.index("sequence")]
    assert people(database) == [(number, "last" if number == 5 else "large") for number in range(1_000)]


@pytest.mark.parametrize("key", ["a.tar", "a.tar.gz"])
def test_rows_of_appended_members_are_there_once_after_a_redrive(key: str, database: Database) -> None:
    made = plant(database, "append")
    members = {"a.csv": csv(0, 40, "a"), "bad.csv": b"id,other\nx,y\n", "large.csv": csv(100, 1_000, "large")}
    source = made.upload(key, PACKED[key](in_tar(members)))
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


METHODS = [8, 93, 95]  # Deflate, zstd, xz


def compressed(name: str, data: bytes, method: int, **fields: Any) -> Entry:
    pieces = pieces_of(data, 700)
    writer = zlib.compressobj(1, zlib.DEFLATED, -15)
    encode: dict[int, Callable[[], bytes]] = {
        8: lambda: b"".join(writer.compress(one) + writer.flush(zlib.Z_SYNC_FLUSH) for one in pieces) + writer.flush(),
        93: lambda: zstd(pieces, checksum=False),
        95: lambda: xz(pieces),
    }
    return Entry(name.encode(), data, method, data=encode[method](), **fields)


def plant_of_zips(database: Database, mode: str, more: str = "") -> Plant:
    routes = ROUTES.format(mode=mode).replace(".tar", ".zip").replace("create = true\n", "create = true\n" + more)
    made = Plant(routes, span_bytes=4_000, member_bytes=8_000)
    add_tables(made, database)
    return made


@pytest.mark.parametrize(("method", "atomic"), [*((method, "") for method in METHODS), (8, "atomic = true\n")])
def test_a_compressed_member_is_loaded_in_spans(method: int, atomic: str, database: Database) -> None:
    made = plant_of_zips(database, "append", atomic)
    entries = [Entry(b"a.csv", csv(0, 40, "a")), compressed("large.csv", csv(100, 1_000, "large"), method)]
    status = made.run(made.upload("a.zip", zip_of(*entries)))
    assert status.state is JobState.SUCCEEDED, status
    assert people(database) == [*((n, "a") for n in range(40)), *((n, "large") for n in range(100, 1_100))]
    (child,) = [job for job in made.jobs.jobs.values() if job.job_id != status.job_id]
    assert (child.spans > 2, child.progress.rows, "index" in made.calls) == (True, 1_000, True)
    assert child.progress.bytes_in == child.size == len(entries[1].body)


def test_compressed_members_for_a_table_by_key_are_loaded_in_order(database: Database) -> None:
    made = plant_of_zips(database, "upsert")
    entries = [
        Entry(b"first.csv", csv(0, 30, "first")),
        compressed("large.csv", csv(0, 1_000, "large"), 8),
        Entry(b"last.csv", csv(5, 1, "last")),
    ]
    status = made.run(made.upload("a.zip", zip_of(*entries)))
    assert status.state is JobState.SUCCEEDED, status
    assert people(database) == [(number, "last" if number == 5 else "large") for number in range(1_000)]


@pytest.mark.parametrize("method", METHODS)
def test_no_row_of_a_compressed_member_is_loaded_if_its_crc32_is_wrong(method: int, database: Database) -> None:
    rows = 60_000  # more than a plan looks at
    made = plant_of_zips(database, "append")
    made.budget = BUDGET
    made.span_bytes, made.spacing = 400_000, 40_000
    entry = compressed("large.csv", csv(0, rows, "large"), method, crc32=1)
    status = made.run(made.upload("a.zip", zip_of(Entry(b"a.csv", csv(0, 2, "a")), entry)))
    assert status.failure, status
    assert (status.state, status.failure.error) == (JobState.FAILED, "MembersFailedError")
    assert "a.zip/large.csv: CRC32 of the member's bytes is " in status.failure.message
    assert len(people(database)) == 2


@pytest.mark.long
def test_rows_of_a_compressed_member_are_there_once_after_faults_and_a_redrive(database: Database) -> None:
    expected = [*((n, "a") for n in range(40)), *((n, "large") for n in range(100, 500))]
    data = zip_of(Entry(b"a.csv", csv(0, 40, "a")), compressed("large.csv", csv(100, 400, "large"), 8))
    for seed in range(4):
        database.execute("DROP TABLE IF EXISTS people")
        routes = ROUTES.format(mode="append").replace(".tar", ".zip")
        made = FaultyPlant(routes, FaultPlan(Random(seed), 0.02), span_bytes=2_000, member_bytes=3_000)
        add_tables(made, database)
        source = made.upload(f"{seed}.zip", data)
        job_id = made.run_to_end(source)
        if made.jobs.jobs[job_id].state is JobState.FAILED:
            made.fault_plan.rate = 0.0
            made.now += 1_000
            redriven(made, source, job_id)
        made.run_copies()
        report = (made.jobs.jobs[job_id], made.fault_plan.happened)
        assert made.jobs.jobs[job_id].state is JobState.SUCCEEDED, report
        assert made.fault_plan.happened
        assert people(database) == expected, report
