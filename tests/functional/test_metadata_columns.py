"""Columns that hold values of the source, through whole jobs on a real PostgreSQL: the same in every attempt."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import openpyxl
import pytest

from functional import test_small_batches as small
from machine import redriven
from penstock.errors import PermanentError
from penstock.model.job import Job
from penstock.model.job_status import JobState
from penstock.routes import destination_of, parse_routes
from postgres_database import Database
from table_loads import in_one_pass
from table_machine import table_plant

pytest_plugins = ["postgres_fixtures"]
pytestmark = pytest.mark.xdist_group("steps-tables")

KEY = "in/acme_20261130.csv"
PATTERN = r"key_pattern = '(?P<partner>[a-z]+)_(?P<day>\d{8})'"
SOURCE = """
    { name = "file", from = "$key" },
    { name = "bucket", from = "$bucket" },
    { name = "version", from = "$version_id" },
    { name = "etag", from = "$etag" },
    { name = "size", from = "$size", type = "integer" },
    { name = "modified", from = "$last_modified", type = "timestamp" },
    { name = "member", from = "$member" },
    { name = "sheet", from = "$sheet" },
    { name = "job", from = "$job" },
    { name = "loaded", from = "$loaded_at", type = "timestamp" },
"""
ROW = '{ name = "row", from = "$row", type = "integer" }, { name = "at", from = "$offset", type = "integer" },'
GROUPS = """
    { name = "partner", from = "$key.partner" },
    { name = "day", from = "$key.day", type = "date", format = "%Y%m%d" },
"""


def people(columns: str, more: str = "", mode: str = "append", key: str = '["id"]') -> str:
    return f"""
    [[route]]
    name = "people"
    match = "*"
    destination = "postgresql:people"
    max_rejects = 10
    {more}
    [route.table]
    create = true
    mode = "{mode}"
    key = {key}
    columns = [{{ name = "id", type = "integer" }}, {columns}]
    """


def stored(database: Database, names: str) -> list[Any]:
    return list(database.execute(f"SELECT {names} FROM people ORDER BY id"))


def csv(count: int) -> bytes:
    """Records of one and of two lines, the third of which is bad."""
    lines = ["id,note", *(f'{n},"two\nlines {n}"' if n % 5 == 0 else f"{n},{'x' * 40}" for n in range(count))]
    lines[3] = "bad,x"
    return ("\n".join(lines) + "\n").encode()


def test_every_value_of_the_source_in_one_pass_and_in_spans(database: Database) -> None:
    found: list[Any] = []
    for large_bytes in (1, 10**9):
        plant = table_plant(database, people(SOURCE + GROUPS + ROW, PATTERN), large_bytes=large_bytes)
        if found:
            plant.upload(KEY, b"so that it is another job")
        source = plant.upload(KEY, csv(900))
        outcome = plant.ingest(source)
        if outcome.state is JobState.EXECUTING:
            plant.execute(outcome.job_id)
            assert plant.jobs.jobs[outcome.job_id].spans > 4
        status = plant.jobs.jobs[outcome.job_id]
        assert (status.state, status.progress.rows) == (JobState.SUCCEEDED, 899), status
        head = plant.store.head("drops", KEY)
        assert head
        (first, *_) = database.execute(
            "SELECT file, bucket, version, etag, size, modified = %s, member, sheet, job, extract(epoch FROM loaded),"
            " partner, day::text, count(*) OVER () FROM people",
            [head.modified],
        )
        assert first[:5] == (KEY, "drops", source.version_id, source.etag, len(csv(900)))
        assert first[5:8] == (True, None, None)
        assert (first[8], float(str(first[9]))) == (outcome.job_id, plant.now)
        assert first[10:] == ("acme", "2026-11-30", 899)
        assert database.execute("SELECT count(DISTINCT (file, job, loaded)) FROM people") == [(1,)]
        found.append(stored(database, "id, row, at"))
        text = csv(900)
        assert all(row == id_ + 1 and text[at:].startswith(b"%d," % id_) for id_, row, at in found[-1])
        database.execute("DROP TABLE people")
    assert found[0] == found[1]


def test_rows_and_offsets_are_those_that_rejects_tell(database: Database) -> None:
    columns = '{ name = "id", type = "integer" }, { name = "row", from = "$row", type = "integer", nullable = false }'
    load = in_one_pass(database, "a.csv", csv(30), f"create = true\ncolumns = [{columns}]")
    assert load.rejected == [3]
    assert database.execute("SELECT row FROM t ORDER BY 1") == [(n,) for n in range(1, 31) if n != 3]


def test_the_time_of_the_first_claim_survives_retry_and_redrive(database: Database) -> None:
    plant = table_plant(database, people('{ name = "loaded", from = "$loaded_at", type = "timestamp" }'))
    source = plant.upload("a.csv", csv(600))
    first = plant.now

    def fail(step: str) -> None:
        plant.now += 100
        if step == "work" and plant.calls.count("work") > 3:
            raise PermanentError("the database is gone")

    plant.fail = fail
    outcome = plant.ingest(source)
    plant.execute(outcome.job_id)
    plant.fail = lambda step: None
    assert plant.jobs.jobs[outcome.job_id].state is JobState.FAILED
    assert 0 < len(stored(database, "id")) < 599
    assert redriven(plant, source, outcome.job_id).state is JobState.SUCCEEDED
    times = {float(time) for (time,) in stored(database, "extract(epoch FROM loaded)")}
    assert (times, len(stored(database, "id"))) == ({first}, 599)


def test_an_optional_group_that_takes_no_part_is_null(database: Database) -> None:
    groups = '{ name = "partner", from = "$key.partner" }, { name = "part", from = "$key.part", type = "integer" },'
    pattern = r"key_pattern = '(?P<partner>[a-z]+)(?:_(?P<part>\d+))?'"
    plant = small.Plant(database, people(groups, pattern))
    plant.outcomes(plant.drop("acme.csv", b"id\n1\n"), plant.drop("acme_07.csv", b"id\n2\n"))
    assert stored(database, "partner, part") == [("acme", None), ("acme", 7)]


def test_small_files_of_one_batch_keep_their_own_values(database: Database) -> None:
    loaded = '{ name = "loaded", from = "$loaded_at", type = "timestamp" }, { name = "job", from = "$job" },'
    key = '{ name = "file", from = "$key" }, { name = "size", from = "$size", type = "integer" },'
    plant = small.Plant(database, people(loaded + key + ROW + GROUPS, PATTERN, "upsert", '["file", "row"]'))
    names = ["in/acme_20261130.csv", "in/globex_20261201.csv", "in/other.csv"]
    sources = [plant.drop(name, f"id\n{n}\n{n}\n".encode()) for n, name in enumerate(names)]
    outcomes = plant.outcomes(*sources)
    assert [str(one.state) for one in outcomes.values()] == ["succeeded", "succeeded", "failed"]
    failure = outcomes["in/other.csv"].failure
    assert failure
    assert failure.message == (
        "the key 'in/other.csv' does not match key_pattern = '(?P<partner>[a-z]+)_(?P<day>\\\\d{8})'"
    )
    assert len(plant.loads) == 1
    rows = stored(database, "id, file, size, row, partner, day::text, job")
    assert rows[:2] == [(0, names[0], 7, n, "acme", "2026-11-30", outcomes[names[0]].job_id) for n in (1, 2)]
    assert rows[2:4] == [(1, names[1], 7, n, "globex", "2026-12-01", outcomes[names[1]].job_id) for n in (1, 2)]


def test_a_small_file_that_was_claimed_before_runs_alone_with_its_first_time(database: Database) -> None:
    plant = small.Plant(database, people('{ name = "loaded", from = "$loaded_at", type = "timestamp" }'))
    sources = [plant.drop(f"{n}.csv", b"id\n%d\n" % n) for n in range(3)]
    found = parse_routes(plant.routes, "routes.toml", small.STACK).routes[0]
    first = plant.now
    plant.jobs.claim(Job(sources[0], found, destination_of(found, sources[0])), lease=0.0)
    plant.now += 500
    assert {str(one.state) for one in plant.outcomes(*sources).values()} == {"succeeded"}
    assert plant.alone == ["0.csv"]
    assert stored(database, "id, extract(epoch FROM loaded)::float")[0] == (0, first)


def test_a_value_that_does_not_fit_its_column_fails_before_any_row(database: Database) -> None:
    plant = table_plant(database, people(GROUPS, PATTERN), large_bytes=10**9)
    outcome = plant.ingest(plant.upload("in/acme_20261399.csv", csv(5)))
    assert outcome.state is JobState.FAILED
    assert outcome.failure
    assert outcome.failure.message.startswith(
        "table people, column 'day': $key.day of the key 'in/acme_20261399.csv': '20261399'"
    ), outcome.failure
    assert database.execute("SELECT to_regclass('people')") == [(None,)]


def test_json_records_of_several_tables_take_values_of_the_source(database: Database) -> None:
    text = """
    [[route]]
    name = "typed"
    match = "*"
    destination = "postgresql"
    key_pattern = "^(?P<partner>[a-z]+)/"
    [route.choice]
    field = "type"
    payload = "data"
    [route.choice.tables.a]
    name = "people"
    create = true
    columns = [{ name = "id", type = "integer" }, { name = "row", from = "$row", type = "integer" }]
    [route.choice.tables.b]
    name = "others"
    create = true
    columns = [
        { name = "x", from = "$$key" }, { name = "partner", from = "$key.partner" }, { name = "row", from = "$row" },
    ]
    """
    records = [("b", {"$key": "own"}), ("a", {"id": 1}), ("a", {"id": "bad"}), ("a", {"id": 4}), ("b", {"$key": None})]
    lines = "".join(json.dumps({"type": kind, "data": data}) + "\n" for kind, data in records)
    plant = table_plant(database, text.replace('match = "*"', 'match = "*"\nmax_rejects = 1'), large_bytes=10**9)
    outcome = plant.ingest(plant.upload("acme/a.jsonl", lines.encode()))
    assert outcome.state is JobState.SUCCEEDED, outcome
    assert stored(database, "id, row") == [(1, 2), (4, 4)]
    assert database.execute("SELECT * FROM others ORDER BY row") == [("own", "acme", "1"), (None, "acme", "5")]
    assert outcome.receipt
    assert not [warning for warning in outcome.receipt.warnings if "no record" in warning or "no column" in warning]


def test_members_of_an_archive_and_sheets_have_their_names(database: Database) -> None:
    workbook = openpyxl.Workbook()
    assert workbook.active
    workbook.active.title = "June"
    workbook.active.append(["id"])
    workbook.active.append([5])
    sheet, packed = io.BytesIO(), io.BytesIO()
    workbook.save(sheet)
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("north/a.csv", "id\n1\n")
        file.writestr("b.xlsx", sheet.getvalue())
    members = '[[route]]\nname = "zips"\nmatch = "*.zip"\narchive = "members"\n'
    plant = table_plant(database, members + people(SOURCE), large_bytes=10**9)
    source = plant.upload("in/j.zip", packed.getvalue())
    first = plant.now
    outcome = plant.ingest(source)
    assert outcome.state is JobState.SUCCEEDED, outcome
    rows = stored(database, "id, file, member, sheet, version, extract(epoch FROM loaded)::float, modified IS NULL")
    assert rows == [
        (1, "in/j.zip/north/a.csv", "north/a.csv", None, source.version_id, first, False),
        (5, "in/j.zip/b.xlsx", "b.xlsx", "June", source.version_id, first, False),
    ]


def test_a_column_of_the_source_hides_no_field(database: Database) -> None:
    load = in_one_pass(
        database,
        "a.csv",
        "id,file\n1,x\n",
        'create = true\ncolumns = [{ name = "id" }, { name = "file", from = "$key" }]',
    )
    assert load.warnings == ("1 record holds fields that no column takes: 'file'",)
    assert database.execute("SELECT * FROM t") == [("1", "a.csv")]


def test_a_table_may_hold_values_of_the_source_alone(database: Database) -> None:
    columns = 'create = true\ncolumns = [{ name = "file", from = "$key" }, { name = "row", from = "$row" }]'
    assert in_one_pass(database, "a.csv", "id\n1\n2\n", columns).rows == 2
    assert in_one_pass(database, "a.jsonl", '{"x": 1}\n[2]\n', columns).rejects == [(2, "", "is not an object")]
    assert database.execute("SELECT * FROM t ORDER BY 1, 2") == [("a.csv", "1"), ("a.csv", "2"), ("a.jsonl", "1")]
