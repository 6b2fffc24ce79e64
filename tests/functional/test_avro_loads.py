"""Avro files from event to table: in one pass and in spans, with the checks and rejects of every format."""

from __future__ import annotations

from typing import Any

import pytest

from avro_files import SYNC, avro_file, block, encoded, header, in_blocks, logical, record
from functional.test_large_jobs_tables import sleeping_at
from machine_sources import in_blocks as gzip_in_blocks
from penstock.large_jobs.job_files import JobFolder
from penstock.large_jobs.span_plan import TableSpans
from penstock.model.job_status import JobState
from penstock.testing import ManualDeadline
from postgres_database import Database
from table_loads import Load, in_one_pass, in_spans
from table_machine import add_tables, route, table_plant

pytest_plugins = ["postgres_fixtures"]
pytestmark = pytest.mark.xdist_group("steps-tables")

ROWS = 900
PERSON = record("Person", id="long", name=["null", "string"], born=logical("int", "date"), other="boolean")
PEOPLE = [{"id": n, "name": f"Zoë {n}" if n % 5 else None, "born": 11_356, "other": True} for n in range(ROWS)]
FILE = avro_file(PERSON, *in_blocks(PEOPLE, 23))


def stored(database: Database) -> list[tuple[int, str | None]]:
    found: Any = database.execute("SELECT id, name FROM people ORDER BY id")
    return list(found)


WANTED = [(person["id"], person["name"]) for person in PEOPLE]


@pytest.mark.parametrize("key", ["a.avro", "a.avro.gz"])
def test_every_record_is_a_row_once_wherever_the_source_is_cut(database: Database, key: str) -> None:
    plant = table_plant(database, route(), span_bytes=2048)
    status = plant.run(plant.upload(key, gzip_in_blocks(FILE) if key.endswith("gz") else FILE))
    assert (status.state, status.progress.rows) == (JobState.SUCCEEDED, ROWS), status
    assert status.spans > 4
    assert stored(database) == WANTED
    assert status.percent == 100.0
    assert ("index" in plant.calls, "survey" in plant.calls) == (key.endswith("gz"), not key.endswith("gz"))


@pytest.mark.parametrize("mode", ["append", "replace"])
@pytest.mark.parametrize("key", ["a.avro", "a.avro.gz"])
def test_what_ingest_has_loaded_of_a_block_is_not_loaded_again(database: Database, key: str, mode: str) -> None:
    large = avro_file(PERSON, *in_blocks(PEOPLE, 300))
    plant = table_plant(database, route(mode=mode), span_bytes=2048)
    deadline = ManualDeadline(900)
    add_tables(plant, database, sleeping_at(3, lambda: deadline.pass_time(900)))
    plant.large_bytes = 10_000_000
    outcome = plant.ingest(plant.upload(key, gzip_in_blocks(large) if key.endswith("gz") else large), deadline)
    assert outcome.state is JobState.EXECUTING
    add_tables(plant, database)
    if mode == "append":
        assert 0 < len(stored(database)) < 300
    plant.execute(outcome.job_id)
    status = plant.jobs.jobs[outcome.job_id]
    assert (status.state, status.progress.rows) == (JobState.SUCCEEDED, ROWS), status
    assert stored(database) == WANTED
    plan = JobFolder(plant.files, outcome.job_id).get_plan()
    assert isinstance(plan, TableSpans)
    assert plan.count > 1


def test_a_file_that_is_damaged_in_its_middle_fails_and_names_the_byte(database: Database) -> None:
    plant = table_plant(database, route(mode="atomic append"), span_bytes=2048)
    middle = FILE.rfind(SYNC, 0, len(FILE) // 2)
    status = plant.run(plant.upload("a.avro", FILE[: middle + 3] + b"?" + FILE[middle + 4 :]))
    assert status.state is JobState.FAILED
    assert status.failure
    assert "is not followed by the file's sync marker" in status.failure.message
    assert f"(at byte {middle:,})" in status.failure.message
    assert "people" not in database.tables()


TYPES = record(
    "Types",
    id="int",
    amount=logical("bytes", "decimal", precision=12, scale=4),
    at=logical("long", "timestamp-micros"),
    day=["null", logical("int", "date")],
    ratio="double",
    raw="bytes",
    tags={"type": "array", "items": "string"},
    mixed=["null", "long", "double"],
)
# The same bytes, for a writer that would convert values of logical types.
PLAIN = record(
    "Types",
    id="int",
    amount="bytes",
    at="long",
    day=["null", "int"],
    ratio="double",
    raw="bytes",
    tags={"type": "array", "items": "string"},
    mixed=["null", "long", "double"],
)


@pytest.mark.parametrize("load", [in_one_pass, in_spans])
def test_the_schema_of_the_file_makes_the_columns(database: Database, load: Load) -> None:
    first: dict[str, Any] = {
        "id": 1,
        "amount": b"\x30\x39",
        "at": 1,
        "day": None,
        "ratio": float("inf"),
        "raw": b"\0\xff",
        "tags": ["a", 'b"'],
        "mixed": 2**60,
    }
    second = {**first, "id": 2, "day": 0, "ratio": float("nan"), "mixed": 0.5, "amount": b"\xff", "tags": []}
    data = header(TYPES) + block(2, encoded(PLAIN, [first, second]))
    assert load(database, "a.avro", data).rows == 2
    ((types,),) = database.execute(
        "SELECT string_agg(data_type, ', ' ORDER BY ordinal_position) FROM information_schema.columns "
        "WHERE table_name = 't'"
    )
    assert types == "bigint, numeric, timestamp with time zone, date, double precision, text, jsonb, numeric"
    values = database.execute(
        "SELECT id, amount::text, at = '1970-01-01 00:00:00.000001Z', day::text, ratio::text, raw, tags, mixed::text "
        "FROM t ORDER BY id"
    )
    assert list(values) == [
        (1, "1.2345", True, None, "Infinity", "\\x00ff", ["a", 'b"'], str(2**60)),
        (2, "-0.0001", True, "1970-01-01", "NaN", "\\x00ff", [], "0.5"),
    ]


def test_an_empty_file_makes_its_table(database: Database) -> None:
    assert in_one_pass(database, "a.avro", avro_file(PERSON)).rows == 0
    assert list(database.execute("SELECT count(*) FROM t")) == [(0,)]


@pytest.mark.parametrize("load", [in_one_pass, in_spans])
def test_values_that_do_not_fit_are_rejects_with_row_block_column_and_reason(database: Database, load: Load) -> None:
    schema = record("r", id="long", at=logical("long", "timestamp-nanos"), doc={"type": "map", "values": "double"})
    values: list[dict[str, Any]] = [{"id": n, "at": n * 1000, "doc": {}} for n in range(1, 9)]
    values[2]["at"] = 3
    values[4]["at"] = 2**62
    values[5]["doc"] = {"x": float("nan")}
    plain = record("r", id="long", at="long", doc={"type": "map", "values": "double"})
    data = header(schema) + block(4, encoded(plain, values[:4])) + block(4, encoded(plain, values[4:]))
    result = load(database, "a.avro", data)
    assert result.rejects == [
        (3, "at", "'1970-01-01T00:00:00.000000003Z' has digits beyond microseconds, which would be lost"),
        (5, "at", "'2116-02-20T23:53:38.427387904Z' has digits beyond microseconds, which would be lost"),
        (6, "doc", "holds NaN or an infinity, which JSON does not know"),
    ]
    assert result.rows == 5


def test_nested_values_are_reached_by_their_path(database: Database) -> None:
    schema = record("r", id="long", place=["null", record("place", city="string", at=logical("int", "date"))])
    data = avro_file(schema, [{"id": 1, "place": {"city": "Rome", "at": 0}}, {"id": 2, "place": None}])
    table = """
    create = true
    columns = [{ name = "id", type = "integer" }, { name = "city", from = "place.city" },
        { name = "at", type = "date", from = "place.at" }, { name = "place", type = "json" }]
    """
    in_one_pass(database, "a.avro", data, table)
    rows = database.execute("SELECT id, city, at::text, place FROM t ORDER BY id")
    assert list(rows) == [(1, "Rome", "1970-01-01", {"city": "Rome", "at": "1970-01-01"}), (2, None, None, None)]


def test_new_fields_of_a_later_schema_become_columns(database: Database) -> None:
    later = record("Person", id="long", name="string", born=logical("int", "date"), other="boolean", added="float")
    for number, schema in enumerate((PERSON, later)):
        data = avro_file(schema, [{**PEOPLE[1], "id": number, "added": 0.5}])
        assert in_one_pass(database, f"{number}.avro", data, 'create = true\nevolve = "add"').rows == 1
    assert list(database.execute("SELECT id, added FROM t ORDER BY id")) == [(0, None), (1, 0.5)]
