"""Parquet files as jobs on a real PostgreSQL: in ingest, in spans of row groups, as small batches and members."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import zipfile
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from lengths import long
from machine import Plant
from parquet_files import parquet
from penstock.destinations.ports import TableSink
from penstock.errors import ServiceUnavailableError
from penstock.model.job_status import JobState, JobStatus
from penstock.model.load import Chunk, Loaded
from postgres_database import Database
from table_machine import OpenSink, add_tables, route, table_plant

pytest_plugins = ["postgres_fixtures"]
pytestmark = pytest.mark.xdist_group("steps-tables")

ROWS = 500
INFERRED = route().split("columns = [")[0]


def people(count: int = ROWS, **more: Any) -> pa.Table:
    numbers = range(count)
    columns = {
        "id": pa.array(numbers, pa.int64()),
        "name": pa.array([f"näme {n}" if n % 7 else None for n in numbers]),
        "born": pa.array([dt.date(2001, 2, 3)] * count),
    }
    return pa.table({**columns, **more})


def stored(database: Database) -> list[tuple[int, str | None]]:
    found: Any = database.execute("SELECT id, name FROM people ORDER BY id")
    return list(found)


def expected(count: int = ROWS) -> list[tuple[int, str | None]]:
    return [(n, f"näme {n}" if n % 7 else None) for n in range(count)]


def spans(status: JobStatus) -> int:
    assert status.spans == status.spans_done
    return status.spans


@pytest.mark.parametrize("mode", ["append", long("upsert"), long("replace"), long("atomic append")])
def test_row_groups_are_loaded_in_spans_and_every_record_is_a_row_once(database: Database, mode: str) -> None:
    plant = table_plant(database, route(mode=mode))
    data = parquet(people(unread=["x" * 50] * ROWS), row_group_size=50)
    status = plant.run(plant.upload("a.parquet", data))
    assert (status.state, status.progress.rows) == (JobState.SUCCEEDED, ROWS), status
    assert stored(database) == expected()
    assert spans(status) > 3
    assert (status.percent, status.progress.bytes_in) == (100.0, len(data))
    assert not {"index", "survey"} & set(plant.calls)


def test_a_file_that_is_too_small_for_spans_is_loaded_in_one(database: Database) -> None:
    plant = table_plant(database, route(), span_bytes=10**9)
    status = plant.run(plant.upload("a.parquet", parquet(people(), row_group_size=50)))
    assert (status.state, spans(status)) == (JobState.SUCCEEDED, 1), status
    assert stored(database) == expected()


def test_a_compressed_file_is_loaded_as_a_whole(database: Database) -> None:
    plant = table_plant(database, route())
    status = plant.run(plant.upload("a.parquet.gz", gzip.compress(parquet(people(), row_group_size=50))))
    assert (status.state, spans(status)) == (JobState.SUCCEEDED, 1), status
    assert stored(database) == expected()


@pytest.mark.parametrize("method", [long(zipfile.ZIP_STORED), zipfile.ZIP_DEFLATED])
def test_a_member_of_an_archive_is_loaded(database: Database, method: int) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("a.parquet", parquet(people(), row_group_size=50))
    members = '[[route]]\nname = "zips"\nmatch = "*.zip"\narchive = "members"\n'
    plant = table_plant(database, members + route())
    status = plant.run(plant.upload("a.zip", out.getvalue()))
    assert status.state is JobState.SUCCEEDED, status
    assert stored(database) == expected()


def test_the_schema_of_the_file_decides_the_columns_of_a_new_table(database: Database) -> None:
    more = {
        "price": pa.array([Decimal("0.10"), None] * 2, pa.decimal128(12, 2)),
        "at": pa.array([0, 1, None, 2], pa.timestamp("us", "UTC")),
        "tags": pa.array([["a"], [], None, ["b", None]]),
        "ok": pa.array([None] * 4, pa.bool_()),
        "raw": pa.array([b"\x00", None, b"", b"a"]),
        "real": pa.array([float("nan"), 0.1, None, -0.0]),
    }
    plant = table_plant(database, INFERRED, span_bytes=10**9)
    status = plant.run(plant.upload("a.parquet", parquet(people(4, **more))))
    assert status.state is JobState.SUCCEEDED, status
    types: Any = database.execute(
        "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = 'people'::regclass AND attnum > 0"
    )
    assert dict(types) == {
        "id": "bigint",
        "name": "text",
        "born": "date",
        "price": "numeric(12,2)",
        "at": "timestamp with time zone",
        "tags": "jsonb",
        "ok": "boolean",
        "raw": "text",
        "real": "double precision",
    }
    found: Any = database.execute("SELECT price::text, tags, raw, real::text, ok FROM people ORDER BY id")
    assert list(found) == [
        ("0.10", ["a"], "\\x00", "NaN", None),
        (None, [], None, "0.1", None),
        ("0.10", None, "\\x", None, None),
        (None, ["b", None], "\\x61", "-0", None),
    ]


def test_paths_arrays_and_documents_are_taken_as_from_json(database: Database) -> None:
    text = (
        INFERRED
        + """columns = [
        { name = "id", type = "integer", from = "who.id" },
        { name = "tags", type = "integer[]" },
        { name = "doc", type = "json" },
        { name = "a.b" },
    ]"""
    )
    table = pa.table(
        {
            "who": [{"id": 1, "x": "y"}],
            "tags": [[3, None]],
            "doc": pa.array([{"list": [1.5], "when": dt.date(2020, 1, 2)}]),
            "a.b": ["c"],
        }
    )
    plant = table_plant(database, text.replace("{{", "{").replace("}}", "}"), span_bytes=10**9)
    status = plant.run(plant.upload("a.parquet", parquet(table)))
    assert status.state is JobState.SUCCEEDED, status
    found: Any = database.execute('SELECT id, tags, doc, "a.b" FROM people')
    assert list(found) == [(1, [3, None], {"list": [1.5], "when": "2020-01-02"}, "c")]


def test_rejects_have_the_rows_and_spans_of_the_source(database: Database) -> None:
    born = pa.array([2**40 if n % 100 == 7 else n for n in range(ROWS)], pa.int64())
    table = people().set_column(2, "born", born.cast(pa.timestamp("ns")))
    plant = table_plant(database, route(more="max_rejects = 500").replace('type = "date"', 'type = "timestamp"'))
    status = plant.run(plant.upload("a.parquet", parquet(table, row_group_size=50)))
    good = [n for n in range(ROWS) if n % 1000 == 0]
    assert status.state is JobState.SUCCEEDED, status
    assert [number for number, _ in stored(database)] == good
    rejects = plant.rejects.all
    assert [reject.position.row for reject in rejects] == [n + 1 for n in range(ROWS) if n not in good]
    assert {reject.column for reject in rejects} == {"born"}
    assert len({reject.span for reject in rejects}) > 3
    assert "digits beyond microseconds, which would be lost" in rejects[0].reason
    assert rejects[0].position.raw == '{"id": 1, "name": "näme 1", "born": "1970-01-01T00:00:00.000000001"}'


def test_a_retry_goes_on_within_a_row_group(database: Database) -> None:
    loads = 0

    def failing_once(opened: OpenSink) -> OpenSink:
        def open_sink(job_id: str, span: int) -> TableSink:
            sink = opened(job_id, span)
            submit = sink.submit

            def submitting(chunk: Chunk) -> Callable[[], Loaded]:
                nonlocal loads
                loads += 1
                if loads == 4:
                    raise ServiceUnavailableError("the database is away")
                return submit(chunk)

            sink.submit = submitting  # type: ignore[method-assign]
            return sink

        return open_sink

    plant = Plant(route(), large_bytes=10**12)
    add_tables(plant, database, failing_once)
    source = plant.upload("a.parquet", parquet(people(), row_group_size=400))
    assert plant.ingest(source).retry
    loaded = len(stored(database))
    assert 0 < loaded < 400  # not all of the first row group
    assert plant.ingest(source, receives=2).state is JobState.SUCCEEDED
    assert stored(database) == expected()


def test_a_damaged_file_fails_and_names_the_place(database: Database) -> None:
    plant = table_plant(database, route())
    data = parquet(people(), row_group_size=50)
    for damaged, message in ((data[:-100], "ends with"), (data[:3000] + bytes(200) + data[3200:], "damaged")):
        status = plant.run(plant.upload(f"{len(damaged)}.parquet", damaged))
        assert status.failure
        assert (status.state, message in status.failure.message) == (JobState.FAILED, True), status.failure
